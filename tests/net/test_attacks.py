# SPDX-License-Identifier: Apache-2.0
"""A hostile guest: ways around a policy, frames no driver would send, floods."""
import json
import random

import pytest

from conftest import (DNS4, GATEWAY4, GATEWAY6, OTHER4, OTHER6, OWN4, PUBLIC4, PUBLIC6, SILENT4,
                      wait_for)
from peers import ECHO, SENDS, STALLS, WEB

DENY_INNER = ["--net-default", "allow", "--net-rule",
              "deny@private,deny@metadata,deny@link_local,deny@loopback,deny@multicast,deny@host"]


def alive(msb, name):
    """The sandbox still does what it should."""
    targets = [f"tcp {PUBLIC4} {WEB}", f"tcp {PUBLIC6} {WEB}", f"udp {PUBLIC4} {ECHO}",
               f"ping {PUBLIC4}"]
    got = msb.probe(name, targets)
    assert set(got.values()) == {"ok"}, got


def test_addresses_in_disguise(msb, world):
    """Private addresses as mapped, translated or loopback ones; sources that are not the guest's."""
    name = msb.boot(*DENY_INNER)
    out = msb.python(name, f"""
raw = Raw()
me4, me6 = own_addresses()
hidden = ["::ffff:10.1.2.3", "::10.1.2.3", "64:ff9b::a01:203", "2002:a01:203::1", "::ffff:127.0.0.1",
          "::ffff:169.254.169.254", "64:ff9b::7f00:1", "64:ff9b:1::a01:203", "::1", "::", "fe80::1",
          "fd00::1", "ff02::1", "fec0::1", "2002:7f00:1::1", "{GATEWAY6}"]
plain = ["10.1.2.3", "127.0.0.1", "127.9.9.9", "0.0.0.0", "255.255.255.255", "169.254.169.254",
         "169.254.1.1", "224.0.0.1", "{GATEWAY4}", "192.168.1.1", "{OWN4}", "172.16.0.3"]
for src, addresses in ((me4, plain), (me6, hidden)):
    for i, dst in enumerate(addresses):
        for port in ({WEB}, {ECHO}):
            raw.ip(packet(src, dst, 6, syn(src, dst, 40000 + i, port)))
            raw.ip(packet(src, dst, 17, udp(src, dst, 41000 + i, port, b"hello")))
        raw.ip(packet(src, dst, 1 if "." in src else 58, echo(src, dst)))
# as if another had sent it, or the peer itself: to where the guest may go
for src, dst in (("172.16.0.6", "{PUBLIC4}"), ("{GATEWAY4}", "{PUBLIC4}"), ("127.0.0.1", "{PUBLIC4}"),
                 ("{PUBLIC4}", "{PUBLIC4}"), ("10.1.2.3", "{OTHER4}"), ("0.0.0.0", "{PUBLIC4}"),
                 ("255.255.255.255", "{PUBLIC4}"), ("fd42:6d73:62::9", "{PUBLIC6}"),
                 ("::1", "{PUBLIC6}"), ("::", "{PUBLIC6}"), ("fe80::1", "{OTHER6}"),
                 ("ff02::1", "{PUBLIC6}")):
    raw.ip(packet(src, dst, 6, syn(src, dst, 42000, {WEB})))
    raw.ip(packet(src, dst, 17, udp(src, dst, 42000, {ECHO}, b"hello")))
    raw.ip(packet(src, dst, 17, udp(src, dst, 42000, 53, b"hello")))
    raw.ip(packet(src, dst, 1 if "." in src else 58, echo(src, dst)))
print(probe(["tcp {PUBLIC4} {WEB}"]).popitem()[1])
""")
    assert out == "ok\n"
    seen = world.peers.take()
    allowed = {("tcp", PUBLIC4, WEB)}
    # an address of the sandbox's host itself is as public as its group says: private here
    assert set(seen) <= allowed, seen
    assert not world.wire.take()
    alive(msb, name)


def test_loopback_and_multicast_by_rule(msb, world):
    """A guest may make packets to 127.0.0.1: only a rule for that gets them anywhere."""
    script = f"""
raw = Raw()
me4, me6 = own_addresses()
for dst in ("127.0.0.1", "127.0.0.1"):
    raw.ip(packet(me4, dst, 17, udp(me4, dst, 43000, {ECHO}, b"hello")))
raw.ip(packet(me6, "::1", 17, udp(me6, "::1", 43000, {ECHO}, b"hello")))
frame = raw.receive(lambda f: f[12:14] == b"\\x08\\x00" and f[23] == 17)
print(frame is not None and frame[26:30] == bytes([127, 0, 0, 1]))
"""
    for options, passes in ((["--net-default", "allow", "--net-rule", "deny@loopback"], False),
                            (["--net-rule", "allow@public,allow@private,allow@host"], False),
                            (["--net-rule", "allow@loopback"], True)):
        name = msb.boot(*options)
        world.forget()
        assert msb.python(name, script) == f"{passes}\n", options
        seen = {s[1] for s in world.peers.take()}
        assert seen == ({"127.0.0.1", "::1"} if passes else set()), options
        msb.away(name)


def test_other_protocols_go_nowhere(msb, world):
    name = msb.boot("--net-default", "allow")
    msb.python(name, f"""
raw = Raw()
me4, me6 = own_addresses()
for proto in (0, 2, 4, 33, 41, 47, 50, 51, 89, 132, 136, 253, 255):
    raw.ip(packet(me4, "{SILENT4}", proto, bytes(64)))
    raw.ip(packet(me6, "2600::4", proto, bytes(64)))
for kind in (0, 3, 4, 5, 9, 10, 11, 12, 13, 14, 17, 18, 42):  # ICMP that is no echo
    body = bytes([kind, 0, 0, 0]) + bytes(32)
    body = body[:2] + struct.pack("!H", checksum(body)) + body[4:]
    raw.ip(packet(me4, "{SILENT4}", 1, body))
for ethertype in (0x0806, 0x8100, 0x88a8, 0x8847, 0x0000, 0x05dc, 0x22f0, 0xffff):
    raw.send(ethertype, bytes(60))
""")
    assert not world.wire.take() and not world.peers.take()
    alive(msb, name)


def test_fragments(msb, world):
    """Datagrams are put together before they are judged; what does not fit together is dropped."""
    name = msb.boot("--net-rule", f"allow@public:udp:{ECHO}")
    out = msb.python(name, f"""
raw = Raw()
me4, me6 = own_addresses()
def v4(parts, ident):
    for offset, more, data in parts:
        raw.ip(ip4(me4, "{PUBLIC4}", 17, data, ident=ident, fragment=(more << 13) | offset // 8))
def v6(parts, ident, first=17):
    for offset, more, data in parts:
        head = struct.pack("!BBHI", first, 0, offset | more, ident)
        raw.ip(ip6(me6, "{PUBLIC6}", 44, head + data))
def whole(sport, dport, data, six=False):
    return udp(me6, "{PUBLIC6}", sport, dport, data) if six else \\
        udp(me4, "{PUBLIC4}", sport, dport, data)
count = 0
def arrived(sport):
    global count
    raw_frame = raw.receive(lambda f: (f[12:14] == b"\\x08\\x00" and f[23] == 17 and
                            f[36:38] == struct.pack("!H", sport)) or (f[12:14] == b"\\x86\\xdd" and
                            f[20] == 17 and f[56:58] == struct.pack("!H", sport)), 0.4)
    return raw_frame is not None
d = whole(44001, {ECHO}, bytes(range(200)) * 4)
v4([(0, 1, d[:400]), (400, 0, d[400:])], 1); print("in order", arrived(44001))
d = whole(44002, {ECHO}, bytes(range(200)) * 4)
v4([(400, 0, d[400:]), (200, 1, d[200:400]), (0, 1, d[:200])], 2); print("backwards", arrived(44002))
d = whole(44003, {ECHO}, bytes(range(200)) * 4, True)
v6([(400, 0, d[400:]), (0, 1, d[:400])], 3); print("IPv6", arrived(44003))
d = whole(44004, 9999, bytes(400))
v4([(0, 1, d[:200]), (200, 0, d[200:])], 4); print("denied port", arrived(44004))
d = whole(44005, {ECHO}, bytes(400))
v4([(0, 1, d[:200]), (192, 1, d[192:400]), (400, 0, d[400:])], 5); print("overlap", arrived(44005))
# the first part says one port, one that overlaps it another
e = whole(44006, 9999, bytes(400))
v4([(0, 1, e[:200]), (0, 1, whole(44006, {ECHO}, bytes(400))[:200]), (200, 0, e[200:])], 6)
print("twice", arrived(44006))
d = whole(44007, {ECHO}, bytes(400))
v4([(0, 1, d[:4]), (4, 0, d[4:])], 7); print("odd length", arrived(44007))
d = whole(44010, {ECHO}, bytes(400))
v4([(0, 1, d[:200]), (200, 1, b""), (200, 0, d[200:])], 8); print("empty", arrived(44010))
v4([(65528, 0, bytes(64))], 9)
v6([(0, 1, d[:200]), (65528, 0, bytes(64))], 9)
t = syn(me4, "{PUBLIC4}", 44008, {WEB})
raw.ip(ip4(me4, "{PUBLIC4}", 6, t[:16], ident=10, fragment=1 << 13))
raw.ip(ip4(me4, "{PUBLIC4}", 6, t[16:], ident=10, fragment=2))
for i in range(3000):  # sets that are never complete
    raw.ip(ip4(me4, "{PUBLIC4}", 17, bytes(1400), ident=1000 + i, fragment=(1 << 13) | (i % 40) * 175))
d = whole(44009, {ECHO}, bytes(range(200)) * 4)
v4([(0, 1, d[:400]), (400, 0, d[400:])], 11); print("after a flood", arrived(44009))
""").splitlines()
    got = dict(line.rsplit(" ", 1) for line in out)
    assert got == {"in order": "True", "backwards": "True", "IPv6": "True", "denied port": "False",
                   "overlap": "False", "twice": "False", "odd length": "False", "empty": "False",
                   "after a flood": "True"}
    assert {s[:2] for s in world.peers.take()} == {("udp", PUBLIC4), ("udp", PUBLIC6)}
    assert not world.wire.take()


def test_malformed_frames(msb, world):
    """Thousands of frames with random damage: nothing forbidden gets out, nobody is harmed."""
    seed = random.randrange(1 << 32)
    name = msb.boot("--net-rule", f"allow@public:tcp:{WEB}", "--net-rule", "allow@public:udp:53")
    out = msb.python(name, f"""
import random
random.seed({seed})
raw = Raw()
me4, me6 = own_addresses()
seeds = []
for src, dst in ((me4, "{PUBLIC4}"), (me6, "{PUBLIC6}"), (me4, "{GATEWAY4}"), (me6, "{GATEWAY6}"),
                 (me4, "10.1.2.3")):
    kind = struct.pack("!H", 0x0800 if "." in src else 0x86dd)
    for proto, body in ((6, syn(src, dst, 45000, {WEB})), (6, syn(src, dst, 45001, {WEB}, flags=18)),
                        (6, syn(src, dst, 45002, {ECHO})), (17, udp(src, dst, 45003, 53, bytes(40))),
                        (17, udp(src, dst, 45004, {ECHO}, bytes(300))),
                        (1 if "." in src else 58, echo(src, dst, data=bytes(100))),
                        (58, bytes([135, 0, 0, 0]) + bytes(28))):
        seeds.append(raw.gateway_mac + raw.mac + kind + packet(src, dst, proto, body))
seeds.append(bytes([255]) * 6 + raw.mac + b"\\x08\\x06\\x00\\x01\\x08\\x00\\x06\\x04\\x00\\x01" +
             raw.mac + socket.inet_aton(me4) + bytes(6) + socket.inet_aton("{GATEWAY4}"))
sent = 0
for i in range(6000):
    f = bytearray(random.choice(seeds))
    for _ in range(random.randrange(1, 5)):
        f[random.randrange(12, len(f))] = random.choice((0, 1, 0x45, 0x60, 0x7f, 0x80, 0xff,
                                                         random.randrange(256)))
    if random.random() < 0.3:
        f = f[:random.randrange(14, len(f) + 1)]
    elif random.random() < 0.1:
        f += random.randbytes(random.randrange(1, 600))
    try:
        raw.socket.send(f)
        sent += 1
    except OSError:
        pass
print(sent > 5000)
print(probe(["tcp {PUBLIC4} {WEB}", "tcp {PUBLIC6} {WEB}"]))
""").splitlines()
    assert out[0] == "True", seed
    assert set(json.loads(out[1].replace("'", '"')).values()) == {"ok"}, seed
    public_tcp = [s for s in world.peers.take() if not (s[0] == "tcp" and s[2] == WEB)]
    assert not public_tcp, (seed, public_tcp)
    assert msb.status(name) == "Running"


def test_floods(msb, world):
    """Flows of every kind as fast as the guest can: memory is bounded, others go on."""
    name = msb.boot("--net-default", "allow", "--net-rule", "deny@10.0.0.0/8")
    pid = msb.runtime_pid(name)

    def memory():
        with open(f"/proc/{pid}/smaps_rollup") as f:
            return int(next(line for line in f if line.startswith("Private_Dirty")).split()[1])
    before = memory()
    out = msb.python(name, f"""
import time
raw = Raw()
me4, me6 = own_addresses()
other = socket.create_connection(("{PUBLIC4}", {ECHO}), 20)
for i in range(4000):  # connections that are only begun, to one who never answers and one who does
    raw.ip(ip4(me4, "{SILENT4}", 6, syn(me4, "{SILENT4}", 1024 + i, 80)))
    raw.ip(ip4(me4, "{PUBLIC4}", 6, syn(me4, "{PUBLIC4}", 10000 + i, {WEB})))
    raw.ip(ip4(me4, "10.1.2.3", 6, syn(me4, "10.1.2.3", 20000 + i, {WEB})))
other.sendall(b"1"); print(other.recv(1))
for i in range(4000):  # datagrams: flows, denied ones, questions, echoes
    raw.ip(ip4(me4, "{PUBLIC4}", 17, udp(me4, "{PUBLIC4}", 1024 + i, {ECHO}, b"x")))
    raw.ip(ip4(me4, "10.1.2.3", 17, udp(me4, "10.1.2.3", 1024 + i, {ECHO}, b"x")))
    raw.ip(ip4(me4, "{GATEWAY4}", 17, udp(me4, "{GATEWAY4}", 1024 + i, 53,
               struct.pack("!6H", i, 0x100, 1, 0, 0, 0) + b"\\1x\\4name\\0\\0\\1\\0\\1")))
    raw.ip(ip4(me4, "{PUBLIC4}", 1, echo(me4, "{PUBLIC4}", ident=i, seq=i)))
    raw.ip(ip6(me6, "{GATEWAY6}", 58, echo(me6, "{GATEWAY6}", ident=i)))
other.sendall(b"2"); print(other.recv(1))
""").split()
    assert out == ["b'1'", "b'2'"]
    assert memory() < before + 32 * 1024, "at most so much for a full house"
    lines = [line for line in msb.log(name).splitlines() if "10.1.2.3" in line]
    assert 1 <= len(lines) < 200, "denials are told, but not each"
    msb.told(name, "more flows")
    # the flood's connections make room, if only after a while
    targets = [f"tcp {PUBLIC4} {ECHO}", f"udp {PUBLIC4} {ECHO}"]
    wait_for(lambda: set(msb.probe(name, targets).values()) == {"ok"}, "room for others", 60)
    world.forget()


def test_a_guest_that_does_not_read(msb, world):
    """Downloads and datagrams for which it gives no time: the rest goes on, memory is bounded."""
    name = msb.boot("--net-default", "allow")
    p = msb.popen("exec", name, "--", "/usr/bin/python3", "-S", "-c", f"""
import os, socket, time
held = []
for i in range(100):
    s = socket.create_connection(("{PUBLIC4}", {SENDS}), 30)
    s.sendall(b"%d\\n" % (1 << 30))
    held.append(s)
for i in range(50):
    s = socket.create_connection(("{PUBLIC4}", {STALLS}), 30)
    held.append(s)
print("held", flush=True)
time.sleep(600)
""")
    assert p.stdout.readline() == b"held\n"
    alive(msb, name)
    assert msb.runtime_memory(name) < 100 * 1024, "64 MiB of rings, and what it had before"
    p.kill()
    p.communicate()


def test_denials_are_told_once_in_a_while(msb, world):
    name = msb.boot("--net-rule", "deny@private,allow@public:tcp:80")
    msb.probe(name, ["tcp 10.1.2.3 22", f"udp {PUBLIC4} 5000", f"ping {PUBLIC6}"])
    msb.told(name, "denied egress tcp to 10.1.2.3:22", "rule 1 (deny@private)",
             f"denied egress udp to {PUBLIC4}:5000", "default egress deny", PUBLIC6)


def test_denied_at_once(msb, world):
    """Errors come before anybody loses patience: RST, and ICMP for datagrams."""
    name = msb.boot("--no-net")
    out = msb.python(name, f"""
import time
for address in ("{PUBLIC4}", "{PUBLIC6}", "{GATEWAY4}"):
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        s = socket.socket(family_of(address), kind)
        s.settimeout(10)
        start = time.monotonic()
        try:
            s.connect((address, 7777))
            s.send(b"x")
            s.recv(1)
            print("ok")
        except OSError as e:
            print(error(e), time.monotonic() - start < 2)
""").splitlines()
    for tcp, udp in zip(out[::2], out[1::2]):
        assert tcp == "ECONNREFUSED True"
        assert udp in ("EHOSTUNREACH True", "EACCES True", "ECONNREFUSED True"), out
    assert not world.peers.take()


@pytest.mark.parametrize("address", [DNS4, GATEWAY4])
def test_dns_is_no_tunnel(msb, world, address):
    """Port 53 carries questions to the sandbox's own resolver, and nothing else."""
    name = msb.boot("--net-default", "allow", "--dns-nameserver", "127.0.0.1:9")
    out = msb.python(name, f"""
import time
s = socket.create_connection(("{address}", 53), 10)
s.sendall(b"SSH-2.0-tunnel\\r\\n" * 100)
s.settimeout(10)
try:
    print(len(s.recv(100)))
except OSError as e:
    print(error(e))
u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
u.settimeout(1)
for data in (b"", b"x" * 11, os.urandom(500), b"\\0" * 60000):
    u.sendto(data, ("{address}", 53))
try:
    print(len(u.recv(65536)) <= 512)
except OSError as e:
    print("silence")
""").splitlines()
    assert out[1] in ("silence", "True")
    assert not world.wire.take()
    alive(msb, name)
