# SPDX-License-Identifier: Apache-2.0
"""Drivers of the behaviour table (ops.md): processes that answer lines of JSON."""
import base64
import json
import os
import pathlib
import queue
import subprocess
import threading

HERE = pathlib.Path(__file__).resolve().parent
LANGUAGES = ("c", "python", "node", "go", "rust")


class Failed(Exception):
    """An answer that is an error."""

    def __init__(self, op, error):
        super().__init__(f"{op}: {error}")
        self.error = error
        self.kind = error.get("kind")


def command(language, build):
    """The program of a driver, and what its environment has besides."""
    sdk = build / "sdk"
    return {
        "c": ([build / "tests/sdk/msb-drive-c"], {}),
        "python": (["/usr/bin/python3", HERE / "drive.py"],
                   {"PYTHONPATH": str(sdk / "python"), "PYTHONDONTWRITEBYTECODE": "1"}),
        "node": (["node", HERE / "drive.mjs"], {"MSB_NODE_PACKAGE": str(sdk / "node")}),
        "go": ([sdk / "drive-go"], {}),
        "rust": ([sdk / "drive-rs"], {}),
    }[language]


class Pending:
    """A request that has not been answered yet."""

    def __init__(self, driver, op, number):
        self.driver = driver
        self.op = op
        self.number = number
        self.answers = queue.Queue()

    def result(self, seconds):
        try:
            line = self.answers.get(timeout=seconds)
        except queue.Empty:
            raise TimeoutError(f"{self.op}: no answer within {seconds} s") from None
        if line is None:
            raise EOFError(f"{self.op}: the driver has ended: {self.driver.process.wait(5)}")
        if "error" in line:
            raise Failed(self.op, line["error"])
        return line["ok"]


class Driver:
    def __init__(self, language, build, home, deadline=120, prefix=(), env=None):
        argv, extra = command(language, build)
        clean = {k: v for k, v in os.environ.items() if not k.startswith("MSB_")}
        self.language = language
        self.deadline = deadline
        self.process = subprocess.Popen(
            [*prefix, *map(str, argv)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env={**clean, "MSB_HOME": str(home), **extra, **(env or {})})
        self.pending = {}
        self.last = 0
        self.lock = threading.Lock()
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        for text in self.process.stdout:
            line = json.loads(text)
            with self.lock:
                waiting = self.pending.pop(line["id"], None)
            if waiting:
                waiting.answers.put(line)
        with self.lock:
            left, self.pending = list(self.pending.values()), {}
        for waiting in left:
            waiting.answers.put(None)

    def begin(self, op, args, background=True):
        with self.lock:
            self.last += 1
            waiting = self.pending[self.last] = Pending(self, op, self.last)
        request = {"id": waiting.number, "op": op, "args": args}
        if background:
            request["background"] = True
        try:
            self.process.stdin.write(json.dumps(request) + "\n")
            self.process.stdin.flush()
        except OSError:
            raise EOFError(f"{op}: the driver has ended") from None
        return waiting

    def __call__(self, op, **args):
        return self.begin(op, args, background=False).result(self.deadline)

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def memory_kib(self):
        for line in pathlib.Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1])
        return 0

    def end(self):
        """As a program ends that has done its work; its exit code."""
        self.process.stdin.close()
        try:
            return self.process.wait(self.deadline)
        except subprocess.TimeoutExpired:
            self.kill()
            raise

    def kill(self):
        self.process.kill()
        self.process.wait()


def as_bytes(data):
    return {"b64": base64.b64encode(data).decode()}


def to_bytes(value):
    return base64.b64decode(value["b64"])
