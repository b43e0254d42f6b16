# SPDX-License-Identifier: Apache-2.0
"""msb-runtime started by hand, without library or catalogue: its launch contract."""
import fcntl
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile
import time

import pytest

from conftest import BUILD, DEADLINE, ENGINE, KERNELS, wait_for
from wire import SESSION_START, SHUTDOWN, Client, exec_request, frame

RUNTIME = BUILD / "msb-runtime"
MEMORY_MIB = 256


class Box:
    """One runtime process with its descriptors."""

    def __init__(self, base, startup=None, attached=False, image=None, disks=None,
                 **config):
        self.base = base
        self.dir = base / "box"
        (self.dir / "runtime").mkdir(parents=True, exist_ok=True)
        if not isinstance(image, dict):
            image = {"Bind": str(image or base / "rootfs")}
        spec = {"sandbox_dir": str(self.dir), "kernel": str(KERNELS[ENGINE]),
                "initramfs": str(BUILD / "guest/initramfs.cpio"), "engine": ENGINE,
                "startup": startup, "attached": attached,
                "disks": disks,
                "config": {"name": "box", "image": image, "cpus": 1,
                           "memory_mib": MEMORY_MIB, **config}}
        fds = [os.memfd_create("spec")]
        os.write(fds[0], json.dumps(spec).encode())
        os.lseek(fds[0], 0, os.SEEK_SET)
        report, w = os.pipe()
        fds.append(w)
        fds.append(os.open(self.dir / "runtime/runtime.lock", os.O_RDWR | os.O_CREAT, 0o600))
        fcntl.flock(fds[2], fcntl.LOCK_EX)
        self.watchdog = None
        if attached:
            r, self.watchdog = os.pipe()
            fds.append(r)
        high = [fcntl.fcntl(fd, fcntl.F_DUPFD, 100) for fd in fds]

        def place():
            for i, fd in enumerate(high):
                os.dup2(fd, 3 + i)
            os.closerange(3 + len(high), 200)

        self.started = time.monotonic()
        self.process = subprocess.Popen(["msb-runtime", "box"], executable=RUNTIME,
                                        preexec_fn=place, close_fds=False,
                                        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                        stderr=subprocess.DEVNULL, start_new_session=True)
        for fd in fds + high:
            os.close(fd)
        with os.fdopen(report) as f:
            self.report = json.loads(f.read() or "null")
        self.ready_after = time.monotonic() - self.started

    def client(self):
        return Client(str(self.dir / "runtime/agent.sock"))

    def log(self, name):
        return (self.dir / "logs" / name).read_text(errors="replace")

    def ended(self):
        self.process.wait(DEADLINE)
        return json.loads((self.dir / "runtime/exit.json").read_text())

    def alive(self):
        fd = os.open(self.dir / "runtime/runtime.lock", os.O_RDONLY)
        try:
            fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
            return False
        except BlockingIOError:
            return True
        finally:
            os.close(fd)


@pytest.fixture
def start(pristine):
    base = pathlib.Path(tempfile.mkdtemp(prefix="msb-test-"))
    shutil.copytree(pristine, base / "rootfs", symlinks=True)
    boxes = []

    def make(**kw):
        boxes.append(Box(base, **kw))
        return boxes[-1]
    yield make
    for b in boxes:
        if b.process.poll() is None:
            b.process.kill()
            b.process.wait()
    shutil.rmtree(base, ignore_errors=True)


def output(frames):
    return b"".join(f[3]["data"] for f in frames if f[2] == "core.exec.stdout")


def test_boot_exec_shutdown(start):
    box = start()
    assert box.report == {"ready": {"pid": box.process.pid}}, box.log("runtime.log")
    pid, _ = (box.dir / "runtime/runtime.lock").read_text().split()
    assert int(pid) == box.process.pid and box.alive()
    c = box.client()
    frames = c.exec("sh", "-c", "echo hi; exit 3")
    assert output(frames) == b"hi\n" and frames[-1][3]["code"] == 3
    machine = json.loads((box.dir / "runtime/machine.json").read_text())
    assert machine["engine"] == ENGINE and machine["pid"] == box.process.pid
    assert set(machine["runtime_jail"]) == {"no_new_privs", "capabilities", "landlock", "seccomp"}
    c.send(0, SHUTDOWN, "core.shutdown", None)
    end = box.ended()
    assert (end["reason"], end["code"], end["graceful"]) == ("ShutdownRequested", 0, True)
    assert not box.alive()
    assert not (box.dir / "runtime/agent.sock").exists()
    entries = [json.loads(line) for line in box.log("exec.log").splitlines()]
    assert [(e["s"], e["d"]) for e in entries] == [
        ("system", "--- sandbox started ---\n"), ("stdout", "hi\n"),
        ("system", "--- sandbox stopped ---\n")]


def test_startup_command(start):
    box = start(startup=["sh", "-c", "echo working; exit 5"])
    assert "ready" in box.report
    end = box.ended()
    assert (end["reason"], end["code"], end["graceful"]) == ("Failed", 5, True)
    assert '"d":"working\\n"' in box.log("exec.log")


def test_startup_command_not_found(start):
    assert start(startup=["nosuch"]).ended()["code"] == 127


def test_creator_dies(start):
    box = start(attached=True)
    os.close(box.watchdog)
    end = box.ended()
    assert (end["reason"], end["graceful"]) == ("CreatorDied", True)


def test_released_outlives_its_creator(start):
    box = start(attached=True)
    os.write(box.watchdog, b"\x01")
    os.close(box.watchdog)
    assert box.client().exec("true")[-1][3]["code"] == 0
    box.process.terminate()
    assert box.ended()["reason"] == "Signal"


def test_released_ephemeral_ends_with_its_last_session(start):
    box = start(attached=True, ephemeral=True)
    c = box.client()
    c.send(c.new_id(), SESSION_START, "core.exec.request", exec_request("sh", "-c", "read x"))
    id, _, type, _, _ = c.recv()
    assert type == "core.exec.started"
    os.write(box.watchdog, b"\x01")
    time.sleep(0.2)
    assert box.process.poll() is None
    c.send(id, 0, "core.exec.stdin", {"data": b""})
    box.process.wait(DEADLINE)
    assert not box.dir.exists()


def test_idle_timeout(start):
    box = start(policy={"idle_timeout_secs": 1})
    began = time.monotonic()
    c = box.client()
    assert c.exec("sleep", "2")[-1][3]["code"] == 0  # a silent command is not idle
    end = box.ended()
    assert (end["reason"], end["graceful"]) == ("IdleTimeout", True)
    assert time.monotonic() - began > 2.9


def test_max_duration(start):
    box = start(policy={"max_duration_secs": 1})
    assert box.ended()["reason"] == "MaxDurationExceeded"


def test_boot_errors_are_typed(start):
    box = start(image="/nowhere")
    error = box.report["error"]
    assert (error["stage"], error["errno"]) == ("image", 2)
    assert box.ended()["reason"] == "InternalError"
    record = json.loads(box.log("boot-error.json"))
    assert list(record) == ["t", "stage", "errno", "message"] and record["stage"] == "image"


def test_guest_side_boot_error(start):
    box = start(init={"cmd": "/no/such/init", "args": [], "env": []})
    error = box.report["error"]
    assert error["stage"] == "config" and "/no/such/init" in error["message"]
    assert error["kernel_log"]


def test_ephemeral_leaves_nothing(start):
    box = start(ephemeral=True)
    c = box.client()
    c.send(0, SHUTDOWN, "core.shutdown", None)
    box.process.wait(DEADLINE)
    assert not box.dir.exists()


def kernel_pids(box):
    tasks = pathlib.Path(f"/proc/{box.process.pid}/task").glob("*/children")
    return [int(kid) for t in tasks for kid in t.read_text().split()]


@pytest.mark.uml
def test_wedged_guest_is_stopped_by_force(start):
    box = start()
    for pid in kernel_pids(box):
        os.kill(pid, signal.SIGSTOP)
    box.process.terminate()
    end = box.ended()
    assert (end["reason"], end["graceful"]) == ("Signal", False)


@pytest.mark.uml
def test_killed_runtime_takes_the_machine_along(start):
    box = start()
    kids = kernel_pids(box)
    assert kids
    box.process.kill()
    box.process.wait()
    wait_for(lambda: not any(pathlib.Path(f"/proc/{k}").exists() for k in kids),
             "the guest kernel to die")
    assert not box.alive()


def memory_kib(pid):
    """Resident memory of a runtime; its guest's, the one mapping of that size, is not its own."""
    total, guest = 0, False
    for line in pathlib.Path(f"/proc/{pid}/smaps").read_text().splitlines():
        span = re.match(r"([0-9a-f]+)-([0-9a-f]+) ", line)
        if span:
            guest = int(span[2], 16) - int(span[1], 16) == MEMORY_MIB << 20
        elif line.startswith("Rss:") and not guest:
            total += int(line.split()[1])
    return total


@pytest.mark.slow  # memory of a sanitized process says nothing
def test_stopped_reader_costs_no_memory_and_holds_up_nobody(start):
    box = start()
    stopped, other = box.client(), box.client()
    for _ in range(3):
        stopped.send(stopped.new_id(), SESSION_START, "core.exec.request",
                     exec_request("sh", "-c", "yes | head -c 20000000"))
    for i in range(30):
        assert other.exec("echo", str(i))[-1][3]["code"] == 0
    assert memory_kib(box.process.pid) < 24 * 1024
    ended, size = 0, 0
    while ended < 3:
        f = stopped.recv()
        ended += f[2] == "core.exec.exited"
        size += len(f[3]["data"]) if f[2] == "core.exec.stdout" else 0
    assert size == 60000000


@pytest.mark.slow
def test_unread_input_is_held_at_its_source(start):
    box = start()
    writer, other = box.client(), box.client()
    id = writer.new_id()
    writer.send(id, SESSION_START, "core.exec.request", exec_request(
        "sh", "-c", "while [ ! -e /tmp/go ]; do sleep 0.05; done; exec wc -c"))
    one = frame(id, 0, "core.exec.stdin", {"data": b"x" * 60000})
    writer.sock.setblocking(False)
    sent, rest, quiet = 0, b"", time.monotonic() + 0.5
    while time.monotonic() < quiet:
        try:
            rest = rest or one
            rest = rest[writer.sock.send(rest):]
            sent += not rest
            assert sent < 400, "nothing holds back 24 MB that nobody reads"
            quiet = time.monotonic() + 0.5
        except BlockingIOError:
            assert other.exec("true")[-1][3]["code"] == 0
    assert memory_kib(box.process.pid) < 24 * 1024
    assert other.exec("touch", "/tmp/go")[-1][3]["code"] == 0
    writer.sock.settimeout(DEADLINE)
    writer.sock.sendall(rest)
    writer.send(id, 0, "core.exec.stdin", {"data": b""})
    frames = writer.collect(id)
    assert frames[-1][3]["code"] == 0
    assert int(output(frames)) == 60000 * (sent + bool(rest))
