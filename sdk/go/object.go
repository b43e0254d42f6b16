// SPDX-License-Identifier: Apache-2.0

package microsandbox

/*
#include "bridge.h"
*/
import "C"

import (
	"context"
	"runtime"
	"sync"
	"syscall"
)

// A call is one use of the library, from begin to end; its token ends the
// library's waiting when the context is done, or the object is closed.
type call struct {
	ctx   context.Context
	token *C.msb_cancel_t
	stop  chan struct{} // ends who watches the context; nil: nobody does

	mu    sync.Mutex
	fired bool
	over  bool
}

// Tokens that have not been triggered are used again: making one takes system
// calls.
var tokens struct {
	sync.Mutex
	idle []*C.msb_cancel_t
}

const tokensIdleMax = 64

func takeToken() (*C.msb_cancel_t, error) {
	tokens.Lock()
	if n := len(tokens.idle); n > 0 {
		t := tokens.idle[n-1]
		tokens.idle = tokens.idle[:n-1]
		tokens.Unlock()
		return t, nil
	}
	tokens.Unlock()
	if t := C.msb_cancel_new(); t != nil {
		return t, nil
	}
	return nil, &Error{Kind: ErrNoMemory, Message: "out of memory or descriptors", Cause: syscall.ENOMEM}
}

func giveToken(t *C.msb_cancel_t) {
	tokens.Lock()
	if len(tokens.idle) < tokensIdleMax {
		tokens.idle = append(tokens.idle, t)
		t = nil
	}
	tokens.Unlock()
	C.msb_cancel_free(t)
}

// How long a call may take decides what it is watched for.
type patience int

const (
	instant   patience = iota // waits for nothing
	waits                     // until ctx is done
	waitsOpen                 // until ctx is done, or the object is closed
)

// beginCall starts watching ctx. Without a need for a token there is none.
func beginCall(ctx context.Context, p patience) (*call, error) {
	if ctx.Err() != nil {
		return nil, cancelled(ctx)
	}
	c := &call{ctx: ctx}
	if p == instant || p == waits && ctx.Done() == nil {
		return c, nil
	}
	t, err := takeToken()
	if err != nil {
		return nil, err
	}
	c.token = t
	if done := ctx.Done(); done != nil {
		c.stop = make(chan struct{})
		go func() {
			select {
			case <-done:
				c.fire()
			case <-c.stop:
			}
		}()
	}
	return c, nil
}

func (c *call) fire() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.over && !c.fired && c.token != nil {
		c.fired = true
		C.msb_cancel_trigger(c.token)
	}
}

func (c *call) end() {
	if c.stop != nil {
		close(c.stop)
	}
	if c.token == nil {
		return
	}
	c.mu.Lock()
	c.over = true
	c.mu.Unlock()
	if c.fired {
		C.msb_cancel_free(c.token)
	} else {
		giveToken(c.token)
	}
}

// A native is a use of the library: negative is failure, and then *e is filled.
type native func(k *C.msb_cancel_t, e **C.msb_error_t) C.int64_t

func (c *call) run(f native) (int64, error) {
	var e *C.msb_error_t
	rc := int64(f(c.token, &e))
	if rc >= 0 {
		return rc, nil
	}
	err := takeError(e, rc)
	if err.Kind == ErrCancelled && c.ctx.Err() != nil {
		err.Cause = c.ctx.Err()
	}
	return rc, err
}

// do runs what belongs to no object.
func do(ctx context.Context, f native) (int64, error) {
	c, err := beginCall(ctx, waits)
	if err != nil {
		return -1, err
	}
	defer c.end()
	return c.run(f)
}

// An object guards something of the library's against being used after, or
// while, it is released.
type object struct {
	mu      sync.Mutex
	idle    sync.Cond
	users   int
	closed  bool
	waiting map[*call]struct{}
	what    string
	kind    ErrorKind // of the error once it is closed
	wake    func()    // ends what waits in another way; may be nil
	free    func()
}

// newObject's free is run by whoever closes it, or, as a safety net, by the
// garbage collector.
func newObject(what string, free func()) *object {
	o := &object{what: what, kind: ErrInvalidHandle, free: free}
	o.idle.L = &o.mu
	openObjects.add(what, 1)
	runtime.SetFinalizer(o, func(o *object) { _ = o.close() })
	return o
}

func (o *object) gone() error {
	return &Error{Kind: o.kind, Message: "the " + o.what + " has been closed", Cause: syscall.EBADF}
}

// begin makes it be there until end.
func (o *object) begin(ctx context.Context, p patience) (*call, error) {
	c, err := beginCall(ctx, p)
	if err != nil {
		return nil, err
	}
	o.mu.Lock()
	if o.closed {
		o.mu.Unlock()
		c.end()
		return nil, o.gone()
	}
	o.users++
	if c.token != nil {
		if o.waiting == nil {
			o.waiting = map[*call]struct{}{}
		}
		o.waiting[c] = struct{}{}
	}
	o.mu.Unlock()
	return c, nil
}

func (o *object) end(c *call) {
	o.mu.Lock()
	delete(o.waiting, c)
	o.users--
	if o.users == 0 && o.closed {
		o.idle.Broadcast()
	}
	o.mu.Unlock()
	c.end()
}

// do runs f on the object, until ctx is done or the object is closed.
func (o *object) do(ctx context.Context, f native) (int64, error) {
	c, err := o.begin(ctx, waitsOpen)
	if err != nil {
		return -1, err
	}
	defer o.end(c)
	rc, err := c.run(f)
	if err != nil && IsKind(err, ErrCancelled) && ctx.Err() == nil {
		err = o.gone()
	}
	return rc, err
}

// now runs f, which does not wait for anything, on the object.
func (o *object) now(f func()) error {
	c, err := o.begin(context.Background(), instant)
	if err != nil {
		return err
	}
	defer o.end(c)
	f()
	return nil
}

// close ends all calls, waits for them, and releases what it guards.
func (o *object) close() error {
	o.mu.Lock()
	if o.closed {
		o.mu.Unlock()
		return o.gone()
	}
	o.closed = true
	for c := range o.waiting {
		c.fire()
	}
	if o.wake != nil {
		o.wake()
	}
	for o.users > 0 {
		o.idle.Wait()
	}
	o.mu.Unlock()
	runtime.SetFinalizer(o, nil)
	openObjects.add(o.what, -1)
	o.free()
	return nil
}

// How many of what there are: tests see that nothing is left over.
var openObjects = counts{n: map[string]int{}}

type counts struct {
	sync.Mutex
	n map[string]int
}

func (c *counts) add(what string, n int) {
	c.Lock()
	defer c.Unlock()
	if c.n[what] += n; c.n[what] == 0 {
		delete(c.n, what)
	}
}
