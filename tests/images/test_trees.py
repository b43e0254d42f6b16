# SPDX-License-Identifier: Apache-2.0
"""What a sandbox shows of an image is what umoci unpacks of it as root, entry by entry."""
import hashlib
import os
import re
import subprocess

import pytest

import difficult
import trees
from conftest import LSTREE, ORDINARY, Msb, fsck, needs_root
from oci import BLOCK, LAYER, Image, Layer, Tar, header, padded, repeated_gzip, simple


def check(msb, expected, reference):
    msb.pulled(reference)
    differences = trees.compare(expected, msb.tree(reference))
    assert not differences, "\n".join(differences[:40])


@needs_root
@pytest.mark.parametrize("name", difficult.IMAGES)
def test_as_umoci_unpacks_it(here, registry, name):
    image = difficult.image(name)
    push = registry.put if len(image.layers) > 100 else registry.push  # skopeo takes its time
    check(here, trees.of_umoci(LSTREE, image), push(image, f"tree/{name}"))
    layers = sorted((here.home / "cache/layers").glob("*.erofs"))
    assert len(layers) == len({x.diff_id for x in image.layers})
    fsck(*layers)


@needs_root
@pytest.mark.parametrize("compression", ["members", "zstd", "frames", "plain"])
@pytest.mark.parametrize("name", ["sizes", "another_type"])
def test_however_it_is_compressed(here, registry, name, compression):
    image = difficult.image(name, compression)
    reference = registry.put(image, f"packed/{name}/{compression}")
    check(here, trees.of_umoci(LSTREE, image), reference)


@needs_root
@pytest.mark.parametrize("compression", ["gzip", "zstd", "plain"])
def test_the_bytes_tell_the_compression_not_the_name(here, registry, compression):
    layers = [Layer(x, compression, LAYER + "+gzip" if compression != "gzip" else LAYER + "+zstd")
              for x in difficult.opaque()]
    image = Image(*layers)
    check(here, trees.of_umoci(LSTREE, image), registry.put(image, f"misnamed/{compression}"))


@needs_root
def test_docker_media_types(here, registry):
    image = Image(*[Layer(x) for x in difficult.opaque()], docker=True)
    check(here, trees.of_umoci(LSTREE, image), registry.put(image, "docker-types"))


@needs_root
def test_msb_run_by_root(base, registry):
    """Everything else here is done by an ordinary user."""
    msb = Msb(base)
    msb.plain(registry.host)
    image = difficult.image("modes_and_owners")
    check(msb, trees.of_umoci(LSTREE, image), registry.push(image, "by-root"))
    msb.clean()


def test_forward_and_odd_hard_links(here, registry):
    """Links that come before their target, which umoci refuses."""
    tar = (Tar().dir("./").hardlink("early", "late").file("late", "content", mode=0o604, uid=7)
           .hardlink("dotted", "././late"))
    tree = here_tree(here, registry, Image(tar), "forward")
    for name in ("/early", "/late", "/dotted"):
        assert tree[name]["inode"] == "/dotted /early /late"
        assert (tree[name]["mode"], tree[name]["uid"], tree[name]["size"],
                tree[name]["nlink"]) == ("100604", "7", "7", "3")


def here_tree(msb, registry, image, name):
    reference = registry.put(image, name)
    msb.pulled(reference)
    return msb.tree(reference)


def test_contiguous_files_and_unknown_types(here, registry):
    tar = (Tar("ustar").dir("./").entry("contiguous", "7", b"data").file("before", "1")
           .entry("vendor", "Z", b"what is this").file("after", "2"))
    tree = here_tree(here, registry, Image(tar), "contiguous")
    assert tree["/contiguous"]["mode"] == "100644" and tree["/contiguous"]["size"] == "4"
    assert "/before" in tree and "/after" in tree


def test_paths_that_begin_with_slashes_land_inside(here, registry):
    tar = Tar().dir("/").file("/a", "1").file("//b", "2").file("///d/c", "3").hardlink("e", "/a")
    tree = here_tree(here, registry, Image(tar), "absolute")
    assert {"/a", "/b", "/d", "/d/c", "/e"} <= set(tree)
    assert tree["/e"]["inode"] == "/a /e"


def test_pax_globals_and_octal_oddities(here, registry):
    """Global headers say nothing, as with every container engine."""
    glob = b"27 mtime=1234567890.500000\n"
    tar = Tar("ustar").dir("./")
    tar.raw(header(b"g", "g", len(glob), 0o644, 0, 0, 0, b"", 0, 0, "pax") + padded(glob))
    tar.file("f", "1")
    # numbers ended by a blank, and filled with blanks instead of zeros
    h = bytearray(header(b"spaced", "0", 3, 0o644, 0, 0, 5, b"", 0, 0, "ustar"))
    h[100:108], h[124:136] = b"   640 \0", b"          3 "
    h[148:156] = b" " * 8
    h[148:156] = b"%06o\0 " % sum(h)
    tar.raw(bytes(h) + padded(b"abc"))
    tree = here_tree(here, registry, Image(tar), "octal")
    assert tree["/f"]["mtime"] == "1600000000.000000000"
    assert tree["/spaced"]["mode"] == "100640" and tree["/spaced"]["size"] == "3"


def test_gnu_sparse_file(here, registry, base):
    """As GNU tar writes one: a map of what is data."""
    src = base / "sparse"
    src.mkdir()
    for fmt in ("gnu", "pax"):
        with open(src / fmt, "wb") as f:
            f.write(b"begin")
            f.seek(3 << 20)
            f.write(b"middle" * 1000)
            f.truncate(10_000_001)
    tars = [subprocess.run(["tar", "-C", src, "--sparse", f"--format={fmt}", "-cf", "-", fmt],
                           check=True, capture_output=True).stdout for fmt in ("gnu", "pax")]
    assert all(len(t) < 100_000 for t in tars)
    tree = here_tree(here, registry, Image(*[Layer(t) for t in tars]), "gnusparse")
    want = trees.of_directory(LSTREE, src)
    for fmt in ("gnu", "pax"):
        for field in ("size", "content"):
            assert tree[f"/{fmt}"][field] == want[f"/{fmt}"][field]


@needs_root
def test_archives_of_gnu_tar(here, registry):
    """Files of this machine, in both formats, with the hard links among them."""
    def tar(*args):
        return subprocess.run(["tar", "-C", "/usr", "--sort=name", "-c", *args], check=True,
                              capture_output=True).stdout

    image = Image(Layer(tar("--format=gnu", "share/zoneinfo")),
                  Layer(tar("--format=posix", "--xattrs", "share/zoneinfo", "share/perl5")))
    tree = trees.of_umoci(LSTREE, image)
    assert len(tree) > 1000
    check(here, tree, registry.push(image, "gnu-tar"))


@pytest.mark.slow
def test_file_of_more_than_4_gib(here, registry, base):
    unit, times, tail = bytes(64 << 20), 64, b"the end" * 1000
    size = len(unit) * times + len(tail)
    head = bytes(Tar().dir("./").out) + header(b"big", "0", size, 0o644, 0, 0, 1, b"", 0, 0,
                                               "ustar")
    end = tail + bytes(-size % BLOCK) + bytes(2 * BLOCK)
    blob, diff_id = repeated_gzip(head, unit, times, end)
    tree = here_tree(here, registry, Image(Layer(b"", blob=blob, diff_id=diff_id)), "big")
    with open(base / "big", "wb") as f:
        f.seek(len(unit) * times)
        f.write(tail)
    want = trees.of_directory(LSTREE, base)["/big"]
    assert tree["/big"]["size"] == str(size) == want["size"]
    assert tree["/big"]["content"] == want["content"]
    assert here.disk_use() < 64 << 20  # its zeros are holes


def test_the_same_layer_gives_the_same_bytes(base, registry):
    reference = registry.push(difficult.image("big_directory"), "same")
    seen = set()
    for i in range(2):
        (base / str(i)).mkdir()
        msb = Msb(base / str(i), None if os.geteuid() else ORDINARY)
        msb.plain(registry.host)
        msb.pulled(reference)
        seen.add(tuple(sorted(
            (name, hashlib.sha256((msb.home / "cache" / name).read_bytes()).hexdigest())
            for name in msb.cached())))
    assert len(seen) == 1 and len(seen.pop()) >= 3


def test_writes_stay_in_the_sandbox(here, registry):
    """Over the image lies a disk of the sandbox's own; the image never changes."""
    tar = (Tar().dir("./").dir("d", mode=0o1777).file("d/low", "lower").file("f", "x" * 5000)
           .dir("bin").file("bin/busybox", open("/bin/busybox", "rb").read(), mode=0o755))
    for name in ("sh", "cat", "rm", "mv", "chmod", "stat", "sync"):
        tar.symlink(f"bin/{name}", "busybox")
    reference = registry.push(Image(tar), "writes")
    here.pulled(reference)
    before = {n: (here.home / "cache" / n).read_bytes() for n in here.cached()}
    here.ok("create", "-q", "-n", "box", reference)
    here.ok("exec", "box", "--", "sh", "-c",
            "echo new > /d/new; rm /d/low; mv /f /g; chmod 600 /g; mv /d /e")
    here.ok("stop", "box")
    assert here.ok("exec", "box", "--", "sh", "-c",
                   "cat /e/new; stat -c %a%s /g; [ ! -e /e/low ] && [ ! -e /f ] && [ ! -e /d ]"
                   ) == "new\n6005000\n"
    other = here.ok("run", reference, "--", "sh", "-c", "cat /d/low; stat -c %a /f")
    assert other == "lower644\n"
    assert before == {n: (here.home / "cache" / n).read_bytes() for n in here.cached()}


def test_image_of_another_builder_is_made_again(here, registry):
    reference = registry.push(simple("again"), "builder")
    here.pulled(reference)
    for record in (here.home / "cache/manifests").glob("*.json"):
        text = record.read_text()
        assert '"builder"' in text
        record.write_text(re.sub(r'("builder":\s*)(\d+)', r"\g<1>999999", text))
    assert here.tree(reference)["/hello"]["size"] == "5"
