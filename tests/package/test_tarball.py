# SPDX-License-Identifier: Apache-2.0
"""The static tarball, unpacked in a root that has nothing else, on kernels new and made to look old."""
import json
import shutil
import subprocess
import sys

import pytest
from conftest import BUILD, HERE, ROOT, make

sys.path.insert(0, str(ROOT / "tests/images"))
import registry  # noqa: E402

OLD_KERNEL = BUILD / "tests/package/oldkernel"


def tree(root):
    """Where it was unpacked, as seen from inside."""
    return next(root.path.glob("msb-*"))


def msb(root):
    return f"/{tree(root).name}/bin/msb"


def test_sums_and_version_lie_beside_it(tarballs):
    archive, = tarballs.glob("*.tar.zst")
    assert subprocess.run(["sha256sum", "-c", "SHA256SUMS"], cwd=tarballs, capture_output=True,
                          text=True).stdout == f"{archive.name}: OK\n"
    version = (tarballs / "latest").read_text().strip()
    assert archive.name.startswith(f"msb-{version}-linux-")
    listing = subprocess.run(["tar", "-I", "zstd", "-tf", archive], check=True, capture_output=True,
                             text=True).stdout.split()
    top = archive.name.removesuffix(".tar.zst")
    assert all(name.startswith(top + "/") for name in listing)


def test_same_build_same_bytes(tarballs, tmp_path):
    make("tarball.py", tmp_path)
    archive, = tarballs.glob("*.tar.zst")
    assert (tmp_path / archive.name).read_bytes() == archive.read_bytes()


def test_nothing_but_the_kernel_is_needed(empty):
    """No C library, no shell, no /etc: an ordinary user's sandbox, its image unpacked by the worker."""
    assert sorted(p.name for p in empty.path.iterdir()) == [tree(empty).name]
    assert empty(msb(empty), "run", "-q", "busybox", "--", "sh", "-c", "echo $((6*7))").stdout == "42\n"
    assert not (empty.path / "lib64").exists()


def test_doctor_finds_everything(empty):
    text = empty(msb(empty), "doctor").stdout
    assert "✗" not in text


def test_it_may_lie_anywhere_and_be_linked_to(empty):
    place = empty.path / "a place/with spaces"
    place.mkdir(parents=True)
    shutil.move(tree(empty), place / "msb")
    (empty.path / "usr").mkdir()
    (empty.path / "usr/sandbox").symlink_to("../a place/with spaces/msb/bin/msb")
    assert empty("/usr/sandbox", "run", "-q", "busybox", "--", "echo", "fine").stdout == "fine\n"


def shell(root):
    """The empty root gets the static busybox, as a shell for tests of several steps."""
    (root.path / "bin").mkdir()
    for applet in ("busybox", "sh", "cat", "mkdir"):
        shutil.copy(shutil.which("busybox"), root.path / "bin" / applet)


def test_update_installs_it_in_a_home(empty, tarballs):
    """What lies beside the tarball is what `msb update` reads; the new one runs from the home."""
    shell(empty)
    shutil.copytree(tarballs, empty.path / "releases").chmod(0o755)
    p = empty("/bin/sh", "-ec", f"{msb(empty)} update -f --from /releases\n"
              "/tmp/.microsandbox/bin/msb run -q busybox -- echo updated\n")
    assert p.stdout == "updated\n"


@pytest.fixture(scope="module")
def server():
    missing = [p for p in ("docker-registry", "skopeo") if not shutil.which(p)]
    if missing:
        pytest.skip(f"not installed: {' '.join(missing)}")
    with_tls = BUILD / "tests/package/tls"
    shutil.rmtree(with_tls, ignore_errors=True)
    with_tls.mkdir(parents=True)
    registry.make_ca(with_tls)
    server = registry.DockerRegistry(tls=with_tls)
    try:
        server.push_from(f"oci-archive:{BUILD}/images/busybox.tar", "box")
        yield server
    finally:
        server.close()
        shutil.rmtree(with_tls)


def etc(root, files):
    for name, text in files.items():
        path = root.path / "etc" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def test_pulls_with_libraries_of_its_own(empty, server):
    """Names from the host's files, whatever modules its nsswitch.conf has; certificates of Fedora's place."""
    etc(empty, {"hosts": "127.0.0.1 localhost\n", "nsswitch.conf": "hosts: resolve nothere files\n",
                "pki/tls/certs/ca-bundle.crt": (server.tls / "ca.crt").read_text()})
    port = server.host.rpartition(":")[2]
    for host in ("127.0.0.1", "localhost"):
        p = empty(msb(empty), "run", "-q", f"{host}:{port}/box", "--", "echo", "pulled", loopback="host")
        assert p.stdout == "pulled\n"
    etc(empty, {"pki/tls/certs/ca-bundle.crt": ""})
    p = empty(msb(empty), "pull", f"{server.host}/box", loopback="host", check=False)
    assert p.returncode == 1
    assert "certificate" in p.stderr


@pytest.fixture
def old(empty):
    """The same root on a kernel that says it knows nothing newer than Linux 4.18."""
    if not OLD_KERNEL.exists():
        pytest.skip("not built for this architecture")
    shutil.copy(OLD_KERNEL, empty.path / "oldkernel")

    def run(*command, **kw):
        return empty("/oldkernel", *command, **kw)

    run.root = empty
    return run


def test_old_kernel_is_one(old):
    """The proof would be none if the imitation let newer calls through."""
    assert old("/oldkernel", check=False).returncode == 2  # itself runs
    probe = old.root.path / "probe"
    source = HERE / "newcalls.c"
    subprocess.run(["gcc", "-static", "-Wall", "-Werror", "-o", probe, source], check=True)
    assert old.root("/probe").returncode == 0
    p = old("/probe", check=False)
    assert p.returncode == 1 and p.stdout.count("not there") == 6, p.stdout


SCRIPT = """
set -e
box() {{ "{msb}" "$@"; }}
box create -q -n b -v /tmp/shared:/shared --tmpfs /scratch busybox
box exec b -- sh -c 'echo from the guest > /shared/file; df /scratch > /dev/null'
cat /tmp/shared/file
echo "to the guest" > /tmp/copied
box copy -q /tmp/copied b:/root/copied
box exec b -- cat /root/copied
box stop -q b
box start -q b
box exec b -- cat /root/copied
box exec b -- sh -c 'kill -9 $$' || echo "killed $?"
box stop -q -f b
box rm -q b
box run -q --timeout 1s busybox -- sleep 100 || echo "timed out $?"
box ls -q
"""


def test_whole_life_on_an_old_kernel(old):
    """Shares, terminals' absence, copies, restart, forced stop: nothing newer than 4.18 is missed."""
    shell(old.root)
    script = SCRIPT.format(msb=msb(old.root))
    p = old("/bin/sh", "-c", "mkdir /tmp/shared\n" + script)
    assert p.stdout.splitlines() == ["from the guest", "to the guest", "to the guest", "killed 137",
                                     "timed out 124"]


def test_what_needs_a_newer_kernel_says_so(old):
    p = old(msb(old.root), "run", "-q", "-c", "2", "busybox", "--", "true", check=False)
    assert p.returncode == 125
    assert "more than one vCPU, needs Linux 5.9 or later" in p.stderr
    text = old(msb(old.root), "doctor", "--format", "json").stdout
    checks = {c["name"]: c for c in json.loads(text)}
    assert checks["landlock"]["detail"] == "not available"
