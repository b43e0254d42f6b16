// SPDX-License-Identifier: Apache-2.0
//! Functions of `exec.h`, in its order; what each does is said there.

use crate::sys::types::*;
use std::os::raw::{c_char, c_int, c_uint, c_void};

extern "C" {
    pub fn msb_exec_options_new() -> *mut msb_exec_options_t;
    pub fn msb_exec_options_free(o: *mut msb_exec_options_t);
    pub fn msb_exec_options_set_command(
        o: *mut msb_exec_options_t,
        argv: *const *const c_char,
        n: usize,
        e: *mut *mut msb_error_t,
    ) -> c_int;
    pub fn msb_exec_options_add_env(
        o: *mut msb_exec_options_t,
        key: *const c_char,
        value: *const c_char,
        e: *mut *mut msb_error_t,
    ) -> c_int;
    pub fn msb_exec_options_set_cwd(
        o: *mut msb_exec_options_t,
        path: *const c_char,
        e: *mut *mut msb_error_t,
    ) -> c_int;
    pub fn msb_exec_options_set_user(
        o: *mut msb_exec_options_t,
        user: *const c_char,
        e: *mut *mut msb_error_t,
    ) -> c_int;
    pub fn msb_exec_options_add_rlimit(
        o: *mut msb_exec_options_t,
        resource: *const c_char,
        soft: u64,
        hard: u64,
        e: *mut *mut msb_error_t,
    ) -> c_int;
    pub fn msb_exec_options_set_tty(
        o: *mut msb_exec_options_t,
        tty: bool,
        rows: c_uint,
        cols: c_uint,
        term: *const c_char,
    );
    pub fn msb_exec_options_set_timeout_ms(o: *mut msb_exec_options_t, ms: u64);
    pub fn msb_exec_options_set_stdin(
        o: *mut msb_exec_options_t,
        data: *const c_void,
        len: usize,
        e: *mut *mut msb_error_t,
    ) -> c_int;
    pub fn msb_exec_options_set_output_max(o: *mut msb_exec_options_t, bytes: usize);
    pub fn msb_exec_options_set_shell(
        o: *mut msb_exec_options_t,
        s: *const msb_sandbox_t,
        script: *const c_char,
        e: *mut *mut msb_error_t,
    ) -> c_int;
    pub fn msb_sandbox_resolve_command(
        s: *const msb_sandbox_t,
        with_entrypoint: bool,
        user_argv: *const *const c_char,
        n: usize,
        interactive: bool,
        ret_argv: *mut *mut *mut c_char,
        ret_n: *mut usize,
        ret_err: *mut *mut msb_error_t,
    ) -> c_int;
    pub fn msb_exec_start(
        s: *mut msb_sandbox_t,
        o: *const msb_exec_options_t,
        ret: *mut *mut msb_exec_t,
        ret_err: *mut *mut msb_error_t,
    ) -> c_int;
    pub fn msb_exec_free(x: *mut msb_exec_t);
    pub fn msb_exec_fd(x: *const msb_exec_t) -> c_int;
    pub fn msb_exec_next(
        x: *mut msb_exec_t,
        timeout_ms: c_int,
        ev: *mut msb_exec_event_t,
        ret_err: *mut *mut msb_error_t,
    ) -> c_int;
    pub fn msb_exec_write_stdin(
        x: *mut msb_exec_t,
        data: *const c_void,
        len: usize,
        ret_err: *mut *mut msb_error_t,
    ) -> i64;
    pub fn msb_exec_stdin_fd(x: *const msb_exec_t) -> c_int;
    pub fn msb_exec_wants_write(x: *const msb_exec_t) -> bool;
    pub fn msb_exec_send_stdin(
        x: *mut msb_exec_t,
        data: *const c_void,
        len: usize,
        ret_err: *mut *mut msb_error_t,
    ) -> c_int;
    pub fn msb_exec_close_stdin(x: *mut msb_exec_t, ret_err: *mut *mut msb_error_t) -> c_int;
    pub fn msb_exec_resize(
        x: *mut msb_exec_t,
        rows: c_uint,
        cols: c_uint,
        ret_err: *mut *mut msb_error_t,
    ) -> c_int;
    pub fn msb_exec_signal(
        x: *mut msb_exec_t,
        signal: c_int,
        ret_err: *mut *mut msb_error_t,
    ) -> c_int;
    pub fn msb_exec_detach(x: *mut msb_exec_t, ret_err: *mut *mut msb_error_t) -> c_int;
    pub fn msb_sandbox_attach(
        s: *mut msb_sandbox_t,
        ret: *mut *mut msb_exec_t,
        ret_err: *mut *mut msb_error_t,
    ) -> c_int;
    pub fn msb_exec_is_tty(x: *const msb_exec_t) -> bool;
    pub fn msb_exec_id(x: *const msb_exec_t) -> u32;
    pub fn msb_exec_run(
        s: *mut msb_sandbox_t,
        o: *const msb_exec_options_t,
        ret: *mut msb_exec_output_t,
        ret_err: *mut *mut msb_error_t,
    ) -> c_int;
    pub fn msb_exec_collect(
        x: *mut msb_exec_t,
        ret: *mut msb_exec_output_t,
        ret_err: *mut *mut msb_error_t,
    ) -> c_int;
    pub fn msb_exec_output_clear(output: *mut msb_exec_output_t);
    pub fn msb_sandbox_ping(
        s: *mut msb_sandbox_t,
        timeout_ms: u64,
        ret_us: *mut u64,
        ret_err: *mut *mut msb_error_t,
    ) -> c_int;
    pub fn msb_sandbox_touch(
        s: *mut msb_sandbox_t,
        timeout_ms: u64,
        ret_err: *mut *mut msb_error_t,
    ) -> c_int;
    pub fn msb_sandbox_is_dir(
        s: *mut msb_sandbox_t,
        path: *const c_char,
        ret_err: *mut *mut msb_error_t,
    ) -> c_int;
}
