#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Measures the kvm engine on a machine with KVM; bench.py starts it, in an emulated one if need be.

The opponent is QEMU's microvm machine with KVM: same kernel, same initramfs, same kernel options, same
devices, but the root directory as an ext4 disk. Both are timed from the start of their process to the
agent's first message. With --bare it has the disk and the agent's channel alone.
"""
import argparse
import contextlib
import functools
import os
import pathlib
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests/func")]
BUILD = pathlib.Path(os.environ.get("MSB_BUILD", ROOT / "build"))
os.environ["MSB_BUILD"] = str(BUILD)
os.environ["MSB_TEST_ENGINE"] = "kvm"
import qemu  # noqa: E402
import wire  # noqa: E402
from conftest import KERNELS  # noqa: E402
from test_runtime import MEMORY_MIB, Box  # noqa: E402

KVM_STATS = pathlib.Path("/sys/kernel/debug/kvm")
OPPONENTS = ["qemu-system-x86_64-microvm", "qemu-system-x86_64"]  # the leaner one first
DEADLINE = 120
FIRST_RUNS = 20
# What our machine has besides root, console and agent channel.
DEVICES = ["-object", "rng-random,id=rng,filename=/dev/urandom", "-device", "virtio-rng-device,rng=rng",
           "-device", "virtio-balloon-device,free-page-reporting=on",
           "-netdev", "hubport,id=net,hubid=0", "-device", "virtio-net-device,netdev=net"]
# Of our command line, what concerns our machine alone.
OWN_OPTIONS = re.compile(r"^(virtio_mmio\.device|early(printk|con)|poweroff_port|8250|reboot|panic)")
EXITS = ["exits", "mmio_exits", "io_exits", "halt_exits", "irq_exits", "insn_emulation"]


def ms(seconds):
    return f"{seconds * 1000:9.1f} ms"


def summary(values):
    return f"median {ms(statistics.median(values))}   min {ms(min(values))}   max {ms(max(values))}"


def ratio(name, a, b, goal):
    print(f"{name:<44}{statistics.median(a) / statistics.median(b):6.2f}   (goal: at most {goal})")


def timed(args, **kw):
    start = time.perf_counter()
    p = subprocess.run([str(a) for a in args], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                       stderr=subprocess.PIPE, timeout=DEADLINE, **kw)
    took = time.perf_counter() - start
    if p.returncode:
        sys.exit(f"{args}: exit code {p.returncode}\n{p.stderr.decode(errors='replace')}")
    return took


def settle():
    """Wait until the last sandbox's runtime is gone, which gives its memory back after msb has ended."""
    def alive():
        for comm in pathlib.Path("/proc").glob("[0-9]*/comm"):
            with contextlib.suppress(OSError):
                if comm.read_text() == "msb-runtime\n":
                    return True
        return False

    end = time.monotonic() + DEADLINE
    while alive():
        if time.monotonic() > end:
            sys.exit("the sandbox before does not end")
        time.sleep(0.1)


class Ours:
    """msb-runtime started by hand: from its start to its own report of readiness."""

    name = "msb-runtime"

    def __init__(self, base, rootfs):
        self.base = pathlib.Path(tempfile.mkdtemp(dir=base))
        self.rootfs = rootfs

    def __enter__(self):
        self.box = Box(self.base, image=self.rootfs)
        if "ready" not in (self.box.report or {}):
            sys.exit(f"msb-runtime: {self.box.report}")
        self.took, self.pid = self.box.ready_after, self.box.process.pid
        return self

    def __exit__(self, *_):
        self.box.process.kill()
        self.box.process.wait()
        shutil.rmtree(self.base)

    def options(self):
        """The kernel's command line, without what only our machine understands."""
        frames = self.box.client().exec("cat", "/proc/cmdline")
        text = b"".join(f[3]["data"] for f in frames if f[2] == "core.exec.stdout").decode()
        return " ".join(w for w in text.split() if not OWN_OPTIONS.match(w))


class Microvm:
    """QEMU: from its start to the first bytes on the agent channel."""

    name = "QEMU microvm"

    def __init__(self, base, disk, options, cpu, devices):
        self.base = pathlib.Path(tempfile.mkdtemp(dir=base))
        self.disk, self.options, self.cpu, self.devices = disk, options, cpu, devices
        spec = {"block_root": {"kind": "disk-image", "device": "/dev/vda", "fstype": "ext4"},
                "hostname": "bench", "security_profile": "default",
                "unix_time_nanos": time.time_ns()}
        archive = (BUILD / "guest/initramfs.cpio").read_bytes()
        archive += qemu.cpio([("msb/boot.cbor", 0o100600, wire.encode(spec))])
        (self.base / "initramfs").write_bytes(archive)

    def command(self):
        program = next(filter(None, map(shutil.which, OPPONENTS)), None)
        if not program:
            sys.exit("there is no QEMU to compare with")
        return [program, "-M", "microvm,acpi=off,pic=on,pit=off,rtc=on,isa-serial=off,"
                "usb=off,x-option-roms=off",
                "-accel", "kvm", "-cpu", self.cpu, "-smp", "1", "-m", f"{MEMORY_MIB}M",
                "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
                "-global", "virtio-mmio.force-legacy=false",
                "-kernel", KERNELS["kvm"], "-initrd", self.base / "initramfs",
                "-append", f"{self.options} reboot=t panic=-1",
                "-drive", f"file={self.disk},format=raw,if=none,id=root,cache=unsafe,snapshot=off",
                "-device", "virtio-blk-device,drive=root",
                "-device", "virtio-serial-device,max_ports=2",
                "-chardev", f"socket,id=agent,path={self.base / 'agent'}",
                "-device", "virtserialport,chardev=agent,name=agent,nr=1", *self.devices]

    def listen(self):
        """The socket its agent channel leads to."""
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(self.base / "agent"))
        listener.listen()
        listener.settimeout(DEADLINE)
        return listener

    def __enter__(self):
        self.log = open(self.base / "log", "wb")
        listener = self.listen()
        start = time.perf_counter()
        self.process = subprocess.Popen([str(w) for w in self.command()], stdin=subprocess.DEVNULL,
                                        stdout=self.log, stderr=self.log)
        self.pid = self.process.pid
        try:
            self.agent = listener.accept()[0]
            self.agent.settimeout(DEADLINE)
            first = self.agent.recv(4096)
        except OSError:
            first = b""
        self.took = time.perf_counter() - start
        if b"core.ready" not in first:
            self.__exit__()
            sys.exit(f"QEMU: {first!r} on the agent channel\n{self.told}")
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.log.close()
        self.told = (self.base / "log").read_text(errors="replace")
        shutil.rmtree(self.base)


class Bench:
    def __init__(self, args):
        self.args = args
        self.base = pathlib.Path(tempfile.mkdtemp(prefix="msb-bench-"))
        self.rootfs = self.base / "rootfs"
        shutil.copytree(os.environ.get("MSB_TEST_ROOTFS", BUILD / "rootfs"), self.rootfs,
                        symlinks=True)
        self.env = {**os.environ, "MSB_HOME": str(self.base / "home")}
        self.disk = self.base / "disk"
        with open(self.disk, "wb") as f:
            f.truncate(32 << 20)
        subprocess.run(["/sbin/mke2fs", "-q", "-F", "-t", "ext4", "-d", self.rootfs, self.disk],
                       check=True, stdout=subprocess.DEVNULL)

    def ours(self):
        return Ours(self.base, self.rootfs)

    def microvm(self, options=None):
        return Microvm(self.base, self.disk, options or self.options, self.args.cpu,
                       [] if self.args.bare else DEVICES)

    @functools.cached_property
    def options(self):
        """The kernel options of our machine."""
        with self.ours() as m:
            return m.options()

    def msb(self, *args):
        return timed([BUILD / "msb", *args], env=self.env)

    def boot(self):
        print("# start of the process to the agent's first message, interleaved")
        reference = os.environ.get("MSB_REFERENCE")
        times = {"ours": [], "qemu": [], "run": [], "reference": []}
        for _ in range(self.args.runs):
            with self.ours() as m:
                times["ours"].append(m.took)
            with self.microvm() as m:
                times["qemu"].append(m.took)
            times["run"].append(self.msb("run", "--engine", "kvm", self.rootfs, "--", "echo"))
            settle()
            if reference:
                times["reference"].append(timed([reference, "run", self.rootfs, "--", "echo"],
                                                env={**os.environ, "HOME": str(self.base)}))
        print(f"msb-runtime to ready          {summary(times['ours'])}")
        print(f"QEMU microvm to ready         {summary(times['qemu'])}")
        print(f"msb run <dir> -- echo, whole  {summary(times['run'])}")
        ratio("ready, ours / QEMU microvm", times["ours"], times["qemu"], 0.7)
        if reference:
            print(f"reference run <dir> -- echo   {summary(times['reference'])}")
            ratio("run, ours / reference", times["run"], times["reference"], 0.25)

    def exits(self):
        """KVM's own counters, up to the moment the agent is ready."""
        if not KVM_STATS.exists():
            print("exits: not counted, /sys/kernel/debug is not mounted or not ours")
            return
        print("# exits of one boot until the agent is ready (KVM's counters)")
        print(f"{'':<16}" + "".join(f"{n:>16}" for n in EXITS))
        for make in (self.ours, self.microvm):
            with make() as m:
                counts = [sum(int(f.read_text()) for f in KVM_STATS.glob(f"{m.pid}-*/{name}"))
                          for name in EXITS]
            print(f"{m.name:<16}" + "".join(f"{n:>16}" for n in counts))

    def memory(self):
        print("# memory of one idle sandbox beyond its guest's (PSS of the runtime)")
        with self.ours() as m:
            m.box.client().exec("true")
            time.sleep(2)
            guest, own = split_memory(m.pid)
        print(f"guest's memory {guest / 1024:.1f} MiB, all else {own / 1024:.1f} MiB"
              "   (goal: at most 12)")

    def first_instruction(self):
        """No guest runs for this: it holds for a host that has KVM without hardware for it, too."""
        print("# CPU time of the virtual machine monitor from its start to the first entry into the guest")
        program = self.base / "first_run"
        subprocess.run(["gcc", "-O2", "-Wall", "-Wextra", "-Werror", "-o", program,
                        ROOT / "bench/first_run.c"], check=True)
        env = {**self.env, "MSB_HOME": str(self.base / "first")}
        ours = [BUILD / "msb", "run", "--engine", "kvm", self.rootfs, "--", "true"]
        microvm = self.microvm("console=hvc0")
        times = {"msb-runtime": [], Microvm.name: []}
        with microvm.listen():
            for _ in range(FIRST_RUNS):
                for name, command in zip(times, (ours, microvm.command())):
                    p = subprocess.run([str(w) for w in [program, *command]], env=env, stdin=subprocess.DEVNULL,
                                       capture_output=True, timeout=DEADLINE, check=False)
                    if p.returncode:
                        sys.exit(f"{command}: {p.stderr.decode(errors='replace')}")
                    times[name].append(int(p.stdout) / 1e6)
                    shutil.rmtree(env["MSB_HOME"], ignore_errors=True)
        for name, values in times.items():
            print(f"{name:<16}{summary(values)}")
        ratio("ours / QEMU microvm", *times.values(), 1)
        print(f"msb-runtime: {ms(statistics.median(times['msb-runtime'])).strip()}   (goal: at most 10)")

    def close(self):
        shutil.rmtree(self.base, ignore_errors=True)


def split_memory(pid):
    """(guest, other) PSS in KiB; the guest's memory is the one mapping of its size."""
    sizes = {True: 0, False: 0}
    guest = False
    for line in pathlib.Path(f"/proc/{pid}/smaps").read_text().splitlines():
        m = re.match(r"^([0-9a-f]+)-([0-9a-f]+) ", line)
        if m:
            guest = int(m[2], 16) - int(m[1], 16) == MEMORY_MIB << 20
        elif line.startswith("Pss:"):
            sizes[guest] += int(line.split()[1])
    assert sizes[True], "no mapping has the size of the guest's memory"
    return sizes[True], sizes[False]


def main():
    parts = ["boot", "exits", "memory", "first_instruction"]
    ap = argparse.ArgumentParser(description=__doc__,
                                 formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--runs", type=int, default=5)
    ap.add_argument("--cpu", default="host,-xsave,-avx,-avx2,-arch-capabilities", help="QEMU's -cpu")
    ap.add_argument("--bare", action="store_true", help="QEMU's machine without rng, balloon and network")
    ap.add_argument("part", nargs="*", choices=[*parts, []], help="default: all")
    args = ap.parse_args()
    bench = Bench(args)
    try:
        for part in args.part or parts:
            getattr(bench, part)()
            print(flush=True)
    finally:
        bench.close()


if __name__ == "__main__":
    main()
