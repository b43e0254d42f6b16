# SPDX-License-Identifier: Apache-2.0
"""TLS interception: what is intercepted, with which certificates, as real programs see it."""
import json
import re
import subprocess

import pytest

from conftest import DNS4, OTHER4, PUBLIC4, wait_for
from peers import TLS, UDP_ECHO
from tlspeers import (AGAIN, API4, API6, HEADERS, HELLO, NEW, NOBODY4, SITE4, SITE6, WHOLE, ask, case,
                      request)

OURS = "microsandbox CA"
ALERT = re.compile("ALERT|alert")
BUNDLE = "/etc/ssl/certs/ca-certificates.crt"


@pytest.fixture
def intercept(servers):
    """Options; the servers' authority is trusted."""
    return ["--tls-intercept", "--tls-upstream-ca-cert", servers.ca]


@pytest.fixture
def box(msb, intercept):
    return msb.boot(*intercept)


def hello(host, **kw):
    """A case that gets an answer."""
    return case(host, ask(host), **kw)


def answered(r):
    return r["error"] is None and r["got"].startswith(b"HTTP/1.1 200")


def test_leaf(msb, box, servers):
    """A certificate for just that name, from the sandbox's authority; the protocols upstream chose."""
    name = "api.example.com"
    cases = [hello(name, address=address, most=most) for address in (API4, API6, None)
             for most in ("1.3", "1.2")]
    cases += [hello(name, alpn=["h2", "http/1.1"]), hello(name, alpn=["http/1.0"]),
              hello(name, name="API.Example.com")]
    results = msb.clients(box, *cases)
    for c, r in zip(cases, results):
        assert answered(r), (c, r)
        assert r["issuer"] == OURS and r["names"] == [name]
        assert r["version"] == "TLSv" + c.get("most", "1.3")
    assert [r["alpn"] for r in results] == [None] * 6 + ["http/1.1", None, None]
    assert len({r["sha256"] for r in results}) == 1, "one leaf per name"
    seen = servers.recorder.take()
    assert {c.name for c in seen} == {name}
    assert {c.version for c in seen} == {"TLSv1.3"}, "upstream is spoken to as it likes best"
    # what is not intercepted is passed on as it is, and its authority is not trusted in the guest
    r, = msb.clients(box, hello(name, address=API4, port=NEW))
    assert r["step"] == "handshake" and "VERIFY" in r["error"]


def test_bypass(msb, servers):
    """Exact names, and a suffix with what it is the suffix of; whatever the case."""
    box = msb.boot("--tls-bypass", "API.example.com", "--tls-bypass", "*.Below.example.com",
                   "--tls-upstream-ca-cert", servers.ca)
    names = {"api.example.com": True, "Api.Example.Com": True, "second.example.com": False,
             "below.example.com": True, "x.below.example.com": True,
             "deep.x.below.example.com": True, "notbelow.example.com": False}
    cases = [hello(n, verify=False, address=API4) for n in names]
    for (name, bypassed), r in zip(names.items(), msb.clients(box, *cases)):
        assert answered(r), (name, r)
        assert (r["sha256"] == servers.pair.sha256) == bypassed, name


def test_real_clients(msb, box, servers):
    """Each with the trust it finds in the guest, nothing switched off."""
    p = msb.sh(box, f"""
cd /tmp
for v in http1.1 http2; do
    curl -sS --$v -D head https://site.example.com/files/whole | sha256sum
    grep -i x-protocol head
done
curl -sS --http2 --data-binary @/usr/bin/curl https://site.example.com/up
echo
wget -qO- https://site.example.com/files/whole | sha256sum
wget -qO- --post-data=abc https://api.example.com/
echo
/usr/bin/python3 -S -c '
import urllib.request
print(len(urllib.request.urlopen("https://site.example.com/files/whole").read()))
request = urllib.request.Request("https://api.example.com/", b"abc")
print(urllib.request.urlopen(request).read().decode())'
node -e '
(async () => {{
    const r = await fetch("https://site.example.com/files/whole");
    console.log((await r.arrayBuffer()).byteLength);
    const p = await fetch("https://api.example.com/", {{method: "POST", body: "x".repeat({WHOLE})}});
    console.log(await p.text());
    const h2 = require("http2").connect("https://site.example.com");
    const s = h2.request({{":path": "/files/whole"}});
    let n = 0;
    s.on("data", d => n += d.length);
    s.on("end", () => {{ console.log(n); h2.close(); }});
}})()'
printf 'GET / HTTP/1.1\\r\\nHost: api.example.com\\r\\nConnection: close\\r\\n\\r\\n' |
    openssl s_client -quiet -verify_return_error -servername api.example.com \\
        -connect api.example.com:443 2>&1 | grep -a -E '^(verify|depth|HTTP)|^[{{]'
""")
    whole = "".join(subprocess.run(["sha256sum", servers.base / "www/files/whole"],
                                   capture_output=True, text=True).stdout.split()[:1])
    lines = p.stdout.splitlines()
    said = json.dumps(lines, indent=1) + p.stderr + msb.log(box)[-2000:]
    assert [line.split()[0] for line in lines if whole in line] == [whole] * 3, said
    assert [line.split()[1] for line in lines if line.lower().startswith("x-protocol")] == [
        "HTTP/1.1", "HTTP/2.0"], said
    assert [line for line in lines if line == str(WHOLE)] == [str(WHOLE)] * 3, said
    answers = [json.loads(line)["length"] for line in lines if line.startswith("{")]
    assert answers[0] > 100000 and answers[1:] == [3, 3, WHOLE, 0], said
    assert "HTTP/1.1 200 OK" in lines and any(f"CN = {OURS}" in line for line in lines), said
    assert "verify error" not in p.stdout, said


def test_git(msb, box, servers):
    """Clone, commit and push, over HTTPS."""
    p = msb.sh(box, """
set -e
cd /tmp
export HOME=/tmp GIT_TERMINAL_PROMPT=0
git config --global user.name t; git config --global user.email t@example.com
git clone -q https://site.example.com/git/it.git
cd it
cat readme
head -c 2000000 /dev/urandom > more
git add more
git commit -qm "from the guest"
git push -q origin HEAD
git fetch -q
git log --format=%s origin/HEAD -1
git fsck
""")
    assert p.returncode == 0, p.stderr + msb.log(box)[-2000:]
    assert p.stdout.splitlines() == ["a file of the repository", "from the guest"]
    got = subprocess.run(["git", "-c", "safe.directory=*", "-C", servers.repository, "log",
                          "--format=%s", "-1"], capture_output=True, text=True).stdout
    assert got == "from the guest\n"


def test_ports(msb, servers):
    """Ports that are named replace the usual one."""
    box = msb.boot("--tls-intercept-port", AGAIN, "--tls-upstream-ca-cert", servers.ca)
    name = "api.example.com"
    at_443, again = msb.clients(box, hello(name, verify=False, address=API4),
                                hello(name, address=API4, port=AGAIN))
    assert answered(at_443) and at_443["sha256"] == servers.pair.sha256
    assert answered(again) and again["issuer"] == OURS
    box = msb.boot("--tls-intercept-port", AGAIN, "--tls-intercept-port", 443,
                   "--tls-upstream-ca-cert", servers.ca)
    for r in msb.clients(box, hello(name, address=API4), hello(name, address=API4, port=AGAIN)):
        assert answered(r) and r["issuer"] == OURS


def test_off_costs_nothing(msb, servers):
    """No part of interception is in the process of a sandbox that has none."""
    box = msb.boot()
    r, = msb.clients(box, hello("api.example.com", verify=False))
    assert answered(r) and r["sha256"] == servers.pair.sha256
    def program(name):
        return open(f"/proc/{msb.runtime_pid(name)}/comm").read().strip()
    assert program(box) == "msb-runtime"
    assert not (msb.home / "tls").exists()
    p = msb.sh(box, "ls -d /.msb/tls; env")
    assert "SSL_CERT_FILE" not in p.stdout and "/.msb/tls\n" not in p.stdout
    other = msb.boot("--tls-intercept")
    assert program(other) == "msb-runtime-tls"


# --- the authority ---


def test_authority_is_kept(msb, intercept):
    """Made once; the same one for all sandboxes, and after a stop."""
    first, second = msb.boot(*intercept), msb.boot(*intercept)
    cert, key = msb.home / "tls/ca.crt", msb.home / "tls/ca.key"
    assert (msb.home / "tls").stat().st_mode & 0o077 == 0
    assert key.stat().st_mode & 0o777 == 0o600
    pem = cert.read_text()
    assert pem.count("BEGIN") == 1 and "PRIVATE" not in pem
    about = subprocess.run(["openssl", "x509", "-in", cert, "-noout", "-text"],
                           capture_output=True, text=True).stdout
    assert "O = microsandbox" in about and f"CN = {OURS}" in about and "CA:TRUE" in about
    for box in (first, second):
        assert msb.sh(box, "cat /.msb/tls/ca.pem").stdout == pem
    msb.ok("stop", "-q", first)
    msb.ok("start", "-q", first)
    assert msb.sh(first, f"cat {BUNDLE}").stdout.count(pem) == 1, "added once, also at the second start"
    r, = msb.clients(first, hello("api.example.com"))
    assert answered(r) and r["issuer"] == OURS
    assert cert.read_text() == pem
    key_text = "".join(key.read_text().splitlines()[1:-1])
    for box in (first, second):
        found = msb.sh(box, f"grep -rl -e '{key_text[:60]}' /etc /.msb /proc/*/environ 2>/dev/null")
        assert not found.stdout, "the key is in the guest"


def test_trust_in_the_guest(msb, intercept):
    """A root directory without a bundle gets one; programs are told where it is."""
    box = msb.boot(*intercept, "-e", "CURL_CA_BUNDLE=/own")
    p = msb.sh(box, f"""
echo $SSL_CERT_FILE $REQUESTS_CA_BUNDLE $CURL_CA_BUNDLE $NODE_EXTRA_CA_CERTS
stat -c %a /etc/pki /etc/pki/ca-trust /etc/pki/ca-trust/source /etc/pki/ca-trust/source/anchors
ls /etc/pki/ca-trust/source/anchors
cat {BUNDLE}
""")
    lines = p.stdout.splitlines()
    assert lines[0] == f"{BUNDLE} {BUNDLE} /own /.msb/tls/ca.pem", p.stdout + p.stderr
    assert lines[1:5] == ["755"] * 4
    assert lines[5:7] == ["microsandbox-ca.crt", "microsandbox-ca.pem"]
    assert (msb.home / "tls/ca.crt").read_text() in p.stdout
    assert p.stdout.count("BEGIN CERTIFICATE") == 1


def test_own_authority(msb, servers, tmp_path):
    """A configured pair is what the guest trusts and sees."""
    own = servers.stranger
    box = msb.boot("--tls-intercept-ca-cert", own.cert, "--tls-intercept-ca-key", own.key,
                   "--tls-upstream-ca-cert", servers.ca)
    r, = msb.clients(box, hello("api.example.com"))
    assert answered(r) and r["issuer"] == "Strange CA"
    assert msb.sh(box, "cat /.msb/tls/ca.pem").stdout == own.cert.read_text()
    assert not (msb.home / "tls").exists()
    bad = tmp_path / "bad.pem"
    bad.write_text("nonsense\n")
    for options, word in (
            (["--tls-intercept-ca-cert", own.cert], "IncompleteInterceptCaConfig"),
            (["--tls-intercept-ca-key", own.key], "IncompleteInterceptCaConfig"),
            (["--tls-intercept-ca-cert", own.cert, "--tls-intercept-ca-key",
              servers.authority.key], "InvalidInterceptCa"),
            (["--tls-intercept-ca-cert", bad, "--tls-intercept-ca-key", own.key], "InterceptCa"),
            (["--tls-intercept-ca-cert", tmp_path / "no", "--tls-intercept-ca-key", own.key],
             "ReadInterceptCaCert"),
            (["--tls-intercept-ca-cert", own.cert, "--tls-intercept-ca-key", tmp_path / "no"],
             "ReadInterceptCaKey"),
            (["--tls-upstream-ca-cert", tmp_path / "no"], str(tmp_path / "no")),
            (["--tls-upstream-ca-cert", bad], str(bad))):
        p = msb("create", "-q", "-n", "faulty", *options, msb.rootfs)
        assert p.returncode and word in p.stderr, (options, p.stderr)
        assert "nonsense" not in p.stderr
        msb("rm", "-f", "-q", "faulty")


# --- what is let through ---


def test_upstream_failures(msb, box, servers):
    """The guest gets a TLS alert, the user one line with the cause."""
    causes = {"expired.example.com": "expired", "not-yet.example.com": "not yet valid",
              "mismatch.example.com": "mismatch", "untrusted.example.com": "issuer"}
    cases = [hello(n) for n in causes] + [hello("nobody.example.com"),
                                          hello("four.example.com", address=PUBLIC4)]
    results = msb.clients(box, *cases)
    for c, r in zip(cases, results):
        assert r["step"] == "handshake" and ALERT.search(r["error"]), (c["host"], r)
        assert not r["got"]
    for name, cause in causes.items():
        msb.told(box, name)
        lines = [line for line in msb.log(box).splitlines() if name in line]
        assert len(lines) == 1 and cause in lines[0].lower(), lines
    msb.told(box, "nobody.example.com")
    assert "refused" in next(line for line in msb.log(box).splitlines()
                             if "nobody.example.com" in line)
    assert not any(c.data for c in servers.recorder.take())
    # whoever says what to trust is believed
    other = msb.boot("--tls-upstream-ca-cert", servers.stranger.cert)
    good, bad = msb.clients(other, hello("untrusted.example.com"), hello("api.example.com"))
    assert answered(good) and ALERT.search(bad["error"])
    both = msb.boot("--tls-upstream-ca-cert", servers.stranger.cert, "--tls-upstream-ca-cert",
                    servers.ca)
    for r in msb.clients(both, hello("untrusted.example.com"), hello("api.example.com")):
        assert answered(r)


def test_rules_about_names(msb, servers, intercept):
    """The name in the hello is judged, and a request inside must be for that name."""
    box = msb.boot(*intercept, "--net-rule", "allow@api.example.com,allow@below.example.com,"
                   "deny@second.example.com")
    api = "api.example.com"
    cases = [hello(api), hello(api, address=PUBLIC4), hello("second.example.com", address=API4),
             hello("evil.example.com", address=API4),
             case(api, ask("evil.example.com")), case(api, ask("second.example.com")),
             case(api, ask("below.example.com")),
             case(api, ask(api, "https://evil.example.com/")),
             case(api, ask(api, fields=["Host: evil.example.com"])),
             case(api, ask(api, close=False) + ask("evil.example.com")),
             case(api, ask(api, f"https://{api}/x")), hello("below.example.com")]
    results = msb.clients(box, *cases)
    assert [answered(r) for r in results] == [True] + [False] * 8 + [
        results[9]["got"].startswith(b"HTTP"), True, True], results
    assert results[1]["step"] in ("connect", "handshake")
    hosts = {r["Host"] for r in servers.recorder.requests()}
    assert hosts == {api, "below.example.com"}
    msb.told(box, "evil.example.com")


def test_rules_about_names_and_http2(msb, servers, intercept):
    """A connection may be for many hosts: each request must be for that of the hello."""
    site, other = "site.example.com", "other-site.example.com"
    box = msb.boot(*intercept, "--net-rule", f"allow@{site}")
    clean = request(1, site)
    results = msb.clients(box, *[case(site, HELLO + frames, alpn=["h2"], streams=[1, 3]) for frames in (
        clean + request(3, site), request(1, other) + request(3, site),
        clean + request(3, site, fields=[("host", other)]), clean + request(3, other))])
    assert {f[2] for f in results[0]["frames"] if f[0] == HEADERS} == {1, 3}
    for r in results[1:]:
        assert 3 not in {f[2] for f in r["frames"] if f[0] == HEADERS} and r["error"] != "silence"
    assert {r["Host"] for r in servers.recorder.requests()} == {site}


def test_quic(msb, servers):
    """Datagrams to an intercepted port go nowhere, unless they are let."""
    targets = [f"udp {PUBLIC4} {TLS}", f"udp {PUBLIC4} {UDP_ECHO}"]
    box = msb.boot("--tls-intercept")
    assert list(msb.probe(box, targets).values()) == ["silence", "ok"]
    assert not [s for s in servers.world.peers.take() if s[:3] == ("udp", PUBLIC4, TLS)]
    box = msb.boot("--tls-intercept", "--no-block-quic")
    assert list(msb.probe(box, targets).values()) == ["ok", "ok"]


DOT = """
import ssl, struct
sys.path.insert(0, "/")
def ask(address, name, server=None):
    question = struct.pack("!6H", 7, 0x100, 1, 0, 0, 0) + b"".join(
        bytes([len(l)]) + l.encode() for l in name.split(".")) + struct.pack("!BHH", 0, 1, 1)
    try:
        with socket.create_connection((address, 853), 20) as s:
            context = ssl.create_default_context()
            with context.wrap_socket(s, server_hostname=server or address) as t:
                t.sendall(struct.pack("!H", len(question)) + question)
                f = t.makefile("rb")
                answer = f.read(struct.unpack("!H", f.read(2))[0])
                return answer[3] & 15, socket.inet_ntoa(answer[-4:])
    except ssl.SSLError as e:
        return e.reason
    except OSError as e:
        return error(e)
"""
DOT_GATEWAY = DOT + """
for name in ("v4.example.com", "evil.example.com"):
    print(ask(gateway("gateway4"), name))
"""
DOT_SERVER = DOT + """
for server, name in (("api.example.com", "v4.example.com"), ("second.example.com", "short.example.com"),
                     ("stranger.example.com", "short.example.com"), ("api.example.com", "evil.example.com")):
    print(ask(sys.argv[1], name, server))
"""


def test_dns_over_tls(msb, dnsmasq, intercept):
    """Refused as long as it cannot be looked at; else answered, by the rules there are for names."""
    assert msb.python(msb.boot(), DOT_GATEWAY).splitlines() == ["ECONNREFUSED"] * 2
    box = msb.boot(*intercept, "--net-rule", "deny@evil.example.com,allow@public")
    good, bad = msb.python(box, DOT_GATEWAY).splitlines()
    assert good == f"(0, '{PUBLIC4}')" and bad.startswith("(3,"), msb.log(box)[-2000:]
    asked = [name for _, name in dnsmasq.asked()]
    assert "v4.example.com" in asked and "evil.example.com" not in asked


def test_dns_over_tls_to_a_server(msb, dnsmasq, servers, intercept):
    """One the guest chose is asked over TLS, too: if it may be reached, and proves to be who it is said to be."""
    at = f"OPENSSL-LISTEN:853,bind={API4},cert={servers.pair.cert},key={servers.pair.key}"
    socat, _ = servers.world.start("socat", at + ",verify=0,fork,reuseaddr", f"TCP:{DNS4}:53")
    servers.world.listening(853, API4)
    box = msb.boot(*intercept, "--net-rule", "deny@evil.example.com,deny@second.example.com,allow@public")
    good, denied, stranger, blocked = msb.python(box, DOT_SERVER, API4).splitlines()
    assert good == f"(0, '{PUBLIC4}')", msb.log(box)[-2000:]
    assert denied == "ECONNRESET" or "EOF" in denied, "its name is denied"
    assert stranger.startswith("(2,"), "its certificate is for others"
    assert blocked.startswith("(3,"), "the question is"
    assert {name for _, name in dnsmasq.asked()} == {"v4.example.com"}
    socat.kill()


def test_not_tls(msb, box, servers):
    """What does not say where it wants to go is closed, and nothing of it goes on."""
    name = "api.example.com"
    cases = [case(name, name=None, verify=False),
             case(name, ask(name), plain=True), case(name, b"\0" * 20000, plain=True),
             case(name, b"SSH-2.0-x\r\n" + b"y" * 20000, plain=True),
             case(name, b"\x16\x03\x01\x40\x00" + b"\1" * 20000, plain=True),
             case(name, b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00", plain=True),
             case(name, b"", plain=True, end=True)]
    for c, r in zip(cases, msb.clients(box, *cases)):
        assert not r["got"].startswith(b"HTTP"), (c, r)
        assert r["error"] != "silence" and r["step"] != "connect", (c, r)
    assert not servers.recorder.take()
    wait_for(lambda: msb.log(box).count("443") >= 1, "a line about them", 20)
    assert answered(msb.clients(box, hello(name))[0])


def test_stop_and_start_again(msb, box):
    msb.ok("stop", "-q", box)
    msb.ok("start", "-q", box)
    r, = msb.clients(box, hello("api.example.com"))
    assert answered(r) and r["issuer"] == OURS
    network = msb.json("inspect", box)
    assert '"tls"' in json.dumps(network)


def test_addresses_without_a_server(msb, box):
    """Silence upstream is a failure in the end, and costs others nothing."""
    results = msb.clients(box, hello("nobody.example.com", address=NOBODY4),
                          hello("site.example.com", address=OTHER4),
                          hello("site.example.com", address=SITE4),
                          hello("site.example.com", address=SITE6))
    assert [r["step"] for r in results[:2]] == ["handshake"] * 2
    assert all(answered(r) for r in results[2:])
