# SPDX-License-Identifier: Apache-2.0
"""msb-image itself: what it is asked and what it says (src/image/worker.h), and its jail."""
import fcntl
import hashlib
import json
import os
import signal
import subprocess
import tarfile

import pytest

import hostile
from conftest import BUILD, DEADLINE, SANITIZED, wait_for
from hostile import Server
from oci import Image, Layer, Tar, sha256, simple

FIRST_FD = 3  # request, events, file
BIG = os.urandom(4 << 20)


@pytest.fixture
def server():
    with Server() as s:
        yield s


class Worker:
    """One process; request is what descriptor 3 holds."""

    def __init__(self, request, file=None, env=None):
        if not isinstance(request, bytes):
            request = json.dumps(request).encode()
        asked = os.memfd_create("request")
        os.write(asked, request)
        os.lseek(asked, 0, os.SEEK_SET)
        self.events, told = os.pipe()
        # out of the way of the numbers they get in the child
        fds = [fcntl.fcntl(fd, fcntl.F_DUPFD, 20)
               for fd in (asked, told, *([] if file is None else [file]))]

        def arrange():
            for i, fd in enumerate(fds):
                os.dup2(fd, FIRST_FD + i, inheritable=True)

        self.process = subprocess.Popen(
            [BUILD / "msb-image"], stdin=subprocess.DEVNULL, preexec_fn=arrange,
            pass_fds=range(FIRST_FD, FIRST_FD + len(fds)), start_new_session=True,
            env={"PATH": os.environ["PATH"], **(env or {}),
                 **{k: v for k, v in os.environ.items() if k.endswith("SAN_OPTIONS")}},
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        for fd in (asked, told, *fds):
            os.close(fd)
        self.lines = os.fdopen(self.events)

    def next(self):
        """(name, members) of the next event."""
        line = self.lines.readline()
        assert line.endswith("\n"), f"{line!r} {self.process.wait(DEADLINE)}"
        event = json.loads(line)
        assert len(event) == 1
        return next(iter(event.items()))

    def until(self, name):
        event = self.next()
        while event[0] != name:
            event = self.next()
        return event[1]

    def rest(self):
        """All events; the process has ended, and said nothing on its own."""
        events = [next(iter(json.loads(line).items())) for line in self.lines]
        output = self.process.communicate(timeout=DEADLINE)[0]
        assert output == b"", output.decode(errors="replace")
        assert self.process.returncode == (0 if events[-1][0] == "done" else 1)
        assert [n for n, _ in events if n in ("done", "error")] == [events[-1][0]]
        return events

    def done(self):
        name, members = self.rest()[-1]
        assert name == "done", members
        return members

    def error(self):
        name, members = self.rest()[-1]
        assert name == "error", members
        assert set(members) == {"kind", "errno", "message"}
        return members


def pull(base, reference, **more):
    return {"op": "pull", "home": str(base), "reference": reference, "insecure": True, **more}


def two_layers():
    return Image(Tar().dir("./").file("big", BIG), Tar().file("small", "1"))


def test_events_of_a_pull(base, server):
    image = two_layers()
    reference = server.add(image)
    events = Worker(pull(base, reference)).rest()
    names = [name for name, _ in events]
    assert names[:2] == ["resolving", "resolved"] and names[-2:] == ["merging", "done"]
    total = sum(len(x.blob) for x in image.layers)
    assert events[1][1] == {
        "reference": reference, "manifest_digest": image.digest, "total": total,
        "layers": [{"digest": x.digest, "size": len(x.blob)} for x in image.layers]}
    states = [(m["layer"], m["state"]) for name, m in events if name == "layer"]
    assert sorted(states) == [(0, "done"), (1, "done")]
    for kind in ("download", "unpack"):
        steps = [m for name, m in events if name == kind and m["layer"] == 0]
        assert [m["bytes"] for m in steps] == sorted(m["bytes"] for m in steps)
        assert steps[-1]["bytes"] == steps[-1]["total"] == len(image.layers[0].blob)
    assert events[-1][1] == {"bytes": total, "images": [
        {"references": [reference], "manifest_digest": image.digest, "cached": False}]}
    # Cached: nobody is asked, unless that is asked for.
    server.log.clear()
    assert [n for n, _ in Worker(pull(base, reference)).rest()] == ["done"]
    assert not server.log
    again = Worker(pull(base, reference, policy="always")).done()
    assert again["images"][0]["cached"] and again["bytes"] == 0
    assert [r.path for r in server.log] == ["/v2/image/manifests/latest"]
    forced = Worker(pull(base, reference, force=True)).done()
    assert not forced["images"][0]["cached"] and forced["bytes"] == total


def test_layer_that_is_there(base, server):
    image = two_layers()
    Worker(pull(base, server.add(image))).done()
    other = Image(image.layers[0], Layer(Tar().file("new", "2")))
    events = Worker(pull(base, server.add(other, "other"))).rest()
    states = {m["layer"]: m["state"] for name, m in events if name == "layer"}
    assert states == {0: "cached", 1: "done"}
    assert server.downloads()[image.layers[0].digest] == 1


@pytest.mark.parametrize("request_", [
    b"", b"{", b"[]", b"\xff" * 100, b"x" * (2 << 20), {"op": "pull"}, {"op": "push"},
    {"op": "pull", "home": "/", "reference": "a", "what": 1},
    {"op": "pull", "home": "relative", "reference": "a"},
    {"op": "save", "home": "/", "format": "oci", "references": []}],
    ids=["empty", "cut", "list", "binary", "huge", "no home", "op", "key", "relative", "nothing"])
def test_bad_requests(request_):
    assert Worker(request_).error()["kind"] == "invalid_config"


def test_bad_reference_and_home(base):
    assert Worker(pull(base, "Upper/Case")).error()["kind"] == "invalid_config"
    assert Worker(pull(base / "missing", "a.b/c")).error()["kind"] == "io"


def test_jail(base, server):
    """While strangers' bytes are handled nothing else can be reached."""
    image = two_layers()
    reference = server.add(image)
    server.blob(image.layers[0].digest, hostile.stall(1 << 20))
    w = Worker(pull(base, reference, auth={"username": "u", "password": "p"}))
    assert w.until("download")["layer"] in (0, 1)
    proc = f"/proc/{w.process.pid}"
    with open(f"{proc}/status", encoding="ascii") as f:
        status = dict(line.rstrip("\n").split(":\t", 1) for line in f if ":\t" in line)
    if not SANITIZED:
        assert status["NoNewPrivs"] == "1" and status["Seccomp"] == "2"
        assert int(status["CapEff"], 16) & ~0xa == 0
    held = [os.readlink(f"{proc}/fd/{n}") for n in os.listdir(f"{proc}/fd")]
    cache = str(base / "cache")
    assert not [x for x in held if x.startswith("/") and not x.startswith(("/dev/null", cache))]
    with open(f"{proc}/limits", encoding="ascii") as f:
        assert [line.split()[4] for line in f if line.startswith("Max core")] == ["0"]
    w.process.kill()
    w.process.communicate()


def test_reader_goes_away(base, server):
    image = two_layers()
    reference = server.add(image)
    server.blob(image.layers[0].digest, hostile.stall(1 << 20))
    w = Worker(pull(base, reference))
    w.until("download")
    w.lines.close()
    assert w.process.wait(DEADLINE) == 1
    server.heal()
    Worker(pull(base, reference)).done()


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
def test_killed_download_is_resumed(base, server, algorithm):
    """Also where digests are longer ones."""
    image = two_layers()
    blob = image.layers[0].blob
    digest = f"{algorithm}:{hashlib.new(algorithm, blob).hexdigest()}"
    descriptors = [x.descriptor() for x in image.layers]
    descriptors[0]["digest"] = digest
    image = Image(*image.layers, manifest={"layers": descriptors})
    reference = server.add(image)
    server.claim("blobs", digest, blob)
    server.blob(digest, hostile.stall(1 << 20))
    w = Worker(pull(base, reference))
    part = base / "cache/tmp" / f"blob_{digest.replace(':', '_')}.part"
    wait_for(lambda: part.exists() and part.stat().st_size == 1 << 20, "the first bytes")
    w.process.send_signal(signal.SIGKILL)
    w.process.communicate()
    server.heal()
    done = Worker(pull(base, reference)).done()
    rest = len(blob) - (1 << 20)  # the small one may have been complete
    assert done["bytes"] in (rest, rest + len(image.layers[1].blob))
    assert server.requests(digest)[-1].headers["Range"] == f"bytes={1 << 20}-"
    assert not part.exists()
    # A digest of that kind is looked at, too.
    server.claim("blobs", digest, bytes(len(blob)))
    assert Worker(pull(base, reference, force=True)).error()["kind"] == "image"


def test_credentials_of_the_request_come_first(base, server, tmp_path):
    """A helper would be asked otherwise; one that is broken does not matter then."""
    server.auth = hostile.BasicAuth("ann", "pass:word")
    (tmp_path / "config.json").write_text('{"credsStore": "none"}')
    reference = server.add(simple())
    env = {"DOCKER_CONFIG": str(tmp_path), "HOME": str(tmp_path)}
    refused = Worker(pull(base, reference), env=env).rest()
    assert refused[-1][0] == "error" and refused[-1][1]["kind"] == "image"
    assert [m for name, m in refused if name == "note"]
    given = {"username": "ann", "password": "pass:word"}
    Worker(pull(base, reference, auth=given), env=env).done()


def test_settings_of_another_directory(base, server):
    """The state may lie elsewhere than the settings."""
    (base / "state").mkdir()
    (base / "config.json").write_text(json.dumps(
        {"registries": {"hosts": {server.host: {"insecure": True}}}}))
    request = {"op": "pull", "home": str(base / "state"), "config_home": str(base),
               "reference": server.add(simple())}
    Worker(request).done()
    assert (base / "state/cache/refs").is_dir() and not (base / "cache").exists()


def test_load_and_save(base, server, tmp_path):
    image = simple("to and fro")
    reference = server.add(image)
    Worker(pull(base, reference)).done()
    with open(tmp_path / "saved.tar", "w+b") as out:
        saved = Worker({"op": "save", "home": str(base), "format": "docker",
                        "references": [reference]}, out.fileno()).done()
        assert saved["bytes"] == os.fstat(out.fileno()).st_size > 0
    assert "manifest.json" in tarfile.open(tmp_path / "saved.tar").getnames()
    # From a pipe, with one more name.
    other = base / "other"
    other.mkdir()
    with subprocess.Popen(["cat", tmp_path / "saved.tar"], stdout=subprocess.PIPE) as cat:
        events = Worker({"op": "load", "home": str(other), "references": ["docker.io/x/y:z"]},
                        cat.stdout.fileno()).rest()
    assert events[-1][0] == "done"
    assert set(events[-1][1]["images"][0]["references"]) == {reference, "docker.io/x/y:z"}
    assert "resolved" in [name for name, _ in events]
    with open(os.devnull, "w+b") as out:
        missing = Worker({"op": "save", "home": str(other), "format": "oci",
                          "references": ["docker.io/not/there:1"]}, out.fileno()).error()
    assert missing["kind"] == "image_not_found"


@pytest.mark.skipif(os.geteuid() != 0, reason="a small disk is mounted")
def test_full_disk(base, server):
    """One clear error, whether it is seen in advance or not; only whole layers are kept."""
    zeros = Image(Tar().file("a", bytes(1 << 20) + BIG), Tar().file("b", b"\1" * (64 << 20)))
    reference = server.add(zeros)
    home = base / "small"
    home.mkdir()
    for size in ("2m", "20m"):
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "none", home], check=True)
        try:
            error = Worker(pull(home, reference)).error()
            left = [f.name for f in home.rglob("*") if f.is_file() and f.suffix != ".erofs"]
        finally:
            subprocess.run(["umount", home], check=True)
        assert error["kind"] == "no_space" and left == [".lock"], (size, error, left)


def test_sha256_of_a_name_that_the_registry_tells(base, server):
    """A header that says something else than the manifest is a broken answer."""
    image = simple()
    reference = server.add(image)
    wrong = sha256(b"something else")
    server.on("/manifests/latest", lambda h, data, content_type: h.body(
        200, data, content_type, Docker_Content_Digest=wrong))
    assert "digest mismatch" in Worker(pull(base, reference)).error()["message"]
