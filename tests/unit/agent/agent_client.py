# SPDX-License-Identifier: Apache-2.0
"""Drives an agent over a socket pair: a small CBOR codec, frames, sessions."""
import collections
import select
import socket
import struct
import subprocess
import time

FLAGS = {"core.exec.request": 2, "core.fs.request": 2, "core.tcp.connect": 2, "core.shutdown": 4}
TERMINAL = 1
RELAY = 0x80
DEADLINE = 60


class Array(list):
    """A list to be encoded with indefinite length."""


class Map(dict):
    """A dict to be encoded with indefinite length."""


def _head(major, n):
    if n < 24:
        return bytes([major << 5 | n])
    for info, fmt, top in ((24, ">B", 1 << 8), (25, ">H", 1 << 16), (26, ">I", 1 << 32),
                           (27, ">Q", 1 << 64)):
        if n < top:
            return bytes([major << 5 | info]) + struct.pack(fmt, n)
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
    if isinstance(v, Array):
        return b"\x9f" + b"".join(map(encode, v)) + b"\xff"
    if isinstance(v, list):
        return _head(4, len(v)) + b"".join(map(encode, v))
    if isinstance(v, Map):
        return b"\xbf" + b"".join(encode(k) + encode(x) for k, x in v.items()) + b"\xff"
    if isinstance(v, dict):
        return _head(5, len(v)) + b"".join(encode(k) + encode(x) for k, x in v.items())
    raise TypeError(v)


def _decode(b, at):
    major, info = b[at] >> 5, b[at] & 31
    at += 1
    if info >= 24:
        size = 1 << (info - 24)
        n = int.from_bytes(b[at:at + size], "big")
        at += size
    else:
        n = info
    if major == 0:
        return n, at
    if major == 1:
        return -1 - n, at
    if major in (2, 3):
        raw = bytes(b[at:at + n])
        return (raw if major == 2 else raw.decode()), at + n
    if major == 4:
        out = []
        for _ in range(n):
            v, at = _decode(b, at)
            out.append(v)
        return out, at
    if major == 5:
        out = {}
        for _ in range(n):
            k, at = _decode(b, at)
            out[k], at = _decode(b, at)
        return out, at
    return {20: False, 21: True, 22: None}[n], at


def decode(b):
    v, at = _decode(memoryview(b), 0)
    assert at == len(b), "bytes behind the item"
    return v


Message = collections.namedtuple("Message", "id flags v type payload")


class Agent:
    """One running agent; messages of each id are queued until asked for."""

    def __init__(self, binary, env=None):
        ours, theirs = socket.socketpair()
        self.sock = ours
        self.process = subprocess.Popen([binary, "--serve-fd", str(theirs.fileno())],
                                        pass_fds=[theirs.fileno()], cwd="/", env=env)
        theirs.close()
        self.inbox = collections.defaultdict(collections.deque)
        self.data = bytearray()
        self.paused = False
        self.control = []  # (id, type): what the agent says to the relay
        self.usage = None  # the latest core.usage
        self.next_id = 1
        self.ready = self.recv(0)

    def close(self):
        self.sock.close()
        try:
            code = self.process.wait(DEADLINE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise
        return code

    def new_id(self):
        self.next_id += 1
        return self.next_id

    def send_raw(self, id, flags, body):
        """Write one frame, taking in what the agent says meanwhile."""
        out = memoryview(struct.pack(">IIB", len(body) + 5, id, flags) + body)
        while out:
            want_read = [] if self.paused else [self.sock]
            r, w, _ = select.select(want_read, [self.sock], [], DEADLINE)
            assert r or w, "the agent takes nothing"
            if r:
                self._take()
            if w:
                out = out[self.sock.send(out[:65536], socket.MSG_DONTWAIT):]

    def send(self, type, payload, id=None, v=6, flags=None):
        id = self.new_id() if id is None else id
        body = encode({"v": v, "t": type, "p": encode(payload)})
        self.send_raw(id, FLAGS.get(type, 0) if flags is None else flags, body)
        return id

    def _take(self):
        got = self.sock.recv(1 << 20)
        assert got, "the agent is gone"
        self.data += got
        while len(self.data) >= 4:
            size = struct.unpack_from(">I", self.data)[0]
            if len(self.data) < size + 4:
                return
            id, flags = struct.unpack_from(">IB", self.data, 4)
            e = decode(bytes(self.data[9:size + 4]))
            assert list(e) == ["v", "t", "p"]
            del self.data[:size + 4]
            if flags & RELAY:
                self.control.append((id, e["t"]))
                if e["t"] == "core.usage":
                    self.usage = decode(e["p"])
                continue
            self.inbox[id].append(Message(id, flags, e["v"], e["t"], decode(e["p"])))

    def recv(self, id, timeout=DEADLINE):
        end = time.monotonic() + timeout
        while not self.inbox[id]:
            left = end - time.monotonic()
            assert left > 0 and select.select([self.sock], [], [], left)[0], f"nothing for {id}"
            self._take()
        return self.inbox[id].popleft()

    def rest(self, id):
        """All messages of a session up to its last."""
        out = []
        while not out or not out[-1].flags & TERMINAL:
            out.append(self.recv(id))
        return out

    def silent(self, id):
        """True when nothing was said under id although the agent answers others."""
        self.ping()
        return not self.inbox[id]

    def ping(self):
        assert self.recv(self.send("core.ping", {})).type == "core.pong"

    # --- programs ---

    def start(self, cmd, *args, id=None, v=6, **kw):
        payload = {"cmd": cmd, "args": list(args), "env": [], "cwd": None, "user": None,
                   "tty": False, "rows": 24, "cols": 80, "rlimits": [], **kw}
        return self.send("core.exec.request", payload, id=id, v=v)

    def hold(self, id, on=True):
        """What the relay says when a client does not read."""
        self.send("core.exec.pause" if on else "core.exec.resume", {}, id=id, flags=RELAY)

    def stdin(self, id, data):
        self.send("core.exec.stdin", {"data": data}, id=id)

    def collect(self, id):
        """stdout, stderr, last message."""
        messages = self.rest(id)
        out, err = (b"".join(m.payload["data"] for m in messages if m.type == t)
                    for t in ("core.exec.stdout", "core.exec.stderr"))
        return out, err, messages[-1]

    def run(self, cmd, *args, stdin=b"", **kw):
        """stdout, stderr, exit code; asserts that the program could be started."""
        id = self.start(cmd, *args, **kw)
        if not kw.get("tty"):
            if stdin:
                self.stdin(id, stdin)
            self.stdin(id, b"")
        first = self.recv(id)
        assert first.type == "core.exec.started", first
        out, err, last = self.collect(id)
        assert last.type == "core.exec.exited", last
        return out, err, last.payload["code"]

    def sh(self, script, **kw):
        return self.run("/bin/sh", "-c", script, **kw)

    def failed(self, cmd, *args, **kw):
        m = self.recv(self.start(cmd, *args, **kw))
        assert m.type == "core.exec.failed" and m.flags == TERMINAL, m
        return m.payload

    # --- files ---

    def fs_send(self, op, id=None, **fields):
        return self.send("core.fs.request", {"op": {op: fields}}, id=id)

    def fs(self, op, id=None, **fields):
        """data of an answer, or the text of an error."""
        m = self.recv(self.fs_send(op, id=id, **fields))
        assert m.type == "core.fs.response" and m.flags == TERMINAL, m
        if not m.payload["ok"]:
            assert m.payload["data"] is None
            return m.payload["error"]
        assert m.payload["error"] is None
        return m.payload["data"]

    def open(self, path, mode=None, id=None, **options):
        every = ["read", "write", "append", "create", "truncate", "create_new"]
        opts = {k: options.get(k, False) for k in every}
        opts["mode"] = mode
        answer = self.fs("OpenFile", id=id, path=path, options=opts)
        return answer["Handle"] if isinstance(answer, dict) else answer

    def read(self, handle, offset=0, len=None):
        *data, last = self.rest(self.fs_send("Read", handle=handle, offset=offset, len=len))
        return last.payload["error"] or b"".join(m.payload["data"] for m in data)

    def write(self, handle, data, offset=0, len=None, chunk=1 << 20):
        """None, or the text of an error."""
        size = memoryview(data).nbytes
        id = self.fs_send("Write", handle=handle, offset=offset, len=len)
        for at in range(0, size, chunk):
            self.send("core.fs.data", {"data": data[at:at + chunk]}, id=id)
        self.send("core.fs.data", {"data": b""}, id=id)
        return self.recv(id).payload["error"]
