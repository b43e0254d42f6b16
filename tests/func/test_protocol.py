# SPDX-License-Identifier: Apache-2.0
"""The agent socket, spoken to directly by an independent client."""
import os
import struct

import pytest

from conftest import wait_for
from wire import SESSION_START, SHUTDOWN, TERMINAL, Client, Refused, exec_request, frame


@pytest.fixture
def connect(box):
    made = []

    def start(**kw):
        made.append(Client(str(box.dir("box") / "runtime/agent.sock"), **kw))
        return made[-1]

    start.box = box
    yield start
    for c in made:
        c.close()


def output(frames, kind="core.exec.stdout"):
    return b"".join(f[3]["data"] for f in frames if f[2] == kind)


def dropped(client):
    with pytest.raises((EOFError, ConnectionError)):
        while True:
            client.recv()
    return True


def test_handshake(connect):
    a, b = connect(), connect()
    for c in (a, b):
        id, flags, type, ready, generation = c.ready
        assert (id, flags, type) == (0, 0, "core.ready")
        assert list(ready)[:3] == ["boot_time_ns", "init_time_ns", "ready_time_ns"]
        assert c.start < c.end
    assert a.end <= b.start or b.end <= a.start
    assert not (5 <= a.end <= 4194304)  # cannot be taken for the legacy handshake


def test_started_comes_first_and_exited_last(connect):
    frames = connect().exec("sh", "-c", "echo hi; exit 23")
    assert [f[2] for f in frames] == ["core.exec.started", "core.exec.stdout", "core.exec.exited"]
    assert output(frames) == b"hi\n" and frames[-1][3]["code"] == 23
    assert frames[-1][1] == TERMINAL


def test_killed_by_a_signal(connect):
    last = connect().exec("sh", "-c", "kill -9 $$")[-1]
    assert last[3]["code"] == -1 and last[3]["signal"] == 9


@pytest.mark.parametrize("tty", [False, True])
@pytest.mark.parametrize("argv,kw,kind,errno", [
    (["nosuch"], {}, "not_found", 2),
    (["/etc/passwd"], {}, "permission_denied", 13),
    (["true"], {"cwd": "/nope"}, "bad_cwd", 2),
    (["true"], {"user": "bobby"}, "user_setup_failed", None),
])
def test_typed_failures(connect, argv, kw, kind, errno, tty):
    c = connect()
    frames = c.exec(*argv, tty=tty, **kw)
    assert [f[2] for f in frames] == ["core.exec.failed"]
    failed = frames[0][3]
    assert failed["kind"] == kind and failed["errno"] == errno
    assert c.exec("true")[-1][3]["code"] == 0


def test_frame_outside_the_range_drops_only_that_client(connect):
    a, b = connect(), connect()
    a.send(b.start + 5, SESSION_START, "core.exec.request", exec_request("true"))
    assert dropped(a)
    assert b.exec("true")[-1][3]["code"] == 0


def test_id_zero_without_the_shutdown_flag_drops_the_client(connect):
    a = connect()
    a.send(0, 0, "core.ping", {})
    assert dropped(a)
    assert connect().exec("true")[-1][3]["code"] == 0


@pytest.mark.parametrize("length", [0, 4, 4194305, 0xffffffff])
def test_impossible_lengths_drop_the_client(connect, length):
    a = connect()
    a.sock.sendall(struct.pack(">IIB", length, a.start, 0) + b"x" * 16)
    assert dropped(a)
    assert connect().exec("true")[-1][3]["code"] == 0


def test_frames_split_and_joined(connect):
    c = connect()
    one, two = c.new_id(), c.new_id()
    data = frame(one, SESSION_START, "core.exec.request", exec_request("true"))
    for i in range(len(data)):
        c.sock.sendall(data[i:i + 1])
    assert c.collect(one)[-1][3]["code"] == 0
    c.sock.sendall(frame(two, SESSION_START, "core.exec.request", exec_request("cat")) +
                   frame(two, 0, "core.exec.stdin", {"data": b"abc"}) +
                   frame(two, 0, "core.exec.stdin", {"data": b""}))
    assert output(c.collect(two)) == b"abc"


@pytest.mark.parametrize("flags,type,body", [
    (SESSION_START, "core.bogus", None),
    (SESSION_START, "core.exec.request", b"\x01\x02"),
    (SESSION_START, "core.exec.request", None),
    (0, "core.exec.signal", {"signal": 999}),
    (0, "core.ready", {}),
    (SESSION_START, "core.fs.request", {"op": {"Nope": {}}}),
    (SESSION_START, "core.fs.request", {"op": {"Stat": {"path": "/a\0b", "follow_symlink": True}}}),
    (0, "core.fs.data", {"data": b"stray"}),
])
def test_nonsense_never_kills_the_guest(connect, flags, type, body):
    c = connect()
    c.send(c.new_id(), flags, type, body)
    raw = os.urandom(200)
    c.sock.sendall(struct.pack(">IIB", 5 + len(raw), c.new_id(), flags) + raw)
    assert c.exec("echo", "alive")[-1][3]["code"] == 0


def test_tolerant_decoding(connect):
    c = connect()
    id = c.new_id()
    # indefinite map with shuffled and unknown keys, "bytes" as integers, long integer heads
    payload = bytes.fromhex("bf") + b"\x64args\x9f\x62hi\xff\x63xyz\x82\x01\xa1\x61a\xf6" \
        b"\x63cmd\x64echo\x64rows\x1a\x00\x00\x00\x18\xff"
    body = b"\xbf\x61p" + b"\x5f\x58" + bytes([10]) + payload[:10] + b"\x58" + \
        bytes([len(payload) - 10]) + payload[10:] + b"\xff\x61t\x71core.exec.request\x61v\x18\x06\xff"
    c.sock.sendall(struct.pack(">IIB", 5 + len(body), id, SESSION_START) + body)
    assert output(c.collect(id)) == b"hi\n"


def test_128_clients_and_no_more(connect):
    clients = [connect() for _ in range(128)]
    assert len({c.start for c in clients}) == 128
    with pytest.raises(Refused) as refused:
        connect()
    assert refused.value.args == ("too_many_clients",)
    clients[5].close()

    def again():
        try:
            return connect()
        except Refused:
            return None
    assert wait_for(again, "the freed place").exec("true")[-1][3]["code"] == 0


def test_disconnect_kills_and_closes(connect):
    c = connect()
    for _ in range(1024):
        reply, _ = c.fs("OpenFile", path="/etc/passwd", options={
            "read": True, "write": False, "append": False, "create": False, "truncate": False,
            "create_new": False, "mode": None})
        assert reply["ok"]
    reply, _ = c.fs("OpenDir", path="/")
    assert not reply["ok"] and "too many open filesystem handles" in reply["error"]
    c.send(c.new_id(), SESSION_START, "core.exec.request",
           exec_request("sh", "-c", "sleep 7777 & wait"))
    c.recv()
    c.close()
    other = connect()
    wait_for(lambda: b"7777" not in output(other.exec("ps", "-o", "args")), "the kill")


def test_file_operations(connect):
    c = connect()
    options = {"read": False, "write": True, "append": False, "create": True, "truncate": True,
               "create_new": False, "mode": 0o640}
    handle = c.fs("OpenFile", path="/tmp/f", options=options)[0]["data"]["Handle"]
    id = c.new_id()
    c.send(id, SESSION_START, "core.fs.request",
           {"op": {"Write": {"handle": handle, "offset": 0, "len": 200_000}}})
    data = os.urandom(200_000)
    for i in range(0, len(data), 50_000):
        c.send(id, 0, "core.fs.data", {"data": data[i:i + 50_000]})
    c.send(id, 0, "core.fs.data", {"data": b""})
    assert c.collect(id)[-1][3]["ok"]
    assert c.fs("CloseHandle", handle=handle)[0]["ok"]
    stat = c.fs("Stat", path="/tmp/f", follow_symlink=True)[0]["data"]["Stat"]
    assert (stat["size"], stat["mode"], stat["kind"]) == (200_000, 0o100640, "file")
    options.update(read=True, write=False, create=False, truncate=False, mode=None)
    handle = c.fs("OpenFile", path="/tmp/f", options=options)[0]["data"]["Handle"]
    reply, got = c.fs("Read", handle=handle, offset=0, len=None)
    assert reply["ok"] and got == data
    assert c.fs("Mkdir", path="/tmp/d/e", mode=0o700)[0]["ok"]
    assert c.fs("Rename", src="/tmp/f", dst="/tmp/d/e/g")[0]["ok"]
    names = [e["path"] for e in c.fs("List", path="/tmp/d/e")[0]["data"]["List"]]
    assert names == ["/tmp/d/e/g"]
    assert c.fs("RemoveDir", path="/tmp/d", recursive=True)[0]["ok"]
    reply = c.fs("Stat", path="/tmp/d", follow_symlink=True)[0]
    assert reply["error"] == "stat: No such file or directory (os error 2)"


def test_tcp_forwarding_inside_the_guest(connect):
    c = connect()
    server = c.new_id()
    c.send(server, SESSION_START, "core.exec.request",
           exec_request("sh", "-c", "echo up; nc -l -p 4444 -e cat"))
    while output([c.recv()]) != b"up\n":
        pass

    def dial():
        id = c.new_id()
        c.send(id, SESSION_START, "core.tcp.connect", {"host": "127.0.0.1", "port": 4444})
        while True:
            f = c.recv()
            if f[0] == id:
                return id if f[2] == "core.tcp.connected" else None
    id = wait_for(dial, "the guest's listener")
    c.send(id, 0, "core.tcp.data", {"data": b"echo me"})
    got = b""
    while got != b"echo me":
        f = c.recv()
        if f[2] == "core.tcp.data":
            got += f[3]["data"]
    c.send(id, 0, "core.tcp.eof", {})
    assert c.collect(id)[-1][2] == "core.tcp.closed"
    refused = c.new_id()
    c.send(refused, SESSION_START, "core.tcp.connect", {"host": "127.0.0.1", "port": 1})
    last = c.collect(refused)[-1]
    assert last[2] == "core.tcp.failed" and last[3]["error"].startswith("connect 127.0.0.1:1: ")


def test_ping_and_touch(connect):
    c = connect()
    for type, answer in (("core.ping", "core.pong"), ("core.touch", "core.touched")):
        id = c.new_id()
        c.send(id, 0, type, {})
        last = c.collect(id)[-1]
        assert last[2] == answer and last[1] == TERMINAL


def test_shutdown_from_any_client(connect):
    a, b = connect(), connect()
    b.send(0, SHUTDOWN, "core.shutdown", None)
    assert dropped(a)
    wait_for(lambda: connect.box.status("box") == "Stopped", "the stop")


def test_late_frames_reach_no_new_client(connect):
    for _ in range(20):
        c = connect()
        c.send(c.start, SESSION_START, "core.exec.request",
               exec_request("sh", "-c", "yes flood"))
        c.recv()
        c.close()
        d = connect()
        frames = d.exec("echo", "mine")
        assert output(frames) == b"mine\n"
        d.close()


def test_resize_and_signal(connect):
    c = connect()
    id = c.new_id()
    c.send(id, SESSION_START, "core.exec.request", exec_request(
        "sh", "-c", "trap 'stty size; exit 4' WINCH; echo up; while :; do sleep 0.1; done",
        tty=True))
    text = b""
    while b"up" not in text:
        text += output([c.recv()])
    c.send(id, 0, "core.exec.resize", {"rows": 50, "cols": 132})
    frames = c.collect(id)
    assert b"50 132" in output(frames) and frames[-1][3]["code"] == 4
    id = c.new_id()
    c.send(id, SESSION_START, "core.exec.request",
           exec_request("sh", "-c", "sleep 888 & echo up; wait"))
    while b"up" not in output([c.recv()]):
        pass
    c.send(id, 0, "core.exec.signal", {"signal": 15})
    assert c.collect(id)[-1][3]["signal"] == 15
    assert b"888" not in output(c.exec("ps", "-o", "args"))
