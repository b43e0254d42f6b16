# SPDX-License-Identifier: Apache-2.0
"""The files of a named volume, from the host and from a guest at the same time."""
import pytest

from conftest import SANITIZED
from libmsb import Error, Library, Volume

pytestmark = pytest.mark.skipif(SANITIZED, reason="the library is loaded into an ordinary interpreter")
SYMLINK = 2


@pytest.fixture
def shared(msb):
    """(volume from the host, shell in a sandbox that has it at /data)"""
    msb.ok("volume", "create", "shared", "--quota", "8M")
    msb.create("box", "-v", "shared:/data")
    library = Library(msb.home)

    def shell(script):
        return msb.ok("exec", "box", "--", "sh", "-c", "cd /data && " + script)

    yield Volume(library, "shared"), shell
    library.close()


def test_both_see_the_same(shared):
    volume, shell = shared
    volume.call("msb_fs_mkdir", "/d/e", -1)
    volume.write("/d/f", b"from the host\n")
    volume.write("/d/script", b"#!/bin/sh\necho ran\n", 0o755)
    volume.call("msb_fs_symlink", "d/f", "/link")
    assert shell("cat link; d/script; stat -c %a:%u:%F d/f d/script d/e link") == \
        "from the host\nran\n644:0:regular file\n755:0:regular file\n755:0:directory\n777:0:symbolic link\n"
    shell("echo from the guest >g && chown 1234:99 g && chmod 4711 g && ln -s ../data/g loop && ln -s d/e rel")
    info = volume.stat("/g")
    assert (info.mode, info.uid, info.gid, info.size) == (0o4711, 1234, 99, len("from the guest\n"))
    assert volume.read("/g") == b"from the guest\n"
    assert volume.stat("/rel", False).kind == SYMLINK
    volume.write("/rel/new", b"x")
    assert shell("ls d/e") == "new\n"
    volume.call("msb_fs_remove_dir", "/d", True)
    assert "d" not in shell("ls").split()


def test_a_guest_cannot_lead_the_host_astray(shared):
    volume, shell = shared
    shell("ln -s /etc/passwd absolute; ln -s ../../../../../../etc up; mkdir d; ln -s .. d/dots")
    for path in ["/absolute", "/up/passwd", "/d/dots/../x", "/../x"]:
        with pytest.raises(Error) as e:
            volume.read(path)
        assert e.value.kind == "sandbox_fs" and "leads out of the volume" in str(e.value)
    with pytest.raises(Error) as e:
        volume.read("/d/dots/none")
    assert e.value.kind == "path_not_found"


def test_one_quota_for_both(shared):
    """What the other has written is counted, and what the other has removed is there again."""
    volume, shell = shared
    shell("! head -c 9000000 /dev/zero >a")
    assert 7 << 20 < volume.stat("/a").size <= 8 << 20
    with pytest.raises(Error) as e:
        volume.write("/b", b"x" * 2000000)
    assert "No space" in str(e.value)
    shell("rm a")
    volume.write("/b", b"x" * 6000000)
    with pytest.raises(Error):
        volume.write("/c", b"x" * 6000000)
    shell("! head -c 9000000 /dev/zero >d")
    volume.call("msb_fs_remove", "/d")
    volume.call("msb_fs_remove", "/b")
    shell("head -c 3000000 /dev/zero >e")
    assert volume.stat("/e").size == 3000000


def test_a_guest_has_no_more_than_the_host_leaves(shared):
    """Its server has counted before, and has to count again."""
    volume, shell = shared
    shell("head -c 4000000 /dev/zero >a")
    volume.write("/b", b"x" * 4000000)
    shell("! head -c 4000000 /dev/zero >c")
    left = (8 << 20) - 8000000
    assert left - 65536 <= volume.stat("/c").size <= left
