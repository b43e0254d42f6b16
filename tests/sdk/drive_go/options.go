// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"time"

	msb "github.com/superradcompany/microsandbox/sdk/go"
)

type rlimit struct {
	Resource string
	Soft     uint64
	Hard     *uint64
}

func rlimits(list []rlimit) []msb.Rlimit {
	limits := []msb.Rlimit{}
	for _, l := range list {
		limit := msb.Rlimit{Resource: l.Resource, Soft: l.Soft, Hard: l.Soft}
		if l.Hard != nil {
			limit.Hard = *l.Hard
		}
		limits = append(limits, limit)
	}
	return limits
}

// options is the object of "Options of a sandbox", as far as Go can spell it.
type options struct {
	Image             json.RawMessage
	Snapshot          *string
	CPUs              *uint8  `json:"cpus"`
	MemoryMiB         *uint32 `json:"memory_mib"`
	Workdir           *string
	Shell             *string
	Hostname          *string
	User              *string
	Env               map[string]string
	Labels            map[string]string
	Scripts           map[string]string
	Entrypoint        *[]string
	Cmd               *[]string
	Startup           *[]string
	Init              json.RawMessage
	Rlimits           []rlimit
	MaxDuration       *int64 `json:"max_duration_s"`
	IdleTimeout       *int64 `json:"idle_timeout_s"`
	Replace           bool
	ReplaceTimeout    *int64 `json:"replace_timeout_ms"`
	Ephemeral         bool
	PullPolicy        *string `json:"pull_policy"`
	LogLevel          *string `json:"log_level"`
	MetricsInterval   *int64  `json:"metrics_interval_ms"`
	Engine            *string
	Secrets           []secret
	OnSecretViolation json.RawMessage `json:"on_secret_violation"`
	Mounts            map[string]mount
	Patches           []patch
	Ports             []json.RawMessage
	Network           *network
}

type mount struct {
	Bind, Named, Disk  *string
	Tmpfs              bool
	Readonly           bool
	Noexec             bool
	Nosuid             bool
	Nodev              bool
	FollowSymlinks     bool   `json:"follow_symlinks"`
	StatVirtualization string `json:"stat_virtualization"`
	HostPermissions    string `json:"host_permissions"`
	Quota              uint64 `json:"quota_mib"`
	Size               uint32 `json:"size_mib"`
	Format             string
	Fstype             string
	Create             string
	Volume             *struct {
		Kind     string
		Quota    uint64 `json:"quota_mib"`
		Capacity uint64 `json:"capacity_mib"`
		Labels   map[string]string
	}
}

func (m mount) config() (msb.MountConfig, error) {
	switch {
	case m.Tmpfs:
		return msb.Mount.Tmpfs(msb.TmpfsOptions{SizeMiB: m.Size, Readonly: m.Readonly, NoExec: m.Noexec, NoSuid: m.Nosuid, NoDev: m.Nodev}), nil
	case m.Disk != nil:
		return msb.Mount.Disk(*m.Disk, msb.DiskOptions{Format: msb.DiskFormat(m.Format), Fstype: m.Fstype,
			Readonly: m.Readonly, NoExec: m.Noexec, NoSuid: m.Nosuid, NoDev: m.Nodev}), nil
	}
	o := msb.MountOptions{Readonly: m.Readonly, NoExec: m.Noexec, NoSuid: m.Nosuid, NoDev: m.Nodev,
		FollowSymlinks: m.FollowSymlinks, StatVirtualization: msb.StatVirtualization(m.StatVirtualization),
		HostPermissions: msb.HostPermissions(m.HostPermissions), QuotaMiB: m.Quota, Create: m.Create}
	if v := m.Volume; v != nil {
		o.Volume = &msb.MountVolume{Kind: v.Kind, QuotaMiB: v.Quota, CapacityMiB: v.Capacity, Labels: v.Labels}
	}
	if m.Named != nil {
		return msb.Mount.Named(*m.Named, o), nil
	}
	if m.Bind != nil {
		return msb.Mount.Bind(*m.Bind, o), nil
	}
	return msb.MountConfig{}, fmt.Errorf("a mount of nothing")
}

type patch struct {
	Kind, Path, Content, Source, Target string
	Base64                              string `json:"content_base64"`
	Mode                                *uint32
	Replace                             bool
}

func (p patch) config() (msb.PatchConfig, error) {
	o := msb.PatchOptions{Mode: p.Mode, Replace: p.Replace}
	switch p.Kind {
	case "text":
		return msb.Patch.Text(p.Path, p.Content, o), nil
	case "file":
		data, err := base64.StdEncoding.DecodeString(p.Base64)
		return msb.Patch.File(p.Path, data, o), err
	case "append":
		return msb.Patch.Append(p.Path, p.Content), nil
	case "copy_file":
		return msb.Patch.CopyFile(p.Source, p.Path, o), nil
	case "copy_dir":
		return msb.Patch.CopyDir(p.Source, p.Path, o), nil
	case "symlink":
		return msb.Patch.Symlink(p.Target, p.Path, o), nil
	case "mkdir":
		return msb.Patch.Mkdir(p.Path, o), nil
	case "remove":
		return msb.Patch.Remove(p.Path), nil
	}
	return msb.PatchConfig{}, fmt.Errorf("there is no patch %q", p.Kind)
}

type secret struct {
	Env, Placeholder string
	Value            *string
	FromEnv          *string `json:"from_env"`
	FromFile         *string `json:"from_file"`
	Hosts            []string
	HostPatterns     []string `json:"host_patterns"`
	AllowAnyHost     bool     `json:"allow_any_host"`
	RequireTLS       *bool    `json:"require_tls"`
	Inject           *struct {
		Headers   bool
		BasicAuth bool `json:"basic_auth"`
		Query     bool
		Body      bool
	}
	OnViolation json.RawMessage `json:"on_violation"`
}

func violation(raw json.RawMessage) (msb.ViolationAction, []string, error) {
	var text string
	if len(raw) == 0 || json.Unmarshal(raw, &text) == nil {
		return msb.ViolationAction(text), nil, nil
	}
	var o struct{ Passthrough []string }
	err := strict(raw, &o)
	return msb.ViolationPassthrough, o.Passthrough, err
}

func (s secret) entry() (msb.SecretEntry, error) {
	o := msb.SecretEnvOptions{AllowHosts: s.Hosts, AllowHostPatterns: s.HostPatterns, AllowAnyHost: s.AllowAnyHost,
		Placeholder: s.Placeholder, RequireTLS: s.RequireTLS}
	if i := s.Inject; i != nil {
		o.Inject = &msb.SecretInjection{Headers: i.Headers, BasicAuth: i.BasicAuth, Query: i.Query, Body: i.Body}
	}
	var err error
	o.OnViolation, o.PassthroughHosts, err = violation(s.OnViolation)
	switch {
	case err != nil:
		return msb.SecretEntry{}, err
	case s.FromEnv != nil:
		return msb.Secret.FromEnv(s.Env, *s.FromEnv, o), nil
	case s.FromFile != nil:
		return msb.Secret.FromFile(s.Env, *s.FromFile, o), nil
	case s.Value != nil:
		return msb.Secret.Env(s.Env, *s.Value, o), nil
	}
	return msb.SecretEntry{}, fmt.Errorf("a secret without a value")
}

func port(raw json.RawMessage) (msb.SandboxOption, error) {
	var text string
	if json.Unmarshal(raw, &text) == nil {
		return msb.WithPortSpecs(text), nil
	}
	var p struct {
		Host, Guest    uint16
		Bind, Protocol string
	}
	err := strict(raw, &p)
	return msb.WithPortBindings(msb.PortBinding{Bind: p.Bind, HostPort: p.Host, GuestPort: p.Guest, Protocol: msb.Protocol(p.Protocol)}), err
}

func image(raw json.RawMessage) ([]msb.SandboxOption, error) {
	var text string
	if json.Unmarshal(raw, &text) == nil {
		return []msb.SandboxOption{msb.WithImage(text)}, nil
	}
	var o struct {
		OCI, Bind, Disk *string
		Size            uint32 `json:"upper_size_mib"`
		Fstype          string
	}
	if err := strict(raw, &o); err != nil {
		return nil, err
	}
	switch {
	case o.Bind != nil:
		return []msb.SandboxOption{msb.WithImageBind(*o.Bind)}, nil
	case o.Disk != nil:
		return []msb.SandboxOption{msb.WithImageDisk(*o.Disk, o.Fstype)}, nil
	case o.OCI != nil:
		return []msb.SandboxOption{msb.WithImage(*o.OCI), msb.WithOCIUpperSize(o.Size)}, nil
	}
	return nil, fmt.Errorf("an image of nothing")
}

func initOf(raw json.RawMessage) (msb.SandboxOption, error) {
	var text string
	if json.Unmarshal(raw, &text) == nil {
		return msb.WithInit(msb.Init.Cmd(text)), nil
	}
	var o struct {
		Cmd  string
		Args []string
		Env  map[string]string
	}
	err := strict(raw, &o)
	return msb.WithInit(msb.Init.Cmd(o.Cmd, msb.InitOptions{Args: o.Args, Env: o.Env})), err
}

// list spells each of the keys as a Go programmer does.
func (o *options) list() ([]msb.SandboxOption, error) {
	list := o.simple()
	add := func(opt msb.SandboxOption, err error) error {
		list = append(list, opt)
		return err
	}
	if o.Image != nil {
		opts, err := image(o.Image)
		if err != nil {
			return nil, err
		}
		list = append(list, opts...)
	}
	if o.Init != nil {
		if err := add(initOf(o.Init)); err != nil {
			return nil, err
		}
	}
	for _, raw := range o.Ports {
		if err := add(port(raw)); err != nil {
			return nil, err
		}
	}
	for path, m := range o.Mounts {
		config, err := m.config()
		if err != nil {
			return nil, err
		}
		list = append(list, msb.WithMounts(map[string]msb.MountConfig{path: config}))
	}
	for _, p := range o.Patches {
		config, err := p.config()
		if err != nil {
			return nil, err
		}
		list = append(list, msb.WithPatches(config))
	}
	for _, s := range o.Secrets {
		entry, err := s.entry()
		if err != nil {
			return nil, err
		}
		list = append(list, msb.WithSecrets(entry))
	}
	if o.OnSecretViolation != nil {
		action, hosts, err := violation(o.OnSecretViolation)
		if err != nil {
			return nil, err
		}
		list = append(list, msb.WithOnSecretViolation(action, hosts...))
	}
	if o.Network != nil {
		config, err := o.Network.config()
		if err != nil {
			return nil, err
		}
		list = append(list, msb.WithNetwork(config))
	}
	return list, nil
}

func (o *options) simple() []msb.SandboxOption {
	list := []msb.SandboxOption{}
	text := func(value *string, with func(string) msb.SandboxOption) {
		if value != nil {
			list = append(list, with(*value))
		}
	}
	words := func(value *[]string, with func(...string) msb.SandboxOption) {
		if value != nil {
			list = append(list, with(*value...))
		}
	}
	pairs := func(value map[string]string, with func(map[string]string) msb.SandboxOption) {
		if value != nil {
			list = append(list, with(value))
		}
	}
	span := func(value *int64, unit time.Duration, with func(time.Duration) msb.SandboxOption) {
		if value != nil {
			list = append(list, with(time.Duration(*value)*unit))
		}
	}
	flag := func(on bool, opt msb.SandboxOption) {
		if on {
			list = append(list, opt)
		}
	}
	text(o.Snapshot, msb.WithSnapshot)
	text(o.Workdir, msb.WithWorkdir)
	text(o.Shell, msb.WithShell)
	text(o.Hostname, msb.WithHostname)
	text(o.User, msb.WithUser)
	text(o.Engine, msb.WithEngine)
	text(o.PullPolicy, func(s string) msb.SandboxOption { return msb.WithPullPolicy(msb.PullPolicy(s)) })
	text(o.LogLevel, func(s string) msb.SandboxOption { return msb.WithLogLevel(msb.LogLevel(s)) })
	words(o.Entrypoint, msb.WithEntrypoint)
	words(o.Cmd, msb.WithCmd)
	words(o.Startup, msb.WithStartup)
	pairs(o.Env, msb.WithEnv)
	pairs(o.Labels, msb.WithLabels)
	pairs(o.Scripts, msb.WithScripts)
	span(o.MaxDuration, time.Second, msb.WithMaxDuration)
	span(o.IdleTimeout, time.Second, msb.WithIdleTimeout)
	span(o.ReplaceTimeout, time.Millisecond, msb.WithReplaceWithTimeout)
	span(o.MetricsInterval, time.Millisecond, msb.WithMetricsSampleInterval)
	flag(o.Replace, msb.WithReplace())
	flag(o.Ephemeral, msb.WithEphemeral())
	flag(len(o.Rlimits) > 0, msb.WithRlimits(rlimits(o.Rlimits)...))
	if o.CPUs != nil {
		list = append(list, msb.WithCPUs(*o.CPUs))
	}
	if o.MemoryMiB != nil {
		list = append(list, msb.WithMemory(*o.MemoryMiB))
	}
	return list
}
