# SPDX-License-Identifier: Apache-2.0
"""Where the attributes of files in shared directories are kept, and what guests see of them."""
import os

from mountguest import OVERRIDE, OVERRIDE_OLD, guest, host_mode, override  # noqa: F401


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
