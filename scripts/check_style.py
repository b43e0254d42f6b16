#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""House rules a compiler does not know (docs/contributing.md)."""
import pathlib
import re
import subprocess
import sys

MAX_FILE_LINES = 1200
OPEN_ENDS = r"\b(TODO|FIXME|XXX)\b"
BANNED = {
    r"\b(strcpy|strcat|sprintf|gets|strtok|atoi|alloca|system|mktemp)\s*\(": "banned function",
    r"^\s*//|[;{}]\s+//": "use /* */ comments",
    OPEN_ENDS: "no open ends in the tree",
    r"\bsetjmp\s*\(": "no setjmp",
}


def tracked(root, *patterns):
    out = subprocess.run(["git", "ls-files", "-co", "--exclude-standard", *patterns], cwd=root,
                         check=True, capture_output=True, text=True).stdout
    return [pathlib.Path(p) for p in out.split() if (root / p).exists()]


def check_file(rel, text):
    lines = text.splitlines()
    if not lines or "SPDX-License-Identifier: Apache-2.0" not in lines[0]:
        yield f"{rel}:1: first line must be the SPDX licence line"
    if len(lines) > MAX_FILE_LINES:
        yield f"{rel}: {len(lines)} lines; more than {MAX_FILE_LINES} is several files"
    if rel.suffix == ".h":
        guard = re.search(r"#ifndef (\w+)\n#define \1\n", text)
        if not guard:
            yield f"{rel}: no include guard"
    for n, line in enumerate(lines, 1):
        for pattern, why in BANNED.items():
            if re.search(pattern, line) and not re.match(r"\s*\*", line):
                yield f"{rel}:{n}: {why}: {line.strip()[:60]}"
        if line.rstrip() != line:
            yield f"{rel}:{n}: trailing white space"


def check_other(rel, text):
    """Files of the bindings' languages: the licence line, and no open ends."""
    lines = text.splitlines()
    if "SPDX-License-Identifier: Apache-2.0" not in "\n".join(lines[:2]):
        yield f"{rel}:1: the SPDX licence line comes first"
    if len(lines) > MAX_FILE_LINES:
        yield f"{rel}: {len(lines)} lines; more than {MAX_FILE_LINES} is several files"
    for n, line in enumerate(lines, 1):
        if re.search(OPEN_ENDS, line):
            yield f"{rel}:{n}: {BANNED[OPEN_ENDS]}"
        if line.rstrip() != line:
            yield f"{rel}:{n}: trailing white space"
    if rel.suffix in (".py", ".pyi"):
        try:
            compile(text, str(rel), "exec")
        except SyntaxError as e:
            yield f"{rel}:{e.lineno}: {e.msg}"


def main():
    root = pathlib.Path(__file__).resolve().parent.parent
    bad = []
    for rel in tracked(root, "*.c", "*.h"):
        bad += check_file(rel, (root / rel).read_text())
    for suffix in ("py", "pyi", "js", "mjs", "cjs", "ts", "go", "rs"):
        for rel in tracked(root, f"sdk/*.{suffix}", f"tests/sdk/*.{suffix}", f"examples/*.{suffix}"):
            bad += check_other(rel, (root / rel).read_text())
    for line in bad:
        print(line)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
