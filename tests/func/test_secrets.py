# SPDX-License-Identifier: Apache-2.0
"""Secrets and interception as far as no packet is needed: where values come from, where they are, and what
a guest has instead. What becomes of its requests is for tests/net."""
import json
import os
import pathlib
import stat
import subprocess

import pytest

from conftest import SANITIZED

VALUE = "s3cr3t-Value@that=is/odd"


def tree_has(root, text):
    """Files below root that hold this text."""
    return [p for p in root.rglob("*") if p.is_file() and not p.is_symlink()
            and text.encode() in p.read_bytes()]


def memory_has(pid, text):
    """Ranges of a process's memory that hold this text."""
    found = []
    with open(f"/proc/{pid}/mem", "rb") as mem:
        for line in pathlib.Path(f"/proc/{pid}/maps").read_text().splitlines():
            begin, end = (int(x, 16) for x in line.split()[0].split("-"))
            if line.split()[1][0] != "r":
                continue
            try:
                mem.seek(begin)
                if text.encode() in mem.read(end - begin):
                    found.append(line)
            except (OSError, OverflowError):
                pass  # what only the kernel may read
    return found


def test_the_guest_has_a_placeholder(msb):
    env = msb.env(FROM_HOST=VALUE)
    (msb.base / "key").write_text(VALUE + "\n")
    out = msb.ok("run", "--secret", "FROM_HOST@a.example", "--secret-file",
                 f"FROM_FILE={msb.base}/key@b.example", "-e", "FROM_HOST=mine", msb.rootfs, "--",
                 "sh", "-c", "env; cat /proc/1/environ /proc/self/environ; cat /proc/cmdline",
                 env=env)
    lines = out.splitlines()
    assert "FROM_HOST=$MSB_FROM_HOST" in lines
    assert "FROM_FILE=$MSB_FROM_FILE" in lines
    assert VALUE not in out


def test_a_value_is_in_one_file_at_most(msb):
    p = msb("create", "-q", "-n", "box", "--secret", f"INLINE={VALUE}@a.example", "--secret",
                "FROM_HOST@*.b.example", "--secret-inject", "INLINE=body", msb.rootfs,
                env=msb.env(FROM_HOST="another-value"))
    assert p.returncode == 0, p.stderr
    assert "can be seen in the list of processes" in p.stderr
    assert VALUE not in p.stderr
    assert msb.status("box") == "Running"
    kept = msb.home / "sandboxes/box/secrets"
    assert tree_has(msb.home, VALUE) == [kept]
    assert tree_has(msb.home, "another-value") == []
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    for args in (["inspect", "box"], ["inspect", "box", "--format", "json"]):
        text = msb.ok(*args)
        assert VALUE not in text and "another-value" not in text
        assert "$MSB_INLINE" in text
    for pid, command in msb.processes():
        assert VALUE not in command
        try:
            assert VALUE.encode() not in pathlib.Path(f"/proc/{pid}/environ").read_bytes()
        except PermissionError:  # as it is for ordinary users
            pass
    doc = json.loads(msb.ok("inspect", "box", "--format", "json"))
    assert doc["network"]["secrets"][0]["places"] == ["body"]
    assert doc["network"]["tls"]["enabled"]
    assert "value" not in doc["config"]["network"]["secrets"]["secrets"][0]
    msb.ok("rm", "--force", "box")
    assert not kept.exists()


def test_every_start_asks_the_sources_again(msb):
    key = msb.base / "key"
    key.write_text(VALUE)
    msb.ok("create", "-q", "-n", "box", "--secret", "FROM_HOST@a.example", "--secret-file",
           f"FILE={key}@a.example", "--secret", f"KEPT={VALUE}@a.example", msb.rootfs,
           env=msb.env(FROM_HOST="one"))
    p = msb("restart", "box")  # what cannot start again is not stopped
    assert p.returncode == 1 and "'FROM_HOST' not set" in p.stderr
    assert msb.status("box") == "Running"
    msb.ok("restart", "-q", "box", env=msb.env(FROM_HOST="one"))
    msb.ok("stop", "-q", "box")
    p = msb("start", "box")
    assert p.returncode == 1
    assert "secret 'FROM_HOST': environment variable 'FROM_HOST' not set" in p.stderr
    key.unlink()
    p = msb("start", "box", env=msb.env(FROM_HOST="two"))
    assert p.returncode == 1
    assert f"secret 'FILE': cannot read '{key}'" in p.stderr
    key.write_text("new")
    msb.ok("start", "-q", "box", env=msb.env(FROM_HOST="two"))
    out = msb.ok("exec", "box", "--", "env")
    for name in ("FROM_HOST", "FILE", "KEPT"):
        assert f"{name}=$MSB_{name}" in out.splitlines()
    # a command may have its own
    assert msb.ok("exec", "-e", "FILE=mine", "box", "--", "sh", "-c", "echo $FILE") == "mine\n"


def test_a_value_leaves_the_command_line(msb):
    """While the command runs, neither the list of processes has it any more, nor msb's memory; the
    runtime has it where core dumps have nothing."""
    p = msb.popen("run", "-q", "--secret", f"KEY={VALUE}@a.example", msb.rootfs, "--", "sh", "-c",
                  "echo ready; cat", stdin=subprocess.PIPE)
    assert p.stdout.readline() == b"ready\n"
    words = pathlib.Path(f"/proc/{p.pid}/cmdline").read_bytes()
    assert VALUE.encode() not in words
    assert b"KEY=@a.example" in words
    if not SANITIZED:
        assert memory_has(p.pid, VALUE) == []
    if not SANITIZED and os.geteuid() == 0:  # others may not look
        runtime, = (pid for pid, command in msb.processes() if command.startswith("msb-runtime"))
        place, = memory_has(runtime, VALUE)
        smaps = pathlib.Path(f"/proc/{runtime}/smaps").read_text()
        flags = smaps[smaps.index(place.split()[0]):].split("VmFlags:")[1].splitlines()[0]
        assert "dd" in flags.split()  # MADV_DONTDUMP
    p.stdin.close()
    assert p.wait(timeout=60) == 0


def test_only_who_needs_it_has_a_tls_library(msb):
    programs = {}
    for name, flags in (("plain", []), ("secret", ["--secret", "KEY@a.example"]),
                        ("tls", ["--tls-bypass", "a.example"]), ("trust", ["--trust-host-cas"])):
        msb.ok("create", "-q", "-n", name, *flags, msb.rootfs, env=msb.env(KEY="v"))
        programs[name] = pathlib.Path(f"/proc/{msb.runtime_pid(name)}/comm").read_text().strip()
        msb.ok("rm", "-f", "-q", name)
    assert programs == {"plain": "msb-runtime", "secret": "msb-runtime-tls",
                        "tls": "msb-runtime-tls", "trust": "msb-runtime-tls"}


@pytest.mark.parametrize("flags, message", [
    (["--secret", "KEY@a.example"], "environment variable 'KEY' not set"),
    (["--secret", "KEY=a\nb@a.example"], "its value has a line break"),
    (["--secret-file", "KEY=/nowhere/at/all@a.example"], "cannot read '/nowhere/at/all'"),
    (["--secret", "KEY=v@a b"], "'a b' is no host"),
    (["--on-secret-violation", "shout"], "invalid violation action: shout (expected: block, "
     "block-and-log, block-and-terminate, passthrough)"),
    (["--tls-intercept-ca-cert", "/etc/passwd"], "IncompleteInterceptCaConfig"),
    (["--tls-intercept-ca-cert", "/none", "--tls-intercept-ca-key", "/none"],
     "ReadInterceptCaCert"),
    (["--tls-upstream-ca-cert", "/none"], "cannot read '/none'"),
    (["--tls-bypass", "*"], "nothing to intercept"),
])
def test_what_is_wrong_is_told_before_anything_is_made(msb, flags, message):
    p = msb("create", "-n", "box", *flags, msb.rootfs)
    assert p.returncode == 1
    assert message in p.stderr
    assert not (msb.home / "sandboxes/box").exists()
