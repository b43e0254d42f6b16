# SPDX-License-Identifier: Apache-2.0
"""The harness itself: what goes wrong in the machine is told, and nothing is left behind."""
import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest

import machine

RUN = pathlib.Path(__file__).resolve().parent / "run.py"
BUILD = os.environ.get("MSB_BUILD", str(machine.image.ROOT / "build-test"))


@pytest.fixture(autouse=True)
def temporary(tmp_path, monkeypatch):
    if machine.unavailable():
        pytest.skip(machine.unavailable())
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    yield tmp_path
    assert list(tmp_path.glob("msb-kvm-*")) == []
    assert emulators(tmp_path) == []


def emulators(directory):
    """QEMU processes with files below the directory."""
    found = []
    for entry in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            cmd = (entry / "cmdline").read_bytes().decode(errors="replace")
        except OSError:
            continue
        if "qemu-system" in cmd and str(directory) in cmd:
            found.append(int(entry.name))
    return found


def command(*words):
    return [sys.executable, str(RUN), "--build", BUILD, *words]


def test_output_status_and_results(temporary):
    p = subprocess.run(command("--results", str(temporary / "out"), "--", "sh", "-c",
                               "echo out; echo err >&2; echo kept > /results/file; exit 7"),
                       capture_output=True, timeout=600)
    assert (p.returncode, p.stdout, p.stderr) == (7, b"out\nerr\n", b"")
    assert (temporary / "out/file").read_text() == "kept\n"


def test_a_crash_of_the_kernel_shows_its_last_words():
    p = subprocess.run(command("--", "sh", "-c", "echo c > /proc/sysrq-trigger"),
                       capture_output=True, text=True, timeout=600)
    assert p.returncode == 125
    assert "Kernel panic - not syncing: sysrq triggered crash" in p.stderr


def test_a_command_without_end_is_ended_in_order():
    p = subprocess.run(command("--limit", "3", "--", "sh", "-c", "trap 'echo asked; exit 9' INT; "
                               "while :; do sleep 0.1; done"),
                       capture_output=True, text=True, timeout=600)
    assert p.stdout == "asked\n"
    assert p.returncode == 124  # of timeout(1)


def test_a_machine_without_end_is_killed(monkeypatch):
    monkeypatch.setattr(machine, "GRACE", 20)
    with machine.Machine(BUILD) as m:
        with pytest.raises(machine.MachineError, match="no end after 21 s"):
            m.run("echo 1 > /proc/sys/kernel/sysrq; trap '' INT; kill -STOP 1; "
                  "kill -STOP $PPID", limit=1)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_signal_takes_the_machine_along(temporary, number):
    p = subprocess.Popen(command("--", "sleep", "600"), stdout=subprocess.DEVNULL)
    end = time.monotonic() + 120
    while not emulators(temporary):
        assert time.monotonic() < end and p.poll() is None
        time.sleep(0.05)
    p.send_signal(number)
    assert p.wait(timeout=60) == (-number if number == signal.SIGKILL else 130)
    end = time.monotonic() + 60
    while emulators(temporary):
        assert time.monotonic() < end
        time.sleep(0.05)
    if number == signal.SIGKILL:  # cannot tidy up its directory
        for left in temporary.glob("msb-kvm-*"):
            subprocess.run(["rm", "-r", str(left)], check=True)
