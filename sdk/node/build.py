#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Build the package for Node.js in BUILD/sdk/node, and with --pack the archive for npm.

The addon is compiled with the C compiler alone and is good for every Node.js from 18 on. In the build
directory it uses the library of that directory; the archive has all that the library needs in it.
"""
import argparse
import gzip
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tarfile
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
SOURCES = ROOT / "sdk/node"
sys.path.insert(0, str(ROOT / "packaging"))
# Where Node.js itself, its Debian package and libnode-dev have their headers.
HEADERS = ["/usr/include/node", "/usr/include/nodejs/src", "/usr/local/include/node"]
FLAGS = ["-std=gnu17", "-D_GNU_SOURCE", "-DNAPI_VERSION=8", "-O2", "-g", "-fPIC", "-shared",
         "-fvisibility=hidden", "-Wall", "-Wextra", "-Wpedantic", "-Wshadow", "-Wswitch-enum",
         "-Werror", "-Wl,-rpath,$ORIGIN"]
LIBRARY = "libmicrosandbox.so.0"


def headers():
    for path in map(pathlib.Path, HEADERS):
        if (path / "node_api.h").exists():
            return path
    sys.exit("node_api.h not found: install libnode-dev")


def compile_addon(build, into):
    """Two shared objects: the addon, and what loads another library than its own in front of it."""
    into.mkdir(parents=True, exist_ok=True)
    compiler = os.environ.get("CC", "cc").split()
    all_sources = sorted((SOURCES / "src").glob("*.c"))
    preload = SOURCES / "src/preload.c"
    for name, sources, libraries in [
            ("microsandbox.node", [s for s in all_sources if s != preload], [build / LIBRARY]),
            ("preload.node", [preload], ["-ldl"])]:
        newest = max(p.stat().st_mtime for p in [*(SOURCES / "src").iterdir(), build / LIBRARY,
                                                 *(ROOT / "include/microsandbox").iterdir()])
        target = into / name
        if target.exists() and target.stat().st_mtime > newest:
            continue
        subprocess.run([*compiler, *FLAGS, f"-I{ROOT}/include", f"-I{headers()}", *sources,
                        *libraries, "-o", f"{target}.new"], check=True)
        os.replace(f"{target}.new", target)


def copy_scripts(into):
    for name in ["package.json", "index.js", "index.d.ts"]:
        shutil.copy(SOURCES / name, into / name)
    shutil.copytree(SOURCES / "lib", into / "lib", dirs_exist_ok=True)
    shutil.copy(ROOT / "LICENSE", into / "LICENSE")
    shutil.copy(ROOT / "docs/sdk-node.md", into / "README.md")


def link(target, source):
    target.unlink(missing_ok=True)
    target.symlink_to(source)


def develop(build, out):
    """A package that uses the build directory's library and programs."""
    lib = out / "native/lib"
    compile_addon(build, lib)
    copy_scripts(out)
    (out / "native/bin").mkdir(exist_ok=True)
    link(lib / LIBRARY, build / LIBRARY)
    link(out / "native/bin/msb", build / "msb")


def bundle(build, package, version):
    """All that a machine without msb lacks, laid out as the static tarball is."""
    import stage
    import tarball
    tree = package / "native"
    stage.install(build, tree)
    tarball.bundle(build, tree)
    tarball.library(tree)
    lib = tree / "lib"
    # npm knows no symbolic links: the library has the name that is looked for
    real = (lib / "libmicrosandbox.so").resolve()
    for path in lib.glob("libmicrosandbox.so*"):
        if path.is_symlink():
            path.unlink()
    os.rename(real, lib / LIBRARY)
    compile_addon(build, lib)
    for name in ["microsandbox.node", "preload.node"]:
        stage.run("strip", "--strip-unneeded", lib / name)
    stage.documentation(tree / "share/doc/msb")
    for path in [tree / "include", lib / "pkgconfig", tree / "share/man", tree / "bin/microsandbox",
                 *tree.glob("share/*completion*"), tree / "share/zsh", tree / "share/fish"]:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    file = package / "package.json"
    description = json.loads(file.read_text())
    description["version"] = version
    description["cpu"] = ["x64" if os.uname().machine == "x86_64" else "arm64"]
    file.write_text(json.dumps(description, indent=2) + "\n")


def pack(package, archive, level):
    """As `npm pack` does it: everything below "package", no owners, no times."""
    def settle(info):
        info.uid = info.gid = 0
        info.uname = info.gname = ""
        info.mtime = 499162500  # what npm gives every file
        info.mode = 0o755 if info.isdir() or info.mode & 0o100 else 0o644
        return info

    with open(archive, "wb") as raw, gzip.GzipFile("", "wb", level, raw, mtime=0) as out:
        with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
            for path in sorted(package.rglob("*")):
                if path.is_symlink():
                    sys.exit(f"{path}: npm has no symbolic links")
                if path.is_file():
                    tar.add(path, "package/" + str(path.relative_to(package)), filter=settle)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build", help="build directory")
    parser.add_argument("--pack", action="store_true", help="also make BUILD/sdk/microsandbox-*.tgz")
    parser.add_argument("--quick", action="store_true", help="compress little, for tests")
    args = parser.parse_args()
    build = args.build.resolve()
    if not (build / LIBRARY).exists():
        sys.exit(f"{build} has no {LIBRARY}: build it first")
    out = build / "sdk/node"
    out.mkdir(parents=True, exist_ok=True)
    develop(build, out)
    if not args.pack:
        return
    version = json.loads(subprocess.run(["meson", "introspect", "--projectinfo", build], check=True,
                                        stdout=subprocess.PIPE, text=True).stdout)["version"]
    with tempfile.TemporaryDirectory(prefix="msb-node-") as tmp:
        package = pathlib.Path(tmp) / "package"
        package.mkdir()
        copy_scripts(package)
        bundle(build, package, version)
        archive = build / f"sdk/microsandbox-{version}.tgz"
        pack(package, archive, 1 if args.quick else 9)
    print(archive)


if __name__ == "__main__":
    main()
