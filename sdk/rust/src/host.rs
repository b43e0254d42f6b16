// SPDX-License-Identifier: Apache-2.0
//! The library, and what this host lacks.

use crate::error::MicrosandboxResult;
use crate::ffi;
use crate::home::Home;
use crate::options::named;
use crate::sys;
use std::os::raw::{c_int, c_void};

/// Version of the library: `0.1.0`.
pub fn version() -> String {
    // SAFETY: a constant.
    unsafe { ffi::text(sys::msb_version()) }
}

/// Of its interface: grows whenever something is added to it.
pub fn abi_version() -> u32 {
    // SAFETY: no arguments.
    unsafe { sys::msb_abi_version() }
}

/// Is a part of the interface there: `exec`, `fs`, `agent`, ...?
pub fn feature_supported(name: impl AsRef<str>) -> bool {
    match ffi::cstring(name.as_ref()) {
        // SAFETY: alive.
        Ok(name) => unsafe { sys::msb_feature_supported(name.as_ptr()) },
        Err(_) => false,
    }
}

named! {
    /// How a check went.
    CheckState {
        /// As it should be.
        Ok = "ok",
        /// Something is not as it should be.
        Warn = "warn",
        /// Sandboxes do not work here.
        Fail = "fail",
        /// To be known.
        Info = "info",
    }
}

/// One thing that `msb doctor` looks at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// How it went.
    pub state: CheckState,
    /// What was looked at.
    pub name: String,
    /// What was found.
    pub detail: String,
    /// What to do about it.
    pub remedy: Option<String>,
}

/// What this host has, and lacks.
pub fn doctor() -> MicrosandboxResult<Vec<Check>> {
    unsafe extern "C" fn add(ctx: *mut c_void, check: *const sys::msb_check_t) -> c_int {
        let (all, c) = (&mut *(ctx as *mut Vec<Check>), &*check);
        all.push(Check {
            state: match c.state {
                sys::MSB_CHECK_OK => CheckState::Ok,
                sys::MSB_CHECK_WARN => CheckState::Warn,
                sys::MSB_CHECK_FAIL => CheckState::Fail,
                _ => CheckState::Info,
            },
            name: ffi::text(c.name),
            detail: ffi::text(c.detail),
            remedy: Some(ffi::text(c.remedy)).filter(|r| !r.is_empty()),
        });
        0
    }
    let home = Home::current()?;
    let mut checks: Vec<Check> = Vec::new();
    let ctx = &mut checks as *mut _ as *mut c_void;
    // SAFETY: the list outlives the call.
    ffi::call(|e| unsafe { sys::msb_doctor(home.ptr(), Some(add), ctx, e) })?;
    Ok(checks)
}
