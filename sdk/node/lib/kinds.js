// SPDX-License-Identifier: Apache-2.0
// From the library's errors to classes.
import * as errors from "./errors.js";

// By the name of the kind; `code` is that name in camel case.
const classes = {
  io: errors.IoError,
  invalid_config: errors.InvalidConfigError,
  sandbox_not_found: errors.SandboxNotFoundError,
  sandbox_already_exists: errors.SandboxAlreadyExistsError,
  sandbox_still_running: errors.SandboxStillRunningError,
  sandbox_state: errors.SandboxStateError,
  database: errors.DatabaseError,
  runtime: errors.RuntimeError,
  boot_start: errors.BootStartError,
  protocol: errors.ProtocolError,
  agent_client: errors.AgentClientError,
  exec_failed: errors.ExecFailedError,
  timeout: errors.TimeoutError,
  unsupported: errors.UnsupportedError,
  no_space: errors.NoSpaceError,
  permission: errors.PermissionError,
  no_memory: errors.NoMemoryError,
  sandbox_fs: errors.SandboxFsError,
  image: errors.ImageError,
  image_not_found: errors.ImageNotFoundError,
  image_in_use: errors.ImageInUseError,
  volume_not_found: errors.VolumeNotFoundError,
  volume_already_exists: errors.VolumeAlreadyExistsError,
  volume_in_use: errors.VolumeInUseError,
  snapshot_not_found: errors.SnapshotNotFoundError,
  snapshot_already_exists: errors.SnapshotAlreadyExistsError,
  snapshot_sandbox_running: errors.SnapshotSandboxRunningError,
  snapshot_image_missing: errors.SnapshotImageMissingError,
  snapshot_integrity: errors.SnapshotIntegrityError,
  missed_rotation: errors.MissedRotationError,
  invalid_cursor: errors.InvalidCursorError,
  metrics_disabled: errors.MetricsDisabledError,
  metrics_unavailable: errors.MetricsUnavailableError,
  cancelled: errors.CancelledError,
  exec_timeout: errors.ExecTimeoutError,
  patch_failed: errors.PatchFailedError,
  path_not_found: errors.PathNotFoundError,
  agent_busy: errors.AgentBusyError,
  agent_closed: errors.AgentClosedError,
};

/** ["KEY=VALUE", ...] as an object. */
export function pairs(items) {
  return Object.fromEntries(items.map((item) => {
    const at = item.indexOf("=");
    return [item.slice(0, at), item.slice(at + 1)];
  }));
}

/** Called by the addon. A kind that is newer than this file has the base class. */
export function makeError(kind, message, errno, details) {
  const Class = Object.hasOwn(classes, kind) ? classes[kind] : errors.MicrosandboxError;
  const code = kind.replace(/_([a-z])/g, (_, c) => c.toUpperCase());
  return new Class(message, { kind, code, errno, details: pairs(details) });
}

export function cancelled(signal) {
  return new errors.CancelledError("the operation was aborted", {
    kind: "cancelled",
    code: "cancelled",
    cause: signal.reason,
  });
}
