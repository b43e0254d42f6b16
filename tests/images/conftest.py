# SPDX-License-Identifier: Apache-2.0
"""Pulls images into homes of their own and looks at them in sandboxes.

Started as root, msb itself runs as an ordinary user: only umoci, the yardstick, needs root.
"""
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

import pytest

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent


sys.path.insert(0, str(ROOT / "tests"))
import neighbour  # noqa: E402

func = neighbour.load("func_conftest", ROOT / "tests/func/conftest.py")
BUILD, MSB, DEADLINE, SCALE = func.BUILD, func.MSB, func.DEADLINE, func.SCALE
SANITIZED, ENGINE, wait_for = func.SANITIZED, func.ENGINE, func.wait_for
pytest_collection_modifyitems = func.pytest_collection_modifyitems
pytest_runtest_makereport = func.pytest_runtest_makereport
LSTREE = BUILD / "tests/images/lstree"
ORDINARY = 65533  # the user msb runs as

import registry as registries  # noqa: E402
import trees  # noqa: E402
from hostile import Server  # noqa: E402


def pytest_configure(config):
    func.pytest_configure(config)


class Msb(func.Msb):
    """msb with an empty home; its environment has no proxy and no credentials of ours."""

    def __init__(self, base, user=None):
        self.base = base
        self.home = base / "home"
        self.cwd = base / "work"
        self.outside = base / "person"  # $HOME
        self.account = {} if user is None else {"user": user, "group": user, "extra_groups": []}
        for directory in (self.cwd, self.outside, self.home):
            directory.mkdir(mode=0o700)
            if user is not None:
                os.chown(directory, user, user)
        self.registries = {}

    def env(self, **extra):
        env = {k: v for k, v in super().env().items()
               if not k.lower().endswith("_proxy") and not k.startswith("DOCKER_")}
        return {**env, "HOME": str(self.outside), **extra}

    def __call__(self, *args, **kw):
        return super().__call__(*args, **{**self.account, **kw})

    def popen(self, *args, **kw):
        return super().popen(*args, **{**self.account, **kw})

    def configure(self, hosts=None, **registries_keys):
        """Merge into the `registries` part of the home's configuration."""
        self.choose_engine()
        path = self.home / "config.json"
        config = json.loads(path.read_text())
        part = config.setdefault("registries", {})
        part.update(registries_keys)
        part.setdefault("hosts", {}).update(hosts or {})
        path.write_text(json.dumps(config))

    def plain(self, *hosts):
        """Speak plain HTTP with these registries."""
        self.configure({host: {"insecure": True} for host in hosts})

    def pull(self, reference, *options, **kw):
        return self("pull", *options, reference, **kw)

    def pulled(self, reference, *options, **kw):
        p = self.pull(reference, *options, **kw)
        assert p.returncode == 0, f"pull {options} {reference}: {p.returncode}\n{p.stderr}"
        assert p.stdout == ""
        return p

    def refused(self, p, pattern=""):
        """A failed command: one line that says why, no crash; returns that line."""
        errors = [line for line in p.stderr.splitlines() if line.startswith("error: ")]
        assert p.returncode == 1 and len(errors) == 1, f"{p.returncode}\n{p.stderr}"
        assert "unexpected" not in errors[0], f"the worker crashed: {errors[0]}"
        assert len(errors[0]) < 600 and errors[0].isprintable(), errors[0]
        assert re.search(pattern, errors[0], re.I), f"{errors[0]!r} does not tell {pattern!r}"
        return errors[0]

    def images(self):
        return self.json("image", "ls")

    def tree(self, reference, *options, timeout=DEADLINE):
        """What a sandbox started from the image shows."""
        p = self("run", "-q", *options, "-v", f"{self.tool()}:/lstree:ro", reference, "--",
                 "/lstree/lstree", "/", timeout=timeout)
        assert p.returncode == 0, f"{p.returncode}\n{p.stderr}\n{p.stdout[-500:]}"
        return trees.parse(p.stdout)

    def tool(self):
        """A directory with lstree in it."""
        directory = self.base / "tool"
        if not directory.exists():
            directory.mkdir(mode=0o755)
            shutil.copy(LSTREE, directory)
            if self.account:
                os.chown(directory, ORDINARY, ORDINARY)
        return directory

    def cached(self, suffix=".erofs"):
        """{path in the cache: size} of what an image consists of."""
        cache = self.home / "cache"
        return {str(f.relative_to(cache)): f.stat().st_size for f in cache.rglob("*")
                if f.is_file() and f.name.endswith(suffix)}

    def disk_use(self):
        """Bytes the home takes."""
        return sum(f.lstat().st_blocks * 512 for f in self.home.rglob("*"))

    def nothing_kept(self, limit=1 << 20):
        """A failed first pull leaves no image and little else behind."""
        assert self.images() == []
        assert not [f for f in self.cached("") if f.startswith(("manifests/", "refs/"))
                    and not f.endswith(".lock")], self.cached("")
        assert self.disk_use() < limit, self.cached("")


def pytest_sessionstart(session):
    missing = registries.missing()
    if missing:
        raise pytest.UsageError(f"not installed: {' '.join(missing)}")


@pytest.fixture
def base():
    directory = pathlib.Path(tempfile.mkdtemp(prefix="msb-images-"))
    directory.chmod(0o755)
    yield directory
    shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture
def msb(base):
    m = Msb(base, ORDINARY if os.geteuid() == 0 else None)
    yield m
    m.clean()


@pytest.fixture(scope="session")
def registry():
    """docker-registry over plain HTTP, kept for the whole session: choose unused names."""
    r = registries.DockerRegistry()
    yield r
    r.close()


@pytest.fixture(scope="session")
def authority():
    """Directory with a CA and the certificate it gave to 127.0.0.1 and localhost."""
    directory = pathlib.Path(tempfile.mkdtemp(prefix="msb-ca-"))
    directory.chmod(0o755)
    registries.make_ca(directory)
    yield directory
    shutil.rmtree(directory)


@pytest.fixture
def server(msb):
    """The registry of an attacker; msb speaks plain HTTP with it."""
    with Server() as s:
        msb.plain(s.host)
        yield s


@pytest.fixture
def here(msb, registry):
    """msb, set up for the session's registry."""
    msb.plain(registry.host)
    return msb


needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="umoci unpacks owners and devices as root")


def fsck(*files):
    for f in files:
        p = subprocess.run(["fsck.erofs", f], capture_output=True, text=True)
        assert p.returncode == 0, f"{f}: {p.stdout}{p.stderr}"
