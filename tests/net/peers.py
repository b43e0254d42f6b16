# SPDX-License-Identifier: Apache-2.0
"""Servers with manners of their own, in a namespace, run by a thread of the test's process.

Every connection and datagram that arrives is written down: what a policy forbids must not be there.
"""
import asyncio
import contextlib
import hashlib
import os
import select
import socket
import struct
import threading

PATTERN = bytes(range(256)) * 256  # what a download consists of, over and over

# TCP: what each port does
ECHO, WEB, TLS = 7777, 80, 443
GREETS, DIGESTS, SENDS, DRIPS, STALLS, RESETS, HALF_CLOSES, CLOSES = range(7001, 7009)
# UDP
UDP_ECHO, ELSEWHERE, UNRELIABLE, SILENT = range(7101, 7105)


def pattern(length):
    whole, rest = divmod(length, len(PATTERN))
    return PATTERN * whole + PATTERN[:rest]


class Peers:
    def __init__(self, space, addresses, ordinary):
        """ordinary: where WEB and TLS are served; those ports of others are for others."""
        self.space = space
        self.seen = []
        self.stalls = asyncio.Event()  # over when set
        self.lock = threading.Lock()
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.sockets = []
        self.thread.start()
        for port, serve in self.services().items():
            for address in ordinary if port in (WEB, TLS) else ("0.0.0.0", "::"):
                listener = self.keep(space.listen(address, port))
                self.call(asyncio.start_server(self.counted(serve), sock=listener))
        for address in addresses:
            for port in (ECHO, TLS, UDP_ECHO, ELSEWHERE, UNRELIABLE, SILENT):
                self.datagrams(self.keep(space.listen(address, port, socket.SOCK_DGRAM)), port)

    def keep(self, s):
        s.setblocking(False)
        self.sockets.append(s)
        return s

    def call(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(30)

    def note(self, *what):
        with self.lock:
            self.seen.append(what)

    def take(self):
        """What arrived since the last time."""
        with self.lock:
            seen, self.seen = self.seen, []
            return seen

    def close(self):
        asyncio.run_coroutine_threadsafe(self.end_all(), self.loop)
        self.thread.join()
        for s in self.sockets:
            s.close()

    def end_stalls(self):
        """Those that never read are gone, with what they have not read."""
        stalls, self.stalls = self.stalls, asyncio.Event()
        self.loop.call_soon_threadsafe(stalls.set)

    async def end_all(self):
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=5)
        self.loop.stop()

    # --- TCP ---

    def services(self):
        return {ECHO: self.echo, WEB: self.echo, TLS: self.echo, GREETS: self.greet,
                DIGESTS: self.digest, SENDS: self.send, DRIPS: self.drip, STALLS: self.stall,
                RESETS: self.reset, HALF_CLOSES: self.half_close, CLOSES: self.close_at_once}

    def counted(self, serve):
        async def served(reader, writer):
            local = writer.get_extra_info("sockname")
            self.note("tcp", local[0].removeprefix("::ffff:"), local[1])
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                await serve(reader, writer)
            with contextlib.suppress(OSError):
                writer.close()
        return served

    async def echo(self, reader, writer):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()

    async def greet(self, reader, writer):
        writer.write(b"220 welcome\r\n")
        await self.echo(reader, writer)

    async def digest(self, reader, writer):
        """Read up to the end, then tell what came: for uploads and half-closes."""
        sha, count = hashlib.sha256(), 0
        while data := await reader.read(1 << 18):
            sha.update(data)
            count += len(data)
        writer.write(f"{count} {sha.hexdigest()}\n".encode())
        await writer.drain()

    async def send(self, reader, writer):
        """The number of bytes asked for."""
        left = int(await reader.readline())
        while left:
            piece = PATTERN[:left]
            writer.write(piece)
            await writer.drain()
            left -= len(piece)

    async def drip(self, reader, writer):
        for i in range(20):
            writer.write(b"%d\n" % i)
            await writer.drain()
            await asyncio.sleep(0.05)

    async def stall(self, reader, writer):
        """Never reads: asyncio stops by itself after a little."""
        writer.transport.pause_reading()
        await self.stalls.wait()

    async def reset(self, reader, writer):
        await reader.read(1)
        s = writer.get_extra_info("socket")
        s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()

    async def half_close(self, reader, writer):
        """Says all it has to say first, and listens on."""
        writer.write(b"that is all\n")
        writer.write_eof()
        count = 0
        while data := await reader.read(65536):
            count += len(data)
        self.note("after half-close", count)

    async def close_at_once(self, reader, writer):
        pass

    # --- UDP ---

    def datagrams(self, s, port):
        held = []

        def ready():
            while True:
                try:
                    data, peer = s.recvfrom(65536)
                except BlockingIOError:
                    return
                except OSError:
                    continue  # an ICMP error for something sent earlier
                self.note("udp", s.getsockname()[0], port)
                with contextlib.suppress(OSError):
                    answer(data, peer)

        def answer(data, peer):
            if port == ELSEWHERE:
                with self.space.listen(s.getsockname()[0], 0, socket.SOCK_DGRAM) as other:
                    other.sendto(data, peer)
            elif port == UNRELIABLE:  # loses each third one, swaps the others
                held.append((data, peer))
                if len(held) == 3:
                    for i in (1, 0):
                        s.sendto(*held[i])
                    held.clear()
            elif port != SILENT:
                s.sendto(data, peer)

        self.loop.call_soon_threadsafe(self.loop.add_reader, s.fileno(), ready)


class Wire:
    """The namespace's way out, which ends here: packets that took it are kept, or answered."""

    def __init__(self, fd):
        self.fd = fd
        os.set_blocking(fd, False)
        self.packets = []
        self.answer = None  # packet -> packet or None
        self.lock = threading.Lock()
        self.end = os.pipe()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while True:
            ready, _, _ = select.select([self.fd, self.end[0]], [], [])
            if self.end[0] in ready:
                return
            with contextlib.suppress(BlockingIOError):
                packet = os.read(self.fd, 65536)
                if chatter(packet):
                    continue
                with self.lock:
                    self.packets.append(packet)
                reply = self.answer and self.answer(packet)
                if reply:
                    os.write(self.fd, reply)

    def take(self):
        with self.lock:
            packets, self.packets = self.packets, []
            return packets

    def close(self):
        os.close(self.end[1])
        self.thread.join()
        os.close(self.end[0])
        os.close(self.fd)


def chatter(packet):
    """What the kernel itself sends on an IPv6 interface: discovery, multicast membership."""
    if packet[0] >> 4 != 6:
        return False
    body = packet[40:]
    if packet[6] == 0:  # hop-by-hop options
        return True
    return packet[6] == socket.IPPROTO_ICMPV6 and body and body[0] in range(130, 138)
