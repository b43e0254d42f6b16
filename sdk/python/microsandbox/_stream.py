# SPDX-License-Identifier: Apache-2.0
"""What comes bit by bit out of an object of the library that has a descriptor to poll."""
from __future__ import annotations

import asyncio
import threading
import weakref
from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple

from ._library import native

# Answers of the library's ..._poll functions, besides a number: go on at once.
DRAINED, ENDED = -1, -2


class Output(NamedTuple):
    """How what the library has queued for the other side is sent."""

    fd: int
    pending: Callable[[native.Handle], bool]
    send: Callable[[native.Handle], bool]
    """False: that is up to whoever fetches items."""


class Source:
    """Items of one handle, fetched when somebody waits for them.

    While somebody does, the loop watches the descriptor, and everything that has come is fetched in
    one go. When so many items as are to be kept have not been taken, nothing is watched any more,
    and the other side has to wait.
    """

    def __init__(self, handle: native.Handle, fd: int,
                 poll: Callable[[native.Handle, Callable[[Any], None], int], int],
                 batch: int, output: Output | None = None, keep: int = 1) -> None:
        self._handle: native.Handle | None = handle
        self.items: deque[Any] = deque()
        self.ended = False
        self._poll, self._batch, self._fd = poll, batch, fd
        self._output, self._keep = output, keep
        self._error: BaseException | None = None
        self._more = True  # the library may have some that the descriptor does not show
        self._readers: deque[asyncio.Future[None]] = deque()
        self._writers: deque[asyncio.Future[None]] = deque()
        self._loop: asyncio.AbstractEventLoop | None = None  # that watches for reading
        self._write_loop: asyncio.AbstractEventLoop | None = None
        self._thread = 0

    @property
    def handle(self) -> native.Handle:
        if self._handle is None:
            raise RuntimeError("this has been closed")
        return self._handle

    def fill(self, batch: int | None = None) -> None:
        """Fetch what there is, without waiting."""
        if self.ended:
            return
        try:
            n = self._poll(self.handle, self.items.append, batch or self._batch)
        except BaseException as e:
            self._error = e.with_traceback(None)
            n = ENDED
        self._more = n >= 0
        if n == ENDED:
            self.ended = True
            self.unwatch()
            self.wake()

    async def next(self) -> Any:
        """The next item, or None at the end; an error comes once, then the end."""
        while not self.items:
            if self.ended:
                error, self._error = self._error, None
                if error is not None:
                    raise error
                return None
            if self._more:
                await asyncio.sleep(0)  # others may have waited for a whole batch
                self.fill()
            else:
                await self._readable()
        return self.items.popleft()

    def watch(self) -> None:
        """Fetch a batch as soon as there is one, whether somebody waits for it or not."""
        if self._loop is None and not self.ended:
            self._loop = asyncio.get_running_loop()
            self._thread = threading.get_ident()
            # The loop does not keep alive what nobody reads.
            self._loop.add_reader(self._fd, _readable, weakref.ref(self))

    async def _readable(self) -> None:
        self.watch()
        await _wait(self._readers)

    def on_readable(self) -> None:
        """The descriptor is readable, or something else is worth a look."""
        if len(self.items) >= self._keep:
            self._unwatch_read()  # until they are taken
            return
        self.fill()
        self.wake()

    def flush(self) -> None:
        """See to it that what the library has queued is sent, whether somebody reads or not."""
        output = self._output
        if output is None or self.ended or self._write_loop is not None:
            return
        if output.pending(self.handle):
            self._write_loop = asyncio.get_running_loop()
            self._thread = threading.get_ident()
            self._write_loop.add_writer(output.fd, _writable, weakref.ref(self))

    async def flushed(self) -> None:
        """Until nothing is queued."""
        self.flush()
        while self._write_loop is not None:
            await _wait(self._writers)

    def on_writable(self) -> None:
        if self._output is not None and not self._output.send(self.handle):
            self.fill(1)  # which sends, too
        if self._output is None or not self._output.pending(self.handle):
            self._unwatch_write()
        self.wake()

    def wake(self) -> None:
        """Whoever waits for something that is there now goes on."""
        if self.items or self.ended:
            _set(self._readers)
        if self._write_loop is None:
            _set(self._writers)

    def _unwatch_read(self) -> None:
        loop, self._loop = self._loop, None
        self._forget(loop, "remove_reader", self._fd)

    def _unwatch_write(self) -> None:
        loop, self._write_loop = self._write_loop, None
        if self._output is not None:
            self._forget(loop, "remove_writer", self._output.fd)

    def _forget(self, loop: asyncio.AbstractEventLoop | None, method: str, fd: int) -> None:
        if loop is None or loop.is_closed():
            return
        if threading.get_ident() == self._thread:
            getattr(loop, method)(fd)
        else:
            # The handle is an argument so that its descriptor is not another one's by then.
            loop.call_soon_threadsafe(_remove, getattr(loop, method), fd, self._handle)

    def unwatch(self) -> None:
        self._unwatch_read()
        self._unwatch_write()

    def close(self) -> None:
        """Nothing comes any more; whoever waits is told of the end."""
        self.items.clear()
        self.ended = True
        self.unwatch()
        self.wake()
        self._handle = None  # and free, if no call has it

    def __del__(self) -> None:
        if hasattr(self, "_thread"):
            self.unwatch()


async def _wait(waiters: deque[asyncio.Future[None]]) -> None:
    waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    waiters.append(waiter)
    try:
        await waiter
    finally:
        if waiter in waiters:
            waiters.remove(waiter)


def _set(waiters: deque[asyncio.Future[None]]) -> None:
    while waiters:
        waiter = waiters.popleft()
        if not waiter.done():
            waiter.set_result(None)


def _readable(me: weakref.ref[Source]) -> None:
    source = me()
    if source is not None:
        source.on_readable()


def _writable(me: weakref.ref[Source]) -> None:
    source = me()
    if source is not None:
        source.on_writable()


def _remove(remove: Callable[[int], Any], fd: int, _handle: native.Handle | None) -> None:
    remove(fd)
