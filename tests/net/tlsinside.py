#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What the guest's hand-made clients do: a JSON list of cases on standard input, one of results on standard
output.

A case: host, port (443), address (what the name resolves to), name (of the TLS hello; host; null = none),
plain (no TLS), alpn, most (highest version: 1.2), verify (true), writes (base64 of what is written, each by
itself, in a record of its own), end (close_notify and FIN after that), streams (HTTP/2: read until these have
ended; else until the stream ends), proxy (a CONNECT request to write first, base64).
A result: step (connect, proxy, handshake, write, read, end) that came last, error, alpn, version, sha256 (of the
certificate), issuer, names, got (base64), clean (it ended with close_notify), frames ([type, flags, stream, base64]).
"""
import base64
import contextlib
import errno
import hashlib
import json
import socket
import ssl
import struct
import sys

LIMIT = 60


def context_of(case):
    context = ssl.create_default_context()
    if not case.get("verify", True):
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if case.get("alpn"):
        context.set_alpn_protocols(case["alpn"])
    if case.get("most") == "1.2":
        context.maximum_version = ssl.TLSVersion.TLSv1_2
    if case.get("name", "") is None:
        context.check_hostname = False
    return context


class Link:
    """TLS over a socket by way of memory, so that each direction can end by itself."""

    def __init__(self, s, case):
        self.socket, self.clean = s, False
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context_of(case).wrap_bio(self.incoming, self.outgoing,
                                             server_hostname=case.get("name", case["host"]))

    def flush(self):
        if data := self.outgoing.read():
            self.socket.sendall(data)

    def run(self, step, *args):
        while True:
            try:
                value = step(*args)
                self.flush()
                return value
            except ssl.SSLWantReadError:
                self.flush()
                if data := self.socket.recv(1 << 16):
                    self.incoming.write(data)
                else:
                    self.incoming.write_eof()
            except ssl.SSLError:
                with contextlib.suppress(OSError):
                    self.flush()
                raise

    def handshake(self):
        self.run(self.tls.do_handshake)

    def send(self, data):
        while data:
            data = data[self.run(self.tls.write, data):]

    def recv(self):
        try:
            data = self.run(self.tls.read, 1 << 16)
        except ssl.SSLEOFError:
            return b""
        except ssl.SSLZeroReturnError:  # after an end of our own
            data = b""
        self.clean = not data
        return data

    def end(self):
        with contextlib.suppress(ssl.SSLWantReadError):
            self.tls.unwrap()
        self.flush()
        end(self.socket)


class Plain:
    def __init__(self, s):
        self.socket = s

    def send(self, data):
        self.socket.sendall(data)

    def recv(self):
        return self.socket.recv(1 << 16)

    def end(self):
        end(self.socket)


def end(s):
    """Nothing more is sent; whoever is gone already does not mind."""
    with contextlib.suppress(OSError):
        s.shutdown(socket.SHUT_WR)


def read_frames(link, streams, result):
    """HTTP/2 frames, until all of these streams have ended or the connection has."""
    data, waiting = b"", set(streams)
    while waiting:
        while len(data) < 9 or len(data) < 9 + int.from_bytes(data[:3], "big"):
            piece = link.recv()
            if not piece:
                result["step"] = "end"
                return
            data += piece
        length, kind, flags, stream = struct.unpack("!I", b"\0" + data[:3])[0], *struct.unpack(
            "!BBI", data[3:9])
        result["frames"].append([kind, flags, stream,
                                 base64.b64encode(data[9:9 + length]).decode()])
        data = data[9 + length:]
        if kind == 3 or (kind in (0, 1) and flags & 1):
            waiting.discard(stream)


def proxied(s, case, result):
    s.sendall(base64.b64decode(case["proxy"]))
    head = b""
    while b"\r\n\r\n" not in head:
        piece = s.recv(1)
        if not piece:
            raise ConnectionError("the end")
        head += piece
    result["proxy"] = head.decode()


def describe(link, case, result):
    tls = link.tls
    result.update(alpn=tls.selected_alpn_protocol(), version=tls.version(),
                  sha256=hashlib.sha256(tls.getpeercert(True)).hexdigest())
    if case.get("verify", True):
        certificate = tls.getpeercert()
        result["issuer"] = dict(x[0] for x in certificate["issuer"]).get("commonName")
        result["names"] = [v for _, v in certificate["subjectAltName"]]


def talk(case, result):
    result["step"] = "connect"
    with socket.create_connection((case.get("address") or case["host"], case.get("port", 443)),
                                  LIMIT) as s:
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if "proxy" in case:
            result["step"] = "proxy"
            proxied(s, case, result)
        if case.get("plain"):
            link = Plain(s)
        else:
            result["step"] = "handshake"
            link = Link(s, case)
            link.handshake()
            describe(link, case, result)
        result["step"] = "write"
        for data in case.get("writes", []):
            link.send(base64.b64decode(data))
        if case.get("end"):
            link.end()
        result["step"] = "read"
        if case.get("streams"):
            read_frames(link, case["streams"], result)
            return
        got = b""
        while piece := link.recv():
            got += piece
            result["got"] = base64.b64encode(got).decode()
        result["step"] = "end"
        result["clean"] = getattr(link, "clean", None)


def run(case):
    result = {"got": "", "frames": [], "error": None}
    try:
        talk(case, result)
    except TimeoutError:
        result["error"] = "silence"
    except ssl.SSLError as e:
        result["error"] = e.reason or str(e)
    except OSError as e:
        result["error"] = errno.errorcode.get(e.errno, str(e))
    return result


if __name__ == "__main__":
    json.dump([run(case) for case in json.load(sys.stdin)], sys.stdout)
