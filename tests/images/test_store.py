# SPDX-License-Identifier: Apache-2.0
"""What is kept of images: policies, names, listing, removal, archives."""
import io
import json
import os
import re
import subprocess
import tarfile

import pytest

import difficult
import trees
from conftest import LSTREE, ORDINARY, fsck, needs_root
from oci import Image, Layer, Tar, sha256, simple


def layered(*texts):
    """An image with a layer for each text, so that images can share some."""
    return Image(*[Tar().dir("./").file(f"f{i}", text * 1000) for i, text in enumerate(texts)])


def one_error(p):
    return [line[:7] for line in p.stderr.splitlines()].count("error: ") == 1


# -- policies ---------------------------------------------------------------

def test_if_missing_needs_no_network(msb, server):
    reference = server.add(simple())
    msb.pulled(reference)
    n = len(server.log)
    assert "already cached" in msb.pulled(reference).stderr
    assert msb.tree(reference)["/hello"]["size"] == "5"
    assert len(server.log) == n


def test_run_pulls_what_is_missing(msb, server):
    assert msb.tree(server.add(simple()))["/hello"]["size"] == "5"
    assert len(msb.images()) == 1


def test_never(msb, server):
    reference = server.add(simple())
    p = msb("run", "--pull", "never", reference, "--", "x")
    assert p.returncode == 125 and "not cached" in p.stderr and server.log == []
    assert msb.json("ls") == []
    msb.pulled(reference)
    assert msb.tree(reference, "--pull", "never")


def test_failed_pull_leaves_no_sandbox(msb, server):
    p = msb("run", "-n", "box", f"{server.host}/nothing", "--", "x")
    assert p.returncode == 125 and one_error(p)
    assert msb.json("ls") == [] and not list((msb.home / "sandboxes").glob("*"))


def test_always_follows_a_moved_tag(msb, server):
    old, new = layered("a", "b"), layered("a", "c")
    reference = server.add(old)
    msb.pulled(reference)
    server.add(new)
    assert msb.images()[0]["digest"] == old.digest
    msb.tree(reference)
    assert msb.images()[0]["digest"] == old.digest
    msb.tree(reference, "--pull", "always")
    assert msb.images()[0]["digest"] == new.digest
    assert server.downloads()[old.layers[0].digest] == 1  # the shared layer was there


def test_always_without_the_registry_fails(msb, server):
    reference = server.add(simple())
    msb.pulled(reference)
    server.on("", lambda h, data, t: h.reset())
    p = msb("run", "--pull", "always", reference, "--", "x")
    assert p.returncode == 125 and one_error(p)


def test_force_downloads_again(msb, server):
    image = layered("a", "b")
    reference = server.add(image)
    msb.pulled(reference)
    msb.pulled(reference, "--force")
    assert all(server.downloads()[x.digest] == 2 for x in image.layers)
    assert msb.tree(reference)["/f1"]["size"] == "1000"


def test_by_digest(msb, server):
    image = simple()
    server.add(image, "app", "v1")
    msb.pulled(f"{server.host}/app@{image.digest}")
    msb.pulled(f"{server.host}/app:v1@{image.digest}")
    assert {i["digest"] for i in msb.images()} == {image.digest}
    wrong = f"{server.host}/app@sha256:{'0' * 64}"
    msb.refused(msb.pull(wrong))


@pytest.mark.parametrize("reference", ["UPPER/case", "a//b", "a:b:c", "x@sha256:12", "-x/y", "a b",
                                       "x:" + "t" * 129, "a" * 300, "x@md5:" + "0" * 32, "http://x/y"])
def test_bad_references_need_no_network(msb, reference):
    p = msb("pull", reference)
    assert p.returncode in (1, 2) and "error: " in p.stderr


# -- damage -----------------------------------------------------------------

def damage_delete(path):
    path.unlink()


def damage_truncate(path):
    os.truncate(path, max(0, path.stat().st_size // 2))


def damage_empty(path):
    os.truncate(path, 0)


def damage_garbage(path):
    path.write_bytes(os.urandom(4096))


@pytest.mark.parametrize("damage", [damage_delete, damage_truncate, damage_empty, damage_garbage])
@pytest.mark.parametrize("what", ["layers/*.erofs", "manifests/*.erofs", "manifests/*.json"])
def test_damaged_cache_is_repaired(msb, server, what, damage):
    reference = server.add(layered("a", "b"))
    want = msb.tree(reference)
    victims = sorted((msb.home / "cache").glob(what))
    assert victims
    damage(victims[0])
    got = msb.tree(reference)
    assert trees.compare(want, got) == []


def test_damaged_name_is_repaired(msb, server):
    reference = server.add(simple())
    msb.pulled(reference)
    refs = [f for f in (msb.home / "cache/refs").rglob("*.json")]
    assert len(refs) == 1
    refs[0].write_text('{"reference": 5')
    assert msb.json("image", "ls") == []
    msb.pulled(reference)
    assert len(msb.images()) == 1


def test_merged_image_is_rebuilt_from_layers(msb, server):
    image = layered("a", "b")
    reference = server.add(image)
    msb.pulled(reference)
    server.log.clear()
    for f in (msb.home / "cache/manifests").glob("*.erofs"):
        f.unlink()
    assert msb.tree(reference)["/f0"]["size"] == "1000"
    assert not {x.digest for x in image.layers} & set(server.downloads())


# -- listing ----------------------------------------------------------------

def test_list_and_inspect(msb, server):
    image = Image(Tar().dir("./").file("a", "1"), Tar().file("b", "2"), config={
        "Env": ["PATH=/bin", "A=b=c"], "Cmd": ["run", "it"], "Entrypoint": ["/entry"],
        "WorkingDir": "/w", "User": "1:2", "Labels": {"k": "v", "a": ""}, "StopSignal": "SIGUSR1"})
    reference = server.add(image, "team/app", "v1")
    msb.pulled(reference)
    item, = msb.images()
    assert set(item) == {"reference", "digest", "size_bytes", "architecture", "os", "layer_count",
                         "created_at"}
    assert item["digest"] == image.digest and item["layer_count"] == 2
    assert item["size_bytes"] == sum(len(x.blob) for x in image.layers)
    assert (item["architecture"], item["os"], item["reference"]) == ("amd64", "linux", reference)
    info = msb.json("image", "inspect", reference)
    config = info["config"]
    assert config["env"] == ["PATH=/bin", "A=b=c"] and config["cmd"] == ["run", "it"]
    assert config["entrypoint"] == ["/entry"] and config["working_dir"] == "/w"
    assert config["user"] == "1:2" and config["stop_signal"] == "SIGUSR1"
    assert config["labels"] == {"k": "v", "a": ""} and config["digest"] == sha256(image.config)
    for position, (layer, made) in enumerate(zip(info["layers"], image.layers)):
        assert layer["position"] == position and layer["diff_id"] == made.diff_id
        assert layer["blob_digest"] == made.digest
        assert layer["compressed_size_bytes"] == len(made.blob)
        assert layer["erofs_size_bytes"] % 4096 == 0 and layer["erofs_size_bytes"] > 0
    text = msb.ok("image", "ls").splitlines()
    assert text[0].split() == ["REFERENCE", "DIGEST", "SIZE", "CREATED"]
    assert image.digest[:19] in text[1]
    assert msb.ok("images", "-q").split() == [reference]
    assert reference in msb.ok("image", "inspect", reference)


def test_nothing_there(msb):
    p = msb("image", "ls")
    assert (p.returncode, p.stdout) == (0, "") and "No images found." in p.stderr
    assert msb.json("images") == []
    msb.refused(msb("image", "inspect", "nothing"), "image not found")
    assert msb("rmi", "nothing").returncode == 1


def test_output_of_pull(msb, server):
    reference = server.add(layered(*"abc"))
    p = msb.pulled(reference)
    assert re.search(r"✓ Pulled +" + re.escape(reference), p.stderr), p.stderr
    assert "\x1b" not in p.stderr and "\r" not in p.stderr
    assert msb.pull(reference, "-q").stderr == ""
    assert msb.pull(f"{server.host}/none", "-q").stderr.startswith("error: ")
    assert "✗ Pulling" in msb.pull(f"{server.host}/none").stderr


# -- removal ----------------------------------------------------------------

def test_shared_layers_survive(msb, server):
    a, b = layered("a", "b"), layered("a", "c")
    first, second = server.add(a, "first"), server.add(b, "second")
    msb.pulled(first)
    msb.pulled(second)
    assert len([f for f in msb.cached() if f.startswith("layers/")]) == 3
    msb.ok("image", "rm", first)
    assert len([f for f in msb.cached() if f.startswith("layers/")]) == 2
    assert msb.tree(second)["/f0"]["size"] == "1000"
    msb.ok("rmi", second)
    assert msb.cached() == {} and msb.images() == []


def test_two_names_of_one_image(msb, server):
    image = simple()
    first, second = server.add(image, "first"), server.add(image, "second")
    msb.pulled(first)
    msb.pulled(second)
    msb.ok("rmi", first)
    assert msb.tree(second)["/hello"]["size"] == "5"
    assert [i["reference"] for i in msb.images()] == [second.removesuffix(":latest")]


def test_image_in_use_is_not_removed(msb, server):
    reference = server.add(simple())
    msb.ok("create", "-q", "-n", "box", reference)
    p = msb("rmi", reference)
    assert p.returncode == 1 and "in use" in p.stderr and "box" in p.stderr
    msb.ok("stop", "box")
    assert msb("rmi", reference).returncode == 1
    assert msb("image", "prune", "-y").returncode == 0 and len(msb.images()) == 1
    msb.ok("start", "box")
    msb.ok("rm", "-f", "box")
    msb.ok("rmi", reference)
    assert msb.cached() == {}


def test_removal_goes_on_after_a_failure(msb, server):
    reference = server.add(simple())
    msb.pulled(reference)
    p = msb("image", "rm", "no/such", reference)
    assert p.returncode == 1 and "image not found" in p.stderr
    assert msb.images() == []


def test_spelling_does_not_matter(msb, server):
    reference = server.add(simple(), "app")
    msb.pulled(f"{server.host}/app")
    assert msb.json("image", "inspect", reference)["reference"] == f"{server.host}/app"
    msb.ok("rmi", f"{server.host}/app:latest")
    assert msb.images() == []


def test_prune(msb, server):
    used, unused = server.add(layered("a", "b"), "used"), server.add(layered("a", "c"), "unused")
    msb.pulled(used)
    msb.pulled(unused)
    msb.ok("create", "-q", "-n", "box", used)
    msb.ok("stop", "box")
    p = msb("image", "prune")
    assert p.returncode != 0 and len(msb.images()) == 2  # asks, and there is nobody
    report = msb.json("image", "prune", "-y")
    assert report["image_refs_removed"] == 1 and report["layers_removed"] == 1
    assert report["manifests_removed"] == 1 and report["bytes_reclaimed"] > 0
    assert [i["reference"] for i in msb.images()] == [used.removesuffix(":latest")]
    msb.ok("start", "box")


def test_old_image_of_a_moved_tag_is_pruned(msb, server):
    reference = server.add(layered("a", "b"))
    msb.pulled(reference)
    server.add(layered("a", "c"))
    msb.tree(reference, "--pull", "always")
    assert len([f for f in msb.cached() if f.startswith("layers/")]) == 3
    msb.ok("image", "prune", "-y")
    assert msb.cached() == {} or len(msb.images()) <= 1


# -- archives ---------------------------------------------------------------

def readable(msb, path):
    if msb.account and os.geteuid() == 0:
        os.chown(path, ORDINARY, ORDINARY)
    return path


def skopeo(*args):
    subprocess.run(["skopeo", "copy", "--quiet", *map(str, args)], check=True, capture_output=True)


@needs_root
@pytest.mark.parametrize("form", ["docker-archive", "oci-archive"])
def test_load_what_skopeo_made(msb, base, form):
    image = difficult.image("another_type")
    archive = base / "work/image.tar"
    name = ":docker.io/library/made:v1" if form == "docker-archive" else ":made:v1"
    skopeo("oci:" + image.layout(base / "layout"), f"{form}:{archive}{name}")
    msb.ok("load", "-i", readable(msb, archive))
    assert [i["reference"] for i in msb.images()] == ["made:v1"]
    differences = trees.compare(trees.of_umoci(LSTREE, image), msb.tree("made:v1"))
    assert not differences, differences[:20]
    assert msb("load", "-i", archive).returncode == 0  # once more is no error


def test_load_a_layout_directory_and_names(msb, base):
    layout = base / "work/layout"
    simple().layout(layout, "app:v2")
    msb.ok("image", "load", "-i", layout, "-t", "other/name:v3")
    assert sorted(i["reference"] for i in msb.images()) == ["app:v2", "other/name:v3"]
    assert msb.tree("other/name:v3")["/hello"]["size"] == "5"


def test_load_from_standard_input(msb, base):
    skopeo("oci:" + simple().layout(base / "layout"), f"docker-archive:{base}/a.tar:piped:v1")
    p = msb("load", input=(base / "a.tar").read_bytes(), text=False)
    assert p.returncode == 0, p.stderr
    assert [i["reference"] for i in msb.images()] == ["piped:v1"]


@needs_root
@pytest.mark.parametrize("form", ["docker", "oci"])
@pytest.mark.parametrize("name", ["another_type", "hard_links", "extended_attributes", "opaque",
                                  "recreated_in_one_layer", "long_names", "times"])
def test_save_and_read_back(here, registry, base, name, form):
    """Saved, read by skopeo and umoci, and by us: the same tree each time."""
    image = difficult.image(name)
    reference = registry.push(image, f"save/{name}")
    want = trees.of_umoci(LSTREE, image)
    here.pulled(reference)
    here.ok("save", "--format", form, "-o", "out.tar", reference)
    archive = here.cwd / "out.tar"
    source = (f"docker-archive:{archive}" if form == "docker" else f"oci-archive:{archive}")
    skopeo(source, f"oci:{base}/back:x")
    subprocess.run(["umoci", "unpack", "--image", f"{base}/back:x", base / "bundle"], check=True,
                   capture_output=True)
    assert trees.compare(want, trees.of_directory(LSTREE, base / "bundle/rootfs"), ()) == []
    here.ok("rmi", reference)
    here.ok("load", "-i", archive)
    again, = here.images()
    assert trees.compare(want, here.tree(again["reference"])) == []


def test_save_several_and_load_all(msb, server, base):
    names = [server.add(layered("a", x), x) for x in "bcd"]
    for name in names:
        msb.pulled(name)
    msb.ok("save", "--format", "oci", "-o", "all.tar", *names)
    with tarfile.open(msb.cwd / "all.tar") as t:
        blobs = [m for m in t.getnames() if m.startswith("blobs/sha256/")]
    assert len(set(blobs)) == len(blobs) == 4 + 2 * 3  # each layer once
    for name in names:
        msb.ok("rmi", name)
    msb.ok("load", "-i", "all.tar")
    assert len(msb.images()) == 3


def test_failed_save_leaves_no_file(msb, base):
    msb.refused(msb("save", "-o", "out.tar", "no/such"), "not found|not cached")
    assert list(msb.cwd.iterdir()) == []


def oci_tar(image, path, change=None):
    """An OCI archive, whose members `change` may alter: {name: bytes or TarInfo}."""
    members = {"oci-layout": b'{"imageLayoutVersion": "1.0.0"}',
               "index.json": json.dumps({"schemaVersion": 2, "manifests": [
                   {"mediaType": image.media_type, "digest": image.digest,
                    "size": len(image.manifest),
                    "annotations": {"org.opencontainers.image.ref.name": "evil:v1"}}]}).encode()}
    for digest, data in {**image.blobs(), image.digest: image.manifest}.items():
        members["blobs/sha256/" + digest[7:]] = data
    if change:
        change(members)
    with tarfile.open(path, "w") as t:
        for name, data in members.items():
            info = data if isinstance(data, tarfile.TarInfo) else tarfile.TarInfo(name)
            if not isinstance(data, tarfile.TarInfo):
                info.size = len(data)
            t.addfile(info, io.BytesIO(data) if isinstance(data, bytes) else None)


def link_to(target, kind=tarfile.SYMTYPE):
    info = tarfile.TarInfo("x")
    info.type, info.linkname = kind, target
    return info


def layer_name(members):
    return sorted(members, key=lambda n: (n.startswith("blobs/"), len(
        members[n]) if isinstance(members[n], bytes) else 0))[-1]


def alter(how):
    def change(members):
        how(members, layer_name(members))
    return change


def to_link(target, kind=tarfile.SYMTYPE):
    def how(members, name):
        info = link_to(target, kind)
        info.name = name
        members[name] = info
    return alter(how)


BAD_ARCHIVES = {
    "no index": alter(lambda m, n: m.pop("index.json")),
    "index no json": alter(lambda m, n: m.update({"index.json": b"{"})),
    "layer missing": alter(lambda m, n: m.pop(n)),
    "layer other": alter(lambda m, n: m.update({n: m[n][:-1] + b"x"})),
    "layer symlink": to_link("/etc/passwd"),
    "layer hard link": to_link("../../../etc/passwd", tarfile.LNKTYPE),
    "layer fifo": to_link("", tarfile.FIFOTYPE),
    "index names a path": alter(lambda m, n: m.update({"index.json": m["index.json"].replace(
        b"sha256:", b"sha256:../../")})),
    "neither form": alter(lambda m, n: (m.pop("index.json"), m.pop("oci-layout"))),
}


@pytest.mark.parametrize("name", BAD_ARCHIVES)
def test_bad_archive(msb, base, name):
    image = Image(Tar().dir("./").file("f", os.urandom(5000)))
    oci_tar(image, msb.cwd / "bad.tar", BAD_ARCHIVES[name])
    msb.refused(msb("load", "-i", "bad.tar"))
    msb.nothing_kept()
    oci_tar(image, msb.cwd / "good.tar")
    msb.ok("load", "-i", "good.tar")


def docker_tar(manifest, files, path):
    with tarfile.open(path, "w") as t:
        for name, data in {**files, "manifest.json": json.dumps(manifest).encode()}.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            t.addfile(info, io.BytesIO(data))


@pytest.mark.parametrize("layer", ["../outside.tar", "/etc/passwd", "", "missing.tar", "a/../../b"])
def test_docker_archive_with_odd_paths(msb, base, layer):
    image = simple()
    files = {"config.json": image.config, "layer.tar": image.layers[0].tar}
    docker_tar([{"Config": "config.json", "RepoTags": ["x:1"], "Layers": [layer]}], files,
               msb.cwd / "bad.tar")
    msb.refused(msb("load", "-i", "bad.tar"))
    msb.nothing_kept()
    docker_tar([{"Config": "config.json", "RepoTags": ["x:1"], "Layers": ["layer.tar"]}], files,
               msb.cwd / "good.tar")
    msb.ok("load", "-i", "good.tar")
    assert [i["reference"] for i in msb.images()] == ["x:1"]


def test_docker_archive_without_a_name(msb):
    image = simple()
    docker_tar([{"Config": "c", "RepoTags": None, "Layers": ["l"]}],
               {"c": image.config, "l": image.layers[0].tar}, msb.cwd / "a.tar")
    msb.refused(msb("load", "-i", "a.tar"), "name|tag|reference")
    msb.ok("load", "-i", "a.tar", "-t", "named:v1")
    assert msb.tree("named:v1")["/hello"]["size"] == "5"


def test_load_refuses_what_is_no_archive(msb):
    (msb.cwd / "text").write_text("no archive")
    (msb.cwd / "empty").write_text("")
    for name in ("text", "empty", "nowhere"):
        msb.refused(msb("load", "-i", name))
    msb.nothing_kept()


@needs_root
def test_buildah_archive(msb, base):
    """An image built step by step, with a layer for each."""
    env = {**os.environ, "STORAGE_DRIVER": "vfs", "BUILDAH_ISOLATION": "chroot"}

    def buildah(*args):
        return subprocess.run(
            ["buildah", "--root", base / "storage", "--runroot", base / "run", *map(str, args)],
            check=True, capture_output=True, text=True, env=env).stdout.strip()

    (base / "context").mkdir()
    (base / "context/hello").write_text("from the context")
    (base / "Containerfile").write_text(
        "FROM scratch\nCOPY hello /a/hello\nENV A=1\nLABEL x=y\nCOPY hello /a/b/again\n"
        "WORKDIR /a\nENTRYPOINT [\"/a/hello\"]\n")
    buildah("build", "--layers", "-f", base / "Containerfile", "-t", "localhost/built:v1",
            base / "context")
    buildah("push", "localhost/built:v1", f"docker-archive:{base}/work/b.tar:localhost/built:v1")
    msb.ok("load", "-i", readable(msb, base / "work/b.tar"))
    info = msb.json("image", "inspect", "localhost/built:v1")
    assert info["config"]["env"][-1] == "A=1" and info["config"]["labels"]["x"] == "y"
    assert info["config"]["entrypoint"] == ["/a/hello"]
    p = msb("run", "--entrypoint", "/lstree/lstree", "-v", f"{msb.tool()}:/lstree:ro",
            "localhost/built:v1", "--", "/a")
    assert trees.parse(p.stdout)["/b/again"]["size"] == "16"


def test_files_of_the_store_are_private_and_valid(here, registry):
    here.pulled(registry.push(Image(*[Layer(x) for x in difficult.opaque()]), "valid"))
    cache = here.home / "cache"
    assert cache.stat().st_mode & 0o77 == 0
    fsck(*sorted((cache / "layers").glob("*.erofs")))
    assert not [f for f in cache.rglob("*") if f.is_file() and f.parent.name == "tmp"
                and f.stat().st_size and not f.name.endswith(".lock")]
