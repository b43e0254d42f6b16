# SPDX-License-Identifier: Apache-2.0
"""msb logs of real sandboxes: running, stopped, crashed, rotating, followed."""
import base64
import contextlib
import datetime
import json
import os
import pty
import re
import select
import shutil
import signal
import subprocess
import time

import pytest

from conftest import DEADLINE, MSB, SCALE, wait_for


def sh(msb, script, *options, **kw):
    return msb.ok("exec", "-q", *options, "box", "--", "sh", "-c", script, **kw)


def entries(msb, *args):
    return [json.loads(line) for line in msb.ok("logs", "--json", *args, "box").splitlines()]


def wait_for_text(msb, text, *args):
    return wait_for(lambda: text in (out := msb.ok("logs", *args, "box")) and out, repr(text))


def instant(entry):
    return datetime.datetime.fromisoformat(entry["t"].replace("Z", "+00:00")).timestamp()


class Follower:
    """msb logs -f that writes to a file, so that it is never held up."""

    def __init__(self, msb, *args):
        self.path = msb.base / f"follower-{time.monotonic_ns()}"
        with open(self.path, "wb") as out:
            self.process = msb.popen("logs", "-f", *args, "box", stdout=out)

    def text(self):
        return self.path.read_bytes()

    def wait(self):
        err = self.process.communicate(timeout=DEADLINE)[1]
        assert (self.process.returncode, err) == (0, b"")
        return self.text()

    def kill(self):
        self.process.kill()
        self.process.communicate()


@contextlib.contextmanager
def terminal(msb, *args):
    """(process id, descriptor) of msb on a terminal of its own."""
    pid, fd = pty.fork()
    if pid == 0:
        env = msb.env()
        del env["NO_COLOR"]
        os.execve(MSB, [str(MSB), *args], env)
    try:
        yield pid, fd
    finally:
        with contextlib.suppress(OSError):
            os.kill(pid, signal.SIGKILL)
        with contextlib.suppress(OSError):
            os.waitpid(pid, 0)
        os.close(fd)


def read_until(fd, text):
    got = b""
    end = time.monotonic() + DEADLINE
    while text not in got:
        assert time.monotonic() < end, f"no {text!r} in {got!r}"
        if select.select([fd], [], [], 0.2)[0]:
            got += os.read(fd, 65536)
    return got


def test_running_stopped_and_started_again(box):
    sh(box, "echo out")
    sh(box, "echo err >&2")
    sh(box, "echo tty", "-t")
    assert wait_for_text(box, "tty") == "out\nerr\ntty\n"
    box.ok("stop", "-q", "box")
    assert box.ok("logs", "box") == "out\nerr\ntty\n"
    assert box.ok("logs", "--source", "stderr,output", "box") == "err\ntty\n"
    box.ok("start", "-q", "box")
    sh(box, "echo again")
    assert wait_for_text(box, "again").endswith("tty\nagain\n")
    found = entries(box, "--source", "all")
    assert all(list(e) == ["d", "e", "id", "s", "t"] for e in found)
    assert all(e["e"] is None and (e["s"] == "system") == (e["id"] is None) for e in found)
    markers = [e["d"] for e in found if e["d"].startswith("--- sandbox")]
    assert markers == ["--- sandbox started ---\n", "--- sandbox stopped ---\n",
                       "--- sandbox started ---\n"]
    sessions = {}
    for e in found:
        if e["id"]:
            sessions.setdefault((e["id"], e["s"]), []).append(e["d"])
    assert {k: "".join(v) for k, v in sessions.items()} == {
        (1, "stdout"): "out\nagain\n", (2, "stderr"): "err\n", (3, "output"): "tty\r\n"}


def test_diagnostics_have_their_time(box):
    began = time.time()
    sh(box, "echo '<1>from the console' >/dev/kmsg")
    wait_for_text(box, "from the console", "--source", "system")
    box.ok("stop", "-q", "box")
    found = entries(box, "--source", "system")
    texts = ("machine started", "runtime: machine: ", "sandbox started", "from the console",
             "sandbox stopped")
    at = {t: next(instant(e) for e in found if t in e["d"]) for t in texts}
    started = at["machine started"]  # the console's clock begins a little later, which nobody tells
    assert all(started <= t <= at["sandbox stopped"] for t in at.values()), at
    assert all(began - DEADLINE < t < time.time() + 1 for t in at.values())


def test_selection(box):
    for word in ("one", "two", "three"):
        sh(box, f"echo {word}")
    wait_for_text(box, "three")
    assert box.ok("logs", "--tail", "2", "box") == "two\nthree\n"
    assert box.ok("logs", "--tail", "2", "--grep", "o", "box") == "two\n"
    assert box.ok("logs", "--grep", "^t", "box") == "two\nthree\n"
    assert box.ok("logs", "--grep", "hre", "box") == "three\n"
    assert box.ok("logs", "--grep", "^(one|two)$", "box") == "one\ntwo\n"
    two = entries(box)[1]["t"]
    assert box.ok("logs", "--since", two, "box") == "two\nthree\n"
    assert box.ok("logs", "--until", two, "box") == "one\n"
    assert box.ok("logs", "--since", "1d", "--until", "0s", "box") == "one\ntwo\nthree\n"
    assert box.ok("logs", "--since", "0s", "box") == ""
    assert re.fullmatch(r"\S{24}\t\[id:  3\] three\n",
                        box.ok("logs", "--timestamps", "--show-id", "--tail", "1", "box"))


def test_names_that_mean_nothing(msb):
    p = msb("logs", "none")
    assert (p.returncode, p.stdout) == (1, "")
    assert p.stderr == 'error: no logs directory for sandbox "none" (sandbox not found?)\n'
    for name in ("../none", "/etc", "", "a" * 200):
        p = msb("logs", name)
        assert (p.returncode, p.stdout) == (1, ""), name


def test_without_a_record(box):
    """The directory counts."""
    sh(box, "echo kept")
    wait_for_text(box, "kept")
    box.ok("stop", "-q", "box")
    shutil.rmtree(box.home / "db")
    assert box.ok("logs", "box") == "kept\n"


def test_crashed_in_the_middle_of_a_line(box):
    sh(box, "echo before")
    wait_for_text(box, "before")
    follower = Follower(box)
    wait_for(lambda: follower.text() == b"before\n", "the history")
    os.kill(box.runtime_pid("box"), signal.SIGKILL)
    assert follower.wait() == b"before\n"
    assert box.ok("logs", "box") == "before\n"
    for name in ("exec.log", "runtime.log", "kernel.log"):
        with open(box.dir("box") / "logs" / name, "a", encoding="ascii") as f:
            f.write('{"t":"2026-05-22T10:11:12.123Z","s":"stdout","d":"ha')
    assert box.ok("logs", "box") == "before\n"
    assert box.ok("logs", "--tail", "1", "box") == "before\n"
    box.ok("start", "-q", "box")
    sh(box, "echo after")
    wait_for_text(box, "after")
    texts = [e["d"] for e in entries(box, "--source", "all") if e["s"] != "system" or "---" in e["d"]]
    assert texts == ["--- sandbox started ---\n", "before\n", "--- sandbox started ---\n", "after\n"]


def test_output_that_is_no_text(box):
    data = os.urandom(300_000)
    box("exec", "-q", "box", "--", "cat", input=data, text=False).check_returncode()
    raw = wait_for(lambda: len(p := box("logs", "--raw", "box", text=False).stdout) == len(data)
                   and p, "all of the output")
    assert raw == data
    found = entries(box, "--raw")
    assert all(e["e"] in (None, "b64") for e in found) and any(e["e"] for e in found)
    assert b"".join(base64.b64decode(e["d"], validate=True) if e["e"] else e["d"].encode()
                    for e in found) == data
    box("logs", "box", text=False).stdout.decode()  # is text


def test_a_failed_boot_comes_first(box):
    shared = box.base / "shared"
    shared.mkdir()
    box.ok("create", "-q", "-n", "second", "-v", f"{shared}:/shared", "./rootfs")
    box.ok("stop", "-q", "second")
    shared.rmdir()
    p = box("start", "second")
    assert p.returncode == 1
    assert "run `msb logs --source system second` for full diagnostics" in p.stderr
    p = box("logs", "--source", "system", "second")
    assert p.returncode == 0 and "--- sandbox stopped ---" in p.stdout
    assert p.stderr.startswith('error: failed to start "second"\n  → mount: ')
    assert p.stderr.endswith("\n\n")
    record = json.loads(box.ok("logs", "--json", "second").splitlines()[0])
    assert list(record) == ["d", "s", "t"] and record["s"] == "boot-error"
    assert json.loads(record["d"])["stage"] == "mount"
    shared.mkdir()
    box.ok("start", "-q", "second")
    assert box("logs", "second").stderr == ""


def test_a_reader_that_goes_away(box):
    sh(box, "seq 1 200000")
    wait_for_text(box, "\n200000\n")
    script = '"$0" logs box | head -n 2; test "${PIPESTATUS[0]}" = 0'
    p = subprocess.run(["bash", "-c", script, str(MSB)], env=box.env(), capture_output=True,
                       timeout=DEADLINE, check=False)
    assert (p.returncode, p.stdout, p.stderr) == (0, b"1\n2\n", b"")
    p = box.popen("logs", "-f", "--tail", "1", "box")
    p.stdout.read(1)
    p.stdout.close()
    assert p.wait(DEADLINE) == 0 and p.stderr.read() == b""
    p.stderr.close()


def test_follow_ends_with_the_sandbox(box):
    everything, output = Follower(box, "--source", "all"), Follower(box, "--json")
    for i in range(3):
        sh(box, f"echo line {i}")
        wait_for(lambda i=i: f"line {i}\\n".encode() in output.text(), f"line {i}")
    box.ok("stop", "-q", "box")
    assert [json.loads(x)["d"] for x in output.wait().splitlines()] == [
        f"line {i}\n" for i in range(3)]
    assert b"--- sandbox stopped ---\n" in everything.wait()
    stopped = Follower(box, "--tail", "1")  # there is nothing to wait for
    assert stopped.wait() == b"line 2\n"


def test_follow_from_two_terminals(box):
    with terminal(box, "logs", "-f", "box") as (one, fd1), \
            terminal(box, "logs", "-f", "--timestamps", "box") as (two, fd2):
        for i in range(3):
            sh(box, f"printf 'a \\033[31mred\\033[0m {i}\\n'")
            end = b"a \033[31mred\033[0m %d\r\n" % i
            read_until(fd1, end)
            assert re.search(rb"\033\[2m\S+Z\033\[0m\t" + re.escape(end), read_until(fd2, end))
        os.write(fd1, b"\003")  # ctrl-c
        assert os.waitstatus_to_exitcode(os.waitpid(one, 0)[1]) == -signal.SIGINT
        box.ok("stop", "-q", "box")
        assert os.waitstatus_to_exitcode(os.waitpid(two, 0)[1]) == 0


def test_a_line_is_shown_soon(box):
    """As many lines, one after the other, as would take two seconds at 200 ms each."""
    follower = Follower(box)
    script = "for i in 0 1 2 3 4 5 6 7 8 9; do echo $i; read x; done"
    p = box.popen("exec", "-q", "box", "--", "sh", "-c", script, stdin=subprocess.PIPE)
    took = []
    for i in range(10):
        assert p.stdout.readline() == f"{i}\n".encode()
        start = time.monotonic()
        wait_for(lambda i=i: f"{i}\n".encode() in follower.text(), f"line {i}")
        took.append(time.monotonic() - start)
        p.stdin.write(b"\n")
        p.stdin.flush()
    assert min(took) < 0.2 * SCALE, took  # the machine may be busy for most of them
    p.communicate(timeout=DEADLINE)
    follower.kill()


def numbered(k):
    """A megabyte that the k-th command of the test below prints."""
    return (f"{k:0999d}\n" * 1000).encode()


@pytest.mark.slow
def test_rotation(box):
    """60 MB: what is kept, what followers see of it, and what is told of the rest."""
    count = 60
    quick = Follower(box)
    slow = box.popen("logs", "-f", "box")  # its pipe is read at the end
    for k in range(count):
        sh(box, f'yes {k:0999d} | head -n 1000')
        if k % 8 == 7:  # the writer has a bounded queue, and this is not about it
            wait_for(lambda k=k: len(quick.text()) >= (k + 1) * 1_000_000, f"output of {k}")
    wait_for(lambda: len(quick.text()) >= count * 1_000_000, "the last output")
    names = {p.name for p in (box.dir("box") / "logs").glob("exec.log*")}
    assert names == {"exec.log", "exec.log.1", "exec.log.2", "exec.log.3", "exec.log.4"}
    box.ok("stop", "-q", "box")
    everything = b"".join(numbered(k) for k in range(count))
    assert quick.wait() == everything
    out, err = slow.communicate(timeout=DEADLINE)
    assert everything.startswith(out) and len(out) < len(everything)
    assert re.fullmatch(rb"warn: log follower fell behind: missed rotation at offset \d+\. "
                        rb"restart `msb logs -f` to resume\.\n", err)
    assert slow.returncode == 0
    kept = box("logs", "box", text=False).stdout
    assert everything.endswith(kept) and len(kept) > 40 << 20
    tail = box("logs", "--tail", "3", "box", text=False).stdout
    assert tail and kept.endswith(tail)
    last = box.ok("logs", "--grep", f"{count - 1}$|never", "box").splitlines()
    assert last and all(line.endswith(f"0{count - 1}") for line in last)
