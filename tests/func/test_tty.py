# SPDX-License-Identifier: Apache-2.0
"""Interactive use, through a real pseudo-terminal."""
import fcntl
import os
import pty
import re
import select
import signal
import struct
import termios
import time

import pytest

from conftest import DEADLINE, MSB, wait_for


class Terminal:
    """A program on a pseudo-terminal of its own, driven like a person would."""

    def __init__(self, msb, *args, rows=24, cols=80):
        self.text = ""
        self.fd, tty = pty.openpty()
        self.resize(rows, cols)
        self.modes = termios.tcgetattr(tty)
        self.pid = os.fork()
        if self.pid == 0:
            os.login_tty(tty)
            os.chdir(msb.cwd)
            os.execve(MSB, [str(MSB), *args], msb.env())
        os.close(tty)

    def resize(self, rows, cols):
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, cols, 0, 0))

    def send(self, text):
        os.write(self.fd, text.encode())

    def read_some(self, seconds):
        if not select.select([self.fd], [], [], seconds)[0]:
            return False
        try:
            data = os.read(self.fd, 65536)
        except OSError:
            data = b""
        self.text += data.decode(errors="replace")
        return bool(data)

    def expect(self, pattern):
        end = time.monotonic() + DEADLINE
        while True:
            m = re.search(pattern, self.text)
            if m:
                self.text = self.text[m.end():]
                return m
            assert time.monotonic() < end, f"no {pattern!r} in {self.text[-2000:]!r}"
            if not self.read_some(1):
                done, _ = os.waitpid(self.pid, os.WNOHANG)
                if done:
                    self.pid = 0
                    m = re.search(pattern, self.text)
                    assert m, f"ended without {pattern!r}: {self.text[-2000:]!r}"

    def wait(self):
        """Exit code, reading what is left."""
        end = time.monotonic() + DEADLINE
        while time.monotonic() < end:
            self.read_some(0.05)
            done, status = os.waitpid(self.pid, os.WNOHANG)
            if done:
                while self.read_some(0):
                    pass
                self.pid = 0
                return os.waitstatus_to_exitcode(status)
        raise AssertionError(f"still running: {self.text[-2000:]!r}")

    def close(self):
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        os.close(self.fd)

    def restored(self):
        return termios.tcgetattr(self.fd)[3] == self.modes[3]


@pytest.fixture
def terminal(msb):
    made = []

    def start(*args, **kw):
        made.append(Terminal(msb, *args, **kw))
        return made[-1]

    yield start
    for t in made:
        t.close()


def test_shell_with_size_and_resize(msb, terminal):
    t = terminal("run", "./rootfs", rows=31, cols=97)
    t.send("stty size; tty\n")
    t.expect(r"31 97\r\n/dev/pts/\d+")
    t.resize(50, 132)
    t.send("sleep 1; stty size\n")
    t.expect(r"50 132")
    t.send("exit 5\n")
    assert t.wait() == 5
    assert t.restored()
    assert msb.json("ls") == []


def test_size_changes_while_the_machine_boots(msb, terminal):
    t = terminal("run", "./rootfs")
    t.resize(33, 99)
    t.send("stty size\n")
    t.expect(r"33 99")
    t.send("exit\n")
    t.wait()


def test_control_c_and_job_control(msb, terminal):
    t = terminal("run", "./rootfs")
    # what the commands say tells that they have the terminal
    t.send("sh -c 'echo beg\"\"un; exec sleep 600'; echo code=$?\n")
    t.expect("begun")
    t.send("\x03")
    t.expect(r"\^C")
    t.send("sh -c 'echo rea\"\"dy; exec sleep 601'\n")
    t.expect("ready")
    t.send("\x1a")
    t.expect(r"Stopped")
    t.send("jobs; kill %1; exit 0\n")
    t.expect(r"sleep 601")
    t.send("exit\n")
    t.wait()
    assert t.restored()


def test_detach_and_attach(msb, terminal):
    msb.create("box")
    t = terminal("exec", "-t", "box", "--", "sh")
    t.send("X=still-here; echo rea''dy\n")
    t.expect("ready")
    t.send("\x1d")
    t.wait()
    assert t.restored()
    assert "msb attach box" in t.text
    t = terminal("attach", "box")
    t.send("echo $X\n")
    t.expect("still-here")
    t.send("exit 3\n")
    assert t.wait() == 3
    assert msb.status("box") == "Running"


def test_detach_from_an_unnamed_run_leaves_it_until_its_command_ends(msb, terminal):
    t = terminal("run", "--detach-keys", "ctrl-p,ctrl-q", "./rootfs", "--", "sh")
    t.send("echo rea''dy\n")
    t.expect("ready")
    t.send("\x10\x11")
    t.wait()
    name = msb.json("ls")[0]["name"]
    assert msb.status(name) == "Running"
    t = terminal("attach", name)
    t.send("echo ba''ck\n")
    t.expect("back")
    t.send("exit\n")
    t.wait()
    wait_for(lambda: msb.json("ls") == [], "the sandbox to end with its command")


def test_first_key_of_a_longer_sequence_is_not_lost(msb, terminal):
    t = terminal("run", "--detach-keys", "ctrl-p,ctrl-q", "./rootfs", "--", "sh", "-c",
                 "stty raw -echo; echo go; head -c 2 | od -An -tx1")
    t.expect("go")
    t.send("\x10x")
    t.expect("10 78")
    t.wait()


def test_terminal_is_restored_when_the_sandbox_dies(msb, terminal):
    msb.create("box")
    t = terminal("exec", "box", "--", "sh")
    t.send("echo rea''dy\n")
    t.expect("ready")
    os.kill(msb.runtime_pid("box"), signal.SIGKILL)
    assert t.wait() != 0
    assert t.restored()


@pytest.mark.parametrize("sig", [signal.SIGTERM, signal.SIGHUP])
def test_terminal_is_restored_on_a_fatal_signal(msb, terminal, sig):
    t = terminal("run", "./rootfs", "--", "sh")
    t.send("echo rea''dy\n")
    t.expect("ready")
    os.kill(t.pid, sig)
    t.wait()
    assert t.restored()
    wait_for(lambda: not msb.processes(), "the sandbox to go")


def test_timeout_of_an_interactive_command(msb, terminal):
    t = terminal("run", "--timeout", "2s", "./rootfs", "--", "sleep", "600")
    assert t.wait() == 124
    assert t.restored()


def test_large_output_to_a_terminal_is_complete(msb, terminal):
    t = terminal("run", "-q", "./rootfs", "--", "seq", "1", "20000")
    assert t.wait() == 0
    numbers = re.findall(r"^(\d+)\r?$", t.text.replace("\r", ""), re.M)
    assert numbers == [str(i) for i in range(1, 20001)]


def test_interrupt_without_a_terminal_ends_the_command(msb):
    p = msb.popen("run", "./rootfs", "--", "sh", "-c", "trap 'echo got; exit 9' INT; echo up; "
                  "while :; do sleep 1; done", text=True)
    assert p.stdout.readline() == "up\n"
    p.send_signal(signal.SIGINT)
    out, err = p.communicate(timeout=DEADLINE)
    assert out == "got\n" and p.returncode == 9, err
    assert msb.json("ls") == [] and msb.no_processes()
