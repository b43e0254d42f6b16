# SPDX-License-Identifier: Apache-2.0
"""Metrics of real sandboxes, read through the library: what moves them, and what ends them."""
import contextlib
import json
import os
import signal
import socket
import threading

import pytest

from conftest import ENGINE, SANITIZED, registry, wait_for
from metricslib import EXITED, RUNNING, STALLED, Metrics, Refused

pytestmark = pytest.mark.skipif(SANITIZED, reason="the library wants its sanitizer to be there first")
MIB = 1 << 20
INTERVAL_MS = 100
NOBODY = {}


def settings(msb, **defaults):
    msb.home.mkdir(mode=0o700, exist_ok=True)
    capacity = defaults.pop("capacity", 0)
    defaults = {"engine": ENGINE, "metrics_sample_interval_ms": INTERVAL_MS, **defaults}
    (msb.home / "config.json").write_text(json.dumps(
        {"sandbox_defaults": defaults, "metrics": {"capacity": capacity}}))


@pytest.fixture
def metrics(msb):
    """Samples are taken ten times a second here."""
    settings(msb)
    m = Metrics(msb.home)
    yield m
    m.close()


def runtime_log(msb, name):
    return (msb.dir(name) / "logs/runtime.log").read_text()


def later(metrics, name, condition, what):
    """The first sample for which the condition holds."""
    return wait_for(lambda: (lambda s: s if condition(s) else None)(metrics.of(name)), what)


def test_a_sample_is_there_when_create_returns(msb, metrics):
    assert metrics.list() == NOBODY
    msb.create("box", "-m", "256M", "-c", "1")
    first = metrics.of("box")
    assert (first.state, first.cpus, first.interval_ms) == (RUNNING, 1, INTERVAL_MS)
    assert first.memory_limit_bytes == 256 * MIB
    assert 0 < first.memory_bytes < 2 * first.memory_limit_bytes
    assert first.cpu_time_us > 0
    assert first.sampled_unix_ms - first.started_unix_ms == pytest.approx(first.uptime_ms, abs=2)
    second = later(metrics, "box", lambda s: s.sampled_unix_ms > first.sampled_unix_ms, "another")
    assert second.started_unix_ms == first.started_unix_ms
    assert second.uptime_ms > first.uptime_ms
    assert second.cpu_time_us >= first.cpu_time_us


def test_a_program_that_computes(msb, metrics):
    msb.create("box")
    before = later(metrics, "box", lambda s: s.cpu_percent < 5, "the sandbox to come to rest")
    burner = msb.popen("exec", "box", "--", "sh", "-c", "while :; do :; done")
    busy = later(metrics, "box",
                 lambda s: s.cpu_time_us > before.cpu_time_us + 300_000, "CPU time of the program")
    later(metrics, "box", lambda s: s.cpu_percent > 5, "a load")
    # one CPU cannot have done more than there was time for
    assert busy.cpu_time_us < 2 * 1000 * busy.uptime_ms
    burner.kill()
    burner.wait()
    later(metrics, "box", lambda s: s.cpu_percent < 5, "the load to end")


def test_programs_that_come_and_go(msb, metrics):
    msb.create("box")
    before = metrics.of("box")
    spent = msb.ok("exec", "box", "--", "sh", "-c", """
        i=0; while [ $i -lt 20 ]; do sh -c 'j=0; while [ $j -lt 4000 ]; do j=$((j+1)); done'; i=$((i+1)); done
        head -n 1 /proc/stat""").split()
    ticks = sum(int(spent[i]) for i in (1, 2, 3, 6, 7, 8))
    # the guest's own account, in hundredths of a second, is an upper limit
    later(metrics, "box", lambda s: s.cpu_time_us > before.cpu_time_us + ticks * 10_000 / 4,
          "CPU time of what has ended")


def test_memory_of_host_and_guest(msb, metrics):
    msb.create("box", "-m", "256M")
    before = later(metrics, "box", lambda s: s.guest_memory_bytes, "the guest's word")
    assert before.guest_memory_bytes < before.guest_memory_total_bytes <= before.memory_limit_bytes
    msb.ok("exec", "box", "--", "sh", "-c",
           "mount -t tmpfs none /mnt && dd if=/dev/zero of=/mnt/x bs=1M count=64 2>/dev/null")
    full = later(metrics, "box", lambda s: s.guest_memory_bytes > before.guest_memory_bytes + 60 * MIB
                 and s.memory_bytes > before.memory_bytes + 50 * MIB, "memory to be used")
    assert full.guest_memory_bytes < full.guest_memory_total_bytes
    msb.ok("exec", "box", "--", "rm", "/mnt/x")
    later(metrics, "box", lambda s: s.guest_memory_bytes < full.guest_memory_bytes - 60 * MIB,
          "the guest to have it back")
    later(metrics, "box", lambda s: s.memory_bytes < full.memory_bytes - 50 * MIB,
          "the host to have it back")


def test_files_of_a_shared_directory(msb, metrics):
    msb.create("box")
    before = metrics.of("box")
    msb.ok("exec", "box", "--", "dd", "if=/dev/zero", "of=/x", "bs=1M", "count=20")
    written = later(metrics, "box",
                    lambda s: s.disk_write_bytes >= before.disk_write_bytes + 20 * MIB, "writes")
    assert written.disk_write_bytes < before.disk_write_bytes + 21 * MIB
    msb.ok("exec", "box", "--", "sh", "-c", "echo 3 > /proc/sys/vm/drop_caches; cat /x > /dev/null")
    later(metrics, "box", lambda s: s.disk_read_bytes >= written.disk_read_bytes + 20 * MIB, "reads")


def test_blocks_of_a_disk(msb, metrics):
    msb.ok("create", "-q", "-n", "disk", "busybox")
    before = metrics.of("disk")
    msb.ok("exec", "disk", "--", "sh", "-c", "dd if=/dev/zero of=/x bs=1M count=20 2>/dev/null; sync")
    written = later(metrics, "disk",
                    lambda s: s.disk_write_bytes >= before.disk_write_bytes + 20 * MIB, "writes")
    msb.ok("exec", "disk", "--", "sh", "-c", "echo 3 > /proc/sys/vm/drop_caches; cat /x > /dev/null")
    later(metrics, "disk", lambda s: s.disk_read_bytes >= written.disk_read_bytes + 20 * MIB, "reads")


def test_traffic_of_the_card(msb, metrics):
    msb.create("box", "--net", "host")
    net = msb.json("inspect", "box")["network"]
    if "ipv4" not in net:
        pytest.skip("the host has no route")
    size = 3_000_000

    def serve(listener):
        connection, _ = listener.accept()
        with connection:
            while connection.recv(MIB):
                pass
            connection.sendall(bytes(2 * size))
    before = metrics.of("box")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = threading.Thread(target=serve, args=[listener], daemon=True)
        server.start()
        msb.ok("exec", "box", "--", "sh", "-c", f"head -c {size} /dev/zero | "
               f"nc {net['ipv4']['gateway']} {listener.getsockname()[1]} > /dev/null")
        server.join(60)
    after = later(metrics, "box", lambda s: s.net_rx_bytes >= before.net_rx_bytes + 2 * size,
                  "bytes of the card")
    assert size <= after.net_tx_bytes - before.net_tx_bytes < 2 * size
    assert after.net_rx_bytes - before.net_rx_bytes < 3 * size


def test_a_killed_runtime_leaves_no_frozen_value(msb, metrics):
    msb.create("box")
    msb.create("other")
    assert list(metrics.list()) == ["box", "other"]
    last = metrics.of("box")
    pid = msb.runtime_pid("box")
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: list(metrics.list()) == ["other"], "the dead one to be left out", 10)
    with pytest.raises(Refused) as e:
        metrics.of("box")
    assert e.value.kind == "metrics_unavailable"
    assert e.value.text == "sandbox box is not running; metrics are unavailable"
    exited = metrics.list(exited=True)
    assert {n: s.state for n, s in exited.items()} == {"box": EXITED, "other": RUNNING}
    assert exited["box"].cpu_time_us >= last.cpu_time_us
    msb.ok("start", "-q", "box")
    again = metrics.of("box")
    assert again.state == RUNNING and again.started_unix_ms > last.started_unix_ms
    assert metrics.list(exited=True).keys() == {"box", "other"}


def test_stop_start_and_remove(msb, metrics):
    msb.create("box")
    msb.ok("exec", "box", "--", "dd", "if=/dev/zero", "of=/x", "bs=1M", "count=8")
    before = later(metrics, "box", lambda s: s.disk_write_bytes >= 8 * MIB, "writes")
    msb.ok("stop", "-q", "box")
    assert metrics.list() == NOBODY
    last = metrics.list(exited=True)["box"]
    assert last.state == EXITED and last.disk_write_bytes >= before.disk_write_bytes
    msb.ok("start", "-q", "box")
    assert metrics.of("box").disk_write_bytes < 8 * MIB, "counters begin again"
    msb.ok("rm", "-q", "-f", "box")
    assert metrics.list(exited=True) == NOBODY


def test_a_runtime_that_stands_still_is_stalled(msb, metrics):
    msb.create("box")
    pid = msb.runtime_pid("box")
    os.kill(pid, signal.SIGSTOP)
    try:
        wait_for(lambda: metrics.of("box").state == STALLED, "the sample to be old")
        assert metrics.list()["box"].state == STALLED
    finally:
        os.kill(pid, signal.SIGCONT)
    wait_for(lambda: metrics.of("box").state == RUNNING, "another sample")


def test_a_full_registry_costs_metrics_and_nothing_else(msb):
    settings(msb, capacity=1)
    m = Metrics(msb.home)
    msb.create("first")
    msb.create("second")
    assert msb.ok("exec", "second", "--", "echo", "works") == "works\n"
    assert list(m.list()) == ["first"]
    with pytest.raises(Refused, match="sandbox second has no live metrics slot"):
        m.of("second")
    assert "there are no metrics: all 1 slots of the metrics registry are in use" in \
        runtime_log(msb, "second")
    msb.ok("rm", "-q", "-f", "first")
    msb.ok("stop", "-q", "second")
    msb.ok("start", "-q", "second")
    assert list(m.list()) == ["second"]
    m.close()


def test_slots_of_the_dead_are_used_again(msb):
    settings(msb, capacity=2)
    m = Metrics(msb.home)
    for name in ["a", "b", "c"]:
        msb.create(name)
        assert list(m.list()) == [name]
        os.kill(msb.runtime_pid(name), signal.SIGKILL)  # and nobody looks after it
        wait_for(lambda: m.list() == NOBODY, "it to be gone", 10)
    m.close()


def test_no_sampling(msb):
    settings(msb, disable_metrics_sample=True)
    m = Metrics(msb.home)
    msb.create("box")
    with pytest.raises(Refused) as e:
        m.of("box")
    assert (e.value.kind, e.value.text) == ("metrics_disabled", "metrics disabled for sandbox: box")
    assert m.list() == NOBODY and not registry(msb.home).exists()
    config = msb.json("inspect", "box")["config"]
    assert config["disable_metrics_sample"] is True
    assert config["metrics_sample_interval_ms"] == INTERVAL_MS
    m.close()


def test_a_spoiled_registry_stops_no_sandbox(msb, metrics):
    registry(msb.home).write_bytes(os.urandom(20000))
    registry(msb.home).chmod(0o600)
    msb.create("box")
    assert msb.ok("exec", "box", "--", "echo", "works") == "works\n"
    with pytest.raises(Refused, match="has no live metrics slot"):
        metrics.of("box")
    assert "there are no metrics: metrics registry /dev/shm/msb-met-" in runtime_log(msb, "box")


def test_a_runtime_has_its_own_page_and_no_other(msb, metrics):
    msb.create("a")
    msb.create("b")
    pages = set()
    for name in ["a", "b"]:
        pid = msb.runtime_pid(name)
        with open(f"/proc/{pid}/maps") as f:
            found = [line.split() for line in f if "msb-met-" in line]
        assert len(found) == 1 and found[0][1] == "rw-s"
        start, end = (int(x, 16) for x in found[0][0].split("-"))
        assert end - start == 4096
        pages.add(found[0][2])
        for fd in os.listdir(f"/proc/{pid}/fd"):
            with contextlib.suppress(FileNotFoundError):  # closed meanwhile
                assert "msb-met-" not in os.readlink(f"/proc/{pid}/fd/{fd}")
    assert len(pages) == 2


def test_samples_write_nothing_to_a_disk(msb, metrics):
    msb.create("box")
    pid = msb.runtime_pid("box")

    def written():
        with open(f"/proc/{pid}/io") as f:
            counts = {k: int(v) for k, v in (line.split(":") for line in f)}
        # With kvm the samples' own CPU time counts as the guest's: on a slow machine it is asked for its usage, which
        # takes the signal of an eventfd, eight bytes.
        signals = 8 * counts["syscw"] if ENGINE == "kvm" else 0
        return counts["write_bytes"], counts["wchar"] - signals

    def twenty_samples_write_nothing():  # but a guest that has just begun may say something
        before, first = written(), metrics.of("box")
        later(metrics, "box", lambda s: s.sampled_unix_ms > first.sampled_unix_ms + 20 * INTERVAL_MS, "twenty samples")
        return written() == before
    wait_for(twenty_samples_write_nothing, "twenty samples that write nothing")
