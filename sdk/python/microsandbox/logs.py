# SPDX-License-Identifier: Apache-2.0
"""What sandboxes have logged."""
from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

from . import _pool
from ._convert import integer, text, texts
from ._enums import LogSource
from ._library import home, native
from ._stream import Source

BITS = {"stdout": 1, "stderr": 2, "output": 4, "system": 8, "all": 15}
NAMES = {1: LogSource.STDOUT, 2: LogSource.STDERR, 4: LogSource.OUTPUT, 8: LogSource.SYSTEM}
BATCH = 256  # entries that are fetched at once
EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


@dataclass(frozen=True)
class LogEntry:
    """One piece of output, or one line of the runtime or the kernel."""

    timestamp_ns: int
    source: LogSource
    session: int
    """Which command of that boot it is of; 0: of none."""
    data: bytes
    cursor: str
    """Where to go on behind it: log_stream(from_cursor=...)."""

    @property
    def timestamp(self) -> datetime:
        """Aware, in UTC, to the microsecond."""
        return EPOCH + timedelta(microseconds=self.timestamp_ns // 1000)

    @property
    def timestamp_ms(self) -> float:
        return self.timestamp_ns // 1000 / 1000

    @property
    def session_id(self) -> str | None:
        return str(self.session) if self.session else None

    def text(self) -> str:
        """What is not UTF-8 becomes U+FFFD."""
        return self.data.decode(errors="replace")


def _entry(ns: int, source: int, session: int, data: bytes, cursor: str) -> LogEntry:
    return LogEntry(ns, NAMES.get(source, LogSource.SYSTEM), session, data, cursor)


def _sources(sources: Sequence[LogSource | str] | None) -> int:
    mask = 0
    for name in texts(sources, "sources") if sources is not None else ():
        if name not in BITS:
            raise ValueError(f"no source of logs: {name!r}")
        mask |= BITS[name]
    return mask


def _ns(value: float | None, what: str) -> int | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"{what} is a number of ms, not {type(value).__name__}")
    return round(value * 1000) * 1000  # floats have no ns of today


Opened = Callable[[Any], Any]


def _open(name: str, since_ms: float | None, until_ms: float | None,
          sources: Sequence[LogSource | str] | None, tail: int | None, cursor: str | None,
          follow: bool) -> Opened:
    """What opens the log, on a thread."""
    tail = None if tail is None else integer(tail, "tail")
    args = (text(name, "a name"), _sources(sources), _ns(since_ms, "since_ms"),
            _ns(until_ms, "until_ms"), tail, cursor, bool(follow))
    return lambda token: native.log_open(home(), *args, token)


async def read_logs(name: str, tail: int | None = None, since_ms: float | None = None,
                    until_ms: float | None = None,
                    sources: Sequence[LogSource | str] | None = None) -> list[LogEntry]:
    """What there is now, by time; of a sandbox that runs, has ended, or is not known any more."""
    opened = _open(name, since_ms, until_ms, sources, tail, None, False)

    def read(token: Any) -> list[Any]:
        log = opened(token)
        found: list[Any] = []
        while native.log_poll(log, found.append, 4096) > 0:
            pass
        return found

    return [_entry(*item) for item in await _pool.call(read)]


class LogStream:
    """Entries as they come. Iterate it, or await it first to know that it could be opened."""

    def __init__(self, opened: Opened, follow: bool) -> None:
        self._opened: Opened | None = opened
        self._follow = follow
        self._source: Source | None = None
        self._lock = asyncio.Lock()
        self._closed = False

    def __await__(self) -> Generator[Any, None, LogStream]:
        return self._ready().__await__()

    async def _ready(self) -> LogStream:
        async with self._lock:
            if self._opened is not None:
                log = await _pool.call(self._opened)
                self._opened = None
                self._source = Source(log, native.log_fd(log), native.log_poll, BATCH)
                if self._closed:
                    self._source.close()
        return self

    async def recv(self) -> LogEntry | None:
        """The next entry, or None: nothing will follow."""
        await self._ready()
        source = self._source
        assert source is not None
        if not self._follow and not source.items and not source.ended:
            await _pool.call(_read, source)  # files, without a descriptor to wait for
        item = await source.next()
        return None if item is None else _entry(*item)

    def __aiter__(self) -> LogStream:
        return self

    async def __anext__(self) -> LogEntry:
        entry = await self.recv()
        if entry is None:
            raise StopAsyncIteration
        return entry

    async def close(self) -> None:
        """End it; whoever waits for an entry is told so."""
        self._closed = True
        if self._source is not None:
            self._source.close()

    async def __aenter__(self) -> LogStream:
        return await self._ready()

    async def __aexit__(self, *exc: object) -> None:
        await self.close()


def _read(source: Source, _token: Any) -> None:
    source.fill()
    if not source.items:
        source.ended = True


def log_stream(name: str, sources: Sequence[LogSource | str] | None = None,
               since_ms: float | None = None, from_cursor: str | None = None,
               until_ms: float | None = None, follow: bool = False) -> LogStream:
    """The entries of a sandbox's log; with follow until the sandbox has ended."""
    if since_ms is not None and from_cursor is not None:
        raise ValueError("since_ms and from_cursor are two beginnings")
    opened = _open(name, since_ms, until_ms, sources, None, from_cursor, follow)
    return LogStream(opened, follow)


__all__ = ["LogEntry", "LogStream", "log_stream", "read_logs"]
