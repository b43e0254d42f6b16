# SPDX-License-Identifier: Apache-2.0
"""Files of every kind in shared directories, open ones whose names change, contents."""
import os
import subprocess
import textwrap
import threading

import pytest

from conftest import DEADLINE, MSB, wait_for
from mountguest import PRELUDE, guest  # noqa: F401


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
