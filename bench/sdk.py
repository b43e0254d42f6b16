#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What the languages' packages cost above the C interface, and above msb exec; a part of bench.py."""
import argparse
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

from bench import ROOT, Bench

HERE = ROOT / "bench/sdk"
LIMITS = {"exec": dict.fromkeys(("python", "node", "go", "rust"), 1.2),
          "stream": {"c": 1.3, "python": 2.0, "node": 1.3, "go": 1.3, "rust": 1.3}}


class Client:
    def __init__(self, name, argv, env):
        self.name = name
        self.process = subprocess.Popen([str(a) for a in argv], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        text=True, env=env)

    def __call__(self, what, n):
        """Microseconds."""
        self.process.stdin.write(f"{what} {n}\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            sys.exit(f"{self.name}: ended")
        return [int(word) for word in line.split()]

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def run(*argv, cwd=None, **env):
    subprocess.run([str(a) for a in argv], cwd=cwd, check=True, env={**os.environ, **env})


def compiled(build, tmp):
    """Language to command and environment; what has to be compiled is compiled in tmp."""
    find = {"PKG_CONFIG_PATH": f"{build}/meson-uninstalled"}
    run("cc", "-O2", "-I", ROOT / "include", "-o", tmp / "client-c", HERE / "client.c",
        build / "libmicrosandbox.so", f"-Wl,-rpath,{build}", "-pthread")
    run(sys.executable, ROOT / "scripts/build-sdk.py", "--build", build, "--development")
    run("/usr/bin/go", "build", "-o", tmp / "client-go", ".", cwd=HERE / "go", GOPROXY="off",
        GOFLAGS="-mod=mod -buildvcs=false", CGO_LDFLAGS=f"-Wl,-rpath,{build}", **find)
    shutil.copytree(HERE / "rust", tmp / "bench/sdk/rust")
    (tmp / "sdk").mkdir()
    (tmp / "sdk/rust").symlink_to(ROOT / "sdk/rust")
    run("/usr/bin/cargo", "build", "--release", "--offline", "--quiet", "--target-dir", tmp / "target",
        cwd=tmp / "bench/sdk/rust", RUSTC="/usr/bin/rustc", RUSTFLAGS=f"-Clink-arg=-Wl,-rpath,{build}", **find)
    return {
        "c": ([tmp / "client-c"], {}),
        "python": (["/usr/bin/python3", HERE / "client.py"], {"PYTHONPATH": str(build / "sdk/python")}),
        "node": (["node", HERE / "client.mjs"], {"MSB_NODE_PACKAGE": str(build / "sdk/node")}),
        "go": ([tmp / "client-go"], {}),
        "rust": ([tmp / "target/release/bench-rs"], {}),
    }


def verdict(name, ratio, limits):
    limit = limits.get(name)
    return "" if limit is None else f"   (at most {limit}{'' if ratio <= limit else ': MISSED'})"


def exec_true(clients, runs):
    times = {name: [] for name in clients}
    for client in clients.values():
        client("exec", 50)  # compilers that learn have learnt
    for _ in range(runs):
        for name, client in clients.items():
            times[name] += client("exec", 10)
    base = statistics.median(times["c"])
    print(f"\nexec of true, {10 * runs} times each, in turns")
    for name, values in times.items():
        median = statistics.median(values)
        print(f"  {name:8} median {median / 1000:7.2f} ms   {median / base:5.2f} of C"
              f"{verdict(name, median / base, LIMITS['exec'])}")


def stream(b, clients, size, runs):
    times = {name: [] for name in ["msb exec", *clients]}
    for _ in range(runs):
        start = time.perf_counter()
        with subprocess.Popen([str(b.msb), "exec", "bench", "--", "head", "-c", str(size), "/dev/zero"], env=b.env,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as p:
            while os.read(p.stdout.fileno(), 1 << 20):
                pass
        times["msb exec"].append((time.perf_counter() - start) * 1e6)
        for name, client in clients.items():
            times[name] += client("stream", size)
    base = statistics.median(times["msb exec"])
    print(f"\n{size / 1e9:g} GB of standard output, {runs} times each, in turns")
    for name, values in times.items():
        median = statistics.median(values)
        print(f"  {name:8} median {median / 1e6:7.2f} s    {median / base:5.2f} of msb exec"
              f"{verdict(name, median / base, LIMITS['stream'])}")


def many(clients, n, runs):
    print(f"\n{n} commands at once, from one process, {runs} times each")
    for name, client in clients.items():
        values = [client("many", n)[0] for _ in range(runs)]
        print(f"  {name:8} median {statistics.median(values) / 1000:8.1f} ms")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", default=ROOT / "build")
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--size", type=int, default=1_000_000_000)
    parser.add_argument("--only", action="append", choices=["python", "node", "go", "rust"])
    args = parser.parse_args()
    b = Bench(args.build, args.runs)
    clients = {}
    try:
        with tempfile.TemporaryDirectory(prefix="msb-bench-sdk-") as tmp:
            b.cmd("create", "-q", "-n", "bench", "--engine", "uml", "busybox")
            for name, (argv, env) in compiled(b.build, pathlib.Path(tmp)).items():
                if name == "c" or not args.only or name in args.only:
                    clients[name] = Client(name, argv, {**b.env, **env})
            exec_true(clients, args.runs)
            stream(b, clients, args.size, max(1, args.runs // 7))
            many(clients, 100, max(1, args.runs // 4))
            for client in clients.values():
                client.close()
    finally:
        b.close()


if __name__ == "__main__":
    main()
