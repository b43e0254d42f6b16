# SPDX-License-Identifier: Apache-2.0
"""Several processes at once, and processes that are killed at any moment."""
import hashlib
import os
import random
import signal
import time

import pytest

import hostile
import trees
from conftest import DEADLINE, func, wait_for
from oci import Image, Layer, Tar

SEED = int(os.environ.get("MSB_TEST_SEED", random.SystemRandom().randrange(1 << 32)))
KILLS = int(os.environ.get("MSB_TEST_KILLS", "50"))


def blob(n, seed):
    """Half of it does not compress."""
    return random.Random(seed).randbytes(n // 2) + b"compressible " * (n // 26)


def layer(n, seed):
    t = Tar().dir(f"d{seed}")
    for i in range(20):
        t.file(f"d{seed}/f{i}", blob(n // 20, seed * 100 + i))
    return Layer(t)


BASE = [layer(1 << 20, s) for s in range(3)]


def wait_all(processes):
    out = []
    for p in processes:
        stdout, stderr = p.communicate(timeout=DEADLINE)
        out.append((p.returncode, stderr.decode()))
    return out


def hashes(msb):
    """{file of an image: digest}, from a cache nobody works in."""
    return {n: hashlib.sha256((msb.home / "cache" / n).read_bytes()).hexdigest()
            for n in msb.cached()}


def test_one_image_by_several_processes(msb, server):
    image = Image(*BASE)
    reference = server.add(image)
    server.on("/blobs/", hostile.slow(2 << 20))
    results = wait_all([msb.popen("pull", reference) for _ in range(4)])
    assert [code for code, _ in results] == [0] * 4, results
    assert {x.digest: server.downloads()[x.digest] for x in image.layers} == {
        x.digest: 1 for x in image.layers}
    assert len(msb.images()) == 1 and msb.tree(reference)["/d2/f19"]


def test_two_images_that_share_layers(msb, server):
    first, second = Image(*BASE, layer(1 << 20, 3)), Image(*BASE, layer(1 << 20, 4))
    names = [server.add(first, "first"), server.add(second, "second")]
    server.on("/blobs/", hostile.slow(2 << 20))
    results = wait_all([msb.popen("pull", name) for name in names * 2])
    assert [code for code, _ in results] == [0] * 4, results
    for x in {*first.layers, *second.layers}:
        assert server.downloads()[x.digest] == 1
    assert len([f for f in msb.cached() if f.startswith("layers/")]) == 5


def test_waiting_pull_takes_over_from_one_that_is_killed(msb, server):
    reference = server.add(Image(*BASE))
    server.on("/blobs/", hostile.slow(200 << 10))
    first = msb.popen("pull", reference)
    wait_for(lambda: sum(f.stat().st_size for f in (msb.home / "cache").rglob("*.part")) > 50_000,
             "the download to begin")
    second = msb.popen("pull", reference)
    time.sleep(0.2)
    server.heal()
    first.kill()
    first.wait()
    assert wait_all([second])[0][0] == 0
    assert len(msb.images()) == 1


def test_pull_and_removal_at_once(msb, server):
    """Each of them succeeds or says why; what is left works."""
    references = [server.add(Image(*BASE, layer(100_000, 5 + i)), f"i{i}") for i in range(2)]
    for _ in range(4):
        processes = [msb.popen("pull", r) for r in references]
        processes += [msb.popen("image", "prune", "-y"), msb.popen("rmi", references[0])]
        for code, stderr in wait_all(processes)[:2]:
            assert code == 0, stderr
    for reference in references:
        msb.pulled(reference)
        assert msb.tree(reference)["/d2/f19"]
    for f in (msb.home / "cache/tmp").iterdir():
        assert f.name.endswith(".lock") or f.stat().st_size == 0, f


def test_runs_at_once_of_an_image_nobody_has(msb, server):
    image = Image(*BASE)
    reference = server.add(image)
    tool = msb.tool()
    processes = [msb.popen("run", "-q", "-m", "128M", "-v", f"{tool}:/lstree:ro", reference, "--",
                           "/lstree/lstree", "/d0") for _ in range(3)]
    outputs = [p.communicate(timeout=DEADLINE) for p in processes]
    assert [p.returncode for p in processes] == [0] * 3, outputs
    assert len({trees.parse(out.decode())["/f1"]["content"] for out, _ in outputs}) == 1
    assert all(server.downloads()[x.digest] == 1 for x in image.layers)


def kill(process, home, whole):
    """The command alone, or all that it started, too."""
    pids = [pid for pid, _ in func.host_processes(home)] if whole else []
    for pid in [process.pid, *pids]:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
    process.communicate(timeout=DEADLINE)


@pytest.mark.slow
def test_killed_at_any_moment(msb, server, base):
    """What is in the cache is right or is not there, however often a pull dies."""
    rng = random.Random(SEED)
    image = Image(*BASE, layer(1 << 20, 9))
    reference = server.add(image)
    start = time.monotonic()
    msb.pulled(reference)
    duration = time.monotonic() - start
    want = hashes(msb)
    msb.ok("rmi", reference)
    assert hashes(msb) == {}
    server.on("/blobs/", hostile.slow(40 << 20))
    complete = 0
    for i in range(KILLS):
        process = msb.popen("pull", reference, start_new_session=True)
        time.sleep(rng.uniform(0, duration * 1.5))
        whole = rng.random() < 0.5
        kill(process, msb.home, whole)
        wait_for(lambda: not msb.processes(), "the worker to end with its command")
        got = hashes(msb)
        for name, digest in got.items():
            assert want.get(name) == digest, f"seed {SEED}, kill {i}: {name} is damaged"
        listed = msb.images()
        if listed:
            assert got == want, f"seed {SEED}, kill {i}: an image is not complete"
            complete += 1
            msb.ok("rmi", reference)
            assert hashes(msb) == {}
    server.heal()
    msb.pulled(reference)
    assert hashes(msb) == want
    assert msb.tree(reference)["/d9/f19"]
    msb.ok("image", "prune", "-y")
    assert os.listdir(msb.home / "cache/tmp") == [], f"seed {SEED}"


def test_command_that_dies_takes_the_worker_along(msb, server):
    reference = server.add(Image(*BASE))
    server.on("/blobs/", hostile.stall(1000))
    process = msb.popen("pull", reference)
    wait_for(lambda: list((msb.home / "cache").glob("tmp/*.part")), "the download to begin")
    process.kill()
    process.wait()
    wait_for(lambda: not msb.processes(), "the worker to end")


@pytest.mark.parametrize("sig", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_pull_ends_at_once(msb, server, sig):
    reference = server.add(Image(*BASE))
    server.on("/blobs/", hostile.stall(1000))
    process = msb.popen("pull", reference)
    wait_for(lambda: server.requests("/manifests/"), "the download to begin")
    process.send_signal(sig)
    process.communicate(timeout=30)
    assert process.returncode != 0
    wait_for(lambda: not msb.processes(), "the worker to end")
    server.heal()
    msb.pulled(reference)
