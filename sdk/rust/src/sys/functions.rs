// SPDX-License-Identifier: Apache-2.0
//! Functions of the C header, in its order; what each does is said there.
#![allow(missing_docs)]

use super::types::*;
use std::os::raw::{c_char, c_int, c_uint, c_void};

extern "C" {
    // core.h
    pub fn msb_error_kind(e: *const msb_error_t) -> msb_error_kind_t;
    pub fn msb_error_kind_name(kind: msb_error_kind_t) -> *const c_char;
    pub fn msb_error_message(e: *const msb_error_t) -> *const c_char;
    pub fn msb_error_text(e: *const msb_error_t) -> *const c_char;
    pub fn msb_error_errno(e: *const msb_error_t) -> c_int;
    pub fn msb_error_detail(e: *const msb_error_t, key: *const c_char) -> *const c_char;
    pub fn msb_error_detail_item(e: *const msb_error_t, i: usize) -> *const c_char;
    pub fn msb_error_free(e: *mut msb_error_t);
    pub fn msb_free(p: *mut c_void);
    pub fn msb_version() -> *const c_char;
    pub fn msb_abi_version() -> c_uint;
    pub fn msb_feature_supported(name: *const c_char) -> bool;
    pub fn msb_cancel_new() -> *mut msb_cancel_t;
    pub fn msb_cancel_trigger(c: *mut msb_cancel_t);
    pub fn msb_cancel_free(c: *mut msb_cancel_t);
    pub fn msb_cancel_use(c: *mut msb_cancel_t) -> *mut msb_cancel_t;
    pub fn msb_open(
        home: *const c_char,
        ret: *mut *mut msb_t,
        ret_err: *mut *mut msb_error_t,
    ) -> c_int;
    pub fn msb_close(m: *mut msb_t);
    pub fn msb_home(m: *const msb_t) -> *const c_char;
    pub fn msb_home_forget(m: *const msb_t);
    pub fn msb_reconcile(m: *mut msb_t);

    // config.h
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

    // network.h
    pub fn msb_config_set_net_default(
        c: *mut msb_config_t,
        directions: c_uint,
        allow: bool,
        e: *mut *mut msb_error_t,
    ) -> c_int;
    pub fn msb_config_add_net_rules(
        c: *mut msb_config_t,
        tokens: *const c_char,
        e: *mut *mut msb_error_t,
    ) -> c_int;
    pub fn msb_config_add_net_profiles(
        c: *mut msb_config_t,
        profiles: *const c_char,
        e: *mut *mut msb_error_t,
    ) -> c_int;
    pub fn msb_config_add_port(
        c: *mut msb_config_t,
        port: *const c_char,
        e: *mut *mut msb_error_t,
    ) -> c_int;
    pub fn msb_config_set_dns_rebind_protection(c: *mut msb_config_t, on: bool);
    pub fn msb_config_add_dns_nameserver(
        c: *mut msb_config_t,
        server: *const c_char,
        e: *mut *mut msb_error_t,
    ) -> c_int;
    pub fn msb_config_set_dns_timeout_ms(
        c: *mut msb_config_t,
        ms: u32,
        e: *mut *mut msb_error_t,
    ) -> c_int;
    pub fn msb_config_set_net_ipv4_pool(
        c: *mut msb_config_t,
        cidr: *const c_char,
        e: *mut *mut msb_error_t,
    ) -> c_int;
    pub fn msb_config_set_net_ipv6_pool(
        c: *mut msb_config_t,
        cidr: *const c_char,
        e: *mut *mut msb_error_t,
    ) -> c_int;
    pub fn msb_config_set_max_connections(
        c: *mut msb_config_t,
        n: u32,
        e: *mut *mut msb_error_t,
    ) -> c_int;
    pub fn msb_config_set_network_json(
        c: *mut msb_config_t,
        json: *const c_char,
        e: *mut *mut msb_error_t,
    ) -> c_int;
    pub fn msb_config_network_hints(
        c: *const msb_config_t,
        callback: Option<unsafe extern "C" fn(ctx: *mut c_void, text: *const c_char)>,
        ctx: *mut c_void,
        e: *mut *mut msb_error_t,
    ) -> c_int;
    pub fn msb_config_set_tls_intercept(c: *mut msb_config_t);
    pub fn msb_config_add_tls_port(
        c: *mut msb_config_t,
        port: u16,
        e: *mut *mut msb_error_t,
    ) -> c_int;
    pub fn msb_config_add_tls_bypass(
        c: *mut msb_config_t,
        pattern: *const c_char,
        e: *mut *mut msb_error_t,
    ) -> c_int;
    pub fn msb_config_set_tls_block_quic(c: *mut msb_config_t, on: bool);
    pub fn msb_config_set_tls_ca(
        c: *mut msb_config_t,
        cert: *const c_char,
        key: *const c_char,
        e: *mut *mut msb_error_t,
    ) -> c_int;
    pub fn msb_config_add_tls_upstream_ca(
        c: *mut msb_config_t,
        pattern: *const c_char,
        cert: *const c_char,
        e: *mut *mut msb_error_t,
    ) -> c_int;
    pub fn msb_config_set_tls_verify_upstream(
        c: *mut msb_config_t,
        pattern: *const c_char,
        verify: bool,
        e: *mut *mut msb_error_t,
    ) -> c_int;
    pub fn msb_config_set_trust_host_cas(c: *mut msb_config_t, on: bool);
    pub fn msb_config_add_secret(
        c: *mut msb_config_t,
        s: *const msb_secret_t,
        e: *mut *mut msb_error_t,
    ) -> c_int;
    pub fn msb_config_set_secret_violation(
        c: *mut msb_config_t,
        action: *const c_char,
        pass_hosts: *const *const c_char,
        n: usize,
        e: *mut *mut msb_error_t,
    ) -> c_int;
    pub fn msb_config_net_explain(
        c: *const msb_config_t,
        q: *const msb_net_question_t,
        ret_json: *mut *mut c_char,
        e: *mut *mut msb_error_t,
    ) -> c_int;

    // sandbox.h
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

    // exec.h
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

    // log.h
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

    // metrics.h
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

    // host.h
    pub fn msb_doctor(
        m: *mut msb_t,
        callback: Option<
            unsafe extern "C" fn(ctx: *mut c_void, check: *const msb_check_t) -> c_int,
        >,
        ctx: *mut c_void,
        ret_err: *mut *mut msb_error_t,
    ) -> c_int;
    pub fn msb_release_find(
        m: *mut msb_t,
        q: *const msb_release_query_t,
        ret: *mut *mut msb_release_t,
        ret_err: *mut *mut msb_error_t,
    ) -> c_int;
    pub fn msb_release_free(r: *mut msb_release_t);
    pub fn msb_release_version(r: *const msb_release_t) -> *const c_char;
    pub fn msb_release_order(r: *const msb_release_t) -> c_int;
    pub fn msb_release_install(
        r: *const msb_release_t,
        again: bool,
        o: *const msb_image_options_t,
        ret_err: *mut *mut msb_error_t,
    ) -> c_int;

    // image.h
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

    // fs.h
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

    // volume.h
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

    // snapshot.h
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

    // agent.h
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
