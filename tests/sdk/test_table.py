# SPDX-License-Identifier: Apache-2.0
"""The behaviour table, run by the drivers of all languages against real sandboxes."""
import json
import pathlib
import re
import shutil
import socket
import tempfile

import conftest
import pytest
from drivers import Failed
from expect import bodies, differs, fill

HERE = pathlib.Path(__file__).resolve().parent
TABLE = json.loads((HERE / "table.json").read_text())
wire = conftest.neighbour.load("func_wire", conftest.ROOT / "tests/func/wire.py")


def cases():
    for case in TABLE:
        for language in case.get("only", conftest.LANGUAGES):
            if language in conftest.LANGUAGES:
                yield pytest.param(case, language, id=f"{case['name']}-{language}")


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def merged(events):
    """Events with the pieces of one stream that follow each other as one."""
    out = []
    for e in events:
        if out and "data" in e and out[-1]["event"] == e["event"]:
            out[-1]["data"] = conftest.drivers.as_bytes(
                conftest.drivers.to_bytes(out[-1]["data"]) + conftest.drivers.to_bytes(e["data"]))
        else:
            out.append(e)
    return out


class Run:
    def __init__(self, case, driver, home, base):
        self.driver = driver
        self.home = home
        self.waiting = {}
        self.objects = []
        name = re.sub(r"[^a-z0-9]+", "-", case["name"])
        self.names = {"case": name, "tmp": str(base), "home": str(home.path),
                      "rootfs": str(home.rootfs), "language": driver.language,
                      "limit": 3 * conftest.func.SCALE}  # seconds, in which a sandbox starts

    def call(self, op, args, background=False):
        args = bodies(fill(args, self.names), wire)
        if "as" in args:
            self.objects.append(args["as"])
        pending = self.driver.begin(op, args, background)
        return pending if background else pending.result(self.driver.deadline)

    def check(self, step, outcome):
        """Compare what outcome() gives, or fails with, with what the step expects."""
        what = json.dumps({k: v for k, v in step.items() if k not in ("ok", "error")})
        try:
            got = outcome()
        except Failed as e:
            assert "error" in step, f"{what}: {e.error}"
            expected = step["error"]
            if isinstance(expected, str):
                expected = {"kind": expected}
            wrong = differs({"$has": fill(expected, self.names)}, e.error, wire)
            assert wrong is None, f"{what}: {wrong}"
            return
        assert "error" not in step, f"{what}: no error, but {got!r}"
        if "ok" in step:
            wrong = differs(fill(step["ok"], self.names), got, wire)
            assert wrong is None, f"{what}: {wrong}"
        for name, path in step.get("save", {}).items():
            value = got
            for part in path.split(".") if path else ():
                value = value[int(part)] if isinstance(value, list) else value[part]
            self.names[name] = value

    def step(self, step):
        if "do" in step:
            self.check(step, lambda: getattr(self, "do_" + step["do"])(step))
        elif "await" in step:
            pending = self.waiting.pop(step["await"])
            self.check(step, lambda: pending.result(self.driver.deadline))
        elif "background" in step:
            self.waiting[step["background"]] = self.call(step["op"], step.get("args", {}), True)
        elif "retry" in step:
            self.retry(step)
        else:
            self.check(step, lambda: self.call(step["op"], step.get("args", {})))

    def retry(self, step):
        """What comes true a moment later: the log is written beside the command."""
        def once():
            try:
                self.check(step, lambda: self.call(step["op"], step["args"]))
            except AssertionError as e:
                wrong.append(e)
                return False
            return True
        wrong = []
        try:
            conftest.wait_for(once, "the answer", 10)
        except AssertionError:
            raise wrong[-1] from None

    # What the test itself does.

    def do_cancel(self, step):
        return self.call("cancel", {"request": self.waiting[step["request"]].number})

    def do_events(self, step):
        """Events of a command to its end, or until it has written a text, with pieces put together."""
        events, text = [], b""
        while step.get("until", "\0") not in text.decode(errors="replace"):
            e = self.call("exec_recv", {"exec": step["exec"]})
            if e is None:
                break
            events.append(e)
            text += conftest.drivers.to_bytes(e["data"]) if "data" in e else b""
        return merged(events)

    def do_entries(self, step):
        entries = []
        while len(entries) < step.get("count", 1 << 30):
            entry = self.call("log_next", {"log": step["log"]})
            if entry is None:
                break
            entries.append(entry)
        return entries

    def do_many(self, step):
        """The same n times at once; the answers in the order of the requests."""
        pending = [self.call(step["op"], fill(step["args"], {**self.names, "i": str(i)}), True)
                   for i in range(step["n"])]
        return [p.result(self.driver.deadline) for p in pending]

    def do_wait_status(self, step):
        name = fill(step["name"], self.names)
        conftest.wait_for(lambda: self.driver("get", name=name)["status"] == step["status"],
                          f"{name} to be {step['status']}")

    def do_wait_exists(self, step):
        args = fill({"sandbox": step["sandbox"], "path": step["path"]}, self.names)
        conftest.wait_for(lambda: self.driver("fs_exists", **args), f"{step['path']} to be there")

    def do_port(self, step):
        self.names[step["name"]] = free_port()

    def do_write(self, step):
        path = pathlib.Path(fill(step["path"], self.names))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(step["text"])

    def do_read(self, step):
        return pathlib.Path(fill(step["path"], self.names)).read_text()

    def do_tcp(self, step):
        """What a server says, reached at a port of the host."""
        def once():
            try:
                with socket.create_connection(("127.0.0.1", fill(step["port"], self.names)), 10) as s:
                    s.settimeout(10)
                    return s.makefile("rb").readline().decode()
            except OSError:
                return None
        return conftest.wait_for(once, "the server to answer")

    def finish(self):
        for name in reversed(self.objects):
            self.driver("drop", object=name)


@pytest.mark.parametrize("case,language", cases())
def test_case(pool, case, language):
    base = pathlib.Path(tempfile.mkdtemp(prefix="msb-test-case-"))
    home = pool.home(language)
    run = Run(case, pool.get(language), home, base)
    try:
        for step in case["steps"]:
            run.step(step)
        assert not run.waiting, "a case awaits all it begins"
        run.finish()
    except BaseException:
        pool.discard(language)
        raise
    finally:
        home.forget([n for n in home.names() if n.startswith(run.names["case"])])
        shutil.rmtree(base, ignore_errors=True)


def test_every_operation_is_in_the_table():
    """The table and ops.md name the same operations."""
    documented = set(re.findall(r"^\| ((?:`\w+`(?:, )?)+) \|", (HERE / "ops.md").read_text(), re.M))
    names = {n for cell in documented for n in re.findall(r"`(\w+)`", cell)} - {"op"}
    used = {s["op"] for c in TABLE for s in c["steps"] if "op" in s}
    used |= {"cancel", "exec_recv", "log_next", "drop", "gc", "hello"}  # by this file
    assert used == names
