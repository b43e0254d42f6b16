// SPDX-License-Identifier: Apache-2.0
//! Functions of `host.h`, in its order; what each does is said there.

use crate::sys::types::*;
use std::os::raw::{c_char, c_int, c_void};

extern "C" {
    pub fn msb_doctor(
        m: *mut msb_t,
        callback: Option<
            unsafe extern "C" fn(ctx: *mut c_void, check: *const msb_check_t) -> c_int,
        >,
        ctx: *mut c_void,
        ret_err: *mut *mut msb_error_t,
    ) -> c_int;
    pub fn msb_release_find(
        m: *mut msb_t,
        q: *const msb_release_query_t,
        ret: *mut *mut msb_release_t,
        ret_err: *mut *mut msb_error_t,
    ) -> c_int;
    pub fn msb_release_free(r: *mut msb_release_t);
    pub fn msb_release_version(r: *const msb_release_t) -> *const c_char;
    pub fn msb_release_order(r: *const msb_release_t) -> c_int;
    pub fn msb_release_install(
        r: *const msb_release_t,
        again: bool,
        o: *const msb_image_options_t,
        ret_err: *mut *mut msb_error_t,
    ) -> c_int;
}
