// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"time"

	msb "github.com/superradcompany/microsandbox/sdk/go"
)

// target is an object, live or a handle, or a name of the catalogue.
type target struct {
	Sandbox string
	Name    string
}

// Both, a Sandbox and a SandboxHandle, have these.
type stoppable interface {
	Name() string
	Stop(ctx context.Context) error
	StopWithTimeout(ctx context.Context, timeout time.Duration) error
	RequestStop(ctx context.Context) error
	Kill(ctx context.Context) error
	Metrics(ctx context.Context) (*msb.Metrics, error)
	ReadLogs(ctx context.Context, opts msb.LogOptions) ([]msb.LogEntry, error)
	LogStream(ctx context.Context, opts msb.LogStreamOptions) (*msb.LogStreamHandle, error)
}

func (t target) find(ctx context.Context, d *driver) (stoppable, error) {
	if t.Sandbox != "" {
		return object[stoppable](d, t.Sandbox)
	}
	return msb.GetSandbox(ctx, t.Name)
}

// handle is what the catalogue says of it.
func (t target) handle(ctx context.Context, d *driver) (*msb.SandboxHandle, error) {
	if t.Sandbox != "" {
		if h, err := object[*msb.SandboxHandle](d, t.Sandbox); err == nil {
			return h, nil
		}
		s, err := object[*msb.Sandbox](d, t.Sandbox)
		if err != nil {
			return nil, err
		}
		t.Name = s.Name()
	}
	return msb.GetSandbox(ctx, t.Name)
}

func handleAnswer(h *msb.SandboxHandle) interface{} {
	return map[string]interface{}{
		"name": h.Name(), "status": h.Status(), "config": json.RawMessage(h.ConfigJSON()),
		"created_ms": instant(h.CreatedAt()), "updated_ms": instant(h.UpdatedAt()),
	}
}

type createArgs struct {
	Name     string
	Options  options
	Detached bool
	As       string
}

func named(d *driver, as string, s *msb.Sandbox, err error) (interface{}, error) {
	if err != nil {
		return nil, err
	}
	d.keep(as, s)
	return map[string]string{"name": s.Name()}, nil
}

func create(d *driver, ctx context.Context, a createArgs) (interface{}, error) {
	opts, err := a.Options.list()
	if err != nil {
		return nil, typeError(err)
	}
	if a.Detached {
		s, err := msb.CreateSandboxDetached(ctx, a.Name, opts...)
		return named(d, a.As, s, err)
	}
	s, err := msb.CreateSandbox(ctx, a.Name, opts...)
	return named(d, a.As, s, err)
}

func createProgress(d *driver, ctx context.Context, a createArgs) (interface{}, error) {
	opts, err := a.Options.list()
	if err != nil {
		return nil, typeError(err)
	}
	if a.Detached {
		opts = append(opts, msb.WithDetached())
	}
	session := msb.CreateSandboxWithProgress(ctx, a.Name, opts...)
	defer session.Close()
	events := kinds{}
	for {
		event, err := session.Recv(ctx)
		if err != nil {
			return nil, err
		}
		if event == nil {
			break
		}
		events.add(*event)
	}
	s, err := session.Result(ctx)
	if err != nil {
		return nil, err
	}
	d.keep(a.As, s)
	return map[string]interface{}{"name": s.Name(), "events": events.list()}, nil
}

type startArgs struct {
	target
	Detached bool
	As       string
}

func start(d *driver, ctx context.Context, a startArgs) (interface{}, error) {
	h, err := a.handle(ctx, d)
	if err != nil {
		return nil, err
	}
	if a.Detached {
		s, err := h.StartDetached(ctx)
		return named(d, a.As, s, err)
	}
	s, err := h.Start(ctx)
	return named(d, a.As, s, err)
}

type connectArgs struct {
	target
	Timeout *int64 `json:"timeout_ms"`
	As      string
}

func connect(d *driver, ctx context.Context, a connectArgs) (interface{}, error) {
	h, err := a.handle(ctx, d)
	if err != nil {
		return nil, err
	}
	if a.Timeout != nil {
		s, err := h.ConnectWithTimeout(ctx, duration(*a.Timeout))
		return named(d, a.As, s, err)
	}
	s, err := h.Connect(ctx)
	return named(d, a.As, s, err)
}

type stopArgs struct {
	target
	Timeout *int64 `json:"timeout_ms"`
}

var sandboxOps = map[string]operation{
	"create":          op(create),
	"create_progress": op(createProgress),
	"start":           op(start),
	"connect":         op(connect),
	"get": op(func(d *driver, ctx context.Context, a struct{ Name, As string }) (interface{}, error) {
		h, err := msb.GetSandbox(ctx, a.Name)
		if err != nil {
			return nil, err
		}
		if a.As != "" {
			d.keep(a.As, h)
		}
		return handleAnswer(h), nil
	}),
	"list": op(func(_ *driver, ctx context.Context, _ none) (interface{}, error) {
		handles, err := msb.ListSandboxes(ctx)
		list := []interface{}{}
		for _, h := range handles {
			list = append(list, handleAnswer(h))
		}
		return list, err
	}),
	"info": op(func(d *driver, _ context.Context, a struct{ Sandbox string }) (interface{}, error) {
		s, err := object[*msb.Sandbox](d, a.Sandbox)
		if err != nil {
			return nil, err
		}
		owns, err := s.OwnsLifecycle()
		return map[string]interface{}{"name": s.Name(), "owns_lifecycle": owns}, err
	}),
	"stop": op(func(d *driver, ctx context.Context, a stopArgs) (interface{}, error) {
		s, err := a.find(ctx, d)
		if err != nil {
			return nil, err
		}
		if a.Timeout != nil {
			return nil, s.StopWithTimeout(ctx, duration(*a.Timeout))
		}
		return nil, s.Stop(ctx)
	}),
	"kill": op(func(d *driver, ctx context.Context, a target) (interface{}, error) {
		s, err := a.find(ctx, d)
		if err != nil {
			return nil, err
		}
		return nil, s.Kill(ctx)
	}),
	"request_stop": op(func(d *driver, ctx context.Context, a target) (interface{}, error) {
		s, err := a.find(ctx, d)
		if err != nil {
			return nil, err
		}
		return nil, s.RequestStop(ctx)
	}),
	"wait": op(func(d *driver, ctx context.Context, a struct{ Sandbox string }) (interface{}, error) {
		s, err := object[*msb.Sandbox](d, a.Sandbox)
		if err != nil {
			return nil, err
		}
		code, err := s.Wait(ctx)
		return map[string]int{"code": code}, err
	}),
	"detach": op(func(d *driver, ctx context.Context, a struct{ Sandbox string }) (interface{}, error) {
		s, err := object[*msb.Sandbox](d, a.Sandbox)
		if err != nil {
			return nil, err
		}
		return nil, s.Detach(ctx)
	}),
	"remove": op(func(d *driver, ctx context.Context, a target) (interface{}, error) {
		if a.Sandbox == "" {
			return nil, msb.RemoveSandbox(ctx, a.Name)
		}
		if s, err := object[*msb.Sandbox](d, a.Sandbox); err == nil {
			return nil, s.RemovePersisted(ctx)
		}
		h, err := a.handle(ctx, d)
		if err != nil {
			return nil, err
		}
		return nil, h.Remove(ctx)
	}),
}
