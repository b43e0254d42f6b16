# SPDX-License-Identifier: Apache-2.0
"""Images that are legal and hard to get right; test_trees.py looks at each in a sandbox."""
import random
import struct

from oci import Image, Layer, Tar

CAPABILITY = struct.pack("<IIIII", 0x02000001, 1 << 13, 0, 0, 0)  # cap_net_raw+ep
MIXED = [b"!bang", b"#hash", b"+plus", b"-dash", b".dot", b"..dots", b"...", b"\xff\xfe",
         b"\xc3\xbc", b"a b", b"tab\there", b"new\nline", b"back\\slash", b"quote\"s'", b"%41",
         b"~", b"\x01", b"\x7f", b".wh", b"wh.", b"x.wh.y"]


def data(n, seed=1):
    return random.Random(seed).randbytes(n)


def base(tar=None):
    return (tar or Tar()).dir("./")


def whiteout_file():
    return [base().dir("d").file("d/gone", "1").file("d/stays", "2").file("gone", "3"),
            Tar().whiteout("d/gone").whiteout("gone")]


def whiteout_directory():
    return [base().dir("d").dir("d/e").file("d/e/f", "1").symlink("d/l", "e").dir("stays"),
            Tar().whiteout("d"), Tar().file("unrelated", "2")]


def whiteout_of_nothing():
    return [base().dir("d"), Tar().whiteout("d/never").whiteout("nor-this").file("x", "1")]


def whiteout_then_again():
    return [base().file("f", "first"), Tar().whiteout("f"), Tar().file("f", "second", mode=0o600),
            Tar().whiteout("f"), Tar().dir("f", mode=0o700).file("f/inside", "third")]


def opaque():
    return [base().dir("d", mode=0o711).file("d/old", "1").dir("d/sub").file("d/sub/old", "2"),
            Tar().dir("d", mode=0o750).opaque("d").file("d/new", "3")]


def opaque_after_its_files():
    return [base().dir("d").file("d/old", "1"),
            Tar().dir("d").file("d/new", "2").dir("d/sub").file("d/sub/x", "3").opaque("d")]


def opaque_below():
    return [base().dir("a").dir("a/b").file("a/b/old", "1").file("a/kept", "2"),
            Tar().dir("a").dir("a/b").opaque("a/b").file("a/b/new", "3"),
            Tar().dir("a").dir("a/b").file("a/b/newer", "4")]


def opaque_with_same_name():
    return [base().dir("d").dir("d/sub").file("d/sub/lower", "1"),
            Tar().dir("d").opaque("d").dir("d/sub").file("d/sub/upper", "2")]


def opaque_new_directory():
    return [base(), Tar().dir("d").opaque("d").file("d/f", "1")]


def another_type():
    types = [lambda t, n: t.file(n, "text"), lambda t, n: t.dir(n).file(n + "/in", "1"),
             lambda t, n: t.symlink(n, "target"), lambda t, n: t.entry(n, "6"),
             lambda t, n: t.entry(n, "3", major=1, minor=3)]
    low, high = base(), Tar()
    for i, first in enumerate(types):
        for j, second in enumerate(types):
            first(low, f"from{i}to{j}")
            second(high, f"from{i}to{j}")
    return [low, high]


def recreated_in_one_layer():
    """A whiteout and the same name anew mean: without what was below."""
    return [base().dir("d").file("d/old", "1").file("f", "2"),
            Tar().whiteout("d").dir("d").file("d/new", "3").whiteout("f").dir("f")
            .file("f/x", "4")]


def whiteout_after_its_name():
    return [base().file("f", "1").dir("d").file("d/old", "2"),
            Tar().file("f", "new").whiteout("f").dir("d").file("d/new", "3").whiteout("d")]


def opaque_root():
    return [base().file("f", "1").dir("d").file("d/old", "2").dir("e"),
            Tar().dir("./", mode=0o751).opaque("").dir("d").file("d/new", "3")]


def hard_links():
    return [base().file("a", "shared", mode=0o640, uid=5).hardlink("b", "a")
            .dir("d").hardlink("d/c", "./a").hardlink("d/e", "/b").file("lone", "1")
            .hardlink("other", "d/c")]


def hard_link_lost():
    return [base().file("a", "x").hardlink("b", "a").hardlink("c", "a"), Tar().whiteout("b")]


def hard_link_across():
    """A link to a file of a lower layer, which the archive repeats."""
    return [base().file("a", "one").hardlink("b", "a"),
            Tar().file("a", "two").hardlink("c", "a")]


def hard_link_to_link():
    return [base().symlink("l", "somewhere").hardlink("m", "l").entry("p", "6", mode=0o622)
            .hardlink("q", "p").entry("n", "3", major=5, minor=1).hardlink("o", "n")]


def extended_attributes():
    return [base().dir("d", xattrs={"user.d": "dir"})
            .file("ping", "\x7fELF", mode=0o755, xattrs={"security.capability": CAPABILITY})
            .file("many", "1", xattrs={f"user.k{i:02}": data(i, i) for i in range(1, 40)})
            .file("binary", "2", xattrs={"user.bin": b"a\0b=c\n\xff"})
            .file("sized", data(4096), xattrs={"user.odd": "123"})
            .file("trusted", "4", xattrs={"trusted.t": "yes"})
            .file("again", "5", xattrs={"user.lower": "gone"}),
            Tar().file("again", "6", xattrs={"user.upper": "here"})
            .dir("d", xattrs={"user.other": "2"})]


def long_attribute():
    return [base().file("f", "1", xattrs={"user.long": data(3000), "user.short": "1"})]


def devices():
    t = base()
    for i, (kind, major, minor) in enumerate([("3", 1, 3), ("4", 8, 17), ("3", 4, 300),
                                              ("4", 259, 1048575 & 0o7777777), ("3", 510, 0)]):
        t.entry(f"dev{i}", kind, mode=0o620, uid=i, gid=5, major=major, minor=minor)
    return [t.entry("fifo", "6", mode=0o606).dir("d").entry("d/fifo", "6")]


def modes_and_owners():
    t = base(Tar()).dir("sticky", mode=0o1777).dir("sgid", mode=0o2775)
    for i, mode in enumerate([0, 0o1, 0o111, 0o777, 0o1644, 0o2755, 0o4755, 0o6711, 0o7777]):
        t.file(f"m{i}", str(i), mode=mode)
    for i, uid in enumerate([1, 65534, 65535, 65536, 1 << 20, (1 << 31) - 1, (1 << 32) - 2]):
        t.file(f"u{i}", "", uid=uid, gid=uid)
        t.dir(f"ud{i}", uid=uid, gid=uid // 2)
        t.symlink(f"ul{i}", "x", uid=uid, gid=7)
    return [t, Tar().dir("./", mode=0o711, uid=3, gid=4)]


def times():
    return [base().file("now", "", mtime=1700000000.123456789).file("epoch", "", mtime=0)
            .file("early", "", mtime=-86400.5).file("late", "", mtime=(1 << 32) + 5)
            .dir("d", mtime=1234567890.5).symlink("l", "x", mtime=99.25)]


def sizes():
    t = base()
    for n in [0, 1, 511, 512, 4095, 4096, 4097, 8191, 8192, 65536, 65537, 1 << 20, 3000001]:
        t.file(f"s{n}", data(n, n))
    return [t.file("zeros", bytes(1 << 20)).file("half", bytes(40960) + b"x" + bytes(40960))]


def long_names():
    deep = "/".join(["x" * 100] * 9)
    t = base().file("n" * 255, "1").dir("d" * 255).file("d" * 255 + "/" + "f" * 255, "2")
    t.symlink("l" * 200, "t" * 255)
    for i in range(9):
        t.dir("/".join(["x" * 100] * (i + 1)))
    return [t.file(deep + "/end", "3").file("utf8-" + "ü" * 100, "4")]


def long_names_gnu():
    t = base(Tar("gnu")).file("n" * 255, "1").dir("d" * 120).file("d" * 120 + "/" + "f" * 200, "2")
    t.symlink("l", "t" * 1500).hardlink("h" * 150, "n" * 255)
    return [t.file("gnu-uid", "3", uid=3000000, gid=1 << 30).file("old", "", mtime=-5)]


def ustar_and_v7():
    t = base(Tar("ustar")).dir("p" * 90).file("p" * 90 + "/" + "f" * 90, "split")
    return [t, Tar("v7").file("seven", "v7").dir("sd/").symlink("sl", "seven")
            .entry("nul", "\0", b"n")]


def long_links():
    t = base()
    for n in [1, 59, 60, 61, 99, 100, 101, 255, 1000, 3800, 4000, 4032, 4095]:
        t.symlink(f"l{n}", "/".join(["a" * 99] * 41)[:n].ljust(n, "b"))
    return [t.symlink("dangling", "/no/where").symlink("up", "../../../etc")
            .symlink("odd", b"a b\xff\n")]


def odd_order():
    """Children before their directories, directories last, with their own times."""
    return [base().file("z/y/x/f", "1").file("z/a", "2").dir("z/y/x", mode=0o700, uid=3)
            .dir("z/y", mode=0o711, mtime=5).file("z/y/late", "3").dir("z", mode=0o2750, gid=9)
            .file("a/b", "4").dir("a", xattrs={"user.a": "1"})]


def duplicates():
    return [base().file("f", "first", mode=0o600, uid=1).file("f", "second longer", uid=2)
            .file("g", "x").symlink("g", "f").symlink("h", "f").file("h", "file now")
            .dir("d", mode=0o700).file("d/in", "1").dir("d", mode=0o755, uid=4)]


def spellings():
    return [base().dir("./d/").file("./d/a", "1").file("/d/b", "2").file("d//c", "3")
            .file("d/./e", "4").dir(".//d/f//").file("././d/f/g", "5")]


def implicit_parents():
    return [base().dir("d", mode=0o1750, uid=11, gid=12, mtime=77).file("d/old", "1"),
            Tar().file("d/new", "2").file("fresh/deep/f", "3", uid=9)]


def big_directory():
    t = base().dir("d")
    names = [f"{i:05}-" + "n" * (i % 40) for i in range(3000)]
    random.Random(7).shuffle(names)
    for name in names:
        t.file("d/" + name)
    for i, name in enumerate(MIXED):
        t.file(b"d/" + name, str(i))
        t.dir(b"m" + name)
    high = Tar()
    for name in sorted(names)[::7]:
        high.whiteout("d/" + name)
    for i in range(200):
        high.file(f"d/upper{i}", "u")
    return [t, high]


def many_layers():
    return [base().file("count", "0").dir("d")] + [
        Tar().file("count", str(i)).file(f"d/f{i}", data(i * 50, i)).whiteout(f"d/f{i - 3}")
        for i in range(1, 127)]


def empty_layers():
    return [Tar(), base().file("f", "1"), Tar(), Tar().whiteout("f"), Tar(),
            Layer(bytes(10240)), Tar().file("g", "2")]


def sparse_zeros():
    return [base().file("hole", bytes(300000)).file("data-at-end", bytes(1 << 20) + b"end")
            .file("data-at-begin", b"begin" + bytes(1 << 20))]


def merged_directory():
    """The upper layer's entry decides what a directory is; what is in it adds up."""
    return [base().dir("d", mode=0o700, uid=1, mtime=1, xattrs={"user.a": "1"}).file("d/1"),
            Tar().dir("d", mode=0o755, uid=2, mtime=2).file("d/2"),
            Tar().dir("d", mode=0o711, gid=3, mtime=3, xattrs={"user.b": "1"}).file("d/3")]


def dots_in_names():
    return [base().dir("a").file("a/..b", "1").file("a/b..", "2").file("a/...", "3").dir("...")
            .file(".../x", "4").file("a/.wh", "5").file("a/x.wh.y", "6")]


def link_in_the_way():
    """A symlink to a directory below, replaced by a directory of its own above."""
    return [base().dir("usr").dir("usr/lib").file("usr/lib/a", "1").symlink("lib", "usr/lib"),
            Tar().dir("lib").file("lib/b", "2")]


def merged_usr():
    return base().dir("usr").dir("usr/lib").file("usr/lib/a", "1").symlink("lib", "usr/lib")


def through_a_link():
    """Paths that lead through a symbolic link of the same layer, or of one below."""
    return [merged_usr().file("lib/x", "1").symlink("abs", "/usr/lib"),
            Tar().file("lib/y", "2").file("abs/z", "3"), Tar().whiteout("lib/a")]


def file_over_directory():
    return [base().dir("d").file("d/x", "1").file("d", "file")]


def leftovers_of_aufs():
    return [base().file("f", "1"), Tar().dir(".wh..wh.plnk").file(".wh..wh.plnk/1.2", "1")
            .file(".wh..wh.aufs").file("g", "2")]


def attributes_of_the_host():
    """An access list, a label, and marks of overlayfs that are not ours to obey."""
    acl = struct.pack("<IHHIHHIHHIHHI", 2, 1, 6, 0xffffffff, 4, 5, 0, 16, 4, 0xffffffff,
                      32, 4, 0xffffffff)
    return [base().file("acl", "1", xattrs={"system.posix_acl_access": acl}).dir("a")
            .file("a/x", "2").file("label", "3", xattrs={"security.selinux": b"x\0"})
            .dir("o", xattrs={"trusted.overlay.opaque": b"y"}).file("o/x", "4"),
            Tar().dir("r", xattrs={"trusted.overlay.redirect": b"/a"})
            .file("m", "5", xattrs={"trusted.overlay.metacopy": b""})]


IMAGES = {f.__name__: f for f in (
    whiteout_file, whiteout_directory, whiteout_of_nothing, whiteout_then_again, opaque,
    opaque_after_its_files, opaque_below, opaque_with_same_name, opaque_new_directory,
    another_type, recreated_in_one_layer, whiteout_after_its_name, opaque_root, hard_links, hard_link_lost, hard_link_across,
    hard_link_to_link, extended_attributes, long_attribute, devices, modes_and_owners, times,
    sizes, long_names, long_names_gnu, ustar_and_v7, long_links, odd_order, duplicates, spellings,
    implicit_parents, big_directory, many_layers, empty_layers, sparse_zeros, merged_directory,
    dots_in_names, link_in_the_way, through_a_link, file_over_directory, leftovers_of_aufs,
    attributes_of_the_host)}


def image(name, compression="gzip"):
    layers = [x if isinstance(x, Layer) else Layer(x, compression) for x in IMAGES[name]()]
    return Image(*layers)
