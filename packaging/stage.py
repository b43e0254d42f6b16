# SPDX-License-Identifier: Apache-2.0
"""What a build installs, as one tree that a package is made of."""
import argparse
import gzip
import json
import os
import pathlib
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
ELF = b"\x7fELF"
# What the guest kernels are built from, and how: their licence wants it said.
KERNEL_SOURCE = ["README.md", "build.sh", "source.txt", "common.config", "um.config", "x86_64.config",
                 "patches", "prebuilt/PROVENANCE"]


def run(*cmd, **kw):
    return subprocess.run([str(c) for c in cmd], check=True, **kw)


def output(*cmd, **kw):
    return run(*cmd, stdout=subprocess.PIPE, text=True, **kw).stdout.strip()


def die(text):
    sys.exit(f"{os.path.basename(sys.argv[0])}: {text}")


def arguments(about, out):
    """Options that every kind of package has."""
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build", help="build directory")
    parser.add_argument("--out", type=pathlib.Path, help=f"where it goes (default: BUILD/{out})")
    parser.add_argument("--quick", action="store_true", help="compress little, for tests")
    args = parser.parse_args()
    args.build = args.build.resolve()
    if not (args.build / "build.ninja").exists():
        die(f"{args.build} is no build directory")
    args.out = (args.out or args.build / out).resolve()
    args.out.mkdir(parents=True, exist_ok=True)
    os.umask(0o022)
    return args


def introspect(build, what):
    return json.loads(output("meson", "introspect", what, build))


def version(build):
    return introspect(build, "--projectinfo")["version"]


def epoch():
    """The time that everything in a package gets: the last change of the sources."""
    if "SOURCE_DATE_EPOCH" in os.environ:
        return int(os.environ["SOURCE_DATE_EPOCH"])
    changelog = ROOT / "packaging/debian/changelog"
    try:
        return int(output("git", "-C", ROOT, "log", "-1", "--format=%ct", stderr=subprocess.DEVNULL))
    except (OSError, ValueError, subprocess.CalledProcessError):
        return int(output("dpkg-parsechangelog", "-l", changelog, "-S", "Timestamp"))


def is_elf(path):
    if path.is_symlink() or not path.is_file():
        return False
    with open(path, "rb") as f:
        return f.read(4) == ELF


def strip(path):
    option = "--strip-unneeded" if ".so" in path.name else "--strip-all"
    run("strip", option, "--remove-section=.comment", path)
    path.chmod(0o644 if ".so" in path.name else 0o755)


def install(build, into):
    """Leave in into what `meson install` puts below its prefix, with the library in lib."""
    options = {o["name"]: o["value"] for o in introspect(build, "--buildoptions")}
    if options["b_sanitize"] != "none":
        die("a build with sanitizers is nothing to install")
    destination = into.with_name(into.name + ".installed")
    run("meson", "install", "-C", build, "--no-rebuild", "--quiet", "--destdir", destination,
        stdout=subprocess.DEVNULL)
    shutil.move(destination / options["prefix"].lstrip("/"), into)
    shutil.rmtree(destination)
    lib = into / options["libdir"]
    if lib.name != "lib":
        (into / "lib").mkdir(exist_ok=True)
        for item in lib.iterdir():
            shutil.move(item, into / "lib" / item.name)
        lib.rmdir()
    for path in [*(into / "bin").iterdir(), *(into / "libexec").rglob("*"), *(into / "lib").iterdir()]:
        if is_elf(path):
            strip(path)
    (into / "bin/microsandbox").symlink_to("msb")


def pkg_config(into, prefix, libdir):
    """The library is found below another prefix than the one it was configured for."""
    file = into / "lib/pkgconfig/microsandbox.pc"
    where = {"prefix": prefix, "libdir": libdir, "includedir": "${prefix}/include"}
    lines = []
    for line in file.read_text().splitlines():
        name = line.partition("=")[0]
        lines.append(f"{name}={where[name]}" if name in where else line)
    file.write_text("\n".join(lines) + "\n")


def documentation(into):
    """Licences, and where the source of the guest's programs is."""
    into.mkdir(parents=True, exist_ok=True)
    shutil.copy(ROOT / "packaging/debian/copyright", into / "copyright")
    for name in KERNEL_SOURCE:
        source, target = ROOT / "kernel" / name, into / "kernel" / pathlib.Path(name).name
        target.parent.mkdir(exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target)
        else:
            shutil.copy(source, target)
    (into / "kernel/build.sh").chmod(0o644)  # to be read; it runs in a source tree


def compress(path):
    """As gzip -9n does it."""
    with open(path, "rb") as f, open(f"{path}.gz", "wb") as raw:
        with gzip.GzipFile("", "wb", 9, raw, mtime=0) as out:
            shutil.copyfileobj(f, out)
    path.unlink()


def settle(tree, seconds):
    """Modes and times that do not depend on who built it, when and in which directory."""
    for path in [tree, *tree.rglob("*")]:
        if not path.is_symlink():
            executable = path.is_dir() or path.stat().st_mode & 0o100
            path.chmod(0o755 if executable else 0o644)
        os.utime(path, (seconds, seconds), follow_symlinks=False)
