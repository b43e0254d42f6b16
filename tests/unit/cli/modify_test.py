# SPDX-License-Identifier: Apache-2.0
"""msb modify: what is asked of the library, and how its answer is shown."""
import json
import unittest

from fakecli import Base

TABLE = """\
SETTING    NAME                   CHANGE     APPLIES
label      app                    set        now
env        A                      removed    new commands
policy     -                      set        now
port       127.0.0.1:80:80/tcp    added      next start
"""


class Modify(Base):
    def setUp(self):
        super().setUp()
        self.ok("create", "-q", "-n", "box", "./rootfs")
        (self.base / "home/calls").unlink()

    def test_options_reach_the_library(self):
        p = self.msb("modify", "box", "-e", "A=1", "--env", "B=", "--env-rm", "C", "-l", "k=v=w",
                     "--label-rm", "old", "--max-duration", "2m", "--idle-timeout", "none",
                     "-p", "8080:80", "--port-rm", "9090/udp", "--net-rule", "allow@dns")
        self.assertEqual((p.returncode, p.stdout, p.stderr),
                         (0, TABLE, "What is left for the next start: msb restart box\n"))
        calls = self.calls()
        for want in ("env A=1", "env B=", "remove_env C", "label k=v=w", "remove_label old",
                     "set_max_duration_s 120", "set_idle_timeout_s 0", "remove_port 9090/udp",
                     "modify box dry_run=0"):
            self.assertIn(want, calls)
        self.assertTrue([c for c in calls if "8080:80" in c] and
                        [c for c in calls if "allow@dns" in c], calls)

    def test_dry_run_and_formats(self):
        p = self.msb("modify", "box", "--label", "app=1", "--dry-run")
        self.assertEqual((p.returncode, p.stdout, p.stderr), (0, TABLE, ""))
        self.assertEqual(self.calls()[-1], "modify box dry_run=1")
        p = self.msb("modify", "-q", "box", "--label", "app=1")
        self.assertEqual((p.returncode, p.stdout, p.stderr), (0, "", ""))
        changes = json.loads(self.ok("modify", "box", "-l", "a=", "--format", "json"))
        self.assertEqual(changes[1], {"applies": "new_commands", "change": "removed",
                                      "field": "env", "name": "A"})
        self.assertEqual(changes[2]["name"], None)
        self.assertEqual([c["applies"] for c in changes],
                         ["now", "new_commands", "now", "next_start"])

    def test_nothing_to_change(self):
        env = self.env(FAKE_NO_CHANGES="1")
        p = self.msb("modify", "box", "-l", "a=1", env=env)
        self.assertEqual((p.returncode, p.stdout, p.stderr), (0, "", "Nothing to change.\n"))
        self.assertEqual(self.ok("modify", "box", "-l", "a=1", "--format", "json", env=env), "[]\n")
        p = self.msb("modify", "box", "--dry-run", "-q")
        self.assertEqual(p.returncode, 2)
        self.assertIn("say what to change", p.stderr)

    def test_others_that_are_faster(self):
        p = self.msb("modify", "box", "-l", "a=1", env=self.env(FAKE_STALE="3"))
        self.assertEqual((p.returncode, p.stdout), (0, TABLE))
        self.assertEqual(self.calls().count("modify box dry_run=0"), 4)
        p = self.msb("modify", "box", "-l", "a=1", env=self.env(FAKE_STALE="99"))
        self.assertEqual((p.returncode, p.stdout), (1, ""))
        self.assertIn("is being changed by others", p.stderr)

    def test_failures_change_nothing(self):
        for args, want in ((["--env-rm", "none"], "there is no environment variable 'none'"),
                           (["--label-rm", "none"], "there is no label 'none'"),
                           (["--port-rm", "none"], "there is no published port 'none'"),
                           (["--port-rm", "x"], "invalid config: no port"),
                           (["-l", "novalue"], "invalid --label 'novalue'"),
                           (["--max-duration", "x"], "--max-duration"),
                           (["--idle-timeout", "0"], "--idle-timeout")):
            p = self.msb("modify", "box", *args)
            self.assertEqual((p.returncode, p.stdout), (1, ""), args)
            self.assertIn(want, p.stderr)
        self.assertNotIn("modify box dry_run=0", self.calls())
        p = self.msb("modify", "nobody", "-l", "a=1")
        self.assertEqual(p.returncode, 1)
        self.assertIn("sandbox not found: nobody", p.stderr)
        p = self.msb("modify", "box", "--cpus", "2")
        self.assertEqual(p.returncode, 2)


if __name__ == "__main__":
    unittest.main()
