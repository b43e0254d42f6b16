# SPDX-License-Identifier: Apache-2.0
"""Images: what a sandbox is made from, and the cache."""
from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, List

from . import _pool
from ._convert import SizeLike, StrPath, mib, path, some, text, texts
from ._enums import DiskImageFormat, PullPolicy
from ._library import home, native
from .logs import EPOCH


@dataclass(frozen=True)
class ImageSource:
    """The root file system of a sandbox: one of oci, bind and disk. Image makes them."""

    oci: str | None = None
    upper_size_mib: SizeLike | None = None
    bind: StrPath | None = None
    disk: StrPath | None = None
    format: DiskImageFormat | str | None = None
    fstype: str | None = None

    def _json(self) -> dict[str, Any]:
        return some(
            oci=self.oci, upper_size_mib=mib(self.upper_size_mib),
            bind=None if self.bind is None else os.path.abspath(self.bind),
            disk=None if self.disk is None else os.path.abspath(self.disk),
            format=None if self.format is None else text(self.format, "format"),
            fstype=self.fstype)


@dataclass(frozen=True)
class RegistryAuth:
    """Who to be for a registry, instead of whom `msb registry login` stored."""

    username: str
    password: str = field(repr=False)

    @classmethod
    def basic(cls, username: str, password: str) -> RegistryAuth:
        return cls(username, password)


@dataclass(frozen=True)
class PullEvent:
    """Something that happens while an image is pulled; what does not apply is None.

    kind is the library's word for it, event_type the name of before: resolving, resolved,
    layer_download_progress, layer_materialize_progress, layer_waiting, layer_cached,
    layer_materialize_complete, stitch_merging_trees, note, complete.
    """

    event_type: str
    kind: str
    reference: str | None = None
    layer_index: int | None = None
    layer_count: int | None = None
    bytes: int | None = None
    total_bytes: int | None = None
    message: str | None = None


EVENTS = {"resolving": "resolving", "resolved": "resolved", "download": "layer_download_progress",
          "unpack": "layer_materialize_progress", "waiting": "layer_waiting",
          "cached": "layer_cached", "layer": "layer_materialize_complete",
          "merging": "stitch_merging_trees", "note": "note", "done": "complete"}


def _event(kind: str, reference: str | None, layer: int, count: int, done: int, total: int,
           message: str | None) -> PullEvent:
    of_layer = kind in ("download", "unpack", "waiting", "cached", "layer")
    sized = kind in ("download", "unpack")
    return PullEvent(
        EVENTS.get(kind, kind), kind, reference, layer if of_layer else None,
        None if kind == "resolving" else count, done if sized else None,
        total if sized or kind == "resolved" else None, message)


def teller(fn: Callable[[PullEvent], Any]) -> Callable[..., None]:
    """What the C part calls on its thread, so that fn is called on the loop."""
    loop = asyncio.get_running_loop()

    def tell(*event: Any) -> None:
        loop.call_soon_threadsafe(fn, _event(*event))

    return tell


def _time(ms: int) -> datetime | None:
    return None if ms < 0 else EPOCH + timedelta(milliseconds=ms)


@dataclass(frozen=True)
class ImageHandle:
    """An image in the cache, as of when it was looked at."""

    reference: str
    canonical: str
    manifest_digest: str
    size_bytes: int | None
    """Of the compressed layers; None: files are missing."""
    architecture: str | None
    os: str | None
    layer_count: int
    created_ms: int
    last_used_ms: int | None

    @property
    def created_at(self) -> datetime | None:
        return _time(self.created_ms)

    @property
    def last_used_at(self) -> datetime | None:
        return None if self.last_used_ms is None else _time(self.last_used_ms)

    async def inspect(self) -> ImageDetail:
        return await Image.inspect(self.canonical)

    async def remove(self, *, force: bool = False) -> None:
        await Image.remove(self.reference, force=force)


def _handle(d: dict[str, Any]) -> ImageHandle:
    size, used = d.pop("size_bytes"), d.pop("last_used_ms")
    return ImageHandle(manifest_digest=d.pop("digest"), size_bytes=None if size < 0 else size,
                       last_used_ms=None if used < 0 else used, **d)


@dataclass(frozen=True)
class ImageLayer:
    """The lowest has position 0."""

    diff_id: str
    blob_digest: str
    media_type: str | None
    compressed_size_bytes: int
    position: int


@dataclass(frozen=True)
class ImageDetail:
    """All that is known of an image."""

    handle: ImageHandle
    config: dict[str, Any]
    """Env, Cmd, Entrypoint and so on, as docs/json.md has them."""
    layers: list[ImageLayer]
    json: dict[str, Any]


@dataclass(frozen=True)
class ImagePruned:
    """What is gone."""

    references: int
    manifests: int
    layers: int
    merged: int
    bytes: int


class Image:
    """Sources of root file systems, and the cache of images."""

    @staticmethod
    def oci(reference: str, *, upper_size_mib: SizeLike | None = None) -> ImageSource:
        """An image of a registry, with so large a writable layer."""
        return ImageSource(oci=reference, upper_size_mib=upper_size_mib)

    @staticmethod
    def bind(path: StrPath) -> ImageSource:
        """A directory of the host, which the guest writes to."""
        return ImageSource(bind=path)

    @staticmethod
    def disk(path: StrPath, *, format: DiskImageFormat | str | None = None,
             fstype: str | None = None) -> ImageSource:
        """A disk image."""
        return ImageSource(disk=path, format=format, fstype=fstype)

    @staticmethod
    async def pull(reference: str, *, policy: PullPolicy | str | None = None, force: bool = False,
                   auth: RegistryAuth | Mapping[str, Any] | None = None, insecure: bool = False,
                   ca_certs: StrPath | None = None,
                   on_progress: Callable[[PullEvent], Any] | None = None) -> bool:
        """Have it in the cache; True: it was. on_progress is called on the loop."""
        login = RegistryAuth(**auth) if isinstance(auth, Mapping) else auth
        args = (text(reference, "a reference"),
                None if policy is None else text(policy, "policy"), force, insecure,
                None if ca_certs is None else path(ca_certs),
                None if login is None else login.username,
                None if login is None else login.password, teller(on_progress) if on_progress else None)
        return await _pool.call(lambda token: native.image_pull(home(), *args, token))

    @staticmethod
    async def get(reference: str) -> ImageHandle:
        return (await Image.inspect(reference)).handle

    @staticmethod
    async def inspect(reference: str) -> ImageDetail:
        found, layers, described = await _pool.call(
            lambda token: native.image_get(home(), reference, token))
        whole = json.loads(described)
        return ImageDetail(_handle(found), whole.get("config", {}),
                           [ImageLayer(*layer, i) for i, layer in enumerate(layers)], whole)

    @staticmethod
    async def list() -> list[ImageHandle]:
        """All names in the cache, in order."""
        found = await _pool.call(lambda token: native.image_list(home(), token))
        return [_handle(d) for d in found]

    @staticmethod
    async def remove(reference: str, *, force: bool = False) -> None:
        """With force, also a name that a sandbox was made from."""
        await _pool.call(lambda token: native.image_remove(home(), reference, force, token))

    @staticmethod
    async def prune() -> ImagePruned:
        """Remove every image that no sandbox was made from, and leftovers."""
        return ImagePruned(*await _pool.call(lambda token: native.image_prune(home(), token)))

    @staticmethod
    async def load(archive: StrPath, *, references: Sequence[str] = ()) -> List[ImageHandle]:
        """Images out of a tar archive: of docker save, or an OCI layout."""
        names = texts(references, "references")

        def load(token: Any) -> List[dict[str, Any]]:
            with open(archive, "rb") as f:
                return native.image_load(home(), f.fileno(), os.fspath(archive), names, None,
                                         token)

        return [_handle(d) for d in await _pool.call(load)]

    @staticmethod
    async def save(references: str | Sequence[str], archive: StrPath, *, format: str = "docker"
                   ) -> None:
        """Images of the cache as one archive: "docker", or "oci"."""
        names = [references] if isinstance(references, str) else texts(references, "references")
        if format not in ("docker", "oci"):
            raise ValueError(f"no format of archives: {format!r}")

        def save(token: Any) -> None:
            with open(archive, "w+b") as f:
                native.image_save(home(), names, format == "oci", f.fileno(), token)

        await _pool.call(save)


class Registry:
    """Stored logins of registries."""

    @staticmethod
    async def login(host: str, username: str, password: str) -> None:
        await _pool.call(lambda _: native.registry_login(home(), host, username, password))

    @staticmethod
    async def logout(host: str) -> bool:
        """False: there was none."""
        return await _pool.call(lambda _: native.registry_logout(home(), host))


__all__ = ["Image", "ImageDetail", "ImageHandle", "ImageLayer", "ImagePruned", "ImageSource",
           "PullEvent", "Registry", "RegistryAuth"]
