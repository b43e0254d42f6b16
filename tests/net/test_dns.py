# SPDX-License-Identifier: Apache-2.0
"""Names: answers through the gateway, under the policy, from good and bad servers."""
import re
import struct
import time

import pytest

import resolvers
from conftest import (DNS4, DNS6, GATEWAY4, GATEWAY6, NAMES, OTHER4, OTHER6, PUBLIC4, PUBLIC6)
from resolvers import A, CNAME, NXDOMAIN, OPT, REFUSED, SERVFAIL, TXT

NAMESERVER = ["--dns-nameserver", DNS4]
# a question as octets, and its answer's header
ASK = """
import sys; sys.path.insert(0, "/")
from resolvers import *
def ask(data, server="%s", seconds=10):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.settimeout(seconds)
    s.sendto(data, (server, 53))
    try:
        answer = s.recv(65536)
    except TimeoutError:
        return None
    return answer[:2] == data[:2], answer[3] & 15, struct.unpack("!H", answer[6:8])[0], len(answer)
""" % GATEWAY4


class Guest:
    """A sandbox that asks."""

    def __init__(self, msb, *options):
        self.msb = msb
        self.name = msb.boot(*options)

    def dig(self, *words):
        """What dig prints."""
        p = self.msb("exec", self.name, "--", "dig", "+time=20", "+tries=1", *words)
        return p.stdout

    def short(self, *words):
        return self.dig("+short", *words).split()

    def status(self, *words):
        found = re.search(r"status: (\w+)", out := self.dig(*words))
        assert found, out
        return found[1]

    def flags(self, *words):
        return re.search(r"flags: ([a-z ]+);", self.dig(*words))[1].split()

    def blocked(self, *words):
        """No address, and the client is told so at once."""
        out = self.dig(*words)
        return "status: NXDOMAIN" in out and "ANSWER: 0" in out


def test_answers(msb, dnsmasq):
    g = Guest(msb, *NAMESERVER)
    assert g.short("one.example.com") == [OTHER4]
    assert g.short("+tcp", "one.example.com") == [OTHER4]
    assert g.short("one.example.com", "AAAA") == [OTHER6]
    assert g.short(f"@{GATEWAY6}", "two.example.com") == [PUBLIC4]
    assert g.short(f"@{DNS4}", "two.example.com", "AAAA") == [PUBLIC6]
    assert g.short("+tcp", f"@{DNS6}", "two.example.com") == [PUBLIC4]
    assert g.short("oNe.ExAmPlE.cOm") == [OTHER4]
    assert g.short("c1.example.net")[-1] == PUBLIC4
    assert g.short("small.example.com", "TXT") == ['"hello"']
    assert g.status("nothing.example.com") == "NXDOMAIN"
    assert g.flags("one.example.com").count("ra") == 1
    # cut for UDP, whole over TCP
    assert "tc" in g.flags("+noedns", "+ignore", "big.example.com", "TXT")
    assert "tc" in g.flags("+bufsize=1232", "+ignore", "big.example.com", "TXT")
    assert "tc" not in g.flags("+bufsize=4096", "+ignore", "big.example.com", "TXT")
    assert len("".join(g.short("+noedns", "big.example.com", "TXT"))) == 8 * 252
    # as programs ask
    out = msb.sh(g.name, "getent ahosts one.example.com | grep STREAM").stdout.split()
    assert {out[0], out[2] if len(out) > 2 else out[0]} >= {OTHER4} or OTHER4 in out, out
    assert OTHER6 in out
    assert not msb.world.wire.take()


def test_answers_are_kept_while_they_live(msb, dnsmasq):
    g = Guest(msb, *NAMESERVER)
    for _ in range(3):
        assert g.short("one.example.com") == [OTHER4]
    assert len(dnsmasq.asked()) <= 3
    assert g.short("short.example.com") == [OTHER4]
    asked = len(dnsmasq.asked())
    time.sleep(1.2)  # its time to live is one second
    assert g.short("short.example.com") == [OTHER4]
    assert len(dnsmasq.asked()) >= 1 and asked >= 1


def test_the_alias(msb, dnsmasq):
    g = Guest(msb, *NAMESERVER)
    alias = "host.microsandbox.internal"
    out = msb.sh(g.name, f"getent ahostsv4 {alias}; getent ahostsv6 {alias}; rm /etc/hosts").stdout
    assert GATEWAY4 in out and GATEWAY6 in out
    for words, want in (((alias,), GATEWAY4), ((alias.upper() + ".",), GATEWAY4),
                        ((alias, "AAAA"), GATEWAY6)):
        answer = [line.split() for line in g.dig("+noall", "+answer", *words).splitlines()]
        assert [(a[1], a[4]) for a in answer] == [("60", want)], answer
    assert "aa" in g.flags(alias)
    assert dnsmasq.asked() == []
    assert Guest(msb, "--no-net").blocked(alias)


def test_odd_questions(msb, dnsmasq, world):
    shutil_copy(msb)
    g = Guest(msb, *NAMESERVER)
    out = msb.python(g.name, ASK + """
print(ask(query("one.example.com")))
print(ask(query("one.example.com", questions=2)))
print(ask(query("one.example.com", questions=0)))
print(ask(b"\\0\\1\\1\\0\\0\\1\\0\\0\\0\\0\\0\\0\\xc0\\x0c\\0\\1\\0\\1", seconds=1))
print(ask(b"x", seconds=1))
print(ask(b"", seconds=1))
print(ask(query("one.example.com", payload=100)))
print(ask(query("one.example.com", ident=0xffff) + b"trailing", seconds=1) is not False)
s = socket.create_connection(("%s", 53), 10)
s.settimeout(20)
names = ["one.example.com", "two.example.com", "v4.example.com", "nothing.example.com"]
for i, name in enumerate(names):  # several at once, the first in small pieces
    data = query(name, ident=i)
    data = struct.pack("!H", len(data)) + data
    for piece in ([data[:1], data[1:7], data[7:]] if not i else [data]):
        s.sendall(piece)
s.sendall(b"\\0\\0")  # an empty frame is nothing
f, got = s.makefile("rb"), {}
while len(got) < len(names):
    answer = f.read(struct.unpack("!H", f.read(2))[0])
    got[struct.unpack("!H", answer[:2])[0]] = answer[3] & 15
print([got[i] for i in range(len(names))])
s.shutdown(socket.SHUT_WR)
print(f.read())
""" % GATEWAY4)
    lines = out.splitlines()
    assert lines[0].startswith("(True, 0, 1,")
    assert lines[1].startswith("(True, 1, 0,"), "two questions are a format error"
    assert lines[2] in ("None",) or lines[2].startswith("(True, 1, 0,")
    assert lines[3:6] == ["None"] * 3 or lines[3].startswith("(True, 1,"), lines
    assert lines[6].startswith("(True, 0, 1,")
    assert lines[8:] == ["[0, 0, 0, 3]", "b''"]


def shutil_copy(msb):
    """The guest speaks DNS with the same functions."""
    (msb.rootfs / "resolvers.py").write_bytes(
        open(resolvers.__file__, "rb").read())
    (msb.rootfs / "pytest.py").write_text("")


def test_names_under_a_policy(msb, dnsmasq, world):
    g = Guest(msb, *NAMESERVER, "--net-default", "allow", "--net-rule",
              "deny@two.example.com,deny@*.down.example.com,deny@8.8.8.8")
    for name in ("two.example.com", "TWO.example.com.", "deep.down.example.com",
                 "down.example.com"):
        assert g.blocked(name) and g.blocked("+tcp", name), name
        assert g.blocked(name, "TXT"), name
    # an alias is judged by the name that is asked for
    assert {n for _, n in dnsmasq.asked()} == set()
    assert g.short("one.example.com") == [OTHER4]
    assert g.short("example.com") == [PUBLIC4]
    assert g.blocked("@8.8.8.8", "one.example.com")
    assert g.blocked("+tcp", "@8.8.8.8", "one.example.com")
    assert not [s for s in world.peers.take() if s[1] == "8.8.8.8"]
    msb.told(g.name, "deny@two.example.com")

    g = Guest(msb, *NAMESERVER, "--net-rule", "allow@example.com:tcp:443,allow@*.example.org")
    assert g.short("example.com") == [PUBLIC4]
    assert g.short("a.example.org", "AAAA") == [OTHER6]
    dnsmasq.asked()
    for name in ("one.example.com", "badexample.com", "org", "example.com.org"):
        assert g.blocked(name), name
    assert dnsmasq.asked() == []
    assert g.blocked(f"@{DNS4}", "example.com"), "that server's address is not allowed"

    for options, open_ in ((["--net-rule", "allow@public"], True),
                           (["--net-rule", "allow@any:udp"], True),
                           (["--net-rule", "allow@8.8.8.8,allow@private"], False),
                           (["--net-rule", "allow@dns"], True),
                           (["--net-rule", "deny@dns,allow@any"], False),
                           (["--no-net"], False)):
        g = Guest(msb, *NAMESERVER, *options)
        assert g.blocked("one.example.com") != open_, options
        if options[-1] == "allow@any:udp":
            assert g.blocked("+tcp", "one.example.com")
        msb.away(g.name)


REBOUND = [n for n in NAMES if n.startswith("to-")]


def kind_of(name):
    return "AAAA" if ":" in NAMES[name][0] else "A"


def test_rebinding(msb, dnsmasq, world):
    for options in ([], ["--net-default", "allow"]):  # a default opens no answer
        g = Guest(msb, *NAMESERVER, *options)
        for name in REBOUND:
            if not options and name == "to-test-net.example.com":
                continue  # that range is in a group the guest may reach, if nobody's
            assert g.blocked(name, kind_of(name)), name
            assert g.blocked("+tcp", name, kind_of(name)), name
    g = Guest(msb, *NAMESERVER, "--no-dns-rebind-protection")
    for name in REBOUND:
        assert g.short(name, kind_of(name)) == NAMES[name], name
    # they resolve, but lead nowhere: the policy is about addresses
    got = msb.probe(g.name, [f"tcp {NAMES[n][0]} 80" for n in
                             ("to-private.example.com", "to-metadata.example.com",
                              "to-private6.example.com", "to-nat64.example.com")])
    assert set(got.values()) == {"ECONNREFUSED"}
    # what a rule opens by its address or group may be told
    g = Guest(msb, *NAMESERVER, "--net", "public,private")
    assert g.short("to-private.example.com") == ["10.1.2.3"]
    assert g.short("to-private6.example.com", "AAAA") == ["fd00::1"]
    assert g.blocked("to-metadata.example.com")
    assert g.blocked("to-loopback.example.com")
    assert not world.wire.take()


@pytest.fixture
def odd(world):
    """odd(address, handler): a server that answers as it likes; its address and port."""
    servers = []

    def start(address, handler, port=0):
        servers.append(resolvers.Odd(world.space, address, port, handler))
        return servers[-1]
    yield start
    for s in servers:
        s.close()


def flag(server, address="127.0.0.1"):
    return ["--dns-nameserver", f"[{address}]:{server.port}" if ":" in address else
            f"{address}:{server.port}"]


def test_servers_that_fail(msb, odd, world):
    silent = odd("127.0.0.1", lambda q: None)
    refusing = odd("127.0.0.1", lambda q: q.answer(rcode=REFUSED))
    good = odd("::1", lambda q: q.answer((A, OTHER4, 60)))
    patience = ["--dns-query-timeout-ms", "700"]
    g = Guest(msb, *flag(silent), *flag(good, "::1"), *patience)
    start = time.monotonic()
    assert g.short("one.example.com") == [OTHER4]
    assert time.monotonic() - start >= 0.7
    assert g.short("+tcp", "two.example.com") == [OTHER4]
    assert silent.asked() and good.asked()
    # what a server says is final, and so is its silence when it is the only one
    g = Guest(msb, *flag(refusing), *flag(good, "::1"), *patience)
    assert g.status("one.example.com") == "REFUSED"
    assert g.status("+tcp", "one.example.com") == "REFUSED"
    assert good.asked() == []
    g = Guest(msb, *flag(silent), *patience)
    start = time.monotonic()
    assert g.status("one.example.com") == "SERVFAIL"
    assert 0.7 <= time.monotonic() - start < 10
    assert g.status("+tcp", "one.example.com") == "SERVFAIL"
    # nobody there: no need to wait
    g = Guest(msb, "--dns-nameserver", "127.0.0.1:9", *flag(good, "::1"))
    start = time.monotonic()
    assert g.short("one.example.com") == [OTHER4]
    assert time.monotonic() - start < 4


def test_answers_of_strangers(msb, odd, world):
    """Answers nobody asked for are not believed, and other names' addresses do not count."""
    def forger(q):
        good = q.answer((A, OTHER4, 60))
        return [q.answer((A, PUBLIC4, 60), ident=(q.ident + 1) & 0xFFFF),
                q.answer((A, PUBLIC4, 60), name="other.example.com"), b"", b"\xff" * 7,
                q.answer((A, PUBLIC4, 60), flags=0x0100), good]
    g = Guest(msb, *flag(odd("127.0.0.1", forger)))
    assert g.short("one.example.com") == [OTHER4]

    def mixed(q):
        """A public address beside one that is not, or hidden behind an alias."""
        if q.name.startswith("mixed"):
            return q.answer((A, OTHER4, 60), (A, "10.1.2.3", 60))
        if q.name.startswith("hidden"):
            return q.answer((CNAME, "x.example.com", 60), (A, "10.1.2.3", 60, "x.example.com"))
        return q.answer((A, OTHER4, 60), (A, PUBLIC4, 60, "stranger.example.com"))
    g = Guest(msb, *flag(odd("127.0.0.1", mixed)), "--net-rule", "allow@*.example.com")
    assert g.blocked("mixed.example.com")
    assert g.blocked("hidden.example.com")
    assert OTHER4 in g.short("sane.example.com")
    got = msb.probe(g.name, [f"tcp {OTHER4} 80", f"tcp {PUBLIC4} 80"])
    assert got == {f"tcp {OTHER4} 80": "ok", f"tcp {PUBLIC4} 80": "ECONNREFUSED"}


def test_what_passes_through(msb, odd, world):
    seen = []

    def handler(q):
        seen.append(q)
        return q.answer((TXT, b"\x02ok", 60), (65280, b"\0\1\2", 60))
    server = odd("127.0.0.1", handler)
    g = Guest(msb, *flag(server))
    out = g.dig("+dnssec", "+bufsize=1400", "+nocookie", "some.example.com", "TYPE65280")
    assert r"\# 3 000102" in out
    opt = seen[-1].data[-11:]
    assert struct.unpack("!BHHBBH", opt[:9])[1] == OPT
    assert struct.unpack("!BHHBBH", opt[:9])[5] & 0x8000, "the guest wants DNSSEC records"
    assert [q.ident for q in seen] != [0] and seen[-1].count == 1
    assert g.status("+tcp", "other.example.com", "TXT") == "NOERROR"


def test_the_host_s_resolver(msb, dnsmasq):
    """Without a flag it is the host's own resolv.conf that counts."""
    assert Guest(msb).short("one.example.com") == [OTHER4]
    assert dnsmasq.asked()


def test_other_ways_to_names_are_closed(msb, world):
    box = msb.boot("--net-default", "allow")
    got = msb.probe(box, [f"tcp {a} 853" for a in (GATEWAY4, PUBLIC4, PUBLIC6)] +
                    [f"udp {a} {p}" for a in (PUBLIC4, PUBLIC6) for p in (853, 5353, 5355, 137)])
    assert all(r == "ECONNREFUSED" if t.startswith("tcp") else r != "ok"
               for t, r in got.items()), got
    assert not world.peers.take() and not world.wire.take()


@pytest.mark.parametrize("rcode", [SERVFAIL, NXDOMAIN])
def test_failures_are_passed_on(msb, odd, rcode):
    g = Guest(msb, *flag(odd("127.0.0.1", lambda q: q.answer(rcode=rcode))))
    want = {SERVFAIL: "SERVFAIL", NXDOMAIN: "NXDOMAIN"}[rcode]
    assert g.status("one.example.com") == want
    assert g.status("+tcp", "one.example.com", "AAAA") == want


def test_an_accomplice_binds_no_names(msb, dnsmasq, odd, world):
    """A server of the guest's choice that gives an allowed name another address."""
    odd(PUBLIC4, lambda q: q.answer((A, PUBLIC4, 60)), port=53)
    ask = ["+short", f"@{PUBLIC4}", "one.example.com"]
    target = f"tcp {PUBLIC4} 80"
    names = ["--net-rule", "allow@one.example.com"]
    g = Guest(msb, *NAMESERVER, "--net-rule", "allow@any:udp:53,allow@any:tcp:53", *names)
    for words in (ask, ["+tcp", *ask]):
        assert g.dig(*words).split() == [PUBLIC4]
        assert msb.probe(g.name, [target]) == {target: "ECONNREFUSED"}
    assert not [s for s in world.peers.take() if s[1] == PUBLIC4]
    # a rule for that very server means that it is trusted
    g = Guest(msb, *NAMESERVER, "--net-rule", f"allow@{PUBLIC4}:udp:53", *names)
    assert g.dig(*ask).split() == [PUBLIC4]
    assert msb.probe(g.name, [target]) == {target: "ok"}


def test_nameservers_may_have_names(msb, dnsmasq, odd):
    """They are resolved when the sandbox starts, by the host's servers or its hosts file."""
    named = odd("127.0.0.1", lambda q: q.answer((A, OTHER4, 60)))
    g = Guest(msb, "--dns-nameserver", f"to-loopback.example.com:{named.port}")
    assert g.short("some.example.org") == [OTHER4]
    assert {n for _, n in dnsmasq.asked()} == {"to-loopback.example.com"}
    g = Guest(msb, "--dns-nameserver", f"localhost:{named.port}")
    assert g.short("some.example.org") == [OTHER4]
    # it does not exist: nobody else is asked instead
    g = Guest(msb, "--dns-nameserver", "nowhere.example.com")
    dnsmasq.asked()
    assert g.status("one.example.com") == "SERVFAIL"
    assert dnsmasq.asked() == []
    msb.told(g.name, "no address for nameserver 'nowhere.example.com'")
