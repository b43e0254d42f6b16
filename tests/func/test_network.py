# SPDX-License-Identifier: Apache-2.0
"""The network of sandboxes as the command line has it; tests/net has what it lets through."""
import socket

import pytest


def address(msb, name, family="ipv4"):
    return msb.json("inspect", name)["network"][family]


def test_inspect_and_the_guest_agree(box):
    network = box.json("inspect", "box")["network"]
    link = box.ok("exec", "box", "--", "ip", "addr", "show", "eth0")
    routes = box.ok("exec", "box", "--", "ip", "route")
    assert f"link/ether {network['mac']}" in link and f"mtu {network['mtu']}" in link
    resolvers = []
    for family, word in (("ipv4", "inet"), ("ipv6", "inet6")):
        is_there = network[family] is not None
        assert (f"    {word} " in link.replace("inet6 fe80", "")) == is_there
        if is_there:
            assert f"{word} {network[family]['address']}/{network[family]['prefix']}" in link
            resolvers.append(f"nameserver {network[family]['gateway']}")
    if network["ipv4"]:
        assert f"default via {network['ipv4']['gateway']} dev eth0" in routes
    assert box.ok("exec", "box", "--", "cat", "/etc/resolv.conf").split("\n") == [*resolvers, ""]
    hosts = box.ok("exec", "box", "--", "cat", "/etc/hosts")
    assert hosts.count(network["host_alias"]) == len(resolvers)


def test_every_sandbox_has_addresses_of_its_own_and_keeps_them(msb):
    for name in ("a", "b", "c"):
        msb.create(name)
    first = [msb.json("inspect", n)["network"]["mac"] for n in ("a", "b", "c")]
    assert first == [f"02:6d:73:00:{i:02x}:02" for i in range(3)]
    msb.ok("stop", "-f", "-q", "b")
    msb.ok("rm", "-f", "-q", "a")
    msb.ok("start", "-q", "b")
    assert msb.json("inspect", "b")["network"]["mac"] == first[1]
    msb.create("d")
    assert msb.json("inspect", "d")["network"]["mac"] == first[0]
    assert first[1] in msb.ok("exec", "b", "--", "cat", "/sys/class/net/eth0/address")


def test_pools(msb):
    msb.create("a", "--net-ipv4-pool", "10.99.0.0/24", "--net-ipv6-pool", "fd00:99::/56")
    network = msb.json("inspect", "a")["network"]
    for family, want in (("ipv4", "10.99.0.2"), ("ipv6", "fd00:99::2")):
        assert network[family] is None or network[family]["address"] == want
    if network["ipv4"] is None:
        pytest.skip("this host has no IPv4")
    assert f"inet {network['ipv4']['address']}/30" in msb.ok("exec", "a", "--", "ip", "addr")
    p = msb("create", "-n", "b", "--net-ipv4-pool", "10.99.0.0/30", "./rootfs")
    assert p.returncode == 1 and "the address pool 10.99.0.0/30 (capacity 1) has no slot 1" in p.stderr
    assert "b" not in [s["name"] for s in msb.json("ls")]


def test_a_taken_port_names_its_holder(msb):
    with socket.create_server(("127.0.0.1", 0)) as s:
        port = s.getsockname()[1]
        p = msb("run", "-p", f"{port}:80", "./rootfs", "--", "true")
    assert p.returncode == 125
    assert f"network: port 127.0.0.1:{port}/tcp is already in use by " in p.stderr
    assert "publish another port of the host" in p.stderr
    assert msb.json("ls") == []
    msb.create("box", "-p", f"{port}:80")
    p = msb("create", "-n", "two", "-p", f"{port}:81", "./rootfs")
    assert p.returncode == 1 and "in use by sandbox 'box'" in p.stderr
    assert msb.json("ps")[0]["ports"] == [f"127.0.0.1:{port}->80/tcp"]


def test_policy_is_kept_and_explained(msb):
    msb.create("box", "--no-net", "--net-rule", "allow@10.0.0.0/8:tcp:80,deny@*.example.com")
    for _ in range(2):
        policy = msb.json("inspect", "box")["network"]["policy"]
        assert policy == {"default_egress": "deny", "default_ingress": "deny",
                          "rules": ["allow@10.0.0.0/8:tcp:80", "deny@*.example.com"]}
        for code, target in ((0, "10.1.1.1:80"), (1, "10.1.1.1:81"), (1, "x.example.com")):
            p = msb("net", "explain", "--check", "--sandbox", "box", target)
            assert p.returncode == code, p.stdout
        msb.ok("stop", "-q", "-f", "box")
        msb.ok("start", "-q", "box")
    text = msb.ok("inspect", "box")
    assert "  Rule 1:       allow@10.0.0.0/8:tcp:80\n" in text
    assert "  Egress:       deny otherwise\n" in text
