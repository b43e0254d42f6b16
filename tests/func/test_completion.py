# SPDX-License-Identifier: Apache-2.0
"""Completion asks the library for names, and disturbs nothing by it.

The rest of it, and the shells, are in tests/unit/cli/completion_test.py.
"""
import os
import signal

import pytest

from conftest import wait_for


def answer(msb, *words):
    p = msb("__complete", "--", *words)
    assert (p.returncode, p.stderr) == (0, "")
    first, *lines = p.stdout.splitlines()
    return first, [line.split("\t")[0] for line in lines]


def values(msb, *words):
    first, found = answer(msb, *words)
    assert first == "none 0"
    return sorted(found)


def test_names_of_what_is_there(msb):
    msb.ok("run", "-n", "kept", "busybox", "-l", "team=x", "--", "true")
    msb.ok("create", "-n", "up", msb.rootfs)
    msb.ok("snapshot", "create", "state", "--from", "kept")
    msb.ok("volume", "create", "data")
    msb.ok("install", "--no-pull", "-n", "tool", "busybox")
    assert values(msb, "exec", "") == ["kept", "up"]
    assert values(msb, "stop", "") == ["up"]
    assert values(msb, "start", "") == ["kept"]
    assert values(msb, "ls", "--label", "") == ["team=x"]
    assert values(msb, "run", "") == ["busybox"]
    assert values(msb, "image", "rm", "bu") == ["busybox"]
    assert values(msb, "run", "--from-snapshot", "") == ["state"]
    assert values(msb, "volume", "rm", "") == ["data"]
    assert values(msb, "uninstall", "") == ["tool"]
    assert answer(msb, "cp", "u") == ("files 0", ["up:/"])


def test_names_while_a_sandbox_dies(msb):
    """A record that has to be mended is no reason to wait or to complain."""
    msb.ok("create", "-n", "box", msb.rootfs)
    os.kill(msb.runtime_pid("box"), signal.SIGKILL)
    wait_for(lambda: values(msb, "start", "") == ["box"], "the end of the sandbox")
    assert values(msb, "stop", "") == []


@pytest.mark.parametrize("config", ["{", '{"no_such_key": 1}'])
def test_a_home_that_cannot_be_opened(msb, config):
    msb.home.mkdir(mode=0o700)
    (msb.home / "config.json").write_text(config)
    assert answer(msb, "exec", "") == ("none 0", [])


def test_a_home_that_is_not_there_is_not_made(msb):
    env = msb.env()
    (msb.home / "config.json").unlink()
    msb.home.rmdir()
    p = msb("__complete", "--", "exec", "", env=env)
    assert (p.returncode, p.stdout, p.stderr) == (0, "none 0\n", "")
    assert not msb.home.exists()
