# SPDX-License-Identifier: Apache-2.0
"""The nested machine's root: an ext4 image of installed Debian packages and of our build.

Made without privileges in a few seconds, anew for every run, so that it cannot be out of date.
"""
import os
import pathlib
import re
import shutil
import subprocess

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
HOME = pathlib.PurePosixPath("/msb")  # the project's place in the machine
PACKAGES = ["bash", "coreutils", "dash", "findutils", "grep", "gzip", "hostname", "libc-bin",
            "mount", "procps", "python3", "python3-pytest", "python3-pytest-xdist", "sed", "tar",
            "util-linux", "busybox-static"]
# what the longer suites run besides
TESTED_WITH = ["apache2-utils", "bash-completion", "bind9-dnsutils", "bsdutils", "buildah", "curl",
               "debianutils", "diffutils", "dnsmasq-base", "docker-registry", "e2fsprogs",
               "erofs-utils", "fcgiwrap", "fish", "gcc", "git", "iperf3", "iproute2",
               "iputils-ping", "libc6-dev", "mandoc", "ncurses-base", "ncurses-bin", "netbase",
               "nginx-light", "node-typescript", "nodejs", "openssl", "perl-base", "pkg-config",
               "prometheus", "prometheus-node-exporter", "python3-cryptography", "qemu-utils",
               "rsync", "skopeo", "socat", "stress-ng", "tinyproxy", "tmux", "tzdata", "umoci",
               "unzip", "valgrind", "wget", "xz-utils", "zsh", "zstd"]
LEFT_OUT = re.compile(r"/usr/share/(doc|man|info|locale|lintian|bug|i18n)/"
                      r"|/usr/lib/x86_64-linux-gnu/gconv/|/usr/lib/python3/dist-packages/.*/tests?/")
FREE_MIB = 3072  # sparse; room for what runs in the machine


def installed():
    """(dependencies by package, package by what it provides) of this system."""
    out = subprocess.run(["dpkg-query", "-W", "-f", "${Package}\t${db:Status-Status}\t"
                          "${Depends}, ${Pre-Depends}\t${Provides}\n"],
                         stdout=subprocess.PIPE, text=True, check=True).stdout
    depends, provider = {}, {}
    for line in out.splitlines():
        name, status, needs, provides = line.split("\t")
        if status == "installed":
            depends[name] = needs
            for other in provides.split(","):
                provider.setdefault(plain(other), name)
    return depends, provider


def plain(relation):
    """The package's name in 'name:any (>= 1)'."""
    return re.split(r"[ (:]", relation.strip())[0]


def closure(packages):
    """These packages with all that they depend on."""
    depends, provider = installed()
    seen, todo = set(), list(packages)
    while todo:
        name = todo.pop()
        if name in seen:
            continue
        if name not in depends:
            raise RuntimeError(f"the Debian package {name} is not installed")
        seen.add(name)
        for group in depends[name].split(","):
            for choice in map(plain, group.split("|")):
                if choice in depends or choice in provider:
                    todo.append(choice if choice in depends else provider[choice])
                    break
    return sorted(seen)


def package_files(packages):
    out = subprocess.run(["dpkg-query", "-L", *closure(packages)], stdout=subprocess.PIPE,
                         text=True, check=True).stdout
    return sorted({line for line in out.splitlines()
                   if line.startswith("/") and not LEFT_OUT.search(line)})


class Tree:
    """A root directory under construction."""

    def __init__(self, top):
        self.top = pathlib.Path(top)
        for name in ("usr/bin", "usr/sbin", "usr/lib", "usr/lib64", "usr/local", "etc", "proc", "sys",
                     "dev", "run", "root", "home", "var/tmp", "tmp", "mnt", "opt"):
            (self.top / name).mkdir(parents=True)
        for name in ("bin", "sbin", "lib", "lib64"):
            (self.top / name).symlink_to(f"usr/{name}")
        (self.top / "var/run").symlink_to("/run")
        for name in ("tmp", "var/tmp"):
            (self.top / name).chmod(0o1777)

    def at(self, path):
        return self.top / str(path).lstrip("/")

    def add(self, source, path=None):
        """Copy one file or symbolic link; what cannot be read stays out."""
        source, to = pathlib.Path(source), self.at(path or source)
        if to.is_symlink() or to.exists() or not os.access(source.parent, os.X_OK):
            return
        to.parent.mkdir(parents=True, exist_ok=True)
        if source.is_symlink():
            to.symlink_to(os.readlink(source))
        elif source.is_file() and os.access(source, os.R_OK):
            shutil.copy2(source, to)

    def add_tree(self, source, path, ignore=()):
        shutil.copytree(source, self.at(path), symlinks=True, dirs_exist_ok=True,
                        ignore=shutil.ignore_patterns("__pycache__", *ignore))

    def add_packages(self, packages):
        for path in package_files(packages):
            self.add(path)
            if path.endswith(".py"):  # compiling is slow in there
                source = pathlib.Path(path)
                for compiled in (source.parent / "__pycache__").glob(f"{source.stem}.*.pyc"):
                    self.add(compiled)

    def add_libraries(self, programs):
        """The shared libraries of programs, as far as they are not there yet."""
        for program in programs:
            out = subprocess.run(["ldd", str(program)], stdout=subprocess.PIPE,
                                 stderr=subprocess.DEVNULL, text=True, check=False).stdout
            for path in re.findall(r"=> (/\S+) \(", out):
                if self.at(path).exists() or str(ROOT) in path:
                    continue
                self.add(os.path.realpath(path), path)

    def write(self, path, text, mode=0o644):
        self.at(path).parent.mkdir(parents=True, exist_ok=True)
        self.at(path).write_text(text)
        self.at(path).chmod(mode)


def add_system(tree, packages):
    tree.add_packages([*PACKAGES, *packages])
    for name in ("ca-certificates.conf", "ld.so.cache", "ld.so.conf", "nsswitch.conf",
                 "ssl/certs/ca-certificates.crt"):
        tree.add(f"/etc/{name}")
    tree.write("/etc/resolv.conf", "")  # tests mount theirs over it
    tree.add_tree("/etc/alternatives", "/etc/alternatives")
    tree.write("/etc/passwd", "root:x:0:0:root:/root:/bin/bash\n"
               "daemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin\n"
               "nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n")
    tree.write("/etc/group", "root:x:0:\ndaemon:x:1:\ntty:x:5:\nkvm:x:105:\nnogroup:x:65534:\n")
    tree.write("/etc/hosts", "127.0.0.1 localhost\n::1 localhost\n")
    tree.write("/etc/hostname", "nested\n")


def executables(directory):
    """ELF files below a directory of the build."""
    for path in sorted(directory.rglob("*")):
        if path.is_file() and not path.is_symlink():
            with open(path, "rb") as f:
                if f.read(4) == b"\x7fELF":
                    yield path


def add_project(tree, build):
    """What was built, and the tests; objects and archives are left behind."""
    tree.add_tree(build, HOME / "build", ignore=(
        "*.p", "*.a", "*.o", "meson-*", "build.ninja", "rootfs", "compile_commands.json", ".ninja_*",
        "replay_*"))
    for source in (build / "meson-uninstalled").glob("*.pc"):
        text = source.read_text().replace(str(build), f"{HOME}/build").replace(str(ROOT), str(HOME))
        tree.write(HOME / "build/meson-uninstalled" / source.name, text)
    tree.add_libraries(executables(tree.at(HOME / "build")))
    subprocess.run([ROOT / "scripts/make-rootfs.sh", tree.at(HOME / "rootfs")], check=True)
    for name in ("tests", "scripts", "bench", "docs", "examples", "include", "sdk"):
        tree.add_tree(ROOT / name, HOME / name)


def make(path, build, scratch, packages=(), extra=()):
    """Write the image to path; scratch is an empty directory for its making.

    extra: (file of the host, place in the machine); a directory goes with all in it.
    """
    tree = Tree(scratch / "tree")
    add_system(tree, packages)
    add_project(tree, pathlib.Path(build))
    for source, place in extra:
        if pathlib.Path(source).is_dir():
            tree.add_tree(source, place)
            tree.add_libraries(executables(tree.at(place)))
        else:
            tree.add(source, place)
            tree.add_libraries([source])
    used = int(subprocess.run(["du", "-sm", str(tree.top)], stdout=subprocess.PIPE, text=True,
                              check=True).stdout.split()[0])
    with open(path, "wb") as f:
        f.truncate((used * 5 // 4 + FREE_MIB) << 20)
    subprocess.run(["/sbin/mke2fs", "-q", "-F", "-t", "ext4", "-O", "^has_journal", "-N", "200000",
                    "-m", "0", "-E", "root_owner=0:0,lazy_itable_init=1", "-d", str(tree.top),
                    str(path)], check=True, stdout=subprocess.DEVNULL)
    shutil.rmtree(tree.top)
