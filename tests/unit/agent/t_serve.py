#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The serving agent as an ordinary process: everything a client can ask for.

    t_serve.py AGENT [unittest arguments]
"""
import os
import pathlib
import signal
import socket
import stat
import sys
import threading
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from agent_client import DEADLINE, Agent, Array, Map, encode  # noqa: E402
from serve_case import agent_path, Case, STEP, wait_gone  # noqa: E402
from serve_exec import Environment, Exec, ExecFailures, Terminal  # noqa: E402,F401
from serve_files import Files  # noqa: E402,F401


class Core(Case):
    def test_ready_comes_first_and_once(self):
        m = self.a.ready
        self.assertEqual((m.id, m.flags, m.v, m.type), (0, 0, 6, "core.ready"))
        self.assertEqual(list(m.payload)[:3], ["boot_time_ns", "init_time_ns", "ready_time_ns"])
        self.assertTrue(self.a.silent(0))

    def test_ping_and_touch(self):
        first = self.a.recv(self.a.send("core.touch", {}))
        self.assertEqual((first.type, first.flags), ("core.touched", 1))
        self.a.ping()
        second = self.a.recv(self.a.send("core.touch", {}))
        # a touch counts as exactly one activity, a ping as none
        self.assertEqual(second.payload["activity_seq"], first.payload["activity_seq"] + 1)

    def test_unknown_types_are_answered(self):
        m = self.a.recv(self.a.send("core.later.thing", {}, v=7))
        self.assertEqual((m.type, m.payload["kind"]), ("core.error", "unsupported_message_type"))
        self.assertEqual(m.payload["offending_type"], "core.later.thing")
        m = self.a.recv(self.a.send("core.later.thing", {}, v=1, flags=2))
        self.assertEqual((m.type, m.payload["kind"]), ("core.exec.failed", "other"))
        self.assertTrue(self.a.silent(self.a.send("core.later.thing", {}, v=1)))

    def test_garbage_is_survived(self):
        self.a.ping()
        for body in (b"", b"\xff", b"\xa0", b"\xa3" * 40, b"\x9b" + b"\xff" * 8, os.urandom(500)):
            id = self.a.new_id()
            self.a.send_raw(id, 0, body)
            m = self.a.recv(id)
            self.assertEqual((m.type, m.payload["kind"]), ("core.error", "malformed_message"))
        self.assertEqual(self.a.sh("echo on")[0], b"on\n")

    def test_bad_payloads_are_answered(self):
        for t, v, want in (("core.exec.request", 6, ("core.error", "invalid_payload")),
                           ("core.exec.request", 1, ("core.exec.failed", "bad_args")),
                           ("core.tcp.connect", 6, ("core.error", "invalid_payload")),
                           ("core.fs.request", 6, ("core.error", "invalid_payload"))):
            m = self.a.recv(self.a.send(t, {"cmd": 5}, v=v))
            self.assertEqual((m.type, m.payload["kind"]), want)
        m = self.a.recv(self.a.send("core.fs.request", {"op": {"Fly": {}}}, v=2))
        self.assertEqual((m.type, m.payload["ok"]), ("core.fs.response", False))

    def test_messages_for_nobody_are_ignored(self):
        for t, p in (("core.exec.stdin", {"data": b"x"}), ("core.exec.signal", {"signal": 9}),
                     ("core.exec.resize", {"rows": 1, "cols": 1}), ("core.tcp.eof", {}),
                     ("core.tcp.close", {}), ("core.ready", {}), ("core.exec.exited", {"code": 1})):
            self.assertTrue(self.a.silent(self.a.send(t, p)), t)

    def test_any_encoding_is_taken(self):
        id = self.a.new_id()
        payload = Map({"zzz": {"deep": [1, {"x": None}]}, "tty": False,
                       "args": Array(["-c", "echo odd"]), "cmd": "/bin/sh"})
        body = encode(Map({"p": encode(payload), "x": 0, "t": "core.exec.request", "v": 6}))
        self.a.send_raw(id, 2, body)
        self.assertEqual(self.a.recv(id).type, "core.exec.started")
        self.a.stdin(id, b"")
        self.assertEqual(self.a.collect(id)[0], b"odd\n")

    def test_id_in_use_is_refused(self):
        id = self.a.start("sleep", "1000", id=self.a.new_id())
        self.assertEqual(self.a.recv(id).type, "core.exec.started")
        self.a.start("true", id=id)
        m = self.a.recv(id)
        self.assertEqual((m.type, m.payload["kind"]), ("core.error", "invalid_session"))
        self.a.send("core.exec.signal", {"signal": 9}, id=id)
        self.assertEqual(self.a.recv(id).payload["signal"], 9)


class Tcp(Case):
    def serve(self, handler, family=socket.AF_INET):
        s = socket.create_server(("127.0.0.1", 0))

        def run():
            conn, _ = s.accept()
            with conn:
                handler(conn)
        t = threading.Thread(target=run, daemon=True)
        t.start()
        self.addCleanup(t.join, DEADLINE)
        self.addCleanup(s.close)
        return s.getsockname()[1]

    def connect(self, port, host="127.0.0.1"):
        id = self.a.send("core.tcp.connect", {"host": host, "port": port})
        m = self.a.recv(id)
        self.assertEqual((m.type, m.payload), ("core.tcp.connected", {}))
        return id

    def test_echo_and_half_close(self):
        data = os.urandom(6 << 20)

        def echo(c):
            got = bytearray()
            while chunk := c.recv(65536):
                got += chunk
            c.sendall(got)
        id = self.connect(self.serve(echo), host="localhost")
        for at in range(0, len(data), 1 << 16):
            self.a.send("core.tcp.data", {"data": data[at:at + (1 << 16)]}, id=id)
        self.a.send("core.tcp.eof", {}, id=id)
        messages = self.a.rest(id)
        self.assertEqual([m.type for m in messages[-2:]], ["core.tcp.eof", "core.tcp.closed"])
        self.assertEqual(b"".join(m.payload["data"] for m in messages[:-2]), data)

    def test_other_side_ends_first(self):
        def greet(c):
            c.sendall(b"bye")
            c.shutdown(socket.SHUT_WR)
            self.got = c.recv(100)
        id = self.connect(self.serve(greet))
        self.assertEqual(self.a.recv(id).payload, {"data": b"bye"})
        self.assertEqual(self.a.recv(id).type, "core.tcp.eof")
        self.a.send("core.tcp.data", {"data": b"later"}, id=id)
        self.a.send("core.tcp.eof", {}, id=id)
        m = self.a.recv(id)
        self.assertEqual((m.type, m.flags), ("core.tcp.closed", 1))

    def test_close_says_nothing(self):
        done = threading.Event()

        def wait(c):
            c.recv(1)
            done.set()
        id = self.connect(self.serve(wait))
        self.a.send("core.tcp.close", {}, id=id)
        self.assertTrue(done.wait(DEADLINE))
        self.assertTrue(self.a.silent(id))

    def test_refused_and_unknown(self):
        with socket.create_server(("127.0.0.1", 0)) as s:
            port = s.getsockname()[1]
        m = self.a.recv(self.a.send("core.tcp.connect", {"host": "127.0.0.1", "port": port}))
        self.assertEqual((m.type, m.flags), ("core.tcp.failed", 1))
        self.assertEqual(m.payload["error"],
                         f"connect 127.0.0.1:{port}: Connection refused (os error 111)")
        m = self.a.recv(self.a.send("core.tcp.connect", {"host": "no.such.invalid", "port": 1}))
        self.assertEqual(m.type, "core.tcp.failed")
        id = self.a.send("core.tcp.data", {"data": b"x"})
        self.assertEqual(self.a.recv(id).payload["error"], f"unknown TCP session: {id}")

    def test_reset(self):
        def reset(c):
            c.recv(1)
            c.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        id = self.connect(self.serve(reset))
        self.a.send("core.tcp.data", {"data": b"x"}, id=id)
        m = self.a.rest(id)[-1]
        self.assertEqual(m.type, "core.tcp.failed")
        self.assertTrue(m.payload["error"].startswith("read TCP stream: "), m)

    def test_disconnect(self):
        done = threading.Event()

        def wait(c):
            c.recv(1)
            done.set()
        port = self.serve(wait)
        id = self.a.send("core.tcp.connect", {"host": "127.0.0.1", "port": port}, id=5 * STEP + 1)
        self.assertEqual(self.a.recv(id).type, "core.tcp.connected")
        self.a.send("core.relay.client.disconnected",
                    {"id_start": 5 * STEP + 1, "id_end_exclusive": 6 * STEP}, id=0)
        self.assertTrue(done.wait(DEADLINE))


class Ends(unittest.TestCase):
    def test_end_of_the_channel(self):
        a = Agent(agent_path())
        id = a.start("sleep", "1000")
        pid = a.recv(id).payload["pid"]
        self.assertEqual(a.close(), 0)
        # SIGTERM was sent; the sleep is not our child, so look until it is gone
        wait_gone(self, pid)

    def test_shutdown(self):
        a = Agent(agent_path())
        a.send("core.shutdown", None, id=0)
        self.assertEqual(a.process.wait(DEADLINE), 0)
        a.close()

    def test_frame_that_is_too_long(self):
        for size in (4194305, 3):
            a = Agent(agent_path())
            a.sock.sendall(size.to_bytes(4, "big") + bytes(5))
            self.assertEqual(a.process.wait(DEADLINE), 1)
            a.close()

    def test_byte_by_byte(self):
        a = Agent(agent_path())
        body = encode({"v": 6, "t": "core.ping", "p": encode({})})
        for b in (len(body) + 5).to_bytes(4, "big") + (9).to_bytes(4, "big") + b"\0" + body:
            a.sock.sendall(bytes([b]))
        self.assertEqual(a.recv(9).type, "core.pong")
        self.assertEqual(a.close(), 0)

    def test_idle_costs_nothing(self):
        a = Agent(agent_path())
        a.run("true")
        ticks = pathlib.Path(f"/proc/{a.process.pid}/stat")

        def cpu():
            fields = ticks.read_text().rsplit(")", 1)[1].split()
            return int(fields[11]) + int(fields[12])
        before = cpu()
        a.recv(a.start("sleep", "0.3"))
        self.assertLessEqual(cpu() - before, 2)
        self.assertEqual(a.close(), 0)


if __name__ == "__main__":
    os.environ["MSB_TEST_AGENT"] = os.path.abspath(sys.argv.pop(1))
    unittest.main()
