# SPDX-License-Identifier: Apache-2.0
"""Calls of the library that wait, on threads of the package's own.

asyncio's executor has few threads, which is fine for short calls; here a call may last as long as
a command, and no call may stand behind others, so a thread is started whenever none is free.
"""
from __future__ import annotations

import asyncio
import os
import queue
import threading
from collections.abc import Callable
from typing import Any, TypeVar

from ._library import native

T = TypeVar("T")
IDLE_MAX = 16  # threads, and tokens, that stay for later calls

_lock = threading.Lock()
_idle = 0
_tokens: list[native.Handle] = []
_jobs: queue.SimpleQueue[_Job] = queue.SimpleQueue()


class _Job:
    __slots__ = ("args", "ended", "error", "fn", "future", "loop", "result", "token")

    def __init__(self, fn: Callable[..., Any], args: tuple[Any, ...]) -> None:
        self.fn, self.args = fn, args
        self.loop = asyncio.get_running_loop()
        self.future: asyncio.Future[Any] = self.loop.create_future()
        self.ended: asyncio.Future[None] | None = None
        self.token = _tokens.pop() if _tokens else native.cancel_new()
        self.result: Any = None
        self.error: BaseException | None = None

    def give_back(self) -> None:
        """The token, which was not triggered, is good for another call."""
        if len(_tokens) < IDLE_MAX:
            _tokens.append(self.token)

    def run(self) -> None:
        """On a thread of the pool."""
        try:
            self.result = self.fn(*self.args, self.token)
        except BaseException as e:  # whatever it is, it is the caller's
            self.error = e.with_traceback(None)
        try:
            self.loop.call_soon_threadsafe(self.finish)
        except RuntimeError:
            pass  # the loop is closed: nobody waits

    def finish(self) -> None:
        """On the loop."""
        if self.ended is not None:
            if not self.ended.done():
                self.ended.set_result(None)
        elif self.error is not None:
            if not self.future.done():
                self.future.set_exception(self.error)
        elif not self.future.done():
            self.future.set_result(self.result)
        self.error = self.result = None


def _work() -> None:
    global _idle
    while True:
        job = _jobs.get()
        job.run()
        del job  # what it refers to is not to live until the next one
        with _lock:
            if _idle >= IDLE_MAX:
                return
            _idle += 1


def _submit(job: _Job) -> None:
    global _idle
    with _lock:
        start = _idle == 0
        if not start:
            _idle -= 1
    if start:
        threading.Thread(target=_work, name="microsandbox", daemon=True).start()
    _jobs.put(job)


async def call(fn: Callable[..., T], *args: Any) -> T:
    """fn(*args, token), on a thread.

    A task that is cancelled meanwhile triggers the token and goes on when the call has undone what
    it had begun, so that nothing is left that nobody knows of.
    """
    job = _Job(fn, args)
    _submit(job)
    try:
        result: T = await job.future
    except asyncio.CancelledError:
        native.cancel_trigger(job.token)  # and is good for nothing else any more
        if job.ended is None:
            job.ended = job.loop.create_future()
            await job.ended
        raise
    except BaseException:
        job.give_back()
        raise
    job.give_back()
    return result


def _after_fork() -> None:
    """A child has none of its parent's threads."""
    global _lock, _idle, _tokens, _jobs
    _lock, _idle, _tokens, _jobs = threading.Lock(), 0, [], queue.SimpleQueue()


os.register_at_fork(after_in_child=_after_fork)
