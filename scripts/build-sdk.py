#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Build the packages of all languages below BUILD/sdk, and with --drivers what tests/sdk and bench/sdk.py run."""
import argparse
import os
import pathlib
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
PYTHON = "/usr/bin/python3"


def run(*argv, cwd=ROOT, **env):
    p = subprocess.run([str(a) for a in argv], cwd=cwd, env={**os.environ, **env})
    if p.returncode:
        sys.exit(p.returncode)


def uninstalled(build):
    """What pkg-config needs to find the library of a build directory."""
    return {"PKG_CONFIG_PATH": f"{build}/meson-uninstalled", "PKG_CONFIG": "pkg-config"}


def go(build, out):
    """The driver, from a copy of the module as a program would have it: nothing is downloaded."""
    run("/usr/bin/go", "build", "-trimpath", "-o", out / "drive-go", ".", cwd=ROOT / "tests/sdk/drive_go",
        GOFLAGS="-mod=mod -buildvcs=false", GOPROXY="off", GOTOOLCHAIN="local",
        CGO_LDFLAGS=f"-Wl,-rpath,{build}", GOCACHE=str(out / "go-cache"), **uninstalled(build))


def rust(build, out):
    run("/usr/bin/cargo", "build", "--offline", "--quiet", "--release", "--target-dir", out / "rust-target",
        cwd=ROOT / "tests/sdk/drive_rs", RUSTC="/usr/bin/rustc",
        RUSTFLAGS=f"-Clink-arg=-Wl,-rpath,{build}", **uninstalled(build))
    shutil.copy(out / "rust-target/release/drive-rs", out / "drive-rs")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build")
    parser.add_argument("--drivers", action="store_true")
    parser.add_argument("--development", action="store_true", help="no archives, only what uses the build itself")
    parser.add_argument("--quick", action="store_true", help="compress little, for tests")
    parser.add_argument("--only", action="append", choices=["python", "node", "go", "rust"], help="may be repeated")
    args = parser.parse_args()
    build = args.build.resolve()
    out = build / "sdk"
    out.mkdir(exist_ok=True)
    quick = ["--quick"] if args.quick else []
    wanted = args.only or ["python", "node", "go", "rust"]
    if "python" in wanted:
        run(PYTHON, "sdk/python/backend/msb_build.py", "--build", build, *quick,
            *(["--no-wheel"] if args.development else []))
    if "node" in wanted:
        run(PYTHON, "sdk/node/build.py", "--build", build, *quick, *([] if args.development else ["--pack"]))
    if args.drivers and "go" in wanted:
        go(build, out)
    if args.drivers and "rust" in wanted:
        rust(build, out)


if __name__ == "__main__":
    main()
