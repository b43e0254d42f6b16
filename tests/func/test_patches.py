# SPDX-License-Identifier: Apache-2.0
"""Patches of root file systems: every kind, on every kind of root, and how they fail."""
import base64
import os
import pathlib
import shutil
import subprocess

import pytest

from conftest import DEADLINE, SANITIZED
from libmsb import Error, Library

MIB = 1 << 20
TOOLS = "/usr/sbin:/sbin:/usr/bin:/bin"

pytestmark = pytest.mark.skipif(SANITIZED, reason="Python has no sanitizer for the library")


@pytest.fixture
def library(msb):
    msb.choose_engine()
    lib = Library(msb.home)
    yield lib
    lib.close()


def directory(msb):
    return str(msb.rootfs)


def image(msb):
    msb.ok("pull", "-q", "busybox")
    return "busybox"


def disk(msb):
    mke2fs = shutil.which("mke2fs", path=TOOLS)
    if not mke2fs:
        pytest.skip("needs e2fsprogs")
    path = msb.base / "root.raw"
    with open(path, "wb") as f:
        f.truncate(64 * MIB)
    subprocess.run([mke2fs, "-q", "-t", "ext4", "-F", "-d", msb.rootfs, path], check=True,
                   timeout=DEADLINE)
    return str(path)


ROOTS = [directory, image, disk]


def source_tree(base):
    tree = base / "tree"
    (tree / "sub").mkdir(parents=True)
    (tree / "sub/tool").write_text("#!/bin/sh\necho tool\n")
    (tree / "sub/tool").chmod(0o750)
    (tree / "sub").chmod(0o700)
    (tree / "link").symlink_to("sub/tool")
    (tree / "empty").mkdir()
    return tree


@pytest.mark.parametrize("root", ROOTS)
def test_every_kind(msb, library, root):
    one = msb.base / "one"
    one.write_bytes(bytes(range(256)) * 40)
    one.chmod(0o640)
    tree = source_tree(msb.base)
    library.create("box", image=root(msb), patches=[
        {"kind": "text", "path": "/new/deep/text", "content": "hé\n"},
        {"kind": "file", "path": "/bytes", "mode": 0o600,
         "content_base64": base64.b64encode(b"\0\xff").decode()},
        {"kind": "append", "path": "/new/deep/text", "content": "more\n"},
        {"kind": "copy_file", "path": "/opt/one", "source": str(one)},
        {"kind": "copy_dir", "path": "/opt/tree", "source": str(tree)},
        {"kind": "symlink", "path": "/opt/link", "target": "../new/deep/text"},
        {"kind": "mkdir", "path": "/var/spool/x/y", "mode": 0o1777},
        {"kind": "mkdir", "path": "/etc"},
        {"kind": "remove", "path": "/opt/tree/empty"},
        {"kind": "remove", "path": "/never/was"},
        {"kind": "text", "path": "/etc/passwd", "replace": True,
         "content": "root:x:0:0::/:/bin/sh\nnew:x:7:7::/:/bin/sh\n"},
        {"kind": "text", "path": "/with:colon;", "content": ""},
    ])

    def guest(script):
        return msb.ok("exec", "box", "--", "sh", "-c", script)

    assert guest("cat /new/deep/text /opt/link") == "hé\nmore\n" * 2
    assert guest("stat -c %a:%u:%s /bytes /opt/one /var/spool/x/y /new/deep").split() == [
        "600:0:2", "640:0:10240"] + guest("stat -c %a:%u:%s /var/spool/x/y /new/deep").split()
    assert guest("stat -c %a /var/spool/x/y /new/deep /opt/tree/sub /opt/tree/sub/tool "
                 "/new/deep/text").split() == ["1777", "755", "700", "750", "644"]
    assert guest("/opt/tree/link; readlink /opt/tree/link; ls -d /opt/tree/*; id -u new; "
                 "ls '/with:colon;'").split() == [
        "tool", "sub/tool", "/opt/tree/link", "/opt/tree/sub", "7", "/with:colon;"]
    assert not (msb.dir("box") / "patches.cbor").exists()
    # at the first start only: what the guest has changed meanwhile stays as it is
    guest("echo mine >/new/deep/text; rm /opt/link; sync")
    msb.ok("stop", "box")
    msb.ok("start", "box")
    assert guest("cat /new/deep/text; ls /opt").split() == ["mine", "one", "tree"]


@pytest.mark.parametrize("root", ROOTS)
def test_an_existing_path(msb, library, root):
    with pytest.raises(Error) as e:
        library.create("box", image=root(msb), patches=[
            {"kind": "text", "path": "/etc/passwd", "content": ""}])
    assert e.value.kind == "patch_failed"
    assert e.value.text == ("root file system patch failed: /etc/passwd: it exists already, "
                            "and replace was not asked for")
    assert e.value.details["stage"] == "patch"
    # as any sandbox that could not boot: its record and logs stay, and can be removed
    assert msb.status("box") == "Stopped"
    assert msb.json("inspect", "box")["name"] == "box"
    assert msb.no_processes()
    msb.ok("rm", "box")
    assert not msb.dir("box").exists()


def test_kept_until_a_start_succeeds(msb, library):
    root = pathlib.Path(disk(msb))
    good = root.read_bytes()
    root.write_bytes(b"no file system".ljust(MIB))
    with pytest.raises(Error) as e:
        library.create("box", image=str(root), patches=[
            {"kind": "text", "path": "/made", "content": "late"}])
    assert e.value.kind == "boot_start"
    kept = msb.dir("box") / "patches.cbor"
    assert kept.stat().st_mode & 0o777 == 0o600
    assert msb("start", "box").returncode != 0 and kept.exists()
    root.write_bytes(good)
    msb.ok("start", "box")
    assert msb.ok("exec", "box", "--", "cat", "/made") == "late"
    assert not kept.exists()


def test_links_lead_nowhere_else(msb, library):
    outside = msb.base / "outside"
    outside.mkdir()
    (msb.rootfs / "away").symlink_to(outside)
    (msb.rootfs / "up").symlink_to("../../../../../../etc")
    (msb.rootfs / "usrbin").symlink_to("/usr/bin")
    (msb.rootfs / "usr/bin").mkdir(parents=True, exist_ok=True)
    library.create("box", image=str(msb.rootfs), patches=[
        {"kind": "text", "path": "/up/escaped", "content": "in the guest"},
        {"kind": "text", "path": "/usrbin/new", "content": "in the guest"}])
    assert (msb.rootfs / "etc/escaped").read_text() == "in the guest"
    assert (msb.rootfs / "usr/bin/new").read_text() == "in the guest"
    assert not os.path.lexists("/etc/escaped")
    msb.ok("rm", "-f", "box")
    with pytest.raises(Error) as e:  # what the link names is not there in the guest
        library.create("box", image=str(msb.rootfs), patches=[
            {"kind": "text", "path": "/away/x", "content": ""}])
    assert e.value.kind == "patch_failed" and "/away/x" in e.value.text
    assert not list(outside.iterdir())


@pytest.mark.parametrize("patch, words", [
    ({"kind": "append", "path": "/none", "content": "x"}, "/none: No such file"),
    ({"kind": "append", "path": "/etc", "content": "x"}, "/etc: "),
    ({"kind": "mkdir", "path": "/etc/passwd"}, "/etc/passwd: Not a directory"),
    ({"kind": "text", "path": "/etc", "content": "x", "replace": True},
     "/etc: a directory is there"),
    ({"kind": "text", "path": "/etc/passwd/x", "content": "x"}, "/etc/passwd/x: Not a directory"),
])
def test_what_cannot_be(msb, library, patch, words):
    with pytest.raises(Error) as e:
        library.create("box", image=str(msb.rootfs), patches=[patch])
    assert e.value.kind == "patch_failed" and words in e.value.text


def test_before_anything_else_runs(msb, library):
    """Also before an init and the startup command, and below the mounts."""
    (msb.base / "bind").mkdir()
    library.create("box", image=str(msb.rootfs), startup=["/started"],
                   mounts={"/mnt": {"bind": str(msb.base / "bind")}}, patches=[
                       {"kind": "text", "path": "/mnt/hidden", "content": "x"},
                       {"kind": "text", "path": "/started", "mode": 0o755,
                        "content": "#!/bin/sh\nls /mnt >/seen\nsleep 1000\n"}])
    assert msb.ok("exec", "box", "--", "ls", "/mnt") == ""
    assert not list((msb.base / "bind").iterdir())
    assert (msb.rootfs / "mnt/hidden").read_text() == "x"


def test_many_bytes(msb, library):
    big = msb.base / "big"
    big.write_bytes(os.urandom(MIB) * 64)
    with pytest.raises(Error) as e:
        library.create("box", image=str(msb.rootfs), memory_mib=128, patches=[
            {"kind": "copy_file", "path": "/big", "source": str(big)}])
    assert e.value.kind == "invalid_config"
    assert "64 MiB of patches take a sandbox with 227 MiB" in e.value.text
    assert msb("inspect", "box").returncode != 0
    library.create("box", image=str(msb.rootfs), memory_mib=227, patches=[
        {"kind": "copy_file", "path": "/big", "source": str(big)}])
    assert (msb.rootfs / "big").read_bytes() == big.read_bytes()
    free = int(msb.ok("exec", "box", "--", "awk", "/MemAvailable/{print $2}", "/proc/meminfo"))
    assert free > 100 << 10  # KiB: nothing of it is left in memory
    with open(big, "ab") as f:
        f.write(b"x")
    with pytest.raises(Error) as e:
        library.create("other", image=str(msb.rootfs), patches=[
            {"kind": "copy_file", "path": "/big", "source": str(big)}])
    assert e.value.kind == "invalid_config" and "more than 64 MiB together" in e.value.text
