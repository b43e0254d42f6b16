// SPDX-License-Identifier: Apache-2.0

package microsandbox

/*
#include "bridge.h"
*/
import "C"

import (
	"context"
	"io"
	"runtime/cgo"
	"sync"
	"syscall"
)

// How much of a file is read or written at a time.
const fsChunk = 1 << 20

// FsFlags say how a file is opened.
type FsFlags uint

// Ways of opening a file.
const (
	FsRead      FsFlags = C.MSB_FS_READ
	FsWrite     FsFlags = C.MSB_FS_WRITE
	FsAppend    FsFlags = C.MSB_FS_APPEND
	FsCreate    FsFlags = C.MSB_FS_CREATE
	FsTruncate  FsFlags = C.MSB_FS_TRUNCATE
	FsCreateNew FsFlags = C.MSB_FS_CREATE_NEW
)

// FsHandle is an open file, with a connection of its own. Its methods may be
// used at once.
type FsHandle struct {
	conn *fsConn
	id   C.uint64_t
	path string
}

// Open opens a file; mode is that of one it makes.
func (f *FS) Open(ctx context.Context, path string, flags FsFlags, mode uint32) (*FsHandle, error) {
	return f.open(ctx, path, flags, int(mode))
}

func (f *FS) open(ctx context.Context, path string, flags FsFlags, mode int) (*FsHandle, error) {
	var a arena
	defer a.free()
	p := a.text(path)
	if a.err != nil {
		return nil, a.err
	}
	conn, err := f.dial(ctx)
	if err != nil {
		return nil, err
	}
	h := &FsHandle{conn: conn, path: path}
	_, err = conn.do(ctx, func(fs *C.msb_fs_t, k *C.msb_cancel_t, e **C.msb_error_t) C.int64_t {
		return C.gomsb_fs_open(k, fs, p, C.uint(flags), C.int(mode), &h.id, e)
	})
	if err != nil {
		_ = conn.o.close()
		return nil, err
	}
	return h, nil
}

// ReadAt reads at an offset: less than len(p) only at the file's end, and then
// also io.EOF.
func (h *FsHandle) ReadAt(ctx context.Context, p []byte, offset int64) (int, error) {
	if offset < 0 {
		return 0, invalidArgument("a negative offset")
	}
	done := 0
	for done < len(p) {
		part := p[done:]
		if len(part) > fsChunk {
			part = part[:fsChunk]
		}
		n, err := h.conn.do(ctx, func(fs *C.msb_fs_t, k *C.msb_cancel_t, e **C.msb_error_t) C.int64_t {
			return C.gomsb_fs_pread(k, fs, h.id, C.uint64_t(offset)+C.uint64_t(done), pointerTo(part), C.size_t(len(part)), e)
		})
		if err != nil {
			return done, err
		}
		done += int(n)
		if int(n) < len(part) {
			return done, io.EOF
		}
	}
	return done, nil
}

// WriteAt writes all of p at an offset.
func (h *FsHandle) WriteAt(ctx context.Context, p []byte, offset int64) (int, error) {
	if offset < 0 {
		return 0, invalidArgument("a negative offset")
	}
	done := 0
	for done < len(p) {
		part := p[done:]
		if len(part) > fsChunk {
			part = part[:fsChunk]
		}
		_, err := h.conn.do(ctx, func(fs *C.msb_fs_t, k *C.msb_cancel_t, e **C.msb_error_t) C.int64_t {
			return C.gomsb_fs_pwrite(k, fs, h.id, C.uint64_t(offset)+C.uint64_t(done), pointerTo(part), C.size_t(len(part)), e)
		})
		if err != nil {
			return done, err
		}
		done += len(part)
	}
	return done, nil
}

// Stat tells what is known of the file.
func (h *FsHandle) Stat(ctx context.Context) (*FsStat, error) {
	var info C.msb_fs_info_t
	_, err := h.conn.do(ctx, func(fs *C.msb_fs_t, k *C.msb_cancel_t, e **C.msb_error_t) C.int64_t {
		return C.gomsb_fs_fstat(k, fs, h.id, &info, e)
	})
	if err != nil {
		return nil, err
	}
	stat := newFsStat(h.path, &info)
	return &stat, nil
}

// SetStat changes attributes of the file.
func (h *FsHandle) SetStat(ctx context.Context, attrs FsSetAttrs) error {
	native := attrs.native()
	_, err := h.conn.do(ctx, func(fs *C.msb_fs_t, k *C.msb_cancel_t, e **C.msb_error_t) C.int64_t {
		return C.gomsb_fs_fset_stat(k, fs, h.id, &native, e)
	})
	return err
}

// Close closes the file, and tells what had not been told of writing it.
func (h *FsHandle) Close(ctx context.Context) error {
	_, failed := h.conn.do(ctx, func(fs *C.msb_fs_t, k *C.msb_cancel_t, e **C.msb_error_t) C.int64_t {
		return C.gomsb_fs_close(k, fs, h.id, e)
	})
	if err := h.conn.o.close(); err != nil {
		return err
	}
	return failed
}

// FsReadStream is a file being read.
type FsReadStream struct {
	h  *FsHandle
	mu sync.Mutex
	at int64
}

// ReadStream opens a file for reading from its beginning.
func (f *FS) ReadStream(ctx context.Context, path string) (*FsReadStream, error) {
	h, err := f.open(ctx, path, FsRead, -1)
	if err != nil {
		return nil, err
	}
	return &FsReadStream{h: h}, nil
}

// Recv gives the next piece; nil without an error at the end.
func (r *FsReadStream) Recv(ctx context.Context) ([]byte, error) {
	buf := make([]byte, fsChunk)
	n, err := r.ReadCtx(ctx, buf)
	if err == io.EOF {
		return nil, nil
	}
	return buf[:n:n], err
}

// Read is that of io.Reader.
func (r *FsReadStream) Read(p []byte) (int, error) { return r.ReadCtx(context.Background(), p) }

// ReadCtx is Read until ctx is done.
func (r *FsReadStream) ReadCtx(ctx context.Context, p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(p) == 0 {
		return 0, nil
	}
	n, err := r.h.ReadAt(ctx, p, r.at)
	r.at += int64(n)
	if n > 0 {
		return n, nil // what ended it comes again
	}
	return n, err
}

// WriteTo writes all that is left to w.
func (r *FsReadStream) WriteTo(w io.Writer) (int64, error) {
	return r.CopyTo(context.Background(), w)
}

// CopyTo is WriteTo until ctx is done.
func (r *FsReadStream) CopyTo(ctx context.Context, w io.Writer) (int64, error) {
	buf := make([]byte, fsChunk)
	total := int64(0)
	for {
		n, err := r.ReadCtx(ctx, buf)
		if err == io.EOF {
			return total, nil
		}
		if err != nil {
			return total, err
		}
		n, err = w.Write(buf[:n])
		total += int64(n)
		if err != nil {
			return total, err
		}
	}
}

// Close ends reading.
func (r *FsReadStream) Close() error { return r.h.Close(context.Background()) }

// FsWriteStream is a file being written.
type FsWriteStream struct {
	h  *FsHandle
	mu sync.Mutex
	at int64
}

// WriteStream makes a file, or empties one, for writing.
func (f *FS) WriteStream(ctx context.Context, path string) (*FsWriteStream, error) {
	h, err := f.open(ctx, path, FsWrite|FsCreate|FsTruncate, -1)
	if err != nil {
		return nil, err
	}
	return &FsWriteStream{h: h}, nil
}

// Write is that of io.Writer.
func (w *FsWriteStream) Write(p []byte) (int, error) { return w.WriteCtx(context.Background(), p) }

// WriteCtx is Write until ctx is done.
func (w *FsWriteStream) WriteCtx(ctx context.Context, p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	n, err := w.h.WriteAt(ctx, p, w.at)
	w.at += int64(n)
	return n, err
}

// Close closes the file, and tells what had not been told of writing it.
func (w *FsWriteStream) Close(ctx context.Context) error { return w.h.Close(ctx) }

// CopySkipped is what could not be copied while the rest was.
type CopySkipped struct {
	Path string
	Why  string
}

//export gomsbSkipped
func gomsbSkipped(h C.uintptr_t, path, why *C.char) {
	list := cgo.Handle(h).Value().(*[]CopySkipped)
	*list = append(*list, CopySkipped{C.GoString(path), C.GoString(why)})
}

// CopyFromHost copies a file, or a directory with all it holds, into the guest,
// as cp -r does.
func (f *FS) CopyFromHost(ctx context.Context, host, guest string) error {
	return copyError(f.copy(ctx, host, guest, true))
}

// CopyToHost copies a file, or a directory with all it holds, out of the guest,
// as cp -r does.
func (f *FS) CopyToHost(ctx context.Context, guest, host string) error {
	return copyError(f.copy(ctx, guest, host, false))
}

// copyError makes an error of the first entry that was left out.
func copyError(skipped []CopySkipped, err error) error {
	if err == nil && len(skipped) > 0 {
		err = &Error{Kind: ErrFilesystem, Message: skipped[0].Path + ": " + skipped[0].Why, Cause: syscall.EIO}
	}
	return err
}

func (f *FS) copy(ctx context.Context, from, to string, in bool) ([]CopySkipped, error) {
	if f.sandbox == nil {
		return nil, &Error{Kind: ErrUnsupported, Message: "volumes are on this host already", Cause: syscall.EOPNOTSUPP}
	}
	var a arena
	defer a.free()
	p, q := a.text(from), a.text(to)
	if a.err != nil {
		return nil, a.err
	}
	skipped := []CopySkipped{}
	h := cgo.NewHandle(&skipped)
	defer h.Delete()
	s := f.sandbox
	_, err := s.o.do(ctx, func(k *C.msb_cancel_t, e **C.msb_error_t) C.int64_t {
		if in {
			return C.gomsb_copy(k, nil, p, s.ptr, q, C.uintptr_t(h), e)
		}
		return C.gomsb_copy(k, s.ptr, p, nil, q, C.uintptr_t(h), e)
	})
	return skipped, err
}
