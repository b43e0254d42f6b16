# SPDX-License-Identifier: Apache-2.0
"""The HTTPS servers of the tests' world, good and bad, and HTTP/2 by hand.

On SITE: nginx, HTTP/1.1 and HTTP/2, files, git repositories, the rest passed on to the recorder. On API: the
recorder itself, whose certificate goes by the name it is asked for.
"""
import base64
import os
import shutil
import ssl
import struct
import subprocess

import pytest

import recorder

SITE4, SITE6 = "93.184.216.34", "2606:2800:220:1::34"
API4, API6 = "93.184.216.35", "2606:2800:220:1::35"
NOBODY4 = "93.184.216.36"  # no server there
ADDRESSES4, ADDRESSES6 = [SITE4, API4, NOBODY4], [SITE6, API6]
SITES = ["site.example.com", "other-site.example.com", "site.below.example.com"]
APIS = ["api.example.com", "second.example.com", "evil.example.com", "below.example.com",
        "x.below.example.com", "deep.x.below.example.com", "notbelow.example.com"]
BAD = ["expired.example.com", "not-yet.example.com", "mismatch.example.com",
       "untrusted.example.com"]
NAMES = {**{n: [SITE4, SITE6] for n in SITES}, **{n: [API4, API6] for n in APIS + BAD},
         "nobody.example.com": [NOBODY4], "four.example.com": [API4]}
# ports of API: TLS 1.2, 1.3, both, both with a certificate of the client's; without, behind nginx
OLD, NEW, AGAIN, DEMANDING, PLAIN_BEHIND = 8442, 8443, 9443, 8444, 9081
S_SERVER = 8445  # another one: openssl's
PASSWORD = "pass.word-0123456789"  # of someone, below /locked
# what tests keep secret, and what the guest has instead
VALUE, PLACE = "sk-live.Of-the-Real-Value_0123456789", "$MSB_API_KEY"
API, SITE, SECOND, EVIL = APIS[0], SITES[0], APIS[1], APIS[2]
WHOLE = 135_000  # octets of the file that nginx has

NGINX = """
daemon off; master_process off; pid {base}/nginx.pid; error_log stderr warn;
events {{ worker_connections 512; }}
http {{
    access_log {base}/access.log; client_body_temp_path {base}/1; proxy_temp_path {base}/2;
    fastcgi_temp_path {base}/3; uwsgi_temp_path {base}/4; scgi_temp_path {base}/5;
    client_max_body_size 0; proxy_http_version 1.1; proxy_request_buffering off;
    large_client_header_buffers 4 64k;
    server {{
        listen {site4}:443 ssl http2; listen [{site6}]:443 ssl http2; listen {site4}:80;
        server_name {names};
        ssl_certificate {cert}; ssl_certificate_key {key}; ssl_protocols TLSv1.2 TLSv1.3;
        root {base}/www;
        add_header X-Protocol $server_protocol always;
        location / {{ proxy_pass http://127.0.0.1:{behind}; proxy_set_header Host $http_host; }}
        location /files/ {{ }}
        location ~ ^(/git/.*)$ {{
            include {base}/git.conf;
            fastcgi_param REMOTE_USER someone;
        }}
        location ~ ^/locked(/git/.*)$ {{
            auth_basic "git"; auth_basic_user_file {base}/passwords;
            include {base}/git.conf;
            fastcgi_param REMOTE_USER $remote_user;
        }}
    }}
}}
"""

GIT = """
include /etc/nginx/fastcgi_params;
fastcgi_param SCRIPT_FILENAME /usr/lib/git-core/git-http-backend;
fastcgi_param GIT_PROJECT_ROOT {base}; fastcgi_param GIT_HTTP_EXPORT_ALL 1;
fastcgi_param PATH_INFO $1;
fastcgi_pass unix:{base}/git.sock;
"""


class Servers:
    def __init__(self, world):
        for program in ("nginx", "fcgiwrap", "git"):
            if not shutil.which(program):
                pytest.skip(f"{program} is not installed")
        pki = pytest.importorskip("pki")  # and with it, python3-cryptography
        self.world = world
        self.base = world.base / "tls"
        self.base.mkdir()
        self.authority = pki.Authority(self.base, "Tests CA")
        self.stranger = pki.Authority(self.base, "Strange CA")
        self.ca = self.authority.cert
        self.pair = self.authority.issue("server", *SITES, *APIS, "four.example.com",
                                         "nobody.example.com", "host.microsandbox.internal")
        self.bad = {
            "expired.example.com": self.authority.issue(
                "expired", "expired.example.com", begin=-3 * pki.DAY, end=-pki.DAY),
            "not-yet.example.com": self.authority.issue(
                "not-yet", "not-yet.example.com", begin=pki.DAY),
            "mismatch.example.com": self.authority.issue("mismatch", "some.example.org"),
            "untrusted.example.com": self.stranger.issue("untrusted", "untrusted.example.com")}
        self.read = 0  # of what nginx has written
        self.start_recorder()
        self.start_nginx()

    def context(self, *alpn, least=None, most=None):
        context = self.pair.context(alpn)
        contexts = {name: pair.context(alpn) for name, pair in self.bad.items()}

        def named(s, name, _):
            s.connection.name = name
            if name in contexts:
                s.context = contexts[name]

        context.sni_callback = named
        if least:
            context.minimum_version = least
        if most:
            context.maximum_version = most
        return context

    def start_recorder(self):
        self.recorder = recorder.Recorder(self.world.space)
        for address in (API4, API6):
            self.recorder.serve(address, 443, self.context("http/1.1"))
            self.recorder.serve(address, AGAIN, self.context("http/1.1"))
            self.recorder.serve(address, 80)
        self.recorder.serve(API4, OLD, self.context(most=ssl.TLSVersion.TLSv1_2))
        self.recorder.serve(API4, NEW, self.context(least=ssl.TLSVersion.TLSv1_3))
        demanding = self.context()
        demanding.verify_mode = ssl.CERT_REQUIRED
        demanding.load_verify_locations(self.ca)
        self.recorder.serve(API4, DEMANDING, demanding)
        self.recorder.serve("127.0.0.1", PLAIN_BEHIND)
        self.recorder.serve("127.0.0.1", AGAIN, self.context("http/1.1"))
        self.recorder.serve("::1", AGAIN, self.context("http/1.1"))

    def start_nginx(self):
        base = self.base
        (base / "www/files").mkdir(parents=True)
        (base / "www/files/whole").write_bytes(recorder.PATTERN[:100] * (WHOLE // 100))
        self.make_repository(base / "git")
        (base / "nginx.conf").write_text(NGINX.format(
            base=base, site4=SITE4, site6=SITE6, names=" ".join(SITES), cert=self.pair.cert,
            key=self.pair.key, behind=PLAIN_BEHIND))
        (base / "git.conf").write_text(GIT.format(base=base))
        (base / "passwords").write_text(f"someone:{{PLAIN}}{PASSWORD}\n")
        env = {**os.environ, "HOME": str(base), "GIT_CONFIG_COUNT": "1",
               "GIT_CONFIG_KEY_0": "safe.directory", "GIT_CONFIG_VALUE_0": "*"}
        self.world.start(shutil.which("fcgiwrap"), "-s", f"unix:{base}/git.sock", env=env)
        self.world.start(shutil.which("nginx"), "-c", base / "nginx.conf", "-p", base)
        self.world.listening(443, SITE4)
        self.world.start(shutil.which("openssl"), "s_server", "-accept", f"{API4}:{S_SERVER}", "-www",
                         "-quiet", "-cert", self.pair.cert, "-key", self.pair.key)
        self.world.listening(S_SERVER, API4)

    def make_repository(self, place):
        """A bare repository that takes pushes, with a commit."""
        def git(*words):
            subprocess.run(["git", "-c", "user.name=t", "-c", "user.email=t@example.com",
                            "-c", "init.defaultBranch=main", *words], check=True,
                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        work = self.base / "work"
        git("init", str(work))
        (work / "readme").write_text("a file of the repository\n")
        (work / "big").write_bytes(os.urandom(3 << 20))
        git("-C", str(work), "add", ".")
        git("-C", str(work), "commit", "-m", "first")
        place.mkdir()
        git("clone", "--bare", str(work), str(place / "it.git"))
        git("-C", str(place / "it.git"), "config", "http.receivepack", "true")
        self.repository = place / "it.git"

    def access(self):
        """What nginx was asked since the last time."""
        text = (self.base / "access.log").read_text()
        new, self.read = text[self.read:], len(text)
        return new

    def forget(self):
        self.access()
        self.recorder.released.set()
        self.recorder.take()
        self.recorder.released.clear()

    def close(self):
        self.recorder.close()


def b64(*pieces):
    return [base64.b64encode(p if isinstance(p, bytes) else p.encode()).decode() for p in pieces]


def case(host, *writes, **kw):
    """One of tlsinside.py's."""
    return {"host": host, "writes": b64(*writes), **kw}


def ask(host, target="/", method="GET", fields=(), body=None, close=True):
    """The octets of an HTTP/1.1 request."""
    lines = [f"{method} {target} HTTP/1.1", f"Host: {host}", *fields]
    body = body.encode() if isinstance(body, str) else body
    if body is not None and not any(f.lower().startswith("transfer-encoding") for f in fields):
        lines.append(f"Content-Length: {len(body)}")
    if close:
        lines.append("Connection: close")
    return "\r\n".join([*lines, "", ""]).encode() + (body or b"")


def chunked(*pieces, trailers=""):
    """A body in these chunks."""
    pieces = [p.encode() if isinstance(p, str) else p for p in pieces]
    return b"".join(b"%x\r\n%s\r\n" % (len(p), p) for p in pieces) + \
        f"0\r\n{trailers}\r\n".encode()


def credentials(text):
    return base64.b64encode(text.encode()).decode()


# --- HTTP/2 by hand ---

DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, \
    CONTINUATION = range(10)
END_STREAM, END_HEADERS, PADDED = 1, 4, 8
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


def frame(kind, flags, stream, payload=b""):
    return struct.pack("!I", len(payload))[1:] + struct.pack("!BBI", kind, flags, stream) + payload


def integer(value, bits, first=0):
    """An integer of HPACK, behind the bits of first."""
    most = (1 << bits) - 1
    if value < most:
        return bytes([first | value])
    out, value = bytes([first | most]), value - most
    while value >= 128:
        out, value = out + bytes([value & 127 | 128]), value >> 7
    return out + bytes([value])


def field(name, value, how=0):
    """A literal field: not indexed (0), put into the table (0x40), or never indexed (0x10)."""
    name, value = (t.encode() if isinstance(t, str) else t for t in (name, value))
    return bytes([how]) + integer(len(name), 7) + name + integer(len(value), 7) + value


def block(authority, path="/", method="GET", fields=(), how=0):
    pseudo = [(":method", method), (":scheme", "https"), (":authority", authority), (":path", path)]
    return b"".join(field(n, v, how) for n, v in [*pseudo, *fields] if v is not None)


def request(stream, authority, path="/", method="GET", fields=(), body=None, how=0):
    """The frames of a request; body: what its DATA frames hold."""
    head = block(authority, path, method, fields, how)
    out = frame(HEADERS, END_HEADERS | (END_STREAM if body is None else 0), stream, head)
    for i, piece in enumerate(body or []):
        out += frame(DATA, END_STREAM if i == len(body) - 1 else 0, stream, piece)
    return out


HELLO = PREFACE + frame(SETTINGS, 0, 0)
