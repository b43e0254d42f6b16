// SPDX-License-Identifier: Apache-2.0
//! Functions of `sandbox.h`, in its order; what each does is said there.

use crate::sys::types::*;
use std::os::raw::{c_char, c_int, c_void};

extern "C" {
    pub fn msb_status_name(s: msb_status_t) -> *const c_char;
    pub fn msb_sandbox_create(
        m: *mut msb_t,
        c: *const msb_config_t,
        ret: *mut *mut msb_sandbox_t,
        ret_err: *mut *mut msb_error_t,
    ) -> c_int;
    pub fn msb_sandbox_get(
        m: *mut msb_t,
        name: *const c_char,
        ret: *mut *mut msb_sandbox_t,
        ret_err: *mut *mut msb_error_t,
    ) -> c_int;
    pub fn msb_sandbox_free(s: *mut msb_sandbox_t);
    pub fn msb_sandbox_start(
        s: *mut msb_sandbox_t,
        attached: bool,
        ret_err: *mut *mut msb_error_t,
    ) -> c_int;
    pub fn msb_sandbox_check_start(
        s: *const msb_sandbox_t,
        ret_err: *mut *mut msb_error_t,
    ) -> c_int;
    pub fn msb_sandbox_release(s: *mut msb_sandbox_t, ret_err: *mut *mut msb_error_t) -> c_int;
    pub fn msb_sandbox_connect(
        m: *mut msb_t,
        name: *const c_char,
        timeout_ms: u64,
        ret: *mut *mut msb_sandbox_t,
        ret_err: *mut *mut msb_error_t,
    ) -> c_int;
    pub fn msb_sandbox_request_stop(s: *mut msb_sandbox_t, ret_err: *mut *mut msb_error_t)
        -> c_int;
    pub fn msb_sandbox_stop(
        s: *mut msb_sandbox_t,
        timeout_ms: u64,
        ret_result: *mut msb_stop_result_t,
        ret_err: *mut *mut msb_error_t,
    ) -> c_int;
    pub fn msb_sandbox_wait(
        s: *mut msb_sandbox_t,
        timeout_ms: i64,
        ret: *mut msb_exit_t,
        ret_err: *mut *mut msb_error_t,
    ) -> c_int;
    pub fn msb_sandbox_hold(s: *mut msb_sandbox_t, ret_err: *mut *mut msb_error_t) -> c_int;
    pub fn msb_sandbox_drop(
        s: *mut msb_sandbox_t,
        timeout_ms: u64,
        ret_result: *mut msb_stop_result_t,
        ret_err: *mut *mut msb_error_t,
    ) -> c_int;
    pub fn msb_sandbox_remove(
        s: *mut msb_sandbox_t,
        force: bool,
        ret_err: *mut *mut msb_error_t,
    ) -> c_int;
    pub fn msb_sandbox_config(
        s: *const msb_sandbox_t,
        ret: *mut *mut msb_config_t,
        ret_err: *mut *mut msb_error_t,
    ) -> c_int;
    pub fn msb_config_remove_env(c: *mut msb_config_t, key: *const c_char) -> c_int;
    pub fn msb_config_remove_label(c: *mut msb_config_t, key: *const c_char) -> c_int;
    pub fn msb_config_remove_port(
        c: *mut msb_config_t,
        port: *const c_char,
        e: *mut *mut msb_error_t,
    ) -> c_int;
    pub fn msb_sandbox_modify(
        s: *mut msb_sandbox_t,
        c: *const msb_config_t,
        dry_run: bool,
        callback: Option<msb_change_fn>,
        ctx: *mut c_void,
        ret_err: *mut *mut msb_error_t,
    ) -> c_int;
    pub fn msb_sandbox_refresh(s: *mut msb_sandbox_t, ret_err: *mut *mut msb_error_t) -> c_int;
    pub fn msb_sandbox_name(s: *const msb_sandbox_t) -> *const c_char;
    pub fn msb_sandbox_status(s: *const msb_sandbox_t) -> msb_status_t;
    pub fn msb_sandbox_image(s: *const msb_sandbox_t) -> *const c_char;
    pub fn msb_sandbox_created_unix_ms(s: *const msb_sandbox_t) -> i64;
    pub fn msb_sandbox_updated_unix_ms(s: *const msb_sandbox_t) -> i64;
    pub fn msb_sandbox_is_ephemeral(s: *const msb_sandbox_t) -> bool;
    pub fn msb_sandbox_exit_reason(s: *const msb_sandbox_t) -> *const c_char;
    pub fn msb_sandbox_exit_cause(s: *const msb_sandbox_t, buf: *mut c_char, len: usize);
    pub fn msb_sandbox_label(s: *const msb_sandbox_t, i: usize) -> *const c_char;
    pub fn msb_sandbox_config_json(s: *const msb_sandbox_t) -> *const c_char;
    pub fn msb_sandbox_machine_json(s: *const msb_sandbox_t) -> *const c_char;
    pub fn msb_sandbox_network_json(
        s: *const msb_sandbox_t,
        ret: *mut *mut c_char,
        ret_err: *mut *mut msb_error_t,
    ) -> c_int;
    pub fn msb_sandbox_net_explain(
        s: *const msb_sandbox_t,
        q: *const msb_net_question_t,
        ret_json: *mut *mut c_char,
        ret_err: *mut *mut msb_error_t,
    ) -> c_int;
    pub fn msb_sandbox_pid(s: *const msb_sandbox_t) -> c_int;
    pub fn msb_sandbox_log_dir(s: *const msb_sandbox_t) -> *const c_char;
    pub fn msb_sandbox_agent_socket(s: *const msb_sandbox_t) -> *const c_char;
    pub fn msb_sandbox_list(
        m: *mut msb_t,
        ret: *mut *mut msb_list_t,
        ret_err: *mut *mut msb_error_t,
    ) -> c_int;
    pub fn msb_sandbox_list_labelled(
        m: *mut msb_t,
        labels: *const *const c_char,
        n: usize,
        ret: *mut *mut msb_list_t,
        ret_err: *mut *mut msb_error_t,
    ) -> c_int;
    pub fn msb_list_count(l: *const msb_list_t) -> usize;
    pub fn msb_list_item(l: *const msb_list_t, i: usize) -> *const msb_sandbox_t;
    pub fn msb_list_free(l: *mut msb_list_t);
}
