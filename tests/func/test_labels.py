# SPDX-License-Identifier: Apache-2.0
"""Labels of sandboxes, from making one to selecting many; ping and touch."""
import os
import re
import signal

from conftest import SCALE, wait_for


def names(msb, *args):
    return sorted(msb.ok("ls", "-q", *args).split())


def test_labels_from_create_to_remove(msb):
    msb.create("web", "-l", "app=shop", "--label", "tier=web", "-l", "tier=front")
    msb.create("db", "-l", "app=shop", "-l", "note=")
    msb.create("other")
    assert msb.json("inspect", "web")["config"]["labels"] == {"app": "shop", "tier": "front"}
    assert "app=shop" in msb.ok("inspect", "web")
    assert names(msb, "-l", "app=shop") == ["db", "web"]
    assert names(msb, "-l", "app", "-l", "tier=front") == ["web"]
    assert names(msb, "-l", "note=") == ["db"] and names(msb, "-l", "tier=web") == []
    msb.ok("stop", "-q", "-l", "app=shop")
    assert [msb.status(n) for n in ("web", "db", "other")] == ["Stopped", "Stopped", "Running"]
    msb.ok("start", "-q", "-l", "tier")
    assert sorted(msb.ok("ps", "-q", "-l", "app").split()) == ["web"]
    msb.ok("rm", "-f", "-q", "--label", "app=shop")
    assert names(msb) == ["other"]


def test_ping_and_touch(msb):
    msb.create("up", "-l", "a=1")
    msb.create("down", "-l", "a=1")
    msb.ok("stop", "-q", "down")
    assert re.fullmatch(r"up: \d+\.\d{3} ms\n", msb.ok("ping", "up"))
    assert msb.ok("ping", "-l", "a").startswith("up: ")  # those that run
    assert "Touched      up" in msb("touch", "-l", "a=1").stderr
    for command in ("ping", "touch"):
        p = msb(command, "down", "up")
        assert p.returncode == 1 and "sandbox 'down' is not running" in p.stderr
    # an agent that cannot answer is told from one that is gone
    os.kill(msb.runtime_pid("up"), signal.SIGSTOP)
    try:
        p = msb("ping", "-t", "1", "up")
        assert p.returncode == 1 and p.stdout == ""
        assert "error: " in p.stderr
    finally:
        os.kill(msb.runtime_pid("up"), signal.SIGCONT)
    assert msb.ok("ping", "up").startswith("up: ")


def test_touch_puts_off_the_idle_limit_and_ping_does_not(msb):
    for name in ("pinged", "touched"):
        msb.create(name, "--idle-timeout", f"{3 * SCALE}s")
    def touch():
        msb.ok("touch", "-q", "touched")
        msb("ping", "-q", "pinged")
        return msb.status("pinged") == "Stopped"
    wait_for(touch, "the idle limit of the sandbox that is only pinged")
    assert msb.status("touched") == "Running"
    assert msb.json("inspect", "pinged")["exit_reason"] == "IdleTimeout"
    wait_for(lambda: msb.status("touched") == "Stopped", "its idle limit")
