# SPDX-License-Identifier: Apache-2.0
"""msb copy: files and trees between the host and sandboxes."""
import os
import stat
import subprocess

import pytest


def sh(msb, script, name="box"):
    return msb.ok("exec", name, "--", "sh", "-c", script)


def make_tree(base):
    """A tree with everything that a copy keeps."""
    base.mkdir()
    (base / "empty").mkdir()
    (base / "a b").mkdir(mode=0o750)
    (base / "a b/ü\n").write_bytes(os.urandom(300_000))
    (base / "zero").write_bytes(b"")
    (base / "script").write_text("#!/bin/sh\n")
    (base / "script").chmod(0o751)
    (base / "secret").write_text("x")
    (base / "secret").chmod(0o400)
    (base / "link").symlink_to("a b/ü\n")
    (base / "dangling").symlink_to("nowhere/at all")
    (base / "deep").mkdir()
    (base / "deep/up").symlink_to("../script")
    d = base / "deep"
    for i in range(30):
        d = d / f"level{i}"
        d.mkdir()
    (d / "bottom").write_text("here")
    os.utime(base / "script", (1_600_000_000, 1_500_000_000))
    (base / "readonly").mkdir()
    (base / "readonly/f").write_text("in it")
    (base / "readonly").chmod(0o555)
    os.utime(base / "deep", (1_600_000_000, 1_400_000_000))


def listing(base):
    """What a tree is, entry by entry."""
    found = {}
    for root, dirs, files in os.walk(base):
        for name in [*dirs, *files, "."]:
            path = os.path.join(root, name)
            st = os.lstat(path)
            what = (stat.S_IFMT(st.st_mode), stat.S_IMODE(st.st_mode))
            if stat.S_ISLNK(st.st_mode):
                what = (os.readlink(path),)
            elif stat.S_ISREG(st.st_mode):
                with open(path, "rb") as f:
                    what += (int(st.st_mtime), f.read())
            else:
                what += (int(st.st_mtime),)
            found[os.path.relpath(path, base)] = what
    return found


# --- single files ---

def test_a_file_goes_in_and_comes_out(box):
    data = os.urandom(5_000_000)
    (box.base / "f").write_bytes(data)
    (box.base / "f").chmod(0o4755)
    assert box.ok("cp", "./f", "box:/tmp/g") == ""
    assert sh(box, "stat -c '%a %u %s' /tmp/g") == "4755 0 5000000\n"
    box.ok("copy", "-q", "box:/tmp/g", "./h")
    assert (box.base / "h").read_bytes() == data
    assert stat.S_IMODE((box.base / "h").stat().st_mode) == 0o755  # no set-uid of a guest's


def test_where_a_file_goes(box):
    (box.base / "f").write_text("text")
    (box.base / "d").mkdir()
    sh(box, "mkdir /d && echo old > /d/old && ln -s /d /dlink")
    box.ok("cp", "./f", "box:/d")
    box.ok("cp", "f", "box:/d/")
    box.ok("cp", "./f", "box:/d/old")
    box.ok("cp", "./f", "box:/dlink/new")
    assert sh(box, "cd /d && ls && cat f new old") == "f\nnew\nold\ntexttexttext"
    for wrong, text in ((("./f", "box:/none/"), "directory does not exist"),
                        (("./f", "box:/none/x"), "/none"),
                        (("./f", "box:/d/f/"), "not a directory"),
                        (("./f/", "box:/d"), "not a directory"),
                        (("./none", "box:/d"), "none"),
                        (("box:/none", "."), "no such file"),
                        (("box:/d/f", "./d/x/y"), "d/x")):
        p = box("cp", *wrong)
        assert p.returncode == 1 and text in p.stderr.lower(), (wrong, p.stderr)
        assert p.stderr.startswith("error: ") and p.stderr.count("\n") == 1
    box.ok("cp", "box:/d/f", "d")
    box.ok("cp", "box:/d/f", "d/g")
    assert sorted(os.listdir(box.base / "d")) == ["f", "g"]


def test_a_destination_that_the_user_names_is_written_to(box):
    sh(box, "echo text > /f; chmod 600 /f")
    (box.base / "real").write_text("longer than before")
    (box.base / "real").chmod(0o640)
    (box.base / "link").symlink_to("real")
    box.ok("cp", "box:/f", "./link")
    assert (box.base / "link").is_symlink() and (box.base / "real").read_text() == "text\n"
    assert stat.S_IMODE((box.base / "real").stat().st_mode) == 0o640
    assert box.ok("cp", "-q", "box:/f", "/dev/null") == ""


def test_the_link_that_is_named_is_followed(box):
    sh(box, "echo text > /f; ln -s /f /l; mkdir /d; ln -s /d /dl; touch /d/x")
    box.ok("cp", "box:/l", "./out")
    assert not (box.base / "out").is_symlink() and (box.base / "out").read_text() == "text\n"
    box.ok("cp", "box:/dl", "./dir")
    assert os.listdir(box.base / "dir") == ["x"]


def test_files_whose_size_says_nothing(box):
    box.ok("cp", "box:/proc/version", "./v")
    assert "Linux" in (box.base / "v").read_text()


# --- trees ---

def test_a_tree_survives_the_round_trip(box):
    make_tree(box.base / "tree")
    box.ok("cp", "./tree", "box:/copied")
    box.ok("cp", "box:/copied", "./back")
    assert listing(box.base / "back") == listing(box.base / "tree")
    assert sh(box, "stat -c '%a %Y' /copied/script /copied/deep") == (
        "751 1500000000\n755 1400000000\n")


def test_where_a_tree_goes(box):
    (box.base / "t").mkdir()
    (box.base / "t/f").write_text("x")
    sh(box, "mkdir /d; touch /file")
    box.ok("cp", "./t", "box:/new")
    box.ok("cp", "./t", "box:/d")
    box.ok("cp", "./t/.", "box:/d")
    box.ok("cp", ".", "box:/cwd", cwd=box.base / "t")
    box.ok("cp", "../t", "box:/d/t", cwd=box.base / "t")
    assert sh(box, "cd / && find new d cwd -type f | sort").split() == [
        "cwd/f", "d/f", "d/t/f", "d/t/t/f", "new/f"]
    p = box("cp", "./t", "box:/file")
    assert p.returncode == 1 and "not a directory" in p.stderr
    p = box("cp", "./t", "box:/none/new")
    assert p.returncode == 1
    box.ok("cp", "box:/d", "./out")
    box.ok("cp", "box:/d", "./out")
    assert sorted(os.listdir(box.base / "out")) == ["d", "f", "t"]


def test_an_existing_tree_is_merged(box):
    make_tree(box.base / "tree")
    box.ok("cp", "./tree", "box:/t")
    (box.base / "tree/zero").write_text("changed")
    (box.base / "tree/more").write_text("more")
    sh(box, "touch /t/kept; chmod 700 /t")
    box.ok("cp", "./tree/.", "box:/t")
    assert sh(box, "cd /t; cat zero more; ls kept; stat -c %a .") == "changedmorekept\n700\n"


def test_many_small_files(box):
    (box.base / "many").mkdir()
    for i in range(1500):
        (box.base / f"many/{i}").write_text(str(i))
    box.ok("cp", "./many", "box:/many")
    box.ok("cp", "box:/many", "./back")
    assert listing(box.base / "back") == listing(box.base / "many")


def test_special_files_are_told_and_skipped(box):
    (box.base / "t").mkdir()
    os.mkfifo(box.base / "t/fifo")
    (box.base / "t/f").write_text("x")
    p = box("cp", "./t", "box:/t")
    assert p.returncode == 1 and p.stderr.count("not copied") == 1 and "t/fifo" in p.stderr
    assert sh(box, "ls /t") == "f\n"
    sh(box, "mkdir /s; mkfifo /s/fifo; mknod /s/null c 1 3; touch /s/g")
    p = box("cp", "box:/s", "./s")
    assert p.returncode == 1 and p.stderr.count("not copied") == 2
    assert os.listdir(box.base / "s") == ["g"]


def test_unreadable_files_do_not_end_the_copy(box):
    if os.geteuid() == 0:
        pytest.skip("root reads everything")
    (box.base / "t").mkdir()
    (box.base / "t/a").write_text("x")
    (box.base / "t/a").chmod(0)
    (box.base / "t/b").write_text("y")
    p = box("cp", "./t", "box:/t")
    assert p.returncode == 1 and "t/a" in p.stderr
    assert sh(box, "ls /t") == "b\n"


# --- between sandboxes, stopped sandboxes ---

def test_within_and_between_sandboxes(msb):
    msb.create("one")
    msb.create("two", "--tmpfs", "/x")
    make_tree(msb.base / "tree")
    msb.ok("cp", "./tree", "one:/t")
    msb.ok("cp", "one:/t", "two:/x/t")
    msb.ok("cp", "two:/x/t", "two:/x/u")
    msb.ok("cp", "two:/x/u", "./back")
    assert listing(msb.base / "back") == listing(msb.base / "tree")
    for into in ("/x/t", "/x/t/sub", "/x/t/empty"):
        p = msb("cp", "two:/x/t", f"two:{into}")
        assert p.returncode == 1 and "into itself" in p.stderr
    msb.ok("cp", "one:/t", "two:/t")  # one directory, as both have one root
    assert sh(msb, "ls -d /t/t/deep; test -e /t/t/t || echo once", "one") == "/t/t/deep\nonce\n"
    p = msb("cp", "two:/", "two:/x")
    assert p.returncode == 1 and "into itself" in p.stderr


def test_a_stopped_sandbox_is_started_for_the_copy(box):
    box.ok("stop", "-q", "box")
    (box.base / "f").write_text("text")
    box.ok("cp", "./f", "box:/root/f")
    assert box.status("box") == "Stopped"
    box.ok("cp", "box:/root/f", "./g")
    assert (box.base / "g").read_text() == "text" and box.status("box") == "Stopped"
    assert box.no_processes()


def test_wrong_endpoints(box):
    for args, code, text in ((("./a", "./b"), 2, "neither side"),
                             (("a", "b"), 2, "neither side"),
                             (("box:tmp", "."), 1, "ambiguous copy endpoint: box:tmp"),
                             (("./x", "box:"), 1, "ambiguous"), ((":/x", "."), 1, "ambiguous"),
                             (("nobody:/x", "."), 1, "sandbox not found: nobody"),
                             (("box:/x",), 2, "DST")):
        p = box("cp", *args)
        assert p.returncode == code and text in p.stderr, (args, p.stderr)
    (box.base / "a:b").write_text("x")
    box.ok("cp", "./a:b", "box:/tmp/c")


# --- a guest that means harm ---

def test_links_that_lead_outside_are_not_made(box):
    sh(box, """mkdir -p /t/d/e; cd /t; touch f d/g
        ln -s /etc/passwd absolute; ln -s ../outside up; ln -s d/../../outside sneaky
        ln -s ../f d/fine; ln -s ../../f d/e/fine2; ln -s ../../../f d/e/toofar
        ln -s ../.. d/e/root; ln -s d/e/root/.. chained; ln -s . self; ln -s d/g plain""")
    p = box("cp", "box:/t", "./t")
    assert p.returncode == 1
    assert p.stderr.count("leads outside of the copy") == 5
    t = box.base / "t"
    links = {str(x.relative_to(t)) for x in t.rglob("*") if x.is_symlink()}
    assert links == {"d/fine", "d/e/fine2", "d/e/root", "self", "plain"}


def test_nothing_is_written_through_links_that_are_there(box):
    outside = box.base / "outside"
    outside.mkdir()
    (outside / "victim").write_text("old")
    out = box.base / "out"
    (out / "t").mkdir(parents=True)
    (out / "t/d").symlink_to(outside)
    (out / "t/f").symlink_to(outside / "victim")
    sh(box, "mkdir -p /t/d; echo evil > /t/d/victim; echo new > /t/f")
    p = box("cp", "box:/t", "./out")
    assert p.returncode == 1 and "t/d" in p.stderr
    assert (outside / "victim").read_text() == "old"
    assert (out / "t/f").read_text() == "new\n" and not (out / "t/f").is_symlink()


def test_a_link_in_place_of_the_copy_is_not_followed(box):
    (box.base / "outside").mkdir()
    (box.base / "out").mkdir()
    (box.base / "out/t").symlink_to(box.base / "outside")
    sh(box, "mkdir /t; touch /t/f")
    p = box("cp", "box:/t", "./out")
    assert p.returncode == 1 and os.listdir(box.base / "outside") == []
