// SPDX-License-Identifier: Apache-2.0
//! Ending what another thread waits for.

use crate::error::{MicrosandboxError, MicrosandboxResult};
use crate::sys;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;

/// Ends calls of other threads, once for all: they fail with
/// [`MicrosandboxError::Cancelled`], and what they had begun is undone.
///
/// ```no_run
/// use microsandbox::{CancelToken, Sandbox};
/// # fn main() -> microsandbox::MicrosandboxResult<()> {
/// let sandbox = Sandbox::get("box")?.connect()?;
/// let token = CancelToken::new()?;
/// let worker = std::thread::spawn({
///     let token = token.clone();
///     move || token.run(|| sandbox.exec("sleep", ["1000"]))
/// });
/// token.cancel();
/// assert!(worker.join().unwrap().is_err());
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct CancelToken(Arc<Inner>);

struct Inner {
    ptr: *mut sys::msb_cancel_t,
    cancelled: AtomicBool,
}

// SAFETY: a token is made to be triggered from any thread.
unsafe impl Send for Inner {}
unsafe impl Sync for Inner {}

impl Drop for Inner {
    fn drop(&mut self) {
        // SAFETY: no thread uses it any more, as each holds a reference.
        unsafe { sys::msb_cancel_free(self.ptr) }
    }
}

impl CancelToken {
    /// A token that has not been cancelled.
    pub fn new() -> MicrosandboxResult<Self> {
        // SAFETY: no arguments.
        let ptr = unsafe { sys::msb_cancel_new() };
        if ptr.is_null() {
            return Err(MicrosandboxError::no_memory());
        }
        Ok(CancelToken(Arc::new(Inner { ptr, cancelled: AtomicBool::new(false) })))
    }

    /// End every call that is made with this token, now and later.
    pub fn cancel(&self) {
        self.0.cancelled.store(true, Ordering::SeqCst);
        // SAFETY: alive as long as self is.
        unsafe { sys::msb_cancel_trigger(self.0.ptr) }
    }

    /// Has that happened?
    pub fn is_cancelled(&self) -> bool {
        self.0.cancelled.load(Ordering::SeqCst)
    }

    /// Everything that `f` calls in this thread ends when the token is
    /// cancelled. Within another `run`, only the inner token counts.
    pub fn run<R>(&self, f: impl FnOnce() -> R) -> R {
        struct Restore(*mut sys::msb_cancel_t);
        impl Drop for Restore {
            fn drop(&mut self) {
                // SAFETY: what was in use before outlives this, being on the
                // stack below.
                unsafe { sys::msb_cancel_use(self.0) };
            }
        }
        // SAFETY: self outlives the guard.
        let _restore = Restore(unsafe { sys::msb_cancel_use(self.0.ptr) });
        f()
    }
}

impl std::fmt::Debug for CancelToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CancelToken").field("cancelled", &self.is_cancelled()).finish()
    }
}
