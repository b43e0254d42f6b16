# SPDX-License-Identifier: Apache-2.0
"""Commands, their environment and terminals."""
import hashlib
import os
import pathlib
import signal
import tempfile
import unittest

from serve_case import agent_path, Case, ROOT, wait_gone


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
        if "hosted" not in agent_path():  # a sanitized one is larger
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
