# SPDX-License-Identifier: Apache-2.0
"""Secrets in requests of HTTP/2: made by programs, and by hand as no program would."""
import os

from recorder import holds
from tlspeers import (CONTINUATION, DATA, END_HEADERS, END_STREAM, HEADERS, HELLO, PLACE, SITE, VALUE, block, case,
                      credentials, frame, request)


def h2(*streams, name=SITE, frames=b"", **kw):
    return case(name, HELLO + frames, alpn=["h2"], streams=list(streams), **kw)


def heads(r):
    """Streams that were answered."""
    return sorted({f[2] for f in r["frames"] if f[0] == HEADERS})


def test_http2(msb, boot, servers):
    """The same places; bodies are not rewritten."""
    box = boot("--secret-inject", "API_KEY=headers,basic,query", secret=f"API_KEY@{SITE}")
    key = [("x-key", f"a{PLACE}b"), ("authorization", "Basic " + credentials(f"u:{PLACE}"))]
    cases = [h2(1, 3, 5, frames=request(1, SITE, f"/{PLACE}?q={PLACE}", fields=key) +
                request(3, SITE, "/", "POST", key, body=[b"a" * 16384, b"b" * 100]) +
                request(5, SITE, "/", fields=[("x-key", PLACE)], how=0x40))]
    head = block(SITE, "/", fields=[("x-key", PLACE), ("x-long", "l" * 30000)])
    cases += [h2(1, frames=frame(HEADERS, END_STREAM, 1, head[:100]) +
                 b"".join(frame(CONTINUATION, 0, 1, head[i:i + 7000]) for i in range(100, len(head), 7000)) +
                 frame(CONTINUATION, END_HEADERS, 1))]
    one, two = msb.clients(box, *cases)
    assert heads(one) == [1, 3, 5] and heads(two) == [1], (one, two, msb.log(box)[-2000:])
    seen = servers.recorder.requests()
    by_target = {r.target.partition("?")[0]: r for r in seen}
    assert by_target["/" + PLACE].target == f"/{PLACE}?q={VALUE}"
    for r in seen[:2]:
        assert r["x-key"] == f"a{VALUE}b" and r.basic == f"u:{VALUE}"
    assert {r["x-key"] for r in seen[2:]} == {VALUE} and seen[-1]["x-long"] == "l" * 30000
    assert max(r.length for r in seen) == 16484
    p = msb.sh(box, f"""
curl -sS --http2 -u "user:$API_KEY" -H "X-Key: $API_KEY" -o /dev/null -w '%{{http_version}}\\n' \\
    "https://{SITE}/?k=$API_KEY"
curl -sS --http2 -H "X-Key: $API_KEY" -T /usr/bin/curl -o /dev/null -w '%{{http_version}}\\n' https://{SITE}/
node -e '
const c = require("http2").connect("https://{SITE}");
for (let i = 0; i < 3; i++) {{
    const s = c.request({{":path": "/", "x-key": process.env.API_KEY}});
    s.resume();
    s.on("end", () => i == 2 && c.close());
}}'""")
    assert p.stdout.split() == ["2", "2"], p.stderr
    seen = servers.recorder.requests()
    assert seen[0].basic == f"user:{VALUE}" and seen[0].target == f"/?k={VALUE}"
    assert len(seen) == 5 and {r["x-key"] for r in seen} == {VALUE}
    assert seen[1].length == os.path.getsize("/usr/bin/curl")


def test_http2_and_bodies(msb, boot, servers):
    """Whoever wants values in bodies is not offered HTTP/2; who speaks it all the same is looked at."""
    box = boot("--secret-inject", "API_KEY=body,headers", secret=f"API_KEY@{SITE}")
    p = msb.sh(box, f"curl -sS --http2 -d \"k=$API_KEY\" -w '%{{http_version}}\\n' https://{SITE}/")
    assert p.stdout.splitlines()[-1].endswith("1.1"), p.stdout + p.stderr
    r, = servers.recorder.requests()
    assert r.body == f"k={VALUE}".encode()
    r, = msb.clients(box, h2(1, frames=request(1, SITE, "/", "POST", body=[b"$MSB_API", b"_KEY"])))
    assert not heads(r)
    assert not any(holds(c.data, VALUE) for c in servers.recorder.take())


def test_http2_that_is_not_let_through(msb, boot, servers):
    """For another host, or against the protocol: the connection ends."""
    box = boot(secret=f"API_KEY@{SITE}")
    other = "other-site.example.com"
    key = [("x-key", PLACE)]
    clean = request(1, SITE)
    bad = {
        "another authority": request(1, other, fields=key),
        "no authority": frame(HEADERS, 5, 1, block(None)),
        "two authorities": frame(HEADERS, 5, 1, block(SITE, fields=[(":authority", SITE)])),
        "another host": request(1, SITE, fields=[("host", other), *key]),
        "data first": frame(DATA, 1, 1, b"x"),
        "a frame between": frame(HEADERS, 1, 1, block(SITE)) + clean,
        "continuation alone": frame(CONTINUATION, 4, 1, block(SITE)),
        "push": frame(5, 4, 1, b"\0\0\0\2" + block(SITE)),
        "padding": frame(HEADERS, 13, 1, b"\xff" + block(SITE)),
        "table": frame(HEADERS, 5, 1, b"\xff\xff\xff\xff\x0f"),
        "huffman": frame(HEADERS, 5, 1, b"\0\x81\xff\x81\xff"),
        "size update": frame(HEADERS, 5, 1, b"\x3f\xff\xff\x7f" + block(SITE)),
        "a long block": frame(HEADERS, 1, 1, b"") + b"".join(
            frame(CONTINUATION, 0, 1, block("x", fields=[("a", "b" * 16000)])) for _ in range(6)),
        "many fields": request(1, SITE, fields=[("a", "b")] * 1100),
        "a large frame": frame(HEADERS, 5, 1, b"\0" * 20000),
    }
    results = msb.clients(box, *[h2(1, frames=f) for f in bad.values()])
    for name, r in zip(bad, results):
        assert not heads(r), (name, r)
        assert r["error"] != "silence" and (r["error"] or r["step"] == "end"), (name, r)
    assert not any(holds(c.data, VALUE) for c in servers.recorder.take())
    assert "200" not in servers.access()
    many = b"".join(request(2 * i + 1, SITE, "/late", "POST", body=[]) for i in range(1100))
    r, = msb.clients(box, h2(2001, frames=many))
    assert 2001 not in heads(r) and r["error"] != "silence"
    # streams that end make room
    out = msb.sh(box, f"""
cd /tmp
printf 'url=https://{SITE}/?%s\\noutput=/dev/null\\n' $(seq 1300) > list
curl -sS --http2 -w '%{{http_code}}\\n' -K list | sort | uniq -c""").stdout.split()
    assert out == ["1300", "200"], msb.log(box)[-2000:]
