// SPDX-License-Identifier: Apache-2.0

package microsandbox

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"syscall"
	"testing"
	"time"
)

// options is what the library is handed.
func optionsOf(t *testing.T, opts ...SandboxOption) string {
	t.Helper()
	text, err := newSandboxConfig(opts).json()
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestOptions(t *testing.T) {
	for _, c := range []struct {
		want string
		opts []SandboxOption
	}{
		{`{"image":"alpine"}`, []SandboxOption{WithImage("alpine")}},
		{`{"image":{"oci":"alpine","upper_size_mib":64}}`, []SandboxOption{WithImage("alpine"), WithOCIUpperSize(64)}},
		{`{"image":{"oci":"alpine","upper_size_mib":64}}`, []SandboxOption{WithOCIUpperSize(64), WithImage("alpine")}},
		{`{"image":{"disk":"/d.qcow2","fstype":"ext4"}}`, []SandboxOption{WithImageDisk("/d.qcow2", "ext4")}},
		{`{"env":{"A":"1","B":"2"}}`, []SandboxOption{WithEnv(map[string]string{"A": "0"}), WithEnv(map[string]string{"A": "1", "B": "2"})}},
		{`{"max_duration_s":2}`, []SandboxOption{WithMaxDuration(1001 * time.Millisecond)}},
		{`{"replace_timeout_ms":1}`, []SandboxOption{WithReplaceWithTimeout(time.Microsecond)}},
		{`{"replace_timeout_ms":0}`, []SandboxOption{WithReplaceWithTimeout(0)}},
		{`{"metrics_interval_ms":0}`, []SandboxOption{WithoutMetricsSample()}},
		{`{"init":"auto"}`, []SandboxOption{WithInit(Init.Auto())}},
		{`{"init":{"args":["-v"],"cmd":"/sbin/init"}}`, []SandboxOption{WithInit(Init.Cmd("/sbin/init", InitOptions{Args: []string{"-v"}}))}},
		{`{"rlimits":[{"hard":18446744073709551615,"resource":"nofile","soft":10}]}`, []SandboxOption{WithRlimitRange("nofile", 10, RlimitInfinity)}},
		{`{"ports":[{"guest":80,"host":1,"protocol":"tcp"},{"guest":81,"host":2,"protocol":"tcp"},"3:82"]}`,
			[]SandboxOption{WithPorts(map[uint16]uint16{2: 81, 1: 80}), WithPortSpecs("3:82")}},
		{`{"registry":{"ca_certs":"/c","insecure":true,"password":"p","username":"u"}}`,
			[]SandboxOption{WithRegistryAuth(RegistryAuth{"u", "p"}), WithRegistryInsecure(), WithRegistryCACerts("/c")}},
		{`{"mounts":{"/a":{"bind":"/h","host_permissions":"mirror","readonly":true},"/t":{"size_mib":4,"tmpfs":true}}}`,
			[]SandboxOption{WithMounts(map[string]MountConfig{
				"/a": Mount.Bind("/h", MountOptions{Readonly: true, HostPermissions: HostPermissionsMirror}),
				"/t": Mount.Tmpfs(TmpfsOptions{SizeMiB: 4}),
			})}},
		{`{"patches":[{"content":"x","kind":"text","mode":384,"path":"/p"},{"content_base64":"AP8=","kind":"file","path":"/q","replace":true}]}`,
			[]SandboxOption{WithPatches(Patch.Text("/p", "x", PatchOptions{Mode: Mode(0o600)}), Patch.File("/q", []byte{0, 255}, PatchOptions{Replace: true}))}},
		{`{"secrets":[{"env":"K","hosts":["h"],"inject":{"basic_auth":false,"body":false,"headers":true,"query":true},"on_violation":{"passthrough":["p"]},"value":"v"}]}`,
			[]SandboxOption{WithSecrets(Secret.Env("K", "v", SecretEnvOptions{AllowHosts: []string{"h"},
				Inject: &SecretInjection{Headers: true, Query: true}, OnViolation: ViolationPassthrough, PassthroughHosts: []string{"p"}}))}},
		{`{"network":{"policy":{"rules":["allow@a",{"action":"deny","destination":"10.0.0.0/8","port":"1-2"}]}}}`,
			[]SandboxOption{WithNetwork(&NetworkConfig{Rules: []PolicyRule{{Token: "allow@a"}, {Action: ActionDeny, Destination: "10.0.0.0/8", Port: "1-2"}}})}},
		{`{"network":{"enabled":false}}`, []SandboxOption{WithoutNetwork()}},
		{`{"network":{"policy":"non_local"}}`, []SandboxOption{WithNetwork(NetworkPolicy.NonLocal())}},
		{`{"network":{"tls":{"intercept":true,"ports":[8443],"verify_upstream":false}}}`,
			[]SandboxOption{WithNetwork(&NetworkConfig{TLS: &TLSConfig{InterceptedPorts: []uint16{8443}, VerifyUpstream: Bool(false)}})}},
	} {
		if got := optionsOf(t, c.opts...); got != c.want {
			t.Errorf("got  %s\nwant %s", got, c.want)
		}
	}
}

func TestOptionsThatCannotBeHandedOver(t *testing.T) {
	for name, opt := range map[string]SandboxOption{
		"bytes":    WithEnv(map[string]string{"A": "\xff"}),
		"a key":    WithLabels(map[string]string{"\xff": ""}),
		"a list":   WithCmd("\xff"),
		"deep":     WithPatches(Patch.Text("/p", "\xff")),
		"negative": WithIdleTimeout(-1),
	} {
		if _, err := newSandboxConfig([]SandboxOption{opt}).json(); !IsKind(err, ErrInvalidArgument) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestErrors(t *testing.T) {
	var err error = &Error{Kind: ErrPathNotFound, Message: "no", Cause: syscall.ENOENT}
	wrapped := fmt.Errorf("while testing: %w", err)
	for _, e := range []error{err, wrapped} {
		if !IsKind(e, ErrPathNotFound) || IsKind(e, ErrIO) || !errors.Is(e, ErrPathNotFound) || errors.Is(e, ErrIO) || !errors.Is(e, fs.ErrNotExist) {
			t.Errorf("%v", e)
		}
	}
	var typed *Error
	if !errors.As(wrapped, &typed) || typed.Errno() != syscall.ENOENT {
		t.Errorf("%v", typed)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := ListSandboxes(ctx); !IsKind(err, ErrCancelled) || !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

// Every kind of the library's is one of ours.
func TestErrorKinds(t *testing.T) {
	known := map[ErrorKind]bool{}
	for _, k := range []ErrorKind{
		ErrIO, ErrInvalidConfig, ErrSandboxNotFound, ErrSandboxAlreadyExists, ErrSandboxStillRunning, ErrSandboxState,
		ErrDatabase, ErrRuntime, ErrBootStart, ErrProtocol, ErrAgentClient, ErrExecFailed, ErrTimeout, ErrUnsupported,
		ErrNoSpace, ErrPermission, ErrNoMemory, ErrFilesystem, ErrImage, ErrImageNotFound, ErrImageInUse,
		ErrVolumeNotFound, ErrVolumeAlreadyExists, ErrVolumeInUse, ErrSnapshotNotFound, ErrSnapshotAlreadyExists,
		ErrSnapshotSandboxRunning, ErrSnapshotImageMissing, ErrSnapshotIntegrity, ErrMissedRotation, ErrInvalidCursor,
		ErrMetricsDisabled, ErrMetricsUnavailable, ErrCancelled, ErrExecTimeout, ErrPatchFailed, ErrPathNotFound,
		ErrAgentBusy, ErrAgentClosed,
	} {
		known[k] = true
	}
	names := ErrorKinds()
	if len(names) != len(known) {
		t.Errorf("the library has %d kinds, this package %d", len(names), len(known))
	}
	for _, name := range names {
		if !known[name] {
			t.Errorf("unknown kind %q", name)
		}
	}
}

func TestTextWithNUL(t *testing.T) {
	t.Setenv("MSB_HOME", t.TempDir())
	if _, err := GetSandbox(background, "a\x00b"); !IsKind(err, ErrInvalidArgument) {
		t.Errorf("%v", err)
	}
	_, err := CreateSandbox(background, "box", WithImage("busybox"), WithLabels(map[string]string{"k": "a\x00b"}))
	if !IsKind(err, ErrInvalidConfig) {
		t.Errorf("%v", err)
	}
}

func TestCatalogue(t *testing.T) {
	t.Setenv("MSB_HOME", t.TempDir())
	_, err := GetSandbox(background, "box")
	if !IsKind(err, ErrSandboxNotFound) || err.Error() != "sandbox not found: box" {
		t.Errorf("%v", err)
	}
	if list, err := ListSandboxes(background); err != nil || len(list) != 0 {
		t.Errorf("%v %v", list, err)
	}
	_, err = CreateSandbox(background, "box", func(c *sandboxConfig) { c.fields["no_such_option"] = 1 })
	if !IsKind(err, ErrInvalidConfig) || !strings.Contains(err.Error(), "no_such_option") {
		t.Errorf("%v", err)
	}
	v, err := CreateVolume(background, "v", WithVolumeQuota(8), WithVolumeLabels(map[string]string{"a": "1"}))
	if err != nil {
		t.Fatal(err)
	}
	if v.Name() != "v" || v.QuotaMiB() != 8 || v.Labels()["a"] != "1" || v.CreatedAt().IsZero() {
		t.Errorf("%+v", v)
	}
	if err := v.Remove(background); err != nil {
		t.Error(err)
	}
}

func TestVolumeFiles(t *testing.T) {
	t.Setenv("MSB_HOME", t.TempDir())
	v, err := CreateVolume(background, "v")
	if err != nil {
		t.Fatal(err)
	}
	files := v.FS()
	if err := files.Mkdir("a/b"); err != nil {
		t.Fatal(err)
	}
	if err := files.WriteString("a/b/f", "text"); err != nil {
		t.Fatal(err)
	}
	if text, err := files.ReadString("/a/b/f"); err != nil || text != "text" {
		t.Errorf("%q %v", text, err)
	}
	when := time.Unix(1600000000, 0)
	if err := files.SetStat("a/b/f", true, FsSetAttrs{Mode: Mode(0o640), ModTime: &when}); err != nil {
		t.Error(err)
	}
	if st, err := files.Stat("a/b/f"); err != nil || st.Mode != 0o640 || !st.ModTime.Equal(when) || st.Kind != FsFile {
		t.Errorf("%+v %v", st, err)
	}
	if err := files.Symlink("/etc", "out"); err != nil {
		t.Error(err)
	}
	for _, path := range []string{"out/passwd", "../../config.json"} {
		if _, err := files.Read(path); !IsKind(err, ErrFilesystem) || !errors.Is(err, ErrPathEscape) {
			t.Errorf("%s: %v", path, err)
		}
	}
	if _, err := files.Read("nothing"); !IsKind(err, ErrPathNotFound) || !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v", err)
	}
	if err := files.Close(); err != nil {
		t.Error(err)
	}
}
