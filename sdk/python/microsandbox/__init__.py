# SPDX-License-Identifier: Apache-2.0
"""Run untrusted workloads in small virtual machines.

    from microsandbox import Sandbox

    async with await Sandbox.create("demo", image="busybox") as sandbox:
        output = await sandbox.exec("echo", ["hello"])
        print(output.stdout_text)
"""
from . import errors
from ._convert import GiB, MiB, Size
from ._enums import (
    Action, DestGroup, Direction, DiskImageFormat, FsEntryKind, HostPermissions, LogLevel,
    LogSource, PortProtocol, Protocol, PullPolicy, RlimitResource, SandboxStatus,
    StatVirtualization, ViolationAction,
)
from .agent import (
    FLAG_SESSION_START, FLAG_SHUTDOWN, FLAG_TERMINAL, AgentClient, AgentReady, AgentStream,
    RawFrame,
)
from .errors import *  # noqa: F403
from .exec import (
    RLIM_INFINITY, ExecEvent, ExecHandle, ExecOptions, ExecOutput, ExecSink, ExitStatus, Rlimit,
    Stdin,
)
from .fs import FsEntry, FsFile, FsMetadata, FsReadStream, FsWriteSink, SandboxFs, VolumeFs
from .image import (
    Image, ImageDetail, ImageHandle, ImageLayer, ImagePruned, ImageSource, PullEvent, Registry,
    RegistryAuth,
)
from .logs import LogEntry, LogStream, log_stream, read_logs
from .metrics import Metrics, MetricsStream, all_sandbox_metrics
from .network import (
    DnsConfig, InterfaceOverrides, Network, NetworkPolicy, PortBinding, Rule, TlsConfig,
)
from .options import InitConfig, SandboxOptions
from .patch import Patch, PatchConfig
from .sandbox import PullProgress, PullSession, Sandbox, SandboxHandle
from .secret import Secret, SecretEntry, SecretInjection, ViolationPolicy
from .setup import Check, doctor, install, is_installed, version
from .snapshot import Snapshot, SnapshotHandle
from .volume import MountConfig, Volume, VolumeHandle

__version__ = version()

__all__ = [
    *errors.__all__,
    "FLAG_SESSION_START", "FLAG_SHUTDOWN", "FLAG_TERMINAL", "RLIM_INFINITY", "Action",
    "AgentClient", "AgentReady", "AgentStream", "Check", "DestGroup", "Direction",
    "DiskImageFormat", "DnsConfig", "ExecEvent", "ExecHandle", "ExecOptions", "ExecOutput",
    "ExecSink", "ExitStatus", "FsEntry", "FsEntryKind", "FsFile", "FsMetadata", "FsReadStream",
    "FsWriteSink", "GiB", "HostPermissions", "Image", "ImageDetail", "ImageHandle", "ImageLayer",
    "ImagePruned", "ImageSource", "InitConfig", "InterfaceOverrides", "LogEntry", "LogLevel",
    "LogSource", "LogStream", "Metrics", "MetricsStream", "MiB", "MountConfig", "Network",
    "NetworkPolicy", "Patch", "PatchConfig", "PortBinding", "PortProtocol", "Protocol",
    "PullEvent", "PullPolicy", "PullProgress", "PullSession", "RawFrame", "Registry",
    "RegistryAuth", "Rlimit", "RlimitResource", "Rule", "Sandbox", "SandboxFs", "SandboxHandle",
    "SandboxOptions", "SandboxStatus", "Secret", "SecretEntry", "SecretInjection", "Size",
    "Snapshot", "SnapshotHandle", "StatVirtualization", "Stdin", "TlsConfig", "ViolationAction",
    "ViolationPolicy", "Volume", "VolumeFs", "VolumeHandle", "all_sandbox_metrics", "doctor",
    "install", "is_installed", "log_stream", "read_logs", "version",
]
