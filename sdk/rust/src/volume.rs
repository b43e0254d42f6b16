// SPDX-License-Identifier: Apache-2.0
//! Named volumes.

use crate::error::MicrosandboxResult;
use crate::ffi::{self, CStrings};
use crate::fs::{FsConnection, VolumeFs};
use crate::home::Home;
use crate::json::Value;
use crate::options::named;
use crate::size::Mebibytes;
use crate::sys;
use std::collections::BTreeMap;
use std::os::raw::{c_char, c_void};
use std::path::PathBuf;
use std::time::SystemTime;

named! {
    /// What a volume is.
    VolumeKind {
        /// A directory of the host.
        Dir = "dir",
        /// A disk image.
        Disk = "disk",
    }
}

/// A volume that is to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VolumeConfig {
    name: String,
    kind: VolumeKind,
    quota: Option<Mebibytes>,
    capacity: Option<Mebibytes>,
    labels: BTreeMap<String, String>,
}

/// Puts a volume together.
#[derive(Debug, Clone)]
pub struct VolumeBuilder(VolumeConfig);

impl VolumeBuilder {
    /// How much a directory may hold.
    pub fn quota(mut self, size: impl Into<Mebibytes>) -> Self {
        self.0.quota = Some(size.into());
        self
    }

    /// A disk of this size, instead of a directory.
    pub fn disk(mut self, capacity: impl Into<Mebibytes>) -> Self {
        self.0.kind = VolumeKind::Disk;
        self.0.capacity = Some(capacity.into());
        self
    }

    /// A label.
    pub fn label(mut self, key: impl AsRef<str>, value: impl AsRef<str>) -> Self {
        self.0.labels.insert(key.as_ref().into(), value.as_ref().into());
        self
    }

    /// What has been said so far.
    pub fn build(self) -> VolumeConfig {
        self.0
    }

    /// Make it.
    pub fn create(self) -> MicrosandboxResult<Volume> {
        Volume::create(&self.0)
    }
}

impl VolumeConfig {
    /// For [`MountBuilder::volume`](crate::MountBuilder::volume).
    pub(crate) fn mount_value(&self) -> Value {
        let mut v = Value::object();
        v.set("kind", self.kind);
        if let Some(quota) = self.quota {
            v.set("quota_mib", quota.0);
        }
        if let Some(capacity) = self.capacity {
            v.set("capacity_mib", capacity.0);
        }
        for (key, value) in &self.labels {
            v.member("labels").set(key, value);
        }
        v
    }
}

struct Raw {
    ptr: *mut sys::msb_volume_t,
    home: Home,
}

// SAFETY: what is known of a volume never changes, and is only read.
unsafe impl Send for Raw {}
unsafe impl Sync for Raw {}

impl Drop for Raw {
    fn drop(&mut self) {
        // SAFETY: nobody else has it.
        unsafe { sys::msb_volume_free(self.ptr) }
    }
}

/// A directory or disk that outlives the sandboxes that use it.
pub struct Volume {
    raw: Raw,
    name: String,
}

/// The same by its other name: what is known of a volume when it was asked.
pub type VolumeHandle = Volume;

impl Volume {
    fn new(home: Home, ptr: *mut sys::msb_volume_t) -> Self {
        // SAFETY: alive; copied.
        let name = unsafe { ffi::text(sys::msb_volume_name(ptr)) };
        Volume { raw: Raw { ptr, home }, name }
    }

    /// Describe one that is to be made.
    pub fn builder(name: impl AsRef<str>) -> VolumeBuilder {
        VolumeBuilder(VolumeConfig {
            name: name.as_ref().into(),
            kind: VolumeKind::Dir,
            quota: None,
            capacity: None,
            labels: BTreeMap::new(),
        })
    }

    /// Make one.
    pub fn create(config: &VolumeConfig) -> MicrosandboxResult<Volume> {
        let home = Home::current()?;
        let name = ffi::cstring(&config.name)?;
        let labels = CStrings::new(config.labels.iter().map(|(k, v)| format!("{k}={v}")))?;
        let options = sys::msb_volume_options_t {
            struct_size: std::mem::size_of::<sys::msb_volume_options_t>(),
            kind: match config.kind {
                VolumeKind::Dir => sys::MSB_VOLUME_DIR,
                VolumeKind::Disk => sys::MSB_VOLUME_DISK,
            },
            quota_mib: config.quota.map_or(0, |q| q.0),
            capacity_mib: config.capacity.map_or(0, |c| c.0),
            labels: labels.as_ptr(),
            nlabels: labels.len(),
        };
        // SAFETY: all are alive.
        let ptr = ffi::make(|ret, e| unsafe {
            sys::msb_volume_create(home.ptr(), name.as_ptr(), &options, ret, e)
        })?;
        Ok(Volume::new(home, ptr))
    }

    /// What is known of one.
    pub fn get(name: impl AsRef<str>) -> MicrosandboxResult<Volume> {
        Self::get_in(Home::current()?, name.as_ref())
    }

    fn get_in(home: Home, name: &str) -> MicrosandboxResult<Volume> {
        let name = ffi::cstring(name)?;
        // SAFETY: all are alive.
        let ptr =
            ffi::make(|ret, e| unsafe { sys::msb_volume_get(home.ptr(), name.as_ptr(), ret, e) })?;
        Ok(Volume::new(home, ptr))
    }

    /// Of all of them, by name.
    pub fn list() -> MicrosandboxResult<Vec<Volume>> {
        let home = Home::current()?;
        // SAFETY: all are alive; names are copied before the list is freed.
        let names = unsafe {
            let list = ffi::make(|ret, e| sys::msb_volume_list(home.ptr(), ret, e))?;
            ffi::collect_list(
                sys::msb_volume_list_count(list),
                |i| ffi::text(sys::msb_volume_name(sys::msb_volume_list_item(list, i))),
                || sys::msb_volume_list_free(list),
            )
        };
        let mut all = Vec::new();
        for name in names {
            match Self::get_in(home.clone(), &name) {
                Ok(volume) => all.push(volume),
                Err(crate::MicrosandboxError::VolumeNotFound(_)) => {}
                Err(e) => return Err(e),
            }
        }
        Ok(all)
    }

    /// Remove one with all it holds. No sandbox may run with it.
    pub fn remove(name: impl AsRef<str>) -> MicrosandboxResult<()> {
        Self::remove_in(&Home::current()?, name.as_ref())
    }

    fn remove_in(home: &Home, name: &str) -> MicrosandboxResult<()> {
        let name = ffi::cstring(name)?;
        // SAFETY: all are alive.
        ffi::call(|e| unsafe { sys::msb_volume_remove(home.ptr(), name.as_ptr(), e) }).map(drop)
    }

    /// Remove this one.
    pub fn delete(self) -> MicrosandboxResult<()> {
        Self::remove_in(&self.raw.home, &self.name)
    }

    /// Remove those that no sandbox is configured with: their names.
    pub fn prune() -> MicrosandboxResult<Vec<String>> {
        unsafe extern "C" fn add(ctx: *mut c_void, name: *const c_char) {
            let removed = &mut *(ctx as *mut Vec<String>);
            removed.push(ffi::text(name));
        }
        let home = Home::current()?;
        let mut removed: Vec<String> = Vec::new();
        let ctx = &mut removed as *mut _ as *mut c_void;
        // SAFETY: the list outlives the call.
        ffi::call(|e| unsafe { sys::msb_volume_prune(home.ptr(), Some(add), ctx, e) })?;
        Ok(removed)
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its directory on this host.
    pub fn path(&self) -> PathBuf {
        // SAFETY: alive; copied.
        PathBuf::from(unsafe { ffi::text(sys::msb_volume_path(self.raw.ptr)) })
    }

    /// What it is.
    pub fn kind(&self) -> VolumeKind {
        // SAFETY: alive.
        match unsafe { sys::msb_volume_kind(self.raw.ptr) } {
            sys::MSB_VOLUME_DIR => VolumeKind::Dir,
            _ => VolumeKind::Disk,
        }
    }

    /// How much a directory may hold.
    pub fn quota(&self) -> Option<Mebibytes> {
        // SAFETY: alive.
        let mib = unsafe { sys::msb_volume_quota_mib(self.raw.ptr) };
        (mib != 0).then_some(Mebibytes(mib))
    }

    /// The same as a number.
    pub fn quota_mib(&self) -> Option<u64> {
        self.quota().map(|q| q.0)
    }

    /// Size of a disk.
    pub fn capacity_bytes(&self) -> Option<u64> {
        // SAFETY: alive.
        let bytes = unsafe { sys::msb_volume_capacity_bytes(self.raw.ptr) };
        (bytes != 0).then_some(bytes)
    }

    /// How much it holds: looks at all of its files.
    pub fn used_bytes(&self) -> MicrosandboxResult<u64> {
        let mut bytes = 0;
        // SAFETY: alive.
        ffi::call(|e| unsafe { sys::msb_volume_used_bytes(self.raw.ptr, &mut bytes, e) })?;
        Ok(bytes)
    }

    /// When it was made.
    pub fn created_at(&self) -> SystemTime {
        // SAFETY: alive.
        ffi::time_ms(unsafe { sys::msb_volume_created_unix_ms(self.raw.ptr) })
    }

    /// Its labels.
    pub fn labels(&self) -> Vec<(String, String)> {
        // SAFETY: alive.
        ffi::pairs(|i| unsafe { sys::msb_volume_label(self.raw.ptr, i) })
    }

    /// Its files.
    pub fn fs(&self) -> MicrosandboxResult<VolumeFs> {
        // SAFETY: alive.
        let fs = ffi::make(|ret, e| unsafe { sys::msb_fs_open_volume(self.raw.ptr, ret, e) })?;
        Ok(VolumeFs::of_volume(FsConnection(fs)))
    }
}

impl std::fmt::Debug for Volume {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Volume").field("name", &self.name).field("kind", &self.kind()).finish()
    }
}
