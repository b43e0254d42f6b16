# SPDX-License-Identifier: Apache-2.0
"""The Debian packages: as lintian sees them, and in a system that has nothing else."""
import shutil
import subprocess

import pytest
from conftest import HERE, ROOT, make

# Debian's own archive wants a first upload to close a request for the package.
NOT_OURS = "initial-upload-closes-no-bugs"


def field(deb, name):
    return subprocess.run(["dpkg-deb", "-f", deb, name], check=True, capture_output=True,
                          text=True).stdout.strip()


def names(debs):
    return {deb.name.partition("_")[0]: deb for deb in debs.glob("*.deb")}


def test_there_are_three_of_one_version(debs):
    packages = names(debs)
    assert set(packages) == {"msb", "libmicrosandbox0", "libmicrosandbox-dev"}
    version = field(packages["msb"], "Version")
    assert {field(deb, "Version") for deb in packages.values()} == {version}
    # They talk to each other in ways that change with every version.
    assert f"msb (= {version})" in field(packages["libmicrosandbox0"], "Depends")
    assert f"libmicrosandbox0 (= {version})" in field(packages["libmicrosandbox-dev"], "Depends")


def test_sources_of_what_is_linked_in_are_named(debs):
    built_using = field(names(debs)["msb"], "Built-Using")
    for source in ("linux", "glibc", "busybox", "nettle", "e2fsprogs", "openssl"):
        assert f"{source} (= " in built_using
    kernel = (ROOT / "kernel/source.txt").read_text()
    assert built_using.partition("linux (= ")[2].partition(")")[0] in kernel


def test_lintian_is_content(debs):
    p = subprocess.run(["lintian", "--allow-root", "--fail-on", "error,warning", "--suppress-tags",
                        NOT_OURS, *sorted(debs.glob("*.deb"))], capture_output=True, text=True)
    assert p.returncode == 0, p.stdout + p.stderr


def test_manual_pages_and_completions(debs):
    listing = subprocess.run(["dpkg-deb", "-c", names(debs)["msb"]], check=True, capture_output=True,
                             text=True).stdout
    for path in ("man/man1/msb.1.gz", "man/man1/microsandbox.1.gz", "man/man1/msb-run.1.gz",
                 "bash-completion/completions/msb", "zsh/vendor-completions/_msb",
                 "fish/vendor_completions.d/msb.fish"):
        assert f" ./usr/share/{path}" in listing, path


def test_same_build_same_bytes(debs, tmp_path):
    make("deb.py", tmp_path)
    for deb in debs.glob("*.deb"):
        assert (tmp_path / deb.name).read_bytes() == deb.read_bytes(), deb.name


@pytest.fixture(scope="module")
def installed(debian, debs):
    """Our packages in the fresh system; also what was there before."""
    before = debian.files()
    for deb in debs.glob("*.deb"):
        shutil.copy(deb, debian.path / "root")
    debian("/bin/sh", "-c", "dpkg -i /root/*.deb", user=0)
    debian.before = before
    return debian


def test_runs_as_an_ordinary_user(installed):
    run = ["/usr/bin/msb", "run", "-q", "busybox", "--"]
    assert installed(*run, "uname", "-s").stdout == "Linux\n"
    assert installed(*run, "sh", "-c", "exit 7", check=False).returncode == 7
    assert installed("/usr/bin/microsandbox", "--version").stdout.startswith("msb ")


def test_doctor_finds_everything(installed):
    text = installed("/usr/bin/msb", "doctor").stdout
    assert "/usr/libexec/microsandbox/msb-runtime\n" in text
    assert "/usr/share/microsandbox/guest/linux-um\n" in text
    assert "✗" not in text


def test_updates_are_the_package_managers(installed):
    p = installed("/usr/bin/msb", "update", "--from", "/nowhere", check=False)
    assert p.returncode == 1
    assert "apt-get install ./msb_" in p.stderr


def test_a_program_builds_and_runs_with_the_library(installed, debs, tmp_path):
    """Built here with what the -dev package has, run there against the shared library."""
    packages = names(debs)
    for package in ("libmicrosandbox-dev", "libmicrosandbox0"):
        subprocess.run(["dpkg-deb", "-x", packages[package], tmp_path], check=True)
    pc, = tmp_path.rglob("microsandbox.pc")
    flags = subprocess.run(["pkg-config", "--cflags", "--libs", "microsandbox"], check=True, text=True,
                           capture_output=True, env={"PATH": "/usr/bin:/bin", "PKG_CONFIG_LIBDIR": str(pc.parent),
                                                     "PKG_CONFIG_SYSROOT_DIR": str(tmp_path),
                                                     "PKG_CONFIG_ALLOW_SYSTEM_CFLAGS": "1",
                                                     "PKG_CONFIG_ALLOW_SYSTEM_LIBS": "1"}).stdout.split()
    target = installed.path / "usr/local/bin/client"
    subprocess.run(["gcc", "-Wall", "-Werror", "-o", target, HERE / "client.c", *flags,
                    "-Wl,--allow-shlib-undefined"], check=True)
    try:
        version = field(packages["msb"], "Version").rpartition("-")[0]
        assert installed("/usr/local/bin/client").stdout == f"{version} 3\n"
    finally:
        target.unlink()


def test_removed_without_a_trace(installed):
    """The last one: nothing of the packages stays, not even directories."""
    installed("/usr/bin/dpkg", "--purge", "libmicrosandbox-dev", "libmicrosandbox0", "msb", user=0)
    assert not (installed.path / "usr/bin/msb").exists()
    left = {f for f in installed.files() - installed.before if not f.startswith("root/")}
    assert left == set()
