// SPDX-License-Identifier: Apache-2.0

package microsandbox

/*
#include "bridge.h"
*/
import "C"

import (
	"context"
	"runtime/cgo"
	"time"
	"unsafe"
)

// Times that calls without one have.
const (
	DefaultStopTimeout    = 10 * time.Second
	DefaultConnectTimeout = 10 * time.Second
)

// CreateSandbox creates a sandbox, boots it, and waits until it is ready. It
// lives as long as the Sandbox is open, and this process; ctx is about creating
// it only.
func CreateSandbox(ctx context.Context, name string, opts ...SandboxOption) (*Sandbox, error) {
	return newSandboxConfig(opts).create(ctx, name)
}

// CreateSandboxDetached creates a sandbox that survives this process, and Close.
func CreateSandboxDetached(ctx context.Context, name string, opts ...SandboxOption) (*Sandbox, error) {
	c := newSandboxConfig(opts)
	c.detached = true
	return c.create(ctx, name)
}

func (c *sandboxConfig) create(ctx context.Context, name string) (*Sandbox, error) {
	m, err := home()
	if err != nil {
		return nil, err
	}
	text, err := c.json()
	if err != nil {
		return nil, err
	}
	config, done, err := c.native(m, name, text)
	if err != nil {
		return nil, err
	}
	defer done()
	var ptr *C.msb_sandbox_t
	_, err = do(ctx, func(k *C.msb_cancel_t, e **C.msb_error_t) C.int64_t {
		return C.gomsb_sandbox_create(k, m, config, &ptr, e)
	})
	if err != nil {
		return nil, err
	}
	return newSandbox(ptr, !c.detached), nil
}

// native makes the library's description, and what it takes to release it.
func (c *sandboxConfig) native(m *C.msb_t, name string, text []byte) (*C.msb_config_t, func(), error) {
	var a arena
	var config *C.msb_config_t
	ctx := context.Background()
	_, err := do(ctx, func(_ *C.msb_cancel_t, e **C.msb_error_t) C.int64_t {
		return C.int64_t(C.msb_config_new(m, &config, e))
	})
	if err != nil {
		return nil, nil, err
	}
	watcher := watchImage(c.progress)
	done := func() {
		C.msb_config_free(config)
		watcher.free()
		a.free()
	}
	cname := a.text(name)
	if a.err != nil {
		done()
		return nil, nil, a.err
	}
	_, err = do(ctx, func(_ *C.msb_cancel_t, e **C.msb_error_t) C.int64_t {
		C.msb_config_set_attached(config, C.bool(!c.detached))
		if watcher.options != nil {
			if rc := C.msb_config_set_image_options(config, watcher.options, e); rc < 0 {
				return C.int64_t(rc)
			}
		}
		if rc := C.msb_config_set_name(config, cname, e); rc < 0 {
			return C.int64_t(rc)
		}
		return C.int64_t(C.msb_config_apply_json(config, (*C.char)(unsafe.Pointer(pointerTo(text))), C.size_t(len(text)), e))
	})
	if err != nil {
		done()
		return nil, nil, err
	}
	return config, done, nil
}

// sandboxOf gets the sandbox of that name from the catalogue; the caller frees
// it.
func sandboxOf(ctx context.Context, name string) (*C.msb_sandbox_t, error) {
	var a arena
	defer a.free()
	cname := a.text(name)
	if a.err != nil {
		return nil, a.err
	}
	var ptr *C.msb_sandbox_t
	_, err := inHome(ctx, func(m *C.msb_t, k *C.msb_cancel_t, e **C.msb_error_t) C.int64_t {
		return C.gomsb_sandbox_get(k, m, cname, &ptr, e)
	})
	return ptr, err
}

// withSandbox runs f with what is known of the sandbox of that name.
func withSandbox(ctx context.Context, name string, f func(s *C.msb_sandbox_t, k *C.msb_cancel_t, e **C.msb_error_t) C.int64_t) error {
	s, err := sandboxOf(ctx, name)
	if err != nil {
		return err
	}
	defer C.msb_sandbox_free(s)
	_, err = do(ctx, func(k *C.msb_cancel_t, e **C.msb_error_t) C.int64_t { return f(s, k, e) })
	return err
}

// StartSandbox boots a stopped sandbox, which then lives as long as the Sandbox
// is open, and this process.
func StartSandbox(ctx context.Context, name string) (*Sandbox, error) {
	return startSandbox(ctx, name, true)
}

// StartSandboxDetached boots a stopped sandbox, which survives this process, and
// Close.
func StartSandboxDetached(ctx context.Context, name string) (*Sandbox, error) {
	return startSandbox(ctx, name, false)
}

func startSandbox(ctx context.Context, name string, attached bool) (*Sandbox, error) {
	ptr, err := sandboxOf(ctx, name)
	if err != nil {
		return nil, err
	}
	_, err = do(ctx, func(k *C.msb_cancel_t, e **C.msb_error_t) C.int64_t {
		return C.gomsb_sandbox_start(k, ptr, C.bool(attached), e)
	})
	if err != nil {
		C.msb_sandbox_free(ptr)
		return nil, err
	}
	return newSandbox(ptr, attached), nil
}

// ConnectSandbox opens a running sandbox, without owning it: Close leaves it
// running. It has DefaultConnectTimeout to answer.
func ConnectSandbox(ctx context.Context, name string) (*Sandbox, error) {
	return ConnectSandboxWithTimeout(ctx, name, DefaultConnectTimeout)
}

// ConnectSandboxWithTimeout is ConnectSandbox with a time of its own, after
// which it fails with ErrTimeout.
func ConnectSandboxWithTimeout(ctx context.Context, name string, timeout time.Duration) (*Sandbox, error) {
	ms, err := millis(timeout)
	if err != nil {
		return nil, err
	}
	var a arena
	defer a.free()
	cname := a.text(name)
	if a.err != nil {
		return nil, a.err
	}
	var ptr *C.msb_sandbox_t
	_, err = inHome(ctx, func(m *C.msb_t, k *C.msb_cancel_t, e **C.msb_error_t) C.int64_t {
		return C.gomsb_sandbox_connect(k, m, cname, C.uint64_t(ms), &ptr, e)
	})
	if err != nil {
		return nil, err
	}
	return newSandbox(ptr, false), nil
}

// GetSandbox looks a sandbox up.
func GetSandbox(ctx context.Context, name string) (*SandboxHandle, error) {
	ptr, err := sandboxOf(ctx, name)
	if err != nil {
		return nil, err
	}
	defer C.msb_sandbox_free(ptr)
	return newSandboxHandle(ptr), nil
}

// ListSandboxes gives all sandboxes, the newest first.
func ListSandboxes(ctx context.Context) ([]*SandboxHandle, error) {
	return ListSandboxesLabelled(ctx)
}

// ListSandboxesLabelled gives those that have all of the labels: "KEY", or
// "KEY=VALUE".
func ListSandboxesLabelled(ctx context.Context, labels ...string) ([]*SandboxHandle, error) {
	var a arena
	defer a.free()
	words, n := a.list(labels)
	if a.err != nil {
		return nil, a.err
	}
	var list *C.msb_list_t
	_, err := inHome(ctx, func(m *C.msb_t, k *C.msb_cancel_t, e **C.msb_error_t) C.int64_t {
		if n == 0 {
			return C.gomsb_sandbox_list(k, m, &list, e)
		}
		return C.gomsb_sandbox_list_labelled(k, m, words, n, &list, e)
	})
	if err != nil {
		return nil, err
	}
	defer C.msb_list_free(list)
	handles := make([]*SandboxHandle, int(C.msb_list_count(list)))
	for i := range handles {
		handles[i] = newSandboxHandle(C.msb_list_item(list, C.size_t(i)))
	}
	return handles, nil
}

// RemoveSandbox removes a stopped sandbox, with all it has stored.
func RemoveSandbox(ctx context.Context, name string) error {
	return withSandbox(ctx, name, func(s *C.msb_sandbox_t, k *C.msb_cancel_t, e **C.msb_error_t) C.int64_t {
		return C.gomsb_sandbox_remove(k, s, false, e)
	})
}

// An imageWatcher has options for the library that tell fn of progress; none
// when there is nobody to tell.
type imageWatcher struct {
	options *C.msb_image_options_t
	handle  cgo.Handle
}

func watchImage(fn func(PullEvent)) *imageWatcher {
	w := &imageWatcher{}
	if fn != nil {
		w.options = C.msb_image_options_new()
		w.listen(fn)
	}
	return w
}

func (w *imageWatcher) listen(fn func(PullEvent)) {
	if w.options != nil && fn != nil {
		w.handle = cgo.NewHandle(fn)
		C.gomsb_image_progress(w.options, C.uintptr_t(w.handle))
	}
}

func (w *imageWatcher) free() {
	C.msb_image_options_free(w.options)
	if w.handle != 0 {
		w.handle.Delete()
	}
}
