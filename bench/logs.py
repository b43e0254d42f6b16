#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Reads a log of a million lines, against cat, wc and grep; a part of bench.py."""
import argparse
import base64
import datetime
import json
import os
import pathlib
import random
import statistics
import sys

from bench import Bench

LINES = 1_000_000
FILES = {"exec.log": 5, "runtime.log": 2, "kernel.log": 1}
BURST = 20  # lines that come from one source in a row, on average
WORDS = ("the quick request handler returned after waiting for upstream server connection cache "
         "miss hit retry pool worker thread queue user session token page item order").split()
START = datetime.datetime(2026, 5, 22, 10, 11, 12, tzinfo=datetime.timezone.utc).timestamp()
PATTERNS = [
    ("a text that is rare", "order 777777"),
    ("a text in every 1000th", "EXCEPTION"),
    ("a text in every 10th", "warning"),
    ("one of two texts, rare", "EXCEPTION|fatal"),
    ("an expression, rare", "order [0-9]*77777[0-9]"),
    ("an expression, every 10th", r"[a-z]+ning: [0-9]+"),
    ("nothing to go by, rare", r"[5-7]{4}[89][ ][a-h]"),
]


def sentence(rng, i):
    text = " ".join(rng.choices(WORDS, k=rng.randint(1, 5)))
    if i % 1000 == 0:
        return f"EXCEPTION in {text}"
    if i % 10 == 0:
        return f"warning: {i} {text}"
    return f"order {i} {text}"


def exec_line(rng, i, now):
    stamp = now.strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
    entry = {"t": stamp, "s": rng.choice(["stdout", "stdout", "stderr"])}
    body, id_ = sentence(rng, i) + "\n", 1 + i // 100_000
    kind = rng.randrange(200)
    if kind == 0:  # no text
        entry |= {"d": base64.b64encode(body.encode() + b"\xff").decode(), "id": id_, "e": "b64"}
    elif kind < 10:
        entry |= {"d": f'\033[1;33m{body[:-1]}\033[0m "é"\n', "id": id_}
    else:
        entry |= {"d": body, "id": id_}
    return json.dumps(entry, separators=(",", ":"), ensure_ascii=False)


def runtime_line(rng, i, now):
    return f"{now.strftime('%Y-%m-%dT%H:%M:%S.%f')}Z  INFO relay: {sentence(rng, i)}"


def kernel_line(rng, i, now):
    return f"[{now.timestamp() - START:12.6f}] {sentence(rng, i)}"


def write_log(directory, lines, seed=1):
    """The three logs of one sandbox, rotated, lines of all of them mixed in time."""
    rng = random.Random(seed)
    makers = {"exec.log": exec_line, "runtime.log": runtime_line, "kernel.log": kernel_line}
    left = {name: lines * n // sum(FILES.values()) for name, n in FILES.items()}
    left["exec.log"] += lines - sum(left.values())
    found = {name: [] for name in FILES}
    stamp = datetime.datetime.fromtimestamp(START, datetime.timezone.utc)
    found["kernel.log"].append(stamp.strftime("%Y-%m-%dT%H:%M:%S.%fZ") + " machine started")
    left["kernel.log"] -= 1
    mark = found["kernel.log"][0] + " (continued)"  # as the writer repeats it
    step, i = datetime.timedelta(microseconds=700), 0
    while any(left.values()):
        name = rng.choices(list(left), weights=left.values())[0]
        for _ in range(min(left[name], rng.randint(1, 2 * BURST))):
            found[name].append(makers[name](rng, i, stamp))
            left[name] -= 1
            if name == "kernel.log" and left[name] % 5000 == 0:
                found[name].append(mark)
            stamp += step
            i += 1
    directory.mkdir(parents=True)
    paths = []
    for name, n in FILES.items():
        per_file = -(-len(found[name]) // n)
        for k in range(n):
            path = directory / (name if k == n - 1 else f"{name}.{n - 1 - k}")
            part = found[name][k * per_file:(k + 1) * per_file]
            path.write_text("".join(line + "\n" for line in part))
            paths.append(path)
    return paths


class Logs(Bench):
    def __init__(self, build, runs):
        super().__init__(build, runs)
        self.env["LC_ALL"] = "C"  # the fastest for the others
        self.sandboxes = self.base / "home/sandboxes"

    def sh(self, script):
        return self.timed(["/bin/sh", "-c", script], env=self.env)

    def compare(self, name, ours, theirs, goal=None):
        """Both in turns, after a first time that does not count."""
        a, b = [], []
        for i in range(self.runs + 1):
            for times, script in ((a, ours), (b, theirs)):
                took = self.sh(script)
                if i:
                    times.append(took)
        ratio = statistics.median(x / y for x, y in zip(a, b))
        print(f"{name:<42}{statistics.median(a) * 1000:9.1f} ms {statistics.median(b) * 1000:9.1f}"
              f" ms {ratio:7.2f}{f'   (goal: at most {goal})' if goal else ''}", flush=True)

    def measure(self, lines):
        files = write_log(self.sandboxes / "big/logs", lines)
        write_log(self.sandboxes / "small/logs", lines // 100)
        size = sum(p.stat().st_size for p in files)
        print(f"# a log of {lines} lines, {size / 2**20:.0f} MiB in {len(files)} files")
        logs = f"{self.msb} logs --source all"
        total = int(os.popen(f"MSB_HOME={self.env['MSB_HOME']} {logs} --json big | wc -l").read())
        if total != lines:
            sys.exit(f"{total} entries of {lines}")
        print(f"{'':<42}{'msb logs':>12}{'other':>13}{'ratio':>8}")
        cat = f"cat {' '.join(map(str, files))}"
        self.compare("--json; cat | wc", f"{logs} --json big >/dev/null", f"{cat} | wc >/dev/null",
                     1.5)
        self.compare("--json | wc; cat | wc", f"{logs} --json big | wc >/dev/null",
                     f"{cat} | wc >/dev/null")
        self.compare("text; cat | wc", f"{logs} big >/dev/null", f"{cat} | wc >/dev/null")
        for name, pattern in PATTERNS:  # grep knows /dev/null and stops at the first match
            self.compare(f"--grep, {name}; grep",
                         f"{logs} --grep '{pattern}' big | cat >/dev/null",
                         f"grep -hE '{pattern}' {' '.join(map(str, files))} | cat >/dev/null", 1.5)
        self.compare("--tail 100; of a 100th of the log", f"{logs} --tail 100 big >/dev/null",
                     f"{logs} --tail 100 small >/dev/null")


def main():
    ap = argparse.ArgumentParser(description=__doc__)
    ap.add_argument("--build", default=os.environ.get("MSB_BUILD", "build"))
    ap.add_argument("--runs", type=int, default=10)
    ap.add_argument("--lines", type=int, default=LINES)
    ap.add_argument("--write", type=pathlib.Path, help="only write the log into this directory")
    args = ap.parse_args()
    if args.write:
        write_log(args.write, args.lines)
        return
    bench = Logs(args.build, args.runs)
    try:
        bench.measure(args.lines)
    finally:
        bench.close()


if __name__ == "__main__":
    main()
