// SPDX-License-Identifier: Apache-2.0

package microsandbox

/*
#include "bridge.h"
*/
import "C"

import (
	"context"
	"io"
	"strconv"
	"sync"
	"syscall"
	"unsafe"
)

// ExecOutput is what a command that has ended wrote. On a terminal all of it is
// stdout.
type ExecOutput struct {
	stdout, stderr []byte
	code, signal   int
	truncated      bool
}

// Stdout is its standard output as text.
func (o *ExecOutput) Stdout() string { return string(o.stdout) }

// Stderr is its standard error as text.
func (o *ExecOutput) Stderr() string { return string(o.stderr) }

// StdoutBytes is its standard output.
func (o *ExecOutput) StdoutBytes() []byte { return o.stdout }

// StderrBytes is its standard error.
func (o *ExecOutput) StderrBytes() []byte { return o.stderr }

// ExitCode is its exit code, -1 when a signal ended it.
func (o *ExecOutput) ExitCode() int { return o.code }

// Signal is the signal that ended it, or 0.
func (o *ExecOutput) Signal() int { return o.signal }

// Success tells whether its exit code is 0.
func (o *ExecOutput) Success() bool { return o.code == 0 }

// Truncated tells whether it wrote more than is kept.
func (o *ExecOutput) Truncated() bool { return o.truncated }

func newOutput() C.msb_exec_output_t {
	return C.msb_exec_output_t{struct_size: C.size_t(unsafe.Sizeof(C.msb_exec_output_t{}))}
}

func takeOutput(out *C.msb_exec_output_t) *ExecOutput {
	defer C.msb_exec_output_clear(out)
	return &ExecOutput{
		stdout:    bytesOf(out.out, out.out_len),
		stderr:    bytesOf(out.err, out.err_len),
		code:      int(out.exit_code),
		signal:    int(out.signal),
		truncated: bool(out.truncated),
	}
}

// Exec runs a command to its end. An exit code other than 0 is not an error; a
// program that cannot be started is ErrExecFailed. With ErrExecTimeout, what it
// had written comes along.
func (s *Sandbox) Exec(ctx context.Context, cmd string, args []string, opts ...ExecOption) (*ExecOutput, error) {
	return s.run(ctx, program(cmd, args), opts)
}

// Shell runs a script with the sandbox's shell to its end.
func (s *Sandbox) Shell(ctx context.Context, script string, opts ...ExecOption) (*ExecOutput, error) {
	return s.run(ctx, s.script(script), opts)
}

func (s *Sandbox) run(ctx context.Context, what command, opts []ExecOption) (*ExecOutput, error) {
	o, err := s.execOptions(what, opts)
	if err != nil {
		return nil, err
	}
	defer C.msb_exec_options_free(o)
	out := newOutput()
	_, err = s.o.do(ctx, func(k *C.msb_cancel_t, e **C.msb_error_t) C.int64_t {
		return C.gomsb_exec_run(k, s.ptr, o, &out, e)
	})
	if err != nil && !IsKind(err, ErrExecTimeout) {
		return nil, err
	}
	return takeOutput(&out), err
}

// execOptions may look at the sandbox, which must be there for it.
func (s *Sandbox) execOptions(what command, opts []ExecOption) (*C.msb_exec_options_t, error) {
	var o *C.msb_exec_options_t
	var err error
	if gone := s.o.now(func() { o, err = newExecConfig(opts).native(what) }); gone != nil {
		return nil, gone
	}
	return o, err
}

// ExecStream starts a command. Closing the handle before it has ended kills it.
func (s *Sandbox) ExecStream(ctx context.Context, cmd string, args []string, opts ...ExecOption) (*ExecHandle, error) {
	return s.start(ctx, program(cmd, args), opts)
}

// ShellStream starts a script with the sandbox's shell.
func (s *Sandbox) ShellStream(ctx context.Context, script string, opts ...ExecOption) (*ExecHandle, error) {
	return s.start(ctx, s.script(script), opts)
}

func (s *Sandbox) start(ctx context.Context, what command, opts []ExecOption) (*ExecHandle, error) {
	o, err := s.execOptions(what, opts)
	if err != nil {
		return nil, err
	}
	defer C.msb_exec_options_free(o)
	var ptr *C.msb_exec_t
	_, err = s.o.do(ctx, func(k *C.msb_cancel_t, e **C.msb_error_t) C.int64_t {
		return C.gomsb_exec_start(k, s.ptr, o, &ptr, e)
	})
	if err != nil {
		return nil, err
	}
	poll, err := newPoller(int(C.msb_exec_fd(ptr)))
	if err != nil {
		C.msb_exec_free(ptr)
		return nil, err
	}
	x := &ExecHandle{ptr: ptr, poll: poll, recv: newGate()}
	x.o = newObject("command", func() {
		poll.close()
		C.msb_exec_free(ptr)
	})
	x.o.wake = poll.wake
	if newExecConfig(opts).pipe {
		x.sink = &ExecSink{x: x}
	}
	return x, nil
}

// ExecEventKind is what an ExecEvent tells.
type ExecEventKind string

// Kinds of events.
const (
	ExecEventStarted ExecEventKind = "started" // PID
	ExecEventStdout  ExecEventKind = "stdout"  // Data
	ExecEventStderr  ExecEventKind = "stderr"  // Data
	// ExecEventStdinError: input is not taken any more (Message); the command
	// goes on.
	ExecEventStdinError ExecEventKind = "stdin_error"
	ExecEventExited     ExecEventKind = "exited" // ExitCode, Signal
	ExecEventDone       ExecEventKind = "done"   // nothing follows
)

// ExecEvent is one thing a command did.
type ExecEvent struct {
	Kind     ExecEventKind
	PID      uint32
	Data     []byte
	Message  string
	ExitCode int // -1 when a signal ended it
	Signal   int // that signal, 0 if there was none
}

// ExecHandle is a command under way. Its methods may be used at once: signals,
// sizes and input are sent while somebody waits in Recv.
type ExecHandle struct {
	o    *object
	ptr  *C.msb_exec_t
	poll *poller
	recv gate  // events are for one reader at a time
	done bool  // the last one has been given
	err  error // that was an error

	takeOnce sync.Once
	sink     *ExecSink
}

// ID tells commands of one boot of the sandbox apart.
func (x *ExecHandle) ID() (string, error) {
	var id C.uint32_t
	err := x.o.now(func() { id = C.msb_exec_id(x.ptr) })
	return strconv.FormatUint(uint64(id), 10), err
}

var execEventKinds = map[C.msb_exec_event_kind_t]ExecEventKind{
	C.MSB_EXEC_STARTED:     ExecEventStarted,
	C.MSB_EXEC_STDOUT:      ExecEventStdout,
	C.MSB_EXEC_STDERR:      ExecEventStderr,
	C.MSB_EXEC_STDIN_ERROR: ExecEventStdinError,
	C.MSB_EXEC_EXITED:      ExecEventExited,
}

// Recv waits for the next event. After ExecEventExited, and after an error that
// is not ErrCancelled, every further one is ExecEventDone. A program that could
// not be started is the error ErrExecFailed, one that was killed for its time
// limit ErrExecTimeout.
func (x *ExecHandle) Recv(ctx context.Context) (*ExecEvent, error) {
	if err := x.recv.enter(ctx); err != nil {
		return nil, err
	}
	defer x.recv.leave()
	return x.next(ctx, true)
}

// next is Recv for who holds the lock; without data, only its end counts.
func (x *ExecHandle) next(ctx context.Context, data bool) (*ExecEvent, error) {
	if x.done {
		return &ExecEvent{Kind: ExecEventDone}, nil
	}
	c, err := x.o.begin(ctx, instant)
	if err != nil {
		return nil, err
	}
	defer x.o.end(c)
	x.poll.watch(ctx)
	ev := C.msb_exec_event_t{struct_size: C.size_t(unsafe.Sizeof(C.msb_exec_event_t{}))}
	woken := x.poll.wait(func() bool {
		_, err = c.run(func(_ *C.msb_cancel_t, e **C.msb_error_t) C.int64_t {
			return C.int64_t(C.msb_exec_next(x.ptr, 0, &ev, e))
		})
		return err != nil || ev.kind != C.MSB_EXEC_NONE
	})
	switch {
	case err != nil:
		x.done, x.err = true, err
		return nil, err
	case woken != nil && ctx.Err() != nil:
		return nil, cancelled(ctx)
	case woken != nil:
		return nil, x.o.gone()
	}
	event := &ExecEvent{Kind: execEventKinds[ev.kind]}
	switch ev.kind {
	case C.MSB_EXEC_STARTED:
		event.PID = uint32(ev.pid)
	case C.MSB_EXEC_STDIN_ERROR:
		event.Message = string(bytesOf(ev.data, ev.len))
	case C.MSB_EXEC_EXITED:
		event.ExitCode, event.Signal = int(ev.exit_code), int(ev.signal)
		x.done = true
	default:
		if data {
			event.Data = bytesOf(ev.data, ev.len)
		}
	}
	return event, nil
}

// TakeStdin gives the command's standard input, if it was started with
// WithExecStdinPipe: once, then nil.
func (x *ExecHandle) TakeStdin() *ExecSink {
	var sink *ExecSink
	x.takeOnce.Do(func() { sink = x.sink })
	return sink
}

// Wait reads and drops all output and gives the exit code, -1 when a signal
// ended the command; see WaitStatus.
func (x *ExecHandle) Wait(ctx context.Context) (int, error) {
	code, _, err := x.WaitStatus(ctx)
	return code, err
}

// WaitStatus is Wait, and gives the signal that ended the command, too, or 0.
func (x *ExecHandle) WaitStatus(ctx context.Context) (code, signal int, err error) {
	if err := x.recv.enter(ctx); err != nil {
		return -1, 0, err
	}
	defer x.recv.leave()
	if x.err != nil {
		return -1, 0, x.err
	}
	x.done = false // whoever waits twice gets the same
	for {
		event, err := x.next(ctx, false)
		if err != nil {
			return -1, 0, err
		}
		if event.Kind == ExecEventExited {
			return event.ExitCode, event.Signal, nil
		}
	}
}

// Collect reads the output from now to the command's end. With ErrExecTimeout,
// what it had written comes along.
func (x *ExecHandle) Collect(ctx context.Context) (*ExecOutput, error) {
	if err := x.recv.enter(ctx); err != nil {
		return nil, err
	}
	defer x.recv.leave()
	out := newOutput()
	_, err := x.o.do(ctx, func(k *C.msb_cancel_t, e **C.msb_error_t) C.int64_t {
		return C.gomsb_exec_collect(k, x.ptr, &out, e)
	})
	if err == nil {
		x.done = true
	} else if !IsKind(err, ErrCancelled) {
		x.done, x.err = true, err
	}
	if err != nil && !IsKind(err, ErrExecTimeout) {
		return nil, err
	}
	return takeOutput(&out), err
}

// control sends what does not wait.
func (x *ExecHandle) control(ctx context.Context, f func(e **C.msb_error_t) C.int) error {
	c, err := x.o.begin(ctx, instant)
	if err != nil {
		return err
	}
	defer x.o.end(c)
	_, err = c.run(func(_ *C.msb_cancel_t, e **C.msb_error_t) C.int64_t { return C.int64_t(f(e)) })
	return err
}

// Signal sends a signal to the command.
func (x *ExecHandle) Signal(ctx context.Context, signal int) error {
	return x.control(ctx, func(e **C.msb_error_t) C.int { return C.msb_exec_signal(x.ptr, C.int(signal), e) })
}

// Kill sends SIGKILL to the command.
func (x *ExecHandle) Kill(ctx context.Context) error { return x.Signal(ctx, int(syscall.SIGKILL)) }

// Resize changes the size of the command's terminal.
func (x *ExecHandle) Resize(ctx context.Context, rows, cols uint16) error {
	return x.control(ctx, func(e **C.msb_error_t) C.int {
		return C.msb_exec_resize(x.ptr, C.uint(rows), C.uint(cols), e)
	})
}

// Detach leaves the command running without this client, and closes the handle.
// msb attach comes back to it.
func (x *ExecHandle) Detach(ctx context.Context) error {
	if err := x.control(ctx, func(e **C.msb_error_t) C.int { return C.msb_exec_detach(x.ptr, e) }); err != nil {
		return err
	}
	return x.o.close()
}

// Close ends what is waited for and releases the handle. A command that has not
// ended is killed.
func (x *ExecHandle) Close() error { return x.o.close() }

// ExecSink is the standard input of a command. It may be written to by several
// goroutines; what one Write writes stays together.
type ExecSink struct {
	x  *ExecHandle
	mu sync.Mutex
}

var _ io.WriteCloser = (*ExecSink)(nil)

// Write gives the command all of p, and waits where it does not take it yet.
func (w *ExecSink) Write(p []byte) (int, error) { return w.WriteCtx(context.Background(), p) }

// How much is sent at a time: so exactly does WriteCtx know what was taken.
const stdinChunk = 1 << 18

// WriteCtx is Write until ctx is done: also then it tells how much was taken at
// least. When the command has ended, nobody reads it, and that is no error.
func (w *ExecSink) WriteCtx(ctx context.Context, p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	taken := 0
	for taken < len(p) {
		part := p[taken:]
		if len(part) > stdinChunk {
			part = part[:stdinChunk]
		}
		_, err := w.x.o.do(ctx, func(k *C.msb_cancel_t, e **C.msb_error_t) C.int64_t {
			return C.gomsb_exec_send_stdin(k, w.x.ptr, pointerTo(part), C.size_t(len(part)), e)
		})
		if err != nil {
			return taken, err
		}
		taken += len(part)
	}
	return taken, nil
}

// Close ends the command's standard input. May be repeated.
func (w *ExecSink) Close() error {
	return w.x.control(context.Background(), func(e **C.msb_error_t) C.int { return C.msb_exec_close_stdin(w.x.ptr, e) })
}
