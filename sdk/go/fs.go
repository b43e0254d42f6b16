// SPDX-License-Identifier: Apache-2.0

package microsandbox

/*
#include "bridge.h"
*/
import "C"

import (
	"context"
	"path"
	"runtime/cgo"
	"sync"
	"time"
	"unsafe"
)

// FS is the files of a running guest. It may be used by any number of
// goroutines at once, which wait for each other; streams do not.
type FS struct {
	sandbox *Sandbox // nil: of a volume
	connect func(ctx context.Context) (*C.msb_fs_t, error)

	mu   sync.Mutex
	conn *fsConn
	over bool
}

// An fsConn is one connection; the files that are open through it are its own.
type fsConn struct {
	o   *object
	ptr *C.msb_fs_t
}

func (f *FS) dial(ctx context.Context) (*fsConn, error) {
	ptr, err := f.connect(ctx)
	if err != nil {
		return nil, err
	}
	return &fsConn{o: newObject("file connection", func() { C.msb_fs_free(ptr) }), ptr: ptr}, nil
}

// shared is the connection of everything but streams, made by the first call.
func (f *FS) shared(ctx context.Context) (*fsConn, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.conn == nil {
		conn, err := f.dial(ctx)
		if err != nil {
			return nil, err
		}
		f.conn = conn
	}
	return f.conn, nil
}

// close ends the connection; a later call fails with what connect says.
func (f *FS) close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.conn != nil && !f.over {
		f.over = true
		_ = f.conn.o.close()
	}
}

type fsCall func(fs *C.msb_fs_t, k *C.msb_cancel_t, e **C.msb_error_t) C.int64_t

func (c *fsConn) do(ctx context.Context, f fsCall) (int64, error) {
	return c.o.do(ctx, func(k *C.msb_cancel_t, e **C.msb_error_t) C.int64_t { return f(c.ptr, k, e) })
}

// do runs f with one or two paths.
func (f *FS) do(ctx context.Context, a *arena, call fsCall) (int64, error) {
	if a.err != nil {
		return -1, a.err
	}
	conn, err := f.shared(ctx)
	if err != nil {
		return -1, err
	}
	return conn.do(ctx, call)
}

func (f *FS) path(ctx context.Context, path string, call func(fs *C.msb_fs_t, path *C.char, k *C.msb_cancel_t, e **C.msb_error_t) C.int64_t) (int64, error) {
	var a arena
	defer a.free()
	p := a.text(path)
	return f.do(ctx, &a, func(fs *C.msb_fs_t, k *C.msb_cancel_t, e **C.msb_error_t) C.int64_t {
		return call(fs, p, k, e)
	})
}

func (f *FS) paths(ctx context.Context, first, second string, call func(fs *C.msb_fs_t, first, second *C.char, k *C.msb_cancel_t, e **C.msb_error_t) C.int64_t) error {
	var a arena
	defer a.free()
	p, q := a.text(first), a.text(second)
	_, err := f.do(ctx, &a, func(fs *C.msb_fs_t, k *C.msb_cancel_t, e **C.msb_error_t) C.int64_t {
		return call(fs, p, q, k, e)
	})
	return err
}

// FsStat is what is known of a file.
type FsStat struct {
	Path       string
	Kind       FsEntryKind
	Size       uint64
	Mode       uint32 // permission bits
	UID        uint32
	GID        uint32
	AccessTime time.Time
	ModTime    time.Time
	IsDir      bool
}

// Readonly tells whether nobody may write to it.
func (s *FsStat) Readonly() bool { return s.Mode&0o222 == 0 }

// FsEntry is an entry of a directory.
type FsEntry struct {
	Name string // the last part of the path
	FsStat
}

var fsKinds = map[C.msb_fs_kind_t]FsEntryKind{
	C.MSB_FS_FILE: FsFile, C.MSB_FS_DIR: FsDirectory, C.MSB_FS_SYMLINK: FsSymlink, C.MSB_FS_OTHER: FsOther,
}

func newFsStat(path string, info *C.msb_fs_info_t) FsStat {
	return FsStat{
		Path:       path,
		Kind:       fsKinds[info.kind],
		Size:       uint64(info.size),
		Mode:       uint32(info.mode),
		UID:        uint32(info.uid),
		GID:        uint32(info.gid),
		AccessTime: time.Unix(int64(info.atime_s), 0),
		ModTime:    time.Unix(int64(info.mtime_s), 0),
		IsDir:      info.kind == C.MSB_FS_DIR,
	}
}

// Read gives a file's contents, up to 2 GiB.
func (f *FS) Read(ctx context.Context, path string) ([]byte, error) {
	var data unsafe.Pointer
	var n C.size_t
	_, err := f.path(ctx, path, func(fs *C.msb_fs_t, p *C.char, k *C.msb_cancel_t, e **C.msb_error_t) C.int64_t {
		return C.gomsb_fs_read_file(k, fs, p, 0, &data, &n, e)
	})
	if err != nil {
		return nil, err
	}
	defer C.msb_free(data)
	return bytesOf(data, n), nil
}

// ReadString gives a file's contents as text.
func (f *FS) ReadString(ctx context.Context, path string) (string, error) {
	data, err := f.Read(ctx, path)
	return string(data), err
}

// Write makes a file, or replaces the contents of one.
func (f *FS) Write(ctx context.Context, path string, data []byte) error {
	return f.write(ctx, path, data, -1, false)
}

// WriteString is Write of text.
func (f *FS) WriteString(ctx context.Context, path, data string) error {
	return f.Write(ctx, path, []byte(data))
}

// WriteMode is Write of a file with these permission bits.
func (f *FS) WriteMode(ctx context.Context, path string, data []byte, mode uint32) error {
	return f.write(ctx, path, data, int(mode), false)
}

// Append adds to the end of a file, which is made when it is missing.
func (f *FS) Append(ctx context.Context, path string, data []byte) error {
	return f.write(ctx, path, data, -1, true)
}

func (f *FS) write(ctx context.Context, path string, data []byte, mode int, add bool) error {
	_, err := f.path(ctx, path, func(fs *C.msb_fs_t, p *C.char, k *C.msb_cancel_t, e **C.msb_error_t) C.int64_t {
		return C.gomsb_fs_write_file(k, fs, p, pointerTo(data), C.size_t(len(data)), C.int(mode), C.bool(add), e)
	})
	return err
}

type fsListing struct {
	dir     string
	entries []FsEntry
}

//export gomsbEntry
func gomsbEntry(h C.uintptr_t, name *C.char, info *C.msb_fs_info_t) C.int {
	list := cgo.Handle(h).Value().(*fsListing)
	entry := FsEntry{Name: C.GoString(name)}
	entry.FsStat = newFsStat(path.Join(list.dir, entry.Name), info)
	list.entries = append(list.entries, entry)
	return 0
}

// List gives the entries of a directory, in no order.
func (f *FS) List(ctx context.Context, path string) ([]FsEntry, error) {
	list := &fsListing{dir: path}
	h := cgo.NewHandle(list)
	defer h.Delete()
	_, err := f.path(ctx, path, func(fs *C.msb_fs_t, p *C.char, k *C.msb_cancel_t, e **C.msb_error_t) C.int64_t {
		return C.gomsb_fs_list(k, fs, p, C.uintptr_t(h), e)
	})
	if err != nil {
		return nil, err
	}
	return list.entries, nil
}

// Mkdir makes a directory, with its parents.
func (f *FS) Mkdir(ctx context.Context, path string) error {
	_, err := f.path(ctx, path, func(fs *C.msb_fs_t, p *C.char, k *C.msb_cancel_t, e **C.msb_error_t) C.int64_t {
		return C.gomsb_fs_mkdir(k, fs, p, -1, e)
	})
	return err
}

// Remove removes a file.
func (f *FS) Remove(ctx context.Context, path string) error {
	_, err := f.path(ctx, path, func(fs *C.msb_fs_t, p *C.char, k *C.msb_cancel_t, e **C.msb_error_t) C.int64_t {
		return C.gomsb_fs_remove(k, fs, p, e)
	})
	return err
}

// RemoveDir removes a directory, with all below it.
func (f *FS) RemoveDir(ctx context.Context, path string) error { return f.removeDir(ctx, path, true) }

// RemoveEmptyDir removes a directory that must be empty.
func (f *FS) RemoveEmptyDir(ctx context.Context, path string) error {
	return f.removeDir(ctx, path, false)
}

func (f *FS) removeDir(ctx context.Context, path string, recursive bool) error {
	_, err := f.path(ctx, path, func(fs *C.msb_fs_t, p *C.char, k *C.msb_cancel_t, e **C.msb_error_t) C.int64_t {
		return C.gomsb_fs_remove_dir(k, fs, p, C.bool(recursive), e)
	})
	return err
}

// Copy copies one file, in the guest.
func (f *FS) Copy(ctx context.Context, from, to string) error {
	return f.paths(ctx, from, to, func(fs *C.msb_fs_t, p, q *C.char, k *C.msb_cancel_t, e **C.msb_error_t) C.int64_t {
		return C.gomsb_fs_copy(k, fs, p, q, e)
	})
}

// Rename moves what is at a path.
func (f *FS) Rename(ctx context.Context, from, to string) error {
	return f.paths(ctx, from, to, func(fs *C.msb_fs_t, p, q *C.char, k *C.msb_cancel_t, e **C.msb_error_t) C.int64_t {
		return C.gomsb_fs_rename(k, fs, p, q, e)
	})
}

// Symlink makes a symbolic link at path.
func (f *FS) Symlink(ctx context.Context, target, path string) error {
	return f.paths(ctx, target, path, func(fs *C.msb_fs_t, p, q *C.char, k *C.msb_cancel_t, e **C.msb_error_t) C.int64_t {
		return C.gomsb_fs_symlink(k, fs, p, q, e)
	})
}

// ReadLink tells where a symbolic link leads.
func (f *FS) ReadLink(ctx context.Context, path string) (string, error) {
	var text *C.char
	_, err := f.path(ctx, path, func(fs *C.msb_fs_t, p *C.char, k *C.msb_cancel_t, e **C.msb_error_t) C.int64_t {
		return C.gomsb_fs_read_link(k, fs, p, &text, e)
	})
	if err != nil {
		return "", err
	}
	return takeText(text), nil
}

// RealPath is the path without symbolic links and "..".
func (f *FS) RealPath(ctx context.Context, path string) (string, error) {
	var text *C.char
	_, err := f.path(ctx, path, func(fs *C.msb_fs_t, p *C.char, k *C.msb_cancel_t, e **C.msb_error_t) C.int64_t {
		return C.gomsb_fs_real_path(k, fs, p, &text, e)
	})
	if err != nil {
		return "", err
	}
	return takeText(text), nil
}

// Stat tells what is at a path, behind symbolic links.
func (f *FS) Stat(ctx context.Context, path string) (*FsStat, error) { return f.stat(ctx, path, true) }

// Lstat tells what is at a path; a symbolic link is one.
func (f *FS) Lstat(ctx context.Context, path string) (*FsStat, error) {
	return f.stat(ctx, path, false)
}

func (f *FS) stat(ctx context.Context, path string, follow bool) (*FsStat, error) {
	var info C.msb_fs_info_t
	_, err := f.path(ctx, path, func(fs *C.msb_fs_t, p *C.char, k *C.msb_cancel_t, e **C.msb_error_t) C.int64_t {
		return C.gomsb_fs_stat(k, fs, p, C.bool(follow), &info, e)
	})
	if err != nil {
		return nil, err
	}
	stat := newFsStat(path, &info)
	return &stat, nil
}

// Exists tells whether something is at a path.
func (f *FS) Exists(ctx context.Context, path string) (bool, error) {
	rc, err := f.path(ctx, path, func(fs *C.msb_fs_t, p *C.char, k *C.msb_cancel_t, e **C.msb_error_t) C.int64_t {
		return C.gomsb_fs_exists(k, fs, p, e)
	})
	return rc > 0, err
}

// FsSetAttrs is what SetStat changes: all that is not nil.
type FsSetAttrs struct {
	Mode       *uint32 // permission bits
	UID        *uint32
	GID        *uint32
	Size       *uint64
	AccessTime *time.Time // to the second
	ModTime    *time.Time
}

func (a *FsSetAttrs) native() C.msb_fs_attrs_t {
	c := C.msb_fs_attrs_t{struct_size: C.size_t(unsafe.Sizeof(C.msb_fs_attrs_t{}))}
	if a.Mode != nil {
		c.set |= C.MSB_FS_SET_MODE
		c.mode = C.uint32_t(*a.Mode)
	}
	if a.UID != nil {
		c.set |= C.MSB_FS_SET_UID
		c.uid = C.uint32_t(*a.UID)
	}
	if a.GID != nil {
		c.set |= C.MSB_FS_SET_GID
		c.gid = C.uint32_t(*a.GID)
	}
	if a.Size != nil {
		c.set |= C.MSB_FS_SET_SIZE
		c.size = C.uint64_t(*a.Size)
	}
	if a.AccessTime != nil {
		c.set |= C.MSB_FS_SET_ATIME
		c.atime_s = C.int64_t(a.AccessTime.Unix())
	}
	if a.ModTime != nil {
		c.set |= C.MSB_FS_SET_MTIME
		c.mtime_s = C.int64_t(a.ModTime.Unix())
	}
	return c
}

// SetStat changes attributes; follow: of what a symbolic link leads to.
func (f *FS) SetStat(ctx context.Context, path string, follow bool, attrs FsSetAttrs) error {
	native := attrs.native()
	_, err := f.path(ctx, path, func(fs *C.msb_fs_t, p *C.char, k *C.msb_cancel_t, e **C.msb_error_t) C.int64_t {
		return C.gomsb_fs_set_stat(k, fs, p, C.bool(follow), &native, e)
	})
	return err
}
