# SPDX-License-Identifier: Apache-2.0
"""Our devices against QEMU's front ends and a stock kernel's drivers."""
import hashlib
import json
import os
import socket
import threading

import pytest

MIB = 1 << 20
BLK = "vhost-user-blk-pci"
FS = "vhost-user-fs-pci,tag=msb"
# without MSI-X: QEMU 7.2 dereferences NULL when a vhost device has that without KVM
NET = "virtio-net-pci,vectors=0,mac=02:6d:73:00:00:02"
# what the agent of a sandbox does
NET_UP = """
set -e
echo 0 >/proc/sys/net/ipv6/conf/eth0/accept_dad
ip link set eth0 up
ip addr add 172.16.0.2/30 dev eth0
ip route add default via 172.16.0.1
ip -6 addr add fd42:6d73:62::2/64 dev eth0
ip -6 route add default via fd42:6d73:62::1
"""
ALLOW = {"policy": {"default_egress": "allow", "default_ingress": "allow", "rules": []}}


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def values(lines):
    """KEY=VALUE lines as a dictionary."""
    return dict(line.split("=", 1) for line in lines if "=" in line)


def healthy(server, connections=1):
    """The server was left in order: as many connections as guests, and no fault."""
    code, told = server.stop()
    assert code == 0
    assert told == ["ready"] + ["disconnect: "] * connections


def test_a_disk_is_read_written_and_discarded(machine, tmp_path):
    disk = tmp_path / "disk"
    data = os.urandom(48 * MIB)
    disk.write_bytes(data)
    server = machine.serve("block", disk)
    lines = machine.run("""
set -e
echo size=$(cat /sys/block/vda/size)
echo serial=$(cat /sys/block/vda/serial)
echo ro=$(cat /sys/block/vda/ro)
echo whole=$(sha256sum </dev/vda)
dd if=/dev/urandom of=/tmp/new bs=4096 count=1001 2>/dev/null
echo new=$(sha256sum </tmp/new)
dd if=/tmp/new of=/dev/vda bs=4096 seek=512 conv=fsync 2>/dev/null
dd if=/tmp/new of=/dev/vda bs=512 seek=90001 count=7 oflag=direct 2>/dev/null
blkdiscard -o 33554432 -l 4194304 /dev/vda
echo after=$(sha256sum </dev/vda)
echo 3 >/proc/sys/vm/drop_caches
echo again=$(sha256sum </dev/vda)
""", (BLK, server))
    got = values(lines)
    after = disk.read_bytes()
    assert got["size"] == str(len(data) // 512)
    assert got["serial"] == "msb-vhost"
    assert got["ro"] == "0"
    assert got["whole"].split()[0] == sha256(data)
    written = after[2 * MIB:2 * MIB + 1001 * 4096]
    assert got["new"].split()[0] == sha256(written)
    assert after[90001 * 512:90008 * 512] == written[:7 * 512]
    assert after[32 * MIB:36 * MIB] == bytes(4 * MIB)
    assert disk.stat().st_blocks * 512 <= 45 * MIB, "discarded space was given back"
    assert after[:2 * MIB] == data[:2 * MIB]
    assert after[36 * MIB:43 * MIB] == data[36 * MIB:43 * MIB]
    assert got["after"].split()[0] == sha256(after)
    assert got["again"].split()[0] == sha256(after)
    healthy(server)


def test_a_read_only_disk_refuses_writes(machine, tmp_path):
    disk = tmp_path / "disk"
    data = os.urandom(2 * MIB)
    disk.write_bytes(data)
    server = machine.serve("roblock", disk)
    got = values(machine.run("""
echo ro=$(cat /sys/block/vda/ro)
dd if=/dev/zero of=/dev/vda bs=4096 count=1 conv=fsync 2>/dev/null && echo written=yes
echo whole=$(sha256sum </dev/vda)
""", (BLK, server)))
    assert got["ro"] == "1"
    assert "written" not in got
    assert got["whole"].split()[0] == sha256(data)
    assert disk.read_bytes() == data
    healthy(server)


def test_one_guest_after_the_other_and_drivers_that_come_and_go(machine, tmp_path):
    disk = tmp_path / "disk"
    disk.write_bytes(os.urandom(4 * MIB))
    server = machine.serve("block", disk)
    for _ in range(2):
        got = values(machine.run("""
set -e
for i in 1 2 3; do
    echo sum$i=$(sha256sum </dev/vda)
    dd if=/dev/urandom of=/dev/vda bs=65536 count=3 conv=fsync 2>/dev/null
    rmmod virtio_blk
    insmod /modules/virtio_blk.ko
done
echo last=$(sha256sum </dev/vda)
""", (BLK, server)))
        assert got["last"].split()[0] == sha256(disk.read_bytes())
        assert len({got[k] for k in ("sum1", "sum2", "sum3", "last")}) == 4
    healthy(server, connections=2)


def test_a_directory_is_read_and_written(machine, tmp_path):
    share = tmp_path / "share"
    (share / "sub").mkdir(parents=True)
    data = os.urandom(20 * MIB + 4711)
    (share / "data").write_bytes(data)
    (share / "sub" / "note").write_text("from the host\n")
    for i in range(300):
        (share / "sub" / f"file-{i:03}").touch()
    server = machine.serve("fs", share)
    got = values(machine.run("""
set -e
mount -t virtiofs msb /mnt
echo data=$(sha256sum </mnt/data)
echo note=$(cat /mnt/sub/note)
echo count=$(ls /mnt/sub | wc -l)
dd if=/dev/urandom of=/mnt/new bs=70001 count=100 2>/dev/null
echo new=$(sha256sum </mnt/new)
mkdir /mnt/made
echo from the guest >/mnt/made/note
mv /mnt/made/note /mnt/made/renamed
ln -s renamed /mnt/made/link
rm /mnt/sub/file-007
chmod 640 /mnt/made/renamed
echo link=$(cat /mnt/made/link)
dd if=/dev/zero of=/mnt/data bs=4096 seek=3 count=2 conv=notrunc,fsync 2>/dev/null
umount /mnt
mount -t virtiofs msb /mnt
echo mode=$(stat -c %a /mnt/made/renamed)
echo again=$(sha256sum </mnt/data)
umount /mnt
""", (FS, server)))
    assert got["data"].split()[0] == sha256(data)
    assert got["note"] == "from the host"
    assert got["count"] == "301"
    assert got["link"] == "from the guest"
    assert got["mode"] == "640"
    assert got["new"].split()[0] == sha256((share / "new").read_bytes())
    assert (share / "new").stat().st_size == 70001 * 100
    assert (share / "made" / "renamed").read_text() == "from the guest\n"
    assert not (share / "sub" / "file-007").exists()
    changed = data[:12288] + bytes(8192) + data[20480:]
    assert (share / "data").read_bytes() == changed
    assert got["again"].split()[0] == sha256(changed)
    healthy(server)


def test_disk_and_directory_at_once(machine, tmp_path):
    disk, share = tmp_path / "disk", tmp_path / "share"
    disk.write_bytes(os.urandom(32 * MIB))
    share.mkdir()
    block, fs = machine.serve("block", disk), machine.serve("fs", share)
    got = values(machine.run("""
set -e
mount -t virtiofs msb /mnt
dd if=/dev/vda of=/mnt/copy bs=1M 2>/dev/null & first=$!
dd if=/dev/vda of=/mnt/copy2 bs=128k 2>/dev/null
wait $first
sync
dd if=/mnt/copy of=/dev/vda bs=1M skip=16 count=16 conv=fsync 2>/dev/null
umount /mnt
echo done=yes
""", (BLK, block), (FS, fs)))
    assert got["done"] == "yes"
    after, copy = disk.read_bytes(), (share / "copy").read_bytes()
    assert copy == (share / "copy2").read_bytes()
    assert after[16 * MIB:] == copy[16 * MIB:]
    assert after[:16 * MIB] == copy[16 * MIB:]
    healthy(block)
    healthy(fs)


class Peer(threading.Thread):
    """A TCP server of one connection on the host's loopback: it answers what it gets with its
    digest and then sends data of its own."""

    def __init__(self, family=socket.AF_INET, data=b""):
        super().__init__(daemon=True)
        self.data = data
        self.received = b""
        self.listener = socket.socket(family)
        self.listener.bind(("127.0.0.1" if family == socket.AF_INET else "::1", 0))
        self.listener.listen()
        self.port = self.listener.getsockname()[1]
        self.start()

    def run(self):
        connection, _ = self.listener.accept()
        with connection:
            parts = []
            while part := connection.recv(1 << 20):
                parts.append(part)
            self.received = b"".join(parts)
            connection.sendall(sha256(self.received).encode() + b"\n" + self.data)
        self.listener.close()


@pytest.mark.parametrize("properties", ["", ",mrg_rxbuf=off", ",csum=off,guest_csum=off",
                                        ",guest_tso4=off,guest_tso6=off,host_tso4=off,host_tso6=off",
                                        ",event_idx=off,indirect_desc=off"])
def test_bulk_data_passes_the_network_both_ways(machine, properties):
    data = os.urandom(3 * MIB + 4711)
    peers = [Peer(data=data), Peer(socket.AF_INET6, data)]
    server = machine.serve("net", json.dumps(ALLOW))
    got = values(machine.run(NET_UP + "".join(f"""
dd if=/dev/urandom of=/tmp/out bs=65537 count=50 2>/dev/null
echo sum{i}=$(sha256sum </tmp/out)
nc {gateway} {peer.port} </tmp/out >/tmp/in
echo head{i}=$(head -n 1 /tmp/in)
echo data{i}=$(tail -n +2 /tmp/in | sha256sum)
""" for i, (peer, gateway) in enumerate(zip(peers, ("172.16.0.1", "fd42:6d73:62::1")))),
        (NET + properties, server)))
    for i, peer in enumerate(peers):
        peer.join(60)
        assert got[f"sum{i}"].split()[0] == sha256(peer.received) == got[f"head{i}"]
        assert got[f"data{i}"].split()[0] == sha256(data)
    healthy(server)


def test_a_driver_of_the_network_that_comes_and_goes(machine):
    peers = [Peer(data=b"hello\n") for _ in range(3)]
    server = machine.serve("net", json.dumps(ALLOW))
    lines = machine.run("set -e\n" + "".join(f"""
({NET_UP})
ping -c 1 -w 5 172.16.0.1 >/dev/null
echo x | nc 172.16.0.1 {peer.port} | tail -n 1
rmmod virtio_net
insmod /modules/virtio_net.ko
""" for peer in peers), (NET, server))
    assert lines == ["hello"] * 3
    healthy(server)
