# SPDX-License-Identifier: Apache-2.0
"""Frames to and from a guest's agent (docs/protocol.md), for what has no function of its own."""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from . import _pool
from ._convert import StrPath, integer, ms, text
from ._library import home, native
from ._stream import Source

FLAG_TERMINAL = 1
FLAG_SESSION_START = 2
FLAG_SHUTDOWN = 4
BATCH = 1 << 20  # bytes of frames that are fetched at once
TIMEOUT = 10.0


class RawFrame(NamedTuple):
    """A frame; body is a CBOR map {v, t, p}. To be sent, the id may be anything."""

    id: int
    flags: int
    body: bytes

    def __getitem__(self, key: Any) -> Any:
        """By name, too: frame["body"]."""
        return getattr(self, key) if isinstance(key, str) else tuple.__getitem__(self, key)


@dataclass(frozen=True)
class AgentReady:
    """What the guest said when it was ready."""

    boot_time_ns: int
    init_time_ns: int
    ready_time_ns: int
    generation: int
    agent_version: str


def _frame(flags: Any, body: Any) -> tuple[int, bytes]:
    """Two arguments, or one frame: a RawFrame, or a mapping with flags and body."""
    if body is None:
        if isinstance(flags, Mapping):
            unknown = set(flags) - {"id", "flags", "body"}
            if unknown:
                raise TypeError(f"a frame has no {sorted(unknown)[0]!r}")
            flags, body = flags.get("flags", 0), flags["body"]
        elif isinstance(flags, RawFrame):
            flags, body = flags.flags, flags.body
        else:
            raise TypeError("flags and body, or one frame expected")
    return integer(flags, "flags"), bytes(body)


def encode(type: str, payload: bytes) -> bytes:
    """The body of a message: its type, and the CBOR of its map p."""
    return native.agent_encode(type, payload)


def decode(body: bytes) -> tuple[int, str, bytes]:
    """Version, type and CBOR of the map p of a message."""
    return native.agent_decode(body)


class AgentClient:
    """A client of the relay of a running sandbox; any number of tasks may use it at once."""

    def __init__(self, handle: native.Handle) -> None:
        self._handle = handle

    @classmethod
    async def connect_sandbox(cls, name: str, *, timeout: float | None = None) -> AgentClient:
        """To a sandbox of this home."""
        limit = ms(TIMEOUT if timeout is None else timeout)
        text(name, "a name")
        return cls(await _pool.call(
            lambda token: native.agent_connect(home(), name, limit, token)))

    @classmethod
    async def connect(cls, path: StrPath, *, timeout: float | None = None) -> AgentClient:
        """To a socket."""
        return cls(await _pool.call(native.agent_connect_path, path,
                                    ms(TIMEOUT if timeout is None else timeout)))

    @property
    def id_range(self) -> tuple[int, int]:
        """Ids of this client's own: the first one, and the one behind the last."""
        return native.agent_id_range(self._handle)

    def ready_bytes(self) -> bytes:
        """The body of core.ready, as it came."""
        return native.agent_ready_bytes(self._handle)

    def ready(self) -> bytes:
        """The same."""
        return self.ready_bytes()

    @property
    def ready_info(self) -> AgentReady:
        """What is in it."""
        return AgentReady(*native.agent_ready(self._handle))

    async def request(self, flags: int | RawFrame | Mapping[str, Any], body: bytes | None = None,
                      *, timeout: float | None = None) -> RawFrame:
        """Send a body under a fresh id; the first frame that answers."""
        limit = -1 if timeout is None else ms(timeout)
        return RawFrame(*await _pool.call(
            native.agent_request, self._handle, *_frame(flags, body), limit))

    async def stream(self, flags: int | RawFrame | Mapping[str, Any], body: bytes | None = None
                     ) -> AgentStream:
        """The same, where more than one frame answers."""
        return AgentStream(await _pool.call(
            native.agent_stream_open, self._handle, *_frame(flags, body)))

    async def send(self, id: int, flags: int, body: bytes) -> None:
        """A further frame of a session."""
        await _pool.call(native.agent_send, self._handle, id, flags, bytes(body))

    async def close(self) -> None:
        """Hang up; whoever waits gets an AgentClosedError. May be repeated."""
        native.agent_close(self._handle)

    async def __aenter__(self) -> AgentClient:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.close()


class AgentStream:
    """The frames that answer one request, up to the one with FLAG_TERMINAL."""

    def __init__(self, handle: native.Handle) -> None:
        self.id = native.agent_stream_id(handle)
        self._source = Source(handle, native.agent_stream_fd(handle), native.agent_stream_poll,
                              BATCH)

    async def next(self) -> RawFrame | None:
        """The next frame, or None after the last one."""
        item = await self._source.next()
        return None if item is None else RawFrame(*item)

    def __aiter__(self) -> AgentStream:
        return self

    async def __anext__(self) -> RawFrame:
        frame = await self.next()
        if frame is None:
            raise StopAsyncIteration
        return frame

    async def close(self) -> None:
        """Nobody wants the rest."""
        self._source.close()

    async def __aenter__(self) -> AgentStream:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.close()


__all__ = ["FLAG_SESSION_START", "FLAG_SHUTDOWN", "FLAG_TERMINAL", "AgentClient", "AgentReady",
           "AgentStream", "RawFrame", "decode", "encode"]
