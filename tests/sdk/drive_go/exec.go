// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"

	msb "github.com/superradcompany/microsandbox/sdk/go"
)

type execArgs struct {
	Sandbox string
	As      string
	Command string
	Script  string
	Args    []string
	Cwd     string
	User    string
	Env     map[string]string
	Timeout *int64 `json:"timeout_ms"`
	TTY     bool   `json:"tty"`
	Rlimits []rlimit
	Stdin   json.RawMessage
}

func (a execArgs) options() ([]msb.ExecOption, error) {
	opts := []msb.ExecOption{}
	if a.Cwd != "" {
		opts = append(opts, msb.WithExecCwd(a.Cwd))
	}
	if a.User != "" {
		opts = append(opts, msb.WithExecUser(a.User))
	}
	if a.Env != nil {
		opts = append(opts, msb.WithExecEnv(a.Env))
	}
	if a.Timeout != nil {
		opts = append(opts, msb.WithExecTimeout(duration(*a.Timeout)))
	}
	if a.TTY {
		opts = append(opts, msb.WithExecTTY(0, 0))
	}
	if a.Rlimits != nil {
		opts = append(opts, msb.WithExecRlimits(rlimits(a.Rlimits)...))
	}
	var word string
	if a.Stdin == nil || json.Unmarshal(a.Stdin, &word) == nil {
		if word == "pipe" {
			opts = append(opts, msb.WithExecStdinPipe())
		}
		return opts, nil
	}
	var data blob
	if err := json.Unmarshal(a.Stdin, &data); err != nil {
		return nil, typeError(err)
	}
	return append(opts, msb.WithExecStdin(data)), nil
}

func outputAnswer(out *msb.ExecOutput, err error) (interface{}, error) {
	if err != nil {
		return nil, err
	}
	return map[string]interface{}{
		"code": out.ExitCode(), "signal": out.Signal(), "stdout": blob(out.StdoutBytes()), "stderr": blob(out.StderrBytes()),
	}, nil
}

// run has Exec and Shell, ExecStream and ShellStream in common.
func run(d *driver, a execArgs, f func(s *msb.Sandbox, opts []msb.ExecOption) (interface{}, error)) (interface{}, error) {
	s, err := object[*msb.Sandbox](d, a.Sandbox)
	if err != nil {
		return nil, err
	}
	opts, err := a.options()
	if err != nil {
		return nil, err
	}
	return f(s, opts)
}

// A command is the handle and its input.
type command struct {
	*msb.ExecHandle
	stdin *msb.ExecSink
}

func started(d *driver, as string, x *msb.ExecHandle, err error) (interface{}, error) {
	if err != nil {
		return nil, err
	}
	d.keep(as, command{x, x.TakeStdin()})
	id, err := x.ID()
	return map[string]string{"id": id}, err
}

func eventAnswer(e *msb.ExecEvent) interface{} {
	answer := map[string]interface{}{"event": e.Kind}
	switch e.Kind {
	case msb.ExecEventStarted:
		answer["pid"] = e.PID
	case msb.ExecEventStdout, msb.ExecEventStderr:
		answer["data"] = blob(e.Data)
	case msb.ExecEventStdinError:
		answer["message"] = e.Message
	case msb.ExecEventExited:
		answer["code"], answer["signal"] = e.ExitCode, e.Signal
	case msb.ExecEventDone:
		return nil
	}
	return answer
}

// onCommand makes an operation of a function of a command.
func onCommand(f func(ctx context.Context, x command, a commandArgs) (interface{}, error)) operation {
	return op(func(d *driver, ctx context.Context, a commandArgs) (interface{}, error) {
		x, err := object[command](d, a.Exec)
		if err != nil {
			return nil, err
		}
		return f(ctx, x, a)
	})
}

type commandArgs struct {
	Exec       string
	Data       blob
	Signal     int
	Rows, Cols uint16
}

var execOps = map[string]operation{
	"exec": op(func(d *driver, ctx context.Context, a execArgs) (interface{}, error) {
		return run(d, a, func(s *msb.Sandbox, opts []msb.ExecOption) (interface{}, error) {
			return outputAnswer(s.Exec(ctx, a.Command, a.Args, opts...))
		})
	}),
	"shell": op(func(d *driver, ctx context.Context, a execArgs) (interface{}, error) {
		return run(d, a, func(s *msb.Sandbox, opts []msb.ExecOption) (interface{}, error) {
			return outputAnswer(s.Shell(ctx, a.Script, opts...))
		})
	}),
	"exec_start": op(func(d *driver, ctx context.Context, a execArgs) (interface{}, error) {
		return run(d, a, func(s *msb.Sandbox, opts []msb.ExecOption) (interface{}, error) {
			x, err := s.ExecStream(ctx, a.Command, a.Args, opts...)
			return started(d, a.As, x, err)
		})
	}),
	"shell_start": op(func(d *driver, ctx context.Context, a execArgs) (interface{}, error) {
		return run(d, a, func(s *msb.Sandbox, opts []msb.ExecOption) (interface{}, error) {
			x, err := s.ShellStream(ctx, a.Script, opts...)
			return started(d, a.As, x, err)
		})
	}),
	"exec_recv": onCommand(func(ctx context.Context, x command, _ commandArgs) (interface{}, error) {
		event, err := x.Recv(ctx)
		if err != nil {
			return nil, err
		}
		return eventAnswer(event), nil
	}),
	"exec_write": onCommand(func(ctx context.Context, x command, a commandArgs) (interface{}, error) {
		if x.stdin == nil {
			return nil, &problem{"type", "the command has no input"}
		}
		_, err := x.stdin.WriteCtx(ctx, a.Data)
		return nil, err
	}),
	"exec_close_stdin": onCommand(func(_ context.Context, x command, _ commandArgs) (interface{}, error) {
		if x.stdin == nil {
			return nil, &problem{"type", "the command has no input"}
		}
		return nil, x.stdin.Close()
	}),
	"exec_kill": onCommand(func(ctx context.Context, x command, _ commandArgs) (interface{}, error) {
		return nil, x.Kill(ctx)
	}),
	"exec_signal": onCommand(func(ctx context.Context, x command, a commandArgs) (interface{}, error) {
		return nil, x.Signal(ctx, a.Signal)
	}),
	"exec_resize": onCommand(func(ctx context.Context, x command, a commandArgs) (interface{}, error) {
		return nil, x.Resize(ctx, a.Rows, a.Cols)
	}),
	"exec_wait": onCommand(func(ctx context.Context, x command, _ commandArgs) (interface{}, error) {
		code, signal, err := x.WaitStatus(ctx)
		return map[string]int{"code": code, "signal": signal}, err
	}),
	"exec_collect": onCommand(func(ctx context.Context, x command, _ commandArgs) (interface{}, error) {
		return outputAnswer(x.Collect(ctx))
	}),
}
