# SPDX-License-Identifier: Apache-2.0
"""libmicrosandbox by ctypes: what tests of the library itself need of it."""
import contextlib
import ctypes
import json
from ctypes import (POINTER, byref, c_bool, c_char_p, c_int, c_int64, c_size_t, c_uint, c_uint8, c_uint32, c_uint64,
                    c_void_p)

from conftest import BUILD

NONE = c_void_p()
DEADLINE_MS = 120000


class Frame(ctypes.Structure):
    _fields_ = [("struct_size", c_size_t), ("id", c_uint32), ("flags", c_uint8), ("body", c_void_p),
                ("len", c_size_t)]


class Message(ctypes.Structure):
    _fields_ = [("struct_size", c_size_t), ("version", ctypes.c_uint), ("type", c_void_p),
                ("type_len", c_size_t), ("payload", c_void_p), ("payload_len", c_size_t)]


class Layer(ctypes.Structure):
    _fields_ = [("struct_size", c_size_t), ("diff_id", c_char_p), ("digest", c_char_p),
                ("media_type", c_char_p), ("size_bytes", c_uint64)]


class Info(ctypes.Structure):
    _fields_ = [("struct_size", c_size_t), ("kind", c_int), ("mode", c_uint32), ("uid", c_uint32),
                ("gid", c_uint32), ("size", c_uint64), ("atime_s", c_int64), ("mtime_s", c_int64)]


SIGNATURES = {
    "msb_error_kind_name": (c_char_p, c_int), "msb_error_kind": (c_int, c_void_p),
    "msb_error_text": (c_char_p, c_void_p), "msb_error_free": (None, c_void_p),
    "msb_error_detail_item": (c_char_p, c_void_p, c_size_t),
    "msb_free": (None, c_void_p),
    "msb_open": (c_int, c_char_p, c_void_p, c_void_p), "msb_close": (None, c_void_p),
    "msb_sandbox_get": (c_int, c_void_p, c_char_p, c_void_p, c_void_p),
    "msb_sandbox_free": (None, c_void_p),
    "msb_sandbox_ping": (c_int, c_void_p, c_uint64, c_void_p, c_void_p),
    "msb_exec_options_new": (c_void_p,),
    "msb_exec_options_set_command": (c_int, c_void_p, POINTER(c_char_p), c_size_t, c_void_p),
    "msb_exec_options_free": (None, c_void_p),
    "msb_exec_start": (c_int, c_void_p, c_void_p, c_void_p, c_void_p),
    "msb_exec_options_set_tty": (None, c_void_p, c_bool, c_uint, c_uint, c_char_p),
    "msb_exec_options_set_timeout_ms": (None, c_void_p, c_uint64),
    "msb_exec_options_set_stdin": (c_int, c_void_p, c_char_p, c_size_t, c_void_p),
    "msb_exec_free": (None, c_void_p),
    "msb_exec_run": (c_int, c_void_p, c_void_p, c_void_p, c_void_p),
    "msb_exec_collect": (c_int, c_void_p, c_void_p, c_void_p),
    "msb_exec_output_clear": (None, c_void_p),
    "msb_exec_next": (c_int, c_void_p, c_int, c_void_p, c_void_p),
    "msb_exec_signal": (c_int, c_void_p, c_int, c_void_p),
    "msb_cancel_new": (c_void_p,), "msb_cancel_use": (c_void_p, c_void_p),
    "msb_cancel_trigger": (None, c_void_p), "msb_cancel_free": (None, c_void_p),
    "msb_config_new": (c_int, c_void_p, c_void_p, c_void_p), "msb_config_free": (None, c_void_p),
    "msb_config_set_name": (c_int, c_void_p, c_char_p, c_void_p),
    "msb_config_set_image": (c_int, c_void_p, c_char_p, c_void_p),
    "msb_config_apply_json": (c_int, c_void_p, c_char_p, c_size_t, c_void_p),
    "msb_sandbox_create": (c_int, c_void_p, c_void_p, c_void_p, c_void_p),
    "msb_sandbox_wait": (c_int, c_void_p, c_int64, c_void_p, c_void_p),
    "msb_fs_connect": (c_int, c_void_p, c_void_p, c_void_p), "msb_fs_free": (None, c_void_p),
    "msb_volume_get": (c_int, c_void_p, c_char_p, c_void_p, c_void_p), "msb_volume_free": (None, c_void_p),
    "msb_fs_open_volume": (c_int, c_void_p, c_void_p, c_void_p),
    "msb_fs_stat": (c_int, c_void_p, c_char_p, ctypes.c_bool, c_void_p, c_void_p),
    "msb_fs_mkdir": (c_int, c_void_p, c_char_p, c_int, c_void_p),
    "msb_fs_remove": (c_int, c_void_p, c_char_p, c_void_p),
    "msb_fs_remove_dir": (c_int, c_void_p, c_char_p, ctypes.c_bool, c_void_p),
    "msb_fs_symlink": (c_int, c_void_p, c_char_p, c_char_p, c_void_p),
    "msb_fs_read_file": (c_int, c_void_p, c_char_p, c_size_t, c_void_p, c_void_p, c_void_p),
    "msb_fs_write_file": (c_int, c_void_p, c_char_p, c_void_p, c_size_t, c_int, ctypes.c_bool, c_void_p),
    "msb_agent_connect": (c_int, c_void_p, c_char_p, c_uint64, c_void_p, c_void_p),
    "msb_agent_connect_path": (c_int, c_char_p, c_uint64, c_void_p, c_void_p),
    "msb_agent_close": (None, c_void_p), "msb_agent_free": (None, c_void_p),
    "msb_agent_request": (c_int, c_void_p, c_uint8, c_void_p, c_size_t, c_int, c_void_p, c_void_p),
    "msb_agent_stream_open": (c_int, c_void_p, c_uint8, c_void_p, c_size_t, c_void_p, c_void_p),
    "msb_agent_stream_next": (c_int, c_void_p, c_int, c_void_p, c_void_p),
    "msb_agent_stream_id": (c_uint32, c_void_p), "msb_agent_stream_free": (None, c_void_p),
    "msb_agent_send": (c_int, c_void_p, c_uint32, c_uint8, c_void_p, c_size_t, c_void_p),
    "msb_agent_frame_clear": (None, c_void_p),
    "msb_agent_encode": (c_int, c_char_p, c_void_p, c_size_t, c_void_p, c_void_p, c_void_p),
    "msb_agent_decode": (c_int, c_void_p, c_size_t, c_void_p, c_void_p),
    "msb_image_get": (c_int, c_void_p, c_char_p, c_void_p, c_void_p), "msb_image_free": (None, c_void_p),
    "msb_image_architecture": (c_char_p, c_void_p), "msb_image_os": (c_char_p, c_void_p),
    "msb_image_last_used_unix_ms": (c_int64, c_void_p), "msb_image_layer_count": (c_size_t, c_void_p),
    "msb_image_layer": (c_int, c_void_p, c_size_t, c_void_p),
}


def load():
    lib = ctypes.CDLL(str(BUILD / "libmicrosandbox.so.0"))
    for name, (result, *args) in SIGNATURES.items():
        fn = getattr(lib, name)
        fn.restype, fn.argtypes = result, args
    return lib


class Error(Exception):
    def __init__(self, kind, text, details):
        super().__init__(f"{kind}: {text}")
        self.kind, self.text, self.details = kind, text, details


class Library:
    """A home, opened; what is made of it is closed with it."""

    def __init__(self, home):
        self.lib = load()
        self.undo = contextlib.ExitStack()
        self.m = self.make("msb_open", str(home).encode(), free="msb_close")

    def call(self, name, *args):
        e = c_void_p()
        rc = getattr(self.lib, name)(*args, byref(e))
        if rc >= 0:
            return rc
        kind = self.lib.msb_error_kind_name(self.lib.msb_error_kind(e)).decode()
        text = self.lib.msb_error_text(e).decode()
        details = {}
        while item := self.lib.msb_error_detail_item(e, len(details)):
            key, _, value = item.decode().partition("=")
            details[key] = value
        self.lib.msb_error_free(e)
        raise Error(kind, text, details)

    def make(self, name, *args, free=None):
        p = c_void_p()
        self.call(name, *args, byref(p))
        if free:
            self.undo.callback(getattr(self.lib, free), p)
        return p

    def close(self):
        self.undo.close()

    def create(self, name, **options):
        """Create and boot a sandbox that stays, of these options."""
        text, config, sandbox = json.dumps(options).encode(), c_void_p(), c_void_p()
        self.call("msb_config_new", self.m, byref(config))
        try:
            self.call("msb_config_set_name", config, name.encode())
            self.call("msb_config_apply_json", config, text, len(text))
            self.call("msb_sandbox_create", self.m, config, byref(sandbox))
            self.lib.msb_sandbox_free(sandbox)
        finally:
            self.lib.msb_config_free(config)

    def sandbox(self, name):
        return self.make("msb_sandbox_get", self.m, name.encode(), free="msb_sandbox_free")

    def agent(self, name):
        return Agent(self, self.make("msb_agent_connect", self.m, name.encode(), DEADLINE_MS))

    def agent_at(self, path):
        return Agent(self, self.make("msb_agent_connect_path", str(path).encode(), DEADLINE_MS))


class Volume:
    """The files of a named volume."""

    def __init__(self, library, name):
        self.library = library
        v = library.make("msb_volume_get", library.m, name.encode(), free="msb_volume_free")
        self.fs = library.make("msb_fs_open_volume", v, free="msb_fs_free")

    def call(self, name, *args):
        return self.library.call(name, self.fs, *[a.encode() if isinstance(a, str) else a for a in args])

    def stat(self, path, follow=True):
        info = Info()
        self.call("msb_fs_stat", path, follow, byref(info))
        return info

    def read(self, path):
        data, n = c_void_p(), c_size_t()
        self.call("msb_fs_read_file", path, 0, byref(data), byref(n))
        text = ctypes.string_at(data, n.value)
        self.library.lib.msb_free(data)
        return text

    def write(self, path, data, mode=-1):
        self.call("msb_fs_write_file", path, data, len(data), mode, False)


class Agent:
    """One client of a sandbox's agent, used by any number of threads."""

    def __init__(self, library, p):
        self.library, self.lib, self.p = library, library.lib, p

    def encode(self, type, payload):
        body, n = c_void_p(), c_size_t()
        self.library.call("msb_agent_encode", type.encode(), payload, len(payload), byref(body), byref(n))
        data = ctypes.string_at(body, n.value)
        self.lib.msb_free(body)
        return data

    def take(self, frame):
        """(flags, type, payload) of a frame, which is released."""
        m = Message(ctypes.sizeof(Message))
        try:
            self.library.call("msb_agent_decode", frame.body, frame.len, byref(m))
            return (frame.flags, ctypes.string_at(m.type, m.type_len).decode(),
                    ctypes.string_at(m.payload, m.payload_len))
        finally:
            self.lib.msb_agent_frame_clear(byref(frame))

    def request(self, type, payload=b"\xa0", flags=0):
        body = self.encode(type, payload)
        frame = Frame(ctypes.sizeof(Frame))
        self.library.call("msb_agent_request", self.p, flags, body, len(body), DEADLINE_MS, byref(frame))
        return self.take(frame)

    def open(self, type, payload, flags):
        body = self.encode(type, payload)
        return self.library.make("msb_agent_stream_open", self.p, flags, body, len(body))

    def next(self, stream):
        """A frame, or None at the end."""
        frame = Frame(ctypes.sizeof(Frame))
        got = self.library.call("msb_agent_stream_next", stream, DEADLINE_MS, byref(frame))
        return self.take(frame) if got else None

    def send(self, stream, type, payload):
        body = self.encode(type, payload)
        self.library.call("msb_agent_send", self.p, self.lib.msb_agent_stream_id(stream), 0, body, len(body))

    def end(self, stream):
        self.lib.msb_agent_stream_free(stream)

    def close(self):
        if self.p:
            self.lib.msb_agent_free(self.p)
        self.p = None
