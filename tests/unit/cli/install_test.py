# SPDX-License-Identifier: Apache-2.0
"""install and self: what is said, over the stand-in library."""
import unittest

from fakecli import Base, Terminal


class Install(Base):
    def test_pulls_unless_told_otherwise(self):
        self.ok("install", "ghcr.io/org/app:v2")
        self.ok("install", "--no-pull", "-n", "other", "ghcr.io/org/app:v2")
        self.ok("install", "-n", "third", "./rootfs")
        self.assertEqual(sum("pull" in c for c in self.calls()), 1)
        p = self.msb("install", "broken")
        self.assertEqual(p.returncode, 1)
        self.assertIn("✗ Pulling      broken", p.stderr)
        self.assertFalse((self.base / "home/bin/broken").exists())

    def test_nothing_is_said_about_options_of_an_installed_command(self):
        self.ok("create", "-n", "box", "./rootfs")
        p = self.msb("run", "-n", "box", "./rootfs", "-m", "1G", "--", "true")
        self.assertIn("creation flags ignored", p.stderr)
        p = self.msb("run", "-n", "box", "./rootfs", "-m", "1G", "--installed", "--", "true")
        self.assertEqual(p.stderr, "")
        self.assertNotIn("--installed", self.ok("run", "--help"))


class Self(Base):
    def update(self, *args, latest="9.9.9", code=0):
        p = self.msb(*args, env=self.env(FAKE_RELEASE=latest, PATH="/bin"))
        self.assertEqual((p.returncode, p.stdout), (code, ""), p.stderr)
        return p.stderr.splitlines()

    def test_updating(self):
        for words in (["self", "update"], ["self", "upgrade"], ["update"], ["upgrade"]):
            lines = self.update(*words)
            self.assertEqual(lines[:2], ["info Current version: v0.1.0",
                                         "info Latest version: v9.9.9"])
            self.assertRegex(lines[2], r"^done Updated to v9\.9\.9 in [0-9.]+s\.$")
            self.assertEqual(lines[3], f"done Installed as {self.base}/home/bin/msb.")
            self.assertIn("msb is found elsewhere on PATH, or not at all", lines[4])
        self.assertEqual(self.update("update", latest="0.1.0")[-1], "done Already up to date.")
        self.assertIn("newer than the latest", self.update("update", latest="0.0.9")[-1])
        self.assertRegex(self.update("update", "-f", latest="0.1.0")[2], "^done Updated to v0.1.0")
        self.assertEqual(self.update("update", latest="6.6.6", code=1)[-1],
                         "error: update failed: the disk is full")
        self.assertEqual(self.update("update", "--from", "missing", code=1)[-1],
                         "error: update failed: missing: not found")
        self.assertEqual(self.calls()[-1], "release missing - newer")

    def test_going_back(self):
        self.assertRegex(self.update("downgrade")[2], "^done Went back to v0.0.1 in ")
        self.assertEqual(self.calls()[-1], "release - - older")
        self.assertRegex(self.update("self", "downgrade", "0.0.5")[2], "^done Went back to v0.0.5")
        self.assertIn("is not older", self.update("downgrade", "9.0", code=1)[-1])
        self.assertRegex(self.update("downgrade", "9.0", "-f")[2], "^done Went back to v9.0")
        p = self.msb("update", "1.0")
        self.assertEqual(p.returncode, 2)

    def test_colours(self):
        t = Terminal(self, "update", FAKE_RELEASE="0.1.0")
        self.assertEqual(t.wait(), 0)
        self.assertIn("\033[1;36minfo\033[0m Current", t.text)
        self.assertIn("\033[1;32mdone\033[0m Already", t.text)


if __name__ == "__main__":
    unittest.main()
