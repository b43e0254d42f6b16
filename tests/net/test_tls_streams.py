# SPDX-License-Identifier: Apache-2.0
"""What intercepted connections carry: much, for long, in both directions, ended from either side; and peers
who do not play by the rules."""
import hashlib
import json

import pytest

from conftest import DEADLINE, SANITIZED, wait_for
from peers import pattern
from tlspeers import API, API4, DEMANDING, NEW, OLD, S_SERVER, ask, case

MIB = 1 << 20
OPTIONS = ["--tls-intercept-port", 443, "--tls-intercept-port", OLD, "--tls-intercept-port", NEW]
WITHOUT_RULES = ["--net-default", "allow"]  # nothing that would have requests looked at
# Python for the guest: a TLS connection that is used by hand
CONNECT = """
import hashlib, ssl, threading, time
def connect(port=443, name="api.example.com", most=None):
    context = ssl.create_default_context()
    if most:
        context.maximum_version = most
    s = socket.create_connection((name, port), 60)
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return context.wrap_socket(s, server_hostname=name)
def read_to(t, end):
    got = b""
    while end not in got:
        piece = t.recv(65536)
        if not piece:
            raise EOFError(got)
        got += piece
    return got
"""


@pytest.fixture
def options(servers):
    return [*OPTIONS, "--tls-upstream-ca-cert", servers.ca]


@pytest.fixture
def box(msb, options):
    return msb.boot(*options)


@pytest.mark.parametrize("port", [443, OLD, NEW])
def test_uploads_and_downloads(msb, box, servers, port):
    """All of it arrives, whatever the two sides speak, and one direction does not wait for the other."""
    out = msb.python(box, CONNECT + f"""
def up(size, most):
    t = connect({port}, most=most)
    block = bytes(range(256)) * 256
    t.sendall(b"POST / HTTP/1.1\\r\\nHost: api.example.com\\r\\nContent-Length: %d\\r\\n\\r\\n" % size)
    left = size
    while left:
        t.sendall(block[:left])
        left -= min(left, len(block))
    print(read_to(t, b"}}").split(b"\\r\\n")[-1].decode(), flush=True)
def down(size, most):
    t = connect({port}, most=most)
    t.sendall(b"GET /give?%d HTTP/1.1\\r\\nHost: api.example.com\\r\\n\\r\\n" % size)
    f = t.makefile("rb")
    while f.readline().strip():
        pass
    print(hashlib.sha256(f.read(size)).hexdigest(), flush=True)
both = [ssl.TLSVersion.TLSv1_2, None]
for most in both:
    for size in (1, 135000, {8 * MIB}):
        up(size, most)
        down(size, most)
threads = [threading.Thread(target=f, args=({MIB}, both[i & 1])) for i in range(4) for f in (up, down)]
for t in threads: t.start()
for t in threads: t.join()
""").splitlines()
    want = {size: hashlib.sha256(pattern(size)).hexdigest() for size in (1, 135000, 8 * MIB, MIB)}
    for i, size in enumerate((1, 135000, 8 * MIB) * 2):
        assert json.loads(out[2 * i])["sha256"] == want[size]
        assert out[2 * i + 1] == want[size]
    assert sorted(line[0] for line in out[12:]) == sorted(["{"] * 4 + [want[MIB][0]] * 4)
    assert {c.version for c in servers.recorder.take()} == {"TLSv1.2" if port == OLD else "TLSv1.3"}


def test_half_close(msb, box, servers):
    """The client is done, the answer is yet to come; also with data in the flight of its Finished."""
    cases = [case(API, ask(API, "/late", "POST", body="x" * n, close=False), end=True, most=most,
                  port=port)
             for n in (0, 3, 100_000) for most in ("1.2", "1.3") for port in (443, OLD)]
    for c, r in zip(cases, msb.clients(box, *cases)):
        assert r["error"] is None and r["got"].startswith(b"HTTP/1.1 200"), (c, r, msb.log(box))
    seen = servers.recorder.requests()
    assert [r.length for r in seen] == [n for n in (0, 3, 100_000) for _ in range(4)]


def test_server_ends_first(msb, box):
    """Its end is told with close_notify, so that nobody could have cut it short."""
    for r in msb.clients(box, *[case(API, ask(API), most=most, port=port) for most in ("1.2", "1.3")
                                for port in (443, OLD)]):
        assert r["got"].endswith(b"}") and r["step"] == "end" and r["clean"], r


def test_events(msb, box, servers):
    """Server-sent events arrive one by one, when they are sent."""
    out = msb.python(box, CONNECT + """
t = connect()
t.sendall(b"GET /events HTTP/1.1\\r\\nHost: api.example.com\\r\\n\\r\\n")
print(read_to(t, b"\\n\\n").split(b"\\r\\n")[-1])
other = connect()
other.sendall(b"GET /go HTTP/1.1\\r\\nHost: api.example.com\\r\\n\\r\\n")
read_to(other, b"}")
print(read_to(t, b"\\n\\n"), t.recv(1))
""").splitlines()
    assert out == ["b'data: first\\n\\n'", "b'data: second\\n\\n' b''"]


WEBSOCKET = CONNECT + """
def frame(data):
    mask = b"abcd"
    return b"\\x82" + bytes([0x80 | len(data)]) + mask + bytes(
        b ^ mask[i % 4] for i, b in enumerate(data))
t = connect()
t.sendall(b"GET /echo HTTP/1.1\\r\\nHost: api.example.com\\r\\nConnection: Upgrade\\r\\n"
          b"Upgrade: websocket\\r\\nSec-WebSocket-Version: 13\\r\\n"
          b"Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\\r\\n\\r\\n")
print(read_to(t, b"\\r\\n\\r\\n").split()[1])
for data in (b"hello", b"\\r\\n\\r\\n\\0", b"x" * 125):
    t.sendall(frame(data))
    got = b""
    while len(got) < len(data) + 6:
        got += t.recv(1000)
    print(got == frame(data))
"""


@pytest.mark.parametrize("filtered", [False, True])
def test_websocket(msb, options, filtered):
    """After the upgrade it is the two ends' own protocol, also where requests are looked at."""
    rules = ["--net-rule", f"allow@{API}"] if filtered else WITHOUT_RULES
    box = msb.boot(*options, *rules)
    assert msb.python(box, WEBSOCKET).splitlines() == ["b'101'"] + ["True"] * 3


def test_slow_readers(msb, box, servers):
    """Whoever does not read stops the other side; what waits is bounded."""
    msb.clients(box, case(API, ask(API)))
    servers.recorder.take()
    before = msb.runtime_memory(box)
    out = msb.python(box, CONNECT + f"""
def stuck(t, data):
    "How much goes out until nothing has for two seconds."
    sent = 0
    t.settimeout(2)
    try:
        while sent < {200 * MIB}:
            sent += t.send(data)
    except (TimeoutError, ssl.SSLWantWriteError):
        pass
    return sent
up, down = [connect() for _ in range(4)], [connect() for _ in range(4)]
for t in up:
    t.sendall(b"POST /stall HTTP/1.1\\r\\nHost: api.example.com\\r\\n"
              b"Content-Length: 1000000000\\r\\n\\r\\n")
    print(stuck(t, bytes(65536)) < {40 * MIB})
for t in down:
    t.sendall(b"GET /give?1000000000 HTTP/1.1\\r\\nHost: api.example.com\\r\\n\\r\\n")
    t.recv(10)
time.sleep(2)
print(open("/proc/self/stat").read() != "")
sys.stdout.flush()
t = connect()
t.sendall(b"GET / HTTP/1.1\\r\\nHost: api.example.com\\r\\n\\r\\n")
read_to(t, b"}}")
print("others go on", flush=True)
for t in up + down:
    t.close()
""").splitlines()
    assert out == ["True"] * 5 + ["others go on"]
    grown = msb.runtime_memory(box) - before
    assert SANITIZED or grown < 16 << 10, f"{grown} KiB more"
    servers.recorder.released.set()


def test_many_at_once(msb, box, servers):
    """Connections in parallel, more of them than one would open by hand."""
    p = msb.sh(box, f"""
cd /tmp
printf 'url=https://{API}/?%s\\noutput=/dev/null\\n' $(seq 60) > list
for v in http1.1 http2; do
    curl -sS --no-keepalive --$v --parallel --parallel-max 30 -w '%{{http_code}}\\n' -K list \\
        -H 'Connection: close' | sort | uniq -c
    sed -i s/{API}/site.example.com/ list
done""")
    assert [line.split() for line in p.stdout.splitlines()] == [["60", "200"]] * 2, p.stderr


def test_hello_in_pieces(msb, box):
    """Byte by byte, and in several segments; one that never ends is given up."""
    out = msb.python(box, CONNECT + """
def hello(cuts):
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = ssl.create_default_context().wrap_bio(incoming, outgoing, server_hostname="api.example.com")
    s = socket.create_connection(("api.example.com", 443), 60)
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    while True:
        try:
            tls.do_handshake()
            return tls.version()
        except ssl.SSLWantReadError:
            data = outgoing.read()
            for i in range(0, len(data), cuts):
                s.sendall(data[i:i + cuts])
                if cuts > 1:
                    time.sleep(0.02)
            incoming.write(s.recv(65536))
for cuts in (1, 7, 100):
    print(hello(cuts))
""").splitlines()
    assert out == ["TLSv1.3"] * 3


@pytest.mark.slow
def test_hellos_that_do_not_come(msb, box):
    """Ten seconds is all there is, for the first byte as for the last."""
    out = msb.python(box, CONNECT + f"""
held = [socket.create_connection(("{API4}", 443), 60) for _ in range(20)]
for s in held[10:]:
    s.sendall(b"\\x16\\x03\\x01")
for s in held[15:]:
    s.shutdown(socket.SHUT_WR)
start = time.monotonic()
for s in held:
    s.settimeout(60)
    try:
        print(s.recv(100))
    except OSError as e:
        print(error(e))
print(8 < time.monotonic() - start < {DEADLINE // 4})
""").splitlines()
    assert set(out[:20]) <= {"b''", "ECONNRESET"} and out[20] == "True"


def test_renegotiation(msb, box, servers):
    """Refused, from the guest; the sandbox lives on."""
    p = msb.sh(box, f"""
cd /tmp; mkfifo in
openssl s_client -tls1_2 -legacy_renegotiation -connect {API}:443 < in > out 2>&1 &
exec 3> in
printf 'GET / HTTP/1.1\\r\\nHost: {API}\\r\\n\\r\\n' >&3
for i in $(seq 300); do grep -q sha256.: out && break; sleep 0.1; done
echo R >&3
for i in $(seq 300); do kill -0 $! 2>/dev/null && ! grep -qi 'no renegotiation' out || break; sleep 0.1; done
grep -a -i -E 'renegotiat' out
""")
    assert "no renegotiation" in p.stdout.lower(), p.stdout
    assert msb.clients(box, case(API, ask(API)))[0]["got"].startswith(b"HTTP/1.1 200")


def test_new_keys(msb, box):
    """TLS 1.3 changes its keys in the middle of a connection, when either side wants it."""
    p = msb.sh(box, f"""
cd /tmp; mkfifo in
openssl s_client -tls1_3 -connect {API}:443 < in > out 2>&1 &
exec 3> in
ask() {{ printf 'GET / HTTP/1.1\\r\\nHost: {API}\\r\\n\\r\\n' >&3; }}
answers() {{ for i in $(seq 300); do [ $(grep -c sha256.: out) = $1 ] && return; sleep 0.1; done; }}
updates() {{ for i in $(seq 300); do [ $(grep -a -c KEYUPDATE out) = $1 ] && return; sleep 0.1; done; }}
ask; answers 1; echo k >&3; updates 1; ask; answers 2; echo K >&3; updates 2; ask; answers 3
grep -a -c '"sha256"' out
grep -a -o KEYUPDATE out""")
    assert p.stdout.splitlines() == ["3", "KEYUPDATE", "KEYUPDATE"], p.stdout


def test_openssl_at_both_ends(msb, options):
    """Its server tells what it was asked for, which is what the sandbox speaks."""
    box = msb.boot(*options, "--tls-intercept-port", S_SERVER)
    p = msb.sh(box, f"""
for v in 1_2 1_3; do
    printf 'GET / HTTP/1.0\\r\\n\\r\\n' | openssl s_client -tls$v -quiet -verify_return_error \\
        -servername {API} -connect {API4}:{S_SERVER} 2>&1 | grep -a -E '^HTTP|CN = |Protocol  *:'
done""")
    lines = [line.strip() for line in p.stdout.splitlines()]
    assert lines.count("HTTP/1.0 200 ok") == 2, p.stdout + msb.log(box)[-2000:]
    assert sum(line.startswith("Protocol") and line.endswith("TLSv1.3") for line in lines) == 2, lines
    assert any("microsandbox CA" in line for line in lines)


def test_sessions_are_resumed(msb, box, servers):
    """Both sides, each with its own tickets."""
    out = msb.python(box, CONNECT + """
context = ssl.create_default_context()
session = None
for i in range(3):
    s = socket.create_connection(("api.example.com", 443), 60)
    with context.wrap_socket(s, server_hostname="api.example.com", session=session) as t:
        t.sendall(b"GET / HTTP/1.1\\r\\nHost: api.example.com\\r\\nConnection: close\\r\\n\\r\\n")
        read_to(t, b"}")
        print(t.session_reused)
        session = t.session
""").split()
    assert out == ["False", "True", "True"]
    assert [c.resumed for c in servers.recorder.take()] == [False, True, True]


@pytest.mark.parametrize("filtered", [False, True])
def test_large_uploads_of_http2(msb, options, servers, filtered):
    """Many frames, windows that close and open again."""
    rules = ["--net-rule", "allow@site.example.com"] if filtered else WITHOUT_RULES
    box = msb.boot(*options, *rules)
    p = msb.sh(box, """
cd /tmp; head -c 30000000 /dev/urandom > big
for i in 1 2; do curl -sS --http2 -T big -w ' %{http_version}\\n' https://site.example.com/ > $i & done; wait
cat 1 2; sha256sum < big""")
    *answers, digest = p.stdout.splitlines()
    assert len(answers) == 2, p.stderr + msb.log(box)[-2000:]
    for answer in answers:
        assert answer.endswith(" 2") and json.loads(answer[:-2])["sha256"] == digest.split()[0]


def test_certificates_that_are_asked_for(msb, options, servers):
    """A server that wants to know who its client is, is none that the sandbox can speak to."""
    box = msb.boot(*options, "--tls-intercept-port", DEMANDING)
    for most in ("1.2", "1.3"):
        r, = msb.clients(box, case(API, ask(API), port=DEMANDING, most=most, address=API4))
        assert not r["got"] and r["error"] != "silence"
    msb.told(box, f":{DEMANDING}", API)


def test_hostile_upstream(msb, options, servers, world):
    """A server that answers the hello with anything at all is an upstream that failed."""
    box = msb.boot(*options, "--tls-intercept-port", 9600, *WITHOUT_RULES)
    answers = [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x16\x03\x03\xff\xff" + b"\0" * 70000,
               b"\x15\x03\x03\x00\x02\x02\x28", b"\x16\x03\x03\x00\x04\x0e\x00\x00\x00",
               b"\x17\x03\x03\x40\x00" + b"\0" * 16384]
    with world.space.listen(API4, 9600) as listener:
        for answer in answers:
            p = msb.popen("exec", box, "--", "/usr/bin/python3", "-S", "/tlsinside.py",
                          stdin=-1, text=True)
            p.stdin.write(json.dumps([case(API, address=API4, port=9600)]))
            p.stdin.close()
            p.stdin = None
            listener.settimeout(DEADLINE)
            s, _ = listener.accept()
            with s:
                s.recv(10)
                s.sendall(answer)
            out, err = p.communicate(timeout=DEADLINE)
            r, = json.loads(out)
            assert r["step"] == "handshake" and "alert" in r["error"].lower(), (answer[:20], r, err)
    assert msb.status(box) == "Running"


def test_clients_that_vanish(msb, box, servers):
    """Resets at every stage leave nothing behind."""
    out = msb.python(box, CONNECT + f"""
import struct
def reset(s):
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    s.close()
for i in range(30):
    s = socket.create_connection(("{API4}", 443), 60)
    s.sendall(b"\\x16\\x03\\x01\\x02\\x00"[:i % 6])
    reset(s)
    reset(connect())
    t = connect()
    t.sendall(b"POST /late HTTP/1.1\\r\\nHost: api.example.com\\r\\nContent-Length: 9\\r\\n\\r\\nab")
    reset(t)
    t = connect()
    t.sendall(b"GET /give?10000000 HTTP/1.1\\r\\nHost: api.example.com\\r\\n\\r\\n")
    t.recv(10)
    reset(t)
print("done")
""")
    assert out == "done\n"
    servers.recorder.take()  # each has ended

    wait_for(lambda: not servers.world.space("ss", "-Htn", "state", "established", "dport", "=", ":443"),
             "sockets to be closed")
    assert msb.clients(box, case(API, ask(API)))[0]["got"].startswith(b"HTTP/1.1 200")


def test_http2_with_many_streams(msb, box):
    """nginx and curl, a connection for all of it."""
    p = msb.sh(box, """
cd /tmp
printf 'url=https://site.example.com/files/whole?%s\\noutput=/tmp/o%s\\n' $(seq 200) > list
curl -sS --http2 --parallel --parallel-max 100 -w '%{http_version} %{size_download}\\n' -K list |
    sort | uniq -c""")
    assert [line.split()[1:] for line in p.stdout.splitlines()] == [["2", "135000"]], p.stderr
