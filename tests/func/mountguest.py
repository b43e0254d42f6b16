# SPDX-License-Identifier: Apache-2.0
"""A guest with a shared directory. Its programs are the host's, from its /usr: scripts are Python,
on both sides."""
import os
import shutil
import stat
import struct
import textwrap

import pytest


OVERRIDE = "user.msb.override_stat"
OVERRIDE_OLD = "user.containers.override_stat"
PRELUDE = """
import errno, fcntl, mmap, os, socket, stat, struct, subprocess, sys, threading
def fails(code, f, *args, **kw):
    try:
        f(*args, **kw)
    except OSError as e:
        assert e.errno == code, (e, errno.errorcode[code])
    else:
        raise AssertionError(f"{f} succeeded")
def show(path):
    s = os.lstat(path)
    return f"{s.st_mode:o} {s.st_uid}:{s.st_gid} {s.st_size}"
def put(path, text="", mode=0o644):
    fd = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, mode)
    os.write(fd, text.encode())
    os.close(fd)
os.umask(0o022)
"""


def has_user_xattrs(directory):
    try:
        os.setxattr(directory, "user.test", b"1")
        os.removexattr(directory, "user.test")
    except OSError:
        return False
    return True


@pytest.fixture
def guest(msb):
    """A home whose root directory borrows the host's programs; /m is to be mounted by the test."""
    if not shutil.which("python3", path="/usr/bin"):
        pytest.skip("no /usr/bin/python3")
    shutil.rmtree(msb.rootfs)
    for name in ("usr", "etc", "tmp", "root", "m"):
        (msb.rootfs / name).mkdir(parents=True)
    for name in ("bin", "sbin", "lib", "lib64"):
        (msb.rootfs / name).symlink_to(f"usr/{name}")
    for name in ("passwd", "group", "ld.so.cache"):
        shutil.copy(f"/etc/{name}", msb.rootfs / "etc")
    data = msb.base / "data"
    data.mkdir()
    if not has_user_xattrs(data):
        pytest.skip("no extended attributes in the directory for temporary files")
    return Guest(msb, data)


class Guest:
    def __init__(self, msb, data):
        self.msb = msb
        self.data = data

    def start(self, name="box", *options, mounts=None):
        words = []
        for m in mounts or [f"{self.data}:/m"]:
            words += ["-v", m]
        self.msb.ok("create", "-q", "-n", name, "-v", "/usr:/usr:ro", *words, *options,
                    self.msb.rootfs)
        return name

    def python(self, script, name="box", user=None):
        """Run a script in the guest; its output."""
        words = ["-u", user] if user else []
        p = self.msb("exec", *words, name, "--", "/usr/bin/python3", "-S", "-c",
                     PRELUDE + textwrap.dedent(script))
        assert p.returncode == 0, f"{p.stdout}\n{p.stderr}"
        return p.stdout

    def once(self, script, mount=None):
        """The same in a sandbox of its own."""
        name = self.start("once", mounts=[mount] if mount else None)
        try:
            return self.python(script, name)
        finally:
            self.msb.ok("rm", "-f", "-q", name)


def host_mode(path):
    return stat.S_IMODE(os.lstat(path).st_mode)


def override(uid, gid, mode, rdev=0):
    return struct.pack("<BxxxIIII", 1, uid, gid, mode, rdev)
