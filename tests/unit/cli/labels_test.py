# SPDX-License-Identifier: Apache-2.0
"""Labels: given to sandboxes, and sandboxes selected by them."""
import json
import unittest

from fakecli import Base


class Labels(Base):
    def setUp(self):
        super().setUp()
        self.ok("create", "-q", "-n", "zeta", "--label", "app=web", "-l", "env=prod", "./rootfs")
        self.ok("create", "-q", "-n", "alpha", "-l", "app=db", "-l", "env=prod", "./rootfs")
        self.ok("create", "-q", "-n", "box", "./rootfs")
        (self.base / "home/calls").unlink()

    def names(self, *args):
        return self.ok(*args, "-q").split()

    def status(self):
        return {s["name"]: s["status"] for s in json.loads(self.ok("ls", "--format", "json"))}

    def test_lists(self):
        self.assertEqual(self.names("ls", "-l", "env=prod"), ["zeta", "alpha"])
        self.assertEqual(self.names("ps", "-l", "env=prod"), ["alpha", "zeta"])
        self.assertEqual(self.names("ls", "-l", "app", "--label", "app=db"), ["alpha"])
        p = self.msb("ls", "-l", "app=none")
        self.assertEqual((p.returncode, p.stdout, p.stderr), (0, "", "No sandboxes found.\n"))
        self.assertEqual(self.ok("ls", "-l", "none", "--format", "json"), "[]\n")

    def test_inspect_shows_them(self):
        self.assertIn("\nLabels\n  app=web\n  env=prod\n", self.ok("inspect", "zeta"))
        self.assertNotIn("Labels", self.ok("inspect", "box"))

    def test_stop_start_restart_remove(self):
        p = self.msb("stop", "-l", "env=prod")
        self.assertEqual((p.returncode, p.stderr.count("Stopped")), (0, 2))
        self.assertEqual(self.status(), {"zeta": "Stopped", "alpha": "Stopped", "box": "Running"})
        # what is stopped already is not stopped once more
        p = self.msb("stop", "-l", "env=prod")
        self.assertEqual((p.returncode, p.stderr), (0, "No such sandboxes found.\n"))
        self.ok("start", "-q", "-l", "app=web")
        self.ok("start", "-q", "-l", "env")  # zeta runs: only alpha is started
        self.assertEqual([c for c in self.calls() if c.startswith("start")],
                         ["start zeta attached=0", "start alpha attached=0"])
        self.ok("restart", "-q", "-l", "app=db")
        self.assertEqual(self.calls()[-2:], ["stop alpha 10000", "start alpha attached=0"])
        p = self.msb("rm", "-l", "env=prod")
        self.assertEqual((p.returncode, p.stderr.count("still running")), (1, 4))
        self.ok("rm", "-f", "-l", "env=prod")
        self.assertEqual(self.status(), {"box": "Running"})

    def test_nothing_selected_is_no_failure(self):
        for command in ("start", "stop", "restart", "rm", "ping", "touch"):
            p = self.msb(command, "-l", "none=x")
            self.assertEqual((p.returncode, p.stdout, p.stderr),
                             (0, "", "No such sandboxes found.\n"))
            p = self.msb(command, "-q", "-l", "none=x")
            self.assertEqual((p.returncode, p.stdout, p.stderr), (0, "", ""))

    def test_names_or_labels(self):
        for command in ("start", "stop", "restart", "rm", "ping", "touch"):
            p = self.msb(command, "box", "-l", "app")
            self.assertEqual(p.returncode, 2)
            self.assertIn("'--label' cannot be used with names", p.stderr)
            p = self.msb(command)
            self.assertEqual(p.returncode, 2)
            self.assertIn("<NAME> is missing", p.stderr)
        p = self.msb("ps", "box", "-l", "app")
        self.assertEqual(p.returncode, 2)
        self.assertIn("'--label' cannot be used with a name", p.stderr)
        self.assertEqual(self.status()["box"], "Running")

    def test_labels_that_are_none(self):
        for text, want in (("a", "invalid --label 'a': expected K=V"), ("=b", "no key")):
            p = self.msb("create", "-n", "new", "-l", text, "./rootfs")
            self.assertEqual((p.returncode, p.stdout), (1, ""))
            self.assertIn(want, p.stderr)
        self.assertNotIn("new", self.status())

    def test_they_describe_a_new_sandbox_only(self):
        p = self.msb("run", "-n", "box", "-l", "a=b", "./rootfs", "--", "true")
        self.assertEqual(p.returncode, 0)
        self.assertIn("warn:", p.stderr)
        self.assertEqual(self.names("ls", "-l", "a"), [])

    def test_ping_and_touch(self):
        p = self.msb("ping", "box", "alpha")
        self.assertEqual((p.returncode, p.stdout, p.stderr),
                         (0, "box: 1.042 ms\nalpha: 1.042 ms\n", ""))
        self.assertEqual(self.ok("ping", "-q", "-t", "7", "-l", "app"), "")
        p = self.msb("touch", "box")
        self.assertEqual((p.returncode, p.stdout, p.stderr), (0, "", "   ✓ Touched      box\n"))
        self.ok("stop", "-q", "box")
        self.assertEqual(self.calls(), ["ping box 5000", "ping alpha 5000", "ping zeta 7000",
                                        "ping alpha 7000", "touch box 5000", "stop box 10000"])
        for command in ("ping", "touch"):
            p = self.msb(command, "nobody", "box", "zeta")
            self.assertEqual(p.returncode, 1)
            self.assertIn("sandbox not found: nobody", p.stderr)
            self.assertIn("not running", p.stderr)
            self.assertEqual(self.calls()[-1], f"{command} zeta 5000")


if __name__ == "__main__":
    unittest.main()
