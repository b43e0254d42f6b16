// SPDX-License-Identifier: Apache-2.0
//! Mounts, and changes of the root file system.

use crate::json::Value;
use crate::options::{named, Options};
use crate::size::Mebibytes;
use std::path::Path;

named! {
    /// What the guest sees of owners and modes.
    StatVirtualization {
        /// Its own, kept beside the files.
        Strict = "strict",
        /// Its own where they can be kept.
        Relaxed = "relaxed",
        /// The host's.
        Off = "off",
    }
}

named! {
    /// Do changes of modes reach the host's files?
    HostPermissions {
        /// No.
        Private = "private",
        /// Yes.
        Mirror = "mirror",
    }
}

named! {
    /// How a disk image is laid out.
    DiskImageFormat {
        /// Block by block.
        Raw = "raw",
        /// QCOW2.
        Qcow2 = "qcow2",
        /// VMDK.
        Vmdk = "vmdk",
    }
}

named! {
    /// Is a named volume made when the sandbox is?
    VolumeMode {
        /// When it is missing.
        Ensure = "ensure",
        /// It must exist.
        Existing = "existing",
        /// It must not exist.
        New = "new",
    }
}

/// Puts a mount together: first of all, of what.
#[derive(Debug, Clone)]
pub struct MountBuilder {
    pub(crate) options: Options,
}

impl MountBuilder {
    pub(crate) fn new() -> Self {
        MountBuilder { options: Options::new() }
    }

    fn set(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.options.set(key, value);
        self
    }

    /// A directory or file of the host.
    pub fn bind(mut self, host: impl AsRef<Path>) -> Self {
        self.options.set_text("bind", host.as_ref());
        self
    }

    /// A named volume.
    pub fn named(self, volume: impl AsRef<str>) -> Self {
        self.set("named", volume.as_ref())
    }

    /// Memory.
    pub fn tmpfs(self) -> Self {
        self.set("tmpfs", true)
    }

    /// A disk image with a file system.
    pub fn disk(mut self, image: impl AsRef<Path>) -> Self {
        self.options.set_text("disk", image.as_ref());
        self
    }

    /// Nothing in it can be changed.
    pub fn readonly(self) -> Self {
        self.set("readonly", true)
    }

    /// Nothing in it can be executed.
    pub fn noexec(self) -> Self {
        self.set("noexec", true)
    }

    /// Set-uid bits have no effect.
    pub fn nosuid(self) -> Self {
        self.set("nosuid", true)
    }

    /// Device nodes have no effect.
    pub fn nodev(self) -> Self {
        self.set("nodev", true)
    }

    /// Bind: symbolic links in the host's path are followed.
    pub fn follow_symlinks(self) -> Self {
        self.set("follow_symlinks", true)
    }

    /// Bind, named: what the guest sees of owners and modes.
    pub fn stat_virtualization(self, policy: StatVirtualization) -> Self {
        self.set("stat_virtualization", policy)
    }

    /// Bind, named: do changes of modes reach the host?
    pub fn host_permissions(self, policy: HostPermissions) -> Self {
        self.set("host_permissions", policy)
    }

    /// Bind: how far guests may make it grow.
    pub fn quota(self, size: impl Into<Mebibytes>) -> Self {
        self.set("quota_mib", size.into().0)
    }

    /// Tmpfs: its size.
    pub fn size(self, size: impl Into<Mebibytes>) -> Self {
        self.set("size_mib", size.into().0)
    }

    /// Disk: how the image is laid out, where its name does not tell.
    pub fn format(self, format: DiskImageFormat) -> Self {
        self.set("format", format)
    }

    /// Disk: its file system, where it is not to be found out.
    pub fn fstype(self, fstype: impl AsRef<str>) -> Self {
        self.set("fstype", fstype.as_ref())
    }

    /// Named: is the volume made?
    pub fn create(self, mode: VolumeMode) -> Self {
        self.set("create", mode)
    }

    /// Named: what is made.
    pub fn volume(self, config: crate::VolumeConfig) -> Self {
        self.set("volume", config.mount_value())
    }
}

/// Puts changes of the root file system together. They are made in order, in
/// the guest, before any of its programs runs, at the first start only. What
/// exists is an error, unless it is to be replaced.
#[derive(Debug, Clone)]
pub struct PatchBuilder {
    pub(crate) options: Options,
    pub(crate) patches: Vec<Value>,
}

/// How a file is made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PatchOptions {
    /// Permission bits; without, 0644, or those of the source.
    pub mode: Option<u32>,
    /// Replace what is there.
    pub replace: bool,
}

impl PatchBuilder {
    pub(crate) fn new() -> Self {
        PatchBuilder { options: Options::new(), patches: Vec::new() }
    }

    fn add(mut self, kind: &str, path: &Path, o: PatchOptions, extra: &[(&str, Value)]) -> Self {
        let mut v = Value::object();
        v.set("kind", kind).set("path", self.options.text(path));
        if let Some(mode) = o.mode {
            v.set("mode", mode);
        }
        if o.replace {
            v.set("replace", true);
        }
        for (key, value) in extra {
            v.set(*key, value.clone());
        }
        self.patches.push(v);
        self
    }

    /// A file with this text.
    pub fn text(self, path: impl AsRef<Path>, content: impl AsRef<str>, o: PatchOptions) -> Self {
        self.add("text", path.as_ref(), o, &[("content", content.as_ref().into())])
    }

    /// A file with these bytes.
    pub fn file(self, path: impl AsRef<Path>, content: impl AsRef<[u8]>, o: PatchOptions) -> Self {
        let content = base64(content.as_ref());
        self.add("file", path.as_ref(), o, &[("content_base64", content.into())])
    }

    /// More at the end of a file that exists.
    pub fn append(self, path: impl AsRef<Path>, content: impl AsRef<[u8]>) -> Self {
        let content = base64(content.as_ref());
        let none = PatchOptions::default();
        self.add("append", path.as_ref(), none, &[("content_base64", content.into())])
    }

    /// A file of the host.
    pub fn copy_file(
        mut self,
        source: impl AsRef<Path>,
        path: impl AsRef<Path>,
        o: PatchOptions,
    ) -> Self {
        let source = self.options.text(source.as_ref());
        self.add("copy_file", path.as_ref(), o, &[("source", source)])
    }

    /// A directory of the host, with all below it.
    pub fn copy_dir(
        mut self,
        source: impl AsRef<Path>,
        path: impl AsRef<Path>,
        replace: bool,
    ) -> Self {
        let source = self.options.text(source.as_ref());
        let o = PatchOptions { mode: None, replace };
        self.add("copy_dir", path.as_ref(), o, &[("source", source)])
    }

    /// A symbolic link at `path`.
    pub fn symlink(
        mut self,
        target: impl AsRef<Path>,
        path: impl AsRef<Path>,
        replace: bool,
    ) -> Self {
        let target = self.options.text(target.as_ref());
        let o = PatchOptions { mode: None, replace };
        self.add("symlink", path.as_ref(), o, &[("target", target)])
    }

    /// A directory with its parents; it may exist.
    pub fn mkdir(self, path: impl AsRef<Path>, mode: Option<u32>) -> Self {
        self.add("mkdir", path.as_ref(), PatchOptions { mode, replace: false }, &[])
    }

    /// Remove what is there, with all below it, if anything is.
    pub fn remove(self, path: impl AsRef<Path>) -> Self {
        self.add("remove", path.as_ref(), PatchOptions::default(), &[])
    }
}

/// RFC 4648, for contents in JSON.
fn base64(data: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::with_capacity(data.len() / 3 * 4 + 4);
    for chunk in data.chunks(3) {
        let n = chunk.iter().fold(0u32, |n, b| n << 8 | u32::from(*b)) << (8 * (3 - chunk.len()));
        for i in 0..4 {
            let digit = DIGITS[(n >> (18 - 6 * i)) as usize & 63];
            out.push(if i > chunk.len() { '=' } else { digit as char });
        }
    }
    out
}

#[cfg(test)]
mod tests {
    #[test]
    fn base64_of_rfc_4648() {
        for (data, text) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(super::base64(data.as_bytes()), text);
        }
    }
}
