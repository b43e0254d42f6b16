# SPDX-License-Identifier: Apache-2.0
"""Runs build/msb as a user would: a home of its own, a copy of the root directory."""
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

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BUILD = pathlib.Path(os.environ.get("MSB_BUILD", ROOT / "build"))
MSB = BUILD / "msb"
SANITIZED = bool(os.environ.get("MSB_SANITIZED"))
ENGINE = os.environ.get("MSB_TEST_ENGINE", "uml")
SCALE = int(os.environ.get("MSB_TEST_SCALE", "1"))  # how much slower than usual this machine is
DEADLINE = (300 if SANITIZED else 120) * SCALE  # of one command; generous, never a measurement
KERNELS = {"uml": BUILD / "guest/linux-um", "kvm": BUILD / "guest/vmlinux-x86_64"}


def pytest_configure(config):
    config.addinivalue_line("markers", "slow: left out of sanitizer runs")
    for name in KERNELS:
        config.addinivalue_line("markers", f"{name}: about this engine alone")


def pytest_collection_modifyitems(items):
    for item in items:
        for name in KERNELS:
            if name != ENGINE and item.get_closest_marker(name):
                item.add_marker(pytest.mark.skip(
                    reason=f"about the {name} engine; this run is with {ENGINE}"))


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item):
    """What the sandboxes of a failed test have written down goes into its report."""
    outcome = yield
    msb = getattr(item, "funcargs", {}).get("msb")
    if not outcome.get_result().failed or not isinstance(msb, Msb):
        return
    for name in ["runtime.log", "kernel.log", "boot-error.json", "exit.json"]:
        for path in sorted((msb.home / "sandboxes").glob(f"*/*/{name}")):
            text = path.read_text(errors="replace")[-4000:]
            outcome.get_result().sections.append((str(path.relative_to(msb.home)), text))


def wait_for(condition, what, seconds=60):
    """Poll condition() until it is true; the only kind of waiting in these tests."""
    end = time.monotonic() + seconds * SCALE
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < end, f"gave up waiting for {what}"
        time.sleep(0.02)


def host_processes(home):
    """Processes that belong to sandboxes of this home: (pid, command line)."""
    found = []
    for entry in pathlib.Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            cmd = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            if "msb" not in cmd:
                continue
            env = (entry / "environ").read_bytes()
            fds = list((entry / "fd").iterdir())
        except OSError:
            continue
        if str(home) in cmd or f"MSB_HOME={home}".encode() in env or any(
                str(home) in link_of(fd) for fd in fds):
            found.append((int(entry.name), cmd))
    return found


def link_of(path):
    try:
        return os.readlink(path)
    except OSError:
        return ""


def registry(home):
    """The shared memory object with the metrics of a home directory."""
    h = 0xcbf29ce484222325
    for byte in os.fsencode(os.path.realpath(home)):
        h = (h ^ byte) * 0x100000001b3 & 0xffffffffffffffff
    return pathlib.Path(f"/dev/shm/msb-met-{h:016x}-v2")


@pytest.fixture(scope="session")
def pristine():
    """The root directory as built; build/rootfs itself may have been used since."""
    if "MSB_TEST_ROOTFS" in os.environ:
        yield pathlib.Path(os.environ["MSB_TEST_ROOTFS"])
        return
    base = pathlib.Path(tempfile.mkdtemp(prefix="msb-test-root-"))
    subprocess.run([ROOT / "scripts/make-rootfs.sh", base / "rootfs"], check=True)
    yield base / "rootfs"
    shutil.rmtree(base, ignore_errors=True)


class Msb:
    def __init__(self, base, pristine):
        self.base = base
        self.home = base / "home"
        self.rootfs = base / "rootfs"
        self.cwd = base
        shutil.copytree(pristine, self.rootfs, symlinks=True)

    def choose_engine(self):
        """Make ENGINE the default of this home, unless its test has seen to that."""
        config = self.home / "config.json"
        try:
            self.home.mkdir(mode=0o700, exist_ok=True)
            with open(config, "x") as f:
                json.dump({"sandbox_defaults": {"engine": ENGINE}}, f)
        except OSError:
            pass  # there is one, or the test is about such a home

    def env(self, **extra):
        self.choose_engine()
        env = {k: v for k, v in os.environ.items() if not k.startswith(("MSB_", "CLICOLOR"))}
        env.update(MSB_HOME=str(self.home), TERM="xterm", NO_COLOR="1", **extra)
        return env

    def __call__(self, *args, input=None, timeout=DEADLINE, text=True, env=None, cwd=None, **kw):
        """Run msb and return the finished process; stdin is empty unless given."""
        if input is None and "stdin" not in kw:
            kw["stdin"] = subprocess.DEVNULL
        return subprocess.run([str(MSB), *map(str, args)], input=input, capture_output=True,
                              text=text, timeout=timeout, env=env or self.env(),
                              cwd=cwd or self.cwd, **kw)

    def ok(self, *args, **kw):
        p = self(*args, **kw)
        assert p.returncode == 0, f"msb {args}: {p.returncode}\n{p.stdout}\n{p.stderr}"
        return p.stdout

    def popen(self, *args, env=None, **kw):
        kw.setdefault("stdin", subprocess.DEVNULL)
        kw.setdefault("stdout", subprocess.PIPE)
        kw.setdefault("stderr", subprocess.PIPE)
        return subprocess.Popen([str(MSB), *map(str, args)], env=env or self.env(), cwd=self.cwd,
                                **kw)

    def run(self, *args, **kw):
        """msb run [options] ./rootfs -- command"""
        split = args.index("--") if "--" in args else len(args)
        return self("run", *args[:split], "./rootfs", *args[split:], **kw)

    def create(self, name, *options):
        self.ok("create", "-q", "-n", name, *options, "./rootfs")
        return name

    def json(self, *args):
        return json.loads(self.ok(*args, "--format", "json"))

    def status(self, name):
        return self.json("inspect", name)["status"]

    def dir(self, name):
        return self.home / "sandboxes" / name

    def runtime_pid(self, name):
        return int((self.dir(name) / "runtime/runtime.lock").read_text().split()[0])

    def runtime_memory(self, name):
        """KiB of memory that a runtime has for itself: all but the mapping of its guest's size."""
        guest = self.json("inspect", name)["config"]["memory_mib"] << 20
        own, dirty = True, 0
        for line in pathlib.Path(f"/proc/{self.runtime_pid(name)}/smaps").read_text().splitlines():
            span = re.match(r"([0-9a-f]+)-([0-9a-f]+) ", line)
            if span:
                own = int(span[2], 16) - int(span[1], 16) != guest
            elif own and line.startswith("Private_Dirty:"):
                dirty += int(line.split()[1])
        return dirty

    def processes(self):
        return host_processes(self.home)

    def no_processes(self):
        """True: a runtime may still give its guest's memory back for a moment."""
        wait_for(lambda: not self.processes(), "the processes to go", 10)
        return True

    def clean(self):
        names = self("ls", "-q").stdout.split()
        if names:
            self("rm", "-f", *names)
        for pid, _ in self.processes():
            try:
                os.kill(pid, signal.SIGKILL)
            except OSError:
                pass
        registry(self.home).unlink(missing_ok=True)


@pytest.fixture
def msb(pristine):
    base = pathlib.Path(tempfile.mkdtemp(prefix="msb-test-"))
    m = Msb(base, pristine)
    yield m
    m.clean()
    shutil.rmtree(base, ignore_errors=True)


@pytest.fixture
def box(msb):
    """A running sandbox named 'box'."""
    msb.create("box")
    return msb
