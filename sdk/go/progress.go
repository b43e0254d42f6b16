// SPDX-License-Identifier: Apache-2.0

package microsandbox

/*
#include "bridge.h"
*/
import "C"

import (
	"context"
	"runtime/cgo"
	"sync"
	"unsafe"
)

// PullEventKind is what a PullEvent tells.
type PullEventKind string

// What happens while an image is pulled.
const (
	PullResolving PullEventKind = "resolving" // Reference
	PullResolved  PullEventKind = "resolved"  // Reference, LayerCount, LayerBytes, Total
	PullDownload  PullEventKind = "download"  // Layer, Bytes, Total; may go back
	PullUnpack    PullEventKind = "unpack"    // Layer, Bytes, Total
	PullWaiting   PullEventKind = "waiting"   // Layer: another process works on it
	PullCached    PullEventKind = "cached"    // Layer: it was there
	PullLayer     PullEventKind = "layer"     // Layer: it is there now
	PullMerging   PullEventKind = "merging"
	PullNote      PullEventKind = "note" // Message: a person may want to know
	PullDone      PullEventKind = "done" // the last one, of a success
)

// PullEvent is a step of pulling an image.
type PullEvent struct {
	Kind       PullEventKind
	Reference  string // canonical
	Layer      int    // below LayerCount, the lowest layer first
	LayerCount int
	LayerBytes []uint64 // of PullResolved: the size of each download
	Bytes      uint64
	Total      uint64
	Message    string
}

var pullEventKinds = map[C.msb_image_event_kind_t]PullEventKind{
	C.MSB_IMAGE_RESOLVING: PullResolving,
	C.MSB_IMAGE_RESOLVED:  PullResolved,
	C.MSB_IMAGE_DOWNLOAD:  PullDownload,
	C.MSB_IMAGE_UNPACK:    PullUnpack,
	C.MSB_IMAGE_WAITING:   PullWaiting,
	C.MSB_IMAGE_CACHED:    PullCached,
	C.MSB_IMAGE_LAYER:     PullLayer,
	C.MSB_IMAGE_MERGING:   PullMerging,
	C.MSB_IMAGE_NOTE:      PullNote,
	C.MSB_IMAGE_DONE:      PullDone,
}

//export gomsbImage
func gomsbImage(h C.uintptr_t, ev *C.msb_image_event_t) C.int {
	kind, ok := pullEventKinds[ev.kind]
	if !ok {
		return 0 // of a later library
	}
	event := PullEvent{
		Kind:       kind,
		Reference:  C.GoString(ev.reference),
		Layer:      int(ev.layer),
		LayerCount: int(ev.layer_count),
		Bytes:      uint64(ev.bytes),
		Total:      uint64(ev.total),
		Message:    C.GoString(ev.message),
	}
	if ev.kind == C.MSB_IMAGE_RESOLVED && ev.layer_bytes != nil {
		for _, n := range unsafe.Slice(ev.layer_bytes, int(ev.layer_count)) {
			event.LayerBytes = append(event.LayerBytes, uint64(n))
		}
	}
	cgo.Handle(h).Value().(func(PullEvent))(event)
	return 0
}

// PullSession is a sandbox being created, and the progress of its image.
type PullSession struct {
	events  chan PullEvent
	done    chan struct{}
	cancel  context.CancelFunc
	sandbox *Sandbox
	err     error
	once    sync.Once
}

// How many events wait for whoever receives them; then pulling waits.
const pullEventsMax = 256

// CreateSandboxWithProgress is CreateSandbox in the background. Recv gives the
// progress, Result the sandbox.
func CreateSandboxWithProgress(ctx context.Context, name string, opts ...SandboxOption) *PullSession {
	ctx, cancel := context.WithCancel(ctx)
	s := &PullSession{events: make(chan PullEvent, pullEventsMax), done: make(chan struct{}), cancel: cancel}
	c := newSandboxConfig(opts)
	told := c.progress
	c.progress = func(event PullEvent) {
		if told != nil {
			told(event)
		}
		select {
		case s.events <- event:
		case <-ctx.Done():
		}
	}
	go func() {
		s.sandbox, s.err = c.create(ctx, name)
		close(s.events)
		close(s.done)
		cancel()
	}()
	return s
}

// Recv waits for the next event; nil without an error: there will be none.
func (s *PullSession) Recv(ctx context.Context) (*PullEvent, error) {
	select {
	case event, ok := <-s.events:
		if !ok {
			return nil, nil
		}
		return &event, nil
	case <-ctx.Done():
		return nil, cancelled(ctx)
	}
}

// Result waits for the sandbox, and drops events that nobody received. It gives
// the sandbox once, which is then the caller's to close.
func (s *PullSession) Result(ctx context.Context) (*Sandbox, error) {
	for {
		event, err := s.Recv(ctx)
		if err != nil {
			return nil, err
		}
		if event == nil {
			break
		}
	}
	<-s.done
	sandbox, err := s.sandbox, s.err
	first := false
	s.once.Do(func() { first = true })
	if err == nil && !first {
		return nil, &Error{Kind: ErrInvalidHandle, Message: "the sandbox has been taken"}
	}
	return sandbox, err
}

// Close cancels what has not been done, and closes a sandbox that Result has
// not given.
func (s *PullSession) Close() error {
	s.cancel()
	<-s.done
	var err error
	s.once.Do(func() {
		if s.sandbox != nil {
			err = s.sandbox.Close()
		}
	})
	return err
}
