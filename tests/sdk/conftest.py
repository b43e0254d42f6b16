# SPDX-License-Identifier: Apache-2.0
"""Drivers of all languages, each with a home directory of its own, on the uml engine."""
import json
import os
import pathlib
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
BUILD, MSB, DEADLINE, wait_for = func.BUILD, func.MSB, func.DEADLINE, func.wait_for
pytest_configure = func.pytest_configure
pytest_collection_modifyitems = func.pytest_collection_modifyitems
pristine = func.pristine

import drivers  # noqa: E402

LANGUAGES = os.environ.get("MSB_TEST_LANGUAGES", ",".join(drivers.LANGUAGES)).split(",")


class Home:
    """A home directory with the image busybox, and a root directory."""

    def __init__(self, pristine):
        self.base = pathlib.Path(tempfile.mkdtemp(prefix="msb-test-sdk-"))
        self.path = self.base / "home"
        self.path.mkdir(mode=0o700)
        self.rootfs = self.base / "rootfs"
        shutil.copytree(pristine, self.rootfs, symlinks=True)
        (self.path / "config.json").write_text(
            json.dumps({"sandbox_defaults": {"engine": func.ENGINE}}))
        self.msb("pull", "-q", "busybox")

    def msb(self, *args):
        env = {k: v for k, v in os.environ.items() if not k.startswith("MSB_")}
        return subprocess.run([str(MSB), *map(str, args)], env={**env, "MSB_HOME": str(self.path)},
                              stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=DEADLINE)

    def names(self):
        return self.msb("ls", "-q").stdout.split()

    def forget(self, names):
        if names:
            self.msb("rm", "-f", *names)

    def close(self):
        self.forget(self.names())
        for pid, _ in func.host_processes(self.path):
            try:
                os.kill(pid, 9)
            except OSError:
                pass
        func.registry(self.path).unlink(missing_ok=True)
        shutil.rmtree(self.base, ignore_errors=True)


class Pool:
    """One driver per language, and a new one after a failure."""

    def __init__(self, pristine):
        self.pristine = pristine
        self.homes = {}
        self.drivers = {}

    def home(self, language):
        if language not in self.homes:
            self.homes[language] = Home(self.pristine)
        return self.homes[language]

    def get(self, language):
        d = self.drivers.get(language)
        if d is None or d.process.poll() is not None:
            d = self.drivers[language] = self.new(language)
        return d

    def new(self, language, **kw):
        return drivers.Driver(language, BUILD, self.home(language).path, deadline=DEADLINE, **kw)

    def discard(self, language):
        d = self.drivers.pop(language, None)
        if d:
            d.kill()

    def close(self):
        for d in self.drivers.values():
            d.kill()
        for home in self.homes.values():
            home.close()


@pytest.fixture(scope="session")
def pool(pristine):
    p = Pool(pristine)
    yield p
    p.close()


@pytest.fixture
def home(pristine):
    """One that no other test has."""
    h = Home(pristine)
    yield h
    h.close()
