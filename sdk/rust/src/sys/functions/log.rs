// SPDX-License-Identifier: Apache-2.0
//! Functions of `log.h`, in its order; what each does is said there.

use crate::sys::types::*;
use std::os::raw::{c_char, c_int};

extern "C" {
    pub fn msb_log_open(
        m: *mut msb_t,
        sandbox: *const c_char,
        o: *const msb_log_options_t,
        ret: *mut *mut msb_log_t,
        ret_err: *mut *mut msb_error_t,
    ) -> c_int;
    pub fn msb_log_free(l: *mut msb_log_t);
    pub fn msb_log_next(
        l: *mut msb_log_t,
        timeout_ms: c_int,
        ret: *mut msb_log_entry_t,
        ret_err: *mut *mut msb_error_t,
    ) -> c_int;
    pub fn msb_log_ended(l: *const msb_log_t) -> bool;
    pub fn msb_log_fd(l: *const msb_log_t) -> c_int;
    pub fn msb_log_json(
        l: *mut msb_log_t,
        ret: *mut *const c_char,
        ret_len: *mut usize,
        ret_err: *mut *mut msb_error_t,
    ) -> c_int;
    pub fn msb_log_cursor(
        l: *const msb_log_t,
        ret: *mut *mut c_char,
        ret_err: *mut *mut msb_error_t,
    ) -> c_int;
    pub fn msb_log_boot_error(
        l: *const msb_log_t,
        ret: *mut *mut c_char,
        ret_err: *mut *mut msb_error_t,
    ) -> c_int;
}
