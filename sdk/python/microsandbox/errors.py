# SPDX-License-Identifier: Apache-2.0
"""Errors: one class per kind that the library knows, below MicrosandboxError."""
from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from ._library import native

if TYPE_CHECKING:
    from .exec import ExecOutput


class MicrosandboxError(Exception):
    """Anything that libmicrosandbox says went wrong.

    kind is the library's stable name of what it is, errno that of the operating system (0: none
    applies), details further text by key, as far as there is any.
    """

    kind: str = "none"

    def __init__(self, message: str = "", *, kind: str | None = None, detail: str | None = None,
                 errno: int = 0, details: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.detail = message if detail is None else detail
        """The message without its category: of an unknown sandbox, just its name."""
        self.errno = errno
        self.details: dict[str, str] = details or {}
        if kind is not None:
            self.kind = kind

    @property
    def code(self) -> str:
        """The kind as a word with dashes: "sandbox-not-found"."""
        return self.kind.replace("_", "-")

    def __reduce__(self) -> Any:
        return _make, (self.kind, self.message, self.detail, self.errno, self.details)


class IoError(MicrosandboxError):
    """A file, socket or process of the host."""
    kind = "io"


class InvalidConfigError(MicrosandboxError):
    """Options that contradict each other, or that do not exist."""
    kind = "invalid_config"


class SandboxError(MicrosandboxError):
    """About a sandbox as a whole."""


class SandboxNotFoundError(SandboxError):
    """No sandbox has this name."""
    kind = "sandbox_not_found"


class SandboxAlreadyExistsError(SandboxError):
    """The name is taken, and is not to be replaced."""
    kind = "sandbox_already_exists"


class SandboxStillRunningError(SandboxError):
    """What is to be removed runs."""
    kind = "sandbox_still_running"


class SandboxStateError(SandboxError):
    """It is not in a state for that: most often, it does not run."""
    kind = "sandbox_state"


SandboxNotRunningError = SandboxStateError


class DatabaseError(MicrosandboxError):
    """The catalogue of sandboxes."""
    kind = "database"


class RuntimeFailedError(SandboxError):
    """The process of a sandbox failed."""
    kind = "runtime"


class BootStartError(SandboxError):
    """The guest did not come up; details: stage, kernel_log."""
    kind = "boot_start"


class ProtocolError(MicrosandboxError):
    """What came from the other side made no sense."""
    kind = "protocol"


class AgentClientError(MicrosandboxError):
    """The guest's agent is not there any more, or says no."""
    kind = "agent_client"


class AgentBusyError(AgentClientError):
    """The sandbox has as many clients as it takes."""
    kind = "agent_busy"


class AgentClosedError(AgentClientError):
    """This client has been closed."""
    kind = "agent_closed"


class ExecError(MicrosandboxError):
    """About a command."""


class ExecFailedError(ExecError):
    """The program could not be started; details: kind, errno_name, stage, command."""
    kind = "exec_failed"


class ExecTimeoutError(ExecError):
    """The command was killed, as its time was up."""
    kind = "exec_timeout"
    output: ExecOutput | None = None
    """What it had written, if it was collected."""


class MicrosandboxTimeoutError(MicrosandboxError, TimeoutError):
    """Something did not answer in time."""
    kind = "timeout"


class UnsupportedError(MicrosandboxError):
    """Not here, or not of this."""
    kind = "unsupported"


class NoSpaceError(MicrosandboxError):
    """A disk or a quota is full."""
    kind = "no_space"


class PermissionDeniedError(MicrosandboxError):
    """This user may not."""
    kind = "permission"


class NoMemoryError(MicrosandboxError, MemoryError):
    """Out of memory."""
    kind = "no_memory"


class FilesystemError(MicrosandboxError):
    """A file of a guest or of a volume; errno tells what."""
    kind = "sandbox_fs"


class PathNotFoundError(FilesystemError):
    """There is no such file."""
    kind = "path_not_found"


class ImageError(MicrosandboxError):
    """An image could not be pulled, read or unpacked."""
    kind = "image"


class ImageNotFoundError(ImageError):
    """Not in the cache, or not in the registry."""
    kind = "image_not_found"


class ImageInUseError(ImageError):
    """A sandbox was made from it."""
    kind = "image_in_use"


class VolumeError(MicrosandboxError):
    """About a named volume."""


class VolumeNotFoundError(VolumeError):
    """No volume has this name."""
    kind = "volume_not_found"


class VolumeAlreadyExistsError(VolumeError):
    """The name is taken."""
    kind = "volume_already_exists"


class VolumeInUseError(VolumeError):
    """A sandbox runs with it."""
    kind = "volume_in_use"


class SnapshotError(MicrosandboxError):
    """About a snapshot."""


class SnapshotNotFoundError(SnapshotError):
    """There is no such snapshot."""
    kind = "snapshot_not_found"


class SnapshotAlreadyExistsError(SnapshotError):
    """There is one already."""
    kind = "snapshot_already_exists"


class SnapshotSandboxRunningError(SnapshotError):
    """The sandbox cannot be snapshotted as it is: most often, it runs."""
    kind = "snapshot_sandbox_running"


class SnapshotImageMissingError(SnapshotError):
    """The image below it is not there."""
    kind = "snapshot_image_missing"


class SnapshotIntegrityError(SnapshotError):
    """It is not as it was recorded."""
    kind = "snapshot_integrity"


class LogError(MicrosandboxError):
    """About reading logs."""


class MissedRotationError(LogError):
    """A follower was so slow that entries are gone; details: file, offset."""
    kind = "missed_rotation"


class InvalidCursorError(LogError):
    """What the cursor points to is not there."""
    kind = "invalid_cursor"


class MetricsError(MicrosandboxError):
    """About samples of metrics."""


class MetricsDisabledError(MetricsError):
    """Sampling is off for this sandbox."""
    kind = "metrics_disabled"


class MetricsUnavailableError(MetricsError):
    """It does not run, or there is no sample yet."""
    kind = "metrics_unavailable"


class OperationCancelledError(MicrosandboxError):
    """A call was ended; tasks that are cancelled see asyncio.CancelledError instead."""
    kind = "cancelled"


class PatchFailedError(MicrosandboxError):
    """The root file system could not be changed as wished."""
    kind = "patch_failed"


def _classes(base: type[MicrosandboxError]) -> dict[str, type[MicrosandboxError]]:
    found = {}
    for cls in base.__subclasses__():
        if "kind" in vars(cls):
            found[cls.kind] = cls
        found.update(_classes(cls))
    return found


_BY_KIND = _classes(MicrosandboxError)


def _make(kind: str, text: str, detail: str, errno: int, details: dict[str, str]
          ) -> MicrosandboxError:
    # Kinds of a newer library, too: they are of the base class.
    return _BY_KIND.get(kind, MicrosandboxError)(
        text, kind=kind, detail=detail, errno=errno, details=details)


native.set_error_factory(_make)

__all__ = sorted(name for name, value in globals().items()
                 if isinstance(value, type) and issubclass(value, MicrosandboxError))
