// SPDX-License-Identifier: Apache-2.0
//! Calling C: text in and out, results into `Result`.

use crate::error::{MicrosandboxError, MicrosandboxResult};
use crate::sys;
use std::ffi::{CStr, CString, OsStr};
use std::os::raw::{c_char, c_int, c_void};
use std::os::unix::ffi::OsStrExt;
use std::ptr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Call a function whose last argument is where its error goes.
pub(crate) fn call<R: Into<i64>>(
    f: impl FnOnce(*mut *mut sys::msb_error_t) -> R,
) -> MicrosandboxResult<i64> {
    let mut error = ptr::null_mut();
    let rc = f(&mut error).into();
    if rc < 0 {
        // SAFETY: set by the library or not at all, and ours now.
        return Err(unsafe { MicrosandboxError::take(rc, error) });
    }
    Ok(rc)
}

/// The same for one that makes an object.
pub(crate) fn make<T>(
    f: impl FnOnce(*mut *mut T, *mut *mut sys::msb_error_t) -> c_int,
) -> MicrosandboxResult<*mut T> {
    let mut object = ptr::null_mut();
    call(|e| f(&mut object, e))?;
    Ok(object)
}

/// Text for C, which cannot have a NUL.
pub(crate) fn cstring(s: impl AsRef<OsStr>) -> MicrosandboxResult<CString> {
    CString::new(s.as_ref().as_bytes())
        .map_err(|_| MicrosandboxError::invalid(format!("{:?} has a NUL character", s.as_ref())))
}

/// NULL for none.
pub(crate) fn opt_ptr(s: &Option<CString>) -> *const c_char {
    s.as_ref().map_or(ptr::null(), |s| s.as_ptr())
}

/// Several texts, and the array of pointers to them.
pub(crate) struct CStrings {
    _texts: Vec<CString>,
    pointers: Vec<*const c_char>,
}

impl CStrings {
    pub(crate) fn new<I>(items: I) -> MicrosandboxResult<Self>
    where
        I: IntoIterator,
        I::Item: AsRef<OsStr>,
    {
        let texts = items.into_iter().map(cstring).collect::<MicrosandboxResult<Vec<_>>>()?;
        let pointers = texts.iter().map(|s| s.as_ptr()).collect();
        Ok(CStrings { _texts: texts, pointers })
    }

    pub(crate) fn as_ptr(&self) -> *const *const c_char {
        self.pointers.as_ptr()
    }

    pub(crate) fn len(&self) -> usize {
        self.pointers.len()
    }
}

/// A copy of borrowed text; what is not UTF-8 is replaced.
///
/// # Safety
/// `p` is NULL or a C string.
pub(crate) unsafe fn opt_text(p: *const c_char) -> Option<String> {
    (!p.is_null()).then(|| CStr::from_ptr(p).to_string_lossy().into_owned())
}

/// The same, where NULL is the empty text.
///
/// # Safety
/// `p` is NULL or a C string.
pub(crate) unsafe fn text(p: *const c_char) -> String {
    opt_text(p).unwrap_or_default()
}

/// Text that is to be freed.
///
/// # Safety
/// `p` is NULL or a C string of the library's own heap.
pub(crate) unsafe fn owned_text(p: *mut c_char) -> Option<String> {
    let copy = opt_text(p);
    sys::msb_free(p as *mut c_void);
    copy
}

/// A copy of borrowed bytes.
///
/// # Safety
/// `p` is NULL, or has `len` bytes.
pub(crate) unsafe fn bytes(p: *const c_void, len: usize) -> Vec<u8> {
    if p.is_null() || len == 0 {
        return Vec::new();
    }
    std::slice::from_raw_parts(p as *const u8, len).to_vec()
}

/// KEY=VALUE items that a function gives in turn.
pub(crate) fn pairs(item: impl Fn(usize) -> *const c_char) -> Vec<(String, String)> {
    let mut all = Vec::new();
    // SAFETY: the library gives C strings, NULL past the end.
    while let Some(text) = unsafe { opt_text(item(all.len())) } {
        let (key, value) = text.split_once('=').unwrap_or((&text, ""));
        all.push((key.to_string(), value.to_string()));
    }
    all
}

/// Whole milliseconds, never 0 for what is more than nothing.
pub(crate) fn millis(d: Duration) -> u64 {
    let ms = d.as_nanos().saturating_add(999_999) / 1_000_000;
    u64::try_from(ms).unwrap_or(u64::MAX)
}

/// The same for a wait that has an end.
pub(crate) fn millis_int(d: Duration) -> c_int {
    c_int::try_from(millis(d)).unwrap_or(c_int::MAX)
}

/// How long a wait may take: -1 for no end.
pub(crate) fn wait_int(d: Option<Duration>) -> c_int {
    d.map_or(-1, millis_int)
}

/// A time of the library's.
pub(crate) fn time_ms(ms: i64) -> SystemTime {
    if ms >= 0 {
        UNIX_EPOCH + Duration::from_millis(ms as u64)
    } else {
        UNIX_EPOCH - Duration::from_millis(ms.unsigned_abs())
    }
}

/// Of a list that the library gives: one value of each item, then free it.
pub(crate) fn collect_list<T>(
    count: usize,
    item: impl Fn(usize) -> T,
    free: impl FnOnce(),
) -> Vec<T> {
    let all = (0..count).map(item).collect();
    free();
    all
}
