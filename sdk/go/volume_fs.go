// SPDX-License-Identifier: Apache-2.0

package microsandbox

/*
#include "bridge.h"
*/
import "C"

import (
	"context"
	"syscall"
)

// ErrPathEscape is the cause of an error about a path that leads out of a
// volume, for errors.Is.
const ErrPathEscape = syscall.EXDEV

// VolumeFS is the files of a volume, from the host, whether a sandbox uses it or
// not. Paths begin at its root, and nothing outside of it is reached. It may be
// used by any number of goroutines at once.
type VolumeFS struct {
	fs   FS
	root string
}

// FS gives the volume's files. It opens them with the first use; Close is for
// who does not want to wait for the garbage collector.
func (v *Volume) FS() *VolumeFS {
	name := v.name
	return &VolumeFS{root: v.path, fs: FS{connect: func(ctx context.Context) (*C.msb_fs_t, error) {
		return openVolume(ctx, name)
	}}}
}

func openVolume(ctx context.Context, name string) (*C.msb_fs_t, error) {
	var a arena
	defer a.free()
	cname := a.text(name)
	if a.err != nil {
		return nil, a.err
	}
	var fs *C.msb_fs_t
	_, err := inHome(ctx, func(m *C.msb_t, _ *C.msb_cancel_t, e **C.msb_error_t) C.int64_t {
		var v *C.msb_volume_t
		rc := C.msb_volume_get(m, cname, &v, e)
		if rc >= 0 {
			rc = C.msb_fs_open_volume(v, &fs, e)
			C.msb_volume_free(v)
		}
		return C.int64_t(rc)
	})
	return fs, err
}

var background = context.Background()

// Root is the volume's directory on the host.
func (v *VolumeFS) Root() string { return v.root }

// Read gives a file's contents.
func (v *VolumeFS) Read(path string) ([]byte, error) { return v.fs.Read(background, path) }

// ReadString gives a file's contents as text.
func (v *VolumeFS) ReadString(path string) (string, error) { return v.fs.ReadString(background, path) }

// ReadStream opens a file for reading from its beginning.
func (v *VolumeFS) ReadStream(path string) (*FsReadStream, error) {
	return v.fs.ReadStream(background, path)
}

// Write makes a file, or replaces the contents of one.
func (v *VolumeFS) Write(path string, data []byte) error { return v.fs.Write(background, path, data) }

// WriteString is Write of text.
func (v *VolumeFS) WriteString(path, data string) error {
	return v.fs.WriteString(background, path, data)
}

// WriteStream makes a file, or empties one, for writing.
func (v *VolumeFS) WriteStream(path string) (*FsWriteStream, error) {
	return v.fs.WriteStream(background, path)
}

// Open opens a file; mode is that of one it makes.
func (v *VolumeFS) Open(path string, flags FsFlags, mode uint32) (*FsHandle, error) {
	return v.fs.Open(background, path, flags, mode)
}

// List gives the entries of a directory, in no order.
func (v *VolumeFS) List(path string) ([]FsEntry, error) { return v.fs.List(background, path) }

// Mkdir makes a directory, with its parents.
func (v *VolumeFS) Mkdir(path string) error { return v.fs.Mkdir(background, path) }

// Remove removes a file.
func (v *VolumeFS) Remove(path string) error { return v.fs.Remove(background, path) }

// RemoveAll removes a directory, with all below it.
func (v *VolumeFS) RemoveAll(path string) error { return v.fs.RemoveDir(background, path) }

// Copy copies one file.
func (v *VolumeFS) Copy(from, to string) error { return v.fs.Copy(background, from, to) }

// Rename moves what is at a path.
func (v *VolumeFS) Rename(from, to string) error { return v.fs.Rename(background, from, to) }

// Symlink makes a symbolic link at path.
func (v *VolumeFS) Symlink(target, path string) error {
	return v.fs.Symlink(background, target, path)
}

// ReadLink tells where a symbolic link leads.
func (v *VolumeFS) ReadLink(path string) (string, error) { return v.fs.ReadLink(background, path) }

// RealPath is the path without symbolic links and "..".
func (v *VolumeFS) RealPath(path string) (string, error) { return v.fs.RealPath(background, path) }

// Stat tells what is at a path, behind symbolic links.
func (v *VolumeFS) Stat(path string) (*FsStat, error) { return v.fs.Stat(background, path) }

// Lstat tells what is at a path; a symbolic link is one.
func (v *VolumeFS) Lstat(path string) (*FsStat, error) { return v.fs.Lstat(background, path) }

// Exists tells whether something is at a path.
func (v *VolumeFS) Exists(path string) (bool, error) { return v.fs.Exists(background, path) }

// SetStat changes attributes; follow: of what a symbolic link leads to.
func (v *VolumeFS) SetStat(path string, follow bool, attrs FsSetAttrs) error {
	return v.fs.SetStat(background, path, follow, attrs)
}

// Close releases what the files are reached through.
func (v *VolumeFS) Close() error {
	v.fs.close()
	return nil
}
