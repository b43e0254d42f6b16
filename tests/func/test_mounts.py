# SPDX-License-Identifier: Apache-2.0
"""Shared directories: what may not be shared, mount options, single files, quotas."""
import os
import shutil

import pytest

from conftest import wait_for
from mountguest import PRELUDE, guest  # noqa: F401


# --- what may not be shared, and who says so ---


def test_a_directory_without_attributes(guest):
    p = guest.msb("run", "-v", "/sys/kernel:/m", guest.msb.rootfs, "--", "/bin/true")
    assert p.returncode == 125 and "/sys/kernel" in p.stderr and "relaxed" in p.stderr, p.stderr
    assert "uevent_seqnum" in guest.once('print(os.listdir("/m"))',
                                         "/sys/kernel:/m:stat-virt=relaxed,ro")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_directory_of_somebody_else(guest):
    p = guest.msb("run", "-v", "/usr:/m", guest.msb.rootfs, "--", "/bin/true")
    assert p.returncode == 125 and "'/usr'" in p.stderr and "relaxed" in p.stderr, p.stderr
    assert "bin" in guest.once('print(os.listdir("/m"))', "/usr:/m:stat-virt=relaxed,ro")


def test_read_only_is_enforced_by_the_host(guest):
    (guest.data / "f").write_text("original")
    (guest.data / "d").mkdir()
    before = os.stat(guest.data / "f")
    guest.once("""
        subprocess.run(["mount", "-o", "remount,rw", "/m"], check=True)
        ro = errno.EROFS
        fails(ro, put, "/m/new")
        fails(ro, os.open, "/m/f", os.O_WRONLY)
        fails(ro, os.open, "/m/f", os.O_RDONLY | os.O_TRUNC)
        fails(ro, os.mkdir, "/m/x")
        fails(ro, os.mknod, "/m/x")
        fails(ro, os.symlink, "a", "/m/x")
        fails(ro, os.link, "/m/f", "/m/x")
        fails(ro, os.unlink, "/m/f")
        fails(ro, os.rmdir, "/m/d")
        fails(ro, os.rename, "/m/f", "/m/x")
        fails(ro, os.chmod, "/m/f", 0o777)
        fails(ro, os.chown, "/m/f", 1, 1)
        fails(ro, os.truncate, "/m/f", 0)
        fails(ro, os.utime, "/m/f")
        fails(ro, os.setxattr, "/m/f", "user.x", b"")
        fails(ro, os.removexattr, "/m/f", "user.x")
        fails(ro, os.open, "/m", os.O_TMPFILE | os.O_RDWR)
        assert open("/m/f").read() == "original"
        """, f"{guest.data}:/m:ro")
    after = os.stat(guest.data / "f")
    assert sorted(os.listdir(guest.data)) == ["d", "f"]
    assert (after.st_mtime_ns, after.st_ctime_ns) == (before.st_mtime_ns, before.st_ctime_ns)


def test_noexec_is_enforced_by_the_host(guest):
    shutil.copy("/usr/bin/true", guest.data / "true")
    guest.once("""
        fails(errno.EACCES, subprocess.run, ["/m/true"])
        subprocess.run(["mount", "-o", "remount,exec", "/m"], check=True)
        fails(errno.EACCES, subprocess.run, ["/m/true"])
        assert os.stat("/m/true").st_mode & 0o111 == 0
        """, f"{guest.data}:/m:noexec")


def test_mount_flags(guest):
    out = guest.once('print(open("/proc/mounts").read())',
                     f"{guest.data}:/m:nosuid,nodev,noexec,ro")
    flags = next(line.split()[3] for line in out.splitlines() if " /m " in line).split(",")
    assert {"ro", "nosuid", "nodev", "noexec"} <= set(flags)


def test_symbolic_links_in_the_path_of_a_mount(guest):
    (guest.msb.base / "door").symlink_to(guest.data)
    (guest.data / "inner").mkdir()
    (guest.data / "f").write_text("text")
    (guest.msb.base / "file").symlink_to("data/f")
    for path in ("door", "door/inner"):
        p = guest.msb("run", "-v", f"{guest.msb.base}/{path}:/m", guest.msb.rootfs, "--", "true")
        assert p.returncode == 125 and "symbolic link" in p.stderr, p.stderr


# --- single files ---


def test_a_single_file(guest):
    conf = guest.data / "app.conf"
    conf.write_text("first")
    (guest.data / "secret").write_text("not for the guest")
    guest.start("box", mounts=[f"{conf}:/etc/app/app.conf"])
    assert guest.python('print(open("/etc/app/app.conf").read(), os.listdir("/etc/app"))') == \
        "first ['app.conf']\n"
    guest.python('put("/etc/app/app.conf", "by the guest")')
    assert conf.read_text() == "by the guest"
    new = guest.data / "new"
    new.write_text("replaced by rename")
    os.rename(new, conf)
    assert guest.python('print(open("/etc/app/app.conf").read())') == "replaced by rename\n"
    guest.python("""
        fails(errno.EBUSY, os.unlink, "/etc/app/app.conf")
        os.chmod("/etc/app/app.conf", 0o640)
        """)
    assert conf.read_text() == "replaced by rename"


def test_a_single_file_that_is_read_only(guest):
    conf = guest.data / "app.conf"
    conf.write_text("first")
    guest.once("""
        fails(errno.EROFS, os.open, "/etc/app.conf", os.O_WRONLY)
        subprocess.run(["mount", "-o", "remount,rw", "/etc/app.conf"], check=False)
        fails(errno.EROFS, os.open, "/etc/app.conf", os.O_WRONLY)
        """, f"{conf}:/etc/app.conf:ro")
    assert conf.read_text() == "first"


# --- quotas ---


def test_quota(guest):
    (guest.data / "before").write_bytes(bytes(3 << 20))
    guest.start("box", mounts=[f"{guest.data}:/m:quota=10M"])
    guest.python("""
        fd = os.open("/m/a", os.O_CREAT | os.O_WRONLY, 0o644)
        for _ in range(160):
            assert os.write(fd, b"x" * 65536) == 65536
        fails(errno.ENOSPC, os.write, fd, b"x")
        s = os.statvfs("/m")
        assert (s.f_bsize, s.f_blocks, s.f_bavail, s.f_namemax) == (4096, 13 << 8, 0, 255), s
        os.ftruncate(fd, 5 << 20)
        assert os.statvfs("/m").f_bavail == 5 << 8
        put("/m/b", "y" * (5 << 20))
        fails(errno.ENOSPC, os.truncate, "/m/b", 6 << 20)
        fails(errno.ENOSPC, os.posix_fallocate, fd, 0, 6 << 20)
        fails(errno.ENOSPC, os.setxattr, "/m/b", "user.x", b"x" * 1000)
        # a file that is open counts, also without a name
        os.unlink("/m/a")
        fails(errno.ENOSPC, put, "/m/c", "z" * 1000)
        os.close(fd)
        """)
    # and space comes back, also by what the host does
    wait_for(lambda: guest.msb("exec", "box", "--", "/usr/bin/python3", "-S", "-c", PRELUDE +
                               'put("/m/c", "z" * 1000)').returncode == 0, "the space to come back")
    os.unlink(guest.data / "b")
    guest.python('put("/m/d", "z" * (9 << 20))')


@pytest.mark.parametrize("options", ["", ":quota=10M"])
def test_a_mount_has_a_size(guest, options):
    """By default a guest cannot fill the host's disk either."""
    out = guest.once("""
        s = os.statvfs("/m")
        print(s.f_blocks * s.f_frsize >> 20)
        """, f"{guest.data}:/m{options}")
    assert int(out) == (10 if options else 4096)


def test_links_in_the_path_of_a_mount_when_allowed(guest):
    (guest.msb.base / "door").symlink_to(guest.data)
    (guest.data / "f").write_text("text")
    (guest.msb.base / "file").symlink_to("data/f")
    guest.start("box", mounts=[f"{guest.msb.base}/door:/m:follow-root-symlinks",
                               f"{guest.msb.base}/file:/etc/conf:follow-root-symlinks"])
    guest.python("""
        assert open("/m/f").read() == open("/etc/conf").read() == "text"
        put("/etc/conf", "changed")
        put("/m/new", "new")
        """)
    assert (guest.data / "f").read_text() == "changed"
    assert (guest.data / "new").read_text() == "new"
