# SPDX-License-Identifier: Apache-2.0
"""Reads the public headers: for the reference made from them, and for the check of the binary interface."""
import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parent.parent
INCLUDE = ROOT / "include"
# In the order a reader wants them.
NAMES = ["core", "config", "network", "sandbox", "exec", "fs", "log", "metrics", "image", "volume", "snapshot",
         "agent", "host"]


def path(name):
    return INCLUDE / f"microsandbox/{name}.h"


def without_comments(text):
    return re.sub(r"/\*.*?\*/", " ", text, flags=re.S)


def body(name):
    """What a header declares, without its frame."""
    text = path(name).read_text()
    inner = re.search(r"^MSB_BEGIN_DECLS\n(.*)^MSB_END_DECLS\n", text, re.S | re.M)
    return inner[1].strip("\n") + "\n"


def declarations():
    """All headers without comments and preprocessor lines."""
    text = "".join(without_comments(body(n)) for n in NAMES)
    return re.sub(r"^\s*#.*?(?<!\\)\n", "", text, flags=re.S | re.M)


def functions(text=None):
    """Names of all functions, in the order of the headers."""
    flat = re.sub(r"\{[^{}]*\}", "", text if text is not None else declarations())
    return [m[1] for m in re.finditer(r"\b(msb_\w+)\s*\((?!\*)[^;]*;", flat)
            if "typedef" not in flat[flat.rfind(";", 0, m.start()) + 1:m.start()]]


def structures():
    """Structures whose insides are public: name to list of members."""
    found = {}
    for m in re.finditer(r"typedef struct\s*\{([^{}]*)\}\s*(\w+);", declarations()):
        members = []
        for member in m[1].split(";"):
            pointer = re.search(r"\(\*(\w+)\)\s*\(", member)
            if pointer:
                members.append(pointer[1])
                continue
            for part in member.split(","):
                name = re.search(r"(\w+)\s*(\[[^]]*\])?\s*$", part.strip())
                if name:
                    members.append(name[1])
        found[m[2]] = members
    return found


def constants():
    """Names of enumerators and of macros that are numbers, but for the version, which is to grow."""
    names = []
    for m in re.finditer(r"\benum\s*\{([^{}]*)\}", declarations()):
        names += [e.split("=")[0].strip() for e in m[1].split(",") if e.strip()]
    for n in NAMES:
        names += re.findall(r"^#define (MSB_\w+) ", body(n), re.M)
    return [n for n in names if n != "MSB_ABI_VERSION"]
