# SPDX-License-Identifier: Apache-2.0
"""Sandboxes: created, run, listed, stopped; which outputs and exit codes."""
import json
import os
import re
import unittest

from fakecli import DEADLINE, Base


class Life(Base):
    def test_options_reach_the_library(self):
        (self.base / "s.sh").write_text("echo x\n")
        self.ok("--debug", "create", "-n", "box", "-c2", "-m", "1G", "-v", "./rootfs:/d:ro,noexec,"
                "stat-virt=off", "--tmpfs", "/t:8M", "-v", "data:/n:ro", "--mount-named",
                "v:/q:quota=1G,stat-virt=relaxed,host-perms=mirror", "--mount-named",
                "d:/e:kind=disk,size=2G,noexec", "--mount-file",
                "./s.sh:/s:follow-root-symlinks", "--mount-dir", "./rootfs:/f,quota=0",
                "--mount-disk", "x.img:/x:format=qcow2,fstype=xfs", "--script", "one=a\\nb", "--script-path",
                "two:s.sh", "--init", "auto", "--init-arg", "-x", "--init-env", "K=V",
                "--hostname", "h", "-u", "me", "--max-duration", "1m", "--idle-timeout", "2s",
                "--rlimit", "nofile=1:2", "--engine", "uml", "--engine-mode", "seccomp",
                "--engine-jail", "relaxed", "--replace-with-grace", "500ms", "./rootfs")
        calls = self.calls()
        for want in ("add_bind ./rootfs /d 3 2 0 quota=0 size=0 - -",
                     "add_tmpfs - /t 0 0 0 quota=0 size=8 - -",
                     "add_named data /n 1 0 0 quota=0 size=0 - -",
                     "add_named v /q 0 1 1 quota=0 size=0 - -", "volume 0 0 1024 0",
                     "add_named d /e 2 0 0 quota=0 size=0 - -", "volume 0 1 0 2048",
                     "add_bind ./s.sh /s 16 0 0 quota=0 size=0 - -",
                     "add_bind ./rootfs /f 0 0 0 quota=-1 size=0 - -",
                     "add_disk x.img /x 0 0 0 quota=0 size=0 qcow2 xfs", "add_script one #!/bin/sh",
                     "add_script two echo x", "set_init auto", "add_init_arg -x",
                     "add_init_env K=V", "set_hostname h", "set_user me", "set_max_duration_s 60",
                     "set_idle_timeout_s 2", "add_rlimit nofile 1 2", "set_engine uml",
                     "set_engine_mode seccomp", "set_engine_jail relaxed", "set_replace 500",
                     "set_log_level debug", "create box ephemeral=0 cpus=2 memory=1024"):
            self.assertIn(want, calls)

    def test_volumes(self):
        self.assertEqual(self.ok("volume", "create", "new", "--size", "2G", "--label", "k=v"),
                         "new\n")
        self.assertEqual(self.ok("vol", "create", "-q", "big", "--kind", "disk", "--size", "3G"),
                         "")
        self.assertEqual(self.calls(), ["volume_create new 0 2048 0", "label k=v",
                                        "volume_create big 1 0 3072"])
        p = self.msb("volume", "create", "data")
        self.assertEqual((p.returncode, p.stdout), (1, ""))
        self.assertIn("error: volume already exists: data", p.stderr)
        self.assertEqual(self.ok("volume", "ls", "-q"), "data\ndisk\nplain\n")
        lines = self.ok("volume", "ls").splitlines()
        self.assertEqual(lines[0].split(), ["NAME", "KIND", "QUOTA", "CREATED"])
        self.assertEqual(lines[1].split()[:4], ["data", "dir", "2", "GiB"])
        self.assertEqual(lines[2].split()[:4], ["disk", "disk", "1500", "MiB"])
        self.assertEqual(lines[3].split()[:3], ["plain", "dir", "-"])
        listed = json.loads(self.ok("volume", "list", "--format", "json"))
        self.assertEqual(listed[0], {
            "capacity_bytes": None, "created_at": "2026-05-22T10:11:12+00:00",
            "disk_format": None, "disk_fstype": None, "kind": "dir", "name": "data",
            "quota_mib": 2048, "used_bytes": 4711})
        self.assertEqual((listed[1]["capacity_bytes"], listed[1]["disk_format"],
                          listed[1]["disk_fstype"], listed[1]["quota_mib"]),
                         (1500 << 20, "raw", "ext4", None))
        self.assertEqual(self.ok("volume", "inspect", "data"),
                         "Name:           data\nKind:           dir\nQuota:          2 GiB\n"
                         "Created:        2026-05-22 10:11:12\nPath:           /home/volumes/some\n"
                         "Labels:         a=1, b=x=y\n")
        self.assertIn("Quota:          unlimited\n", self.ok("volume", "inspect", "plain"))
        self.assertIn("Labels:         -\n", self.ok("volume", "inspect", "plain"))
        one = json.loads(self.ok("volume", "inspect", "data", "--format", "json"))
        self.assertEqual((one["labels"], one["path"]), ({"a": "1", "b": "x=y"},
                                                        "/home/volumes/some"))
        empty = self.env(FAKE_NO_VOLUMES="1")
        p = self.msb("volume", "ls", env=empty)
        self.assertEqual((p.returncode, p.stdout, p.stderr), (0, "", "No volumes found.\n"))
        self.assertEqual(self.ok("volume", "ls", "--format", "json", env=empty), "[]\n")

    def test_removing_volumes_goes_on_after_a_failure(self):
        p = self.msb("volume", "rm", "data", "none", "disk")
        self.assertEqual((p.returncode, p.stdout), (1, ""))
        self.assertIn("error: volume not found: none", p.stderr)
        self.assertEqual(p.stderr.count("Removed"), 2)
        self.assertEqual(self.calls(), ["volume_remove data", "volume_remove disk"])

    def test_pruning_volumes_is_not_done_unasked(self):
        p = self.msb("volume", "prune")
        self.assertEqual((p.returncode, self.calls()), (1, []))
        self.assertIn("use --yes", p.stderr)
        self.assertEqual(json.loads(self.ok("volume", "prune", "-y", "--format", "json")),
                         ["data", "disk"])
        self.assertEqual(self.ok("volume", "prune", "-y", "-q"), "")

    def test_snapshots(self):
        digest = "sha256:" + "0123456789abcdef" * 4
        made = f"{digest}\n/home/snapshots/kept\n"
        self.assertEqual(self.ok("snapshot", "create", "kept", "--from", "box", "--label", "a=1",
                                 "-f", "--integrity"), made)
        self.assertEqual(self.ok("snap", "save", "kept", "--from", "box", "-q"), "")
        self.assertEqual(self.ok("snap", "export", "kept", "f", "--plain-tar"), "f\n")
        self.assertEqual(self.ok("snap", "import", "f"), made)
        self.assertEqual(self.ok("snap", "load", "f", "./d"), made)
        self.assertEqual(self.ok("snap", "reindex", "/x"), "indexed 3 snapshot(s) from /x\n")
        self.assertRegex(self.ok("snap", "reindex"), r"^indexed 3 snapshot\(s\) from /.*\n$")
        self.assertEqual(self.calls(), [
            "snapshot_create box kept force=1 integrity=1", "label a=1",
            "snapshot_create box kept force=0 integrity=0", "snapshot_export kept f 0 1",
            "snapshot_import f -", "snapshot_import f ./d", "snapshot_reindex /x",
            "snapshot_reindex -"])
        p = self.msb("snapshot", "create", "kept", "--from", "box", "--label", "a")
        self.assertEqual((p.returncode, p.stderr),
                         (1, "error: invalid --label 'a': expected K=V\n"))
        lines = self.ok("snapshot", "ls").splitlines()
        self.assertEqual(lines[0].split(), ["NAME", "IMAGE", "SIZE", "CREATED", "DIGEST"])
        self.assertEqual(lines[1].split(), ["kept", "alpine", "1.0", "MiB", "2026-05-22",
                                            "10:11:12", "0123456789ab"])
        self.assertEqual(self.ok("snapshot", "ls", "-q"), digest + "\n")
        self.assertEqual(json.loads(self.ok("snapshot", "ls", "--format", "json")), [{
            "artifact_path": "/home/snapshots/kept", "created_at": "2026-05-22T12:11:12.5+02:00",
            "digest": digest, "format": "raw", "image_ref": "alpine", "name": "kept",
            "parent_digest": None, "size_bytes": 1048576}])
        p = self.msb("snapshot", "ls", env=self.env(FAKE_NO_SNAPSHOTS="1"))
        self.assertEqual((p.returncode, p.stdout, p.stderr), (0, "", "No snapshots indexed.\n"))
        text = self.ok("snapshot", "inspect", "kept")
        for want in ("Image Manifest: sha256:", "Upper Size:     1048576 bytes\n",
                     f"Integrity:      sha256 {digest}\n", "Source Sandbox: box\n",
                     "Labels:         a=1, b=2\n"):
            self.assertIn(want, text)
        self.assertNotIn("Verification", text)
        self.assertIn("verified (sha256)", self.ok("snapshot", "inspect", "kept", "--verify"))
        self.assertIs(json.loads(self.ok("snapshot", "verify", "kept", "--format",
                                         "json"))["verified"], True)
        p = self.msb("snapshot", "verify", "kept", env=self.env(FAKE_DAMAGED="1"))
        self.assertEqual((p.returncode, p.stdout), (1, ""))
        self.assertIn("snapshot integrity check failed: kept", p.stderr)
        p = self.msb("snapshot", "rm", "none", "kept", "-f")
        self.assertEqual((p.returncode, p.stderr.count("Removed")), (1, 1))
        self.ok("run", "-n", "box", "--from-snapshot", "kept", "--", "true")
        self.assertIn("set_snapshot kept", self.calls())
        p = self.msb("run", "-n", "box", "--snapshot", "kept", "-c2", "--", "true")
        self.assertIn("--from-snapshot and creation flags ignored", p.stderr)

    def test_copy(self):
        self.ok("create", "-n", "box", "./rootfs")
        self.ok("create", "-n", "two", "./rootfs")
        before = len(self.calls())
        self.assertEqual(self.ok("cp", "./a", "box:/b"), "")
        self.ok("copy", "-q", "box:/a", "b")
        self.ok("cp", "box:/a", "box:/b")
        self.ok("cp", "box:/a", "two:/b")
        copies = [c for c in self.calls()[before:] if c.startswith("copy")]
        self.assertEqual(copies, ["copy - ./a box /b", "copy box /a - b", "copy box /a box /b",
                                  "copy box /a two /b"])
        p = self.msb("cp", "box:/bad", ".")
        self.assertEqual((p.returncode, p.stderr), (1, "error: sandbox fs error: /bad\n"))
        p = self.msb("cp", "box:/some", ".")
        self.assertEqual((p.returncode, p.stderr),
                         (1, "error: not copied: /some: no reason\n"))

    def test_create_prints_only_a_name_it_made_up(self):
        self.assertEqual(self.ok("create", "-n", "box", "./rootfs"), "")
        self.assertEqual(self.ok("create", "./rootfs"), "msb-0badcafe\n")
        p = self.msb("create", "-n", "box", "./rootfs")
        self.assertEqual(p.returncode, 1)
        self.assertIn("error: sandbox already exists: ", p.stderr)

    def test_missing_workdir_ends_a_new_sandbox(self):
        p = self.msb("create", "-w", "/does/not/exist", "./rootfs")
        self.assertEqual(p.returncode, 1)
        self.assertIn("invalid config: workdir does not exist in guest: /does/not/exist: ",
                      p.stderr)
        self.assertIn("stop msb-0badcafe 10000", self.calls())

    def test_run_is_gone_afterwards_unless_named(self):
        self.assertEqual(self.ok("run", "./rootfs", "--", "echo", "hi"), "hi\n")
        self.assertEqual(self.calls()[-1], "stop msb-0badcafe 10000")
        self.assertIn("set_attached 1", self.calls())
        self.ok("run", "-n", "box", "./rootfs", "--", "true")
        self.assertEqual(json.loads(self.ok("ls", "--format", "json"))[0]["status"], "Stopped")

    def test_run_detached(self):
        self.assertEqual(self.ok("run", "-dq", "./rootfs", "--", "sleep", "9"), "msb-0badcafe\n")
        self.assertIn("set_startup 2 sleep", self.calls())
        self.assertNotIn("set_attached 1", self.calls())
        self.ok("run", "-d", "-n", "box", "./rootfs")
        self.assertIn("set_startup 0 ", self.calls())

    def test_run_uses_an_existing_sandbox(self):
        self.ok("create", "-n", "box", "./rootfs")
        p = self.msb("run", "-n", "box", "-m", "1G", "./rootfs", "--", "echo", "hi")
        self.assertEqual((p.returncode, p.stdout), (0, "hi\n"))
        self.assertEqual(p.stderr, "warn: sandbox 'box' already exists; creation flags ignored "
                         "(use --replace to recreate)\n")
        self.assertEqual(self.calls()[-3:], ["hold box", "exec echo", "drop box"])
        p = self.msb("run", "-n", "box", "-t", "--rlimit", "core=0", "./rootfs", "--", "true")
        self.assertEqual(p.stderr, "")
        self.ok("stop", "box")
        self.assertEqual(self.ok("run", "-d", "-n", "box", "./rootfs", "--", "true"), "box\n")
        self.assertEqual(self.calls()[-2:], ["start box attached=0", "exec true"])
        self.ok("run", "-n", "box", "--replace", "./rootfs", "--", "true")
        self.assertIn("set_replace 10000", self.calls())

    def test_nothing_to_run_is_a_warning(self):
        p = self.msb("run", "./rootfs")
        self.assertEqual((p.returncode, p.stdout, p.stderr),
                         (0, "", "warn: no command provided and stdin is not a terminal\n"))

    def test_success_lines(self):
        self.ok("create", "-n", "box", "./rootfs")
        for command, line in ((("stop",), "   ✓ Stopped      box (graceful)\n"),
                              (("stop",), "   ✓ Stopped      box (was not running)\n"),
                              (("start",), "   ✓ Started      box\n"),
                              (("restart",), "   ✓ Restarted    box\n"),
                              (("stop", "-f"), "   ✓ Stopped      box (forced)\n"),
                              (("rm",), "   ✓ Removed      box\n")):
            p = self.msb(*command, "box")
            self.assertEqual((p.returncode, p.stdout, p.stderr), (0, "", line))

    def test_what_cannot_start_is_not_restarted(self):
        self.ok("create", "-n", "box", "./rootfs")
        p = self.msb("restart", "box", env=self.env(FAKE_NO_START="1"))
        self.assertEqual((p.returncode, p.stderr), (1, "error: invalid config: no value\n"))
        self.assertFalse([c for c in self.calls() if c.startswith("stop")])
        self.assertIn("running", self.ok("ps"))

    def test_all_names_are_tried(self):
        self.ok("create", "-n", "alpha", "./rootfs")
        self.ok("create", "-n", "zeta", "./rootfs")
        p = self.msb("rm", "-f", "alpha", "nobody", "zeta")
        self.assertEqual(p.returncode, 1)
        self.assertIn("sandbox not found: nobody", p.stderr)
        self.assertEqual(self.ok("ls", "-q"), "")
        p = self.msb("rm", "-q", "nobody")
        self.assertEqual((p.returncode, p.stderr), (1, ""))

    def test_stop_timeouts(self):
        self.ok("create", "-n", "box", "./rootfs")
        self.ok("stop", "-t", "3", "box")
        self.ok("stop", "--force", "-t7", "box")
        self.assertEqual(self.calls()[-2:], ["stop box 3000", "stop box 0"])


class Show(Base):
    def setUp(self):
        super().setUp()
        self.ok("create", "-n", "zeta", "--entrypoint", "run-a-rather-long-program-name-of-42-letters",
                "./rootfs")
        self.ok("create", "-n", "alpha", "./rootfs")
        self.ok("stop", "-q", "alpha")

    def test_list(self):
        image = "/rootfs/with/a/rather/long/path/of/directories"
        self.assertEqual(self.ok("ls"),
                         f"NAME     {'IMAGE':46}    STATUS     CREATED\n"
                         f"zeta     {image}    running    2023-11-14 22:13:20\n"
                         f"alpha    {image}    stopped    2023-11-14 22:13:20\n")
        self.assertEqual(self.ok("ls", "-q", "--running"), "zeta\n")
        self.assertEqual(self.ok("ls", "-q", "--stopped"), "alpha\n")
        self.assertEqual(self.ok("ls", "-q", "--format", "json", "--stopped"),
                         '[\n  {\n    "created_at": "2023-11-14T22:13:20+00:00",\n'
                         f'    "image": "{image}",\n    "name": "alpha",\n'
                         '    "status": "Stopped"\n  }\n]\n')

    def test_status(self):
        lines = self.ok("ps").splitlines()
        self.assertEqual(lines[0].split(), ["NAME", "IMAGE", "COMMAND", "STATUS", "CPUS", "MEM",
                                            "PORTS"])
        self.assertEqual(re.split(r" {4,}", lines[1]), [
            "zeta", "/rootfs/with/a/rather/long/path/o...",
            '"run-a-rather-long-program-name-of-42...', "running", "1", "512.0 MiB",
            "127.0.0.1:8080->80/tcp, [::1]..."])
        self.assertEqual(self.ok("ps", "-aq"), "alpha\nzeta\n")
        self.assertEqual(self.ok("ps", "-q", "alpha"), "alpha\n")
        one = json.loads(self.ok("ps", "alpha", "--format", "json"))
        self.assertEqual(one, {"command": "-", "cpus": 1, "memory_mib": 512, "name": "alpha", "ports": [
                               "127.0.0.1:8080->80/tcp", "[::1]:53->5353/udp"],
                               "status": "Stopped", "image": "/rootfs/with/a/rather/long/path/of/directories"})
        self.assertEqual([s["name"] for s in json.loads(self.ok("ps", "--format", "json", "-a"))],
                         ["alpha", "zeta"])

    def test_empty(self):
        self.ok("rm", "-f", "zeta", "alpha")
        for args, text in ((("ls",), "No sandboxes found.\n"),
                           (("ps",), "No running sandboxes.\n"),
                           (("ps", "-a"), "No sandboxes found.\n")):
            p = self.msb(*args)
            self.assertEqual((p.returncode, p.stdout, p.stderr), (0, "", text))
        self.assertEqual(self.ok("ls", "--format", "json"), "[]\n")
        p = self.msb("ls", "-q")
        self.assertEqual((p.stdout, p.stderr), ("", ""))

    def test_inspect(self):
        text = self.ok("inspect", "zeta")
        for line in ("Name:           zeta", "Status:         running",
                     "Created:        2023-11-14 22:13:20", "Digest:         sha256:ab", "Resources",
                     'Command:        "run-a-rather-long-program-name-of-42-letters"',
                     "User:           app:users", "Hostname:       h1",
                     "Init:           /sbin/init -v", "Scripts:        go, on",
                     "Max duration:   1m30s", "Log level:      debug", "Limits",
                     "  Nofile:       1024 / unlimited", "  CPUs:         1",
                     "  Memory:       512 MiB", "  A=1", "  /dst             → /src (ro,noexec) "
                     "[stat-virt=relaxed]", "  /t               → tmpfs (64 MiB)",
                     "  Engine:       uml", "  user_ns:      on", "  MAC:          02:6d:73:00:01:02",
                     "  IPv4:         172.16.0.6/30, gateway 172.16.0.5",
                     "  Nameservers:  9.9.9.9", "  Rebinding:    refused",
                     "  Connections:  256 at most", "  Ports:        127.0.0.1:8080->80/tcp",
                     "                [::1]:53->53/udp", "Network policy",
                     "  Rule 1:       allow@dns", "  Rule 2:       allow@public",
                     "  Egress:       deny otherwise", "  Ingress:      allow otherwise",
                     "TLS interception", "  Ports:        443, 8443",
                     "  Bypassed:     *.bank.example", "  QUIC:         blocked",
                     "  Upstream:     verified", "Secret", "  Variable:     KEY",
                     "  Placeholder:  $MSB_KEY", "  Value:        environment variable KEY",
                     "  Hosts:        api.example.com", "                *.example.org",
                     "  Put into:     headers, basic", "  Elsewhere:    block-and-log"):
            self.assertIn(line + "\n", text)
        self.assertNotIn("Idle timeout", text)
        self.assertNotIn("Command", self.ok("inspect", "alpha"))
        doc = json.loads(self.ok("inspect", "zeta", "--format", "json"))
        self.assertEqual(sorted(doc), ["config", "created_at", "exit_cause", "exit_reason", "machine",
                                       "name", "network", "status", "updated_at"])
        self.assertEqual(doc["exit_cause"], "secret-violation")
        self.assertEqual(doc["machine"]["mode"], "ptrace")
        self.assertEqual(doc["network"]["ipv4"]["address"], "172.16.0.6")
        self.assertNotIn("IPv6", text)
        self.assertIn("Network\n  Interface:    none\n",
                      self.ok("inspect", "zeta", env=self.env(FAKE_NETWORK="off")))
        p = self.msb("inspect", "zeta", "--format", "json", env=self.env(FAKE_NETWORK="-"))
        self.assertEqual((p.returncode, p.stderr),
                         (0, "warn: the network of 'zeta' cannot be told: invalid config: no sense\n"))
        self.assertIsNone(json.loads(p.stdout)["network"])
        self.assertIsNone(json.loads(self.ok("inspect", "alpha", "--format", "json"))["machine"])
        out = self.ok("inspect", "alpha", "--format", "json")
        self.assertEqual(out, json.dumps(json.loads(out), indent=2, sort_keys=True) + "\n")

    def test_doctor(self):
        self.assertEqual(self.ok("doctor"),
                         "   ✓ engine uml           available\n"
                         "   ! engine kvm           no hardware\n     → enable it\n")
        self.assertEqual(json.loads(self.ok("doctor", "--format", "json"))[1], {
            "detail": "no hardware", "name": "engine kvm", "remedy": "enable it",
            "state": "warn"})

    def test_output_into_a_closed_pipe(self):
        r, w = os.pipe()
        os.close(r)
        p = self.popen("ls", stdout=w)
        os.close(w)
        _, err = p.communicate(timeout=DEADLINE)
        self.assertEqual((p.returncode, err), (1, b""))


if __name__ == "__main__":
    unittest.main()
