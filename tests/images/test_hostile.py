# SPDX-License-Identifier: Apache-2.0
"""A registry that lies: one clear error, nothing kept, and the next pull works."""
import json
import os
import subprocess
import sys
import time

import pytest

import hostile
from conftest import DEADLINE, MSB, SCALE, wait_for
from hostile import Server
from oci import (INDEX, MANIFEST, Image, Layer, Tar, gzipped, header, index, sha256, simple,
                    zeros_gzip, zstd)
from registry import free_port

BIG = os.urandom(3 << 20)  # does not compress


def big_image():
    return Image(Tar().dir("./").file("big", BIG), Tar().file("small", "1"))


def refused_then_works(msb, server, reference, pattern="", limit=8 << 20):
    """The pull fails and leaves nothing; when the server is honest again, it works."""
    msb.refused(msb.pull(reference), pattern)
    msb.nothing_kept(limit)
    server.heal()
    msb.pulled(reference)
    assert len(msb.images()) == 1


# -- bodies that are not what the digest says ------------------------------

LAYER_FAULTS = {
    "empty": hostile.instead(b""),
    "other": hostile.instead(gzipped(b"other")),
    "shorter": hostile.shorter(1 << 20),
    "truncated": hostile.truncate(1 << 20),
    "longer": hostile.instead(b"x" * (5 << 20)),
    "reset": hostile.reset_after(10_000),
    "garbage": hostile.garbage(b"\x16\x03\x01 not http at all\r\n\r\n"),
    "status line": hostile.garbage(b"HTTP/1.1 " + b"2" * 100_000 + b"\r\n\r\n"),
    "headers": hostile.garbage(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 2_000_000),
    "500": hostile.status(500, "broken"),
    "404": hostile.status(404, "blob unknown"),
    "206 unasked": lambda h, data, t: h.body(206, data[5:], t, Content_Range="bytes 5-9/10"),
    "204": lambda h, data, t: h.start(204),
}


@pytest.mark.parametrize("name", LAYER_FAULTS)
def test_layer(msb, server, name):
    image = big_image()
    reference = server.add(image)
    server.blob(image.layers[0].digest, LAYER_FAULTS[name])
    refused_then_works(msb, server, reference)


@pytest.mark.parametrize("name", ["empty", "other", "longer", "cut off", "404"])
def test_config(msb, server, name):
    image = big_image()
    reference = server.add(image)
    server.blob(sha256(image.config), LAYER_FAULTS.get(name, hostile.truncate(50)))
    refused_then_works(msb, server, reference)


@pytest.mark.parametrize("body", [hostile.endless(), hostile.no_length],
                         ids=["chunked", "until closed"])
@pytest.mark.parametrize("what", ["layer", "config", "manifest"])
def test_body_without_end(msb, server, what, body):
    """It is not read much further than it may be long."""
    image = big_image()
    reference = server.add(image)
    path = {"layer": image.layers[0].digest, "config": sha256(image.config),
            "manifest": "/manifests/"}[what]
    server.on(path, body)
    msb.refused(msb.pull(reference))
    msb.nothing_kept(8 << 20)
    taken = wait_for(lambda: max((r.sent for r in server.requests(path)), default=0),
                     "the server's record")
    assert taken < 24 << 20  # including what lies in the buffers of two sockets
    server.heal()
    msb.pulled(reference)


def test_manifest_other_than_its_digest(msb, server):
    image, other = big_image(), simple("other")
    server.add(image)
    server.claim("manifests", image.digest, other.manifest, MANIFEST)
    refused = msb.refused(msb.pull(f"{server.host}/image@{image.digest}"), "digest")
    assert image.digest[:19] in refused or "mismatch" in refused
    msb.nothing_kept()


def test_index_entry_other_than_its_digest(msb, server):
    image, other = big_image(), simple("other")
    server.add(image)
    reference = server.manifest(INDEX, index((image, "amd64")))
    server.claim("manifests", image.digest, other.manifest, MANIFEST)
    msb.refused(msb.pull(reference), "digest|bytes")
    msb.nothing_kept()


def test_sizes_that_lie(msb, server):
    """The descriptor says less, or more, than the body with the right digest has."""
    for delta in (-1, 1, -(1 << 20), 1 << 40):
        image = big_image()
        layers = [x.descriptor() for x in image.layers]
        layers[0]["size"] += delta
        reference = server.add(Image(*image.layers, manifest={"layers": layers}), f"d{delta}".
                               replace("-", "m"))
        msb.refused(msb.pull(reference), "size|bytes|long|short|large|space|end")
    msb.nothing_kept(16 << 20)


# -- manifests --------------------------------------------------------------

def descriptor(**changes):
    return {"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip",
            "digest": "sha256:" + "a" * 64, "size": 10, **changes}


BAD_MANIFESTS = {
    "empty": b"",
    "no json": b"<html>captive portal</html>",
    "half": simple().manifest[:-20],
    "array": b"[]",
    "null": b"null",
    "deep": b'{"schemaVersion":2,"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "schema 1": json.dumps({"schemaVersion": 1, "name": "x", "fsLayers": []}).encode(),
    "no config": Image(manifest={"config": None}).manifest,
    "layers no array": Image(manifest={"layers": {"0": 1}}).manifest,
    "layer no object": Image(manifest={"layers": ["sha256:" + "a" * 64]}).manifest,
    "many layers": Image(manifest={"layers": [descriptor()] * 20_000}).manifest,
    "negative size": Image(manifest={"layers": [descriptor(size=-1)]}).manifest,
    "size is text": Image(manifest={"layers": [descriptor(size="10")]}).manifest,
    "size overflows": Image(manifest={"layers": [descriptor(size=1 << 70)]}).manifest,
    "digest is a path": Image(manifest={"layers": [descriptor(
        digest="sha256:../../../../../../tmp/x")]}).manifest,
    "digest of another algorithm": Image(manifest={"layers": [descriptor(
        digest="md5:" + "a" * 32)]}).manifest,
    "digest too short": Image(manifest={"layers": [descriptor(digest="sha256:aa")]}).manifest,
    "digest in capitals": Image(manifest={"layers": [descriptor(
        digest="sha256:" + "A" * 64)]}).manifest,
    "digest with a newline": Image(manifest={"layers": [descriptor(
        digest="sha256:" + "a" * 64 + "\n")]}).manifest,
    "an artifact": Image(manifest={"config": {
        "mediaType": "application/vnd.example.thing", "digest": sha256(b"{}"), "size": 2},
        "layers": []}).manifest,
}


@pytest.mark.parametrize("name", BAD_MANIFESTS)
def test_manifest(msb, server, name):
    server.claim("blobs", sha256(b"{}"), b"{}")
    reference = server.manifest(MANIFEST, BAD_MANIFESTS[name])
    msb.refused(msb.pull(reference))
    msb.nothing_kept()
    msb.pulled(server.add(simple(), "other"))


def test_huge_manifest(msb, server):
    reference = server.manifest(MANIFEST, simple().manifest + b" " * (64 << 20))
    msb.refused(msb.pull(reference), "too big|larger")
    assert max(r.sent for r in server.requests("/manifests/")) < 32 << 20
    msb.nothing_kept()


BAD_CONFIGS = {
    "no json": lambda i: b"\x7fELF",
    "no rootfs": lambda i: b'{"architecture":"amd64","os":"linux"}',
    "fewer layers": lambda i: json.dumps({"architecture": "amd64", "os": "linux", "rootfs": {
        "type": "layers", "diff_ids": [i.layers[0].diff_id]}}).encode(),
    "more layers": lambda i: json.dumps({"architecture": "amd64", "os": "linux", "rootfs": {
        "type": "layers", "diff_ids": [x.diff_id for x in i.layers] * 2}}).encode(),
    "bad diff id": lambda i: json.dumps({"architecture": "amd64", "os": "linux", "rootfs": {
        "type": "layers", "diff_ids": ["sha256:../../x", i.layers[1].diff_id]}}).encode(),
    "other diff id": lambda i: json.dumps({"architecture": "amd64", "os": "linux", "rootfs": {
        "type": "layers", "diff_ids": ["sha256:" + "0" * 64, i.layers[1].diff_id]}}).encode(),
    "swapped diff ids": lambda i: json.dumps({"architecture": "amd64", "os": "linux", "rootfs": {
        "type": "layers", "diff_ids": [x.diff_id for x in i.layers[::-1]]}}).encode(),
    "newline in environment": lambda i: json.dumps({
        "architecture": "amd64", "os": "linux", "config": {"Env": "A=B"}, "rootfs": {
            "type": "layers", "diff_ids": [x.diff_id for x in i.layers]}}).encode(),
}


@pytest.mark.parametrize("name", BAD_CONFIGS)
def test_bad_config(msb, server, name):
    image = big_image()
    config = BAD_CONFIGS[name](image)
    bad = Image(*image.layers, manifest={"config": {
        "mediaType": "application/vnd.oci.image.config.v1+json", "digest": sha256(config),
        "size": len(config)}})
    server.add(bad)
    server.claim("blobs", sha256(config), config)
    msb.refused(msb.pull(f"{server.host}/image"))
    msb.nothing_kept(16 << 20)
    msb.pulled(server.add(image, "good"))


# -- indexes ----------------------------------------------------------------

def test_index_without_this_platform(msb, server):
    image = simple(arch="s390x")
    server.add(image)
    reference = server.manifest(INDEX, index((image, "s390x"), (image, "riscv64")))
    msb.refused(msb.pull(reference), "no manifest for platform linux/amd64")


def test_index_that_names_itself(msb, server):
    """A digest cannot be in what it is of; a server that lies may still answer in circles."""
    a = index(((INDEX, b"placeholder"), "amd64"))
    reference = server.manifest(INDEX, a)
    server.claim("manifests", sha256(b"placeholder"), a, INDEX)
    msb.refused(msb.pull(reference))
    assert len(server.requests("/manifests/")) < 20
    msb.nothing_kept()


def test_deeply_nested_indexes(msb, server):
    image = simple()
    server.add(image)
    inner, media_type = image.manifest, MANIFEST
    for _ in range(100):
        inner, media_type = index(((media_type, inner), "amd64")), INDEX
        server.manifest(INDEX, inner, tag=None)
    server.manifest(INDEX, inner)
    msb.refused(msb.pull(f"{server.host}/image"), "index|nest|manifest")
    assert len(server.requests("/manifests/")) < 40
    msb.nothing_kept()


@pytest.mark.parametrize("entries", [0, 1, 5000])
def test_index_of_attestations(msb, server, entries):
    listing = index(*[((MANIFEST, b"%d" % i), "unknown") for i in range(entries)])
    msb.refused(msb.pull(server.manifest(INDEX, listing)), "platform|entries")


# -- archives ---------------------------------------------------------------

def bomb(size):
    """A file of that many zeros, packed a thousand to one."""
    tar_head = header(b"zeros", "0", size, 0o644, 0, 0, 0, b"", 0, 0, "ustar")
    return Layer(b"", blob=gzipped(bytes(Tar().dir("./").out) + tar_head) + zeros_gzip(64 << 20))


def tiny(tar):
    return lambda: Layer(tar.end() if isinstance(tar, Tar) else tar)


BAD_LAYERS = {
    "up": (tiny(Tar().file("../evil", "x")), r"\.\.|travers|outside"),
    "up later": (tiny(Tar().dir("a").file("a/../../evil", "x")), r"\.\.|travers|outside"),
    "129 deep": (tiny(Tar().file("d/" * 129 + "f")), "deep"),
    "path of 4097": (tiny(Tar().file("/".join(["p" * 100] * 41), "x")), "long"),
    "name of 256": (tiny(Tar().file("n" * 256, "x")), "long"),
    "target of 4097": (tiny(Tar().symlink("l", "t" * 4097)), "long"),
    "empty target": (tiny(Tar().symlink("l", "")), "target|link|empty"),
    "hard link outside": (tiny(Tar().hardlink("h", "../../../etc/passwd")), "traversal"),
    "hard link to nothing": (tiny(Tar().hardlink("h", "nothing")), "link"),
    "hard link to a directory": (tiny(Tar().dir("d").hardlink("h", "d")), "link|directory"),
    "hard link to itself": (tiny(Tar().hardlink("h", "h")), "link"),
    "hard links in a circle": (tiny(Tar().hardlink("a", "b").hardlink("b", "a")), "link"),
    "6 GiB file": (lambda: bomb(6 << 30), "large|limit|big|exceed"),
    "checksum": (tiny(bytes(Tar().file("f", "x").out).replace(b"ustar", b"vstar") + bytes(1024)),
                 ""),
    "no tar": (lambda: Layer(b"this is no archive at all" * 1000), ""),
    "cut off in data": (tiny(bytes(Tar().file("f", b"x" * 10000).out)[:5000]), ""),
    "cut off in gzip": (lambda: Layer(Tar().file("f", BIG), blob=gzipped(
        Tar().file("f", BIG).end())[:1 << 20]), ""),
    "gzip checksum": (lambda: Layer(Tar().file("f", "x"), blob=gzipped(
        Tar().file("f", "x").end())[:-8] + bytes(8)), ""),
    "zstd cut off": (lambda: Layer(Tar().file("f", BIG), "zstd", blob=zstd(
        Tar().file("f", BIG).end())[:1 << 20]), ""),
    "zstd with a huge window": (lambda: Layer(b"", "zstd", blob=bytes.fromhex(
        "28b52ffd00ff") + b"\x01\x00\x00" * 100), ""),
    "xattr without end": (tiny(Tar().file("f", "x", xattrs={"user.x": b"v" * (1 << 20)})),
                          "attribute|xattr|large|long"),
    "pax record lies": (tiny(Tar("ustar").raw(header(
        b"x", "x", 20, 0o644, 0, 0, 0, b"", 0, 0, "pax") + b"999999999 path=x\n".ljust(512, b"\0"))
        .file("f", "x")), ""),
    "pax header of 1 GiB": (tiny(Tar("ustar").raw(header(
        b"x", "x", 1 << 30, 0o644, 0, 0, 0, b"", 0, 0, "pax") + bytes(1 << 20))), ""),
    "gnu name of 1 GiB": (tiny(Tar("ustar").raw(header(
        b"././@LongLink", "L", 1 << 30, 0o644, 0, 0, 0, b"", 0, 0, "gnu") + b"a" * (1 << 20))),
        ""),
    "negative size": (tiny(Tar("gnu").entry("f", "0", b"", size=-512)), ""),
}


@pytest.mark.parametrize("name", BAD_LAYERS)
def test_archive(msb, server, name):
    make, pattern = BAD_LAYERS[name]
    layer = make()
    if layer.diff_id == sha256(b""):
        layer.diff_id = sha256(b"some other content")
    msb.refused(msb.pull(server.add(Image(Layer(Tar().file("first", "1")), layer))), pattern)
    msb.nothing_kept(16 << 20)
    assert not (msb.base / "evil").exists() and not list(msb.home.rglob("evil"))
    msb.pulled(server.add(simple(), "other"))


def test_sparse_bomb(msb, server):
    """Files that say they are large and hold nothing: their sum is limited."""
    tar = Tar("ustar").dir("./")
    for i in range(3):
        size = b"%d" % (4900 << 20)
        tar.entry(f"GNUSparseFile.0/f{i}", "0", b"1\n%s\n0\n".replace(b"%s", size)
                  .ljust(512, b"\0"), fmt="pax",
                  pax={"GNU.sparse.major": "1", "GNU.sparse.minor": "0",
                       "GNU.sparse.name": f"f{i}", "GNU.sparse.realsize": size})
    msb.refused(msb.pull(server.add(Image(tar))), "large|limit|exceed|total")
    msb.nothing_kept()


PEAK = ("import resource, subprocess, sys\n"
        "code = subprocess.run(sys.argv[1:]).returncode\n"
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)\n"
        "sys.exit(code)\n")


def peak_of_pull(msb, reference):
    """MiB of memory that the largest process of a pull, which has to fail, used at most."""
    p = subprocess.run([sys.executable, "-c", PEAK, MSB, "pull", reference], env=msb.env(),
                       cwd=msb.cwd, capture_output=True, text=True, timeout=DEADLINE,
                       stdin=subprocess.DEVNULL, **msb.account)
    msb.refused(p)
    return int(p.stdout) // 1024


@pytest.mark.slow
def test_memory_is_bounded(msb, server):
    many = b"".join(bytes(Tar("ustar").entry(f"{i:06}", "6").out) for i in range(100_000))
    deep = Tar()
    for i in range(300):
        deep.file("/".join([f"{i}"] + ["d" * 30] * 120), xattrs={"user.x": b"v" * 60_000})
    wide = Layer(b"", blob=gzipped(bytes(Tar().dir("./").out)) + gzipped(many) * 11,
                 diff_id=sha256(b"unused"))
    wrong = Layer(deep, diff_id=sha256(b"unused"))
    huge = server.manifest(MANIFEST, b"[" * (4 << 20), "huge")
    peaks = [peak_of_pull(msb, server.add(Image(wide), "wide")),
             peak_of_pull(msb, server.add(Image(wrong), "deep")),
             peak_of_pull(msb, server.add(Image(*[BAD_LAYERS["pax header of 1 GiB"][0]()]), "pax")),
             peak_of_pull(msb, huge)]
    assert max(peaks) < 512, peaks


def test_million_entries(msb, server):
    """One entry repeated: a few hundred kilobytes that unpack to half a gigabyte of headers."""
    unit = bytes(Tar("ustar").entry("f", "6").out) * 10_000
    layer = Layer(b"", blob=gzipped(bytes(Tar().dir("./").out)) + gzipped(unit) * 101,
                  diff_id=sha256(b"unused"))
    msb.refused(msb.pull(server.add(Image(layer))), "entry count")
    msb.nothing_kept()


def test_zeros_after_the_end(msb, server):
    """What follows the end of an archive is read for its digest, but not without end."""
    tail = zeros_gzip(256 << 20)
    layer = Layer(b"", blob=gzipped(Tar().dir("./").end()) + tail * 80,
                  diff_id=sha256(b"unused"))
    msb.refused(msb.pull(server.add(Image(layer))), "size exceeded")
    msb.nothing_kept()


def test_bomb_takes_no_disk(msb, server):
    """A file of 64 MiB of zeros, whose wrong digest shows at the end only."""
    layer = bomb(64 << 20)
    layer.diff_id = sha256(b"unused")
    msb.refused(msb.pull(server.add(Image(layer))))
    msb.nothing_kept()


def test_foreign_layer_urls_are_not_followed(msb, server):
    image = simple()
    with Server() as elsewhere:
        foreign = {**image.layers[0].descriptor(), "urls": [elsewhere.url + "/layer"],
                   "mediaType": "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"}
        reference = server.add(Image(*image.layers, manifest={"layers": [foreign]}))
        server.documents[("blobs", "image")].pop(image.layers[0].digest)
        msb.refused(msb.pull(reference))
        assert elsewhere.requests() == []
    msb.nothing_kept()


# -- connections ------------------------------------------------------------

def test_reset_in_the_middle_is_resumed(msb, server):
    image = big_image()
    reference = server.add(image)
    server.blob(image.layers[0].digest, hostile.reset_after(1 << 20), times=2)
    msb.pulled(reference)
    asked = [r.headers.get("Range") for r in server.requests(image.layers[0].digest)]
    assert asked[0] is None and len(asked) == 3
    assert asked[1].startswith("bytes=") and asked[2].startswith("bytes=")
    assert int(asked[2][6:-1]) > int(asked[1][6:-1]) > 0


def test_resume_where_ranges_are_ignored(msb, server):
    image = big_image()
    reference = server.add(image)
    server.blob(image.layers[0].digest, hostile.no_ranges)
    server.blob(image.layers[0].digest, hostile.reset_after(1 << 20), times=1)
    msb.pulled(reference)
    assert len(server.requests(image.layers[0].digest)) == 2


def test_resume_that_gets_other_bytes(msb, server):
    """A 206 that begins elsewhere must not be appended."""
    image = big_image()
    reference = server.add(image)
    server.blob(image.layers[0].digest, hostile.wrong_range, times=2)
    server.blob(image.layers[0].digest, hostile.reset_after(1 << 20), times=1)
    p = msb.pull(reference)
    if p.returncode:
        msb.refused(p)
        msb.nothing_kept(8 << 20)
    server.heal()
    msb.pulled(reference)


def test_corrupt_partial_download_is_not_believed(msb, server):
    """What lies in the cache from an earlier attempt may be damaged."""
    image = big_image()
    reference = server.add(image)
    server.blob(image.layers[0].digest, hostile.status(404, "gone"))
    server.blob(image.layers[0].digest, hostile.reset_after(1 << 20), times=1)
    msb.refused(msb.pull(reference))
    server.heal()
    part, = [f for f in (msb.home / "cache").rglob("*.part") if f.stat().st_size > 1000]
    data = bytearray(part.read_bytes())
    data[500] ^= 0xff
    part.write_bytes(data)
    msb.pulled(reference)
    assert msb.tree(reference)["/big"]["size"] == str(len(BIG))


def test_retry_after_is_respected(msb, server):
    image = simple()
    reference = server.add(image)
    server.on("/manifests/", hostile.status(429, "slow down", Retry_After="2"), times=1)
    server.blob(image.layers[0].digest, hostile.status(503, "busy", Retry_After="1"), times=1)
    start = time.monotonic()
    msb.pulled(reference)
    assert time.monotonic() - start >= 3
    assert len(server.requests("/manifests/latest")) == 2


def test_retry_after_for_ever(msb, server):
    """Nobody waits a day because a server says so."""
    reference = server.add(simple())
    server.on("/manifests/", hostile.status(429, "slow down", Retry_After="86400"))
    msb.refused(msb.pull(reference), "429|too many|rate|slow down")


@pytest.mark.parametrize("code", [500, 502, 503, 504])
def test_passing_trouble_is_retried(msb, server, code):
    image = simple()
    reference = server.add(image)
    server.on("/manifests/", hostile.status(code, "trouble"), times=2)
    server.blob(image.layers[0].digest, hostile.status(code, "trouble"), times=2)
    msb.pulled(reference)


@pytest.mark.parametrize("code", [400, 403, 404])
def test_what_is_not_going_to_change_is_not_retried(msb, server, code):
    reference = server.add(simple())
    server.on("/manifests/", hostile.status(code, "no such \x1b[31mthing"))
    msb.refused(msb.pull(reference), f"{code}|login|not found|unknown|no such")
    assert len(server.requests("/manifests/")) == 1


@pytest.mark.slow
def test_stall(msb, server):
    """A server that stops talking does not hold a pull for ever; each here is asked again."""
    pulls = []
    for i, fault in enumerate([hostile.stall(0), hostile.stall(100_000), hostile.trickle]):
        image = Image(Tar().file(f"big{i}", os.urandom(1 << 20)))
        reference = server.add(image, f"stall{i}")
        server.blob(image.layers[0].digest, fault, times=1)
        pulls.append(msb.popen("pull", reference))
    for process in pulls:
        _, stderr = process.communicate(timeout=DEADLINE)
        assert process.returncode == 0, stderr
    assert len(msb.images()) == len(pulls)


def test_garbage_behind_a_gzip_member(msb, server):
    """As gzip itself does: it is not looked at."""
    tar = Tar().dir("./").file("f", "x")
    layer = Layer(tar, blob=gzipped(tar.end()) + b"garbage" * 100)
    assert msb.tree(server.add(Image(layer)))["/f"]["size"] == "1"


def test_nobody_listens(msb):
    host = f"127.0.0.1:{free_port()}"
    msb.plain(host)
    start = time.monotonic()
    msb.refused(msb.pull(f"{host}/image"), "connect|refused|reach")
    assert time.monotonic() - start < 60 * SCALE
    msb.nothing_kept()


def test_tls_expected_but_not_spoken(msb, server):
    reference = server.add(simple())
    config = json.loads((msb.home / "config.json").read_text())
    config["registries"] = {}
    (msb.home / "config.json").write_text(json.dumps(config))
    msb.refused(msb.pull(reference), "tls|ssl|certificate|handshake")
    msb.pulled(reference, "--insecure")


def test_redirect_to_another_host_gets_no_credentials(msb, server):
    image = big_image()
    server.auth = hostile.BasicAuth("u", "secret password")
    msb.configure({server.host: {"insecure": True, "auth": {"username": "u",
                                                           "password_env": "PW"}}})
    with Server() as cdn:
        reference = server.add(image)
        cdn.add(image)
        for digest in image.blobs():
            server.blob(digest, hostile.redirect(f"{cdn.url}/v2/image/blobs/{digest}"))
        msb.pulled(reference, env=msb.env(PW="secret password"))
        assert len(cdn.requests("/blobs/")) >= 3
        for r in cdn.requests():
            assert "Authorization" not in r.headers and "Cookie" not in r.headers


def test_redirects_in_a_circle(msb, server):
    image = simple()
    reference = server.add(image)
    server.blob(image.layers[0].digest, hostile.redirect(
        lambda: f"{server.url}/v2/image/blobs/{image.layers[0].digest}"))
    msb.refused(msb.pull(reference), "circles|redirect")
    assert len(server.requests(image.layers[0].digest)) < 120


@pytest.mark.parametrize("where", ["file:///etc/passwd", "ftp://127.0.0.1/x", "gopher://127.0.0.1",
                                   "javascript:0", "//", "http://[::1"])
def test_redirect_to_something_else(msb, server, where):
    image = simple()
    reference = server.add(image)
    server.blob(image.layers[0].digest, hostile.redirect(where))
    msb.refused(msb.pull(reference))
    msb.nothing_kept()


def test_redirected_blob_is_verified(msb, server):
    image = big_image()
    reference = server.add(image)
    with Server() as cdn:
        cdn.claim("blobs", "x", BIG)
        server.blob(image.layers[0].digest, hostile.redirect(f"{cdn.url}/v2/image/blobs/x"))
        msb.refused(msb.pull(reference), "digest|size|bytes|long|large")
        msb.nothing_kept(8 << 20)


def test_a_resumable_part_survives_but_stays_small(msb, server):
    """Failing again and again does not fill the disk."""
    image = big_image()
    reference = server.add(image)
    for n in range(1, 4):
        server.heal()
        server.blob(image.layers[0].digest, hostile.status(404, "gone"))
        server.blob(image.layers[0].digest, hostile.truncate(100_000 * n), times=1)
        msb.refused(msb.pull(reference))
    msb.nothing_kept(8 << 20)
    server.heal()
    msb.pulled(reference)
    left = [f for f in msb.cached("") if f.startswith("tmp/") and not f.endswith(".lock")]
    assert left == []
