// SPDX-License-Identifier: Apache-2.0

package microsandbox

/*
#include "bridge.h"
*/
import "C"

import (
	"context"
	"runtime/cgo"
	"syscall"
	"unsafe"
)

const sdkVersion = "0.1.0"

// SDKVersion is the version of this package.
func SDKVersion() string { return sdkVersion }

// RuntimeVersion is the version of the library.
func RuntimeVersion() (string, error) { return C.GoString(C.msb_version()), nil }

// FeatureSupported tells whether the library has a part of its interface:
// "exec", "fs", "agent", ...
func FeatureSupported(name string) bool {
	var a arena
	defer a.free()
	text := a.text(name)
	return a.err == nil && bool(C.msb_feature_supported(text))
}

// CheckState is what a check found.
type CheckState string

// States of a check.
const (
	CheckOK   CheckState = "ok"
	CheckWarn CheckState = "warn"
	CheckFail CheckState = "fail"
	CheckInfo CheckState = "info"
)

// Check is one thing that the host has or lacks.
type Check struct {
	State  CheckState
	Name   string
	Detail string
	Remedy string // empty: nothing is to be done
}

var checkStates = map[C.msb_check_state_t]CheckState{
	C.MSB_CHECK_OK: CheckOK, C.MSB_CHECK_WARN: CheckWarn, C.MSB_CHECK_FAIL: CheckFail, C.MSB_CHECK_INFO: CheckInfo,
}

//export gomsbCheck
func gomsbCheck(h C.uintptr_t, c *C.msb_check_t) C.int {
	list := cgo.Handle(h).Value().(*[]Check)
	*list = append(*list, Check{checkStates[c.state], C.GoString(c.name), C.GoString(c.detail), C.GoString(c.remedy)})
	return 0
}

// Doctor looks at what sandboxes need of the host.
func Doctor(ctx context.Context) ([]Check, error) {
	checks := []Check{}
	h := cgo.NewHandle(&checks)
	defer h.Delete()
	_, err := inHome(ctx, func(m *C.msb_t, k *C.msb_cancel_t, e **C.msb_error_t) C.int64_t {
		return C.gomsb_doctor(k, m, C.uintptr_t(h), e)
	})
	return checks, err
}

// installation finds what belongs to the library: nil when all of it is there.
func installation(ctx context.Context) error {
	checks, err := Doctor(ctx)
	if err != nil {
		return err
	}
	for _, c := range checks {
		if c.Name == "installation" && c.State == CheckFail {
			return &Error{Kind: ErrRuntime, Message: "runtime error: " + c.Detail, Cause: syscall.ENOENT}
		}
	}
	return nil
}

// IsInstalled tells whether the programs and the guest's files that belong to
// the library are there.
func IsInstalled() bool { return installation(context.Background()) == nil }

// An InstallOption is one setting of EnsureInstalled.
type InstallOption func(*installConfig)

type installConfig struct {
	skipDownload bool
	force        bool
	source       string
	version      string
	progress     func(PullEvent)
}

// WithSkipDownload only looks whether everything is there.
func WithSkipDownload() InstallOption { return func(c *installConfig) { c.skipDownload = true } }

// WithInstallForce installs also what is there already.
func WithInstallForce() InstallOption { return func(c *installConfig) { c.force = true } }

// WithInstallSource says where releases are: a directory, or a URL.
func WithInstallSource(source string) InstallOption {
	return func(c *installConfig) { c.source = source }
}

// WithInstallVersion wants this version, not the latest.
func WithInstallVersion(version string) InstallOption {
	return func(c *installConfig) { c.version = version }
}

// WithInstallProgress calls fn for what has been downloaded.
func WithInstallProgress(fn func(PullEvent)) InstallOption {
	return func(c *installConfig) { c.progress = fn }
}

// EnsureInstalled looks whether what belongs to the library is there, and if it
// is not, gets a release from where the configuration of the home says and
// installs it there.
func EnsureInstalled(ctx context.Context, opts ...InstallOption) error {
	c := &installConfig{}
	for _, opt := range opts {
		opt(c)
	}
	missing := installation(ctx)
	if c.skipDownload || missing == nil && !c.force {
		return missing
	}
	return c.install(ctx)
}

func (c *installConfig) install(ctx context.Context) error {
	var a arena
	defer a.free()
	q := C.msb_release_query_t{struct_size: C.size_t(unsafe.Sizeof(C.msb_release_query_t{}))}
	q.source, q.version = a.optional(c.source), a.optional(c.version)
	if a.err != nil {
		return a.err
	}
	var release *C.msb_release_t
	_, err := inHome(ctx, func(m *C.msb_t, k *C.msb_cancel_t, e **C.msb_error_t) C.int64_t {
		return C.gomsb_release_find(k, m, &q, &release, e)
	})
	if err != nil {
		return err
	}
	defer C.msb_release_free(release)
	w := watchImage(c.progress)
	defer w.free()
	_, err = do(ctx, func(k *C.msb_cancel_t, e **C.msb_error_t) C.int64_t {
		return C.gomsb_release_install(k, release, C.bool(c.force), w.options, e)
	})
	return err
}
