// SPDX-License-Identifier: Apache-2.0

package microsandbox

import (
	"context"
	"os"
	"sync"
	"syscall"
	"time"
)

// A poller waits for a descriptor of the library's with Go's own means, so that
// a goroutine that waits for a command takes no thread.
type poller struct {
	file *os.File
	conn syscall.RawConn

	mu   sync.Mutex
	turn int             // counts whom the deadline is for
	done <-chan struct{} // the context that is watched
	stop chan struct{}   // ends who watches it
}

// The deadline of somebody who is to be woken.
var longAgo = time.Unix(1, 0)

func newPoller(fd int) (*poller, error) {
	own, _, errno := syscall.Syscall(syscall.SYS_FCNTL, uintptr(fd), syscall.F_DUPFD_CLOEXEC, 0)
	if errno != 0 {
		return nil, &Error{Kind: ErrIO, Message: "io error: copy a descriptor: " + errno.Error(), Cause: errno}
	}
	err := syscall.SetNonblock(int(own), true)
	file := os.NewFile(own, "command")
	if err == nil {
		err = file.SetReadDeadline(time.Time{})
	}
	p := &poller{file: file}
	if err == nil {
		p.conn, err = file.SyscallConn()
	}
	if err != nil {
		file.Close()
		return nil, &Error{Kind: ErrIO, Message: "io error: poll a descriptor: " + err.Error(), Cause: err}
	}
	return p, nil
}

// watch has the context end what waits. The same one, call after call, is
// watched by the same goroutine.
func (p *poller) watch(ctx context.Context) {
	done := ctx.Done()
	p.mu.Lock()
	defer p.mu.Unlock()
	if done == p.done {
		return
	}
	p.leave()
	_ = p.file.SetReadDeadline(time.Time{})
	if done == nil {
		return
	}
	p.done, p.stop = done, make(chan struct{})
	turn, stop := p.turn, p.stop
	go func() {
		select {
		case <-done:
			p.mu.Lock()
			defer p.mu.Unlock()
			if turn == p.turn {
				_ = p.file.SetReadDeadline(longAgo)
			}
		case <-stop:
		}
	}()
}

// leave ends watching; the caller has the lock.
func (p *poller) leave() {
	p.turn++
	if p.stop != nil {
		close(p.stop)
	}
	p.done, p.stop = nil, nil
}

// wait calls try until it is true, each time that there is something to be had.
// An error: it was woken instead.
func (p *poller) wait(try func() bool) error {
	return p.conn.Read(func(uintptr) bool { return try() })
}

// wake ends waiting, for good.
func (p *poller) wake() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.leave()
	_ = p.file.SetReadDeadline(longAgo)
}

func (p *poller) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.leave()
	p.file.Close()
}

// A gate lets one in at a time, and whose context is done need not wait for it.
type gate chan struct{}

func newGate() gate { return make(gate, 1) }

func (g gate) enter(ctx context.Context) error {
	select {
	case g <- struct{}{}:
		return nil
	default:
	}
	select {
	case g <- struct{}{}:
		return nil
	case <-ctx.Done():
		return cancelled(ctx)
	}
}

func (g gate) leave() { <-g }
