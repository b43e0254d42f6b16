# SPDX-License-Identifier: Apache-2.0
"""Rules about names: what a guest was told, what its TLS hello says, and what it dials instead."""
import shutil
import subprocess

import pytest

from conftest import DNS4, OTHER4, OTHER6, PUBLIC4
from peers import DIGESTS, ECHO, GREETS, TLS, WEB

NAMESERVER = ["--dns-nameserver", DNS4]
# hello(address, name): what becomes of a TLS hello; the peer's bytes, or the error's name.
HELLO = """
import ssl, time
def hello(address, name, port=%d, parts=1, first=b""):
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context.wrap_bio(incoming, outgoing, server_hostname=name)
    try:
        tls.do_handshake()
    except ssl.SSLWantReadError:
        pass
    data = first + outgoing.read()
    try:
        s = socket.create_connection((address, port), 20)
        size = len(data) // parts + 1
        for i in range(parts):
            s.sendall(data[i * size:(i + 1) * size])
            if parts > 1:
                time.sleep(0.05)
        got = b""
        while len(got) < len(data):
            piece = s.recv(65536)
            if not piece:
                return "end"
            got += piece
        return "ok" if got == data else "garbled"
    except OSError as e:
        return error(e)
def resolve(name, family=socket.AF_INET):
    return socket.getaddrinfo(name, 80, family, socket.SOCK_STREAM)[0][4][0]
""" % TLS
REFUSED = ("ECONNREFUSED", "ECONNRESET", "EPIPE", "ENOTCONN", "end")


@pytest.fixture
def guest(msb, dnsmasq):
    """guest(script, options…): what the script printed, by lines, in a sandbox of its own."""
    def run(script, *options):
        box = msb.boot(*NAMESERVER, *options)
        lines = msb.python(box, HELLO + script).splitlines()
        msb.away(box)
        return lines
    return run


def test_a_name_that_was_resolved(guest, world):
    lines = guest(f"""
T = ["tcp {OTHER4} {WEB}", "tcp {OTHER6} {WEB}", "udp {OTHER4} {ECHO}", "ping {OTHER4}",
     "tcp {PUBLIC4} {WEB}"]
print(list(probe(T).values()))
print(resolve("one.example.com"))
print(list(probe(T).values()))
print(resolve("one.example.com", socket.AF_INET6))
print(list(probe(T).values()))
""", "--net-rule", "allow@one.example.com")
    no = "ECONNREFUSED"
    first, v4, both = (eval(lines[i]) for i in (0, 2, 4))
    assert first[0] == first[1] == first[4] == no and first[2] != "ok" and first[3] != "ok"
    assert v4 == ["ok", no, "ok", "ok", no], "each family has a record of its own"
    assert both == ["ok", "ok", "ok", "ok", no]
    assert {s[1] for s in world.peers.take()} == {OTHER4, OTHER6}


def test_an_alias_counts_for_the_name_that_was_asked(guest):
    lines = guest(f"""
T = ["tcp {PUBLIC4} {WEB}"]
print(resolve("c1.example.net"), probe(T)[T[0]])
""", "--net-rule", "allow@c1.example.net")
    assert lines == [f"{PUBLIC4} ok"]


def test_a_record_expires(guest):
    lines = guest(f"""
T = ["tcp {OTHER4} {WEB}"]
s = socket.create_connection((resolve("short.example.com"), {ECHO}))
s.sendall(b"first"); s.recv(5)
print(probe(T)[T[0]])
time.sleep(2.2)
print(probe(T)[T[0]])
s.sendall(b"still"); print(s.recv(5))
resolve("short.example.com")
print(probe(T)[T[0]])
""", "--net-rule", "allow@short.example.com")
    assert lines == ["ok", "ECONNREFUSED", "b'still'", "ok"]


def test_names_on_one_address(guest, world):
    """Two names share an address; only one of them is allowed."""
    lines = guest(f"""
a = resolve("a.example.org")
try:
    b = resolve("b.example.org")
except OSError:
    b = None
print(a, b)
print(hello(a, "a.example.org"))
print(hello(a, "A.Example.ORG"))
print(hello(a, "a.example.org", parts=5))
print(hello(a, "b.example.org"))
print(hello(a, None))
print(hello("{PUBLIC4}", "a.example.org"))
""", "--net-rule", "allow@a.example.org")
    assert lines[:4] == [f"{OTHER4} None", "ok", "ok", "ok"]
    assert lines[4] in REFUSED, "the hello names another"
    assert lines[5] == "ok", "without a name, what was resolved decides"
    assert lines[6] in REFUSED, "a hello may say anything"
    assert len([s for s in world.peers.take() if s[:2] == ("tcp", OTHER4)]) == 4
    assert not [s for s in world.peers.take() if s[1] == PUBLIC4]


def test_suffixes(guest, world):
    lines = guest(f"""
print(resolve("deep.down.example.com"), resolve("example.com"))
for name in ("deep.down.example.com", "sibling.example.com", "example.com", "badexample.com",
             "example.com.evil.org"):
    print(hello("{OTHER4}", name))
try:
    print(resolve("badexample.com"))
except OSError:
    print("blocked")
""", "--net-rule", "allow@*.example.com")
    assert lines[0] == f"{OTHER4} {PUBLIC4}"
    assert lines[1:4] == ["ok", "ok", "ok"]
    assert lines[4] in REFUSED and lines[5] in REFUSED
    assert lines[6] == "blocked"


def test_denied_names_by_heart(guest, world):
    """A deny rule needs no record: who knows the address gets no further with that name."""
    lines = guest(f"""
for name in ("b.example.org", "a.example.org", "x.down.example.com", None):
    print(hello("{OTHER4}", name))
print(hello("{OTHER6}", "b.example.org"))
print(hello("{OTHER4}", "b.example.org", parts=9))
print(probe(["tcp {PUBLIC4} {WEB}"]).popitem()[1])
""", "--net-default", "allow", "--net-rule", "deny@b.example.org,deny@*.down.example.com")
    assert lines[0] in REFUSED and lines[2] in REFUSED
    assert lines[1] == lines[3] == "ok"
    assert lines[4] in REFUSED and lines[5] in REFUSED
    assert lines[6] == "ok"
    assert len([s for s in world.peers.take() if s[1] == OTHER4]) == 2


def test_ports_of_a_name(guest):
    lines = guest(f"""
a = resolve("one.example.com")
print(list(probe([f"tcp {{a}} {{p}}" for p in ({TLS}, {WEB}, {ECHO})] + [f"udp {{a}} {TLS}"])
      .values())[:3])
""", "--net-rule", f"allow@one.example.com:tcp:{TLS}-{TLS}")
    assert eval(lines[0]) == ["ok", "ECONNREFUSED", "ECONNREFUSED"]


def test_who_speaks_first(guest):
    """A server that greets is not kept waiting for a hello that never comes."""
    lines = guest(f"""
def greeting(address):
    start = time.monotonic()
    s = socket.create_connection((address, {GREETS}), 20)
    return s.recv(100), time.monotonic() - start < 3
print(greeting("{PUBLIC4}"))
print(greeting(resolve("one.example.com")))
""", "--net-rule", "allow@one.example.com,allow@public")
    assert lines == ["(b'220 welcome\\r\\n', True)"] * 2


def test_bytes_in_front_of_the_decision_arrive(guest, world):
    """Whatever was looked at is passed on whole, also with the end right behind it."""
    lines = guest(rf"""
import hashlib
a = resolve("one.example.com")
def upload(data):
    s = socket.create_connection((a, {DIGESTS}), 30)
    try:
        s.sendall(data)
        s.shutdown(socket.SHUT_WR)
        count, sha = s.makefile().read().split()
        return count == str(len(data)) and sha == hashlib.sha256(data).hexdigest()
    except OSError as e:
        return error(e)
    except ValueError:
        return "end"
for data in (b"x", b"GET / HTTP/1.1\r\nHost: b.example.org\r\n\r\n", b"", bytes(300000),
             b"\x17\x03\x03\x40\x00" * 20000):
    print(upload(data))
for data in (b"\x16", b"\x16\x03\x01\x40\x00\x01\x00\x3f\xfc" + bytes(4000),
             b"\x15\x03\x03\x40\x00" * 20000):
    print(upload(data))
""", "--net-rule", "allow@one.example.com,allow@*.example.net")
    assert lines[:5] == ["True"] * 5
    # the reset may be there before the guest is through with what it says
    assert all(line in (*REFUSED, "ENOTCONN", "EPIPE") for line in lines[5:]), lines[5:]
    assert len(world.peers.take()) == 5


def test_https_by_real_programs(msb, dnsmasq, world):
    """curl to nginx with a certificate: --resolve and a wrong Host header are no way around."""
    if not shutil.which("nginx") or not shutil.which("openssl"):
        pytest.skip("nginx or openssl is not installed")
    port = start_nginx(world)
    box = msb.boot(*NAMESERVER, "--net-rule", f"allow@a.example.org:tcp:{port}")
    curl = "curl -sS -k -m 30 -o /tmp/out -w '%{http_code} %{remote_ip}'"
    script = f"""
{curl} https://a.example.org:{port}/ && cat /tmp/out
echo; {curl} -4 https://a.example.org:{port}/ && cat /tmp/out
echo; {curl} --resolve b.example.org:{port}:{OTHER4} https://b.example.org:{port}/; echo " $?"
{curl} --resolve a.example.org:{port}:{PUBLIC4} https://a.example.org:{port}/; echo " $?"
{curl} https://{PUBLIC4}:{port}/; echo " $?"
{curl} https://b.example.org:{port}/; echo " $?"
"""
    lines = msb.sh(box, script).stdout.splitlines()
    assert lines[0].startswith("200 ") and lines[1] == f"200 {OTHER4}" or \
        "hello from a.example.org" in "\n".join(lines[:3]), lines
    codes = [int(line.split()[-1]) for line in lines[-4:]]
    assert codes[0] in (35, 7, 56) and codes[1] == 7 and codes[2] == 7 and codes[3] == 6, lines
    msb.told(box, "name=b.example.org", PUBLIC4)
    # a deny rule does not look at the Host header either, but at the hello
    box = msb.boot(*NAMESERVER, "--net-default", "allow", "--net-rule", "deny@b.example.org")
    p = msb.sh(box, f"{curl} --resolve b.example.org:{port}:{OTHER4} https://b.example.org:{port}/;"
               f"echo $?; {curl} -H 'Host: b.example.org' https://{OTHER4}:{port}/; echo; cat /tmp/out")
    assert p.stdout.splitlines()[0].split()[-1] not in ("200", "0"), p.stdout
    assert f"200 {OTHER4}" in p.stdout


NGINX = """
daemon off; master_process off; pid {base}/nginx.pid; error_log stderr warn;
events {{ worker_connections 1024; }}
http {{
    access_log off; client_body_temp_path {base}/1; proxy_temp_path {base}/2;
    fastcgi_temp_path {base}/3; uwsgi_temp_path {base}/4; scgi_temp_path {base}/5;
    server {{
        listen 0.0.0.0:{tls} ssl; listen [::]:{tls} ssl ipv6only=on;
        listen 0.0.0.0:{plain}; listen [::]:{plain} ipv6only=on;
        ssl_certificate {base}/cert.pem; ssl_certificate_key {base}/key.pem;
        client_max_body_size 1g;
        root {base}/www;
        location / {{ try_files $uri @say; }}
        location @say {{ return 200 "hello from $host\\n"; }}
    }}
}}
"""
NGINX_TLS, NGINX_PLAIN = 18443, 18080


def start_nginx(world):
    """nginx on two ports, as long as the world lives; that of TLS."""
    if hasattr(world, "nginx"):
        return NGINX_TLS
    base = world.base / "nginx"
    (base / "www").mkdir(parents=True)
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj",
                    "/CN=test", "-keyout", base / "key.pem", "-out", base / "cert.pem"],
                   check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    (base / "nginx.conf").write_text(NGINX.format(base=base, tls=NGINX_TLS, plain=NGINX_PLAIN))
    world.nginx = base / "www"
    world.start(shutil.which("nginx"), "-c", base / "nginx.conf", "-p", base)
    world.listening(NGINX_PLAIN)
    return NGINX_TLS
