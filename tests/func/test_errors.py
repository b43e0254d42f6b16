# SPDX-License-Identifier: Apache-2.0
"""Wrong input: one line that names the thing and the remedy, and nothing half-made."""
import os
import subprocess

import pytest

from conftest import DEADLINE, MSB

RUN = ("run",)


def nothing_made(msb):
    assert msb.json("ls") == []
    boxes = msb.home / "sandboxes"
    assert not boxes.exists() or list(boxes.iterdir()) == []
    assert msb.no_processes()


@pytest.mark.parametrize("args,code,want", [
    (["run", "./missing", "--", "true"], 125, "rootfs bind path does not exist"),
    (["run", "./file", "--", "true"], 125, "rootfs bind path is not a directory"),
    (["run", "--pull", "never", "alpine", "--", "true"], 125, "image not cached: alpine"),
    (["run", "Alpine", "--", "true"], 125, "invalid image reference"),
    (["run", "--pull", "maybe", "alpine", "--", "true"], 125, "invalid pull policy: maybe"),
    (["run", "--oci-upper-size", "1G", "./rootfs", "--", "true"], 125, "only valid for OCI"),
    (["run", "-m", "12X", "./rootfs", "--", "true"], None, "size"),
    (["run", "-m", "0", "./rootfs", "--", "true"], None, "memory"),
    (["run", "-c", "0", "./rootfs", "--", "true"], None, "cpus"),
    (["run", "-c", "256", "./rootfs", "--", "true"], 2, "256"),
    (["run", "--timeout", "5x", "./rootfs", "--", "true"], None, "5x"),
    (["run", "--rlimit", "bogus=1", "./rootfs", "--", "true"], None, "bogus"),
    (["run", "--rlimit", "nofile=5:4", "./rootfs", "--", "true"], None, "soft limit cannot exceed"),
    (["run", "-e", "NOT_SET_ANYWHERE", "./rootfs", "--", "true"], None,
     "environment variable 'NOT_SET_ANYWHERE' not set"),
    (["run", "-e", "MSB_USER=x", "./rootfs", "--", "true"], None, "MSB_"),
    (["run", "-n", "../x", "./rootfs", "--", "true"], None, "name"),
    (["run", "-n", "n" * 129, "./rootfs", "--", "true"], None, "128"),
    (["run", "-v", "/nonexistent/dir:/data", "./rootfs", "--", "true"], None, "/nonexistent/dir"),
    (["run", "-v", "/etc:relative", "./rootfs", "--", "true"], None, "absolute"),
    (["run", "--init", "relative", "./rootfs", "--", "true"], None, "absolute path or `auto`"),
    (["run", "--init-arg", "x", "./rootfs", "--", "true"], 2, "--init"),
    (["run", "--shell", "a b", "./rootfs", "--", "true"], None, "--shell"),
    (["run", "--engine", "vmware", "./rootfs", "--", "true"], None, "vmware"),
    pytest.param(["run", "--engine", "kvm", "./rootfs", "--", "true"], 125, "kvm",
                 marks=pytest.mark.uml),
    (["run", "--log-level", "loud", "./rootfs", "--", "true"], None, "loud"),
    (["run", "--script", "x", "./rootfs", "--", "true"], None, "NAME=BODY"),
    (["run", "--detach-keys", "ctrl-ab", "./rootfs", "--", "true"], None, "detach key"),
    (["run", "--net-rule", "alow@any", "./rootfs"], 125, "did you mean `allow`"),
    (["run", "--net-rule", "allow@*.com", "./rootfs"], 125, "SuffixTooBroad"),
    (["run", "--net-default", "maybe", "./rootfs"], 125, "expected `allow` or `deny`"),
    (["run", "--no-net", "--net-default", "deny", "./rootfs"], 2, "cannot be used with"),
    (["run", "--net", "public,none", "./rootfs"], 125, "cannot be used with another one"),
    (["run", "-p", "8080", "./rootfs"], 125, "HOST:GUEST"),
    (["run", "-p", "0.0.0.1:1:99999", "./rootfs"], 125, "invalid guest port: 99999"),
    (["run", "--net-ipv4-pool", "10.0.0.0/31", "./rootfs"], 125, "/30 or shorter"),
    (["run", "--net-ipv4-pool", "127.0.0.0/8", "./rootfs"], 125, "no host can have"),
    (["run", "--max-connections", "5000", "./rootfs"], 125, "at most 4096"),
    (["run", "--dns-nameserver", "a b", "./rootfs"], 125, "invalid nameserver"),
    (["net", "explain", "allow@any", "1.2.3.4:x"], 1, "has no valid port"),
    (["net", "explain"], 2, "<TARGET> is missing"),
    (["run", "./rootfs", "echo", "hi"], 2, "echo"),
    (["run"], 2, ""),
    (["run", "--no-such-flag", "./rootfs"], 2, "--no-such-flag"),
    (["frobnicate"], 2, "frobnicate"),
    (["exec", "nobody", "--", "true"], 125, "sandbox not found: nobody"),
    (["start", "nobody"], 1, "sandbox not found: nobody"),
    (["inspect", "nobody"], 1, "sandbox not found: nobody"),
    (["ps", "nobody"], 1, "sandbox not found: nobody"),
    (["rm", "nobody"], 1, "sandbox not found: nobody"),
    (["stop"], 2, ""),
    (["ls", "--format", "yaml"], 2, "yaml"),
])
def test_bad_input(msb, args, code, want):
    (msb.base / "file").write_text("x")
    p = msb(*args)
    assert p.returncode == code if code is not None else p.returncode in (2, 125), p.stderr
    assert want in p.stderr
    assert p.stdout == ""
    errors = [line for line in p.stderr.splitlines() if line.startswith("error:")]
    assert "Assertion" not in p.stderr and len(errors) == 1
    nothing_made(msb)


@pytest.mark.parametrize("flag", [
    ["--security", "restricted"], ["--root-disk", "10G"],
])
def test_flags_of_later_stages_are_refused_by_name(msb, flag):
    p = msb("run", *flag, "./rootfs", "--", "true")
    assert p.returncode == 125 and flag[0].lstrip("-") in p.stderr and "not available" in p.stderr
    nothing_made(msb)


@pytest.mark.parametrize("command", [["ssh", "x"]])
def test_commands_of_later_stages_are_refused_by_name(msb, command):
    p = msb(*command)
    assert p.returncode == 1 and command[0] in p.stderr and "not available" in p.stderr


def test_missing_workdir(msb):
    p = msb.run("-w", "/does/not/exist", "--", "true")
    assert p.returncode == 125 and "workdir does not exist in guest: /does/not/exist" in p.stderr
    nothing_made(msb)


@pytest.mark.uml
def test_more_devices_than_a_machine_has(msb):
    (msb.base / "data").mkdir()
    mounts = [w for i in range(48) for w in ("-v", f"{msb.base}/data:/mnt/{i}")]
    p = msb.run(*mounts, "--", "true")  # root, network, console, entropy and balloon, too
    assert p.returncode == 125
    assert "53 devices; a uml machine has at most 52" in p.stderr
    nothing_made(msb)
    assert msb.run(*mounts[2:], "--", "sh", "-c", "ls -d /mnt/* | wc -l").stdout == "47\n"


def test_missing_init(msb):
    p = msb.run("--init", "/sbin/no-init", "--", "true")
    assert p.returncode == 125
    assert "handoff init binary not found at /sbin/no-init" in p.stderr
    nothing_made(msb)


def test_dead_sandbox_says_so(msb):
    import signal
    from conftest import wait_for
    msb.create("box")
    os.kill(msb.runtime_pid("box"), signal.SIGKILL)
    wait_for(lambda: not msb.processes(), "it to be gone")
    p = msb("attach", "box")
    assert p.returncode != 0 and "box" in p.stderr and p.stderr.count("error:") == 1


def test_files_may_not_grow(msb):
    p = subprocess.run(["sh", "-c", 'ulimit -f 8; exec "$0" create -n box ./rootfs', str(MSB)],
                       cwd=msb.cwd, env=msb.env(), capture_output=True, text=True, timeout=DEADLINE)
    assert p.returncode == 1 and "File too large" in p.stderr and p.stderr.count("\n") == 1, p
    assert not msb.processes()
    msb.ok("create", "-n", "box", "./rootfs")


def test_unwritable_home(msb):
    if os.geteuid() == 0:
        pytest.skip("root can write anywhere")
    msb.home = msb.base / "locked" / "home"
    msb.home.parent.mkdir()
    msb.home.parent.chmod(0o500)
    p = msb.run("--", "true")
    assert p.returncode == 125 and str(msb.home) in p.stderr and "ermission denied" in p.stderr


def test_unreadable_root_directory(msb):
    if os.geteuid() == 0:
        pytest.skip("root can read anything")
    msb.rootfs.chmod(0)
    p = msb.run("--", "true")
    msb.rootfs.chmod(0o755)
    assert p.returncode == 125 and str(msb.rootfs) in p.stderr
    nothing_made(msb)


def test_root_without_a_program(msb):
    (msb.base / "empty").mkdir()
    p = msb("run", "./empty", "--", "/bin/sh")
    assert p.returncode == 127
    nothing_made(msb)


def without_user_namespaces(msb, *args):
    """msb on a host that forbids user namespaces: inside one that may have no more."""
    import subprocess
    script = 'echo 0 > /proc/sys/user/max_user_namespaces && exec "$0" "$@"'
    return subprocess.run(["unshare", "-Ur", "sh", "-c", script, str(MSB), *args], cwd=msb.cwd,
                          env=msb.env(), stdin=subprocess.DEVNULL, capture_output=True, text=True)


@pytest.mark.uml
def test_forbidden_jail_layer_is_refused_with_its_remedy(msb):
    p = without_user_namespaces(msb, "run", "./rootfs", "--", "true")
    assert p.returncode == 125 and p.stderr.count("error:") == 1
    assert "user namespace" in p.stderr and "sysctl -w user.max_user_namespaces" in p.stderr
    nothing_made(msb)


@pytest.mark.uml
def test_relaxed_jail_runs_and_says_what_is_missing(msb):
    p = without_user_namespaces(msb, "run", "--engine-jail", "relaxed", "./rootfs", "--", "echo",
                                "hi")
    assert (p.returncode, p.stdout) == (0, "hi\n"), p.stderr
    assert "warn: the machine runs without jail layer user_ns: off: " in p.stderr


def test_no_space_for_state(msb):
    if os.geteuid() != 0:
        pytest.skip("mounting a small file system needs root")
    import subprocess
    msb.home.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k,nr_inodes=12", "tmpfs",
                    str(msb.home)], check=True)
    try:
        p = msb.run("--", "true")
        assert p.returncode == 125, p.stderr
        assert "No space left on device" in p.stderr and p.stderr.count("error:") == 1
        assert msb.no_processes()
    finally:
        subprocess.run(["umount", str(msb.home)], check=True)
