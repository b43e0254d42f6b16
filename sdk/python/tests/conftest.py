# SPDX-License-Identifier: Apache-2.0
"""The package as built in MSB_BUILD, with real sandboxes in a home directory of the tests' own."""
import asyncio
import gc
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[3]
BUILD = pathlib.Path(os.environ.get("MSB_BUILD", ROOT / "build")).resolve()
DEADLINE = int(os.environ.get("MSB_TEST_DEADLINE", "120")) * int(os.environ.get("MSB_TEST_SCALE", "1"))

os.environ["MSB_LIBRARY"] = str(BUILD / "libmicrosandbox.so.0")
sys.path.insert(0, os.environ.get("MSB_TEST_PACKAGE", str(BUILD / "sdk/python")))


@pytest.fixture(scope="session", autouse=True)
def home():
    base = pathlib.Path(tempfile.mkdtemp(prefix="msb-test-python-"))
    os.environ["MSB_HOME"] = str(base)
    (base / "config.json").write_text('{"sandbox_defaults": {"engine": "uml"}}')

    def msb(*args):
        return subprocess.run([BUILD / "msb", *args], check=True, capture_output=True, text=True)

    msb("pull", "-q", "busybox")
    yield base
    names = msb("ls", "-q").stdout.split()
    if names:
        msb("rm", "-f", *names)
    shutil.rmtree(base, ignore_errors=True)


@pytest.fixture
def run():
    """Runs a coroutine function to its end, with a limit of time."""
    def runner(fn, *args):
        async def limited():
            return await asyncio.wait_for(fn(*args), DEADLINE)
        return asyncio.run(limited())
    return runner


@pytest.fixture
def name(request):
    return "py-" + "".join(c if c.isalnum() else "-" for c in request.node.name)


async def until(condition, what):
    """Poll condition() until it is true; the only kind of waiting in these tests."""
    while not (value := await condition()):
        await asyncio.sleep(0.02)  # asyncio.run() has the limit
    return value


def held():
    """What is open: handles of the library, and descriptors of the process."""
    from microsandbox._library import native
    gc.collect()
    handles = native.live_handles()
    del handles["cancel"], handles["home"]  # these are kept for later calls
    return handles, len(os.listdir("/proc/self/fd"))
