# SPDX-License-Identifier: Apache-2.0
"""The command line over a stand-in for the library, for tests of it: *_test.py MSB-FAKE DATA-DIRECTORY"""
import fcntl
import os
import pathlib
import pty
import re
import select
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import time
import unittest

MSB = os.path.abspath(sys.argv.pop(1))
DATA = pathlib.Path(sys.argv.pop(1))
DEADLINE = 60


class Base(unittest.TestCase):
    def setUp(self):
        self.base = pathlib.Path(tempfile.mkdtemp(prefix="msb-cli-"))
        (self.base / "rootfs").mkdir()
        self.addCleanup(shutil.rmtree, self.base, True)

    def env(self, **extra):
        env = {k: v for k, v in os.environ.items()
               if not k.startswith(("MSB_", "CLICOLOR", "NO_COLOR"))}
        env.update(MSB_HOME=str(self.base / "home"), TERM="xterm", TZ="UTC")
        return env | extra

    def msb(self, *args, input=None, env=None, text=True, **kw):
        if input is None and "stdin" not in kw:
            kw["stdin"] = subprocess.DEVNULL
        return subprocess.run([MSB, *args], input=input, capture_output=True, text=text,
                              timeout=DEADLINE, cwd=self.base, env=env or self.env(), **kw)

    def ok(self, *args, **kw):
        p = self.msb(*args, **kw)
        self.assertEqual(p.returncode, 0, p.stderr)
        return p.stdout

    def popen(self, *args, env=None, **kw):
        kw.setdefault("stdin", subprocess.DEVNULL)
        kw.setdefault("stdout", subprocess.PIPE)
        kw.setdefault("stderr", subprocess.PIPE)
        p = subprocess.Popen([MSB, *args], cwd=self.base, env=env or self.env(), **kw)
        self.addCleanup(self.reap, p)
        return p

    @staticmethod
    def reap(p):
        p.kill()
        for stream in (p.stdin, p.stdout, p.stderr):
            if stream:
                stream.close()
        p.wait()

    def calls(self):
        path = self.base / "home/calls"
        return path.read_text().splitlines() if path.exists() else []


class Terminal:
    """msb on a pseudo-terminal of its own."""

    def __init__(self, case, *args, rows=24, cols=80, **env):
        self.text = ""
        go, ready = os.pipe()
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.read(go, 1)  # the modes are to be those from before
            os.chdir(case.base)
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", rows, cols, 0, 0))
            os.execve(MSB, [MSB, *args], case.env(**env))
        case.addCleanup(self.close)
        self.modes = termios.tcgetattr(self.fd)
        os.write(ready, b"x")
        os.close(go)
        os.close(ready)

    def resize(self, rows, cols):
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, cols, 0, 0))

    def send(self, data):
        os.write(self.fd, data)

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
        while not re.search(pattern, self.text):
            if time.monotonic() > end:
                raise AssertionError(f"no {pattern!r} in {self.text!r}")
            self.read_some(0.2)
        self.text = self.text[re.search(pattern, self.text).end():]

    def raw(self):
        return not termios.tcgetattr(self.fd)[3] & termios.ICANON

    def wait(self):
        end = time.monotonic() + DEADLINE
        while time.monotonic() < end:
            self.read_some(0.02)
            done, status = os.waitpid(self.pid, os.WNOHANG)
            if done:
                self.restored = termios.tcgetattr(self.fd)[3] == self.modes[3]
                while self.read_some(0):
                    pass
                self.pid = 0
                return os.waitstatus_to_exitcode(status)
        raise AssertionError(f"still running: {self.text!r}")

    def close(self):
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        os.close(self.fd)
