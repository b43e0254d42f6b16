# SPDX-License-Identifier: Apache-2.0
"""Through a company's proxy: CONNECT, and HTTP that is meant for it. The proxy is tinyproxy."""
import base64
import json
import shutil
import socket
import threading

import pytest

from conftest import OTHER4, PUBLIC4, func
from tlspeers import API, EVIL, PLACE, SITE, SITE4, VALUE, ask, case

BEARER = f"Authorization: Bearer {PLACE}"
SHELL_BEARER = "Authorization: Bearer $API_KEY"
PROXY, STRICT = 3128, 3129  # ports; the second one wants to know who asks
WHO = base64.b64encode(b"someone:of-the-company").decode()
OPAQUE = 9443  # not intercepted

CONF = """
Port {port}
Listen {address}
Timeout 60
LogLevel Info
MaxClients 100
DisableViaHeader Yes
{more}
"""


@pytest.fixture(scope="module")
def the_proxies(the_world, the_servers):
    program = shutil.which("tinyproxy", path="/usr/bin:/usr/sbin:/bin")
    if not program:
        pytest.skip("tinyproxy is not installed")
    for port, more in ((PROXY, ""), (STRICT, "BasicAuth someone of-the-company")):
        conf = the_world.base / f"tinyproxy-{port}.conf"
        conf.write_text(CONF.format(address=PUBLIC4, port=port, more=more))
        the_world.start(program, "-d", "-c", conf)
        the_world.listening(port, PUBLIC4)


@pytest.fixture
def boot(msb, servers, the_proxies):
    """boot(options…): a sandbox that has a secret for API, whose guest knows the proxy."""
    def run(*options, **kw):
        return msb.boot("--secret", f"API_KEY@{API}", "--tls-upstream-ca-cert", servers.ca,
                        "-e", f"https_proxy=http://{PUBLIC4}:{PROXY}",
                        "-e", f"http_proxy=http://{PUBLIC4}:{PROXY}", *options, API_KEY=VALUE, **kw)
    return run


def connect(host, port=443, *fields):
    lines = [f"CONNECT {host}:{port} HTTP/1.1", f"Host: {host}:{port}", *fields]
    return base64.b64encode("\r\n".join([*lines, "", ""]).encode()).decode()


def through(host, *writes, to=None, port=443, fields=(), by=PROXY, **kw):
    """A case of tlsinside.py's by way of the proxy."""
    return case(host, *writes, address=PUBLIC4, port=by,
                proxy=connect(to or host, port, *fields), **kw)


def authorizations(servers):
    return [r["Authorization"] for r in servers.recorder.requests()]


def test_curl(msb, boot, servers):
    """HTTP/1.1 and 2; the value arrives, the guest sees the sandbox's own authority."""
    box = boot()
    p = msb.sh(box, f"""
curl -sSv -H "{SHELL_BEARER}" https://{API}/ 2>&1 | grep -e 'issuer:' -e '^< HTTP'
curl -sS --http2 -o /dev/null -w '%{{http_version}} %{{http_code}}\\n' https://{SITE}/files/whole
curl -sS --http1.1 -T /usr/bin/curl https://{API}/
echo
sha256sum < /usr/bin/curl
curl -sS --http2 -H "{SHELL_BEARER}" https://{SITE}/files/whole
""")
    said = p.stdout.splitlines()
    assert "microsandbox CA" in p.stdout and "2 200" in said, p.stdout + p.stderr
    assert p.stdout.count(said[-1].split()[0]) == 2 and p.returncode
    assert authorizations(servers)[0] == f"Bearer {VALUE}"
    msb.told(box, SITE)  # whose secret it was not


def test_inside(msb, boot, servers):
    """The value goes to its host without the guest ever having asked DNS, and to nobody else."""
    box = boot()
    good, other, front = msb.clients(
        box, through(API, ask(API, fields=[BEARER])), through(EVIL, ask(EVIL, fields=[BEARER])),
        through(API, ask(EVIL, fields=[BEARER])))
    assert good["got"].startswith(b"HTTP/1.1 200") and good["issuer"] == "microsandbox CA"
    assert not other["got"] and not front["got"]
    assert authorizations(servers) == [f"Bearer {VALUE}"]
    # nor does it matter when it has
    msb.sh(box, f"getent hosts {API}")
    again, = msb.clients(box, through(API, ask(API, fields=[BEARER])))
    assert again["got"].startswith(b"HTTP/1.1 200")
    assert authorizations(servers) == [f"Bearer {VALUE}"]


def test_names_must_agree(msb, boot, servers):
    """TLS in the tunnel is for the host that the proxy was asked for."""
    box = boot()
    other, none, plain = msb.clients(
        box, through(API, ask(API), to=EVIL, name=API, verify=False),
        through(API, ask(API), name=None, verify=False), through(API, ask(API), plain=True))
    for r in (other, none, plain):
        assert r["proxy"].startswith("HTTP/1.0 200") or r["proxy"].startswith("HTTP/1.1 200")
        assert r["step"] in ("handshake", "read") and not r["got"], r
    assert authorizations(servers) == []
    msb.told(box, "its TLS is for another host than its tunnel",
             "there is no TLS with a name in its tunnel")


def test_upstream_is_verified(msb, boot, servers):
    box = boot()
    for r in msb.clients(box, *[through(n, ask(n), verify=False) for n in
                                ("expired.example.com", "mismatch.example.com",
                                 "untrusted.example.com")]):
        assert not r["got"] and r["step"] == "handshake", r
    assert authorizations(servers) == []


def test_no_secret_is_for_the_proxy(msb, boot, servers):
    box = boot()
    basic = base64.b64encode(f"user:{PLACE}".encode()).decode()
    for field in (f"X-Key: {PLACE}", f"Proxy-Authorization: Basic {basic}",
                  "Proxy-Authorization: Bearer %24MSB_API_KEY"):
        r, = msb.clients(box, through(API, ask(API), fields=[field]))
        assert r["step"] == "proxy" and "proxy" not in r, r
    assert authorizations(servers) == []
    msb.told(box, "API_KEY", "CONNECT")
    assert VALUE not in msb.log(box)


def test_other_ports_are_opaque(msb, boot, servers):
    """The server's own certificate, and the placeholder as it is."""
    box = boot()
    r, = msb.clients(box, through(API, ask(API, fields=[BEARER]), port=OPAQUE, verify=False))
    assert r["got"].startswith(b"HTTP/1.1 200")
    assert authorizations(servers) == [f"Bearer {PLACE}"]


def test_bypassed(msb, boot, servers):
    box = boot("--tls-bypass", API)
    r, = msb.clients(box, through(API, ask(API, fields=[BEARER]), verify=False))
    assert r["got"].startswith(b"HTTP/1.1 200")
    assert authorizations(servers) == [f"Bearer {PLACE}"]


def test_who_asks(msb, boot, servers):
    """407 reaches the guest; credentials for the proxy itself reach the proxy."""
    box = boot("-e", f"https_proxy=http://{PUBLIC4}:{STRICT}")
    p = msb.sh(box, f"""
curl -sS -o /dev/null -w '%{{http_connect}}\\n' https://{API}/
curl -sS --proxy-user someone:of-the-company -H "{SHELL_BEARER}" https://{API}/ -o /dev/null -w '%{{http_code}}\\n'
curl -sS --proxy-anyauth --proxy-user someone:of-the-company -o /dev/null -w '%{{http_code}}\\n' https://{API}/
""")
    assert p.stdout.splitlines() == ["407", "200", "200"] or \
        p.stdout.splitlines() == ["401", "200", "200"], p.stdout + p.stderr
    assert authorizations(servers) == [f"Bearer {VALUE}", None]


def test_policy_holds_for_what_is_asked(msb, servers, the_proxies):
    box = msb.boot("--tls-intercept", "--tls-upstream-ca-cert", servers.ca, "--net-default", "allow",
                   "--net-rule", "deny@evil.example.com,deny@metadata")
    denied, address, good = msb.clients(
        box, through(EVIL, ask(EVIL)), through("169.254.169.254", to="169.254.169.254", port=80, plain=True),
        through(API, ask(API)))
    assert denied["step"] == "proxy" and address["step"] == "proxy", (denied, address)
    assert good["got"].startswith(b"HTTP/1.1 200")
    assert authorizations(servers) == [None]
    msb.told(box, "name=evil.example.com by rule 1", "to 169.254.169.254:80 group=metadata by rule 2")


def test_http_for_the_proxy(msb, boot, servers):
    """Several hosts on one connection; a placeholder is for none of them."""
    box = boot()
    target = f"http://{API}/x"
    good, leak = msb.clients(
        box, case(API, ask(API, target, close=False), ask(EVIL, f"http://{EVIL}/y"), address=PUBLIC4,
                  port=PROXY, plain=True),
        case(API, ask(API, target, fields=[BEARER]), address=PUBLIC4, port=PROXY, plain=True))
    assert good["got"].startswith(b"HTTP/1.") and not leak["got"]
    assert f"Bearer {PLACE}" not in authorizations(servers)
    p = msb.sh(box, f"curl -sS -o /dev/null -w '%{{http_code}}\\n' http://{API}/")
    assert p.stdout == "200\n"


class Hostile:
    """Takes the place of a proxy, and says what the test wants."""

    def __init__(self, space, port, answer):
        self.heard = b""
        self.listener = space.listen(OTHER4, port)
        self.answer = answer
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            try:
                s, _ = self.listener.accept()
            except OSError:
                return
            with s:
                s.settimeout(60)
                self.talk(s)

    def talk(self, s):
        head = b""
        try:
            while b"\r\n\r\n" not in head:
                piece = s.recv(65536)
                if not piece:
                    return
                head += piece
                self.heard += piece
            s.sendall(self.answer)
            while piece := s.recv(65536):
                self.heard += piece
        except OSError:
            pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


@pytest.mark.parametrize("answer", [
    b"HTTP/1.1 200 OK\r\n\r\nSomething", b"HTTP/1.1 200 OK\r\nX: " + b"x" * 9000,
    b"SSH-2.0-x\r\n\r\n", b"HTTP/1.1 502 No\r\n\r\n", b"\0" * 100 + b"\r\n\r\n"],
    ids=["spoke", "endless", "other", "refused", "zeros"])
def test_bad_answers(msb, boot, servers, world, answer):
    """Of the guest, a proxy that does not agree gets the request and not a byte more."""
    box = boot()
    with Hostile(world.space, 3130, answer) as h:
        r, = msb.clients(box, case(API, ask(API, fields=[BEARER]), address=OTHER4, port=3130,
                                   proxy=connect(API)))
        assert not r["got"] and r["error"]
    assert h.heard == base64.b64decode(connect(API))


def test_slow_and_long_requests(msb, boot, servers, world):
    """What does not become a request in five seconds, or 16 KiB, is nobody's."""
    box = boot()
    with Hostile(world.space, 3131, b"HTTP/1.1 200 OK\r\n\r\n") as h:
        p = msb.python(box, f"""
import socket
for data in (b"CONNECT {API}:443 HTTP/1.1\\r\\nX: y", b"CONNECT {API}:443 HTTP/1.1\\r\\nX: " + b"y" * 20000):
    s = socket.create_connection(("{OTHER4}", 3131), 60)
    s.sendall(data)
    try:
        print(s.recv(1))
    except ConnectionResetError:
        print("reset")
""")
        assert p.split() == ["reset", "reset"]
    assert h.heard == b""
    msb.told(box, "its CONNECT request did not end in time", "its CONNECT request is too long")


@pytest.mark.skipif(func.SANITIZED, reason="the library wants its sanitizer to be there first")
def test_without_tls(msb, servers, world):
    """A secret that does not ask for TLS goes to its host as HTTP, if the guest was told its address."""
    network = {"secrets": {"secrets": [{
        "env_var": "API_KEY", "source": {"kind": "env", "var": "API_KEY"},
        "allowed_hosts": [{"exact": API}], "require_tls_identity": False}]}}
    box = msb.boot_section(network, API_KEY=VALUE)
    good, unpinned, other, second = msb.clients(
        box, case(API, ask(API, fields=[BEARER]), port=80, plain=True),
        case(API, ask(API, fields=[BEARER]), port=80, address=SITE4, plain=True),
        case(EVIL, ask(EVIL, fields=[BEARER]), port=80, plain=True),
        case(API, ask(API, fields=[BEARER], close=False), ask(EVIL), port=80, plain=True))
    assert good["got"].startswith(b"HTTP/1.1 200")
    assert not unpinned["got"] and not other["got"]
    assert second["got"].count(b"HTTP/1.1") < 2
    assert f"Bearer {PLACE}" not in authorizations(servers)
    p = msb.sh(box, f"curl -sS -u u:$API_KEY -T /usr/bin/curl http://{API}/; echo; sha256sum < /usr/bin/curl")
    answer, digest = p.stdout.splitlines()
    assert json.loads(answer)["sha256"] == digest.split()[0]
    seen, = servers.recorder.requests()
    assert seen.basic == f"u:{VALUE}"
