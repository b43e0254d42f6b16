#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the second half of docs/sdk-python.md out of the package; with --check, only compares."""
import argparse
import ast
import copy
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
DOCUMENT = HERE.parent.parent / "docs/sdk-python.md"
MARK = "<!-- What follows is written by sdk/python/reference.py. -->\n"
# module: title
MODULES = {
    "sandbox": "Sandboxes", "options": "Options of a sandbox", "exec": "Commands", "fs": "Files",
    "logs": "Logs", "metrics": "Metrics", "network": "Network", "secret": "Secrets",
    "volume": "Volumes and mounts", "image": "Images", "patch": "Patches",
    "snapshot": "Snapshots", "agent": "Clients of the agent", "setup": "The package and the host",
    "_convert": "Sizes", "_enums": "Words", "errors": "Errors",
}


def public(module):
    """Names that the package exports, out of its __init__."""
    tree = ast.parse((HERE / "microsandbox/__init__.py").read_text())
    return {alias.name for node in tree.body if isinstance(node, ast.ImportFrom)
            and node.module == module for alias in node.names}


def text(doc):
    return " ".join(doc.split()) if doc else ""


def signature(fn, method):
    args = copy.deepcopy(fn.args)
    static = any(isinstance(d, ast.Name) and d.id == "staticmethod" for d in fn.decorator_list)
    if method and not static and args.args:
        args.args = args.args[1:]
    returns = f" -> {ast.unparse(fn.returns)}" if fn.returns else ""
    if returns == " -> None":
        returns = ""
    awaited = "await " if isinstance(fn, ast.AsyncFunctionDef) else ""
    return f"{awaited}{fn.name}({ast.unparse(args)}){returns}"


def is_property(fn):
    return any(isinstance(d, ast.Name) and d.id == "property" for d in fn.decorator_list)


def members(cls):
    """Lines about fields, properties and methods."""
    body = cls.body
    for i, node in enumerate(body):
        doc = ""
        if i + 1 < len(body) and isinstance(body[i + 1], ast.Expr) and isinstance(
                body[i + 1].value, ast.Constant):
            doc = text(body[i + 1].value.value)
        if isinstance(node, ast.AnnAssign) and not node.target.id.startswith("_"):
            value = f" = {ast.unparse(node.value)}" if node.value else ""
            yield f"`{node.target.id}: {ast.unparse(node.annotation)}{value}`", doc
        elif isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant):
            yield f"`{node.targets[0].id} = {ast.unparse(node.value)}`", doc
        elif isinstance(node, ast.Assign) and isinstance(node.value, ast.Name):
            yield f"`{node.targets[0].id}`", f"The same as {node.value.id}()."
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            if node.name == "__init__" or not node.name.startswith("_"):
                yield from method(cls, node)


def method(cls, node):
    doc = text(ast.get_docstring(node))
    if node.name == "__init__":
        # What a class tells of its instances in the constructor.
        body = node.body
        for i, item in enumerate(body):
            if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Attribute) and (
                    not item.target.attr.startswith("_")):
                said = ""
                if i + 1 < len(body) and isinstance(body[i + 1], ast.Expr) and isinstance(
                        body[i + 1].value, ast.Constant):
                    said = text(body[i + 1].value.value)
                yield f"`{item.target.attr}: {ast.unparse(item.annotation)}`", said
    elif is_property(node):
        yield f"`{node.name}: {ast.unparse(node.returns)}`", doc
    else:
        yield f"`{signature(node, True)}`", doc


def class_lines(cls, classes):
    bases = [ast.unparse(b) for b in cls.bases]
    shown = [b for b in bases if not b.startswith("_") and b not in ("TypedDict", "NamedTuple")]
    yield f"### {cls.name}" + (f" ({', '.join(shown)})" if shown else "")
    yield ""
    if ast.get_docstring(cls):
        yield text(ast.get_docstring(cls))
        yield ""
    found = []
    for base in bases:
        if base.startswith("_") and base in classes:
            found += members(classes[base])
    found += members(cls)
    for what, doc in found:
        yield f"- {what}" + (f": {doc}" if doc else "")
    if found:
        yield ""


def errors_lines(tree):
    yield "| class | below | kind | |"
    yield "|---|---|---|---|"
    for cls in (n for n in tree.body if isinstance(n, ast.ClassDef)):
        kind = next((n.value.value for n in cls.body if isinstance(n, ast.Assign)
                     and n.targets[0].id == "kind"), "")
        bases = ", ".join(ast.unparse(b) for b in cls.bases)
        doc = text(ast.get_docstring(cls)).split(". ")[0].rstrip(".")
        yield f"| `{cls.name}` | `{bases}` | {f'`{kind}`' if kind else ''} | {doc} |"
    yield ""


def module_lines(name, title):
    tree = ast.parse((HERE / f"microsandbox/{name}.py").read_text())
    yield f"## {title}"
    yield ""
    if name == "errors":
        yield from errors_lines(tree)
        return
    wanted = public(name)
    classes = {n.name: n for n in tree.body if isinstance(n, ast.ClassDef)}
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and node.name in wanted:
            yield from class_lines(node, classes)
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.name in wanted:
            yield f"### {node.name}"
            yield ""
            yield f"`{signature(node, False)}`: {text(ast.get_docstring(node))}"
            yield ""


def reference():
    lines = [line for name, title in MODULES.items() for line in module_lines(name, title)]
    return "\n".join(lines).rstrip() + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    args = parser.parse_args()
    before = DOCUMENT.read_text()
    after = before.split(MARK)[0] + MARK + "\n" + reference()
    if args.check:
        if before != after:
            sys.exit(f"{DOCUMENT.name} is not what {pathlib.Path(__file__).name} writes: run it")
    else:
        DOCUMENT.write_text(after)


if __name__ == "__main__":
    main()
