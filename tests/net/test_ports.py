# SPDX-License-Identifier: Apache-2.0
"""Published ports, from the sandbox's host."""
import errno
import hashlib
import pathlib
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys

import pytest

from conftest import GATEWAY4, GATEWAY6, ROOT, wait_for

LAN4, LAN6 = "192.168.1.1", "fd00::1"  # addresses of the host that are not loopback
PORT = 8080
LIMIT = 256


@pytest.fixture
def serve(msb):
    """serve(options…): a sandbox with the service of service.py on port 80; its name."""
    shutil.copy(pathlib.Path(__file__).with_name("service.py"), msb.rootfs / "service.py")
    running = []

    def start(*options, **kw):
        name = msb.boot(*options, **kw)
        p = msb.popen("exec", name, "--", "/usr/bin/python3", "-S", "/service.py", "80")
        running.append(p)
        assert p.stdout.readline() == b"ready\n", p.stderr.read()
        return name
    yield start
    for p in running:
        p.kill()
        p.communicate()


class Host:
    """The sandbox's host, as a peer of what is published."""

    def __init__(self, space):
        self.space = space

    def socket(self, address, kind=socket.SOCK_STREAM, source=None):
        s = self.space.open_socket(socket.AF_INET6 if ":" in address else socket.AF_INET, kind)
        s.settimeout(60)
        if source:
            s.bind((source, 0))
        return s

    def connect(self, address="127.0.0.1", port=PORT, source=None):
        s = self.socket(address, source=source)
        s.connect((address, port))
        return s

    def ask(self, words, address="127.0.0.1", port=PORT, source=None):
        """What the service says to a line."""
        with self.connect(address, port, source) as s:
            s.sendall(words.encode() + b"\n")
            return read_to_end(s)

    def refused(self, address, port=PORT):
        with self.socket(address) as s:
            return s.connect_ex((address, port)) == errno.ECONNREFUSED

    def reset(self, address="127.0.0.1", port=PORT, source=None):
        """Accepted, and then reset."""
        with self.socket(address, source=source) as s:
            try:
                s.connect((address, port))
                return s.recv(1) and False
            except ConnectionResetError:
                return True

    def datagram(self, data, address="127.0.0.1", port=PORT, source=None, seconds=30):
        """What comes back, without its sender; None after a while."""
        with self.socket(address, socket.SOCK_DGRAM, source) as s:
            s.settimeout(seconds)
            s.connect((address, port))
            s.send(data)
            try:
                return s.recv(70000).split(b" ", 2)[2]
            except TimeoutError:
                return None


@pytest.fixture
def host(world):
    return Host(world.space)


def read_to_end(s):
    data = bytearray()
    while part := s.recv(1 << 16):
        data += part
    return bytes(data)


def pattern(count):
    return (bytes(range(256)) * (count // 256 + 1))[:count]


# --- where ---


def test_tcp_binds(serve, host, msb):
    box = serve("-p", "8080:80", "-p", "[::1]:8081:80", "-p", "0.0.0.0:8082:80/tcp",
                "-p", "[::]:8083:80", "-p", f"{LAN4}:8084:80")
    for address, port in (("127.0.0.1", 8080), ("::1", 8081), ("127.0.0.1", 8082), (LAN4, 8082),
                          ("::1", 8083), (LAN6, 8083), (LAN4, 8084)):
        peer, number = host.ask("who", address, port).decode().split()
        assert peer == GATEWAY4, "the guest sees its gateway"
        assert 49152 <= int(number) <= 65535
    for address, port in ((LAN4, 8080), (LAN6, 8081), (LAN4, 8083), (LAN6, 8082), (LAN4, 8081),
                          ("127.0.0.1", 8084)):
        assert host.refused(address, port), f"{address} {port}"
    warned = re.findall(r"WARN .*port (\S+) can be reached from other hosts", msb.log(box))
    assert warned == ["0.0.0.0:8082/tcp", "[::]:8083/tcp", f"{LAN4}:8084/tcp"]
    msb.ok("stop", box)
    assert host.refused("127.0.0.1"), "the port is free again"


def test_udp_binds(serve, host):
    serve("-p", "8080:80/udp", "-p", "[::1]:8081:80/udp", "-p", "0.0.0.0:8082:80/udp")
    assert host.datagram(b"four") == b"four"
    assert host.datagram(b"six", "::1", 8081) == b"six"
    assert host.datagram(b"any", LAN4, 8082) == b"any", "the answer came from where it was sent"
    with host.socket(LAN4, socket.SOCK_DGRAM) as s:
        s.connect((LAN4, 8080))
        s.send(b"x")
        with pytest.raises(ConnectionRefusedError):
            s.recv(1)


# --- who has it ---


def failure(msb, *words):
    p = msb(*words)
    assert p.returncode == (125 if words[0] == "run" else 1), p.stderr
    return p.stderr


def test_conflict_names_the_sandbox(serve, host, msb):
    first = serve("-p", "8080:80")
    text = failure(msb, "create", "-n", "second", "-v", "/usr:/usr:ro", "-p", "8080:80",
                   msb.rootfs)
    pid = msb.runtime_pid(first)
    assert f"port 127.0.0.1:8080/tcp is already in use by sandbox '{first}' (pid {pid})" in text
    text = failure(msb, "run", "-v", "/usr:/usr:ro", "-p", "0.0.0.0:8080:80", msb.rootfs, "--",
                   "true")
    assert f"port 0.0.0.0:8080/tcp is already in use by sandbox '{first}'" in text
    assert host.ask("who"), "the first one still has it"
    # another protocol is no conflict, and neither is another address
    msb.boot("-p", "8080:80/udp", "-p", "127.0.0.2:8080:80")


def test_conflict_names_the_process(msb, world):
    script = ("import socket, sys\ns = socket.create_server(('127.0.0.1', 8080))\n"
              "print(flush=True)\nsys.stdin.read()")
    p = world.space.popen(sys.executable, "-c", script, stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE)
    p.stdout.readline()
    name = pathlib.Path(f"/proc/{p.pid}/comm").read_text().strip()
    text = failure(msb, "create", "-n", "box", "-v", "/usr:/usr:ro", "-p", "8080:80", msb.rootfs)
    assert f"already in use by {name} (pid {p.pid})" in text
    p.stdin.close()
    p.wait()
    if "box" in msb.ok("ls", "-q").split():
        msb.ok("rm", "-f", "box")
    name = msb.boot("-p", "8080:80")  # now it can be had
    msb.ok("stop", name)
    with world.space.listen("127.0.0.1", PORT):
        text = failure(msb, "start", name)
        assert "port 127.0.0.1:8080/tcp is already in use by" in text
    msb.ok("start", name)


# --- streams ---


def test_closed_port_of_the_guest(serve, host):
    serve("-p", "8080:81", "-p", "8081:80")
    assert host.reset()
    assert host.ask("who", port=8081)


def test_half_close_by_the_host(serve, host):
    serve("-p", "8080:80")
    data = pattern(3 << 20)
    with host.connect() as s:
        s.sendall(b"sum\n" + data)
        s.shutdown(socket.SHUT_WR)
        assert read_to_end(s).decode() == hashlib.sha256(data).hexdigest()


def test_half_close_by_the_guest(serve, host):
    serve("-p", "8080:80")
    data = pattern(3 << 20)
    with host.connect() as s:
        s.sendall(b"last\n")
        assert s.recv(1) == b"", "the guest's end arrives while the host may still send"
        s.sendall(data)
    assert host.ask("noted").decode() == hashlib.sha256(data).hexdigest()


def test_resets(serve, host):
    serve("-p", "8080:80")
    with host.connect() as s:
        s.sendall(b"reset\n")
        with pytest.raises(ConnectionResetError):
            s.recv(1)
    s = host.connect()
    s.sendall(b"hold\n")
    assert s.recv(4) == b"held"
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    s.close()
    assert host.ask("noted") == b"reset"
    with host.connect() as s:
        s.sendall(b"hold\n")
        assert s.recv(4) == b"held"
    assert host.ask("noted") == b"end"


def test_large_and_slow(serve, host):
    """Much more than any buffer, to a reader who begins late; others are served meanwhile."""
    serve("-p", "8080:80")
    count = 24 << 20
    with host.connect() as s:
        s.sendall(f"give {count}\n".encode())
        assert s.recv(1) == b"\0"
        for _ in range(5):
            assert host.ask("who")
        assert b"\0" + read_to_end(s) == pattern(count)


def test_many_at_once_and_no_more(serve, host):
    serve("-p", "8080:80")
    held = []
    for _ in range(LIMIT):
        s = host.connect()
        s.sendall(b"hold\n")
        held.append(s)
    for s in held:
        assert s.recv(4) == b"held"
    assert host.reset(), "one too many"
    held.pop().close()
    wait_for(lambda: served(host), "room for one more")
    for s in held:
        s.close()
    wait_for(lambda: served(host), "the others to go")


def served(host):
    try:
        return host.ask("who")
    except ConnectionResetError:
        return None


def test_the_guest_stops(serve, host, msb):
    box = serve("-p", "8080:80")
    with host.connect() as s:
        s.sendall(b"hold\n")
        assert s.recv(4) == b"held"
        msb.ok("stop", "-t", "0", box)
        try:
            assert s.recv(1) == b""
        except ConnectionResetError:
            pass


# --- who may ---


def test_ingress_rules(serve, host, msb):
    box = serve("-p", "0.0.0.0:8080:80", "-p", "0.0.0.0:8080:80/udp", "-p", "[::]:8081:80",
                "-p", "[::]:8081:80/udp", "--net-rule", "deny:ingress@192.168.0.0/16",
                "--net-rule", "deny:ingress@[fd00::/8]:tcp:80", "--net-rule",
                "allow:ingress@10.1.2.3:udp", "--net-rule", "deny:ingress@10.0.0.0/8")
    assert host.ask("who")
    assert host.reset(LAN4, source=LAN4)
    assert host.reset(LAN4, source="10.1.2.3")
    assert host.ask("who", LAN4, source="172.31.255.1"), "the peer's address counts, not ours"
    assert host.reset("::1", 8081, source=LAN6)
    assert host.ask("who", "::1", 8081)
    assert host.datagram(b"x", LAN4, source=LAN4, seconds=1) is None
    assert host.datagram(b"x", LAN4, source="10.1.2.3") == b"x"
    assert host.datagram(b"x", "::1", 8081, source=LAN6) == b"x"
    msb.told(box, *(f"denied ingress {flow}" for flow in (
        f"tcp from {LAN4}", "tcp from 10.1.2.3", f"tcp from [{LAN6}]")))


def test_ingress_default(serve, host):
    serve("-p", "8080:80", "-p", "8081:81", "-p", "8080:80/udp", "--net-default-ingress", "deny",
          "--net-rule", "allow:ingress@loopback:tcp:80")
    assert host.ask("who"), "rules see the guest's port"
    assert host.reset(port=8081)
    assert host.datagram(b"x", seconds=1) is None


def test_answers_are_no_egress(serve, host):
    serve("-p", "8080:80", "-p", "8080:80/udp", "--net-default-egress", "deny")
    assert host.ask("who")
    assert host.datagram(b"x") == b"x"


# --- datagrams ---


def test_two_peers(serve, host):
    serve("-p", "8080:80/udp")
    with host.socket("127.0.0.1", socket.SOCK_DGRAM) as a, \
            host.socket("127.0.0.1", socket.SOCK_DGRAM) as b:
        for s in (a, b):
            s.connect(("127.0.0.1", PORT))
        a.send(b"one")
        b.send(b"two")
        (peer_a, port_a, one), (peer_b, port_b, two) = (s.recv(100).split(b" ") for s in (a, b))
        assert (one, two) == (b"one", b"two")
        assert peer_a == peer_b == GATEWAY4.encode() and port_a != port_b
        a.send(b"again")
        assert a.recv(100).split(b" ") == [peer_a, port_a, b"again"]


def test_datagram_family(serve, host):
    serve("-p", "[::1]:8080:80/udp")
    with host.socket("::1", socket.SOCK_DGRAM) as s:
        s.connect(("::1", PORT))
        s.send(b"six")
        assert s.recv(100).split(b" ")[0].decode() == GATEWAY6


@pytest.mark.parametrize("count", [0, 1472, 1473, 8192, 60000])
def test_datagram_sizes(serve, host, count):
    serve("-p", "8080:80/udp", "-p", "[::1]:8080:80/udp")
    data = pattern(count)
    assert host.datagram(data) == data
    assert host.datagram(data, "::1") == data


# --- what remains ---


@pytest.fixture(scope="session")
def netload(tmp_path_factory):
    """The load program of bench/, static, so that it runs anywhere."""
    if not shutil.which("gcc"):
        pytest.skip("no gcc")
    path = tmp_path_factory.mktemp("netload") / "netload"
    subprocess.run(["gcc", "-O2", "-static", "-o", path, ROOT / "bench/netload.c",
                    ROOT / "bench/netload_serve.c"], check=True)
    return path


@pytest.mark.slow
@pytest.mark.parametrize("what", ["flows", "udp-flows"])
@pytest.mark.parametrize("inbound", [False, True], ids=["out", "in"])
def test_ten_thousand_flows(msb, world, netload, what, inbound):
    shutil.copy(netload, msb.rootfs / "netload")
    box = msb.boot("-p", "5001:5001", "-p", "5001:5001/udp", "--net-rule", "allow@host")
    guest = ["exec", box, "--", "/netload"]
    if inbound:
        server = msb.popen(*guest, "serve", "0.0.0.0", "5001")
    else:
        server = world.space.popen(netload, "serve", "127.0.0.1", "5002", stdout=subprocess.PIPE)
    assert server.stdout.readline().startswith(b"ready")

    def flows(count):
        if inbound:
            p = subprocess.run([*world.space.prefix, netload, what, "127.0.0.1", "5001", str(count),
                                "50"], capture_output=True, text=True, timeout=600)
        else:
            p = msb(*guest, what, GATEWAY4, 5002, count, 50, timeout=600)
        assert p.returncode == 0, p.stderr
        assert int(p.stdout.split()[1]) == count

    files = pathlib.Path(f"/proc/{msb.runtime_pid(box)}/fd")
    flows(500)
    memory, sockets = msb.runtime_memory(box), len(list(files.iterdir()))
    flows(10000)
    wait_for(lambda: len(list(files.iterdir())) <= sockets, "sockets to go")
    assert msb.runtime_memory(box) - memory < 256, "KiB that were not there before"
    server.send_signal(signal.SIGKILL)
    server.communicate()
