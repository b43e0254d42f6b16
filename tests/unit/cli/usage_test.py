# SPDX-License-Identifier: Apache-2.0
"""What msb says to arguments that make no sense."""
import unittest

from fakecli import Base

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
        for command in ("ssh",):
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
