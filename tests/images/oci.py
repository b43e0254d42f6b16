# SPDX-License-Identifier: Apache-2.0
"""Writes layer archives, images and OCI layouts byte by byte, so that they can be odd."""
import gzip
import hashlib
import json
import pathlib
import subprocess
import zlib

MTIME = 1_600_000_000
OCI = "application/vnd.oci.image."
MANIFEST, INDEX = OCI + "manifest.v1+json", OCI + "index.v1+json"
CONFIG, LAYER = OCI + "config.v1+json", OCI + "layer.v1.tar"
DOCKER = "application/vnd.docker."
DOCKER_MANIFEST = DOCKER + "distribution.manifest.v2+json"
DOCKER_LIST = DOCKER + "distribution.manifest.list.v2+json"
DOCKER_CONFIG = DOCKER + "container.image.v1+json"
DOCKER_LAYER = DOCKER + "image.rootfs.diff.tar.gzip"
BLOCK = 512


def sha256(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


def raw(text):
    return text if isinstance(text, bytes) else text.encode()


def number(value, width, base256=True):
    """A numeric header field: octal, or GNU's base 256 for what does not fit."""
    if 0 <= value < 8 ** (width - 1):
        return b"%0*o\0" % (width - 1, value)
    if not base256:
        return b"0" * (width - 1) + b"\0"
    data = (value & (256 ** (width - 1) - 1)).to_bytes(width - 1, "big")
    return (b"\xff" if value < 0 else b"\x80") + data


def header(name, kind, size, mode, uid, gid, mtime, link, major, minor, fmt):
    """One 512-byte header; name and link must fit."""
    big = fmt == "gnu"
    prefix = b""
    if len(name) > 100 and fmt == "ustar":
        cut = name.rindex(b"/", 0, 156)
        prefix, name = name[:cut], name[cut + 1:]
    assert len(name) <= 100 and len(link) <= 100, (name, link)
    magic = {"v7": bytes(8), "gnu": b"ustar  \0"}.get(fmt, b"ustar\x0000")
    h = (name.ljust(100, b"\0") + number(mode, 8) + number(uid, 8, big) + number(gid, 8, big) +
         number(size, 12, True) + number(int(mtime), 12, big) + b" " * 8 + raw(kind) +
         link.ljust(100, b"\0") + magic + bytes(64) +
         (bytes(16) if fmt == "v7" else number(major, 8) + number(minor, 8)) +
         prefix.ljust(155, b"\0") + bytes(12))
    assert len(h) == BLOCK
    return h[:148] + b"%06o\0 " % sum(h) + h[156:]


def padded(data):
    return data + bytes(-len(data) % BLOCK)


def pax_records(records):
    out = b""
    for key, value in records.items():
        body = b" " + raw(key) + b"=" + raw(value) + b"\n"
        n = len(body) + 1
        while len(str(n)) + len(body) != n:
            n = len(str(n)) + len(body)
        out += str(n).encode() + body
    return out


class Tar:
    """An archive being written; every method returns self."""

    def __init__(self, fmt="pax"):
        self.fmt = fmt
        self.out = bytearray()

    def raw(self, data):
        self.out += data
        return self

    def entry(self, name, kind="0", data=b"", mode=0o644, uid=0, gid=0, mtime=MTIME, link="",
              major=0, minor=0, pax=None, xattrs=None, fmt=None, size=None):
        """size is what the header says; data follows it as it is."""
        fmt = fmt or self.fmt
        name, link = raw(name), raw(link)
        size = len(data) if size is None else size
        records = dict(pax or {})
        for key, value in (xattrs or {}).items():
            records["SCHILY.xattr." + key] = value
        if fmt == "gnu":
            for kind_of, text in (("K", link), ("L", name)):
                if len(text) > 100:
                    self.out += header(b"././@LongLink", kind_of, len(text) + 1, 0, 0, 0, 0, b"",
                                       0, 0, fmt) + padded(text + b"\0")
            name, link = name[:100], link[:100]
        elif fmt == "pax":
            if len(name) > 100:
                records["path"] = name
            if len(link) > 100:
                records["linkpath"] = link
            for key, value in (("uid", uid), ("gid", gid)):
                if value >= 8 ** 7:
                    records[key] = str(value)
            if mtime != int(mtime) or mtime < 0:
                records["mtime"] = f"{mtime:.9f}"
            name, link = name[:100], link[:100]
        if records:
            body = pax_records(records)
            self.out += header(b"PaxHeaders/x", "x", len(body), 0o644, 0, 0, 0, b"", 0, 0, "pax")
            self.out += padded(body)
        self.out += header(name, kind, size, mode, uid, gid, max(mtime, 0) if fmt == "pax"
                           else mtime, link, major, minor, fmt)
        self.out += padded(data)
        return self

    def dir(self, name, mode=0o755, **kw):
        return self.entry(name, "5", mode=mode, **kw)

    def file(self, name, data=b"", **kw):
        return self.entry(name, "0", raw(data), **kw)

    def symlink(self, name, target, **kw):
        return self.entry(name, "2", link=target, mode=0o777, **kw)

    def hardlink(self, name, target, **kw):
        return self.entry(name, "1", link=target, **kw)

    def whiteout(self, name):
        head, _, base = name.rpartition("/")
        return self.file(f"{head}/.wh.{base}" if head else f".wh.{base}", mode=0)

    def opaque(self, name):
        return self.file(f"{name}/.wh..wh..opq" if name else ".wh..wh..opq", mode=0)

    def end(self):
        return bytes(self.out) + bytes(2 * BLOCK)


def gzipped(data, level=6):
    return gzip.compress(data, level, mtime=0)


def gzip_members(data, n=5):
    """The same as several members, some of them empty."""
    step = len(data) // n + 1
    return b"".join(gzipped(data[i * step:(i + 1) * step]) + gzipped(b"") for i in range(n))


def zstd(data):
    return subprocess.run(["zstd", "-q", "-c", "-3"], input=data, capture_output=True,
                          check=True).stdout


def zstd_frames(data, n=3):
    """Several frames with a skippable one between them."""
    step = len(data) // n + 1
    skip = b"\x50\x2a\x4d\x18" + (7).to_bytes(4, "little") + b"skipped"
    return skip.join(zstd(data[i * step:(i + 1) * step]) for i in range(n))


COMPRESSIONS = {"gzip": (gzipped, "+gzip"), "members": (gzip_members, "+gzip"),
                "zstd": (zstd, "+zstd"), "frames": (zstd_frames, "+zstd"),
                "plain": (lambda data: data, "")}


class Layer:
    def __init__(self, tar, compression="gzip", media_type=None, blob=None, diff_id=None):
        """tar may be a Tar; blob and diff_id replace what follows from it."""
        self.tar = tar.end() if isinstance(tar, Tar) else tar
        pack, suffix = COMPRESSIONS[compression]
        self.blob = pack(self.tar) if blob is None else blob
        self.media_type = media_type or LAYER + suffix
        self.diff_id = diff_id or sha256(self.tar)
        self.digest = sha256(self.blob)

    def descriptor(self):
        return {"mediaType": self.media_type, "digest": self.digest, "size": len(self.blob)}


class Image:
    """A manifest, its config and its layers; what `changes` says differs from the usual."""

    def __init__(self, *layers, config=None, manifest=None, docker=False, arch="amd64",
                 root=None):
        self.layers = [layer if isinstance(layer, Layer) else Layer(layer) for layer in layers]
        self.docker = docker
        if docker:
            for layer in self.layers:
                layer.media_type = DOCKER_LAYER
        self.config = json.dumps({
            "architecture": arch, "os": "linux", "config": config or {},
            "rootfs": {"type": "layers", "diff_ids": [x.diff_id for x in self.layers]},
            **(root or {})}).encode()
        self.media_type = DOCKER_MANIFEST if docker else MANIFEST
        self.fields = {
            "schemaVersion": 2, "mediaType": self.media_type,
            "config": {"mediaType": DOCKER_CONFIG if docker else CONFIG,
                       "digest": sha256(self.config), "size": len(self.config)},
            "layers": [x.descriptor() for x in self.layers], **(manifest or {})}
        self.manifest = json.dumps({k: v for k, v in self.fields.items()
                                    if v is not None}).encode()
        self.digest = sha256(self.manifest)

    def blobs(self):
        return {sha256(self.config): self.config, **{x.digest: x.blob for x in self.layers}}

    def gzipped(self):
        """The same trees with every layer as one gzip member."""
        return Image(*[Layer(x.tar) for x in self.layers])

    def layout(self, directory, tag="latest"):
        """Write it as an OCI layout; returns directory:tag."""
        blobs = pathlib.Path(directory) / "blobs/sha256"
        blobs.mkdir(parents=True)
        for digest, data in {**self.blobs(), self.digest: self.manifest}.items():
            (blobs / digest.partition(":")[2]).write_bytes(data)
        (blobs.parent.parent / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
        (blobs.parent.parent / "index.json").write_text(json.dumps(
            {"schemaVersion": 2, "manifests": [
                {"mediaType": self.media_type, "digest": self.digest,
                 "size": len(self.manifest),
                 "annotations": {"org.opencontainers.image.ref.name": tag}}]}))
        return f"{directory}:{tag}"


def index(*entries, docker=False, **fields):
    """An index of (image or (media type, bytes), architecture) pairs."""
    listed = []
    for image, arch in entries:
        media_type, data = image if isinstance(image, tuple) else (image.media_type,
                                                                   image.manifest)
        entry = {"mediaType": media_type, "digest": sha256(data), "size": len(data)}
        if arch:
            entry["platform"] = {"os": "linux", "architecture": arch}
        listed.append(entry)
    return json.dumps({"schemaVersion": 2, "mediaType": DOCKER_LIST if docker else INDEX,
                       "manifests": listed, **fields}).encode()


def repeated_gzip(head, unit, times, tail):
    """(blob, diff_id) of head + unit * times + tail, at the cost of compressing unit once."""
    packed = gzipped(unit, 1)
    h = hashlib.sha256(head)
    for _ in range(times):
        h.update(unit)
    h.update(tail)
    return gzipped(head) + packed * times + gzipped(tail), "sha256:" + h.hexdigest()


def zeros_gzip(length):
    """length zero bytes in one member, made in small pieces."""
    c = zlib.compressobj(9, zlib.DEFLATED, 31)
    piece = bytes(1 << 20)
    out = [c.compress(piece) for _ in range(length >> 20)]
    return b"".join(out) + c.compress(bytes(length & ((1 << 20) - 1))) + c.flush()


def simple(text="hello", **kw):
    """A small image; its tree is /hello with this text."""
    return Image(Tar().dir("./").file("hello", text), **kw)
