// SPDX-License-Identifier: Apache-2.0

package microsandbox

/*
#include "bridge.h"
*/
import "C"

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"
)

// Sandbox is one that runs. It may be used by any number of goroutines at once.
//
// One that CreateSandbox or StartSandbox made is owned: it stops with Close, or
// with this process. One that is detached, or was connected to, is not.
type Sandbox struct {
	o      *object
	ptr    *C.msb_sandbox_t
	name   string
	config string
	owner  bool
	ended  atomic.Bool // as we know: whoever starts it again owns it then

	fs struct {
		sync.Mutex
		*FS
	}
}

func newSandbox(ptr *C.msb_sandbox_t, owner bool) *Sandbox {
	return &Sandbox{
		o:      newObject("sandbox", func() { C.msb_sandbox_free(ptr) }),
		ptr:    ptr,
		name:   C.GoString(C.msb_sandbox_name(ptr)),
		config: C.GoString(C.msb_sandbox_config_json(ptr)),
		owner:  owner,
	}
}

// Name is the sandbox's name.
func (s *Sandbox) Name() string { return s.name }

// ConfigJSON is its stored configuration, as of when this was made.
func (s *Sandbox) ConfigJSON() string { return s.config }

// OwnsLifecycle tells whether Close stops the sandbox.
func (s *Sandbox) OwnsLifecycle() (bool, error) {
	owns := false
	err := s.o.now(func() { owns = s.owner })
	return owns, err
}

// OwnsLifecycleOrFalse is OwnsLifecycle for who does not care about errors.
func (s *Sandbox) OwnsLifecycleOrFalse() bool {
	owns, _ := s.OwnsLifecycle()
	return owns
}

// Stop asks the guest to shut down and waits until it has, at most
// DefaultStopTimeout; then the sandbox is killed.
func (s *Sandbox) Stop(ctx context.Context) error {
	return s.StopWithTimeout(ctx, DefaultStopTimeout)
}

// StopWithTimeout is Stop with a time of its own; 0 kills at once. That it has
// passed is not an error.
func (s *Sandbox) StopWithTimeout(ctx context.Context, timeout time.Duration) error {
	ms, err := millis(timeout)
	if err != nil {
		return err
	}
	_, err = s.o.do(ctx, func(k *C.msb_cancel_t, e **C.msb_error_t) C.int64_t {
		var result C.msb_stop_result_t
		return C.gomsb_sandbox_stop(k, s.ptr, C.uint64_t(ms), &result, e)
	})
	if err == nil {
		s.ended.Store(true)
	}
	return err
}

// RequestStop asks the guest to shut down, and does not wait for it.
func (s *Sandbox) RequestStop(ctx context.Context) error {
	_, err := s.o.do(ctx, func(k *C.msb_cancel_t, e **C.msb_error_t) C.int64_t {
		return C.gomsb_sandbox_request_stop(k, s.ptr, e)
	})
	return err
}

// StopAndWait is Stop, and gives what Wait gives.
func (s *Sandbox) StopAndWait(ctx context.Context) (int, error) {
	if err := s.Stop(ctx); err != nil {
		return -1, err
	}
	return s.Wait(ctx)
}

// Kill ends the sandbox at once; what the guest has not written yet is lost.
func (s *Sandbox) Kill(ctx context.Context) error { return s.StopWithTimeout(ctx, 0) }

// Drain has the guest end what it does and shut down: it is RequestStop.
func (s *Sandbox) Drain(ctx context.Context) error { return s.RequestStop(ctx) }

// Wait waits until the sandbox has ended, and gives the exit code of its startup
// command, -1 when there was none.
func (s *Sandbox) Wait(ctx context.Context) (int, error) {
	for {
		code, ended, err := s.wait(ctx, -1)
		if ended || err != nil {
			return code, err
		}
	}
}

func (s *Sandbox) wait(ctx context.Context, ms int64) (code int, ended bool, err error) {
	exit := C.msb_exit_t{struct_size: C.size_t(unsafe.Sizeof(C.msb_exit_t{}))}
	rc, err := s.o.do(ctx, func(k *C.msb_cancel_t, e **C.msb_error_t) C.int64_t {
		return C.gomsb_sandbox_wait(k, s.ptr, C.int64_t(ms), &exit, e)
	})
	if err != nil {
		return -1, false, err
	}
	if rc > 0 {
		s.ended.Store(true)
	}
	return int(exit.exit_code), rc > 0, nil
}

// Detach leaves the sandbox running, also beyond the end of this process. The
// Sandbox is closed then.
func (s *Sandbox) Detach(ctx context.Context) error {
	if s.owner {
		_, err := s.o.do(ctx, func(k *C.msb_cancel_t, e **C.msb_error_t) C.int64_t {
			return C.gomsb_sandbox_release(k, s.ptr, e)
		})
		if err != nil {
			return err
		}
	}
	s.closeFS()
	return s.o.close()
}

// RemovePersisted removes a stopped sandbox, with all it has stored. The Sandbox
// is closed then.
func (s *Sandbox) RemovePersisted(ctx context.Context) error {
	_, err := s.o.do(ctx, func(k *C.msb_cancel_t, e **C.msb_error_t) C.int64_t {
		return C.gomsb_sandbox_remove(k, s.ptr, false, e)
	})
	if err != nil {
		return err
	}
	s.closeFS()
	return s.o.close()
}

// Close ends what is still waited for, and releases the Sandbox. One that is
// owned is stopped, as by Stop, and if it has stopped already, nothing happens
// to it; see Detach.
func (s *Sandbox) Close() error {
	var stopped error
	if s.owner && !s.ended.Load() {
		stopped = s.Stop(context.Background())
		if IsKind(stopped, ErrInvalidHandle) {
			return stopped
		}
		if IsKind(stopped, ErrSandboxNotFound) {
			stopped = nil // an ephemeral one, or removed by somebody
		}
	}
	s.closeFS()
	if err := s.o.close(); err != nil {
		return err
	}
	return stopped
}

// Ping asks whether the guest answers, and tells how long that took. It does
// not keep the sandbox from being idle.
func (s *Sandbox) Ping(ctx context.Context) (time.Duration, error) {
	var us C.uint64_t
	_, err := s.o.do(ctx, func(k *C.msb_cancel_t, e **C.msb_error_t) C.int64_t {
		return C.gomsb_sandbox_ping(k, s.ptr, C.uint64_t(DefaultConnectTimeout.Milliseconds()), &us, e)
	})
	return time.Duration(us) * time.Microsecond, err
}

// Touch begins the time to the sandbox's idle limit anew.
func (s *Sandbox) Touch(ctx context.Context) error {
	_, err := s.o.do(ctx, func(k *C.msb_cancel_t, e **C.msb_error_t) C.int64_t {
		return C.gomsb_sandbox_touch(k, s.ptr, C.uint64_t(DefaultConnectTimeout.Milliseconds()), e)
	})
	return err
}

// Metrics gives the latest sample.
func (s *Sandbox) Metrics(ctx context.Context) (*Metrics, error) {
	m := C.msb_metrics_t{struct_size: C.size_t(unsafe.Sizeof(C.msb_metrics_t{}))}
	_, err := s.o.do(ctx, func(k *C.msb_cancel_t, e **C.msb_error_t) C.int64_t {
		return C.gomsb_sandbox_metrics(k, s.ptr, &m, e)
	})
	if err != nil {
		return nil, err
	}
	return newMetrics(&m), nil
}

// MetricsStream gives a sample every interval, as long as the sandbox runs.
func (s *Sandbox) MetricsStream(ctx context.Context, interval time.Duration) (*MetricsStream, error) {
	return newMetricsStream(ctx, interval, s)
}

// ReadLogs gives what the sandbox has logged, in the order of time.
func (s *Sandbox) ReadLogs(ctx context.Context, opts LogOptions) ([]LogEntry, error) {
	return ReadLogs(ctx, s.name, opts)
}

// Logs is ReadLogs.
func (s *Sandbox) Logs(ctx context.Context, opts LogOptions) ([]LogEntry, error) {
	return ReadLogs(ctx, s.name, opts)
}

// LogStream gives what the sandbox has logged, and with Follow what it logs
// from now on.
func (s *Sandbox) LogStream(ctx context.Context, opts LogStreamOptions) (*LogStreamHandle, error) {
	return OpenLogStream(ctx, s.name, opts)
}

// FS gives the guest's files.
func (s *Sandbox) FS() *FS {
	s.fs.Lock()
	defer s.fs.Unlock()
	if s.fs.FS == nil {
		s.fs.FS = &FS{sandbox: s, connect: func(ctx context.Context) (*C.msb_fs_t, error) {
			var ptr *C.msb_fs_t
			_, err := s.o.do(ctx, func(k *C.msb_cancel_t, e **C.msb_error_t) C.int64_t {
				return C.gomsb_fs_connect(k, s.ptr, &ptr, e)
			})
			return ptr, err
		}}
	}
	return s.fs.FS
}

func (s *Sandbox) closeFS() {
	s.fs.Lock()
	defer s.fs.Unlock()
	if s.fs.FS != nil {
		s.fs.FS.close()
	}
}
