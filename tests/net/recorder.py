# SPDX-License-Identifier: Apache-2.0
"""An HTTP/1.1 server, with TLS or without, that writes down every octet it is sent.

What a path does: /late answers once the client has ended its stream; /stall reads nothing more after the
head until released; /events sends one event, and another after /go; /give?N sends N octets; /echo becomes
what was asked for with Upgrade and sends back what comes; anything else is answered with the length and the
digest of the request's body.
"""
import base64
import contextlib
import hashlib
import json
import re
import socket
import ssl
import threading
import urllib.parse

KEPT = 4 << 20  # octets of a connection that are kept; all of them are counted
LIMIT = 60  # seconds, of anything that waits
PATTERN = bytes(range(256)) * 256


class Ended(Exception):
    """The client has nothing more to say."""


class Request:
    def __init__(self, head, connection):
        self.head = head
        self.connection = connection
        lines = head.decode("latin-1").split("\r\n")
        self.method, self.target, self.version = lines[0].split(" ")
        self.fields = [tuple(line.split(": ", 1)) for line in lines[1:] if ": " in line]
        self.body = b""  # as far as it is kept
        self.length = 0
        self.digest = hashlib.sha256()
        self.sizes = []  # of chunks
        self.trailers = b""

    def __getitem__(self, name):
        return next((v for n, v in self.fields if n.lower() == name.lower()), None)

    def take(self, piece):
        self.digest.update(piece)
        self.length += len(piece)
        if len(self.body) < KEPT:
            self.body += piece

    @property
    def basic(self):
        """What is in Basic credentials."""
        return base64.b64decode((self["Authorization"] or "").removeprefix("Basic ")).decode()


class Connection:
    """One client, as it was seen."""

    def __init__(self, port):
        self.port = port
        self.name = None  # that the client asked for in its hello
        self.alpn = self.version = self.resumed = self.error = None
        self.data = bytearray()
        self.count = 0
        self.requests = []
        self.ended = threading.Event()

    def note(self, piece):
        self.count += len(piece)
        if len(self.data) < KEPT:
            self.data += piece


class Stream:
    """Octets from a socket, noted as they come."""

    def __init__(self, s, connection):
        self.socket, self.connection, self.ahead = s, connection, b""

    def more(self):
        piece = self.socket.recv(1 << 17)
        if not piece:
            raise Ended
        self.connection.note(piece)
        self.ahead += piece

    def until(self, end):
        while end not in self.ahead:
            self.more()
        found, self.ahead = self.ahead.split(end, 1)
        return found

    def pieces(self, length):
        while length:
            if not self.ahead:
                self.more()
            piece, self.ahead = self.ahead[:length], self.ahead[length:]
            length -= len(piece)
            yield piece


class Recorder:
    def __init__(self, space):
        self.space = space
        self.lock = threading.Lock()
        self.connections = []
        self.released = threading.Event()  # ends /stall
        self.listeners = []

    def serve(self, address, port, context=None):
        listener = self.space.listen(address, port)
        self.listeners.append(listener)
        threading.Thread(target=self.accept, args=(listener, context), daemon=True).start()

    def close(self):
        self.released.set()
        for listener in self.listeners:
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            listener.close()

    def accept(self, listener, context):
        port = listener.getsockname()[1]
        while True:
            try:
                s, _ = listener.accept()
            except OSError:
                return
            connection = Connection(port)
            with self.lock:
                self.connections.append(connection)
            threading.Thread(target=self.run, args=(s, context, connection), daemon=True).start()

    def run(self, s, context, connection):
        try:
            with s:
                s.settimeout(LIMIT)
                s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                if context:
                    with context.wrap_socket(s, server_side=True,
                                             do_handshake_on_connect=False) as t:
                        t.connection = connection
                        t.do_handshake()
                        connection.alpn = t.selected_alpn_protocol()
                        connection.version, connection.resumed = t.version(), t.session_reused
                        self.talk(t, connection)
                else:
                    self.talk(s, connection)
        except (OSError, Ended, ValueError) as e:
            connection.error = e
        finally:
            connection.ended.set()

    def talk(self, s, connection):
        stream = Stream(s, connection)
        while True:
            request = Request(stream.until(b"\r\n\r\n"), connection)
            connection.requests.append(request)
            self.answer(s, stream, request)
            if request["Connection"] == "close":
                if isinstance(s, ssl.SSLSocket):
                    with contextlib.suppress(OSError):
                        s.unwrap()
                return

    def read_body(self, stream, request):
        if request["Transfer-Encoding"] != "chunked":
            for piece in stream.pieces(int(request["Content-Length"] or 0)):
                request.take(piece)
            return
        while size := int(stream.until(b"\r\n").split(b";")[0], 16):
            request.sizes.append(size)
            for piece in stream.pieces(size):
                request.take(piece)
            if stream.until(b"\r\n"):
                raise ValueError("a chunk longer than it says")
        while line := stream.until(b"\r\n"):
            request.trailers += line + b"\n"

    def answer(self, s, stream, request):
        path, _, query = request.target.partition("?")
        if path.endswith("/stall"):
            self.released.wait(LIMIT)
        if path.endswith("/echo"):
            s.sendall(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: " +
                      (request["Upgrade"] or "websocket").encode() + b"\r\n\r\n")
            while True:
                s.sendall(stream.ahead)
                stream.ahead = b""
                stream.more()
        self.read_body(stream, request)
        if path.endswith("/events"):
            return self.events(s)
        if path.endswith("/go"):
            self.released.set()
        if path.endswith("/late"):
            with contextlib.suppress(Ended):
                while True:
                    stream.more()
            self.say(s, request)
            raise Ended
        if path.endswith("/give"):
            return self.give(s, int(query))
        self.say(s, request)

    def say(self, s, request):
        body = json.dumps({"length": request.length, "sha256": request.digest.hexdigest(),
                           "method": request.method}).encode()
        last = b"Connection: close\r\n" if request["Connection"] == "close" else b""
        s.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n%sContent-Length: %d\r\n\r\n"
                  % (last, len(body)) + body)

    def give(self, s, left):
        s.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % left)
        while left:
            s.sendall(PATTERN[:left])
            left -= min(left, len(PATTERN))

    def events(self, s):
        s.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: first\n\n")
        if not self.released.wait(LIMIT):
            raise Ended
        s.sendall(b"data: second\n\n")
        raise Ended

    # --- what the tests ask ---

    def take(self):
        """The connections since the last time, once each of them has ended."""
        with self.lock:
            connections, self.connections = self.connections, []
        for c in connections:
            assert c.ended.wait(LIMIT), f"a connection to {c.name or c.port} that does not end"
        return connections

    def requests(self, connections=None):
        return [r for c in (self.take() if connections is None else connections)
                for r in c.requests]


def holds(data, text):
    """Is text in there, in any form?"""
    raw, data = text.encode(), bytes(data)
    plain = re.sub(rb"\\u00([0-9a-fA-F]{2})", lambda m: bytes([int(m[1], 16)]), data)
    found = {raw, raw.hex().encode()}
    for shift in range(3):  # base64 of something it is part of
        whole = base64.b64encode(b"\0" * shift + raw)
        found.add(whole[4 if shift else 0:len(whole) // 4 * 4 - 4])
    return any(f in d for f in found for d in (data, plain, urllib.parse.unquote_to_bytes(plain)))
