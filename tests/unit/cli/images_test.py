# SPDX-License-Identifier: Apache-2.0
"""Images, volumes, registries: outputs and exit codes."""
import json
import unittest

from fakecli import Base


class Images(Base):
    DIGEST = "sha256:" + "0123456789abcdef" * 4

    def test_listing(self):
        p = self.msb("image", "list")
        self.assertEqual(p.stdout.splitlines(), [
            "REFERENCE             DIGEST                 SIZE       CREATED",
            "alpine                sha256:0123456789ab    1.5 MiB    2026-05-22 10:11:12",
            "ghcr.io/org/app:v1    sha256:0123456789ab    -          2026-05-22 10:11:12"])
        self.assertEqual(self.ok("images"), p.stdout)
        self.assertEqual(self.ok("image", "ls", "-q"), "alpine\nghcr.io/org/app:v1\n")
        listed = json.loads(self.ok("images", "--format", "json"))
        self.assertEqual([i["size_bytes"] for i in listed], [1572864, None])
        p = self.msb("images", env=self.env(FAKE_NO_IMAGES="1"))
        self.assertEqual((p.returncode, p.stdout, p.stderr), (0, "", "No images found.\n"))

    def test_inspecting(self):
        self.assertEqual(self.ok("image", "inspect", "alpine"), f"""\
Reference:      alpine
Digest:         {self.DIGEST}
Architecture:   amd64
OS:             linux
Size:           1.5 MiB
Created:        2026-05-22 10:11:12

Config
  Entrypoint:   -
  Cmd:          sh -c
  WorkingDir:   /srv
  User:         web
  Env:
    A=b

Layers (1)
  1    sha256:0123456789ab 1.5 MiB    application/x
""")
        image = json.loads(self.ok("image", "inspect", "alpine", "--format", "json"))
        self.assertEqual(image["layers"][0]["position"], 0)
        p = self.msb("image", "inspect", "missing")
        self.assertEqual((p.returncode, p.stderr), (1, "error: image not found: missing\n"))

    def test_removing_tries_all(self):
        p = self.msb("rmi", "used", "alpine", "missing")
        self.assertEqual(p.returncode, 1)
        self.assertEqual(p.stderr.splitlines(), [
            "error: image in use by sandbox(es): box", "   ✓ Removed      alpine",
            "error: image not found: missing", "error: some images failed to remove"])
        p = self.msb("image", "rm", "-f", "-q", "used", "missing")
        self.assertEqual((p.returncode, p.stderr), (1, "error: some images failed to remove\n"))
        self.assertEqual(self.calls()[-2:], ["rmi used 1", "rmi missing 1"])

    def test_pruning(self):
        p = self.msb("image", "prune")
        self.assertEqual((p.returncode, p.stdout), (1, ""))
        self.assertIn("--yes", p.stderr)
        p = self.msb("image", "prune", "-y")
        self.assertEqual((p.returncode, p.stdout, p.stderr),
                         (0, "", "   ✓ Pruned       1 image (5.0 MiB)\n"))
        self.assertEqual(json.loads(self.ok("image", "prune", "-y", "--format", "json")), {
            "image_refs_removed": 1, "manifests_removed": 2, "layers_removed": 3,
            "fsmeta_removed": 4, "vmdk_removed": 0, "bytes_reclaimed": 5 << 20})

    def test_pulling_in_lines(self):
        p = self.msb("pull", "ghcr.io/org/app:v1")
        self.assertEqual((p.returncode, p.stdout), (0, ""))
        self.assertEqual(p.stderr.splitlines(), [
            "Pulling ghcr.io/org/app:v1 (3 layers, 3.0 GiB)", "layer 1/3: cached",
            "note: a ?[31mnote", "layer 2/3: done", "layer 3/3: done",
            "   ✓ Pulled       ghcr.io/org/app:v1"])
        p = self.msb("image", "pull", "alpine")
        self.assertEqual(p.stderr, "   ✓ Pulled       alpine (already cached)\n")
        p = self.msb("pull", "-q", "-f", "--insecure", "--ca-certs", "/ca.pem", "app")
        self.assertEqual((p.returncode, p.stdout, p.stderr), (0, "", ""))
        self.assertEqual(self.calls()[-1], "pull app 1 1 /ca.pem")
        p = self.msb("pull", "broken")
        self.assertEqual((p.returncode, p.stderr.splitlines()), (
            1, ["   ✗ Pulling      broken", "error: image error: the registry is broken"]))
        p = self.msb("pull", "-q", "broken")
        self.assertEqual(p.stderr, "error: image error: the registry is broken\n")

    def test_loading(self):
        p = self.msb("load", "-t", "a", "-t", "b", input="data")
        self.assertEqual(p.returncode, 0)
        self.assertEqual(p.stderr.splitlines()[-2:], [
            "   ✓ Loaded       alpine", "   ✓ Loaded       ghcr.io/org/app:v1"])
        self.assertEqual(self.calls()[-1], "load standard input <data> b")
        (self.base / "a.tar").write_text("tar")
        self.assertEqual(self.msb("image", "load", "-q", "-i", "a.tar").stderr, "")
        self.assertEqual(self.calls()[-1], "load a.tar <tar> -")
        p = self.msb("load", "-i", "none.tar")
        self.assertEqual((p.returncode, p.stderr), (
            1, "error: cannot open 'none.tar': No such file or directory\n"))

    def test_saving(self):
        self.assertEqual(self.ok("save", "alpine", "app"), "alpineappdocker")
        self.ok("save", "-q", "--format", "oci", "-o", "a.tar", "alpine")
        self.assertEqual((self.base / "a.tar").read_text(), "alpineoci")
        p = self.msb("save", "-o", "a.tar", "alpine", "missing")
        self.assertEqual(p.returncode, 1)
        self.assertEqual((self.base / "a.tar").read_text(), "alpineoci")
        self.ok("save", "-o", "a.tar", "app")
        self.assertEqual((self.base / "a.tar").read_text(), "appdocker")
        self.assertEqual(self.ok("save", "-o", "/dev/stdout", "app"), "appdocker")
        p = self.msb("save", "-o", "/dev/full", "app")
        self.assertEqual(p.returncode, 1)
        self.assertIn("cannot write '/dev/full': No space left on device", p.stderr)
        self.assertEqual([p.name for p in self.base.glob(".msb*")], [])

    def test_options_of_sandboxes(self):
        self.ok("create", "-n", "box", "--pull", "never", "--oci-upper-size", "1.5G", "./rootfs")
        self.assertIn("set_image_options 2", self.calls())
        self.assertIn("set_oci_upper_size_mib 1536", self.calls())
        p = self.msb("run", "-n", "box", "--pull", "always", "./rootfs", "--", "true")
        self.assertIn("creation flags ignored", p.stderr)

    def test_logins(self):
        p = self.msb("registry", "login", "ghcr.io", "-u", "me", "--password-stdin",
                     input="pass word\r\n\n")
        self.assertEqual((p.returncode, p.stdout, p.stderr), (
            0, "ghcr.io me <pass word>\n", "   ✓ Logged in    ghcr.io\n"))
        for given in ("", "\n", "\r\n"):
            p = self.msb("registry", "login", "ghcr.io", "-u", "me", "--password-stdin",
                         input=given)
            self.assertEqual((p.returncode, p.stderr), (
                1, "error: password/token cannot be empty\n"))
        self.assertEqual(self.msb("registry", "login", "ghcr.io").returncode, 2)
        p = self.msb("registry", "login", "ghcr.io", "-u", "me")
        self.assertEqual(p.returncode, 1)
        self.assertIn("use --password-stdin", p.stderr)
        self.assertEqual(self.msb("registry", "logout", "ghcr.io").stderr,
                         "   ✓ Logged out   ghcr.io\n")
        p = self.msb("registry", "logout", "other.io")
        self.assertEqual((p.returncode, p.stderr), (
            0, "warn: no stored registry credentials found for `other.io`\n"))
        self.assertEqual(self.ok("registry", "ls").splitlines(), [
            "REGISTRY    USERNAME    SOURCE", "ghcr.io     me          secret_name"])
        self.assertEqual(self.ok("registry", "list", env=self.env(FAKE_NO_REGISTRIES="1")),
                         "No registries configured.\n")


if __name__ == "__main__":
    unittest.main()
