#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Measures the network against passt and QEMU's user network (slirp), and under uml.

One guest under QEMU's software emulation, a stock kernel, has three interfaces: ours as
vhost-user-net, passt's as passt sets it up, slirp's. They take turns; each carries the guest's
connections to the same server on the host's loopback. All runs in a network namespace of its own.
There the guest's instructions take most of the time. The other part is net_uml.py: a sandbox's
network under uml. bench.py starts this.
"""
import argparse
import json
import os
import pathlib
import re
import shutil
import statistics
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests/net"), str(ROOT / "bench")]
import fs  # noqa: E402
import net_uml  # noqa: E402
import qemu  # noqa: E402
import spaces  # noqa: E402

BUILD = pathlib.Path(os.environ.get("MSB_BUILD", ROOT / "build"))
MODULES = [*qemu.VIRTIO, "net/core/failover", "drivers/net/net_failover", "drivers/net/virtio_net"]
# A kernel that finds fast string instructions copies with them a byte at a time. On a processor that is
# fast; emulated it takes most of the time, the same under every stack, and hides what they do.
CPU = "max,-erms,-fsrm"
PORT = net_uml.OUT
# name, netload's words with %s for the address, unit, at least so many times passt's and slirp's
WORKLOADS = [
    ("1 stream, guest to host", "up {a} {s} 1", "MB/s", (1.5, 3)),
    ("1 stream, host to guest", "down {a} {s} 1", "MB/s", (1.5, 3)),
    ("16 streams, guest to host", "up {a} {s} 16", "MB/s", (1.5, 3)),
    ("16 streams, host to guest", "down {a} {s} 16", "MB/s", (1.5, 3)),
    ("requests, 1 at a time", "rr {a} {s} 1 1", "1/s", (1, 1)),
    ("requests, 16 at a time", "rr {a} {s} 16 1", "1/s", (1, 1)),
    ("connections", "connect {a} {s} 1", "1/s", (1, 1)),
    ("UDP 64 B, guest to host", "udp-up {a} {s} 64", "1/s", (1.5, 3)),
    ("UDP 64 B, host to guest", "udp-down {a} {s} 64", "1/s", (1.5, 3)),
    ("UDP 1400 B, guest to host", "udp-up {a} {s} 1400", "1/s", (1.5, 3)),
    ("UDP 1400 B, host to guest", "udp-down {a} {s} 1400", "1/s", (1.5, 3)),
    ("UDP requests", "udp-rr {a} {s} 64", "1/s", (1, 1)),
]
# name: MAC, the guest's address, its gateway, MTU; the last is what passt tells its guests by DHCP
STACKS = {
    "ours": ("02:6d:73:00:00:02", "172.16.0.2/30", "172.16.0.1", 1500),
    "passt": ("02:00:00:00:01:02", "10.7.0.2/24", "10.7.0.1", 65520),
    "slirp": ("02:00:00:00:02:02", "10.0.2.15/24", "10.0.2.2", 1500),
}
INIT = """#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev
for m in {modules}; do insmod /modules/$m.ko || echo "INSMOD FAILED $m"; done
sh /bench.sh
poweroff -f
"""


def build_netload(base):
    """The load program, static: it runs in any guest."""
    netload = base / "netload"
    subprocess.run(["gcc", "-O2", "-static", "-o", netload, ROOT / "bench/netload.c",
                    ROOT / "bench/netload_serve.c"], check=True)
    return netload


class Host:
    """The namespace in which everything runs, and the server in there."""

    def __init__(self, netload):
        self.keeper = spaces.Keeper()
        self.space = spaces.Space(self.keeper)
        self.way_out = self.space.tun("out", spaces.IFF_TAP)  # passt wants one
        self.space("ip", "-batch", "-", input="link set out up\naddr add 192.168.77.2/24 dev out\n"
                   "route add default via 192.168.77.1 dev out\n")
        self.server = self.space.serve(netload, "serve", "127.0.0.1", PORT,
                                       stdout=subprocess.PIPE, text=True)
        if not self.server.stdout.readline().startswith("ready"):
            sys.exit("the load program's server does not start")

    def close(self):
        self.server.kill()
        self.server.wait()
        os.close(self.way_out)
        self.keeper.close()


class Vhost:
    """The three stacks under one guest."""

    def __init__(self, args, base, host, netload):
        self.args = args
        self.base = base
        self.host = host
        self.netload = netload
        self.kernel = qemu.find_kernel(MODULES)
        missing = qemu.missing(self.kernel) or (not shutil.which("passt") and "no passt")
        if missing:
            sys.exit(f"bench net: {missing}")
        _, address, gateway, _ = STACKS["passt"]
        passt = [shutil.which("passt"), "-f", "-s", "{socket}", "-i", "out", "-a",
                 address.split("/")[0], "-n", address.split("/")[1], "-g", gateway, "-4",
                 "--no-dhcp", "--no-ndp", "--no-dhcpv6", "--no-ra"]
        if not os.geteuid():  # it would rather be nobody, who has no access to our directory
            passt += ["--runas", "0:0"]
        section = json.dumps({"policy": {"default_egress": "allow"}})
        ours = [args.server, "net", section.replace("{", "{{").replace("}", "}}"), "{socket}"]
        self.servers = {name: fs.Server(base, name, [*host.space.prefix, "setpriv", "--pdeathsig=KILL",
                                               *command])
                        for name, command in (("ours", ours), ("passt", passt))}

    def script(self):
        lines = ["ip link set lo up"]
        for mac, address, _, mtu in STACKS.values():
            lines += [f"i=$(grep -l {mac} /sys/class/net/*/address | cut -d/ -f5)",
                      f"ip link set $i mtu {mtu} up", f"ip addr add {address} dev $i"]
        lines.append("sleep 1")
        names = list(STACKS)
        for turn in range(self.args.runs):
            for number in self.args.workloads:
                words = WORKLOADS[number][1]
                for i in range(len(names)):
                    name = names[(i + turn) % len(names)]
                    where = f"{STACKS[name][2]} {PORT}"
                    load = words.format(a=where, s=self.args.seconds)
                    lines += [f"echo '@@begin {number} {name}'", f"echo @@end $(netload {load} 2>&1)"]
        return "\n".join(lines) + "\n"

    def command(self):
        archive = self.base / "initramfs"
        archive.write_bytes(qemu.initramfs(
            self.kernel[1], MODULES, INIT, ("bin/netload", 0o100755, self.netload.read_bytes()),
            ("bench.sh", 0o100644, self.script().encode())))
        cmd = [qemu.QEMU, "-machine", "q35,accel=tcg", "-cpu", self.args.cpu, "-smp", "1",
               "-m", "512", "-object", "memory-backend-memfd,id=mem,size=512M,share=on",
               "-numa", "node,memdev=mem", "-nodefaults", "-display", "none", "-serial", "stdio",
               "-no-reboot", "-kernel", self.kernel[0], "-initrd", archive,
               "-append", "console=ttyS0 quiet panic=-1"]
        backends = {
            "ours": "vhost-user,id=ours,chardev=ours",
            "passt": f"stream,id=passt,server=off,addr.type=unix,"
                     f"addr.path={self.servers['passt'].socket}",
            "slirp": "user,id=slirp,ipv6=off",
        }
        cmd += ["-chardev", f"socket,id=ours,path={self.servers['ours'].socket}"]
        for name, backend in backends.items():
            # no MSI-X: without KVM, QEMU 7.2 dereferences NULL when a vhost device has that
            cmd += ["-netdev", backend, "-device", f"virtio-net-pci,netdev={name},vectors=0,"
                    f"mac={STACKS[name][0]},rx_queue_size=1024"]
        return [*self.host.space.prefix, "setpriv", "--pdeathsig=KILL", *map(str, cmd)]

    def run(self):
        """{number of workload: {stack: [(rate, CPU seconds of the server per second)]}}"""
        results, log = {}, []
        p = subprocess.Popen(self.command(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                             stderr=subprocess.STDOUT, text=True, errors="replace")
        try:
            for line in p.stdout:
                log.append(line)
                words = line.split()
                if words[:1] == ["@@begin"]:
                    number, name = int(words[1]), words[2]
                    cpu = self.cpu(name)
                elif words[:1] == ["@@end"]:
                    used = self.cpu(name) - cpu
                    results.setdefault(number, {}).setdefault(name, []).append(
                        figure(number, words[1:], used, log))
        finally:
            p.kill()
            p.wait()
        if any(len(results.get(i, {}).get(s, [])) != self.args.runs
               for i in self.args.workloads for s in STACKS):
            sys.exit("the guest ended early:\n" + "".join(log[-20:]))
        return results

    def cpu(self, name):
        return self.servers[name].cpu() if name in self.servers else 0

    def close(self):
        for server in self.servers.values():
            server.close()


def figure(number, words, used, log):
    """(rate, CPU time per second) from what netload printed."""
    try:
        _, count, amount, seconds = words
        seconds = float(seconds)
    except ValueError:
        sys.exit(f"{WORKLOADS[number][0]} failed:\n{''.join(log[-5:])}")
    by_bytes = WORKLOADS[number][2] == "MB/s"
    return (int(amount) / 1e6 if by_bytes else int(count)) / seconds, used / seconds


def show_vhost(results):
    print("# network of a QEMU guest: medians, and the stack's own CPU time per second")
    print(f"{'':<32}{'ours':>20}{'passt':>20}{'slirp':>10}     ours / theirs")
    for number in sorted(results):
        name, _, unit, goals = WORKLOADS[number]
        rate = {s: statistics.median(r for r, _ in results[number][s]) for s in STACKS}
        cpu = {s: statistics.median(c for _, c in results[number][s]) for s in STACKS}
        ratios = [rate["ours"] / rate[s] if rate[s] else float("inf") for s in ("passt", "slirp")]
        print(f"{name + ', ' + unit:<32}" +
              "".join(f"{rate[s]:>10.0f} cpu {cpu[s]:5.2f}" for s in ("ours", "passt")) +
              f"{rate['slirp']:>10.0f}     " + ", ".join(f"{r:.2f}" for r in ratios) +
              "   (goal: " + ", ".join(f"{g:g}" for g in goals) + ")")


def main():
    ap = argparse.ArgumentParser(description=__doc__,
                                 formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--runs", type=int, default=5)
    ap.add_argument("--seconds", type=float, default=2, help="of each measurement")
    ap.add_argument("--server", type=pathlib.Path, default=BUILD / "tests/msb-vhost")
    ap.add_argument("--only", type=re.compile, default="", metavar="PATTERN",
                    help="vhost: workloads whose names match")
    ap.add_argument("--cpu", default=CPU, help="vhost: QEMU's model")
    ap.add_argument("part", nargs="*", choices=["vhost", "uml", []], help="default: all")
    args = ap.parse_args()
    args.workloads = [i for i, w in enumerate(WORKLOADS) if args.only.search(w[0])]
    if not args.workloads:
        ap.error("--only: no such workload")
    base = pathlib.Path(tempfile.mkdtemp(prefix="msb-bench-net-"))
    netload = build_netload(base)
    host = Host(netload)
    try:
        for part in args.part or ["vhost", "uml"]:
            (measure_vhost if part == "vhost" else measure_uml)(args, base, host, netload)
            print(flush=True)
    finally:
        host.close()
        shutil.rmtree(base, ignore_errors=True)


def measure_vhost(args, base, host, netload):
    fs.build_server(args)
    bench = Vhost(args, base, host, netload)
    try:
        show_vhost(bench.run())
    finally:
        bench.close()


def measure_uml(args, base, host, netload):
    bench = net_uml.Uml(args, base, host, BUILD, netload)
    try:
        net_uml.show(bench.run(), bench.rules())
    finally:
        bench.close()


if __name__ == "__main__":
    main()
