// SPDX-License-Identifier: Apache-2.0

package microsandbox

// NetworkConfig describes the network of a sandbox. What is left zero is as
// without it: public addresses are reached, and published ports reach the
// guest.
type NetworkConfig struct {
	// Enabled false removes the network altogether, its device included.
	Enabled *bool
	// Policy is "none", "public_only", "allow_all" or "non_local", as
	// NetworkPolicy makes it. Not together with the next three.
	Policy         string
	DefaultEgress  PolicyAction // with rules: deny, when empty
	DefaultIngress PolicyAction // with rules: allow, when empty
	// Rules decide in their order; the first that fits does.
	Rules []PolicyRule

	DenyDomains        []string
	DenyDomainSuffixes []string

	DNS *DNSConfig
	TLS *TLSConfig

	IPv4Pool       string // a prefix, where the sandbox's address is from
	IPv6Pool       string
	MaxConnections *uint
	TrustHostCAs   *bool // give the guest the authorities that this host trusts
	Interface      *InterfaceConfig
	Ports          []PortBinding

	// What becomes of requests with a placeholder where it may not go; the
	// hosts are those of ViolationPassthrough.
	OnSecretViolation      ViolationAction
	SecretPassthroughHosts []string
}

// PolicyRule is one rule of a policy.
type PolicyRule struct {
	// Token is the rule as msb has it, "allow@example.com:tcp:443", instead of
	// everything below.
	Token string

	Action    PolicyAction
	Direction PolicyDirection // egress, when empty
	// Destination is "*", a group ("public", "private", "loopback",
	// "link-local", "metadata", "multicast", "host"), ".suffix", an address, a
	// prefix, or a domain. Empty is "*".
	Destination string
	Protocol    Protocol // and Protocols; none: any
	Protocols   []Protocol
	Port        string // "443", "8000-9000", and Ports; none: any
	Ports       []string
}

// DNSConfig is about names.
type DNSConfig struct {
	RebindProtection *bool // may names stand for addresses that are not public?
	Nameservers      []string
	QueryTimeoutMs   *uint64
}

// TLSConfig is about interception. To have one turns it on, unless Intercept
// says otherwise.
type TLSConfig struct {
	Intercept        *bool
	Bypass           []string // hosts whose connections go through untouched
	VerifyUpstream   *bool
	InterceptedPorts []uint16 // 443, when empty
	BlockQUIC        *bool
	CACert           string // paths of PEM files
	CAKey            string
	UpstreamCACerts  []string
}

// InterfaceConfig is about the guest's network interface.
type InterfaceConfig struct {
	MAC  string
	MTU  uint16
	IPv4 string
	IPv6 string
}

// WithNetwork sets the network.
func WithNetwork(network *NetworkConfig) SandboxOption {
	return func(c *sandboxConfig) {
		if network == nil {
			return
		}
		c.fields["network"] = network.fields()
		if network.OnSecretViolation != "" {
			c.fields["on_secret_violation"] = violation(network.OnSecretViolation, network.SecretPassthroughHosts)
		}
	}
}

// WithoutNetwork removes the network altogether, its device included.
func WithoutNetwork() SandboxOption {
	return WithNetwork(&NetworkConfig{Enabled: Bool(false)})
}

// Bool is a pointer to b, for what may also be unset.
func Bool(b bool) *bool { return &b }

// NetworkPolicy makes values for WithNetwork.
var NetworkPolicy networkPolicyFactory

type networkPolicyFactory struct{}

// None denies everything.
func (networkPolicyFactory) None() *NetworkConfig { return &NetworkConfig{Policy: "none"} }

// PublicOnly allows public addresses, and is the default.
func (networkPolicyFactory) PublicOnly() *NetworkConfig {
	return &NetworkConfig{Policy: "public_only"}
}

// AllowAll allows everything.
func (networkPolicyFactory) AllowAll() *NetworkConfig { return &NetworkConfig{Policy: "allow_all"} }

// NonLocal allows public and private addresses.
func (networkPolicyFactory) NonLocal() *NetworkConfig { return &NetworkConfig{Policy: "non_local"} }

func (n *NetworkConfig) fields() fields {
	f := fields{}
	if n.Enabled != nil {
		f["enabled"] = *n.Enabled
	}
	n.policy(f)
	f.words("deny_domains", n.DenyDomains)
	f.words("deny_domain_suffixes", n.DenyDomainSuffixes)
	if n.DNS != nil {
		f["dns"] = n.DNS.fields()
	}
	if n.TLS != nil {
		f["tls"] = n.TLS.fields()
	}
	f.text("ipv4_pool", n.IPv4Pool)
	f.text("ipv6_pool", n.IPv6Pool)
	if n.MaxConnections != nil {
		f["max_connections"] = *n.MaxConnections
	}
	if n.TrustHostCAs != nil {
		f["trust_host_cas"] = *n.TrustHostCAs
	}
	if i := n.Interface; i != nil {
		o := f.object("interface")
		o.text("mac", i.MAC)
		o.number("mtu", uint64(i.MTU))
		o.text("ipv4", i.IPv4)
		o.text("ipv6", i.IPv6)
	}
	for _, p := range n.Ports {
		f.append("ports", p.fields())
	}
	return f
}

func (n *NetworkConfig) policy(f fields) {
	custom := fields{}
	custom.text("default_egress", string(n.DefaultEgress))
	custom.text("default_ingress", string(n.DefaultIngress))
	for _, r := range n.Rules {
		custom.append("rules", r.value())
	}
	switch {
	case n.Policy != "" && len(custom) > 0:
		// Both are told; the library says that they contradict each other.
		custom["preset"] = n.Policy
		f["policy"] = custom
	case n.Policy != "":
		f["policy"] = n.Policy
	case len(custom) > 0:
		f["policy"] = custom
	}
}

func (r PolicyRule) value() interface{} {
	if r.Token != "" {
		return r.Token
	}
	f := fields{"action": string(r.Action)}
	f.text("direction", string(r.Direction))
	f.text("destination", r.Destination)
	f.text("protocol", string(r.Protocol))
	for _, p := range r.Protocols {
		f.append("protocols", string(p))
	}
	f.text("port", r.Port)
	f.words("ports", r.Ports)
	return f
}

func (d *DNSConfig) fields() fields {
	f := fields{}
	if d.RebindProtection != nil {
		f["rebind_protection"] = *d.RebindProtection
	}
	f.words("nameservers", d.Nameservers)
	if d.QueryTimeoutMs != nil {
		f["query_timeout_ms"] = *d.QueryTimeoutMs
	}
	return f
}

func (t *TLSConfig) fields() fields {
	f := fields{"intercept": true}
	if t.Intercept != nil {
		f["intercept"] = *t.Intercept
	}
	for _, port := range t.InterceptedPorts {
		f.append("ports", port)
	}
	f.words("bypass", t.Bypass)
	if t.VerifyUpstream != nil {
		f["verify_upstream"] = *t.VerifyUpstream
	}
	if t.BlockQUIC != nil {
		f["block_quic"] = *t.BlockQUIC
	}
	f.text("ca_cert", t.CACert)
	f.text("ca_key", t.CAKey)
	f.words("upstream_ca_certs", t.UpstreamCACerts)
	return f
}
