# SPDX-License-Identifier: Apache-2.0
"""Nothing is left: no handle of the library, no descriptor, no reference."""
import asyncio
import gc
import sys
import tracemalloc

import microsandbox as m
import pytest
from conftest import held


async def cancelled(task):
    """In a frame of its own: CPython keeps the latest CancelledError, with its frames."""
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def everything(sb):
    await sb.exec("echo", ["x"])
    with pytest.raises(m.ExecFailedError):
        await sb.exec("no-such-program")
    x = await sb.exec_stream("cat", stdin="pipe")
    sink = x.take_stdin()
    await sink.write(b"abc")
    await sink.close()
    await x.collect()
    async with await sb.exec_stream("sleep", ["100"]):
        pass
    abandoned = await sb.exec_stream("sh", ["-c", "echo x; sleep 100"])
    await abandoned.recv()
    await abandoned.recv()
    waiting = asyncio.ensure_future(abandoned.recv())
    await asyncio.sleep(0)
    await cancelled(waiting)
    await sb.fs.write("/tmp/x", b"1")
    await sb.fs.read("/tmp/x")
    with pytest.raises(m.PathNotFoundError):
        await sb.fs.read("/no/such")
    async with await sb.fs.read_stream("/tmp/x") as stream:
        await stream.collect()
    await sb.read_logs()
    followed = sb.log_stream(follow=True)
    await followed.recv()
    async with await m.AgentClient.connect_sandbox(sb.name) as client:
        client.ready()
    await sb.metrics_stream(0.1).recv()
    await m.Image.inspect("busybox")
    await m.Sandbox.list()
    with pytest.raises(m.SandboxNotFoundError):
        await m.Sandbox.get("no-such")
    task = asyncio.ensure_future(sb.exec("sleep", ["100"]))
    await asyncio.sleep(0.05)
    await cancelled(task)


def test_handles_and_descriptors(run, name):
    async def main():
        async with await m.Sandbox.create(name, image="busybox", metrics_interval=0.05) as sb:
            await sb.metrics_stream(0.1).recv()
            await everything(sb)
            before = held()
            for _ in range(5):
                await everything(sb)
            handles, descriptors = held()
            assert handles == before[0]
            assert handles["exec"] == handles["log"] == handles["agent"] == 0
            assert descriptors <= before[1] + 8  # tokens of cancelled calls, at most
    run(main)
    handles, _ = held()
    assert set(handles.values()) == {0}


def test_memory(run, name):
    """References that C forgot would keep objects that Python has forgotten."""
    async def main():
        async with await m.Sandbox.create(name, image="busybox", metrics_interval=0.05) as sb:
            await sb.metrics_stream(0.1).recv()

            async def many(n):
                for _ in range(n):
                    await sb.exec("true", ["some", "words"], env={"A": "b"})
                    with pytest.raises(m.PathNotFoundError):
                        await sb.fs.read("/no/such")
                    await sb.metrics()
                    await sb.fs.list("/")
                    await m.Sandbox.get(name)
                gc.collect()
            await many(10)
            tracemalloc.start()
            try:
                await many(5)
                before, _ = tracemalloc.get_traced_memory()
                await many(100)
                after, _ = tracemalloc.get_traced_memory()
            finally:
                tracemalloc.stop()
            assert after - before < 64 << 10, f"{after - before} bytes more"
    run(main)


def test_arguments_are_not_kept(run, name):
    async def main():
        async with await m.Sandbox.create(name, image="busybox") as sb:
            data = bytes(1000)
            words = ["a", "b"]
            await sb.exec("true", words, stdin=data)
            counts = [sys.getrefcount(data), sys.getrefcount(words), sys.getrefcount(None)]
            for _ in range(50):
                await sb.exec("true", words, stdin=data)
                await sb.fs.write("/tmp/x", data)
            gc.collect()
            assert sys.getrefcount(data) <= counts[0]
            assert sys.getrefcount(words) <= counts[1]
            assert abs(sys.getrefcount(None) - counts[2]) < 50
    run(main)
