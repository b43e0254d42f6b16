// SPDX-License-Identifier: Apache-2.0
//! The directory in which everything is kept.

use crate::error::MicrosandboxResult;
use crate::ffi;
use crate::sys;
use std::cell::RefCell;
use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

/// A home directory: sandboxes, images, volumes, snapshots.
///
/// Functions such as [`Sandbox::get`](crate::Sandbox::get) use `$MSB_HOME`, or
/// `~/.microsandbox`, unless they are told another one: for the whole process
/// by [`set_default`](Home::set_default), or within a closure by
/// [`run`](Home::run). What was made from a home stays with it.
#[derive(Clone)]
pub struct Home(Arc<Inner>);

struct Inner {
    ptr: *mut sys::msb_t,
    path: PathBuf,
}

// SAFETY: the library's functions may be called with it from any thread.
unsafe impl Send for Inner {}
unsafe impl Sync for Inner {}

impl Drop for Inner {
    fn drop(&mut self) {
        // SAFETY: whatever was made from it holds a reference, so this is last.
        unsafe { sys::msb_close(self.ptr) }
    }
}

enum DefaultHome {
    Unset,
    /// Opened for this value of `$MSB_HOME`.
    Environment(Option<OsString>, Home),
    Chosen(Home),
}

static DEFAULT: Mutex<DefaultHome> = Mutex::new(DefaultHome::Unset);

thread_local! {
    static CURRENT: RefCell<Vec<Home>> = RefCell::new(Vec::new());
}

impl Home {
    /// Open a directory, which is made when it is missing.
    pub fn open(path: impl AsRef<Path>) -> MicrosandboxResult<Self> {
        Self::open_at(Some(path.as_ref()))
    }

    fn open_at(path: Option<&Path>) -> MicrosandboxResult<Self> {
        let path = path.map(ffi::cstring).transpose()?;
        // SAFETY: all pointers are good for the call.
        let ptr = ffi::make(|ret, e| unsafe { sys::msb_open(ffi::opt_ptr(&path), ret, e) })?;
        // SAFETY: owned by the object, copied here.
        let path = PathBuf::from(unsafe { ffi::text(sys::msb_home(ptr)) });
        Ok(Home(Arc::new(Inner { ptr, path })))
    }

    /// The one that functions of this thread use now.
    pub fn current() -> MicrosandboxResult<Self> {
        if let Some(home) = CURRENT.with(|c| c.borrow().last().cloned()) {
            return Ok(home);
        }
        let mut default = DEFAULT.lock().unwrap_or_else(|e| e.into_inner());
        let value = env::var_os("MSB_HOME");
        match &*default {
            DefaultHome::Chosen(home) => return Ok(home.clone()),
            DefaultHome::Environment(of, home) if *of == value => return Ok(home.clone()),
            _ => {}
        }
        let home = Self::open_at(None)?;
        *default = DefaultHome::Environment(value, home.clone());
        Ok(home)
    }

    /// From now on, the one that this process uses.
    pub fn set_default(home: Home) {
        *DEFAULT.lock().unwrap_or_else(|e| e.into_inner()) = DefaultHome::Chosen(home);
    }

    /// Everything that `f` calls in this thread uses this home.
    pub fn run<R>(&self, f: impl FnOnce() -> R) -> R {
        struct Leave;
        impl Drop for Leave {
            fn drop(&mut self) {
                CURRENT.with(|c| c.borrow_mut().pop());
            }
        }
        CURRENT.with(|c| c.borrow_mut().push(self.clone()));
        let _leave = Leave;
        f()
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0.path
    }

    /// Mend the records of sandboxes whose process has gone. Listing and
    /// looking up do so by themselves.
    pub fn reconcile(&self) {
        // SAFETY: alive as long as self is.
        unsafe { sys::msb_reconcile(self.0.ptr) }
    }

    pub(crate) fn ptr(&self) -> *mut sys::msb_t {
        self.0.ptr
    }
}

impl std::fmt::Debug for Home {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Home").field(&self.0.path).finish()
    }
}
