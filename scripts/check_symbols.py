#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""No two rooms of a program define a function or an object of the same name.

The linker would not say so: the programs are linked without its warnings, and its errors about names that
are defined twice are among them. Usage: check_symbols.py BUILD
"""
import pathlib
import re
import subprocess
import sys

AGENT = {"agent", "base", "loop", "protocol"}  # the guest's program; all others may meet in one


def defined(archive):
    """Names that other archives can see, each with its object file."""
    out = subprocess.run(["nm", "-g", "--defined-only", "-A", archive], check=True, stdout=subprocess.PIPE,
                         text=True).stdout
    for line in out.splitlines():
        place, kind, name = re.fullmatch(r"(.*):\S+ (\S) (\S+)", line).groups()
        if kind in "TDBRC":
            yield name, place


def main():
    archives = {p.parent.name + "/" + p.name: p for p in pathlib.Path(sys.argv[1], "src").glob("*/lib*.a")}
    if not archives:
        sys.exit(f"{sys.argv[1]}: nothing was built there")
    failed = False
    for agent in (True, False):
        seen = {}
        for label, path in sorted(archives.items()):
            room = label.split("/")[0]
            if room not in AGENT if agent else room == "agent":
                continue
            for name, place in defined(path):
                other = seen.setdefault(name, place)
                if other != place:
                    print(f"{name}: {other} and {place}")
                    failed = True
    sys.exit(failed)


if __name__ == "__main__":
    main()
