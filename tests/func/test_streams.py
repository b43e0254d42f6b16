# SPDX-License-Identifier: Apache-2.0
"""Much output, slow readers and many clients at once."""
import hashlib
import subprocess

import pytest

from conftest import DEADLINE, SANITIZED, wait_for

BIG_MIB = 20 if SANITIZED else 100


def test_ten_thousand_lines_in_order(box):
    out = box.ok("exec", "box", "--", "seq", "1", "10000")
    assert out.split() == [str(i) for i in range(1, 10001)]


def test_much_output_is_complete_while_another_client_works(box):
    big = box.popen("exec", "box", "--", "sh", "-c",
                    f"yes 0123456789abcde | head -c {BIG_MIB << 20}")
    digest, size, others = hashlib.sha256(), 0, 0
    while True:
        chunk = big.stdout.read(1 << 20)
        if not chunk:
            break
        digest.update(chunk)
        size += len(chunk)
        if others < 5 and size >> 20 > others * BIG_MIB // 6:
            assert box.ok("exec", "box", "--", "echo", str(others)) == f"{others}\n"
            others += 1
    assert big.wait(DEADLINE) == 0 and others == 5
    assert size == BIG_MIB << 20
    assert digest.digest() == hashlib.sha256(b"0123456789abcde\n" * (BIG_MIB << 16)).digest()


def test_reader_that_stops_stalls_only_itself(box):
    stalled = box.popen("exec", "box", "--", "sh", "-c", "yes | head -c 60000000; echo end")
    stalled.stdout.read(1)
    for i in range(20):
        assert box.ok("exec", "box", "--", "echo", str(i)) == f"{i}\n"
    rest = stalled.stdout.read()
    assert stalled.wait(DEADLINE) == 0
    assert len(rest) == 60000000 - 1 + 4 and rest.endswith(b"end\n")


def test_both_streams_at_once(box):
    p = box("exec", "box", "--", "sh", "-c",
            "i=0; while [ $i -lt 3000 ]; do echo out$i; echo err$i >&2; i=$((i+1)); done; exit 39")
    assert p.returncode == 39
    assert p.stdout.split() == [f"out{i}" for i in range(3000)]
    assert p.stderr.split() == [f"err{i}" for i in range(3000)]


def test_forty_short_commands_at_once(box):
    procs = [box.popen("exec", "box", "--", "sh", "-c", f"exit {i}") for i in range(40)]
    codes = []
    for p in procs:
        p.communicate(timeout=DEADLINE)
        codes.append(p.returncode)
    assert codes == list(range(40))


def test_command_that_does_not_read_its_input_blocks_nobody(box):
    p = box.popen("exec", "box", "--", "sh", "-c", "echo up; sleep 600", stdin=subprocess.PIPE)
    assert p.stdout.readline() == b"up\n"
    try:
        import os
        os.set_blocking(p.stdin.fileno(), False)
        for _ in range(64):
            try:
                os.write(p.stdin.fileno(), b"x" * 65536)
            except BlockingIOError:
                break
        assert box.ok("exec", "box", "--", "echo", "free") == "free\n"
    finally:
        p.kill()
        p.wait()


def test_dying_client_takes_its_command_along(box):
    p = box.popen("exec", "box", "--", "sh", "-c", "sleep 4321 & echo up; wait")
    assert p.stdout.readline() == b"up\n"
    p.kill()
    p.wait()
    wait_for(lambda: "4321" not in box.ok("exec", "box", "--", "ps", "-o", "args"),
             "the orphaned command to go")


def test_background_job_keeps_output_open(box):
    assert box.ok("exec", "box", "--", "sh", "-c", "(sleep 1; echo late) & echo early") \
        == "early\nlate\n"


def test_no_zombies_stay(box):
    box.ok("exec", "box", "--", "sh", "-c", "for i in 1 2 3 4 5; do (sleep 0 &) ; done; sleep 1")
    out = box.ok("exec", "box", "--", "sh", "-c", "cat /proc/[0-9]*/stat")
    assert not [line for line in out.splitlines() if ") Z " in line]


def test_exec_log_has_every_session(box):
    import json
    box.ok("exec", "box", "--", "sh", "-c", "echo one; echo two >&2")
    box.ok("exec", "-t", "box", "--", "echo", "three")
    box.ok("stop", "-q", "box")
    log = (box.dir("box") / "logs/exec.log").read_text().splitlines()
    entries = [json.loads(line) for line in log]
    assert entries[0]["d"] == "--- sandbox started ---\n" and entries[0]["s"] == "system"
    assert entries[-1]["d"] == "--- sandbox stopped ---\n"
    assert {"s": "stdout", "d": "one\n", "id": 1} in [
        {k: v for k, v in e.items() if k != "t"} for e in entries]
    text = {}
    for e in entries[1:-1]:
        text[e["s"], e["id"]] = text.get((e["s"], e["id"]), "") + e["d"]
    assert text == {("stdout", 1): "one\n", ("stderr", 1): "two\n", ("output", 2): "three\r\n"}
    assert all(list(e)[:3] == ["t", "s", "d"] for e in entries)
