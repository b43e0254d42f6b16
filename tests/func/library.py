# SPDX-License-Identifier: Apache-2.0
"""What libmicrosandbox takes and msb has no option for, through its C interface."""
import ctypes
import json
import os

from conftest import BUILD


class Failure(Exception):
    """An error of the library: its kind, and its text."""

    def __init__(self, kind, text, details):
        super().__init__(f"{kind}: {text}")
        self.kind = kind
        self.text = text
        self.details = details


def load():
    """The library with the functions used here declared."""
    lib = ctypes.CDLL(str(BUILD / "libmicrosandbox.so.0"))
    handle = ctypes.c_void_p
    errors = ctypes.POINTER(handle)
    out = ctypes.POINTER(handle)
    signatures = {
        "msb_open": [ctypes.c_char_p, out, errors],
        "msb_config_new": [handle, out, errors],
        "msb_config_set_name": [handle, ctypes.c_char_p, errors],
        "msb_config_apply_json": [handle, ctypes.c_char_p, ctypes.c_size_t, errors],
        "msb_sandbox_create": [handle, handle, out, errors],
    }
    for name, types in signatures.items():
        getattr(lib, name).argtypes = types
    for name in ["msb_close", "msb_config_free", "msb_sandbox_free", "msb_error_free"]:
        getattr(lib, name).argtypes = [handle]
        getattr(lib, name).restype = None
    lib.msb_error_kind.argtypes = lib.msb_error_text.argtypes = [handle]
    lib.msb_error_detail_item.argtypes = [handle, ctypes.c_size_t]
    for name in ["msb_error_kind_name", "msb_error_text", "msb_error_detail_item"]:
        getattr(lib, name).restype = ctypes.c_char_p
    return lib


class Library:
    """One home directory, opened."""

    def __init__(self, home):
        self.lib = load()
        self.m = ctypes.c_void_p()
        self.call("msb_open", os.fsencode(home), ctypes.byref(self.m))

    def call(self, name, *args):
        error = ctypes.c_void_p()
        rc = getattr(self.lib, name)(*args, ctypes.byref(error))
        if rc >= 0:
            return rc
        kind = self.lib.msb_error_kind_name(self.lib.msb_error_kind(error)).decode()
        text = self.lib.msb_error_text(error).decode()
        details = {}
        while item := self.lib.msb_error_detail_item(error, len(details)):
            key, _, value = item.decode().partition("=")
            details[key] = value
        self.lib.msb_error_free(error)
        raise Failure(kind, text, details)

    def create(self, name, **options):
        """Create and boot a sandbox that stays, of these options."""
        text = json.dumps(options).encode()
        config, sandbox = ctypes.c_void_p(), ctypes.c_void_p()
        self.call("msb_config_new", self.m, ctypes.byref(config))
        try:
            self.call("msb_config_set_name", config, name.encode())
            self.call("msb_config_apply_json", config, text, len(text))
            self.call("msb_sandbox_create", self.m, config, ctypes.byref(sandbox))
            self.lib.msb_sandbox_free(sandbox)
        finally:
            self.lib.msb_config_free(config)

    def close(self):
        self.lib.msb_close(self.m)
