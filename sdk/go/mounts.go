// SPDX-License-Identifier: Apache-2.0

package microsandbox

import "encoding/base64"

// MountConfig is one mount; Mount makes them.
type MountConfig struct {
	fields fields
}

// MountOptions are those of directories of the host and of named volumes.
type MountOptions struct {
	Readonly           bool
	NoExec             bool
	NoSuid             bool
	NoDev              bool
	FollowSymlinks     bool // of a bind: symbolic links in the host's path
	StatVirtualization StatVirtualization
	HostPermissions    HostPermissions
	QuotaMiB           uint64 // of a bind: how far guests may grow it

	// Of a named volume: whether it is made ("ensure", the default), must be
	// there ("existing"), or must not ("new"), and how it is made.
	Create string
	Volume *MountVolume
}

// MountVolume describes a named volume that a mount makes.
type MountVolume struct {
	Kind        string // "dir", when empty, or "disk"
	QuotaMiB    uint64
	CapacityMiB uint64
	Labels      map[string]string
}

// TmpfsOptions are those of a file system in memory.
type TmpfsOptions struct {
	SizeMiB  uint32
	Readonly bool
	NoExec   bool
	NoSuid   bool
	NoDev    bool
}

// DiskOptions are those of a disk image.
type DiskOptions struct {
	Format   DiskFormat
	Fstype   string
	Readonly bool
	NoExec   bool
	NoSuid   bool
	NoDev    bool
}

// WithMounts adds mounts by their paths in the guest.
func WithMounts(mounts map[string]MountConfig) SandboxOption {
	return func(c *sandboxConfig) {
		o := c.fields.object("mounts")
		for path, mount := range mounts {
			o[path] = mount.fields
		}
	}
}

// Mount makes values for WithMounts. Of several options the last are taken.
var Mount mountFactory

type mountFactory struct{}

// Bind shares a directory or a file of the host.
func (mountFactory) Bind(host string, opts ...MountOptions) MountConfig {
	return mountOf("bind", host, opts)
}

// Named mounts a volume.
func (mountFactory) Named(name string, opts ...MountOptions) MountConfig {
	return mountOf("named", name, opts)
}

// Tmpfs is a file system in the guest's memory.
func (mountFactory) Tmpfs(opts ...TmpfsOptions) MountConfig {
	f := fields{"tmpfs": true}
	for _, o := range opts {
		f = fields{"tmpfs": true}
		f.number("size_mib", uint64(o.SizeMiB))
		f.flags(o.Readonly, o.NoExec, o.NoSuid, o.NoDev)
	}
	return MountConfig{f}
}

// Disk mounts a disk image.
func (mountFactory) Disk(path string, opts ...DiskOptions) MountConfig {
	f := fields{"disk": path}
	for _, o := range opts {
		f = fields{"disk": path}
		f.text("format", string(o.Format))
		f.text("fstype", o.Fstype)
		f.flags(o.Readonly, o.NoExec, o.NoSuid, o.NoDev)
	}
	return MountConfig{f}
}

func (f fields) flags(readonly, noexec, nosuid, nodev bool) {
	f.flag("readonly", readonly)
	f.flag("noexec", noexec)
	f.flag("nosuid", nosuid)
	f.flag("nodev", nodev)
}

func mountOf(kind, what string, opts []MountOptions) MountConfig {
	f := fields{kind: what}
	for _, o := range opts {
		f = fields{kind: what}
		f.flags(o.Readonly, o.NoExec, o.NoSuid, o.NoDev)
		f.flag("follow_symlinks", o.FollowSymlinks)
		f.text("stat_virtualization", string(o.StatVirtualization))
		f.text("host_permissions", string(o.HostPermissions))
		f.number("quota_mib", o.QuotaMiB)
		f.text("create", o.Create)
		if v := o.Volume; v != nil {
			volume := f.object("volume")
			volume.text("kind", v.Kind)
			volume.number("quota_mib", v.QuotaMiB)
			volume.number("capacity_mib", v.CapacityMiB)
			if len(v.Labels) > 0 {
				volume.merge("labels", v.Labels)
			}
		}
	}
	return MountConfig{f}
}

// PatchConfig is one change of the root file system; Patch makes them.
type PatchConfig struct {
	fields fields
}

// PatchOptions are those of what a patch makes.
type PatchOptions struct {
	Mode    *uint32 // permission bits; nil: as usual, or as of the source
	Replace bool    // what is there already
}

// WithPatches changes the root file system before the first start, in this
// order.
func WithPatches(patches ...PatchConfig) SandboxOption {
	return func(c *sandboxConfig) {
		for _, p := range patches {
			c.fields.append("patches", p.fields)
		}
	}
}

// Mode is a pointer to mode, for PatchOptions.
func Mode(mode uint32) *uint32 { return &mode }

// Patch makes values for WithPatches. Of several options the last are taken.
var Patch patchFactory

type patchFactory struct{}

func patchOf(kind, path string, rest fields, opts []PatchOptions) PatchConfig {
	f := fields{"kind": kind, "path": path}
	for key, value := range rest {
		f[key] = value
	}
	for _, o := range opts {
		delete(f, "mode")
		delete(f, "replace")
		if o.Mode != nil {
			f["mode"] = *o.Mode
		}
		f.flag("replace", o.Replace)
	}
	return PatchConfig{f}
}

// Text writes a file.
func (patchFactory) Text(path, content string, opts ...PatchOptions) PatchConfig {
	return patchOf("text", path, fields{"content": content}, opts)
}

// File writes a file of any bytes.
func (patchFactory) File(path string, content []byte, opts ...PatchOptions) PatchConfig {
	text := base64.StdEncoding.EncodeToString(content)
	return patchOf("file", path, fields{"content_base64": text}, opts)
}

// Append adds to a file that is there.
func (patchFactory) Append(path, content string) PatchConfig {
	return patchOf("append", path, fields{"content": content}, nil)
}

// CopyFile brings a file of the host.
func (patchFactory) CopyFile(source, path string, opts ...PatchOptions) PatchConfig {
	return patchOf("copy_file", path, fields{"source": source}, opts)
}

// CopyDir brings a directory of the host, with all below it.
func (patchFactory) CopyDir(source, path string, opts ...PatchOptions) PatchConfig {
	return patchOf("copy_dir", path, fields{"source": source}, opts)
}

// Symlink makes a symbolic link at path.
func (patchFactory) Symlink(target, path string, opts ...PatchOptions) PatchConfig {
	return patchOf("symlink", path, fields{"target": target}, opts)
}

// Mkdir makes a directory, with its parents.
func (patchFactory) Mkdir(path string, opts ...PatchOptions) PatchConfig {
	return patchOf("mkdir", path, nil, opts)
}

// Remove removes what is at path, with all below it.
func (patchFactory) Remove(path string) PatchConfig {
	return patchOf("remove", path, nil, nil)
}
