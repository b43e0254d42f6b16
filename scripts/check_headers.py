#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Each public header compiles alone, as C99 and as C++11, without a warning."""
import subprocess
import sys

import headers

COMPILERS = [["gcc", "-std=c99", "-x", "c", "-Wstrict-prototypes", "-Wmissing-prototypes", "-Wshadow"],
             ["g++", "-std=c++11", "-x", "c++"]]


def main():
    failed = 0
    for name in [*headers.NAMES, "microsandbox"]:
        for compiler in COMPILERS:
            p = subprocess.run([*compiler, "-Wall", "-Wextra", "-Wpedantic", "-Wundef", "-Werror",
                                "-I", headers.INCLUDE, "-fsyntax-only", "-"],
                               input=f"#include <microsandbox/{name}.h>\n", text=True)
            failed |= p.returncode
    known = {p.stem for p in (headers.INCLUDE / "microsandbox").iterdir()}
    for name in known ^ {*headers.NAMES, "microsandbox"}:
        print(f"{name}.h: there, or in scripts/headers.py, but not in both")
        failed = 1
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
