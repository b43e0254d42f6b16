# SPDX-License-Identifier: Apache-2.0
"""The life of sandboxes as objects of Python."""
import asyncio
import os
import subprocess
import sys

import microsandbox as m
import pytest
from conftest import until


async def names():
    return {h.name for h in await m.Sandbox.list()}


def test_context_manager_removes_what_it_owns(run, name):
    async def main():
        with pytest.raises(ZeroDivisionError):
            async with await m.Sandbox.create(name, image="busybox") as sb:
                assert sb.name == name and sb.owns_lifecycle
                assert name in await names()
                raise ZeroDivisionError
        assert name not in await names()
        with pytest.raises(RuntimeError, match="consumed"):
            await sb.exec("true")
    run(main)


def test_detached_stays(run, name):
    async def main():
        async with await m.Sandbox.create(name, image="busybox", detached=True) as sb:
            assert not sb.owns_lifecycle
        handle = await m.Sandbox.get(name)
        assert handle.status == m.SandboxStatus.RUNNING
        async with await handle.connect_with_timeout(5) as again:
            assert (await again.exec("echo", ["x"])).stdout_text == "x\n"
        assert await handle.stop_with_timeout(0) == "forced"
        assert await handle.stop() == "not_running"
        assert (await handle.refresh()).status == "stopped"
        with pytest.raises(m.SandboxStateError):
            await handle.connect()
        await handle.remove()
        with pytest.raises(m.SandboxNotFoundError) as e:
            await m.Sandbox.get(name)
        assert e.value.detail == name and e.value.kind == "sandbox_not_found"
    run(main)


def test_garbage_stops_what_is_owned(run, name):
    async def main():
        sb = await m.Sandbox.create(name, image="busybox")
        del sb

        async def stopped():
            return (await m.Sandbox.get(name)).status != "running"
        await until(stopped, "it to stop")
        await m.Sandbox.remove(name, force=True)
    run(main)


def test_start_again_and_detach(run, name):
    async def main():
        sb = await m.Sandbox.create(name, image="busybox")
        await sb.fs.write("/root/kept", b"1")
        assert await sb.stop() == "graceful"
        await sb.close()
        sb = await (await m.Sandbox.get(name)).start()
        assert await sb.fs.read("/root/kept") == b"1"
        await sb.detach()
        assert (await m.Sandbox.get(name)).status == "running"
        await m.Sandbox.remove(name, force=True)
    run(main)


def test_cancelled_create_leaves_nothing(run, name):
    async def main():
        cancelled = 0
        for delay in (0, 0.01, 0.05):
            task = asyncio.ensure_future(m.Sandbox.create(name, image="busybox"))
            await asyncio.sleep(delay)
            task.cancel()
            try:
                await (await task).close()  # it was quicker
            except asyncio.CancelledError:
                cancelled += 1

            async def gone():
                found = [h for h in await m.Sandbox.list() if h.name == name]
                return not found or found[0].status != "running"
            await until(gone, "it to be gone")
            if name in await names():
                await m.Sandbox.remove(name, force=True)
        assert cancelled
    run(main)


def test_progress(run, name):
    async def main():
        async with m.Sandbox.create_with_progress(name, image="busybox") as session:
            events = [e async for e in session.progress]
            sb = await session.result()
            with pytest.raises(RuntimeError):
                await session.result()
        assert all(e.reference is None or "busybox" in e.reference for e in events)
        await m.Sandbox.remove(sb.name, force=True)
        async with m.Sandbox.create_with_progress(name, image="./no-such-root") as session:
            pass  # its error is nobody's
        with pytest.raises(m.MicrosandboxError):
            await session.result()
    run(main)


def test_other_tasks_go_on(run, name):
    """Nothing that waits holds up the loop."""
    async def main():
        async with await m.Sandbox.create(name, image="busybox") as sb:
            ticks = 0

            async def tick():
                nonlocal ticks
                while True:
                    await asyncio.sleep(0.01)
                    ticks += 1
            ticker = asyncio.ensure_future(tick())
            await asyncio.gather(*(sb.exec("sleep", ["0.5"]) for _ in range(20)))
            ticker.cancel()
            assert ticks > 5
    run(main)


def test_metrics(run, name):
    async def main():
        async with await m.Sandbox.create(name, image="busybox", metrics_interval=0.1) as sb:
            found = []
            async for sample in sb.metrics_stream(0.1):
                found.append(sample)
                if len(found) == 3:
                    break
            assert found[0].uptime_ms < found[2].uptime_ms
            assert (await m.all_sandbox_metrics())[name].uptime_ms >= found[2].uptime_ms
            stream = sb.metrics_stream(0.05)
            assert await stream.recv()
            await sb.stop()
            while await stream.recv() is not None:
                pass
    run(main)


def test_forked_child_has_its_own(run, name):
    """A child may use the package, and leaves its parent's objects alone."""
    async def main():
        async with await m.Sandbox.create(name, image="busybox") as sb:
            pid = os.fork()
            if pid == 0:
                code = 1
                try:
                    with pytest.raises(RuntimeError):
                        asyncio.run(sb.exec("true"))
                    del sb
                    found = asyncio.run(m.Sandbox.get(name))
                    code = 0 if found.status == "running" else 2
                finally:
                    os._exit(code)
            _, status = await asyncio.get_running_loop().run_in_executor(None, os.waitpid, pid, 0)
            assert os.waitstatus_to_exitcode(status) == 0
            assert (await sb.exec("true")).success
    run(main)


def test_interpreter_ends_while_calls_wait(name):
    """Neither a hang nor a crash, and the sandbox goes with its owner."""
    script = """
import asyncio, sys, microsandbox as m
async def main():
    sb = await m.Sandbox.create(sys.argv[1], image="busybox")
    asyncio.ensure_future(sb.exec("sleep", ["1000"]))
    await asyncio.sleep(0.2)
    sys.exit(7)
asyncio.run(main())
"""
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    p = subprocess.run([sys.executable, "-X", "dev", "-c", script, name], env=env, timeout=120,
                       capture_output=True, text=True)
    assert p.returncode == 7, p.stderr
    assert "Fatal" not in p.stderr
    asyncio.run(m.Sandbox.remove(name, force=True))
