# SPDX-License-Identifier: Apache-2.0
"""Debian from the mirror that this host's apt is configured for; its name stays in here."""
import os
import pathlib
import platform
import re
import shlex
import subprocess

import pytest

OURS = re.compile(r"msb|libmicrosandbox")


def depends(deb):
    """What a package file depends on: the first of alternatives, none of ours."""
    field = subprocess.run(["dpkg-deb", "-f", deb, "Depends"], check=True, capture_output=True,
                           text=True).stdout
    names = [re.match(r"[a-z0-9.+-]+", d.strip()).group() for d in field.split(",") if d.strip()]
    return [n for n in names if not OURS.match(n)]


def release():
    """Code name of this host's Debian."""
    system = platform.freedesktop_os_release()
    return system.get("VERSION_CODENAME") if system.get("ID") == "debian" else None


def source():
    """Address and keyring (or None) of that release's main archive, as apt has it."""
    text = subprocess.run(["apt-get", "indextargets", "Created-By: Packages", "Component: main",
                           f"Codename: {release()}"], capture_output=True, text=True).stdout
    for block in text.split("\n\n"):
        fields = dict(re.findall(r"^([A-Za-z-]+): (.*)$", block, re.M))
        address = fields.get("Repo-URI", "")
        if re.match(r"(https?|file):", address):
            keyring = fields.get("Signed-By", "")
            return address, keyring if os.path.isabs(keyring) else None
    return None


def proxies():
    """Environment of a downloader that goes the way apt goes."""
    text = subprocess.run(["apt-config", "shell", "http_proxy", "Acquire::http::Proxy", "https_proxy",
                           "Acquire::https::Proxy"], capture_output=True, text=True).stdout
    pairs = [word.partition("=") for word in shlex.split(text)]
    return {name: value for name, _, value in pairs if value and value != "DIRECT"}


def debootstrap(path, include):
    """Make a minimal system below path; an error never tells where it came from."""
    found = source() if release() else None
    if not found:
        pytest.skip("apt has no Debian mirror that debootstrap can use")
    address, keyring = found
    command = ["debootstrap", "--variant=minbase", f"--include={','.join(include)}",
               *([f"--keyring={keyring}"] if keyring else []), release(), str(path), address]
    with open(f"{path}.log", "w+") as log:
        p = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                           env={**os.environ, **proxies(), "DEBIAN_FRONTEND": "noninteractive"})
        log.seek(0)
        said = re.sub(r"[a-z]+://\S+", "<mirror>", log.read())
    pathlib.Path(log.name).unlink()
    assert p.returncode == 0, f"debootstrap: {p.returncode}\n{said[-2000:]}"
