#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Install the manual pages that the build wrote: install_man.py FROM TO (below the prefix)."""
import os
import pathlib
import shutil
import sys


def main(source, target):
    directory = pathlib.Path(os.environ["MESON_INSTALL_DESTDIR_PREFIX"], target)
    if os.path.isabs(target):  # outside of the prefix
        directory = pathlib.Path(os.environ.get("DESTDIR", "") + target)
    directory.mkdir(parents=True, exist_ok=True)
    for page in sorted(pathlib.Path(source).glob("*.1")):
        shutil.copyfile(page, directory / page.name)
        (directory / page.name).chmod(0o644)


if __name__ == "__main__":
    main(*sys.argv[1:])
