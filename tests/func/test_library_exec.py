# SPDX-License-Identifier: Apache-2.0
"""Commands and cancelling through libmicrosandbox, by many threads of one process."""
import concurrent.futures
import ctypes
import signal
import threading
import time
from ctypes import byref, c_bool, c_char_p, c_int, c_size_t, c_uint32, c_void_p

import pytest

from conftest import SANITIZED, wait_for
from libmsb import Error, Library

pytestmark = pytest.mark.skipif(SANITIZED, reason="the library is loaded into an ordinary interpreter")
MANY = 100


class Output(ctypes.Structure):
    _fields_ = [("struct_size", c_size_t), ("exit_code", c_int), ("signal", c_int), ("out", c_void_p),
                ("err", c_void_p), ("out_len", c_size_t), ("err_len", c_size_t), ("truncated", c_bool)]


class Event(ctypes.Structure):
    _fields_ = [("struct_size", c_size_t), ("kind", c_int), ("data", c_void_p), ("len", c_size_t),
                ("pid", c_uint32), ("exit_code", c_int), ("signal", c_int)]


class Exit(ctypes.Structure):
    _fields_ = [("struct_size", c_size_t), ("status", c_int), ("reason", c_char_p), ("exit_code", c_int)]


@pytest.fixture
def library(msb):
    msb.choose_engine()
    made = Library(msb.home)
    made.box = msb
    yield made
    made.close()


@pytest.fixture
def box(library):
    library.box.create("box")
    return library.sandbox("box")


def options(library, *argv, stdin=None, timeout_ms=0):
    o = c_void_p(library.lib.msb_exec_options_new())
    library.undo.callback(library.lib.msb_exec_options_free, o)
    words = (c_char_p * len(argv))(*[a.encode() for a in argv])
    library.call("msb_exec_options_set_command", o, words, len(argv))
    library.lib.msb_exec_options_set_timeout_ms(o, timeout_ms)
    if stdin is not None:
        library.call("msb_exec_options_set_stdin", o, stdin, len(stdin))
    return o


def take(library, output):
    """(exit code, signal, standard output), which is released."""
    out = ctypes.string_at(output.out, output.out_len) if output.out else b""
    library.lib.msb_exec_output_clear(byref(output))
    return output.exit_code, output.signal, out


def run(library, sandbox, *argv, **how):
    output = Output(ctypes.sizeof(Output))
    library.call("msb_exec_run", sandbox, options(library, *argv, **how), byref(output))
    return take(library, output)


def test_hundred_commands_at_once(library, box):
    with concurrent.futures.ThreadPoolExecutor(MANY) as pool:
        together = threading.Barrier(MANY)

        def one(number):
            together.wait()
            return run(library, box, "sh", "-c", f"echo {number}; exit {number}")
        for number, got in enumerate(pool.map(one, range(MANY))):
            assert got == (number, 0, b"%d\n" % number)


def test_input_given_beforehand(library, box):
    data = bytes(range(256)) * 20000
    assert run(library, box, "cat", stdin=data) == (0, 0, data)
    assert run(library, box, "cat") == (0, 0, b"")
    # one that does not care about it ends all the same
    assert run(library, box, "true", stdin=data) == (0, 0, b"")


@pytest.mark.parametrize("line", [b"", b"word\n", b"word"])
def test_input_of_a_terminal_ends_too(library, box, line):
    o = options(library, "sh", "-c", "cat; echo over", stdin=line)
    library.lib.msb_exec_options_set_tty(o, True, 24, 80, None)
    output = Output(ctypes.sizeof(Output))
    library.call("msb_exec_run", box, o, byref(output))
    code, number, out = take(library, output)
    assert (code, number) == (0, 0)
    assert out.count(line.strip() or b"over") >= 1 and out.endswith(b"over\r\n")


def test_signal_while_another_thread_waits(library, box):
    x = library.make("msb_exec_start", box, options(library, "sleep", "1000"), free="msb_exec_free")
    event = Event(ctypes.sizeof(Event))
    library.call("msb_exec_next", x, 120000, byref(event))
    output = Output(ctypes.sizeof(Output))
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(library.call, "msb_exec_collect", x, byref(output))
        library.call("msb_exec_signal", x, signal.SIGTERM)
        waiting.result(120)
    assert take(library, output) == (-1, signal.SIGTERM, b"")


def test_kill_behind_input_that_is_not_read(library, box):
    x = library.make("msb_exec_start", box, options(library, "sleep", "1002", stdin=bytes(5 << 20)),
                     free="msb_exec_free")
    event = Event(ctypes.sizeof(Event))
    library.call("msb_exec_next", x, 120000, byref(event))
    library.call("msb_exec_next", x, 300, byref(event))
    library.call("msb_exec_signal", x, signal.SIGKILL)
    output = Output(ctypes.sizeof(Output))
    library.call("msb_exec_collect", x, byref(output))
    assert take(library, output) == (-1, signal.SIGKILL, b"")
    wait_for(lambda: not in_guest(library, box, b"sleep 1002"), "the command to go")


def in_guest(library, box, words):
    return words in run(library, box, "ps")[2]


@pytest.mark.parametrize("script", ["echo begun; sleep 1001", "echo begun; setsid sleep 1001 & wait"])
def test_time_limit(library, box, script):
    output = Output(ctypes.sizeof(Output))
    with pytest.raises(Error) as e:
        library.call("msb_exec_run", box, options(library, "sh", "-c", script, timeout_ms=700), byref(output))
    assert e.value.kind == "exec_timeout"
    assert take(library, output) == (-1, 0, b"begun\n")
    assert not in_guest(library, box, b"sh -c echo begun")
    if "setsid" not in script:
        assert not in_guest(library, box, b"sleep 1001")


def test_wait_tells_the_startup_commands_code(library):
    library.box.ok("run", "-q", "-d", "-n", "short", "./rootfs", "--", "sh", "-c", "exit 7")
    end = Exit(ctypes.sizeof(Exit))
    s = library.sandbox("short")
    assert library.call("msb_sandbox_wait", s, 120000, byref(end)) == 1
    assert (end.reason, end.exit_code) == (b"Failed", 7)


def config(library, name):
    c = library.make("msb_config_new", library.m, free="msb_config_free")
    library.call("msb_config_set_name", c, name.encode())
    library.call("msb_config_set_image", c, str(library.box.rootfs).encode())
    return c


def create(library, c, token, after):
    """The sandbox, or the error of its being cancelled after so long."""
    timer = threading.Timer(after, library.lib.msb_cancel_trigger, [token])
    library.lib.msb_cancel_use(token)
    timer.start()
    try:
        return library.make("msb_sandbox_create", library.m, c, free="msb_sandbox_free")
    except Error as e:
        return e
    finally:
        library.lib.msb_cancel_use(None)
        timer.join()


def test_cancelled_creates_leave_nothing(library):
    """At several moments of a boot; the last one comes too late."""
    begin = time.monotonic()
    library.box.create("measure")
    whole = time.monotonic() - begin
    ended = 0
    for part in [0, 0.05, 0.1, 0.2, 0.3, 0.4, 0.6, 0.8]:
        token = c_void_p(library.lib.msb_cancel_new())
        got = create(library, config(library, "box"), token, part * whole)
        library.lib.msb_cancel_free(token)
        if isinstance(got, Error):
            assert got.kind == "cancelled", got
            assert not library.box.dir("box").exists()
            assert library.box("inspect", "box").returncode != 0
            ended += 1
        else:
            library.box.ok("rm", "-f", "box")
    assert ended >= 3
    library.box.ok("rm", "-f", "measure")
    assert library.box.no_processes()
