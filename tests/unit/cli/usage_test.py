# SPDX-License-Identifier: Apache-2.0
"""Help texts, and what msb says to arguments that make no sense."""
import os
import unittest

from fakecli import DATA, Base

COMMANDS = ["run", "create", "start", "stop", "restart", "exec", "attach", "list", "ping", "touch", "status",
            "inspect", "remove", "copy", "volume", "snapshot", "pull", "load", "save", "image", "registry",
            "net", "doctor", "help"]


class Help(Base):
    def check(self, name, text):
        path = DATA / "help" / name
        if os.environ.get("MSB_WRITE_GOLDEN"):
            path.write_text(text)
        self.assertEqual(text, path.read_text(), f"differs from {name}")

    def test_help_of_every_command(self):
        self.check("msb.txt", self.ok("--help"))
        self.check("tree.txt", self.ok("--tree"))
        for command in COMMANDS:
            text = self.ok(command, "--help")
            self.check(command + ".txt", text)
            self.assertEqual(text, self.ok("help", command))
            self.assertNotIn("\033", text)
        self.check("net-explain.txt", self.ok("net", "explain", "--help"))

    def test_tree_works_where_arguments_are_missing(self):
        text = self.ok("run", "--tree")
        self.assertTrue(text.startswith("run\n├── [IMAGE]"), text)
        self.assertIn("--memory <SIZE>", text)
        self.assertIn("-p, --port <[BIND:]HOST:GUEST[/udp]>", text)
        self.assertNotIn("--security", text)
        self.assertTrue(self.ok("--tree", "ls").startswith("list\n"))

    def test_version(self):
        self.assertRegex(self.ok("--version"), r"^msb \d+\.\d+\.\d+\n$")
        self.assertEqual(self.ok("-V"), self.ok("--version"))

    def test_colours_only_where_wanted(self):
        self.assertIn("\033[1;33m", self.ok("--help", env=self.env(CLICOLOR_FORCE="1")))
        self.assertNotIn("\033", self.ok("--help", env=self.env(CLICOLOR_FORCE="1",
                                                               NO_COLOR="1")))

    def test_no_command_is_help_on_stderr(self):
        p = self.msb()
        self.assertEqual((p.returncode, p.stdout), (2, ""))
        self.assertIn("Commands:", p.stderr)


class Usage(Base):
    def expect(self, code, text, *args, **env):
        p = self.msb(*args, env=self.env(**env))
        self.assertEqual(p.returncode, code, p.stderr)
        self.assertIn(text, p.stderr)
        self.assertEqual(p.stdout, "")
        self.assertEqual(p.stderr.count("error:"), 1)
        self.assertFalse(any(c.startswith("create") for c in self.calls()))

    def test_wrong_usage_is_2(self):
        self.expect(2, "unexpected argument 'echo'", "run", "./rootfs", "echo")
        self.expect(2, "unknown option '--no-such'", "run", "--no-such", "./rootfs")
        self.expect(2, "<IMAGE> is missing", "run")
        self.expect(2, "<IMAGE> is missing", "create")
        self.expect(2, "cannot be used with an image", "run", "--snapshot", "x", "./rootfs")
        self.expect(2, "--from <SANDBOX> is missing", "snapshot", "create", "x")
        self.expect(2, "'256'", "run", "-c", "256", "./rootfs")
        self.expect(2, "yaml", "ls", "--format", "yaml")
        self.expect(2, "vmware", "run", "--engine", "vmware", "./rootfs")
        self.expect(2, "cannot be used with", "--debug", "ls", "--trace")
        self.expect(2, "'--timeout' cannot be used with '--detach'", "run", "-d", "--timeout",
                    "5s", "./rootfs")
        self.expect(2, "'--all' cannot be used with a name", "ps", "-a", "box")
        self.expect(2, "'--no-tty' cannot be used with '--tty'", "run", "-t", "--no-tty",
                    "./rootfs")
        self.expect(2, "unknown command 'frob'", "help", "frob")

    def test_wrong_values_are_failures_of_msb(self):
        for code, command in ((125, "run"), (1, "create")):
            self.expect(code, "invalid size", command, "-m", "12X", "./rootfs")
            self.expect(code, "invalid pull policy: maybe", command, "--pull", "maybe", "alpine")
            self.expect(code, "invalid size", command, "--oci-upper-size", "big", "alpine")
            self.expect(code, "--mount-dir takes a directory", command, "--mount-dir",
                        "/etc/passwd:/d", "./rootfs")
            self.expect(code, "takes the name of a volume", command, "--mount-named",
                        "./d:/d", "./rootfs")
            self.expect(code, "script name 'a' specified more than once", command, "--script",
                        "a=x", "--script-raw", "a=y", "./rootfs")
            self.expect(code, "failed to read script file 'none': No such file", command,
                        "--script-path", "a:none", "./rootfs")
            self.expect(code, "rootfs bind path does not exist", command, "./missing")
            self.expect(code, "guest path must be absolute", command, "-v", "/etc:x", "./rootfs")
            self.expect(code, "rlimit", command, "--rlimit", "x", "./rootfs")
        self.expect(125, "--timeout", "exec", "--timeout", "0", "box")
        self.expect(125, "detach key", "attach", "--detach-keys", "ctrl-ab", "box")

    def test_the_first_failure_in_the_documented_order_is_reported(self):
        self.expect(125, "invalid size", "run", "--log-level", "x", "-m", "x", "./rootfs")
        self.expect(125, "--shell", "run", "-v", "x", "--shell", "a b", "./rootfs")

    def test_what_comes_later_is_refused_by_name(self):
        for flag in (["--security", "x"], ["--root-disk", "x"]):
            name = flag[0]
            self.expect(125, f"{name} is not available yet", "run", *flag, "./rootfs")
            self.expect(1, f"{name} is not available yet", "create", *flag, "./rootfs")
        for command in ("logs", "self", "ssh"):
            self.expect(1, "is not available yet", command, "anything", "--at-all")

    def test_unknown_names(self):
        self.expect(125, "sandbox not found: nobody", "exec", "nobody", "--", "true")
        for command in ("start", "stop", "restart", "rm", "inspect", "ps"):
            self.expect(1, "sandbox not found: nobody", command, "nobody")

    def test_boot_failure_has_a_hint(self):
        p = self.msb("run", "-n", "box", "./rootfs", env=self.env(FAKE_BOOT_ERROR="1"))
        self.assertEqual(p.returncode, 125)
        self.assertEqual(p.stderr.splitlines(), [
            'error: failed to start "box"', "  → mount: no such directory",
            "  → the host path of a mount does not exist"])

    def test_exec_failures(self):
        for kind, code, label in (("not_found", 127, "not found"),
                                  ("permission_denied", 126, "permission denied"),
                                  ("not_executable", 126, "not executable"),
                                  ("bad_cwd", 125, "bad cwd"), ("weird", 125, "exec")):
            p = self.msb("run", "./rootfs", "--", "prog", env=self.env(FAKE_EXEC_KIND=kind))
            self.assertEqual(p.returncode, code)
            lines = p.stderr.splitlines()
            self.assertEqual(lines[0], 'error: failed to exec "prog"')
            self.assertTrue(lines[1].startswith(f"  → {label}: No such file or directory ("))
        p = self.msb("run", "-w", "/none", "./rootfs", "--", "x",
                     env=self.env(FAKE_EXEC_KIND="bad_cwd"))
        self.assertEqual(p.returncode, 125)
        self.assertIn("invalid config: workdir does not exist in guest: /none: ", p.stderr)


if __name__ == "__main__":
    unittest.main()
