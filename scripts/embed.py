#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Text files as a header of C strings: embed.py HEADER NAME=FILE..."""
import pathlib
import sys


def literal(text):
    lines = [line.replace("\\", "\\\\").replace('"', '\\"').replace("\t", "\\t")
             for line in text.splitlines()]
    return "\n".join(f'\t"{line}\\n"' for line in lines)


def main(header, *named):
    guard = "MSB_CLI_" + pathlib.Path(header).name.upper().replace(".", "_")
    out = [f"/* SPDX-License-Identifier: Apache-2.0 */\n/* Made by scripts/embed.py. */\n"
           f"#ifndef {guard}\n#define {guard}\n"]
    for item in named:
        name, path = item.split("=", 1)
        out.append(f"static const char {name}[] =\n{literal(pathlib.Path(path).read_text())};\n")
    out.append("#endif\n")
    pathlib.Path(header).write_text("\n".join(out))


if __name__ == "__main__":
    main(*sys.argv[1:])
