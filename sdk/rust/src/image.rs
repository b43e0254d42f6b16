// SPDX-License-Identifier: Apache-2.0
//! Images in the cache, and what happens while one is pulled.

use crate::error::{MicrosandboxError, MicrosandboxResult};
use crate::ffi::{self, CStrings};
use crate::home::Home;
use crate::json::Value;
use crate::options::named;
use crate::sys;
use std::ffi::{CString, OsStr};
use std::fs::File;
use std::mem::size_of;
use std::os::raw::{c_int, c_void};
use std::os::unix::io::AsRawFd;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::SystemTime;

named! {
    /// When an image is asked for at its registry.
    PullPolicy {
        /// When it is not in the cache.
        IfMissing = "if-missing",
        /// Always; layers are reused.
        Always = "always",
        /// Never.
        Never = "never",
    }
}

/// What happens while an image is pulled, loaded or saved.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum PullEvent {
    /// The registry is asked.
    Resolving {
        /// In its complete form.
        reference: String,
    },
    /// It is known what there is to do.
    Resolved {
        /// In its complete form.
        reference: String,
        /// Size of each layer's download.
        layer_bytes: Vec<u64>,
        /// All of them together.
        total: u64,
    },
    /// A layer is being downloaded.
    Download {
        /// Which one; the lowest is 0.
        layer: usize,
        /// So far; may go back.
        bytes: u64,
        /// Of so many.
        total: u64,
    },
    /// A layer is being unpacked.
    Unpack {
        /// Which one.
        layer: usize,
        /// So far.
        bytes: u64,
        /// Of so many.
        total: u64,
    },
    /// Another process is working on a layer.
    Waiting {
        /// Which one.
        layer: usize,
    },
    /// A layer was there.
    Cached {
        /// Which one.
        layer: usize,
    },
    /// A layer is there now.
    Layer {
        /// Which one.
        layer: usize,
    },
    /// Layers are put together.
    Merging,
    /// Something a person may want to know.
    Note {
        /// What.
        message: String,
    },
    /// All of it is there.
    Done,
    /// Something that only a later library tells of.
    Other,
}

impl PullEvent {
    /// # Safety
    /// Its pointers are good.
    unsafe fn read(ev: &sys::msb_image_event_t) -> Self {
        let layer = ev.layer;
        let (bytes, total) = (ev.bytes, ev.total);
        match ev.kind {
            sys::MSB_IMAGE_RESOLVING => PullEvent::Resolving { reference: ffi::text(ev.reference) },
            sys::MSB_IMAGE_RESOLVED => PullEvent::Resolved {
                reference: ffi::text(ev.reference),
                layer_bytes: match ev.layer_bytes.is_null() {
                    true => Vec::new(),
                    false => std::slice::from_raw_parts(ev.layer_bytes, ev.layer_count).to_vec(),
                },
                total,
            },
            sys::MSB_IMAGE_DOWNLOAD => PullEvent::Download { layer, bytes, total },
            sys::MSB_IMAGE_UNPACK => PullEvent::Unpack { layer, bytes, total },
            sys::MSB_IMAGE_WAITING => PullEvent::Waiting { layer },
            sys::MSB_IMAGE_CACHED => PullEvent::Cached { layer },
            sys::MSB_IMAGE_LAYER => PullEvent::Layer { layer },
            sys::MSB_IMAGE_MERGING => PullEvent::Merging,
            sys::MSB_IMAGE_NOTE => PullEvent::Note { message: ffi::text(ev.message) },
            sys::MSB_IMAGE_DONE => PullEvent::Done,
            _ => PullEvent::Other,
        }
    }

    /// What it is: `resolving`, `layer`, `done`, ...
    pub fn kind(&self) -> &'static str {
        match self {
            PullEvent::Resolving { .. } => "resolving",
            PullEvent::Resolved { .. } => "resolved",
            PullEvent::Download { .. } => "download",
            PullEvent::Unpack { .. } => "unpack",
            PullEvent::Waiting { .. } => "waiting",
            PullEvent::Cached { .. } => "cached",
            PullEvent::Layer { .. } => "layer",
            PullEvent::Merging => "merging",
            PullEvent::Note { .. } => "note",
            PullEvent::Done => "done",
            PullEvent::Other => "other",
        }
    }
}

/// Passes events on to a channel. That nobody listens any more does not end a
/// pull.
pub(crate) unsafe extern "C" fn progress(
    ctx: *mut c_void,
    event: *const sys::msb_image_event_t,
) -> c_int {
    let sender = &*(ctx as *const mpsc::Sender<PullEvent>);
    let _ = sender.send(PullEvent::read(&*event));
    0
}

/// Says how an image is to be pulled.
#[derive(Debug, Clone, Default)]
pub struct PullOptions {
    policy: Option<PullPolicy>,
    force: bool,
    insecure: bool,
    ca_certs: Option<PathBuf>,
    login: Option<(String, String)>,
    events: Option<mpsc::Sender<PullEvent>>,
}

impl PullOptions {
    /// As usual.
    pub fn new() -> Self {
        Self::default()
    }

    /// When the registry is asked.
    pub fn policy(mut self, policy: PullPolicy) -> Self {
        self.policy = Some(policy);
        self
    }

    /// Download and build everything again.
    pub fn force(mut self, on: bool) -> Self {
        self.force = on;
        self
    }

    /// Plain HTTP.
    pub fn insecure(mut self, on: bool) -> Self {
        self.insecure = on;
        self
    }

    /// A PEM file with further authorities to trust.
    pub fn ca_certs(mut self, path: impl AsRef<Path>) -> Self {
        self.ca_certs = Some(path.as_ref().to_path_buf());
        self
    }

    /// Instead of the stored credentials.
    pub fn login(mut self, username: impl AsRef<str>, password: impl AsRef<str>) -> Self {
        self.login = Some((username.as_ref().into(), password.as_ref().into()));
        self
    }

    /// Where events go.
    pub fn events(mut self, sender: mpsc::Sender<PullEvent>) -> Self {
        self.events = Some(sender);
        self
    }

    /// What this gives refers to self.
    fn raw(&self) -> MicrosandboxResult<RawOptions> {
        // SAFETY (all): pointers are good for the calls, which copy.
        let o = unsafe { sys::msb_image_options_new() };
        if o.is_null() {
            return Err(MicrosandboxError::no_memory());
        }
        let raw = RawOptions(o);
        unsafe {
            if let Some(policy) = self.policy {
                sys::msb_image_options_set_policy(
                    o,
                    match policy {
                        PullPolicy::IfMissing => sys::MSB_PULL_IF_MISSING,
                        PullPolicy::Always => sys::MSB_PULL_ALWAYS,
                        PullPolicy::Never => sys::MSB_PULL_NEVER,
                    },
                );
            }
            sys::msb_image_options_set_force(o, self.force);
            sys::msb_image_options_set_insecure(o, self.insecure);
        }
        if let Some(path) = &self.ca_certs {
            let path = ffi::cstring(path)?;
            ffi::call(|e| unsafe { sys::msb_image_options_set_ca_certs(o, path.as_ptr(), e) })?;
        }
        if let Some((name, password)) = &self.login {
            let (name, password) = (ffi::cstring(name)?, ffi::cstring(password)?);
            ffi::call(|e| unsafe {
                sys::msb_image_options_set_login(o, name.as_ptr(), password.as_ptr(), e)
            })?;
        }
        if let Some(sender) = &self.events {
            let ctx = sender as *const mpsc::Sender<PullEvent> as *mut c_void;
            unsafe { sys::msb_image_options_set_progress(o, Some(progress), ctx) };
        }
        Ok(raw)
    }
}

struct RawOptions(*mut sys::msb_image_options_t);

impl Drop for RawOptions {
    fn drop(&mut self) {
        // SAFETY: nobody else has it.
        unsafe { sys::msb_image_options_free(self.0) }
    }
}

/// A layer of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageLayer {
    /// Digest of what it holds.
    pub diff_id: String,
    /// Digest of what is downloaded.
    pub digest: String,
    /// How that is packed.
    pub media_type: Option<String>,
    /// Size of what is downloaded.
    pub size_bytes: u64,
}

/// An image of the cache, as it was when it was asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct ImageHandle {
    reference: String,
    canonical: String,
    digest: String,
    architecture: Option<String>,
    os: Option<String>,
    size_bytes: Option<u64>,
    created: SystemTime,
    last_used: Option<SystemTime>,
    layers: Vec<ImageLayer>,
    json: String,
}

/// Everything that is known of an image.
#[derive(Debug, Clone, PartialEq)]
pub struct ImageDetail {
    /// What the handle says.
    pub handle: ImageHandle,
    /// Its configuration, as the image has it.
    pub config: Option<Value>,
    /// Its layers, the lowest first.
    pub layers: Vec<ImageLayer>,
}

impl ImageHandle {
    /// # Safety
    /// `p` is alive.
    unsafe fn read(p: *const sys::msb_image_t) -> Self {
        let layers = (0..sys::msb_image_layer_count(p))
            .filter_map(|i| {
                let mut layer = sys::msb_image_layer_t {
                    struct_size: size_of::<sys::msb_image_layer_t>(),
                    diff_id: std::ptr::null(),
                    digest: std::ptr::null(),
                    media_type: std::ptr::null(),
                    size_bytes: 0,
                };
                (sys::msb_image_layer(p, i, &mut layer) >= 0).then(|| ImageLayer {
                    diff_id: ffi::text(layer.diff_id),
                    digest: ffi::text(layer.digest),
                    media_type: ffi::opt_text(layer.media_type),
                    size_bytes: layer.size_bytes,
                })
            })
            .collect();
        let last_used = sys::msb_image_last_used_unix_ms(p);
        ImageHandle {
            reference: ffi::text(sys::msb_image_reference(p)),
            canonical: ffi::text(sys::msb_image_canonical(p)),
            digest: ffi::text(sys::msb_image_digest(p)),
            architecture: ffi::opt_text(sys::msb_image_architecture(p)),
            os: ffi::opt_text(sys::msb_image_os(p)),
            size_bytes: u64::try_from(sys::msb_image_size_bytes(p)).ok(),
            created: ffi::time_ms(sys::msb_image_created_unix_ms(p)),
            last_used: (last_used >= 0).then(|| ffi::time_ms(last_used)),
            layers,
            json: ffi::text(sys::msb_image_json(p)),
        }
    }

    /// As people write it.
    pub fn reference(&self) -> &str {
        &self.reference
    }

    /// Complete.
    pub fn canonical(&self) -> &str {
        &self.canonical
    }

    /// Digest of its manifest.
    pub fn manifest_digest(&self) -> &str {
        &self.digest
    }

    /// What machines it is for.
    pub fn architecture(&self) -> Option<&str> {
        self.architecture.as_deref()
    }

    /// What operating system it is for.
    pub fn os(&self) -> Option<&str> {
        self.os.as_deref()
    }

    /// Its downloads together; `None` when files of it are missing.
    pub fn size_bytes(&self) -> Option<u64> {
        self.size_bytes
    }

    /// How many layers it has.
    pub fn layer_count(&self) -> usize {
        self.layers.len()
    }

    /// When its name came into the cache.
    pub fn created_at(&self) -> SystemTime {
        self.created
    }

    /// When a sandbox was made from it.
    pub fn last_used_at(&self) -> Option<SystemTime> {
        self.last_used
    }

    /// Everything as JSON text (docs/json.md).
    pub fn json(&self) -> &str {
        &self.json
    }

    /// The same, read.
    pub fn inspect(&self) -> MicrosandboxResult<ImageDetail> {
        let config = Value::parse(&self.json)?.get("config").filter(|c| !c.is_null()).cloned();
        Ok(ImageDetail { handle: self.clone(), config, layers: self.layers.clone() })
    }
}

/// What a removal has freed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ImageFreed {
    /// Names.
    pub references: u32,
    /// Images.
    pub manifests: u32,
    /// Layers.
    pub layers: u32,
    /// Roots put together from layers.
    pub merged: u32,
    /// Bytes.
    pub bytes: u64,
}

named! {
    /// What archives of images look like.
    ArchiveFormat {
        /// As `docker save` makes them.
        Docker = "docker",
        /// An OCI layout.
        Oci = "oci",
    }
}

/// The cache of images.
#[derive(Debug)]
pub struct Image(());

impl Image {
    /// Bring one into the cache: was it there?
    pub fn pull(reference: impl AsRef<str>, options: &PullOptions) -> MicrosandboxResult<bool> {
        let home = Home::current()?;
        let (reference, raw) = (ffi::cstring(reference.as_ref())?, options.raw()?);
        let mut cached = false;
        // SAFETY: all are alive.
        ffi::call(|e| unsafe {
            sys::msb_image_pull(home.ptr(), reference.as_ptr(), raw.0, &mut cached, e)
        })?;
        Ok(cached)
    }

    /// One of the cache.
    pub fn get(reference: impl AsRef<str>) -> MicrosandboxResult<ImageHandle> {
        let home = Home::current()?;
        let reference: CString = ffi::cstring(reference.as_ref())?;
        // SAFETY: all are alive; everything is copied before it is freed.
        unsafe {
            let ptr =
                ffi::make(|ret, e| sys::msb_image_get(home.ptr(), reference.as_ptr(), ret, e))?;
            let handle = ImageHandle::read(ptr);
            sys::msb_image_free(ptr);
            Ok(handle)
        }
    }

    /// All of them, by name.
    pub fn list() -> MicrosandboxResult<Vec<ImageHandle>> {
        let home = Home::current()?;
        // SAFETY: all are alive.
        unsafe {
            let list = ffi::make(|ret, e| sys::msb_image_list(home.ptr(), ret, e))?;
            Ok(Self::take_list(list))
        }
    }

    /// # Safety
    /// A list of the library's, which is freed.
    unsafe fn take_list(list: *mut sys::msb_image_list_t) -> Vec<ImageHandle> {
        ffi::collect_list(
            sys::msb_image_list_count(list),
            |i| ImageHandle::read(sys::msb_image_list_item(list, i)),
            || sys::msb_image_list_free(list),
        )
    }

    /// Everything that is known of one.
    pub fn inspect(reference: impl AsRef<str>) -> MicrosandboxResult<ImageDetail> {
        Self::get(reference)?.inspect()
    }

    /// Remove a name, and what nothing needs any more. An image that a sandbox
    /// was made from is refused, or with `force` loses only its name.
    pub fn remove(reference: impl AsRef<str>, force: bool) -> MicrosandboxResult<()> {
        let home = Home::current()?;
        let reference = ffi::cstring(reference.as_ref())?;
        // SAFETY: all are alive.
        ffi::call(|e| unsafe { sys::msb_image_remove(home.ptr(), reference.as_ptr(), force, e) })
            .map(drop)
    }

    /// Remove each image that no sandbox was made from, and leftovers.
    pub fn gc() -> MicrosandboxResult<ImageFreed> {
        let home = Home::current()?;
        let mut freed = sys::msb_image_freed_t {
            struct_size: size_of::<sys::msb_image_freed_t>(),
            references: 0,
            manifests: 0,
            layers: 0,
            merged: 0,
            bytes: 0,
        };
        // SAFETY: all are alive.
        ffi::call(|e| unsafe { sys::msb_image_prune(home.ptr(), &mut freed, e) })?;
        Ok(ImageFreed {
            references: freed.references,
            manifests: freed.manifests,
            layers: freed.layers,
            merged: freed.merged,
            bytes: freed.bytes,
        })
    }

    /// Read an archive into the cache; `names` are further ones of its first
    /// image. What it held.
    pub fn load<I>(
        archive: impl AsRef<Path>,
        names: I,
        options: &PullOptions,
    ) -> MicrosandboxResult<Vec<ImageHandle>>
    where
        I: IntoIterator,
        I::Item: AsRef<OsStr>,
    {
        let home = Home::current()?;
        let file = File::open(archive.as_ref())?;
        let (input, names) = (ffi::cstring(archive.as_ref())?, CStrings::new(names)?);
        let raw = options.raw()?;
        // SAFETY: all are alive.
        unsafe {
            let list = ffi::make(|ret, e| {
                sys::msb_image_load(
                    home.ptr(),
                    file.as_raw_fd(),
                    input.as_ptr(),
                    names.as_ptr(),
                    names.len(),
                    raw.0,
                    ret,
                    e,
                )
            })?;
            Ok(Self::take_list(list))
        }
    }

    /// Write images of the cache into an archive, which must not exist.
    pub fn save<I>(
        references: I,
        archive: impl AsRef<Path>,
        format: ArchiveFormat,
        options: &PullOptions,
    ) -> MicrosandboxResult<()>
    where
        I: IntoIterator,
        I::Item: AsRef<OsStr>,
    {
        let home = Home::current()?;
        let references = CStrings::new(references)?;
        let raw = options.raw()?;
        let file =
            File::options().read(true).write(true).create_new(true).open(archive.as_ref())?;
        let format = match format {
            ArchiveFormat::Docker => sys::MSB_ARCHIVE_DOCKER,
            ArchiveFormat::Oci => sys::MSB_ARCHIVE_OCI,
        };
        // SAFETY: all are alive.
        let saved = ffi::call(|e| unsafe {
            sys::msb_image_save(
                home.ptr(),
                references.as_ptr(),
                references.len(),
                format,
                file.as_raw_fd(),
                raw.0,
                e,
            )
        });
        if saved.is_err() {
            let _ = std::fs::remove_file(archive.as_ref());
        }
        saved.map(drop)
    }
}
