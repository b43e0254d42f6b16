# SPDX-License-Identifier: Apache-2.0
"""Logs, files, clients of the agent."""
import asyncio
from datetime import timezone

import microsandbox as m
import pytest
from conftest import until


def test_logs(run, name):
    async def main():
        async with await m.Sandbox.create(name, image="busybox") as sb:
            await sb.shell("echo one; echo two >&2")
            await sb.shell("echo three")

            async def written():
                found = await sb.read_logs()
                return found if len(found) == 3 else None
            entries = await until(written, "the log to be written")
            assert [(str(e.source), e.data) for e in entries] == [
                ("stdout", b"one\n"), ("stderr", b"two\n"), ("stdout", b"three\n")]
            assert entries[0].timestamp.tzinfo is timezone.utc
            assert abs(entries[0].timestamp.timestamp() * 1000 - entries[0].timestamp_ms) < 0.01
            assert entries[0].session_id != entries[2].session_id
            assert [e.text() for e in await sb.logs(tail=1)] == ["three\n"]
            assert [e.data async for e in sb.log_stream(sources=["stderr"])] == [b"two\n"]
            stream = await sb.log_stream(from_cursor=entries[1].cursor)
            assert [e.data async for e in stream] == [b"three\n"]
            with pytest.raises(m.InvalidCursorError):
                await sb.log_stream(from_cursor="nonsense")
            with pytest.raises(ValueError):
                sb.log_stream(sources=["console"])
        with pytest.raises(m.SandboxNotFoundError):
            async for _ in sb.log_stream():
                pass
    run(main)


def test_follow(run, name):
    async def main():
        async with await m.Sandbox.create(name, image="busybox") as sb:
            seen = asyncio.Queue()

            async def follow():
                async for entry in sb.log_stream(follow=True):
                    await seen.put(entry.data)
                await seen.put(None)
            task = asyncio.ensure_future(follow())
            for word in ("a", "b", "c"):
                await sb.exec("echo", [word])
                assert await seen.get() == word.encode() + b"\n"
            closed = await sb.log_stream(follow=True)
            waiting = asyncio.ensure_future(_drain(closed))
            await asyncio.sleep(0.05)
            await closed.close()
            await waiting
            await sb.stop()
            while await seen.get() is not None:
                pass
            await task
    run(main)


async def _drain(stream):
    async for _ in stream:
        pass


def test_files(run, name, tmp_path):
    async def main():
        async with await m.Sandbox.create(name, image="busybox") as sb:
            fs = sb.fs
            await fs.mkdir("/d/e")
            async with await fs.write_stream("/d/f") as sink:
                for _ in range(5):
                    await sink.write(b"x" * 700_000)
            async with await fs.write_stream("/d/f", append=True) as sink:
                await sink.write("end")
            async with await fs.read_stream("/d/f") as stream:
                assert await stream.collect() == b"x" * 3_500_000 + b"end"
            async with await fs.open("/d/f", read=True, write=True) as f:
                await f.write_at(1, b"AB")
                assert await f.read_at(0, 4) == b"xABx"
                await f.set_stat(size=4)
                assert (await f.stat()).size == 4
            assert [(e.name, str(e.kind)) for e in await fs.list("/d")] == [
                ("e", "directory"), ("f", "file")]
            with pytest.raises(m.PathNotFoundError) as e:
                await fs.read("/no/such")
            assert e.value.errno == 2 and isinstance(e.value, m.FilesystemError)
            assert not await fs.exists("/no/such")
            (tmp_path / "tree").mkdir()
            (tmp_path / "tree/a").write_bytes(b"1")
            await fs.copy_from_host(tmp_path / "tree", "/d/tree")
            await fs.copy_to_host("/d/tree", tmp_path / "back")
            assert (tmp_path / "back/a").read_bytes() == b"1"
            await fs.set_stat("/d/f", mode=0o600, modified=1_000_000_000)
            stat = await fs.stat("/d/f")
            assert (stat.mode, stat.modified_ms) == (0o600, 1_000_000_000_000)
            outs = await asyncio.gather(*(fs.read("/d/tree/a") for _ in range(20)))
            assert outs == [b"1"] * 20
    run(main)


def test_volume(run, name):
    async def main():
        v = await m.Volume.create(name, labels={"a": "b"})
        try:
            await v.fs.write("x/y", b"z") if await v.fs.exists("x") else await v.fs.mkdir("x")
            await v.fs.write("x/y", b"z")
            assert await v.fs.read_text("x/y") == "z"
            assert (await m.Volume.get(name)).labels == {"a": "b"}
            with pytest.raises(m.FilesystemError):
                await v.fs.read("../../config.json")
            with pytest.raises(m.VolumeAlreadyExistsError):
                await m.Volume.create(name)
        finally:
            await v.remove()
        with pytest.raises(m.VolumeNotFoundError):
            await m.Volume.get(name)
    run(main)


def test_agent(run, name):
    def message(kind, payload):
        return m.agent.encode(kind, payload)

    async def main():
        async with await m.Sandbox.create(name, image="busybox") as sb:
            async with await m.AgentClient.connect_sandbox(name) as client:
                first, end = client.id_range
                assert first < end
                assert m.agent.decode(client.ready())[1] == "core.ready"
                assert client.ready_info.ready_time_ns > 0
                # {"cmd": "echo", "args": ["hi"]}
                body = message("core.exec.request", b"\xa2\x63cmd\x64echo\x64args\x81\x62hi")
                frames = []
                async with await client.stream(m.FLAG_SESSION_START, body) as stream:
                    assert first <= stream.id < end
                    frames = [f async for f in stream]
                kinds = [m.agent.decode(f.body)[1] for f in frames]
                assert kinds[0] == "core.exec.started" and kinds[-1] == "core.exec.exited"
                assert frames[-1].flags & m.FLAG_TERMINAL
                one = await client.request({"flags": m.FLAG_SESSION_START, "body": body})
                assert one["id"] == one.id and m.agent.decode(one.body)[1].startswith("core.")
                with pytest.raises(TypeError):
                    await client.request({"flags": 0, "bdy": b""})
            with pytest.raises(m.AgentClosedError):
                await client.request(m.FLAG_SESSION_START, body)
            socket = (await m.Sandbox.get(name)).agent_socket
            await (await m.AgentClient.connect(socket, timeout=5)).close()
            assert (await sb.exec("true")).success
    run(main)


def test_no_more_clients_than_there_may_be(run, name):
    async def main():
        async with await m.Sandbox.create(name, image="busybox"):
            clients = []
            with pytest.raises(m.AgentBusyError):
                for _ in range(200):
                    clients.append(await m.AgentClient.connect_sandbox(name))
            assert len(clients) == 128
            for client in clients:
                await client.close()
    run(main)
