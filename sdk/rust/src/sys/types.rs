// SPDX-License-Identifier: Apache-2.0
//! Types of the C header, under its names.
#![allow(missing_docs)]

use std::os::raw::{c_char, c_int, c_uint, c_void};

macro_rules! opaque {
    ($($name:ident)*) => {$(
        #[repr(C)]
        pub struct $name {
            _private: [u8; 0],
        }
    )*};
}

opaque! {
    msb_t
    msb_error_t
    msb_config_t
    msb_sandbox_t
    msb_list_t
    msb_exec_options_t
    msb_exec_t
    msb_image_t
    msb_image_list_t
    msb_image_options_t
    msb_volume_t
    msb_volume_list_t
    msb_fs_t
    msb_snapshot_t
    msb_snapshot_list_t
    msb_release_t
    msb_log_t
    msb_cancel_t
    msb_agent_t
    msb_agent_stream_t
}

/// `MSB_ABI_VERSION` these declarations were written for.
pub const MSB_ABI_VERSION: c_uint = 1;
pub const MSB_QUOTA_NONE: u64 = u64::MAX;
pub const MSB_BIND_QUOTA_MIB: u64 = 4096;
pub const MSB_PATCH_MAX_BYTES: usize = 64 << 20;
pub const MSB_OUTPUT_MAX_BYTES: usize = 256 << 20;
pub const MSB_LOG_TEXTS_MAX: usize = 8;
pub const MSB_METRICS_WITH_EXITED: c_uint = 1 << 0;
pub const MSB_AGENT_FRAME_MAX: usize = 4 << 20;
pub const MSB_AGENT_QUEUE_MAX: usize = 16 << 20;

pub type msb_error_kind_t = c_uint;
pub const MSB_ERR_NONE: msb_error_kind_t = 0;
pub const MSB_ERR_IO: msb_error_kind_t = 1;
pub const MSB_ERR_INVALID: msb_error_kind_t = 2;
pub const MSB_ERR_SANDBOX_NOT_FOUND: msb_error_kind_t = 3;
pub const MSB_ERR_SANDBOX_EXISTS: msb_error_kind_t = 4;
pub const MSB_ERR_SANDBOX_RUNNING: msb_error_kind_t = 5;
pub const MSB_ERR_SANDBOX_STATE: msb_error_kind_t = 6;
pub const MSB_ERR_DATABASE: msb_error_kind_t = 7;
pub const MSB_ERR_RUNTIME: msb_error_kind_t = 8;
pub const MSB_ERR_BOOT: msb_error_kind_t = 9;
pub const MSB_ERR_PROTOCOL: msb_error_kind_t = 10;
pub const MSB_ERR_AGENT: msb_error_kind_t = 11;
pub const MSB_ERR_EXEC_FAILED: msb_error_kind_t = 12;
pub const MSB_ERR_TIMEOUT: msb_error_kind_t = 13;
pub const MSB_ERR_UNSUPPORTED: msb_error_kind_t = 14;
pub const MSB_ERR_NO_SPACE: msb_error_kind_t = 15;
pub const MSB_ERR_PERMISSION: msb_error_kind_t = 16;
pub const MSB_ERR_NO_MEMORY: msb_error_kind_t = 17;
pub const MSB_ERR_FS: msb_error_kind_t = 18;
pub const MSB_ERR_IMAGE: msb_error_kind_t = 19;
pub const MSB_ERR_IMAGE_NOT_FOUND: msb_error_kind_t = 20;
pub const MSB_ERR_IMAGE_IN_USE: msb_error_kind_t = 21;
pub const MSB_ERR_VOLUME_NOT_FOUND: msb_error_kind_t = 22;
pub const MSB_ERR_VOLUME_EXISTS: msb_error_kind_t = 23;
pub const MSB_ERR_VOLUME_IN_USE: msb_error_kind_t = 24;
pub const MSB_ERR_SNAPSHOT_NOT_FOUND: msb_error_kind_t = 25;
pub const MSB_ERR_SNAPSHOT_EXISTS: msb_error_kind_t = 26;
pub const MSB_ERR_SNAPSHOT_SOURCE: msb_error_kind_t = 27;
pub const MSB_ERR_SNAPSHOT_IMAGE_MISSING: msb_error_kind_t = 28;
pub const MSB_ERR_SNAPSHOT_INTEGRITY: msb_error_kind_t = 29;
pub const MSB_ERR_MISSED_ROTATION: msb_error_kind_t = 30;
pub const MSB_ERR_INVALID_CURSOR: msb_error_kind_t = 31;
pub const MSB_ERR_METRICS_DISABLED: msb_error_kind_t = 32;
pub const MSB_ERR_METRICS_UNAVAILABLE: msb_error_kind_t = 33;
pub const MSB_ERR_CANCELLED: msb_error_kind_t = 34;
pub const MSB_ERR_EXEC_TIMEOUT: msb_error_kind_t = 35;
pub const MSB_ERR_PATCH: msb_error_kind_t = 36;
pub const MSB_ERR_FS_NOT_FOUND: msb_error_kind_t = 37;
pub const MSB_ERR_AGENT_BUSY: msb_error_kind_t = 38;
pub const MSB_ERR_AGENT_CLOSED: msb_error_kind_t = 39;

pub type msb_stat_virt_t = c_uint;
pub const MSB_STAT_VIRT_STRICT: msb_stat_virt_t = 0;
pub const MSB_STAT_VIRT_RELAXED: msb_stat_virt_t = 1;
pub const MSB_STAT_VIRT_OFF: msb_stat_virt_t = 2;

pub type msb_host_perms_t = c_uint;
pub const MSB_HOST_PERMS_PRIVATE: msb_host_perms_t = 0;
pub const MSB_HOST_PERMS_MIRROR: msb_host_perms_t = 1;

pub type msb_volume_kind_t = c_uint;
pub const MSB_VOLUME_DIR: msb_volume_kind_t = 0;
pub const MSB_VOLUME_DISK: msb_volume_kind_t = 1;

pub type msb_volume_mode_t = c_uint;
pub const MSB_VOLUME_ENSURE: msb_volume_mode_t = 0;
pub const MSB_VOLUME_EXISTING: msb_volume_mode_t = 1;
pub const MSB_VOLUME_NEW: msb_volume_mode_t = 2;

pub type msb_patch_kind_t = c_uint;
pub const MSB_PATCH_FILE: msb_patch_kind_t = 0;
pub const MSB_PATCH_APPEND: msb_patch_kind_t = 1;
pub const MSB_PATCH_COPY_FILE: msb_patch_kind_t = 2;
pub const MSB_PATCH_COPY_DIR: msb_patch_kind_t = 3;
pub const MSB_PATCH_SYMLINK: msb_patch_kind_t = 4;
pub const MSB_PATCH_MKDIR: msb_patch_kind_t = 5;
pub const MSB_PATCH_REMOVE: msb_patch_kind_t = 6;

pub const MSB_MOUNT_READONLY: c_uint = 1 << 0;
pub const MSB_MOUNT_NOEXEC: c_uint = 1 << 1;
pub const MSB_MOUNT_NOSUID: c_uint = 1 << 2;
pub const MSB_MOUNT_NODEV: c_uint = 1 << 3;
pub const MSB_MOUNT_FOLLOW_SYMLINKS: c_uint = 1 << 4;

pub const MSB_NET_EGRESS: c_uint = 1 << 0;
pub const MSB_NET_INGRESS: c_uint = 1 << 1;

pub const MSB_SECRET_IN_HEADERS: c_uint = 1 << 0;
pub const MSB_SECRET_IN_BASIC: c_uint = 1 << 1;
pub const MSB_SECRET_IN_QUERY: c_uint = 1 << 2;
pub const MSB_SECRET_IN_BODY: c_uint = 1 << 3;

pub type msb_status_t = c_uint;
pub const MSB_STATUS_RUNNING: msb_status_t = 0;
pub const MSB_STATUS_DRAINING: msb_status_t = 1;
pub const MSB_STATUS_PAUSED: msb_status_t = 2;
pub const MSB_STATUS_STOPPED: msb_status_t = 3;
pub const MSB_STATUS_CRASHED: msb_status_t = 4;

pub type msb_stop_result_t = c_uint;
pub const MSB_STOP_NOT_RUNNING: msb_stop_result_t = 0;
pub const MSB_STOP_GRACEFUL: msb_stop_result_t = 1;
pub const MSB_STOP_FORCED: msb_stop_result_t = 2;

pub type msb_change_time_t = c_uint;
pub const MSB_CHANGE_NOW: msb_change_time_t = 0;
pub const MSB_CHANGE_NEW_COMMANDS: msb_change_time_t = 1;
pub const MSB_CHANGE_NEXT_START: msb_change_time_t = 2;

pub type msb_exec_event_kind_t = c_uint;
pub const MSB_EXEC_NONE: msb_exec_event_kind_t = 0;
pub const MSB_EXEC_STARTED: msb_exec_event_kind_t = 1;
pub const MSB_EXEC_STDOUT: msb_exec_event_kind_t = 2;
pub const MSB_EXEC_STDERR: msb_exec_event_kind_t = 3;
pub const MSB_EXEC_STDIN_ERROR: msb_exec_event_kind_t = 4;
pub const MSB_EXEC_EXITED: msb_exec_event_kind_t = 5;

pub const MSB_LOG_STDOUT: c_uint = 1 << 0;
pub const MSB_LOG_STDERR: c_uint = 1 << 1;
pub const MSB_LOG_OUTPUT: c_uint = 1 << 2;
pub const MSB_LOG_SYSTEM: c_uint = 1 << 3;

pub type msb_metrics_state_t = c_uint;
pub const MSB_METRICS_RUNNING: msb_metrics_state_t = 0;
pub const MSB_METRICS_STALLED: msb_metrics_state_t = 1;
pub const MSB_METRICS_EXITED: msb_metrics_state_t = 2;

pub type msb_check_state_t = c_uint;
pub const MSB_CHECK_OK: msb_check_state_t = 0;
pub const MSB_CHECK_WARN: msb_check_state_t = 1;
pub const MSB_CHECK_FAIL: msb_check_state_t = 2;
pub const MSB_CHECK_INFO: msb_check_state_t = 3;

pub type msb_pull_policy_t = c_uint;
pub const MSB_PULL_IF_MISSING: msb_pull_policy_t = 0;
pub const MSB_PULL_ALWAYS: msb_pull_policy_t = 1;
pub const MSB_PULL_NEVER: msb_pull_policy_t = 2;

pub type msb_image_event_kind_t = c_uint;
pub const MSB_IMAGE_RESOLVING: msb_image_event_kind_t = 0;
pub const MSB_IMAGE_RESOLVED: msb_image_event_kind_t = 1;
pub const MSB_IMAGE_DOWNLOAD: msb_image_event_kind_t = 2;
pub const MSB_IMAGE_UNPACK: msb_image_event_kind_t = 3;
pub const MSB_IMAGE_WAITING: msb_image_event_kind_t = 4;
pub const MSB_IMAGE_CACHED: msb_image_event_kind_t = 5;
pub const MSB_IMAGE_LAYER: msb_image_event_kind_t = 6;
pub const MSB_IMAGE_MERGING: msb_image_event_kind_t = 7;
pub const MSB_IMAGE_NOTE: msb_image_event_kind_t = 8;
pub const MSB_IMAGE_DONE: msb_image_event_kind_t = 9;

pub type msb_archive_t = c_uint;
pub const MSB_ARCHIVE_DOCKER: msb_archive_t = 0;
pub const MSB_ARCHIVE_OCI: msb_archive_t = 1;

pub type msb_fs_kind_t = c_uint;
pub const MSB_FS_FILE: msb_fs_kind_t = 0;
pub const MSB_FS_DIR: msb_fs_kind_t = 1;
pub const MSB_FS_SYMLINK: msb_fs_kind_t = 2;
pub const MSB_FS_OTHER: msb_fs_kind_t = 3;

pub const MSB_FS_SET_MODE: c_uint = 1 << 0;
pub const MSB_FS_SET_UID: c_uint = 1 << 1;
pub const MSB_FS_SET_GID: c_uint = 1 << 2;
pub const MSB_FS_SET_SIZE: c_uint = 1 << 3;
pub const MSB_FS_SET_ATIME: c_uint = 1 << 4;
pub const MSB_FS_SET_MTIME: c_uint = 1 << 5;

pub const MSB_FS_READ: c_uint = 1 << 0;
pub const MSB_FS_WRITE: c_uint = 1 << 1;
pub const MSB_FS_APPEND: c_uint = 1 << 2;
pub const MSB_FS_CREATE: c_uint = 1 << 3;
pub const MSB_FS_TRUNCATE: c_uint = 1 << 4;
pub const MSB_FS_CREATE_NEW: c_uint = 1 << 5;

pub const MSB_AGENT_TERMINAL: c_uint = 1 << 0;
pub const MSB_AGENT_SESSION_START: c_uint = 1 << 1;
pub const MSB_AGENT_SHUTDOWN: c_uint = 1 << 2;
pub const MSB_AGENT_RELAY: c_uint = 1 << 7;

pub type msb_change_fn = unsafe extern "C" fn(ctx: *mut c_void, change: *const msb_change_t);

pub type msb_image_progress_fn =
    unsafe extern "C" fn(ctx: *mut c_void, event: *const msb_image_event_t) -> c_int;

#[repr(C)]
#[derive(Clone, Copy)]
pub struct msb_mount_options_t {
    pub struct_size: usize,
    pub flags: c_uint,
    pub stat_virt: msb_stat_virt_t,
    pub host_perms: msb_host_perms_t,
    pub quota_mib: u64,
    pub size_mib: u32,
    pub format: *const c_char,
    pub fstype: *const c_char,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct msb_volume_options_t {
    pub struct_size: usize,
    pub kind: msb_volume_kind_t,
    pub quota_mib: u64,
    pub capacity_mib: u64,
    pub labels: *const *const c_char,
    pub nlabels: usize,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct msb_patch_t {
    pub struct_size: usize,
    pub kind: msb_patch_kind_t,
    pub path: *const c_char,
    pub source: *const c_char,
    pub data: *const c_void,
    pub len: usize,
    pub mode: c_int,
    pub replace: bool,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct msb_secret_t {
    pub struct_size: usize,
    pub env: *const c_char,
    pub value: *const c_char,
    pub from_env: *const c_char,
    pub from_file: *const c_char,
    pub hosts: *const *const c_char,
    pub nhosts: usize,
    pub places: c_uint,
    pub placeholder: *const c_char,
    pub on_violation: *const c_char,
    pub pass_hosts: *const *const c_char,
    pub npass_hosts: usize,
    pub plain_http: bool,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct msb_net_question_t {
    pub struct_size: usize,
    pub target: *const c_char,
    pub proto: *const c_char,
    pub address: *const c_char,
    pub ingress: bool,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct msb_exit_t {
    pub struct_size: usize,
    pub status: msb_status_t,
    pub reason: *const c_char,
    pub exit_code: c_int,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct msb_change_t {
    pub struct_size: usize,
    pub field: *const c_char,
    pub name: *const c_char,
    pub removed: bool,
    pub when: msb_change_time_t,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct msb_exec_event_t {
    pub struct_size: usize,
    pub kind: msb_exec_event_kind_t,
    pub data: *const c_void,
    pub len: usize,
    pub pid: u32,
    pub exit_code: c_int,
    pub signal: c_int,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct msb_exec_output_t {
    pub struct_size: usize,
    pub exit_code: c_int,
    pub signal: c_int,
    pub out: *mut c_void,
    pub err: *mut c_void,
    pub out_len: usize,
    pub err_len: usize,
    pub truncated: bool,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct msb_log_text_t {
    pub data: *const c_void,
    pub len: usize,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct msb_log_options_t {
    pub struct_size: usize,
    pub sources: c_uint,
    pub has_since: bool,
    pub has_until: bool,
    pub has_tail: bool,
    pub since_unix_ns: i64,
    pub until_unix_ns: i64,
    pub tail: u64,
    pub cursor: *const c_char,
    pub contains: *const msb_log_text_t,
    pub contains_count: usize,
    pub follow: bool,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct msb_log_entry_t {
    pub struct_size: usize,
    pub source: c_uint,
    pub time_unix_ns: i64,
    pub session: u64,
    pub data: *const c_void,
    pub len: usize,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct msb_metrics_t {
    pub struct_size: usize,
    pub name: *const c_char,
    pub state: msb_metrics_state_t,
    pub cpus: c_uint,
    pub started_unix_ms: i64,
    pub sampled_unix_ms: i64,
    pub uptime_ms: u64,
    pub cpu_time_us: u64,
    pub cpu_percent: f64,
    pub memory_bytes: u64,
    pub memory_limit_bytes: u64,
    pub guest_memory_bytes: u64,
    pub guest_memory_total_bytes: u64,
    pub disk_read_bytes: u64,
    pub disk_write_bytes: u64,
    pub net_rx_bytes: u64,
    pub net_tx_bytes: u64,
    pub disk_read_rate: u64,
    pub disk_write_rate: u64,
    pub net_rx_rate: u64,
    pub net_tx_rate: u64,
    pub interval_ms: u32,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct msb_check_t {
    pub struct_size: usize,
    pub state: msb_check_state_t,
    pub name: *const c_char,
    pub detail: *const c_char,
    pub remedy: *const c_char,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct msb_release_query_t {
    pub struct_size: usize,
    pub source: *const c_char,
    pub version: *const c_char,
    pub older: bool,
    pub ca_certs: *const c_char,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct msb_image_event_t {
    pub struct_size: usize,
    pub kind: msb_image_event_kind_t,
    pub reference: *const c_char,
    pub layer: usize,
    pub layer_count: usize,
    pub layer_bytes: *const u64,
    pub bytes: u64,
    pub total: u64,
    pub message: *const c_char,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct msb_image_layer_t {
    pub struct_size: usize,
    pub diff_id: *const c_char,
    pub digest: *const c_char,
    pub media_type: *const c_char,
    pub size_bytes: u64,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct msb_image_freed_t {
    pub struct_size: usize,
    pub references: c_uint,
    pub manifests: c_uint,
    pub layers: c_uint,
    pub merged: c_uint,
    pub bytes: u64,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct msb_registry_t {
    pub struct_size: usize,
    pub host: *const c_char,
    pub username: *const c_char,
    pub source: *const c_char,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct msb_fs_info_t {
    pub struct_size: usize,
    pub kind: msb_fs_kind_t,
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
    pub size: u64,
    pub atime_s: i64,
    pub mtime_s: i64,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct msb_fs_attrs_t {
    pub struct_size: usize,
    pub set: c_uint,
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
    pub size: u64,
    pub atime_s: i64,
    pub mtime_s: i64,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct msb_copy_options_t {
    pub struct_size: usize,
    pub skipped:
        Option<unsafe extern "C" fn(ctx: *mut c_void, path: *const c_char, why: *const c_char)>,
    pub ctx: *mut c_void,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct msb_snapshot_options_t {
    pub struct_size: usize,
    pub labels: *const *const c_char,
    pub nlabels: usize,
    pub force: bool,
    pub integrity: bool,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct msb_agent_ready_t {
    pub struct_size: usize,
    pub boot_time_ns: u64,
    pub init_time_ns: u64,
    pub ready_time_ns: u64,
    pub generation: c_uint,
    pub agent_version: *const c_char,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct msb_agent_frame_t {
    pub struct_size: usize,
    pub id: u32,
    pub flags: u8,
    pub body: *mut c_void,
    pub len: usize,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct msb_agent_message_t {
    pub struct_size: usize,
    pub version: c_uint,
    pub type_: *const c_char,
    pub type_len: usize,
    pub payload: *const c_void,
    pub payload_len: usize,
}
