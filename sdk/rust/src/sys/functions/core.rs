// SPDX-License-Identifier: Apache-2.0
//! Functions of `core.h`, in its order; what each does is said there.

use crate::sys::types::*;
use std::os::raw::{c_char, c_int, c_uint, c_void};

extern "C" {
    pub fn msb_error_kind(e: *const msb_error_t) -> msb_error_kind_t;
    pub fn msb_error_kind_name(kind: msb_error_kind_t) -> *const c_char;
    pub fn msb_error_message(e: *const msb_error_t) -> *const c_char;
    pub fn msb_error_text(e: *const msb_error_t) -> *const c_char;
    pub fn msb_error_errno(e: *const msb_error_t) -> c_int;
    pub fn msb_error_detail(e: *const msb_error_t, key: *const c_char) -> *const c_char;
    pub fn msb_error_detail_item(e: *const msb_error_t, i: usize) -> *const c_char;
    pub fn msb_error_free(e: *mut msb_error_t);
    pub fn msb_free(p: *mut c_void);
    pub fn msb_version() -> *const c_char;
    pub fn msb_abi_version() -> c_uint;
    pub fn msb_feature_supported(name: *const c_char) -> bool;
    pub fn msb_cancel_new() -> *mut msb_cancel_t;
    pub fn msb_cancel_trigger(c: *mut msb_cancel_t);
    pub fn msb_cancel_free(c: *mut msb_cancel_t);
    pub fn msb_cancel_use(c: *mut msb_cancel_t) -> *mut msb_cancel_t;
    pub fn msb_open(
        home: *const c_char,
        ret: *mut *mut msb_t,
        ret_err: *mut *mut msb_error_t,
    ) -> c_int;
    pub fn msb_close(m: *mut msb_t);
    pub fn msb_home(m: *const msb_t) -> *const c_char;
    pub fn msb_home_forget(m: *const msb_t);
    pub fn msb_reconcile(m: *mut msb_t);
}
