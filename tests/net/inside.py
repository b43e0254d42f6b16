#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What tests do in the guest: tries many destinations at once, builds frames by hand.

As a program: a JSON list of targets on standard input, {target: result} on standard output. A target
is "tcp ADDRESS PORT", "udp ADDRESS PORT" or "ping ADDRESS", where ADDRESS may be gateway4 or gateway6;
a result is "ok", the name of an error, or "silence".
"""
import errno
import functools
import ipaddress
import json
import os
import selectors
import socket
import struct
import sys
import time

SCALE = int(os.environ.get("SCALE", "1"))  # how much slower than usual this machine is
TCP_LIMIT, DATAGRAM_LIMIT, TRIES = 4 * SCALE, 0.7, 2 * SCALE
ECHO_REQUEST = {socket.AF_INET: 8, socket.AF_INET6: 128}


def gateway(address):
    """The address itself, or what it is called for."""
    if address == "gateway4":
        return str(ipaddress.ip_address(own_addresses()[0]) - 1)
    if address == "gateway6":
        return str(ipaddress.ip_address(own_addresses()[1]) - 1)
    return address


def family_of(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def error(e):
    return errno.errorcode.get(e.errno, str(e))


def checksum(data):
    data = bytes(data) + bytes(len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


class Try:
    """One destination, on a socket of its own that never blocks."""

    def __init__(self, target, number):
        self.target = target
        kind, self.address, *port = target.split()
        self.address = gateway(self.address)
        self.kind = kind
        self.port = int(port[0]) if port else 0
        self.token = f"{target} {os.getpid()} {number}".encode()
        self.result = None
        self.sent = 0
        self.next = time.monotonic()
        family = family_of(self.address)
        if kind == "ping":
            self.token = self.echo_request(family, number)
            self.socket = socket.socket(family, socket.SOCK_RAW, socket.IPPROTO_ICMP
                                        if family == socket.AF_INET else socket.IPPROTO_ICMPV6)
        else:
            self.socket = socket.socket(family, socket.SOCK_STREAM if kind == "tcp"
                                        else socket.SOCK_DGRAM)
        self.socket.setblocking(False)
        self.limit = self.next + (TCP_LIMIT if kind == "tcp" else DATAGRAM_LIMIT * TRIES)
        try:
            self.socket.connect((self.address, self.port))
        except BlockingIOError:
            pass
        except OSError as e:
            self.result = error(e)

    @staticmethod
    def echo_request(family, number):
        body = struct.pack("!HH", os.getpid() & 0xFFFF, number) + b"a few bytes of payload"
        head = struct.pack("!BBH", ECHO_REQUEST[family], 0, 0)
        if family == socket.AF_INET:
            head = struct.pack("!BBH", 8, 0, checksum(head + body))
        return head + body

    def events(self):
        if self.kind == "tcp" and not self.sent:
            return selectors.EVENT_WRITE
        return selectors.EVENT_READ

    def due(self, now):
        """Time to send a datagram again, or to give up."""
        if self.result:
            return
        if now >= self.limit:
            self.result = "silence"
        elif self.kind != "tcp" and now >= self.next:
            self.next = now + DATAGRAM_LIMIT
            try:
                self.socket.send(self.token)
            except OSError as e:
                self.result = error(e)

    def ready(self):
        try:
            if self.kind == "tcp" and not self.sent:
                code = self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                if code:
                    raise OSError(code, "")
                self.sent = self.socket.send(self.token)
                return
            data = self.socket.recv(65536)
            if self.kind == "ping":
                if self.is_reply(data):
                    self.result = "ok"
            else:
                self.result = "ok" if data == self.token else f"got {data!r}"
        except BlockingIOError:
            pass
        except OSError as e:
            self.result = error(e)

    def is_reply(self, data):
        if family_of(self.address) == socket.AF_INET:
            data = data[(data[0] & 15) * 4:]
        reply = {8: 0, 128: 129}[self.token[0]]
        return data[0] == reply and data[4:] == self.token[4:]


def probe(targets):
    """{target: result}; all at the same time."""
    tries = [Try(t, i) for i, t in enumerate(dict.fromkeys(targets))]
    with selectors.DefaultSelector() as s:
        for t in tries:
            if not t.result:
                s.register(t.socket, t.events(), t)
        while True:
            now = time.monotonic()
            for t in tries:
                t.due(now)
            waiting = [t for t in tries if not t.result]
            if not waiting:
                break
            for key, _ in s.select(0.1):
                key.data.ready()
                if key.data.result:
                    s.unregister(key.fileobj)
                elif key.events != key.data.events():
                    s.modify(key.fileobj, key.data.events(), key.data)
    for t in tries:
        t.socket.close()
    return {t.target: t.result for t in tries}


# --- frames by hand ---


class Raw:
    """The guest's interface, below its IP."""

    def __init__(self, name="eth0"):
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        self.socket.bind((name, 0))
        self.mac = self.socket.getsockname()[4]
        self.gateway_mac = self.mac[:5] + b"\x01"

    def send(self, ethertype, body):
        self.socket.send(self.gateway_mac + self.mac + struct.pack("!H", ethertype) + body)

    def ip(self, packet):
        self.send(0x86DD if packet[0] >> 4 == 6 else 0x0800, packet)

    def receive(self, wanted, seconds=1):
        """The first frame from outside that wanted(frame) takes, or None."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self.socket.settimeout(left)
            try:
                frame, origin = self.socket.recvfrom(65536)
            except TimeoutError:
                return None
            if origin[2] != socket.PACKET_OUTGOING and wanted(frame):
                return frame
        return None


def pseudo(src, dst, proto, length):
    family = family_of(src)
    ends = socket.inet_pton(family, src) + socket.inet_pton(family, dst)
    return ends + (struct.pack("!BBH", 0, proto, length) if family == socket.AF_INET else
                   struct.pack("!IHBB", length, 0, 0, proto))


def ip4(src, dst, proto, body, ident=1, fragment=0, ttl=64):
    head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(body), ident, fragment, ttl, proto, 0,
                       socket.inet_aton(src), socket.inet_aton(dst))
    return head[:10] + struct.pack("!H", checksum(head)) + head[12:] + body


def ip6(src, dst, proto, body, hops=64):
    return struct.pack("!IHBB", 6 << 28, len(body), proto, hops) + \
        socket.inet_pton(socket.AF_INET6, src) + socket.inet_pton(socket.AF_INET6, dst) + body


def packet(src, dst, proto, body, **kw):
    return (ip6 if ":" in src else ip4)(src, dst, proto, body, **kw)


def udp(src, dst, sport, dport, data):
    length = 8 + len(data)
    head = struct.pack("!HHHH", sport, dport, length, 0)
    total = checksum(pseudo(src, dst, 17, length) + head + data) or 0xFFFF
    return head[:6] + struct.pack("!H", total) + data


def syn(src, dst, sport, dport, seq=1, flags=2):
    head = struct.pack("!HHIIBBHHH", sport, dport, seq, 0, 5 << 4, flags, 64240, 0, 0)
    total = checksum(pseudo(src, dst, 6, len(head)) + head)
    return head[:16] + struct.pack("!H", total) + head[18:]


def echo(src, dst, ident=7, seq=1, data=b"ping"):
    body = struct.pack("!HH", ident, seq) + data
    if ":" in src:
        head = struct.pack("!BBH", 128, 0, 0)
        total = checksum(pseudo(src, dst, 58, len(head + body)) + head + body)
        return head[:2] + struct.pack("!H", total) + body
    head = struct.pack("!BBH", 8, 0, 0)
    return head[:2] + struct.pack("!H", checksum(head + body)) + body


@functools.cache
def own_addresses():
    """The guest's addresses on eth0, IPv4 and IPv6 (None when it has none)."""
    found = {4: None, 6: None}
    out = os.popen("ip -o addr show dev eth0 scope global").read()
    for line in out.splitlines():
        words = line.split()
        found[6 if words[2] == "inet6" else 4] = words[3].split("/")[0]
    return found[4], found[6]


if __name__ == "__main__":
    json.dump(probe(json.load(sys.stdin)), sys.stdout)
