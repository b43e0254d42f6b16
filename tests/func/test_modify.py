# SPDX-License-Identifier: Apache-2.0
"""msb modify: of sandboxes that run, and of stopped ones."""
import concurrent.futures
import socket
import threading

import pytest

from conftest import wait_for


def modify(msb, *args):
    return {(c["field"], c["name"]): c["applies"]
            for c in msb.json("modify", "box", *args)}


def config(msb):
    return msb.json("inspect", "box")["config"]


@pytest.fixture
def server():
    """A port of the host's loopback that says hello to everybody."""
    s = socket.create_server(("127.0.0.1", 0), backlog=64)

    def serve():
        while True:
            try:
                c, _ = s.accept()
            except OSError:
                return
            c.sendall(b"hello\n")
            c.close()
    thread = threading.Thread(target=serve)
    thread.start()
    yield s.getsockname()[1]
    s.shutdown(socket.SHUT_RDWR)
    s.close()
    thread.join()


def test_environment_and_labels(msb):
    msb.create("box", "-e", "A=1", "-e", "B=1", "-l", "app=x")
    held = msb.popen("exec", "box", "--", "sh", "-c", "echo up; read line; echo $A", stdin=-1)
    assert held.stdout.readline().strip() == b"up"
    assert modify(msb, "-e", "A=2", "-e", "C=3", "--env-rm", "B", "-l", "app=y", "-l", "new=") == {
        ("env", "A"): "new_commands", ("env", "B"): "next_start", ("env", "C"): "new_commands",
        ("label", "app"): "now", ("label", "new"): "now"}
    assert msb.ok("exec", "box", "--", "sh", "-c", "echo $A-$B-$C") == "2-1-3\n"
    assert held.communicate(b"\n")[0] == b"1\n"  # what runs goes on as it is
    assert msb.ok("ls", "-q", "-l", "app=y", "-l", "new") == "box\n"
    assert msb.ok("ls", "-q", "-l", "app=x") == ""
    assert modify(msb, "-e", "A=2", "-l", "app=y") == {}
    msb.ok("restart", "-q", "box")
    assert msb.ok("exec", "box", "--", "sh", "-c", "echo $A-$B-$C") == "2--3\n"
    msb.ok("stop", "-q", "box")
    assert modify(msb, "-e", "A=4", "--label-rm", "app") == {
        ("env", "A"): "now", ("label", "app"): "now"}
    assert config(msb)["labels"] == {"new": ""}
    assert msb.ok("exec", "box", "--", "sh", "-c", "echo $A") == "4\n"


def test_limits_of_a_running_sandbox(msb):
    msb.create("box", "--idle-timeout", "1h", "--max-duration", "1h")
    assert modify(msb, "--max-duration", "none", "--idle-timeout", "2h") == {
        ("max_duration", None): "now", ("idle_timeout", None): "now"}
    assert config(msb)["policy"] == {"idle_timeout_secs": 7200, "max_duration_secs": None}
    assert msb.status("box") == "Running"
    modify(msb, "--idle-timeout", "1s")
    wait_for(lambda: msb.status("box") == "Stopped", "the new idle limit")
    assert msb.json("inspect", "box")["exit_reason"] == "IdleTimeout"
    modify(msb, "--idle-timeout", "none")
    msb.ok("start", "-q", "box")
    modify(msb, "--max-duration", "1s")  # it may have run for longer already
    wait_for(lambda: msb.status("box") == "Stopped", "the new limit of time")
    assert msb.json("inspect", "box")["exit_reason"] == "MaxDurationExceeded"


def test_policy_of_a_running_sandbox(msb, server):
    msb.create("box", "--net", "none")
    def get():
        return msb("exec", "box", "--", "sh", "-c",
                   f"nc -w 5 host.microsandbox.internal {server} </dev/null")
    assert get().stdout == ""
    assert modify(msb, "--net-rule", f"allow@dns,allow@host:tcp:{server}") == {
        ("policy", None): "now"}
    assert get().stdout == "hello\n"
    assert msb.ok("net", "explain", "--sandbox", "box", "10.0.0.1").startswith("denied")
    assert modify(msb, "--net", "none") == {("policy", None): "now"}
    assert get().stdout == ""
    modify(msb, "--net", "host")
    assert get().stdout == "hello\n"
    msb.ok("restart", "-q", "box")  # what is stored is what applies
    assert get().stdout == "hello\n"


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as s:
        return s.getsockname()[1]


def answers(port):
    try:
        with socket.create_connection(("127.0.0.1", port), 5) as s:
            s.settimeout(20)
            return s.recv(16) == b"hi\n"
    except OSError:
        return False


def test_ports_apply_at_the_next_start(msb):
    old, new = free_port(), free_port()
    msb.create("box", "-p", f"{old}:80")
    server = msb.popen("exec", "box", "--", "sh", "-c", "while true; do echo hi | nc -l -p 80; done")
    wait_for(lambda: answers(old), "the published port")
    assert modify(msb, "--port-rm", str(old), "-p", f"{new}:80") == {
        ("port", f"127.0.0.1:{old}:80/tcp"): "next_start",
        ("port", f"127.0.0.1:{new}:80/tcp"): "next_start"}
    assert wait_for(lambda: answers(old), "the port that is still published")
    assert not answers(new)
    msb.ok("restart", "-q", "box")
    server.wait()
    server = msb.popen("exec", "box", "--", "sh", "-c", "while true; do echo hi | nc -l -p 80; done")
    wait_for(lambda: answers(new), "the new port")
    assert not answers(old)
    p = msb("modify", "box", "--port-rm", str(old))
    assert p.returncode == 1 and f"there is no published port '{old}'" in p.stderr
    p = msb("modify", "box", "-p", f"{new}:81")
    assert p.returncode == 1 and "published more than once" in p.stderr


def test_changes_at_one_time_are_all_kept(msb):
    msb.create("box")
    msb.ok("stop", "-q", "box")
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        done = list(pool.map(lambda i: msb("modify", "-q", "box", "-l", f"k{i}=v").returncode,
                             range(12)))
    kept = config(msb)["labels"]
    # one that gave up said so
    assert set(kept) == {f"k{i}" for i, code in enumerate(done) if code == 0}
    assert done.count(0) >= 4


def test_secrets_are_left_alone(msb):
    msb.create("box", "--secret", "KEY=value@example.com")
    before = config(msb)["network"]["secrets"]
    assert modify(msb, "-p", f"{free_port()}:80", "-l", "a=1")
    assert config(msb)["network"]["secrets"] == before
    msb.ok("restart", "-q", "box")
    assert msb.ok("exec", "box", "--", "sh", "-c", "echo $KEY") == "$MSB_KEY\n"
