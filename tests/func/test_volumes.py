# SPDX-License-Identifier: Apache-2.0
"""Named volumes, and the ways to mount things."""
import json
import os
import shutil
import signal
import sqlite3
import subprocess

import pytest

from conftest import wait_for


def volumes(msb):
    return msb.ok("volume", "ls", "-q").split()


# --- life of a volume ---

def test_create_list_inspect_remove(msb):
    assert msb.ok("volume", "create", "data", "--size", "2G", "--label", "a=1") == "data\n"
    p = msb("volume", "create", "data")
    assert (p.returncode, p.stderr) == (1, "error: volume already exists: data\n")
    one = msb.json("volume", "ls")[0]
    assert (one["name"], one["quota_mib"], one["used_bytes"], one["kind"]) == (
        "data", 2048, 0, "dir")
    text = msb.ok("volume", "inspect", "data")
    assert "2 GiB" in text and "a=1" in text and str(msb.home / "volumes/data") in text
    msb.ok("volume", "create", "other", "-q")
    p = msb("volume", "rm", "other", "none", "data")
    assert p.returncode == 1 and "volume not found: none" in p.stderr
    assert volumes(msb) == []
    assert os.listdir(msb.home / "volumes/.locks") == []
    p = msb("volume", "ls")
    assert (p.returncode, p.stdout, p.stderr) == (0, "", "No volumes found.\n")
    assert msb.json("volume", "ls") == []


@pytest.mark.parametrize("name", ["../x", ".x", "a/b", "", "-x", "ä", "n" * 129])
def test_names_that_are_none(msb, name):
    p = msb("volume", "create", name)
    assert p.returncode in (1, 2) and p.stdout == ""
    assert not (msb.home / "volumes").exists() or volumes(msb) == []


def test_a_directory_without_a_record_is_a_volume(msb):
    msb.ok("volume", "create", "a")
    (msb.home / "volumes/b").mkdir()
    assert volumes(msb) == ["a", "b"]
    assert msb.json("volume", "inspect", "b")["quota_mib"] is None
    (msb.home / "volumes/c").symlink_to("/etc")
    assert volumes(msb) == ["a", "b"]
    assert msb("volume", "inspect", "c").returncode == 1
    shutil.rmtree(msb.home / "volumes/a")  # by hand: the record alone is nothing
    assert volumes(msb) == ["b"]
    msb.ok("volume", "create", "a")
    assert msb.json("volume", "inspect", "a")["quota_mib"] is None


def test_leftovers_of_the_dead_are_swept(msb):
    msb.ok("volume", "create", "a")
    left = msb.home / "volumes/.a.01234567/x/y"
    left.mkdir(parents=True)
    assert volumes(msb) == ["a"]
    msb.ok("volume", "create", "b")
    assert not left.parent.parent.exists()


def test_used_bytes_are_those_of_the_files(msb):
    msb.ok("volume", "create", "a")
    path = msb.home / "volumes/a"
    (path / "d").mkdir()
    (path / "d/f").write_bytes(b"x" * 1000)
    os.link(path / "d/f", path / "g")
    assert msb.json("volume", "inspect", "a")["used_bytes"] == 1000


def test_a_sandbox_that_cannot_be_read_keeps_its_volumes(msb):
    for name in ("data", "other"):
        msb.ok("volume", "create", "-q", name)
    msb.create("s", "-v", "data:/data")
    msb.ok("stop", "-q", "s")
    with sqlite3.connect(msb.home / "db/msb.db") as db:
        old, = db.execute("SELECT config FROM sandbox").fetchone()
        db.execute("UPDATE sandbox SET config = ?", (old[:-1],))
    db.close()
    msb.ok("volume", "prune", "-y")
    assert volumes(msb) == ["data"]


def test_many_at_once_make_it_once(msb):
    p = [msb.popen("volume", "create", "a") for _ in range(8)]
    codes = sorted(x.wait() for x in p)
    assert codes == [0] + [1] * 7
    p = [msb.popen("volume", "rm", "a") for _ in range(8)]
    assert sorted(x.wait() for x in p) == [0] + [1] * 7


# --- in sandboxes ---

def test_data_outlives_sandboxes_with_its_owners(msb):
    p = msb.run("-v", "data:/d", "--", "sh", "-c", "echo hello > /d/f && chown 12:34 /d/f")
    assert p.returncode == 0, p.stderr
    assert volumes(msb) == ["data"]
    p = msb.run("-v", "data:/d:ro", "--", "sh", "-c", "cat /d/f; stat -c %u:%g /d/f; touch /d/x")
    assert p.stdout == "hello\n12:34\n" and p.returncode != 0
    assert (msb.home / "volumes/data/f").read_text() == "hello\n"


def test_two_sandboxes_share_a_volume(msb):
    msb.create("one", "-v", "data:/d")
    msb.create("two", "--mount-named", "data:/d")
    msb.ok("exec", "one", "--", "sh", "-c", "echo from one > /d/f")
    assert msb.ok("exec", "two", "--", "cat", "/d/f") == "from one\n"
    msb.ok("exec", "two", "--", "sh", "-c", "echo and two >> /d/f")
    # names and sizes may be as old as the file server's timeouts
    wait_for(lambda: msb.ok("exec", "one", "--", "cat", "/d/f") == "from one\nand two\n",
             "the other's line")


def test_a_volume_in_use_stays(msb):
    msb.create("box", "-v", "data:/d")
    p = msb("volume", "rm", "data")
    assert p.returncode == 1 and "in use by sandbox 'box'" in p.stderr
    assert msb("volume", "prune", "-y").returncode == 0 and volumes(msb) == ["data"]
    msb.ok("stop", "-q", "box")
    assert msb("volume", "prune", "-y").returncode == 0 and volumes(msb) == ["data"]
    msb.ok("volume", "rm", "-q", "data")
    p = msb("start", "box")
    assert p.returncode == 1 and "volume not found: data" in p.stderr
    assert msb.status("box") == "Stopped"
    msb.ok("volume", "create", "-q", "data")
    msb.ok("start", "-q", "box")
    msb.ok("rm", "-f", "-q", "box")
    assert json.loads(msb.ok("volume", "prune", "-y", "--format", "json")) == ["data"]


def test_a_crashed_sandbox_does_not_hold_its_volume(msb):
    msb.create("box", "-v", "data:/d")
    os.kill(msb.runtime_pid("box"), signal.SIGKILL)
    wait_for(lambda: msb("volume", "rm", "data").returncode == 0, "the volume to go")


def test_what_exists_must_agree_with_what_is_asked_for(msb):
    msb.ok("volume", "create", "-q", "data", "--size", "1G")
    for asked in ("data:/d:quota=2G", "data:/d:quota=0"):
        p = msb.run("-v", asked, "--", "true")
        assert p.returncode == 125 and "another quota" in p.stderr
    p = msb.run("--mount-named", "data:/d:kind=disk,size=1G", "--", "true")
    assert p.returncode == 125 and "another kind" in p.stderr
    assert msb.run("-v", "data:/d:quota=1G", "--", "true").returncode == 0
    assert msb.json("ls") == []


def test_nothing_is_made_when_the_sandbox_cannot_be(msb):
    p = msb("run", "-v", "data:/d", "./missing", "--", "true")
    assert p.returncode == 125
    assert volumes(msb) == []


def test_inspect_shows_the_volume(msb):
    msb.create("box", "-v", "data:/d:ro,host-perms=mirror")
    assert "  /d               → volume:data (ro) [host-perms=mirror]\n" in msb.ok("inspect", "box")
    mount = msb.json("inspect", "box")["config"]["mounts"][0]
    assert (mount["type"], mount["name"], mount["readonly"]) == ("Named", "data", True)


# --- disks ---

def test_a_disk_volume(msb):
    p = msb.run("--mount-named", "big:/d:kind=disk,size=256M", "--", "sh", "-c",
                "grep ' /d ' /proc/mounts; echo kept > /d/f; ls /d")
    assert p.returncode == 0, p.stderr
    assert " ext4 rw" in p.stdout and p.stdout.endswith("\nf\n")
    assert msb.run("-v", "big:/d", "--", "cat", "/d/f").stdout == "kept\n"
    disk = msb.home / "volumes/big/disk.raw"
    assert disk.stat().st_size == 256 << 20 and disk.stat().st_blocks * 512 < 32 << 20
    one = msb.json("volume", "inspect", "big")
    assert (one["capacity_bytes"], one["kind"], one["disk_format"], one["disk_fstype"]) == (
        256 << 20, "disk", "raw", "ext4")
    assert subprocess.run(["/sbin/e2fsck", "-fn", disk], capture_output=True).returncode == 0
    p = msb.run("-v", "big:/d:stat-virt=relaxed", "--", "true")
    assert p.returncode == 125 and "is a disk" in p.stderr
    p = msb.run("-v", "big:/d", "-v", "big:/e", "--", "true")
    assert p.returncode == 125 and "once" in p.stderr


def test_a_disk_has_one_writer_or_many_readers(msb):
    msb.create("writer", "--mount-named", "big:/d:kind=disk,size=128M")
    for how in ("ro", "rw"):
        p = msb("create", "-n", "other", "-v", f"big:/d:{how}", "./rootfs")
        assert p.returncode == 1 and "disk" in p.stderr, p.stderr
        msb("rm", "-f", "-q", "other")
    msb.ok("rm", "-f", "-q", "writer")
    msb.create("one", "-v", "big:/d:ro")
    msb.create("two", "-v", "big:/d:ro")


# --- other mounts ---

def test_later_tmpfs_grammar(msb):
    p = msb.run("--tmpfs", "/a:8M:ro", "--tmpfs", "/b:size=16,noexec", "--", "sh", "-c",
                "grep -E ' /(a|b) ' /proc/mounts")
    a, b = sorted(p.stdout.splitlines())
    assert " ro" in a and "size=8192k" in a
    assert "noexec" in b and "size=16384k" in b


def test_mount_dir_and_file(msb):
    (msb.base / "d").mkdir()
    (msb.base / "d/f").write_text("text")
    p = msb.run("--mount-dir", "d:/d:ro", "--mount-file", "d/f:/etc/f", "--", "cat", "/d/f",
                "/etc/f")
    assert p.stdout == "texttext", p.stderr


def test_symbolic_links_on_the_way_are_refused_or_followed(msb):
    (msb.base / "real").mkdir()
    (msb.base / "real/f").write_text("text")
    (msb.base / "link").symlink_to("real")
    p = msb.run("-v", "./link:/d", "--", "true")
    assert p.returncode == 125 and "follow-root-symlinks" in p.stderr
    p = msb.run("-v", "./link:/d:follow-root-symlinks", "--", "cat", "/d/f")
    assert p.stdout == "text", p.stderr


def test_nested_mounts_in_any_order(msb):
    for order in (("-v", "a:/m", "-v", "b:/m/deep/er"), ("-v", "b:/m/deep/er", "-v", "a:/m")):
        p = msb.run(*order, "--", "sh", "-c", "touch /m/in-a /m/deep/er/in-b && ls /m /m/deep/er")
        assert p.returncode == 0, p.stderr
    assert (msb.home / "volumes/a/in-a").exists() and (msb.home / "volumes/b/in-b").exists()


def test_duplicate_guest_paths_are_refused(msb):
    p = msb.run("-v", "a:/m", "-v", "b:/m/", "--", "true")
    assert p.returncode == 125 and "mounted more than once" in p.stderr


# --- quotas ---

def fill(msb, volume, *rest):
    return msb.run("-v", volume, "--", "sh", "-c",
                   "dd if=/dev/zero of=/d/f bs=1M count=%s 2>&1; stat -c %%s /d/f; %s" % rest)


def test_a_volume_is_full_when_its_quota_is(msb):
    p = fill(msb, "data:/d:quota=10", 20, "df -k /d | tail -1")
    size = int(p.stdout.splitlines()[-2])
    assert "No space left" in p.stdout and 9 << 20 < size <= 10 << 20
    assert int(p.stdout.splitlines()[-1].split()[1]) == 10 << 10
    p = fill(msb, "data:/d", 5, "dd if=/dev/zero of=/d/g bs=1M count=4 2>&1")
    assert "No space left" not in p.stdout  # what was freed can be used again
    p = msb.run("-v", "data:/d", "--", "dd", "if=/dev/zero", "of=/d/h", "bs=1M", "count=4")
    assert "No space left" in p.stderr  # the quota is on all that it holds


def test_a_host_directory_may_grow_by_its_quota(msb):
    (msb.base / "d").mkdir()
    (msb.base / "d/there").write_bytes(b"x" * (8 << 20))
    p = fill(msb, "./d:/d:quota=10", 20, "true")
    assert "No space left" in p.stdout and 9 << 20 < int(p.stdout.splitlines()[-1]) <= 10 << 20
    assert "No space left" not in fill(msb, "./d:/d:quota=0", 20, "true").stdout
