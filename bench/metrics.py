#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What metrics cost: reading those of many sandboxes, and taking them in one that idles."""
import argparse
import json
import os
import pathlib
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

import shm

ROOT = pathlib.Path(__file__).resolve().parent.parent
SLOTS = 100
READINGS = 2000
IDLE_S = 20
# System calls that change files; the descriptor comes first, or flags among the words.
WRITES = "write,pwrite64,writev,pwritev,pwritev2,fsync,fdatasync,ftruncate,fallocate,rename,unlink," \
    "mkdir,openat,open,creat,unlinkat,renameat,renameat2,sendfile,copy_file_range"


def cpu_of(command, env):
    """User and system time of one run, in milliseconds."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return 1000 * (after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime)


def writing_calls(command, env, trace):
    """Calls by which it writes to anything but its standard output."""
    subprocess.run(["strace", "-f", "-o", trace, "-e", "trace=" + WRITES, *command], env=env,
                   stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=True)
    found = []
    for line in trace.read_text().splitlines():
        call = line.split(maxsplit=1)[1]
        name = call.split("(")[0]
        if name in ("open", "openat") and ("/dev/shm/" in call or not any(
                f in call for f in ("O_WRONLY", "O_RDWR", "O_CREAT"))):
            continue
        if call.startswith(("write(1,", "writev(1,", "+++", "---")):
            continue
        found.append(call)
    return found


def reading(build, runs, base):
    home = base / "many"
    env = {**os.environ, "MSB_HOME": str(home)}
    msb = str(build / "msb")
    print(f"# samples of {SLOTS} sandboxes; {READINGS} readings")
    load = subprocess.Popen([str(build / "tests/msb-metricsload"), str(home), str(SLOTS),
                             str(READINGS)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        ns, samples, blocks = map(int, load.stdout.readline().split())
        assert samples == SLOTS, f"{samples} samples"
        print(f"CPU time of one reading by the library: {ns / 1000:.1f} us   (goal: below 1000)")
        print(f"blocks written meanwhile: {blocks}   (goal: none)")
        full, bare = [], []
        for _ in range(runs):
            bare.append(cpu_of([msb, "--version"], env))
            full.append(cpu_of([msb, "metrics", "--format", "json"], env))
        shown = json.loads(subprocess.run([msb, "metrics", "--format", "json"], env=env,
                                          capture_output=True, check=True).stdout)
        assert len(shown) == SLOTS
        print(f"CPU time of msb metrics --format json:  {statistics.median(full):.2f} ms, of msb "
              f"--version {statistics.median(bare):.2f} ms")
        if shutil.which("strace"):
            subprocess.run([msb, "ls"], env=env, check=True, capture_output=True)
            calls = writing_calls([msb, "metrics", "--format", "json"], env, base / "trace")
            print(f"calls of msb metrics that write to a disk: {len(calls)}   (goal: none)")
            for call in calls:
                print("  " + call)
    finally:
        load.stdin.close()
        load.wait()


def io_of(pid):
    lines = pathlib.Path(f"/proc/{pid}/io").read_text().splitlines()
    return {k: int(v) for k, v in (li.split(": ") for li in lines)}


def sampling(build, base):
    home = base / "one"
    env = {**os.environ, "MSB_HOME": str(home)}
    msb = str(build / "msb")
    print(f"# one idle sandbox, a sample each second, {IDLE_S} s")
    try:
        subprocess.run([msb, "create", "-n", "idle", str(build / "rootfs")], env=env, check=True,
                       stdin=subprocess.DEVNULL)
        pid = int((home / "sandboxes/idle/runtime/runtime.lock").read_text().split()[0])
        time.sleep(3)  # what booting left to be written
        before = io_of(pid)
        time.sleep(IDLE_S)
        after = io_of(pid)
        print(f"bytes the runtime wrote: {after['wchar'] - before['wchar']}, to disk "
              f"{after['write_bytes'] - before['write_bytes']}   (goal: none)")
        if shutil.which("strace"):
            trace = base / "idle.trace"
            strace = subprocess.Popen(["strace", "-f", "-o", str(trace), "-p", str(pid)],
                                      stderr=subprocess.DEVNULL)
            time.sleep(IDLE_S)
            strace.terminate()
            strace.wait()
            counts = {}
            for line in trace.read_text().splitlines():
                name = line.split(maxsplit=1)[1].split("(")[0]
                if name.isidentifier():
                    counts[name] = counts.get(name, 0) + 1
            calls = ", ".join(f"{n} {c / IDLE_S:.1f}" for n, c in sorted(counts.items()))
            print(f"system calls of the runtime per second: {calls}")
    finally:
        subprocess.run([msb, "rm", "-f", "-q", "idle"], env=env, stdin=subprocess.DEVNULL)
        shm.forget(home)


def main():
    ap = argparse.ArgumentParser(description=__doc__)
    ap.add_argument("--build", type=pathlib.Path, default=ROOT / "build")
    ap.add_argument("--runs", type=int, default=20)
    args = ap.parse_args()
    build = args.build.resolve()
    subprocess.run(["ninja", "-C", build, "--quiet", "tests/msb-metricsload"], check=True)
    base = pathlib.Path(tempfile.mkdtemp(prefix="msb-bench-"))
    try:
        reading(build, args.runs, base)
        sampling(build, base)
    finally:
        shutil.rmtree(base, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
