# SPDX-License-Identifier: Apache-2.0
"""Connections, datagrams and echoes as programs know them, against good and bad peers."""
import hashlib
import json
import os
import pathlib
import shutil
import socket
import struct

import pytest

import peers
from conftest import (GATEWAY4, GATEWAY6, OTHER4, PUBLIC4, PUBLIC6, SILENT4, SILENT6, UNREACHABLE4,
                      UNREACHABLE6, wait_for)
from peers import (CLOSES, DIGESTS, DRIPS, ECHO, ELSEWHERE, GREETS, HALF_CLOSES, RESETS, SENDS, SILENT,
                   STALLS, UDP_ECHO, UNRELIABLE, WEB, pattern)

OPEN = ["--net-default", "allow"]
MIB = 1 << 20


@pytest.fixture
def box(msb):
    return msb.boot(*OPEN)


def test_connecting(msb, world, box):
    """Success, refusal, silence and no route look as they do without a network between."""
    out = msb.python(box, f"""
for address, port in (("{PUBLIC4}", {ECHO}), ("{PUBLIC6}", {ECHO}), ("{PUBLIC4}", 81), ("{PUBLIC6}", 81),
                      ("{UNREACHABLE4}", 80), ("{UNREACHABLE6}", 80), ("{GATEWAY4}", 81),
                      ("{GATEWAY6}", 81)):
    start = time.monotonic()
    try:
        socket.create_connection((address, port), 20).close()
        result = "ok"
    except OSError as e:
        result = error(e)
    print(result, time.monotonic() - start < 2)
for address in ("{SILENT4}", "{SILENT6}"):
    try:
        socket.create_connection((address, 80), 2)
    except TimeoutError:
        print("silence")
""").splitlines()
    assert out[:4] == ["ok True", "ok True", "ECONNREFUSED True", "ECONNREFUSED True"]
    for line in out[4:6]:
        assert line in ("EHOSTUNREACH True", "ENETUNREACH True", "ECONNREFUSED True"), out
    assert out[6:8] == ["ECONNREFUSED True"] * 2
    assert out[8:] == ["silence"] * 2
    wire = world.wire.take()
    assert wire and all(p[9 if p[0] >> 4 == 4 else 6] == 6 for p in wire)


def test_data_and_ends(msb, world, box):
    out = msb.python(box, f"""
import hashlib, struct, time
def connect(port, address="{PUBLIC4}"):
    s = socket.create_connection((address, port), 30)
    return s
def all_of(s):
    data = b""
    while piece := s.recv(65536):
        data += piece
    return data
# a request, the end, and then the whole answer
for address in ("{PUBLIC4}", "{PUBLIC6}", "{GATEWAY4}", "{GATEWAY6}"):
    s = connect({DIGESTS}, address)
    s.sendall(b"x" * 100000)
    s.shutdown(socket.SHUT_WR)
    print(all_of(s).split()[0])
# the server is done first, the client goes on
s = connect({HALF_CLOSES})
print(all_of(s))
s.sendall(b"y" * 70000)
s.close()
# the server resets; it closes at once
s = connect({RESETS})
s.sendall(b"a")
try:
    print(s.recv(1))
except OSError as e:
    print(error(e))
print(connect({CLOSES}).recv(1))
# the client resets
s = connect({ECHO})
s.sendall(b"z"); s.recv(1)
s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
s.close()
# slow bits and pieces, and a greeting
print(len(all_of(connect({DRIPS})).split()))
print(connect({GREETS}).recv(100))
# urgent data is only data
s = connect({ECHO})
s.send(b"!", socket.MSG_OOB); s.sendall(b"after")
got = b""
while len(got) < 5:
    got += s.recv(10)
print(got[-5:])
# keep-alive is answered
s = connect({ECHO})
s.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
for option, value in ((socket.TCP_KEEPIDLE, 1), (socket.TCP_KEEPINTVL, 1), (socket.TCP_KEEPCNT, 2)):
    s.setsockopt(socket.IPPROTO_TCP, option, value)
time.sleep(4)
s.sendall(b"alive")
print(s.recv(5))
""").splitlines()
    assert out[:4] == ["b'100000'"] * 4
    assert out[4] == "b'that is all\\n'"
    assert out[5] == "ECONNRESET"
    assert out[6] == "b''"
    assert out[7:] == ["20", "b'220 welcome\\r\\n'", "b'after'", "b'alive'"]
    wait_for(lambda: ("after half-close", 70000) in world.peers.seen, "the rest of the upload")


def test_bulk(msb, world, box):
    """Large transfers of both kinds, over both families and several at once, arrive unchanged."""
    size = 40 * MIB
    want = hashlib.sha256(pattern(size)).hexdigest()
    out = msb.python(box, f"""
import hashlib, threading
def download(address, size):
    s = socket.create_connection((address, {SENDS}), 60)
    s.sendall(b"%d\\n" % size)
    sha, count = hashlib.sha256(), 0
    while piece := s.recv(1 << 18):
        sha.update(piece); count += len(piece)
    return f"{{count}} {{sha.hexdigest()}}"
def upload(address, size):
    block = bytes(range(256)) * 256
    s = socket.create_connection((address, {DIGESTS}), 60)
    for i in range(size // len(block)):
        s.sendall(block)
    s.shutdown(socket.SHUT_WR)
    return s.makefile().read().strip()
print(download("{PUBLIC4}", {size}))
print(download("{GATEWAY6}", {size}))
print(upload("{PUBLIC6}", {size}))
print(upload("{GATEWAY4}", {size}))
results = []
def both(i):
    results.append((upload if i % 2 else download)("{PUBLIC4}", {4 * MIB}))
threads = [threading.Thread(target=both, args=(i,)) for i in range(16)]
for t in threads: t.start()
for t in threads: t.join()
print(len(set(results)), results[0])
""").splitlines()
    assert out[:4] == [f"{size} {want}"] * 4
    assert out[4] == f"1 {4 * MIB} {hashlib.sha256(pattern(4 * MIB)).hexdigest()}"


def test_back_pressure(msb, world, box):
    """Neither a peer nor a guest that never reads costs memory, nor anybody else anything."""
    before = msb.runtime_memory(box)
    out = msb.python(box, f"""
stalled, written = [], 0
for i in range(32):
    s = socket.create_connection(("{PUBLIC4}", {STALLS}), 30)
    s.setblocking(False)
    stalled.append(s)
for turn in range(5):
    for s in stalled:
        try:
            while True:
                written += s.send(bytes(1 << 16))
        except BlockingIOError:
            pass
    time.sleep(0.2)
unread = []
for i in range(32):
    s = socket.create_connection(("{PUBLIC4}", {SENDS}), 30)
    s.sendall(b"%d\\n" % (256 << 20))
    unread.append(s)
time.sleep(1)
print(written < 32 * (12 << 20), written)
print(probe(["tcp {PUBLIC4} {ECHO}", "udp {PUBLIC4} {ECHO}", "ping {PUBLIC4}"]))
sys.stdout.flush()
s = unread[7]  # who reads at last gets it all, in order
count, at = 0, 0
block = bytes(range(256)) * 257
while count < 8 << 20:
    piece = s.recv(1 << 16)
    assert piece == block[count % 256:count % 256 + len(piece)], count
    count += len(piece)
print("in order")
sys.stdin.read()
""").splitlines()
    assert out[0].startswith("True"), out
    assert json.loads(out[1].replace("'", '"')).popitem()[1] == "ok" and "silence" not in out[1]
    assert out[2] == "in order"
    # Rings of 64 connections, at most two of a MiB each, all given back: by who has read, and where
    # nobody ever will, when the peer is gone.
    world.peers.end_stalls()
    wait_for(lambda: msb.runtime_memory(box) < before + 24 * 1024, "the rings to be given back")


def test_limits(msb, world):
    """One more than allowed is refused; who is gone makes room, who is closing too."""
    script = f"""
def open_one():
    try:
        s = socket.create_connection(("{PUBLIC4}", {ECHO}), 10)
        s.sendall(b"1")
        return s if s.recv(1) == b"1" else None
    except ConnectionRefusedError:
        return None
limit = int(sys.argv[1])
held = [open_one() for i in range(limit)]
print(all(held), open_one())
def open_soon():  # when the peer of one that was closed has closed its side, too
    end = time.monotonic() + 10
    while not (s := open_one()) and time.monotonic() < end:
        time.sleep(0.01)
    return s
held.pop().close()
held.append(open_soon())
print(bool(held[-1]))
for s in held:
    s.close()
print(all(open_soon() for i in range(300)))
"""
    for options, limit in (([], 256), (["--max-connections", "2"], 2),
                           (["--max-connections", "1000"], 1000)):
        box = msb.boot(*OPEN, *options)
        raised = "import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (4096, 4096))\n"
        out = msb.python(box, raised + script, limit).splitlines()
        assert out == ["True None", "True", "True"], (limit, out)
        msb.away(box)
    p = msb("create", *OPEN, "--max-connections", "4097", msb.rootfs)
    assert p.returncode == 2 or p.returncode == 1 and "4096" in p.stderr


def test_datagrams(msb, world, box):
    out = msb.python(box, f"""
def ask(address, port, data, seconds=3, s=None):
    s = s or socket.socket(family_of(address), socket.SOCK_DGRAM)
    s.settimeout(seconds)
    s.sendto(data, (address, port))
    try:
        return s.recvfrom(65536)
    except TimeoutError:
        return "silence"
    except OSError as e:
        return error(e)
for address in ("{PUBLIC4}", "{PUBLIC6}", "{GATEWAY4}", "{GATEWAY6}"):
    for size in (0, 1, 1472, 1473, 8192, 60000, 65507):
        data = os.urandom(size)
        got = ask(address, {UDP_ECHO}, data)
        if got[0] != data or got[1][:2] != (address, {UDP_ECHO}):
            print(address, size, got if isinstance(got, str) else (len(got[0]), got[1]))
print("sizes")
print(ask("{PUBLIC4}", {ELSEWHERE}, b"x", 1))
print(ask("{PUBLIC4}", {SILENT}, b"x", 1))
for address in ("{PUBLIC4}", "{PUBLIC6}", "{GATEWAY4}"):  # nobody there
    s = socket.socket(family_of(address), socket.SOCK_DGRAM)
    s.settimeout(3)
    s.connect((address, 9))
    try:
        s.send(b"x"); print(s.recv(1))
    except TimeoutError:
        print("silence")
    except OSError as e:
        print(error(e))
# one that loses and reorders is passed on as it is
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(1)
for i in range(9):
    s.sendto(b"%d" % i, ("{PUBLIC4}", {UNRELIABLE}))
got = []
try:
    while True:
        got.append(s.recv(10).decode())
except TimeoutError:
    print("".join(got))
# many peers from one port, many ports to one peer
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(3)
for address in ("{PUBLIC4}", "{OTHER4}", "10.1.2.3"):
    data, peer = ask(address, {UDP_ECHO}, address.encode(), s=s)
    print(data.decode() == peer[0] == address)
count = 0
for i in range(600):  # more than there are flows: the oldest make room
    count += ask("{PUBLIC4}", {UDP_ECHO}, b"%d" % i) != "silence"
print(count)
""").splitlines()
    assert out[0] == "sizes", out[:5]
    assert out[1:3] == ["silence", "silence"]
    assert out[3:6] == ["ECONNREFUSED"] * 3
    assert out[6] == "104376", "as the peer sent them: 0 and 1, 3 and 4, 6 and 7 swapped"
    assert out[7:10] == ["True"] * 3
    assert out[10] == "600"


def test_path_mtu(msb, world, box):
    """A router on the way says that packets are too long: the guest hears of it."""
    def router(packet):
        if packet[0] >> 4 == 4 and packet[9] == 17 and len(packet) > 1300:
            quote = packet[:28]
            body = struct.pack("!BBHHH", 3, 4, 0, 0, 1300) + quote
            body = body[:2] + struct.pack("!H", checksum(body)) + body[4:]
            head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(body), 1, 0, 64, 1, 0,
                               socket.inet_aton("192.168.77.1"), packet[12:16])
            return head[:10] + struct.pack("!H", checksum(head)) + head[12:] + body
        if packet[0] >> 4 == 6 and packet[6] == 17 and len(packet) > 1300:
            body = struct.pack("!BBHI", 2, 0, 0, 1300) + packet[:1200]
            src, dst = socket.inet_pton(socket.AF_INET6, "fd77::1"), packet[8:24]
            total = checksum(src + dst + struct.pack("!IHBB", len(body), 0, 0, 58) + body)
            body = body[:2] + struct.pack("!H", total) + body[4:]
            return struct.pack("!IHBB", 6 << 28, len(body), 58, 64) + src + dst + body
        return None
    world.wire.answer = router
    out = msb.python(box, f"""
IP_MTU_DISCOVER, IP_PMTUDISC_DO, IP_MTU, IPV6_MTU_DISCOVER, IPV6_MTU = 10, 2, 14, 23, 24
for address, level, discover, mtu in (("{SILENT4}", socket.IPPROTO_IP, IP_MTU_DISCOVER, IP_MTU),
                                      ("{SILENT6}", socket.IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_MTU)):
    s = socket.socket(family_of(address), socket.SOCK_DGRAM)
    s.setsockopt(level, discover, IP_PMTUDISC_DO)
    s.connect((address, 99))
    before = s.getsockopt(level, mtu)
    end = time.monotonic() + 10
    while s.getsockopt(level, mtu) == before and time.monotonic() < end:
        try:
            s.send(bytes(1400))
        except OSError as e:
            pass
        time.sleep(0.1)
    print(before, s.getsockopt(level, mtu))
""").splitlines()
    assert out == ["1500 1300"] * 2


def checksum(data):
    data = bytes(data) + bytes(len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def test_echo(msb, world, box):
    """ping itself: near and far, small and large, and nobody there."""
    def ping(*words):
        return msb("exec", box, "--", "ping", "-n", "-W", "3", *words)
    for address in (GATEWAY4, GATEWAY6, PUBLIC4, PUBLIC6):
        p = ping("-c", "3", "-i", "0.1", address)
        assert "3 received" in p.stdout and "DUP" not in p.stdout, p.stdout
    for size in (0, 1000, 1472):
        assert "1 received" in ping("-c", "1", "-s", str(size), PUBLIC4).stdout, size
    assert " 0 received" in ping("-c", "1", "-W", "1", SILENT4).stdout
    none = msb.boot("--net-rule", "allow@any:tcp")
    for address in (GATEWAY4, PUBLIC4):
        p = msb("exec", none, "--", "ping", "-n", "-c", "1", "-W", "1", address)
        assert " 0 received" in p.stdout, p.stdout


def test_programs(msb, world, box):
    """curl, git, socat and iperf3 with their servers on the host."""
    missing = [p for p in ("nginx", "iperf3", "socat", "git", "curl", "openssl")
               if not shutil.which(p)]
    if missing:
        pytest.skip(f"{missing[0]} is not installed")
    from test_names import NGINX_PLAIN, NGINX_TLS, start_nginx
    start_nginx(world)
    data = os.urandom(20 * MIB)
    (world.nginx / "blob").write_bytes(data)
    p = msb.sh(box, f"curl -sS http://{GATEWAY4}:{NGINX_PLAIN}/blob | sha256sum;"
               f"curl -sS -k 'https://[{PUBLIC6}]:{NGINX_TLS}/blob' | sha256sum;"
               f"curl -sS http://host.microsandbox.internal:{NGINX_PLAIN}/")
    want = hashlib.sha256(data).hexdigest()
    lines = p.stdout.splitlines()
    assert [line.split()[0] for line in lines[:2]] == [want] * 2, p.stderr
    assert lines[2] == "hello from host.microsandbox.internal"

    repo = world.base / "git/project"
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@example.com", "-C", str(repo)]
    world.space("git", "init", "-q", str(repo))
    (repo / "file").write_text("content\n" * 10000)
    world.space(*git, "add", "file")
    world.space(*git, "commit", "-qm", "first")
    daemon = pathlib.Path(world.space("git", "--exec-path").strip(), "git-daemon")
    world.start(daemon, "--export-all", "--reuseaddr", "--listen=127.0.0.1",
                f"--base-path={world.base / 'git'}", env={**os.environ, "HOME": str(world.base)})
    world.listening(9418)
    p = msb.sh(box, f"git clone -q git://{GATEWAY4}/project /tmp/p && wc -l </tmp/p/file")
    assert p.stdout == "10000\n", p.stderr

    world.start("iperf3", "-s", "-B", PUBLIC4)
    world.listening(5201, PUBLIC4)
    for words in ((), ("-R",), ("-P", "4"), ("-u", "-b", "20M", "-l", "1400")):
        p = msb("exec", box, "--", "iperf3", "-c", PUBLIC4, "-t", "1", "-J", *words)
        got = json.loads(p.stdout)
        assert "error" not in got, got
        end = got["end"].get("sum_received") or got["end"]["sum"]
        assert end["bytes"] > 100000, end

    world.start("socat", f"UDP4-RECVFROM:7200,bind={PUBLIC4},fork", "EXEC:/usr/bin/tac")
    world.start("socat", f"TCP6-LISTEN:7200,bind=[{PUBLIC6}],reuseaddr,fork", "EXEC:/usr/bin/tac")

    def reversed_lines(target):
        return msb.sh(box, f"printf 'a\\nb\\n' | socat -t5 - {target}").stdout
    wait_for(lambda: reversed_lines(f"'TCP6:[{PUBLIC6}]:7200'") == "b\na\n", "socat's server", 20)
    wait_for(lambda: reversed_lines(f"UDP4:{PUBLIC4}:7200") == "b\na\n", "socat's datagrams", 20)
    assert peers.WEB == WEB
