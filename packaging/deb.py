#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Make the Debian packages: msb, libmicrosandbox0 and libmicrosandbox-dev.

Three, because a program that is linked against the library needs one whose name changes with the
library's ABI, and because nobody who only runs sandboxes wants a header. dpkg's own tools find the
dependencies and write the control files; there are no maintainer scripts.
"""
import pathlib
import re
import shutil
import tempfile

import stage

DEBIAN = stage.ROOT / "packaging/debian"
# Linked in by name; what GPL and LGPL ask for, and what must be built again after a security update.
STATIC = ["libc6-dev", "libsqlite3-dev", "libjansson-dev", "nettle-dev", "libext2fs-dev", "zlib1g-dev",
          "libzstd-dev", "libpcre2-dev", "libssl-dev", "libnghttp2-dev", "libarchive-dev", "busybox-static"]


def layout(installed, work, triplet):
    """Divide the tree among the packages; return where each lies."""
    trees = {p: work / p for p in ("msb", "libmicrosandbox0", "libmicrosandbox-dev")}
    stage.pkg_config(installed, "/usr", f"${{prefix}}/lib/{triplet}")
    lib = {p: tree / "usr/lib" / triplet for p, tree in trees.items()}
    for p in ("libmicrosandbox0", "libmicrosandbox-dev"):
        lib[p].mkdir(parents=True)
    shutil.move(installed / "include", trees["libmicrosandbox-dev"] / "usr/include")
    for item in sorted((installed / "lib").iterdir()):
        runtime = re.fullmatch(r"libmicrosandbox\.so\.[0-9.]+", item.name)
        shutil.move(item, lib["libmicrosandbox0" if runtime else "libmicrosandbox-dev"] / item.name)
    (installed / "lib").rmdir()
    for item in installed.rglob("man/*/*"):
        stage.compress(item)
    page = installed / "share/man/man1/msb.1.gz"
    if page.exists():
        page.with_name("microsandbox.1.gz").symlink_to(page.name)
    (installed / "share/microsandbox/managed-by").write_text(
        "sudo apt-get install ./msb_VERSION_ARCH.deb, of the version wanted\n")
    zsh = installed / "share/zsh"
    if zsh.exists():  # the other place is the administrator's
        (zsh / "site-functions").rename(zsh / "vendor-completions")
    trees["msb"].mkdir()
    shutil.move(installed, trees["msb"] / "usr")
    return trees


def documents(package, tree):
    doc = tree / "usr/share/doc" / package
    if package == "msb":
        stage.documentation(doc)
        overrides = tree / "usr/share/lintian/overrides"
        overrides.mkdir(parents=True)
        shutil.copy(DEBIAN / "msb.lintian-overrides", overrides / package)
    doc.mkdir(parents=True, exist_ok=True)
    if package == "libmicrosandbox-dev":
        shutil.copytree(stage.ROOT / "examples", doc / "examples")
    shutil.copy(DEBIAN / "copyright", doc / "copyright")
    shutil.copy(DEBIAN / "changelog", doc / "changelog.Debian")
    stage.compress(doc / "changelog.Debian")


def built_using():
    """Source packages whose code is in ours, with their versions."""
    sources = {"linux (= %s)" % kernel_version()}
    for name in STATIC:
        sources.add(stage.output("dpkg-query", "-W", "-f", "${source:Package} (= ${source:Version})", name))
    return ", ".join(sorted(sources))


def kernel_version():
    text = (stage.ROOT / "kernel/source.txt").read_text()
    return re.search(r"^version (\S+)$", text, re.M).group(1)


def library_files(package, tree, source, version):
    """What dpkg-shlibdeps of a program that uses the library reads."""
    upstream = version.rpartition("-")[0]
    (tree / "DEBIAN/shlibs").write_text(f"libmicrosandbox 0 {package} (>= {upstream})\n")
    (tree / "DEBIAN/triggers").write_text("activate-noawait ldconfig\n")
    stage.run("dpkg-gensymbols", f"-p{package}", f"-P{tree}", f"-v{upstream}", "-q", cwd=source)


def control(package, tree, source, version):
    (tree / "DEBIAN").mkdir()
    substvars = source / f"debian/{package}.substvars"
    substvars.write_text(f"msb:Built-Using={built_using()}\n" if package == "msb" else "")
    if package == "libmicrosandbox0":
        library_files(package, tree, source, version)
    dynamic = [p for p in sorted([*tree.glob("usr/bin/*"), *tree.glob("usr/libexec/**/*"),
                                  *tree.glob("usr/lib/*/*.so.*")])
               if stage.is_elf(p) and "(NEEDED)" in stage.output("readelf", "-dW", p)]
    if dynamic:
        stage.run("dpkg-shlibdeps", "-xlibmicrosandbox0", f"-T{substvars}",
                  *[f"-e{p}" for p in dynamic], cwd=source)
    files = [p for p in sorted(tree.rglob("*")) if p.is_file() and not p.is_symlink()
             and tree / "DEBIAN" not in p.parents]
    sums = stage.output("md5sum", *[p.relative_to(tree) for p in files], cwd=tree)
    (tree / "DEBIAN/md5sums").write_text(sums + "\n")
    stage.run("dpkg-gencontrol", f"-p{package}", f"-P{tree}", f"-T{substvars}",
              "-fdebian/files", cwd=source)


def main():
    args = stage.arguments(__doc__.splitlines()[0], "dist")
    version = stage.output("dpkg-parsechangelog", "-l", DEBIAN / "changelog", "-S", "Version")
    if version.rpartition("-")[0] != stage.version(args.build):
        stage.die(f"packaging/debian/changelog is of {version}, the build of {stage.version(args.build)}")
    seconds = stage.epoch()
    architecture = stage.output("dpkg", "--print-architecture")
    with tempfile.TemporaryDirectory(prefix="msb-deb-") as tmp:
        work = pathlib.Path(tmp)
        source = work / "source"
        (source / "debian").mkdir(parents=True)
        for name in ("control", "changelog"):
            shutil.copy(DEBIAN / name, source / "debian" / name)
        stage.install(args.build, work / "installed")
        triplet = stage.output("dpkg-architecture", "-qDEB_HOST_MULTIARCH")
        for package, tree in layout(work / "installed", work, triplet).items():
            documents(package, tree)
            control(package, tree, source, version)
            stage.settle(tree, seconds)
            file = args.out / f"{package}_{version}_{architecture}.deb"
            compression = ["-Zgzip", "-z1"] if args.quick else ["-Zxz", "-z6"]
            stage.run("env", f"SOURCE_DATE_EPOCH={seconds}", "dpkg-deb", "--root-owner-group",
                      *compression, "--build", tree, file, stdout=stage.subprocess.DEVNULL)
            print(file)


if __name__ == "__main__":
    main()
