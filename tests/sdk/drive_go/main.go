// SPDX-License-Identifier: Apache-2.0

// Driver of the behaviour table (ops.md) for Go: what lines of JSON say, done by
// the public interface of the package.
package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync"

	msb "github.com/superradcompany/microsandbox/sdk/go"
)

type request struct {
	ID         int             `json:"id"`
	Op         string          `json:"op"`
	Args       json.RawMessage `json:"args"`
	Background bool            `json:"background"`
}

// A problem is an error of the driver or the language, not of the library.
type problem struct{ kind, message string }

func (p *problem) Error() string { return p.message }

func typeError(err error) error { return &problem{"type", err.Error()} }

type driver struct {
	mu      sync.Mutex
	objects map[string]interface{}
	running map[int]context.CancelFunc
	out     sync.Mutex
	writer  *bufio.Writer
	done    sync.WaitGroup
}

// An operation decodes its arguments and answers.
type operation func(d *driver, ctx context.Context, args json.RawMessage) (interface{}, error)

var operations map[string]operation

// op makes an operation of a function of decoded arguments.
func op[A any](f func(d *driver, ctx context.Context, a A) (interface{}, error)) operation {
	return func(d *driver, ctx context.Context, raw json.RawMessage) (interface{}, error) {
		var a A
		if err := strict(raw, &a); err != nil {
			return nil, typeError(err)
		}
		return f(d, ctx, a)
	}
}

// strict knows all keys, or fails.
func strict(raw json.RawMessage, v interface{}) error {
	if len(raw) == 0 {
		return nil
	}
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.DisallowUnknownFields()
	return decoder.Decode(v)
}

type none struct{}

func init() {
	operations = map[string]operation{
		"hello": op(func(*driver, context.Context, none) (interface{}, error) {
			return map[string]string{"language": "go", "version": msb.SDKVersion()}, nil
		}),
		"cancel": op(func(d *driver, _ context.Context, a struct{ Request int }) (interface{}, error) {
			d.mu.Lock()
			defer d.mu.Unlock()
			if cancel := d.running[a.Request]; cancel != nil {
				cancel()
			}
			return nil, nil
		}),
		"drop": op(func(d *driver, _ context.Context, a struct{ Object string }) (interface{}, error) {
			return nil, d.drop(a.Object)
		}),
		"gc": op(func(*driver, context.Context, none) (interface{}, error) {
			runtime.GC()
			runtime.GC()
			return nil, nil
		}),
	}
	for _, more := range []map[string]operation{sandboxOps, execOps, fsOps, watchOps, storeOps, agentOps} {
		for name, f := range more {
			operations[name] = f
		}
	}
}

// keep gives an object a name, and releases what had it.
func (d *driver) keep(name string, object interface{}) {
	_ = d.drop(name)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.objects[name] = object
}

func (d *driver) drop(name string) error {
	d.mu.Lock()
	object := d.objects[name]
	delete(d.objects, name)
	d.mu.Unlock()
	var err error
	switch object := object.(type) {
	case interface{ Close() error }:
		err = object.Close()
	case *msb.AgentStream:
		err = object.Close(context.Background())
	}
	if msb.IsKind(err, msb.ErrInvalidHandle) {
		err = nil // it has been used up
	}
	return err
}

// object finds what has that name, if it is a T.
func object[T any](d *driver, name string) (T, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	found, ok := d.objects[name].(T)
	if !ok {
		return found, &problem{"driver", "there is no such object: " + name}
	}
	return found, nil
}

func errorAnswer(err error) map[string]interface{} {
	answer := map[string]interface{}{"message": err.Error(), "errno": 0, "details": map[string]string{}}
	var e *msb.Error
	var p *problem
	switch {
	case errors.As(err, &e):
		answer["kind"], answer["errno"] = string(e.Kind), int(e.Errno())
		if e.Details != nil {
			answer["details"] = e.Details
		}
	case errors.As(err, &p):
		answer["kind"] = p.kind
	default:
		answer["kind"] = "driver"
	}
	return answer
}

func (d *driver) run(ctx context.Context, rq request) {
	line := map[string]interface{}{"id": rq.ID}
	f := operations[rq.Op]
	if f == nil {
		f = func(*driver, context.Context, json.RawMessage) (interface{}, error) {
			return nil, &problem{"driver", "there is no such operation: " + rq.Op}
		}
	}
	if ok, err := f(d, ctx, rq.Args); err != nil {
		line["error"] = errorAnswer(err)
	} else {
		line["ok"] = ok
	}
	text, err := json.Marshal(line)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	d.out.Lock()
	defer d.out.Unlock()
	_, _ = d.writer.Write(append(text, '\n'))
	_ = d.writer.Flush()
}

func (d *driver) begin(rq request) {
	ctx, cancel := context.WithCancel(context.Background())
	if !rq.Background {
		defer cancel()
		d.run(ctx, rq)
		return
	}
	d.mu.Lock()
	d.running[rq.ID] = cancel
	d.mu.Unlock()
	d.done.Add(1)
	go func() {
		defer d.done.Done()
		defer cancel()
		d.run(ctx, rq)
		d.mu.Lock()
		delete(d.running, rq.ID)
		d.mu.Unlock()
	}()
}

// release closes all that is open: clients and commands before sandboxes.
func (d *driver) release() {
	d.mu.Lock()
	for _, cancel := range d.running {
		cancel()
	}
	var first, last []string
	for name, object := range d.objects {
		if _, ok := object.(*msb.Sandbox); ok {
			last = append(last, name)
		} else {
			first = append(first, name)
		}
	}
	d.mu.Unlock()
	for _, name := range append(first, last...) {
		_ = d.drop(name)
	}
	d.done.Wait()
}

func main() {
	d := &driver{
		objects: map[string]interface{}{},
		running: map[int]context.CancelFunc{},
		writer:  bufio.NewWriter(os.Stdout),
	}
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 64<<20)
	for lines.Scan() {
		var rq request
		if err := json.Unmarshal(lines.Bytes(), &rq); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		d.begin(rq)
	}
	d.release()
}
