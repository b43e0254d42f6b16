# SPDX-License-Identifier: Apache-2.0
"""Disk images as roots and as mounts: formats, partitions, locks, power cuts."""
import os
import pathlib
import shutil
import signal
import struct
import subprocess
import tempfile
import uuid
import zlib

import pytest

from conftest import DEADLINE
from test_runtime import Box, kernel_pids, output
from wire import SESSION_START, SHUTDOWN, exec_request

MIB = 1 << 20
IMAGE_MIB = 48
TOOLS = "/usr/sbin:/sbin:/usr/bin:/bin"

pytestmark = pytest.mark.skipif(not shutil.which("qemu-img") or
                                not shutil.which("mke2fs", path=TOOLS),
                                reason="needs qemu-utils and e2fsprogs")


def tool(*args, ok=(0,)):
    p = subprocess.run([str(a) for a in args], capture_output=True, text=True,
                       env={**os.environ, "PATH": TOOLS}, timeout=DEADLINE)
    assert p.returncode in ok, f"{args}: {p.returncode}\n{p.stdout}\n{p.stderr}"
    return p.stdout


def truncate(path, size):
    with open(path, "ab") as f:
        f.truncate(size)


def make_raw(path, content=None):
    """An ext4 file system on the whole disk."""
    truncate(path, IMAGE_MIB * MIB)
    tool("mke2fs", "-q", "-t", "ext4", "-F", *(["-d", content] if content else []), path)
    return path


def mbr(kinds):
    """A first sector with (type, first sector, sectors)."""
    s = bytearray(512)
    for i, (kind, first, n) in enumerate(kinds):
        struct.pack_into("<B3xB3xII", s, 446 + 16 * i, 0, kind, first, n)
    s[510:] = b"\x55\xaa"
    return bytes(s)


def gpt(sectors, parts):
    """The first 34 sectors: (type, first, last)."""
    entries = b"".join(uuid.UUID(kind).bytes_le + uuid.uuid4().bytes +
                       struct.pack("<QQQ72x", first, last, 0) for kind, first, last in parts)
    entries = entries.ljust(128 * 128, b"\0")
    head = bytearray(struct.pack("<8sIIIIQQQQ16sQIII", b"EFI PART", 0x10000, 92, 0, 0, 1,
                                 sectors - 1, 34, sectors - 34, uuid.uuid4().bytes, 2, 128, 128,
                                 zlib.crc32(entries)))
    struct.pack_into("<I", head, 16, zlib.crc32(head))
    return mbr([(0xEE, 1, sectors - 1)]) + bytes(head).ljust(512, b"\0") + entries


LINUX = "0fc63daf-8483-4772-8e79-3d69d8477de4"
ESP = "c12a7328-f81f-11d2-ba4b-00a0c93ec93b"


FIRST = 4096  # sector of the partition with the file system; there is another in front of it


def add_table(part, disk, table):
    n = IMAGE_MIB * MIB // 512
    total = FIRST + n + 2048
    head = (gpt(total, [(ESP, 2048, FIRST - 1), (LINUX, FIRST, FIRST + n - 1)])
            if table == "gpt" else mbr([(0x0C, 2048, 2048), (0x83, FIRST, n)]))
    with open(disk, "wb") as f:
        f.truncate(total * 512)
        f.write(head)
        f.seek(FIRST * 512)
        f.write(part.read_bytes())


def make_image(dir, content, fmt="raw", table=None, name="root", options=()):
    """A disk image dir/name.fmt that holds content, perhaps in a partition."""
    raw = dir / f"{name}.raw"
    if table:
        part = make_raw(dir / f"{name}.part", content)
        add_table(part, raw, table)
        part.unlink()
    else:
        make_raw(raw, content)
    if fmt == "raw":
        return raw
    image = dir / f"{name}.{fmt}"
    tool("qemu-img", "convert", *options, "-O", fmt, raw, image)
    raw.unlink()
    return image


def as_raw(image):
    """The same disk as a raw file, after a check of its format."""
    if image.suffix == ".qcow2":
        tool("qemu-img", "check", "-q", image)
    raw = image.with_suffix(".check")
    tool("qemu-img", "convert", "-O", "raw", image, raw)
    return raw


def file_system(image, table=None):
    raw = as_raw(image)
    if table:
        part = raw.with_suffix(".fs")
        with open(raw, "rb") as src, open(part, "wb") as f:
            src.seek(FIRST * 512)
            f.write(src.read(IMAGE_MIB * MIB))
        raw.unlink()
        return part
    return raw


def check_clean(fs):
    tool("e2fsck", "-fn", fs)


@pytest.mark.parametrize("fmt", ["raw", "qcow2"])
@pytest.mark.parametrize("table", [None, "gpt", "mbr"])
def test_disk_image_root(msb, pristine, fmt, table):
    image = make_image(msb.base, pristine, fmt, table)
    msb.ok("create", "-q", "-n", "box", f"./{image.name}")
    config = msb.json("inspect", "box")["config"]
    assert config["image"] == {"DiskImage": {"path": str(image), "format": fmt.capitalize(),
                                             "fstype": None}}
    assert "/dev/vda / ext4 rw" in msb.ok("exec", "box", "--", "cat", "/proc/mounts")
    msb.ok("exec", "box", "--", "sh", "-c",
           "mkdir /kept; seq 100000 >/kept/seq; ln -s seq /kept/link; dd if=/dev/urandom "
           "of=/kept/random bs=1M count=8 2>/dev/null; md5sum /kept/* >/kept.md5")
    msb.ok("stop", "box")
    fs = file_system(image, table)
    check_clean(fs)
    assert "100000" in tool("debugfs", "-R", "cat /kept/seq", fs)
    msb.ok("start", "box")
    assert msb.ok("exec", "box", "--", "md5sum", "-c", "/kept.md5").count(": OK") == 3
    msb.ok("exec", "box", "--", "sh", "-c", "rm -r /kept; fstrim / || true")
    msb.ok("stop", "box")
    check_clean(file_system(image, table))


@pytest.mark.parametrize("options", [("-c",), ("-c", "-o", "compression_type=zstd"),
                                     ("-o", "compat=0.10,cluster_size=4k")])
def test_kinds_of_qcow2(msb, pristine, options):
    image = make_image(msb.base, pristine, "qcow2", options=options)
    msb.ok("run", f"./{image.name}", "--", "sh", "-c", "seq 20000 >/seq; busybox md5sum "
           "/bin/busybox /seq >/sums")
    assert msb.ok("run", f"./{image.name}", "--", "md5sum", "-c", "/sums").count(": OK") == 2
    check_clean(file_system(image))


def test_image_in_use(msb, pristine):
    image = make_image(msb.base, pristine)
    msb.ok("create", "-q", "-n", "one", f"./{image.name}")
    p = msb("create", "-q", "-n", "two", f"./{image.name}")
    assert p.returncode == 1 and "in use by another sandbox" in p.stderr
    msb.ok("stop", "one")
    msb.ok("run", f"./{image.name}", "--", "true")


def test_bad_images(msb, pristine):
    (msb.base / "text.raw").write_text("x" * 1024)
    (msb.base / "odd.raw").write_text("x" * 1000)
    (msb.base / "empty.raw").touch()
    (msb.base / "text.qcow2").write_text("x" * 1024)
    (msb.base / "dir.raw").mkdir()
    (msb.base / "x.vmdk").write_text("# Disk DescriptorFile\n")
    os.mkfifo(msb.base / "fifo.raw")
    base = make_image(msb.base, pristine, "qcow2", name="base")
    tool("qemu-img", "create", "-q", "-f", "qcow2", "-b", base, "-F", "qcow2",
         msb.base / "over.qcow2")
    for name, why in [("no.raw", "does not exist"), ("dir.raw", "not a regular file"),
                      ("fifo.raw", "not a regular file"), ("empty.raw", "multiple of 512"),
                      ("odd.raw", "multiple of 512"), ("text.qcow2", "not a qcow2 image"),
                      ("over.qcow2", "backing file"), ("x.vmdk", "VMDK"),
                      ("text.raw", "no supported filesystem")]:
        p = msb("run", f"./{name}", "--", "true")
        assert p.returncode == 125 and why in p.stderr, (name, p.stderr)
    assert msb.ok("ls", "-q") == ""


class Disks:
    """A sandbox with mounts, started without the command line."""

    def __init__(self, base, pristine):
        self.base = base
        shutil.copytree(pristine, base / "rootfs", symlinks=True)
        self.boxes = []

    def start(self, *mounts, disks=None, **config):
        base = self.base / f"box{len(self.boxes)}"
        base.mkdir()
        config.setdefault("image", self.base / "rootfs")
        box = Box(base, disks=disks, mounts=list(mounts), **config)
        self.boxes.append(box)
        return box

    def image(self, name, fmt="raw", **kw):
        return make_image(self.base, None, fmt, name=name, **kw)

    def stop(self, box):
        box.client().send(0, SHUTDOWN, "core.shutdown", None)
        assert box.ended()["graceful"]

    def kill(self, box):
        """The guest is gone from one moment to the next; its runtime sees to its files."""
        for pid in kernel_pids(box):
            os.kill(pid, signal.SIGKILL)
        assert not box.ended()["graceful"]


@pytest.fixture
def disks(pristine):
    base = pathlib.Path(tempfile.mkdtemp(prefix="msb-test-"))
    d = Disks(base, pristine)
    yield d
    for box in d.boxes:
        if box.process.poll() is None:
            box.process.kill()
            box.process.wait()
    shutil.rmtree(base, ignore_errors=True)


def mount(image, guest, **kw):
    return {"type": "DiskImage", "host": str(image), "guest": guest,
            "format": image.suffix[1:].capitalize(), **kw}


def shell(box, command):
    frames = box.client().exec("sh", "-c", command)
    return frames[-1][3]["code"], output(frames).decode()


def test_disk_mounts(disks):
    images = [disks.image("a"), disks.image("b", "qcow2"), disks.image("c", table="gpt")]
    box = disks.start(*(mount(i, f"/mnt/{i.stem}") for i in images))
    assert "ready" in box.report, box.report
    code, out = shell(box, "for d in a b c; do grep -q \" /mnt/$d ext4 rw\" /proc/mounts && "
                      "echo $d >/mnt/$d/name || exit 1; done; for i in /sys/block/vd*/serial; do cat $i; echo; done")
    assert code == 0 and [line[:5] for line in out.split()] == ["mnt_a", "mnt_b", "mnt_c"]
    disks.stop(box)
    check_clean(file_system(images[2], "gpt"))
    check_clean(file_system(images[1]))
    # read-only: by two at once, and nothing of the file changes
    before = images[0].read_bytes()
    boxes = [disks.start(mount(images[0], "/data", readonly=True, fstype="ext4"))
             for _ in range(2)]
    for box in boxes:
        assert "ready" in box.report, box.report
        assert shell(box, "cat /data/name; echo x 2>/dev/null >/data/name") == (1, "a\n")
        # not even by a guest that wants to
        assert shell(box, "mount -o remount,rw /data 2>/dev/null || "
                     "dd if=/dev/zero of=/dev/vda bs=4k count=1 2>/dev/null")[0] != 0
    p = disks.start(mount(images[0], "/data"))
    assert "in use" in p.report["error"]["message"]
    for box in boxes:
        disks.stop(box)
    assert images[0].read_bytes() == before


def test_disk_twice(disks):
    image = disks.image("a")
    os.link(image, disks.base / "b.raw")
    for other in (image, disks.base / "b.raw"):
        box = disks.start(mount(image, "/a", readonly=True), mount(other, "/b", readonly=True))
        assert box.report["error"]["stage"] == "mount"
        assert "used twice" in box.report["error"]["message"]


def test_no_links_to_images(disks):
    image = disks.image("a")
    (disks.base / "link.raw").symlink_to(image)
    (disks.base / "dir").symlink_to(disks.base)
    for path in ("link.raw", "dir/a.raw"):
        box = disks.start(mount(disks.base / path, "/a"))
        assert "symbolic links" in box.report["error"]["message"]


WRITER = """
cd {dir} || exit 1
i=0
while :; do
	i=$((i + 1))
	dd if=/dev/urandom of=file$i bs=1k count=$((i % 7 * 30 + 1)) conv=fsync 2>/dev/null || exit 2
	sum=$(md5sum <file$i)
	sync .
	echo "$i $sum"
	dd if=/dev/zero of=noise bs=64k count=20 2>/dev/null
	[ $((i % 5)) = 0 ] && rm -f file$((i - 3)) noise
done
"""


def synced_files(box, dir, want=25):
    """Let a guest write; the files that it has reported as synced, with their sums."""
    client = box.client()
    client.send(client.new_id(), SESSION_START, "core.exec.request",
                exec_request("sh", "-c", WRITER.format(dir=dir)))
    seen, text = {}, b""
    while True:
        frame = client.recv()
        assert frame[2] != "core.exec.exited", frame
        if frame[2] != "core.exec.stdout":
            continue
        text += frame[3]["data"]
        *lines, text = text.split(b"\n")
        for line in lines:
            i, total = line.split()[:2]
            seen[int(i)] = total.decode()
            if int(i) % 5 == 0:
                seen.pop(int(i) - 3, None)
        if seen and max(seen) >= want:
            return seen


def check_power_cut(fs, dir, seen):
    tool("e2fsck", "-fp", "-E", "journal_only", fs, ok=(0, 1))
    check_clean(fs)
    out = fs.with_suffix(".files")
    out.mkdir()
    tool("debugfs", "-R", f"rdump {dir} {out}", fs)
    found = out / pathlib.PurePath(dir).name if dir != "/" else out
    gone = max(seen) - 2  # the last removal may or may not have been done
    for i, total in seen.items():
        if i == gone:
            continue
        assert tool("md5sum", found / f"file{i}").split()[0] == total


@pytest.mark.uml
@pytest.mark.parametrize("fmt", ["raw", "qcow2"])
def test_power_cut(disks, fmt):
    image = disks.image("a", fmt)
    box = disks.start(mount(image, "/data"))
    seen = synced_files(box, "/data")
    disks.kill(box)
    check_power_cut(file_system(image), "/", seen)


@pytest.mark.uml
def test_killed_runtime_keeps_what_was_synced(disks):
    """Here also the process is gone that has tables of the image in memory."""
    image = disks.image("a", "qcow2")
    box = disks.start(mount(image, "/data"))
    seen = synced_files(box, "/data")
    box.process.kill()
    box.process.wait()
    tool("qemu-img", "check", "-q", image, ok=(0, 3))  # leaks at most
    tool("qemu-img", "check", "-q", "-r", "leaks", image, ok=(0, 3))
    check_power_cut(file_system(image), "/", seen)


@pytest.fixture
def layers(disks, pristine):
    """The files of an image root, by hand: all of it in two files, and a writable layer."""
    if not shutil.which("mkfs.erofs"):
        pytest.skip("needs erofs-utils")
    whole = disks.base / "image.erofs"
    tool("mkfs.erofs", whole, pristine)
    size = whole.stat().st_size
    truncate(whole, (size + 4095) // 4096 * 4096)
    data = whole.read_bytes()
    half = len(data) // 8192 * 4096
    parts = [disks.base / f"part{i}" for i in range(2)]
    parts[0].write_bytes(data[:half])
    parts[1].write_bytes(data[half:])
    upper = disks.base / "upper.ext4"
    make_raw(upper)
    return {"lower": [str(p) for p in parts], "upper": str(upper)}


def oci_box(disks, layers):
    box = disks.start(disks=layers, image={"Oci": {"reference": "example"}})
    assert "ready" in box.report, box.report
    return box


def test_image_root(disks, layers):
    box = oci_box(disks, layers)
    code, out = shell(box, "cat /proc/mounts; echo $(busybox | head -1)")
    assert code == 0 and out.startswith("overlay / overlay rw") and "BusyBox" in out
    shell(box, "rm /etc/group; echo x >/etc/new; mkdir /dir; chmod 1700 /bin")
    before = [pathlib.Path(p).read_bytes() for p in layers["lower"]]
    disks.stop(box)
    check_clean(layers["upper"])
    box = oci_box(disks, layers)
    assert shell(box, "cat /etc/new; stat -c %a /bin; ls -d /etc/group /dir 2>/dev/null") == (
        1, "x\n1700\n/dir\n")
    # another sandbox may read the same layers at the same time, but not the rest
    p = disks.start(disks=layers, image={"Oci": {"reference": "example"}})
    assert p.report["error"]["stage"] == "image" and "in use" in p.report["error"]["message"]
    disks.stop(box)
    assert [pathlib.Path(p).read_bytes() for p in layers["lower"]] == before


@pytest.mark.uml
def test_power_cut_of_an_image_root(disks, layers):
    box = oci_box(disks, layers)
    seen = synced_files(box, "/root")
    disks.kill(box)
    check_power_cut(pathlib.Path(layers["upper"]), "/upper/root", seen)
    box = oci_box(disks, layers)
    for i in sorted(seen)[:-3]:
        assert shell(box, f"md5sum </root/file{i}")[1].split()[0] == seen[i]
    disks.stop(box)
    check_clean(layers["upper"])


def test_missing_files_of_an_image_root(disks, layers):
    for broken in ({**layers, "lower": []}, {"lower": layers["lower"]},
                   {**layers, "lower": layers["lower"] + [str(disks.base / "no")]},
                   {**layers, "upper": str(disks.base / "no")}):
        box = disks.start(disks=broken, image={"Oci": {"reference": "example"}})
        assert box.report["error"]["stage"] in ("config", "image"), box.report
