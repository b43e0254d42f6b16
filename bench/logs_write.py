#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What capturing output costs the commands that write it; a part of bench.py.

The same sandbox twice, one with a runtime that captures nothing (bench/nologs.c); the same command
in both, in turns. What is compared is the time until the last byte has come out of `msb exec`, and
the CPU time of all the host's processes of the sandbox, its guest among them.
"""
import argparse
import os
import pathlib
import shutil
import statistics
import subprocess
import sys

from bench import ROOT, Bench

LINE = "a line of output, as programs write them, of some eighty characters, number one"
COMMANDS = [
    ("blocks of 4 KiB", f"yes '{LINE}' | head -n 400000"),
    ("a line at a time", f"i=0; while [ $i -lt 20000 ]; do echo '{LINE}'; i=$((i+1)); done"),
]


class LogsWrite(Bench):
    def __init__(self, build, runs):
        super().__init__(build, runs)
        subprocess.run(["ninja", "-C", self.build, "--quiet", "tests/msb-runtime-nologs"], check=True)
        self.programs = {"with": self.msb, "without": self.make_tree()}
        self.hz = os.sysconf("SC_CLK_TCK")

    def make_tree(self):
        """A build directory with the other runtime; programs are found beside msb itself."""
        tree = self.base / "nologs"
        tree.mkdir()
        for name in ("guest", "images", "msb-image"):
            if (self.build / name).exists():
                (tree / name).symlink_to(self.build / name)
        shutil.copy(self.msb, tree / "msb")
        (tree / "msb-runtime").symlink_to(self.build / "tests/msb-runtime-nologs")
        return tree / "msb"

    def cpu(self, name):
        """User and system time of the sandbox's processes until now, in seconds."""
        lock = self.base / "home/sandboxes" / name / "runtime/runtime.lock"
        runtime = int(lock.read_text().split()[0])
        parents, used = {}, {}
        for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
            try:
                fields = stat.read_text().rsplit(") ", 1)[1].split()
            except OSError:
                continue
            pid = int(stat.parent.name)
            parents[pid] = int(fields[1])
            used[pid] = sum(map(int, fields[11:15]))  # with those that have ended
        total = 0
        for pid, ticks in used.items():
            while pid > 1 and pid != runtime:
                pid = parents.get(pid, 0)
            total += ticks if pid == runtime else 0
        return total / self.hz

    def one(self, name, program, script):
        before = self.cpu(name)
        took = self.timed([program, "exec", name, "--", "sh", "-c", script], env=self.env)
        return took, self.cpu(name) - before

    def measure(self):
        for name, program in self.programs.items():
            subprocess.run([program, "create", "-n", name, self.rootfs], env=self.env, check=True,
                           stdin=subprocess.DEVNULL, capture_output=True)
        print("# output through msb exec, captured and not")
        for label, script in COMMANDS:
            took = {name: [] for name in self.programs}
            used = {name: [] for name in self.programs}
            for i in range(self.runs + 1):
                for name, program in self.programs.items():
                    t, c = self.one(name, program, script)
                    if i:  # the first time does not count
                        took[name].append(t)
                        used[name].append(c)
            self.report(label, "until all is out", took, "   (goal: at most 1.05)")
            self.report(label, "CPU time of all", used, "   (goal: at most 1.05)")
        size = (self.base / "home/sandboxes/without/logs/exec.log").stat().st_size
        if size > 4096:
            sys.exit("the other runtime captures, too")

    @staticmethod
    def report(label, what, values, goal):
        a, b = values["with"], values["without"]
        print(f"{label:<18} {what:<22} {statistics.mean(a) * 1000:8.0f} ms, without "
              f"{statistics.mean(b) * 1000:8.0f} ms, ratio {sum(a) / sum(b):5.3f}, of the fastest "
              f"{min(a) / min(b):5.3f}{goal}", flush=True)


def main():
    ap = argparse.ArgumentParser(description=__doc__)
    ap.add_argument("--build", default=os.environ.get("MSB_BUILD", ROOT / "build"))
    ap.add_argument("--runs", type=int, default=15)
    args = ap.parse_args()
    bench = LogsWrite(args.build, args.runs)
    try:
        bench.measure()
    finally:
        bench.close()


if __name__ == "__main__":
    main()
