# SPDX-License-Identifier: Apache-2.0
"""Snapshots of stopped sandboxes, and sandboxes made from them."""
import fcntl
import hashlib
import io
import json
import os
import shutil
import subprocess
import tarfile

import pytest

IMAGE = "busybox"  # comes with the product: no network is needed


@pytest.fixture
def kept(msb):
    """A stopped sandbox 'box' with a file of its own, and a snapshot of it named 'kept'."""
    msb.ok("create", "-q", "-n", "box", "--oci-upper-size", "128M", IMAGE)
    msb.ok("exec", "box", "--", "sh", "-c", "echo kept > /root/f; mkdir /d; rm /bin/awk")
    msb.ok("stop", "-q", "box")
    msb.ok("snapshot", "create", "-q", "kept", "--from", "box", "--integrity", "--label", "b=2",
           "--label", "a=1")
    return msb


def artefact(msb, name="kept"):
    return msb.home / "snapshots" / name


def descriptor(msb, name="kept"):
    return (artefact(msb, name) / "snapshot.json").read_bytes()


def digest_of(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


# --- making and using ---

def test_a_sandbox_made_from_a_snapshot_has_its_files(kept):
    p = kept("run", "--from-snapshot", "kept", "--", "sh", "-c",
             "cat /root/f; ls -d /d; test -e /bin/awk || echo gone; echo changed > /root/f")
    assert (p.returncode, p.stdout) == (0, "kept\n/d\ngone\n"), p.stderr
    kept.ok("create", "-q", "-n", "copy", "--snapshot", str(artefact(kept)))
    assert kept.ok("exec", "copy", "--", "cat", "/root/f") == "kept\n"
    assert kept.ok("exec", "box", "--", "cat", "/root/f") == "kept\n"
    config = kept.json("inspect", "copy")["config"]
    assert config["image"]["Oci"]["reference"] == IMAGE
    assert config["manifest_digest"] == json.loads(descriptor(kept))["image"]["manifest_digest"]
    kept.ok("stop", "-q", "copy")
    kept.ok("exec", "copy", "--", "cat", "/root/f")  # it starts again without the snapshot
    kept.ok("snapshot", "rm", "-q", "kept")
    assert kept.ok("exec", "copy", "--", "cat", "/root/f") == "kept\n"


def test_drafts_of_the_dead_are_swept(kept):
    drafts = [kept.home / "snapshots" / f".msb-snapshot.0000000{i}" for i in range(3)]
    for path in drafts:
        path.mkdir()
        (path / "upper.ext4").write_bytes(b"x")
    for path in drafts[1:]:
        os.utime(path, (1, 1))
    fd = os.open(drafts[2], os.O_RDONLY)
    fcntl.flock(fd, fcntl.LOCK_EX)  # its maker lives
    kept.ok("snapshot", "create", "-q", "more", "--from", "box")
    os.close(fd)
    assert [path.exists() for path in drafts] == [True, False, True]


def test_the_descriptor_is_as_documented(kept):
    data = descriptor(kept)
    d = json.loads(data)
    assert data == json.dumps(d, separators=(",", ":"), ensure_ascii=False).encode()
    assert list(d) == ["schema", "format", "fstype", "image", "parent", "created_at", "labels",
                       "upper", "source_sandbox"]
    assert (d["schema"], d["format"], d["fstype"], d["parent"], d["source_sandbox"]) == (
        1, "raw", "ext4", None, "box")
    assert list(d["labels"].items()) == [("a", "1"), ("b", "2")]
    upper = artefact(kept) / "upper.ext4"
    assert d["upper"]["size_bytes"] == upper.stat().st_size
    assert upper.stat().st_blocks * 512 < 64 << 20
    assert kept.ok("snapshot", "ls", "-q") == digest_of(data) + "\n"


def test_create_prints_digest_and_path(kept):
    p = kept("snapshot", "create", "second", "--from", "box")
    assert "Snapshotted" in p.stderr
    assert p.stdout.splitlines() == [digest_of(descriptor(kept, "second")),
                                     str(artefact(kept, "second"))]


def test_what_cannot_be_snapshotted(kept):
    kept.ok("start", "-q", "box")
    p = kept("snapshot", "create", "x", "--from", "box")
    assert (p.returncode, p.stderr) == (1, "error: snapshot source sandbox 'box' is not stopped\n")
    kept.create("plain")
    kept.ok("stop", "-q", "plain")
    p = kept("snapshot", "create", "x", "--from", "plain")
    assert p.returncode == 1 and "was not made from an image" in p.stderr
    p = kept("snapshot", "create", "x", "--from", "nobody")
    assert p.returncode == 1 and "sandbox not found: nobody" in p.stderr
    kept.ok("stop", "-q", "box")
    p = kept("snapshot", "create", "kept", "--from", "box")
    assert (p.returncode, p.stderr) == (1, "error: snapshot already exists: kept\n")
    for name in ("", "-x", "a b"):
        assert kept("snapshot", "create", name, "--from", "box").returncode in (1, 2)
    before = descriptor(kept)
    kept.ok("snapshot", "create", "-q", "-f", "kept", "--from", "box")
    assert descriptor(kept) != before
    (kept.base / "other").mkdir()
    (kept.base / "other/file").write_text("x")
    p = kept("snapshot", "create", "-f", "./other", "--from", "box")
    assert p.returncode == 1 and "is not a snapshot" in p.stderr
    assert (kept.base / "other/file").exists()
    names = {e.name for e in (kept.home / "snapshots").iterdir()}
    assert names <= {"kept", ".index"}  # nothing half-made


def test_snapshots_elsewhere_are_known_by_their_digest(kept):
    kept.ok("snapshot", "create", "-q", "./there", "--from", "box")
    digest = digest_of((kept.base / "there/snapshot.json").read_bytes())
    assert len(kept.json("snapshot", "ls")) == 2
    for ref in (digest, digest[7:19], "./there", str(kept.base / "there")):
        assert digest in kept.ok("snapshot", "inspect", ref)
    shutil.move(kept.base / "there", kept.base / "moved")
    assert len(kept.json("snapshot", "ls")) == 1
    assert kept.ok("snapshot", "reindex", str(kept.base)) == (
        f"indexed 1 snapshot(s) from {kept.base}\n")
    assert len(kept.json("snapshot", "ls")) == 2
    assert kept.ok("snapshot", "reindex").startswith("indexed 2 snapshot(s) from ")
    kept.ok("snapshot", "rm", "-q", digest)
    assert not (kept.base / "moved").exists() and len(kept.json("snapshot", "ls")) == 1


def test_tampering_is_found(kept):
    text = descriptor(kept)
    file = artefact(kept) / "snapshot.json"
    for edited in (text.replace(b'"a":"1"', b'"a": "1"'), text.replace(b'"schema":1', b'"schema":2'),
                   text[:-1], b"{}", text.replace(b'"parent":null,', b""), text + b"\n"):
        file.write_bytes(edited)
        p = kept("snapshot", "inspect", "kept")
        assert p.returncode == 1 and "integrity check failed" in p.stderr, edited
        assert kept("run", "--snapshot", "kept", "--", "true").returncode == 125
    file.write_bytes(text)
    upper = artefact(kept) / "upper.ext4"
    with open(upper, "r+b") as f:
        f.seek(5000)
        f.write(b"\x55")
    kept.ok("snapshot", "inspect", "kept")
    p = kept("snapshot", "verify", "kept")
    assert p.returncode == 1 and "integrity check failed" in p.stderr
    os.truncate(upper, 4096)
    p = kept("snapshot", "inspect", "kept")
    assert p.returncode == 1 and "4096 bytes" in p.stderr
    upper.unlink()
    upper.symlink_to("/etc/passwd")
    assert kept("snapshot", "inspect", "kept").returncode == 1


def test_a_missing_image_is_told(kept):
    kept.ok("rm", "-q", "box")
    p = kept("image", "rm", IMAGE)
    assert p.returncode == 1 and "snapshot kept" in p.stderr
    text = descriptor(kept).decode()
    digest = json.loads(text)["image"]["manifest_digest"]
    other = "sha256:" + "0" * 64
    (artefact(kept) / "snapshot.json").write_text(text.replace(digest, other))
    p = kept("run", "--snapshot", "kept", "--", "true")
    assert p.returncode == 125
    assert f"snapshot image missing from cache: {IMAGE} ({other})" in p.stderr
    assert kept.json("ls") == []


def test_wrong_combinations(kept):
    for args in (("--snapshot", "kept", IMAGE), ()):
        assert kept("run", *args, "--", "true").returncode == 2
    p = kept("run", "--snapshot", "kept", "--oci-upper-size", "1G", "--", "true")
    assert p.returncode == 125 and "cannot be changed" in p.stderr
    p = kept("run", "--snapshot", "none", "--", "true")
    assert p.returncode == 125 and "snapshot not found: none" in p.stderr


# --- archives ---

@pytest.mark.parametrize("plain", [True, False])
def test_export_and_import_keep_the_snapshot(kept, plain):
    before = hashlib.sha256((artefact(kept) / "upper.ext4").read_bytes()).digest()
    out = kept.ok("snapshot", "export", "kept", "./archive", *(["--plain-tar"] if plain else []))
    assert out == "./archive\n"
    assert (kept.base / "archive").stat().st_size < 16 << 20
    digest = digest_of(descriptor(kept))
    lines = kept.ok("snapshot", "import", "./archive").splitlines()
    assert lines == [digest, str(artefact(kept, "sha256-" + digest[7:23]))]
    lines = kept.ok("snapshot", "load", "./archive", "named").splitlines()
    assert lines == [digest, str(artefact(kept, "named"))]
    assert descriptor(kept, "named") == descriptor(kept)
    after = hashlib.sha256((artefact(kept, "named") / "upper.ext4").read_bytes()).digest()
    assert before == after
    assert "verified" in kept.ok("snapshot", "verify", "named")
    assert kept.ok("snapshot", "import", "./archive").splitlines()[0] == digest  # again
    kept.ok("snapshot", "create", "-q", "other", "--from", "box")
    p = kept("snapshot", "import", "./archive", "other")
    assert p.returncode == 1 and "already exists" in p.stderr
    p = kept("run", "--snapshot", "named", "--", "cat", "/root/f")
    assert p.stdout == "kept\n", p.stderr
    assert {e.name for e in kept.base.iterdir()} == {"home", "rootfs", "archive"}


def test_archives_of_other_programs(kept):
    name = "sha256-" + digest_of(descriptor(kept))[7:23]
    for dots, *flags in (("", "--format=pax", "-S"), ("./", "--format=pax"),
                         ("", "--format=ustar", "--zstd"), ("./", "--format=gnu", "-z")):
        subprocess.run(["tar", "cf", kept.base / "t.tar", *flags, "-C", kept.home / "snapshots",
                        "--transform", f"s,^kept,{dots}{name},", "kept"], check=True)
        kept("snapshot", "rm", "-q", "got")
        p = kept("snapshot", "import", "./t.tar", "got")
        assert p.returncode == 0, (flags, p.stderr)
        kept.ok("snapshot", "verify", "got")


def archive(path, members):
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as t:
        for name, data, kind in members:
            info = tarfile.TarInfo(name)
            info.type = kind
            if kind in (tarfile.SYMTYPE, tarfile.LNKTYPE):
                info.linkname = data
                t.addfile(info)
            else:
                info.size = len(data)
                t.addfile(info, io.BytesIO(data))


def test_hostile_archives_are_refused_and_leave_nothing(kept):
    text = json.loads(descriptor(kept))
    text["upper"].update(size_bytes=4096, integrity=None)
    good = json.dumps(text, separators=(",", ":")).encode()
    name = "sha256-" + digest_of(good)[7:23]
    upper = b"\0" * 4096
    file, link, hard, node = (tarfile.REGTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE)
    base = [(f"{name}/snapshot.json", good, file), (f"{name}/upper.ext4", upper, file)]
    target = kept.base / "a.tar"
    archive(target, base + [("cache/layers/x", b"not taken", file)])
    kept.ok("snapshot", "import", "./a.tar", "fine")
    outside = kept.base / "outside"
    hostile = {
        "dotdot": base + [("../outside", b"x", file)],
        "absolute": base + [(str(outside), b"x", file)],
        "deep": base + [(f"{name}/../../outside", b"x", file)],
        "link": [base[0], (f"{name}/upper.ext4", "/etc/passwd", link)],
        "hardlink": base + [(f"{name}/x", f"{name}/upper.ext4", hard)],
        "device": base + [(f"{name}/x", b"", node)],
        "more": base + [(f"{name}/x", b"x", file)],
        "twice": base + [base[1]],
        "other digest": [(m[0].replace(name, "sha256-" + "0" * 16), *m[1:]) for m in base],
        "no layer": base[:1],
        "short layer": [base[0], (f"{name}/upper.ext4", upper[1:], file)],
        "no descriptor": base[1:],
        "not json": [(f"{name}/snapshot.json", b"x", file), base[1]],
        "foreign": base + [("readme", b"x", file)],
        "cache link": base + [("cache/layers/x", "/", link)],
        "nothing": [],
    }
    snapshots = kept.ok("snapshot", "ls", "-q")
    for what, members in hostile.items():
        archive(target, members)
        p = kept("snapshot", "import", "./a.tar", "got")
        assert p.returncode == 1 and p.stderr.startswith("error: "), what
        assert not outside.exists() and not artefact(kept, "got").exists(), what
    for data in (b"", b"x" * 5000, b"\x28\xb5\x2f\xfd" + b"x" * 100, b"\x1f\x8b" + b"x" * 100,
                 target.read_bytes()[:700]):
        target.write_bytes(data)
        assert kept("snapshot", "import", "./a.tar", "got").returncode == 1
    assert kept.ok("snapshot", "ls", "-q") == snapshots
    left = {e.name for e in (kept.home / "snapshots").iterdir()}
    assert left <= {"kept", "fine", ".index"}
