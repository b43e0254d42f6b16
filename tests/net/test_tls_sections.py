# SPDX-License-Identifier: Apache-2.0
"""Interception and secrets as only the network's section in JSON can have them."""
import json
import os

import pytest

from conftest import SANITIZED, wait_for
from recorder import holds
from test_leaks import dropped, nothing_left
from tlspeers import API, EVIL, SECOND, SITE4, VALUE, ask, case

OTHER_VALUE = "another-value.entirely"
X = "x.below.example.com"

pytestmark = pytest.mark.skipif(SANITIZED, reason="the library wants its sanitizer to be there first")


def secret(name, *hosts, place=None, action=None, **kw):
    """An entry of the list; its value is what the variable of that name has."""
    out = {"env_var": name, "source": {"kind": "env", "var": name},
           "allowed_hosts": [h if h == "any" else {"wildcard" if h[0] == "*" else "exact": h} for h in hosts],
           **kw}
    if place:
        out["placeholder"] = place
    if action:
        out["on_violation"] = action
    return out


@pytest.fixture
def boot(msb, servers):
    """boot(secrets, for all of them, of tls): a sandbox."""
    def run(secrets, on_violation=None, **tls):
        section = {"tls": {"enabled": True, "upstream_ca_cert": [str(servers.ca)], **tls},
                   "secrets": {"secrets": secrets, **({"on_violation": on_violation} if on_violation else {})}}
        return msb.boot_section(section, API_KEY=VALUE, OTHER=OTHER_VALUE)
    return run


def key(host, *names, **kw):
    """A request with these placeholders."""
    return case(host, ask(host, fields=[f"X-{i}: $MSB_{n}" for i, n in enumerate(names)]), **kw)


def arrived(servers):
    return [(r["Host"], r["X-0"]) for r in servers.recorder.requests()]


def test_each_its_own_action(msb, boot, servers):
    """That of one secret counts before that of all; what passes at one host does not at another."""
    box = boot([secret("API_KEY", API, action={"passthrough": [{"exact": SECOND}]}),
                secret("OTHER", API, action="block")], "block-and-log")
    results = msb.clients(box, key(SECOND, "API_KEY"), key(EVIL, "API_KEY"), key(SECOND, "OTHER"),
                          key(API, "API_KEY", "OTHER"), key(SECOND, "API_KEY", "OTHER"))
    assert [bool(r["got"]) for r in results] == [True, False, False, True, False]
    for r in results[1:3]:
        dropped("first", r)
    seen = servers.recorder.requests()
    assert [(r["Host"], r["X-0"], r["X-1"]) for r in seen] == [
        (SECOND, "$MSB_API_KEY", None), (API, VALUE, OTHER_VALUE)]
    msb.told(box, "API_KEY")
    assert "MSB_OTHER" not in msb.log(box), "block says nothing"


def test_passing_for_all(msb, boot, servers):
    """Hosts that all secrets pass at; the others are blocked, and told of."""
    box = boot([secret("API_KEY", API)], {"passthrough": [{"wildcard": "*.below.example.com"}]})
    results = msb.clients(box, key(X, "API_KEY"), key(EVIL, "API_KEY"))
    assert results[0]["got"] and not results[1]["got"]
    assert arrived(servers) == [(X, "$MSB_API_KEY")]
    msb.told(box, "API_KEY", EVIL)


def test_the_strictest_counts(msb, boot, servers):
    box = boot([secret("API_KEY", API, action="block"),
                secret("OTHER", API, action="block-and-terminate")])
    r, = msb.clients(box, key(EVIL, "API_KEY"))
    assert not r["got"] and msb.status(box) == "Running"
    msb("exec", box, "--", "/usr/bin/python3", "-S", "/tlsinside.py",
        input=json.dumps([key(EVIL, "API_KEY", "OTHER")]))
    wait_for(lambda: msb.status(box) == "Stopped", "the sandbox to be stopped")
    nothing_left(servers.recorder.take(), "$MSB_API_KEY", "$MSB_OTHER", VALUE, OTHER_VALUE)


def test_one_placeholder_for_two(msb, boot, servers):
    """Two entries, two hosts: each gets its own."""
    box = boot([secret("API_KEY", API), secret("OTHER", SECOND, place="$MSB_API_KEY")])
    results = msb.clients(box, key(API, "API_KEY"), key(SECOND, "API_KEY"), key(EVIL, "API_KEY"))
    assert [bool(r["got"]) for r in results] == [True, True, False]
    assert arrived(servers) == [(API, VALUE), (SECOND, OTHER_VALUE)]


@pytest.mark.parametrize("place", ["x", "%24MSB%", "\\u0041", "a b", "ключ", "aaaa", "p" * 1024])
def test_odd_placeholders(msb, boot, servers, place):
    """Whatever it looks like, it is found, and what is put in is not looked at again."""
    box = boot([secret("API_KEY", API, place=place, injection={"headers": False, "body": True})])
    assert msb.sh(box, "printf %s \"$API_KEY\"").stdout == place
    data = f"<{place}>" + place[:-1]
    good, bad = msb.clients(box, case(API, ask(API, "/", "POST", body=data)),
                            case(EVIL, ask(EVIL, "/", "POST", body=data)))
    assert good["got"], msb.log(box)[-2000:]
    dropped("first", bad)
    r, = servers.recorder.requests()
    assert r.body.startswith(f"<{VALUE}>".encode()) and r.body.endswith(place[:-1].encode())


def test_a_value_in_the_section(msb, servers):
    """It is taken out, and kept where only the sandbox's next start finds it."""
    entry = {"env_var": "API_KEY", "value": VALUE, "allowed_hosts": [{"exact": API}]}
    box = msb.boot_section({"tls": {"upstream_ca_cert": [str(servers.ca)]}, "secrets": {"secrets": [entry]}})
    for _ in range(2):
        assert msb.clients(box, key(API, "API_KEY"))[0]["got"]
        assert arrived(servers) == [(API, VALUE)]
        msb.ok("stop", "-q", box)
        msb.ok("start", "-q", box)
    assert VALUE not in msb.ok("inspect", box, "--format", "json")
    kept = []
    for path, _, names in os.walk(msb.home):
        for name in names:
            whole = os.path.join(path, name)
            if os.path.isfile(whole) and holds(open(whole, "rb").read(), VALUE):
                kept.append((os.path.dirname(whole), os.stat(whole).st_mode & 0o777))
    assert len(kept) == 1 and kept[0][0].startswith(str(msb.dir(box))) and kept[0][1] == 0o600, kept


def test_upstreams_by_name(msb, boot, servers):
    """Authorities and trust for some servers only; the most specific pattern counts."""
    names = ["untrusted.example.com", "expired.example.com", "mismatch.example.com", API]
    ask_all = [case(n, ask(n)) for n in names]

    def good(**tls):
        box = boot([], **tls)
        results = msb.clients(box, *ask_all)
        msb.away(box)
        return [n.split(".")[0] for n, r in zip(names, results) if r["got"].startswith(b"HTTP/1.1 200")]
    stranger = str(servers.stranger.cert)
    assert good() == ["api"]
    assert good(scoped_upstream_ca_cert=[{"pattern": names[0], "path": stranger}]) == ["untrusted", "api"]
    assert good(scoped_upstream_ca_cert=[{"pattern": "*.elsewhere.example", "path": stranger}]) == ["api"]
    assert good(verify_upstream=False) == ["untrusted", "expired", "mismatch", "api"]
    assert good(scoped_verify_upstream=[{"pattern": names[1], "verify": False}]) == ["expired", "api"]
    assert good(verify_upstream=False, scoped_verify_upstream=[
        {"pattern": "*.example.com", "verify": True}, {"pattern": names[2], "verify": False}]) == [
        "mismatch", "api"]


def test_identity_without_verification(msb, boot, servers):
    """A name that nobody vouches for still has to be at an address the guest was told."""
    box = boot([secret("API_KEY", API)], verify_upstream=False)
    right, wrong = msb.clients(box, key(API, "API_KEY"), key(API, "API_KEY", address=SITE4))
    assert right["got"] and not wrong["got"]
    assert arrived(servers) == [(API, VALUE)]
