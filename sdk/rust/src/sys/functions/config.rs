// SPDX-License-Identifier: Apache-2.0
//! Functions of `config.h`, in its order; what each does is said there.

use crate::sys::types::*;
use std::os::raw::{c_char, c_int, c_uint, c_void};

extern "C" {
    pub fn msb_config_new(
        m: *mut msb_t,
        ret: *mut *mut msb_config_t,
        ret_err: *mut *mut msb_error_t,
    ) -> c_int;
    pub fn msb_config_free(c: *mut msb_config_t);
    pub fn msb_config_set_name(
        c: *mut msb_config_t,
        name: *const c_char,
        e: *mut *mut msb_error_t,
    ) -> c_int;
    pub fn msb_config_set_image(
        c: *mut msb_config_t,
        image: *const c_char,
        e: *mut *mut msb_error_t,
    ) -> c_int;
    pub fn msb_config_set_image_options(
        c: *mut msb_config_t,
        o: *const msb_image_options_t,
        e: *mut *mut msb_error_t,
    ) -> c_int;
    pub fn msb_config_set_oci_upper_size_mib(
        c: *mut msb_config_t,
        mib: u32,
        e: *mut *mut msb_error_t,
    ) -> c_int;
    pub fn msb_config_set_snapshot(
        c: *mut msb_config_t,
        reference: *const c_char,
        e: *mut *mut msb_error_t,
    ) -> c_int;
    pub fn msb_config_set_cpus(
        c: *mut msb_config_t,
        cpus: c_uint,
        e: *mut *mut msb_error_t,
    ) -> c_int;
    pub fn msb_config_set_memory_mib(
        c: *mut msb_config_t,
        mib: u32,
        e: *mut *mut msb_error_t,
    ) -> c_int;
    pub fn msb_config_set_workdir(
        c: *mut msb_config_t,
        path: *const c_char,
        e: *mut *mut msb_error_t,
    ) -> c_int;
    pub fn msb_config_set_shell(
        c: *mut msb_config_t,
        shell: *const c_char,
        e: *mut *mut msb_error_t,
    ) -> c_int;
    pub fn msb_config_set_hostname(
        c: *mut msb_config_t,
        name: *const c_char,
        e: *mut *mut msb_error_t,
    ) -> c_int;
    pub fn msb_config_set_user(
        c: *mut msb_config_t,
        user: *const c_char,
        e: *mut *mut msb_error_t,
    ) -> c_int;
    pub fn msb_config_set_entrypoint(
        c: *mut msb_config_t,
        argv: *const *const c_char,
        n: usize,
        e: *mut *mut msb_error_t,
    ) -> c_int;
    pub fn msb_config_set_cmd(
        c: *mut msb_config_t,
        argv: *const *const c_char,
        n: usize,
        e: *mut *mut msb_error_t,
    ) -> c_int;
    pub fn msb_config_set_log_level(
        c: *mut msb_config_t,
        level: *const c_char,
        e: *mut *mut msb_error_t,
    ) -> c_int;
    pub fn msb_config_add_env(
        c: *mut msb_config_t,
        key: *const c_char,
        value: *const c_char,
        e: *mut *mut msb_error_t,
    ) -> c_int;
    pub fn msb_config_add_label(
        c: *mut msb_config_t,
        key: *const c_char,
        value: *const c_char,
        e: *mut *mut msb_error_t,
    ) -> c_int;
    pub fn msb_config_add_rlimit(
        c: *mut msb_config_t,
        resource: *const c_char,
        soft: u64,
        hard: u64,
        e: *mut *mut msb_error_t,
    ) -> c_int;
    pub fn msb_config_add_script(
        c: *mut msb_config_t,
        name: *const c_char,
        data: *const c_void,
        len: usize,
        e: *mut *mut msb_error_t,
    ) -> c_int;
    pub fn msb_config_add_bind(
        c: *mut msb_config_t,
        host: *const c_char,
        guest_path: *const c_char,
        o: *const msb_mount_options_t,
        e: *mut *mut msb_error_t,
    ) -> c_int;
    pub fn msb_config_add_tmpfs(
        c: *mut msb_config_t,
        guest_path: *const c_char,
        o: *const msb_mount_options_t,
        e: *mut *mut msb_error_t,
    ) -> c_int;
    pub fn msb_config_add_disk(
        c: *mut msb_config_t,
        image: *const c_char,
        guest_path: *const c_char,
        o: *const msb_mount_options_t,
        e: *mut *mut msb_error_t,
    ) -> c_int;
    pub fn msb_config_add_named(
        c: *mut msb_config_t,
        volume: *const c_char,
        guest_path: *const c_char,
        mode: msb_volume_mode_t,
        v: *const msb_volume_options_t,
        o: *const msb_mount_options_t,
        e: *mut *mut msb_error_t,
    ) -> c_int;
    pub fn msb_config_set_init(
        c: *mut msb_config_t,
        path: *const c_char,
        e: *mut *mut msb_error_t,
    ) -> c_int;
    pub fn msb_config_add_init_arg(
        c: *mut msb_config_t,
        arg: *const c_char,
        e: *mut *mut msb_error_t,
    ) -> c_int;
    pub fn msb_config_add_init_env(
        c: *mut msb_config_t,
        key: *const c_char,
        value: *const c_char,
        e: *mut *mut msb_error_t,
    ) -> c_int;
    pub fn msb_config_add_patch(
        c: *mut msb_config_t,
        p: *const msb_patch_t,
        e: *mut *mut msb_error_t,
    ) -> c_int;
    pub fn msb_config_apply_json(
        c: *mut msb_config_t,
        json: *const c_char,
        len: usize,
        e: *mut *mut msb_error_t,
    ) -> c_int;
    pub fn msb_config_set_max_duration_s(
        c: *mut msb_config_t,
        s: u64,
        e: *mut *mut msb_error_t,
    ) -> c_int;
    pub fn msb_config_set_idle_timeout_s(
        c: *mut msb_config_t,
        s: u64,
        e: *mut *mut msb_error_t,
    ) -> c_int;
    pub fn msb_config_set_engine(
        c: *mut msb_config_t,
        engine: *const c_char,
        e: *mut *mut msb_error_t,
    ) -> c_int;
    pub fn msb_config_set_engine_jail(
        c: *mut msb_config_t,
        jail: *const c_char,
        e: *mut *mut msb_error_t,
    ) -> c_int;
    pub fn msb_config_set_engine_mode(
        c: *mut msb_config_t,
        mode: *const c_char,
        e: *mut *mut msb_error_t,
    ) -> c_int;
    pub fn msb_config_set_ephemeral(c: *mut msb_config_t, on: bool);
    pub fn msb_config_set_attached(c: *mut msb_config_t, on: bool);
    pub fn msb_config_set_replace(c: *mut msb_config_t, on: bool, grace_ms: u64);
    pub fn msb_config_set_startup(
        c: *mut msb_config_t,
        argv: *const *const c_char,
        n: usize,
        e: *mut *mut msb_error_t,
    ) -> c_int;
}
