#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Network namespaces that tests make for themselves, also as an ordinary user.

A keeper, one process in a user namespace of its own when not started by root, holds them and does
what needs privileges in there: sockets and interfaces are made by it and passed on. What runs inside
as everybody else does is started behind Space.prefix. All ends with the keeper, and the keeper ends
with whoever started it. Nothing leads out of such a namespace.
"""
import array
import ctypes
import fcntl
import json
import os
import pathlib
import socket
import struct
import subprocess
import sys

CLONE_NEWNS, CLONE_NEWNET = 0x00020000, 0x40000000
MS_BIND, MS_REC, MS_PRIVATE = 4096, 16384, 1 << 18
TUNSETIFF, IFF_TUN, IFF_TAP, IFF_NO_PI = 0x400454CA, 1, 2, 0x1000
MAX_MESSAGE = 1 << 17


class Refused(Exception):
    """Something in the namespace could not be had."""


class Keeper:
    """The process that holds namespaces, as seen by who started it."""

    def __init__(self):
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        as_user = os.geteuid() != 0
        words = [sys.executable, __file__, str(theirs.fileno())]
        if as_user:
            words = ["unshare", "--user", "--map-current-user", "--keep-caps", *words]
        with theirs:
            self.process = subprocess.Popen(words, pass_fds=[theirs.fileno()],
                                            stdin=subprocess.DEVNULL)
        self.socket = ours
        self.enter = ["nsenter"]
        self.ask("hello")
        if as_user:
            self.enter += [f"--user=/proc/{self.process.pid}/ns/user", "--preserve-credentials"]

    def ask(self, what, **words):
        """What the keeper answers, and the descriptor it gave, if any."""
        self.socket.send(json.dumps({"do": what, **words}).encode())
        data, fds, _, _ = socket.recv_fds(self.socket, MAX_MESSAGE, 1)
        if not data:
            raise Refused(f"no namespaces here ({what})")
        answer = json.loads(data)
        if "error" in answer:
            raise Refused(answer["error"])
        return answer, fds[0] if fds else None

    def close(self):
        self.socket.close()
        self.process.wait()


class Space:
    """One network namespace, its loopback interface up."""

    def __init__(self, keeper):
        self.keeper = keeper
        self.number = keeper.ask("new")[0]["fd"]
        self.mounts = None
        self("ip", "link", "set", "lo", "up")
        group = os.getegid()
        self.sysctl("net/ipv4/ping_group_range", f"{group} {group}" if os.geteuid() else
                    "0 2147483647")
        self.sysctl("net/ipv4/ip_unprivileged_port_start", "0")

    @property
    def path(self):
        return f"/proc/{self.keeper.process.pid}/fd/{self.number}"

    @property
    def prefix(self):
        """Words before a command to run in here, with the rights it would have outside."""
        words = [*self.keeper.enter, f"--net={self.path}"]
        if self.mounts is not None:
            words.append(f"--mount=/proc/{self.keeper.process.pid}/fd/{self.mounts}")
        return [*words, "--"]

    def __call__(self, *cmd, input=""):
        """Run something with all rights over the namespace; its output."""
        answer, _ = self.keeper.ask("run", fd=self.number, cmd=list(cmd), input=input)
        if answer["code"]:
            raise Refused(f"{' '.join(cmd)}: {answer['out']}")
        return answer["out"]

    def sysctl(self, name, value):
        self.keeper.ask("sysctl", fd=self.number, name=name, value=value)

    def bind_file(self, source, place):
        """Whatever is started in here from now on sees source at place."""
        self.mounts = self.keeper.ask("mounts", fd=self.number, source=str(source),
                                      place=str(place))[0]["fd"]

    def open_socket(self, family=socket.AF_INET, kind=socket.SOCK_STREAM, proto=0):
        _, fd = self.keeper.ask("socket", fd=self.number, family=int(family), kind=int(kind),
                                proto=int(proto))
        return socket.socket(fileno=fd)

    def listen(self, address, port, kind=socket.SOCK_STREAM):
        """A bound socket, listening if it is of that kind."""
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        s = self.open_socket(family, kind)
        if family == socket.AF_INET6:
            s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        if kind == socket.SOCK_STREAM:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.bind((address, port))
        if kind == socket.SOCK_STREAM:
            s.listen(128)
        return s

    def tun(self, name, kind=IFF_TUN):
        """A descriptor that is the other end of a new interface."""
        return self.keeper.ask("tun", fd=self.number, name=name, kind=kind)[1]

    def serve(self, *cmd, **kw):
        """A process that does not outlive this one, however this one ends."""
        return self.popen("setpriv", "--pdeathsig=KILL", *cmd, **kw)

    def popen(self, *cmd, **kw):
        kw.setdefault("stdin", subprocess.DEVNULL)
        return subprocess.Popen([*self.prefix, *map(str, cmd)], **kw)


# --- the keeper's side ---


class Served:
    def __init__(self, fd):
        self.socket = socket.socket(fileno=fd)
        self.libc = ctypes.CDLL(None, use_errno=True)

    def call(self, name, *args):
        if getattr(self.libc, name)(*args) < 0:
            code = ctypes.get_errno()
            raise OSError(code, f"{name}: {os.strerror(code)}")

    def run(self):
        while True:
            data = self.socket.recv(MAX_MESSAGE)
            if not data:
                return
            words = json.loads(data)
            fd = None
            try:
                if "fd" in words:
                    self.call("setns", words["fd"], CLONE_NEWNET)
                answer, fd = getattr(self, "do_" + words.pop("do"))(**words)
            except (OSError, ValueError) as e:
                answer = {"error": str(e)}
            fds = [] if fd is None else [fd]
            self.socket.sendmsg([json.dumps(answer).encode()],
                                [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))]
                                if fds else [])
            for fd in fds:
                os.close(fd)

    def do_hello(self):
        return {}, None

    def do_new(self):
        self.call("unshare", CLONE_NEWNET)
        return {"fd": os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)}, None

    def do_run(self, fd, cmd, input):
        p = subprocess.run(cmd, input=input, text=True, stdout=subprocess.PIPE,
                           stderr=subprocess.STDOUT)
        return {"code": p.returncode, "out": p.stdout[-60000:]}, None

    def do_sysctl(self, fd, name, value):
        pathlib.Path("/proc/sys", name).write_text(value)
        return {}, None

    def do_socket(self, fd, family, kind, proto):
        return {}, socket.socket(family, kind, proto).detach()

    def do_tun(self, fd, name, kind):
        tun = os.open("/dev/net/tun", os.O_RDWR | os.O_CLOEXEC)
        try:
            fcntl.ioctl(tun, TUNSETIFF, struct.pack("16sH22x", name.encode(), kind | IFF_NO_PI))
        except OSError:
            os.close(tun)
            raise
        return {}, tun

    def do_mounts(self, fd, source, place):
        """A mount namespace: made by a child, so that the keeper's own stays what it is."""
        ready, go = os.pipe(), os.pipe()
        child = os.fork()
        if not child:
            try:
                self.call("unshare", CLONE_NEWNS)
                self.call("mount", b"none", b"/", None, MS_REC | MS_PRIVATE, None)
                self.call("mount", source.encode(), place.encode(), None, MS_BIND, None)
                os.write(ready[1], b"1")
                os.close(go[1])
                os.read(go[0], 1)
            finally:
                os._exit(0)
        os.close(ready[1])
        os.close(go[0])
        try:
            if not os.read(ready[0], 1):
                raise OSError("no mount namespace")
            return {"fd": os.open(f"/proc/{child}/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)}, None
        finally:
            os.close(ready[0])
            os.close(go[1])
            os.waitpid(child, 0)


if __name__ == "__main__":
    Served(int(sys.argv[1])).run()
