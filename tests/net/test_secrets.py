# SPDX-License-Identifier: Apache-2.0
"""Secrets: the guest has placeholders, the hosts they are for get the values, where they are meant to be."""
import base64
import contextlib
import gzip
import hashlib
import json
import os
import subprocess

import pytest

from conftest import DEADLINE, GATEWAY4
from recorder import holds
from tlspeers import (AGAIN, API, API4, PASSWORD, PLACE, SITE, SITE4, VALUE, ask, case, chunked,
                      credentials)

BEARER = f"Authorization: Bearer {PLACE}"


def basic(text):
    return f"Authorization: Basic {credentials(text)}"


def got(servers):
    """The one connection there was."""
    connection, = servers.recorder.take()
    return connection


def passes(results):
    for r in results:
        assert r["error"] is None and r["got"].startswith(b"HTTP/1.1 200"), r


# --- where they are, and are not ---


def files_with(directory, text):
    found = []
    for path, _, names in os.walk(directory):
        for name in names:
            whole = os.path.join(path, name)
            if os.path.isfile(whole) and not os.path.islink(whole):
                with open(whole, "rb") as f:
                    if holds(f.read(), text):
                        found.append(whole)
    return found


def test_the_guest_has_a_placeholder(msb, boot, servers):
    """And nobody but the runtime has the value, which has it nowhere that can be read."""
    box = boot("-e", "API_KEY=mine", "-m", "160M")
    p = msb.sh(box, f"""
echo $API_KEY
tr '\\0' '\\n' < /proc/1/environ | grep -a API_KEY
curl -sS -H "Authorization: Bearer $API_KEY" https://{API}/
""")
    assert p.stdout.splitlines()[0] == PLACE
    assert got(servers).requests[0]["Authorization"] == f"Bearer {VALUE}"
    said = [msb.ok("inspect", box), msb.ok("inspect", box, "--format", "json"), msb.ok("ls"),
            msb.log(box), p.stdout, p.stderr]
    assert not any(holds(text.encode(), VALUE) for text in said)
    config = msb.json("inspect", box)
    assert "API_KEY" in json.dumps(config) and PLACE in json.dumps(config)
    assert not files_with(msb.home, VALUE)
    none_tells([pid for pid, _ in msb.processes()] + family(msb.runtime_pid(box)))
    find_in_guest(msb, box)
    if os.geteuid() == 0:
        find_in_memory(msb, box)
    msb.ok("stop", "-q", box)
    assert not files_with(msb.home, VALUE)


def none_tells(pids):
    """No process shows the value to those who may look at its words and its environment."""
    for pid in pids:
        for name in ("cmdline", "environ"):
            with contextlib.suppress(PermissionError):
                assert not holds(open(f"/proc/{pid}/{name}", "rb").read(), VALUE), (pid, name)


def find_in_guest(msb, box):
    """What the guest's root can see of itself has no trace of it."""
    secret = base64.b64encode(VALUE[::-1].encode()).decode()
    p = msb.python(box, f"""
import base64
value = base64.b64decode("{secret}")[::-1]
found = []
places = [f"/proc/{{p}}/{{f}}" for p in os.listdir("/proc") if p.isdigit() and p != str(os.getpid())
          for f in ("environ", "cmdline")]
for top in ("/.msb", "/etc", "/tmp", "/run", "/dev/shm"):
    places += [os.path.join(d, n) for d, _, names in os.walk(top) for n in names]
for path in places + ["/proc/cmdline"]:
    try:
        if os.path.isfile(path) and value in open(path, "rb").read():
            found.append(path)
    except OSError:
        pass
print(found)
""")
    assert p.strip() == "[]"


def dumped(pid):
    """The parts of a process's memory that a core dump may have."""
    with open(f"/proc/{pid}/smaps") as smaps, open(f"/proc/{pid}/mem", "rb", 0) as mem:
        ends = rss = None
        for line in smaps:
            words = line.split()
            if "-" in words[0] and not words[0].endswith(":"):
                ends, mode, name = words[0], words[1], words[5] if len(words) > 5 else ""
            elif words[0] == "Rss:":
                rss = int(words[1])
            elif words[0] == "VmFlags:" and "dd" not in words and rss and "r" in mode and \
                    name not in ("[vvar]", "[vsyscall]"):
                start, end = (int(x, 16) for x in ends.split("-"))
                mem.seek(start)
                try:
                    yield name, mem.read(end - start)
                except OSError:
                    pass


def family(pid):
    """A process and all that descend from it."""
    parents = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                with open(f"/proc/{entry}/stat") as f:
                    parents[int(entry)] = int(f.read().rpartition(")")[2].split()[1])
            except OSError:
                pass
    found = [pid]
    for one in found:
        found += [child for child, parent in parents.items() if parent == one]
    return found


def find_in_memory(msb, box):
    """Not in any process of the sandbox, the guest's kernel too, except where a core dump does not go."""
    pids = family(msb.runtime_pid(box))
    assert len(pids) > 1
    placeholders = 0
    for pid in pids:
        try:
            for name, data in dumped(pid):
                placeholders += data.count(PLACE.encode())
                assert VALUE.encode() not in data, f"in {name or 'memory'} of process {pid}"
        except PermissionError:  # to other programs of the same user all of it is closed
            assert os.geteuid() and pid == pids[0]
    assert placeholders or os.geteuid(), "this did not look where it should have"


def test_sources(msb, boot, servers, tmp_path):
    """From the environment and from files, at each start; or kept for the sandbox alone."""
    path = tmp_path / "key"
    path.write_text("from-a-file\n")
    inline = "in=line@value:x"
    p = msb("create", "-q", "-n", "box", "-v", "/usr:/usr:ro", "--secret", f"API_KEY@{API}", "--secret-file",
            f"FILE_KEY={path}@{API},second.example.com", "--secret", f"OLD={inline}@{API}",
            "--tls-upstream-ca-cert", servers.ca, msb.rootfs, env=msb.env(API_KEY=VALUE))
    assert p.returncode == 0, p.stderr
    assert "OLD" in p.stderr and "warn" in p.stderr.lower() and inline not in p.stderr
    fields = [f"X-{n}: $MSB_{n}" for n in ("API_KEY", "FILE_KEY", "OLD")]
    second = "second.example.com"
    passes(msb.clients("box", case(API, ask(API, fields=fields)),
                       case(second, ask(second, fields=fields[1:2]))))
    a, b = servers.recorder.requests()
    assert [a[f"X-{n}"] for n in ("API_KEY", "FILE_KEY", "OLD")] == [VALUE, "from-a-file", inline]
    assert b["X-FILE_KEY"] == "from-a-file"
    assert not files_with(msb.home, VALUE) and not files_with(msb.home, "from-a-file")
    kept = files_with(msb.home, inline)
    assert len(kept) == 1 and os.stat(kept[0]).st_mode & 0o777 == 0o600, kept
    inspected = msb.ok("inspect", "box", "--format", "json")
    for secret in (VALUE, "from-a-file", inline):
        assert secret not in inspected and secret not in msb.log("box")
    # the next start has what is there then
    msb.ok("stop", "-q", "box")
    p = msb("start", "box")
    assert p.returncode and "API_KEY" in p.stderr
    path.write_text("newer")
    msb.ok("start", "-q", "box", env=msb.env(API_KEY="another-value"))
    passes(msb.clients("box", case(API, ask(API, fields=fields))))
    a, = servers.recorder.requests()
    assert [a[f"X-{n}"] for n in ("API_KEY", "FILE_KEY", "OLD")] == ["another-value", "newer", inline]
    msb.ok("stop", "-q", "box")
    path.unlink()
    p = msb("start", "box", env=msb.env(API_KEY="another-value"))
    assert p.returncode and str(path) in p.stderr
    msb.ok("rm", "-q", "box")
    assert not files_with(msb.home, inline)


def test_a_value_on_the_command_line(msb, servers):
    """Whoever gives it there is warned; it is gone from there, and in no other process's words."""
    p = msb.popen("run", "-v", "/usr:/usr:ro", "--secret", f"API_KEY={VALUE}@{API}", "--tls-upstream-ca-cert",
                  servers.ca, msb.rootfs, "--", "bash", "-c",
                  f"curl -sS -H \"X-Key: $API_KEY\" https://{API}/; echo; echo here; read",
                  stdin=subprocess.PIPE, text=True)
    lines = []
    while "here\n" not in lines:
        lines.append(p.stdout.readline())
        assert lines[-1], p.stderr.read()
    pids = [pid for pid, _ in msb.processes()]
    pids += [msb.runtime_pid(name) for name in msb.ok("ls", "-q").split()]
    assert len(set(pids)) > 1
    none_tells(pids)
    out, err = p.communicate("\n", timeout=DEADLINE)
    assert p.returncode == 0, err
    assert "warn" in err and VALUE not in err + out
    assert [r["X-Key"] for r in servers.recorder.requests()] == [VALUE]
    assert not files_with(msb.home, VALUE)


@pytest.mark.parametrize("options, word", [
    (["--secret", "API_KEY"], "ENV"), (["--secret", "=x@h.example.com"], "ENV"),
    (["--secret", "A=x@"], "ENV"), (["--secret", "A=@h.example.com"], "ENV"),
    (["--secret", "NOT_SET@h.example.com"], "NOT_SET"),
    (["--secret-file", "A=/does/not/exist@h.example.com"], "/does/not/exist"),
    (["--secret-file", "A@h.example.com"], "PATH"),
    (["--secret", "A=b@h.example.com", "--secret-inject", "A=cookie"], "cookie"),
    (["--secret", "A=b@h.example.com", "--secret-inject", "B=body"], "B"),
    (["--on-secret-violation", "explode"], "explode"),
    (["--secret", "A=two\nlines@h.example.com"], "A")])
def test_wrong_usage(msb, options, word):
    p = msb("create", "-q", "-n", "box", *options, msb.rootfs)
    assert p.returncode and word in p.stderr, p.stderr
    assert "two\nlines" not in p.stderr
    assert msb.ok("ls", "-q") == ""


# --- where they go ---


def test_headers(msb, boot, servers):
    """Header lines and Basic credentials, by default; nothing of queries, paths and bodies."""
    box = boot()
    cases = [
        case(API, ask(API, fields=[BEARER])),
        case(API, ask(API, fields=[f"X-Two: {PLACE}, a{PLACE}b", "Cookie: k=" + PLACE])),
        case(API, ask(API, fields=[basic(f"user:{PLACE}")])),
        case(API, ask(API, fields=[basic(f"{PLACE}:x{PLACE}y").replace("Basic", "bAsIc")])),
        case(API, *[bytes([b]) for b in ask(API, fields=[BEARER])]),
        case(API, ask(API, fields=["X-Not: $MSB_API_KE", "X-Longer: $MSB_API_KEYS"])),
        case(API, ask(API, "/p/$MSB_API_KEY?q=$MSB_API_KEY", "POST", body=f"b={PLACE}",
                      fields=[BEARER])),
        case(API, ask(API, "/", "POST", ["Expect: 100-continue", BEARER], body="abc")),
        case(API, ask(API, close=False, fields=[BEARER]) + ask(API, close=False) +
             ask(API, fields=[BEARER])),
        case(API, ask(API, "/", "POST", [BEARER], body=PLACE, close=False), ask(API, fields=[BEARER])),
    ]
    results = msb.clients(box, *cases)
    passes(results)
    seen = [c.requests for c in servers.recorder.take()]
    first = [c[0] for c in seen]
    assert first[0]["Authorization"] == f"Bearer {VALUE}"
    assert first[1]["X-Two"] == f"{VALUE}, a{VALUE}b" and first[1]["Cookie"] == f"k={VALUE}"
    assert first[2].basic == f"user:{VALUE}"
    assert base64.b64decode(first[3]["Authorization"].split()[1]).decode() == f"{VALUE}:x{VALUE}y"
    assert first[4]["Authorization"] == f"Bearer {VALUE}"
    assert first[5]["X-Not"] == "$MSB_API_KE" and first[5]["X-Longer"] == f"{VALUE}S"
    assert first[6].target == "/p/$MSB_API_KEY?q=$MSB_API_KEY" and first[6].body == f"b={PLACE}".encode()
    assert first[6]["Authorization"] == f"Bearer {VALUE}"
    assert first[7]["Authorization"] == f"Bearer {VALUE}" and first[7].body == b"abc"
    assert [r["Authorization"] for r in seen[8]] == [f"Bearer {VALUE}", None, f"Bearer {VALUE}"]
    assert seen[9][0].body == PLACE.encode() and seen[9][1]["Authorization"] == f"Bearer {VALUE}"
    # nothing else about these requests has changed
    assert first[0].head == ask(API, fields=[f"Authorization: Bearer {VALUE}"])[:-4]


def test_curl(msb, boot, servers):
    """As people use it."""
    box = boot()
    msb.sh(box, f"""
curl -sS -u "user:$API_KEY" https://{API}/
curl -sS -H "X-Key: $API_KEY" -d @/usr/bin/curl https://{API}/
curl -sS -H "X-Key: $API_KEY" -T /usr/bin/curl https://{API}/
curl -sS -H "X-Key: $API_KEY" -H 'Transfer-Encoding: chunked' -T - https://{API}/ < /usr/bin/curl
wget -qO- --header "X-Key: $API_KEY" https://{API}/
node -e 'fetch("https://{API}/", {{headers: {{"X-Key": process.env.API_KEY}}}})'
""")
    seen = servers.recorder.requests()
    assert seen[0].basic == f"user:{VALUE}"
    assert [r["X-Key"] for r in seen[1:]] == [VALUE] * 5
    digest = hashlib.sha256(open("/usr/bin/curl", "rb").read()).hexdigest()
    assert [r.digest.hexdigest() for r in seen[2:4]] == [digest] * 2
    assert holds(b"".join(bytes(r.connection.data[:1000]) for r in seen), VALUE)


def test_git_with_a_password(msb, boot, servers):
    """The guest clones and pushes with a password that it does not have."""
    box = boot(secret=f"API_KEY@{SITE}", value=PASSWORD)
    p = msb.sh(box, f"""
set -e
cd /tmp
export HOME=/tmp GIT_TERMINAL_PROMPT=0
git config --global user.name t; git config --global user.email t@example.com
git clone -q "https://someone:$API_KEY@{SITE}/locked/git/it.git"
cd it
head -c 3000000 /dev/urandom > locked
git add locked
git commit -qm "with a password"
git push -q origin HEAD
git clone -q "https://someone:wrong@{SITE}/locked/git/it.git" ../other || echo refused
wget -qO- --user someone --password "$API_KEY" \\
    "https://{SITE}/locked/git/it.git/info/refs?service=git-upload-pack" | grep -c -a HEAD
curl -sS -u "someone:$API_KEY" -o /dev/null -w '%{{http_code}}' https://{SITE}/locked/git/it.git/HEAD
""")
    assert p.returncode == 0, p.stderr + msb.log(box)[-2000:]
    assert p.stdout.split() == ["refused", "1", "200"]
    said = subprocess.run(["git", "-c", "safe.directory=*", "-C", servers.repository, "log",
                           "--format=%s", "-1"], capture_output=True, text=True).stdout
    assert said == "with a password\n"


def test_places(msb, boot, servers):
    """Each only where --secret-inject says."""
    def try_all(inject):
        box = boot("--secret-inject", f"API_KEY={inject}")
        target, body = f"/{PLACE}?a={PLACE}&b={PLACE}?{PLACE}", f"x{PLACE}y{PLACE}"
        passes(msb.clients(box, case(API, ask(API, target, "POST", [f"X-Key: {PLACE}", basic(f"u:{PLACE}")],
                                              body))))
        msb.away(box)
        r, = servers.recorder.requests()
        path, _, query = r.target.partition("?")
        assert path == "/" + PLACE, "never in the path"
        assert int(r["Content-Length"]) == len(r.body)
        return {"headers": r["X-Key"] == VALUE, "basic": r.basic == f"u:{VALUE}",
                "query": query == f"a={VALUE}&b={VALUE}?{VALUE}",
                "body": r.body == f"x{VALUE}y{VALUE}".encode()}
    for inject in ("headers", "basic", "query", "body", "query,body"):
        want = inject.split(",")
        assert try_all(inject) == {p: p in want for p in ("headers", "basic", "query", "body")}


@pytest.mark.parametrize("value", ["x", VALUE * 20])
def test_bodies(msb, boot, servers, value):
    """Of every length and framing; the length that is told is what it is then."""
    box = boot("--secret-inject", "API_KEY=body,headers", value=value)
    mib = 1 << 20
    big = (b"a" * (mib // 2) + PLACE.encode()) * 2
    noise = bytes(range(256)) * 50 + PLACE.encode() + bytes(range(255, -1, -1)) * 50
    post = lambda body, *fields, **kw: ask(API, "/", "POST", fields, body, **kw)  # noqa: E731
    te = "Transfer-Encoding: chunked"
    bodies = [b"", PLACE.encode(), f"{PLACE}{PLACE}-{PLACE}".encode(), b"nothing in here",
              b"almost $MSB_API_KE", big, noise]
    cases = [case(API, post(b)) for b in bodies]
    cases += [case(API, post(chunked(b) if b else chunked(), te)) for b in bodies]
    split = [post(PLACE)[i:i + 1] for i in range(len(post(PLACE)))]
    cases += [case(API, *split),
              case(API, post(chunked(*(bytes([c]) for c in b"say " + PLACE.encode())), te)),
              case(API, post(chunked("a$MSB", "_API", "_KEYb"), te)),
              case(API, *[bytes([b]) for b in post(chunked("a$MSB", "_API", "_KEYb"), te)]),
              case(API, post(chunked("x\r\n0\r\n\r\n", PLACE, trailers="X-Sum: 1\r\n"), te)),
              case(API, post(chunked(PLACE), te, close=False) + post(PLACE, close=False) +
                   post(chunked(PLACE), te))]
    passes(msb.clients(box, *cases))
    seen = [c.requests for c in servers.recorder.take()]
    new = [b.replace(PLACE.encode(), value.encode()) for b in bodies]
    assert [r[0].body for r in seen[:14]] == new * 2
    assert [int(r[0]["Content-Length"]) for r in seen[:7]] == [len(b) for b in new]
    assert all(r[0]["Transfer-Encoding"] == "chunked" and r[0]["Content-Length"] is None
               for r in seen[7:14])
    v = value.encode()
    assert [r[0].body for r in seen[14:18]] == [v, b"say " + v, b"a" + v + b"b", b"a" + v + b"b"]
    assert seen[18][0].body == b"x\r\n0\r\n\r\n" + v and seen[18][0].trailers == b"X-Sum: 1\n"
    assert [r.body for r in seen[19]] == [v] * 3


def test_bodies_without_injection(msb, boot, servers):
    """Octet by octet what the client sent, also where it says the end and it is not."""
    box = boot()
    te = "Transfer-Encoding: chunked"
    odd = b"5;ext=1\r\n0\r\n\r\n\r\n00A\r\n0123456789\r\n0\r\nX-T: $MSB\r\n\r\n"
    noise = os.urandom(100_000)
    cases = [case(API, ask(API, "/", "POST", [te, BEARER], odd)),
             case(API, ask(API, "/", "PUT", [BEARER], noise)),
             case(API, ask(API, "/", "POST", [te, BEARER], chunked("0\r\n\r\n", "GET / HTTP/1.1\r\n\r\n"),
                           close=False) + ask(API, fields=[BEARER]))]
    passes(msb.clients(box, *cases))
    seen = servers.recorder.take()
    assert bytes(seen[0].data).endswith(b"\r\n\r\n" + odd)
    assert seen[1].requests[0].body == noise
    assert [r.body for r in seen[2].requests] == [b"0\r\n\r\nGET / HTTP/1.1\r\n\r\n", b""]
    for c in seen:
        assert {r["Authorization"] for r in c.requests} == {f"Bearer {VALUE}"}


def test_encoded_bodies(msb, boot, servers):
    """A compressed body is nobody's to change; a placeholder in one that is not compressed is a leak."""
    box = boot("--secret-inject", "API_KEY=body,headers")
    packed = gzip.compress(f"key={PLACE}".encode() * 100)
    te = "Transfer-Encoding: chunked"
    for coding in ("gzip", "br", "zstd", "deflate"):
        fields = [f"Content-Encoding: {coding}", BEARER]
        passes(msb.clients(box, case(API, ask(API, "/", "POST", fields, packed)),
                           case(API, ask(API, "/", "POST", [*fields, te], chunked(packed)))))
        for r in servers.recorder.requests():
            assert r.body == packed and r["Authorization"] == f"Bearer {VALUE}"
        lying = f"key={PLACE}"
        for r in msb.clients(box, case(API, ask(API, "/", "POST", fields, lying)),
                             case(API, ask(API, "/", "POST", [*fields, te], chunked("key=$MS", "B_API_KEY")))):
            assert not r["got"]
        assert not any(holds(r.body, PLACE) or holds(r.body, VALUE) for r in servers.recorder.requests())
    passes(msb.clients(box, case(API, ask(API, "/", "POST", ["Content-Encoding: identity"], PLACE))))
    assert servers.recorder.requests()[0].body == VALUE.encode()


@pytest.mark.slow
def test_a_long_upload(msb, boot, servers):
    """A placeholder behind much else: found, with no more memory than at the beginning."""
    box = boot("--secret-inject", "API_KEY=body")
    passes(msb.clients(box, case(API, ask(API, "/", "POST", body=PLACE))))
    servers.recorder.take()
    before = msb.runtime_memory(box)
    msb.sh(box, f"""(head -c 200M /dev/zero; printf %s "$API_KEY") |
        curl -sS -X POST -H 'Transfer-Encoding: chunked' -T - https://{API}/""")
    grown = msb.runtime_memory(box) - before
    r, = servers.recorder.requests()
    want = hashlib.sha256(bytes(200 << 20))
    want.update(VALUE.encode())
    assert r.length == (200 << 20) + len(VALUE) and r.digest.hexdigest() == want.hexdigest()
    assert grown < 16 << 10, f"{grown} KiB more"


# --- to whom ---


def test_hosts(msb, boot, servers):
    """Exact names, suffixes, the host's alias, any."""
    def try_all(secret, *options):
        box = boot(*options, secret=secret)
        names = [API, "second.example.com", "below.example.com", "x.below.example.com",
                 "deep.x.below.example.com", "notbelow.example.com"]
        results = msb.clients(box, *[case(n, ask(n, fields=[BEARER])) for n in names])
        msb.away(box)
        hosts = {r["Host"]: r["Authorization"] for r in servers.recorder.requests()}
        assert set(hosts.values()) <= {f"Bearer {VALUE}"}
        assert [bool(r["got"]) for r in results] == [n in hosts for n in names]
        return [n.removesuffix(".example.com") for n in names if n in hosts]
    assert try_all(f"API_KEY@{API}") == ["api"]
    assert try_all("API_KEY@API.Example.com,second.example.com") == ["api", "second"]
    assert try_all("API_KEY@*.below.example.com") == ["below", "x.below", "deep.x.below"]
    assert try_all("API_KEY@*") == ["api", "second", "below", "x.below", "deep.x.below", "notbelow"]


def test_several(msb, servers):
    """Each to its own host, at the same time; the longer name wins where one begins with the other."""
    box = msb.boot("--secret", f"API_KEY@{API}", "--secret", "API_KEY_TWO@second.example.com",
                   "--secret", f"API_KEY_2@{API}", "--tls-upstream-ca-cert", servers.ca,
                   API_KEY=VALUE, API_KEY_TWO="two", API_KEY_2="other")
    second = "second.example.com"
    good, bad, worse = msb.clients(
        box, case(API, ask(API, fields=["X-Key: $MSB_API_KEY $MSB_API_KEY_2"])),
        case(second, ask(second, fields=["X-Key: $MSB_API_KEY"])),
        case(API, ask(API, fields=["X-Key: $MSB_API_KEY_TWO"])))
    passes([good])
    assert not bad["got"] and not worse["got"]
    r, = servers.recorder.requests()
    assert r["X-Key"] == f"{VALUE} other"
    passes(msb.clients(box, case(second, ask(second, fields=["X-Key: $MSB_API_KEY_TWO"]))))
    assert servers.recorder.requests()[0]["X-Key"] == "two"


def test_the_host_itself(msb, boot, servers):
    alias = "host.microsandbox.internal"
    box = boot("--tls-intercept-port", AGAIN, "--net-rule", "allow@host", secret=f"API_KEY@{alias}")
    good, = msb.clients(box, case(alias, ask(alias, fields=[BEARER]), port=AGAIN))
    passes([good])
    assert got(servers).requests[0]["Authorization"] == f"Bearer {VALUE}"
    msb.away(box)
    box = boot("--tls-intercept-port", AGAIN, "--net-default", "allow", secret=f"API_KEY@{alias}")
    bad, = msb.clients(box, case(alias, ask(alias, fields=[BEARER]), port=AGAIN, address=API4))
    assert not bad["got"]
    assert not servers.recorder.requests()
    passes(msb.clients(box, case(alias, ask(alias, fields=[BEARER]), port=AGAIN, address=GATEWAY4)))


def test_pinned(msb, boot, servers):
    """A name counts for the addresses the guest was told for it, and for no other."""
    box = boot()
    one, other, right, other_again = msb.clients(
        box, case(API, ask(API, fields=[BEARER]), address=API4),
        case(API, ask(API, fields=[BEARER]), address=SITE4),
        case(API, ask(API, fields=[BEARER])),
        case(API, ask(API, fields=[BEARER]), address=SITE4))
    assert not one["got"] and not other["got"] and not other_again["got"]
    passes([right])
    seen = servers.recorder.requests()
    assert [r["Authorization"] for r in seen] == [f"Bearer {VALUE}"]
    passes(msb.clients(box, case(API, ask(API), address=SITE4, alpn=["http/1.1"])))


def test_bypassed(msb, servers):
    """What is not opened is not changed, and not looked at."""
    box = msb.boot("--secret", f"API_KEY@{API}", "--tls-bypass", API, "--tls-bypass", "evil.example.com",
                   API_KEY=VALUE)
    passes(msb.clients(box, *[case(n, ask(n, fields=[BEARER]), verify=False)
                              for n in (API, "evil.example.com")]))
    assert {r["Authorization"] for r in servers.recorder.requests()} == {f"Bearer {PLACE}"}


def test_plain_http(msb, boot, servers):
    """Without TLS nobody gets a value: a placeholder goes to the secret's host as it is, to no other."""
    box = boot()
    good, bad, nameless, clean = msb.clients(
        box, case(API, ask(API, fields=[BEARER]), port=80, plain=True),
        case("evil.example.com", ask("evil.example.com", fields=[BEARER]), port=80, plain=True),
        case(API, ask(API, fields=[BEARER]).replace(b"Host", b"Hast"), port=80, plain=True),
        case("evil.example.com", ask("evil.example.com"), port=80, plain=True))
    passes([good, clean])
    assert not bad["got"] and not nameless["got"]
    seen = servers.recorder.requests()
    assert [(r["Host"], r["Authorization"]) for r in seen] == [
        (API, f"Bearer {PLACE}"), ("evil.example.com", None)]
