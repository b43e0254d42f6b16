// SPDX-License-Identifier: Apache-2.0
//! Functions of `volume.h`, in its order; what each does is said there.

use crate::sys::types::*;
use std::os::raw::{c_char, c_int, c_void};

extern "C" {
    pub fn msb_volume_create(
        m: *mut msb_t,
        name: *const c_char,
        o: *const msb_volume_options_t,
        ret: *mut *mut msb_volume_t,
        ret_err: *mut *mut msb_error_t,
    ) -> c_int;
    pub fn msb_volume_get(
        m: *mut msb_t,
        name: *const c_char,
        ret: *mut *mut msb_volume_t,
        ret_err: *mut *mut msb_error_t,
    ) -> c_int;
    pub fn msb_volume_free(v: *mut msb_volume_t);
    pub fn msb_volume_list(
        m: *mut msb_t,
        ret: *mut *mut msb_volume_list_t,
        ret_err: *mut *mut msb_error_t,
    ) -> c_int;
    pub fn msb_volume_list_count(l: *const msb_volume_list_t) -> usize;
    pub fn msb_volume_list_item(l: *const msb_volume_list_t, i: usize) -> *const msb_volume_t;
    pub fn msb_volume_list_free(l: *mut msb_volume_list_t);
    pub fn msb_volume_remove(
        m: *mut msb_t,
        name: *const c_char,
        ret_err: *mut *mut msb_error_t,
    ) -> c_int;
    pub fn msb_volume_prune(
        m: *mut msb_t,
        removed: Option<unsafe extern "C" fn(ctx: *mut c_void, name: *const c_char)>,
        ctx: *mut c_void,
        ret_err: *mut *mut msb_error_t,
    ) -> c_int;
    pub fn msb_volume_name(v: *const msb_volume_t) -> *const c_char;
    pub fn msb_volume_path(v: *const msb_volume_t) -> *const c_char;
    pub fn msb_volume_kind(v: *const msb_volume_t) -> msb_volume_kind_t;
    pub fn msb_volume_quota_mib(v: *const msb_volume_t) -> u64;
    pub fn msb_volume_capacity_bytes(v: *const msb_volume_t) -> u64;
    pub fn msb_volume_created_unix_ms(v: *const msb_volume_t) -> i64;
    pub fn msb_volume_label(v: *const msb_volume_t, i: usize) -> *const c_char;
    pub fn msb_volume_used_bytes(
        v: *const msb_volume_t,
        ret: *mut u64,
        ret_err: *mut *mut msb_error_t,
    ) -> c_int;
}
