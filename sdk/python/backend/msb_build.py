#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Builds the Python package out of a build directory of msb.

Run as a program, it leaves the package in BUILD/sdk/python, to be used with PYTHONPATH, and the
wheel in BUILD/sdk. It is also the backend that pip and `python3 -m build` call (PEP 517). The wheel
holds libmicrosandbox with all it needs but the C library: programs, guest files, shipped images.
"""
import argparse
import base64
import hashlib
import os
import pathlib
import platform
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
import zipfile

HERE = pathlib.Path(__file__).resolve().parent.parent
ROOT = HERE.parent.parent
LIBRARY = "libmicrosandbox.so.0"
WARNINGS = ["-Wall", "-Wextra", "-Wshadow", "-Wswitch-enum", "-Wstrict-prototypes",
            "-Wmissing-prototypes", "-Wvla", "-Werror"]
# Of what is installed, what programs of the library need.
TAKEN = ["bin/msb", "lib/microsandbox", "libexec/microsandbox", "share/microsandbox",
         "share/doc/msb"]

sys.path.insert(0, str(ROOT / "packaging"))
import stage  # noqa: E402
import tarball  # noqa: E402


def default_build():
    return pathlib.Path(os.environ.get("MSB_BUILD", ROOT / "build")).resolve()


def compile_native(build, package, rpath):
    """The C part, for every Python from 3.10 on."""
    out = package / "_native.abi3.so"
    sources = sorted((HERE / "src").glob("*.c"))
    command = [
        os.environ.get("CC", "cc"), "-std=gnu17", "-O2", "-g", "-fPIC", "-shared",
        "-fvisibility=hidden", *WARNINGS, "-isystem", sysconfig.get_path("include"),
        f"-I{ROOT / 'include'}", *map(str, sources), "-o", str(out), str(build / LIBRARY),
        f"-Wl,-rpath,{rpath}", "-Wl,--enable-new-dtags", "-Wl,--as-needed"]
    subprocess.run(command, check=True)
    return out


def copy_package(into):
    """What is written in Python."""
    into.mkdir(parents=True, exist_ok=True)
    for path in (HERE / "microsandbox").iterdir():
        if path.suffix in (".py", ".pyi") or path.name == "py.typed":
            shutil.copy(path, into / path.name)


def development(build):
    """A package that uses the build directory as it is."""
    package = build / "sdk/python/microsandbox"
    shutil.rmtree(package, ignore_errors=True)
    copy_package(package)
    compile_native(build, package, "$ORIGIN/../../..")
    return package


def bundle(build, into):
    """The library, its programs and files; wheels have no symbolic links."""
    with tempfile.TemporaryDirectory(prefix="msb-wheel-") as tmp:
        tree = pathlib.Path(tmp) / "tree"
        stage.install(build, tree)
        tarball.bundle(build, tree)
        tarball.library(tree)
        stage.documentation(tree / "share/doc/msb")
        shutil.copy(ROOT / "LICENSE", tree / "share/doc/msb/LICENSE")
        for name in TAKEN:
            source, target = tree / name, into / name
            target.parent.mkdir(parents=True, exist_ok=True)
            if source.is_dir():
                shutil.copytree(source, target)
            else:
                shutil.copy(source, target)
        shutil.copy((tree / "lib" / LIBRARY).resolve(), into / "lib" / LIBRARY)


def metadata(version):
    lines = ["Metadata-Version: 2.1", "Name: microsandbox", f"Version: {version}",
             "Summary: Run untrusted workloads in small virtual machines", "License: Apache-2.0",
             "Requires-Python: >=3.10", "Description-Content-Type: text/markdown", "",
             (HERE / "README.md").read_text()]
    return "\n".join(lines)


def tag():
    return f"cp310-abi3-linux_{platform.machine()}"


class Wheel:
    """A zip archive with a list of what is in it; the same bytes from the same files."""

    def __init__(self, path, version, seconds, level):
        self.zip = zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=level)
        self.info = f"microsandbox-{version}.dist-info"
        self.time = time.gmtime(max(seconds, 315532800))[:6]  # zip begins with 1980
        self.record = []

    def add(self, name, data, executable=False):
        entry = zipfile.ZipInfo(name, self.time)
        entry.compress_type = zipfile.ZIP_DEFLATED
        entry.external_attr = (0o100755 if executable else 0o100644) << 16
        self.zip.writestr(entry, data)
        digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
        self.record.append(f"{name},sha256={digest},{len(data)}")

    def close(self):
        name = f"{self.info}/RECORD"
        self.add(name, "\n".join([*self.record, f"{name},,", ""]).encode())
        self.zip.close()


def write_wheel(build, directory, level=6):
    version = stage.version(build)
    name = f"microsandbox-{version}-{tag()}.whl"
    with tempfile.TemporaryDirectory(prefix="msb-wheel-") as tmp:
        package = pathlib.Path(tmp) / "microsandbox"
        copy_package(package)
        stage.strip(compile_native(build, package, "$ORIGIN/_bundle/lib"))
        bundle(build, package / "_bundle")
        wheel = Wheel(directory / name, version, stage.epoch(), level)
        for path in sorted(p for p in package.rglob("*") if p.is_file()):
            wheel.add(str(path.relative_to(tmp)), path.read_bytes(), os.access(path, os.X_OK))
    scripts = "".join(f"{n} = microsandbox.setup:main\n" for n in ("msb", "microsandbox"))
    wheel.add(f"{wheel.info}/METADATA", metadata(version).encode())
    wheel.add(f"{wheel.info}/WHEEL", ("Wheel-Version: 1.0\nGenerator: msb_build\n"
                                      f"Root-Is-Purelib: false\nTag: {tag()}\n").encode())
    wheel.add(f"{wheel.info}/entry_points.txt", f"[console_scripts]\n{scripts}".encode())
    wheel.add(f"{wheel.info}/LICENSE", (ROOT / "LICENSE").read_bytes())
    wheel.close()
    return name


# ---- PEP 517


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    return write_wheel(default_build(), pathlib.Path(wheel_directory))


def build_sdist(sdist_directory, config_settings=None):
    raise NotImplementedError("the package is built out of a tree of msb, not of an archive")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", type=pathlib.Path, default=default_build())
    parser.add_argument("--out", type=pathlib.Path, help="of the wheel (default: BUILD/sdk)")
    parser.add_argument("--no-wheel", action="store_true", help="only BUILD/sdk/python")
    parser.add_argument("--quick", action="store_true", help="compress little, for tests")
    args = parser.parse_args()
    build = args.build.resolve()
    print(development(build))
    if not args.no_wheel:
        out = args.out or build / "sdk"
        out.mkdir(parents=True, exist_ok=True)
        for old in out.glob("microsandbox-*.whl"):
            old.unlink()
        print(out / write_wheel(build, out, 1 if args.quick else 6))


if __name__ == "__main__":
    main()
