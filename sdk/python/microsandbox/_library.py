# SPDX-License-Identifier: Apache-2.0
"""The library behind the package, and its home directory."""
from __future__ import annotations

import ctypes
import os
import threading

# Another libmicrosandbox than the one beside the package. The loader takes a library of that name
# that is there already.
if "MSB_LIBRARY" in os.environ:
    ctypes.CDLL(os.environ["MSB_LIBRARY"], mode=ctypes.RTLD_GLOBAL)

from . import _native as native  # noqa: E402

__all__ = ["home", "native"]

_homes: dict[tuple[int, str | None, str | None], native.Handle] = {}
_lock = threading.Lock()


def home(_token: native.Handle | None = None) -> native.Handle:
    """The opened home directory: that of MSB_HOME, of this process. May wait."""
    key = (os.getpid(), os.environ.get("MSB_HOME"), os.environ.get("HOME"))
    with _lock:
        if key not in _homes:
            _homes[key] = native.home_open(key[1])
        return _homes[key]
