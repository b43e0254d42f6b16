// SPDX-License-Identifier: Apache-2.0

package microsandbox

/*
#include "bridge.h"
*/
import "C"

import (
	"context"
	"errors"
	"strings"
	"syscall"
)

// ErrorKind says what went wrong, in a word that stays the same from one
// version to the next. Kinds that a later library has, and this package does
// not know, come through as they are.
//
// A kind is itself an error, so that errors.Is(err, ErrSandboxNotFound) works.
type ErrorKind string

// What an operation can fail with.
const (
	ErrIO                     ErrorKind = "io"
	ErrInvalidConfig          ErrorKind = "invalid_config"
	ErrSandboxNotFound        ErrorKind = "sandbox_not_found"
	ErrSandboxAlreadyExists   ErrorKind = "sandbox_already_exists"
	ErrSandboxStillRunning    ErrorKind = "sandbox_still_running"
	ErrSandboxState           ErrorKind = "sandbox_state" // such as: it does not run
	ErrDatabase               ErrorKind = "database"
	ErrRuntime                ErrorKind = "runtime"
	ErrBootStart              ErrorKind = "boot_start"
	ErrProtocol               ErrorKind = "protocol"
	ErrAgentClient            ErrorKind = "agent_client"
	ErrExecFailed             ErrorKind = "exec_failed" // the program never started
	ErrTimeout                ErrorKind = "timeout"
	ErrUnsupported            ErrorKind = "unsupported"
	ErrNoSpace                ErrorKind = "no_space"
	ErrPermission             ErrorKind = "permission"
	ErrNoMemory               ErrorKind = "no_memory"
	ErrFilesystem             ErrorKind = "sandbox_fs"
	ErrImage                  ErrorKind = "image"
	ErrImageNotFound          ErrorKind = "image_not_found"
	ErrImageInUse             ErrorKind = "image_in_use"
	ErrVolumeNotFound         ErrorKind = "volume_not_found"
	ErrVolumeAlreadyExists    ErrorKind = "volume_already_exists"
	ErrVolumeInUse            ErrorKind = "volume_in_use"
	ErrSnapshotNotFound       ErrorKind = "snapshot_not_found"
	ErrSnapshotAlreadyExists  ErrorKind = "snapshot_already_exists"
	ErrSnapshotSandboxRunning ErrorKind = "snapshot_sandbox_running"
	ErrSnapshotImageMissing   ErrorKind = "snapshot_image_missing"
	ErrSnapshotIntegrity      ErrorKind = "snapshot_integrity"
	ErrMissedRotation         ErrorKind = "missed_rotation"
	ErrInvalidCursor          ErrorKind = "invalid_cursor"
	ErrMetricsDisabled        ErrorKind = "metrics_disabled"
	ErrMetricsUnavailable     ErrorKind = "metrics_unavailable"
	ErrCancelled              ErrorKind = "cancelled"    // Cause is the context's error
	ErrExecTimeout            ErrorKind = "exec_timeout" // killed for its time limit
	ErrPatchFailed            ErrorKind = "patch_failed"
	ErrPathNotFound           ErrorKind = "path_not_found"
	ErrAgentBusy              ErrorKind = "agent_busy"
	ErrAgentClosed            ErrorKind = "agent_closed"

	// These come from this package, not from the library.

	// ErrInvalidArgument is a value that cannot be handed to the library: text
	// with a NUL byte, a negative duration.
	ErrInvalidArgument ErrorKind = "invalid_argument"
	// ErrInvalidHandle is an object that has been closed or detached.
	ErrInvalidHandle ErrorKind = "invalid_handle"
)

// Error makes a kind an error, as a target of errors.Is.
func (k ErrorKind) Error() string { return string(k) }

// Error is what every operation of this package fails with.
type Error struct {
	Kind ErrorKind
	// Message is one line, with the category in front: "sandbox not found: x".
	Message string
	// Cause is the context's error of a cancelled call, else the syscall.Errno
	// of the failure, if there is one.
	Cause error
	// Details has further text of some kinds, such as "stage" and "kernel_log"
	// of ErrBootStart, "kind", "errno_name" and "command" of ErrExecFailed, and
	// "file" and "offset" of ErrMissedRotation. May be nil.
	Details map[string]string
}

// Error gives the message.
func (e *Error) Error() string { return e.Message }

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Cause }

// Is tells whether target is this error's kind.
func (e *Error) Is(target error) bool {
	kind, ok := target.(ErrorKind)
	return ok && kind == e.Kind
}

// Errno is the system's number of the failure, 0 when there is none.
func (e *Error) Errno() syscall.Errno {
	var errno syscall.Errno
	if errors.As(e.Cause, &errno) {
		return errno
	}
	return 0
}

// IsKind tells whether err is, or wraps, an *Error of that kind.
func IsKind(err error, kind ErrorKind) bool {
	var e *Error
	return errors.As(err, &e) && e.Kind == kind
}

// takeError makes an error of what the library left behind, and releases it.
func takeError(e *C.msb_error_t, rc int64) *Error {
	if e == nil {
		errno := syscall.Errno(-rc)
		return &Error{Kind: ErrIO, Message: errno.Error(), Cause: errno}
	}
	defer C.msb_error_free(e)
	err := &Error{
		Kind:    ErrorKind(C.GoString(C.msb_error_kind_name(C.msb_error_kind(e)))),
		Message: C.GoString(C.msb_error_text(e)),
	}
	if n := C.msb_error_errno(e); n != 0 {
		err.Cause = syscall.Errno(n)
	}
	for i := C.size_t(0); ; i++ {
		item := C.msb_error_detail_item(e, i)
		if item == nil {
			return err
		}
		if key, value, ok := strings.Cut(C.GoString(item), "="); ok {
			if err.Details == nil {
				err.Details = map[string]string{}
			}
			err.Details[key] = value
		}
	}
}

func cancelled(ctx context.Context) *Error {
	return &Error{Kind: ErrCancelled, Message: "cancelled: " + ctx.Err().Error(), Cause: ctx.Err()}
}

func invalidArgument(message string) *Error {
	return &Error{Kind: ErrInvalidArgument, Message: "invalid argument: " + message, Cause: syscall.EINVAL}
}

// ErrorKinds are all kinds that the library has.
func ErrorKinds() []ErrorKind {
	kinds := []ErrorKind{}
	for k := C.msb_error_kind_t(C.MSB_ERR_NONE + 1); k <= C.MSB_ERR_AGENT_CLOSED; k++ {
		kinds = append(kinds, ErrorKind(C.GoString(C.msb_error_kind_name(k))))
	}
	return kinds
}
