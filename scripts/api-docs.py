#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes docs/api.md, the reference of the C interface, from its headers.

  api-docs.py           write it
  api-docs.py --check   is it current?
"""
import re
import sys

import headers

OUT = headers.ROOT / "docs/api.md"
HEAD = """\
# C interface

The reference of libmicrosandbox, made from its headers by `scripts/api-docs.py`. [sdk.md](sdk.md) explains how
it is used, [examples/](../examples) shows it. `#include <microsandbox/microsandbox.h>`, or one part of it;
`pkg-config --cflags --libs microsandbox`.

"""


def prose(comment):
    """The text of a comment as paragraphs and lists of Markdown, with names of the interface as code."""
    text = re.sub(r"^/\*+[ \t]*\n?|\s*\*/$", "", comment.strip())
    text = "\n".join(re.sub(r"^\s*\* ?", "", line).rstrip() for line in text.splitlines()).strip("\n")
    text = re.sub(r"(?<![\w`.])(\**\w*_[\w.]*\w(?:\(\))?)", r"`\1`", text.replace("<", "&lt;"))
    return re.sub(r"(?<!`)\*+(?!\w)", lambda m: "\\*" * len(m[0]), text)


def conventions():
    text = (headers.INCLUDE / "microsandbox/microsandbox.h").read_text()
    comment = re.findall(r"/\*.*?\*/", text, re.S)[1]
    text = re.sub(r"^\s+(?=[^\s-])", "  ", prose(comment).split("Conventions", 1)[1], flags=re.M)
    return "## Conventions\n\n" + re.sub(r"^ +- ", "- ", text.strip("\n"), flags=re.M) + "\n\n"


def items(text):
    """(comment, code) of a header's body: a comment at the margin begins one, an empty line ends it."""
    comment, code, inside = [], [], False
    for line in text.splitlines(keepends=True) + ["\n"]:
        begins = line.startswith("/*") and not inside
        if (code and (begins or not line.strip()) and "".join(code).count("{") == "".join(code).count("}")
                or comment and not code and not inside and (begins or not line.strip())):
            yield "".join(comment), "".join(code)
            comment, code = [], []
        if begins or inside:
            comment.append(line)
            inside = "*/" not in line
        elif line.strip() or code:
            code.append(line)


def section(name):
    text = headers.path(name).read_text()
    purpose = prose(re.findall(r"/\*.*?\*/", text, re.S)[1])
    out = [f"## {name}.h\n\n{' '.join(purpose.split())}\n"]
    for comment, code in items(headers.body(name)):
        heading = re.fullmatch(r"/\* -+ (.*?) -+ \*/\s*", comment)
        if heading:
            out.append(f"### {name}.h: {heading[1]}\n")
        elif comment:
            out.append(prose(comment) + "\n")
        code = code.strip("\n").expandtabs(8)
        if code:
            out.append(f"```c\n{code}\n```\n")
    return "\n".join(out) + "\n"


def index():
    out = ["## Functions\n"]
    for name in headers.NAMES:
        found = headers.functions(re.sub(r"^\s*#.*?(?<!\\)\n", "", headers.without_comments(headers.body(name)),
                                         flags=re.S | re.M))
        out.append(f"- [{name}.h](#{name}h): " + ", ".join(f"`{f}`" for f in sorted(found)))
    return "\n".join(out) + "\n"


def made():
    return HEAD + conventions() + "".join(section(n) for n in headers.NAMES) + index()


def main():
    if sys.argv[1:] == ["--check"]:
        current = OUT.exists() and OUT.read_text() == made()
        print("docs/api.md is current" if current else "docs/api.md: run scripts/api-docs.py")
        return 0 if current else 1
    OUT.write_text(made())
    return 0


if __name__ == "__main__":
    sys.exit(main())
