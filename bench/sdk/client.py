#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What client.c does, by the package for Python."""
import asyncio
import sys
import time

from microsandbox import Sandbox


async def stream(sandbox, size):
    total = 0
    async for event in await sandbox.exec_stream("head", ["-c", str(size), "/dev/zero"]):
        if event.event_type == "stdout":
            total += len(event.data)
    assert total == size


async def main():
    sandbox = await (await Sandbox.get("bench")).connect()
    for line in sys.stdin:
        what, n = line.split()
        start = time.perf_counter()
        if what == "exec":
            took = []
            for _ in range(int(n)):
                start = time.perf_counter()
                await sandbox.exec("true")
                took.append(time.perf_counter() - start)
        else:
            if what == "stream":
                await stream(sandbox, int(n))
            else:
                await asyncio.gather(*(sandbox.exec("true") for _ in range(int(n))))
            took = [time.perf_counter() - start]
        print(*(round(t * 1e6) for t in took), flush=True)


asyncio.run(main())
