#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A service in the guest for the tests of published ports: service.py PORT.

A connection's first line says what it wants: who (the peer's address and port), sum (of what follows,
once that has ended), give COUNT (bytes), last (an end at once; what then still arrives is noted),
reset, hold (how it ends is noted), noted (the last such note). Datagrams come back with who sent them
in front.
"""
import hashlib
import socket
import struct
import sys
import threading

PORT = int(sys.argv[1])
CHUNK = bytes(range(256)) * 256
notes = []
noted = threading.Condition()


def note(text):
    with noted:
        notes.append(text)
        noted.notify_all()


def read_to_end(f):
    total = hashlib.sha256()
    while data := f.read1(65536):
        total.update(data)
    return total.hexdigest()


def serve(conn, peer):
    with conn, conn.makefile("rb") as f:
        what, *words = f.readline().decode().split() or [""]
        if what == "who":
            conn.sendall(f"{peer[0]} {peer[1]}".encode())
        elif what == "sum":
            conn.sendall(read_to_end(f).encode())
        elif what == "give":
            left = int(words[0])
            while left:
                conn.sendall(CHUNK[:left])
                left -= min(left, len(CHUNK))
        elif what == "last":
            conn.shutdown(socket.SHUT_WR)
            note(read_to_end(f))
        elif what == "reset":
            conn.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        elif what == "hold":
            conn.sendall(b"held")
            try:
                read_to_end(f)
                note("end")
            except ConnectionResetError:
                note("reset")
        elif what == "noted":
            with noted:
                noted.wait_for(lambda: notes, 60)
                conn.sendall(notes.pop().encode() if notes else b"nothing")


def serve_quietly(conn, peer):
    try:
        serve(conn, peer)
    except OSError:
        pass  # the test wanted it so


def streams(family):
    with socket.socket(family) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listener.bind(("", PORT))
        listener.listen(1024)
        started.release()
        while True:
            threading.Thread(target=serve_quietly, args=listener.accept(), daemon=True).start()


def datagrams(family):
    with socket.socket(family, socket.SOCK_DGRAM) as s:
        if family == socket.AF_INET6:
            s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        s.bind(("", PORT))
        started.release()
        while True:
            data, peer = s.recvfrom(65536)
            s.sendto(f"{peer[0]} {peer[1]} ".encode() + data, peer)


threading.stack_size(128 << 10)
started = threading.Semaphore(0)
for target in (streams, datagrams):
    for af in (socket.AF_INET, socket.AF_INET6):
        threading.Thread(target=target, args=[af], daemon=True).start()
for _ in range(4):
    started.acquire()
print("ready", flush=True)
threading.Event().wait()
