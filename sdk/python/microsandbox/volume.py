# SPDX-License-Identifier: Apache-2.0
"""Named volumes, and what is mounted into a guest."""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, List

from . import _pool
from ._convert import SizeLike, StrPath, labels, mib, path, some, text
from ._enums import DiskImageFormat, HostPermissions, StatVirtualization
from ._library import home, native
from .fs import VolumeFs
from .logs import EPOCH


@dataclass(frozen=True)
class MountConfig:
    """One mount: of bind, named, tmpfs and disk, one. Volume makes them."""

    bind: StrPath | None = None
    named: str | None = None
    tmpfs: bool | None = None
    disk: StrPath | None = None
    readonly: bool | None = None
    noexec: bool | None = None
    nosuid: bool | None = None
    nodev: bool | None = None
    follow_symlinks: bool | None = None
    stat_virtualization: StatVirtualization | str | None = None
    host_permissions: HostPermissions | str | None = None
    quota_mib: SizeLike | str | None = None
    """Or "none"."""
    size_mib: SizeLike | None = None
    format: DiskImageFormat | str | None = None
    fstype: str | None = None
    create: str | None = None
    """Of a named volume: "ensure" (default), "existing" or "new"."""
    volume: Mapping[str, Any] | None = None
    """How it is made then: kind, quota_mib, capacity_mib, labels."""

    def _json(self) -> dict[str, Any]:
        return some(
            bind=None if self.bind is None else path(self.bind), named=self.named,
            tmpfs=self.tmpfs, disk=None if self.disk is None else path(self.disk),
            readonly=self.readonly, noexec=self.noexec, nosuid=self.nosuid, nodev=self.nodev,
            follow_symlinks=self.follow_symlinks,
            stat_virtualization=_word(self.stat_virtualization, "stat_virtualization"),
            host_permissions=_word(self.host_permissions, "host_permissions"),
            quota_mib=self.quota_mib if isinstance(self.quota_mib, str) else mib(self.quota_mib),
            size_mib=mib(self.size_mib),
            format=_word(self.format, "format"), fstype=self.fstype, create=self.create,
            volume=None if self.volume is None else dict(self.volume))


def _word(value: str | None, what: str) -> str | None:
    return None if value is None else text(value, what)


class VolumeHandle:
    """A named volume, as of when it was looked at."""

    def __init__(self, handle: native.Handle, info: dict[str, Any], used_bytes: int) -> None:
        self.name: str = info["name"]
        self.path: str = info["path"]
        self.kind: str = info["kind"]
        """dir, or disk."""
        self.quota_mib: int | None = info["quota_mib"] or None
        self.capacity_bytes: int | None = info["capacity_bytes"] or None
        self.used_bytes = used_bytes
        self.labels: dict[str, str] = info["labels"]
        self.created_ms: int = info["created_ms"]
        self.fs = VolumeFs(handle)

    def __repr__(self) -> str:
        return f"<VolumeHandle {self.name}>"

    @property
    def created_at(self) -> datetime:
        return EPOCH + timedelta(milliseconds=self.created_ms)

    async def remove(self) -> None:
        """With all it holds."""
        await Volume.remove(self.name)


def _load(handle: native.Handle, token: Any) -> VolumeHandle:
    """On a thread, as it looks at all files."""
    return VolumeHandle(handle, native.volume_info(handle),
                        native.volume_used_bytes(handle, token))


class Volume:
    """Makes, finds and removes named volumes, which outlive the sandboxes that use them; and says
    what is to be mounted."""

    @staticmethod
    async def create(name: str, *, quota_mib: SizeLike | None = None,
                     labels: Mapping[str, str] | None = None,
                     capacity_mib: SizeLike | None = None) -> VolumeHandle:
        """A directory; with capacity_mib, a disk of that size."""
        disk, words = capacity_mib is not None, _labels(labels)
        quota, capacity = mib(quota_mib) or 0, mib(capacity_mib) or 0
        return await _pool.call(lambda token: _load(native.volume_create(
            home(), text(name, "a name"), disk, quota, capacity, words, token), token))

    @staticmethod
    async def get(name: str) -> VolumeHandle:
        return await _pool.call(
            lambda token: _load(native.volume_get(home(), name, token), token))

    @staticmethod
    async def list() -> list[VolumeHandle]:
        """By name."""
        def load(token: Any) -> Any:
            names = native.volume_list(home(), token)
            return [_load(native.volume_get(home(), name, token), token) for name in names]

        return await _pool.call(load)

    @staticmethod
    async def remove(name: str) -> None:
        """With all it holds; not while a sandbox runs with it."""
        await _pool.call(lambda token: native.volume_remove(home(), name, token))

    @staticmethod
    async def prune() -> List[str]:
        """Remove those that no sandbox is configured with: their names."""
        return await _pool.call(lambda token: native.volume_prune(home(), token))

    @staticmethod
    def bind(path: StrPath, *, readonly: bool | None = None, noexec: bool | None = None,
             nosuid: bool | None = None, nodev: bool | None = None,
             follow_symlinks: bool | None = None,
             stat_virtualization: StatVirtualization | str | None = None,
             host_permissions: HostPermissions | str | None = None,
             quota_mib: SizeLike | str | None = None) -> MountConfig:
        """A directory or file of the host."""
        return MountConfig(
            bind=path, readonly=readonly, noexec=noexec, nosuid=nosuid, nodev=nodev,
            follow_symlinks=follow_symlinks, stat_virtualization=stat_virtualization,
            host_permissions=host_permissions, quota_mib=quota_mib)

    @staticmethod
    def named(name: str, *, readonly: bool | None = None, noexec: bool | None = None,
              nosuid: bool | None = None, nodev: bool | None = None,
              stat_virtualization: StatVirtualization | str | None = None,
              host_permissions: HostPermissions | str | None = None, create: str | None = None,
              volume: Mapping[str, Any] | None = None) -> MountConfig:
        """A named volume, which is made if need be."""
        return MountConfig(
            named=name, readonly=readonly, noexec=noexec, nosuid=nosuid, nodev=nodev,
            stat_virtualization=stat_virtualization, host_permissions=host_permissions,
            create=create, volume=volume)

    @staticmethod
    def tmpfs(*, size_mib: SizeLike | None = None, readonly: bool | None = None,
              noexec: bool | None = None, nosuid: bool | None = None,
              nodev: bool | None = None) -> MountConfig:
        """Memory of the guest."""
        return MountConfig(tmpfs=True, size_mib=size_mib, readonly=readonly, noexec=noexec,
                           nosuid=nosuid, nodev=nodev)

    @staticmethod
    def disk(path: StrPath, *, format: DiskImageFormat | str | None = None,
             fstype: str | None = None, readonly: bool | None = None, noexec: bool | None = None,
             nosuid: bool | None = None, nodev: bool | None = None) -> MountConfig:
        """A disk image with a file system."""
        return MountConfig(disk=path, format=format, fstype=fstype, readonly=readonly,
                           noexec=noexec, nosuid=nosuid, nodev=nodev)


_labels = labels  # create() has an argument of that name

__all__ = ["MountConfig", "Volume", "VolumeHandle"]
