// SPDX-License-Identifier: Apache-2.0
//! Functions of `snapshot.h`, in its order; what each does is said there.

use crate::sys::types::*;
use std::os::raw::{c_char, c_int};

extern "C" {
    pub fn msb_snapshot_create(
        m: *mut msb_t,
        sandbox: *const c_char,
        dest: *const c_char,
        o: *const msb_snapshot_options_t,
        ret: *mut *mut msb_snapshot_t,
        ret_err: *mut *mut msb_error_t,
    ) -> c_int;
    pub fn msb_snapshot_get(
        m: *mut msb_t,
        reference: *const c_char,
        ret: *mut *mut msb_snapshot_t,
        ret_err: *mut *mut msb_error_t,
    ) -> c_int;
    pub fn msb_snapshot_free(s: *mut msb_snapshot_t);
    pub fn msb_snapshot_list(
        m: *mut msb_t,
        ret: *mut *mut msb_snapshot_list_t,
        ret_err: *mut *mut msb_error_t,
    ) -> c_int;
    pub fn msb_snapshot_list_count(l: *const msb_snapshot_list_t) -> usize;
    pub fn msb_snapshot_list_item(l: *const msb_snapshot_list_t, i: usize)
        -> *const msb_snapshot_t;
    pub fn msb_snapshot_list_free(l: *mut msb_snapshot_list_t);
    pub fn msb_snapshot_list_dir(
        m: *mut msb_t,
        dir: *const c_char,
        ret: *mut *mut msb_snapshot_list_t,
        ret_err: *mut *mut msb_error_t,
    ) -> c_int;
    pub fn msb_snapshot_verify(s: *const msb_snapshot_t, ret_err: *mut *mut msb_error_t) -> c_int;
    pub fn msb_snapshot_remove(
        m: *mut msb_t,
        reference: *const c_char,
        force: bool,
        ret_err: *mut *mut msb_error_t,
    ) -> c_int;
    pub fn msb_snapshot_dir(m: *const msb_t) -> *const c_char;
    pub fn msb_snapshot_reindex(
        m: *mut msb_t,
        dir: *const c_char,
        ret_err: *mut *mut msb_error_t,
    ) -> i64;
    pub fn msb_snapshot_export(
        m: *mut msb_t,
        reference: *const c_char,
        path: *const c_char,
        parents: bool,
        plain: bool,
        ret_err: *mut *mut msb_error_t,
    ) -> c_int;
    pub fn msb_snapshot_import(
        m: *mut msb_t,
        path: *const c_char,
        dest: *const c_char,
        ret: *mut *mut msb_snapshot_t,
        ret_err: *mut *mut msb_error_t,
    ) -> c_int;
    pub fn msb_snapshot_digest(s: *const msb_snapshot_t) -> *const c_char;
    pub fn msb_snapshot_name(s: *const msb_snapshot_t) -> *const c_char;
    pub fn msb_snapshot_path(s: *const msb_snapshot_t) -> *const c_char;
    pub fn msb_snapshot_json(s: *const msb_snapshot_t) -> *const c_char;
    pub fn msb_snapshot_image(s: *const msb_snapshot_t) -> *const c_char;
    pub fn msb_snapshot_created_at(s: *const msb_snapshot_t) -> *const c_char;
    pub fn msb_snapshot_size_bytes(s: *const msb_snapshot_t) -> u64;
    pub fn msb_snapshot_integrity(s: *const msb_snapshot_t) -> *const c_char;
    pub fn msb_snapshot_image_digest(s: *const msb_snapshot_t) -> *const c_char;
    pub fn msb_snapshot_format(s: *const msb_snapshot_t) -> *const c_char;
    pub fn msb_snapshot_fstype(s: *const msb_snapshot_t) -> *const c_char;
    pub fn msb_snapshot_parent(s: *const msb_snapshot_t) -> *const c_char;
    pub fn msb_snapshot_source(s: *const msb_snapshot_t) -> *const c_char;
    pub fn msb_snapshot_label(s: *const msb_snapshot_t, i: usize) -> *const c_char;
}
