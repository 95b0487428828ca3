"""Asks the network's resolver, as a phone's stub does: by UDP with repeats, by TCP where the answer is cut short."""

from __future__ import annotations

import secrets
import socket
import struct
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from meshctl.doctor.names import Kind, Looked, answer, question

PORT = 53
EACH = 2.0
"""Seconds that one question waits for its answer, of which there are three tries."""
_TRIES = 3
_AT_ONCE = 8
_NO_SUCH_NAME = 3


def configured() -> tuple[str, ...]:
    """The resolvers of this machine, as resolv.conf(5) has them."""
    try:
        lines = Path("/etc/resolv.conf").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ()
    return tuple(words[1] for line in lines if len(words := line.split()) > 1 and words[0] == "nameserver")


def bind_to(channel: socket.socket, device: str) -> None:
    """Have a socket use one network device only (socket(7), SO_BINDTODEVICE). Raises `OSError`."""
    if device:
        channel.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, device.encode() + b"\0")


class Resolver:
    """Look-ups in one phase; each name is asked for once, as a phone's cache does."""

    def __init__(self, servers: Sequence[str], device: str = "", seconds: float = EACH) -> None:
        self.servers, self._device, self._seconds = tuple(servers), device, seconds
        self._known: dict[tuple[str, Kind], Looked] = {}
        self._locks: dict[tuple[str, Kind], threading.Lock] = {}
        self._lock = threading.Lock()
        self._room = threading.Semaphore(_AT_ONCE)

    def look(self, name: str, kind: Kind) -> Looked:
        """Look one name up; never raises."""
        key = (name.lower().rstrip("."), kind)
        with self._lock:
            lock = self._locks.setdefault(key, threading.Lock())
        with lock:
            if key not in self._known:
                with self._room:
                    self._known[key] = self._ask(*key)
            return self._known[key]

    @property
    def looked(self) -> list[Looked]:
        """Every look-up so far."""
        with self._lock:
            return list(self._known.values())

    def _ask(self, name: str, kind: Kind) -> Looked:
        try:
            question(0, name, kind)
        except ValueError:
            return Looked(name, kind, trouble="name")
        refused = False
        for attempt in range(_TRIES):
            for server in self.servers:
                number = secrets.randbelow(1 << 16)
                try:
                    packet = self._exchange(server, question(number, name, kind))
                    addresses, code, short = answer(packet, number, kind)
                    if short:
                        addresses, code, _ = answer(self._by_tcp(server, question(number, name, kind)), number, kind)
                except (OSError, ValueError):
                    continue
                if code in (0, _NO_SUCH_NAME):
                    return Looked(name, kind, addresses, "" if addresses else "name")
                refused = True
            if attempt + 1 < _TRIES and self.servers:
                time.sleep(0.2 * attempt)
        return Looked(name, kind, trouble="name" if refused else "resolver")

    def _exchange(self, server: str, query: bytes) -> bytes:
        family = socket.AF_INET6 if ":" in server else socket.AF_INET
        with socket.socket(family, socket.SOCK_DGRAM) as channel:
            bind_to(channel, self._device)
            channel.settimeout(self._seconds)
            channel.connect(socket.getaddrinfo(server, PORT, type=socket.SOCK_DGRAM)[0][4])
            channel.send(query)
            until = time.monotonic() + self._seconds
            while (left := until - time.monotonic()) > 0:
                channel.settimeout(left)
                packet = channel.recv(4096)
                if packet[:2] == query[:2]:
                    return packet
        raise TimeoutError(server)

    def _by_tcp(self, server: str, query: bytes) -> bytes:
        with socket.socket(socket.AF_INET6 if ":" in server else socket.AF_INET) as channel:
            bind_to(channel, self._device)
            channel.settimeout(self._seconds)
            channel.connect(socket.getaddrinfo(server, PORT, type=socket.SOCK_STREAM)[0][4])
            channel.sendall(struct.pack("!H", len(query)) + query)
            with channel.makefile("rb") as reader:
                size = struct.unpack("!H", reader.read(2).ljust(2, b"\0"))[0]
                return reader.read(size)
