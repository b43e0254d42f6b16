// SPDX-License-Identifier: Apache-2.0
//! Compares the declarations of `microsandbox::sys` with what a C compiler makes
//! of the headers: sizes, offsets and values, and which functions there are with
//! how many arguments.

use microsandbox::sys::*;
use std::collections::BTreeMap;
use std::mem::{size_of, MaybeUninit};
use std::path::PathBuf;
use std::process::Command;

/// Expression of C, and its value here.
type Facts = Vec<(String, i128)>;

fn size_behind<T>(_: *const T) -> usize {
    size_of::<T>()
}

macro_rules! structures {
    ($($name:ident { $($field:ident)* })*) => {
        fn structures(facts: &mut Facts) {
            $({
                let c = stringify!($name);
                facts.push((format!("sizeof({c})"), size_of::<$name>() as i128));
                let value = MaybeUninit::<$name>::uninit();
                let base = value.as_ptr();
                $({
                    let field = stringify!($field).trim_end_matches('_');
                    // SAFETY: only the address is taken.
                    let p = unsafe { std::ptr::addr_of!((*base).$field) };
                    let offset = p as usize - base as usize;
                    facts.push((format!("offsetof({c}, {field})"), offset as i128));
                    facts.push((format!("sizeof((({c} *)0)->{field})"), size_behind(p) as i128));
                })*
            })*
        }
    };
}

macro_rules! values {
    ($($name:ident)*) => {
        fn values(facts: &mut Facts) {
            $(facts.push((stringify!($name).to_string(), $name as i128));)*
        }
    };
}

structures! {
    msb_mount_options_t { struct_size flags stat_virt host_perms quota_mib size_mib format fstype }
    msb_volume_options_t { struct_size kind quota_mib capacity_mib labels nlabels }
    msb_patch_t { struct_size kind path source data len mode replace }
    msb_secret_t { struct_size env value from_env from_file hosts nhosts places placeholder on_violation pass_hosts npass_hosts plain_http }
    msb_net_question_t { struct_size target proto address ingress }
    msb_exit_t { struct_size status reason exit_code }
    msb_change_t { struct_size field name removed when }
    msb_exec_event_t { struct_size kind data len pid exit_code signal }
    msb_exec_output_t { struct_size exit_code signal out err out_len err_len truncated }
    msb_log_text_t { data len }
    msb_log_options_t { struct_size sources has_since has_until has_tail since_unix_ns until_unix_ns tail cursor contains contains_count follow }
    msb_log_entry_t { struct_size source time_unix_ns session data len }
    msb_metrics_t { struct_size name state cpus started_unix_ms sampled_unix_ms uptime_ms cpu_time_us cpu_percent memory_bytes memory_limit_bytes guest_memory_bytes guest_memory_total_bytes disk_read_bytes disk_write_bytes net_rx_bytes net_tx_bytes disk_read_rate disk_write_rate net_rx_rate net_tx_rate interval_ms }
    msb_check_t { struct_size state name detail remedy }
    msb_release_query_t { struct_size source version older ca_certs }
    msb_image_event_t { struct_size kind reference layer layer_count layer_bytes bytes total message }
    msb_image_layer_t { struct_size diff_id digest media_type size_bytes }
    msb_image_freed_t { struct_size references manifests layers merged bytes }
    msb_registry_t { struct_size host username source }
    msb_fs_info_t { struct_size kind mode uid gid size atime_s mtime_s }
    msb_fs_attrs_t { struct_size set mode uid gid size atime_s mtime_s }
    msb_snapshot_options_t { struct_size labels nlabels force integrity }
    msb_agent_ready_t { struct_size boot_time_ns init_time_ns ready_time_ns generation agent_version }
    msb_agent_frame_t { struct_size id flags body len }
    msb_agent_message_t { struct_size version type_ type_len payload payload_len }
}

values! {
    MSB_ABI_VERSION
    MSB_QUOTA_NONE
    MSB_BIND_QUOTA_MIB
    MSB_PATCH_MAX_BYTES
    MSB_OUTPUT_MAX_BYTES
    MSB_LOG_TEXTS_MAX
    MSB_METRICS_WITH_EXITED
    MSB_AGENT_FRAME_MAX
    MSB_AGENT_QUEUE_MAX
    MSB_ERR_NONE
    MSB_ERR_IO
    MSB_ERR_INVALID
    MSB_ERR_SANDBOX_NOT_FOUND
    MSB_ERR_SANDBOX_EXISTS
    MSB_ERR_SANDBOX_RUNNING
    MSB_ERR_SANDBOX_STATE
    MSB_ERR_DATABASE
    MSB_ERR_RUNTIME
    MSB_ERR_BOOT
    MSB_ERR_PROTOCOL
    MSB_ERR_AGENT
    MSB_ERR_EXEC_FAILED
    MSB_ERR_TIMEOUT
    MSB_ERR_UNSUPPORTED
    MSB_ERR_NO_SPACE
    MSB_ERR_PERMISSION
    MSB_ERR_NO_MEMORY
    MSB_ERR_FS
    MSB_ERR_IMAGE
    MSB_ERR_IMAGE_NOT_FOUND
    MSB_ERR_IMAGE_IN_USE
    MSB_ERR_VOLUME_NOT_FOUND
    MSB_ERR_VOLUME_EXISTS
    MSB_ERR_VOLUME_IN_USE
    MSB_ERR_SNAPSHOT_NOT_FOUND
    MSB_ERR_SNAPSHOT_EXISTS
    MSB_ERR_SNAPSHOT_SOURCE
    MSB_ERR_SNAPSHOT_IMAGE_MISSING
    MSB_ERR_SNAPSHOT_INTEGRITY
    MSB_ERR_MISSED_ROTATION
    MSB_ERR_INVALID_CURSOR
    MSB_ERR_METRICS_DISABLED
    MSB_ERR_METRICS_UNAVAILABLE
    MSB_ERR_CANCELLED
    MSB_ERR_EXEC_TIMEOUT
    MSB_ERR_PATCH
    MSB_ERR_FS_NOT_FOUND
    MSB_ERR_AGENT_BUSY
    MSB_ERR_AGENT_CLOSED
    MSB_STAT_VIRT_STRICT
    MSB_STAT_VIRT_RELAXED
    MSB_STAT_VIRT_OFF
    MSB_HOST_PERMS_PRIVATE
    MSB_HOST_PERMS_MIRROR
    MSB_VOLUME_DIR
    MSB_VOLUME_DISK
    MSB_VOLUME_ENSURE
    MSB_VOLUME_EXISTING
    MSB_VOLUME_NEW
    MSB_PATCH_FILE
    MSB_PATCH_APPEND
    MSB_PATCH_COPY_FILE
    MSB_PATCH_COPY_DIR
    MSB_PATCH_SYMLINK
    MSB_PATCH_MKDIR
    MSB_PATCH_REMOVE
    MSB_MOUNT_READONLY
    MSB_MOUNT_NOEXEC
    MSB_MOUNT_NOSUID
    MSB_MOUNT_NODEV
    MSB_MOUNT_FOLLOW_SYMLINKS
    MSB_NET_EGRESS
    MSB_NET_INGRESS
    MSB_SECRET_IN_HEADERS
    MSB_SECRET_IN_BASIC
    MSB_SECRET_IN_QUERY
    MSB_SECRET_IN_BODY
    MSB_STATUS_RUNNING
    MSB_STATUS_DRAINING
    MSB_STATUS_PAUSED
    MSB_STATUS_STOPPED
    MSB_STATUS_CRASHED
    MSB_STOP_NOT_RUNNING
    MSB_STOP_GRACEFUL
    MSB_STOP_FORCED
    MSB_CHANGE_NOW
    MSB_CHANGE_NEW_COMMANDS
    MSB_CHANGE_NEXT_START
    MSB_EXEC_NONE
    MSB_EXEC_STARTED
    MSB_EXEC_STDOUT
    MSB_EXEC_STDERR
    MSB_EXEC_STDIN_ERROR
    MSB_EXEC_EXITED
    MSB_LOG_STDOUT
    MSB_LOG_STDERR
    MSB_LOG_OUTPUT
    MSB_LOG_SYSTEM
    MSB_METRICS_RUNNING
    MSB_METRICS_STALLED
    MSB_METRICS_EXITED
    MSB_CHECK_OK
    MSB_CHECK_WARN
    MSB_CHECK_FAIL
    MSB_CHECK_INFO
    MSB_PULL_IF_MISSING
    MSB_PULL_ALWAYS
    MSB_PULL_NEVER
    MSB_IMAGE_RESOLVING
    MSB_IMAGE_RESOLVED
    MSB_IMAGE_DOWNLOAD
    MSB_IMAGE_UNPACK
    MSB_IMAGE_WAITING
    MSB_IMAGE_CACHED
    MSB_IMAGE_LAYER
    MSB_IMAGE_MERGING
    MSB_IMAGE_NOTE
    MSB_IMAGE_DONE
    MSB_ARCHIVE_DOCKER
    MSB_ARCHIVE_OCI
    MSB_FS_FILE
    MSB_FS_DIR
    MSB_FS_SYMLINK
    MSB_FS_OTHER
    MSB_FS_SET_MODE
    MSB_FS_SET_UID
    MSB_FS_SET_GID
    MSB_FS_SET_SIZE
    MSB_FS_SET_ATIME
    MSB_FS_SET_MTIME
    MSB_FS_READ
    MSB_FS_WRITE
    MSB_FS_APPEND
    MSB_FS_CREATE
    MSB_FS_TRUNCATE
    MSB_FS_CREATE_NEW
    MSB_AGENT_TERMINAL
    MSB_AGENT_SESSION_START
    MSB_AGENT_SHUTDOWN
    MSB_AGENT_RELAY
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..")
}

#[test]
fn structures_and_values_are_those_of_c() {
    let mut facts = Facts::new();
    structures(&mut facts);
    values(&mut facts);
    let mut source = String::from(
        "#include <microsandbox/microsandbox.h>\n#include <stdio.h>\nint main(void)\n{\n",
    );
    for (expression, _) in &facts {
        source += &format!("\tprintf(\"%llu\\n\", (unsigned long long)({expression}));\n");
    }
    source += "\treturn 0;\n}\n";
    let dir = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    let (c, program) = (dir.join("layout.c"), dir.join("layout"));
    std::fs::write(&c, source).unwrap();
    let compiled = Command::new(std::env::var_os("CC").unwrap_or_else(|| "cc".into()))
        .arg("-I")
        .arg(root().join("include"))
        .args([c.as_os_str(), "-o".as_ref(), program.as_os_str()])
        .output()
        .unwrap();
    assert!(compiled.status.success(), "{}", String::from_utf8_lossy(&compiled.stderr));
    let output = Command::new(program).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<i128> = text.lines().map(|l| l.parse().unwrap()).collect();
    assert_eq!(lines.len(), facts.len());
    for ((expression, here), there) in facts.iter().zip(lines) {
        assert_eq!(*here, there, "{expression}");
    }
}

/// How many arguments a list between parentheses has.
fn arguments(list: &str) -> usize {
    let list: String = list.split_whitespace().collect();
    let list = list.replace(",)", ")").replace(",>", ">");
    let list = list.trim_end_matches(',');
    if list.is_empty() || list == "void" {
        return 0;
    }
    let mut depth = 0;
    1 + list
        .chars()
        .filter(|c| {
            depth += match c {
                '(' => 1,
                ')' => -1,
                _ => 0,
            };
            *c == ',' && depth == 0
        })
        .count()
}

/// Every `msb_...(` of a text, with its number of arguments.
fn functions(text: &str, found: &mut BTreeMap<String, usize>) {
    for (at, _) in text.match_indices("msb_") {
        let name: String =
            text[at..].chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
        let begin = at + name.len();
        let before = text[..at].chars().next_back().unwrap_or(' ');
        if !text[begin..].starts_with('(') || before.is_alphanumeric() || before == '_' {
            continue;
        }
        let mut depth = 0;
        let end = text[begin..].find(|c| {
            depth += match c {
                '(' => 1,
                ')' => -1,
                _ => 0,
            };
            depth == 0
        });
        found.insert(name, arguments(&text[begin + 1..begin + end.unwrap()]));
    }
}

/// Without its comments.
fn code(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("/*") {
        out += &rest[..at];
        rest = &rest[at + rest[at..].find("*/").unwrap() + 2..];
    }
    out + rest
}

fn functions_below(directory: &str) -> BTreeMap<String, usize> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(root().join(directory)).unwrap() {
        let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        functions(&code(&text), &mut found);
    }
    found
}

#[test]
fn functions_are_those_of_the_headers() {
    let there = functions_below("include/microsandbox");
    let mut here = functions_below("sdk/rust/src/sys/functions");
    for (name, count) in &there {
        assert_eq!(here.remove(name), Some(*count), "{name}");
    }
    assert!(here.is_empty(), "not in the headers: {here:?}");
}
