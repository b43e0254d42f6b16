# SPDX-License-Identifier: Apache-2.0
"""What commands print on terminals of some size, and that it is the plain thing elsewhere."""
import os
import pathlib
import pty
import re
import subprocess
import sys
import tempfile
import unicodedata
import unittest

from fakecli import DATA, DEADLINE, MSB, Base, Terminal
from completion_test import Tmux

LISTS = (("ls",), ("ps", "-a"), ("images",), ("volume", "ls"), ("snapshot", "ls"))
JSON = (("ls",), ("ps", "-a"), ("images",), ("volume", "ls"), ("snapshot", "ls"),
        ("inspect", "alpha"), ("volume", "inspect", "data"))


def plain(text):
    return re.sub(r"\033\[[0-9;?]*[A-Za-z]", "", text).replace("\r\n", "\n")


class Listings(Base):
    def setUp(self):
        super().setUp()
        for name in ("alpha", "box"):
            self.ok("create", "-n", name, "./rootfs", "-p", "8080:80", "--entrypoint",
                    "/usr/bin/some-program-with-a-long-name")
        self.ok("stop", "box")

    def on_terminal(self, *args, cols, **env):
        t = Terminal(self, *args, cols=cols, **env)
        self.assertEqual(t.wait(), 0)
        return t.text

    def test_tables_fit_the_window(self):
        for args in LISTS:
            whole = self.ok(*args)
            widest = max(len(line) for line in whole.splitlines())
            for cols in (60, 80, 200):
                text = plain(self.on_terminal(*args, cols=cols))
                lines = text.splitlines()
                self.assertLessEqual(max(len(line.rstrip()) for line in lines), cols, (args, text))
                self.assertEqual(len(lines), len(whole.splitlines()))
                if widest <= cols:
                    self.assertEqual(text, whole)

    def test_nothing_is_cut_where_no_terminal_is(self):
        for args in LISTS:
            text = self.ok(*args, env=self.env(COLUMNS="20"))
            self.assertNotIn("…", text)
            self.assertNotIn("\033", text)

    def test_columns_stay_in_line(self):
        text = plain(self.on_terminal("ls", cols=50))
        header, *rows = text.splitlines()
        for name in ("IMAGE", "STATUS", "CREATED"):
            at = header.index(name)
            for row in rows:
                self.assertEqual(row[at - 2:at], "  ", text)
                self.assertNotEqual(row[at], " ", text)

    def test_colours(self):
        self.assertIn("\033[1;36mNAME\033[0m", self.on_terminal("ls", cols=80))
        for env in ({"NO_COLOR": "1"}, {"CLICOLOR": "0"}, {"NO_COLOR": "1", "CLICOLOR_FORCE": "1"},
                    {"TERM": "dumb"}):
            self.assertNotIn("\033", self.on_terminal("ls", cols=80, **env), env)
        self.assertIn("\033[1;36mNAME", self.ok("ls", env=self.env(CLICOLOR_FORCE="1")))
        self.assertNotIn("\033", self.ok("ls", env=self.env(CLICOLOR_FORCE="0")))
        p = self.msb("inspect", "nobody", env=self.env(CLICOLOR_FORCE="1"))
        self.assertTrue(p.stderr.startswith("\033[1;31merror:\033[0m "), p.stderr)

    def test_stdout_is_the_same_whatever_stderr_is(self):
        """Data alone is on stdout; what moves is on the terminal that stderr is."""
        commands = [*LISTS, *[(*args, "--format", "json") for args in JSON], ("inspect", "alpha"),
                    ("run", "./rootfs", "--", "echo", "x"), ("exec", "alpha", "--", "echo", "x"),
                    ("create", "-n", "new", "./rootfs"), ("stop", "new"), ("start", "new"),
                    ("rm", "-f", "new"), ("pull", "alpine"), ("volume", "create", "fresh"),
                    ("run", "-d", "-n", "other", "./rootfs"), ("rm", "-f", "other")]
        for args in commands:
            with self.subTest(args):
                master, slave = pty.openpty()
                try:
                    on_pty = subprocess.run([MSB, *args], stdin=subprocess.DEVNULL, stderr=slave,
                                            stdout=subprocess.PIPE, cwd=self.base, text=True,
                                            env=self.env(), timeout=DEADLINE)
                finally:
                    os.close(slave)
                    os.close(master)
                self.assertEqual(on_pty.returncode, 0)
                self.assertNotIn("\033", on_pty.stdout)
                self.assertNotIn("✓", on_pty.stdout)
                if args in LISTS or "--format" in args:
                    self.assertEqual(on_pty.stdout, self.ok(*args))

    def test_nothing_moves_where_no_terminal_is(self):
        for args in (("pull", "alpine"), ("run", "./rootfs", "--", "true"),
                     ("create", "-n", "new", "./rootfs"), ("stop", "new"), ("rm", "new")):
            p = self.msb(*args)
            self.assertEqual(p.returncode, 0)
            self.assertNotRegex(p.stderr, "[\r\033⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏█]")

    def test_json_and_tables_are_as_they_were(self):
        """MSB_WRITE_GOLDEN=1 writes tests/data/cli/{json,table} anew."""
        for folder, extra in (("table", ()), ("json", ("--format", "json"))):
            for args in LISTS if folder == "table" else JSON:
                text = self.ok(*args, *extra)
                text = text.replace(str(self.base), "BASE")
                text = re.sub(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d", "2026-01-02 03:04:05", text)
                path = DATA / folder / ("-".join(args).replace("--", "-") + ".txt")
                if os.environ.get("MSB_WRITE_GOLDEN"):
                    path.parent.mkdir(exist_ok=True)
                    path.write_text(text)
                with self.subTest(path.name):
                    self.assertEqual(text, path.read_text())

    def test_a_real_terminal_agrees_on_widths(self):
        """Columns behind CJK, accents and emoji stand where tmux puts them."""
        t = Tmux(self, "bash", "--norc", "--noprofile", "-i")
        t.expect("$ ")
        names = ("日本語", "e\u0301e\u0301", "ÄÖ", "한국", "ｱｲｳ", "🚀🚀")
        for i, name in enumerate(names):
            (self.base / name).mkdir()
            self.ok("create", "-n", "zeta", "--replace", f"./{name}")
            t.keys("C-l")
            t.type(f"{MSB} ls; echo e''nd{i}")
            t.keys("Enter")
            t.expect(f"\nend{i}")
            screen = t.tmux("capture-pane", "-p", "-N")
            rows = [line for line in screen.splitlines() if line.startswith(("zeta", "alpha"))]
            ends = [self.columns(row[:row.index("running")]) for row in rows]
            self.assertEqual(len(rows), 2, screen)
            self.assertEqual(len(set(ends)), 1, screen)

    @staticmethod
    def columns(text):
        return sum(0 if unicodedata.combining(c) else
                   2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


class Widths(unittest.TestCase):
    def test_the_table_is_what_its_script_makes(self):
        root = pathlib.Path(__file__).resolve().parents[3]
        committed = (root / "src/cli/widths.h").read_text()
        with tempfile.NamedTemporaryFile() as f:
            subprocess.run([sys.executable, root / "scripts/make-widths.py", f.name], check=True)
            made = pathlib.Path(f.name).read_text()
        version = re.search(r"from Unicode ([0-9.]+)", committed)[1]
        if version == unicodedata.unidata_version:
            self.assertEqual(committed.split(), made.split())
        # what was a wide character once stays one
        wide = re.findall(r"0x[0-9a-f]+", committed.split("double_width")[1])
        for first, last in zip(wide[::2], wide[1::2]):
            for code in (int(first, 16), int(last, 16)):
                if unicodedata.category(chr(code)) != "Cn":
                    self.assertIn(unicodedata.east_asian_width(chr(code)), "WF", hex(code))


if __name__ == "__main__":
    unittest.main()
