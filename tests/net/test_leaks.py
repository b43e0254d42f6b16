# SPDX-License-Identifier: Apache-2.0
"""Placeholders sent where their secrets may not go, in every way a request can carry them; and requests that
two servers would read in two ways. The value never leaves, and what the user sees is what was asked for."""
import json

import pytest

from conftest import wait_for
from recorder import holds
from tlspeers import (API, CONTINUATION, END_HEADERS, END_STREAM, EVIL, HEADERS, HELLO, PLACE, PREFACE, SETTINGS,
                      SITE, VALUE, ask, block, case, chunked, credentials, frame, request)

TE = "Transfer-Encoding: chunked"
ACTIONS = ["block", "block-and-log", "block-and-terminate"]


def percent(text):
    return "".join(f"%{b:02x}" for b in text.encode())


def json_escaped(text):
    return "".join(f"\\u{ord(c):04X}" for c in text)


def single(data):
    return [data[i:i + 1] for i in range(len(data))]


def post(host, body, *fields, **kw):
    return ask(host, "/in", "POST", fields, body, **kw)


def leaks(host, place=PLACE):
    """{what: (writes, location, form)} over HTTP/1.1; location None: nobody can tell."""
    header, body = ask(host, fields=[f"X-Key: {place}"]), post(host, f"k={place}&x=y")
    half = len(place) // 2
    escaped = json_escaped(place)
    return {
        "header": ([header], "header", "raw"),
        "bearer": ([ask(host, fields=[f"Authorization: Bearer {place}"])], "header", "raw"),
        "name of a header": ([ask(host, fields=[f"X-{place}: 1"])], "header", "raw"),
        "header, by bytes": (single(header), "header", "raw"),
        "query": ([ask(host, f"/in?k={place}")], "query", "raw"),
        "path": ([ask(host, f"/in/{place}")], None, "raw"),
        "method": ([ask(host, method=place)], None, "raw"),
        "query, percent": ([ask(host, "/in?k=" + percent(place))], "query", "percent_decoded"),
        "query, one percent": ([ask(host, "/in?k=%24" + place[1:])], "query", "percent_decoded"),
        "header, percent": ([ask(host, fields=["X-Key: " + percent(place)])], "header",
                            "percent_decoded"),
        "basic": ([ask(host, fields=[f"Authorization: Basic {credentials('u:' + place)}"])],
                  "authorization_basic", "basic_auth_decoded"),
        "basic, the user": ([ask(host, fields=[f"authorization:basic {credentials(place + ':')}"])],
                            "authorization_basic", "basic_auth_decoded"),
        "basic, without padding": ([ask(host, fields=[
            f"Authorization: Basic {credentials('u:' + place + ':').rstrip('=')}"])],
            "authorization_basic", "basic_auth_decoded"),
        "basic, by bytes": (single(ask(host, fields=[
            f"Authorization: Basic {credentials('u:' + place)}"])), "authorization_basic",
            "basic_auth_decoded"),
        "body": ([body], "body", "raw"),
        "body, by bytes": (single(body), "body", "raw"),
        "body, two writes": ([body[:-5 - half], body[-5 - half:]], "body", "raw"),
        "body, far behind": ([post(host, "x" * 200_000 + place)], "body", "raw"),
        "body, percent": ([post(host, "k=" + percent(place))], "body", "percent_decoded"),
        "body, percent by bytes": (single(post(host, "k=" + percent(place))), "body",
                                   "percent_decoded"),
        "body, JSON": ([post(host, '{"k": "\\u0024%s"}' % place[1:])], "body", "json_unescaped"),
        "body, all JSON": ([post(host, f'{{"k": "{escaped}"}}')], "body", "json_unescaped"),
        "body, JSON by bytes": (single(post(host, f'{{"k": "{escaped}"}}')), "body", "json_unescaped"),
        "chunked": ([post(host, chunked("a", f"b{place}c"), TE)], "body", "raw"),
        "chunks that cut it": ([post(host, chunked(place[:half], place[half:]), TE)], "body", "raw"),
        "chunks of one byte": (single(post(host, chunked(*place), TE)), "body", "raw"),
        "trailer": ([post(host, chunked("a", trailers=f"X-Key: {place}\r\n"), TE)], None, "raw"),
        "pipelined": ([ask(host, close=False) + header], "header", "raw"),
        "pipelined, behind a body": ([post(host, "abc", close=False) + post(host, chunked(place), TE)],
                                     "body", "raw"),
        "a second request": ([ask(host, close=False), header], "header", "raw"),
        "a compressed body": ([post(host, place, "Content-Encoding: gzip")], "body", "raw"),
        "after an upgrade": ([ask(host, "/echo", fields=["Connection: Upgrade", "Upgrade: websocket"],
                                  close=False), b"\x82\x8c\0\0\0\0" + place.encode()], None, "raw"),
        "not HTTP": ([b"\0\1\2 " + place.encode()], None, "raw"),
        "not HTTP, by bytes": (single(b"\0\1\2 " + place.encode()), None, "raw"),
    }


def leaks2(host, place=PLACE):
    """{what: frames} of streams 1 and 3."""
    half = len(place) // 2
    head = block(host, fields=[("x-key", place)])
    cut = head.index(place.encode()) + half
    body = lambda *pieces: request(1, host, "/in", "POST", body=[  # noqa: E731
        p.encode() for p in pieces])
    return {
        "header": request(1, host, fields=[("x-key", place)]),
        "cookie": request(1, host, fields=[("cookie", f"a={place}")]),
        "indexed": request(1, host, fields=[("x-key", place)], how=0x40),
        "query": request(1, host, f"/in?k={place}"), "path": request(1, host, f"/in/{place}"),
        "query, percent": request(1, host, "/in?k=" + percent(place)),
        "basic": request(1, host, fields=[("authorization", "Basic " + credentials("u:" + place))]),
        "continuation": frame(HEADERS, END_STREAM, 1, head[:cut]) +
        frame(CONTINUATION, END_HEADERS, 1, head[cut:]),
        "body": body(f"k={place}"), "body, cut": body(place[:half], place[half:]),
        "body, by bytes": body(*place), "body, percent": body("k=" + percent(place)),
        "body, JSON": body(json_escaped(place)),
        "body, streams in turns":
        frame(HEADERS, END_HEADERS, 1, block(host, "/in", "POST")) +
        frame(HEADERS, END_HEADERS, 3, block(host, "/in", "POST")) +
        frame(0, 0, 1, place[:half].encode()) + frame(0, 0, 3, b"other") +
        frame(0, END_STREAM, 1, place[half:].encode()) + frame(0, END_STREAM, 3, b"x"),
        "trailer": frame(HEADERS, END_HEADERS, 1, block(host, "/in", "POST")) + frame(0, 0, 1, b"x") +
        frame(HEADERS, END_HEADERS | END_STREAM, 1, b"\0\5x-key" + bytes([len(place)]) + place.encode()),
        "second stream": request(1, host) + request(3, host, fields=[("x-key", place)]),
    }


def cases_of(shapes, host, **kw):
    return [case(host, *writes, **kw) for writes, _, _ in shapes.values()]


def cases2_of(shapes, host):
    return [case(host, HELLO + frames, alpn=["h2"], streams=[1, 3]) for frames in shapes.values()]


def nothing_left(connections, *texts):
    """None of these, in any form, came to a server; connections have what it read of requests, too."""
    for c in connections:
        for data in [c.data, *(part for r in c.requests for part in (r.head, r.body))]:
            for text in texts:
                assert not holds(data, text), bytes(data)[-300:]
        for r in c.requests:
            if (r["Authorization"] or "").lower().startswith("basic"):
                assert not any(t in r.basic for t in texts)


def dropped(name, r):
    """The guest saw the connection go, and no answer to the request."""
    assert r["step"] in ("write", "read", "end") and r["error"] in (
        None, "ECONNRESET", "EPIPE", "UNEXPECTED_EOF_WHILE_READING"), (name, r)
    assert r["error"] != "silence" and r["got"].count(b"HTTP/1.1 200") <= (
        "second" in name or "pipelined" in name), (name, r)


@pytest.mark.parametrize("action", ["block", "block-and-log"])
def test_blocked(msb, boot, servers, action):
    """Nothing of it leaves, nothing answers."""
    box = boot("--on-secret-violation", action)
    shapes = leaks(EVIL)
    for name, r in zip(shapes, msb.clients(box, *cases_of(shapes, EVIL))):
        dropped(name, r)
    nothing_left(servers.recorder.take(), PLACE, VALUE)
    shapes = leaks2(SITE)
    for name, r in zip(shapes, msb.clients(box, *cases2_of(shapes, SITE))):
        dropped(name, r)
        assert {f[2] for f in r["frames"] if f[0] == HEADERS} <= (
            {1} if "second" in name else {3} if "turns" in name else set()), (name, r)
    nothing_left(servers.recorder.take(), PLACE, VALUE)
    assert "MSB_API_KEY" not in servers.access()
    p = msb.sh(box, f"curl -sS --http2 -H \"X-Key: $API_KEY\" https://{SITE}/")
    assert p.returncode and not p.stdout
    nothing_left(servers.recorder.take(), PLACE, VALUE)
    assert msb.status(box) == "Running"
    if action == "block":
        assert "API_KEY" not in msb.log(box)
    else:
        msb.told(box, "API_KEY", EVIL)
    assert VALUE not in msb.log(box)


def records(msb, box):
    return [line for line in msb.log(box).splitlines() if "API_KEY" in line]


@pytest.mark.parametrize("what", ["header", "query, percent", "basic", "body, all JSON", "h2"])
def test_record(msb, boot, what):
    """What the user is told: all about the request but its query, and never the value."""
    box = boot()
    if what == "h2":
        shape, form, location = leaks2(SITE)["query"], "raw", "query"
        msb.clients(box, case(SITE, HELLO + shape, alpn=["h2"], streams=[1]))
        host, protocol, path = SITE, "http/2", "/in"
    else:
        writes, location, form = leaks(EVIL)[what]
        msb.clients(box, case(EVIL, *writes))
        host, protocol, path = EVIL, "http/1.1", "/" if what in ("header", "basic") else "/in"
    msb.told(box, "API_KEY")
    line, = records(msb, box)
    for word in (PLACE, "block-and-log", protocol, host, location, form, path):
        assert word in line, (word, line)
    assert "POST" in line if "body" in what else "GET" in line
    assert VALUE not in line and "?" not in line and "k=" not in line and percent(PLACE) not in line


@pytest.mark.parametrize("what", ["header", "query, percent", "basic, by bytes", "body, JSON by bytes",
                                  "chunks that cut it", "pipelined", "after an upgrade", "h2 header",
                                  "h2 body, cut"])
def test_terminated(msb, boot, servers, what):
    """The sandbox is stopped, and says why."""
    box = boot("--on-secret-violation", "block-and-terminate")
    if what.startswith("h2 "):
        attempt = case(SITE, HELLO + leaks2(SITE)[what[3:]], alpn=["h2"], streams=[1])
    else:
        attempt = case(EVIL, *leaks(EVIL)[what][0])
    msb("exec", box, "--", "/usr/bin/python3", "-S", "/tlsinside.py", input=json.dumps([attempt]))
    wait_for(lambda: msb.status(box) == "Stopped", "the sandbox to be stopped")
    msb.no_processes()
    nothing_left(servers.recorder.take(), PLACE, VALUE)
    log = msb.log(box)
    assert any("block-and-terminate" in line for line in records(msb, box)), log[-2000:]
    assert VALUE not in log
    told = json.dumps(msb.json("inspect", box)) + (msb.dir(box) / "runtime/exit.json").read_text()
    assert "secret" in told.lower() and "violation" in told.lower(), told
    # it can be started again, and is what it was
    msb.ok("start", "-q", box, env=msb.env(API_KEY=VALUE))
    r, = msb.clients(box, case(API, ask(API, fields=[f"X-Key: {PLACE}"])))
    assert r["got"].startswith(b"HTTP/1.1 200")
    assert servers.recorder.requests()[0]["X-Key"] == VALUE


def test_passed_through(msb, boot, servers):
    """What the guest wrote arrives as it wrote it: placeholders, no values."""
    box = boot("--on-secret-violation", "passthrough")
    shapes = leaks(EVIL)
    results = msb.clients(box, *[c for (n, c) in zip(shapes, cases_of(shapes, EVIL, end=True))
                                 if "HTTP" not in n and "upgrade" not in n])
    for r in results:
        assert r["error"] is None and r["got"].startswith(b"HTTP/1.1 200"), r
    seen = servers.recorder.take()
    wanted = [b"".join(w.encode() if isinstance(w, str) else w for w in writes)
              for n, (writes, _, _) in shapes.items() if "HTTP" not in n and "upgrade" not in n]
    assert [bytes(c.data) for c in seen] == wanted
    nothing_left(seen, VALUE)
    shapes = {n: f for n, f in leaks2(SITE).items() if n != "trailer"}  # not for nginx
    for name, r in zip(shapes, msb.clients(box, *[
            {**c, "streams": [1, 3] if "second" in n or "turns" in n else [1]}
            for n, c in zip(shapes, cases2_of(shapes, SITE))])):
        assert 1 in {f[2] for f in r["frames"] if f[0] == HEADERS}, (name, r)
    nothing_left(servers.recorder.take(), VALUE)
    assert "API_KEY" not in msb.log(box)
    # the secret's own host has the value as before
    msb.clients(box, case(API, ask(API, fields=[f"X-Key: {PLACE}"])))
    assert servers.recorder.requests()[0]["X-Key"] == VALUE


def test_two_secrets(msb, servers):
    """The strictest of the actions that are due; each secret by itself where only it is there."""
    box = msb.boot("--secret", f"API_KEY@{API}", "--secret", "OTHER@second.example.com",
                   "--tls-upstream-ca-cert", servers.ca, API_KEY=VALUE, OTHER="the-other-value")
    results = msb.clients(box, case(API, ask(API, fields=[f"X-Key: {PLACE} $MSB_OTHER"])),
                          case(API, ask(API, fields=[f"X-Key: {PLACE}"])))
    assert not results[0]["got"] and results[1]["got"]
    seen = servers.recorder.take()
    nothing_left(seen, "the-other-value", PLACE, "$MSB_OTHER")
    assert [r["X-Key"] for c in seen for r in c.requests] == [VALUE]


# --- requests with two readings ---


def smuggled(host):
    """Each with a second request that one of two servers might see; and what no server need see."""
    key = f"X-Key: {PLACE}\r\n"
    rest = f"Connection: close\r\n{key}\r\n"
    hidden = f"GET /hidden HTTP/1.1\r\nHost: {EVIL}\r\n{key}\r\n"
    line = f"GET / HTTP/1.1\r\nHost: {host}\r\n"
    put = f"POST / HTTP/1.1\r\nHost: {host}\r\n"
    return {
        "another host": f"GET / HTTP/1.1\r\nHost: {EVIL}\r\n{rest}",
        "no host": f"GET / HTTP/1.1\r\n{rest}",
        "two hosts": f"{line}Host: {EVIL}\r\n{rest}",
        "the same host twice": f"{line}Host: {host}\r\n{rest}",
        "absolute": f"GET https://{EVIL}/ HTTP/1.1\r\nHost: {host}\r\n{rest}",
        "absolute, with a user": f"GET https://{host}@{EVIL}/ HTTP/1.1\r\nHost: {host}\r\n{rest}",
        "folded host": f"GET / HTTP/1.1\r\nHost:\r\n {EVIL}\r\n{rest}",
        "folded line": f"{line}X-A: b\r\n Host: {EVIL}\r\n{rest}",
        "space before the colon": f"{line}Host : {EVIL}\r\n{rest}",
        "no colon": f"{line}nonsense\r\n{rest}",
        "odd name": f"{line}X(A): b\r\n{rest}",
        "empty name": f"{line}: b\r\n{rest}",
        "version": f"GET / HTTP/2.0\r\nHost: {host}\r\n{rest}",
        "no version": f"GET /\r\nHost: {host}\r\n{rest}",
        "spaces": f"GET  /  HTTP/1.1\r\nHost: {host}\r\n{rest}",
        "bare CR": f"{line}X-A: b\rHost: {EVIL}\r\n{rest}",
        "NUL": f"{line}X-A: b\0\r\n{rest}",
        "not UTF-8": f"{line}X-A: ".encode() + b"\xff\xfe\r\n" + rest.encode(),
        "both lengths": f"{put}Content-Length: 5\r\n{TE}\r\n{key}\r\n0\r\n\r\n{hidden}",
        "two lengths": f"{put}Content-Length: 5\r\nContent-Length: 6\r\n{key}\r\nhello!{hidden}",
        "a list of lengths": f"{put}Content-Length: 5, 6\r\n{key}\r\nhello!{hidden}",
        "negative length": f"{put}Content-Length: -1\r\n{key}\r\n{hidden}",
        "signed length": f"{put}Content-Length: +5\r\n{key}\r\nhello{hidden}",
        "hexadecimal length": f"{put}Content-Length: 0x5\r\n{key}\r\nhello{hidden}",
        "huge length": f"{put}Content-Length: 99999999999999999999\r\n{key}\r\nhello{hidden}",
        "gzip, chunked": f"{put}Transfer-Encoding: gzip, chunked\r\n{key}\r\n0\r\n\r\n{hidden}",
        "two codings": f"{put}{TE}\r\n{TE}\r\n{key}\r\n0\r\n\r\n{hidden}",
        "identity": f"{put}Transfer-Encoding: identity\r\n{key}\r\n0\r\n\r\n{hidden}",
        "xchunked": f"{put}Transfer-Encoding: xchunked\r\n{key}\r\n0\r\n\r\n{hidden}",
        "tab chunked": f"{put}Transfer-Encoding:\x0bchunked\r\n{key}\r\n0\r\n\r\n{hidden}",
        "chunk size": f"{put}{TE}\r\n{key}\r\n0x5\r\nhello\r\n0\r\n\r\n{hidden}",
        "huge chunk": f"{put}{TE}\r\n{key}\r\nfffffffffffffffff\r\nhello\r\n0\r\n\r\n{hidden}",
        "chunk too long": f"{put}{TE}\r\n{key}\r\n3\r\nhello\r\n0\r\n\r\n{hidden}",
        "chunk with LF": f"{put}{TE}\r\n{key}\r\n5\nhello\n0\n\n{hidden}",
        "h2c": f"{line}Upgrade: h2c\r\nHTTP2-Settings: AAAA\r\nConnection: Upgrade, HTTP2-Settings\r\n{key}\r\n"
               "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    }


def test_smuggling(msb, boot, servers):
    """Refused as a whole where two servers would not agree; the value goes to no request but a plain one."""
    box = boot()
    shapes = smuggled(API)
    results = msb.clients(box, *[case(API, data, end=True) for data in shapes.values()])
    for name, r in zip(shapes, results):
        assert not r["got"].startswith(b"HTTP/1.1 2"), (name, r)
        assert r["error"] != "silence", name
    for c in servers.recorder.take():
        data = bytes(c.data)
        assert b"/hidden" not in data and EVIL.encode() not in data, data
        assert data.count(VALUE.encode()) <= 1
        if VALUE.encode() in data:  # a head that is as it should be; its body turned out not to be
            assert b"chunked" in data, data
    # empty lines first are nothing; what follows them is looked at all the same
    good, bad = msb.clients(box, case(API, b"\r\n\r\n" + ask(API, fields=[f"X-Key: {PLACE}"])),
                            case(API, b"\r\n\r\n" + ask(EVIL, fields=[f"X-Key: {PLACE}"])))
    assert good["got"].startswith(b"HTTP/1.1 200") and not bad["got"]
    assert [r["X-Key"] for r in servers.recorder.requests()] == [VALUE]
    # an upgrade that the server did not agree to
    upgrade = ask(API, "/in", fields=["Connection: Upgrade", "Upgrade: websocket"], close=False)
    for first, behind in ((b"", b""), (b"\r\n", b""), (b" ", b""), (b"", ask(API))):
        msb.clients(box, case(API, upgrade, first + ask(EVIL, "/hidden", fields=[f"X-Key: {PLACE}"]) + behind))
    for c in servers.recorder.take():
        assert [r.target for r in c.requests] == ["/in"] and b"hidden" not in bytes(c.data)


def test_bombs(msb, boot, servers):
    """Heads without an end, or with too much in them: bounded, and over."""
    box = boot("--secret-inject", "API_KEY=headers,body")
    line = f"GET / HTTP/1.1\r\nHost: {API}\r\n".encode()
    te = ask(API, "/", "POST", [TE], b"", close=False)
    bombs = {
        "a long line": line + b"X-A: " + b"a" * 100_000 + b"\r\n\r\n",
        "many lines": line + b"X-A: b\r\n" * 20_000 + b"\r\n",
        "no end": line + b"X-A: " + b"a" * 3_000_000,
        "a long target": b"GET /" + b"a" * 100_000,
        "empty lines": b"\r\n" * 2_000_000,
        "a long method": b"G" * 200_000,
        "a long chunk size": te + b"0" * 200_000,
        "a long extension": te + b"5;" + b"a" * 200_000,
        "long trailers": te + b"0\r\n" + b"X-A: b\r\n" * 20_000,
        "a body to be held": ask(API, "/", "POST", ["Content-Length: 20000000"], None, close=False) +
        b"x" * 100_000,
    }
    for name, r in zip(bombs, msb.clients(box, *[case(API, data, end=name == "a body to be held")
                                                 for name, data in bombs.items()])):
        assert not r["got"] and r["error"] != "silence", (name, r)
    assert sum(c.count for c in servers.recorder.take()) < 1 << 20
    box2 = msb.clients(box, case(API, ask(API)))
    assert box2[0]["got"].startswith(b"HTTP/1.1 200")


def test_http2_floods(msb, boot, servers):
    """Frames that cost their receiver more than their sender end at a bound."""
    box = boot(secret=f"API_KEY@{SITE}")
    settings = HELLO
    floods = {
        "continuations": settings + frame(HEADERS, END_STREAM, 1, block(SITE)) +
        frame(CONTINUATION, 0, 1) * 50_000,
        "settings": settings + frame(SETTINGS, 0, 0, b"\0\4\0\0\xff\xff") * 20_000,
        "resets": settings + b"".join(request(2 * i + 1, SITE) + frame(3, 0, 2 * i + 1, b"\0\0\0\x08")
                                      for i in range(3000)),
        "a table": settings + frame(HEADERS, 5, 1, block(SITE) + b"\x40\5x-big\x7f\xf1\x1e" + b"a" * 4080 +
                                    b"\xbe" * 16000),
        "half a preface": PREFACE[:20],
    }
    for name, r in zip(floods, msb.clients(box, *[case(SITE, data, alpn=["h2"], end=True,
                                                       streams=[999999]) for data in floods.values()])):
        assert r["error"] != "silence", name
    assert msb.status(box) == "Running"
    assert msb.runtime_memory(box) < 64 << 10
    nothing_left(servers.recorder.take(), VALUE)
    p = msb.sh(box, f"curl -sS -o /dev/null --http2 -w '%{{http_code}}' https://{SITE}/")
    assert p.stdout == "200"
