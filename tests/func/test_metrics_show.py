# SPDX-License-Identifier: Apache-2.0
"""What msb metrics shows of real sandboxes."""
import json
import os
import signal

from conftest import DEADLINE, wait_for


def sampled(msb, *names):
    wait_for(lambda: {s["name"] for s in msb.json("metrics")} == set(names), "samples")


def test_once(msb):
    msb.create("one", "-c", "1", "-m", "256M")
    msb.create("two")
    sampled(msb, "one", "two")
    header, *rows = msb.ok("metrics").splitlines()
    assert header.split() == ["NAME", "STATE", "CPU", "MEMORY", "GUEST", "MEM", "DISK", "READ", "DISK",
                              "WRITE", "NET", "RX", "NET", "TX", "UPTIME", "TIMESTAMP"]
    assert [r.split()[:2] for r in rows] == [["one", "running"], ["two", "running"]]
    assert " / 1c " in rows[0] and " MiB / 256.0 MiB " in rows[0]
    one = json.loads(msb.ok("metrics", "one", "--format", "json"))
    assert one["name"] == "one" and one["cpus"] == 1
    assert one["memory_limit_bytes"] == 256 << 20 and 0 < one["memory_bytes"] < 1 << 30
    assert one["cpu_time_secs"] > 0 and one["uptime_secs"] > 0
    assert one["started_at"] < one["timestamp"] and one["interval_ms"] == 1000


def test_of_one_that_does_not_run(box):
    sampled(box, "box")
    box.ok("stop", "-q", "box")
    for command in (["metrics", "box"], ["metrics", "box", "--watch"],
                    ["metrics", "box", "--format", "openmetrics"]):
        p = box(*command)
        assert (p.returncode, p.stdout) == (1, "")
        assert p.stderr == "error: sandbox box is not running; metrics are unavailable\n"
    p = box("metrics")
    assert (p.returncode, p.stdout, p.stderr) == (0, "", "No running sandboxes.\n")
    last, = box.json("metrics", "--all")
    assert (last["name"], last["state"]) == ("box", "exited")
    text = box.ok("metrics", "-a", "--format", "openmetrics")
    assert 'msb_sandbox_state{sandbox="box",state="exited"} 1\n' in text
    assert "msb_sandbox_memory_bytes{" not in text


def test_a_crashed_one_is_not_shown(box):
    sampled(box, "box")
    os.kill(box.runtime_pid("box"), signal.SIGKILL)
    wait_for(lambda: box.json("metrics") == [], "it to be noticed")
    assert [s["state"] for s in box.json("metrics", "--all")] in ([], ["exited"])
    assert box("metrics", "box").returncode == 1
    box.ok("start", "-q", "box")
    sampled(box, "box")


def test_following_one_to_its_end(box):
    sampled(box, "box")
    p = box.popen("metrics", "box", "--follow", "--interval", "200ms", "--format", "json", text=True)
    lines = [json.loads(p.stdout.readline()) for _ in range(3)]
    times = [li["timestamp"] for li in lines]
    assert times == sorted(set(times))
    box.ok("stop", "-q", "box")
    rest = p.stdout.read().splitlines()
    assert p.wait(DEADLINE) == 0, p.stderr.read()
    assert all(json.loads(li)["name"] == "box" for li in rest)


def test_by_label(msb):
    msb.create("a", "--label", "tier=web")
    msb.create("b", "--label", "tier=db")
    sampled(msb, "a", "b")
    assert [s["name"] for s in msb.json("metrics", "--label", "tier=db")] == ["b"]
    assert [s["name"] for s in msb.json("metrics", "-l", "tier")] == ["a", "b"]


def test_reading_writes_nothing(box):
    sampled(box, "box")

    def files():
        found = {}
        for folder, _, names in os.walk(box.home):
            for name in names:
                if name == "runtime.log":  # written by the runtime whenever it has something to say
                    continue
                st = os.lstat(os.path.join(folder, name))
                found[os.path.join(folder, name)] = (st.st_ino, st.st_size, st.st_mtime_ns)
        return found

    box.ok("ls")
    before = files()
    for fmt in ([], ["--format", "json"], ["--format", "openmetrics"]):
        box.ok("metrics", *fmt)
    p = box.popen("metrics", "-w", "--interval", "100ms", "--format", "json", text=True)
    p.stdout.readline()
    p.stdout.readline()
    p.kill()
    p.wait()
    assert files() == before


def test_ps_and_inspect(box):
    header, row = box.ok("ps").splitlines()
    assert header.split() == ["NAME", "IMAGE", "COMMAND", "STATUS", "CPUS", "MEM", "PORTS"]
    assert " 512.0 MiB " in row
    one = json.loads(box.ok("ps", "box", "--format", "json"))
    assert sorted(one) == ["command", "cpus", "image", "memory_mib", "name", "ports", "status"]
    assert (one["cpus"], one["memory_mib"]) == (1, 512)


def test_inspect_says_how_it_runs(msb):
    msb.create("full", "--entrypoint", "/bin/sh", "-u", "1000", "--hostname", "other", "--script", "go=echo",
               "--max-duration", "2h", "--idle-timeout", "90s", "--rlimit", "nofile=100:200",
               "--log-level", "debug")
    lines = msb.ok("inspect", "full").splitlines()
    for line in ['Command:        "/bin/sh"', "User:           1000", "Hostname:       other",
                 "Scripts:        go", "Max duration:   120m0s", "Idle timeout:   1m30s",
                 "Log level:      debug", "Limits", "  Nofile:       100 / 200"]:
        assert line in lines, line
