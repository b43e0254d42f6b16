// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"

	msb "github.com/superradcompany/microsandbox/sdk/go"
)

type guestFiles struct{ fs *msb.FS }

func (g guestFiles) read(ctx context.Context, path string) ([]byte, error) {
	return g.fs.Read(ctx, path)
}

func (g guestFiles) readText(ctx context.Context, path string) (string, error) {
	return g.fs.ReadString(ctx, path)
}

func (g guestFiles) write(ctx context.Context, path string, data []byte) error {
	return g.fs.Write(ctx, path, data)
}

func (g guestFiles) list(ctx context.Context, path string) ([]msb.FsEntry, error) {
	return g.fs.List(ctx, path)
}

func (g guestFiles) exists(ctx context.Context, path string) (bool, error) {
	return g.fs.Exists(ctx, path)
}

func (g guestFiles) mkdir(ctx context.Context, path string) error {
	return g.fs.Mkdir(ctx, path)
}

func (g guestFiles) remove(ctx context.Context, path string) error {
	return g.fs.Remove(ctx, path)
}

func (g guestFiles) removeDir(ctx context.Context, path string) error {
	return g.fs.RemoveDir(ctx, path)
}

func (g guestFiles) copy(ctx context.Context, from, to string) error {
	return g.fs.Copy(ctx, from, to)
}

func (g guestFiles) rename(ctx context.Context, from, to string) error {
	return g.fs.Rename(ctx, from, to)
}

func (g guestFiles) symlink(ctx context.Context, target, path string) error {
	return g.fs.Symlink(ctx, target, path)
}

func (g guestFiles) readLink(ctx context.Context, path string) (string, error) {
	return g.fs.ReadLink(ctx, path)
}

func (g guestFiles) realPath(ctx context.Context, path string) (string, error) {
	return g.fs.RealPath(ctx, path)
}

func (g guestFiles) readStream(ctx context.Context, path string) (*msb.FsReadStream, error) {
	return g.fs.ReadStream(ctx, path)
}

func (g guestFiles) writeStream(ctx context.Context, path string) (*msb.FsWriteStream, error) {
	return g.fs.WriteStream(ctx, path)
}

func (g guestFiles) stat(ctx context.Context, path string, follow bool) (*msb.FsStat, error) {
	if follow {
		return g.fs.Stat(ctx, path)
	}
	return g.fs.Lstat(ctx, path)
}

func (g guestFiles) setStat(ctx context.Context, path string, attrs msb.FsSetAttrs) error {
	return g.fs.SetStat(ctx, path, true, attrs)
}

type volumeFiles struct{ fs *msb.VolumeFS }

func (v volumeFiles) read(_ context.Context, path string) ([]byte, error) {
	return v.fs.Read(path)
}

func (v volumeFiles) readText(_ context.Context, path string) (string, error) {
	return v.fs.ReadString(path)
}

func (v volumeFiles) write(_ context.Context, path string, data []byte) error {
	return v.fs.Write(path, data)
}

func (v volumeFiles) list(_ context.Context, path string) ([]msb.FsEntry, error) {
	return v.fs.List(path)
}

func (v volumeFiles) exists(_ context.Context, path string) (bool, error) {
	return v.fs.Exists(path)
}

func (v volumeFiles) mkdir(_ context.Context, path string) error {
	return v.fs.Mkdir(path)
}

func (v volumeFiles) remove(_ context.Context, path string) error {
	return v.fs.Remove(path)
}

func (v volumeFiles) removeDir(_ context.Context, path string) error {
	return v.fs.RemoveAll(path)
}

func (v volumeFiles) copy(_ context.Context, from, to string) error {
	return v.fs.Copy(from, to)
}

func (v volumeFiles) rename(_ context.Context, from, to string) error {
	return v.fs.Rename(from, to)
}

func (v volumeFiles) symlink(_ context.Context, target, path string) error {
	return v.fs.Symlink(target, path)
}

func (v volumeFiles) readLink(_ context.Context, path string) (string, error) {
	return v.fs.ReadLink(path)
}

func (v volumeFiles) realPath(_ context.Context, path string) (string, error) {
	return v.fs.RealPath(path)
}

func (v volumeFiles) readStream(_ context.Context, path string) (*msb.FsReadStream, error) {
	return v.fs.ReadStream(path)
}

func (v volumeFiles) writeStream(_ context.Context, path string) (*msb.FsWriteStream, error) {
	return v.fs.WriteStream(path)
}

func (v volumeFiles) stat(_ context.Context, path string, follow bool) (*msb.FsStat, error) {
	if follow {
		return v.fs.Stat(path)
	}
	return v.fs.Lstat(path)
}

func (v volumeFiles) setStat(_ context.Context, path string, attrs msb.FsSetAttrs) error {
	return v.fs.SetStat(path, true, attrs)
}
