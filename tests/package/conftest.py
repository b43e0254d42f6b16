# SPDX-License-Identifier: Apache-2.0
"""Builds the packages once, and offers roots to use them in; all of it needs root."""
import os
import pathlib
import shutil
import subprocess
import sys

import pytest

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
BUILD = pathlib.Path(os.environ.get("MSB_BUILD", ROOT / "build")).resolve()
ORDINARY = 65533
DEADLINE = 300

sys.path.insert(0, str(HERE))
import mirror  # noqa: E402
import root  # noqa: E402


def pytest_configure(config):
    """Mounts are ours alone, and gone when we are."""
    if os.geteuid() == 0:
        root.check(root.LIBC.unshare(root.CLONE_NEWNS))
        root.mount("none", "/", flags=root.MS_REC | root.MS_PRIVATE)


def pytest_collection_modifyitems(items):
    if os.geteuid() != 0:
        for item in items:
            item.add_marker(pytest.mark.skip(reason="not started as root"))


class Root:
    """A directory that commands run in as if it were the whole system."""

    def __init__(self, path):
        self.path = path

    def __call__(self, *command, user=ORDINARY, loopback="own", check=True, env=None, **kw):
        p = subprocess.run([sys.executable, HERE / "root.py", self.path, str(user), loopback,
                            *map(str, command)], stdin=subprocess.DEVNULL, capture_output=True,
                           text=True, timeout=DEADLINE, env={**os.environ, **(env or {})}, **kw)
        assert not check or p.returncode == 0, f"{command}: {p.returncode}\n{p.stdout}{p.stderr}"
        return p

    def files(self):
        """Names of everything but what the kernel and the package manager write."""
        own = ("proc", "dev", "tmp", "var/lib/dpkg", "var/log", "var/cache", "etc/ld.so.cache")
        return {str(p.relative_to(self.path)) for p in self.path.rglob("*")
                if not str(p.relative_to(self.path)).startswith(own)}


def make(program, out):
    subprocess.run([sys.executable, ROOT / "packaging" / program, "--build", BUILD, "--out", out,
                    "--quick"], check=True, capture_output=True, timeout=DEADLINE)


@pytest.fixture(scope="session")
def debs(tmp_path_factory):
    out = tmp_path_factory.mktemp("deb")
    make("deb.py", out)
    return out


@pytest.fixture(scope="session")
def tarballs(tmp_path_factory):
    out = tmp_path_factory.mktemp("tarball")
    make("tarball.py", out)
    return out


@pytest.fixture(scope="session")
def debian(tmp_path_factory, debs):
    """A fresh Debian of this host's release, with what the packages depend on and nothing of ours."""
    path = tmp_path_factory.mktemp("debian") / "root"
    path.mkdir()
    root.mount("root", path, "tmpfs", data="mode=755")  # which writes nothing through to a disk
    include = {name for deb in debs.glob("*.deb") for name in mirror.depends(deb)}
    try:
        mirror.debootstrap(path, sorted(include | {"ca-certificates"}))
        yield Root(path)
    finally:
        root.check(root.LIBC.umount2(str(path).encode(), root.MNT_DETACH))


@pytest.fixture
def empty(tmp_path, tarballs):
    """The tarball, unpacked in a root in which there is nothing else."""
    path = tmp_path / "root"
    path.mkdir(mode=0o755)
    archive, = tarballs.glob("*.tar.zst")
    subprocess.run(["tar", "-I", "zstd", "-C", path, "-xf", archive], check=True)
    yield Root(path)
    shutil.rmtree(path)
