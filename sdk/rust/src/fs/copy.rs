// SPDX-License-Identifier: Apache-2.0
//! Copying files and directories between this host and guests.

use crate::error::MicrosandboxResult;
use crate::ffi;
use crate::sandbox::Sandbox;
use crate::sys;
use std::os::raw::{c_char, c_void};
use std::path::Path;
use std::ptr;

/// Where from, or where to.
#[derive(Debug, Clone, Copy)]
pub enum CopyEnd<'a> {
    /// A path of this host.
    Host(&'a Path),
    /// A path of a running guest.
    Guest(&'a Sandbox, &'a Path),
}

impl CopyEnd<'_> {
    fn parts(&self) -> (*mut sys::msb_sandbox_t, &Path) {
        match self {
            CopyEnd::Host(path) => (ptr::null_mut(), path),
            CopyEnd::Guest(sandbox, path) => (sandbox.ptr(), path),
        }
    }
}

/// Something that was not copied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CopySkipped {
    /// What.
    pub path: String,
    /// And why not.
    pub why: String,
}

/// How a copy went.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CopyReport {
    /// What could not be copied while the rest was.
    pub skipped: Vec<CopySkipped>,
}

/// Copy a file, or a directory with all it holds, as `cp -r` does: into `to`
/// when that is a directory, else as `to`. Out of a guest, nothing is ever
/// written outside of the destination.
pub fn copy_tree(from: CopyEnd<'_>, to: CopyEnd<'_>) -> MicrosandboxResult<CopyReport> {
    unsafe extern "C" fn skipped(ctx: *mut c_void, path: *const c_char, why: *const c_char) {
        let report = &mut *(ctx as *mut CopyReport);
        report.skipped.push(CopySkipped { path: ffi::text(path), why: ffi::text(why) });
    }
    let mut report = CopyReport::default();
    let options = sys::msb_copy_options_t {
        struct_size: std::mem::size_of::<sys::msb_copy_options_t>(),
        skipped: Some(skipped),
        ctx: &mut report as *mut _ as *mut c_void,
    };
    let ((from, from_path), (to, to_path)) = (from.parts(), to.parts());
    let (from_path, to_path) = (ffi::cstring(from_path)?, ffi::cstring(to_path)?);
    // SAFETY: all are alive; the report is used by nothing else meanwhile.
    ffi::call(|e| unsafe {
        sys::msb_copy(from, from_path.as_ptr(), to, to_path.as_ptr(), &options, e)
    })?;
    Ok(report)
}
