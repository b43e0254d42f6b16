// SPDX-License-Identifier: Apache-2.0
//! Functions of `image.h`, in its order; what each does is said there.

use crate::sys::types::*;
use std::os::raw::{c_char, c_int, c_void};

extern "C" {
    pub fn msb_image_options_new() -> *mut msb_image_options_t;
    pub fn msb_image_options_free(o: *mut msb_image_options_t);
    pub fn msb_image_options_set_policy(o: *mut msb_image_options_t, p: msb_pull_policy_t);
    pub fn msb_image_options_set_force(o: *mut msb_image_options_t, on: bool);
    pub fn msb_image_options_set_insecure(o: *mut msb_image_options_t, on: bool);
    pub fn msb_image_options_set_ca_certs(
        o: *mut msb_image_options_t,
        path: *const c_char,
        e: *mut *mut msb_error_t,
    ) -> c_int;
    pub fn msb_image_options_set_login(
        o: *mut msb_image_options_t,
        username: *const c_char,
        password: *const c_char,
        e: *mut *mut msb_error_t,
    ) -> c_int;
    pub fn msb_image_options_set_progress(
        o: *mut msb_image_options_t,
        callback: Option<msb_image_progress_fn>,
        ctx: *mut c_void,
    );
    pub fn msb_image_pull(
        m: *mut msb_t,
        reference: *const c_char,
        o: *const msb_image_options_t,
        ret_cached: *mut bool,
        ret_err: *mut *mut msb_error_t,
    ) -> c_int;
    pub fn msb_image_load(
        m: *mut msb_t,
        fd: c_int,
        input: *const c_char,
        references: *const *const c_char,
        n: usize,
        o: *const msb_image_options_t,
        ret_loaded: *mut *mut msb_image_list_t,
        ret_err: *mut *mut msb_error_t,
    ) -> c_int;
    pub fn msb_image_save(
        m: *mut msb_t,
        references: *const *const c_char,
        n: usize,
        format: msb_archive_t,
        fd: c_int,
        o: *const msb_image_options_t,
        ret_err: *mut *mut msb_error_t,
    ) -> c_int;
    pub fn msb_image_get(
        m: *mut msb_t,
        reference: *const c_char,
        ret: *mut *mut msb_image_t,
        ret_err: *mut *mut msb_error_t,
    ) -> c_int;
    pub fn msb_image_free(img: *mut msb_image_t);
    pub fn msb_image_list(
        m: *mut msb_t,
        ret: *mut *mut msb_image_list_t,
        ret_err: *mut *mut msb_error_t,
    ) -> c_int;
    pub fn msb_image_list_count(l: *const msb_image_list_t) -> usize;
    pub fn msb_image_list_item(l: *const msb_image_list_t, i: usize) -> *const msb_image_t;
    pub fn msb_image_list_free(l: *mut msb_image_list_t);
    pub fn msb_image_reference(img: *const msb_image_t) -> *const c_char;
    pub fn msb_image_canonical(img: *const msb_image_t) -> *const c_char;
    pub fn msb_image_digest(img: *const msb_image_t) -> *const c_char;
    pub fn msb_image_created_unix_ms(img: *const msb_image_t) -> i64;
    pub fn msb_image_size_bytes(img: *const msb_image_t) -> i64;
    pub fn msb_image_architecture(img: *const msb_image_t) -> *const c_char;
    pub fn msb_image_os(img: *const msb_image_t) -> *const c_char;
    pub fn msb_image_last_used_unix_ms(img: *const msb_image_t) -> i64;
    pub fn msb_image_layer_count(img: *const msb_image_t) -> usize;
    pub fn msb_image_layer(img: *const msb_image_t, i: usize, ret: *mut msb_image_layer_t)
        -> c_int;
    pub fn msb_image_json(img: *const msb_image_t) -> *const c_char;
    pub fn msb_image_remove(
        m: *mut msb_t,
        reference: *const c_char,
        force: bool,
        ret_err: *mut *mut msb_error_t,
    ) -> c_int;
    pub fn msb_image_prune(
        m: *mut msb_t,
        ret: *mut msb_image_freed_t,
        ret_err: *mut *mut msb_error_t,
    ) -> c_int;
    pub fn msb_registry_login(
        m: *mut msb_t,
        host: *const c_char,
        username: *const c_char,
        password: *const c_char,
        ret_err: *mut *mut msb_error_t,
    ) -> c_int;
    pub fn msb_registry_logout(
        m: *mut msb_t,
        host: *const c_char,
        ret_found: *mut bool,
        ret_err: *mut *mut msb_error_t,
    ) -> c_int;
    pub fn msb_registry_list(
        m: *mut msb_t,
        callback: Option<
            unsafe extern "C" fn(ctx: *mut c_void, registry: *const msb_registry_t) -> c_int,
        >,
        ctx: *mut c_void,
        ret_err: *mut *mut msb_error_t,
    ) -> c_int;
}
