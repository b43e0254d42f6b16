#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Create a sandbox as the library's users do it: by_library.py LIBRARY NAME ROOT NETWORK, a section of JSON."""
import ctypes
import sys

pointer, text = ctypes.c_void_p, ctypes.c_char_p


def done(code, error):
    if code:
        sys.exit(library.msb_error_text(error).decode())


library = ctypes.CDLL(sys.argv[1])
name, root, section = (a.encode() for a in sys.argv[2:])
library.msb_error_text.argtypes, library.msb_error_text.restype = [pointer], text
for call in (library.msb_config_set_name, library.msb_config_set_image,
             library.msb_config_set_network_json):
    call.argtypes = [pointer, text, pointer]
library.msb_config_add_bind.argtypes = [pointer, text, text, pointer, pointer]
m, c, s, e = pointer(), pointer(), pointer(), pointer()
done(library.msb_open(None, ctypes.byref(m), ctypes.byref(e)), e)
done(library.msb_config_new(m, ctypes.byref(c), ctypes.byref(e)), e)
done(library.msb_config_set_name(c, name, ctypes.byref(e)), e)
done(library.msb_config_set_image(c, root, ctypes.byref(e)), e)
readonly = (ctypes.c_uint64 * 7)(56, 1)  # msb_mount_options_t: its size, and the flag
done(library.msb_config_add_bind(c, b"/usr", b"/usr", ctypes.byref(readonly), ctypes.byref(e)), e)
done(library.msb_config_set_network_json(c, section, ctypes.byref(e)), e)
done(library.msb_sandbox_create(m, c, ctypes.byref(s), ctypes.byref(e)), e)
