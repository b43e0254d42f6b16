# SPDX-License-Identifier: Apache-2.0
"""Sandboxes: live ones, and what the catalogue knows of them."""
from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Awaitable, Generator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from . import _pool
from . import exec as _exec
from . import logs as _logs
from ._convert import StrPath, labels, ms, text
from ._enums import LogSource
from ._library import home, native
from .errors import MicrosandboxError
from .exec import ExecHandle, ExecOutput, ExitStatus, Rlimit, StdinLike
from .fs import SandboxFs
from .image import PullEvent, teller
from .metrics import Metrics, MetricsStream
from .options import SandboxOptions, options_json
from .snapshot import Snapshot, SnapshotHandle

if TYPE_CHECKING:
    from typing_extensions import Unpack

STOP_TIMEOUT = 10.0
CONNECT_TIMEOUT = 10.0


class _Common:
    """What live sandboxes and handles both do; each by name, or by what the subclass has."""

    name: str

    async def _native(self) -> native.Handle:
        raise NotImplementedError

    async def stop(self, timeout: float = STOP_TIMEOUT) -> str:
        """Have the guest flush and power off; killed when the time is up, which is no error.

        Says how it went: "graceful", "forced", or "not_running".
        """
        limit = ms(timeout)
        return await _pool.call(native.sandbox_stop, await self._native(), limit)

    async def stop_with_timeout(self, timeout: float) -> str:
        """stop(timeout); 0 kills at once."""
        return await self.stop(timeout)

    async def kill(self) -> None:
        """At once: what the guest has not written yet is lost."""
        await self.stop(0)

    async def request_stop(self) -> None:
        """Ask the guest to power off, and do not wait for it."""
        await _pool.call(native.sandbox_request_stop, await self._native())

    async def wait(self) -> ExitStatus:
        """Until it has ended, whoever started it: the code of its startup command, or -1."""
        end = await _pool.call(native.sandbox_wait, await self._native(), -1)
        assert end is not None  # there was no limit
        return ExitStatus(end[2], end[2] == 0)

    def logs(self, tail: int | None = None, since_ms: float | None = None,
             until_ms: float | None = None, sources: Sequence[LogSource | str] | None = None
             ) -> Awaitable[list[_logs.LogEntry]]:
        """What it has logged so far, by time."""
        return _logs.read_logs(self.name, tail, since_ms, until_ms, sources)

    read_logs = logs

    def log_stream(self, sources: Sequence[LogSource | str] | None = None,
                   since_ms: float | None = None, from_cursor: str | None = None,
                   until_ms: float | None = None, follow: bool = False) -> _logs.LogStream:
        """Its log: iterate it, with or without awaiting it first."""
        return _logs.log_stream(self.name, sources, since_ms, from_cursor, until_ms, follow)

    async def metrics(self) -> Metrics:
        """The latest sample."""
        return Metrics(**await _pool.call(native.sandbox_metrics, await self._native()))

    def metrics_stream(self, interval: float = 1.0) -> MetricsStream:
        """A sample now and then: iterate it, with or without awaiting it first."""
        return MetricsStream(self.metrics, ms(interval) / 1000)

    async def network(self) -> dict[str, Any]:
        """Addresses, published ports and policy as they apply (docs/json.md)."""
        found: dict[str, Any] = json.loads(
            await _pool.call(native.sandbox_network_json, await self._native()))
        return found


def _optional(value: Any) -> str | None:
    return None if value is None else str(value)


class SandboxHandle(_Common):
    """What the catalogue knew of a sandbox when it was asked; refresh() asks again."""

    def __init__(self, info: dict[str, Any]) -> None:
        self._info = info
        self.name = info["name"]

    def __repr__(self) -> str:
        return f"<SandboxHandle {self.name} {self.status}>"

    @property
    def status(self) -> str:
        """running, draining, paused, stopped or crashed."""
        return str(self._info["status"]).lower()

    @property
    def image(self) -> str | None:
        return _optional(self._info["image"])

    @property
    def config_json(self) -> str:
        return str(self._info["config_json"])

    def config(self) -> dict[str, Any]:
        """Its stored configuration (docs/json.md)."""
        found: dict[str, Any] = json.loads(self.config_json)
        return found

    @property
    def created_at(self) -> float:
        """In ms since 1970, as the other times."""
        return float(self._info["created_ms"])

    @property
    def updated_at(self) -> float:
        return float(self._info["updated_ms"])

    @property
    def created(self) -> datetime:
        return _logs.EPOCH + timedelta(milliseconds=self._info["created_ms"])

    @property
    def labels(self) -> dict[str, str]:
        return dict(self._info["labels"])

    @property
    def ephemeral(self) -> bool:
        return bool(self._info["ephemeral"])

    @property
    def exit_reason(self) -> str | None:
        """Why the last boot ended: "Completed", "IdleTimeout", ..."""
        return _optional(self._info["exit_reason"])

    @property
    def exit_cause(self) -> str | None:
        return _optional(self._info["exit_cause"])

    @property
    def pid(self) -> int | None:
        """Of its process on the host."""
        return None if self._info["pid"] < 0 else int(self._info["pid"])

    @property
    def log_dir(self) -> str:
        return str(self._info["log_dir"])

    @property
    def agent_socket(self) -> str:
        return str(self._info["agent_socket"])

    async def _native(self) -> native.Handle:
        return await _pool.call(lambda token: native.sandbox_get(home(), self.name, token))

    async def refresh(self) -> SandboxHandle:
        self._info = native.sandbox_info(await self._native())
        return self

    async def start(self, *, detached: bool = False) -> Sandbox:
        """Boot it again, as it was made."""
        return await Sandbox.start(self.name, detached=detached)

    async def connect(self) -> Sandbox:
        """A live object for one that runs, which nothing happens to when that is let go of."""
        return await self.connect_with_timeout(CONNECT_TIMEOUT)

    async def connect_with_timeout(self, timeout: float) -> Sandbox:
        """TimeoutError: its agent did not answer."""
        limit = ms(timeout)
        return Sandbox(await _pool.call(lambda token: native.sandbox_connect(
            home(), self.name, limit, token)), self.name, False)

    async def remove(self, *, force: bool = False) -> None:
        """Its files and its name; force kills it first."""
        await _pool.call(native.sandbox_remove, await self._native(), force)

    async def snapshot(self, name: str) -> SnapshotHandle:
        """What it wrote above its image, when it has stopped."""
        return await Snapshot.create(self.name, name=name)

    async def snapshot_to(self, path: StrPath) -> SnapshotHandle:
        return await Snapshot.create(self.name, path=path)


class _Life:
    """What a sandbox and its files share, so that they do not keep each other."""

    def __init__(self, handle: native.Handle, name: str) -> None:
        self.handle: native.Handle | None = handle
        self.name = name

    def live(self) -> native.Handle:
        if self.handle is None:
            raise RuntimeError(f"sandbox {self.name!r} was consumed: detached, removed or closed")
        return self.handle


class Sandbox(_Common):
    """A sandbox that runs, or ran. One that is owned stops when this object is let go of."""

    def __init__(self, handle: native.Handle, name: str, owns_lifecycle: bool) -> None:
        self._life = _Life(handle, name)
        self._owns = owns_lifecycle
        self.name = name
        self._files = SandboxFs(self._life.live)

    def __repr__(self) -> str:
        return f"<Sandbox {self.name}>"

    # ---- of the catalogue

    @staticmethod
    async def create(name: str | None = None, **options: Unpack[SandboxOptions]) -> Sandbox:
        """Make a sandbox, boot it, and wait until the guest is ready. Without a name, one is made
        up. The options are those of SandboxOptions."""
        return await _create(name, options_json(options), None)

    @staticmethod
    def create_with_progress(name: str | None = None, **options: Unpack[SandboxOptions]
                             ) -> PullSession:
        """The same, and what happens while the image is pulled. To be called on a loop."""
        return PullSession(name, options_json(options))

    @staticmethod
    async def start(name: str, *, detached: bool = False) -> Sandbox:
        """Boot a stopped one, as it was made."""
        def boot(token: Any) -> native.Handle:
            handle = native.sandbox_get(home(), name, token)
            native.sandbox_start(handle, not detached, token)
            return handle

        text(name, "a name")
        return Sandbox(await _pool.call(boot), name, not detached)

    @staticmethod
    async def get(name: str) -> SandboxHandle:
        text(name, "a name")
        return SandboxHandle(await _pool.call(
            lambda token: native.sandbox_info(native.sandbox_get(home(), name, token))))

    @staticmethod
    async def connect(name: str, *, timeout: float = CONNECT_TIMEOUT) -> Sandbox:
        """A live object for one that runs, which nothing happens to when that is let go of."""
        limit = ms(timeout)
        text(name, "a name")
        return Sandbox(await _pool.call(lambda token: native.sandbox_connect(
            home(), name, limit, token)), name, False)

    @staticmethod
    async def list(*, labels: Mapping[str, str] | None = None) -> list[SandboxHandle]:
        """All of them, or those with all of these labels; newest first."""
        wanted = _labels(labels)
        found = await _pool.call(lambda token: native.sandbox_list(home(), wanted, token))
        return [SandboxHandle(info) for info in found]

    @staticmethod
    async def remove(name: str, *, force: bool = False) -> None:
        """Its files and its name; force kills it first."""
        text(name, "a name")
        await _pool.call(lambda token: native.sandbox_remove(
            native.sandbox_get(home(), name, token), force, token))

    # ---- life

    async def _native(self) -> native.Handle:
        return self._live()

    def _live(self) -> native.Handle:
        return self._life.live()

    @property
    def owns_lifecycle(self) -> bool:
        """Does it stop when this object is let go of?"""
        return self._owns

    async def stop_and_wait(self, timeout: float = STOP_TIMEOUT) -> ExitStatus:
        """stop(), and the code of its startup command, or -1."""
        await self.stop(timeout)
        return await self.wait()

    async def detach(self) -> None:
        """It goes on running without this process; this object is used up."""
        handle = self._live()
        if self._owns:
            await _pool.call(native.sandbox_release, handle)
        self._consume()

    async def remove_persisted(self) -> None:
        """Remove it, when it has stopped; this object is used up."""
        await _pool.call(native.sandbox_remove, self._live(), False)
        self._consume()

    async def close(self) -> None:
        """Let go of it: one that is owned stops by itself, and nobody waits. May be repeated."""
        if self._life.handle is not None and self._owns:
            # Commands and connections that are still open would keep it alive.
            try:
                await self.request_stop()
            except MicrosandboxError:
                pass
        self._consume()

    def _consume(self) -> None:
        self._life.handle = None
        self._owns = False
        self._files._disconnect()

    async def ping(self, timeout: float = CONNECT_TIMEOUT) -> float:
        """Seconds until its agent answered. It may become idle nevertheless."""
        us = await _pool.call(native.sandbox_ping, self._live(), ms(timeout), False)
        return us / 1e6

    async def touch(self, timeout: float = CONNECT_TIMEOUT) -> None:
        """The time to its idle limit begins anew."""
        await _pool.call(native.sandbox_ping, self._live(), ms(timeout), True)

    async def __aenter__(self) -> Sandbox:
        return self

    async def __aexit__(self, *exc: object) -> None:
        """One that is owned is killed and removed, whatever becomes of that."""
        if self._life.handle is not None and self._owns:
            try:
                await _pool.call(native.sandbox_remove, self._live(), True)
            except MicrosandboxError:
                pass
        self._consume()

    # ---- commands

    async def exec(self, cmd: str, args: Sequence[str] | _exec.ExecOptions | None = None, *,
                   cwd: str | None = None, user: str | None = None,
                   env: Mapping[str, str] | None = None, timeout: float | None = None,
                   stdin: StdinLike | None = None, tty: bool = False,
                   rlimits: Sequence[Rlimit | Mapping[str, Any]] | None = None,
                   rows: int = 24, cols: int = 80) -> ExecOutput:
        """Run a program to its end. ExecFailedError, ExecTimeoutError."""
        options = dict(cwd=cwd, user=user, env=env, timeout=timeout, stdin=stdin, tty=tty,
                       rlimits=rlimits, rows=rows, cols=cols)
        return await _exec.run(self._live(), _exec.words(cmd, args, options))

    async def exec_stream(self, cmd: str, args: Sequence[str] | _exec.ExecOptions | None = None, *,
                          cwd: str | None = None, user: str | None = None,
                          env: Mapping[str, str] | None = None, timeout: float | None = None,
                          stdin: StdinLike | None = None, tty: bool = False,
                          rlimits: Sequence[Rlimit | Mapping[str, Any]] | None = None,
                          rows: int = 24, cols: int = 80) -> ExecHandle:
        """Start a program; the handle has its events and its input."""
        options = dict(cwd=cwd, user=user, env=env, timeout=timeout, stdin=stdin, tty=tty,
                       rlimits=rlimits, rows=rows, cols=cols)
        return await _exec.start(self._live(), _exec.words(cmd, args, options))

    async def shell(self, script: str, *, cwd: str | None = None, user: str | None = None,
                    env: Mapping[str, str] | None = None, timeout: float | None = None,
                    stdin: StdinLike | None = None, tty: bool = False,
                    rlimits: Sequence[Rlimit | Mapping[str, Any]] | None = None,
                    rows: int = 24, cols: int = 80) -> ExecOutput:
        """Run a script of the sandbox's shell to its end."""
        return await _exec.run(self._live(), _exec.command(
            None, text(script, "a script"), cwd=cwd, user=user, env=env, timeout=timeout,
            stdin=stdin, tty=tty, rlimits=rlimits, rows=rows, cols=cols))

    async def shell_stream(self, script: str, *, cwd: str | None = None, user: str | None = None,
                           env: Mapping[str, str] | None = None, timeout: float | None = None,
                           stdin: StdinLike | None = None, tty: bool = False,
                           rlimits: Sequence[Rlimit | Mapping[str, Any]] | None = None,
                           rows: int = 24, cols: int = 80) -> ExecHandle:
        """Start a script of the sandbox's shell."""
        return await _exec.start(self._live(), _exec.command(
            None, text(script, "a script"), cwd=cwd, user=user, env=env, timeout=timeout,
            stdin=stdin, tty=tty, rlimits=rlimits, rows=rows, cols=cols))

    async def reattach(self) -> ExecHandle:
        """The command that ExecHandle.detach() left most recently, and that still runs."""
        return ExecHandle(await _pool.call(native.exec_attach, self._live()), True)

    @property
    def fs(self) -> SandboxFs:
        """Files of the guest."""
        self._live()
        return self._files


_labels = labels  # list() has an argument of that name


async def _create(name: str | None, options: tuple[str, bool], tell: Any) -> Sandbox:
    described, attached = options

    def create(token: Any) -> tuple[native.Handle, str]:
        handle = native.sandbox_create(home(), name, described, tell, token)
        return handle, native.sandbox_info(handle)["name"]

    return Sandbox(*await _pool.call(create), attached)


class PullSession:
    """A sandbox that is being made: progress has the events, result() the sandbox."""

    def __init__(self, name: str | None, options: tuple[str, bool]) -> None:
        self.progress = PullProgress()
        self._task = asyncio.ensure_future(
            _create(name, options, teller(self.progress._add)))
        self._task.add_done_callback(self.progress._finish)
        self._taken = False

    async def result(self) -> Sandbox:
        """The sandbox, once."""
        if self._taken:
            raise RuntimeError("the result was taken already")
        self._taken = True
        return await self._task

    def __await__(self) -> Generator[Any, None, Sandbox]:
        return self.result().__await__()

    async def __aenter__(self) -> PullSession:
        return self

    async def __aexit__(self, *exc: object) -> None:
        """Wait for the end of it; an error that nobody asked for is swallowed."""
        await asyncio.wait([self._task])
        if not self._task.cancelled():
            self._task.exception()


class PullProgress:
    """What happens while an image is pulled: iterate it. It ends when the sandbox is there, or
    has failed."""

    def __init__(self) -> None:
        self._events: deque[PullEvent] = deque()
        self._ended = False
        self._news = asyncio.Event()

    def _add(self, event: PullEvent) -> None:
        self._events.append(event)
        self._news.set()

    def _finish(self, _task: asyncio.Future[Sandbox]) -> None:
        self._ended = True
        self._news.set()

    async def recv(self) -> PullEvent | None:
        """The next event, or None."""
        while not self._events:
            if self._ended:
                return None
            self._news.clear()
            await self._news.wait()
        return self._events.popleft()

    def __aiter__(self) -> PullProgress:
        return self

    async def __anext__(self) -> PullEvent:
        event = await self.recv()
        if event is None:
            raise StopAsyncIteration
        return event


__all__ = ["PullProgress", "PullSession", "Sandbox", "SandboxHandle"]
