# SPDX-License-Identifier: Apache-2.0
"""msb run: one command in a machine that is gone afterwards."""
import hashlib
import os
import resource
import subprocess

import pytest

from conftest import DEADLINE, MSB, wait_for


def test_output_comes_from_another_kernel(msb):
    p = msb.run("--", "uname", "-r")
    assert p.returncode == 0, p.stderr
    assert p.stdout.strip() and p.stdout.strip() != os.uname().release


def test_unnamed_sandbox_leaves_nothing(msb):
    assert msb.run("--", "true").returncode == 0
    assert msb.json("ls") == []
    assert list((msb.home / "sandboxes").iterdir()) == []
    assert msb.no_processes()


@pytest.mark.parametrize("script,code", [
    ("exit 0", 0), ("exit 7", 7), ("exit 255", 255), ("kill -9 $$", 137), ("kill -TERM $$", 143),
])
def test_exit_code_of_the_command(msb, script, code):
    assert msb.run("--", "sh", "-c", script).returncode == code


def test_program_not_found_is_127(msb):
    p = msb.run("--", "no-such-program")
    assert p.returncode == 127
    assert 'failed to exec "no-such-program"' in p.stderr and "not found" in p.stderr


def test_program_not_executable_is_126(msb):
    (msb.rootfs / "bin/plain").write_text("text\n")
    (msb.rootfs / "bin/plain").chmod(0o644)
    (msb.rootfs / "bin/garbage").write_bytes(b"\x01\x02\x03")
    (msb.rootfs / "bin/garbage").chmod(0o755)
    assert msb.run("--", "/bin/plain").returncode == 126
    assert msb.run("--", "/bin/garbage").returncode == 126


def test_stdout_and_stderr_stay_apart(msb):
    p = msb.run("--", "sh", "-c", "echo out; echo err >&2")
    assert (p.stdout, p.stderr) == ("out\n", "err\n")


def test_stdin_is_forwarded_with_its_end(msb):
    data = os.urandom(1 << 20)
    p = msb.run("--", "sha256sum", input=data, text=False)
    assert p.stdout.split()[0].decode() == hashlib.sha256(data).hexdigest()


def test_empty_stdin_ends_at_once(msb):
    p = msb.run("--", "cat")
    assert (p.returncode, p.stdout) == (0, "")


def test_input_the_command_never_reads_does_no_harm(msb):
    p = msb.run("--", "true", input=b"x" * (1 << 20), text=False)
    assert p.returncode == 0


def test_binary_output_arrives_unchanged(msb):
    blob = os.urandom(300_000)
    (msb.rootfs / "blob").write_bytes(blob)
    p = msb.run("--", "cat", "/blob", text=False)
    assert p.stdout == blob


def test_timeout_kills_the_command_and_keeps_its_output(msb):
    p = msb.run("--timeout", "2s", "--", "sh", "-c", "echo before; sleep 600")
    assert p.returncode == 124
    assert p.stdout == "before\n" and "2s" in p.stderr


def test_tty_merges_the_streams(msb):
    p = msb.run("-t", "--", "sh", "-c", "test -t 1 && echo out; echo err >&2", text=False)
    assert p.returncode == 0
    assert p.stdout == b"out\r\nerr\r\n"


def test_environment(msb):
    p = msb.run("-e", "A=1 two\tthree", "-e", "Q=a\"b'c", "-e", "FROM_HOST", "-e", "U=grün",
                "--", "env", env=msb.env(FROM_HOST="yes"))
    lines = p.stdout.splitlines()
    for want in ("A=1 two\tthree", "Q=a\"b'c", "FROM_HOST=yes", "U=grün", "HOME=/root"):
        assert want in lines
    path = next(line for line in lines if line.startswith("PATH="))
    assert path.count("/.msb/scripts") == 1
    assert not any(line.startswith(("MSB_", "TERM=")) for line in lines)


def test_two_megabytes_of_environment(msb):
    args = []
    for i in range(21):
        args += ["-e", f"V{i}=" + chr(97 + i) * 100_000]
    def raise_stack():  # the host bounds arguments by a quarter of it
        hard = resource.getrlimit(resource.RLIMIT_STACK)[1]
        resource.setrlimit(resource.RLIMIT_STACK, (64 << 20, hard))
    p = msb.run(*args, "--", "sh", "-c", "env | wc -c", preexec_fn=raise_stack)
    assert p.returncode == 0, p.stderr[-500:]
    assert int(p.stdout) > 2_100_000


def test_workdir_user_hostname(msb):
    p = msb.run("-w", "/tmp", "-u", "user", "-H", "some-host", "--",
                "sh", "-c", "pwd; id -u; id -g; id -G; hostname; echo $HOME")
    assert p.stdout.splitlines() == ["/tmp", "1000", "1000", "1000 50", "some-host", "/home"]


def test_numeric_user_and_group(msb):
    p = msb.run("-u", "4321:1234", "--", "sh", "-c", "id -u; id -g")
    assert p.stdout.split() == ["4321", "1234"]


def test_unknown_user_is_a_typed_failure(msb):
    p = msb.run("-u", "nobody-here", "--", "true")
    assert p.returncode == 125 and "guest user not found: nobody-here" in p.stderr


def test_rlimit_of_the_command(msb):
    p = msb.run("--rlimit", "nofile=123:456", "-u", "user", "--",
                "sh", "-c", "ulimit -Sn; ulimit -Hn")
    assert p.stdout.split() == ["123", "456"]


def test_scripts_are_on_the_path(msb):
    (msb.base / "file.sh").write_text("#!/bin/sh\necho from-file\n")
    p = msb.run("--script", r"one=printf 'a\\tb\\n'", "--script-raw", "two=#!/bin/sh\necho raw\n",
                "--script-path", "three:file.sh", "--", "sh", "-c",
                "one; two; three; ls -l /.msb/scripts/one")
    assert p.stdout.splitlines()[:3] == ["a\tb", "raw", "from-file"]
    assert p.stdout.splitlines()[3].startswith("-rwxr-xr-x")


def test_tmpfs(msb):
    p = msb.run("--tmpfs", "/scratch:8M", "--", "sh", "-c",
                "stat -f -c %T /scratch; dd if=/dev/zero of=/scratch/x bs=1M count=9 2>&1 | "
                "grep -c 'No space'; df -m /scratch | tail -1 | awk '{print $2}'")
    assert p.stdout.split() == ["tmpfs", "1", "8"]


def test_entrypoint_comes_before_the_words(msb):
    p = msb.run("--entrypoint", "echo", "--", "one", "two")
    assert p.stdout == "one two\n"


def test_nothing_to_run_is_a_warning(msb):
    p = msb.run()
    assert p.returncode == 0
    assert "no command provided and stdin is not a terminal" in p.stderr


def test_detached_command_runs_and_the_sandbox_goes(msb):
    out = msb.base / "shared"
    out.mkdir()
    name = msb.ok("run", "-d", "-v", f"{out}:/out", "./rootfs", "--", "sh", "-c",
                  "echo done > /out/result").strip()
    assert name.startswith("msb-")
    wait_for(lambda: (out / "result").exists() and (out / "result").read_text() == "done\n",
             "the detached command's result")
    wait_for(lambda: not msb.processes(), "the sandbox's end")
    assert msb.json("ls") == []


def test_several_cpus(msb):
    p = msb.run("-c", "2", "--", "nproc")
    assert (p.returncode, p.stdout.strip()) == (0, "2"), p.stderr


def test_memory_size(msb):
    p = msb.run("-m", "128M", "--", "sh", "-c", "awk '/MemTotal/{print $2}' /proc/meminfo")
    assert 90_000 < int(p.stdout) <= 131_072


@pytest.mark.uml
def test_engine_mode_seccomp_on_one_cpu(msb):
    p = msb.run("--engine", "uml", "--engine-mode", "seccomp", "--", "echo", "hi")
    assert (p.returncode, p.stdout) == (0, "hi\n"), p.stderr


def test_init_hand_off(msb):
    (msb.rootfs / "etc/inittab").write_text("::sysinit:/bin/true\n")
    p = msb.run("--init", "/sbin/init", "--init-env", "GREETING=hi", "--", "sh", "-c",
                "cat /proc/1/comm; tr '\\0' '\\n' < /proc/1/environ | grep GREETING; "
                "awk '/^PPid/{print $2}' /proc/$PPID/status")
    assert p.returncode == 0, p.stderr
    lines = p.stdout.split()
    assert lines[0] in ("init", "busybox") and lines[1] == "GREETING=hi" and lines[2] == "1"


def test_eight_at_the_same_moment(msb):
    procs = [msb.popen("run", "./rootfs", "--", "sh", "-c", f"echo {i}; exit {i}",
                       text=True) for i in range(8)]
    for i, p in enumerate(procs):
        out, err = p.communicate(timeout=2 * DEADLINE)
        assert (p.returncode, out) == (i, f"{i}\n"), err


def test_closed_stdout_ends_quietly(msb):
    p = subprocess.run(["sh", "-c", 'exec "$0" run ./rootfs -- sh -c "yes | head -c 10000000" | head -c 10',
                        str(MSB)], cwd=msb.cwd, env=msb.env(),
                       capture_output=True, timeout=DEADLINE)
    assert p.stdout == b"y\ny\ny\ny\ny\n" and b"error" not in p.stderr


def test_root_directory_with_mounts_inside(msb):
    """File systems without extended attributes, as below the host's own root directory."""
    if os.geteuid() != 0:
        pytest.skip("mounting needs root")
    subprocess.run(["mount", "-t", "proc", "proc", msb.rootfs / "proc"], check=True)
    try:
        p = msb.run("--", "sh", "-c", "echo up; ls /proc/1/comm")
    finally:
        subprocess.run(["umount", msb.rootfs / "proc"], check=True)
    assert (p.returncode, p.stdout) == (0, "up\n/proc/1/comm\n"), p.stderr
