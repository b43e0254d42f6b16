# SPDX-License-Identifier: Apache-2.0
"""A registry that does what its owner wants: an honest one until told otherwise.

    with Server() as s:
        ref = s.add(image, "name")
        s.blob(digest, truncate(100))     # a fault, for as long as it stays
        s.blob(digest, reset(5000), times=1)
        s.heal()
"""
import base64
import collections
import hashlib
import http.server
import json
import re
import socket
import ssl
import struct
import threading
import time

from oci import sha256

Request = collections.namedtuple("Request", "method path headers status sent host")
PIECE = 64 << 10


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "registry"

    def log_message(self, *args):
        pass

    def setup(self):
        super().setup()
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def do_GET(self):
        self.status, self.sent = 0, 0
        try:
            self.server.owner.answer(self)
        except (ConnectionError, ssl.SSLError, TimeoutError):
            self.close_connection = True
        finally:
            self.server.owner.record(self)

    do_HEAD = do_POST = do_GET

    def start(self, status, length=None, **headers):
        self.status = status
        self.send_response(status)
        for key, value in headers.items():
            for one in value if isinstance(value, list) else [value]:
                self.send_header(key.replace("_", "-"), one)
        if length is not None:
            self.send_header("Content-Length", str(length))
        self.end_headers()

    def send(self, data):
        """Body bytes in pieces, counted."""
        view = memoryview(data)
        while view:
            n = self.connection.send(view[:PIECE])
            self.sent += n
            view = view[n:]

    def body(self, status, data, content_type="application/json", **headers):
        self.start(status, len(data), Content_Type=content_type, **headers)
        if self.command != "HEAD":
            self.send(data)

    def reset(self):
        """Close the connection as a crash would: RST, no orderly end."""
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()


# What may be done to a request for `data`; each is called with (handler, data, content_type).

def honest(h, data, content_type):
    """All of it, or the range that was asked for."""
    wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", h.headers.get("Range", ""))
    if not wanted:
        return h.body(200, data, content_type, Accept_Ranges="bytes")
    first = int(wanted[1])
    last = min(int(wanted[2] or len(data) - 1), len(data) - 1)
    if first > last:
        return h.body(416, b"", content_type, Content_Range=f"bytes */{len(data)}")
    return h.body(206, data[first:last + 1], content_type,
                  Content_Range=f"bytes {first}-{last}/{len(data)}")


def no_ranges(h, data, content_type):
    h.body(200, data, content_type)


def instead(other):
    """Other bytes of a plausible kind."""
    return lambda h, data, content_type: h.body(200, other, content_type)


def truncate(n):
    """Say all, send n bytes, close."""
    def fault(h, data, content_type):
        h.start(200, len(data), Content_Type=content_type)
        h.send(data[:n])
        h.close_connection = True
    return fault


def shorter(n):
    """Only n bytes, and say so."""
    return lambda h, data, content_type: h.body(200, data[:n], content_type)


def endless(limit=8 << 30):
    """Chunks without an end, after the right bytes."""
    def fault(h, data, content_type):
        h.start(200, Content_Type=content_type, Transfer_Encoding="chunked")
        junk = bytes(PIECE)
        chunk = data
        while h.sent < limit:
            h.send(b"%x\r\n" % len(chunk) + chunk + b"\r\n")
            chunk = junk
    return fault


def no_length(h, data, content_type):
    """A body that ends with the connection, and has more than it should."""
    h.close_connection = True
    h.start(200, Content_Type=content_type, Connection="close")
    h.send(data)
    for _ in range(1 << 17):
        h.send(bytes(PIECE))


def reset_after(n):
    """n bytes of what was asked for, range included, then a reset."""
    def fault(h, data, content_type):
        wanted = re.fullmatch(r"bytes=(\d+)-", h.headers.get("Range", ""))
        first = int(wanted[1]) if wanted else 0
        if wanted:
            h.start(206, len(data) - first, Content_Type=content_type,
                    Content_Range=f"bytes {first}-{len(data) - 1}/{len(data)}")
        else:
            h.start(200, len(data), Content_Type=content_type)
        h.send(data[first:first + n])
        time.sleep(0.05)  # a reset overtakes what is still on its way
        h.reset()
    return fault


def stall(n):
    """n bytes, then nothing, with the connection open."""
    def fault(h, data, content_type):
        h.start(200, len(data), Content_Type=content_type)
        h.send(data[:n])
        h.server.owner.closing.wait(600)
        h.close_connection = True
    return fault


def trickle(h, data, content_type):
    """A byte now and then, for ever."""
    h.start(200, len(data), Content_Type=content_type)
    for i in range(len(data)):
        h.send(data[i:i + 1])
        if h.server.owner.closing.wait(0.2):
            break
    h.close_connection = True


def slow(rate):
    """Honest, at so many bytes a second."""
    def fault(h, data, content_type):
        wanted = re.fullmatch(r"bytes=(\d+)-", h.headers.get("Range", ""))
        first = int(wanted[1]) if wanted else 0
        headers = {"Content_Range": f"bytes {first}-{len(data) - 1}/{len(data)}"} if wanted else {}
        h.start(206 if wanted else 200, len(data) - first, Content_Type=content_type, **headers)
        step = max(1, rate // 100)
        for at in range(first, len(data), step):
            h.send(data[at:at + step])
            time.sleep(0.01)
    return fault


def wrong_range(h, data, content_type):
    """206 with other bytes than were asked for."""
    if "Range" not in h.headers:
        return honest(h, data, content_type)
    return h.body(206, data[:100], content_type,
                  Content_Range=f"bytes 0-99/{len(data)}")


def status(code, text="", **headers):
    body = json.dumps({"errors": [{"code": "DENIED", "message": text}]}).encode()
    return lambda h, data, content_type: h.body(code, body, **headers)


def redirect(where):
    """To a URL, or to what where() gives."""
    return lambda h, data, content_type: h.body(
        307, b"", Location=where() if callable(where) else where)


def garbage(text):
    """These very bytes instead of an HTTP answer."""
    def fault(h, data, content_type):
        h.status = -1
        h.send(text)
        h.close_connection = True
    return fault


class Server:
    def __init__(self, tls=None, address="127.0.0.1"):
        """tls is a directory of registry.make_ca()."""
        self.log = []
        self.lock = threading.Lock()
        self.closing = threading.Event()
        self.documents = {}  # (kind, name) -> {tag or digest: (media type, bytes)}
        self.heal()
        self.auth = None
        self.http = http.server.ThreadingHTTPServer((address, 0), Handler)
        self.http.daemon_threads = True
        self.http.owner = self
        self.scheme = "http"
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(tls / "server.crt", tls / "server.key")
            self.http.socket = context.wrap_socket(self.http.socket, server_side=True,
                                                   do_handshake_on_connect=False)
            self.scheme = "https"
        self.host = f"{address}:{self.http.server_address[1]}"
        self.url = f"{self.scheme}://{self.host}"
        self.thread = threading.Thread(target=self.http.serve_forever, args=(0.05,), daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *exc):
        self.closing.set()
        self.http.shutdown()
        self.http.server_close()

    # -- content -----------------------------------------------------------

    def add(self, image, name="image", tag="latest"):
        """Serve an image under a tag; returns its reference."""
        self.documents.setdefault(("blobs", name), {}).update(
            {digest: ("application/octet-stream", data) for digest, data in image.blobs().items()})
        self.manifest(image.media_type, image.manifest, name, tag)
        return f"{self.host}/{name}:{tag}"

    def manifest(self, media_type, data, name="image", tag="latest"):
        table = self.documents.setdefault(("manifests", name), {})
        table[sha256(data)] = (media_type, data)
        if tag:
            table[tag] = (media_type, data)
        return f"{self.host}/{name}:{tag}"

    def claim(self, kind, digest, data, media_type="application/octet-stream", name="image"):
        """Serve data as what a digest or tag names, whether it is or not."""
        self.documents.setdefault((kind, name), {})[digest] = (media_type, data)

    # -- faults ------------------------------------------------------------

    def on(self, pattern, fault, times=None):
        """Answer requests whose path matches with a fault, the latest rule first."""
        with self.lock:
            self.rules.insert(0, [re.compile(pattern), fault, times])

    def blob(self, digest, fault, times=None):
        self.on("/blobs/" + digest, fault, times)

    def heal(self):
        with self.lock:
            self.rules = []

    def fault_for(self, path):
        with self.lock:
            for rule in self.rules:
                if rule[0].search(path) and rule[2] != 0:
                    if rule[2] is not None:
                        rule[2] -= 1
                    return rule[1]
        return None

    # -- answers -----------------------------------------------------------

    def answer(self, h):
        path, _, query = h.path.partition("?")
        if self.auth and self.auth.refuse(self, h, path, query):
            return None
        fault = self.fault_for(h.path)
        found = re.fullmatch(r"/v2/(.+)/(manifests|blobs)/([^/]+)", path)
        media_type, data = "application/json", b"{}"
        if found:
            entry = self.documents.get((found[2], found[1]), {}).get(found[3])
            if entry is None and not fault:
                return status(404, "unknown")(h, b"", "")
            media_type, data = entry or (media_type, data)
        elif not fault and path not in ("/v2/", "/v2"):
            return status(404, "unknown")(h, b"", "")
        return (fault or honest)(h, data, media_type)

    def record(self, h):
        with self.lock:
            self.log.append(Request(h.command, h.path, h.headers, h.status, h.sent,
                                    h.headers.get("Host")))

    def requests(self, pattern="", method="GET"):
        with self.lock:
            return [r for r in self.log if re.search(pattern, r.path) and r.method == method]

    def downloads(self):
        """{digest: how many times its body was asked for}."""
        return collections.Counter(r.path.rpartition("/")[2] for r in self.requests("/blobs/")
                                   if r.status in (200, 206))


def basic(user, password):
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


class BasicAuth:
    def __init__(self, user, password):
        self.wanted = basic(user, password)

    def refuse(self, server, h, path, query):
        if h.headers.get("Authorization") == self.wanted:
            return False
        status(401, "authentication required",
               WWW_Authenticate='Basic realm="the \\"test\\" registry"')(h, b"", "")
        return True


class TokenAuth:
    """Tokens from this server or another one, given to who knows the password, or to anybody."""

    def __init__(self, users=None, realm=None, key="token", lifetime=None):
        self.users, self.realm, self.key, self.lifetime = users, realm, key, lifetime
        self.tokens = {}  # token -> end of its life
        self.asked = []  # (query, Authorization)

    def give(self, h, query):
        self.asked.append((query, h.headers.get("Authorization")))
        allowed = {basic(u, p) for u, p in (self.users or {}).items()}
        if self.users and h.headers.get("Authorization") not in allowed:
            return status(401, "incorrect username or password")(h, b"", "")
        token = hashlib.sha256(f"{len(self.tokens)}{query}".encode()).hexdigest()
        self.tokens[token] = time.monotonic() + (self.lifetime or 300)
        answer = {self.key: token}
        if self.lifetime:
            answer["expires_in"] = self.lifetime
        return h.body(200, json.dumps(answer).encode())

    def refuse(self, server, h, path, query):
        if path == "/token":
            self.give(h, query)
            return True
        kind, _, token = h.headers.get("Authorization", "").partition(" ")
        if kind == "Bearer" and self.tokens.get(token, 0) > time.monotonic():
            return False
        name = re.match(r"/v2/(.+)/(manifests|blobs)/", path)
        scope = f',scope="repository:{name[1]}:pull"' if name else ""
        status(401, "token required", WWW_Authenticate=(
            f'Bearer realm="{self.realm or server.url + "/token"}",'
            f'service="test registry"{scope}'))(h, b"", "")
        return True
