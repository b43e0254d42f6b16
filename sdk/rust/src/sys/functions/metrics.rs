// SPDX-License-Identifier: Apache-2.0
//! Functions of `metrics.h`, in its order; what each does is said there.

use crate::sys::types::*;
use std::os::raw::{c_int, c_uint, c_void};

extern "C" {
    pub fn msb_config_set_metrics_interval_ms(
        c: *mut msb_config_t,
        ms: u32,
        e: *mut *mut msb_error_t,
    ) -> c_int;
    pub fn msb_sandbox_metrics(
        s: *mut msb_sandbox_t,
        ret: *mut msb_metrics_t,
        ret_err: *mut *mut msb_error_t,
    ) -> c_int;
    pub fn msb_metrics_all(
        m: *mut msb_t,
        flags: c_uint,
        callback: Option<
            unsafe extern "C" fn(ctx: *mut c_void, sample: *const msb_metrics_t) -> c_int,
        >,
        ctx: *mut c_void,
        ret_err: *mut *mut msb_error_t,
    ) -> c_int;
}
