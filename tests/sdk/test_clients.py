# SPDX-License-Identifier: Apache-2.0
"""Many clients of one sandbox, of all languages at once; and what is left of them."""
import socket
import struct
import subprocess

import conftest
import pytest
from conftest import BUILD, DEADLINE, LANGUAGES
from drivers import Driver, Failed, to_bytes

wire = conftest.neighbour.load("func_wire", conftest.ROOT / "tests/func/wire.py")
CLIENTS = 128  # of one relay
STAT = wire.encode({"v": 6, "t": "core.fs.request", "p": wire.encode(
    {"op": {"Stat": {"path": "/etc/passwd", "follow_symlink": True}}})})


def body(data):
    return conftest.drivers.as_bytes(data)


@pytest.fixture
def box(home):
    """A sandbox that runs on its own, and one driver per language that know its home."""
    home.msb("create", "-q", "-n", "box", "busybox")
    started = {}

    def start(language):
        if language not in started:
            started[language] = Driver(language, BUILD, home.path, deadline=DEADLINE)
        return started[language]
    yield start
    for d in started.values():
        d.kill()


def works(driver, agent):
    reply = driver("agent_request", agent=agent, flags=2, body=body(STAT), timeout_ms=30000)
    assert b"core.fs.response" in to_bytes(reply["body"])


def test_128_clients_of_all_languages_and_one_more(box):
    ranges, open_ones = set(), []
    for i in range(CLIENTS):
        d = box(LANGUAGES[i % len(LANGUAGES)])
        ids = d("agent_connect", name="box", **{"as": f"a{i}"})
        ranges.add((ids["first"], ids["end"]))
        open_ones.append((d, f"a{i}"))
    assert len(ranges) == CLIENTS
    ordered = sorted(ranges)
    assert all(a[1] <= b[0] for a, b in zip(ordered, ordered[1:]))
    for language in LANGUAGES:
        with pytest.raises(Failed) as e:
            box(language)("agent_connect", name="box", **{"as": "more"})
        assert e.value.kind == "agent_busy", language
        with pytest.raises(Failed) as e:
            box(language)("connect", name="box", **{"as": "s"})
        assert e.value.kind == "agent_busy", language
    for d, name in open_ones:
        works(d, name)
    # All at once, as well.
    pending = [d.begin("agent_request", {"agent": n, "flags": 2, "body": body(STAT), "timeout_ms": 60000})
               for d, n in open_ones]
    for p in pending:
        assert b"core.fs.response" in to_bytes(p.result(DEADLINE)["body"])
    d, name = open_ones.pop()
    d("drop", object=name)
    conftest.wait_for(lambda: can_connect(box(LANGUAGES[0])), "a place for one more client")


def can_connect(driver):
    try:
        driver("agent_connect", name="box", **{"as": "more"})
    except Failed as e:
        assert e.kind == "agent_busy"
        return False
    return True


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_client_that_dies_in_the_middle_of_a_frame_harms_no_other(box, home, language):
    d = box(language)
    d("connect", name="box", **{"as": "s"})
    d("agent_connect", name="box", **{"as": "a"})
    d("exec_start", sandbox="s", command="cat", stdin="pipe", **{"as": "x"})
    for cut in (1, 5, 9, 20, 60):
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(DEADLINE)
            s.connect(str(agent_socket(home)))
            first, _ = struct.unpack(">II", s.recv(8, socket.MSG_WAITALL))
            frame = wire.frame(first, 2, "core.exec.request", wire.exec_request("sleep", "1000" * 20))
            s.sendall(frame[:cut])
        works(d, "a")
        d("exec_write", exec="x", data=f"{cut}\n")
    # One that is killed with commands, files and streams open.
    other = Driver(language, BUILD, home.path, deadline=DEADLINE)
    other("connect", name="box", **{"as": "s"})
    other("agent_connect", name="box", **{"as": "a"})
    other("exec_start", sandbox="s", command="sleep", args=["1000"], **{"as": "x"})
    other.begin("exec", {"sandbox": "s", "command": "cat", "stdin": {"b64": "AAAA" * 1000000}})
    other.kill()
    works(d, "a")
    d("exec_close_stdin", exec="x")
    out = d("exec_collect", exec="x")
    assert to_bytes(out["stdout"]) == b"1\n5\n9\n20\n60\n"
    gone = d("shell", sandbox="s", script="while pidof sleep >/dev/null; do :; done; echo gone")
    assert to_bytes(gone["stdout"]) == b"gone\n"


def agent_socket(home):
    return home.path / "sandboxes/box/runtime/agent.sock"


def use_everything(d):
    """A round of all kinds of objects, made and released."""
    d("connect", name="box", **{"as": "s"})
    d("exec", sandbox="s", command="echo", args=["x"])
    d("exec_start", sandbox="s", command="cat", stdin="pipe", **{"as": "x"})
    d("exec_write", exec="x", data="data")
    d("exec_close_stdin", exec="x")
    d("exec_collect", exec="x")
    d("fs_write", sandbox="s", path="/tmp/f", data="data")
    d("fs_read_stream", sandbox="s", path="/tmp/f")
    d("logs", name="box")
    d("log_open", name="box", follow=True, **{"as": "l"})
    d("log_next", log="l")
    d("metrics_all")
    d("list")
    d("image_list")
    d("agent_connect", name="box", **{"as": "a"})
    d("agent_stream", agent="a", flags=2, body=body(STAT), **{"as": "st"})
    d("agent_next", stream="st")
    for bad in ({"command": "no-such-program"}, {"command": "sleep", "args": ["9"], "timeout_ms": 20}):
        with pytest.raises(Failed):
            d("exec", sandbox="s", **bad)
    waiting = d.begin("exec", {"sandbox": "s", "command": "sleep", "args": ["1000"]})
    d("cancel", request=waiting.number)
    with pytest.raises(Failed):
        waiting.result(DEADLINE)
    for name in ("x", "l", "st", "a", "s"):
        d("drop", object=name)
    d("gc")


@pytest.mark.parametrize("language", LANGUAGES)
def test_nothing_is_held_that_was_released(box, language):
    d = box(language)
    for _ in range(3):
        use_everything(d)
    before = d.descriptors()
    for _ in range(10):
        use_everything(d)
    d("gc")
    memory = d.memory_kib()
    for _ in range(10):
        use_everything(d)
    conftest.wait_for(lambda: settled(d, before), "descriptors to be closed", 20)
    # Heaps grow as they like; a few kilobytes of each round that stayed would be seen.
    assert d.memory_kib() - memory < 16 * 1024
    assert d.end() == 0


@pytest.mark.parametrize("language", LANGUAGES)
def test_much_input_and_output_at_once(box, language):
    """More than all buffers on the way together hold, both ways."""
    d = box(language)
    d("connect", name="box", **{"as": "s"})
    d("exec_start", sandbox="s", command="cat", stdin="pipe", **{"as": "x"})
    collected = d.begin("exec_collect", {"exec": "x"})
    data = bytes(range(256)) * 4096
    for _ in range(8):
        d("exec_write", exec="x", data=body(data))
    d("exec_close_stdin", exec="x")
    out = collected.result(DEADLINE)
    assert to_bytes(out["stdout"]) == data * 8
    # Nobody reads: the writer waits, and is given up without harm to others.
    d("exec_start", sandbox="s", command="sleep", args=["1000"], stdin="pipe", **{"as": "x"})
    stuck = d.begin("exec_write", {"exec": "x", "data": body(data * 8)})
    assert d("exec", sandbox="s", command="echo", args=["on"])["code"] == 0
    d("exec_kill", exec="x")
    assert d("exec_wait", exec="x") == {"code": -1, "signal": 9}
    stuck.result(DEADLINE)


def settled(d, before):
    d("gc")
    return d.descriptors() <= before + 2


@pytest.mark.skipif("c" not in LANGUAGES, reason="about the C interface")
def test_valgrind_finds_nothing(box, home):
    log = home.base / "valgrind"
    d = Driver("c", BUILD, home.path, deadline=DEADLINE,
               prefix=["valgrind", "-q", "--leak-check=full", "--errors-for-leak-kinds=definite,indirect",
                       "--error-exitcode=99", f"--log-file={log}"])
    box("c")
    use_everything(d)
    code = d.end()
    noise = ("unhandled amd64-linux syscall", "You may be able", "Read the file README", "Nevertheless we consider",
             "it at http")
    text = "\n".join(line for line in log.read_text().splitlines() if not any(n in line for n in noise))
    assert code == 0, text


def test_a_dead_program_takes_along_what_is_attached_to_it(home):
    for language in LANGUAGES:
        d = Driver(language, BUILD, home.path, deadline=DEADLINE)
        d("create", name=f"attached-{language}", options={"image": "busybox"}, **{"as": "s"})
        d("create", name=f"detached-{language}", options={"image": "busybox"}, detached=True, **{"as": "t"})
        d.kill()
    for language in LANGUAGES:
        conftest.wait_for(lambda: f"attached-{language}" not in running(home), "the attached one to stop")
        assert f"detached-{language}" in running(home)


def running(home):
    return subprocess.run([str(conftest.MSB), "ls", "-q", "--running"], env={"MSB_HOME": str(home.path)},
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True).stdout.split()
