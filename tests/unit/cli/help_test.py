# SPDX-License-Identifier: Apache-2.0
"""Help, tree and manual pages of every command there is.

MSB_WRITE_GOLDEN=1 writes tests/data/cli/help anew.
"""
import os
import re
import subprocess
import unittest

from fakecli import DATA, DEADLINE, Base, Terminal


class Help(Base):
    def sub(self, *path):
        """Names of the commands below one, as completion tells them."""
        lines = self.ok("__complete", "--", *path, "").splitlines()[1:]
        return [word for word in (line.split("\t")[0] for line in lines)
                if re.fullmatch(r"[a-z]+", word)]

    def commands(self):
        for name in self.sub():
            yield (name,)
            below = self.sub(name) if self.has_commands(name) else []
            for inner in below:
                yield (name, inner)

    def has_commands(self, *path):
        return "<COMMAND>" in self.ok(*path, "--help").split("\n\n")[1]

    def golden(self, name, text):
        path = DATA / "help" / name
        if os.environ.get("MSB_WRITE_GOLDEN"):
            path.write_text(text)
        self.assertTrue(path.exists(), f"no {name}: see the top of this file")
        self.assertEqual(text, path.read_text(), f"differs from {name}")
        return name

    def test_help_of_every_command(self):
        there = {self.golden("msb.txt", self.ok("--help")),
                 self.golden("tree.txt", self.ok("--tree"))}
        for path in self.commands():
            with self.subTest(path):
                text = self.ok(*path, "--help")
                there.add("-".join(path) + ".txt")
                self.golden("-".join(path) + ".txt", text)
                self.assertEqual(text, self.ok("help", *path))
                self.assertNotIn("\033", text)
        for path in (DATA / "help").iterdir():
            if path.name not in there and os.environ.get("MSB_WRITE_GOLDEN"):
                path.unlink()
        self.assertEqual(there, {path.name for path in (DATA / "help").iterdir()})

    def test_every_command_stands_below_a_heading(self):
        blocks = self.ok("--help").split("\n\n")
        self.assertNotIn("Commands", [block.split(":")[0] for block in blocks])
        names = [line.split()[0].rstrip(",") for block in blocks[2:-1]
                 for line in block.splitlines()[1:]]
        self.assertEqual(sorted(names), sorted(self.sub()))

    def test_help_fits_the_window(self):
        for cols in (60, 80, 120):
            for command in ("run", "modify", "copy", "completion"):
                t = Terminal(self, command, "--help", cols=cols)
                self.assertEqual(t.wait(), 0)
                plain = re.sub(r"\033\[[0-9;]*m", "", t.text)
                widths = [len(line) for line in plain.splitlines()]
                self.assertLessEqual(max(widths), cols)
                if command == "run":
                    self.assertGreater(max(widths), cols - 16)
                self.assertEqual(plain.split(), self.ok(command, "--help").split())

    def test_examples_in_help_keep_their_lines(self):
        t = Terminal(self, "completion", "bash", "--help", cols=60)
        self.assertEqual(t.wait(), 0)
        text = re.sub(r"\033\[[0-9;]*m", "", t.text).replace("\r\n", "\n")
        self.assertIn("In ~/.bashrc:\n\n    source <(msb completion bash)\n\n"
                      "or, loaded when it is needed, as the file\n", text)

    def test_unknown_commands(self):
        for words, message, hint in (
                (["hepl"], "unknown command 'hepl'", "'help'"),
                (["help", "frob"], "unknown command 'frob'", None),
                (["help", "volum"], "unknown command 'volum'", "'volume'"),
                (["volumes", "ls"], "unknown command 'volumes'", "'volume'"),
                (["volume", "lst"], "unknown command 'lst'", "'list'"),
                (["help", "volume", "creat"], "unknown command 'creat'", "'create'"),
                (["help", "run", "x"], "unknown command 'x'", None),
                (["rmo", "x"], "unknown command 'rmo'", "'rm'")):
            p = self.msb(*words)
            self.assertEqual((p.returncode, p.stdout), (2, ""), words)
            self.assertIn(message, p.stderr)
            if hint:
                self.assertIn(f"did you mean {hint}?", p.stderr)
            else:
                self.assertNotIn("did you mean", p.stderr)

    def test_tree_works_where_arguments_are_missing(self):
        text = self.ok("run", "--tree")
        self.assertTrue(text.startswith("run\n├── [IMAGE]"), text)
        self.assertIn("--memory <SIZE>", text)
        self.assertIn("-p, --port <[BIND:]HOST:GUEST[/udp]>", text)
        self.assertNotIn("--replace-with-grace", text)
        self.assertTrue(self.ok("--tree", "ls").startswith("list\n"))
        self.assertTrue(self.ok("vol", "rm", "--tree").startswith("remove\n"))

    def test_tree_is_complete(self):
        tree = self.ok("--tree")
        for path in self.commands():
            text = self.ok(*path, "--help").split("\nOptions of every command:")[0]
            for option in re.findall(r"^ +(?:-\w, )?(--[a-z0-9-]+)", text, re.M):
                self.assertIn(option, tree)
        self.assertIn("│   ├── list (aliases: ls) ", tree)
        self.assertIn("│   │   ├── --size <SIZE> ", tree)

    def test_version(self):
        self.assertRegex(self.ok("--version"), r"^msb \d+\.\d+\.\d+\n$")
        self.assertEqual(self.ok("-V"), self.ok("--version"))

    def test_colours_only_where_wanted(self):
        self.assertIn("\033[1;33m", self.ok("--help", env=self.env(CLICOLOR_FORCE="1")))
        self.assertNotIn("\033", self.ok("--help", env=self.env(CLICOLOR_FORCE="1",
                                                               NO_COLOR="1")))
        for env, wanted in (({}, True), ({"NO_COLOR": "1"}, False), ({"NO_COLOR": ""}, True),
                            ({"CLICOLOR": "0"}, False), ({"CLICOLOR": "1"}, True)):
            t = Terminal(self, "--help", **env)
            self.assertEqual(t.wait(), 0)
            self.assertEqual("\033[" in t.text, wanted, env)

    def test_no_command_is_help_on_stderr(self):
        for args in ((), ("volume",)):
            p = self.msb(*args)
            self.assertEqual((p.returncode, p.stdout), (2, ""))
            self.assertIn("Usage: " + " ".join(("msb", *args)), p.stderr)


class Manual(Base):
    def pages(self):
        self.ok("help", "--man-dir", "man1", env=self.env(SOURCE_DATE_EPOCH="86400"))
        return self.base / "man1"

    def test_pages_are_correct(self):
        pages = sorted(self.pages().iterdir())
        self.assertIn(self.base / "man1/msb-volume-create.1", pages)
        self.assertNotIn(self.base / "man1/msb-rmi.1", pages)
        own = [f"man1/{page.name}" for page in pages
               if not page.read_text().startswith(".so ")]
        p = subprocess.run(["mandoc", "-T", "lint", "-W", "warning", *own], cwd=self.base,
                           capture_output=True, text=True, timeout=DEADLINE)
        self.assertEqual((p.returncode, p.stdout), (0, ""))

    def test_pages_say_what_help_says(self):
        p = subprocess.run(["mandoc", "-T", "utf8", "-O", "width=200", self.pages() / "msb-run.1"],
                           capture_output=True, text=True, timeout=DEADLINE)
        text = re.sub(r".\x08", "", p.stdout)
        self.assertTrue(text.startswith("MSB-RUN(1)"), text[:100])
        self.assertIn("1970-01-02", text)
        self.assertIn("msb run [OPTIONS] [IMAGE] [-- COMMAND...]", text)
        options = re.findall(r"^ +(?:(-\w), )?(--[a-z0-9-]+)", self.ok("run", "--help"), re.M)
        self.assertGreater(len(options), 50)
        for letter, name in options:
            self.assertRegex(text, rf"(?m)^ +{letter + ', ' if letter else ''}{name}( |$)")
        for line in ("124", "125", "SEE ALSO", "msb(1)"):
            self.assertIn(line, text)

    def test_the_other_name_of_a_command_leads_to_its_page(self):
        self.assertEqual((self.pages() / "msb-ls.1").read_text(), ".so man1/msb-list.1\n")
        self.assertEqual((self.base / "man1/msb-volume-rm.1").read_text(),
                         ".so man1/msb-volume-remove.1\n")

    def test_one_page(self):
        env = self.env(SOURCE_DATE_EPOCH="86400")
        self.assertEqual(self.ok("help", "--man", "volume", "create", env=env),
                         (self.pages() / "msb-volume-create.1").read_text())
        self.assertIn(".SH ENVIRONMENT", self.ok("help", "--man"))

    def test_failures(self):
        p = self.msb("help", "--man-dir", "man1", "run")
        self.assertEqual(p.returncode, 2)
        self.assertIn("cannot be used with a command", p.stderr)
        p = self.msb("help", "--man-dir", "none/man1")
        self.assertEqual(p.returncode, 1)
        self.assertIn("none/man1: No such file or directory", p.stderr)
        (self.base / "full").mkdir()
        (self.base / "full/msb.1").symlink_to("/dev/full")
        p = self.msb("help", "--man-dir", "full")
        self.assertEqual(p.returncode, 1)
        self.assertIn("msb.1: No space left on device", p.stderr)


if __name__ == "__main__":
    unittest.main()
