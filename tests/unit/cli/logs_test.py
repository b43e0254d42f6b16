# SPDX-License-Identifier: Apache-2.0
"""What msb logs prints of the entries it is given, and what it asks for."""
import json
import os
import re
import signal
import subprocess
import time
import unittest

from fakecli import DATA, DEADLINE, MSB, Base, Terminal

OUT, ERR, PTY, SYSTEM = 1, 2, 4, 8
T0 = 1_779_444_672_123_456_789  # 2026-05-22T10:11:12.123456789Z


def entry(data, source=OUT, session=1, ns=T0):
    data = data if isinstance(data, bytes) else data.encode()
    return f"{ns} {source} {session} {data.hex()}\n"


class Logs(Base):
    def write(self, *entries, name="box"):
        path = self.base / "home/logs" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(path, "a") as f:
            f.write("".join(entries))
            f.flush()

    def logs(self, *args, env=None):
        p = self.msb("logs", *args, "box", text=False, env=env)
        self.assertEqual((p.returncode, p.stderr), (0, b""))
        return p.stdout.decode("utf-8", "surrogateescape")

    def opened(self):
        return [c for c in self.calls() if c.startswith("log_open")][-1]


class Asked(Logs):
    def test_nothing_in_particular(self):
        self.write(entry("out\n"), entry("err\n", ERR), entry("pty\n", PTY),
                   entry("--- sandbox started ---\n", SYSTEM, 0))
        self.assertEqual(self.logs(), "out\nerr\npty\n")
        self.assertEqual(self.opened(), "log_open box sources=0 since=-1 until=-1 tail=-1 "
                                        "contains=- follow=0")

    def test_sources(self):
        self.write(*[entry(f"{s}\n", s) for s in (OUT, ERR, PTY, SYSTEM)])
        for args, want in ((["stdout"], "1"), (["stderr,output"], "24"), (["all"], "1248"),
                           (["system", "--source", "stdout"], "18"), (["all,all"], "1248")):
            self.assertEqual(self.logs("--source", *args).replace("\n", ""), want)
        for wrong in ("", "std", "stdout,", "stdout,x", "STDOUT"):
            p = self.msb("logs", "--source", wrong, "box")
            self.assertEqual((p.returncode, p.stdout), (2, ""))
            self.assertIn("invalid value '", p.stderr)

    def test_times(self):
        self.write(*[entry(f"{i}", ns=T0 + i) for i in range(4)])
        at = "2026-05-22T10:11:12.12345679"
        self.assertEqual(self.logs("--since", at + "Z"), "123")
        self.assertEqual(self.logs("--until", at + "Z"), "0")
        self.assertEqual(self.logs("--since", "2026-05-22t12:11:12.123456791+02:00",
                                   "--until", "2026-05-22 08:11:12.1234567924321-02:00"), "2")
        self.assertEqual(self.logs("--since", "1s"), "")
        since = int(re.search(r"since=(\d+)", self.opened()).group(1))
        self.assertLess(abs(time.time_ns() - since - 10**9), DEADLINE * 10**9)
        self.assertEqual(self.logs("--since", "99999999999d"), "0123")
        self.assertEqual(self.logs("--since", "0000-01-01T00:00:00Z", "--until",
                                   "9999-12-31T23:59:59Z"), "0123")

    def test_what_is_no_time(self):
        self.write(entry("x"))
        for text in ("", "5", "m", "5w", "-5m", "5 m", "yesterday", "2026-05-22",
                     "2026-05-22T10:11:12", "2026-05-22T10:11:12.Z", "2026-02-29T10:11:12Z",
                     "2026-13-01T10:11:12Z", "2026-05-22T24:11:12Z", "2026-05-22T10:11:12+2:00",
                     "2026-05-22T10:11:12Zx", "18446744073709551616s"):
            for flag in ("--since=", "--until="):
                p = self.msb("logs", flag + text, "box")
                self.assertEqual((p.returncode, p.stdout, p.stderr), (
                    1, "", f'error: could not parse time "{text}" (expected RFC 3339 or `5m` '
                    "etc.)\n"))

    def test_tail(self):
        self.write(*[entry(f"{i}") for i in range(10)])
        self.assertEqual(self.logs("--tail", "3"), "789")
        self.assertEqual(self.logs("--tail", "0"), "")
        self.assertEqual(self.logs("--tail", "18446744073709551615"), "0123456789")
        self.assertEqual(self.msb("logs", "--tail", "-1", "box").returncode, 2)
        self.assertEqual(self.msb("logs", "--tail", "x", "box").returncode, 2)

    def test_failures(self):
        self.assertEqual(self.msb("logs").returncode, 2)
        for args in ([], ["--since", "x"], ["--grep", "("]):  # the sandbox counts first
            p = self.msb("logs", *args, "none")
            self.assertEqual((p.returncode, p.stdout, p.stderr), (
                1, "", 'error: no logs directory for sandbox "none" (sandbox not found?)\n'))
        self.write(entry("before\n"), "failed\n")
        p = self.msb("logs", "box")
        self.assertEqual((p.returncode, p.stdout, p.stderr),
                         (1, "before\n", "error: io error: exec.log\n"))
        p = self.msb("logs", "--color", "always", "--no-color", "box")
        self.assertEqual(p.returncode, 2)
        self.assertIn("'--no-color' cannot be used with '--color'", p.stderr)
        self.assertEqual(self.msb("logs", "--color", "maybe", "box").returncode, 2)

    def test_full_disk(self):
        self.write(entry("x"))
        with open("/dev/full", "w") as full:
            p = subprocess.run([MSB, "logs", "box"], stdout=full, stderr=subprocess.PIPE,
                               env=self.env(), timeout=DEADLINE, check=False)
        self.assertEqual((p.returncode, p.stderr),
                         (1, b"error: write to standard output: No space left on device\n"))


class Grep(Logs):
    def contains(self):
        return re.search(r"contains=(.*) follow", self.opened()).group(1)

    def test_matching(self):
        self.write(entry("one\n"), entry("two\nthree\n"), entry("Grün €5\n"), entry(b"a\xffb\n"),
                   entry(""), entry("\033[31mred\033[0m\n"))
        for pattern, want in (("o", "one\ntwo\nthree\n"), ("^o", "one\n"), ("^three", ""),
                              ("(?m)^three$", "two\nthree\n"), ("e$", "one\ntwo\nthree\n"),
                              ("(?i)ONE", "one\n"), ("gr\\wn|€\\d", "Grün €5\n"), ("Gr.n", "Grün €5\n"),
                              ("two.three", ""), ("(?s)two.three", "two\nthree\n"), ("one|two|x", "one\ntwo\nthree\n"),
                              ("a.b", ""), (r"^a", "a\ufffdb\n"), ("31mr", "red\n"), ("nothing", ""),
                              ("^$", ""), ("[[:digit:]]", "Grün €5\nred\n"), ("-x|one", "one\n")):
            self.assertEqual(self.logs("--grep", pattern), want, pattern)
        self.assertEqual(self.logs("--grep=-"), "")

    def test_the_library_looks_for_what_every_match_holds(self):
        self.write(entry("x"))
        for pattern, literal in (
                ("plain text", "plain text"), ("a+bcd", "bcd"), ("abc?", "ab"), ("abc*de", "ab"),
                ("abc{2}d", "ab"), ("abc{,x", ",x"), ("a|bcd", "a|bcd"), ("ab.c|d+e|fgh", "ab|d|fgh"), ("a|", "-"), ("abc|[de]", "-"),
                ("a|b|c|d|e|f|g|h|i", "-"), ("(?i)a|b", "-"), (r"abc|\x41", "-"), ("(a|b)cde", "cde"),
                ("ab(cdefg)?h", "ab"), ("(?i)abc", "-"), ("a(?i:b)c", "-"), (r"a\.b\.c", "a.b.c"),
                (r"\d+ms", "ms"), (r"\x41bc", "-"), (r"\Qa[b\Ec", "-"), ("[abc]def", "def"),
                (r"[^]x]def", "def"), (r"[\]x]def", "def"), ("[[:alpha:]x]def", "def"),
                ("^line 5$", "line 5"), ("naïve?", "naïv"), ("naï?ve", "na"), ("", "-"),
                 ("a(b(c)|d)ef", "ef"), (r"x\bfoo", "foo"), ("(*UCP)abc", "-"),
                ("a(?#)bc", "-"), ("order [0-9]*77777", "77777"), ("word[ab]two words", "two words"), ("(?<n>x)yz", "yz"), ("x{}", "-"), ("ab{1}+c", "a")):
            self.logs("--grep", pattern)
            self.assertEqual(self.contains(), literal, pattern)

    def test_tail_comes_before(self):
        self.write(*[entry(f"line {i}\n") for i in range(20)])
        self.assertEqual(self.logs("--tail", "11", "--grep", "line 1"),
                         "".join(f"line {i}\n" for i in range(10, 20)))
        self.assertEqual(self.contains(), "-")
        self.assertEqual(self.logs("--tail", "2", "--grep", "e 5"), "")

    def test_what_is_no_expression(self):
        self.write(entry("x"))
        for pattern in ("(", "*", "a{2,1}", "[z-a]", r"\C", "[", r"\p{NoSuch}", "[a&&b]",
                        "[a-z--b]", "[a~~b]", "[a[bc]]", "x(y[a&&b])", b"\xff"):
            p = self.msb("logs", "--grep", pattern, "box", text=False)
            self.assertEqual((p.returncode, p.stdout), (1, b""), pattern)
            self.assertTrue(p.stderr.startswith(b"error: invalid --grep regex: "), p.stderr)

    def test_an_expression_that_tries_everything_ends(self):
        self.write(entry("before\n"), entry("a" * 60 + "!"))
        p = self.msb("logs", "--grep", r"before|^(a|aa|a\w)+$(?<!x)", "box")
        self.assertEqual((p.returncode, p.stdout), (1, "before\n"))
        self.assertIn("takes too long with an entry of 61 bytes", p.stderr)


class Layout(Logs):
    """Compared with files of tests/data/cli/logs."""

    ENTRIES = [
        entry("one line\n"), entry("no end", ERR, 1, T0 + 10**6), entry("\n", OUT, 1, T0 + 2 * 10**6),
        entry("first\n\nthird\nfourth", OUT, 12, T0 + 10**9), entry("\n\nx\n", OUT, 1234, T0 + 61 * 10**9),
        entry("", OUT, 2), entry("colour \033[31mred\033[0m\r\n", PTY, 3, T0 - 10**9),
        entry("--- sandbox stopped ---\n", SYSTEM, 0, T0 + 86400 * 10**9),
        entry(b"\xff\xfe \xe2\x82 \xc3\xa4\n", OUT, 8, -1), entry("emoji 🚀\n", OUT, 9, 0),
    ]

    def check(self, name, text):
        path = DATA / "logs" / name
        data = text.encode("utf-8", "surrogateescape")
        if os.environ.get("MSB_WRITE_GOLDEN"):
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(data)
        self.assertEqual(data, path.read_bytes(), f"differs from {name}")

    def test_layouts(self):
        self.write(*self.ENTRIES)
        for name, args in (("plain", []), ("timestamps", ["--timestamps"]), ("id", ["--show-id"]),
                           ("timestamps-id", ["--timestamps", "--show-id"]), ("json", ["--json"]),
                           ("sessions", ["--color-sessions"]), ("raw", ["--raw"]),
                           ("sessions-color", ["--color-sessions", "--color", "always"]),
                           ("all", ["--color-sessions", "--timestamps", "--color=always"])):
            self.check(name + ".txt", self.logs("--source", "all", *args))
        self.assertEqual(self.logs("--source=all", "--color-sessions"),
                         self.logs("--source=all", "--show-id"))

    def test_escape_sequences(self):
        self.write(entry("\033[1;31mred\033[0m \033]0;title\a\033]8;;x\033\\link \033(Bplain "
                         "\033é \033[1\033[2Kx\n", PTY))
        with_them = "\033[1;31mred\033[0m \033]0;title\a\033]8;;x\033\\link \033(Bplain \033é " \
                    "\033[1\033[2Kx\n"
        without = "red link Bplain  x\n"
        for args, env, want in (
                ([], {}, without), (["--color", "auto"], {}, without),
                (["--color", "always"], {}, with_them), (["--color", "never"], {}, without),
                (["--no-color"], {}, without), (["--color", "always"], {"NO_COLOR": "1"}, without),
                ([], {"CLICOLOR_FORCE": "1"}, with_them), (["--raw"], {}, with_them),
                (["--raw"], {"NO_COLOR": "1"}, with_them), (["--raw", "--no-color"], {}, without)):
            self.assertEqual(self.logs(*args, env=self.env(**env)), want, (args, env))

    def test_escape_sequences_cut_between_entries(self):
        text = "\033[1;31mred\033[0m \033]0;title\033\\end"
        self.write(*[e for c in text for e in (entry(c, PTY), entry(".", PTY, 2),
                                               entry("+", SYSTEM, 0))])
        self.assertEqual(self.logs("--source", "all").replace(".+", ""), "red end")

    def test_a_sequence_without_end_is_none(self):
        self.write(entry("a\033]0;"), *[entry("x" * 4000)] * 2, entry("end\n"))
        self.assertTrue(self.logs().startswith("a"))
        self.assertTrue(self.logs().endswith("end\n"))

    def test_raw_is_what_was_captured(self):
        data = os.urandom(4000)
        self.write(entry(data[:1500]), entry(data[1500:], ERR))
        for env in ({}, {"NO_COLOR": "1"}):
            p = self.msb("logs", "--raw", "box", text=False, env=self.env(**env))
            self.assertEqual((p.returncode, p.stdout), (0, data))

    def test_much(self):
        self.write(*[entry("x" * 999 + "\n", ns=T0 + i) for i in range(3000)])
        self.assertEqual(self.logs(), ("x" * 999 + "\n") * 3000)

    def test_terminal(self):
        self.write(entry("a \033[31mred\033[0m\n", PTY))
        t = Terminal(self, "logs", "--timestamps", "box")
        self.assertEqual(t.wait(), 0)
        self.assertEqual(t.text, "\033[2m2026-05-22T10:11:12.123Z\033[0m\ta \033[31mred\033[0m\r\n")
        t = Terminal(self, "logs", "box", NO_COLOR="1")
        self.assertEqual(t.wait(), 0)
        self.assertEqual(t.text, "a red\r\n")


class BootError(Logs):
    RECORD = ('{\n  "t": "2026-05-22T10:11:12.123Z",\n  "stage": "mount",\n  "errno": 2,\n'
              '  "message": "mount \\"/x\\": No such file"\n}\n')
    BLOCK = ('error: failed to start "box"\n  → mount: mount "/x": No such file\n'
             "  → the host path of a mount does not exist\n")
    MORE = "  → run `msb logs --source system box` for full diagnostics\n"

    def test_it_comes_first(self):
        self.write(entry("out\n"))
        self.write(self.RECORD, name="box.boot")
        p = self.msb("logs", "box")
        self.assertEqual((p.returncode, p.stdout, p.stderr), (0, "out\n", self.BLOCK + self.MORE + "\n"))
        p = self.msb("logs", "--source", "all", "--tail", "1", "box")
        self.assertEqual((p.returncode, p.stdout, p.stderr), (0, "out\n", self.BLOCK + "\n"))

    def test_json(self):
        self.write(entry("out\n"))
        self.write(self.RECORD, name="box.boot")
        p = self.msb("logs", "--json", "box")
        self.assertEqual((p.returncode, p.stderr), (0, ""))
        line = p.stdout.splitlines()[0]
        self.assertEqual(json.loads(line), {"d": self.RECORD.strip(), "s": "boot-error",
                                            "t": "2026-05-22T10:11:12.123Z"})
        self.assertEqual(list(json.loads(line)), ["d", "s", "t"])

    def test_damaged(self):
        self.write(entry("out\n"))
        self.write("{half", name="box.boot")
        p = self.msb("logs", "box")
        self.assertEqual((p.returncode, p.stdout), (0, "out\n"))
        self.assertIn("  → other: {half\n", p.stderr)
        p = self.msb("logs", "--json", "box")
        self.assertEqual(p.stdout.splitlines()[0], '{"d":"{half","s":"boot-error","t":null}')


class Follow(Logs):
    def follow(self, *args):
        self.write(entry("old\n"))
        p = self.popen("logs", "-f", *args, "box")
        return p

    def test_lines_come_as_they_are_written(self):
        p = self.follow()
        self.assertEqual(p.stdout.readline(), b"old\n")
        for i in range(5):
            self.write(entry(f"new {i}\n"))
            self.assertEqual(p.stdout.readline(), f"new {i}\n".encode())
        self.write(entry("last\n"), "end\n")
        self.assertEqual(p.communicate(timeout=DEADLINE), (b"last\n", b""))
        self.assertEqual(p.returncode, 0)

    def test_json_stays_json(self):
        p = self.follow("--json")
        self.assertIsInstance(json.loads(p.stdout.readline()), str)
        self.write(entry("new\n"), "end\n")
        self.assertIsInstance(json.loads(p.communicate(timeout=DEADLINE)[0]), str)

    def test_tail_and_grep(self):
        self.write(*[entry(f"{i} of history\n") for i in range(5)])
        p = self.popen("logs", "-f", "--tail", "2", "--grep", "[4-9] of", "box")
        self.assertEqual(p.stdout.readline(), b"4 of history\n")
        self.write(*[entry(f"{i} of news\n") for i in range(2, 6)], "end\n")
        self.assertEqual(p.communicate(timeout=DEADLINE)[0], b"4 of news\n5 of news\n")
        self.assertIn("follow=1", self.opened())

    def test_missed_rotation_is_told(self):
        self.write(entry("seen\n"), "missed 10485760\n")
        p = self.msb("logs", "-f", "box")
        self.assertEqual((p.returncode, p.stdout), (0, "seen\n"))
        self.assertEqual(p.stderr, "warn: log follower fell behind: missed rotation at offset "
                                   "10485760. restart `msb logs -f` to resume.\n")

    def test_reader_that_goes_away(self):
        p = self.follow()
        p.stdout.readline()
        p.stdout.close()  # nothing is written any more, and it ends all the same
        self.assertEqual(p.wait(DEADLINE), 0)
        self.assertEqual(p.stderr.read(), b"")
        self.write(*[entry("x" * 1000)] * 2000)
        p = self.popen("logs", "box")
        p.stdout.read(10)
        p.stdout.close()
        self.assertEqual(p.wait(DEADLINE), 0)
        self.assertEqual(p.stderr.read(), b"")

    def test_interrupt(self):
        p = self.follow()
        p.stdout.readline()
        p.send_signal(signal.SIGINT)
        self.assertEqual(p.wait(DEADLINE), -signal.SIGINT)
        self.assertEqual(p.stderr.read(), b"")

    def test_output_that_does_not_want_to_wait(self):
        reading, writing = os.pipe()
        self.addCleanup(os.close, reading)
        self.write(*[entry("y" * 1000)] * 1000, "end\n")
        os.set_blocking(writing, False)
        p = self.popen("logs", "-f", "box", stdout=writing)
        os.close(writing)
        got = b""
        while chunk := os.read(reading, 65536):
            got += chunk
        self.assertEqual(got, b"y" * 10**6)
        self.assertEqual(p.wait(DEADLINE), 0)


if __name__ == "__main__":
    unittest.main()
