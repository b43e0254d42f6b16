# SPDX-License-Identifier: Apache-2.0
"""What the package brings along, and what the host lacks."""
from __future__ import annotations

import os
import pathlib
import sys
from dataclasses import dataclass
from typing import NoReturn

from . import _pool
from ._library import home, native

HERE = pathlib.Path(__file__).resolve().parent


def version() -> str:
    """Of the library."""
    return native.version()


@dataclass(frozen=True)
class Check:
    """Something that was looked at; state is ok, warn, fail or info."""

    state: str
    name: str
    detail: str
    remedy: str


async def doctor() -> list[Check]:
    """What the host lacks, as `msb doctor` tells."""
    found = await _pool.call(lambda token: native.doctor(home(), token))
    return [Check(*check) for check in found]


def _msb() -> pathlib.Path | None:
    """The command line program: of MSB_LIBRARY's build, or of the wheel."""
    library = os.environ.get("MSB_LIBRARY")
    places = [pathlib.Path(library).resolve().parent / "msb"] if library else []
    places += [HERE / "_bundle/bin/msb", HERE.parents[2] / "msb"]
    for path in places:
        if os.access(path, os.X_OK) and path.is_file():
            return path
    return None


def is_installed() -> bool:
    """Are the programs that sandboxes need there?"""
    return _msb() is not None


async def install() -> None:
    """Have the programs that sandboxes need. They are part of the wheel, so that most often there
    is nothing to do; else the latest release is put below the home directory."""
    if not is_installed():
        await _pool.call(
            lambda token: native.release_install(home(), None, None, False, token))


def main() -> NoReturn:
    """The console scripts msb and microsandbox."""
    path = _msb()
    if path is None:
        sys.exit("msb: the program is not part of this package")
    os.execv(path, ["msb", *sys.argv[1:]])


__all__ = ["Check", "doctor", "install", "is_installed", "version"]
