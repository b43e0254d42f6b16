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

// LogOptions say what ReadLogs gives.
type LogOptions struct {
	Tail    *uint64     // the last so many
	Since   time.Time   // of this time and later; zero: from the beginning
	Until   time.Time   // before this time; zero: to the end
	Sources []LogSource // none: stdout, stderr and output
}

// Tail is a pointer to n, for LogOptions.
func Tail(n uint64) *uint64 { return &n }

// LogStreamOptions say what LogStream gives.
type LogStreamOptions struct {
	Sources []LogSource
	Since   time.Time
	Until   time.Time
	// FromCursor goes on behind the entry that has this Cursor, of a stream
	// with the same sources.
	FromCursor string
	Follow     bool // wait for more, until the sandbox has ended
}

// LogEntry is a piece of what a sandbox has logged.
type LogEntry struct {
	Timestamp time.Time
	Source    LogSource
	SessionID uint64 // of the command, counted within one boot; 0: of none
	Data      []byte
	Cursor    string // the place behind this entry
}

// Text is the data as text.
func (e *LogEntry) Text() string { return string(e.Data) }

var logSources = map[LogSource]C.uint{
	LogStdout: C.MSB_LOG_STDOUT,
	LogStderr: C.MSB_LOG_STDERR,
	LogOutput: C.MSB_LOG_OUTPUT,
	LogSystem: C.MSB_LOG_SYSTEM,
	LogAll:    C.MSB_LOG_STDOUT | C.MSB_LOG_STDERR | C.MSB_LOG_OUTPUT | C.MSB_LOG_SYSTEM,
}

func logSource(bit C.uint) LogSource {
	for _, source := range [...]LogSource{LogStdout, LogStderr, LogOutput, LogSystem} {
		if logSources[source] == bit {
			return source
		}
	}
	return LogSystem
}

// ReadLogs gives what a sandbox has logged, in the order of time. It need not
// run.
func ReadLogs(ctx context.Context, sandbox string, opts LogOptions) ([]LogEntry, error) {
	stream, err := openLog(ctx, sandbox, LogStreamOptions{Sources: opts.Sources, Since: opts.Since, Until: opts.Until}, opts.Tail)
	if err != nil {
		return nil, err
	}
	defer stream.Close()
	entries := []LogEntry{}
	for {
		entry, err := stream.Recv(ctx)
		if err != nil {
			return nil, err
		}
		if entry == nil {
			return entries, nil
		}
		entries = append(entries, *entry)
	}
}

// OpenLogStream gives what a sandbox has logged, and with Follow what it logs
// from now on.
func OpenLogStream(ctx context.Context, sandbox string, opts LogStreamOptions) (*LogStreamHandle, error) {
	return openLog(ctx, sandbox, opts, nil)
}

func openLog(ctx context.Context, sandbox string, opts LogStreamOptions, tail *uint64) (*LogStreamHandle, error) {
	var a arena
	defer a.free()
	o := C.msb_log_options_t{struct_size: C.size_t(unsafe.Sizeof(C.msb_log_options_t{})), follow: C.bool(opts.Follow)}
	for _, source := range opts.Sources {
		bits, ok := logSources[source]
		if !ok {
			return nil, invalidArgument("there is no log source " + strings.ToValidUTF8(string(source), "?"))
		}
		o.sources |= bits
	}
	if !opts.Since.IsZero() {
		o.has_since, o.since_unix_ns = true, C.int64_t(opts.Since.UnixNano())
	}
	if !opts.Until.IsZero() {
		o.has_until, o.until_unix_ns = true, C.int64_t(opts.Until.UnixNano())
	}
	if tail != nil {
		o.has_tail, o.tail = true, C.uint64_t(*tail)
	}
	o.cursor = a.optional(opts.FromCursor)
	name := a.text(sandbox)
	if a.err != nil {
		return nil, a.err
	}
	var ptr *C.msb_log_t
	_, err := inHome(ctx, func(m *C.msb_t, k *C.msb_cancel_t, e **C.msb_error_t) C.int64_t {
		return C.gomsb_log_open(k, m, name, &o, &ptr, e)
	})
	if err != nil {
		return nil, err
	}
	return &LogStreamHandle{o: newObject("log stream", func() { C.msb_log_free(ptr) }), ptr: ptr, recv: newGate()}, nil
}

// LogStreamHandle is a log being read.
type LogStreamHandle struct {
	o    *object
	ptr  *C.msb_log_t
	recv gate
	done bool
}

// Recv gives the next entry, and waits for it when following; nil without an
// error at the end. ErrMissedRotation, entries are gone that had not been read
// yet, and any other error but ErrCancelled are told once; nothing follows.
func (l *LogStreamHandle) Recv(ctx context.Context) (*LogEntry, error) {
	if err := l.recv.enter(ctx); err != nil {
		return nil, err
	}
	defer l.recv.leave()
	if l.done {
		return nil, l.o.now(func() {})
	}
	var entry *LogEntry
	rc, err := l.o.do(ctx, func(k *C.msb_cancel_t, e **C.msb_error_t) C.int64_t {
		var cursor *C.char
		c := C.msb_log_entry_t{struct_size: C.size_t(unsafe.Sizeof(C.msb_log_entry_t{}))}
		rc := C.gomsb_log_next(k, l.ptr, &c, &cursor, e)
		if rc > 0 {
			entry = &LogEntry{
				Timestamp: time.Unix(0, int64(c.time_unix_ns)),
				Source:    logSource(c.source),
				SessionID: uint64(c.session),
				Data:      bytesOf(c.data, c.len),
				Cursor:    takeText(cursor),
			}
		}
		return rc
	})
	if err != nil {
		l.done = !IsKind(err, ErrCancelled)
		return nil, err
	}
	l.done = rc == 0
	return entry, nil
}

// Close ends reading.
func (l *LogStreamHandle) Close() error { return l.o.close() }
