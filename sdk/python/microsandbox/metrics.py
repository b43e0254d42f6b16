# SPDX-License-Identifier: Apache-2.0
"""What sandboxes use."""
from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from . import _pool
from ._library import home, native
from .errors import MetricsUnavailableError
from .logs import EPOCH


@dataclass(frozen=True)
class Metrics:
    """One sample of a sandbox."""

    name: str
    state: str
    """running, stalled (no sample for three intervals) or exited."""
    cpus: int
    cpu_percent: float
    """Over the last interval; 100 is one whole CPU."""
    cpu_time_us: int
    memory_bytes: int
    """Of the host."""
    memory_limit_bytes: int
    guest_memory_bytes: int
    guest_memory_total_bytes: int
    disk_read_bytes: int
    disk_write_bytes: int
    net_rx_bytes: int
    net_tx_bytes: int
    disk_read_rate: int
    """Bytes per second between the last two samples, as the other rates."""
    disk_write_rate: int
    net_rx_rate: int
    net_tx_rate: int
    uptime_ms: int
    """At the time of the sample."""
    timestamp_ms: int
    started_ms: int
    interval_ms: int

    @property
    def timestamp(self) -> datetime:
        return EPOCH + timedelta(milliseconds=self.timestamp_ms)

    @property
    def uptime(self) -> float:
        """In seconds."""
        return self.uptime_ms / 1000


async def all_sandbox_metrics() -> dict[str, Metrics]:
    """The latest sample of every sandbox of this home that runs and has one."""
    found = await _pool.call(lambda token: native.metrics_all(home(), False, token))
    return {sample["name"]: Metrics(**sample) for sample in found}


class MetricsStream:
    """A sample at once and then one per interval; it ends when the sandbox has ended."""

    def __init__(self, read: Callable[[], Awaitable[Metrics]], interval: float) -> None:
        self._read = read
        self._interval = interval
        self._due: float | None = None
        self._closed = False
        self._had_one = False

    def __await__(self) -> Any:
        return self._ready().__await__()

    async def _ready(self) -> MetricsStream:
        return self

    async def recv(self) -> Metrics | None:
        """The next sample, or None: the sandbox does not run any more."""
        loop = asyncio.get_running_loop()
        while not self._closed:
            if self._due is not None:
                await asyncio.sleep(self._due - loop.time())
            self._due = loop.time() + self._interval
            try:
                sample = await self._read()
            except MetricsUnavailableError:
                if self._had_one:
                    break
                # none has been taken yet, or it does not run at all
                raise
            self._had_one = True
            if sample.state == "exited":
                break
            return sample
        self._closed = True
        return None

    def __aiter__(self) -> MetricsStream:
        return self

    async def __anext__(self) -> Metrics:
        sample = await self.recv()
        if sample is None:
            raise StopAsyncIteration
        return sample

    async def close(self) -> None:
        self._closed = True

    async def __aenter__(self) -> MetricsStream:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.close()


__all__ = ["Metrics", "MetricsStream", "all_sandbox_metrics"]
