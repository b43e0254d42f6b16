#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What capturing output costs the commands that write it; a part of bench.py.

The same sandbox twice, one with a runtime that captures nothing (bench/nologs.c); the same command
in both, in turns. What is compared is the time until the last byte has come out of `msb exec`, and
the CPU time of the guest's kernel and of the relay; the log writer is another thread.
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
        """CPU time of the threads of the sandbox's processes until now, in seconds: of those that
        the output passes (the guest's kernel, the relay), and of the runtime's other ones, of which
        the log writer is the only one with anything to do. The guest's programs have ended."""
        lock = self.base / "home/sandboxes" / name / "runtime/runtime.lock"
        runtime = int(lock.read_text().split()[0])
        parents = {}
        for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
            try:
                parents[int(stat.parent.name)] = int(stat.read_text().rsplit(") ", 1)[1].split()[1])
            except OSError:
                continue
        path = aside = 0
        for pid in parents:
            above = pid
            while above > 1 and above != runtime:
                above = parents.get(above, 0)
            if above != runtime:
                continue
            for task in pathlib.Path(f"/proc/{pid}/task").glob("*/schedstat"):
                try:
                    ns = int(task.read_text().split()[0])
                except OSError:
                    continue
                if pid == runtime and int(task.parent.name) != pid:
                    aside += ns
                else:
                    path += ns
        return path / 1e9, aside / 1e9

    def one(self, name, program, script):
        before = self.cpu(name)
        took = self.timed([program, "exec", name, "--", "sh", "-c", script], env=self.env)
        after = self.cpu(name)
        return took, after[0] - before[0], after[1] - before[1]

    def measure(self):
        for name, program in self.programs.items():
            subprocess.run([program, "create", "-n", name, self.rootfs], env=self.env, check=True,
                           stdin=subprocess.DEVNULL, capture_output=True)
        print("# output through msb exec, captured and not")
        for label, script in COMMANDS:
            took = {name: [] for name in self.programs}
            path = {name: [] for name in self.programs}
            aside = []
            for i in range(self.runs + 1):
                for name, program in self.programs.items():
                    t, p, w = self.one(name, program, script)
                    if i:  # the first time does not count
                        took[name].append(t)
                        path[name].append(p)
                        if name == "with":
                            aside.append(w)
            self.report(label, "until all is out", took, "   (goal: at most 1.05)")
            self.report(label, "CPU time on its way", path, "   (goal: at most 1.05)")
            print(f"{label:<18} {'CPU time of the writer':<22} {statistics.mean(aside) * 1000:8.0f} ms")
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
