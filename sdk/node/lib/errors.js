// SPDX-License-Identifier: Apache-2.0
// One class for each kind of error that the library knows.

/** What every error of the library is. */
export class MicrosandboxError extends Error {
  /**
   * @param {string} message
   * @param {{kind?: string, code?: string, errno?: number, details?: object, cause?: unknown}} [of]
   */
  constructor(message, { kind = "", code = "", errno = 0, details = {}, cause } = {}) {
    super(message, cause === undefined ? undefined : { cause });
    this.kind = kind;
    this.code = code;
    this.errno = errno;
    this.details = details;
  }

  get name() {
    return this.constructor.name;
  }
}

const make = (name, base = MicrosandboxError) => ({ [name]: class extends base {} })[name];

export const IoError = make("IoError");
export const InvalidConfigError = make("InvalidConfigError");
export const SandboxNotFoundError = make("SandboxNotFoundError");
export const SandboxAlreadyExistsError = make("SandboxAlreadyExistsError");
export const SandboxStillRunningError = make("SandboxStillRunningError");
export const SandboxStateError = make("SandboxStateError");
export const DatabaseError = make("DatabaseError");
export const RuntimeError = make("RuntimeError");
export const BootStartError = make("BootStartError");
export const ProtocolError = make("ProtocolError");
export const AgentClientError = make("AgentClientError");
export const ExecFailedError = make("ExecFailedError");
export const TimeoutError = make("TimeoutError");
export const UnsupportedError = make("UnsupportedError");
export const NoSpaceError = make("NoSpaceError");
export const PermissionError = make("PermissionError");
export const NoMemoryError = make("NoMemoryError");
export const SandboxFsError = make("SandboxFsError");
export const ImageError = make("ImageError");
export const ImageNotFoundError = make("ImageNotFoundError");
export const ImageInUseError = make("ImageInUseError");
export const VolumeNotFoundError = make("VolumeNotFoundError");
export const VolumeAlreadyExistsError = make("VolumeAlreadyExistsError");
export const VolumeInUseError = make("VolumeInUseError");
export const SnapshotNotFoundError = make("SnapshotNotFoundError");
export const SnapshotAlreadyExistsError = make("SnapshotAlreadyExistsError");
export const SnapshotSandboxRunningError = make("SnapshotSandboxRunningError");
export const SnapshotImageMissingError = make("SnapshotImageMissingError");
export const SnapshotIntegrityError = make("SnapshotIntegrityError");
export const MissedRotationError = make("MissedRotationError");
export const InvalidCursorError = make("InvalidCursorError");
export const MetricsDisabledError = make("MetricsDisabledError");
export const MetricsUnavailableError = make("MetricsUnavailableError");
export const CancelledError = make("CancelledError");
export const PatchFailedError = make("PatchFailedError");
export const PathNotFoundError = make("PathNotFoundError", SandboxFsError);
export const AgentBusyError = make("AgentBusyError", AgentClientError);
export const AgentClosedError = make("AgentClosedError", AgentClientError);

/** A command was killed for its time limit. */
export class ExecTimeoutError extends MicrosandboxError {
  /** The limit in ms, or null when it is not known. */
  get timeoutMs() {
    const ms = Number(this.details.timeout_ms);
    return this.details.timeout_ms !== undefined && Number.isFinite(ms) ? ms : null;
  }
}
