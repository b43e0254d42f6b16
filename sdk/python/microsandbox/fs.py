# SPDX-License-Identifier: Apache-2.0
"""Files of a running guest, and of volumes."""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeVar

from . import _pool
from ._convert import StrPath
from ._enums import FsEntryKind
from ._library import native
from .errors import FilesystemError
from .logs import EPOCH

T = TypeVar("T")
CHUNK = 1 << 20
READ, WRITE, APPEND, CREATE, TRUNCATE, CREATE_NEW = (1 << i for i in range(6))


@dataclass(frozen=True)
class FsMetadata:
    """What is known of a file."""

    kind: FsEntryKind
    mode: int
    """Permission bits."""
    uid: int
    gid: int
    size: int
    accessed_ms: int
    modified_ms: int

    @property
    def readonly(self) -> bool:
        """Nobody may write."""
        return not self.mode & 0o222

    @property
    def modified(self) -> datetime:
        return EPOCH + timedelta(milliseconds=self.modified_ms)

    @property
    def accessed(self) -> datetime:
        return EPOCH + timedelta(milliseconds=self.accessed_ms)


@dataclass(frozen=True)
class FsEntry(FsMetadata):
    """A file in a directory."""

    path: str = ""

    @property
    def name(self) -> str:
        return self.path.rpartition("/")[2]


def _fields(info: tuple[str, int, int, int, int, int, int]) -> dict[str, Any]:
    kind, mode, uid, gid, size, atime, mtime = info
    return {"kind": FsEntryKind(kind), "mode": mode, "uid": uid, "gid": gid, "size": size,
            "accessed_ms": atime * 1000, "modified_ms": mtime * 1000}


Attrs = tuple[Any, ...]


def attributes(mode: int | None, uid: int | None, gid: int | None, size: int | None,
               accessed: float | None, modified: float | None) -> Attrs:
    return (mode, uid, gid, size, None if accessed is None else int(accessed),
            None if modified is None else int(modified))


class _Fs:
    """What both kinds have; a connection is made when the first call needs it."""

    def __init__(self, connect: Callable[[Any], native.Handle]) -> None:
        self._connect = connect
        self._handle: native.Handle | None = None

    async def _call(self, fn: Callable[..., T], *args: Any) -> T:
        if self._handle is None:
            handle = await _pool.call(self._connect)
            if self._handle is None:  # no other task was faster
                self._handle = handle
        return await _pool.call(fn, self._handle, *args)

    async def read(self, path: StrPath) -> bytes:
        """All of a file, of 2 GiB at most."""
        return await self._call(native.fs_read_file, path)

    async def read_text(self, path: StrPath, encoding: str = "utf-8") -> str:
        return (await self.read(path)).decode(encoding)

    async def read_stream(self, path: StrPath) -> FsReadStream:
        """A file piece by piece: iterate it."""
        handle = await self._call(native.fs_open, path, READ, -1)
        return FsReadStream(self, handle)

    async def write(self, path: StrPath, data: bytes | bytearray | memoryview | str, *,
                    mode: int | None = None, append: bool = False) -> None:
        """Make a file, or replace what is in it."""
        await self._call(native.fs_write_file, path, _bytes(data), _mode(mode), append)

    async def write_stream(self, path: StrPath, *, mode: int | None = None,
                           append: bool = False) -> FsWriteSink:
        """Make a file, or replace what is in it, piece by piece."""
        flags = WRITE | CREATE | (APPEND if append else TRUNCATE)
        handle = await self._call(native.fs_open, path, flags, _mode(mode))
        offset = (await self._call(native.fs_fstat, handle))[4] if append else 0
        return FsWriteSink(self, handle, offset)

    async def list(self, path: StrPath) -> list[FsEntry]:
        """What a directory holds, by name."""
        found = await self._call(native.fs_list, path)
        base = str(path).rstrip("/")
        return [FsEntry(path=f"{base}/{name}", **_fields(info)) for name, info in sorted(found)]

    async def mkdir(self, path: StrPath, *, mode: int | None = None) -> None:
        """With its parents."""
        await self._call(native.fs_mkdir, path, _mode(mode))

    async def remove(self, path: StrPath) -> None:
        """A file, or a link."""
        await self._call(native.fs_remove, path)

    async def remove_dir(self, path: StrPath, *, recursive: bool = True) -> None:
        """A directory with all below it."""
        await self._call(native.fs_remove_dir, path, recursive)

    async def copy(self, src: StrPath, dst: StrPath) -> None:
        """One file."""
        await self._call(native.fs_copy, src, dst)

    async def rename(self, src: StrPath, dst: StrPath) -> None:
        await self._call(native.fs_rename, src, dst)

    async def symlink(self, target: StrPath, link: StrPath) -> None:
        await self._call(native.fs_symlink, target, link)

    async def read_link(self, path: StrPath) -> str:
        return await self._call(native.fs_read_link, path)

    async def real_path(self, path: StrPath) -> str:
        return await self._call(native.fs_real_path, path)

    async def stat(self, path: StrPath, *, follow: bool = True) -> FsMetadata:
        return FsMetadata(**_fields(await self._call(native.fs_stat, path, follow)))

    async def exists(self, path: StrPath) -> bool:
        """An error, if that cannot be told."""
        return await self._call(native.fs_exists, path)

    async def set_stat(self, path: StrPath, *, follow: bool = True, mode: int | None = None,
                       uid: int | None = None, gid: int | None = None, size: int | None = None,
                       accessed: float | None = None, modified: float | None = None) -> None:
        """Change what is given; times are seconds since 1970."""
        await self._call(native.fs_set_stat, path, follow,
                         attributes(mode, uid, gid, size, accessed, modified))

    async def open(self, path: StrPath, *, read: bool = False, write: bool = False,
                   append: bool = False, create: bool = False, truncate: bool = False,
                   create_new: bool = False, mode: int | None = None) -> FsFile:
        """A file to read and write anywhere in it."""
        flags = sum(flag for flag, on in (
            (READ, read or not (write or append)), (WRITE, write or append), (APPEND, append),
            (CREATE, create), (TRUNCATE, truncate), (CREATE_NEW, create_new)) if on)
        return FsFile(self, await self._call(native.fs_open, path, flags, _mode(mode)))


def _bytes(data: bytes | bytearray | memoryview | str) -> bytes:
    return data.encode() if isinstance(data, str) else bytes(data)


def _mode(mode: int | None) -> int:
    return -1 if mode is None else mode


class _Open:
    """An open file; the connection closes it at the latest."""

    def __init__(self, fs: _Fs, handle: int) -> None:
        self._fs, self._file, self._closed = fs, handle, False

    async def _call(self, fn: Callable[..., T], *args: Any) -> T:
        if self._closed:
            raise ValueError("this file is closed")
        return await self._fs._call(fn, self._file, *args)

    async def close(self) -> None:
        """May be repeated."""
        if not self._closed:
            self._closed = True
            await self._fs._call(native.fs_close, self._file)


class FsFile(_Open):
    """An open file of a guest or a volume."""

    async def read_at(self, offset: int, size: int) -> bytes:
        """Fewer bytes at its end."""
        return await self._call(native.fs_pread, offset, size)

    async def write_at(self, offset: int, data: bytes) -> None:
        await self._call(native.fs_pwrite, offset, data)

    async def stat(self) -> FsMetadata:
        return FsMetadata(**_fields(await self._call(native.fs_fstat)))

    async def set_stat(self, *, mode: int | None = None, uid: int | None = None,
                       gid: int | None = None, size: int | None = None,
                       accessed: float | None = None, modified: float | None = None) -> None:
        await self._call(native.fs_fset_stat,
                         attributes(mode, uid, gid, size, accessed, modified))

    async def __aenter__(self) -> FsFile:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.close()


class FsReadStream(_Open):
    """A file piece by piece, from its beginning."""

    _offset = 0

    async def recv(self) -> bytes | None:
        """The next piece, or None at the end, where it is closed."""
        if self._closed:
            return None
        data = await self._call(native.fs_pread, self._offset, CHUNK)
        self._offset += len(data)
        if not data:
            await self.close()
        return data or None

    async def collect(self) -> bytes:
        """All that is left."""
        return b"".join([piece async for piece in self])

    def __aiter__(self) -> FsReadStream:
        return self

    async def __anext__(self) -> bytes:
        piece = await self.recv()
        if piece is None:
            raise StopAsyncIteration
        return piece

    async def __aenter__(self) -> FsReadStream:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.close()


class FsWriteSink(_Open):
    """A file that is being written."""

    def __init__(self, fs: _Fs, handle: int, offset: int) -> None:
        super().__init__(fs, handle)
        self._offset = offset

    async def write(self, data: bytes | bytearray | memoryview | str) -> None:
        data = _bytes(data)
        offset, self._offset = self._offset, self._offset + len(data)
        await self._call(native.fs_pwrite, offset, data)

    async def __aenter__(self) -> FsWriteSink:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.close()


class SandboxFs(_Fs):
    """Files of a running guest; paths are the guest's."""

    def __init__(self, live: Callable[[], native.Handle]) -> None:
        super().__init__(lambda token: native.fs_connect(live(), token))
        self._live = live

    def _disconnect(self) -> None:
        self._handle = None

    async def copy_from_host(self, host: StrPath, guest: StrPath) -> None:
        """A file, or a directory with all it holds, as cp -r does."""
        _complete(await _pool.call(native.copy, None, host, self._live(), guest))

    async def copy_to_host(self, guest: StrPath, host: StrPath) -> None:
        """The same out of the guest; nothing is written outside of host."""
        _complete(await _pool.call(native.copy, self._live(), guest, None, host))


def _complete(skipped: list[tuple[str, str]]) -> None:
    if skipped:
        path, why = skipped[0]
        more = f", and {len(skipped) - 1} more" if len(skipped) > 1 else ""
        raise FilesystemError(f"{path}: {why}{more}", details=dict(skipped))


class VolumeFs(_Fs):
    """Files of a volume, from the host; nothing outside of it is reached."""

    def __init__(self, volume: native.Handle) -> None:
        super().__init__(lambda token: native.fs_open_volume(volume, token))

    async def remove_file(self, path: StrPath) -> None:
        await self.remove(path)


__all__ = ["FsEntry", "FsFile", "FsMetadata", "FsReadStream", "FsWriteSink", "SandboxFs",
           "VolumeFs"]
