# SPDX-License-Identifier: Apache-2.0
"""Every form of a rule against every kind of destination: what arrives, and what must not.

An oracle of the tests' own says of each target whether the policy lets it through.
"""
import ipaddress

import pytest

from conftest import ADDRESSES4, ADDRESSES6, DNS4, DNS6, OTHER4, OTHER6, PUBLIC4, PUBLIC6
from peers import ECHO, TLS, WEB

GROUPS = {
    "host": ["gateway4", "gateway6"],
    "metadata": ["169.254.169.254", "fd00:ec2::254"],
    "private": ["10.1.2.3", "172.31.255.1", "192.168.1.1", "100.64.0.1", "fd00::1",
                "64:ff9b::a01:203", "2002:a01:203::1"],
    "link-local": ["169.254.1.1"],
    "public": [PUBLIC4, OTHER4, PUBLIC6, OTHER6],
}
GROUP_OF = {a: g for g, members in GROUPS.items() for a in members}
ALL = [a for a in ADDRESSES4 + ADDRESSES6 if a not in (DNS4, DNS6)] + GROUPS["host"]
TARGETS = [t for a in ALL for t in (f"tcp {a} {WEB}", f"tcp {a} {ECHO}", f"udp {a} {ECHO}",
                                    f"ping {a}")]
TARGETS += [f"{p} {a} {TLS}" for p in ("tcp", "udp") for a in (PUBLIC4, PUBLIC6, "gateway4")]
CARRIES = {"64:ff9b::a01:203": "10.1.2.3", "2002:a01:203::1": "10.1.2.3",
           "gateway4": "172.16.0.1", "gateway6": "fd42:6d73:62::1"}


class Target:
    def __init__(self, text):
        kind, self.address, *port = text.split()
        self.port = int(port[0]) if port else None
        self.proto = kind
        if kind == "ping":
            self.proto = "icmpv6" if self.address in ADDRESSES6 + ["gateway6"] else "icmpv4"
        self.group = GROUP_OF[self.address]
        self.ip = ipaddress.ip_address(CARRIES.get(self.address, self.address))


def within(*prefixes):
    """Targets whose address, or the one it carries, is in one of these."""
    nets = [ipaddress.ip_network(p) for p in prefixes]
    return lambda t: any(t.ip.version == n.version and t.ip in n for n in nets)


def group(*names):
    return lambda t: t.group in names


def proto(*names):
    return lambda t: t.proto in names


def port(*ports):
    return lambda t: t.port in ports


def both(*conditions):
    return lambda t: all(c(t) for c in conditions)


def either(*conditions):
    return lambda t: any(c(t) for c in conditions)


def but(condition):
    return lambda t: not condition(t)


def everything(t):
    return True


def nothing(t):
    return False


def rules(*texts):
    return [w for t in texts for w in ("--net-rule", t)]


OPEN = ["--net-default", "allow"]
PUBLIC = group("public")
# options, what they let through
CASES = {
    "no flags": ([], PUBLIC),
    "no-net": (["--no-net"], nothing),
    "default allow": (OPEN, everything),
    "default deny": (["--net-default", "deny"], nothing),
    "egress allow": (["--net-default-egress", "allow"], everything),
    "ingress allow": (["--net-default-ingress", "allow"], nothing),
    "egress allow, ingress deny": (["--net-default-egress", "allow", "--net-default-ingress",
                                    "deny"], everything),
    # profiles
    "net public": (["--net", "public"], PUBLIC),
    "net private": (["--net", "private"], group("private")),
    "net host,private": (["--net", "host,private"], group("private", "host")),
    "net all": (["--net", "all"], everything),
    "net none": (["--net", "none"], nothing),
    "net all but": (["--net", "all", *rules("deny@metadata")], but(group("metadata"))),
    # groups, both spellings
    "allow any": (rules("allow@any"), everything),
    "allow public": (rules("allow@public"), PUBLIC),
    "allow private": (rules("allow@private"), group("private")),
    "allow host": (rules("allow@host"), group("host")),
    "allow meta": (rules("allow@meta"), group("metadata")),
    "allow metadata": (rules("allow@metadata"), group("metadata")),
    "allow link-local": (rules("allow@link-local"), group("link-local")),
    "allow loopback": (rules("allow@loopback,allow@multicast"), nothing),
    "allow dns": (rules("allow@dns"), nothing),
    "deny any": ([*OPEN, *rules("deny@any")], nothing),
    "deny public": ([*OPEN, *rules("deny@public")], but(PUBLIC)),
    "deny private": ([*OPEN, *rules("deny@private")], but(group("private"))),
    "deny host": ([*OPEN, *rules("deny@host")], but(group("host"))),
    "deny metadata, link_local": ([*OPEN, *rules("deny@metadata,deny@link_local")],
                                  but(group("metadata", "link-local"))),
    # addresses and prefixes
    "allow address": (rules(f"allow@{PUBLIC4}"), within(PUBLIC4)),
    "allow addresses": (rules(f"allow@{OTHER4}", f"allow@[{PUBLIC6}]"), within(OTHER4, PUBLIC6)),
    "deny addresses": ([*OPEN, *rules(f"deny@{PUBLIC4},deny@[{OTHER6}]")],
                       but(within(PUBLIC4, OTHER6))),
    "allow prefix": (rules("allow@10.0.0.0/8"), within("10.0.0.0/8")),
    "host bits do not matter": (rules("allow@10.9.8.7/8"), within("10.0.0.0/8")),
    "prefix with gateway": (rules("allow@172.16.0.0/12"), within("172.16.0.0/12")),
    "allow prefix 6": (rules("allow@[2606:4700::/32]"), within(PUBLIC6)),
    "allow prefix 6, other form": (rules("allow@[fd00::]/8"), within("fd00::/8")),
    "deny prefix": ([*OPEN, *rules("deny@0.0.0.0/0")], but(within("0.0.0.0/0"))),
    # protocols and ports
    "tcp": (rules("allow@any:tcp"), proto("tcp")),
    "udp": (rules("allow@any:udp"), proto("udp")),
    "icmpv4": (rules("allow@any:icmpv4"), proto("icmpv4")),
    "icmpv6": (rules("allow@any:icmpv6"), proto("icmpv6")),
    "any protocol": (rules("allow@public:any"), PUBLIC),
    "no udp": ([*OPEN, *rules("deny@any:udp")], but(proto("udp"))),
    "one port": (rules(f"allow@public:tcp:{WEB}"), both(PUBLIC, proto("tcp"), port(WEB))),
    "range": (rules(f"allow@any:tcp:{WEB}-{TLS}"), both(proto("tcp"), port(WEB, TLS))),
    "port of any protocol": (rules(f"allow@any:any:{ECHO}"), port(ECHO)),
    "any port": (rules("allow@private:udp:any"), both(group("private"), proto("udp"))),
    "no such port": ([*OPEN, *rules(f"deny@any:tcp:{TLS}-{ECHO}")],
                     but(both(proto("tcp"), port(TLS, ECHO)))),
    # order and direction
    "first wins": (rules("deny@10.1.2.3", "allow@private"),
                   both(group("private"), but(within("10.1.2.3")))),
    "first wins, one flag": (rules("allow@10.1.2.3,deny@private,allow@any"),
                             either(within("10.1.2.3"), but(group("private")))),
    "exclusive groups": (rules("deny@private,allow@host"), group("host")),
    "ingress is no egress": (rules("allow:ingress@any"), nothing),
    "ingress denies no egress": ([*OPEN, *rules("deny:ingress@any")], everything),
    "any direction": ([*OPEN, *rules(f"deny:any@{PUBLIC4}")], but(within(PUBLIC4))),
    "egress written out": (rules("allow:egress@public:tcp"), both(PUBLIC, proto("tcp"))),
    "no-net with a hole": (["--no-net", *rules(f"allow@{OTHER4}:tcp:{WEB}")],
                           both(within(OTHER4), proto("tcp"), port(WEB))),
}


def check(got, seen, passes):
    """The guest's view and the peers' are the oracle's."""
    wrong = []
    for text, result in got.items():
        t = Target(text)
        if passes(t):
            good = result == "ok"
        elif t.proto == "tcp":
            good = result == "ECONNREFUSED"
        else:
            good = result != "ok"
        if not good:
            wrong.append(f"{text}: {result}, {'allowed' if passes(t) else 'denied'}")
    assert not wrong, "\n".join(wrong)
    arrived = {(proto, name_of(address), port) for proto, address, port in seen}
    allowed = {(t.proto, t.address, t.port) for t in map(Target, got) if passes(t)}
    forbidden = arrived - allowed
    assert not forbidden, f"what the policy forbids arrived: {forbidden}"


def name_of(address):
    return {"127.0.0.1": "gateway4", "::1": "gateway6"}.get(address, address)


@pytest.mark.parametrize("case", CASES)
def test_rules(msb, world, case):
    options, passes = CASES[case]
    box = msb.boot(*options)
    check(msb.probe(box, TARGETS), world.peers.take(), passes)
    assert not world.wire.take(), "packets left the sandbox's host"
