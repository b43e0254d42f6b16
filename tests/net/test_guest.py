# SPDX-License-Identifier: Apache-2.0
"""What the guest finds when it starts, and what it reaches of its host."""
import ipaddress
import json

import pytest

import conftest
from conftest import GATEWAY4, GATEWAY6, PUBLIC4, PUBLIC6, World
from peers import ECHO, WEB

LOOK = """
import json
def ip(*words):
    return json.loads(os.popen("ip -j " + " ".join(words)).read() or "[]")
def text(path):
    return open(path).read() if os.path.exists(path) else ""
def show():
    link = {l["ifname"]: l for l in ip("addr")}
    eth = link.get("eth0")
    print(json.dumps({
        "links": sorted(link), "lo": sorted(a["local"] for a in link["lo"]["addr_info"]),
        "up": eth and "UP" in eth["flags"], "mtu": eth and eth["mtu"], "mac": eth and eth["address"],
        "addresses": sorted(f"{a['local']}/{a['prefixlen']}" for a in eth["addr_info"]
                            if a["scope"] == "global") if eth else [],
        "tentative": [a for a in eth["addr_info"] if a.get("tentative")] if eth else [],
        "routes": sorted(r["gateway"] for r in ip("route") + ip("-6", "route")
                         if r["dst"] == "default"),
        "resolv": text("/etc/resolv.conf"), "hosts": text("/etc/hosts"),
        "modes": [oct(os.stat(f"/etc/{n}").st_mode & 0o777) for n in ("resolv.conf", "hosts")
                  if os.path.exists(f"/etc/{n}")],
        "hostname": socket.gethostname(),
    }))
show()
"""


def look(msb, name):
    return json.loads(msb.python(name, LOOK))


def test_addresses(msb):
    """The first sandbox has the first network of the pools, the next the next."""
    first, second = msb.boot(), msb.boot("-H", "other")
    got = look(msb, first)
    assert got["links"] == ["eth0", "lo"]
    assert got["lo"] == ["127.0.0.1", "::1"]
    assert (got["up"], got["mtu"], got["mac"]) == (True, 1500, "02:6d:73:00:00:02")
    assert got["addresses"] == ["172.16.0.2/30", "fd42:6d73:62::2/64"]
    assert got["tentative"] == []
    assert got["routes"] == [GATEWAY4, GATEWAY6]
    assert got["resolv"] == f"nameserver {GATEWAY4}\nnameserver {GATEWAY6}\n"
    assert got["modes"] == ["0o644", "0o644"]
    assert got["hosts"].splitlines()[:2] == [
        f"127.0.0.1\tlocalhost {first}", f"::1\tlocalhost ip6-localhost ip6-loopback {first}"]
    assert f"{GATEWAY4}\thost.microsandbox.internal" in got["hosts"].splitlines()
    assert f"{GATEWAY6}\thost.microsandbox.internal" in got["hosts"].splitlines()
    got = look(msb, second)
    assert got["addresses"] == ["172.16.0.6/30", "fd42:6d73:62:1::2/64"]
    assert got["mac"] == "02:6d:73:00:01:02"
    assert got["hostname"] == "other" and "localhost other" in got["hosts"]
    # a number is free again when its sandbox is gone
    msb.away(first)
    assert look(msb, msb.boot())["addresses"][0] == "172.16.0.2/30"
    network = msb.json("inspect", second)
    assert "172.16.0.6" in json.dumps(network) and "fd42:6d73:62:1::2" in json.dumps(network)


def test_pools(msb):
    name = msb.boot("--net-ipv4-pool", "172.31.240.9/24", "--net-ipv6-pool",
                    "fd7a:115c:a1e0:100::/56", "--net-default", "allow")
    got = look(msb, name)
    assert got["addresses"] == ["172.31.240.2/30", "fd7a:115c:a1e0:100::2/64"]
    assert got["routes"] == ["172.31.240.1", "fd7a:115c:a1e0:100::1"]
    targets = [f"tcp {a} {WEB}" for a in (PUBLIC4, PUBLIC6, "gateway4", "gateway6")]
    assert set(msb.probe(name, targets).values()) == {"ok"}
    for flag, value in (("--net-ipv4-pool", "10.0.0.0/31"), ("--net-ipv6-pool", "fd00::/65"),
                        ("--net-ipv4-pool", "fd00::/48"), ("--net-ipv6-pool", "nonsense")):
        p = msb("create", flag, value, msb.rootfs)
        assert p.returncode and value in p.stderr, p.stderr
    p = msb("create", "-n", "full", "--net-ipv4-pool", "10.9.9.0/30", msb.rootfs)
    assert p.returncode and "10.9.9.0/30" in p.stderr, p.stderr


def test_no_net(msb, world):
    """The card is there, and nothing behind it."""
    name = msb.boot("--no-net")
    got = look(msb, name)
    assert got["links"] == ["eth0", "lo"] and len(got["addresses"]) == 2
    targets = [f"{p} {a} {ECHO}" for p in ("tcp", "udp") for a in (PUBLIC4, PUBLIC6, "gateway4")]
    assert "ok" not in msb.probe(name, targets).values()
    assert not world.peers.take() and not world.wire.take()


def test_the_host(msb, world):
    """The alias and the gateway are the host's loopback, if a rule says so."""
    alias = "host.microsandbox.internal"
    targets = [f"{p} {a} {ECHO}" for p in ("tcp", "udp") for a in ("gateway4", "gateway6")]
    name = msb.boot()
    assert "ok" not in msb.probe(name, targets).values()
    for options, passes in ((["--net-rule", "allow@host"], True),
                            (["--net-rule", f"allow@{GATEWAY4},allow@[{GATEWAY6}]"], True),
                            (["--net-rule", f"allow@{alias}"], False),
                            (["--net-default", "allow", "--net-rule", "deny@host"], False)):
        msb.away(name)
        name = msb.boot(*options)
        world.forget()
        got = msb.probe(name, targets + [f"tcp {PUBLIC4} {ECHO}"])
        assert [r == "ok" for r in got.values()][:4] == [passes] * 4, (options, got)
        assert (got[f"tcp {PUBLIC4} {ECHO}"] == "ok") == ("--net-default" in options)
        arrived = {s[1] for s in world.peers.take()} - {PUBLIC4}
        assert arrived == ({"127.0.0.1", "::1"} if passes else set())


def test_a_server_of_one_family(msb, world):
    """Whichever loopback address the host's server listens on, either gateway leads there."""
    name = msb.boot("--net-rule", "allow@host")
    with world.space.listen("127.0.0.1", 7300), world.space.listen("::1", 7301):
        out = msb.python(name, f"""
for address in ("{GATEWAY4}", "{GATEWAY6}"):
    for port in (7300, 7301, 7302):
        try:
            socket.create_connection((address, port), 10).close()
            print("ok")
        except OSError as e:
            print(error(e))
""").split()
    assert out == ["ok", "ok", "ECONNREFUSED"] * 2


@pytest.fixture(params=["IPv4", "IPv6", "neither"])
def half_world(request):
    w = World(v4=request.param == "IPv4", v6=request.param == "IPv6")
    yield request.param, w
    w.close()


def test_a_family_the_host_lacks(half_world, pristine, tmp_path):
    """It is left out: no address, no route, no resolver, no name for the host."""
    family, world = half_world
    msb = conftest.Msb(tmp_path, pristine, world)
    try:
        name = msb.boot("--net-default", "allow")
        got = look(msb, name)
        families = {ipaddress.ip_interface(a).version for a in got["addresses"]}
        want = {"IPv4": {4}, "IPv6": {6}, "neither": set()}[family]
        assert families == want
        assert {ipaddress.ip_address(a).version for a in got["routes"]} == want
        assert {ipaddress.ip_address(line.split()[1]).version
                for line in got["resolv"].splitlines()} == want
        assert {ipaddress.ip_address(line.split()[0]).version
                for line in got["hosts"].splitlines() if "microsandbox" in line} == want
        assert got["links"] == ["eth0", "lo"]
        targets = ([f"tcp {PUBLIC4} {WEB}", "tcp gateway4 80"] if 4 in want else []) + (
            [f"tcp {PUBLIC6} {WEB}", "tcp gateway6 80"] if 6 in want else [])
        if targets:
            assert set(msb.probe(name, targets).values()) == {"ok"}
    finally:
        msb.clean()


def test_stop_and_start_again(msb, world):
    """A sandbox keeps its addresses; nothing of the network is left behind by a dead one."""
    name = msb.boot("--net-default", "allow", "-p", "8080:80")
    msb.ok("stop", "-q", name)
    other = msb.boot()
    msb.ok("start", "-q", name)
    assert look(msb, name)["addresses"][0] == "172.16.0.2/30"
    assert look(msb, other)["addresses"][0] == "172.16.0.6/30"
    assert msb.probe(name, [f"tcp {PUBLIC4} {WEB}"]) == {f"tcp {PUBLIC4} {WEB}": "ok"}
    msb.ok("rm", "-f", "-q", name)
    with world.space.listen("127.0.0.1", 8080):
        pass
