# SPDX-License-Identifier: Apache-2.0
"""Metrics through libmicrosandbox itself."""
import ctypes
from ctypes import POINTER, byref, c_char_p, c_double, c_int, c_int64, c_size_t, c_uint, c_uint64, c_void_p

from conftest import BUILD

RUNNING, STALLED, EXITED = range(3)
WITH_EXITED = 1


class Sample(ctypes.Structure):
    """msb_metrics_t"""
    _fields_ = [("struct_size", c_size_t), ("name", c_char_p), ("state", c_int), ("cpus", c_uint),
                ("started_unix_ms", c_int64), ("sampled_unix_ms", c_int64), ("uptime_ms", c_uint64),
                ("cpu_time_us", c_uint64), ("cpu_percent", c_double), ("memory_bytes", c_uint64),
                ("memory_limit_bytes", c_uint64), ("guest_memory_bytes", c_uint64),
                ("guest_memory_total_bytes", c_uint64), ("disk_read_bytes", c_uint64),
                ("disk_write_bytes", c_uint64), ("net_rx_bytes", c_uint64), ("net_tx_bytes", c_uint64),
                ("disk_read_rate", c_uint64), ("disk_write_rate", c_uint64), ("net_rx_rate", c_uint64),
                ("net_tx_rate", c_uint64), ("interval_ms", ctypes.c_uint32)]


CALLBACK = ctypes.CFUNCTYPE(c_int, c_void_p, POINTER(Sample))


class Refused(Exception):
    """A failure of the library: its kind and its text."""
    def __init__(self, kind, text):
        super().__init__(f"{kind}: {text}")
        self.kind, self.text = kind, text


def library():
    lib = ctypes.CDLL(str(BUILD / "libmicrosandbox.so.0"))
    for name in ["msb_error_kind_name", "msb_error_text"]:
        getattr(lib, name).restype = c_char_p
    lib.msb_error_text.argtypes = lib.msb_error_kind.argtypes = lib.msb_error_free.argtypes = [c_void_p]
    lib.msb_open.argtypes = [c_char_p, POINTER(c_void_p), POINTER(c_void_p)]
    lib.msb_close.argtypes = lib.msb_sandbox_free.argtypes = [c_void_p]
    lib.msb_sandbox_get.argtypes = [c_void_p, c_char_p, POINTER(c_void_p), POINTER(c_void_p)]
    lib.msb_sandbox_metrics.argtypes = [c_void_p, POINTER(Sample), POINTER(c_void_p)]
    lib.msb_metrics_all.argtypes = [c_void_p, c_uint, CALLBACK, c_void_p, POINTER(c_void_p)]
    return lib


class Metrics:
    """The metrics of one home directory."""
    def __init__(self, home):
        self.lib = library()
        self.m = c_void_p()
        self.call(self.lib.msb_open, str(home).encode(), byref(self.m))

    def call(self, fn, *args):
        err = c_void_p()
        if fn(*args, byref(err)) >= 0:
            return
        kind = self.lib.msb_error_kind_name(self.lib.msb_error_kind(err)).decode()
        text = self.lib.msb_error_text(err).decode()
        self.lib.msb_error_free(err)
        raise Refused(kind, text)

    def close(self):
        self.lib.msb_close(self.m)

    def of(self, name):
        """The sample of one sandbox; Refused when there is none."""
        s, sample = c_void_p(), Sample(struct_size=ctypes.sizeof(Sample))
        self.call(self.lib.msb_sandbox_get, self.m, name.encode(), byref(s))
        try:
            self.call(self.lib.msb_sandbox_metrics, s, byref(sample))
            assert sample.name.decode() == name  # the handle's own
            return sample
        finally:
            self.lib.msb_sandbox_free(s)

    def list(self, exited=False):
        """All samples by name; exited: also the last ones of sandboxes that have ended."""
        found = []

        def add(_, sample):
            copy = Sample.from_buffer_copy(sample.contents)
            found.append((copy.name.decode(), copy))
            return 0
        self.call(self.lib.msb_metrics_all, self.m, WITH_EXITED if exited else 0, CALLBACK(add), None)
        assert [n for n, _ in found] == sorted(n for n, _ in found)
        return dict(found)
