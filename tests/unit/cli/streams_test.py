# SPDX-License-Identifier: Apache-2.0
"""Streams and terminals of commands."""
import os
import pty
import re
import select
import signal
import subprocess
import termios
import time
import unittest

from fakecli import DEADLINE, MSB, Base, Terminal


class Streams(Base):
    def run_sh(self, script, *options, **kw):
        return self.msb("run", *options, "./rootfs", "--", "sh", "-c", script, **kw)

    def test_exit_codes(self):
        for script, code in (("exit 0", 0), ("exit 7", 7), ("kill -9 $$", 137),
                             ("kill -TERM $$", 143)):
            self.assertEqual(self.run_sh(script).returncode, code)

    def test_streams_stay_apart_and_input_ends(self):
        p = self.run_sh("cat; echo err >&2", input="in\n")
        self.assertEqual((p.stdout, p.stderr), ("in\n", "err\n"))

    def test_much_in_both_directions(self):
        data = os.urandom(3 << 20)
        p = self.msb("run", "./rootfs", "--", "cat", input=data, text=False)
        self.assertEqual(p.stdout, data)

    def test_output_arrives_as_it_comes(self):
        p = self.popen("run", "./rootfs", "--", "sh", "-c", "echo one; read x; echo $x",
                       stdin=subprocess.PIPE)
        self.assertEqual(p.stdout.readline(), b"one\n")
        p.stdin.write(b"two\n")
        p.stdin.flush()
        self.assertEqual(p.stdout.readline(), b"two\n")
        self.assertEqual(p.wait(DEADLINE), 0)

    def test_input_nobody_reads(self):
        p = self.run_sh("exec <&-; exit 3", input="x" * (1 << 20))
        self.assertEqual(p.returncode, 3)

    def test_closed_standard_descriptors(self):
        p = self.popen("run", "./rootfs", "--", "sh", "-c", "cat; exit 4", stdin=None,
                       preexec_fn=lambda: os.close(0))
        self.assertEqual(p.wait(DEADLINE), 4)

    def test_slow_reader_slows_the_command_down(self):
        p = self.popen("run", "./rootfs", "--", "sh", "-c",
                       "head -c 50000000 /dev/zero; echo finished >&2")
        ready, _, _ = select.select([p.stderr], [], [], 0.5)
        self.assertFalse(ready, "output is buffered without bound")
        with open(f"/proc/{p.pid}/statm") as f:
            self.assertLess(int(f.read().split()[1]) * 4096, 64 << 20)
        self.assertEqual(len(p.stdout.read()), 50000000)
        self.assertEqual(p.wait(DEADLINE), 0)

    def test_signals_work_while_output_is_blocked(self):
        p = self.popen("run", "./rootfs", "--", "sh", "-c", "trap 'exit 9' INT; yes")
        p.stdout.read(1)
        p.send_signal(signal.SIGINT)
        p.send_signal(signal.SIGINT)
        p.communicate(timeout=DEADLINE)
        self.assertNotEqual(p.returncode, 0)

    def test_reader_that_goes_away_ends_it_quietly(self):
        p = self.popen("run", "./rootfs", "--", "yes")
        p.stdout.read(10)
        p.stdout.close()
        self.assertEqual(p.wait(DEADLINE), 128 + signal.SIGPIPE)
        self.assertEqual(p.stderr.read(), b"")
        self.assertIn("stop msb-0badcafe 10000", self.calls())

    def test_timeout_keeps_what_was_written(self):
        p = self.run_sh("echo before; exec sleep 600", "--timeout", "1s")
        self.assertEqual((p.returncode, p.stdout), (124, "before\n"))
        self.assertEqual(p.stderr, "error: exec timed out after 1s\n")
        self.assertIn("stop msb-0badcafe 10000", self.calls())

    def test_interrupts(self):
        script = "trap 'echo got; exit 9' INT; echo up; while :; do sleep 0.1; done"
        p = self.popen("run", "./rootfs", "--", "sh", "-c", script)
        self.assertEqual(p.stdout.readline(), b"up\n")
        p.send_signal(signal.SIGINT)
        self.assertEqual(p.communicate(timeout=DEADLINE)[0], b"got\n")
        self.assertEqual(p.returncode, 9)
        script = "trap 'echo got' INT; echo up; while :; do sleep 0.1; done"
        p = self.popen("run", "./rootfs", "--", "sh", "-c", script)
        self.assertEqual(p.stdout.readline(), b"up\n")
        p.send_signal(signal.SIGINT)
        self.assertEqual(p.stdout.readline(), b"got\n")
        p.send_signal(signal.SIGINT)
        p.communicate(timeout=DEADLINE)
        self.assertEqual(p.returncode, 137)

    def test_terminate_and_hang_up(self):
        for sig, code in ((signal.SIGTERM, 143), (signal.SIGHUP, 129)):
            p = self.popen("run", "./rootfs", "--", "sh", "-c", "echo up; exec sleep 600")
            self.assertEqual(p.stdout.readline(), b"up\n")
            p.send_signal(sig)
            p.communicate(timeout=DEADLINE)
            self.assertEqual(p.returncode, code)
            self.assertEqual(self.calls()[-1], "stop msb-0badcafe 10000")

    def test_forced_terminal_without_one(self):
        p = self.run_sh("test -t 0 && test -t 1 && echo yes; echo $TERM", "-t", text=False)
        self.assertEqual(p.stdout, b"yes\r\nxterm\r\n")

    def test_exec_options(self):
        self.ok("create", "-n", "box", "./rootfs")
        out = self.ok("exec", "-e", "A=1", "-e", "FROM_HOST", "-w", "/", "-u", "me", "--rlimit",
                      "core=5", "box", "--", "sh", "-c",
                      "echo $A $FROM_HOST $FAKE_USER $FAKE_RLIMIT; pwd",
                      env=self.env(FROM_HOST="h"))
        self.assertEqual(out, "1 h me core:5\n/\n")


class Tty(Base):
    def sh(self, script, *options, **kw):
        return Terminal(self, "run", *options, "./rootfs", "--", "sh", "-c", script, **kw)

    def test_size_resize_and_exit_code(self):
        t = self.sh("stty size; read x; stty size; exit 5", rows=31, cols=97)
        t.expect(r"31 97\r\n")
        t.resize(50, 132)
        time_limit = time.monotonic() + DEADLINE
        while time.monotonic() < time_limit and not t.raw():
            pass
        t.send(b"\n")
        t.expect(r"50 132")
        self.assertEqual(t.wait(), 5)
        self.assertTrue(t.restored)

    def test_control_c_goes_to_the_command(self):
        t = self.sh("trap 'echo got' INT; echo up; read x; read x; echo end")
        t.expect("up")
        t.send(b"\x03")
        t.expect("got")
        t.send(b"\n\n")
        t.expect("end")
        self.assertEqual(t.wait(), 0)

    def test_a_shell_is_the_default(self):
        t = Terminal(self, "run", "./rootfs")
        t.send(b"echo shell-is-$((1+1)); exit 4\n")
        t.expect("shell-is-2")
        self.assertEqual(t.wait(), 4)

    def test_password_is_not_shown(self):
        t = Terminal(self, "registry", "login", "ghcr.io", "-u", "me")
        t.expect("Password/token: ")
        t.send(b"s3cret\n")
        t.expect("<s3cret>")  # what the library was given, not an echo
        self.assertEqual(t.wait(), 0)
        self.assertTrue(t.restored)
        t = Terminal(self, "registry", "login", "ghcr.io", "-u", "me")
        t.expect("Password/token: ")
        t.send(b"half\x03")
        self.assertEqual(t.wait(), -signal.SIGINT)
        self.assertTrue(t.restored)
        self.assertNotIn("half", t.text)

    def test_bars_fit_and_go(self):
        for cols in (100, 80, 50, 30):
            t = Terminal(self, "pull", "ghcr.io/org/app:v1", cols=cols, FAKE_PULL_MS="60")
            t.expect("layer 3/3")
            self.assertEqual(t.wait(), 0)
            self.assertTrue(t.restored)
            for line in re.split(r"\r|\n", re.sub(r"\033\[[0-9;]*[A-Za-z]", "", t.text)):
                if "✓ Pulled" not in line:
                    self.assertLessEqual(len(line), cols)
            self.assertIn("\033[J", t.text)

    def test_interrupts_leave_a_clean_terminal(self):
        for how in (lambda t: t.send(b"\x03"), lambda t: os.kill(t.pid, signal.SIGTERM),
                    lambda t: os.kill(t.pid, signal.SIGHUP)):
            t = Terminal(self, "pull", "app", FAKE_PULL_MS="300")
            t.expect("layer 3/3")
            self.assertFalse(termios.tcgetattr(t.fd)[3] & termios.ECHO)
            how(t)
            self.assertLess(t.wait(), 0)
            self.assertTrue(t.restored)
            self.assertRegex(t.text, r"\r\033\[3A\033\[J$")

    def test_stopping_and_going_on(self):
        t = Terminal(self, "pull", "app", FAKE_PULL_MS="300")
        t.expect("layer 3/3")
        t.send(b"\x1a")
        os.waitpid(t.pid, os.WUNTRACED)
        self.assertTrue(termios.tcgetattr(t.fd)[3] & termios.ECHO)
        os.kill(t.pid, signal.SIGCONT)
        t.expect("Pulled       app")
        self.assertEqual(t.wait(), 0)

    def test_detach(self):
        t = self.sh("echo up; exec sleep 600")
        t.expect("up")
        t.send(b"\x1d")
        self.assertEqual(t.wait(), 0)
        self.assertTrue(t.restored)
        self.assertIn("msb attach msb-0badcafe", t.text)
        self.assertEqual(self.calls()[-1], "release msb-0badcafe")

    def test_longer_detach_keys(self):
        t = self.sh("stty raw -echo; echo go; head -c 3 | od -An -tx1; sleep 600",
                    "--detach-keys", "ctrl-p,ctrl-q")
        t.expect("go")
        t.send(b"\x10")
        t.send(b"x\x10")
        t.send(b"\x10")
        t.expect("10 78 10")
        t.send(b"\x11")
        self.assertEqual(t.wait(), 0)

    def test_signals_restore_the_terminal(self):
        for sig in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGQUIT):
            t = self.sh("echo up; exec sleep 600")
            t.expect("up")
            self.assertTrue(t.raw())
            os.kill(t.pid, sig)
            self.assertEqual(t.wait(), 128 + sig)
            self.assertTrue(t.restored)
            self.assertEqual(self.calls()[-1], "stop msb-0badcafe 10000")

    def test_a_crash_restores_the_terminal(self):
        t = self.sh("echo up; exec sleep 600")
        t.expect("up")
        os.kill(t.pid, signal.SIGSEGV)
        self.assertEqual(t.wait(), -signal.SIGSEGV)
        self.assertTrue(t.restored)

    def test_stop_and_continue(self):
        t = self.sh("echo up; read x; echo back-$x")
        t.expect("up")
        os.kill(t.pid, signal.SIGTSTP)
        _, status = os.waitpid(t.pid, os.WUNTRACED)
        self.assertTrue(os.WIFSTOPPED(status))
        self.assertFalse(t.raw())
        os.kill(t.pid, signal.SIGCONT)
        end = time.monotonic() + DEADLINE
        while not t.raw() and time.monotonic() < end:
            pass
        t.send(b"again\n")
        t.expect("back-again")
        self.assertEqual(t.wait(), 0)

    def test_timeout(self):
        t = self.sh("exec sleep 600", "--timeout", "1s")
        self.assertEqual(t.wait(), 124)
        self.assertTrue(t.restored)

    def test_no_tty(self):
        t = self.sh("test -t 1 || echo plain; cat", "--no-tty")
        t.expect("plain")
        self.assertFalse(t.raw())
        t.send(b"line\n\x04")
        t.expect("line")
        self.assertEqual(t.wait(), 0)

    def test_output_into_a_pipe_gets_no_terminal(self):
        t = Terminal(self, "--version")
        t.wait()
        master, slave = pty.openpty()
        p = subprocess.run([MSB, "run", "./rootfs", "--", "sh", "-c", "test -t 1 || echo plain"],
                           stdin=slave, capture_output=True, cwd=self.base, env=self.env(),
                           timeout=DEADLINE)
        os.close(master)
        os.close(slave)
        self.assertEqual(p.stdout, b"plain\n")

    def test_much_output_is_complete(self):
        t = self.sh("seq 1 20000")
        self.assertEqual(t.wait(), 0)
        self.assertEqual(t.text.split(), [str(i) for i in range(1, 20001)])


if __name__ == "__main__":
    unittest.main()
