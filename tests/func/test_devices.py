# SPDX-License-Identifier: Apache-2.0
"""Devices of a machine that no other test looks at: entropy and balloon."""
import os
import pathlib
import re

import pytest

from conftest import wait_for

MIB = 1 << 20


def test_entropy(msb):
    p = msb.run("--", "sh", "-c", "cat /sys/class/misc/hw_random/rng_current;"
                " head -c 16 /dev/hwrng | od -An -tx1; head -c 16 /dev/hwrng | od -An -tx1")
    assert p.returncode == 0, p.stderr
    name, first, second = p.stdout.splitlines()
    assert name == "virtio_rng.0"
    assert len(first.split()) == len(second.split()) == 16 and first != second


def guest_memory(pid):
    """Bytes the host keeps for a guest of 512 MiB: blocks of a file, or private memory."""
    private = False
    for line in pathlib.Path(f"/proc/{pid}/smaps").read_text().splitlines():
        span = re.match(r"([0-9a-f]+)-([0-9a-f]+) ..(..)", line)
        if span:
            size = int(span[2], 16) - int(span[1], 16)
            if span[3][1] == "s" and size >= 128 * MIB:
                where = f"/proc/{pid}/map_files/{span[1]}-{span[2]}"
                return os.stat(where).st_blocks * 512
            private = size == 512 * MIB
        elif private and line.startswith("Rss:"):
            return int(line.split()[1]) << 10
    return 0


@pytest.mark.skipif(os.geteuid() != 0, reason="map_files is for root")
def test_free_memory_comes_back(msb):
    msb.create("box", "-m", "512M")
    pid = msb.runtime_pid("box")
    before = guest_memory(pid)
    assert 0 < before < 128 * MIB
    msb.ok("exec", "box", "--", "sh", "-c", "mkdir /tmp/m && mount -t tmpfs m /tmp/m &&"
           " dd if=/dev/zero of=/tmp/m/f bs=1M count=200 2>/dev/null")
    full = guest_memory(pid)
    assert full > 200 * MIB and full - before > 180 * MIB
    msb.ok("exec", "box", "--", "rm", "/tmp/m/f")
    wait_for(lambda: guest_memory(pid) < full - 100 * MIB, "memory to come back")
    # and it is there to be used again, as zeroes
    out = msb.ok("exec", "box", "--", "sh", "-c", "dd if=/dev/zero of=/tmp/m/g bs=1M count=200"
                 " 2>/dev/null; tr -d '\\000' </tmp/m/g | wc -c")
    assert out.strip() == "0"
