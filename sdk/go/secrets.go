// SPDX-License-Identifier: Apache-2.0

package microsandbox

// SecretEntry is one secret; Secret makes them.
type SecretEntry struct {
	fields fields
}

// SecretEnvOptions say where a secret may go, and how.
type SecretEnvOptions struct {
	AllowHosts        []string
	AllowHostPatterns []string // "*.example.com"
	// AllowAnyHost lets it go everywhere: whoever controls the guest then has
	// it.
	AllowAnyHost bool
	Placeholder  string // "$MSB_" and the variable, when empty
	RequireTLS   *bool  // true, when nil
	Inject       *SecretInjection
	// OnViolation is for this secret only; the hosts are those of
	// ViolationPassthrough.
	OnViolation      ViolationAction
	PassthroughHosts []string
}

// SecretInjection says which parts of a request may have a secret. Without one,
// headers and Basic credentials do.
type SecretInjection struct {
	Headers   bool
	BasicAuth bool
	Query     bool
	Body      bool
}

// WithSecrets adds secrets. They turn TLS interception on.
func WithSecrets(secrets ...SecretEntry) SandboxOption {
	return func(c *sandboxConfig) {
		for _, s := range secrets {
			c.fields.append("secrets", s.fields)
		}
	}
}

// WithOnSecretViolation sets what becomes of requests with a placeholder where
// it may not go; the hosts are those of ViolationPassthrough.
func WithOnSecretViolation(action ViolationAction, hosts ...string) SandboxOption {
	return func(c *sandboxConfig) { c.fields["on_secret_violation"] = violation(action, hosts) }
}

func violation(action ViolationAction, hosts []string) interface{} {
	if action == ViolationPassthrough && len(hosts) > 0 {
		return fields{"passthrough": wordsOf(hosts)}
	}
	return string(action)
}

// Secret makes values for WithSecrets. Of several options the last are taken.
var Secret secretFactory

type secretFactory struct{}

// Env has the guest's variable envVar stand for value.
func (secretFactory) Env(envVar, value string, opts ...SecretEnvOptions) SecretEntry {
	return secretOf(envVar, "value", value, opts)
}

// FromEnv takes the value from a variable of whoever starts the sandbox.
func (secretFactory) FromEnv(envVar, hostVar string, opts ...SecretEnvOptions) SecretEntry {
	return secretOf(envVar, "from_env", hostVar, opts)
}

// FromFile takes the value from a file of the host, at each start.
func (secretFactory) FromFile(envVar, path string, opts ...SecretEnvOptions) SecretEntry {
	return secretOf(envVar, "from_file", path, opts)
}

func secretOf(envVar, source, value string, opts []SecretEnvOptions) SecretEntry {
	f := fields{"env": envVar, source: value}
	for _, o := range opts {
		f = fields{"env": envVar, source: value}
		f.words("hosts", o.AllowHosts)
		f.words("host_patterns", o.AllowHostPatterns)
		f.flag("allow_any_host", o.AllowAnyHost)
		f.text("placeholder", o.Placeholder)
		if o.RequireTLS != nil {
			f["require_tls"] = *o.RequireTLS
		}
		if i := o.Inject; i != nil {
			f["inject"] = fields{"headers": i.Headers, "basic_auth": i.BasicAuth, "query": i.Query, "body": i.Body}
		}
		if o.OnViolation != "" {
			f["on_violation"] = violation(o.OnViolation, o.PassthroughHosts)
		}
	}
	return SecretEntry{f}
}
