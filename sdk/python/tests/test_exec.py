# SPDX-License-Identifier: Apache-2.0
"""Commands, their streams, and control that does not wait for data."""
import asyncio
import signal

import microsandbox as m
import pytest


@pytest.fixture(scope="module")
def box():
    """One sandbox for all of these."""
    async def make():
        await (await m.Sandbox.create("py-exec", image="busybox", detached=True)).close()
    asyncio.run(make())
    yield "py-exec"
    asyncio.run(m.Sandbox.remove("py-exec", force=True))


@pytest.fixture
def with_box(run, box):
    def runner(fn):
        async def main():
            async with await m.Sandbox.connect(box) as sb:
                await fn(sb)
        run(main)
    return runner


def test_options_of_commands(with_box):
    async def main(sb):
        out = await sb.exec("sh", ["-c", "pwd; echo $A; id -un; cat; ulimit -n; exit 3"], cwd="/tmp",
                            user="nobody", env={"A": "b"}, stdin=b"in\n", timeout=60.0,
                            rlimits=[m.Rlimit.nofile(77)])
        assert (out.exit_code, out.success) == (3, False)
        assert out.stdout_text == "/tmp\nb\nnobody\nin\n77\n"
        assert (await sb.shell("echo $0 $X", env={"X": "y"})).stdout_text == "/bin/sh y\n"
        tty = await sb.exec("sh", ["-c", "stty size; tty"], tty=True, rows=11, cols=22)
        assert tty.stdout_text.startswith("11 22\r\n/dev/")
    with_box(main)


def test_errors(with_box):
    async def main(sb):
        with pytest.raises(m.ExecFailedError) as failed:
            await sb.exec("no-such-program")
        assert failed.value.details["kind"] == "not_found" and failed.value.errno == 2
        with pytest.raises(m.ExecTimeoutError) as late:
            await sb.exec("sh", ["-c", "echo early; sleep 100"], timeout=0.2)
        assert late.value.output.stdout_text == "early\n"
        x = await sb.exec_stream("sh", ["-c", "echo early; sleep 100"], timeout=0.2)
        with pytest.raises(m.ExecTimeoutError) as late:
            await x.collect()
        assert late.value.output.stdout_text == "early\n"
        with pytest.raises(ValueError):
            await sb.exec("cat", stdin="pipe")
    with_box(main)


def test_signals_while_somebody_waits(with_box):
    async def main(sb):
        async with await sb.shell_stream("trap 'echo got; exit 5' USR1; echo ready; sleep 100 & wait"
                                         ) as x:
            assert (await x.recv()).event_type == "started"
            assert (await x.recv()).data == b"ready\n"
            waiting = asyncio.ensure_future(x.recv())
            await asyncio.sleep(0.05)
            await x.signal(signal.SIGUSR1)
            assert (await waiting).data == b"got\n"
            assert await x.wait() == m.ExitStatus(5, False)
        x = await sb.exec_stream("sleep", ["100"])
        waiting = asyncio.ensure_future(x.wait())
        await asyncio.sleep(0.05)
        await x.kill()
        assert (await waiting).signal == signal.SIGKILL
        assert await x.recv() is None or (await x.recv()) is None
    with_box(main)


def test_more_input_than_is_read(with_box):
    """A writer waits for its reader, and does not hold up anything else."""
    async def main(sb):
        data = bytes(range(256)) * (64 << 10)  # 16 MiB
        x = await sb.exec_stream("sh", ["-c", "read go; md5sum"], stdin="pipe")
        sink = x.take_stdin()
        assert x.take_stdin() is None
        writing = asyncio.ensure_future(sink.write(b"go\n" + data))
        await sink.write(b"")
        await writing
        await sink.close()
        await sink.close()
        import hashlib
        assert (await x.collect()).stdout_text.split()[0] == hashlib.md5(data).hexdigest()
        async with await sb.exec_stream("sleep", ["100"], stdin="pipe") as x:
            writing = asyncio.ensure_future(x.take_stdin().write(data))
            await asyncio.sleep(0.2)
            assert not writing.done()
            assert (await sb.exec("true")).success
        await writing
        x = await sb.exec_stream("sleep", ["100"], stdin="pipe")
        writing = asyncio.ensure_future(x.take_stdin().write(data))
        await asyncio.sleep(0.2)
        await x.kill()
        await writing
        assert (await x.wait()).signal == signal.SIGKILL
        while (await sb.exec("pidof", ["sleep"])).success:
            await asyncio.sleep(0.02)
    with_box(main)


def test_echo_of_much(with_box):
    async def main(sb):
        data = b"0123456789abcdef" * (1 << 18)  # 4 MiB
        x = await sb.exec_stream("cat", stdin="pipe")
        sink = x.take_stdin()

        async def write():
            await sink.write(data)
            await sink.close()
        _, out = await asyncio.gather(write(), x.collect())
        assert out.stdout_bytes == data and out.success
    with_box(main)


def test_a_reader_that_is_slow_bounds_what_is_kept(with_box):
    async def main(sb):
        async with await sb.exec_stream("cat", ["/dev/zero"]) as x:
            await x.recv()
            await x.recv()
            for _ in range(50):
                await asyncio.sleep(0.005)
                size = sum(len(item[1]) for item in x._source.items)
                assert size <= 4 << 20
    with_box(main)


def test_hundred_at_once(with_box):
    async def main(sb):
        outs = await asyncio.gather(*(sb.exec("echo", [str(i)]) for i in range(100)))
        assert [o.stdout_text for o in outs] == [f"{i}\n" for i in range(100)]
        handles = await asyncio.gather(*(sb.exec_stream("echo", [str(i)]) for i in range(100)))
        outs = await asyncio.gather(*(x.collect() for x in handles))
        assert [o.stdout_text for o in outs] == [f"{i}\n" for i in range(100)]
    with_box(main)


def test_cancelled(with_box):
    async def main(sb):
        task = asyncio.ensure_future(sb.exec("sleep", ["77777"]))
        await asyncio.sleep(0.2)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        x = await sb.exec_stream("sleep", ["88888"])
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(x.wait(), 0.2)
        await x.close()
        while (await sb.exec("pidof", ["sleep"])).success:
            await asyncio.sleep(0.02)
    with_box(main)


def test_resize_and_detach(with_box):
    async def main(sb):
        x = await sb.shell_stream("trap 'stty size; exit' WINCH; echo ready; while :; do sleep 0.1; done",
                                  tty=True)
        while not (await x.recv()).data.startswith(b"ready"):
            pass
        await x.resize(33, 44)
        assert b"33 44" in (await x.collect()).stdout_bytes
        x = await sb.exec_stream("sleep", ["100"])
        assert (await x.recv()).event_type == "started"
        number = x.id
        await x.detach()
        x = await sb.reattach()
        assert x.id == number
        await x.kill()
        assert (await x.wait()).signal == signal.SIGKILL
    with_box(main)
