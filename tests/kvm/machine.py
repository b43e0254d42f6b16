# SPDX-License-Identifier: Apache-2.0
"""A machine with hardware KVM where there is none: QEMU's emulation of a CPU with SVM.

Boots Debian's cloud kernel with its KVM modules from an image of image.py, runs one command there
and brings back its output, its status and the files it left in /results.
"""
import contextlib
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tarfile
import tempfile
import time

import image

sys.path.insert(0, str(image.ROOT / "tests"))
import qemu  # noqa: E402

MODULES = [*qemu.VIRTIO, "drivers/block/virtio_blk", "virt/lib/irqbypass", "arch/x86/kvm/kvm",
           "arch/x86/kvm/kvm-amd", "fs/fuse/fuse", "fs/overlayfs/overlay", "drivers/net/tun"]
RESULT_MIB = 256  # sparse
# Besides the first, which runs no guest: restoring floating point state on any CPU of QEMU 7.2 rewrites
# flags of the first one (cpu_clear_ignne() on hflags2), and if that one enters or leaves a guest at this
# moment, it goes on with the guest's interrupt flag or page tables.
CPUS = 2
LAST_LINES = 150  # of the console, shown with a failure
SILENCE = 180  # seconds without a sign of life after which the machine's kernel hangs
GRACE = 30  # seconds between the limit told to the command and the end of the machine

INIT = """#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin
mount -t proc proc /proc
mount -t devtmpfs dev /dev
for m in {modules}; do insmod /modules/$m.ko || echo "INSMOD FAILED $m"; done
mount -t ext4 -o noatime,nobarrier,user_xattr /dev/vda /mnt || poweroff -f
mount -t tmpfs -o mode=755 run /mnt/run
cp /first /order /mnt/run
mount --move /dev /mnt/dev
umount /proc
exec switch_root /mnt /bin/bash /run/first
"""

# What is in /results outlives the machine from here on.
KEEP = "tar -cf /dev/vdb -C /results . && sync"
# PID 1 of the machine; bash reaps what loses its parent while it waits.
FIRST = """
export PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin HOME=/root LANG=C.UTF-8 TERM=dumb
taskset -cp 1-{cpus} $$ >/dev/null
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mkdir -p /dev/pts /dev/shm /results
ln -s /proc/self/fd /dev/fd
ln -s fd/0 /dev/stdin; ln -s fd/1 /dev/stdout; ln -s fd/2 /dev/stderr
mount -t devpts -o gid=5,mode=620,ptmxmode=666 devpts /dev/pts
mount -t tmpfs -o mode=1777 shm /dev/shm
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mount -t debugfs debugfs /sys/kernel/debug
mount -t tracefs tracefs /sys/kernel/tracing
chown 0:105 /dev/kvm; chmod 666 /dev/kvm /dev/net/tun
chmod 1777 /results
hostname nested
ip link set lo up 2>/dev/null || busybox ifconfig lo up
# a host has routes, or its guests get no addresses; these lead nowhere
busybox ip route add 192.0.2.0/24 dev lo
busybox ip -6 route add 2001:db8::/32 dev lo
ulimit -n 65536
cd {home}
while sleep 5; do echo alive >/dev/ttyS2; done &
mkfifo /run/kept
python3 -ISB tests/kvm/inside/keep_apic.py >/run/kept & read -r _ </run/kept
{run}
echo $status >/results/.status
cd /
{keep}
busybox poweroff -f
"""
# The command's output has a serial line of its own, free of the kernel's messages.
# What the command leaves running has no say in when that ends.
RUN = """stty -F /dev/ttyS1 raw -echo
mkfifo /run/output
cat </run/output >/dev/ttyS1 & cat=$!
setsid -w timeout -k 10 -s INT {limit} bash /run/order </dev/null >/run/output 2>&1
status=$?
for i in {{1..30}}; do kill -0 $cat 2>/dev/null || break; sleep 0.1; done"""
SHELL = "stty -F /dev/ttyS0 sane; setsid -c -w bash -i </dev/ttyS0 >/dev/ttyS0 2>&1; status=$?"


class MachineError(Exception):
    """The machine did not come to an orderly end."""


class Stopped(Exception):
    """A signal asks this process to end."""


def unavailable():
    """Why there can be no machine on this host, or None."""
    if not pathlib.Path("/sbin/mke2fs").exists():
        return "mke2fs is not installed"
    return qemu.missing(qemu.find_kernel(MODULES))


def raise_stopped(number, frame):
    raise Stopped(signal.Signals(number).name)


def command_line(directory, kernel, memory_mib, options, interactive):
    cmd = [qemu.QEMU, "-M", "q35", "-accel", "tcg,thread=multi", "-cpu", "max,+svm,+npt",
           "-smp", str(1 + CPUS), "-m", str(memory_mib), "-nodefaults", "-display", "none", "-no-reboot",
           "-kernel", kernel, "-initrd", directory / "initramfs",
           "-append", "console=ttyS0 quiet nokaslr panic=-1 oops=panic unknown_nmi_panic "
           f"mitigations=off softlockup_panic=1 watchdog_thresh=30 {options}"]
    for name in ("root", "results"):
        cmd += ["-drive", f"file={directory / name},format=raw,if=none,id={name},cache=unsafe,"
                "discard=unmap", "-device", f"virtio-blk-pci,drive={name}"]
    cmd += ["-monitor", f"unix:{directory / 'monitor'},server=on,wait=off"]
    if interactive:
        return [*cmd, "-chardev", "stdio,id=console,signal=off", "-serial", "chardev:console"]
    return [*cmd, "-chardev", f"file,id=console,path={directory / 'console'}",
            "-serial", "chardev:console", "-serial", "stdio", "-serial", f"file:{directory / 'alive'}"]


class Machine:
    """One run; use as a context manager, so that nothing is left behind."""

    def __init__(self, build, memory_mib=3072, packages=(), extra=(), options=""):
        self.build, self.memory_mib, self.options = build, memory_mib, options
        self.packages, self.extra = packages, extra
        self.directory = None
        self.process = None

    def __enter__(self):
        self.old = [(s, signal.signal(s, raise_stopped))
                    for s in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)]
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="msb-kvm-"))
        return self

    def __exit__(self, *exception):
        for number, handler in self.old:
            signal.signal(number, signal.SIG_IGN if exception[0] is Stopped else handler)
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.directory, ignore_errors=True)
        for number, handler in self.old:
            signal.signal(number, handler)

    def prepare(self, order, limit, interactive):
        self.kernel, modules = qemu.find_kernel(MODULES)
        image.make(self.directory / "root", self.build, self.directory, self.packages, self.extra)
        with open(self.directory / "results", "wb") as f:
            f.truncate(RESULT_MIB << 20)
        run = SHELL if interactive else RUN.format(limit=limit)
        first = FIRST.format(home=image.HOME, run=run, keep=KEEP, cpus=CPUS)
        (self.directory / "initramfs").write_bytes(
            qemu.initramfs(modules, MODULES, INIT, ("first", 0o100644, first.encode()),
                           ("order", 0o100644, order.encode())))

    def run(self, order, output=None, limit=600, interactive=False):
        """Run a bash script in a new machine; bytes of its output go to the file `output`.

        limit: seconds, after which the script gets SIGINT and soon the machine its end.
        Returns the script's status; its files are in results().
        """
        self.prepare(order, limit, interactive)
        cmd = command_line(self.directory, self.kernel, self.memory_mib, self.options,
                           interactive)
        wait = None if interactive else limit + GRACE
        stdout = None if interactive or output is None else output
        self.process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", *map(str, cmd)],
            stdin=None if interactive else subprocess.DEVNULL,
            stdout=stdout if interactive or output is not None else subprocess.DEVNULL,
            stderr=subprocess.STDOUT, start_new_session=not interactive)
        why = self.wait(wait)
        if why:
            registers = self.interrupt()
            self.process.kill()
            self.process.wait()
            raise MachineError(f"{why}; the console's last lines:\n{self.console()}\n{registers}")
        results = self.results()
        if ".status" not in results:
            raise MachineError("the machine ended before the command did (its kernel crashed?); "
                               "the console's last lines:\n" + self.console())
        return int(results[".status"])

    def wait(self, limit):
        """Wait for the machine's end, for limit seconds if not None; why that does not come, or None."""
        begin = time.monotonic()
        while True:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(1)
                return None
            if limit is None:
                continue
            if time.monotonic() - begin > limit:
                return f"no end after {limit} s"
            with contextlib.suppress(OSError):  # before QEMU has made the file
                if time.time() - (self.directory / "alive").stat().st_mtime > SILENCE:
                    return f"no sign of life for {SILENCE} s"

    def interrupt(self):
        """Make a kernel that may be stuck say where (an NMI panics it); returns its registers."""
        def ask(command):
            monitor.sendall(command + b"\n")
            with contextlib.suppress(OSError):
                while chunk := monitor.recv(65536):
                    told.extend(chunk)

        told = bytearray()
        try:
            with socket.socket(socket.AF_UNIX) as monitor:
                monitor.settimeout(2)
                monitor.connect(str(self.directory / "monitor"))
                ask(b"info registers -a")
                ask(b"nmi")
            self.process.wait(10)
        except (OSError, subprocess.TimeoutExpired):
            pass
        text = told.decode(errors="replace").replace("\r", "")
        return "\n".join(line for line in text.splitlines() if re.match(r"CPU#|[RE]IP=|R?CR|CR|CS", line))

    def console(self):
        """The last lines of the kernel's console."""
        try:
            text = (self.directory / "console").read_text(errors="replace")
        except OSError:
            return "(none)"
        return "\n".join(text.replace("\r", "").splitlines()[-LAST_LINES:])

    def results(self):
        """Content of the files in /results by name; empty if the machine did not get so far."""
        found = {}
        try:
            with tarfile.open(self.directory / "results", "r:") as tar:
                for member in tar:
                    if member.isfile():
                        found[member.name.removeprefix("./")] = tar.extractfile(member).read()
        except (tarfile.TarError, OSError):
            return {}
        return found
