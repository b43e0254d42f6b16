#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Measures the file server against QEMU's C virtiofsd, and shared directories under uml.

Both servers serve a directory of the same file system to one guest under QEMU's software emulation, a
stock kernel, and take turns. There the guest's instructions take most of the time, so the CPU time
that each server uses is told as well. bench.py starts this.
"""
import argparse
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))
import qemu  # noqa: E402

BUILD = pathlib.Path(os.environ.get("MSB_BUILD", ROOT / "build"))
VIRTIOFSD = pathlib.Path("/usr/lib/qemu/virtiofsd")
MODULES = [*qemu.VIRTIO, "fs/fuse/fuse", "fs/fuse/virtiofs"]
DEADLINE = 1800
# name, preparation outside the measurement, what is measured; $m is the mount
WORKLOADS = [
    ("sequential write", "rm -f $m/big", "dd if=/dev/zero of=$m/big bs=1M count=$mib"),
    ("sequential read", "", "dd if=$m/big of=/dev/null bs=1M"),
    ("random read 4 KiB", "", "fsload read $m/big $blocks"),
    ("random write 4 KiB", "", "fsload write $m/big $blocks"),
    ("untar", "", "/opt/tar xf /tree.tar -C $m"),
    ("find and stat", "", "find $m/tree -size +100000k"),
    ("git status", "", "git -C $m/tree status --porcelain"),
    ("rm -r", "", "rm -r $m/tree"),
]
METADATA = {"untar", "find and stat", "git status", "rm -r"}
INIT = """#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/opt:/bin HOME=/
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev
for m in {modules}; do insmod /modules/$m.ko || echo "INSMOD FAILED $m"; done
sh /bench.sh
poweroff -f
"""


class Server:
    """A process that serves one directory on a socket."""

    def __init__(self, base, name, command):
        self.name = name
        self.directory = base / name
        self.directory.mkdir()
        self.socket = base / f"{name}.sock"
        self.log = open(base / f"{name}.log", "wb")
        words = [str(w).format(directory=self.directory, socket=self.socket) for w in command]
        self.process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=self.log,
                                        stderr=self.log)
        end = time.monotonic() + 30
        while not self.socket.exists():
            if self.process.poll() is not None or time.monotonic() > end:
                sys.exit(f"{name} does not start: {(base / f'{name}.log').read_text()}")
            time.sleep(0.01)

    def pids(self):
        """The process and what it has forked."""
        found, todo = [], [self.process.pid]
        while todo:
            pid = todo.pop()
            found.append(pid)
            for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
                todo += map(int, (task / "children").read_text().split())
        return found

    def cpu(self):
        """Seconds of CPU time so far."""
        total = 0
        for pid in self.pids():
            for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
                total += int((task / "schedstat").read_text().split()[0])
        return total / 1e9

    def close(self):
        self.process.stdin.close()
        try:
            self.process.wait(2)
        except subprocess.TimeoutExpired:
            self.process.terminate()
            self.process.wait()
        self.log.close()


def with_libraries(*programs):
    """(name, mode, bytes) of programs, as /opt/NAME, and what they are linked with."""
    own = {pathlib.Path(shutil.which(p)): f"opt/{p}" for p in programs}
    out = subprocess.run(["ldd", *own], text=True, stdout=subprocess.PIPE, check=True).stdout
    paths = {pathlib.Path(w.rstrip(":")) for line in out.splitlines() for w in line.split()
             if w.startswith("/")}
    return [(own.get(p, str(p).lstrip("/")), 0o100755, p.read_bytes()) for p in paths | {*own}]


def parents(files):
    """Directory entries for all files, and the files."""
    names = {str(d) for name, _, _ in files for d in pathlib.PurePath(name).parents} - {"."}
    return [(d, 0o40755, b"") for d in sorted(names)] + files


class Bench:
    def __init__(self, args, base):
        self.args = args
        self.base = base
        self.kernel = qemu.find_kernel(MODULES)
        missing = qemu.missing(self.kernel) or (not VIRTIOFSD.exists() and "no virtiofsd")
        if missing or os.geteuid():
            sys.exit(f"bench fs: {missing or 'virtiofsd wants to be started by root'}")
        self.servers = []
        for name, command in self.commands().items():
            self.servers.append(Server(base, name, command))

    def commands(self):
        theirs = [VIRTIOFSD, "--socket-path={socket}", "-o", "source={directory}", "-f",
                  "-o", "log_level=err"]
        return {"ours": [self.args.server, "fs", "{directory}", "{socket}"],
                "virtiofsd": theirs, "virtiofsd-xattr": [*theirs, "-o", "xattr"]}

    def tree(self):
        """A clone of this repository, the files of its source several times, as tar."""
        tree = self.base / "tree"
        subprocess.run(["git", "clone", "-q", "--depth=1", f"file://{ROOT}", tree], check=True)
        shutil.rmtree(tree / "kernel/prebuilt", ignore_errors=True)
        out = self.base / "tree.tar"
        subprocess.run(["tar", "-cf", out, "-C", self.base, "tree"], check=True)
        return out

    def script(self):
        # memory that the host has yet to give would be at the expense of whoever comes first
        lines = ["mkdir /warm && mount -t tmpfs -o size=70% warm /warm",
                 "dd if=/dev/zero of=/warm/up bs=1M 2>/err", "umount /warm",
                 f"mib={self.args.mib} blocks={self.args.blocks}",
                 "git config --global --add safe.directory '*'"]
        for i, server in enumerate(self.servers):
            lines.append(f"mkdir -p /mnt/{i} && mount -t virtiofs fs{i} /mnt/{i}")
        for turn in range(self.args.runs):
            for name, before, work in WORKLOADS:
                for i in range(len(self.servers)):
                    i = (i + turn) % len(self.servers)
                    lines += [f"m=/mnt/{i}", before or ":", "sync", "echo 3 >/proc/sys/vm/drop_caches",
                              f"echo '@@begin {i} {name}'", f"{work} >/dev/null 2>/err",
                              "echo \"@@end $?\"; cat /err | grep -v records"]
        return "\n".join(lines) + "\n"

    def initramfs(self):
        load = self.base / "fsload"
        subprocess.run(["gcc", "-O2", "-static", "-o", load, ROOT / "bench/fsload.c"], check=True)
        files = [*with_libraries("git", "tar"), ("bin/fsload", 0o100755, load.read_bytes()),
                 ("tree.tar", 0o100644, self.tree().read_bytes()),
                 ("bench.sh", 0o100644, self.script().encode())]
        return qemu.initramfs(self.kernel[1], MODULES, INIT, *parents(files))

    def run(self):
        archive = self.base / "initramfs"
        archive.write_bytes(self.initramfs())
        cmd = [qemu.QEMU, "-machine", "q35,accel=tcg", "-cpu", "max", "-smp", "1", "-m", "768",
               "-object", "memory-backend-memfd,id=mem,size=768M,share=on",
               "-numa", "node,memdev=mem", "-nodefaults", "-display", "none", "-serial", "stdio",
               "-no-reboot", "-kernel", self.kernel[0], "-initrd", archive,
               "-append", "console=ttyS0 quiet panic=-1"]
        for i, server in enumerate(self.servers):
            cmd += ["-chardev", f"socket,id=c{i},path={server.socket}",
                    "-device", f"vhost-user-fs-pci,tag=fs{i},chardev=c{i},queue-size=1024"]
        p = subprocess.Popen([str(c) for c in cmd], stdin=subprocess.DEVNULL,
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                             errors="replace")
        try:
            results = self.collect(p)
        finally:
            p.kill()
            p.wait()
        return results

    def collect(self, p):
        """{workload: {server: [(seconds, CPU seconds of the server)]}}"""
        results, log = {}, []
        for line in p.stdout:
            now = time.perf_counter()
            words = line.strip().split(None, 2)
            log.append(line)
            if words[:1] == ["@@begin"]:
                server = self.servers[int(words[1])]
                name, cpu, start = words[2], server.cpu(), time.perf_counter()
            elif words[:1] == ["@@end"]:
                if words[1] != "0":
                    sys.exit(f"{name} failed:\n{''.join(log[-5:])}")
                results.setdefault(name, {}).setdefault(server.name, []).append(
                    (now - start, server.cpu() - cpu))
        if any(len(r) != self.args.runs for w in results.values() for r in w.values()) \
                or len(results) != len(WORKLOADS):
            sys.exit("the guest ended early:\n" + "".join(log[-20:]))
        return results

    def close(self):
        for server in self.servers:
            server.close()


class Uml:
    """A source tree on a shared directory and on the root disk of a sandbox."""

    STEPS = [("untar", "tar xf /tree.tar -C $d"),
             ("compile", "cd $d/src && for f in base/*.c fs/*.c; do gcc -O0 -std=gnu17"
              " -D_GNU_SOURCE -I. -I../include -c $f -o $f.o || exit; done"),
             ("rm -r", "rm -r $d/src $d/include")]

    def __init__(self, args, base):
        self.args = args
        self.base = base
        self.env = {**os.environ, "MSB_HOME": str(base / "home")}
        self.share = base / "share"
        self.share.mkdir()
        self.disk = self.make_disk()
        self.msb("create", "-q", "-n", "fs", "-m", "1G", "-v", "/usr:/usr:ro", "-v",
                 f"{self.share}:/share:quota=0", self.disk)

    def msb(self, *words):
        return subprocess.run([str(w) for w in (BUILD / "msb", *words)], env=self.env, check=True,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True).stdout

    def make_disk(self):
        root = self.base / "root"
        for name in ("usr", "etc", "tmp", "root", "dev", "proc", "sys", "share", "local"):
            (root / name).mkdir(parents=True)
        for name in ("bin", "sbin", "lib", "lib64"):
            (root / name).symlink_to(f"usr/{name}")
        for name in ("passwd", "group", "ld.so.cache"):
            shutil.copy(f"/etc/{name}", root / "etc")
        shutil.copytree("/etc/alternatives", root / "etc/alternatives", symlinks=True)
        subprocess.run(["tar", "-cf", root / "tree.tar", "-C", ROOT, "src", "include"], check=True)
        disk = self.base / "disk.raw"
        with open(disk, "wb") as f:
            f.truncate(512 << 20)
        subprocess.run(["/sbin/mke2fs", "-q", "-F", "-t", "ext4", "-d", root, disk], check=True,
                       stdout=subprocess.DEVNULL)
        return disk

    def run(self):
        """{step: {place: [seconds]}}"""
        results = {}
        for turn in range(self.args.runs):
            for place in (("share", "local"), ("local", "share"))[turn % 2]:
                script = f"d=/{place}; sync; echo 3 >/proc/sys/vm/drop_caches\n" + "".join(
                    f"s=$EPOCHREALTIME; ({work}) || exit; echo {name.replace(' ', '_')} $s"
                    " $EPOCHREALTIME\n" for name, work in self.STEPS)
                for line in self.msb("exec", "fs", "--", "bash", "-c", script).splitlines():
                    name, start, end = line.split()
                    results.setdefault(name.replace("_", " "), {}).setdefault(place, []).append(
                        float(end) - float(start))
        return results

    def close(self):
        self.msb("rm", "-f", "-q", "fs")


def show_uml(results):
    print("# a source tree under uml: median seconds")
    print(f"{'':<20}{'shared directory':>20}{'root disk':>20}")
    for step, by in results.items():
        print(f"{step:<20}" + "".join(f"{statistics.median(by[p]):>20.3f}"
                                      for p in ("share", "local")))


def show(results, names):
    print("# file server: median seconds, and seconds of the server's own CPU time")
    print(f"{'':<20}" + "".join(f"{n:>26}" for n in names) + "     theirs / ours")
    for workload, by in results.items():
        wall = {n: statistics.median(t for t, _ in by[n]) for n in names}
        cpu = {n: statistics.median(c for _, c in by[n]) for n in names}
        ratios = [wall[n] / wall["ours"] for n in names[1:]]
        used = [cpu[n] / cpu["ours"] if cpu["ours"] else 0 for n in names[1:]]
        goal = 1.2 if workload in METADATA else 1
        print(f"{workload:<20}" + "".join(f"{wall[n]:>14.3f} cpu {cpu[n]:7.3f}" for n in names)
              + "     " + ", ".join(f"{r:.2f} (cpu {u:.2f})" for r, u in zip(ratios, used))
              + f"   (goal: at least {goal})")


def memory():
    """A directory in memory that takes extended attributes, else None."""
    try:
        with tempfile.NamedTemporaryFile(dir="/dev/shm") as f:
            os.setxattr(f.name, "user.test", b"")
        return "/dev/shm"
    except OSError:
        return None


def build_server(args):
    """The server is a program of the tests, which an ordinary build leaves out."""
    if args.server.exists():
        return
    build = ROOT / "build-test"
    if not (build / "build.ninja").exists():
        subprocess.run(["meson", "setup", build, "-Dwerror=true"], cwd=ROOT, check=True,
                       stdout=subprocess.DEVNULL)
    subprocess.run(["ninja", "-C", build, "--quiet", "tests/msb-vhost"], check=True)
    args.server = build / "tests/msb-vhost"


def main():
    ap = argparse.ArgumentParser(description=__doc__,
                                 formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--runs", type=int, default=3)
    ap.add_argument("--mib", type=int, default=64)
    ap.add_argument("--blocks", type=int, default=2000)
    ap.add_argument("--server", type=pathlib.Path, default=BUILD / "tests/msb-vhost")
    ap.add_argument("--dir", default=memory(), help="where the shared directories are made; default:"
                    " in memory, to measure the servers and not the disk")
    ap.add_argument("part", nargs="*", choices=["vhost", "uml", []], help="default: all")
    args = ap.parse_args()
    for part in args.part or ["vhost", "uml"]:
        base = pathlib.Path(tempfile.mkdtemp(prefix="msb-bench-fs-", dir=args.dir))
        bench = None
        try:
            if part == "vhost":
                build_server(args)
                bench = Bench(args, base)
                show(bench.run(), [s.name for s in bench.servers])
            else:
                bench = Uml(args, base)
                show_uml(bench.run())
        finally:
            if bench:
                bench.close()
            shutil.rmtree(base, ignore_errors=True)
        print(flush=True)


if __name__ == "__main__":
    main()
