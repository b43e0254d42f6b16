# SPDX-License-Identifier: Apache-2.0
"""From inside: no host file, process or network, and no way to hurt the runtime."""
import json
import os
import pathlib
import shutil
import socket
import subprocess

import pytest

from conftest import BUILD, DEADLINE, wait_for


def test_guest_root_sees_no_host_process(box):
    victim = subprocess.Popen(["sleep", "9753"])
    try:
        out = box.ok("exec", "box", "--", "ps", "-o", "pid,args")
        assert "9753" not in out and "msb" not in out
        box("exec", "box", "--", "sh", "-c",
            f"kill -9 {victim.pid} {box.runtime_pid('box')}; kill -9 -1")
        assert victim.poll() is None
        assert box.ok("exec", "box", "--", "echo", "alive") == "alive\n"
    finally:
        victim.kill()
        victim.wait()


def test_guest_root_reaches_no_host_file(box):
    marker = box.base / "marker-outside-the-root"
    marker.write_text("secret")
    script = ("ls -la /..; cat /../marker-outside-the-root; cat " + str(marker) + "; "
              "mkdir -p /m; mount -t hostfs none /m -o /; mount -t virtiofs msb_home /m; "
              "ln -s " + str(box.base) + " /link; cat /link/marker-outside-the-root; "
              "cd /; i=0; while [ $i -lt 30 ]; do cd ..; i=$((i+1)); done; ls; "
              "find / -xdev -name marker-outside-the-root")
    p = box("exec", "box", "--", "sh", "-c", script)
    assert "secret" not in p.stdout and "marker-outside" not in p.stdout, p.stdout


def test_symlinks_planted_in_the_root_stay_inside(box):
    outside = box.base / "outside"
    outside.mkdir()
    (outside / "file").write_text("host data")
    (box.rootfs / "door").symlink_to(outside)
    (box.rootfs / "up").symlink_to("../../../../../../../.." + str(outside))
    p = box("exec", "box", "--", "sh", "-c",
            "cat /door/file /up/file; echo gotcha > /door/file; echo gotcha > /up/new")
    assert "host data" not in p.stdout
    assert (outside / "file").read_text() == "host data" and os.listdir(outside) == ["file"]


def test_host_fifos_and_devices_in_the_root_are_not_opened(box):
    os.mkfifo(box.rootfs / "fifo")
    p = box("exec", "--timeout", "20s", "box", "--", "sh", "-c",
            "ls -l /fifo | cut -c1; (echo x > /fifo) & cat /fifo")
    assert p.stdout.startswith("p")  # a FIFO of the guest's own, which works there


def test_the_hosts_loopback_is_out_of_reach(box):
    server = socket.socket()
    server.bind(("127.0.0.1", 0))
    server.listen()
    server.setblocking(False)
    port = server.getsockname()[1]
    p = box("exec", "box", "--", "sh", "-c",
            "ls /sys/class/net; gateway=$(ip route | sed -n 's/default via \\([^ ]*\\).*/\\1/p'); "
            f"for a in 127.0.0.1 $gateway ::ffff:127.0.0.1; do nc -w 2 $a {port} < /dev/null && "
            "echo connected; done; true")
    assert p.stdout.split() == ["eth0", "lo"]
    with pytest.raises(BlockingIOError):
        server.accept()
    server.close()


def test_read_only_volume_stays_read_only(msb):
    data = msb.base / "data"
    data.mkdir()
    (data / "file").write_text("original")
    p = msb.run("-v", f"{data}:/data:ro", "--", "sh", "-c",
                "cat /data/file; echo x > /data/file; mount -o remount,rw /data; "
                "echo x > /data/file; rm /data/file; touch /data/new")
    assert p.stdout == "original"
    assert (data / "file").read_text() == "original" and os.listdir(data) == ["file"]


def test_file_volume_shows_only_that_file(msb):
    data = msb.base / "data"
    data.mkdir()
    (data / "one").write_text("1")
    (data / "two").write_text("2")
    p = msb.run("-v", f"{data}/one:/etc/one", "--", "sh", "-c",
                "cat /etc/one; echo changed > /etc/one; ls /etc | grep -c two")
    assert p.stdout == "10\n"
    assert (data / "one").read_text() == "changed\n"


def test_writable_volume(msb):
    data = msb.base / "data"
    data.mkdir()
    p = msb.run("-v", f"{data}:/data", "--", "sh", "-c",
                "echo hello > /data/file; mkdir /data/dir; stat -c '%u %g' /data/file")
    assert p.stdout == "0 0\n", p.stderr
    assert (data / "file").read_text() == "hello\n" and (data / "dir").is_dir()
    assert (data / "file").stat().st_uid == os.geteuid()


def test_garbage_on_the_agent_channel(msb):
    """Guest root replaces the agent and speaks nonsense to the runtime."""
    (msb.rootfs / "etc/inittab").write_text("::sysinit:/bin/true\n")
    for i, junk in enumerate(["head -c 300000 /dev/urandom",
                              r"printf '\377\377\377\377aaaaaaaaaaaa'",
                              r"printf '\000\000\000\001a'",
                              r"printf '\000\000\000\006\000\000\000\000\000\377'"]):
        name = f"box{i}"
        msb.create(name, "--init", "/sbin/init")
        p = msb.popen("exec", name, "--", "sh", "-c",
                      "port=$(grep -l agent /sys/class/virtio-ports/*/name); "
                      "port=/dev/$(basename $(dirname $port)); trap '' HUP TERM; "
                      f"kill -9 $PPID; sleep 1; while :; do {junk}; done > $port")
        p.communicate(timeout=DEADLINE)
        assert p.returncode != 0
        wait_for(lambda: msb.status(name) == "Stopped", "the guest without an agent to be ended")
        assert msb.json("inspect", name)["exit_reason"] in (
            "AgentUnresponsive", "InternalError")
    assert msb.no_processes()


@pytest.mark.uml
def test_processes_of_a_machine_are_jailed(box):
    runtime = box.runtime_pid("box")
    kernels = [int(k) for t in pathlib.Path(f"/proc/{runtime}/task").iterdir()
               for k in (t / "children").read_text().split()]
    assert len(kernels) == 1
    proc = pathlib.Path(f"/proc/{kernels[0]}")
    status = dict(line.split(":\t", 1) for line in (proc / "status").read_text().splitlines()
                  if ":\t" in line)
    for caps in ("CapInh", "CapPrm", "CapEff", "CapAmb"):
        assert int(status[caps], 16) == 0, status
    assert status["NoNewPrivs"] == "1" and status["Seccomp"] == "2"
    assert status["Uid"].split()[0] != "0"
    for ns in ("user", "pid", "mnt", "net", "ipc", "uts"):
        assert os.readlink(proc / "ns" / ns) != os.readlink(f"/proc/self/ns/{ns}"), ns


@pytest.mark.uml
def test_kernel_taken_over_by_its_guest(msb):
    """A hostile program in place of the guest kernel, inside the jail."""
    msb.home.mkdir()
    guest = msb.base / "guest"
    shutil.copytree(BUILD / "guest", guest)
    shutil.copy(BUILD / "tests/hostile/hostile-kernel", guest / "linux-um")
    (msb.home / "config.json").write_text(json.dumps({"paths": {"guest": str(guest)}}))
    p = msb("create", "-n", "evil", "./rootfs")
    assert p.returncode == 1 and 'failed to start "evil"' in p.stderr
    log = (msb.dir("evil") / "logs/kernel.log").read_text(errors="replace")
    assert "jailed: done" in log
    assert "escape:" not in log, log
    assert "attacked" in log or "in round" in log
    assert (msb.dir("evil") / "runtime/exit.json").exists()  # the runtime saw it through
    wait_for(lambda: not msb.processes(), "the machine to be gone")
    assert msb.status("evil") in ("Stopped", "Crashed")
