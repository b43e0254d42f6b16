# SPDX-License-Identifier: Apache-2.0
"""Nothing stays behind: many runs, and processes killed at random moments."""
import contextlib
import os
import pathlib
import random
import signal
import subprocess
import time

import pytest

from conftest import DEADLINE, MSB, SANITIZED, SCALE, registry, wait_for

RUNS = 30 if SANITIZED or SCALE > 1 else 300
KILLS = 10 if SANITIZED or SCALE > 1 else 100


def host_state(msb):
    """What a sandbox could leave on the host, this test's own part of it."""
    files = sorted(str(p.relative_to(msb.home)) for p in msb.home.rglob("*")
                   if "db/" not in str(p) and "locks" not in str(p))
    shm = sorted(p.name for p in pathlib.Path("/dev/shm").iterdir() if "msb" in p.name
                 and (not p.name.startswith("msb-met-") or p == registry(msb.home)))
    mounts = [line for line in pathlib.Path("/proc/self/mountinfo").read_text().splitlines()
              if str(msb.base) in line]
    return {"processes": msb.processes(), "files": files, "shm": shm, "mounts": mounts}


@pytest.mark.slow
def test_many_runs_leave_nothing(msb):
    assert msb.run("--", "true").returncode == 0  # makes the home
    assert msb.no_processes()
    before = host_state(msb)
    temporary = set(os.listdir("/tmp"))
    for i in range(0, RUNS, 4):
        procs = [msb.popen("run", "-q", "./rootfs", "--", "sh", "-c", f"exit {(i + k) % 7}")
                 for k in range(4)]
        for k, p in enumerate(procs):
            _, err = p.communicate(timeout=DEADLINE)
            assert p.returncode == (i + k) % 7, err
    # the last ones may still be giving their guests' memory back
    wait_for(lambda: host_state(msb) == before, "the processes to be gone")
    assert not [n for n in set(os.listdir("/tmp")) - temporary if "vm_file" in n or "uml" in n]


def victims(msb, cli):
    """The three kinds of process of one sandbox, as they are right now."""
    found = {"cli": cli.pid}
    for pid, cmd in msb.processes():
        if "msb-runtime" in cmd:
            found["runtime"] = pid
    for pid in list(found.values()):
        try:
            kids = pathlib.Path(f"/proc/{found.get('runtime', pid)}/task").glob("*/children")
            for kid in " ".join(k.read_text() for k in kids).split():
                found["kernel"] = int(kid)
        except OSError:
            pass
    return found


@pytest.mark.slow
def test_killed_at_random_moments(msb):
    seed = int(os.environ.get("MSB_SEED", "0")) or random.randrange(1 << 32)
    rng = random.Random(seed)
    print(f"MSB_SEED={seed}")
    start = time.monotonic()
    assert msb.run("-n", "victim", "--", "true").returncode == 0
    one_run = time.monotonic() - start
    for i in range(KILLS):
        cli = msb.popen("run", "-q", "-n", "victim", "--replace-with-grace", "0", "./rootfs",
                        "--", "sh", "-c", "echo data > /root/file; sleep 0.2; echo out")
        time.sleep(rng.random() * (one_run + 0.4))  # the random moment
        kind = rng.choice(["cli", "runtime", "kernel"])
        pid = victims(msb, cli).get(kind)
        if pid:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        cli.communicate(timeout=DEADLINE)

        def settled():
            listed = {s["name"]: s["status"] for s in msb.json("ls")}
            return not msb.processes() and listed in (
                {}, {"victim": "Stopped"}, {"victim": "Crashed"})
        wait_for(settled, f"all of round {i} ({kind}) to go and ls to say so", 90)
        if i % 10 == 0:
            msb("rm", "-f", "victim")
            assert msb.json("ls") == []
    msb("rm", "-f", "victim")
    assert msb.run("-n", "victim", "--replace", "--", "echo", "fine").stdout == "fine\n"
    msb.ok("rm", "-f", "victim")
    assert host_state(msb)["files"] == ["db", "run", "sandboxes"] or not [
        f for f in host_state(msb)["files"] if f.startswith("sandboxes/")]


def test_first_starts_in_one_directory_at_once(msb):
    for _ in range(4):
        for name in (".msb", "proc", "sys", "dev"):
            with contextlib.suppress(FileNotFoundError):
                (msb.cwd / "rootfs" / name).rmdir()
        starts = [msb.popen("run", "-q", "./rootfs", "--", "true")
                  for _ in range(3)]
        for p in starts:
            _, err = p.communicate()
            assert p.returncode == 0, err


def test_lists_while_sandboxes_come_and_go(msb):
    stop = time.monotonic() + 5
    workers = [subprocess.Popen(
        ["sh", "-c", 'for i in 1 2 3 4; do "$0" run -q ./rootfs -- true || exit 1; done',
         str(MSB)], cwd=msb.cwd, env=msb.env(), stderr=subprocess.PIPE)
        for _ in range(2)]
    while time.monotonic() < stop or any(w.poll() is None for w in workers):
        p = msb("ls", "--format", "json")
        assert p.returncode == 0 and "locked" not in p.stderr, p.stderr
        if all(w.poll() is not None for w in workers):
            break
    for w in workers:
        _, err = w.communicate()
        assert w.returncode == 0, err
