#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The serving agent as an ordinary process: everything a client can ask for.

    t_serve.py AGENT [unittest arguments]
"""
import hashlib
import os
import pathlib
import signal
import socket
import stat
import sys
import tempfile
import threading
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from agent_client import DEADLINE, Agent, Array, Map, encode  # noqa: E402

AGENT = None
ROOT = os.geteuid() == 0
STEP = 33554431


def state_of(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return "gone"


def wait_gone(case, pid):
    """It is somebody else's child: gone, or a zombie until that one looks."""
    end = time.monotonic() + DEADLINE
    while state_of(pid) not in ("Z", "X", "gone"):
        case.assertLess(time.monotonic(), end)
        os.sched_yield()


class Case(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.a = Agent(AGENT)

    @classmethod
    def tearDownClass(cls):
        code = cls.a.close()
        assert code == 0, f"the agent ended with {code}"


class Core(Case):
    def test_ready_comes_first_and_once(self):
        m = self.a.ready
        self.assertEqual((m.id, m.flags, m.v, m.type), (0, 0, 6, "core.ready"))
        self.assertEqual(list(m.payload)[:3], ["boot_time_ns", "init_time_ns", "ready_time_ns"])
        self.assertTrue(self.a.silent(0))

    def test_ping_and_touch(self):
        first = self.a.recv(self.a.send("core.touch", {}))
        self.assertEqual((first.type, first.flags), ("core.touched", 1))
        self.a.ping()
        second = self.a.recv(self.a.send("core.touch", {}))
        # a touch counts as exactly one activity, a ping as none
        self.assertEqual(second.payload["activity_seq"], first.payload["activity_seq"] + 1)

    def test_unknown_types_are_answered(self):
        m = self.a.recv(self.a.send("core.later.thing", {}, v=7))
        self.assertEqual((m.type, m.payload["kind"]), ("core.error", "unsupported_message_type"))
        self.assertEqual(m.payload["offending_type"], "core.later.thing")
        m = self.a.recv(self.a.send("core.later.thing", {}, v=1, flags=2))
        self.assertEqual((m.type, m.payload["kind"]), ("core.exec.failed", "other"))
        self.assertTrue(self.a.silent(self.a.send("core.later.thing", {}, v=1)))

    def test_garbage_is_survived(self):
        self.a.ping()
        for body in (b"", b"\xff", b"\xa0", b"\xa3" * 40, b"\x9b" + b"\xff" * 8, os.urandom(500)):
            id = self.a.new_id()
            self.a.send_raw(id, 0, body)
            m = self.a.recv(id)
            self.assertEqual((m.type, m.payload["kind"]), ("core.error", "malformed_message"))
        self.assertEqual(self.a.sh("echo on")[0], b"on\n")

    def test_bad_payloads_are_answered(self):
        for t, v, want in (("core.exec.request", 6, ("core.error", "invalid_payload")),
                           ("core.exec.request", 1, ("core.exec.failed", "bad_args")),
                           ("core.tcp.connect", 6, ("core.error", "invalid_payload")),
                           ("core.fs.request", 6, ("core.error", "invalid_payload"))):
            m = self.a.recv(self.a.send(t, {"cmd": 5}, v=v))
            self.assertEqual((m.type, m.payload["kind"]), want)
        m = self.a.recv(self.a.send("core.fs.request", {"op": {"Fly": {}}}, v=2))
        self.assertEqual((m.type, m.payload["ok"]), ("core.fs.response", False))

    def test_messages_for_nobody_are_ignored(self):
        for t, p in (("core.exec.stdin", {"data": b"x"}), ("core.exec.signal", {"signal": 9}),
                     ("core.exec.resize", {"rows": 1, "cols": 1}), ("core.tcp.eof", {}),
                     ("core.tcp.close", {}), ("core.ready", {}), ("core.exec.exited", {"code": 1})):
            self.assertTrue(self.a.silent(self.a.send(t, p)), t)

    def test_any_encoding_is_taken(self):
        id = self.a.new_id()
        payload = Map({"zzz": {"deep": [1, {"x": None}]}, "tty": False,
                       "args": Array(["-c", "echo odd"]), "cmd": "/bin/sh"})
        body = encode(Map({"p": encode(payload), "x": 0, "t": "core.exec.request", "v": 6}))
        self.a.send_raw(id, 2, body)
        self.assertEqual(self.a.recv(id).type, "core.exec.started")
        self.a.stdin(id, b"")
        self.assertEqual(self.a.collect(id)[0], b"odd\n")

    def test_id_in_use_is_refused(self):
        id = self.a.start("sleep", "1000", id=self.a.new_id())
        self.assertEqual(self.a.recv(id).type, "core.exec.started")
        self.a.start("true", id=id)
        m = self.a.recv(id)
        self.assertEqual((m.type, m.payload["kind"]), ("core.error", "invalid_session"))
        self.a.send("core.exec.signal", {"signal": 9}, id=id)
        self.assertEqual(self.a.recv(id).payload["signal"], 9)


class Exec(Case):
    def test_echo(self):
        id = self.a.start("echo", "hi")
        messages = self.a.rest(id)
        self.assertEqual([m.type for m in messages],
                         ["core.exec.started", "core.exec.stdout", "core.exec.exited"])
        self.assertEqual(messages[1].payload, {"data": b"hi\n"})
        self.assertEqual(messages[2].payload, {"code": 0})

    def test_exit_codes(self):
        self.assertEqual(self.a.sh("exit 23")[2], 23)
        self.assertEqual(self.a.sh("exit 47", tty=True)[2], 47)

    def test_killed_by_a_signal(self):
        id = self.a.start("sh", "-c", "kill -TERM $$")
        self.assertEqual(self.a.rest(id)[-1].payload, {"code": -1, "signal": 15})

    def test_streams_apart_and_complete(self):
        script = "i=0; while [ $i -lt 3000 ]; do echo $i; echo $i >&2; i=$((i+1)); done; exit 39"
        out, err, code = self.a.sh(script)
        want = b"".join(b"%d\n" % i for i in range(3000))
        self.assertEqual((out, err, code), (want, want, 39))

    def test_large_output(self):
        out, _, code = self.a.sh("head -c 20000000 /dev/zero")
        self.assertEqual((len(out), code), (20000000, 0))

    def test_stdin_of_megabytes(self):
        data = os.urandom(5 << 20)
        id = self.a.start("cat")
        for at in range(0, len(data), 65536):
            self.a.stdin(id, data[at:at + 65536])
        self.a.stdin(id, b"")
        self.assertEqual(self.a.collect(id)[0], data)

    def test_stdin_in_one_frame(self):
        data = os.urandom(4000000)
        self.assertEqual(self.a.run("cat", stdin=data)[0], data)

    def test_late_reader_of_stdin_gets_all(self):
        id = self.a.start("sh", "-c", "sleep 0.5; cat | sha256sum")
        data = os.urandom(24 << 20)
        for at in range(0, len(data), 1 << 20):
            self.a.stdin(id, data[at:at + (1 << 20)])
        self.a.stdin(id, b"")
        self.assertEqual(self.a.collect(id)[0].split()[0].decode(),
                         hashlib.sha256(data).hexdigest())

    def test_relay_is_asked_to_keep_unread_stdin(self):
        id = self.a.start("sh", "-c", "read x; exec cat > /dev/null")
        for _ in range(3):
            self.a.stdin(id, b"x" * (1 << 20))
        self.a.ping()
        said = [type for who, type in self.a.control if who == id]
        self.assertEqual(said, ["core.exec.pause"])
        self.a.stdin(id, b"\n")
        self.a.stdin(id, b"")
        self.assertEqual(self.a.collect(id)[2].payload["code"], 0)
        self.assertEqual(self.a.control[-1], (id, "core.exec.resume"))

    def test_held_output_waits_and_loses_nothing(self):
        id = self.a.start("sh", "-c", "echo first; read x; seq 1 50000; echo err >&2; exit 3")
        self.assertEqual(self.a.recv(id).type, "core.exec.started")
        self.assertEqual(self.a.recv(id).payload["data"], b"first\n")
        self.a.hold(id)
        self.a.stdin(id, b"go\n")
        self.assertTrue(self.a.silent(id))
        self.assertEqual(self.a.sh("echo other")[0], b"other\n")
        self.assertTrue(self.a.silent(id))
        self.a.hold(id, False)
        out, err, last = self.a.collect(id)
        self.assertEqual(out.split(), [b"%d" % i for i in range(1, 50001)])
        self.assertEqual((err, last.payload["code"]), (b"err\n", 3))

    def test_held_program_that_has_ended_ends_when_released(self):
        id = self.a.start("sh", "-c", "read x; echo last; exit 4")
        pid = self.a.recv(id).payload["pid"]
        self.a.hold(id)
        self.a.stdin(id, b"\n")
        wait_gone(self, pid)
        self.assertTrue(self.a.silent(id))
        self.a.hold(id, False)
        out, _, last = self.a.collect(id)
        self.assertEqual((out, last.payload["code"]), (b"last\n", 4))

    def test_only_the_relay_holds(self):
        id = self.a.start("sh", "-c", "read x; echo out")
        self.assertEqual(self.a.recv(id).type, "core.exec.started")
        self.a.send("core.exec.pause", {}, id=id)
        self.a.stdin(id, b"\n")
        self.assertEqual(self.a.collect(id)[0], b"out\n")

    def test_usage_is_told_to_the_relay(self):
        before = self.a.control.count((0, "core.usage"))
        self.a.send("core.usage.request", {}, id=0, flags=0x80)
        self.a.ping()
        self.assertEqual(self.a.control.count((0, "core.usage")), before + 1)
        first = self.a.usage
        meminfo = dict(line.split(":", 1) for line in pathlib.Path("/proc/meminfo").read_text().splitlines())
        self.assertEqual(first["memory_total_bytes"], int(meminfo["MemTotal"].split()[0]) * 1024)
        self.assertTrue(0 < first["memory_used_bytes"] < first["memory_total_bytes"])
        self.a.sh("true; true")
        self.a.send("core.usage.request", {}, id=0, flags=0x80)
        self.a.ping()
        self.assertGreater(self.a.usage["forks"], first["forks"])
        self.assertGreaterEqual(self.a.usage["busy_us"], first["busy_us"])
        self.assertGreater(first["busy_us"], 0)

    def test_usage_is_told_to_nobody_else(self):
        before = len(self.a.control)
        self.a.send("core.usage.request", {}, id=0)
        id = self.a.send("core.usage.request", {}, flags=0x80)
        self.assertTrue(self.a.silent(id))
        self.assertEqual(len(self.a.control), before)

    def test_held_file_stream(self):
        with tempfile.NamedTemporaryFile() as f:
            f.write(b"x" * (4 << 20))
            f.flush()
            handle = self.a.open(f.name, read=True)
            id = self.a.fs_send("Read", handle=handle, offset=0, len=None)
            self.a.hold(id)
            self.a.ping()
            before = len(self.a.inbox[id])
            self.a.ping()
            self.assertEqual(len(self.a.inbox[id]), before)
            self.a.hold(id, False)
            *data, last = self.a.rest(id)
            self.assertTrue(last.payload["ok"])
            self.assertEqual(sum(len(m.payload["data"]) for m in data), 4 << 20)

    def test_unread_stdin_does_not_block_others(self):
        id = self.a.start("sleep", "1000")
        for _ in range(12):
            self.a.stdin(id, bytes(1 << 20))
        self.assertEqual(self.a.sh("echo other")[0], b"other\n")
        self.a.send("core.exec.signal", {"signal": 9}, id=id)
        self.assertEqual(self.a.collect(id)[2].payload["signal"], 9)

    def test_unread_stdin_is_bounded(self):
        id = self.a.start("sleep", "1000")
        for _ in range(70):
            self.a.stdin(id, bytes(1 << 20))
        self.a.send("core.exec.signal", {"signal": 9}, id=id)
        types = [m.type for m in self.a.rest(id)]
        self.assertEqual(types, ["core.exec.started", "core.exec.stdin.error", "core.exec.exited"])

    def test_stdin_nobody_wants(self):
        id = self.a.start("true")
        self.assertEqual(self.a.recv(id).type, "core.exec.started")
        for _ in range(4):
            self.a.stdin(id, bytes(1 << 18))
        messages = self.a.rest(id)
        self.assertEqual(messages[-1].payload, {"code": 0})
        for m in messages[:-1]:
            self.assertEqual(m.type, "core.exec.stdin.error")
            self.assertEqual(m.payload, {"errno": 32, "errno_name": "EPIPE",
                                         "message": "io error: Broken pipe (os error 32)"})

    def test_output_nobody_takes_holds_the_program_only(self):
        id = self.a.start("sh", "-c", "yes | head -c 30000000")
        self.assertEqual(self.a.recv(id).type, "core.exec.started")
        self.a.paused = True
        other = self.a.start("sh", "-c", "kill -0 $$; exit 3")
        status = pathlib.Path(f"/proc/{self.a.process.pid}/status")
        peak = int(status.read_text().split("VmRSS:")[1].split()[0])
        self.a.paused = False
        self.assertEqual(self.a.collect(other)[2].payload["code"], 3)
        self.assertEqual(len(self.a.collect(id)[0]), 30000000)
        if "hosted" not in AGENT:  # a sanitized one is larger
            self.assertLess(peak, 40000)

    def test_many_at_once(self):
        ids = [self.a.start("sh", "-c", f"echo {i}; exit {i}") for i in range(40)]
        for i, id in enumerate(ids):
            out, _, last = self.a.collect(id)
            self.assertEqual((out, last.payload["code"]), (b"%d\n" % i, i))

    def test_one_after_the_other(self):
        for i in range(200):
            self.assertEqual(self.a.run("sh", "-c", f"exit {i % 100}")[2], i % 100)

    def test_group_is_signalled(self):
        id = self.a.start("sh", "-c", "sleep 1000 & echo $!; wait")
        self.assertEqual(self.a.recv(id).type, "core.exec.started")
        child = int(self.a.recv(id).payload["data"])
        self.a.send("core.exec.signal", {"signal": 9}, id=id)
        self.assertEqual(self.a.collect(id)[2].payload["signal"], 9)
        wait_gone(self, child)

    def test_bad_signal_numbers_are_ignored(self):
        id = self.a.start("cat")
        for sig in (0, -1, 65, 1 << 30):
            self.a.send("core.exec.signal", {"signal": sig}, id=id)
        self.a.stdin(id, b"alive")
        self.a.stdin(id, b"")
        self.assertEqual(self.a.collect(id)[0], b"alive")

    def test_background_job_keeps_the_session(self):
        id = self.a.start("sh", "-c", "read x < /proc/self/fd/0 & exec sleep 0")
        self.assertEqual(self.a.recv(id).type, "core.exec.started")
        id2 = self.a.start("sh", "-c", "cat & exit 5")
        self.assertEqual(self.a.recv(id2).type, "core.exec.started")
        self.a.stdin(id, b"")
        self.a.collect(id)
        self.a.stdin(id2, b"")
        self.assertEqual(self.a.collect(id2)[2].payload["code"], 5)

    def test_exit_is_said_after_closed_streams_too(self):
        out, _, code = self.a.sh("exec >&- 2>&-; sleep 0.05; exit 7")
        self.assertEqual((out, code), (b"", 7))

    def test_process_is_clean(self):
        out = self.a.sh("ls -l /proc/self/fd | grep -c -- '->'; umask; grep -E "
                        "'^(SigBlk|SigIgn)' /proc/self/status; ps -o sid= -p $$; echo $$")[0]
        lines = out.decode().split()
        # 0, 1, 2 and the directory ls reads
        self.assertEqual(lines[0], "4")
        self.assertEqual(lines[1], "0022")
        self.assertEqual(lines[3], "0" * 16)
        self.assertEqual(int(lines[5], 16) & 1 << (signal.SIGPIPE - 1), 0)
        self.assertEqual(lines[6], lines[7])

    def test_path_of_streams_can_be_opened(self):
        self.assertEqual(self.a.sh("echo a > /dev/stdout; echo b > /dev/stderr")[:2],
                         (b"a\n", b"b\n"))


class ExecFailures(Case):
    def test_not_found(self):
        for tty in (False, True):
            p = self.a.failed("nosuchprogram", tty=tty)
            self.assertEqual((p["kind"], p["errno"], p["errno_name"]), ("not_found", 2, "ENOENT"))
            self.assertEqual(p["message"], 'spawn "nosuchprogram": No such file or directory '
                                           '(os error 2)')
            self.assertEqual(p["stage"], "execvp" if tty else "Command::spawn")
        self.assertEqual(self.a.failed("/nosuch/program")["kind"], "not_found")
        self.assertEqual(self.a.failed("")["kind"], "not_found")

    def test_message_is_escaped(self):
        p = self.a.failed('a"b\\c\nd')
        self.assertTrue(p["message"].startswith('spawn "a\\"b\\\\c\\nd": '), p["message"])

    def test_not_executable(self):
        with tempfile.TemporaryDirectory() as d:
            for name, mode, text, want in (("plain", 0o644, "#!/bin/sh\n", "permission_denied"),
                                           ("noshebang", 0o755, "echo no\n", "not_executable"),
                                           ("badinterp", 0o755, "#!/no/such\n", "not_found")):
                path = pathlib.Path(d) / name
                path.write_text(text)
                path.chmod(mode)
                self.assertEqual(self.a.failed(str(path))["kind"], want, name)
                self.assertEqual(self.a.failed(name, env=[f"PATH=/nope:{d}"])["kind"], want, name)
            self.assertEqual(self.a.failed(d)["kind"], "permission_denied")

    def test_search_goes_on_after_what_cannot_be_executed(self):
        with tempfile.TemporaryDirectory() as d:
            first, second = pathlib.Path(d) / "1", pathlib.Path(d) / "2"
            for directory, mode in ((first, 0o644), (second, 0o755)):
                directory.mkdir()
                (directory / "prog").write_text("#!/bin/sh\necho found\n")
                (directory / "prog").chmod(mode)
            out = self.a.run("prog", env=[f"PATH={first}:/etc/passwd:{second}:/bin:/usr/bin"])[0]
            self.assertEqual(out, b"found\n")

    def test_bad_cwd(self):
        for tty in (False, True):
            for cwd in ("/no/such/place", "/etc/passwd"):
                p = self.a.failed("true", cwd=cwd, tty=tty)
                self.assertEqual((p["kind"], p["stage"]), ("bad_cwd", "chdir"))

    def test_unknown_user(self):
        for user, text in (("no-such-user", "guest user not found: no-such-user"),
                           ("0:no-such-group", "guest group not found: no-such-group"),
                           ("0:", "user spec has empty group"), (":5", "user spec has empty user")):
            p = self.a.failed("true", user=user)
            self.assertEqual((p["kind"], p["errno"], p["stage"]), ("user_setup_failed", None, None))
            self.assertEqual(p["message"], "exec session error: " + text)

    def test_nul_bytes(self):
        self.assertEqual(self.a.failed("a\0b")["kind"], "bad_args")
        self.assertEqual(self.a.failed("echo", "a\0b")["kind"], "bad_args")
        self.assertEqual(self.a.failed("echo", env=["A=\0"])["kind"], "bad_args")

    def test_too_large(self):
        self.assertEqual(self.a.failed("true", "x" * 200000)["kind"], "bad_args")
        many = ["V%06d=%s" % (i, "x" * 90) for i in range(38000)]
        self.assertEqual(self.a.run("true", env=many)[2], 0)

    def test_megabytes_of_environment(self):
        env = ["BIG%d=%s" % (i, chr(65 + i % 26) * 100000) for i in range(20)]
        out = self.a.sh("env | wc -c", env=env)[0]
        self.assertGreater(int(out), 2000000)

    def test_rlimit_that_cannot_be(self):
        p = self.a.failed("true", rlimits=[{"resource": "nofile", "soft": 5, "hard": 4}])
        self.assertEqual((p["kind"], p["stage"]), ("resource_limit", "setrlimit"))

    def test_the_agent_goes_on(self):
        before = len(os.listdir(f"/proc/{self.a.process.pid}/fd"))
        for _ in range(20):
            self.a.failed("nosuchprogram")
            self.a.failed("nosuchprogram", tty=True)
            self.a.failed("true", user="no-such-user")
            self.a.run("true")
            self.a.run("true", tty=True)
        self.assertEqual(len(os.listdir(f"/proc/{self.a.process.pid}/fd")), before)


class Environment(Case):
    def env(self, *entries, **kw):
        out = self.a.run("env", "-0", env=list(entries), **kw)[0]
        return dict(e.split("=", 1) for e in out.decode().split("\0") if e)

    def test_defaults(self):
        e = self.env()
        self.assertEqual(e["PATH"], "/.msb/scripts:/usr/local/sbin:/usr/local/bin:/usr/sbin:"
                                    "/usr/bin:/sbin:/bin")
        self.assertEqual(e["HOME"], "/root")
        self.assertEqual(set(e), {"PATH", "HOME"})

    def test_request_wins(self):
        value = "a\"b\n\tü='"
        e = self.env("A=1", "HOME=/h", f"V={value}", "junk", "=x", "A=2")
        self.assertEqual((e["A"], e["HOME"], e["V"]), ("2", "/h", value))
        self.assertNotIn("", e)

    def test_scripts_directory_once(self):
        e = self.env("PATH=/bin:/usr/bin")
        self.assertEqual(e["PATH"], "/.msb/scripts:/bin:/usr/bin")
        e = self.env("PATH=/bin:/.msb/scripts:/usr/bin")
        self.assertEqual(e["PATH"], "/bin:/.msb/scripts:/usr/bin")

    def test_cwd(self):
        self.assertEqual(self.a.run("pwd", cwd="/tmp")[0], b"/tmp\n")
        self.assertEqual(self.a.run("pwd")[0], b"/\n")
        self.assertEqual(self.a.run("pwd", cwd="usr")[0], b"/usr\n")

    def test_rlimits(self):
        limits = [{"resource": "nofile", "soft": 100, "hard": 200},
                  {"resource": "imaginary", "soft": 1, "hard": 1},
                  {"resource": "core", "soft": 0, "hard": 0}]
        out = self.a.sh("ulimit -Sn; ulimit -Hn; ulimit -c", rlimits=limits)[0]
        self.assertEqual(out.split(), [b"100", b"200", b"0"])

    @unittest.skipUnless(ROOT, "needs root")
    def test_users(self):
        out = self.a.sh("id -u; id -g; id -G; echo $HOME", user="12345")[0]
        self.assertEqual(out.split(), [b"12345", b"0", b"0", b"/"])
        out = self.a.sh("id -u; id -g; id -G", user="12345:54321")[0]
        self.assertEqual(out.split(), [b"12345", b"54321", b"54321"])
        out = self.a.sh("id -un; id -gn; echo $HOME; echo x > /dev/stdout", user=" daemon ")[0]
        self.assertEqual(out.split()[:2] + out.split()[3:], [b"daemon", b"daemon", b"x"])

    @unittest.skipUnless(ROOT, "needs root")
    def test_user_with_terminal_and_limits(self):
        limits = [{"resource": "nofile", "soft": 5000, "hard": 5000}]
        out = self.a.sh("ulimit -n; echo ok > $(tty)", user="daemon", tty=True, rlimits=limits)[0]
        self.assertEqual(out.split(), [b"5000", b"ok"])


class Terminal(Case):
    def test_size_and_resize(self):
        id = self.a.start("sh", "-c", "stty size; read x; stty size", tty=True, rows=50, cols=132)
        self.assertEqual(self.a.recv(id).type, "core.exec.started")
        self.assertEqual(self.a.recv(id).payload["data"], b"50 132\r\n")
        self.a.send("core.exec.resize", {"rows": 10, "cols": 20}, id=id)
        self.a.stdin(id, b"\n")
        self.assertTrue(self.a.collect(id)[0].endswith(b"10 20\r\n"))

    def test_controlling_terminal(self):
        out = self.a.sh("echo via > /dev/tty; ps -o tty= -p $$; tty", tty=True)[0].decode()
        via, ps, tty = out.split()
        self.assertEqual((via, "/dev/" + ps), ("via", tty))

    def test_interrupt_character(self):
        id = self.a.start("sleep", "1000", tty=True)
        self.assertEqual(self.a.recv(id).type, "core.exec.started")
        self.a.stdin(id, b"\x03")
        self.assertEqual(self.a.collect(id)[2].payload, {"code": -1, "signal": 2})

    def test_end_of_file_is_a_character(self):
        id = self.a.start("cat", tty=True)
        self.assertEqual(self.a.recv(id).type, "core.exec.started")
        self.a.stdin(id, b"")
        self.a.stdin(id, b"line\n")
        self.a.stdin(id, b"\x04")
        out, _, last = self.a.collect(id)
        self.assertEqual((out, last.payload["code"]), (b"line\r\nline\r\n", 0))

    def test_tail_of_a_burst_is_not_lost(self):
        for _ in range(5):
            out = self.a.sh("seq 20000; echo end", tty=True)[0]
            self.assertTrue(out.endswith(b"20000\r\nend\r\n"))
            self.assertEqual(out.count(b"\n"), 20001)


class Files(Case):
    def setUp(self):
        fast = "/dev/shm" if os.access("/dev/shm", os.W_OK | os.X_OK) else None
        self.tmp = tempfile.TemporaryDirectory(dir=fast)
        self.addCleanup(self.tmp.cleanup)
        self.d = pathlib.Path(self.tmp.name)

    def test_stat(self):
        p = self.d / "f"
        p.write_bytes(b"12345")
        p.chmod(0o640)
        info = self.a.fs("Stat", path=str(p), follow_symlink=True)["Stat"]
        self.assertEqual(list(info), ["path", "kind", "size", "mode", "modified", "uid", "gid",
                                      "atime", "mtime"])
        self.assertEqual((info["path"], info["kind"], info["size"], info["mode"]),
                         (str(p), "file", 5, 0o100640))
        self.assertEqual(info["modified"], int(p.stat().st_mtime))
        (self.d / "l").symlink_to("f")
        for follow, kind in ((True, "file"), (False, "symlink")):
            info = self.a.fs("Stat", path=str(self.d / "l"), follow_symlink=follow)["Stat"]
            self.assertEqual(info["kind"], kind)
        self.assertEqual(self.a.fs("Stat", path=str(self.d / "no"), follow_symlink=True),
                         "stat: No such file or directory (os error 2)")

    def test_real_path(self):
        (self.d / "dir").mkdir()
        (self.d / "link").symlink_to("dir")
        real = os.path.realpath(self.d)
        for given, want in (("link", "dir"), ("link/new", "dir/new"), ("dir/../dir/.", "dir")):
            self.assertEqual(self.a.fs("RealPath", path=f"{self.d}/{given}"),
                             {"Path": f"{real}/{want}"})
        self.assertEqual(self.a.fs("RealPath", path="/"), {"Path": "/"})
        self.assertEqual(self.a.fs("RealPath", path="/newname"), {"Path": "/newname"})
        self.assertIn("realpath: No such", self.a.fs("RealPath", path=f"{self.d}/a/b/c"))

    def test_links_directories_names(self):
        d = self.d
        self.assertIsNone(self.a.fs("Symlink", target="to/there", link_path=str(d / "l")))
        self.assertEqual(self.a.fs("ReadLink", path=str(d / "l")), {"Path": "to/there"})
        self.assertIn("readlink: Invalid argument", self.a.fs("ReadLink", path=str(d)))
        self.assertIsNone(self.a.fs("Mkdir", path=str(d / "x/y/z"), mode=0o2750))
        self.assertEqual(stat.S_IMODE((d / "x/y/z").stat().st_mode), 0o2750)
        self.assertEqual(stat.S_IMODE((d / "x/y").stat().st_mode), 0o755)
        self.assertIsNone(self.a.fs("Mkdir", path=str(d / "x/y/z")))
        (d / "file").write_text("t")
        self.assertIn("mkdir: ", self.a.fs("Mkdir", path=str(d / "file/sub"), mode=None))
        self.assertIsNone(self.a.fs("Rename", src=str(d / "file"), dst=str(d / "x/moved")))
        self.assertEqual((d / "x/moved").read_text(), "t")
        self.assertIn("remove_dir: Directory not empty",
                      self.a.fs("RemoveDir", path=str(d / "x"), recursive=False))
        self.assertIsNone(self.a.fs("RemoveDir", path=str(d / "x/y/z"), recursive=False))
        self.assertIsNone(self.a.fs("Remove", path=str(d / "l")))
        self.assertIn("remove: ", self.a.fs("Remove", path=str(d / "l")))

    def test_remove_tree(self):
        outside = self.d / "outside"
        outside.mkdir()
        (outside / "keep").write_text("k")
        tree = self.d / "tree"
        at = tree
        for i in range(60):
            at.mkdir()
            for j in range(5):
                (at / f"f{j}").write_text("x")
            (at / "link").symlink_to(outside)
            at = at / f"d{i}"
        (tree / "wide").mkdir()
        for i in range(2000):
            (tree / "wide" / f"entry-with-a-longer-name-{i}").mkdir()
        self.assertIsNone(self.a.fs("RemoveDir", path=str(tree), recursive=True))
        self.assertFalse(tree.exists())
        self.assertTrue((outside / "keep").exists())
        (self.d / "ln").symlink_to(outside)
        self.assertIsNone(self.a.fs("RemoveDir", path=str(self.d / "ln"), recursive=True))
        self.assertTrue((outside / "keep").exists())
        self.assertIn("remove_dir: Not a directory",
                      self.a.fs("RemoveDir", path=str(outside / "keep"), recursive=True))

    def test_remove_tree_deeper_than_any_path(self):
        top = os.open(self.d, os.O_RDONLY)
        fd = top
        for _ in range(3000):
            os.mkdir("d", dir_fd=fd)
            new = os.open("d", os.O_RDONLY, dir_fd=fd)
            if fd != top:
                os.close(fd)
            fd = new
        os.close(fd)
        os.close(top)
        self.assertIsNone(self.a.fs("RemoveDir", path=str(self.d / "d"), recursive=True))
        self.assertEqual(list(self.d.iterdir()), [])

    def test_copy(self):
        data = os.urandom(3000001)
        src, dst = self.d / "a", self.d / "b"
        src.write_bytes(data)
        src.chmod(0o741)
        self.assertIsNone(self.a.fs("Copy", src=str(src), dst=str(dst)))
        self.assertEqual((dst.read_bytes(), stat.S_IMODE(dst.stat().st_mode)), (data, 0o741))
        self.assertIsNone(self.a.fs("Copy", src=str(src), dst=str(src)))
        self.assertEqual(src.read_bytes(), data)
        self.assertIn("copy: ", self.a.fs("Copy", src=str(self.d), dst=str(dst)))
        self.assertIn("copy: No such", self.a.fs("Copy", src=str(self.d / "no"), dst=str(dst)))

    def test_set_stat(self):
        p = self.d / "f"
        p.write_bytes(b"0123456789")
        none = dict.fromkeys(["mode", "uid", "gid", "size", "atime", "mtime"])
        attrs = {**none, "mode": 0o600, "size": 4, "mtime": 1000}
        self.assertIsNone(self.a.fs("SetStat", path=str(p), follow_symlink=True, attrs=attrs))
        st = p.stat()
        self.assertEqual((stat.S_IMODE(st.st_mode), st.st_size, st.st_mtime), (0o600, 4, 1000))
        self.assertEqual(st.st_atime_ns % 10**9, 0)
        (self.d / "l").symlink_to("f")
        self.assertIn("setstat: ", self.a.fs("SetStat", path=str(self.d / "l"),
                                             follow_symlink=False, attrs={**none, "mode": 0o777}))
        h = self.a.open(str(p), read=True, write=True)
        self.assertIsNone(self.a.fs("FSetStat", handle=h, attrs={**none, "size": 8, "atime": -5}))
        info = self.a.fs("FStat", handle=h)["Stat"]
        self.assertEqual((info["size"], info["atime"], info["path"]), (8, -5, str(p)))
        self.assertIsNone(self.a.fs("CloseHandle", handle=h))

    def test_write_and_read(self):
        data = os.urandom(9 << 20)
        p = str(self.d / "big")
        h = self.a.open(p, write=True, create=True, truncate=True, mode=0o600)
        self.assertIsNone(self.a.write(h, data, len=len(data), chunk=3 << 20))
        self.assertEqual(stat.S_IMODE(os.stat(p).st_mode), 0o600)
        self.assertIn("not open for reading", self.a.read(h))
        self.assertIsNone(self.a.fs("CloseHandle", handle=h))
        h = self.a.open(p, read=True)
        self.assertEqual(self.a.read(h), data)
        self.assertEqual(self.a.read(h, offset=1000, len=50), data[1000:1050])
        self.assertEqual(self.a.read(h, offset=len(data) - 5, len=50), data[-5:])
        self.assertEqual(self.a.read(h, offset=len(data) + 5), b"")
        self.assertEqual(self.a.read(h, len=0), b"")
        self.assertIn("seek: ", self.a.read(h, offset=1 << 63))
        self.assertIn("not open for writing", self.a.fs("Write", handle=h, offset=0, len=None))
        self.assertIsNone(self.a.fs("CloseHandle", handle=h))
        self.assertEqual(self.a.fs("CloseHandle", handle=h), f"invalid handle: {h}")

    def test_write_places_and_lengths(self):
        p = self.d / "f"
        h = self.a.open(str(p), read=True, write=True, create=True)
        self.assertIsNone(self.a.write(h, b"world", offset=6))
        self.assertIsNone(self.a.write(h, b"hello "))
        self.assertEqual(p.read_bytes(), b"hello world")
        self.assertEqual(self.a.write(h, b"abc", len=5),
                         "write length mismatch: expected 5, wrote 3")
        g = self.a.open(str(p), append=True)
        self.assertIsNone(self.a.write(g, b"!", offset=0))
        self.assertEqual(p.read_bytes()[-1:], b"!")
        id = self.a.send("core.fs.data", {"data": b"x"})
        self.assertEqual(self.a.recv(id).payload["error"], f"unknown write session: {id}")

    def test_failing_write_ends_the_stream(self):
        h = self.a.open("/dev/full", write=True)
        id = self.a.fs_send("Write", handle=h, offset=0, len=None)
        self.a.send("core.fs.data", {"data": b"x"}, id=id)
        self.assertIn("No space left", self.a.recv(id).payload["error"])
        self.a.send("core.fs.data", {"data": b"x"}, id=id)
        self.assertIn("unknown write session", self.a.recv(id).payload["error"])

    def test_open_options(self):
        p = str(self.d / "f")
        for bad in ({}, {"read": True, "create": True}, {"read": True, "truncate": True},
                    {"append": True, "truncate": True}):
            self.assertIn("open: Invalid argument", self.a.open(p, **bad))
        self.assertIsInstance(self.a.open(p, write=True, create_new=True), int)
        self.assertIn("open: File exists", self.a.open(p, write=True, create_new=True))
        self.assertIn("open: No such", self.a.open(str(self.d / "no"), read=True))

    def test_fifo_does_not_block(self):
        os.mkfifo(self.d / "fifo")
        self.assertIn("open: No such device", str(self.a.open(str(self.d / "fifo"), write=True)))
        h = self.a.open(str(self.d / "fifo"), read=True)
        self.assertIn("seek: ", self.a.read(h))

    def test_directories(self):
        names = {f"name-{i}" for i in range(1000)}
        for n in names:
            (self.d / n).touch()
        listed = self.a.fs("List", path=str(self.d))["List"]
        self.assertEqual({e["path"] for e in listed}, {f"{self.d}/{n}" for n in names})
        self.assertEqual({e["kind"] for e in listed}, {"file"})
        h = self.a.fs("OpenDir", path=str(self.d) + "/")["Handle"]
        seen, sizes = [], []
        while True:
            page = self.a.fs("ReadDir", handle=h, limit=None if len(sizes) % 2 else 7)["List"]
            if not page:
                break
            sizes.append(len(page))
            seen += [os.path.basename(e["path"]) for e in page]
        self.assertEqual((sizes[:2], set(seen), len(seen)), ([7, 128], names, 1000))
        self.assertIn("is a directory", self.a.read(h))
        f = self.a.open(str(self.d / "name-1"), read=True)
        self.assertEqual(self.a.fs("ReadDir", handle=f, limit=None), f"handle {f} is a file")
        self.assertIn("opendir: Not a dir", self.a.fs("OpenDir", path=str(self.d / "name-1")))
        self.assertIn("readdir: ", self.a.fs("List", path="/no/such/dir"))

    def test_list_that_does_not_fit(self):
        for i in range(16000):
            (self.d / f"{i:0200}").touch()
        answer = self.a.fs("List", path=str(self.d))
        self.assertIsInstance(answer, str)
        self.assertIn("page by page", answer)

    def test_handles_belong_to_a_client(self):
        p = str(self.d / "f")
        pathlib.Path(p).write_text("x")
        h = self.a.open(p, read=True)
        other = STEP + 1
        self.assertEqual(self.a.fs("FStat", id=other, handle=h),
                         f"handle {h} is owned by a different relay client")
        handles = []
        while True:
            got = self.a.open(p, id=other + 1, read=True)
            if isinstance(got, str):
                break
            handles.append(got)
        self.assertEqual((len(handles), got),
                         (1024, "too many open filesystem handles for relay client: 1"))
        self.assertEqual(handles, sorted(set(handles)))
        # with the files came a higher limit, which is not for programs
        self.assertEqual(self.a.sh("ulimit -Sn")[0].strip(), SOFT)
        self.a.send("core.relay.client.disconnected",
                    {"id_start": other, "id_end_exclusive": 2 * STEP}, id=0)
        self.assertIsInstance(self.a.open(p, id=other + 1, read=True), int)
        self.assertIsInstance(self.a.fs("FStat", handle=h), dict)

    def test_disconnect_ends_streams(self):
        h = self.a.open("/dev/zero", id=3 * STEP + 1, read=True)
        id = self.a.fs_send("Read", id=3 * STEP + 2, handle=h, offset=0, len=None)
        self.assertEqual(self.a.recv(id).type, "core.fs.data")
        # an endless stream does not keep others from their turn
        self.assertEqual(self.a.sh("echo turn")[0], b"turn\n")
        self.a.send("core.relay.client.disconnected",
                    {"id_start": 3 * STEP + 1, "id_end_exclusive": 4 * STEP}, id=0)
        self.a.ping()
        self.a.inbox[id].clear()
        self.assertTrue(self.a.silent(id))

    def test_close_while_reading(self):
        (self.d / "f").write_bytes(bytes(8 << 20))
        h = self.a.open(str(self.d / "f"), read=True)
        id = self.a.fs_send("Read", handle=h, offset=0, len=None)
        self.assertIsNone(self.a.fs("CloseHandle", handle=h))
        self.assertEqual(sum(len(m.payload["data"]) for m in self.a.rest(id)[:-1]), 8 << 20)

    def test_paths_that_are_not_utf8(self):
        raw = os.fsencode(self.d) + b"/\xff\xfe"
        op = {"op": {"OpenFile": {"path": raw, "options": {
            "read": False, "write": True, "append": False, "create": True, "truncate": False,
            "create_new": False, "mode": None}}}}
        self.assertTrue(self.a.recv(self.a.send("core.fs.request", op)).payload["ok"])
        self.assertEqual(os.listdir(os.fsencode(self.d)), [b"\xff\xfe"])
        self.assertEqual(len(self.a.fs("List", path=str(self.d))["List"]), 1)


class Tcp(Case):
    def serve(self, handler, family=socket.AF_INET):
        s = socket.create_server(("127.0.0.1", 0))

        def run():
            conn, _ = s.accept()
            with conn:
                handler(conn)
        t = threading.Thread(target=run, daemon=True)
        t.start()
        self.addCleanup(t.join, DEADLINE)
        self.addCleanup(s.close)
        return s.getsockname()[1]

    def connect(self, port, host="127.0.0.1"):
        id = self.a.send("core.tcp.connect", {"host": host, "port": port})
        m = self.a.recv(id)
        self.assertEqual((m.type, m.payload), ("core.tcp.connected", {}))
        return id

    def test_echo_and_half_close(self):
        data = os.urandom(6 << 20)

        def echo(c):
            got = bytearray()
            while chunk := c.recv(65536):
                got += chunk
            c.sendall(got)
        id = self.connect(self.serve(echo), host="localhost")
        for at in range(0, len(data), 1 << 16):
            self.a.send("core.tcp.data", {"data": data[at:at + (1 << 16)]}, id=id)
        self.a.send("core.tcp.eof", {}, id=id)
        messages = self.a.rest(id)
        self.assertEqual([m.type for m in messages[-2:]], ["core.tcp.eof", "core.tcp.closed"])
        self.assertEqual(b"".join(m.payload["data"] for m in messages[:-2]), data)

    def test_other_side_ends_first(self):
        def greet(c):
            c.sendall(b"bye")
            c.shutdown(socket.SHUT_WR)
            self.got = c.recv(100)
        id = self.connect(self.serve(greet))
        self.assertEqual(self.a.recv(id).payload, {"data": b"bye"})
        self.assertEqual(self.a.recv(id).type, "core.tcp.eof")
        self.a.send("core.tcp.data", {"data": b"later"}, id=id)
        self.a.send("core.tcp.eof", {}, id=id)
        m = self.a.recv(id)
        self.assertEqual((m.type, m.flags), ("core.tcp.closed", 1))

    def test_close_says_nothing(self):
        done = threading.Event()

        def wait(c):
            c.recv(1)
            done.set()
        id = self.connect(self.serve(wait))
        self.a.send("core.tcp.close", {}, id=id)
        self.assertTrue(done.wait(DEADLINE))
        self.assertTrue(self.a.silent(id))

    def test_refused_and_unknown(self):
        with socket.create_server(("127.0.0.1", 0)) as s:
            port = s.getsockname()[1]
        m = self.a.recv(self.a.send("core.tcp.connect", {"host": "127.0.0.1", "port": port}))
        self.assertEqual((m.type, m.flags), ("core.tcp.failed", 1))
        self.assertEqual(m.payload["error"],
                         f"connect 127.0.0.1:{port}: Connection refused (os error 111)")
        m = self.a.recv(self.a.send("core.tcp.connect", {"host": "no.such.invalid", "port": 1}))
        self.assertEqual(m.type, "core.tcp.failed")
        id = self.a.send("core.tcp.data", {"data": b"x"})
        self.assertEqual(self.a.recv(id).payload["error"], f"unknown TCP session: {id}")

    def test_reset(self):
        def reset(c):
            c.recv(1)
            c.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        id = self.connect(self.serve(reset))
        self.a.send("core.tcp.data", {"data": b"x"}, id=id)
        m = self.a.rest(id)[-1]
        self.assertEqual(m.type, "core.tcp.failed")
        self.assertTrue(m.payload["error"].startswith("read TCP stream: "), m)

    def test_disconnect(self):
        done = threading.Event()

        def wait(c):
            c.recv(1)
            done.set()
        port = self.serve(wait)
        id = self.a.send("core.tcp.connect", {"host": "127.0.0.1", "port": port}, id=5 * STEP + 1)
        self.assertEqual(self.a.recv(id).type, "core.tcp.connected")
        self.a.send("core.relay.client.disconnected",
                    {"id_start": 5 * STEP + 1, "id_end_exclusive": 6 * STEP}, id=0)
        self.assertTrue(done.wait(DEADLINE))


class Ends(unittest.TestCase):
    def test_end_of_the_channel(self):
        a = Agent(AGENT)
        id = a.start("sleep", "1000")
        pid = a.recv(id).payload["pid"]
        self.assertEqual(a.close(), 0)
        # SIGTERM was sent; the sleep is not our child, so look until it is gone
        wait_gone(self, pid)

    def test_shutdown(self):
        a = Agent(AGENT)
        a.send("core.shutdown", None, id=0)
        self.assertEqual(a.process.wait(DEADLINE), 0)
        a.close()

    def test_frame_that_is_too_long(self):
        for size in (4194305, 3):
            a = Agent(AGENT)
            a.sock.sendall(size.to_bytes(4, "big") + bytes(5))
            self.assertEqual(a.process.wait(DEADLINE), 1)
            a.close()

    def test_byte_by_byte(self):
        a = Agent(AGENT)
        body = encode({"v": 6, "t": "core.ping", "p": encode({})})
        for b in (len(body) + 5).to_bytes(4, "big") + (9).to_bytes(4, "big") + b"\0" + body:
            a.sock.sendall(bytes([b]))
        self.assertEqual(a.recv(9).type, "core.pong")
        self.assertEqual(a.close(), 0)

    def test_idle_costs_nothing(self):
        a = Agent(AGENT)
        a.run("true")
        ticks = pathlib.Path(f"/proc/{a.process.pid}/stat")

        def cpu():
            fields = ticks.read_text().rsplit(")", 1)[1].split()
            return int(fields[11]) + int(fields[12])
        before = cpu()
        a.recv(a.start("sleep", "0.3"))
        self.assertLessEqual(cpu() - before, 2)
        self.assertEqual(a.close(), 0)


def soft_limit():
    with open("/proc/self/limits") as f:
        return next(line for line in f if line.startswith("Max open files")).split()[3].encode()


if __name__ == "__main__":
    AGENT = os.path.abspath(sys.argv.pop(1))
    SOFT = soft_limit()
    unittest.main()
