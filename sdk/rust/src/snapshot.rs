// SPDX-License-Identifier: Apache-2.0
//! Snapshots of stopped sandboxes.

use crate::error::{MicrosandboxError, MicrosandboxResult};
use crate::ffi::{self, CStrings};
use crate::home::Home;
use crate::json::Value;
use crate::sys;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What [`Snapshot::verify`] has found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SnapshotVerifyReport {
    /// No digest of the contents was recorded.
    NotRecorded,
    /// They are as recorded.
    Verified {
        /// The digest.
        digest: String,
    },
}

/// Says what is to be kept, and where.
#[derive(Debug, Clone)]
pub struct SnapshotBuilder {
    source: String,
    destination: Option<OsString>,
    labels: Vec<(String, String)>,
    force: bool,
    integrity: bool,
}

impl SnapshotBuilder {
    /// A name below the home's own snapshots.
    pub fn name(mut self, name: impl AsRef<str>) -> Self {
        self.destination = Some(name.as_ref().into());
        self
    }

    /// A directory of its own.
    pub fn path(mut self, path: impl AsRef<Path>) -> Self {
        let path = path.as_ref();
        // What has no "/" would be a name.
        let path = if path.components().count() == 1 && path.is_relative() {
            Path::new(".").join(path)
        } else {
            path.to_path_buf()
        };
        self.destination = Some(path.into());
        self
    }

    /// A label.
    pub fn label(mut self, key: impl AsRef<str>, value: impl AsRef<str>) -> Self {
        self.labels.push((key.as_ref().into(), value.as_ref().into()));
        self
    }

    /// Replace an older one.
    pub fn force(mut self) -> Self {
        self.force = true;
        self
    }

    /// Record a digest of the contents.
    pub fn record_integrity(mut self) -> Self {
        self.integrity = true;
        self
    }

    /// Take it. The sandbox must not run.
    pub fn create(self) -> MicrosandboxResult<Snapshot> {
        let home = Home::current()?;
        let destination = self
            .destination
            .ok_or_else(|| MicrosandboxError::invalid("a snapshot needs a name or a path"))?;
        let (source, destination) = (ffi::cstring(&self.source)?, ffi::cstring(destination)?);
        let labels = CStrings::new(self.labels.iter().map(|(k, v)| format!("{k}={v}")))?;
        let options = sys::msb_snapshot_options_t {
            struct_size: std::mem::size_of::<sys::msb_snapshot_options_t>(),
            labels: labels.as_ptr(),
            nlabels: labels.len(),
            force: self.force,
            integrity: self.integrity,
        };
        // SAFETY: all are alive.
        let ptr = ffi::make(|ret, e| unsafe {
            sys::msb_snapshot_create(
                home.ptr(),
                source.as_ptr(),
                destination.as_ptr(),
                &options,
                ret,
                e,
            )
        })?;
        Ok(Snapshot::take(home, ptr))
    }
}

/// How a snapshot becomes a file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ExportOptions {
    /// With those it was made from.
    pub parents: bool,
    /// Not compressed.
    pub plain: bool,
}

#[derive(Debug, Clone)]
struct Facts {
    digest: String,
    name: Option<String>,
    path: PathBuf,
    json: String,
    image: String,
    image_digest: Option<String>,
    format: String,
    fstype: Option<String>,
    parent: Option<String>,
    source: Option<String>,
    created_at: String,
    size_bytes: u64,
    integrity: Option<String>,
    labels: Vec<(String, String)>,
}

/// What a sandbox wrote above its image.
#[derive(Debug, Clone)]
pub struct Snapshot {
    home: Home,
    facts: Arc<Facts>,
}

/// The same by its other name: what the index knows of a snapshot.
pub type SnapshotHandle = Snapshot;

impl Snapshot {
    /// Copies what is known, and frees the library's object.
    fn take(home: Home, ptr: *mut sys::msb_snapshot_t) -> Self {
        // SAFETY: alive until it is freed here.
        unsafe {
            let facts = Self::facts(ptr);
            sys::msb_snapshot_free(ptr);
            Snapshot { home, facts: Arc::new(facts) }
        }
    }

    /// # Safety
    /// `p` is alive.
    unsafe fn facts(p: *const sys::msb_snapshot_t) -> Facts {
        Facts {
            digest: ffi::text(sys::msb_snapshot_digest(p)),
            name: ffi::opt_text(sys::msb_snapshot_name(p)),
            path: ffi::text(sys::msb_snapshot_path(p)).into(),
            json: ffi::text(sys::msb_snapshot_json(p)),
            image: ffi::text(sys::msb_snapshot_image(p)),
            image_digest: ffi::opt_text(sys::msb_snapshot_image_digest(p)),
            format: ffi::text(sys::msb_snapshot_format(p)),
            fstype: ffi::opt_text(sys::msb_snapshot_fstype(p)),
            parent: ffi::opt_text(sys::msb_snapshot_parent(p)),
            source: ffi::opt_text(sys::msb_snapshot_source(p)),
            created_at: ffi::text(sys::msb_snapshot_created_at(p)),
            size_bytes: sys::msb_snapshot_size_bytes(p),
            integrity: ffi::opt_text(sys::msb_snapshot_integrity(p)),
            labels: ffi::pairs(|i| sys::msb_snapshot_label(p, i)),
        }
    }

    /// Of this sandbox.
    pub fn builder(sandbox: impl AsRef<str>) -> SnapshotBuilder {
        SnapshotBuilder {
            source: sandbox.as_ref().into(),
            destination: None,
            labels: Vec::new(),
            force: false,
            integrity: false,
        }
    }

    /// One by its name, path or digest.
    pub fn get(reference: impl AsRef<Path>) -> MicrosandboxResult<Snapshot> {
        let home = Home::current()?;
        let ptr = Self::find(&home, reference.as_ref())?;
        Ok(Snapshot::take(home, ptr))
    }

    /// The same by its other name.
    pub fn open(reference: impl AsRef<Path>) -> MicrosandboxResult<Snapshot> {
        Self::get(reference)
    }

    fn find(home: &Home, reference: &Path) -> MicrosandboxResult<*mut sys::msb_snapshot_t> {
        let reference = ffi::cstring(reference)?;
        // SAFETY: all are alive.
        ffi::make(|ret, e| unsafe { sys::msb_snapshot_get(home.ptr(), reference.as_ptr(), ret, e) })
    }

    /// All that are known, newest first.
    pub fn list() -> MicrosandboxResult<Vec<Snapshot>> {
        let home = Home::current()?;
        // SAFETY: all are alive.
        let list = ffi::make(|ret, e| unsafe { sys::msb_snapshot_list(home.ptr(), ret, e) })?;
        Ok(Self::take_list(home, list))
    }

    /// Those found in a directory.
    pub fn list_dir(dir: impl AsRef<Path>) -> MicrosandboxResult<Vec<Snapshot>> {
        let home = Home::current()?;
        let dir = ffi::cstring(dir.as_ref())?;
        // SAFETY: all are alive.
        let list = ffi::make(|ret, e| unsafe {
            sys::msb_snapshot_list_dir(home.ptr(), dir.as_ptr(), ret, e)
        })?;
        Ok(Self::take_list(home, list))
    }

    fn take_list(home: Home, list: *mut sys::msb_snapshot_list_t) -> Vec<Snapshot> {
        // SAFETY: a list of the library's; items are copied before it is freed.
        unsafe {
            ffi::collect_list(
                sys::msb_snapshot_list_count(list),
                |i| Snapshot {
                    home: home.clone(),
                    facts: Arc::new(Self::facts(sys::msb_snapshot_list_item(list, i))),
                },
                || sys::msb_snapshot_list_free(list),
            )
        }
    }

    /// Remove one; the parent of another one only with `force`.
    pub fn remove(reference: impl AsRef<Path>, force: bool) -> MicrosandboxResult<()> {
        let home = Home::current()?;
        let reference = ffi::cstring(reference.as_ref())?;
        // SAFETY: all are alive.
        ffi::call(|e| unsafe { sys::msb_snapshot_remove(home.ptr(), reference.as_ptr(), force, e) })
            .map(drop)
    }

    /// Get to know the snapshots of a directory (`None`: the home's own): how
    /// many there are.
    pub fn reindex(dir: Option<&Path>) -> MicrosandboxResult<u64> {
        let home = Home::current()?;
        let dir = dir.map(ffi::cstring).transpose()?;
        // SAFETY: all are alive.
        let n =
            ffi::call(|e| unsafe { sys::msb_snapshot_reindex(home.ptr(), ffi::opt_ptr(&dir), e) })?;
        Ok(n.unsigned_abs())
    }

    /// As one file: a tar archive.
    pub fn export(
        reference: impl AsRef<Path>,
        archive: impl AsRef<Path>,
        options: ExportOptions,
    ) -> MicrosandboxResult<()> {
        let home = Home::current()?;
        let reference = ffi::cstring(reference.as_ref())?;
        let archive = ffi::cstring(archive.as_ref())?;
        // SAFETY: all are alive.
        ffi::call(|e| unsafe {
            sys::msb_snapshot_export(
                home.ptr(),
                reference.as_ptr(),
                archive.as_ptr(),
                options.parents,
                options.plain,
                e,
            )
        })
        .map(drop)
    }

    /// The snapshot that an archive holds, under this name or path; without,
    /// under a name from its digest.
    pub fn import(
        archive: impl AsRef<Path>,
        destination: Option<&Path>,
    ) -> MicrosandboxResult<Snapshot> {
        let home = Home::current()?;
        let archive = ffi::cstring(archive.as_ref())?;
        let destination = destination.map(ffi::cstring).transpose()?;
        // SAFETY: all are alive.
        let ptr = ffi::make(|ret, e| unsafe {
            sys::msb_snapshot_import(
                home.ptr(),
                archive.as_ptr(),
                ffi::opt_ptr(&destination),
                ret,
                e,
            )
        })?;
        Ok(Snapshot::take(home, ptr))
    }

    /// Where the home keeps its own.
    pub fn directory() -> MicrosandboxResult<PathBuf> {
        let home = Home::current()?;
        // SAFETY: alive; copied.
        Ok(unsafe { ffi::text(sys::msb_snapshot_dir(home.ptr())) }.into())
    }

    /// Read all of it: is it as recorded?
    pub fn verify(&self) -> MicrosandboxResult<SnapshotVerifyReport> {
        let ptr = Self::find(&self.home, self.path())?;
        // SAFETY: alive until it is freed.
        let result = ffi::call(|e| unsafe { sys::msb_snapshot_verify(ptr, e) });
        let digest = unsafe { ffi::opt_text(sys::msb_snapshot_integrity(ptr)) };
        unsafe { sys::msb_snapshot_free(ptr) };
        Ok(match result? {
            0 => SnapshotVerifyReport::NotRecorded,
            _ => SnapshotVerifyReport::Verified { digest: digest.unwrap_or_default() },
        })
    }

    /// Remove this one.
    pub fn delete(self, force: bool) -> MicrosandboxResult<()> {
        let path = self.facts.path.clone();
        self.home.run(|| Snapshot::remove(path, force))
    }

    /// Its identity.
    pub fn digest(&self) -> &str {
        &self.facts.digest
    }

    /// Its name; `None`: it is elsewhere.
    pub fn name(&self) -> Option<&str> {
        self.facts.name.as_deref()
    }

    /// Its directory.
    pub fn path(&self) -> &Path {
        &self.facts.path
    }

    /// The image it is above.
    pub fn image_ref(&self) -> &str {
        &self.facts.image
    }

    /// Digest of that image's manifest.
    pub fn image_manifest_digest(&self) -> Option<&str> {
        self.facts.image_digest.as_deref()
    }

    /// How its contents are laid out.
    pub fn format(&self) -> &str {
        &self.facts.format
    }

    /// Their file system.
    pub fn fstype(&self) -> Option<&str> {
        self.facts.fstype.as_deref()
    }

    /// Digest of the one its sandbox was made from.
    pub fn parent(&self) -> Option<&str> {
        self.facts.parent.as_deref()
    }

    /// The sandbox it was taken of.
    pub fn source_sandbox(&self) -> Option<&str> {
        self.facts.source.as_deref()
    }

    /// When, as RFC 3339 has it.
    pub fn created_at(&self) -> &str {
        &self.facts.created_at
    }

    /// How much room it takes.
    pub fn size_bytes(&self) -> u64 {
        self.facts.size_bytes
    }

    /// The recorded digest of its contents.
    pub fn integrity(&self) -> Option<&str> {
        self.facts.integrity.as_deref()
    }

    /// Its labels.
    pub fn labels(&self) -> &[(String, String)] {
        &self.facts.labels
    }

    /// Its descriptor (docs/json.md).
    pub fn manifest(&self) -> MicrosandboxResult<Value> {
        Value::parse(&self.facts.json)
    }
}
