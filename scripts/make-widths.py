#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Write src/cli/widths.h, the display widths of characters, from this Python's Unicode data."""
import sys
import unicodedata

HEAD = """/* SPDX-License-Identifier: Apache-2.0 */
/* Display widths, made by scripts/make-widths.py from Unicode {version}. */
#ifndef MSB_CLI_WIDTHS_H
#define MSB_CLI_WIDTHS_H

#include <stdint.h>

struct char_range {{
	uint32_t first, last;
}};
"""

# What is going to be assigned here will be ideographs or emoji.
WIDE_TO_BE = ((0x3400, 0x4dbf), (0x4e00, 0x9fff), (0xf900, 0xfaff), (0x1f900, 0x1f9ff),
              (0x1fa70, 0x1faff), (0x20000, 0x2fffd), (0x30000, 0x3fffd))


def width(code):
    char = chr(code)
    # below a jamo of the first kind those of the others take no column
    if 0x1160 <= code <= 0x11ff:
        return 0
    if unicodedata.category(char) in ("Mn", "Me", "Cf") and code != 0xad:
        return 0
    if unicodedata.category(char) == "Cn":  # not assigned: Python does not know
        return 2 if any(first <= code <= last for first, last in WIDE_TO_BE) else 1
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


def ranges(wanted):
    first = None
    for code in range(0x300, 0x110001):
        inside = code < 0x110000 and width(code) == wanted
        if inside and first is None:
            first = code
        elif not inside and first is not None:
            yield first, code - 1
            first = None


def table(comment, name, wanted):
    lines = [f"/* {comment} */", f"static const struct char_range {name}[] = {{"]
    lines += [f"\t{{ {first:#x}, {last:#x} }}," for first, last in ranges(wanted)]
    return "\n".join([*lines, "};\n"])


def main(path):
    parts = [HEAD.format(version=unicodedata.unidata_version),
             table("Marks and controls without a column of their own.", "zero_width", 0),
             table("East Asian wide characters, and emoji shown as such.", "double_width", 2),
             "#endif\n"]
    with open(path, "w", encoding="ascii") as f:
        f.write("\n".join(parts))


if __name__ == "__main__":
    main(*sys.argv[1:])
