// SPDX-License-Identifier: Apache-2.0
//! Functions of `agent.h`, in its order; what each does is said there.

use crate::sys::types::*;
use std::os::raw::{c_char, c_int, c_void};

extern "C" {
    pub fn msb_agent_connect(
        m: *mut msb_t,
        sandbox: *const c_char,
        timeout_ms: u64,
        ret: *mut *mut msb_agent_t,
        ret_err: *mut *mut msb_error_t,
    ) -> c_int;
    pub fn msb_agent_connect_path(
        path: *const c_char,
        timeout_ms: u64,
        ret: *mut *mut msb_agent_t,
        ret_err: *mut *mut msb_error_t,
    ) -> c_int;
    pub fn msb_agent_close(a: *mut msb_agent_t);
    pub fn msb_agent_free(a: *mut msb_agent_t);
    pub fn msb_agent_id_range(a: *const msb_agent_t, first: *mut u32, end: *mut u32);
    pub fn msb_agent_ready_bytes(a: *const msb_agent_t, ret_len: *mut usize) -> *const c_void;
    pub fn msb_agent_ready(a: *const msb_agent_t, ret: *mut msb_agent_ready_t);
    pub fn msb_agent_frame_clear(frame: *mut msb_agent_frame_t);
    pub fn msb_agent_request(
        a: *mut msb_agent_t,
        flags: u8,
        body: *const c_void,
        len: usize,
        timeout_ms: c_int,
        ret: *mut msb_agent_frame_t,
        ret_err: *mut *mut msb_error_t,
    ) -> c_int;
    pub fn msb_agent_stream_open(
        a: *mut msb_agent_t,
        flags: u8,
        body: *const c_void,
        len: usize,
        ret: *mut *mut msb_agent_stream_t,
        ret_err: *mut *mut msb_error_t,
    ) -> c_int;
    pub fn msb_agent_stream_free(st: *mut msb_agent_stream_t);
    pub fn msb_agent_stream_id(st: *const msb_agent_stream_t) -> u32;
    pub fn msb_agent_stream_next(
        st: *mut msb_agent_stream_t,
        timeout_ms: c_int,
        ret: *mut msb_agent_frame_t,
        ret_err: *mut *mut msb_error_t,
    ) -> c_int;
    pub fn msb_agent_stream_ended(st: *const msb_agent_stream_t) -> bool;
    pub fn msb_agent_stream_fd(st: *const msb_agent_stream_t) -> c_int;
    pub fn msb_agent_send(
        a: *mut msb_agent_t,
        id: u32,
        flags: u8,
        body: *const c_void,
        len: usize,
        ret_err: *mut *mut msb_error_t,
    ) -> c_int;
    pub fn msb_agent_encode(
        type_: *const c_char,
        payload: *const c_void,
        len: usize,
        ret_body: *mut *mut c_void,
        ret_len: *mut usize,
        ret_err: *mut *mut msb_error_t,
    ) -> c_int;
    pub fn msb_agent_decode(
        body: *const c_void,
        len: usize,
        ret: *mut msb_agent_message_t,
        ret_err: *mut *mut msb_error_t,
    ) -> c_int;
}
