# SPDX-License-Identifier: Apache-2.0
"""The uml half of net.py: the network of a sandbox against the host's own loopback.

Told with each figure: CPU time of the runtime, which is the stack, and of all the sandbox's
processes together, which is the guest's kernel and the load program as well.
"""
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import time

OUT, IN = 5001, 5002  # served on the host, and in the guest
SETTLE = 0.3  # seconds at both ends of a measurement that do not count for CPU time
RULES = 1000
# name, netload's words, whether bytes count
WORKLOADS = [
    ("1 stream, client sends", "up {a} {s} 1", True),
    ("1 stream, server sends", "down {a} {s} 1", True),
    ("16 streams, client sends", "up {a} {s} 16", True),
    ("16 streams, server sends", "down {a} {s} 16", True),
    ("requests, 1 at a time", "rr {a} {s} 1 1", False),
    ("requests, 16 at a time", "rr {a} {s} 16 1", False),
    ("connections, 1 at a time", "connect {a} {s} 1", False),
    ("connections, 16 at a time", "connect {a} {s} 16", False),
    ("UDP 64 B, client sends", "udp-up {a} {s} 64", False),
    ("UDP 64 B, server sends", "udp-down {a} {s} 64", False),
    ("UDP 1400 B, client sends", "udp-up {a} {s} 1400", False),
    ("UDP 1400 B, server sends", "udp-down {a} {s} 1400", False),
    ("UDP requests", "udp-rr {a} {s} 64", False),
]
GATEWAYS = {"net": "172.16.0.1", "ruled": "172.16.0.5"}  # of the first slots


class Uml:
    def __init__(self, args, base, host, build, netload):
        self.args = args
        self.base = base
        self.host = host
        self.msb_path = build / "msb"
        self.netload = netload
        self.env = {**os.environ, "MSB_HOME": str(base / "home")}
        self.root = base / "root"
        for name in ("dev", "proc", "sys", "tmp", "etc", "run"):
            (self.root / name).mkdir(parents=True)
        shutil.copy(netload, self.root / "netload")
        self.create("net")
        rules = ",".join(f"deny@10.{i // 256}.{i % 256}.1" for i in range(RULES - 1))
        self.create("ruled", "--net-rule", rules)
        self.server = self.popen("exec", "net", "--", "/netload", "serve", "0.0.0.0", IN)
        if not self.server.stdout.readline().startswith("ready"):
            sys.exit("the load program's server does not start in the guest")

    def popen(self, *words):
        return self.host.space.popen(self.msb_path, *words, env=self.env, stdout=subprocess.PIPE,
                                     text=True)

    def msb(self, *words):
        p = self.popen(*words)
        out, _ = p.communicate()
        if p.returncode:
            sys.exit(f"msb {' '.join(map(str, words))}: {p.returncode}")
        return out

    def create(self, name, *options):
        ports = ["-p", f"{IN}:{IN}", "-p", f"{IN}:{IN}/udp"] if name == "net" else []
        self.msb("create", "-q", "-n", name, "-m", "512M", *ports, *options, "--net-rule",
                 "allow@host", self.root)

    def runtime(self, name):
        lock = self.base / f"home/sandboxes/{name}/runtime/runtime.lock"
        return int(lock.read_text().split()[0])

    def cpu(self, name):
        """Seconds so far: of the runtime, of it and all its children."""
        pid = self.runtime(name)
        waiting, total, own = [pid], 0, 0
        while waiting:
            process = waiting.pop()
            try:
                for task in pathlib.Path(f"/proc/{process}/task").iterdir():
                    total += int((task / "schedstat").read_text().split()[0])
                    waiting += map(int, (task / "children").read_text().split())
            except OSError:
                pass  # it has just ended
            if process == pid:
                own = total
        return own / 1e9, total / 1e9

    def load(self, how, words, name="net"):
        """(count, bytes, seconds, CPU seconds per second of the runtime, and of all)"""
        if how == "out":
            p = self.popen("exec", name, "--", "/netload", *words)
        else:
            p = self.host.space.popen(self.netload, *words, stdout=subprocess.PIPE, text=True)
        time.sleep(SETTLE)
        start, (own, total) = time.monotonic(), self.cpu(name)
        time.sleep(max(self.args.seconds - 2 * SETTLE, SETTLE))
        took, (own_end, total_end) = time.monotonic() - start, self.cpu(name)
        out, _ = p.communicate()
        if p.returncode:
            sys.exit(f"netload {' '.join(words)}: {p.returncode}")
        _, count, amount, seconds = out.split()
        return (int(count), int(amount), float(seconds), (own_end - own) / took,
                (total_end - total) / took)

    def run(self):
        """{number of workload: {way: [results of load()]}}"""
        ways = {"native": ("127.0.0.1", OUT), "out": (GATEWAYS["net"], OUT), "in": ("127.0.0.1", IN)}
        results = {}
        for _ in range(self.args.runs):
            for number, (_, words, _) in enumerate(WORKLOADS):
                for way, (address, port) in ways.items():
                    load = words.format(a=f"{address} {port}", s=self.args.seconds).split()
                    results.setdefault(number, {}).setdefault(way, []).append(
                        self.load(way, load))
        return results

    def rules(self):
        """{sandbox: (connections per second, CPU seconds of the runtime per 1000)}"""
        found = {"net": [], "ruled": []}
        for _ in range(max(self.args.runs, 5)):
            for name, values in found.items():
                words = f"connect {GATEWAYS[name]} {OUT} {self.args.seconds} 1".split()
                count, _, seconds, own, _ = self.load("out", words, name)
                values.append((count / seconds, own * seconds / count * 1000))
        return {name: [statistics.median(v) for v in zip(*values)]
                for name, values in found.items()}

    def close(self):
        self.server.kill()
        self.server.communicate()
        self.msb("rm", "-f", "-q", "net", "ruled")


def show(results, rules):
    def figures(number, way):
        by_bytes = WORKLOADS[number][2]
        values = []
        for count, amount, seconds, own, total in results[number][way]:
            rate = (amount if by_bytes else count) / seconds
            per = (1 << 30 if by_bytes else 1000) / rate if rate else 0
            values.append((rate / (1e6 if by_bytes else 1), own * per, total * per))
        return [statistics.median(v) for v in zip(*values)]

    print("# network under uml: median rates; CPU seconds, of the runtime and of the whole sandbox,"
          " per GiB or per 1000")
    print(f"{'':<32}{'native':>9}{'client in the guest':>27}{'client on the host':>27}")
    for number, (name, _, by_bytes) in enumerate(WORKLOADS):
        unit = "MB/s" if by_bytes else "1/s"
        row = f"{name + ', ' + unit:<32}{figures(number, 'native')[0]:>9.0f}"
        for way in ("out", "in"):
            rate, own, total = figures(number, way)
            row += f"{rate:>11.0f} {own:>7.3f} {total:>7.3f}"
        print(row)
    (few, few_cpu), (many, many_cpu) = rules["net"], rules["ruled"]
    print(f"connections with 1 rule: {few:.0f} 1/s {few_cpu:.3f}, with {RULES}: {many:.0f} 1/s "
          f"{many_cpu:.3f}; ratio {many / few:.3f}   (goal: at least 0.95)")
