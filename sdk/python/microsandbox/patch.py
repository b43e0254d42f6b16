# SPDX-License-Identifier: Apache-2.0
"""Changes of the root file system before any program of the guest runs."""
from __future__ import annotations

import base64
from dataclasses import dataclass, field
from typing import Any

from ._convert import StrPath, path, some


@dataclass(frozen=True)
class PatchConfig:
    """One change; Patch makes them."""

    kind: str
    path: str
    content: str | bytes | None = field(default=None, repr=False)
    source: StrPath | None = None
    """A path of the host."""
    target: str | None = None
    """Where a link leads."""
    mode: int | None = None
    replace: bool | None = None

    def _json(self) -> dict[str, Any]:
        data = self.content
        return some(
            kind=self.kind, path=self.path, content=data if isinstance(data, str) else None,
            content_base64=base64.b64encode(data).decode() if isinstance(data, bytes) else None,
            source=None if self.source is None else path(self.source), target=self.target,
            mode=self.mode, replace=self.replace)


class Patch:
    """Makes changes. What exists already is an error without replace, but for mkdir and remove."""

    @staticmethod
    def text(path: str, content: str, *, mode: int | None = None, replace: bool = False
             ) -> PatchConfig:
        """A file with this text."""
        return PatchConfig("text", path, content, mode=mode, replace=replace or None)

    @staticmethod
    def file(path: str, content: bytes, *, mode: int | None = None, replace: bool = False
             ) -> PatchConfig:
        """A file with these bytes."""
        return PatchConfig("file", path, bytes(content), mode=mode, replace=replace or None)

    @staticmethod
    def append(path: str, content: str | bytes) -> PatchConfig:
        """To a file that exists."""
        return PatchConfig("append", path, content)

    @staticmethod
    def copy_file(src: StrPath, dst: str, *, mode: int | None = None, replace: bool = False
                  ) -> PatchConfig:
        """A file of the host."""
        return PatchConfig("copy_file", dst, source=src, mode=mode, replace=replace or None)

    @staticmethod
    def copy_dir(src: StrPath, dst: str, *, replace: bool = False) -> PatchConfig:
        """A directory of the host, with all below it."""
        return PatchConfig("copy_dir", dst, source=src, replace=replace or None)

    @staticmethod
    def symlink(target: str, link: str, *, replace: bool = False) -> PatchConfig:
        return PatchConfig("symlink", link, target=target, replace=replace or None)

    @staticmethod
    def mkdir(path: str, *, mode: int | None = None) -> PatchConfig:
        """With its parents."""
        return PatchConfig("mkdir", path, mode=mode)

    @staticmethod
    def remove(path: str) -> PatchConfig:
        """With all below it."""
        return PatchConfig("remove", path)


__all__ = ["Patch", "PatchConfig"]
