// SPDX-License-Identifier: Apache-2.0

package microsandbox

/*
#include "bridge.h"
*/
import "C"

import (
	"context"
	"time"
	"unsafe"
)

// Flags of frames.
const (
	FlagTerminal     uint8 = C.MSB_AGENT_TERMINAL      // the last one of its id
	FlagSessionStart uint8 = C.MSB_AGENT_SESSION_START // the first one of a session
	FlagShutdown     uint8 = C.MSB_AGENT_SHUTDOWN
	FlagRelay        uint8 = C.MSB_AGENT_RELAY // for the relay itself
)

// RawFrame is a frame to or from a guest's agent. Its body is a CBOR map
// {v, t, p}.
type RawFrame struct {
	ID    uint32
	Flags uint8
	Body  []byte
}

func takeFrame(f *C.msb_agent_frame_t) *RawFrame {
	defer C.msb_agent_frame_clear(f)
	return &RawFrame{ID: uint32(f.id), Flags: uint8(f.flags), Body: bytesOf(f.body, f.len)}
}

func newFrame() C.msb_agent_frame_t {
	return C.msb_agent_frame_t{struct_size: C.size_t(unsafe.Sizeof(C.msb_agent_frame_t{}))}
}

// AgentReady is what the agent said when it was ready.
type AgentReady struct {
	BootTime     time.Duration // since the guest's kernel began
	InitTime     time.Duration
	ReadyTime    time.Duration
	Generation   uint // of the protocol
	AgentVersion string
}

// AgentClient speaks to a guest's agent in frames, for what has no function of
// its own. It may be used by any number of goroutines at once.
type AgentClient struct {
	o     *object
	ptr   *C.msb_agent_t
	ready AgentReady
	bytes []byte
	first uint32
	end   uint32
}

// ConnectAgentSandbox connects to a running sandbox. The handshake has
// DefaultConnectTimeout.
func ConnectAgentSandbox(ctx context.Context, name string) (*AgentClient, error) {
	return ConnectAgentSandboxWithTimeout(ctx, name, DefaultConnectTimeout)
}

// ConnectAgentSandboxWithTimeout is ConnectAgentSandbox with a time of its own.
func ConnectAgentSandboxWithTimeout(ctx context.Context, name string, timeout time.Duration) (*AgentClient, error) {
	return connectAgent(name, timeout, func(name *C.char, ms C.uint64_t, ptr **C.msb_agent_t) error {
		_, err := inHome(ctx, func(m *C.msb_t, k *C.msb_cancel_t, e **C.msb_error_t) C.int64_t {
			return C.gomsb_agent_connect(k, m, name, ms, ptr, e)
		})
		return err
	})
}

// ConnectAgentPath connects to the agent's socket of a sandbox of any home.
func ConnectAgentPath(ctx context.Context, path string) (*AgentClient, error) {
	return ConnectAgentPathWithTimeout(ctx, path, DefaultConnectTimeout)
}

// ConnectAgentPathWithTimeout is ConnectAgentPath with a time of its own.
func ConnectAgentPathWithTimeout(ctx context.Context, path string, timeout time.Duration) (*AgentClient, error) {
	return connectAgent(path, timeout, func(path *C.char, ms C.uint64_t, ptr **C.msb_agent_t) error {
		_, err := do(ctx, func(k *C.msb_cancel_t, e **C.msb_error_t) C.int64_t {
			return C.gomsb_agent_connect_path(k, path, ms, ptr, e)
		})
		return err
	})
}

func connectAgent(where string, timeout time.Duration, connect func(where *C.char, ms C.uint64_t, ptr **C.msb_agent_t) error) (*AgentClient, error) {
	ms, err := millis(timeout)
	if err != nil {
		return nil, err
	}
	var a arena
	defer a.free()
	text := a.text(where)
	if a.err != nil {
		return nil, a.err
	}
	var ptr *C.msb_agent_t
	if err := connect(text, C.uint64_t(ms), &ptr); err != nil {
		return nil, err
	}
	return newAgentClient(ptr), nil
}

func newAgentClient(ptr *C.msb_agent_t) *AgentClient {
	client := &AgentClient{o: newObject("agent client", func() { C.msb_agent_free(ptr) }), ptr: ptr}
	client.o.kind = ErrAgentClosed
	ready := C.msb_agent_ready_t{struct_size: C.size_t(unsafe.Sizeof(C.msb_agent_ready_t{}))}
	C.msb_agent_ready(ptr, &ready)
	client.ready = AgentReady{
		BootTime:     time.Duration(ready.boot_time_ns),
		InitTime:     time.Duration(ready.init_time_ns),
		ReadyTime:    time.Duration(ready.ready_time_ns),
		Generation:   uint(ready.generation),
		AgentVersion: C.GoString(ready.agent_version),
	}
	var n C.size_t
	body := C.msb_agent_ready_bytes(ptr, &n)
	client.bytes = bytesOf(unsafe.Pointer(body), n)
	var first, end C.uint32_t
	C.msb_agent_id_range(ptr, &first, &end)
	client.first, client.end = uint32(first), uint32(end)
	return client
}

// IDRange gives the ids of this client's own: first to end - 1.
func (c *AgentClient) IDRange() (first, end uint32) { return c.first, c.end }

// ReadyBytes gives the body of core.ready, as it came.
func (c *AgentClient) ReadyBytes() ([]byte, error) {
	return append([]byte(nil), c.bytes...), nil
}

// Ready gives what core.ready says.
func (c *AgentClient) Ready() (AgentReady, error) { return c.ready, nil }

// Request sends a body under a fresh id and gives the first frame that answers.
func (c *AgentClient) Request(ctx context.Context, flags uint8, body []byte) (*RawFrame, error) {
	return c.RequestWithTimeout(ctx, flags, body, -1)
}

// RequestWithTimeout is Request that fails with ErrTimeout when no answer comes
// in time; a negative one waits.
func (c *AgentClient) RequestWithTimeout(ctx context.Context, flags uint8, body []byte, timeout time.Duration) (*RawFrame, error) {
	ms := int64(-1)
	if timeout >= 0 {
		ms, _ = millis(timeout)
		if ms > maxInt32 {
			ms = maxInt32
		}
	}
	frame := newFrame()
	_, err := c.o.do(ctx, func(k *C.msb_cancel_t, e **C.msb_error_t) C.int64_t {
		return C.gomsb_agent_request(k, c.ptr, C.uint8_t(flags), pointerTo(body), C.size_t(len(body)), C.int(ms), &frame, e)
	})
	if err != nil {
		return nil, err
	}
	return takeFrame(&frame), nil
}

const maxInt32 = 1<<31 - 1

// RequestFrame is Request of a frame; its ID does not count.
func (c *AgentClient) RequestFrame(ctx context.Context, frame RawFrame) (*RawFrame, error) {
	return c.Request(ctx, frame.Flags, frame.Body)
}

// Send sends a further frame of a session.
func (c *AgentClient) Send(ctx context.Context, id uint32, flags uint8, body []byte) error {
	_, err := c.o.do(ctx, func(k *C.msb_cancel_t, e **C.msb_error_t) C.int64_t {
		return C.gomsb_agent_send(k, c.ptr, C.uint32_t(id), C.uint8_t(flags), pointerTo(body), C.size_t(len(body)), e)
	})
	return err
}

// Stream sends a body under a fresh id and gives all frames that answer.
func (c *AgentClient) Stream(ctx context.Context, flags uint8, body []byte) (*AgentStream, error) {
	var ptr *C.msb_agent_stream_t
	_, err := c.o.do(ctx, func(k *C.msb_cancel_t, e **C.msb_error_t) C.int64_t {
		return C.gomsb_agent_stream_open(k, c.ptr, C.uint8_t(flags), pointerTo(body), C.size_t(len(body)), &ptr, e)
	})
	if err != nil {
		return nil, err
	}
	st := &AgentStream{ptr: ptr, id: uint32(C.msb_agent_stream_id(ptr))}
	st.o = newObject("agent stream", func() { C.msb_agent_stream_free(ptr) })
	st.o.kind = ErrAgentClosed
	return st, nil
}

// StreamFrame is Stream of a frame; its ID does not count.
func (c *AgentClient) StreamFrame(ctx context.Context, frame RawFrame) (*AgentStream, error) {
	return c.Stream(ctx, frame.Flags, frame.Body)
}

// Close hangs up; whoever waits gets ErrAgentClosed. May be repeated.
func (c *AgentClient) Close() error {
	_ = c.o.now(func() { C.msb_agent_close(c.ptr) })
	_ = c.o.close()
	return nil
}

// CloseCtx is Close; it does not wait for what ctx could end.
func (c *AgentClient) CloseCtx(ctx context.Context) error { return c.Close() }

// AgentStream is the frames that answer a request.
type AgentStream struct {
	o   *object
	ptr *C.msb_agent_stream_t
	id  uint32
}

// ID is that of its frames, for Send.
func (s *AgentStream) ID() uint32 { return s.id }

// Next waits for the next frame; nil without an error after the one with
// FlagTerminal. Several goroutines may wait at once.
func (s *AgentStream) Next(ctx context.Context) (*RawFrame, error) {
	for {
		frame := newFrame()
		ended := false
		rc, err := s.o.do(ctx, func(k *C.msb_cancel_t, e **C.msb_error_t) C.int64_t {
			rc := C.gomsb_agent_stream_next(k, s.ptr, -1, &frame, e)
			ended = rc == 0 && bool(C.msb_agent_stream_ended(s.ptr))
			return rc
		})
		switch {
		case err != nil:
			return nil, err
		case rc > 0:
			return takeFrame(&frame), nil
		case ended:
			return nil, nil
		}
	}
}

// Close ends the stream. It does not wait for anything.
func (s *AgentStream) Close(ctx context.Context) error { return s.o.close() }

// EncodeAgentMessage makes the body of a frame of a type, such as
// "core.exec.request", and its payload, a CBOR map.
func EncodeAgentMessage(messageType string, payload []byte) ([]byte, error) {
	var a arena
	defer a.free()
	name := a.text(messageType)
	if a.err != nil {
		return nil, a.err
	}
	var body unsafe.Pointer
	var n C.size_t
	_, err := do(context.Background(), func(_ *C.msb_cancel_t, e **C.msb_error_t) C.int64_t {
		return C.gomsb_agent_encode(name, pointerTo(payload), C.size_t(len(payload)), &body, &n, e)
	})
	if err != nil {
		return nil, err
	}
	defer C.msb_free(body)
	return bytesOf(body, n), nil
}

// AgentMessage is the body of a frame, taken apart.
type AgentMessage struct {
	Version uint
	Type    string
	Payload []byte // a CBOR map
}

// DecodeAgentMessage takes the body of a frame apart.
func DecodeAgentMessage(body []byte) (*AgentMessage, error) {
	var message *AgentMessage
	held := C.CBytes(body)
	defer C.free(held)
	_, err := do(context.Background(), func(_ *C.msb_cancel_t, e **C.msb_error_t) C.int64_t {
		m := C.msb_agent_message_t{struct_size: C.size_t(unsafe.Sizeof(C.msb_agent_message_t{}))}
		rc := C.msb_agent_decode(held, C.size_t(len(body)), &m, e)
		if rc >= 0 {
			message = &AgentMessage{
				Version: uint(m.version),
				Type:    string(bytesOf(unsafe.Pointer(m._type), m.type_len)),
				Payload: bytesOf(unsafe.Pointer(m.payload), m.payload_len),
			}
		}
		return C.int64_t(rc)
	})
	return message, err
}
