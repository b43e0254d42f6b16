# SPDX-License-Identifier: Apache-2.0
"""Completion of command lines: what msb answers, and what real shells make of it."""
import os
import pathlib
import subprocess
import time
import unittest

from fakecli import DEADLINE, MSB, Base


class Answers(Base):
    def answer(self, *words, env=None):
        lines = self.ok("__complete", "--", *words, env=env).splitlines()
        return lines[0], [line.split("\t")[0] for line in lines[1:]]

    def values(self, *words):
        head, values = self.answer(*words)
        self.assertEqual(head, "none 0")
        return values

    def boxes(self):
        self.ok("create", "-n", "alpha", "./rootfs")
        self.ok("create", "-n", "box", "./rootfs")
        self.ok("stop", "box")

    def test_commands(self):
        self.assertEqual(self.values("rest"), ["restart"])
        self.assertEqual(self.values("vol"), ["volume", "vol"])
        self.assertEqual(self.values("volume", ""),
                         ["create", "list", "inspect", "remove", "prune"])
        self.assertEqual(self.values("volume", "r"), ["remove", "rm"])
        self.assertEqual(self.values("--debug", "vol", "pru"), ["prune"])
        self.assertEqual(self.values("no-such-thing"), [])
        self.assertEqual(self.values("no-such-thing", "vol"), [])
        self.assertIn("run", self.values())
        every = self.values("")
        for name in ("rmi", "images", "__complete", "ls"):
            self.assertNotIn(name, every)

    def test_commands_of_help(self):
        self.assertEqual(self.values("help", "volume", "cre"), ["create"])
        self.assertEqual(self.values("--debug", "help", "--man", "snap"), ["snapshot", "snap"])
        self.assertEqual(self.values("help", "run", ""), [])

    def test_options(self):
        self.assertEqual(self.values("ls", "--run"), ["--running"])
        self.assertIn("--debug", self.values("ls", "--"))
        self.assertEqual(self.values("run", "--mem"), ["--memory"])
        for hidden in ("--replace-with-grace", "--snapshot"):
            self.assertNotIn(hidden, self.values("run", "--"))

    def test_options_that_would_be_refused_are_left_out(self):
        self.assertNotIn("--memory", self.values("run", "-m", "1G", "--"))
        self.assertNotIn("--memory", self.values("run", "--memory=1G", "--"))
        self.assertNotIn("--detach", self.values("run", "-dq", "--"))
        self.assertNotIn("--no-tty", self.values("run", "-t", "--"))
        self.assertIn("--env", self.values("run", "--env", "A", "--"))
        self.assertIn("--memory", self.values("run", "--name", "--memory", "--"))
        self.assertNotIn("--trace", self.values("ls", "--debug", "--"))

    def test_letters(self):
        self.assertEqual(self.values("run", "-m"), ["-m"])
        self.assertEqual(self.values("run", "-dm"), ["-dm"])
        self.assertEqual(self.values("run", "-dX"), [])

    def test_choices(self):
        self.assertEqual(self.values("ls", "--format", ""), ["json"])
        self.assertEqual(self.values("run", "--engine=k"), ["--engine=kvm"])
        self.assertEqual(self.values("run", "--pull", "n"), ["never"])
        self.assertEqual(self.values("run", "--net", "pub"), ["public"])
        self.assertEqual(self.values("run", "--net=public,h"), ["--net=public,host"])
        self.assertEqual(self.values("run", "--pull", "never,a"), [])
        self.assertEqual(self.values("run", "--debug=x"), [])
        self.assertEqual(self.values("run", "--no-such=x"), [])

    def test_names_of_sandboxes(self):
        self.boxes()
        self.assertEqual(self.values("exec", ""), ["alpha", "box"])
        self.assertEqual(self.values("exec", "al"), ["alpha"])
        self.assertEqual(self.values("start", ""), ["box"])
        self.assertEqual(self.values("stop", ""), ["alpha"])
        self.assertEqual(self.values("rm", "alpha", "b"), ["box"])
        self.assertEqual(self.values("net", "explain", "--sandbox=a"), ["--sandbox=alpha"])
        self.assertEqual(self.values("inspect", "x", "a"), [])

    def test_names_of_images_volumes_and_snapshots(self):
        (self.base / "home").mkdir()
        self.assertEqual(self.values("volume", "rm", ""), ["data", "disk", "plain"])
        self.assertEqual(self.values("run", "-v", "d"), ["data:", "disk:"])
        self.assertEqual(self.values("run", "-vda"), ["-vdata:"])
        images = self.ok("images", "-q").splitlines()
        self.assertTrue(images)
        self.assertEqual(self.values("run", ""), images)
        self.assertEqual(self.values("rmi", images[0][:3]),
                         [i for i in images if i.startswith(images[0][:3])])

    def test_paths(self):
        for words, head in ((["run", "./r"], "files 0"), (["run", "-v", "./"], "files 0"),
                            (["run", "-v./"], "files 2"), (["run", "--volume=~/"], "files 9"),
                            (["run", "--mount-dir", ""], "dirs 0"),
                            (["run", "--script-path", "x:/e"], "files 2"),
                            (["run", "--secret-file", "A=b"], "files 2"),
                            (["run", "--secret-file", "A"], "none 0"),
                            (["run", "--script-path", "ü:/e"], "none 0"),
                            (["load", "--input="], "files 8"),
                            (["run", "-w", "/"], "none 0"), (["run", "/x", "/"], "none 0")):
            self.assertEqual(self.answer(*words), (head, []), words)

    def test_labels_and_installed_commands(self):
        self.ok("create", "-n", "alpha", "./rootfs", "-l", "team=x", "-l", "tier=y")
        self.ok("create", "-n", "box", "./rootfs", "-l", "team=x")
        self.assertEqual(self.values("ls", "--label", ""), ["team=x", "tier=y"])
        self.assertEqual(self.values("ls", "--label=ti"), ["--label=tier=y"])
        self.ok("install", "--no-pull", "-n", "tool", "./rootfs")
        (self.base / "home/bin/other").write_text("#!/bin/sh\n")
        self.assertEqual(self.values("uninstall", ""), ["tool"])

    def test_ends_of_copies(self):
        self.boxes()
        self.assertEqual(self.answer("cp", ""), ("files 0", ["alpha:/", "box:/"]))
        self.assertEqual(self.answer("cp", "./x", "b"), ("files 0", ["box:/"]))
        self.assertEqual(self.answer("cp", "box:/"), ("none 0", ["box:/"]))
        self.assertEqual(self.answer("cp", "box:/etc"), ("none 0", []))

    def test_variables(self):
        env = self.env(FAKE_ONE="1", FAKE_TWO="2")
        self.assertEqual(self.answer("run", "-e", "FAKE_", env=env),
                         ("none 0", ["FAKE_ONE", "FAKE_TWO"]))
        self.assertEqual(self.answer("run", "--secret=FAKE_O", env=env),
                         ("none 0", ["--secret=FAKE_ONE@"]))
        self.assertEqual(self.answer("run", "-e", "FAKE_ONE=", env=env), ("none 0", []))

    def test_the_words_of_the_guest_are_left_alone(self):
        self.boxes()
        self.assertEqual(self.values("exec", "box", "--", "a"), [])
        self.assertEqual(self.values("exec", "box", ""), ["--"])
        self.assertIn("--", self.values("exec", "box", "-"))
        self.assertEqual(self.values("exec", "--", "--"), [])

    def test_descriptions_are_one_line(self):
        for line in self.ok("__complete", "--", "run", "--").splitlines()[1:]:
            text, help_text = line.split("\t")
            self.assertTrue(help_text)
            self.assertLessEqual(len(help_text), 72)

    def test_what_a_shell_would_run_is_never_offered(self):
        env = self.env(**{"FAKE_$(x)": "1", "FAKE_ü": "1", "FAKE_OK": "1"})
        self.assertEqual(self.answer("run", "-e", "FAKE_", env=env), ("none 0", ["FAKE_OK"]))

    def test_no_home_is_made_and_no_error_shown(self):
        p = self.msb("__complete", "--", "exec", "")
        self.assertEqual((p.returncode, p.stdout, p.stderr), (0, "none 0\n", ""))
        self.assertFalse((self.base / "home").exists())


class Tmux:
    """A shell on a terminal of its own."""

    def __init__(self, case, *command):
        self.socket = case.base / "tmux"
        self.env = case.env(HOME=str(case.base), PS1="$ ", ZDOTDIR=str(case.base),
                            XDG_CONFIG_HOME=str(case.base / "config"), LC_ALL="C.UTF-8",
                            HISTFILE="/dev/null", fish_history="",  # nothing at their end
                            PATH=f"{case.base}/bin:{os.environ['PATH']}")
        self.env.pop("TMUX", None)
        case.addCleanup(self.tmux, "kill-server")
        self.tmux("-f", "/dev/null", "new-session", "-d", "-x", "100", "-y", "40",
                  "-c", str(case.base), *command)

    def tmux(self, *args):
        return subprocess.run(["tmux", "-S", str(self.socket), *args], env=self.env,
                              stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=DEADLINE).stdout

    def keys(self, *keys):
        self.tmux("send-keys", *keys)

    def type(self, text):
        self.tmux("send-keys", "-l", text)

    def wait(self, done):
        end = time.monotonic() + DEADLINE
        while not done(screen := self.tmux("capture-pane", "-p", "-N")):
            if time.monotonic() > end:
                raise AssertionError(f"not what was waited for:\n{screen.rstrip()}")
            time.sleep(0.05)

    def expect(self, *wanted):
        self.wait(lambda screen: all(w in screen for w in wanted))

    def complete(self, text, *wanted):
        """Type text and a tab, wait for what is wanted, and drop the line."""
        self.type(text)
        self.keys("Tab")
        self.expect(*wanted)
        self.keys("C-u", "C-l")
        self.wait(lambda screen: text not in screen)


class Shells(Base):
    def setUp(self):
        super().setUp()
        (self.base / "bin").mkdir()
        (self.base / "bin/msb").symlink_to(MSB)
        (self.base / "bin/microsandbox").symlink_to(MSB)
        (self.base / "some directory").mkdir()
        (self.base / "some directory/file").touch()
        (self.base / "plain.tar").touch()
        for name in ("alpha", "box"):
            self.ok("create", "-n", name, "./rootfs")
        self.ok("stop", "box")

    def script(self, shell):
        path = self.base / ("script." + shell)
        path.write_text(self.ok("completion", shell))
        return path

    def check(self, t):
        t.complete("msb rest", "msb restart ")
        t.complete("msb volume in", "msb volume inspect ")
        t.complete("msb exec al", "msb exec alpha ")
        t.complete("msb start ", "msb start box ")
        t.complete("msb run --engine=kv", "msb run --engine=kvm ")
        t.complete("msb run --net public,ho", "msb run --net public,host ")
        t.complete("msb run -v dat", "msb run -v data:")
        t.complete("msb load -i plai", "msb load -i plain.tar ")
        t.complete("msb load --input=plai", "msb load --input=plain.tar ")
        t.complete("msb run --script-path x:pla", "x:plain.tar ")
        t.complete("msb load -i ./some", "some\\ directory/")
        t.complete("msb cp alp", "msb cp alpha:/")
        t.complete("msb cp ./plai", "msb cp ./plain.tar ")
        t.complete("msb ls --runn", "msb ls --running ")
        t.complete("microsandbox exec al", "microsandbox exec alpha ")

    def test_bash(self):
        t = Tmux(self, "bash", "--norc", "--noprofile", "-i")
        t.expect("$ ")
        t.type(f"bind 'set show-all-if-ambiguous on'; source {self.script('bash')}; PS1='% '")
        t.keys("Enter")
        t.expect("% ")
        self.check(t)
        t.complete("msb ps -", "--all", "--format", "--quiet")
        # a name with a break character, and the cursor within the line
        t.complete("msb cp x:/a box", "msb cp x:/a box:/")
        t.type("msb volume ins data")
        t.keys(*["Left"] * 5, "Tab")
        t.expect("msb volume inspect data")

    def test_bash_loads_it_when_it_is_needed(self):
        folder = self.base / "share/bash-completion/completions"
        folder.mkdir(parents=True)
        (folder / "msb").write_text(self.ok("completion", "bash"))
        (folder / "microsandbox").symlink_to("msb")
        t = Tmux(self, "bash", "--norc", "--noprofile", "-i")
        t.expect("$ ")
        t.type(f"XDG_DATA_HOME={self.base}/share; . /usr/share/bash-completion/bash_completion; "
               "PS1='% '")
        t.keys("Enter")
        t.expect("% ")
        self.check(t)

    def test_zsh(self):
        script = self.script("zsh")
        (self.base / ".zshrc").write_text(
            f"autoload -U compinit; compinit -u -D\nsource {script}\nPS1='%# '; PROMPT='> '\n")
        t = Tmux(self, "zsh", "-i")
        t.expect("> ")
        self.check(t)
        t.complete("msb ps --", "--all", "All sandboxes, not just running ones")

    def test_zsh_loads_it_from_its_path(self):
        (self.base / "functions").mkdir()
        (self.base / "functions/_msb").write_text(self.ok("completion", "zsh"))
        (self.base / ".zshrc").write_text(
            f"fpath=({self.base}/functions $fpath)\nautoload -U compinit; compinit -u -D\n"
            "PROMPT='> '\n")
        t = Tmux(self, "zsh", "-i")
        t.expect("> ")
        t.complete("msb exec al", "msb exec alpha ")

    def test_fish(self):
        config = self.base / "config/fish"
        (config / "completions").mkdir(parents=True)
        (config / "completions/msb.fish").write_text(self.ok("completion", "fish"))
        (config / "config.fish").write_text(
            "set fish_greeting\nfunction fish_prompt; echo '> '; end\nset -g fish_autosuggestion_enabled 0\n")
        t = Tmux(self, "fish", "-i")
        t.expect("> ")
        self.check(t)
        t.complete("msb ps --", "--all", "All sandboxes, not just running ones")

    def test_the_installed_files_are_the_printed_ones(self):
        folder = pathlib.Path(__file__).resolve().parents[3] / "src/cli/completion"
        for shell, name in (("bash", "msb.bash"), ("zsh", "_msb"), ("fish", "msb.fish")):
            self.assertEqual(self.ok("completion", shell), (folder / name).read_text())


if __name__ == "__main__":
    unittest.main()
