# SPDX-License-Identifier: Apache-2.0
"""Runs a command with a directory as its root, which chroot() alone would not do:

    root.py ROOT USER LOOPBACK COMMAND...

A process that is only chrooted may make no user namespaces. So the directory becomes the root of a
mount namespace, with a /dev of a few devices, a /proc of its own process namespace, and /tmp and
/dev/shm in memory. The network has nothing but its loopback interface: a new one, or with LOOPBACK=host
the one there is, which is left for tests that serve something on it.
"""
import ctypes
import fcntl
import os
import pathlib
import socket
import struct
import sys

LIBC = ctypes.CDLL(None, use_errno=True)
CLONE_NEWNS, CLONE_NEWNET, CLONE_NEWPID, CLONE_NEWIPC = 0x20000, 0x40000000, 0x20000000, 0x08000000
MS_BIND, MS_REC, MS_PRIVATE, MNT_DETACH = 0x1000, 0x4000, 0x40000, 2
PIVOT_ROOT = {"x86_64": 155, "aarch64": 41}[os.uname().machine]
SIOCSIFFLAGS, IFF_UP = 0x8914, 1
DEVICES = ["null", "zero", "full", "random", "urandom", "tty"]


def check(result):
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def mount(source, target, kind=None, flags=0, data=None):
    check(LIBC.mount(*(None if t is None else str(t).encode() for t in (source, target, kind)),
                     ctypes.c_ulong(flags), None if data is None else data.encode()))


def devices(dev):
    mount("dev", dev, "tmpfs", data="mode=755")
    for name in DEVICES:
        (dev / name).touch()
        mount(f"/dev/{name}", dev / name, flags=MS_BIND)
    for name, kind, data in (("shm", "tmpfs", "mode=1777"), ("pts", "devpts", "newinstance,ptmxmode=666")):
        (dev / name).mkdir()
        mount(name, dev / name, kind, data=data)
    (dev / "ptmx").symlink_to("pts/ptmx")


def enter(root):
    mount("none", "/", flags=MS_REC | MS_PRIVATE)
    mount(root, root, flags=MS_BIND | MS_REC)
    for name in ("proc", "dev", "tmp"):
        (root / name).mkdir(exist_ok=True)
    mount("proc", root / "proc", "proc")
    mount("tmp", root / "tmp", "tmpfs", data="mode=1777")
    devices(root / "dev")
    os.chdir(root)
    check(LIBC.syscall(PIVOT_ROOT, b".", b"."))
    check(LIBC.umount2(b".", MNT_DETACH))
    os.chdir("/")


def loopback_up():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        fcntl.ioctl(s, SIOCSIFFLAGS, struct.pack("16sh22x", b"lo", IFF_UP))


def main():
    root, user, loopback, *command = sys.argv[1:]
    spaces = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | (0 if loopback == "host" else CLONE_NEWNET)
    check(LIBC.unshare(spaces))
    child = os.fork()
    if child:  # all of its processes end with it
        sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) & 0xff)
    if loopback != "host":
        loopback_up()
    enter(pathlib.Path(root))
    os.umask(0o022)
    os.setgroups([])
    os.setgid(int(user))
    os.setuid(int(user))
    # In here they see no other: an own session, and only the environment asked for.
    os.execve(command[0], command, {"HOME": "/tmp", "PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C",
                                    **{k: v for k, v in os.environ.items() if k.startswith("MSB_")}})


if __name__ == "__main__":
    main()
