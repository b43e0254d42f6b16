# SPDX-License-Identifier: Apache-2.0
"""Commands in a guest."""
from __future__ import annotations

import asyncio
import signal as _signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypedDict, Union

from . import _pool
from ._convert import integer, make, ms, pairs, text, texts
from ._enums import RlimitResource
from ._library import native
from ._stream import Output, Source
from .errors import ExecTimeoutError, MicrosandboxError

RLIM_INFINITY = (1 << 64) - 1
BATCH = 1 << 20  # bytes of events that are fetched at once
KEEP = 32  # events that nobody has taken, before the command has to wait


@dataclass(frozen=True)
class Rlimit:
    """A limit of resources; without hard, it is soft, too. RLIM_INFINITY is none."""

    resource: RlimitResource | str
    soft: int
    hard: int | None = None

    @classmethod
    def nofile(cls, soft: int, hard: int | None = None) -> Rlimit:
        return cls(RlimitResource.NOFILE, soft, hard)

    @classmethod
    def cpu(cls, soft: int, hard: int | None = None) -> Rlimit:
        return cls(RlimitResource.CPU, soft, hard)

    @classmethod
    def as_(cls, soft: int, hard: int | None = None) -> Rlimit:
        return cls(RlimitResource.AS, soft, hard)

    @classmethod
    def nproc(cls, soft: int, hard: int | None = None) -> Rlimit:
        return cls(RlimitResource.NPROC, soft, hard)

    @classmethod
    def fsize(cls, soft: int, hard: int | None = None) -> Rlimit:
        return cls(RlimitResource.FSIZE, soft, hard)

    @classmethod
    def memlock(cls, soft: int, hard: int | None = None) -> Rlimit:
        return cls(RlimitResource.MEMLOCK, soft, hard)

    @classmethod
    def stack(cls, soft: int, hard: int | None = None) -> Rlimit:
        return cls(RlimitResource.STACK, soft, hard)

    def _limits(self) -> tuple[str, int, int]:
        soft = integer(self.soft, "soft")
        hard = soft if self.hard is None else integer(self.hard, "hard")
        return text(self.resource, "resource"), soft, hard


class Stdin:
    """What a command reads: nothing, what is written to its ExecSink, or these bytes."""

    def __init__(self, kind: str, data: bytes | None) -> None:
        self.kind, self.data = kind, data

    @classmethod
    def null(cls) -> Stdin:
        return cls("null", b"")

    @classmethod
    def pipe(cls) -> Stdin:
        return cls("pipe", None)

    @classmethod
    def bytes(cls, data: bytes) -> Stdin:
        return cls("bytes", bytes(data))

    @classmethod
    def _of(cls, value: StdinLike | None) -> Stdin:
        if value is None or value == "null":
            return cls.null()
        if isinstance(value, Stdin):
            return value
        if value == "pipe":
            return cls.pipe()
        if isinstance(value, (bytes, bytearray, memoryview)):
            return cls.bytes(value)
        if isinstance(value, str):
            raise ValueError(f"stdin is 'null', 'pipe' or bytes, not {value!r}")
        raise TypeError(f"stdin is a Stdin, a str or bytes, not {type(value).__name__}")


StdinLike = Union[Stdin, bytes, bytearray, memoryview, str]


class ExecOptions(TypedDict, total=False):
    """The options of exec() as one mapping, which may stand in the place of args."""

    args: Sequence[str]
    cwd: str | None
    user: str | None
    env: Mapping[str, str] | None
    timeout: float | None
    tty: bool
    stdin: StdinLike | None
    stdin_data: bytes
    rlimits: Sequence[Rlimit | Mapping[str, Any]] | None
    rows: int
    cols: int


class ExitStatus(NamedTuple):
    """How a command, or a sandbox, ended; code -1: by a signal, or nobody knows."""

    code: int
    success: bool
    signal: int = 0


@dataclass(frozen=True)
class ExecOutput:
    """How a collected command ended, and what it wrote."""

    exit_code: int
    signal: int
    stdout_bytes: bytes
    stderr_bytes: bytes
    truncated: bool = False
    """There was more than is kept (256 MiB of each)."""

    @property
    def success(self) -> bool:
        return self.exit_code == 0

    @property
    def stdout_text(self) -> str:
        return self.stdout_bytes.decode()

    @property
    def stderr_text(self) -> str:
        return self.stderr_bytes.decode()


@dataclass(frozen=True)
class ExecEvent:
    """What happens to a command: started, stdout, stderr, stdin_error or exited."""

    event_type: str
    data: bytes = b""
    pid: int | None = None
    code: int | None = None
    signal: int | None = None
    message: str | None = None


def _event(kind: str, data: bytes, pid: int, code: int, signal: int) -> ExecEvent:
    if kind in ("stdout", "stderr"):
        return ExecEvent(kind, data)
    if kind == "started":
        return ExecEvent(kind, pid=pid)
    if kind == "exited":
        return ExecEvent(kind, code=code, signal=signal)
    return ExecEvent(kind, message=data.decode(errors="replace"))


# argv, script, env, cwd, user, rlimits, timeout in ms, stdin, tty, rows, cols, bytes kept
Command = tuple[Any, ...]


def command(argv: list[str] | None, script: str | None, *, cwd: str | None = None,
            user: str | None = None, env: Mapping[str, str] | None = None,
            timeout: float | None = None, stdin: StdinLike | None = None,
            stdin_data: bytes | None = None, tty: bool = False,
            rlimits: Sequence[Rlimit | Mapping[str, Any]] | None = None, rows: int = 24,
            cols: int = 80) -> Command:
    """A command as the C part takes it."""
    if stdin_data is not None:
        stdin = Stdin.bytes(stdin_data)
    limits = [make(Rlimit, item)._limits() for item in rlimits or ()]
    limit = 0 if timeout is None else max(1, ms(timeout))  # 0 would be none
    return (argv, script, list(pairs(env or {}, "env").items()), cwd, user, limits, limit,
            Stdin._of(stdin).data, bool(tty), integer(rows, "rows"), integer(cols, "cols"), 0)


def words(cmd: str, args: Sequence[str] | Mapping[str, Any] | None,
          options: dict[str, Any]) -> Command:
    """args may be all options in one mapping, which win over keywords."""
    more: Sequence[str] | None = None
    to_dict = getattr(args, "_to_dict", None)
    if to_dict is not None:
        args = to_dict()
    if isinstance(args, Mapping):
        options = {**options, **args}
        more = options.pop("args", None)
    elif args is not None:
        more = args
    argv = [text(cmd, "the command"), *texts(more, "args")] if more is not None else [
        text(cmd, "the command")]
    return command(argv, None, **options)


async def run(sandbox: native.Handle, cmd: Command) -> ExecOutput:
    if cmd[7] is None:
        raise ValueError("nobody can write to a command that is collected: use exec_stream()")
    try:
        return _output(await _pool.call(native.exec_run, sandbox, cmd))
    except ExecTimeoutError as e:
        if isinstance(e.output, tuple):
            e.output = _output(e.output)
        raise


def _output(result: tuple[int, int, bytes, bytes, bool]) -> ExecOutput:
    return ExecOutput(*result)


async def start(sandbox: native.Handle, cmd: Command) -> ExecHandle:
    handle = await _pool.call(native.exec_start, sandbox, cmd)
    return ExecHandle(handle, cmd[7] is None)


class ExecHandle:
    """A command that runs. Letting go of it, and the end of `async with`, kill the command."""

    def __init__(self, handle: native.Handle, has_stdin: bool) -> None:
        output = Output(native.exec_stdin_fd(handle), native.exec_wants_write, _send)
        self._source = Source(handle, native.exec_fd(handle), native.exec_poll, BATCH, output,
                              KEEP)
        self._sink = ExecSink(self._source) if has_stdin else None
        self._end: ExitStatus | None = None
        self._id = str(native.exec_id(handle))

    @property
    def id(self) -> str:
        """Of its session, unique within one boot of the sandbox."""
        return self._id

    def take_stdin(self) -> ExecSink | None:
        """Where its input goes: once, and only with stdin="pipe"."""
        sink, self._sink = self._sink, None
        return sink

    async def recv(self) -> ExecEvent | None:
        """The next event, or None after the last one.

        A program that could not be started is an ExecFailedError, a time limit an
        ExecTimeoutError.
        """
        item = await self._source.next()
        if item is None:
            return None
        event = _event(*item)
        if event.code is not None:
            self._end = ExitStatus(event.code, event.code == 0, event.signal or 0)
        return event

    def __aiter__(self) -> ExecHandle:
        return self

    async def __anext__(self) -> ExecEvent:
        event = await self.recv()
        if event is None:
            raise StopAsyncIteration
        return event

    async def wait(self) -> ExitStatus:
        """Until it has ended; what it still writes is dropped."""
        while self._end is None:
            if await self.recv() is None and self._end is None:
                raise RuntimeError("this command has been let go of")
        return self._end

    async def collect(self) -> ExecOutput:
        """What it writes from now on, and how it ends."""
        out: list[bytes] = []
        err: list[bytes] = []
        try:
            async for event in self:
                if event.event_type == "stdout":
                    out.append(event.data)
                elif event.event_type == "stderr":
                    err.append(event.data)
        except ExecTimeoutError as e:
            e.output = ExecOutput(-1, _signal.SIGKILL, b"".join(out), b"".join(err))
            raise
        end = await self.wait()
        return ExecOutput(end.code, end.signal, b"".join(out), b"".join(err))

    async def signal(self, sig: int) -> None:
        """Send it a signal, whoever waits for its events; behind the input that it was sent, but
        that a SIGKILL does not wait for a command that does not read."""
        native.exec_signal(self._source.handle, int(sig))
        self._source.flush()
        self._source.watch()  # the library sees to that when it is asked for events

    async def kill(self) -> None:
        await self.signal(_signal.SIGKILL)

    async def resize(self, rows: int, cols: int) -> None:
        """The size of its terminal."""
        native.exec_resize(self._source.handle, rows, cols)
        self._source.flush()

    async def detach(self) -> None:
        """Leave it running without this client; this object is used up."""
        handle = self._source.handle
        self._source.close()
        await _pool.call(native.exec_detach, handle)

    async def close(self) -> None:
        """Let go of it, and kill it, if it runs. May be repeated."""
        self._source.close()

    async def __aenter__(self) -> ExecHandle:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.close()


def _send(handle: native.Handle) -> bool:
    try:
        native.exec_write(handle, b"", 0)
    except MicrosandboxError:
        return False  # input is closed
    return True


class ExecSink:
    """Standard input of a command."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._lock = asyncio.Lock()
        self._closed = False

    async def write(self, data: bytes | bytearray | memoryview | str) -> None:
        """All of it has been taken when this returns; a command that does not read holds it up."""
        data = data.encode() if isinstance(data, str) else bytes(data)
        async with self._lock:
            if self._closed:
                raise ValueError("standard input is closed")
            offset = 0
            while offset < len(data) and not self._source.ended:
                offset += native.exec_write(self._source.handle, data, offset)
                if offset < len(data):
                    await self._source.flushed()
            self._source.flush()

    async def close(self) -> None:
        """Its end; may be repeated."""
        async with self._lock:
            if not self._closed:
                self._closed = True
                if not self._source.ended:
                    native.exec_close_stdin(self._source.handle)
                    self._source.flush()

    async def __aenter__(self) -> ExecSink:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.close()
