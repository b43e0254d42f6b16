# SPDX-License-Identifier: Apache-2.0
"""Words that options and answers are made of; each is a str, too."""
from __future__ import annotations

from enum import Enum


class _Word(str, Enum):
    def __str__(self) -> str:
        return str(self.value)


class SandboxStatus(_Word):
    RUNNING = "running"
    DRAINING = "draining"
    PAUSED = "paused"
    STOPPED = "stopped"
    CRASHED = "crashed"


class PullPolicy(_Word):
    ALWAYS = "always"
    IF_MISSING = "if-missing"
    NEVER = "never"


class LogLevel(_Word):
    TRACE = "trace"
    DEBUG = "debug"
    INFO = "info"
    WARN = "warn"
    ERROR = "error"


class LogSource(_Word):
    STDOUT = "stdout"
    STDERR = "stderr"
    OUTPUT = "output"
    SYSTEM = "system"
    ALL = "all"
    """Only to read with: all of the others."""


class FsEntryKind(_Word):
    FILE = "file"
    DIRECTORY = "directory"
    SYMLINK = "symlink"
    OTHER = "other"


class DiskImageFormat(_Word):
    QCOW2 = "qcow2"
    RAW = "raw"


class StatVirtualization(_Word):
    STRICT = "strict"
    RELAXED = "relaxed"
    OFF = "off"


class HostPermissions(_Word):
    PRIVATE = "private"
    MIRROR = "mirror"


class Action(_Word):
    ALLOW = "allow"
    DENY = "deny"


class Direction(_Word):
    EGRESS = "egress"
    INGRESS = "ingress"
    ANY = "any"


class Protocol(_Word):
    TCP = "tcp"
    UDP = "udp"
    ICMPV4 = "icmpv4"
    ICMPV6 = "icmpv6"


class PortProtocol(_Word):
    TCP = "tcp"
    UDP = "udp"


class DestGroup(_Word):
    PUBLIC = "public"
    LOOPBACK = "loopback"
    PRIVATE = "private"
    LINK_LOCAL = "link-local"
    METADATA = "metadata"
    MULTICAST = "multicast"
    HOST = "host"


class ViolationAction(_Word):
    BLOCK = "block"
    BLOCK_AND_LOG = "block-and-log"
    BLOCK_AND_TERMINATE = "block-and-terminate"
    PASSTHROUGH = "passthrough"


class RlimitResource(_Word):
    CPU = "cpu"
    FSIZE = "fsize"
    DATA = "data"
    STACK = "stack"
    CORE = "core"
    RSS = "rss"
    NPROC = "nproc"
    NOFILE = "nofile"
    MEMLOCK = "memlock"
    AS = "as"
    LOCKS = "locks"
    SIGPENDING = "sigpending"
    MSGQUEUE = "msgqueue"
    NICE = "nice"
    RTPRIO = "rtprio"
    RTTIME = "rttime"
