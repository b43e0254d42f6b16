# SPDX-License-Identifier: Apache-2.0
"""Clients of a guest's agent: the library's own, in numbers, and some that die at the worst moment."""
import concurrent.futures
import ctypes
import os
import signal
import socket
import struct
import subprocess
import sys

import pytest

from conftest import SANITIZED, wait_for
from libmsb import Error, Layer, Library
from wire import SESSION_START, TERMINAL, Client, decode, encode, exec_request, frame

pytestmark = pytest.mark.skipif(SANITIZED, reason="the library is loaded into an ordinary interpreter")
CLIENTS = 128


@pytest.fixture
def library(box):
    made = Library(box.home)
    made.box = box
    yield made
    made.close()


@pytest.fixture
def sock(box):
    return box.dir("box") / "runtime/agent.sock"


def run(agent, *argv):
    """Output and exit code of a command in the guest."""
    stream = agent.open("core.exec.request", encode(exec_request(*argv)), SESSION_START)
    agent.send(stream, "core.exec.stdin", encode({"data": b""}))
    out = b""
    while True:
        flags, type, payload = agent.next(stream)
        value = decode(payload)[0]
        if type == "core.exec.stdout":
            out += value["data"]
        if flags & TERMINAL:
            assert agent.next(stream) is None
            agent.end(stream)
            return out, value["code"]


def test_handshake_and_errors(library, sock):
    a, b = library.agent("box"), library.agent_at(sock)
    assert a.request("core.ping")[1] == b.request("core.ping")[1] == "core.pong"
    for name, kind in [("nobody", "sandbox_not_found")]:
        with pytest.raises(Error) as e:
            library.agent(name)
        assert e.value.kind == kind
    with pytest.raises(Error) as e:
        library.agent_at(sock.with_name("no.sock"))
    assert e.value.kind == "sandbox_state"
    a.close()
    b.close()
    library.box.ok("stop", "box")
    with pytest.raises(Error) as e:
        library.agent("box")
    assert e.value.kind == "sandbox_state"


def test_many_threads_share_one_client(library):
    agent = library.agent("box")
    with concurrent.futures.ThreadPoolExecutor(20) as pool:
        jobs = [pool.submit(run, agent, "sh", "-c", f"echo {i}; exit {i}") for i in range(60)]
        for i, job in enumerate(jobs):
            assert job.result() == (f"{i}\n".encode(), i)
    agent.close()


def test_a_slow_reader_loses_nothing(library):
    """More than the client, the relay and the sockets hold: the command is made to wait."""
    size = 96 << 20
    agent = library.agent("box")
    stream = agent.open("core.exec.request",
                        encode(exec_request("sh", "-c", f"head -c {size} /dev/zero; touch /tmp/done")),
                        SESSION_START)
    agent.next(stream)  # it has started
    other = library.agent("box")
    for _ in range(50):  # long enough for all of it, if there were room
        assert run(other, "echo", "unhindered") == (b"unhindered\n", 0)
    assert run(other, "test", "-e", "/tmp/done")[1] == 1
    got = 0
    while True:
        flags, type, payload = agent.next(stream)
        if flags & TERMINAL:
            break
        assert type == "core.exec.stdout"
        got += len(decode(payload)[0]["data"])
    assert got == size
    agent.end(stream)
    agent.close()
    other.close()


def test_as_many_clients_as_there_may_be(library, sock):
    """128 at once, each of use; the next one is told so by all kinds of calls; then there is room again."""
    box = library.sandbox("box")
    with concurrent.futures.ThreadPoolExecutor(32) as pool:
        agents = list(pool.map(lambda i: library.agent("box") if i % 2 else library.agent_at(sock),
                               range(CLIENTS)))
        assert [a[1] for a in pool.map(lambda a: a.request("core.ping"), agents)] == ["core.pong"] * CLIENTS
        outputs = list(pool.map(lambda i: run(agents[i], "echo", str(i)), range(0, CLIENTS, 4)))
        assert outputs == [(f"{i}\n".encode(), 0) for i in range(0, CLIENTS, 4)]
    options = library.lib.msb_exec_options_new()
    library.call("msb_exec_options_set_command", options, (ctypes.c_char_p * 1)(b"true"), 1)
    for attempt in [lambda: library.agent("box"), lambda: library.agent_at(sock),
                    lambda: library.make("msb_exec_start", box, options),
                    lambda: library.make("msb_fs_connect", box),
                    lambda: library.call("msb_sandbox_ping", box, 10000, None)]:
        with pytest.raises(Error) as e:
            attempt()
        assert e.value.kind == "agent_busy", e.value
    library.lib.msb_exec_options_free(options)
    refused = library.box("exec", "box", "--", "true")
    assert refused.returncode != 0 and "128 clients already" in refused.stderr
    assert all(a.request("core.ping")[1] == "core.pong" for a in agents)
    for a in agents:
        a.close()

    def again():
        try:
            return library.agent("box")
        except Error as e:
            assert e.kind == "agent_busy"
    agents = [wait_for(again, "a free place") for _ in range(CLIENTS)]
    assert run(agents[-1], "echo", "last") == (b"last\n", 0)
    for a in agents:
        a.close()


def unread_handshake(path):
    """A connection that has been accepted, and of which nothing was read."""
    s = socket.socket(socket.AF_UNIX)
    fd = os.open(path.parent, os.O_PATH)
    s.connect(f"/proc/self/fd/{fd}/{path.name}")
    os.close(fd)
    return s


def in_the_handshake(path):
    s = unread_handshake(path)
    s.recv(3)
    s.close()


def before_the_handshake(path):
    unread_handshake(path).close()


def behind_a_length(path):
    c = Client(str(path))
    c.sock.sendall(struct.pack(">I", 100))
    c.close()


def behind_a_header(path):
    c = Client(str(path))
    c.sock.sendall(struct.pack(">IIB", 1 << 20, c.new_id(), SESSION_START))
    c.close()


def in_a_body(path):
    c = Client(str(path))
    data = frame(c.new_id(), SESSION_START, "core.exec.request", exec_request("sleep", "7777"))
    c.sock.sendall(data[:len(data) // 2])
    c.close()


def in_the_input_of_a_command(path):
    c = Client(str(path))
    id = c.new_id()
    c.send(id, SESSION_START, "core.exec.request", exec_request("cat"))
    data = frame(id, 0, "core.exec.stdin", {"data": b"x" * 100000})
    c.sock.sendall(data[:50000])
    c.close()


def with_output_unread(path):
    c = Client(str(path))
    c.send(c.new_id(), SESSION_START, "core.exec.request", exec_request("yes"))
    c.sock.recv(10)
    c.sock.sendall(b"\0\0\0")
    c.close()


@pytest.mark.parametrize("die", [before_the_handshake, in_the_handshake, behind_a_length, behind_a_header,
                                 in_a_body, in_the_input_of_a_command, with_output_unread])
def test_who_dies_harms_nobody(library, sock, die):
    """Another client's command goes on, byte for byte, and the place is free again."""
    agent = library.agent("box")
    cat = agent.open("core.exec.request", encode(exec_request("cat")), SESSION_START)
    assert agent.next(cat)[1] == "core.exec.started"
    for i in range(CLIENTS + 20):  # more than there are places
        try:
            die(sock)
        except (EOFError, ConnectionError, BrokenPipeError):
            pass  # it was hung up on first
        if i % 16:
            continue
        agent.send(cat, "core.exec.stdin", encode({"data": b"line %d\n" % i}))
        flags, type, payload = agent.next(cat)
        assert (flags, type, decode(payload)[0]["data"]) == (0, "core.exec.stdout", b"line %d\n" % i)
    agent.send(cat, "core.exec.stdin", encode({"data": b""}))
    flags, type, payload = agent.next(cat)
    assert type == "core.exec.exited" and decode(payload)[0]["code"] == 0
    agent.end(cat)
    agent.close()
    wait_for(lambda: library.box("exec", "box", "--", "true").returncode == 0, "a free place")


def test_killed_while_it_writes(library, sock):
    """A process whose frame is cut where the kernel stopped it."""
    program = """
import sys
from wire import Client, SESSION_START, exec_request, frame
c = Client(sys.argv[1])
data = frame(c.new_id(), SESSION_START, "core.exec.request", exec_request("true", "x" * 3000000))
c.sock.sendall(data[:1000000])
print("half", flush=True)
c.sock.settimeout(None)
c.sock.recv(1)
"""
    agent = library.agent("box")
    path = os.path.dirname(os.path.abspath(__file__))
    with subprocess.Popen([sys.executable, "-c", program, str(sock)], stdout=subprocess.PIPE, cwd=path) as p:
        assert p.stdout.readline() == b"half\n"
        assert run(agent, "echo", "beside it") == (b"beside it\n", 0)
        p.send_signal(signal.SIGKILL)
    assert run(agent, "echo", "after it") == (b"after it\n", 0)
    agent.close()


def test_the_machine_goes(library):
    """Whoever waits is told when the sandbox is stopped by somebody else."""
    agent = library.agent("box")
    stream = agent.open("core.exec.request", encode(exec_request("sleep", "7777")), SESSION_START)
    assert agent.next(stream)[1] == "core.exec.started"
    library.box.ok("stop", "box")
    with pytest.raises(Error) as e:
        while agent.next(stream):
            pass
        raise Error("agent_client", "its command has ended, and then")
    assert e.value.kind == "agent_client"
    agent.end(stream)
    agent.close()


def test_what_an_image_is_made_of(msb):
    msb.ok("pull", "busybox")
    library = Library(msb.home)

    def look():
        p = library.make("msb_image_get", library.m, b"busybox", free="msb_image_free")
        return library.lib, p
    lib, image = look()
    assert lib.msb_image_os(image) == b"linux"
    assert lib.msb_image_architecture(image) in (b"amd64", b"arm64")
    info = msb.json("image", "inspect", "busybox")
    assert lib.msb_image_layer_count(image) == len(info["layers"]) > 0
    for i, want in enumerate(info["layers"]):
        layer = Layer(ctypes.sizeof(Layer))
        assert lib.msb_image_layer(image, i, ctypes.byref(layer)) == 0
        assert layer.diff_id.decode() == want["diff_id"]
        assert layer.digest.decode() == want["blob_digest"]
        assert layer.media_type.decode() == want["media_type"]
        assert layer.size_bytes == want["compressed_size_bytes"]
    assert lib.msb_image_layer(image, len(info["layers"]), ctypes.byref(layer)) < 0
    got = lib.msb_image_last_used_unix_ms(image)
    assert got > 0
    msb.ok("run", "busybox", "--", "true")
    assert lib.msb_image_last_used_unix_ms(look()[1]) > got
    library.close()
