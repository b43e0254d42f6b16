#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The binary interface of libmicrosandbox, compared with what programs were linked with before.

  abi.py BUILD            compare with tests/data/abi; only additions are allowed
  abi.py --write BUILD    record it as it is now
  abi.py --map            write src/api/libmicrosandbox.map from the headers

What is recorded, a line each: functions with their versions and types, sizes of public structures and the
places of their members, values of enumerators and constants.
"""
import pathlib
import re
import subprocess
import sys
import tempfile

import headers

RECORD = headers.ROOT / "tests/data/abi/x86_64.txt"
MAP = headers.ROOT / "src/api/libmicrosandbox.map"


def map_text():
    lines = "".join(f"\t{name};\n" for name in sorted(headers.functions()))
    return f"MICROSANDBOX_0 {{\nglobal:\n{lines}local:\n\t*;\n}};\n"


def exported(build):
    """Name to version of what the library offers."""
    out = subprocess.run(["nm", "-D", "--defined-only", "--with-symbol-versions",
                          pathlib.Path(build, "libmicrosandbox.so.0")],
                         check=True, stdout=subprocess.PIPE, text=True).stdout
    found = {}
    for line in out.splitlines():
        name, _, version = line.split()[-1].partition("@@")
        if name != version and not name.startswith("MICROSANDBOX_"):
            found[name] = version
    return found


def types(tmp):
    """Types of all functions, as the compiler understands them."""
    source, out = tmp / "all.c", tmp / "all.txt"
    source.write_text("#include <microsandbox/microsandbox.h>\n")
    subprocess.run(["gcc", "-I", headers.INCLUDE, "-c", "-o", tmp / "all.o", "-aux-info", out, source],
                   check=True)
    found = {}
    for line in out.read_text().splitlines():
        m = re.fullmatch(r"/\*.*?\*/ extern (.*?)\b(msb_\w+) \((.*)\);", line)
        if m:
            found[m[2]] = f"{m[1].strip()} ({m[3]})"
    return found


def layout(tmp):
    """Lines about structures and constants, printed by a program that includes the headers."""
    source, program = tmp / "layout.c", tmp / "layout"
    lines = []
    for name, members in headers.structures().items():
        lines.append(f'printf("struct {name} %zu\\n", sizeof({name}));')
        for m in members:
            lines.append(f'printf("member {name}.{m} %zu %zu\\n", offsetof({name}, {m}), '
                         f"sizeof((({name} *)0)->{m}));")
    for name in headers.constants():
        lines.append(f'printf("constant {name} %lld\\n", (long long)({name}));')
    source.write_text("#include <microsandbox/microsandbox.h>\n#include <stddef.h>\n#include <stdio.h>\n"
                      "int main(void)\n{\n" + "\n".join(lines) + "\nreturn 0;\n}\n")
    subprocess.run(["gcc", "-I", headers.INCLUDE, "-o", program, source], check=True)
    return subprocess.run([program], check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()


def current(build):
    with tempfile.TemporaryDirectory(prefix="msb-abi-") as tmp:
        tmp = pathlib.Path(tmp)
        of = types(tmp)
        lines = [f"function {name}@{version} {of.get(name, '?')}"
                 for name, version in sorted(exported(build).items())]
        return lines + layout(tmp)


def broken(old, new):
    """Lines of old that new does not keep. A structure may grow at its end: callers tell its size."""
    now = set(new)
    sizes = {line.split()[1]: int(line.split()[2]) for line in new if line.startswith("struct ")}
    for line in old:
        if line in now:
            continue
        word = line.split()
        if word[0] == "struct" and sizes.get(word[1], 0) >= int(word[2]):
            continue
        yield line


def check(build):
    bad = []
    declared, offered = set(headers.functions()), set(exported(build))
    bad += [f"{n} is declared, but the library does not have it" for n in sorted(declared - offered)]
    bad += [f"{n} is offered by the library, but not declared" for n in sorted(offered - declared)]
    if MAP.read_text() != map_text():
        bad.append("src/api/libmicrosandbox.map is not what scripts/abi.py --map makes of the headers")
    old = RECORD.read_text().splitlines()
    new = current(build)
    bad += [f"changed or gone: {line}" for line in broken(old, new)]
    return bad


def main():
    if sys.argv[1:] == ["--map"]:
        MAP.write_text(map_text())
        return 0
    if len(sys.argv) == 3 and sys.argv[1] == "--write":
        RECORD.parent.mkdir(exist_ok=True)
        RECORD.write_text("\n".join(current(sys.argv[2])) + "\n")
        return 0
    if len(sys.argv) != 2:
        print(__doc__)
        return 2
    bad = check(sys.argv[1])
    for line in bad:
        print(line)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
