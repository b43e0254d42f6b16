#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Make the static tarball, which needs nothing of the host but its kernel.

The one program that is linked dynamically gets its libraries and their loader beside it. Next to
the tarball lie SHA256SUMS and `latest`, which holds the version: together they are what
`msb self update` reads.
"""
import hashlib
import os
import pathlib
import platform
import re
import shutil
import tempfile

import stage

LIBRARY_DIR = "microsandbox"  # below lib: what libmicrosandbox.so needs
# Of the C library, whatever the host has: a program has only one.
C_LIBRARY = re.compile(r"(ld-linux|libc|libm|libdl|libpthread|librt|libresolv)\b")


def libraries(file):
    """What the loader takes for file: a dictionary of names and paths, the loader included."""
    found = {}
    for line in stage.output("ldd", file).splitlines():
        words = line.split()
        if "=>" in words and words[2].startswith("/"):
            found[words[0]] = words[2]
        elif words[0].startswith("/"):
            found[os.path.basename(words[0])] = words[0]
        elif "not found" in line:
            stage.die(f"{file}: {line.strip()}")
    return found


def take(names, into):
    into.mkdir(parents=True)
    for name, path in sorted(names.items()):
        shutil.copy(os.path.realpath(path), into / name)
        (into / name).chmod(0o755 if name.startswith("ld-") else 0o644)


def bundle(build, tree):
    """The worker goes below bundle with all it needs; what starts it takes its place."""
    programs = tree / "libexec/microsandbox"
    needed = libraries(programs / "msb-image")
    take(needed, programs / "bundle")
    shutil.move(programs / "msb-image", programs / "bundle/msb-image")
    shutil.copy(build / "packaging/msb-bundled", programs / "msb-image")
    stage.strip(programs / "msb-image")


def library(tree):
    """For programs that use the library: all but the C library comes along."""
    real = (tree / "lib/libmicrosandbox.so").resolve()
    needed = {n: p for n, p in libraries(real).items() if not C_LIBRARY.match(n)}
    take(needed, tree / "lib" / LIBRARY_DIR)
    for name in needed:
        stage.run("patchelf", "--set-rpath", "$ORIGIN", tree / "lib" / LIBRARY_DIR / name)
    stage.run("patchelf", "--set-rpath", f"$ORIGIN/{LIBRARY_DIR}", real)


def pack(tree, archive, seconds, level):
    """Names in order, no owners: the same bytes from the same build."""
    tar = ["tar", "--sort=name", f"--mtime=@{seconds}", "--owner=0", "--group=0", "--numeric-owner",
           "--format=posix", "--pax-option=delete=atime,delete=ctime", "-C", tree.parent, "-cf", "-",
           tree.name]
    with tempfile.NamedTemporaryFile(dir=tree.parent) as plain:
        stage.run(*tar, stdout=plain)
        stage.run("zstd", "-q", "-f", f"-{level}", "-T0", plain.name, "-o", archive)
    archive.chmod(0o644)


def publish(archive, version):
    """Beside the archives: their sums, one line each, and the version to take."""
    sums = []
    for path in sorted(archive.parent.glob("msb-*-linux-*.tar.zst")):
        sums.append(f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n")
    (archive.parent / "SHA256SUMS").write_text("".join(sums))
    (archive.parent / "latest").write_text(f"{version}\n")


def main():
    args = stage.arguments(__doc__.splitlines()[0], "dist")
    version, seconds = stage.version(args.build), stage.epoch()
    name = f"msb-{version}-linux-{platform.machine()}"
    with tempfile.TemporaryDirectory(prefix="msb-tarball-") as tmp:
        tree = pathlib.Path(tmp) / name
        stage.install(args.build, tree)
        stage.pkg_config(tree, "${pcfiledir}/../..", "${prefix}/lib")
        bundle(args.build, tree)
        library(tree)
        stage.documentation(tree / "share/doc/msb")
        shutil.copy(stage.ROOT / "LICENSE", tree / "share/doc/msb/LICENSE")
        stage.settle(tree, seconds)
        archive = args.out / f"{name}.tar.zst"
        pack(tree, archive, seconds, 3 if args.quick else 19)
    publish(archive, version)
    print(archive)


if __name__ == "__main__":
    main()
