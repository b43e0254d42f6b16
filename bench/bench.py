#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Measures msb against something else in the same run; see bench/README.md."""
import argparse
import datetime
import os
import pathlib
import re
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

import shm

ROOT = pathlib.Path(__file__).resolve().parent.parent
WORKLOADS = [
    ("python3 -c pass", "python3 -c pass"),
    ("gcc hello.c", "gcc -o /tmp/hello.$$ /tmp/hello.c"),
    ("node -e 0", "node -e 0"),
    ("git --version", "git --version"),
    ("200 x /bin/true", "for i in {1..200}; do /bin/true; done"),
]

# The steps of a run and the line of runtime.log that ends each.
STEPS = [
    ("msb until the runtime runs", "runtime: sandbox "),
    ("runtime: prepare, start, jail", "runtime: machine: "),
    ("guest kernel until the agent", "runtime: agent channel open"),
    ("agent until ready", "runtime: ready after"),
    ("command", "runtime: stopping: "),
    ("guest writes back and unmounts", "runtime: agent channel closed"),
    ("guest power-off", "runtime: machine: the guest"),
    ("runtime ends", "runtime: ended: "),
]


def ms(seconds):
    return f"{seconds * 1000:8.1f} ms"


def summary(values):
    return (f"median {ms(statistics.median(values))}   min {ms(min(values))}   "
            f"max {ms(max(values))}")


class Bench:
    def __init__(self, build, runs):
        self.build = pathlib.Path(build).resolve()
        self.msb = self.build / "msb"
        self.rootfs = self.build / "rootfs"
        self.kernel = self.build / "guest/linux-um"
        self.runs = runs
        self.base = pathlib.Path(tempfile.mkdtemp(prefix="msb-bench-"))
        self.env = {**os.environ, "MSB_HOME": str(self.base / "home")}

    def close(self):
        self.cmd("ls", "-q")
        names = self.cmd("ls", "-q").stdout.split()
        if names:
            self.cmd("rm", "-f", *names)
        shm.forget(self.base / "home")
        shutil.rmtree(self.base, ignore_errors=True)

    def cmd(self, *args, check=True, **kw):
        p = subprocess.run([str(self.msb), *map(str, args)], env=self.env, text=True,
                           stdin=subprocess.DEVNULL, capture_output=True, **kw)
        if check and p.returncode:
            sys.exit(f"msb {' '.join(map(str, args))}: {p.returncode}\n{p.stderr}")
        return p

    def timed(self, args, env=None):
        """From start to exit, with as little as possible of Python in between."""
        args = [str(a) for a in args]
        with open(os.devnull, "r+b") as null:
            streams = [(os.POSIX_SPAWN_DUP2, null.fileno(), fd) for fd in range(3)]
            start = time.perf_counter()
            pid = os.posix_spawn(args[0], args, env or os.environ, file_actions=streams)
            _, status = os.waitpid(pid, 0)
            took = time.perf_counter() - start
        if status:
            sys.exit(f"{args}: wait status {status}")
        return took

    # -- the bare kernel, for scale ---------------------------------------

    def bare_initramfs(self):
        """An initramfs whose /init is one line of shell."""
        root = self.base / "bare"
        (root / "bin").mkdir(parents=True)
        (root / "proc").mkdir()
        shutil.copy(self.rootfs / "bin/busybox", root / "bin/busybox")
        (root / "init").write_text("#!/bin/busybox sh\nexec /bin/busybox poweroff -f\n")
        (root / "init").chmod(0o755)
        image = self.base / "bare.cpio"
        with open(image, "wb") as out:
            names = subprocess.run(["find", "."], cwd=root, capture_output=True, check=True)
            subprocess.run(["cpio", "-o", "-H", "newc", "--quiet"], cwd=root, input=names.stdout,
                           stdout=out, check=True)
        return image

    def bare_boot(self, initramfs):
        env = {"TMPDIR": "/dev/shm"}
        return self.timed([shutil.which("taskset"), "-c", str(min(os.sched_getaffinity(0))),
                           self.kernel, "mem=512M", f"initrd={initramfs}", "quiet", "con=null",
                           "console=hvc0", "seccomp=off"], env=env)

    def boot(self):
        print("# start to exit, interleaved")
        initramfs = self.bare_initramfs()
        self.cmd("run", self.rootfs, "--", "true")
        self.cmd("create", "-n", "running", self.rootfs)
        bare, run, execs, intercepted = [], [], [], []
        for _ in range(self.runs):
            bare.append(self.bare_boot(initramfs))
            execs.append(self.timed([self.msb, "exec", "running", "--", "true"], env=self.env))
            run.append(self.timed([self.msb, "run", self.rootfs, "--", "true"], env=self.env))
            intercepted.append(self.timed([self.msb, "run", "--tls-intercept", self.rootfs, "--", "true"],
                                          env=self.env))
            time.sleep(0.03)  # the host gives its memory back: at nobody's expense
        print(f"bare kernel, boot to power-off      {summary(bare)}")
        print(f"msb run <dir> -- true               {summary(run)}")
        print(f"msb run --tls-intercept <dir> ...   {summary(intercepted)}")
        print(f"msb exec <running> -- true          {summary(execs)}")
        base = statistics.median(bare)
        print(f"run / bare  = {statistics.median(run) / base:.2f}   (goal: at most 1.5)")
        print(f"exec / bare = {statistics.median(execs) / base:.2f}   (goal: at most 0.15)")
        self.cmd("rm", "-f", "running")
        self.breakdown()

    def breakdown(self):
        """Where the time of one run goes, from the runtime's own log."""
        steps = {}
        for i in range(self.runs):
            name = f"steps{i}"
            start = time.time()
            self.cmd("run", "-n", name, "--log-level", "debug", self.rootfs, "--", "true")
            end = time.time()
            log = (self.base / f"home/sandboxes/{name}/logs/runtime.log").read_text()
            marks = [start]
            for step, text in STEPS:
                line = next(li for li in log.splitlines() if text in li)
                stamp = datetime.datetime.fromisoformat(line.split()[0].replace("Z", "+00:00"))
                marks.append(stamp.timestamp())
            marks.append(end)
            for step, a, b in zip([s for s, _ in STEPS] + ["msb after the end"], marks, marks[1:]):
                steps.setdefault(step, []).append(b - a)
            self.cmd("rm", "-q", name)
        for step, values in steps.items():
            print(f"  {step:<34}{summary(values)}")

    # -- idle cost ---------------------------------------------------------

    def tree(self, name):
        lock = self.base / f"home/sandboxes/{name}/runtime/runtime.lock"
        todo, found = [int(lock.read_text().split()[0])], []
        while todo:
            pid = todo.pop()
            found.append(pid)
            for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
                todo += map(int, (task / "children").read_text().split())
        return found

    def idle(self):
        print("# one idle 512 MiB sandbox")
        self.cmd("create", "-n", "idle", "-m", "512M", self.rootfs)
        self.cmd("exec", "idle", "--", "true")
        time.sleep(2)

        def pss(pid):
            text = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
            return int(re.search(r"^Pss:\s+(\d+)", text, re.M).group(1))

        def ticks():
            total = 0
            for pid in self.tree("idle"):
                fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
                total += int(fields[11]) + int(fields[12])
            return total

        total = 0
        for pid in self.tree("idle"):
            comm = pathlib.Path(f"/proc/{pid}/comm").read_text().strip()
            kib = pss(pid)
            total += kib
            print(f"  {comm:<20}{kib / 1024:7.1f} MiB PSS")
        print(f"all processes together: {total / 1024:.1f} MiB PSS   (goal: at most 40)")
        before = ticks()
        time.sleep(20)
        used = (ticks() - before) / os.sysconf("SC_CLK_TCK")
        print(f"CPU time used in 20 s of idling: {used:.2f} s   (goal: none)")
        self.cmd("rm", "-f", "idle")

    # -- programs ----------------------------------------------------------

    def programs(self):
        print("# programs in the guest against native; both use the host's /usr, shared read-only")
        root = self.program_root()
        source = '#include <stdio.h>\nint main(void) { puts("hi"); }\n'
        modes = {"ptrace": [], "seccomp": ["--engine-mode", "seccomp"]}
        results = {"native": self.program_times(
            lambda script: subprocess.run(["taskset", "-c", "0", "bash", "-c", script], text=True,
                                          capture_output=True, check=True).stdout, source)}
        for mode, flags in modes.items():
            self.cmd("create", "-n", mode, "-m", "1G", "--tmpfs", "/tmp:512M", "-v",
                     "/usr:/usr:ro", *flags, root)
            results[mode] = self.program_times(
                lambda script: self.cmd("exec", mode, "--", "bash", "-c", script).stdout, source)
            self.cmd("rm", "-f", mode)
        print(f"{'':<20}{'native':>12}{'ptrace':>12}{'seccomp':>12}   (ms, median)")
        for name, _ in WORKLOADS:
            row = "".join(f"{results[k][name] * 1000:12.1f}" for k in ("native", *modes))
            print(f"{name:<20}{row}")

    def program_root(self):
        root = self.base / "programs"
        for name in ("usr", "etc", "tmp", "root"):
            (root / name).mkdir(parents=True)
        for name in ("bin", "sbin", "lib", "lib64"):
            (root / name).symlink_to(f"usr/{name}")
        for name in ("passwd", "group", "ld.so.cache"):
            shutil.copy(f"/etc/{name}", root / "etc")
        shutil.copytree("/etc/alternatives", root / "etc/alternatives", symlinks=True)
        return root

    def program_times(self, shell, source):
        times = {}
        shell(f"cat > /tmp/hello.c <<'E'\n{source}E")
        for name, command in WORKLOADS:
            count = 5 if "200" in name else 15
            out = shell("export PATH=/usr/local/bin:/usr/bin:/bin HOME=/tmp\n"
                        f"for n in {{1..{count}}}; do s=$EPOCHREALTIME\n"
                        f"{command} >/dev/null\n"
                        'e=$EPOCHREALTIME; echo "$s $e"; done')
            spans = [float(e) - float(s) for s, e in
                     (line.split() for line in out.splitlines())]
            times[name] = statistics.median(spans[1:])
        return times

    # -- many --------------------------------------------------------------

    def many(self, count=100):
        print(f"# {count} sandboxes alive at once")
        start = time.perf_counter()
        for i in range(count):
            self.cmd("create", "-n", f"many{i}", "-m", "128M", self.rootfs)
        created = time.perf_counter() - start
        start = time.perf_counter()
        for i in range(count):
            out = self.cmd("exec", f"many{i}", "--", "echo", str(i)).stdout
            assert out == f"{i}\n", out
        answered = time.perf_counter() - start
        memory = 0
        for i in range(count):
            for pid in self.tree(f"many{i}"):
                text = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
                memory += int(re.search(r"^Pss:\s+(\d+)", text, re.M).group(1))
        print(f"created in {created:.1f} s, each answered an exec in {answered:.1f} s, "
              f"{memory / 1024 / count:.1f} MiB PSS each")
        self.cmd("rm", "-f", *[f"many{i}" for i in range(count)])
        start = time.perf_counter()
        procs = [subprocess.Popen([str(self.msb), "run", str(self.rootfs), "--", "true"],
                                  env=self.env, stdin=subprocess.DEVNULL) for _ in range(8)]
        codes = [p.wait() for p in procs]
        print(f"8 started at the same moment: {codes.count(0)} succeeded, all gone after "
              f"{time.perf_counter() - start:.2f} s")


    # -- shared directories --

    def fs(self):
        subprocess.run([sys.executable, str(ROOT / "bench/fs.py"), "--runs",
                        str(min(self.runs, 5))],
                       env={**os.environ, "MSB_BUILD": str(self.build)}, check=True)

    # -- the network --

    def net(self):
        subprocess.run([sys.executable, str(ROOT / "bench/net.py"), "--runs",
                        str(min(self.runs, 5))],
                       env={**os.environ, "MSB_BUILD": str(self.build)}, check=True)

    def tls(self):
        subprocess.run([sys.executable, str(ROOT / "bench/tls.py"), "--runs",
                        str(min(self.runs, 5))],
                       env={**os.environ, "MSB_BUILD": str(self.build)}, check=True)

    # -- logs --

    def logs(self):
        subprocess.run([sys.executable, str(ROOT / "bench/logs.py"), "--runs", str(self.runs)],
                       env={**os.environ, "MSB_BUILD": str(self.build)}, check=True)

    def logs_write(self):
        subprocess.run([sys.executable, str(ROOT / "bench/logs_write.py"), "--runs", str(self.runs)],
                       env={**os.environ, "MSB_BUILD": str(self.build)}, check=True)

    # -- metrics --

    def metrics(self):
        subprocess.run([sys.executable, str(ROOT / "bench/metrics.py"), "--build", str(self.build),
                        "--runs", str(self.runs)], check=True)

    # -- the kvm engine ----------------------------------------------------

    def kvm(self):
        """kvm.py on this machine, or in the emulated one of tests/kvm when it has no KVM."""
        flags = pathlib.Path("/proc/cpuinfo").read_text()
        program = [sys.executable, ROOT / "bench/kvm.py", "--runs", min(self.runs, 5)]
        if os.access("/dev/kvm", os.R_OK | os.W_OK) and re.search(r" (vmx|svm)\b", flags):
            subprocess.run([str(w) for w in program],
                           env={**os.environ, "MSB_BUILD": str(self.build)}, check=True)
            return
        env = {**os.environ, "MSB_BUILD": str(self.build)}
        if os.access("/dev/kvm", os.R_OK | os.W_OK):
            # There is a KVM, which would emulate every instruction; no guest is entered for this part.
            with tempfile.NamedTemporaryFile("w") as shown:
                shown.write(re.sub(r"(?m)^flags\s*:", r"\g<0> svm", flags))
                shown.flush()
                subprocess.run([*["unshare", "-m" if os.geteuid() == 0 else "-rm", "sh", "-c",
                                 'mount --bind "$0" /proc/cpuinfo && exec "$@"', shown.name],
                                *[str(w) for w in program], "first_instruction"], env=env, check=True)
        print("# in a machine with emulated SVM: only ratios mean anything")
        # The emulator takes a millisecond to clear a page that held code, and seconds for a whole
        # guest: it does so when a guest has ended, not when the next one is measured.
        machine = [sys.executable, ROOT / "tests/kvm/run.py", "--build", self.build, "--limit",
                   "3600", "--kernel-options=init_on_free=1", "--package", "e2fsprogs", "--add", "/usr/share/qemu"]
        for name in ("qemu-system-x86_64", "qemu-system-x86_64-microvm"):
            if shutil.which(name):
                machine += ["--add", shutil.which(name)]
        command = ["python3", "bench/kvm.py", *program[2:], "boot", "exits", "memory"]
        reference = os.environ.get("MSB_REFERENCE")
        if reference:
            machine += ["--add", f"{reference}:/opt/reference"]
            command = ["env", "MSB_REFERENCE=/opt/reference", *command]
        subprocess.run([str(w) for w in [*machine, "--", *command]], check=True)


    # -- languages ---------------------------------------------------------

    def sdk(self):
        """sdk.py: the packages of the languages, against the C interface and msb exec."""
        subprocess.run([sys.executable, str(ROOT / "bench/sdk.py"), "--build", str(self.build),
                        "--runs", str(self.runs)], check=True)

    # -- images ------------------------------------------------------------

    def images(self):
        """images.py: pulling and starting images, against skopeo and umoci."""
        subprocess.run([sys.executable, str(ROOT / "bench/images.py"), "--build", str(self.build),
                        "--runs", str(self.runs)], check=True)


def main():
    parts = ["boot", "idle", "programs", "many", "fs", "net", "tls", "images", "logs", "logs-write", "metrics", "sdk",
             "kvm"]
    ap = argparse.ArgumentParser(description=__doc__)
    ap.add_argument("--build", default="build")
    ap.add_argument("--runs", type=int, default=20)
    ap.add_argument("part", nargs="*", choices=[*parts, []], help="default: all")
    args = ap.parse_args()
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    bench = Bench(args.build, args.runs)
    try:
        for part in args.part or parts:
            getattr(bench, part.replace("-", "_"))()
            print(flush=True)
    finally:
        bench.close()


if __name__ == "__main__":
    main()
