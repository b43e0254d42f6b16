# SPDX-License-Identifier: Apache-2.0
"""Images without a registry: the one that comes with the product, and archives."""
import hashlib
import json
import os
import resource
import signal
import subprocess
import tarfile

import pytest

from archives import Archive, tar_of, tar_with
from conftest import DEADLINE, wait_for

NO_NETWORK = {name: "http://127.0.0.1:9" for name in
              ("HTTPS_PROXY", "HTTP_PROXY", "https_proxy", "http_proxy", "ALL_PROXY")}
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
LIST_KEYS = {"reference", "digest", "size_bytes", "architecture", "os", "layer_count", "created_at"}
CONFIG_KEYS = {"digest", "env", "cmd", "entrypoint", "working_dir", "user", "labels", "stop_signal"}
LAYER_KEYS = {"diff_id", "blob_digest", "media_type", "compressed_size_bytes", "erofs_size_bytes",
              "position"}


@pytest.fixture
def offline(msb):
    """Whatever asks for a registry fails at once."""
    original = msb.env
    msb.env = lambda **extra: original(**{**NO_NETWORK, **extra})
    return msb


@pytest.fixture(scope="session")
def base_layer(pristine):
    return tar_of(pristine)


@pytest.fixture
def load(offline, base_layer):
    """load(name, further layers, **config): an image of the root directory; gives its digest."""
    def load(name, *layers, **config):
        archive = Archive()
        digest = archive.add(name, [base_layer, *layers], **config)
        offline.ok("load", "-q", "-i", archive.write(offline.base / "image.tar"))
        return digest
    load.msb = offline
    return load


def config_of(msb, name):
    return msb.json("inspect", name)["config"]


def cache_files(msb, suffix=".erofs"):
    return sorted(p for p in (msb.home / "cache").rglob("*" + suffix))


# --- the image that comes with the product ---


@pytest.mark.parametrize("policy", ["if-missing", "never"])
def test_busybox_runs_with_an_empty_home_and_no_network(offline, policy):
    out = offline.ok("run", "--pull", policy, "busybox", "--", "sh", "-c", "id -u; echo $PATH")
    assert out.split() == ["0", "/.msb/scripts:" + PATH]
    assert offline.ok("images", "-q") == "busybox\n"
    assert not list((offline.home / "sandboxes").iterdir())  # it was unnamed
    assert offline.no_processes()


def test_it_is_cached_after_the_first_time(offline):
    offline.ok("pull", "-q", "busybox")
    before = {p: p.stat().st_mtime_ns for p in cache_files(offline)}
    p = offline("pull", "docker.io/library/busybox:latest")
    assert p.returncode == 0 and p.stdout == ""
    assert "Pulled" in p.stderr and "(already cached)" in p.stderr
    assert offline.ok("run", "library/busybox", "--", "echo", "hi") == "hi\n"
    assert {p: p.stat().st_mtime_ns for p in cache_files(offline)} == before


def test_always_and_force_ask_the_registry(offline):
    p = offline("run", "-n", "box", "--pull", "always", "busybox", "--", "true")
    assert p.returncode == 125 and "image error: " in p.stderr
    p = offline("pull", "-f", "busybox")
    assert p.returncode == 1 and "✗ Pulling      busybox" in p.stderr
    assert offline.json("image", "ls") == [] and offline.json("ls") == []
    assert not cache_files(offline)


def test_two_at_once_get_it_both(offline):
    both = [offline.popen("run", "-q", "busybox", "--", "echo", str(i)) for i in range(2)]
    for i, p in enumerate(both):
        out, err = p.communicate(timeout=DEADLINE)
        assert (p.returncode, out.decode()) == (0, f"{i}\n"), err
    assert not list((offline.home / "cache/tmp").glob("*.erofs"))


def test_killed_at_any_moment_leaves_nothing_half_made(offline):
    offline.choose_engine()
    for ms in range(0, 60, 6):
        p = offline.popen("pull", "-q", "busybox")
        try:
            p.wait(ms / 1000)
        except subprocess.TimeoutExpired:
            p.kill()
            p.wait()
    wait_for(lambda: not [c for _, c in offline.processes() if "msb-image" in c],
             "the workers to notice")
    assert offline.ok("run", "-q", "busybox", "--", "echo", "whole") == "whole\n"


def test_a_writable_layer_that_may_not_grow_leaves_nothing(offline):
    offline.ok("pull", "-q", "busybox")
    offline.choose_engine()
    p = offline.popen("create", "-q", "busybox", text=True, preexec_fn=lambda: resource.setrlimit(
        resource.RLIMIT_FSIZE, (100 << 20, 100 << 20)))
    _, err = p.communicate(timeout=DEADLINE)
    assert p.returncode == 1 and "File too large" in err and err.count("\n") == 1, err
    assert offline.json("ls") == []
    assert os.listdir(offline.home / "sandboxes") == []


# --- what a reference is ---


def test_wrong_references_are_told_before_anything_happens(offline):
    for reference in ("Busybox", "a//b", "busybox:", "busybox@sha256:12"):
        p = offline("run", reference, "--", "true")
        assert p.returncode == 125
        assert "invalid config: invalid image reference: " in p.stderr, reference
    p = offline("pull", "UPPER")
    assert p.returncode == 1 and "invalid image reference: " in p.stderr


def test_not_cached_and_never(offline):
    p = offline("run", "--pull", "never", "ghcr.io/org/app:v1", "--", "true")
    assert p.returncode == 125
    assert "image error: image not cached: ghcr.io/org/app:v1" in p.stderr
    assert offline.json("ls") == []


# --- inheritance ---


def test_everything_is_inherited_and_stored(load):
    msb = load.msb
    load("local/app", tar_with({"srv/": b"", "srv/data": b"x"}),
         Entrypoint=["echo", "entry"], Cmd=["default", "words"], WorkingDir="srv", User="user:",
         Env=["A=image", "B=image", "PATH=" + PATH, "MSB_X=1", "", "=", "odd"], Labels={"k": "v"}, StopSignal="SIGINT")
    assert msb.ok("run", "-n", "box", "-e", "B=mine", "-e", "C=new", "local/app") == \
        "entry default words\n"
    c = config_of(msb, "box")
    assert c["entrypoint"] == ["echo", "entry"] and c["cmd"] == ["default", "words"]
    assert c["workdir"] == "/srv" and c["user"] == "user"
    assert c["env"] == [["A", "image"], ["PATH", PATH], ["B", "mine"], ["C", "new"]]
    assert c["image"]["Oci"]["reference"] == "local/app"
    assert c["image"]["Oci"]["upper_size_mib"] == 4096
    assert msb.ok("run", "-n", "box", "local/app", "--", "own") == "entry own\n"
    out = msb.ok("exec", "box", "--", "sh", "-c", "pwd; id -u; echo $A $B $C")
    assert out.split() == ["/srv", "1000", "image", "mine", "new"]


def test_what_the_user_says_wins(load):
    msb = load.msb
    load("local/app", Entrypoint=["false"], Cmd=["from", "image"], WorkingDir="/etc", User="user")
    msb.ok("create", "-n", "box", "--entrypoint", "echo", "-w", "/var", "-u", "0", "local/app")
    c = config_of(msb, "box")
    assert c["entrypoint"] == ["echo"] and c["cmd"] == ["from", "image"]
    assert msb.ok("run", "-n", "box", "local/app") == "from image\n"
    assert msb.ok("exec", "box", "--", "sh", "-c", "pwd; id -u").split() == ["/var", "0"]


def test_the_default_command_of_an_image_runs_without_a_terminal(load):
    load("local/app", Cmd=["sh", "-c", "exit 7"])
    assert load.msb("run", "local/app").returncode == 7
    name = load.msb.ok("run", "-d", "-n", "box", "local/app").strip()
    wait_for(lambda: load.msb.status(name) == "Stopped", "the command to end")


def test_a_working_directory_that_is_not_there(load):
    load("local/app", WorkingDir="/no/such")
    p = load.msb("run", "local/app", "--", "true")
    assert p.returncode == 125
    assert "workdir does not exist in guest: /no/such" in p.stderr
    assert load.msb.json("ls") == []


def test_shared_files_belong_to_the_image_s_user(load):
    msb = load.msb
    load("local/app", User="user")
    (msb.base / "shared").mkdir()
    (msb.base / "shared/file").write_text("x")
    out = msb.ok("run", "-v", "./shared:/mnt", "local/app", "--", "stat", "-c", "%u", "/mnt/file")
    assert out == "1000\n"
    assert msb.ok("run", "-u", "0", "-v", "./shared:/mnt", "local/app", "--",
                  "stat", "-c", "%u", "/mnt/file") == "0\n"


def test_a_moved_name_does_not_change_a_sandbox(load):
    msb = load.msb
    first = load("local/app", tar_with({"version": b"1\n"}))
    msb.ok("create", "-q", "-n", "old", "local/app")
    second = load("local/app", tar_with({"version": b"2\n"}))
    assert first != second
    msb.ok("stop", "-q", "old")
    assert msb.ok("exec", "old", "--", "cat", "/version") == "1\n"
    assert msb.ok("run", "local/app", "--", "cat", "/version") == "2\n"


# --- /tmp and the writable layer ---


def test_tmp_is_memory_unless_something_is_mounted_there(offline):
    out = offline.ok("run", "-m", "256M", "busybox", "--", "sh", "-c",
                     "df -m /tmp | tail -1; stat -c %a /tmp")
    fields = out.split()
    assert fields[0] == "tmpfs" and fields[1] == "64" and fields[-1] == "1777"
    (offline.base / "shared").mkdir()
    out = offline.ok("run", "-n", "box", "-v", "./shared:/tmp/x", "busybox", "--", "sh", "-c",
                     "touch /tmp/x/made; df /tmp | tail -1")
    assert out.startswith("tmpfs") and (offline.base / "shared/made").exists()
    assert {m["guest"] for m in config_of(offline, "box")["mounts"]} == {"/tmp", "/tmp/x"}
    offline.ok("create", "-n", "mine", "--tmpfs", "/tmp:8M", "busybox")
    assert [m["size_mib"] for m in config_of(offline, "mine")["mounts"]] == [8]


def test_upper_size(offline):
    out = offline.ok("run", "--oci-upper-size", "1G", "busybox", "--", "sh", "-c",
                     "df -m / | tail -1")
    assert 900 <= int(out.split()[1]) <= 1024
    offline.ok("create", "-n", "box", "--oci-upper-size", "96", "busybox")
    assert config_of(offline, "box")["image"]["Oci"]["upper_size_mib"] == 96
    upper = (offline.dir("box") / "upper.ext4").stat()
    assert upper.st_size == 96 << 20 and upper.st_blocks * 512 < 40 << 20
    assert "OCI Upper:" in offline.ok("inspect", "box")
    for size, text in (("0", "oci upper_size must be greater than 0"), ("1M", "from 64 to")):
        p = offline("create", "--oci-upper-size", size, "busybox")
        assert p.returncode == 1 and text in p.stderr
    p = offline("create", "--oci-upper-size", "1G", "./rootfs")
    assert p.returncode == 1 and "only valid for OCI images" in p.stderr


def test_upper_size_of_the_settings(offline):
    offline.choose_engine()
    config = offline.home / "config.json"
    settings = json.loads(config.read_text())
    settings["sandbox_defaults"]["oci"] = {"upper_size_mib": 80}
    config.write_text(json.dumps(settings))
    offline.ok("create", "-n", "box", "busybox")
    assert config_of(offline, "box")["image"]["Oci"]["upper_size_mib"] == 80
    settings["sandbox_defaults"]["oci"] = {"upper_size": 80}
    config.write_text(json.dumps(settings))
    p = offline("ls")
    assert p.returncode == 1 and "'sandbox_defaults.oci.upper_size' is not a known" in p.stderr


def test_a_full_writable_layer_is_a_full_disk(offline):
    p = offline("run", "--oci-upper-size", "64M", "busybox", "--", "dd", "if=/dev/zero",
                "of=/root/big", "bs=1M", "count=100")
    assert p.returncode == 1 and "No space left" in p.stderr


def test_changes_are_kept_and_the_cache_is_not_changed(offline):
    offline.ok("create", "-q", "-n", "box", "busybox")
    before = {p: hashlib.sha256(p.read_bytes()).hexdigest() for p in cache_files(offline)}
    offline.ok("exec", "box", "--", "sh", "-c",
               "echo kept > /root/file; rm /bin/vi; echo changed >> /etc/passwd; mv /home /house")
    offline.ok("stop", "-q", "box")
    offline.ok("start", "-q", "box")
    out = offline.ok("exec", "box", "--", "sh", "-c",
                     "cat /root/file; ls /bin/vi 2>&1; tail -1 /etc/passwd; ls -d /house")
    assert out.split() == ["kept", "ls:", "/bin/vi:", "No", "such", "file", "or", "directory",
                           "changed", "/house"]
    assert {p: hashlib.sha256(p.read_bytes()).hexdigest() for p in cache_files(offline)} == before
    assert offline.ok("run", "busybox", "--", "ls", "/bin/vi") == "/bin/vi\n"


# --- replacing ---


def test_replace_pulls_before_it_stops_anything(offline):
    offline.ok("create", "-q", "-n", "box", "busybox")
    p = offline("create", "-n", "box", "--replace", "--pull", "never", "no/such")
    assert p.returncode == 1 and "image not cached" in p.stderr
    assert offline.status("box") == "Running"
    offline.ok("exec", "box", "--", "touch", "/root/old")
    offline.ok("create", "-q", "-n", "box", "--replace", "busybox")
    assert offline.ok("exec", "box", "--", "ls", "/root") == ""


def test_a_taken_name_is_told_before_anything_is_pulled(offline):
    offline.ok("create", "-q", "-n", "box", "busybox")
    p = offline("create", "-n", "box", "no.such.host/image")
    assert p.returncode == 1 and "already exists" in p.stderr


# --- listing ---


def test_listing(load):
    msb = load.msb
    p = msb("images")
    assert (p.returncode, p.stdout, p.stderr) == (0, "", "No images found.\n")
    assert msb.json("image", "ls") == []
    msb.ok("pull", "-q", "busybox")
    digest = load("ghcr.io/org/app:v1", tar_with({"a": b"1"}), Cmd=["sh"], User="7",
                  Labels={"b": "c"})
    lines = msb.ok("image", "list").splitlines()
    assert lines[0].split() == ["REFERENCE", "DIGEST", "SIZE", "CREATED"]
    assert lines[1].startswith("busybox ")
    assert lines[2].split()[:2] == ["ghcr.io/org/app:v1", digest[:19]]
    assert msb.ok("image", "ls", "-q").split() == ["busybox", "ghcr.io/org/app:v1"]
    both = msb.json("images")
    assert [set(i) for i in both] == [LIST_KEYS, LIST_KEYS]
    app = both[1]
    assert app["layer_count"] == 2 and app["os"] == "linux" and app["architecture"] == "amd64"
    assert app["size_bytes"] > 500_000 and app["created_at"].endswith("+00:00")


def test_labels_of_images_are_below_the_users(load):
    msb = load.msb
    load("local/app", Labels={"a": "image", "b": "image", "": "no key"})
    msb.ok("create", "-q", "-n", "box", "-l", "b=mine", "-l", "c=mine", "local/app")
    assert msb.json("inspect", "box")["config"]["labels"] == {
        "a": "image", "b": "mine", "c": "mine"}
    assert msb.ok("ls", "-q", "-l", "a=image", "-l", "b=mine") == "box\n"


def test_inspecting(load):
    msb = load.msb
    digest = load("local/app", tar_with({"a": b"1"}), Entrypoint=["/bin/e", "x"], Cmd=["c"],
                  Env=["A=b"], WorkingDir="/etc", User="7", Labels={"l": "m=n"}, StopSignal="INT")
    image = msb.json("image", "inspect", "docker.io/local/app:latest")
    assert set(image) == LIST_KEYS | {"config", "layers"} and image["digest"] == digest
    assert set(image["config"]) == CONFIG_KEYS
    assert {k: v for k, v in image["config"].items() if k != "digest"} == {
        "env": ["A=b"], "cmd": ["c"], "entrypoint": ["/bin/e", "x"], "working_dir": "/etc",
        "user": "7", "labels": {"l": "m=n"}, "stop_signal": "INT"}
    assert [set(layer) for layer in image["layers"]] == [LAYER_KEYS, LAYER_KEYS]
    assert [layer["position"] for layer in image["layers"]] == [0, 1]
    for layer in image["layers"]:
        name = layer["diff_id"].replace(":", "_") + ".erofs"
        assert (msb.home / "cache/layers" / name).stat().st_size == layer["erofs_size_bytes"]
    text = msb.ok("image", "inspect", "local/app")
    for part in ("Reference:      local/app\n", digest, "Entrypoint:   /bin/e x\n", "    A=b\n",
                 "Layers (2)\n"):
        assert part in text, text
    p = msb("image", "inspect", "local/other")
    assert p.returncode == 1 and p.stderr == "error: image not found: local/other\n"


# --- removing ---


def test_an_image_in_use_stays(load):
    msb = load.msb
    load("local/app", tar_with({"a": b"1"}))
    for name in ("one", "two"):
        msb.ok("create", "-q", "-n", name, "local/app")
    msb.ok("stop", "-q", "two")
    p = msb("rmi", "local/app", "missing")
    assert p.returncode == 1
    assert "error: image in use by sandbox(es): " in p.stderr
    assert "one" in p.stderr and "two" in p.stderr
    assert "error: image not found: missing\n" in p.stderr
    assert p.stderr.endswith("error: some images failed to remove\n")
    assert msb.json("image", "prune", "-y") == {
        "image_refs_removed": 0, "manifests_removed": 0, "layers_removed": 0, "fsmeta_removed": 0,
        "vmdk_removed": 0, "bytes_reclaimed": 0}
    msb.ok("image", "rm", "-f", "local/app")  # the name goes, the rest stays
    assert msb.json("images") == [] and len(cache_files(msb)) == 3
    msb.ok("start", "-q", "two")
    assert msb.ok("exec", "two", "--", "cat", "/a") == "1"
    msb.ok("rm", "-q", "-f", "one", "two")
    freed = msb.json("image", "prune", "-y")
    assert freed["manifests_removed"] == 1 and freed["layers_removed"] == 2
    assert freed["bytes_reclaimed"] > 1_000_000 and not cache_files(msb)


def test_removing_keeps_what_others_need(load):
    msb = load.msb
    load("local/one", tar_with({"a": b"1"}))
    load("local/two", tar_with({"b": b"2"}))
    assert len(cache_files(msb)) == 5  # the layer in common is there once
    p = msb("image", "remove", "local/one")
    assert p.returncode == 0 and "Removed      local/one" in p.stderr
    assert len(cache_files(msb)) == 3
    assert msb.ok("run", "local/two", "--", "cat", "/b") == "2"
    assert msb("rmi", "-q", "local/one").stderr == "error: some images failed to remove\n"
    msb.ok("rmi", "-q", "local/two")
    assert not cache_files(msb) and not cache_files(msb, ".json")


def test_names_of_one_image(load):
    msb = load.msb
    load("local/app")
    msb.ok("load", "-q", "-t", "local/other:v2", "-i", msb.base / "image.tar")
    assert msb.ok("images", "-q").split() == ["local/app", "local/other:v2"]
    msb.ok("rmi", "-q", "local/app")
    assert msb.ok("run", "--pull", "never", "local/other:v2", "--", "echo", "hi") == "hi\n"


def test_prune_asks(offline):
    offline.ok("pull", "-q", "busybox")
    p = offline("image", "prune")
    assert p.returncode == 1 and "use --yes" in p.stderr
    p = offline("image", "prune", "--yes")
    assert p.returncode == 0 and "Pruned       1 image (" in p.stderr and p.stdout == ""
    assert offline.json("images") == []


# --- archives ---


def test_save_and_load(load):
    msb = load.msb
    load("local/app", tar_with({"a/": b"", "a/b": b"content"}), Cmd=["cat", "/a/b"], Env=["X=y"])
    for form in ("docker", "oci"):
        msb.ok("save", "-q", "--format", form, "-o", f"{form}.tar", "local/app")
    with open(msb.base / "stdout.tar", "wb") as f:
        p = subprocess.run([os.path.abspath(msb_program()), "save", "-q", "local/app"], stdout=f,
                           env=msb.env(), cwd=msb.base)
    assert p.returncode == 0
    names = tarfile.open(msb.base / "docker.tar").getnames()
    assert "manifest.json" in names
    assert "index.json" in tarfile.open(msb.base / "oci.tar").getnames()
    assert not list(msb.base.glob(".msb-save*"))
    for source in ("docker.tar", "oci.tar", "stdout.tar"):
        msb.ok("image", "prune", "-q", "-y")
        p = msb("load", "-i", source)
        assert p.returncode == 0 and "Loaded       local/app" in p.stderr, p.stderr
        assert msb.ok("run", "--pull", "never", "local/app") == "content"
        assert msb.json("image", "inspect", "local/app")["config"]["env"] == ["X=y"]
    msb.ok("image", "prune", "-q", "-y")
    msb.ok("load", "-q", input=(msb.base / "oci.tar").read_bytes(), text=False)
    assert msb.ok("images", "-q") == "local/app\n"


def msb_program():
    from conftest import MSB
    return MSB


def test_saving_what_is_not_there(offline):
    (offline.base / "old.tar").write_text("old")
    p = offline("save", "-o", "old.tar", "busybox")
    assert p.returncode == 1 and "image not cached: busybox" in p.stderr
    assert (offline.base / "old.tar").read_text() == "old"
    p = offline("save", "-o", "no/such/dir.tar", "busybox")
    assert p.returncode == 1 and "no/such" in p.stderr


def test_loading_rubbish(offline):
    (offline.base / "rubbish").write_bytes(os.urandom(100_000))
    for source in ("rubbish", "missing"):
        p = offline("load", "-i", source)
        assert p.returncode == 1 and source in p.stderr, p.stderr
    assert offline.json("images") == [] and not cache_files(offline)


def test_a_wrong_layer_is_refused(offline, base_layer):
    archive = Archive()
    archive.add("local/app", [base_layer])
    layer = max(archive.files, key=lambda n: len(archive.files[n]))
    archive.files[layer] = archive.files[layer][:-1000] + b"x" * 1000
    p = offline("load", "-i", archive.write(offline.base / "image.tar"))
    assert p.returncode == 1 and "image error: " in p.stderr
    assert offline.json("images") == [] and not cache_files(offline)


# --- damage ---


def damage(path):
    path.chmod(0o600)
    os.truncate(path, path.stat().st_size // 2)


def test_what_comes_with_the_product_is_repaired(offline):
    offline.ok("create", "-q", "-n", "box", "busybox")
    offline.ok("stop", "-q", "box")
    for path in cache_files(offline):
        damage(path)
        assert [i["size_bytes"] for i in offline.json("images")] == [None]
        offline.ok("start", "-q", "box")
        offline.ok("stop", "-q", "box")
    for path in cache_files(offline):
        path.unlink()
        assert offline.ok("run", "busybox", "--", "echo", "hi") == "hi\n"


def test_a_damaged_image_is_a_clear_error(load):
    msb = load.msb
    load("local/app", tar_with({"a": b"1"}))
    msb.ok("create", "-q", "-n", "box", "local/app")
    msb.ok("stop", "-q", "box")
    damage(cache_files(msb)[0])
    p = msb("start", "box")
    assert p.returncode == 1
    assert "the image 'local/app' that the sandbox was made from is damaged or missing" in p.stderr
    p = msb("run", "--pull", "never", "local/app", "--", "true")
    assert p.returncode == 125 and "image not cached: local/app" in p.stderr
    msb.ok("load", "-q", "-i", msb.base / "image.tar")
    msb.ok("start", "-q", "box")
    assert msb.ok("exec", "box", "--", "cat", "/a") == "1"


def test_a_missing_writable_layer_is_a_clear_error(offline):
    offline.ok("create", "-q", "-n", "box", "busybox")
    offline.ok("stop", "-q", "box")
    (offline.dir("box") / "upper.ext4").unlink()
    p = offline("start", "box")
    assert p.returncode == 1 and "writable layer" in p.stderr


# --- registries ---


def test_logins(offline):
    assert offline.ok("registry", "list") == "No registries configured.\n"
    p = offline("registry", "login", "ghcr.io", "-u", "me", "--password-stdin", input="s3cret\r\n")
    assert p.returncode == 0 and "Logged in    ghcr.io" in p.stderr and p.stdout == ""
    lines = offline.ok("registry", "ls").splitlines()
    assert [line.split() for line in lines] == [["REGISTRY", "USERNAME", "SOURCE"],
                                                ["ghcr.io", "me", "secret_name"]]
    files = [p for p in (offline.home / "secrets").rglob("*") if p.is_file()]
    assert {p.stat().st_mode & 0o777 for p in files} == {0o600}
    assert [p.read_text() for p in files if p.stat().st_size] == ["s3cret"]
    assert "s3cret" not in (offline.home / "config.json").read_text()
    p = offline("registry", "logout", "ghcr.io")
    assert p.returncode == 0 and "Logged out   ghcr.io" in p.stderr
    assert not [p for p in (offline.home / "secrets").rglob("*")
                if p.is_file() and p.stat().st_size]
    p = offline("registry", "logout", "ghcr.io")
    assert p.returncode == 0
    assert "warn: no stored registry credentials found for `ghcr.io`" in p.stderr
    p = offline("registry", "login", "ghcr.io", "-u", "me", "--password-stdin", input="\n")
    assert p.returncode == 1 and "password/token cannot be empty" in p.stderr
    assert offline("registry", "login", "ghcr.io").returncode == 2


def test_an_interrupted_pull_ends_its_worker(offline):
    fifo = offline.base / "fifo"
    os.mkfifo(fifo)
    p = offline.popen("load", "-i", fifo)
    with open(fifo, "wb") as f:
        f.write(b"x" * 1000)
        f.flush()
        wait_for(lambda: [c for _, c in offline.processes() if "msb-image" in c], "the worker")
        p.send_signal(signal.SIGINT)
        assert p.wait(DEADLINE) == -signal.SIGINT
    wait_for(lambda: not offline.processes(), "the worker to end")
