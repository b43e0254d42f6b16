// SPDX-License-Identifier: Apache-2.0

package microsandbox

/*
#include "bridge.h"
*/
import "C"

import (
	"context"
	"strings"
	"time"
	"unsafe"
)

// SandboxHandle is what the catalogue says of a sandbox, as of when it was
// asked. It holds nothing open, and needs no Close.
type SandboxHandle struct {
	name    string
	status  SandboxStatus
	image   string
	config  string
	created time.Time
	updated time.Time
	labels  map[string]string
}

func newSandboxHandle(s *C.msb_sandbox_t) *SandboxHandle {
	return &SandboxHandle{
		name:    C.GoString(C.msb_sandbox_name(s)),
		status:  SandboxStatus(strings.ToLower(C.GoString(C.msb_status_name(C.msb_sandbox_status(s))))),
		image:   C.GoString(C.msb_sandbox_image(s)),
		config:  C.GoString(C.msb_sandbox_config_json(s)),
		created: at(int64(C.msb_sandbox_created_unix_ms(s))),
		updated: at(int64(C.msb_sandbox_updated_unix_ms(s))),
		labels:  labels(func(i C.size_t) *C.char { return C.msb_sandbox_label(s, i) }),
	}
}

// Name is the sandbox's name.
func (h *SandboxHandle) Name() string { return h.name }

// Status is the state it was in.
func (h *SandboxHandle) Status() SandboxStatus { return h.status }

// Image is its image, as it was given, or a path.
func (h *SandboxHandle) Image() string { return h.image }

// ConfigJSON is its stored configuration.
func (h *SandboxHandle) ConfigJSON() string { return h.config }

// CreatedAt is when it was created.
func (h *SandboxHandle) CreatedAt() time.Time { return h.created }

// UpdatedAt is when its record changed last.
func (h *SandboxHandle) UpdatedAt() time.Time { return h.updated }

// Labels are its labels.
func (h *SandboxHandle) Labels() map[string]string {
	m := make(map[string]string, len(h.labels))
	for key, value := range h.labels {
		m[key] = value
	}
	return m
}

// Start is StartSandbox.
func (h *SandboxHandle) Start(ctx context.Context) (*Sandbox, error) {
	return StartSandbox(ctx, h.name)
}

// StartDetached is StartSandboxDetached.
func (h *SandboxHandle) StartDetached(ctx context.Context) (*Sandbox, error) {
	return StartSandboxDetached(ctx, h.name)
}

// Connect is ConnectSandbox.
func (h *SandboxHandle) Connect(ctx context.Context) (*Sandbox, error) {
	return ConnectSandbox(ctx, h.name)
}

// ConnectWithTimeout is ConnectSandboxWithTimeout.
func (h *SandboxHandle) ConnectWithTimeout(ctx context.Context, timeout time.Duration) (*Sandbox, error) {
	return ConnectSandboxWithTimeout(ctx, h.name, timeout)
}

// Stop asks the guest to shut down and waits until it has, at most
// DefaultStopTimeout; then the sandbox is killed.
func (h *SandboxHandle) Stop(ctx context.Context) error {
	return h.StopWithTimeout(ctx, DefaultStopTimeout)
}

// StopWithTimeout is Stop with a time of its own; 0 kills at once. That it has
// passed is not an error.
func (h *SandboxHandle) StopWithTimeout(ctx context.Context, timeout time.Duration) error {
	ms, err := millis(timeout)
	if err != nil {
		return err
	}
	return withSandbox(ctx, h.name, func(s *C.msb_sandbox_t, k *C.msb_cancel_t, e **C.msb_error_t) C.int64_t {
		var result C.msb_stop_result_t
		return C.gomsb_sandbox_stop(k, s, C.uint64_t(ms), &result, e)
	})
}

// RequestStop asks the guest to shut down, and does not wait for it.
func (h *SandboxHandle) RequestStop(ctx context.Context) error {
	return withSandbox(ctx, h.name, func(s *C.msb_sandbox_t, k *C.msb_cancel_t, e **C.msb_error_t) C.int64_t {
		return C.gomsb_sandbox_request_stop(k, s, e)
	})
}

// Kill ends the sandbox at once; what the guest has not written yet is lost.
func (h *SandboxHandle) Kill(ctx context.Context) error { return h.StopWithTimeout(ctx, 0) }

// Remove is RemoveSandbox.
func (h *SandboxHandle) Remove(ctx context.Context) error { return RemoveSandbox(ctx, h.name) }

// Refresh looks the sandbox up again.
func (h *SandboxHandle) Refresh(ctx context.Context) error {
	now, err := GetSandbox(ctx, h.name)
	if err == nil {
		*h = *now
	}
	return err
}

// Snapshot keeps what the stopped sandbox wrote, under a name.
func (h *SandboxHandle) Snapshot(ctx context.Context, name string) (*SnapshotArtifact, error) {
	return Snapshot.Create(ctx, h.name, SnapshotCreateOptions{Name: name})
}

// SnapshotTo keeps what the stopped sandbox wrote, in a directory.
func (h *SandboxHandle) SnapshotTo(ctx context.Context, path string) (*SnapshotArtifact, error) {
	return Snapshot.Create(ctx, h.name, SnapshotCreateOptions{Path: path})
}

// Metrics gives the latest sample.
func (h *SandboxHandle) Metrics(ctx context.Context) (*Metrics, error) {
	var sample *Metrics
	err := withSandbox(ctx, h.name, func(s *C.msb_sandbox_t, k *C.msb_cancel_t, e **C.msb_error_t) C.int64_t {
		m := C.msb_metrics_t{struct_size: C.size_t(unsafe.Sizeof(C.msb_metrics_t{}))}
		rc := C.gomsb_sandbox_metrics(k, s, &m, e)
		if rc >= 0 {
			sample = newMetrics(&m)
		}
		return rc
	})
	return sample, err
}

// ReadLogs gives what the sandbox has logged, in the order of time.
func (h *SandboxHandle) ReadLogs(ctx context.Context, opts LogOptions) ([]LogEntry, error) {
	return ReadLogs(ctx, h.name, opts)
}

// Logs is ReadLogs.
func (h *SandboxHandle) Logs(ctx context.Context, opts LogOptions) ([]LogEntry, error) {
	return ReadLogs(ctx, h.name, opts)
}

// LogStream gives what the sandbox has logged, and with Follow what it logs
// from now on.
func (h *SandboxHandle) LogStream(ctx context.Context, opts LogStreamOptions) (*LogStreamHandle, error) {
	return OpenLogStream(ctx, h.name, opts)
}
