// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"io"
	"sort"

	msb "github.com/superradcompany/microsandbox/sdk/go"
)

// files is what the files of a guest and of a volume have in common; those of a
// volume have no contexts.
type files interface {
	read(ctx context.Context, path string) ([]byte, error)
	readText(ctx context.Context, path string) (string, error)
	write(ctx context.Context, path string, data []byte) error
	list(ctx context.Context, path string) ([]msb.FsEntry, error)
	stat(ctx context.Context, path string, follow bool) (*msb.FsStat, error)
	exists(ctx context.Context, path string) (bool, error)
	mkdir(ctx context.Context, path string) error
	remove(ctx context.Context, path string) error
	removeDir(ctx context.Context, path string) error
	copy(ctx context.Context, from, to string) error
	rename(ctx context.Context, from, to string) error
	symlink(ctx context.Context, target, path string) error
	readLink(ctx context.Context, path string) (string, error)
	realPath(ctx context.Context, path string) (string, error)
	setStat(ctx context.Context, path string, attrs msb.FsSetAttrs) error
	readStream(ctx context.Context, path string) (*msb.FsReadStream, error)
	writeStream(ctx context.Context, path string) (*msb.FsWriteStream, error)
}

type fsArgs struct {
	Sandbox, Volume string
	Path, From, To  string
	Target          string
	Host, Guest     string
	Data            blob
	Follow          *bool
	Mode            uint32
	Size, Chunk     int
}

// onFiles makes an operation of a function of files.
func onFiles(f func(ctx context.Context, fs files, a fsArgs) (interface{}, error)) operation {
	return op(func(d *driver, ctx context.Context, a fsArgs) (interface{}, error) {
		if a.Volume == "" {
			s, err := object[*msb.Sandbox](d, a.Sandbox)
			if err != nil {
				return nil, err
			}
			return f(ctx, guestFiles{s.FS()}, a)
		}
		v, err := msb.GetVolume(ctx, a.Volume)
		if err != nil {
			return nil, err
		}
		fs := v.FS()
		defer fs.Close()
		return f(ctx, volumeFiles{fs}, a)
	})
}

func listAnswer(entries []msb.FsEntry, err error) (interface{}, error) {
	sort.Slice(entries, func(i, j int) bool { return entries[i].Name < entries[j].Name })
	list := []interface{}{}
	for _, e := range entries {
		list = append(list, map[string]interface{}{"name": e.Name, "kind": e.Kind, "mode": e.Mode, "size": e.Size})
	}
	return list, err
}

func readStream(ctx context.Context, fs files, a fsArgs) (interface{}, error) {
	stream, err := fs.readStream(ctx, a.Path)
	if err != nil {
		return nil, err
	}
	defer stream.Close()
	size, sum := 0, uint64(0)
	buf := make([]byte, 100000)
	for {
		n, err := stream.Read(buf)
		if err == io.EOF {
			return map[string]interface{}{"size": size, "sum": sum}, nil
		}
		if err != nil {
			return nil, err
		}
		size += n
		for _, b := range buf[:n] {
			sum += uint64(b)
		}
	}
}

func writeStream(ctx context.Context, fs files, a fsArgs) (interface{}, error) {
	stream, err := fs.writeStream(ctx, a.Path)
	if err != nil {
		return nil, err
	}
	for at := 0; at < a.Size; at += a.Chunk {
		n := a.Chunk
		if a.Size-at < n {
			n = a.Size - at
		}
		data := make([]byte, n)
		for i := range data {
			data[i] = byte((at + i) % 251)
		}
		if _, err := stream.Write(data); err != nil {
			_ = stream.Close(ctx)
			return nil, err
		}
	}
	return nil, stream.Close(ctx)
}

// hostCopy makes an operation of a copy from or to the host.
func hostCopy(f func(ctx context.Context, fs *msb.FS, a fsArgs) error) operation {
	return op(func(d *driver, ctx context.Context, a fsArgs) (interface{}, error) {
		s, err := object[*msb.Sandbox](d, a.Sandbox)
		if err != nil {
			return nil, err
		}
		return nil, f(ctx, s.FS(), a)
	})
}

var fsOps = map[string]operation{
	"fs_read": onFiles(func(ctx context.Context, fs files, a fsArgs) (interface{}, error) {
		data, err := fs.read(ctx, a.Path)
		return blob(data), err
	}),
	"fs_read_text": onFiles(func(ctx context.Context, fs files, a fsArgs) (interface{}, error) {
		return fs.readText(ctx, a.Path)
	}),
	"fs_write": onFiles(func(ctx context.Context, fs files, a fsArgs) (interface{}, error) {
		return nil, fs.write(ctx, a.Path, a.Data)
	}),
	"fs_list": onFiles(func(ctx context.Context, fs files, a fsArgs) (interface{}, error) {
		return listAnswer(fs.list(ctx, a.Path))
	}),
	"fs_stat": onFiles(func(ctx context.Context, fs files, a fsArgs) (interface{}, error) {
		st, err := fs.stat(ctx, a.Path, a.Follow == nil || *a.Follow)
		if err != nil {
			return nil, err
		}
		return map[string]interface{}{"kind": st.Kind, "mode": st.Mode, "size": st.Size, "modified_ms": instant(st.ModTime)}, nil
	}),
	"fs_exists": onFiles(func(ctx context.Context, fs files, a fsArgs) (interface{}, error) { return fs.exists(ctx, a.Path) }),
	"fs_mkdir":  onFiles(func(ctx context.Context, fs files, a fsArgs) (interface{}, error) { return nil, fs.mkdir(ctx, a.Path) }),
	"fs_remove": onFiles(func(ctx context.Context, fs files, a fsArgs) (interface{}, error) { return nil, fs.remove(ctx, a.Path) }),
	"fs_remove_dir": onFiles(func(ctx context.Context, fs files, a fsArgs) (interface{}, error) {
		return nil, fs.removeDir(ctx, a.Path)
	}),
	"fs_copy": onFiles(func(ctx context.Context, fs files, a fsArgs) (interface{}, error) {
		return nil, fs.copy(ctx, a.From, a.To)
	}),
	"fs_rename": onFiles(func(ctx context.Context, fs files, a fsArgs) (interface{}, error) {
		return nil, fs.rename(ctx, a.From, a.To)
	}),
	"fs_symlink": onFiles(func(ctx context.Context, fs files, a fsArgs) (interface{}, error) {
		return nil, fs.symlink(ctx, a.Target, a.Path)
	}),
	"fs_read_link": onFiles(func(ctx context.Context, fs files, a fsArgs) (interface{}, error) {
		return fs.readLink(ctx, a.Path)
	}),
	"fs_real_path": onFiles(func(ctx context.Context, fs files, a fsArgs) (interface{}, error) {
		return fs.realPath(ctx, a.Path)
	}),
	"fs_set_mode": onFiles(func(ctx context.Context, fs files, a fsArgs) (interface{}, error) {
		return nil, fs.setStat(ctx, a.Path, msb.FsSetAttrs{Mode: &a.Mode})
	}),
	"fs_read_stream":  onFiles(readStream),
	"fs_write_stream": onFiles(writeStream),
	"fs_copy_from_host": hostCopy(func(ctx context.Context, fs *msb.FS, a fsArgs) error {
		return fs.CopyFromHost(ctx, a.Host, a.Guest)
	}),
	"fs_copy_to_host": hostCopy(func(ctx context.Context, fs *msb.FS, a fsArgs) error {
		return fs.CopyToHost(ctx, a.Guest, a.Host)
	}),
}
