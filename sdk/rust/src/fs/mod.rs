// SPDX-License-Identifier: Apache-2.0
//! Files of a guest, or of a volume.

mod copy;
mod file;

pub use copy::{copy_tree, CopyEnd, CopyReport, CopySkipped};
pub use file::{FsFile, FsOpenOptions, FsReadStream, FsWriteStream};

use crate::error::MicrosandboxResult;
use crate::ffi;
use crate::options::named;
use crate::sandbox::Sandbox;
use crate::sys;
use std::ffi::{CStr, OsStr};
use std::mem::{size_of, MaybeUninit};
use std::os::raw::{c_char, c_int, c_void};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::ptr;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

named! {
    /// What kind of file it is.
    FsEntryKind {
        /// A file.
        File = "file",
        /// A directory.
        Directory = "directory",
        /// A symbolic link.
        Symlink = "symlink",
        /// A device, a socket, ...
        Other = "other",
    }
}

/// What is known of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FsMetadata {
    /// What kind it is.
    pub kind: FsEntryKind,
    /// How many bytes it has.
    pub size: u64,
    /// Its permission bits.
    pub mode: u32,
    /// Whose it is.
    pub uid: u32,
    /// Whose group's it is.
    pub gid: u32,
    /// When its contents changed.
    pub modified: SystemTime,
    /// When it was last read.
    pub accessed: SystemTime,
}

impl FsMetadata {
    fn read(info: &sys::msb_fs_info_t) -> Self {
        FsMetadata {
            kind: match info.kind {
                sys::MSB_FS_FILE => FsEntryKind::File,
                sys::MSB_FS_DIR => FsEntryKind::Directory,
                sys::MSB_FS_SYMLINK => FsEntryKind::Symlink,
                _ => FsEntryKind::Other,
            },
            size: info.size,
            mode: info.mode,
            uid: info.uid,
            gid: info.gid,
            modified: time(info.mtime_s),
            accessed: time(info.atime_s),
        }
    }

    /// Is it a directory?
    pub fn is_dir(&self) -> bool {
        self.kind == FsEntryKind::Directory
    }

    /// Is it a file?
    pub fn is_file(&self) -> bool {
        self.kind == FsEntryKind::File
    }

    /// May nobody write to it?
    pub fn readonly(&self) -> bool {
        self.mode & 0o222 == 0
    }
}

fn time(s: i64) -> SystemTime {
    let d = Duration::from_secs(s.unsigned_abs());
    let t = if s < 0 { UNIX_EPOCH.checked_sub(d) } else { UNIX_EPOCH.checked_add(d) };
    t.unwrap_or(UNIX_EPOCH)
}

fn seconds(t: SystemTime) -> i64 {
    match t.duration_since(UNIX_EPOCH) {
        Ok(d) => d.as_secs() as i64,
        Err(e) => -(e.duration().as_secs() as i64),
    }
}

/// What a directory holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FsEntry {
    /// The directory's path with its name.
    pub path: PathBuf,
    /// What is known of it; a symbolic link is not followed.
    pub metadata: FsMetadata,
}

impl FsEntry {
    /// Its name in the directory.
    pub fn name(&self) -> &OsStr {
        self.path.file_name().unwrap_or_default()
    }

    /// What kind it is.
    pub fn kind(&self) -> FsEntryKind {
        self.metadata.kind
    }
}

/// What is to be changed of a file; the rest stays.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FsSetAttrs {
    /// Permission bits.
    pub mode: Option<u32>,
    /// Owner.
    pub uid: Option<u32>,
    /// Group.
    pub gid: Option<u32>,
    /// Cut it, or make it longer with zeros.
    pub size: Option<u64>,
    /// When it was last read; in whole seconds.
    pub accessed: Option<SystemTime>,
    /// When its contents changed; in whole seconds.
    pub modified: Option<SystemTime>,
}

impl FsSetAttrs {
    fn raw(&self) -> sys::msb_fs_attrs_t {
        let mut set = 0;
        let mut flag = |on: bool, bit: u32| set |= if on { bit } else { 0 };
        flag(self.mode.is_some(), sys::MSB_FS_SET_MODE);
        flag(self.uid.is_some(), sys::MSB_FS_SET_UID);
        flag(self.gid.is_some(), sys::MSB_FS_SET_GID);
        flag(self.size.is_some(), sys::MSB_FS_SET_SIZE);
        flag(self.accessed.is_some(), sys::MSB_FS_SET_ATIME);
        flag(self.modified.is_some(), sys::MSB_FS_SET_MTIME);
        sys::msb_fs_attrs_t {
            struct_size: size_of::<sys::msb_fs_attrs_t>(),
            set,
            mode: self.mode.unwrap_or(0),
            uid: self.uid.unwrap_or(0),
            gid: self.gid.unwrap_or(0),
            size: self.size.unwrap_or(0),
            atime_s: self.accessed.map_or(0, seconds),
            mtime_s: self.modified.map_or(0, seconds),
        }
    }
}

/// An open connection.
pub(crate) struct FsConnection(pub(crate) *mut sys::msb_fs_t);

// SAFETY: threads that use one connection wait for each other, in the library.
unsafe impl Send for FsConnection {}
unsafe impl Sync for FsConnection {}

impl Drop for FsConnection {
    fn drop(&mut self) {
        // SAFETY: the last one that has it.
        unsafe { sys::msb_fs_free(self.0) }
    }
}

#[derive(Clone)]
enum Backend {
    Sandbox(Sandbox),
    Volume(Arc<FsConnection>),
}

/// Files of a running guest, as its root has them, or of a volume. Copies share
/// a connection; every thread may use it.
///
/// ```no_run
/// # fn main() -> microsandbox::MicrosandboxResult<()> {
/// # let sandbox = microsandbox::Sandbox::get("box")?.connect()?;
/// let fs = sandbox.fs();
/// fs.write("/tmp/greeting", "hello")?;
/// assert_eq!(fs.read_to_string("/tmp/greeting")?, "hello");
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct SandboxFs(Backend);

/// Files of a volume: the same operations, by this host, whether a sandbox uses
/// it or not. Paths begin at the volume's directory, and lead nowhere else.
pub type VolumeFs = SandboxFs;

/// What `msb_fs_list` calls for each entry.
unsafe extern "C" fn add_entry(
    ctx: *mut c_void,
    name: *const c_char,
    info: *const sys::msb_fs_info_t,
) -> c_int {
    let (dir, all) = &mut *(ctx as *mut (&Path, Vec<FsEntry>));
    let path = dir.join(OsStr::from_bytes(CStr::from_ptr(name).to_bytes()));
    all.push(FsEntry { path, metadata: FsMetadata::read(&*info) });
    0
}

fn empty_info() -> sys::msb_fs_info_t {
    // SAFETY: numbers only.
    let mut info: sys::msb_fs_info_t = unsafe { MaybeUninit::zeroed().assume_init() };
    info.struct_size = size_of::<sys::msb_fs_info_t>();
    info
}

impl SandboxFs {
    pub(crate) fn of_sandbox(sandbox: Sandbox) -> Self {
        SandboxFs(Backend::Sandbox(sandbox))
    }

    pub(crate) fn of_volume(connection: FsConnection) -> Self {
        SandboxFs(Backend::Volume(Arc::new(connection)))
    }

    fn ptr(&self) -> MicrosandboxResult<*mut sys::msb_fs_t> {
        match &self.0 {
            Backend::Sandbox(s) => s.raw().fs(),
            Backend::Volume(c) => Ok(c.0),
        }
    }

    /// For functions of one path that give nothing.
    fn on_path(
        &self,
        path: &Path,
        f: unsafe extern "C" fn(
            *mut sys::msb_fs_t,
            *const c_char,
            *mut *mut sys::msb_error_t,
        ) -> c_int,
    ) -> MicrosandboxResult<i64> {
        let (fs, path) = (self.ptr()?, ffi::cstring(path)?);
        // SAFETY: all are alive.
        ffi::call(|e| unsafe { f(fs, path.as_ptr(), e) })
    }

    fn on_two(
        &self,
        from: &Path,
        to: &Path,
        f: unsafe extern "C" fn(
            *mut sys::msb_fs_t,
            *const c_char,
            *const c_char,
            *mut *mut sys::msb_error_t,
        ) -> c_int,
    ) -> MicrosandboxResult<()> {
        let (fs, from, to) = (self.ptr()?, ffi::cstring(from)?, ffi::cstring(to)?);
        // SAFETY: all are alive.
        ffi::call(|e| unsafe { f(fs, from.as_ptr(), to.as_ptr(), e) }).map(drop)
    }

    fn path_of(
        &self,
        path: &Path,
        f: unsafe extern "C" fn(
            *mut sys::msb_fs_t,
            *const c_char,
            *mut *mut c_char,
            *mut *mut sys::msb_error_t,
        ) -> c_int,
    ) -> MicrosandboxResult<PathBuf> {
        let (fs, path) = (self.ptr()?, ffi::cstring(path)?);
        // SAFETY: all are alive; the text is freed.
        unsafe {
            let p = ffi::make(|ret, e| f(fs, path.as_ptr(), ret, e))?;
            let found = PathBuf::from(OsStr::from_bytes(CStr::from_ptr(p).to_bytes()));
            sys::msb_free(p.cast());
            Ok(found)
        }
    }

    /// All of a file.
    pub fn read(&self, path: impl AsRef<Path>) -> MicrosandboxResult<Vec<u8>> {
        let (fs, path) = (self.ptr()?, ffi::cstring(path.as_ref())?);
        let mut data = ptr::null_mut();
        let mut len = 0;
        // SAFETY: all are alive; the data is freed.
        unsafe {
            ffi::call(|e| sys::msb_fs_read_file(fs, path.as_ptr(), 0, &mut data, &mut len, e))?;
            let copy = ffi::bytes(data, len);
            sys::msb_free(data);
            Ok(copy)
        }
    }

    /// All of a file, which has to be UTF-8.
    pub fn read_to_string(&self, path: impl AsRef<Path>) -> MicrosandboxResult<String> {
        let path = path.as_ref();
        String::from_utf8(self.read(path)?).map_err(|e| {
            crate::MicrosandboxError::invalid(format!("{} is not UTF-8: {e}", path.display()))
        })
    }

    /// A file piece by piece.
    pub fn read_stream(&self, path: impl AsRef<Path>) -> MicrosandboxResult<FsReadStream> {
        Ok(FsReadStream::new(self.open_file(path, FsOpenOptions::new().read(true))?))
    }

    /// Make a file, or replace what is in it.
    pub fn write(&self, path: impl AsRef<Path>, data: impl AsRef<[u8]>) -> MicrosandboxResult<()> {
        self.write_with(path.as_ref(), data.as_ref(), None, false)
    }

    /// The same with permission bits.
    pub fn write_with_mode(
        &self,
        path: impl AsRef<Path>,
        data: impl AsRef<[u8]>,
        mode: u32,
    ) -> MicrosandboxResult<()> {
        self.write_with(path.as_ref(), data.as_ref(), Some(mode), false)
    }

    /// More at the end of a file, which is made when it is missing.
    pub fn append(&self, path: impl AsRef<Path>, data: impl AsRef<[u8]>) -> MicrosandboxResult<()> {
        self.write_with(path.as_ref(), data.as_ref(), None, true)
    }

    fn write_with(
        &self,
        path: &Path,
        data: &[u8],
        mode: Option<u32>,
        append: bool,
    ) -> MicrosandboxResult<()> {
        let (fs, path) = (self.ptr()?, ffi::cstring(path)?);
        let mode = mode_int(mode);
        let (data, len) = (data.as_ptr().cast(), data.len());
        // SAFETY: all are alive.
        ffi::call(|e| unsafe {
            sys::msb_fs_write_file(fs, path.as_ptr(), data, len, mode, append, e)
        })
        .map(drop)
    }

    /// Write a file piece by piece; what was in it is gone.
    pub fn write_stream(&self, path: impl AsRef<Path>) -> MicrosandboxResult<FsWriteStream> {
        let options = FsOpenOptions::new().write(true).create(true).truncate(true);
        Ok(FsWriteStream::new(self.open_file(path, options)?))
    }

    /// What a directory holds, by name.
    pub fn list(&self, path: impl AsRef<Path>) -> MicrosandboxResult<Vec<FsEntry>> {
        let (fs, dir) = (self.ptr()?, ffi::cstring(path.as_ref())?);
        let mut found: (&Path, Vec<FsEntry>) = (path.as_ref(), Vec::new());
        let ctx = &mut found as *mut _ as *mut c_void;
        // SAFETY: what ctx points to outlives the call, and is used by nothing
        // else meanwhile.
        ffi::call(|e| unsafe { sys::msb_fs_list(fs, dir.as_ptr(), Some(add_entry), ctx, e) })?;
        let mut entries = found.1;
        entries.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(entries)
    }

    /// Make a directory, with its parents; it may exist.
    pub fn mkdir(&self, path: impl AsRef<Path>) -> MicrosandboxResult<()> {
        self.mkdir_mode(path.as_ref(), None)
    }

    /// The same with permission bits.
    pub fn mkdir_with_mode(&self, path: impl AsRef<Path>, mode: u32) -> MicrosandboxResult<()> {
        self.mkdir_mode(path.as_ref(), Some(mode))
    }

    fn mkdir_mode(&self, path: &Path, mode: Option<u32>) -> MicrosandboxResult<()> {
        let (fs, path, mode) = (self.ptr()?, ffi::cstring(path)?, mode_int(mode));
        // SAFETY: all are alive.
        ffi::call(|e| unsafe { sys::msb_fs_mkdir(fs, path.as_ptr(), mode, e) }).map(drop)
    }

    /// Remove a file.
    pub fn remove(&self, path: impl AsRef<Path>) -> MicrosandboxResult<()> {
        self.on_path(path.as_ref(), sys::msb_fs_remove).map(drop)
    }

    /// Remove a directory with all below it.
    pub fn remove_dir(&self, path: impl AsRef<Path>) -> MicrosandboxResult<()> {
        self.remove_dir_with(path.as_ref(), true)
    }

    /// Remove a directory that is empty.
    pub fn remove_empty_dir(&self, path: impl AsRef<Path>) -> MicrosandboxResult<()> {
        self.remove_dir_with(path.as_ref(), false)
    }

    fn remove_dir_with(&self, path: &Path, recursive: bool) -> MicrosandboxResult<()> {
        let (fs, path) = (self.ptr()?, ffi::cstring(path)?);
        // SAFETY: all are alive.
        ffi::call(|e| unsafe { sys::msb_fs_remove_dir(fs, path.as_ptr(), recursive, e) }).map(drop)
    }

    /// Copy one file.
    pub fn copy(&self, from: impl AsRef<Path>, to: impl AsRef<Path>) -> MicrosandboxResult<()> {
        self.on_two(from.as_ref(), to.as_ref(), sys::msb_fs_copy)
    }

    /// Give it another name or place.
    pub fn rename(&self, from: impl AsRef<Path>, to: impl AsRef<Path>) -> MicrosandboxResult<()> {
        self.on_two(from.as_ref(), to.as_ref(), sys::msb_fs_rename)
    }

    /// Make a symbolic link at `link`.
    pub fn symlink(
        &self,
        target: impl AsRef<Path>,
        link: impl AsRef<Path>,
    ) -> MicrosandboxResult<()> {
        self.on_two(target.as_ref(), link.as_ref(), sys::msb_fs_symlink)
    }

    /// Where a symbolic link leads.
    pub fn read_link(&self, path: impl AsRef<Path>) -> MicrosandboxResult<PathBuf> {
        self.path_of(path.as_ref(), sys::msb_fs_read_link)
    }

    /// The path without symbolic links.
    pub fn real_path(&self, path: impl AsRef<Path>) -> MicrosandboxResult<PathBuf> {
        self.path_of(path.as_ref(), sys::msb_fs_real_path)
    }

    /// What is known of a file; symbolic links are followed.
    pub fn stat(&self, path: impl AsRef<Path>) -> MicrosandboxResult<FsMetadata> {
        self.stat_with_follow(path, true)
    }

    /// The same, where links are followed or not.
    pub fn stat_with_follow(
        &self,
        path: impl AsRef<Path>,
        follow: bool,
    ) -> MicrosandboxResult<FsMetadata> {
        let (fs, path) = (self.ptr()?, ffi::cstring(path.as_ref())?);
        let mut info = empty_info();
        // SAFETY: all are alive.
        ffi::call(|e| unsafe { sys::msb_fs_stat(fs, path.as_ptr(), follow, &mut info, e) })?;
        Ok(FsMetadata::read(&info))
    }

    /// Is it there? That it cannot be told is an error.
    pub fn exists(&self, path: impl AsRef<Path>) -> MicrosandboxResult<bool> {
        Ok(self.on_path(path.as_ref(), sys::msb_fs_exists)? == 1)
    }

    /// Change what is known of a file.
    pub fn set_stat(
        &self,
        path: impl AsRef<Path>,
        follow: bool,
        attrs: &FsSetAttrs,
    ) -> MicrosandboxResult<()> {
        let (fs, path) = (self.ptr()?, ffi::cstring(path.as_ref())?);
        let attrs = attrs.raw();
        // SAFETY: all are alive.
        ffi::call(|e| unsafe { sys::msb_fs_set_stat(fs, path.as_ptr(), follow, &attrs, e) })
            .map(drop)
    }

    /// Open a file.
    pub fn open_file(
        &self,
        path: impl AsRef<Path>,
        options: FsOpenOptions,
    ) -> MicrosandboxResult<FsFile> {
        FsFile::open(self, path.as_ref(), options)
    }

    /// Copy a file of this host in there.
    pub fn copy_from_host(
        &self,
        host: impl AsRef<Path>,
        path: impl AsRef<Path>,
    ) -> MicrosandboxResult<()> {
        match &self.0 {
            Backend::Sandbox(s) => {
                copy_tree(CopyEnd::Host(host.as_ref()), CopyEnd::Guest(s, path.as_ref())).map(drop)
            }
            Backend::Volume(_) => {
                let mut from = std::fs::File::open(host)?;
                let mut to = self.write_stream(path)?;
                std::io::copy(&mut from, &mut to)?;
                to.close()
            }
        }
    }

    /// Copy a file out of there.
    pub fn copy_to_host(
        &self,
        path: impl AsRef<Path>,
        host: impl AsRef<Path>,
    ) -> MicrosandboxResult<()> {
        match &self.0 {
            Backend::Sandbox(s) => {
                copy_tree(CopyEnd::Guest(s, path.as_ref()), CopyEnd::Host(host.as_ref())).map(drop)
            }
            Backend::Volume(_) => {
                let mut from = self.read_stream(path)?;
                let mut to = std::fs::File::create(host)?;
                std::io::copy(&mut from, &mut to)?;
                Ok(())
            }
        }
    }
}

fn mode_int(mode: Option<u32>) -> c_int {
    mode.map_or(-1, |m| (m & 0o7777) as c_int)
}

impl std::fmt::Debug for SandboxFs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.0 {
            Backend::Sandbox(s) => f.debug_tuple("SandboxFs").field(&s.name()).finish(),
            Backend::Volume(_) => f.write_str("VolumeFs"),
        }
    }
}
