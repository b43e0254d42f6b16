# SPDX-License-Identifier: Apache-2.0
"""DNS servers for tests: a real one, dnsmasq, and one that answers whatever a test wants."""
import re
import shutil
import socket
import struct
import threading

import pytest

A, CNAME, TXT, AAAA, OPT = 1, 5, 16, 28, 41
NOERROR, FORMERR, SERVFAIL, NXDOMAIN, REFUSED = 0, 1, 2, 3, 5


class Dnsmasq:
    """Knows names below example.com and example.org; what it was asked is in its log."""

    def __init__(self, world, addresses, records):
        if not shutil.which("dnsmasq"):
            pytest.skip("dnsmasq is not installed")
        words = ["--no-daemon", "--no-resolv", "--no-hosts", "--conf-file=/dev/null",
                 "--bind-interfaces", "--user=", "--group=", "--log-queries=extra",
                 "--log-facility=-", "--local=/com/org/net/", "--edns-packet-max=4096",
                 *[f"--listen-address={a}" for a in addresses], *records]
        self.process, self.log = world.start(shutil.which("dnsmasq"), *words)
        self.read = 0
        world.listening(53, addresses[0])

    def asked(self):
        """(type, name) of each question since the last time, as it was spelt."""
        text = self.log.read_text(errors="replace")
        new, self.read = text[self.read:], len(text)
        return re.findall(r"query\[(\w+)\] (\S+) from", new)


def encode_name(name):
    return b"".join(bytes([len(label)]) + label.encode() for label in
                    name.rstrip(".").split(".") if label) + b"\0"


def decode_name(data, at):
    """(name, where it ends); no compression, as in questions."""
    labels = []
    while data[at]:
        labels.append(data[at + 1:at + 1 + data[at]].decode())
        at += 1 + data[at]
    return ".".join(labels), at + 1


def query(name, kind=A, ident=0x1234, questions=1, payload=0):
    """The octets of a question; payload: the size an OPT record tells."""
    out = struct.pack("!6H", ident, 0x0100, questions, 0, 0, 1 if payload else 0)
    out += (encode_name(name) + struct.pack("!HH", kind, 1)) * questions
    if payload:
        out += b"\0" + struct.pack("!HHIH", OPT, payload, 0, 0)
    return out


class Question:
    """What came to an Odd server."""

    def __init__(self, data, stream):
        self.data = data
        self.stream = stream
        self.ident, self.flags, self.count = struct.unpack("!3H", data[:6])
        self.name, end = decode_name(data, 12)
        self.kind = struct.unpack("!H", data[end:end + 2])[0]
        self.section = data[12:end + 4]
        self.edns = struct.unpack("!H", data[10:12])[0] > 0

    def answer(self, *records, rcode=NOERROR, ident=None, flags=0x8180, name=None):
        """records: (type, data, ttl) or (type, data, ttl, owner); A and AAAA data as text."""
        section = self.section
        if name is not None:
            section = encode_name(name) + section[-4:]
        out = struct.pack("!6H", self.ident if ident is None else ident, flags | rcode, 1,
                          len(records), 0, 0) + section
        for kind, value, ttl, *owner in records:
            if kind in (A, AAAA):
                value = socket.inet_pton(socket.AF_INET if kind == A else socket.AF_INET6, value)
            elif kind == CNAME:
                value = encode_name(value)
            out += (encode_name(owner[0]) if owner else b"\xc0\x0c") + \
                struct.pack("!HHIH", kind, 1, ttl, len(value)) + value
        return out


class Odd:
    """Answers by handler(question) -> bytes, None, or a list; over both transports."""

    def __init__(self, space, address, port, handler):
        self.handler = handler
        self.space = space
        self.questions = []
        self.udp = space.listen(address, port, socket.SOCK_DGRAM)
        self.port = self.udp.getsockname()[1]
        self.tcp = space.listen(address, self.port)
        for serve in (self.serve_udp, self.serve_tcp):
            threading.Thread(target=serve, daemon=True).start()

    def reply(self, data, stream):
        q = Question(data, stream)
        self.questions.append(q)
        answers = self.handler(q)
        if answers is None:
            return []
        return answers if isinstance(answers, list) else [answers]

    def serve_udp(self):
        while True:
            try:
                data, peer = self.udp.recvfrom(65536)
                for answer in self.reply(data, False):
                    self.udp.sendto(answer, peer)
            except OSError:
                return

    def serve_tcp(self):
        while True:
            try:
                connection, _ = self.tcp.accept()
            except OSError:
                return
            threading.Thread(target=self.serve_stream, args=(connection,), daemon=True).start()

    def serve_stream(self, connection):
        with connection, connection.makefile("rb") as f:
            while len(head := f.read(2)) == 2:
                for answer in self.reply(f.read(struct.unpack("!H", head)[0]), True):
                    connection.sendall(struct.pack("!H", len(answer)) + answer)

    def asked(self):
        questions, self.questions = self.questions, []
        return [(q.kind, q.name) for q in questions]

    def close(self):
        for s in (self.udp, self.tcp):
            s.shutdown(socket.SHUT_RDWR) if s is self.tcp else None
            s.close()
