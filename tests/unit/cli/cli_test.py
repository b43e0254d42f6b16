# SPDX-License-Identifier: Apache-2.0
"""The command line over a stand-in for the library: help texts, outputs, exit codes,
streams and terminals. Usage: cli_test.py MSB-FAKE DATA-DIRECTORY"""
import fcntl
import json
import os
import pathlib
import pty
import re
import select
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import time
import unittest

MSB = os.path.abspath(sys.argv.pop(1))
DATA = pathlib.Path(sys.argv.pop(1))
DEADLINE = 60
COMMANDS = ["run", "create", "start", "stop", "restart", "exec", "attach", "list", "status",
            "inspect", "remove", "copy", "volume", "snapshot", "pull", "load", "save", "image", "registry",
            "net", "doctor", "help"]


class Base(unittest.TestCase):
    def setUp(self):
        self.base = pathlib.Path(tempfile.mkdtemp(prefix="msb-cli-"))
        (self.base / "rootfs").mkdir()
        self.addCleanup(shutil.rmtree, self.base, True)

    def env(self, **extra):
        env = {k: v for k, v in os.environ.items()
               if not k.startswith(("MSB_", "CLICOLOR", "NO_COLOR"))}
        env.update(MSB_HOME=str(self.base / "home"), TERM="xterm", TZ="UTC", **extra)
        return env

    def msb(self, *args, input=None, env=None, text=True, **kw):
        if input is None and "stdin" not in kw:
            kw["stdin"] = subprocess.DEVNULL
        return subprocess.run([MSB, *args], input=input, capture_output=True, text=text,
                              timeout=DEADLINE, cwd=self.base, env=env or self.env(), **kw)

    def ok(self, *args, **kw):
        p = self.msb(*args, **kw)
        self.assertEqual(p.returncode, 0, p.stderr)
        return p.stdout

    def popen(self, *args, env=None, **kw):
        kw.setdefault("stdin", subprocess.DEVNULL)
        kw.setdefault("stdout", subprocess.PIPE)
        kw.setdefault("stderr", subprocess.PIPE)
        p = subprocess.Popen([MSB, *args], cwd=self.base, env=env or self.env(), **kw)
        self.addCleanup(self.reap, p)
        return p

    @staticmethod
    def reap(p):
        p.kill()
        for stream in (p.stdin, p.stdout, p.stderr):
            if stream:
                stream.close()
        p.wait()

    def calls(self):
        path = self.base / "home/calls"
        return path.read_text().splitlines() if path.exists() else []


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
        for flag in (["--security", "x"], ["--root-disk", "x"], ["--label", "a=b"]):
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


class Network(Base):
    """Spec 10.2 as far as it is the command line's: flags to calls of the library."""
    POLICY = ("set_net_default", "add_net_rules", "add_net_profiles", "add_port",
              "set_dns_", "add_dns_", "set_net_", "set_max_connections", "set_tls_", "add_tls_",
              "set_trust_host_cas", "add_secret", "set_secret_")

    def made(self, *flags):
        """The calls about the network that these flags come to."""
        before = len(self.calls())
        self.ok("create", "-q", "-n", f"n{before}", *flags, "./rootfs")
        return [c for c in self.calls()[before:] if c.startswith(self.POLICY)]

    def test_policies(self):
        for flags, calls in (
                ([], []),
                (["--net-default", "deny"], ["set_net_default 3 deny"]),
                (["--net-default=allow"], ["set_net_default 3 allow"]),
                (["--no-net"], ["set_net_default 3 deny"]),
                (["--no-net", "--net-rule", "allow@example.com"],
                 ["set_net_default 3 deny", "add_net_rules allow@example.com"]),
                (["--net-default-egress", "allow", "--net-default-ingress", "deny"],
                 ["set_net_default 1 allow", "set_net_default 2 deny"]),
                (["--net-rule", "a,b", "--net-default-ingress", "deny", "--net-rule", "c"],
                 ["set_net_default 2 deny", "add_net_rules a,b", "add_net_rules c"]),
                (["--net", "host,private", "--net-rule", "r", "--net", "public"],
                 ["add_net_rules r", "add_net_profiles host,private",
                  "add_net_profiles public"])):
            self.assertEqual(self.made(*flags), calls)

    def test_everything_else(self):
        self.assertEqual(
            self.made("-p", "80:80", "--port", "[::1]:53:53/udp", "--dns-nameserver", "1.1.1.1",
                      "--dns-nameserver", "[::1]:5353", "--no-dns-rebind-protection",
                      "--dns-query-timeout-ms", "100", "--net-ipv4-pool", "10.0.0.0/8",
                      "--net-ipv6-pool", "fd00::/48", "--max-connections", "2"),
            ["add_port 80:80", "add_port [::1]:53:53/udp", "add_dns_nameserver 1.1.1.1",
             "add_dns_nameserver [::1]:5353", "set_dns_timeout_ms 100",
             "set_net_ipv4_pool 10.0.0.0/8", "set_net_ipv6_pool fd00::/48",
             "set_max_connections 2", "set_dns_rebind_protection 0"])

    def test_tls(self):
        self.assertEqual(self.made("--tls-intercept"), ["set_tls_intercept"])
        self.assertEqual(
            self.made("--tls-intercept-port", "8443", "--tls-intercept-port=443", "--tls-bypass",
                      "*.bank.example", "--no-block-quic", "--tls-intercept-ca-cert", "c.pem",
                      "--tls-intercept-ca-key", "k.pem", "--tls-upstream-ca-cert", "a",
                      "--tls-upstream-ca-cert", "b", "--tls-upstream-ca-cert-for", "*.x=d=e",
                      "--tls-no-verify-upstream-for", "old.example", "--trust-host-cas"),
            ["set_trust_host_cas 1", "set_tls_block_quic 0", "set_tls_ca c.pem k.pem",
             "add_tls_port 8443", "add_tls_port 443", "add_tls_bypass *.bank.example",
             "add_tls_upstream_ca - a", "add_tls_upstream_ca - b", "add_tls_upstream_ca *.x d=e",
             "set_tls_verify_upstream old.example 0"])
        self.assertEqual(self.made("--tls-intercept-ca-cert", "c"), ["set_tls_ca c -"])
        for port in ("0", "65536", "https", ""):
            p = self.msb("create", "--tls-intercept-port", port, "./rootfs")
            self.assertEqual(p.returncode, 1)
            self.assertIn(f"invalid value '{port}' for '--tls-intercept-port", p.stderr)
        for value in ("a", "=f", "a="):
            p = self.msb("create", "--tls-upstream-ca-cert-for", value, "./rootfs")
            self.assertIn("must be in format HOST=FILE", p.stderr)
        p = self.msb("run", "--tls-bypass", "bad", "./rootfs")
        self.assertEqual((p.returncode, p.stderr),
                         (125, "error: invalid config: bad add_tls_bypass\n"))

    def test_secrets(self):
        self.assertEqual(
            self.made("--secret", "A=v=1@x@api.example", "--secret", "B@b.example,*.c.example",
                      "--secret-file", "C=./d@e/f@*", "--secret-inject", "B=body,query",
                      "--secret-inject", "B=headers", "--secret-inject", "C=basic",
                      "--on-secret-violation", "block"),
            ["set_secret_violation block []",
             "add_secret A value=v=1@x env=- file=- api.example places=0",
             "add_secret B value=- env=B file=- b.example,*.c.example places=13",
             "add_secret C value=- env=- file=./d@e/f * places=2"])
        self.assertEqual(self.made("--on-secret-violation", "passthrough"),
                         ["set_secret_violation passthrough [*]"])
        p = self.msb("create", "-n", "warned", "--secret", "A=v@h", "./rootfs")
        self.assertEqual(p.returncode, 0)
        self.assertIn("warn: the value of secret A can be seen in the list of processes", p.stderr)

    def test_wrong_secrets(self):
        """What is wrong is told without what may be a value."""
        both = "secret must be in format ENV=VALUE@HOST or ENV@HOST[,HOST...]"
        file = "secret-file must be in format ENV=PATH@HOST[,HOST...]"
        empty = " (all parts required)"
        for flag, value, message in (
                ("--secret", "A=hunter2", both), ("--secret", "A", both),
                ("--secret", "hunter2@x=y", both), ("--secret", "=hunter2@h", both + empty),
                ("--secret", "A=@h", both + empty), ("--secret", "A=hunter2@", both + empty),
                ("--secret", "@h", both + empty), ("--secret", "A@", both + empty),
                ("--secret", "A=hunter2@h,", both + empty), ("--secret", "A@,h", both + empty),
                ("--secret-file", "A@h", file), ("--secret-file", "A=f", file),
                ("--secret-file", "A=@h", file + empty)):
            p = self.msb("create", flag, value, "./rootfs")
            self.assertEqual((p.returncode, p.stderr), (1, f"error: {message}\n"), value)
        for inject, message in (
                ("A", "secret-inject must be in format ENV=PLACE[,PLACE...]"),
                ("A=", "secret-inject must be in format ENV=PLACE[,PLACE...]"),
                ("A=path", "invalid place of a secret: path (expected: headers, basic, query, body)"),
                ("A=body,", "invalid place of a secret:  (expected: headers, basic, query, body)"),
                ("B=body", "--secret-inject: there is no secret 'B'")):
            p = self.msb("create", "--secret", "A@h", "--secret-inject", inject, "./rootfs")
            self.assertEqual((p.returncode, p.stderr), (1, f"error: {message}\n"), inject)

    def test_a_value_leaves_the_command_line(self):
        """While the library works nobody reads the value in the list of processes."""
        for command in (["create"], ["run"]):  # the second one finds it there
            p = self.msb(*command, "-n", "hidden", "--secret", "A=hunter2@h", "./rootfs",
                         env=self.env(FAKE_CMDLINE=str(self.base / "cmdline")))
            self.assertEqual(p.returncode, 0, p.stderr)
            words = (self.base / "cmdline").read_bytes()
            self.assertNotIn(b"hunter2", words)
            self.assertIn(b"\0A=@h\0", words)
            self.assertIn(b"./rootfs", words)

    def test_exclusions_are_wrong_usage(self):
        for flags in (["--no-net", "--net-default", "allow"],
                      ["--no-net", "--net-default-egress", "allow"],
                      ["--net-default", "deny", "--net-default-egress", "allow"],
                      ["--net-default", "deny", "--net-default-ingress", "allow"],
                      ["--net", "public", "--no-net"],
                      ["--net", "public", "--net-default", "deny"]):
            for command in (["run", *flags, "./rootfs"], ["create", *flags, "./rootfs"],
                            ["net", "explain", *flags, "1.2.3.4"]):
                p = self.msb(*command)
                self.assertEqual(p.returncode, 2, command)
                self.assertIn("cannot be used with '--", p.stderr)
        self.assertEqual(self.calls(), [])

    def test_bad_values(self):
        for flag in ("--net-default", "--net-default-egress", "--net-default-ingress"):
            p = self.msb("create", flag, "maybe", "./rootfs")
            self.assertEqual((p.returncode, p.stderr), (
                1, f'error: unknown {flag} value "maybe"; expected `allow` or `deny`\n'))
        for flag in ("--net-rule", "--net", "-p", "--dns-nameserver", "--net-ipv4-pool",
                     "--net-ipv6-pool"):
            p = self.msb("run", flag, "bad", "./rootfs")
            self.assertEqual(p.returncode, 125)
            self.assertIn("error: invalid config: bad ", p.stderr)
        self.assertEqual(self.msb("run", "--max-connections", "x", "./rootfs").returncode, 2)

    def test_hints_and_reuse(self):
        p = self.msb("create", "-n", "box", "./rootfs", env=self.env(FAKE_HINT="mind this"))
        self.assertEqual((p.returncode, p.stderr.splitlines()[0]), (0, "warn: mind this"))
        for flags in (["-p", "1:1"], ["--no-net"], ["--net-ipv4-pool", "10.0.0.0/8"]):
            p = self.msb("run", "-n", "box", *flags, "./rootfs", "--", "true")
            self.assertIn("creation flags ignored", p.stderr)

    def test_explain(self):
        text = ("allowed  dns a.b  rule 1 (r)\n"
                "denied   tcp [::1]:1-79  default egress  (mind this)\n"
                "allowed  udp 1.2.3.4  default egress\nallowed  tcp a.b:80  rule 2 (s)\n")
        self.assertEqual(self.ok("net", "explain", "allow@a", "deny@b,allow@c", "x:80"), text)
        self.assertEqual(self.calls(), ["add_net_rules allow@a", "add_net_rules deny@b,allow@c",
                                        "explain config x:80 - - 0"])
        self.assertEqual(self.ok("net", "explain", "1.2.3.4"), text.replace("denied ", "allowed"))
        self.ok("net", "explain", "--net", "host", "--net-rule", "r", "--proto", "udp",
                "--ingress", "--address", "10.0.0.1", "q", "name")
        self.assertEqual(self.calls()[-4:], ["add_net_rules r", "add_net_profiles host",
                                             "add_net_rules q", "explain config name udp 10.0.0.1 1"])
        one = json.loads(self.ok("net", "explain", "--format", "json", "x"))
        self.assertEqual((one["allowed"], len(one["answers"])), (False, 4))
        self.ok("create", "-n", "box", "./rootfs")
        self.ok("net", "explain", "--sandbox", "box", "1.2.3.4")
        self.assertEqual(self.calls()[-1], "explain box 1.2.3.4 - - 0")

    def test_explain_failures(self):
        self.assertEqual(self.msb("net", "explain", "--check", "x").returncode, 1)
        self.ok("net", "explain", "--check", "y")
        for code, text, args in (
                (1, "bad target", ["bad"]), (1, "bad add_net_rules", ["bad", "x"]),
                (1, "sandbox not found: none", ["--sandbox", "none", "x"]),
                (2, "has its own rules", ["--sandbox", "none", "r", "x"]),
                (2, "has its own rules", ["--sandbox", "none", "--no-net", "x"]),
                (2, "<TARGET> is missing", []), (2, "'sctp'", ["--proto", "sctp", "x"])):
            p = self.msb("net", "explain", *args)
            self.assertEqual((p.returncode, p.stdout), (code, ""))
            self.assertIn(text, p.stderr)


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
        self.assertEqual(lines[0].split(), ["NAME", "IMAGE", "COMMAND", "STATUS", "PORTS"])
        self.assertEqual(re.split(r" {4,}", lines[1]), [
            "zeta", "/rootfs/with/a/rather/long/path/o...",
            '"run-a-rather-long-program-name-of-42...', "running", "127.0.0.1:8080->80/tcp, [::1]..."])
        self.assertEqual(self.ok("ps", "-aq"), "alpha\nzeta\n")
        self.assertEqual(self.ok("ps", "-q", "alpha"), "alpha\n")
        one = json.loads(self.ok("ps", "alpha", "--format", "json"))
        self.assertEqual(one, {"command": "-", "name": "alpha", "ports": [
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
                     "Created:        2023-11-14 22:13:20", "Resources", "  CPUs:         1",
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


class Streams(Base):
    def run_sh(self, script, *options, **kw):
        return self.msb("run", *options, "./rootfs", "--", "sh", "-c", script, **kw)

    def test_exit_codes(self):
        for script, code in (("exit 0", 0), ("exit 7", 7), ("kill -9 $$", 137),
                             ("kill -TERM $$", 143)):
            self.assertEqual(self.run_sh(script).returncode, code)

    def test_streams_stay_apart_and_input_ends(self):
        p = self.run_sh("cat; echo err >&2", input="in\n")
        self.assertEqual((p.stdout, p.stderr), ("in\n", "err\n"))

    def test_much_in_both_directions(self):
        data = os.urandom(3 << 20)
        p = self.msb("run", "./rootfs", "--", "cat", input=data, text=False)
        self.assertEqual(p.stdout, data)

    def test_output_arrives_as_it_comes(self):
        p = self.popen("run", "./rootfs", "--", "sh", "-c", "echo one; read x; echo $x",
                       stdin=subprocess.PIPE)
        self.assertEqual(p.stdout.readline(), b"one\n")
        p.stdin.write(b"two\n")
        p.stdin.flush()
        self.assertEqual(p.stdout.readline(), b"two\n")
        self.assertEqual(p.wait(DEADLINE), 0)

    def test_input_nobody_reads(self):
        p = self.run_sh("exec <&-; exit 3", input="x" * (1 << 20))
        self.assertEqual(p.returncode, 3)

    def test_closed_standard_descriptors(self):
        p = self.popen("run", "./rootfs", "--", "sh", "-c", "cat; exit 4", stdin=None,
                       preexec_fn=lambda: os.close(0))
        self.assertEqual(p.wait(DEADLINE), 4)

    def test_slow_reader_slows_the_command_down(self):
        p = self.popen("run", "./rootfs", "--", "sh", "-c",
                       "head -c 50000000 /dev/zero; echo finished >&2")
        ready, _, _ = select.select([p.stderr], [], [], 0.5)
        self.assertFalse(ready, "output is buffered without bound")
        with open(f"/proc/{p.pid}/statm") as f:
            self.assertLess(int(f.read().split()[1]) * 4096, 64 << 20)
        self.assertEqual(len(p.stdout.read()), 50000000)
        self.assertEqual(p.wait(DEADLINE), 0)

    def test_signals_work_while_output_is_blocked(self):
        p = self.popen("run", "./rootfs", "--", "sh", "-c", "trap 'exit 9' INT; yes")
        p.stdout.read(1)
        p.send_signal(signal.SIGINT)
        p.send_signal(signal.SIGINT)
        p.communicate(timeout=DEADLINE)
        self.assertNotEqual(p.returncode, 0)

    def test_reader_that_goes_away_ends_it_quietly(self):
        p = self.popen("run", "./rootfs", "--", "yes")
        p.stdout.read(10)
        p.stdout.close()
        self.assertEqual(p.wait(DEADLINE), 128 + signal.SIGPIPE)
        self.assertEqual(p.stderr.read(), b"")
        self.assertIn("stop msb-0badcafe 10000", self.calls())

    def test_timeout_keeps_what_was_written(self):
        p = self.run_sh("echo before; exec sleep 600", "--timeout", "1s")
        self.assertEqual((p.returncode, p.stdout), (124, "before\n"))
        self.assertEqual(p.stderr, "error: exec timed out after 1s\n")
        self.assertIn("stop msb-0badcafe 10000", self.calls())

    def test_interrupts(self):
        script = "trap 'echo got; exit 9' INT; echo up; while :; do sleep 0.1; done"
        p = self.popen("run", "./rootfs", "--", "sh", "-c", script)
        self.assertEqual(p.stdout.readline(), b"up\n")
        p.send_signal(signal.SIGINT)
        self.assertEqual(p.communicate(timeout=DEADLINE)[0], b"got\n")
        self.assertEqual(p.returncode, 9)
        script = "trap 'echo got' INT; echo up; while :; do sleep 0.1; done"
        p = self.popen("run", "./rootfs", "--", "sh", "-c", script)
        self.assertEqual(p.stdout.readline(), b"up\n")
        p.send_signal(signal.SIGINT)
        self.assertEqual(p.stdout.readline(), b"got\n")
        p.send_signal(signal.SIGINT)
        p.communicate(timeout=DEADLINE)
        self.assertEqual(p.returncode, 137)

    def test_terminate_and_hang_up(self):
        for sig, code in ((signal.SIGTERM, 143), (signal.SIGHUP, 129)):
            p = self.popen("run", "./rootfs", "--", "sh", "-c", "echo up; sleep 600")
            self.assertEqual(p.stdout.readline(), b"up\n")
            p.send_signal(sig)
            p.communicate(timeout=DEADLINE)
            self.assertEqual(p.returncode, code)
            self.assertEqual(self.calls()[-1], "stop msb-0badcafe 10000")

    def test_forced_terminal_without_one(self):
        p = self.run_sh("test -t 0 && test -t 1 && echo yes; echo $TERM", "-t", text=False)
        self.assertEqual(p.stdout, b"yes\r\nxterm\r\n")

    def test_exec_options(self):
        self.ok("create", "-n", "box", "./rootfs")
        out = self.ok("exec", "-e", "A=1", "-e", "FROM_HOST", "-w", "/", "-u", "me", "--rlimit",
                      "core=5", "box", "--", "sh", "-c",
                      "echo $A $FROM_HOST $FAKE_USER $FAKE_RLIMIT; pwd",
                      env=self.env(FROM_HOST="h"))
        self.assertEqual(out, "1 h me core:5\n/\n")


class Terminal:
    """msb on a pseudo-terminal of its own."""

    def __init__(self, case, *args, rows=24, cols=80, **env):
        self.text = ""
        go, ready = os.pipe()
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.read(go, 1)  # the modes are to be those from before
            os.chdir(case.base)
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", rows, cols, 0, 0))
            os.execve(MSB, [MSB, *args], case.env(**env))
        case.addCleanup(self.close)
        self.modes = termios.tcgetattr(self.fd)
        os.write(ready, b"x")
        os.close(go)
        os.close(ready)

    def resize(self, rows, cols):
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, cols, 0, 0))

    def send(self, data):
        os.write(self.fd, data)

    def read_some(self, seconds):
        if not select.select([self.fd], [], [], seconds)[0]:
            return False
        try:
            data = os.read(self.fd, 65536)
        except OSError:
            data = b""
        self.text += data.decode(errors="replace")
        return bool(data)

    def expect(self, pattern):
        end = time.monotonic() + DEADLINE
        while not re.search(pattern, self.text):
            if time.monotonic() > end:
                raise AssertionError(f"no {pattern!r} in {self.text!r}")
            self.read_some(0.2)
        self.text = self.text[re.search(pattern, self.text).end():]

    def raw(self):
        return not termios.tcgetattr(self.fd)[3] & termios.ICANON

    def wait(self):
        end = time.monotonic() + DEADLINE
        while time.monotonic() < end:
            self.read_some(0.02)
            done, status = os.waitpid(self.pid, os.WNOHANG)
            if done:
                self.restored = termios.tcgetattr(self.fd)[3] == self.modes[3]
                while self.read_some(0):
                    pass
                self.pid = 0
                return os.waitstatus_to_exitcode(status)
        raise AssertionError(f"still running: {self.text!r}")

    def close(self):
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        os.close(self.fd)


class Tty(Base):
    def sh(self, script, *options, **kw):
        return Terminal(self, "run", *options, "./rootfs", "--", "sh", "-c", script, **kw)

    def test_size_resize_and_exit_code(self):
        t = self.sh("stty size; read x; stty size; exit 5", rows=31, cols=97)
        t.expect(r"31 97\r\n")
        t.resize(50, 132)
        time_limit = time.monotonic() + DEADLINE
        while time.monotonic() < time_limit and not t.raw():
            pass
        t.send(b"\n")
        t.expect(r"50 132")
        self.assertEqual(t.wait(), 5)
        self.assertTrue(t.restored)

    def test_control_c_goes_to_the_command(self):
        t = self.sh("trap 'echo got' INT; echo up; read x; read x; echo end")
        t.expect("up")
        t.send(b"\x03")
        t.expect("got")
        t.send(b"\n\n")
        t.expect("end")
        self.assertEqual(t.wait(), 0)

    def test_a_shell_is_the_default(self):
        t = Terminal(self, "run", "./rootfs")
        t.send(b"echo shell-is-$((1+1)); exit 4\n")
        t.expect("shell-is-2")
        self.assertEqual(t.wait(), 4)

    def test_password_is_not_shown(self):
        t = Terminal(self, "registry", "login", "ghcr.io", "-u", "me")
        t.expect("Password/token: ")
        t.send(b"s3cret\n")
        t.expect("<s3cret>")  # what the library was given, not an echo
        self.assertEqual(t.wait(), 0)
        self.assertTrue(t.restored)
        t = Terminal(self, "registry", "login", "ghcr.io", "-u", "me")
        t.expect("Password/token: ")
        t.send(b"half\x03")
        self.assertEqual(t.wait(), -signal.SIGINT)
        self.assertTrue(t.restored)
        self.assertNotIn("half", t.text)

    def test_bars_fit_and_go(self):
        for cols in (100, 80, 50, 30):
            t = Terminal(self, "pull", "ghcr.io/org/app:v1", cols=cols, FAKE_PULL_MS="60")
            t.expect("layer 3/3")
            self.assertEqual(t.wait(), 0)
            self.assertTrue(t.restored)
            for line in re.split(r"\r|\n", re.sub(r"\033\[[0-9;]*[A-Za-z]", "", t.text)):
                if "✓ Pulled" not in line:
                    self.assertLessEqual(len(line), cols)
            self.assertIn("\033[J", t.text)

    def test_interrupts_leave_a_clean_terminal(self):
        for how in (lambda t: t.send(b"\x03"), lambda t: os.kill(t.pid, signal.SIGTERM),
                    lambda t: os.kill(t.pid, signal.SIGHUP)):
            t = Terminal(self, "pull", "app", FAKE_PULL_MS="300")
            t.expect("layer 3/3")
            self.assertFalse(termios.tcgetattr(t.fd)[3] & termios.ECHO)
            how(t)
            self.assertLess(t.wait(), 0)
            self.assertTrue(t.restored)
            self.assertRegex(t.text, r"\r\033\[3A\033\[J$")

    def test_stopping_and_going_on(self):
        t = Terminal(self, "pull", "app", FAKE_PULL_MS="300")
        t.expect("layer 3/3")
        t.send(b"\x1a")
        os.waitpid(t.pid, os.WUNTRACED)
        self.assertTrue(termios.tcgetattr(t.fd)[3] & termios.ECHO)
        os.kill(t.pid, signal.SIGCONT)
        t.expect("Pulled       app")
        self.assertEqual(t.wait(), 0)

    def test_detach(self):
        t = self.sh("echo up; sleep 600")
        t.expect("up")
        t.send(b"\x1d")
        self.assertEqual(t.wait(), 0)
        self.assertTrue(t.restored)
        self.assertIn("msb attach msb-0badcafe", t.text)
        self.assertEqual(self.calls()[-1], "release msb-0badcafe")

    def test_longer_detach_keys(self):
        t = self.sh("stty raw -echo; echo go; head -c 3 | od -An -tx1; sleep 600",
                    "--detach-keys", "ctrl-p,ctrl-q")
        t.expect("go")
        t.send(b"\x10")
        t.send(b"x\x10")
        t.send(b"\x10")
        t.expect("10 78 10")
        t.send(b"\x11")
        self.assertEqual(t.wait(), 0)

    def test_signals_restore_the_terminal(self):
        for sig in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGQUIT):
            t = self.sh("echo up; sleep 600")
            t.expect("up")
            self.assertTrue(t.raw())
            os.kill(t.pid, sig)
            self.assertEqual(t.wait(), 128 + sig)
            self.assertTrue(t.restored)
            self.assertEqual(self.calls()[-1], "stop msb-0badcafe 10000")

    def test_a_crash_restores_the_terminal(self):
        t = self.sh("echo up; sleep 600")
        t.expect("up")
        os.kill(t.pid, signal.SIGSEGV)
        self.assertEqual(t.wait(), -signal.SIGSEGV)
        self.assertTrue(t.restored)

    def test_stop_and_continue(self):
        t = self.sh("echo up; read x; echo back-$x")
        t.expect("up")
        os.kill(t.pid, signal.SIGTSTP)
        _, status = os.waitpid(t.pid, os.WUNTRACED)
        self.assertTrue(os.WIFSTOPPED(status))
        self.assertFalse(t.raw())
        os.kill(t.pid, signal.SIGCONT)
        end = time.monotonic() + DEADLINE
        while not t.raw() and time.monotonic() < end:
            pass
        t.send(b"again\n")
        t.expect("back-again")
        self.assertEqual(t.wait(), 0)

    def test_timeout(self):
        t = self.sh("exec sleep 600", "--timeout", "1s")
        self.assertEqual(t.wait(), 124)
        self.assertTrue(t.restored)

    def test_no_tty(self):
        t = self.sh("test -t 1 || echo plain; cat", "--no-tty")
        t.expect("plain")
        self.assertFalse(t.raw())
        t.send(b"line\n\x04")
        t.expect("line")
        self.assertEqual(t.wait(), 0)

    def test_output_into_a_pipe_gets_no_terminal(self):
        t = Terminal(self, "--version")
        t.wait()
        master, slave = pty.openpty()
        p = subprocess.run([MSB, "run", "./rootfs", "--", "sh", "-c", "test -t 1 || echo plain"],
                           stdin=slave, capture_output=True, cwd=self.base, env=self.env(),
                           timeout=DEADLINE)
        os.close(master)
        os.close(slave)
        self.assertEqual(p.stdout, b"plain\n")

    def test_much_output_is_complete(self):
        t = self.sh("seq 1 20000")
        self.assertEqual(t.wait(), 0)
        self.assertEqual(t.text.split(), [str(i) for i in range(1, 20001)])


if __name__ == "__main__":
    unittest.main()
