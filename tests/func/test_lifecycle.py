# SPDX-License-Identifier: Apache-2.0
"""Named sandboxes: create, start, stop, restart, exec, list, inspect, remove."""
import os
import signal

import pytest

from conftest import DEADLINE, ENGINE, SCALE, wait_for


def test_create_prints_only_a_made_up_name(msb):
    assert msb.ok("create", "-n", "given", "./rootfs") == ""
    made = msb.ok("create", "./rootfs").strip()
    assert made.startswith("msb-") and len(made) == 12
    assert {s["name"] for s in msb.json("ls")} == {"given", made}


def test_exec_in_a_running_sandbox(box):
    assert box.ok("exec", "box", "--", "sh", "-c", "echo $((6*7))") == "42\n"
    assert box.status("box") == "Running"


def test_exec_starts_a_stopped_sandbox_and_stops_it_again(box):
    box.ok("stop", "-q", "box")
    assert box.ok("exec", "box", "--", "echo", "hi") == "hi\n"
    assert box.status("box") == "Stopped"


def test_exec_options(box):
    out = box.ok("exec", "-e", "A=b", "-w", "/etc", "-u", "1000", "--rlimit", "nofile=77", "box",
                 "--", "sh", "-c", "echo $A; pwd; id -u; ulimit -n")
    assert out.split() == ["b", "/etc", "1000", "77"]


def test_exec_does_not_use_the_entrypoint(msb):
    msb.create("box", "--entrypoint", "echo")
    assert msb.ok("exec", "box", "--", "pwd") == "/\n"


def test_unflushed_data_survives_stop_and_start(box):
    box.ok("exec", "box", "--", "sh", "-c", "echo kept > /root/file")
    box.ok("stop", "-q", "box")
    assert (box.rootfs / "root/file").read_text() == "kept\n"
    box.ok("start", "-q", "box")
    assert box.ok("exec", "box", "--", "cat", "/root/file") == "kept\n"


def test_stop_is_idempotent_and_unknown_names_fail(box):
    box.ok("stop", "box")
    box.ok("stop", "box")
    p = box("stop", "box", "nobody")
    assert p.returncode == 1 and "sandbox not found: nobody" in p.stderr


def test_start_several_and_refuse_running_ones(msb):
    for name in ("one", "two"):
        msb.create(name)
    msb.ok("stop", "-q", "one", "two")
    p = msb("start", "one", "missing", "two")
    assert p.returncode == 1 and "sandbox not found: missing" in p.stderr
    assert {s["name"]: s["status"] for s in msb.json("ls")} == {"one": "Running", "two": "Running"}
    p = msb("start", "one")
    assert p.returncode == 1 and "cannot start sandbox 'one': already running" in p.stderr


def test_restart_makes_a_new_machine(box):
    first = box.runtime_pid("box")
    box.ok("restart", "-q", "box")
    assert box.runtime_pid("box") != first
    assert box.ok("exec", "box", "--", "echo", "up") == "up\n"


def test_force_stop(box):
    box.ok("stop", "-f", "box")
    assert box.status("box") == "Stopped"
    assert box.no_processes()


def test_remove(box):
    p = box("rm", "box")
    assert p.returncode == 1 and "cannot remove sandbox 'box': still running" in p.stderr
    box.ok("rm", "-f", "box")
    assert box.json("ls") == [] and not box.dir("box").exists() and box.no_processes()
    p = box("rm", "box")
    assert p.returncode == 1 and "sandbox not found: box" in p.stderr


def test_name_in_use(box):
    p = box("create", "-n", "box", "./rootfs")
    assert p.returncode == 1 and "sandbox already exists: " in p.stderr
    assert box.status("box") == "Running"


def test_run_with_the_name_of_a_running_sandbox_uses_it(box):
    box.ok("exec", "box", "--", "touch", "/tmp/mark")
    p = box("run", "-n", "box", "-m", "256M", "./rootfs", "--", "ls", "/tmp/mark")
    assert p.returncode == 0 and p.stdout == "/tmp/mark\n"
    assert "creation flags ignored (use --replace to recreate)" in p.stderr
    assert box.status("box") == "Running"


def test_named_run_is_kept_stopped(msb):
    assert msb.run("-n", "kept", "--", "true").returncode == 0
    assert msb.status("kept") == "Stopped"
    assert msb.run("-n", "kept", "--", "echo", "again").stdout == "again\n"
    assert msb.status("kept") == "Stopped"


@pytest.mark.parametrize("flag", [["--replace"], ["--replace-with-grace", "2s"],
                                  ["--replace-with-timeout", "0"]])
def test_replace(box, flag):
    old = box.runtime_pid("box")
    box.ok("create", "-n", "box", *flag, "./rootfs")
    assert box.runtime_pid("box") != old
    assert box.ok("exec", "box", "--", "echo", "new") == "new\n"


def test_replace_checks_the_new_image_first(box):
    p = box("create", "-n", "box", "--replace", "./missing")
    assert p.returncode == 1
    assert box.status("box") == "Running"


def test_listing(box):
    box.create("other")
    box.ok("stop", "-q", "other")
    assert [s["name"] for s in box.json("ls")] == ["other", "box"]  # newest first
    assert set(box.json("ls")[0]) == {"created_at", "image", "name", "status"}
    assert box.ok("ls", "-q", "--running") == "box\n"
    assert box.ok("ls", "-q", "--stopped") == "other\n"
    text = box.ok("ls").splitlines()
    assert text[0].split() == ["NAME", "IMAGE", "STATUS", "CREATED"] and len(text) == 3


def test_ps(box):
    box.create("idle")
    box.ok("stop", "-q", "idle")
    assert [s["name"] for s in box.json("ps")] == ["box"]
    assert [s["name"] for s in box.json("ps", "-a")] == ["box", "idle"]
    one = box.json("ps", "idle")
    assert one["status"] == "Stopped" and set(one) >= {"command", "image", "name", "ports",
                                                       "status"}
    assert box.ok("ps").split()[:7] == ["NAME", "IMAGE", "COMMAND", "STATUS", "CPUS", "MEM", "PORTS"]


def test_empty_listings(msb):
    p = msb("ls")
    assert (p.stdout, p.stderr) == ("", "No sandboxes found.\n")
    p = msb("ps")
    assert (p.stdout, p.stderr) == ("", "No running sandboxes.\n")
    assert msb.json("ls") == [] and msb.json("ps") == []


def test_inspect(msb):
    msb.create("box", "-m", "256M", "-e", "K=V", "-w", "/tmp", "--tmpfs", "/scratch:16M",
               "-v", f"{msb.base}:/mnt/base:ro")
    doc = msb.json("inspect", "box")
    assert set(doc) >= {"config", "created_at", "name", "status", "updated_at"}
    config = doc["config"]
    assert config["memory_mib"] == 256 and config["env"] == [["K", "V"]]
    assert config["image"] == {"Bind": str(msb.rootfs)} and config["workdir"] == "/tmp"
    text = msb.ok("inspect", "box")
    for want in ("Status:", "256 MiB", "K=V", "/scratch", "(ro)", ENGINE, "seccomp"):
        assert want in text


def test_inspect_shows_engine_and_jail(box):
    machine = box.json("inspect", "box")["machine"]
    assert machine["engine"] == ENGINE
    layers = machine["jail"]
    assert layers and all(state == "on" for state in layers.values()), layers


@pytest.mark.uml
def test_inspect_shows_the_mode(box):
    assert box.json("inspect", "box")["machine"]["mode"] == "ptrace"


def test_max_duration_stops_the_sandbox(msb):
    msb.create("short", "--max-duration", f"{2 * SCALE * SCALE}s")  # booting is a part of it
    wait_for(lambda: msb.status("short") == "Stopped", "the end of its time")
    assert msb.no_processes()


def test_idle_timeout_waits_for_a_running_command(msb):
    msb.create("idle", "--idle-timeout", "1s")
    assert msb.ok("exec", "idle", "--", "sh", "-c", "sleep 4; echo done") == "done\n"
    wait_for(lambda: msb.status("idle") == "Stopped", "the idle stop")
    msb.ok("start", "-q", "idle")  # must not stop at once because of the last boot
    assert msb.ok("exec", "idle", "--", "echo", "up") == "up\n"


def test_killed_runtime_is_crashed_and_starts_again(box):
    os.kill(box.runtime_pid("box"), signal.SIGKILL)
    wait_for(lambda: not box.processes(), "the kernel to go with its runtime")
    assert box.status("box") == "Crashed"
    box.ok("start", "-q", "box")
    assert box.ok("exec", "box", "--", "echo", "back") == "back\n"


def test_guest_that_powers_itself_off_is_stopped(box):
    box("exec", "box", "--", "poweroff", "-f")
    wait_for(lambda: box.status("box") == "Stopped", "the power-off to be seen")


def test_killed_creator_takes_an_attached_sandbox_along(msb):
    p = msb.popen("run", "./rootfs", "--", "sleep", "600")
    wait_for(lambda: msb.json("ls"), "the sandbox")
    p.kill()
    p.wait()
    wait_for(lambda: not msb.processes(), "the sandbox to end with its creator")
    assert msb.json("ls") == []
    assert list((msb.home / "sandboxes").iterdir()) == []


def test_long_home_and_longest_name(msb):
    msb.home = msb.base / ("h" * 90)
    name = "n" * 128
    msb.create(name)
    out = msb.ok("exec", name, "--", "hostname").strip()
    assert len(out) <= 64
    msb.ok("rm", "-f", name)


def test_eight_creates_of_one_name(msb):
    procs = [msb.popen("create", "-n", "same", "./rootfs", text=True) for _ in range(8)]
    results = [(p.communicate(timeout=2 * DEADLINE)[1], p.returncode) for p in procs]
    assert sorted(code for _, code in results) == [0] + [1] * 7, results
    assert all("already exists" in err for err, code in results if code)


def test_two_execs_on_a_stopped_sandbox(box):
    box.ok("stop", "-q", "box")
    procs = [box.popen("exec", "box", "--", "sh", "-c", f"sleep 1; echo {i}", text=True)
             for i in range(2)]
    for i, p in enumerate(procs):
        out, err = p.communicate(timeout=2 * DEADLINE)
        assert (p.returncode, out) == (0, f"{i}\n"), err
    wait_for(lambda: box.status("box") == "Stopped", "the last one to stop it")
