# SPDX-License-Identifier: Apache-2.0
"""Snapshots of stopped sandboxes."""
from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, List

from . import _pool
from ._convert import StrPath, labels, text
from ._library import home, native


@dataclass(frozen=True)
class SnapshotHandle:
    """What a sandbox wrote above its image, as of when it was looked at."""

    digest: str
    name: str | None
    """None: it is not among the home's own."""
    path: str
    image_ref: str
    image_manifest_digest: str | None
    format: str
    fstype: str
    parent: str | None
    size_bytes: int
    created_at: str
    """RFC 3339."""
    labels: dict[str, str]
    source_sandbox: str | None
    integrity: str | None
    """Digest of the contents, if it was recorded."""
    descriptor_json: str

    @property
    def parent_digest(self) -> str | None:
        return self.parent

    @property
    def descriptor(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.descriptor_json)
        return found

    async def open(self) -> SnapshotHandle:
        """Look at it again."""
        return await Snapshot.open(self.path)

    async def verify(self) -> dict[str, Any]:
        """Read all of it; SnapshotIntegrityError: it is not as recorded."""
        recorded = await _pool.call(lambda token: native.snapshot_verify(
            native.snapshot_get(home(), self.path, token), token))
        upper = {"kind": "verified", "digest": self.integrity} if recorded else {
            "kind": "not_recorded"}
        return {"digest": self.digest, "path": self.path, "upper": upper}

    async def remove(self, *, force: bool = False) -> None:
        await Snapshot.remove(self.path, force=force)


def _made(handle: native.Handle) -> SnapshotHandle:
    return SnapshotHandle(**native.snapshot_info(handle))


class Snapshot:
    """Makes, finds and removes snapshots. A reference is a name, a path or a digest."""

    @staticmethod
    async def create(source: str, *, name: str | None = None, path: StrPath | None = None,
                     labels: Mapping[str, str] | None = None, force: bool = False,
                     record_integrity: bool = False) -> SnapshotHandle:
        """Of a stopped sandbox, under a name of the home or a path: one of these."""
        if (name is None) == (path is None):
            raise TypeError("one of name and path is required")
        words = _labels(labels)
        dest: Any = text(name, "name") if name is not None else _somewhere(path)
        return await _pool.call(lambda token: _made(native.snapshot_create(
            home(), source, dest, words, force, record_integrity, token)))

    @staticmethod
    async def open(path_or_name: StrPath) -> SnapshotHandle:
        """Its description only: verify() reads the contents."""
        return await _pool.call(
            lambda token: _made(native.snapshot_get(home(), path_or_name, token)))

    @staticmethod
    async def get(name_or_digest: str) -> SnapshotHandle:
        return await Snapshot.open(name_or_digest)

    @staticmethod
    async def list() -> list[SnapshotHandle]:
        """Newest first."""
        found = await _pool.call(lambda token: native.snapshot_list(home(), None, token))
        return [SnapshotHandle(**info) for info in found]

    @staticmethod
    async def list_dir(dir: StrPath) -> List[SnapshotHandle]:
        """Those in a directory, whether the home knows them or not."""
        found = await _pool.call(lambda token: native.snapshot_list(home(), dir, token))
        return [SnapshotHandle(**info) for info in found]

    @staticmethod
    async def remove(path_or_name: StrPath, *, force: bool = False) -> None:
        """The parent of another one only with force."""
        await _pool.call(
            lambda token: native.snapshot_remove(home(), path_or_name, force, token))

    @staticmethod
    async def reindex(dir: StrPath | None = None) -> int:
        """Get to know the snapshots of a directory: their number."""
        return await _pool.call(lambda token: native.snapshot_reindex(home(), dir, token))

    @staticmethod
    async def export(name_or_path: StrPath, out: StrPath, *, with_parents: bool = False,
                     plain_tar: bool = False) -> None:
        """As one file: a tar archive, compressed with zstd unless plain_tar."""
        await _pool.call(lambda token: native.snapshot_export(
            home(), name_or_path, out, with_parents, plain_tar, token))

    @staticmethod
    async def import_(archive: StrPath, *, dest: StrPath | None = None) -> SnapshotHandle:
        """The snapshot of an archive, into dest (None: a name from its digest)."""
        return await _pool.call(
            lambda token: _made(native.snapshot_import(home(), archive, dest, token)))


def _somewhere(path: Any) -> Any:
    """A path, which the library tells from a name by what is in it."""
    path = os.fsdecode(path)
    return path if "/" in path else os.path.join(".", path)


_labels = labels  # create() has an argument of that name

__all__ = ["Snapshot", "SnapshotHandle"]
