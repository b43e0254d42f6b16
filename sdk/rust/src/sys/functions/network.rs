// SPDX-License-Identifier: Apache-2.0
//! Functions of `network.h`, in its order; what each does is said there.

use crate::sys::types::*;
use std::os::raw::{c_char, c_int, c_uint, c_void};

extern "C" {
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
}
