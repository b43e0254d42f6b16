// SPDX-License-Identifier: Apache-2.0

package microsandbox

/*
#include "bridge.h"
*/
import "C"

import (
	"context"
	"time"
)

// An ExecOption is one setting of a command.
type ExecOption func(*execConfig)

type execConfig struct {
	cwd, user string
	env       map[string]string
	timeout   time.Duration
	limited   bool
	tty       bool
	rows      uint
	cols      uint
	term      string
	rlimits   []Rlimit
	pipe      bool
	stdin     []byte
	outputMax uint64
}

// WithExecCwd sets the working directory.
func WithExecCwd(path string) ExecOption { return func(c *execConfig) { c.cwd = path } }

// WithExecUser sets the user: a name or number, perhaps with a group.
func WithExecUser(user string) ExecOption { return func(c *execConfig) { c.user = user } }

// WithExecEnv adds environment variables.
func WithExecEnv(env map[string]string) ExecOption {
	return func(c *execConfig) {
		if c.env == nil {
			c.env = map[string]string{}
		}
		for key, value := range env {
			c.env[key] = value
		}
	}
}

// WithExecTimeout kills the command after so long, which is ErrExecTimeout.
func WithExecTimeout(d time.Duration) ExecOption {
	return func(c *execConfig) { c.timeout, c.limited = d, true }
}

// WithExecStdinPipe has standard input come from TakeStdin. Without it, and
// without WithExecStdin, there is none.
func WithExecStdinPipe() ExecOption {
	return func(c *execConfig) { c.pipe, c.stdin = true, nil }
}

// WithExecStdin has data as standard input.
func WithExecStdin(data []byte) ExecOption {
	return func(c *execConfig) { c.pipe, c.stdin = false, data }
}

// WithExecTTY runs the command on a terminal of its own: all output is then
// stdout. 0 rows or columns: 24 by 80.
func WithExecTTY(rows, cols uint16) ExecOption {
	return func(c *execConfig) {
		c.tty, c.rows, c.cols = true, 24, 80
		if rows != 0 && cols != 0 {
			c.rows, c.cols = uint(rows), uint(cols)
		}
	}
}

// WithExecTerm sets what the terminal is called, "xterm" without.
func WithExecTerm(term string) ExecOption { return func(c *execConfig) { c.term = term } }

// WithExecRlimits sets limits of resources.
func WithExecRlimits(limits ...Rlimit) ExecOption {
	return func(c *execConfig) { c.rlimits = append(c.rlimits, limits...) }
}

// WithExecOutputMax sets how much of each stream Exec and Collect keep.
func WithExecOutputMax(bytes uint64) ExecOption {
	return func(c *execConfig) { c.outputMax = bytes }
}

func newExecConfig(opts []ExecOption) *execConfig {
	c := &execConfig{}
	for _, opt := range opts {
		opt(c)
	}
	return c
}

// command is what an execConfig is applied to: a program, or a script.
type command func(o *C.msb_exec_options_t, a *arena, e **C.msb_error_t) C.int

func program(cmd string, args []string) command {
	return func(o *C.msb_exec_options_t, a *arena, e **C.msb_error_t) C.int {
		words := make([]string, 0, len(args)+1)
		argv, n := a.list(append(append(words, cmd), args...))
		return C.msb_exec_options_set_command(o, argv, n, e)
	}
}

func (s *Sandbox) script(text string) command {
	return func(o *C.msb_exec_options_t, a *arena, e **C.msb_error_t) C.int {
		return C.msb_exec_options_set_shell(o, s.ptr, a.text(text), e)
	}
}

// native makes the library's options, to be freed by the caller.
func (c *execConfig) native(what command) (*C.msb_exec_options_t, error) {
	var a arena
	defer a.free()
	o := C.msb_exec_options_new()
	if o == nil {
		return nil, &Error{Kind: ErrNoMemory, Message: "out of memory"}
	}
	_, err := do(context.Background(), func(_ *C.msb_cancel_t, e **C.msb_error_t) C.int64_t {
		rc := what(o, &a, e)
		if rc >= 0 {
			rc = c.apply(o, &a, e)
		}
		return C.int64_t(rc)
	})
	if a.err != nil {
		err = a.err
	}
	if err != nil {
		C.msb_exec_options_free(o)
		return nil, err
	}
	return o, nil
}

func (c *execConfig) apply(o *C.msb_exec_options_t, a *arena, e **C.msb_error_t) C.int {
	for _, key := range sortedKeys(c.env) {
		if rc := C.msb_exec_options_add_env(o, a.text(key), a.text(c.env[key]), e); rc < 0 {
			return rc
		}
	}
	if c.cwd != "" {
		if rc := C.msb_exec_options_set_cwd(o, a.text(c.cwd), e); rc < 0 {
			return rc
		}
	}
	if c.user != "" {
		if rc := C.msb_exec_options_set_user(o, a.text(c.user), e); rc < 0 {
			return rc
		}
	}
	for _, l := range c.rlimits {
		if rc := C.msb_exec_options_add_rlimit(o, a.text(l.Resource), C.uint64_t(l.Soft), C.uint64_t(l.Hard), e); rc < 0 {
			return rc
		}
	}
	if c.tty {
		C.msb_exec_options_set_tty(o, true, C.uint(c.rows), C.uint(c.cols), a.optional(c.term))
	}
	if c.limited {
		ms, err := millis(c.timeout)
		if err != nil {
			a.err = err
		} else if ms == 0 {
			ms = 1 // to the library, 0 is no limit
		}
		C.msb_exec_options_set_timeout_ms(o, C.uint64_t(ms))
	}
	if c.outputMax != 0 {
		C.msb_exec_options_set_output_max(o, C.size_t(c.outputMax))
	}
	if c.pipe {
		return 0
	}
	return C.gomsb_exec_options_set_stdin(o, pointerTo(c.stdin), C.size_t(len(c.stdin)), e)
}
