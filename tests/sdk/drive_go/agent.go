// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"

	msb "github.com/superradcompany/microsandbox/sdk/go"
)

type agentArgs struct {
	Name, Path, Agent, Stream, As string
	Timeout                       *int64 `json:"timeout_ms"`
	ID                            uint32 `json:"id"`
	Flags                         uint8
	Body                          blob
}

func frameAnswer(f *msb.RawFrame, err error) (interface{}, error) {
	if err != nil || f == nil {
		return nil, err
	}
	return map[string]interface{}{"id": f.ID, "flags": f.Flags, "body": blob(f.Body)}, nil
}

func agentConnect(d *driver, ctx context.Context, a agentArgs) (interface{}, error) {
	timeout := msb.DefaultConnectTimeout
	if a.Timeout != nil {
		timeout = duration(*a.Timeout)
	}
	var client *msb.AgentClient
	var err error
	if a.Path != "" {
		client, err = msb.ConnectAgentPathWithTimeout(ctx, a.Path, timeout)
	} else {
		client, err = msb.ConnectAgentSandboxWithTimeout(ctx, a.Name, timeout)
	}
	if err != nil {
		return nil, err
	}
	d.keep(a.As, client)
	first, end := client.IDRange()
	return map[string]uint32{"first": first, "end": end}, nil
}

// onAgent makes an operation of a function of a client.
func onAgent(f func(d *driver, ctx context.Context, client *msb.AgentClient, a agentArgs) (interface{}, error)) operation {
	return op(func(d *driver, ctx context.Context, a agentArgs) (interface{}, error) {
		client, err := object[*msb.AgentClient](d, a.Agent)
		if err != nil {
			return nil, err
		}
		return f(d, ctx, client, a)
	})
}

var agentOps = map[string]operation{
	"agent_connect": op(agentConnect),
	"agent_ready": onAgent(func(_ *driver, _ context.Context, client *msb.AgentClient, _ agentArgs) (interface{}, error) {
		body, err := client.ReadyBytes()
		return blob(body), err
	}),
	"agent_request": onAgent(func(_ *driver, ctx context.Context, client *msb.AgentClient, a agentArgs) (interface{}, error) {
		if a.Timeout != nil {
			return frameAnswer(client.RequestWithTimeout(ctx, a.Flags, a.Body, duration(*a.Timeout)))
		}
		return frameAnswer(client.Request(ctx, a.Flags, a.Body))
	}),
	"agent_stream": onAgent(func(d *driver, ctx context.Context, client *msb.AgentClient, a agentArgs) (interface{}, error) {
		stream, err := client.Stream(ctx, a.Flags, a.Body)
		if err != nil {
			return nil, err
		}
		d.keep(a.As, stream)
		return map[string]uint32{"id": stream.ID()}, nil
	}),
	"agent_next": op(func(d *driver, ctx context.Context, a agentArgs) (interface{}, error) {
		stream, err := object[*msb.AgentStream](d, a.Stream)
		if err != nil {
			return nil, err
		}
		return frameAnswer(stream.Next(ctx))
	}),
	"agent_send": onAgent(func(_ *driver, ctx context.Context, client *msb.AgentClient, a agentArgs) (interface{}, error) {
		return nil, client.Send(ctx, a.ID, a.Flags, a.Body)
	}),
	"agent_close": onAgent(func(_ *driver, _ context.Context, client *msb.AgentClient, _ agentArgs) (interface{}, error) {
		return nil, client.Close()
	}),
}
