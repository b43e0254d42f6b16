# SPDX-License-Identifier: Apache-2.0
"""A second, independent implementation of the agent protocol, for tests only."""
import socket
import struct

from conftest import DEADLINE

TERMINAL, SESSION_START, SHUTDOWN = 1, 2, 4


def _head(major, n):
    if n < 24:
        return bytes([major << 5 | n])
    for code, size in ((24, 1), (25, 2), (26, 4), (27, 8)):
        if n < 1 << (8 * size):
            return bytes([major << 5 | code]) + n.to_bytes(size, "big")
    raise ValueError(n)


def encode(v):
    if v is None:
        return b"\xf6"
    if isinstance(v, bool):
        return b"\xf5" if v else b"\xf4"
    if isinstance(v, int):
        return _head(0, v) if v >= 0 else _head(1, -1 - v)
    if isinstance(v, bytes):
        return _head(2, len(v)) + v
    if isinstance(v, str):
        return _head(3, len(v.encode())) + v.encode()
    if isinstance(v, (list, tuple)):
        return _head(4, len(v)) + b"".join(map(encode, v))
    if isinstance(v, dict):
        return _head(5, len(v)) + b"".join(encode(k) + encode(x) for k, x in v.items())
    raise TypeError(type(v))


def decode(data, pos=0):
    major, info = data[pos] >> 5, data[pos] & 31
    pos += 1
    if major == 7:
        return {20: False, 21: True, 22: None}[info], pos
    if info < 24:
        n = info
    else:
        size = 1 << (info - 24)
        n, pos = int.from_bytes(data[pos:pos + size], "big"), pos + size
    if major == 0:
        return n, pos
    if major == 1:
        return -1 - n, pos
    if major == 2:
        return data[pos:pos + n], pos + n
    if major == 3:
        return data[pos:pos + n].decode(), pos + n
    if major == 4:
        out = []
        for _ in range(n):
            v, pos = decode(data, pos)
            out.append(v)
        return out, pos
    out = {}
    for _ in range(n):
        k, pos = decode(data, pos)
        out[k], pos = decode(data, pos)
    return out, pos


def frame(id, flags, type, payload, v=6):
    body = encode({"v": v, "t": type, "p": encode(payload)})
    return struct.pack(">IIB", 5 + len(body), id, flags) + body


def exec_request(cmd, *args, **kw):
    return {"cmd": cmd, "args": list(args), "env": kw.get("env", []), "cwd": kw.get("cwd"),
            "user": kw.get("user"), "tty": kw.get("tty", False), "rows": 24, "cols": 80,
            "rlimits": []}


class Refused(Exception):
    """Instead of ids there came an error of this kind."""


class Client:
    """One connection to a sandbox's agent socket."""

    def __init__(self, path, timeout=DEADLINE):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(timeout)
        # a short path whatever the directory: connect relative to it
        import os
        fd = os.open(os.path.dirname(path), os.O_PATH)
        try:
            self.sock.connect(f"/proc/self/fd/{fd}/{os.path.basename(path)}")
        finally:
            os.close(fd)
        self.buf = b""
        head = self.exactly(8)
        self.start, self.end = struct.unpack(">II", head)
        self.next = self.start
        self.ready = self.recv()
        if not self.end:  # the relay has no room, and says so
            raise Refused(self.ready[3]["kind"])

    def exactly(self, n):
        while len(self.buf) < n:
            data = self.sock.recv(65536)
            if not data:
                raise EOFError
            self.buf += data
        out, self.buf = self.buf[:n], self.buf[n:]
        return out

    def recv(self):
        """(id, flags, type, payload, generation)"""
        length, id, flags = struct.unpack(">IIB", self.exactly(9))
        env, _ = decode(self.exactly(length - 5))
        return id, flags, env["t"], decode(env["p"])[0], env["v"]

    def new_id(self):
        self.next += 1
        return self.next - 1

    def send(self, id, flags, type, payload, **kw):
        self.sock.sendall(frame(id, flags, type, payload, **kw))

    def exec(self, *argv, **kw):
        """Run to the end: (frames, last frame)."""
        id = self.new_id()
        self.send(id, SESSION_START, "core.exec.request", exec_request(*argv, **kw))
        self.send(id, 0, "core.exec.stdin", {"data": b""})
        return self.collect(id)

    def collect(self, id):
        frames = []
        while True:
            f = self.recv()
            if f[0] != id:
                continue
            frames.append(f)
            if f[1] & TERMINAL:
                return frames

    def fs(self, op, **fields):
        id = self.new_id()
        self.send(id, SESSION_START, "core.fs.request", {"op": {op: fields}})
        frames = self.collect(id)
        data = b"".join(f[3]["data"] for f in frames if f[2] == "core.fs.data")
        return frames[-1][3], data

    def close(self):
        self.sock.close()
