# SPDX-License-Identifier: Apache-2.0
"""Boots a stock Debian kernel in QEMU with devices of ours behind vhost-user sockets."""
import os
import pathlib
import subprocess
import sys
import time

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tests"))
import qemu  # noqa: E402

BUILD = pathlib.Path(os.environ.get("MSB_BUILD", ROOT / "build"))
SERVER = BUILD / "tests" / "msb-vhost"
DEADLINE = 600  # of one boot under software emulation; generous, never a measurement
MODULES = [*qemu.VIRTIO, "drivers/block/virtio_blk", "fs/fuse/fuse", "fs/fuse/virtiofs",
           "net/core/failover", "drivers/net/net_failover", "drivers/net/virtio_net"]
INIT = """#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev
mount -t tmpfs tmp /tmp
for m in {modules}; do insmod /modules/$m.ko || echo "INSMOD FAILED $m"; done
echo @@begin
sh /test.sh
echo "@@end $?"
poweroff -f
"""


class Server:
    """One msb-vhost; ends when its standard input is closed."""

    def __init__(self, directory, *words):
        self.socket = directory / f"{words[0]}.sock"
        self.log = directory / f"{words[0]}.log"
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen([SERVER, *words, self.socket], stdin=subprocess.PIPE,
                                            stdout=subprocess.DEVNULL, stderr=log)
        end = time.monotonic() + 60
        while "ready" not in self.log.read_text():
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < end
            time.sleep(0.02)

    def stop(self):
        """Its exit status and what it told."""
        self.process.stdin.close()
        return self.process.wait(timeout=60), self.log.read_text().splitlines()


class Machine:
    def __init__(self, directory, kernel):
        self.directory = directory
        self.image, self.modules = kernel
        self.servers = []

    def serve(self, *words):
        server = Server(self.directory, *words)
        self.servers.append(server)
        return server

    def run(self, script, *devices):
        """Boot, run the script, return its lines; devices = (driver, server)."""
        archive = self.directory / "initramfs"
        archive.write_bytes(qemu.initramfs(self.modules, MODULES, INIT,
                                           ("test.sh", 0o100644, script.encode())))
        cmd = [qemu.QEMU, "-machine", "q35,accel=tcg", "-cpu", "max", "-smp", "1", "-m", "512",
               "-object", "memory-backend-memfd,id=mem,size=512M,share=on",
               "-numa", "node,memdev=mem", "-nodefaults", "-display", "none", "-serial", "stdio",
               "-no-reboot", "-kernel", self.image, "-initrd", archive,
               "-append", "console=ttyS0 quiet panic=-1"]
        for i, (driver, server) in enumerate(devices):
            cmd += ["-chardev", f"socket,id=c{i},path={server.socket}"]
            if driver.startswith("virtio-net"):
                cmd += ["-netdev", f"vhost-user,id=n{i},chardev=c{i}",
                        "-device", f"{driver},netdev=n{i}"]
            else:
                cmd += ["-device", f"{driver},chardev=c{i}"]
        done = subprocess.run([str(c) for c in cmd], stdin=subprocess.DEVNULL, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, errors="replace",
                              timeout=DEADLINE)
        lines = [line.strip() for line in done.stdout.splitlines()]
        assert done.returncode == 0 and "@@begin" in lines and "@@end 0" in lines, done.stdout
        return lines[lines.index("@@begin") + 1:lines.index("@@end 0")]


@pytest.fixture
def machine(tmp_path):
    kernel = qemu.find_kernel(MODULES)
    if qemu.missing(kernel):
        pytest.skip(qemu.missing(kernel))
    m = Machine(tmp_path, kernel)
    yield m
    for server in m.servers:
        if server.process.poll() is None:
            server.process.kill()
            server.process.wait()
