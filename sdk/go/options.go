// SPDX-License-Identifier: Apache-2.0

package microsandbox

import (
	"encoding/json"
	"sort"
	"time"
)

// fields is an object of the library's "Options of a sandbox": all of it is
// checked there, not here.
type fields map[string]interface{}

// set adds what has been given.
func (f fields) text(key, value string) {
	if value != "" {
		f[key] = value
	}
}

func (f fields) flag(key string, value bool) {
	if value {
		f[key] = true
	}
}

func (f fields) number(key string, value uint64) {
	if value != 0 {
		f[key] = value
	}
}

func (f fields) words(key string, value []string) {
	if len(value) > 0 {
		f[key] = value
	}
}

// object is the one below key, made when it is missing.
func (f fields) object(key string) fields {
	if o, ok := f[key].(fields); ok {
		return o
	}
	o := fields{}
	f[key] = o
	return o
}

func (f fields) merge(key string, values map[string]string) {
	o := f.object(key)
	for name, value := range values {
		o[name] = value
	}
}

func (f fields) append(key string, items ...interface{}) {
	list, _ := f[key].([]interface{})
	f[key] = append(list, items...)
}

// A SandboxOption is one setting of a sandbox that is to be created.
type SandboxOption func(*sandboxConfig)

type sandboxConfig struct {
	fields
	detached bool
	progress func(PullEvent)
	err      error
}

func (c *sandboxConfig) fail(err error) {
	if c.err == nil {
		c.err = err
	}
}

func newSandboxConfig(opts []SandboxOption) *sandboxConfig {
	c := &sandboxConfig{fields: fields{}}
	for _, opt := range opts {
		opt(c)
	}
	return c
}

func (c *sandboxConfig) json() ([]byte, error) {
	if c.err != nil {
		return nil, c.err
	}
	if err := checkText(c.fields); err != nil {
		return nil, err
	}
	text, err := json.Marshal(c.fields)
	if err != nil {
		return nil, invalidArgument(err.Error())
	}
	return text, nil
}

// WithImage sets the root file system: text that begins with "." or "/" is a
// path of a directory or a disk image, anything else a reference.
func WithImage(image string) SandboxOption {
	return func(c *sandboxConfig) {
		if o, ok := c.fields["image"].(fields); ok && o["oci"] == nil && len(o) == 1 {
			o["oci"] = image // its size was given before it
			return
		}
		c.fields["image"] = image
	}
}

// WithOCIUpperSize sets the size of the writable layer above an image.
func WithOCIUpperSize(mib uint32) SandboxOption {
	return func(c *sandboxConfig) {
		o := fields{"upper_size_mib": mib}
		switch image := c.fields["image"].(type) {
		case string:
			o["oci"] = image
		case fields:
			image["upper_size_mib"] = mib
			return
		}
		c.fields["image"] = o
	}
}

// WithImageBind has a directory of the host as the root file system.
func WithImageBind(path string) SandboxOption {
	return func(c *sandboxConfig) { c.fields["image"] = fields{"bind": path} }
}

// WithImageDisk has a disk image as the root file system; fstype may be empty,
// and is then looked for.
func WithImageDisk(path, fstype string) SandboxOption {
	return func(c *sandboxConfig) {
		o := fields{"disk": path}
		o.text("fstype", fstype)
		c.fields["image"] = o
	}
}

// WithSnapshot boots from a snapshot instead of an image: its name, path or
// digest.
func WithSnapshot(ref string) SandboxOption {
	return func(c *sandboxConfig) { c.fields["snapshot"] = ref }
}

// WithCPUs sets the number of virtual CPUs.
func WithCPUs(n uint8) SandboxOption {
	return func(c *sandboxConfig) { c.fields["cpus"] = n }
}

// WithMemory sets the memory, in MiB.
func WithMemory(mib uint32) SandboxOption {
	return func(c *sandboxConfig) { c.fields["memory_mib"] = mib }
}

// WithWorkdir sets the working directory of commands.
func WithWorkdir(path string) SandboxOption {
	return func(c *sandboxConfig) { c.fields["workdir"] = path }
}

// WithShell sets the shell of Shell and ShellStream.
func WithShell(shell string) SandboxOption {
	return func(c *sandboxConfig) { c.fields["shell"] = shell }
}

// WithHostname sets the guest's host name.
func WithHostname(name string) SandboxOption {
	return func(c *sandboxConfig) { c.fields["hostname"] = name }
}

// WithUser sets the user of commands: a name or number, perhaps with a group.
func WithUser(user string) SandboxOption {
	return func(c *sandboxConfig) { c.fields["user"] = user }
}

// WithEnv adds environment variables.
func WithEnv(env map[string]string) SandboxOption {
	return func(c *sandboxConfig) { c.fields.merge("env", env) }
}

// WithLabels adds labels, by which ListSandboxesLabelled finds the sandbox.
func WithLabels(labels map[string]string) SandboxOption {
	return func(c *sandboxConfig) { c.fields.merge("labels", labels) }
}

// WithEntrypoint replaces the image's entrypoint. Exec does not use it.
func WithEntrypoint(cmd ...string) SandboxOption {
	return func(c *sandboxConfig) { c.fields["entrypoint"] = wordsOf(cmd) }
}

// WithCmd replaces the image's default command. Exec does not use it.
func WithCmd(cmd ...string) SandboxOption {
	return func(c *sandboxConfig) { c.fields["cmd"] = wordsOf(cmd) }
}

// wordsOf is an empty list, not null, when there are none.
func wordsOf(words []string) []string { return append([]string{}, words...) }

// WithScripts adds scripts: text to be run as /.msb/scripts/NAME, which is in
// the PATH.
func WithScripts(scripts map[string]string) SandboxOption {
	return func(c *sandboxConfig) { c.fields.merge("scripts", scripts) }
}

// WithRlimits sets limits of resources of the whole sandbox.
func WithRlimits(limits ...Rlimit) SandboxOption {
	return func(c *sandboxConfig) {
		for _, l := range limits {
			c.fields.append("rlimits", fields{"resource": l.Resource, "soft": l.Soft, "hard": l.Hard})
		}
	}
}

// WithRlimit sets both limits of one resource.
func WithRlimit(resource string, limit uint64) SandboxOption {
	return WithRlimits(Rlimit{Resource: resource, Soft: limit, Hard: limit})
}

// WithRlimitRange sets the soft and the hard limit of one resource.
func WithRlimitRange(resource string, soft, hard uint64) SandboxOption {
	return WithRlimits(Rlimit{Resource: resource, Soft: soft, Hard: hard})
}

func (c *sandboxConfig) duration(key string, d time.Duration, convert func(time.Duration) (int64, error)) {
	n, err := convert(d)
	if err != nil {
		c.fail(err)
		return
	}
	c.fields[key] = n
}

// WithMaxDuration stops the sandbox after so long, rounded up to seconds.
func WithMaxDuration(d time.Duration) SandboxOption {
	return func(c *sandboxConfig) { c.duration("max_duration_s", d, seconds) }
}

// WithIdleTimeout stops the sandbox when nobody used it for so long, rounded up
// to seconds.
func WithIdleTimeout(d time.Duration) SandboxOption {
	return func(c *sandboxConfig) { c.duration("idle_timeout_s", d, seconds) }
}

// WithReplace replaces a sandbox of that name, which has ten seconds to stop.
func WithReplace() SandboxOption {
	return func(c *sandboxConfig) { c.fields["replace"] = true }
}

// WithReplaceWithTimeout replaces a sandbox of that name, which has so long to
// stop; 0 kills it at once.
func WithReplaceWithTimeout(d time.Duration) SandboxOption {
	return func(c *sandboxConfig) { c.duration("replace_timeout_ms", d, millis) }
}

// WithDetached has the sandbox survive this process, and Close.
func WithDetached() SandboxOption {
	return func(c *sandboxConfig) { c.detached = true }
}

// WithEphemeral removes the sandbox when its work ends, however it ends.
func WithEphemeral() SandboxOption {
	return func(c *sandboxConfig) { c.fields["ephemeral"] = true }
}

// WithPullPolicy says when an image is looked for in its registry.
func WithPullPolicy(policy PullPolicy) SandboxOption {
	return func(c *sandboxConfig) { c.fields["pull_policy"] = string(policy) }
}

// WithPullProgress calls fn for all that happens while the image is pulled,
// from within the call that creates the sandbox.
func WithPullProgress(fn func(PullEvent)) SandboxOption {
	return func(c *sandboxConfig) { c.progress = fn }
}

// RegistryAuth is a login of a registry.
type RegistryAuth struct {
	Username string
	Password string
}

// WithRegistryAuth logs in to the image's registry, instead of with what is
// stored for it.
func WithRegistryAuth(auth RegistryAuth) SandboxOption {
	return func(c *sandboxConfig) {
		r := c.fields.object("registry")
		r["username"] = auth.Username
		r["password"] = auth.Password
	}
}

// WithRegistryInsecure speaks plain HTTP to the image's registry.
func WithRegistryInsecure() SandboxOption {
	return func(c *sandboxConfig) { c.fields.object("registry")["insecure"] = true }
}

// WithRegistryCACerts trusts the PEM certificates of a file, too.
func WithRegistryCACerts(path string) SandboxOption {
	return func(c *sandboxConfig) { c.fields.object("registry")["ca_certs"] = path }
}

// WithLogLevel sets what the runtime writes to its log.
func WithLogLevel(level LogLevel) SandboxOption {
	return func(c *sandboxConfig) { c.fields["log_level"] = string(level) }
}

// WithQuietLogs has the runtime log errors only.
func WithQuietLogs() SandboxOption { return WithLogLevel(LogLevelError) }

// WithMetricsSampleInterval sets how often a sample of metrics is taken; 0:
// never.
func WithMetricsSampleInterval(d time.Duration) SandboxOption {
	return func(c *sandboxConfig) { c.duration("metrics_interval_ms", d, millis) }
}

// WithoutMetricsSample takes no samples of metrics.
func WithoutMetricsSample() SandboxOption { return WithMetricsSampleInterval(0) }

// WithEngine chooses "auto", "kvm" or "uml".
func WithEngine(engine string) SandboxOption {
	return func(c *sandboxConfig) { c.fields["engine"] = engine }
}

// WithEngineJail chooses "strict" or "relaxed".
func WithEngineJail(jail string) SandboxOption {
	return func(c *sandboxConfig) { c.fields["engine_jail"] = jail }
}

// WithEngineMode chooses "auto", "ptrace" or "seccomp" of the uml engine.
func WithEngineMode(mode string) SandboxOption {
	return func(c *sandboxConfig) { c.fields["engine_mode"] = mode }
}

// WithStartup has the runtime start a command of its own; when that ends, the
// sandbox stops, and Wait has its exit code. The words are combined with the
// sandbox's entrypoint and default command, as by msb run.
func WithStartup(cmd ...string) SandboxOption {
	return func(c *sandboxConfig) { c.fields["startup"] = wordsOf(cmd) }
}

// WithInit hands process 1 over: Init.Auto(), or Init.Cmd().
func WithInit(init InitConfig) SandboxOption {
	return func(c *sandboxConfig) {
		if len(init.Args) == 0 && len(init.Env) == 0 {
			c.fields["init"] = init.Cmd
			return
		}
		o := fields{"cmd": init.Cmd}
		o.words("args", init.Args)
		if len(init.Env) > 0 {
			o.merge("env", init.Env)
		}
		c.fields["init"] = o
	}
}

// WithPorts publishes TCP ports of the guest on 127.0.0.1: host to guest.
func WithPorts(ports map[uint16]uint16) SandboxOption {
	return WithPortBindings(portsOf(ports, ProtocolTCP)...)
}

// WithPortsUDP publishes UDP ports of the guest on 127.0.0.1: host to guest.
func WithPortsUDP(ports map[uint16]uint16) SandboxOption {
	return WithPortBindings(portsOf(ports, ProtocolUDP)...)
}

// WithPortBindings publishes ports of the guest on addresses of the host.
func WithPortBindings(ports ...PortBinding) SandboxOption {
	return func(c *sandboxConfig) {
		for _, p := range ports {
			c.fields.append("ports", p.fields())
		}
	}
}

// WithPortSpecs publishes ports as msb has them: "[BIND:]HOST:GUEST[/udp]".
func WithPortSpecs(ports ...string) SandboxOption {
	return func(c *sandboxConfig) {
		for _, p := range ports {
			c.fields.append("ports", p)
		}
	}
}

func portsOf(ports map[uint16]uint16, protocol Protocol) []PortBinding {
	list := make([]PortBinding, 0, len(ports))
	for host, guest := range ports {
		list = append(list, PortBinding{HostPort: host, GuestPort: guest, Protocol: protocol})
	}
	sort.Slice(list, func(i, j int) bool { return list[i].HostPort < list[j].HostPort })
	return list
}

// PortBinding is a port of the guest that is published on the host.
type PortBinding struct {
	Bind      string // an address of the host; empty: 127.0.0.1
	HostPort  uint16
	GuestPort uint16
	Protocol  Protocol // ProtocolTCP, when empty, or ProtocolUDP
}

func (p PortBinding) fields() fields {
	f := fields{"host": p.HostPort, "guest": p.GuestPort}
	f.text("bind", p.Bind)
	f.text("protocol", string(p.Protocol))
	return f
}

// InitConfig is the program that process 1 becomes.
type InitConfig struct {
	Cmd  string // a path, or "auto"
	Args []string
	Env  map[string]string
}

// InitOptions are arguments and environment of an init.
type InitOptions struct {
	Args []string
	Env  map[string]string
}

// Init makes values for WithInit.
var Init initFactory

type initFactory struct{}

// Auto takes the init that the image has.
func (initFactory) Auto() InitConfig { return InitConfig{Cmd: "auto"} }

// Cmd takes a program by its path.
func (initFactory) Cmd(cmd string, opts ...InitOptions) InitConfig {
	init := InitConfig{Cmd: cmd}
	for _, o := range opts {
		init.Args, init.Env = o.Args, o.Env
	}
	return init
}

// Rlimit is a limit of a resource: "nofile", "nproc", ... RlimitInfinity is
// none.
type Rlimit struct {
	Resource string
	Soft     uint64
	Hard     uint64
}

// RlimitInfinity is no limit.
const RlimitInfinity = ^uint64(0)
