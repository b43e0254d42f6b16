#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Write the constant part of a guest's initramfs: agentd as /init, mount points, /dev/console.

    mkinitramfs.py AGENTD OUTPUT

The archive (cpio, "newc") depends on nothing but agentd: no times, owners or inode numbers of the
build machine.
"""
import os
import stat
import sys

DIRECTORIES = ["dev", "proc", "sys", "msb", "newroot", "upper"]
NODES = [("dev/console", 0o600, 5, 1), ("dev/null", 0o666, 1, 3), ("dev/kmsg", 0o600, 1, 11)]


def entry(ino, name, mode, data=b"", rdev=(0, 0)):
    """One member: header of 8-digit hexadecimal fields, name and data padded to 4 bytes."""
    links = 2 if stat.S_ISDIR(mode) else 1
    fields = [ino, mode, 0, 0, links, 0, len(data), 0, 0, *rdev, len(name) + 1, 0]
    head = "070701" + "".join(f"{f:08X}" for f in fields) + name + "\0"
    head += "\0" * (-len(head) % 4)
    return head.encode() + data + b"\0" * (-len(data) % 4)


def archive(agentd):
    members = [(name, stat.S_IFDIR | 0o755, b"", (0, 0)) for name in DIRECTORIES]
    members += [(name, stat.S_IFCHR | mode, b"", (major, minor))
                for name, mode, major, minor in NODES]
    members.append(("init", stat.S_IFREG | 0o755, agentd, (0, 0)))
    out = b"".join(entry(ino, name, mode, data, rdev)
                   for ino, (name, mode, data, rdev) in enumerate(members, 1))
    out += entry(0, "TRAILER!!!", 0)
    return out + b"\0" * (-len(out) % 512)


def main():
    agentd, output = sys.argv[1:]
    os.makedirs(os.path.dirname(output) or ".", exist_ok=True)
    with open(agentd, "rb") as f:
        data = archive(f.read())
    with open(output + ".new", "wb") as f:
        f.write(data)
    os.replace(output + ".new", output)


if __name__ == "__main__":
    main()
