"""The portal's door of TLS: waitress knows none, so each connection is wrapped here, on the same loop.

Nothing ever waits for one client: a handshake goes on when its next words are there, only so many may be unfinished,
and who never finishes one is let go. Only this door says that a request came by https, whatever headers say.
"""

from __future__ import annotations

import errno
import socket
import ssl
import threading
import time
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from meshctl.portal.certificate import Certificate
from meshctl.portal.listeners import Channel, Listeners
from meshctl.portal.patience import PatientDoor

UNFINISHED = 64
"""Handshakes under way at which the oldest is given up for a new one."""

UNFINISHED_PER_CLIENT = 8
"""The same for one client address: its newest is refused."""

HANDSHAKES, HANDSHAKES_PER_SECOND = 40, 4.0
"""How many one client address may begin at once, and how many in each second after that; each costs a signature."""

CONNECTIONS = 384
"""Open connections, of all doors, at which this one waits: the plain one still accepts then."""

_MOST_CLIENTS = 1024


class SecureSocket:
    """A socket under TLS that never blocks, and that the loop and a worker may use at once.

    OpenSSL's connections may not be used so, hence the lock. Faults come as those of a plain socket.
    """

    def __init__(self, plain: socket.socket, context: ssl.SSLContext) -> None:
        plain.setblocking(False)  # noqa: FBT003  # the call takes no keyword
        self._sock = context.wrap_socket(plain, server_side=True, do_handshake_on_connect=False)
        self._lock = threading.Lock()

    def fileno(self) -> int:
        """Return the descriptor that a poll may wait for."""
        return self._sock.fileno()

    def getsockopt(self, level: int, name: int) -> int:
        """Return a figure of the plain socket."""
        return self._sock.getsockopt(level, name)

    def setblocking(self, flag: object) -> None:
        """Stay as it is: it never blocks."""

    def agree(self) -> bool:
        """Take the handshake further; return whether it is done. Raises `OSError` where it failed."""
        with self._lock:
            try:
                self._sock.do_handshake()
            except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
                return False
            return True

    def send(self, octets: bytes) -> int:
        """Send what can be sent now. Raises `OSError` as a plain socket does."""
        sent: int = self._plainly(self._sock.send, octets)
        return sent

    def recv(self, size: int) -> bytes:
        """Return what is there. Raises `OSError` as a plain socket does."""
        read: bytes = self._plainly(self._sock.recv, size)
        return read

    def pending(self) -> bool:
        """Whether something was read from the network that `recv` has not given yet."""
        with self._lock:
            return self._sock.pending() > 0

    def close(self) -> None:
        """Say good-bye if that needs no waiting, and close."""
        with self._lock:
            with suppress(OSError, ValueError):
                self._sock.unwrap()
            self._sock.close()

    def _plainly(self, call: Any, argument: object) -> Any:
        with self._lock:
            try:
                return call(argument)
            except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
                raise BlockingIOError(errno.EWOULDBLOCK, "not now") from None
            except ssl.SSLError as fault:
                raise ConnectionResetError(errno.ECONNRESET, str(fault)) from fault


class Pace:
    """How many handshakes each client address may still begin; addresses are forgotten once they are rested."""

    def __init__(self) -> None:
        self._left: dict[str, tuple[float, float]] = {}

    def allow(self, address: str, now: float) -> bool:
        """Count one more at ``now``, in monotonic seconds; return whether it may be."""
        if len(self._left) >= _MOST_CLIENTS:
            rested = now - HANDSHAKES / HANDSHAKES_PER_SECOND
            self._left = {one: (left, at) for one, (left, at) in self._left.items() if at > rested}
        left, at = self._left.get(address, (float(HANDSHAKES), now))
        left = min(HANDSHAKES, left + (now - at) * HANDSHAKES_PER_SECOND)
        self._left[address] = (max(0.0, left - 1.0), now)
        return left >= 1.0


class SecureChannel(Channel):
    """One connection of a neighbour over TLS."""

    agreed = False

    def __init__(self, server: Any, sock: socket.socket, addr: Any, adj: Any, map: Any = None) -> None:  # noqa: A002
        context = server.certificate.context
        refused = context is None or not server.pace.allow(addr[0], time.monotonic())
        held: Any = sock if refused else SecureSocket(sock, context)
        super().__init__(server, held, addr, adj, map=map)
        self.will_close = self.will_close or refused or not self._has_room()

    def _has_room(self) -> bool:
        unfinished = [one for one in self.server.active_channels.values() if not one.agreed and one is not self]
        if sum(one.addr[0] == self.addr[0] for one in unfinished) >= UNFINISHED_PER_CLIENT:
            return False
        if len(unfinished) >= UNFINISHED:
            min(unfinished, key=lambda one: one.touched).will_close = True
        return True

    def handle_read(self) -> None:
        """Take the handshake further, then read whole records."""
        if not self.agreed and not self._agree():
            return
        try:
            octets = self.recv(self.adj.recv_bytes)
            while octets and self.socket is not None and self.socket.pending():
                octets += self.recv(self.adj.recv_bytes)
        except BlockingIOError:
            return
        except OSError:
            self.handle_close()
            return
        if octets:
            self.received(octets)
        else:
            self.connected = False

    def handle_write(self) -> None:
        """Send nothing before both sides have agreed."""
        if self.agreed or self.will_close or self._agree():
            super().handle_write()

    def _agree(self) -> bool:
        # What is said in a handshake is no activity: who does not finish one in time is let go.
        try:
            self.agreed = self.socket.agree()
        except (OSError, ValueError):
            self.handle_close()
        return self.agreed


class SecureDoor(PatientDoor):
    """Where connections over TLS come in. ``certificate`` and ``pace`` are set before the first one."""

    channel_class = SecureChannel
    certificate: Certificate
    pace: Pace


def open_secure(listeners: Listeners, pages: Any, sockets: Iterable[socket.socket], certificate: Certificate) -> None:
    """Serve the same pages over TLS on these sockets too."""
    pace = Pace()
    for one in sockets:
        door = listeners.add(SecureDoor, pages, one, CONNECTIONS, "https")
        door.certificate, door.pace = certificate, pace
