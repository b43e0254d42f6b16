# SPDX-License-Identifier: Apache-2.0
"""The network card of a guest: how it is configured, and that bytes pass it. What a policy does
to them is for tests/net."""
import hashlib
import json
import os
import re
import socket
import subprocess
import sys
import threading

import pytest

from conftest import BUILD, SANITIZED

ALIAS = "host.microsandbox.internal"
LOOPBACKS = {"ipv4": (socket.AF_INET, "127.0.0.1"), "ipv6": (socket.AF_INET6, "::1")}
# as the library's users do it: there is no option for it
WITHOUT_CARD = """
import ctypes, sys
lib = ctypes.CDLL(sys.argv[1])
pointer = ctypes.c_void_p
for call in lib.msb_config_set_name, lib.msb_config_set_image, lib.msb_config_set_network_json:
    call.argtypes = [pointer, ctypes.c_char_p, pointer]
m, c, s = pointer(), pointer(), pointer()
assert lib.msb_open(None, ctypes.byref(m), None) == 0
assert lib.msb_config_new(m, ctypes.byref(c), None) == 0
assert lib.msb_config_set_name(c, b"box", None) == 0
assert lib.msb_config_set_image(c, sys.argv[2].encode(), None) == 0
assert lib.msb_config_set_network_json(c, b'{"enabled": false}', None) == 0
assert lib.msb_sandbox_create(m, c, ctypes.byref(s), None) == 0
"""


def network(msb, name="box"):
    found = json.loads(msb.ok("inspect", name, "--format", "json"))
    return (found[0] if isinstance(found, list) else found)["network"]


def families(net):
    """Those of the link; a host that reaches nobody gives a guest none."""
    found = [f for f in ("ipv4", "ipv6") if f in net]
    if not found:
        pytest.skip("the host has no route")
    return found


class Server(threading.Thread):
    """Takes one connection on the host's loopback, reads it to its end, and answers with the
    digest and then data of its own."""

    def __init__(self, family, address, data=b""):
        super().__init__(daemon=True)
        self.data = data
        self.listener = socket.socket(family)
        self.listener.bind((address, 0))
        self.listener.listen()
        self.port = self.listener.getsockname()[1]
        self.start()

    def run(self):
        connection, _ = self.listener.accept()
        with connection:
            digest = hashlib.sha256()
            while part := connection.recv(1 << 20):
                digest.update(part)
            connection.sendall(digest.hexdigest().encode() + b"\n" + self.data)
        self.listener.close()


def test_the_card_is_configured_as_inspect_says(box):
    net = network(box)
    shown = box.ok("exec", "box", "--", "sh", "-c", "ip addr show eth0; ip route; ip -6 route")
    assert net["mac"] in shown and f"mtu {net['mtu']} " in shown
    assert re.search(r"eth0: <[^>]*\bUP,LOWER_UP>", shown) and "NO-CARRIER" not in shown
    for family in families(net):
        at = net[family]
        assert f"{at['address']}/{at['prefix']} scope global" in shown
        assert f"default via {at['gateway']} dev eth0" in shown
    # IPv6 can be used at once: no address waits for duplicates, and none was made up
    assert "tentative" not in shown and "fe80" not in shown


def test_resolver_and_hosts(box):
    net = network(box)
    gateways = [net[f]["gateway"] for f in families(net)]
    assert box.ok("exec", "box", "--", "cat", "/etc/resolv.conf") == "".join(
        f"nameserver {g}\n" for g in gateways)
    hosts = box.ok("exec", "box", "--", "cat", "/etc/hosts").splitlines()
    assert hosts[:2] == ["127.0.0.1\tlocalhost box",
                         "::1\tlocalhost ip6-localhost ip6-loopback box"]
    assert hosts[2:-4] == [f"{g}\t{ALIAS}" for g in gateways]
    modes = box.ok("exec", "box", "--", "stat", "-c", "%a", "/etc/resolv.conf", "/etc/hosts")
    assert modes.split() == ["644", "644"]


@pytest.mark.parametrize("target", ["nowhere", "../run/systemd/resolve/stub-resolv.conf",
                                    "shadow.conf"])
def test_resolver_in_place_of_a_link(msb, target):
    (msb.rootfs / "etc/resolv.conf").unlink(missing_ok=True)
    (msb.rootfs / "etc/resolv.conf").symlink_to(target)
    (msb.rootfs / "etc/shadow.conf").write_text("nameserver 192.0.2.1\n")
    (msb.rootfs / "etc/shadow.conf").chmod(0o600)
    msb.ok("create", "--name", "box", msb.rootfs)
    gateways = [network(msb)[f]["gateway"] for f in families(network(msb))]
    got = msb.ok("exec", "box", "--", "cat", "/etc/resolv.conf")
    assert got == "".join(f"nameserver {g}\n" for g in gateways)
    assert (msb.rootfs / "etc/shadow.conf").read_text() == "nameserver 192.0.2.1\n"


def test_sandboxes_have_links_of_their_own(msb):
    for name in ("one", "two"):
        msb.ok("create", "--name", name, msb.rootfs)
    nets = {name: network(msb, name) for name in ("one", "two")}
    assert nets["one"]["mac"] != nets["two"]["mac"]
    for family in families(nets["one"]):
        assert nets["one"][family]["address"] != nets["two"][family]["address"]
    msb.ok("stop", "two")
    msb.ok("rm", "two")
    msb.ok("create", "--name", "three", msb.rootfs)
    assert network(msb, "three")["mac"] == nets["two"]["mac"], "the smallest free place is taken"
    msb.ok("stop", "one")
    msb.ok("start", "one")
    assert network(msb, "one") == nets["one"], "a sandbox keeps its place"


def test_addresses_of_chosen_pools(msb):
    msb.ok("create", "--name", "box", "--net-ipv4-pool", "172.31.240.0/24",
           "--net-ipv6-pool", "fd7a:115c:a1e0:100::/56", msb.rootfs)
    net = network(msb)
    shown = msb.ok("exec", "box", "--", "ip", "addr", "show", "eth0")
    for family in families(net):
        gateway, address = {"ipv4": ("172.31.240.1", "172.31.240.2/30"),
                            "ipv6": ("fd7a:115c:a1e0:100::1", "fd7a:115c:a1e0:100::2/64")}[family]
        assert net[family]["gateway"] == gateway and address in shown


def test_bulk_data_passes_both_ways(msb):
    data = os.urandom(5_000_003)
    msb.ok("create", "--name", "box", "--net", "host", msb.rootfs)
    net = network(msb)
    for family in families(net):
        server = Server(*LOOPBACKS[family], data)
        lines = msb.ok("exec", "box", "--", "sh", "-c", f"""
            head -c 5000003 /dev/urandom > /tmp/out
            sha256sum < /tmp/out
            nc {net[family]['gateway']} {server.port} < /tmp/out > /tmp/in
            head -n 1 /tmp/in
            tail -n +2 /tmp/in | sha256sum""").split("\n")
        server.join(60)
        assert lines[0].split()[0] == lines[1], "what the host got is what was sent"
        assert lines[2].split()[0] == hashlib.sha256(data).hexdigest()


def test_a_closed_port_is_refused_at_once(msb):
    msb.ok("create", "--name", "box", "--net", "host", msb.rootfs)
    net = network(msb)
    family = families(net)[0]
    with socket.socket(LOOPBACKS[family][0]) as taken:
        taken.bind((LOOPBACKS[family][1], 0))  # nobody listens
        p = msb("exec", "box", "--", "nc", "-w", "30", net[family]["gateway"],
                str(taken.getsockname()[1]))
    assert p.returncode == 1 and "Connection refused" in p.stderr


def test_no_net_leaves_a_card_that_leads_nowhere(msb):
    msb.ok("create", "--name", "box", "--no-net", msb.rootfs)
    net = network(msb)
    family = families(net)[0]
    server = Server(*LOOPBACKS[family])
    p = msb("exec", "box", "--", "sh", "-c",
            f"ls /sys/class/net; cat /etc/resolv.conf; nc -w 30 {net[family]['gateway']} "
            f"{server.port} < /dev/null || echo refused")
    assert p.stdout.split()[:2] == ["eth0", "lo"]
    assert p.stdout.split()[-1] == "refused"
    assert "nameserver" in p.stdout and server.is_alive()


def test_a_card_that_comes_and_goes(msb):
    """The runtime is in its jail by then."""
    msb.ok("create", "--name", "box", "--net", "host", msb.rootfs)
    net = network(msb)
    family = families(net)[0]
    at = net[family]
    option = "" if family == "ipv4" else "-6"
    lines = msb.ok("exec", "box", "--", "sh", "-c", f"""
        cd /sys/bus/virtio/drivers/virtio_net
        card=$(ls -d virtio*)
        for i in 1 2 3; do
            echo $card > unbind
            echo $card > bind
            ip link set eth0 up
            ip {option} addr add {at['address']}/{at['prefix']} dev eth0
            ping -c 1 -w 30 {at['gateway']} | grep -o '1 packets received'
        done
        ip link set eth0 down
        ip link set eth0 up
        ping -c 1 -w 30 {at['gateway']} | grep -o '1 packets received'""").splitlines()
    assert lines == ["1 packets received"] * 4


@pytest.mark.skipif(SANITIZED, reason="the library wants its sanitizer to be there first")
def test_a_sandbox_without_a_card(msb):
    before = (msb.rootfs / "etc/resolv.conf").read_text() if (
        msb.rootfs / "etc/resolv.conf").exists() else ""
    subprocess.run([sys.executable, "-c", WITHOUT_CARD, BUILD / "libmicrosandbox.so", msb.rootfs],
                   env=msb.env(), check=True, stdin=subprocess.DEVNULL)
    p = msb("exec", "box", "--", "sh", "-c",
            "ls /sys/class/net; ip route; cat /etc/resolv.conf; grep -c microsandbox /etc/hosts")
    assert p.stdout == f"lo\n{before}0\n"
    machine = json.loads(msb.ok("inspect", "box", "--format", "json"))
    machine = (machine[0] if isinstance(machine, list) else machine)["machine"]
    assert "network" not in machine


def test_what_the_card_needs_is_all_the_runtime_may_do(box):
    """The thread of the network is in a jail of its own."""
    pid = json.loads(box.ok("inspect", "box", "--format", "json"))
    pid = (pid[0] if isinstance(pid, list) else pid)["machine"]["pid"]
    threads = {}
    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/status", encoding="utf-8") as f:
            status = dict(line.split(":", 1) for line in f)
        threads[status["Name"].strip()] = status
    assert "virtio-net" in threads
    if not SANITIZED:
        assert {s["Seccomp"].strip() for s in threads.values()} == {"2"}
