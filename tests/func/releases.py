# SPDX-License-Identifier: Apache-2.0
"""Releases of msb as tests make them: small ones of shell scripts, and one of the build."""
import hashlib
import io
import os
import platform
import shutil
import subprocess
import tarfile

from conftest import BUILD

ARCH = platform.machine()
PROGRAMS = ["msb-runtime", "msb-runtime-tls", "msb-image"]


def name(version):
    return f"msb-{version}-linux-{ARCH}"


def script(text):
    return f"#!/bin/sh\n{text}\n".encode()


def files(version):
    """What a release has to have; its msb tells its version."""
    return {
        "bin/msb": (0o755, script(f"echo msb {version}")),
        "bin/microsandbox": "msb",
        "libexec/microsandbox/msb-runtime": (0o755, script("exit 0")),
        "libexec/microsandbox/msb-image": (0o755, script("exit 1")),
        "share/microsandbox/guest/initramfs.cpio": (0o644, b"x" * 5000),
    }


def pack(members, compress=True):
    """Bytes of an archive; members: {path: (mode, bytes) | target of a link | TarInfo}."""
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for path, what in members.items():
            info = tarfile.TarInfo(path)
            if isinstance(what, tarfile.TarInfo):
                tar.addfile(what)
            elif isinstance(what, str):
                info.type, info.linkname = tarfile.SYMTYPE, what
                tar.addfile(info)
            else:
                info.mode, info.size = what[0], len(what[1])
                tar.addfile(info, io.BytesIO(what[1]))
    data = raw.getvalue()
    if compress:
        data = subprocess.run(["zstd", "-q", "-1"], input=data, stdout=subprocess.PIPE,
                              check=True).stdout
    return data


class Source:
    """A directory of releases."""

    def __init__(self, path):
        self.path = path
        path.mkdir(exist_ok=True)

    def publish(self, version, data=None, latest=True, **changes):
        """Put an archive there; changes replace files of the usual ones, None removes one."""
        if data is None:
            members = {**files(version), **changes.pop("files", {})}
            data = pack({f"{name(version)}/{p}": w for p, w in members.items() if w is not None})
        (self.path / f"{name(version)}.tar.zst").write_bytes(data)
        self.sum()
        if latest:
            (self.path / "latest").write_text(f"{version}\n")
        return data

    def sum(self):
        (self.path / "SHA256SUMS").write_text("".join(
            f"{hashlib.sha256(p.read_bytes()).hexdigest()}  {p.name}\n"
            for p in sorted(self.path.glob("*.tar.zst"))))


def tree_of_build(path):
    """The build, laid out as a release."""
    for d in "bin", "libexec/microsandbox", "share/microsandbox":
        (path / d).mkdir(parents=True)
    subprocess.run(["strip", "-o", path / "bin/msb", BUILD / "msb"], check=True)
    for program in PROGRAMS:
        subprocess.run(["strip", "-o", path / "libexec/microsandbox" / program, BUILD / program],
                       check=True)
    for d in "guest", "images":
        shutil.copytree(BUILD / d, path / "share/microsandbox" / d, ignore=lambda _, names: [
            n for n in names if not n.endswith((".cpio", ".tar")) and n not in
            ("linux-um", "vmlinux-x86_64", "Image-arm64")])
    os.symlink("msb", path / "bin/microsandbox")


def release_of_build(source, version, work):
    tree = work / name(version)
    tree_of_build(tree)
    subprocess.run(["tar", "-C", work, "--format=posix", "-I", "zstd -1", "-cf",
                    source.path / f"{name(version)}.tar.zst", tree.name], check=True)
    source.sum()
    (source.path / "latest").write_text(f"{version}\n")
    return tree
