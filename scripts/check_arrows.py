#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Check the direction of #include lines between rooms (docs/architecture.md)."""
import pathlib
import re
import sys

RANK = {room: rank for rank, rooms in enumerate([
    ["base"], ["loop"],
    ["protocol", "virtio", "net", "fs", "image", "store", "logs", "metrics"],
    ["engine"], ["runtime"], ["api"], ["cli"]]) for room in rooms}
# Rooms that see less than their rank would allow.
ONLY = {
    "agent": {"base", "loop", "protocol"},
    "cli": {"base"},
    "net": {"base", "loop"},
    "fs": {"base", "loop"},
    "image": {"base", "loop"},
}
ADAPTERS = {"net", "fs"}  # what virtio/dev may use
# C outside of src that is a user of the library like any other: the public headers, and its own.
USERS = ("sdk/**/*.[ch]", "examples/**/*.[ch]", "tests/sdk/**/*.[ch]")
GENERATED = {"_cgo_export.h"}


def allowed(src, room, target):
    if room == target:
        return True
    if room in ONLY:
        return target in ONLY[room]
    if target not in RANK:
        return False
    if RANK[target] < RANK[room]:
        return True
    return room == "virtio" and target in ADAPTERS and "virtio/dev/" in src


def check(root):
    bad = []
    rooms = set(RANK) | set(ONLY)
    for path in sorted(root.glob("src/**/*.[ch]")):
        src = path.relative_to(root / "src").as_posix()
        room = src.split("/")[0]
        if room not in rooms:
            bad.append(f"src/{src}: no room of the name '{room}'")
            continue
        for n, line in enumerate(path.read_text().splitlines(), 1):
            m = re.match(r'\s*#\s*include\s+"([^"]+)"', line)
            if not m:
                continue
            header = m.group(1)
            if header.startswith("microsandbox/"):
                if room not in ("api", "cli"):
                    bad.append(f"src/{src}:{n}: only api and cli use the public header")
                continue
            target = header.split("/")[0]
            if target not in rooms:
                bad.append(f"src/{src}:{n}: \"{header}\": include paths start at src/")
            elif not allowed(src, room, target):
                bad.append(f"src/{src}:{n}: room '{room}' may not include \"{header}\"")
            elif target != room and header.endswith("_int.h"):
                bad.append(f"src/{src}:{n}: \"{header}\" is private to its room")
    return bad + check_users(root)


def check_users(root):
    bad = []
    for path in sorted(p for pattern in USERS for p in root.glob(pattern)):
        for n, line in enumerate(path.read_text().splitlines(), 1):
            m = re.match(r'\s*#\s*include\s+"([^"]+)"', line)
            if not m or m.group(1) in GENERATED or m.group(1).startswith("microsandbox/"):
                continue
            if not (path.parent / m.group(1)).exists():
                bad.append(f"{path.relative_to(root)}:{n}: users include the public headers only")
    return bad


def main():
    root = pathlib.Path(__file__).resolve().parent.parent
    bad = check(root)
    for line in bad:
        print(line)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
