# SPDX-License-Identifier: Apache-2.0
"""Shared directories as guests and the host see them: attributes, contents, policies.

The guest's programs are the host's, from its /usr: scripts here are Python, on both sides.
"""
import fcntl
import os
import shutil
import stat
import struct
import subprocess
import textwrap
import threading

import pytest

from conftest import DEADLINE, MSB, wait_for

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


# --- where the guest's attributes are kept ---


def test_private(guest):
    out = guest.once("""
        put("/m/a")
        os.chown("/m/a", 1000, 1000)
        os.chmod("/m/a", 0o4755)
        os.mkdir("/m/d")
        os.chmod("/m/d", 0o2775)
        os.mknod("/m/null", stat.S_IFCHR | 0o666, os.makedev(1, 3))
        os.symlink("x", "/m/link")
        for name in ("a", "d", "null", "link"):
            print(name, show("/m/" + name))
        print(os.major(os.stat("/m/null").st_rdev), os.minor(os.stat("/m/null").st_rdev))
        assert os.readlink("/m/link") == "x"
        """)
    assert out.splitlines() == ["a 104755 1000:1000 0", "d 42775 0:0 4096", "null 20644 0:0 0",
                                "link 120777 0:0 1", "1 3"]
    m = guest.data
    for name, mode in (("a", 0o600), ("d", 0o700), ("null", 0o600), ("link", 0o600)):
        assert host_mode(m / name) == mode and os.lstat(m / name).st_uid == os.geteuid()
    assert os.getxattr(m / "a", OVERRIDE) == override(1000, 1000, 0o104755)
    assert os.getxattr(m / "null", OVERRIDE) == override(0, 0, 0o20644, 0x103)
    assert (m / "null").read_bytes() == b"" and (m / "link").read_text() == "x"
    # and they are there the next time
    assert guest.once('print(show("/m/a")); os.unlink("/m/null")').split() == [
        "104755", "1000:1000", "0"]
    assert not (m / "null").exists()


def test_mirror(guest):
    out = guest.once("""
        put("/m/a"); put("/m/none"); put("/m/suid"); put("/m/owned")
        os.chmod("/m/none", 0)
        os.chmod("/m/suid", 0o6755)
        os.chown("/m/owned", 1, 1)
        os.mkdir("/m/d", 0o700)
        os.chmod("/m/d", 0o500)
        os.mkfifo("/m/fifo", 0o666)
        print(*(show("/m/" + n).split()[0] for n in ("a", "none", "suid", "d", "fifo")))
        """, f"{guest.data}:/m:host-perms=mirror")
    assert out.split() == ["100644", "100000", "106755", "40500", "10644"]
    modes = [host_mode(guest.data / n) for n in ("a", "none", "suid", "d", "fifo")]
    assert modes == [0o644, 0o600, 0o755, 0o700, 0o600]
    assert (guest.data / "owned").stat().st_uid == os.geteuid()


def test_relaxed_and_off_make_real_links(guest):
    for mode in ("relaxed", "off"):
        guest.once(f'os.symlink("target", "/m/{mode}")', f"{guest.data}:/m:stat-virt={mode}")
        assert os.readlink(guest.data / mode) == "target"


def test_off(guest):
    m = guest.data
    (m / "planted").touch()
    os.chmod(m / "planted", 0o644)
    os.setxattr(m / "planted", OVERRIDE, override(5, 5, 0o104755))
    out = guest.once(f"""
        print(show("/m/planted").split()[0])
        fails(errno.EPERM, os.chown, "/m/planted", 1, 1)
        os.chmod("/m/planted", 0o444)
        fails(errno.EOPNOTSUPP, os.mknod, "/m/n", stat.S_IFCHR | 0o666, os.makedev(1, 3))
        assert os.listxattr("/m/planted") == []
        fails(errno.EACCES, os.getxattr, "/m/planted", "{OVERRIDE}")
        fails(errno.EACCES, os.removexattr, "/m/planted", "{OVERRIDE_OLD}")
        """, f"{m}:/m:stat-virt=off")
    assert out.split() == ["100644"]
    assert host_mode(m / "planted") == 0o644  # never less than the server needs
    assert os.getxattr(m / "planted", OVERRIDE) == override(5, 5, 0o104755)


def test_owners(guest):
    """The host user's files are the guest user's, others belong to nobody."""
    (guest.data / "mine").touch()
    foreign = []
    if os.geteuid() == 0:
        foreign = ["foreign"]
        os.chown(guest.data, 65533, 65533)
        os.chown(guest.data / "mine", 65533, 65533)
        (guest.data / "foreign").touch()
        os.chown(guest.data / "foreign", 4711, 4711)
    out = guest.once(f"""
        for name in ["mine", *{foreign}]:
            print(show("/m/" + name).split()[1])
        put("/m/mine", "by the guest")
        """)
    assert out.split() == ["0:0"] + ["65534:65534"] * len(foreign)
    assert (guest.data / "mine").read_text() == "by the guest"


def test_corrupt_overrides_hurt_one_file_only(guest):
    good = override(5, 5, 0o100644)
    values = [good[:19], good + b"\0", b"\0" + good[1:], b"\2" + good[1:], b""]
    for i, value in enumerate(values):
        (guest.data / f"bad{i}").touch()
        os.setxattr(guest.data / f"bad{i}", OVERRIDE, value)
    (guest.data / "good").touch()
    for mode in ("strict", "relaxed"):
        guest.once(f"""
            for i in range({len(values)}):
                for _ in range(100):
                    fails(errno.EIO, os.stat, f"/m/bad{{i}}")
            os.stat("/m/good")
            assert sorted(os.listdir("/m")) == sorted(f"bad{{i}}" for i in range({len(values)})) + ["good"]
            """, f"{guest.data}:/m:stat-virt={mode}")


def test_attributes(guest):
    (guest.data / "host").touch()
    os.setxattr(guest.data / "host", "user.host", b"from the host")
    guest.once(f"""
        put("/m/a")
        os.chown("/m/a", 3, 3)
        os.setxattr("/m/a", "user.foo", b"bar")
        assert os.getxattr("/m/a", "user.foo") == b"bar"
        assert os.listxattr("/m/a") == ["user.foo"]
        os.setxattr("/m/a", "user.foo", b"x" * 2000, os.XATTR_REPLACE)
        fails(errno.EEXIST, os.setxattr, "/m/a", "user.foo", b"", os.XATTR_CREATE)
        fails(errno.ENODATA, os.removexattr, "/m/a", "user.none")
        os.setxattr("/m/a", "user.gone", b"")
        os.removexattr("/m/a", "user.gone")
        for name in ("{OVERRIDE}", "{OVERRIDE_OLD}", "user.msb._probe", "user.containers._probe"):
            fails(errno.EACCES, os.getxattr, "/m/a", name)
            fails(errno.EACCES, os.setxattr, "/m/a", name, b"1")
            fails(errno.EACCES, os.removexattr, "/m/a", name)
        fails(errno.EOPNOTSUPP, os.getxattr, "/m/a", "system.posix_acl_access")
        fails(errno.EOPNOTSUPP, os.setxattr, "/m/a", "trusted.x", b"1")
        fails(errno.EOPNOTSUPP, os.setxattr, "/m/a", "security.x", b"1")
        assert os.getxattr("/m/host", "user.host") == b"from the host"
        os.symlink("a", "/m/link")
        assert os.listxattr("/m/link", follow_symlinks=False) == []
        os.mkdir("/m/d")
        os.setxattr("/m/d", "user.dir", b"1")
        """)
    assert os.getxattr(guest.data / "a", "user.foo") == b"x" * 2000
    assert os.getxattr(guest.data / "d", "user.dir") == b"1"


def test_set_id_bits_are_dropped_when_they_should_be(guest):
    for mode in ("strict", "off"):
        guest.once("""
            os.chmod("/m", 0o777)
            def drops(how):
                put("/m/f", "text")
                os.chmod("/m/f", 0o6777)
                pid = os.fork()
                if pid == 0:
                    os.setgid(1000); os.setuid(1000)
                    how()
                    os._exit(0)
                assert os.waitpid(pid, 0)[1] == 0
                assert stat.S_IMODE(os.stat("/m/f").st_mode) == 0o777
            def write():
                fd = os.open("/m/f", os.O_WRONLY)
                os.write(fd, b"x")
            def cut():
                os.truncate("/m/f", 1)
            def reopen():
                os.open("/m/f", os.O_WRONLY | os.O_TRUNC)
            for how in (write, cut, reopen):
                drops(how)
            """, f"{guest.data}:/m:stat-virt={mode}")


def test_set_gid_directories_are_inherited(guest):
    guest.once("""
        os.mkdir("/m/d")
        os.chown("/m/d", 0, 1234)
        os.chmod("/m/d", 0o2777)
        put("/m/d/f")
        os.mkdir("/m/d/sub")
        os.mkfifo("/m/d/fifo")
        os.symlink("f", "/m/d/link")
        assert show("/m/d/f").split()[1] == "0:1234"
        assert show("/m/d/sub").split()[:2] == ["42755", "0:1234"]
        assert show("/m/d/fifo").split()[1] == "0:1234"
        assert show("/m/d/link").split()[1] == "0:1234"
        """)


def test_hard_links_share_everything(guest):
    guest.once("""
        put("/m/a", "text")
        os.link("/m/a", "/m/b")
        os.chown("/m/b", 5, 5)
        a, b = os.stat("/m/a"), os.stat("/m/b")
        assert (a.st_uid, a.st_nlink, a.st_ino) == (5, 2, b.st_ino)
        os.unlink("/m/b")
        assert os.stat("/m/a").st_nlink == 1
        os.symlink("x", "/m/l")
        os.link("/m/l", "/m/l2", follow_symlinks=False)
        assert os.readlink("/m/l2") == "x"
        """)
    assert (guest.data / "a").read_text() == "text"


def test_times(guest):
    (guest.data / "host").symlink_to("nowhere")
    guest.once("""
        put("/m/f")
        os.symlink("nowhere", "/m/l")
        os.utime("/m/f", ns=(1_000_000_001, 2_000_000_002))
        os.utime("/m/l", ns=(3_000_000_003, 4_000_000_004), follow_symlinks=False)
        os.utime("/m/host", ns=(5_000_000_005, 6_000_000_006), follow_symlinks=False)
        assert os.stat("/m/f").st_mtime_ns == 2_000_000_002
        assert os.lstat("/m/l").st_mtime_ns == 4_000_000_004
        """)
    assert (guest.data / "f").stat().st_mtime_ns == 2_000_000_002
    assert os.lstat(guest.data / "l").st_mtime_ns == 4_000_000_004
    assert os.lstat(guest.data / "host").st_mtime_ns == 6_000_000_006


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


# --- files of every kind ---


def test_special_files(guest):
    out = guest.once("""
        os.mkfifo("/m/fifo")
        if os.fork() == 0:
            open("/m/fifo", "w").write("through")
            os._exit(0)
        assert open("/m/fifo").read() == "through"
        s = socket.socket(socket.AF_UNIX)
        s.bind("/m/sock"); s.listen()
        c = socket.socket(socket.AF_UNIX)
        c.connect("/m/sock")
        os.mknod("/m/zero", stat.S_IFCHR | 0o600, os.makedev(1, 5))
        assert open("/m/zero", "rb").read(4) == bytes(4)
        types = {e.name: e.stat(follow_symlinks=False).st_mode for e in os.scandir("/m")}
        assert stat.S_ISFIFO(types["fifo"]) and stat.S_ISSOCK(types["sock"])
        for e in os.scandir("/m"):
            assert not e.is_file(follow_symlinks=False), e.name
        print("done")
        """)
    assert out == "done\n"
    assert all(p.is_file() for p in guest.data.iterdir())


def test_special_files_of_the_host_are_not_opened(guest):
    os.mkfifo(guest.data / "fifo")
    guest.start()
    for script in ('fails(errno.EPERM, os.chmod, "/m/fifo", 0o600)',
                   'assert stat.S_ISFIFO(os.lstat("/m/fifo").st_mode)',
                   'fd = os.open("/m/fifo", os.O_RDONLY | os.O_NONBLOCK); os.read(fd, 1)',
                   'os.rename("/m/fifo", "/m/moved"); os.rename("/m/moved", "/m/fifo")',
                   'os.listxattr("/m/fifo"); os.utime("/m/fifo")'):
        guest.python(script)
    # nobody has it open: a writer still finds no reader
    with pytest.raises(OSError):
        os.open(guest.data / "fifo", os.O_WRONLY | os.O_NONBLOCK)
    guest.python('os.unlink("/m/fifo")')
    assert not (guest.data / "fifo").exists()


def test_links_of_the_host_lead_into_the_guest(guest):
    (guest.data / "etc").symlink_to("/etc")
    (guest.data / "up").symlink_to("../../../../../../../../etc/passwd")
    (guest.data / "dangling").symlink_to("/no/such/place")
    (guest.data / "root").symlink_to("/")
    (guest.data / "magic").symlink_to("/proc/self/root")
    (guest.msb.rootfs / "etc/passwd").write_text("root:x:0:0:the guest's:/root:/bin/sh\n")
    guest.once("""
        assert os.readlink("/m/dangling") == "/no/such/place"
        assert "the guest's" in open("/m/etc/passwd").read()
        assert "the guest's" in open("/m/up").read()
        assert "m" in os.listdir("/m/root") and "m" in os.listdir("/m/magic")
        fails(errno.ENOENT, open, "/m/dangling")
        """)


def test_names(guest):
    guest.once(r"""
        for name in (b"back\\slash", b"\377\376", b"new\nline", b" ", b"n" * 255, b"...", b"-x"):
            os.mkdir(b"/m/" + name)
        fails(errno.ENAMETOOLONG, os.mkdir, "/m/" + "n" * 256)
        assert len(os.listdir("/m")) == 7
        """)
    assert b"\377\376" in os.listdir(os.fsencode(guest.data))


# --- open files and names that change ---


def test_files_without_names(guest):
    out = guest.once("""
        fd = os.open("/m/f", os.O_CREAT | os.O_RDWR, 0o644)
        os.unlink("/m/f")
        os.write(fd, b"hello")
        os.ftruncate(fd, 4)
        os.fchmod(fd, 0o600)
        os.fchown(fd, 7, 7)
        os.fsync(fd)
        s = os.fstat(fd)
        assert (s.st_nlink, s.st_size, s.st_uid, s.st_mode) == (0, 4, 7, 0o100600)
        assert os.pread(fd, 10, 0) == b"hell"
        again = os.open(f"/proc/self/fd/{fd}", os.O_RDONLY)
        assert os.read(again, 10) == b"hell"

        tmp = os.open("/m", os.O_TMPFILE | os.O_RDWR, 0o640)
        os.write(tmp, b"temporary")
        assert os.listdir("/m") == []
        os.link(f"/proc/self/fd/{tmp}", "/m/named", src_dir_fd=tmp, follow_symlinks=True)
        print(open("/m/named").read(), show("/m/named"))

        os.mkdir("/m/dir")
        d = os.open("/m/dir", os.O_RDONLY)
        os.rmdir("/m/dir")
        assert os.listdir(d) == [] and os.fstat(d).st_mode & 0o170000 == 0o40000
        fails(errno.ENOENT, os.open, "x", os.O_CREAT | os.O_WRONLY, dir_fd=d)
        """)
    assert out.split() == ["temporary", "100640", "0:0", "9"]
    assert (guest.data / "named").read_text() == "temporary"


def test_rename(guest):
    guest.once("""
        import ctypes
        libc = ctypes.CDLL(None, use_errno=True)
        def renameat2(a, b, flags):
            if libc.renameat2(-100, a.encode(), -100, b.encode(), flags):
                raise OSError(ctypes.get_errno(), "renameat2")
        NOREPLACE, EXCHANGE = 1, 2
        os.makedirs("/m/d/e")
        put("/m/d/e/f", "first")
        fd = os.open("/m/d/e/f", os.O_RDWR)
        os.rename("/m/d/e/f", "/m/d/e/g")
        os.rename("/m/d/e/g", "/m/h")
        os.rename("/m/d", "/m/moved")
        os.rename("/m/h", "/m/moved/e/f")
        os.write(fd, b"FIRST")
        assert open("/m/moved/e/f").read() == "FIRST"
        os.chmod(fd, 0o600)
        assert os.stat("/m/moved/e/f").st_mode == 0o100600

        put("/m/a", "a"); put("/m/b", "b")
        fails(errno.EEXIST, renameat2, "/m/a", "/m/b", NOREPLACE)
        renameat2("/m/a", "/m/c", NOREPLACE)
        inodes = os.stat("/m/c").st_ino, os.stat("/m/b").st_ino
        renameat2("/m/c", "/m/b", EXCHANGE)
        assert (os.stat("/m/b").st_ino, os.stat("/m/c").st_ino) == inodes
        assert open("/m/b").read() == "a" and open("/m/c").read() == "b"
        renameat2("/m/b", "/m/moved", EXCHANGE)
        assert os.listdir("/m/b") == ["e"] and open("/m/moved").read() == "a"
        fails(errno.EINVAL, renameat2, "/m/c", "/m/w", 4)

        old = os.open("/m/c", os.O_RDONLY)
        put("/m/new", "new")
        os.rename("/m/new", "/m/c")
        assert os.read(old, 10) == b"b" and open("/m/c").read() == "new"
        assert os.fstat(old).st_nlink == 0
        fails(errno.EINVAL, os.rename, "/m/b", "/m/b/e/below")
        os.mkdir("/m/empty")
        fails(errno.ENOTEMPTY, os.rename, "/m/empty", "/m/b")
        os.rename("/m/b", "/m/empty")
        """)


def test_reading_directories_that_change(guest):
    guest.once("""
        import ctypes
        libc = ctypes.CDLL(None, use_errno=True)
        for f, r, a in (("opendir", ctypes.c_void_p, [ctypes.c_char_p]),
                        ("readdir", ctypes.c_void_p, [ctypes.c_void_p]),
                        ("telldir", ctypes.c_long, [ctypes.c_void_p]),
                        ("seekdir", None, [ctypes.c_void_p, ctypes.c_long]),
                        ("rewinddir", None, [ctypes.c_void_p])):
            getattr(libc, f).restype, getattr(libc, f).argtypes = r, a
        def names(d, n=1 << 30):
            out = []
            while len(out) < n and (e := libc.readdir(d)):
                out.append(ctypes.string_at(e + 19).decode())
            return out
        N = 3000
        os.mkdir("/m/d")
        for i in range(N):
            put(f"/m/d/{i}")
        everything = sorted([str(i) for i in range(N)] + [".", ".."])
        one, two = libc.opendir(b"/m/d"), libc.opendir(b"/m/d")
        first = names(one, 1000)
        assert sorted(names(two)) == everything
        mark = libc.telldir(one)
        rest = names(one)
        assert sorted(first + rest) == everything
        libc.seekdir(one, mark)
        assert names(one) == rest
        # what is removed while it is read hides nothing else
        libc.rewinddir(one)
        seen = []
        while part := names(one, 100):
            seen += part
            for name in part[::2]:
                if name not in (".", ".."):
                    os.unlink("/m/d/" + name)
        assert sorted(seen) == everything
        put("/m/d/late")
        libc.rewinddir(one)
        assert "late" in names(one)
        assert "late" in os.listdir("/m/d")
        """)


# --- contents ---


def test_holes_and_copies(guest):
    guest.once("""
        fd = os.open("/m/f", os.O_CREAT | os.O_RDWR, 0o644)
        os.pwrite(fd, b"start", 0)
        os.pwrite(fd, b"end", 1 << 20)
        assert os.lseek(fd, 0, os.SEEK_DATA) == 0
        hole = os.lseek(fd, 0, os.SEEK_HOLE)
        assert 5 <= hole < 1 << 20
        assert hole < os.lseek(fd, hole, os.SEEK_DATA) <= 1 << 20
        os.posix_fallocate(fd, 0, 2 << 20)
        assert os.fstat(fd).st_size == 2 << 20
        import ctypes
        libc = ctypes.CDLL(None, use_errno=True)
        def fallocate(mode, off, n):
            if libc.fallocate(fd, mode, ctypes.c_long(off), ctypes.c_long(n)):
                raise OSError(ctypes.get_errno(), "fallocate")
        KEEP, PUNCH, COLLAPSE, ZERO, INSERT = 1, 2, 8, 16, 32
        fallocate(PUNCH | KEEP, 1 << 20, 4096)
        assert os.pread(fd, 3, 1 << 20) == bytes(3)
        os.pwrite(fd, b"x" * 8192, 0)
        try:
            fallocate(ZERO, 0, 4096)
            assert os.pread(fd, 8192, 0) == bytes(4096) + b"x" * 4096
        except OSError as e:
            assert e.errno == errno.EOPNOTSUPP
        fallocate(KEEP, 4 << 20, 4096)
        assert os.fstat(fd).st_size == 2 << 20
        fails(errno.EOPNOTSUPP, fallocate, COLLAPSE, 0, 4096)
        fails(errno.EOPNOTSUPP, fallocate, INSERT, 0, 4096)
        to = os.open("/m/g", os.O_CREAT | os.O_RDWR, 0o644)
        assert os.copy_file_range(fd, to, 8192, 0, 100) == 8192
        assert os.pread(to, 8192, 100) == os.pread(fd, 8192, 0)
        os.fdatasync(to)
        d = os.open("/m", os.O_RDONLY)
        os.fsync(d)
        os.sync()
        """)
    assert (guest.data / "g").stat().st_size == 8292


def test_mapped_and_appended(guest):
    guest.once("""
        fd = os.open("/m/f", os.O_CREAT | os.O_RDWR, 0o644)
        os.ftruncate(fd, 8192)
        m = mmap.mmap(fd, 8192)
        m[4000:4200] = b"m" * 200
        m.flush()
        private = mmap.mmap(fd, 8192, mmap.MAP_PRIVATE)
        assert private[4000:4200] == b"m" * 200
        a = os.open("/m/log", os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o644)
        b = os.open("/m/log", os.O_WRONLY | os.O_APPEND)
        for i in range(500):
            os.write(a, b"a%05d\\n" % i)
            os.write(b, b"b%05d\\n" % i)
        lines = open("/m/log").read().split()
        assert sorted(lines) == sorted(f"{c}{i:05}" for c in "ab" for i in range(500))
        """)
    data = (guest.data / "f").read_bytes()
    assert data == bytes(4000) + b"m" * 200 + bytes(8192 - 4200)


def test_changes_of_the_host_are_seen(guest):
    m = guest.data
    (m / "f").write_text("one")
    (m / "d").mkdir()
    guest.start()
    assert guest.python('print(open("/m/f").read(), os.listdir("/m/d"))') == "one []\n"
    (m / "f").write_text("two, and longer")
    assert guest.python('print(open("/m/f").read())') == "two, and longer\n"
    (m / "f").write_text("six, of the same")
    assert guest.python('print(open("/m/f").read())') == "six, of the same\n"
    (m / "new").write_text("three")
    os.rename(m / "new", m / "f")
    assert guest.python('print(open("/m/f").read())') == "three\n"
    (m / "d/name").touch()
    assert guest.python('print(os.listdir("/m/d"))') == "['name']\n"
    # names and attributes within the five seconds of the time-outs
    os.unlink(m / "f")
    wait_for(lambda: "False" in guest.python('print(os.path.exists("/m/f"))'), "the name to go")
    # a file the guest has open
    (m / "log").write_text("a")
    p = guest.msb.popen("exec", "box", "--", "tail", "-n", "+1", "-s", "0.1", "-f", "/m/log",
                        text=True)
    assert p.stdout.read(1) == "a"
    with open(m / "log", "a") as f:
        f.write("b")
    assert p.stdout.read(1) == "b"
    p.kill()
    p.wait()


def test_a_directory_swapped_for_a_link_leads_nowhere(guest):
    """The host exchanges a directory and a link to its outside while the guest opens files."""
    outside = guest.msb.base / "outside"
    outside.mkdir()
    (outside / "f").write_text("SECRET")
    (guest.data / "d").mkdir()
    (guest.data / "d/f").write_text("inside")
    (guest.data / "evil").symlink_to(outside)
    guest.start()
    over = threading.Event()

    def swap():
        while not over.is_set():
            os.rename(guest.data / "d", guest.data / "x")
            os.rename(guest.data / "evil", guest.data / "d")
            os.rename(guest.data / "d", guest.data / "evil")
            os.rename(guest.data / "x", guest.data / "d")

    thread = threading.Thread(target=swap)
    thread.start()
    try:
        out = guest.python("""
            seen = {}
            for i in range(2000):
                try:
                    got = open("/m/d/f").read()
                except OSError as e:
                    got = errno.errorcode[e.errno]
                seen[got] = seen.get(got, 0) + 1
                if i % 10 == 0:
                    open("/proc/sys/vm/drop_caches", "w").write("2")
            print(*seen)
            """)
    finally:
        over.set()
        thread.join()
    assert "SECRET" not in out and set(out.split()) <= {"inside", "ENOENT", "ESTALE", "ELOOP",
                                                        "ENOTDIR"}, out


def test_many_files_with_few_descriptors(guest):
    """All are found, though the host lets the runtime have a few hundred descriptors only."""
    count = 4000
    for i in range(count):
        d = guest.data / f"{i % 40}"
        d.mkdir(exist_ok=True)
        (d / f"{i}").touch()
    limited = subprocess.run(
        ["sh", "-c", 'ulimit -n 256 && exec "$@"', "sh", MSB, "run", "-v", f"{guest.data}:/m",
         "-v", "/usr:/usr:ro", guest.msb.rootfs, "--", "/usr/bin/python3", "-S", "-c",
         PRELUDE + textwrap.dedent(f"""
            for _ in range(2):
                n = sum(os.stat(os.path.join(d, f)).st_nlink for d, _, fs in os.walk("/m") for f in fs)
                assert n == {count}, n
            held = [os.open(f"/m/{{i % 40}}/{{i}}", os.O_RDONLY) for i in range(60)]
            os.rename("/m/39", "/m/40")
            print(len(os.listdir("/m/40")))
            """)], env=guest.msb.env(), capture_output=True, text=True, timeout=DEADLINE)
    assert (limited.returncode, limited.stdout) == (0, "100\n"), limited.stderr


# --- locks ---


def test_locks_work_among_processes_of_a_guest(guest):
    guest.once("""
        put("/m/lock", "x" * 100)
        a, b = os.open("/m/lock", os.O_RDWR), os.open("/m/lock", os.O_RDWR)
        fcntl.flock(a, fcntl.LOCK_EX)
        fails(errno.EAGAIN, fcntl.flock, b, fcntl.LOCK_EX | fcntl.LOCK_NB)
        fcntl.flock(a, fcntl.LOCK_UN)
        fcntl.flock(b, fcntl.LOCK_SH)
        fcntl.lockf(a, fcntl.LOCK_EX, 10, 0)
        r, w = os.pipe()
        pid = os.fork()
        if pid == 0:
            fails(errno.EAGAIN, fcntl.lockf, b, fcntl.LOCK_EX | fcntl.LOCK_NB, 10, 5)
            fcntl.lockf(b, fcntl.LOCK_EX | fcntl.LOCK_NB, 10, 10)
            os.write(w, b"x")
            fcntl.lockf(b, fcntl.LOCK_EX, 10, 0)  # waits
            os._exit(0)
        os.read(r, 1)
        fcntl.lockf(a, fcntl.LOCK_UN, 10, 0)
        assert os.waitpid(pid, 0)[1] == 0
        """)


def test_two_sandboxes_share_a_directory(guest):
    """What each writes, renames and removes, the other sees; names and attributes in time."""
    guest.start("one")
    guest.start("two")
    guest.python('os.mkdir("/m/d"); put("/m/d/f", "from one"); os.chown("/m/d/f", 5, 5)', "one")
    assert guest.python('print(open("/m/d/f").read(), os.stat("/m/d/f").st_uid)',
                        "two") == "from one 5\n"
    guest.python('put("/m/d/f", "and back, longer")', "two")
    assert guest.python('print(open("/m/d/f").read())', "one") == "and back, longer\n"
    guest.python('os.rename("/m/d/f", "/m/g"); os.rmdir("/m/d")', "two")
    wait_for(lambda: guest.python('print(os.listdir("/m"), os.path.exists("/m/d/f"))',
                                  "one") == "['g'] False\n", "the change to be seen")
    script = """
        for i in range(200):
            fd = os.open("/m/log", os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o644)
            os.write(fd, b"NAME %05d\\n" % i)
            os.close(fd)
            put(f"/m/NAME{i}", "x" * i)
            os.rename(f"/m/NAME{i}", f"/m/latest")
        """
    both = [guest.msb.popen("exec", name, "--", "/usr/bin/python3", "-S", "-c",
                            PRELUDE + textwrap.dedent(script).replace("NAME", name), text=True)
            for name in ("one", "two")]
    for p in both:
        out, err = p.communicate(timeout=DEADLINE)
        assert p.returncode == 0, err
    lines = (guest.data / "log").read_text().splitlines()
    assert sorted(lines) == [f"{n} {i:05}" for n in ("one", "two") for i in range(200)]


def test_between_sandboxes_names_coordinate_and_locks_do_not(guest):
    (guest.data / "lock").touch()
    for name in ("one", "two"):
        guest.start(name)
    holder = guest.msb.popen("exec", "one", "--", "/usr/bin/python3", "-S", "-u", "-c", PRELUDE +
                             textwrap.dedent("""
        fd = os.open("/m/lock", os.O_RDWR)
        fcntl.flock(fd, fcntl.LOCK_EX)
        fcntl.lockf(fd, fcntl.LOCK_EX)
        print("held")
        sys.stdin.read()
        """), stdin=subprocess.PIPE, text=True)
    assert holder.stdout.readline() == "held\n"
    free = """
        fd = os.open("/m/lock", os.O_RDWR)
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        fcntl.lockf(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        """
    guest.python(free, "two")
    with open(guest.data / "lock") as f:
        fcntl.flock(f, fcntl.LOCK_EX | fcntl.LOCK_NB)
    p = guest.msb("exec", "one", "--", "/usr/bin/python3", "-S", "-c",
                  PRELUDE + textwrap.dedent(free))
    assert p.returncode != 0 and "BlockingIOError" in p.stderr
    holder.communicate("")
    guest.python(free, "one")

    script = PRELUDE + textwrap.dedent("""
        won = 0
        for i in range(300):
            try:
                os.close(os.open(f"/m/{i}", os.O_CREAT | os.O_EXCL | os.O_WRONLY))
                won += 1
            except FileExistsError:
                pass
        print(won)
        """)
    both = [guest.msb.popen("exec", name, "--", "/usr/bin/python3", "-S", "-c", script, text=True)
            for name in ("one", "two")]
    assert sum(int(p.communicate(timeout=DEADLINE)[0]) for p in both) == 300


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
