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
import run

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


def test_a_machine_that_hangs_is_killed(monkeypatch):
    monkeypatch.setattr(machine, "SILENCE", 20)
    with machine.Machine(BUILD) as m:
        with pytest.raises(machine.MachineError, match="no sign of life for 20 s"):
            m.run("kill -STOP $(pgrep -P 1); sleep 600")


def test_another_machine_goes_on_where_one_died(temporary, monkeypatch, capfd):
    def order_that_crashes(suite, left, engine, arguments):
        orders.append([name for name, _, _ in left])
        if len(orders) > 1:
            return order(suite, left, engine, arguments)
        return order(suite, left[:1], engine, arguments).removesuffix("exit $status\n") \
            + "echo c > /proc/sysrq-trigger\n"

    where = "tests/kvm/inside/test_machine.py::test_cpu_and_modules"
    orders, order = [], run.pytest_order
    monkeypatch.setattr(run, "pytest_order", order_that_crashes)
    monkeypatch.setattr(run, "runs", lambda suite: [(name, where, "") for name in ("first", "second")])
    monkeypatch.setattr(sys, "argv", ["run.py", "--build", BUILD, "--tests", "short", "--junit",
                                      str(temporary / "reports")])
    assert run.main() == 0
    assert orders == [["first", "second"], ["second"]]
    assert "sysrq triggered crash" in capfd.readouterr().err
    for name in ("first.xml", "second.xml"):
        assert 'tests="1"' in (temporary / "reports" / name).read_text()


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
