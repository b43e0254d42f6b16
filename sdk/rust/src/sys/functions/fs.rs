// SPDX-License-Identifier: Apache-2.0
//! Functions of `fs.h`, in its order; what each does is said there.

use crate::sys::types::*;
use std::os::raw::{c_char, c_int, c_uint, c_void};

extern "C" {
    pub fn msb_fs_connect(
        s: *mut msb_sandbox_t,
        ret: *mut *mut msb_fs_t,
        ret_err: *mut *mut msb_error_t,
    ) -> c_int;
    pub fn msb_fs_open_volume(
        v: *const msb_volume_t,
        ret: *mut *mut msb_fs_t,
        ret_err: *mut *mut msb_error_t,
    ) -> c_int;
    pub fn msb_fs_free(fs: *mut msb_fs_t);
    pub fn msb_fs_stat(
        fs: *mut msb_fs_t,
        path: *const c_char,
        follow: bool,
        ret: *mut msb_fs_info_t,
        ret_err: *mut *mut msb_error_t,
    ) -> c_int;
    pub fn msb_fs_exists(
        fs: *mut msb_fs_t,
        path: *const c_char,
        ret_err: *mut *mut msb_error_t,
    ) -> c_int;
    pub fn msb_fs_mkdir(
        fs: *mut msb_fs_t,
        path: *const c_char,
        mode: c_int,
        ret_err: *mut *mut msb_error_t,
    ) -> c_int;
    pub fn msb_fs_remove(
        fs: *mut msb_fs_t,
        path: *const c_char,
        ret_err: *mut *mut msb_error_t,
    ) -> c_int;
    pub fn msb_fs_remove_dir(
        fs: *mut msb_fs_t,
        path: *const c_char,
        recursive: bool,
        ret_err: *mut *mut msb_error_t,
    ) -> c_int;
    pub fn msb_fs_copy(
        fs: *mut msb_fs_t,
        from: *const c_char,
        to: *const c_char,
        ret_err: *mut *mut msb_error_t,
    ) -> c_int;
    pub fn msb_fs_rename(
        fs: *mut msb_fs_t,
        from: *const c_char,
        to: *const c_char,
        ret_err: *mut *mut msb_error_t,
    ) -> c_int;
    pub fn msb_fs_symlink(
        fs: *mut msb_fs_t,
        target: *const c_char,
        path: *const c_char,
        ret_err: *mut *mut msb_error_t,
    ) -> c_int;
    pub fn msb_fs_read_link(
        fs: *mut msb_fs_t,
        path: *const c_char,
        ret: *mut *mut c_char,
        ret_err: *mut *mut msb_error_t,
    ) -> c_int;
    pub fn msb_fs_real_path(
        fs: *mut msb_fs_t,
        path: *const c_char,
        ret: *mut *mut c_char,
        ret_err: *mut *mut msb_error_t,
    ) -> c_int;
    pub fn msb_fs_set_stat(
        fs: *mut msb_fs_t,
        path: *const c_char,
        follow: bool,
        attrs: *const msb_fs_attrs_t,
        ret_err: *mut *mut msb_error_t,
    ) -> c_int;
    pub fn msb_fs_list(
        fs: *mut msb_fs_t,
        path: *const c_char,
        callback: Option<
            unsafe extern "C" fn(
                ctx: *mut c_void,
                name: *const c_char,
                info: *const msb_fs_info_t,
            ) -> c_int,
        >,
        ctx: *mut c_void,
        ret_err: *mut *mut msb_error_t,
    ) -> c_int;
    pub fn msb_fs_read_file(
        fs: *mut msb_fs_t,
        path: *const c_char,
        max: usize,
        ret: *mut *mut c_void,
        ret_len: *mut usize,
        ret_err: *mut *mut msb_error_t,
    ) -> c_int;
    pub fn msb_fs_write_file(
        fs: *mut msb_fs_t,
        path: *const c_char,
        data: *const c_void,
        len: usize,
        mode: c_int,
        append: bool,
        ret_err: *mut *mut msb_error_t,
    ) -> c_int;
    pub fn msb_fs_open(
        fs: *mut msb_fs_t,
        path: *const c_char,
        flags: c_uint,
        mode: c_int,
        ret_handle: *mut u64,
        ret_err: *mut *mut msb_error_t,
    ) -> c_int;
    pub fn msb_fs_close(fs: *mut msb_fs_t, handle: u64, ret_err: *mut *mut msb_error_t) -> c_int;
    pub fn msb_fs_fstat(
        fs: *mut msb_fs_t,
        handle: u64,
        ret: *mut msb_fs_info_t,
        ret_err: *mut *mut msb_error_t,
    ) -> c_int;
    pub fn msb_fs_fset_stat(
        fs: *mut msb_fs_t,
        handle: u64,
        attrs: *const msb_fs_attrs_t,
        ret_err: *mut *mut msb_error_t,
    ) -> c_int;
    pub fn msb_fs_pread(
        fs: *mut msb_fs_t,
        handle: u64,
        offset: u64,
        data: *mut c_void,
        len: usize,
        ret_err: *mut *mut msb_error_t,
    ) -> i64;
    pub fn msb_fs_pwrite(
        fs: *mut msb_fs_t,
        handle: u64,
        offset: u64,
        data: *const c_void,
        len: usize,
        ret_err: *mut *mut msb_error_t,
    ) -> c_int;
    pub fn msb_copy(
        from: *mut msb_sandbox_t,
        from_path: *const c_char,
        to: *mut msb_sandbox_t,
        to_path: *const c_char,
        o: *const msb_copy_options_t,
        ret_err: *mut *mut msb_error_t,
    ) -> i64;
}
