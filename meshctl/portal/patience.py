"""How long a door waits for one client, and whom it lets go first when it is full.

Counted by the monotonic clock: a board's other clock may jump by fifty years while phones are joining.
"""

from __future__ import annotations

import time
from collections import defaultdict
from typing import Any

from waitress.channel import HTTPChannel
from waitress.server import TcpWSGIServer
from waitress.task import WSGITask

IDLE_SECONDS = 10.0
"""How long a connection stays on which nothing is asked."""

WHOLE_SECONDS = 15.0
"""How long a request may take from its first byte to its last: 16 kB over the slowest radio, and no drip of bytes."""

PER_CLIENT = 48
"""Open connections that one client address may have at one door."""

SPARE = 16
"""Connections below a door's limit at which it begins to let idle ones go."""

_LOOK_SECONDS = 0.5


class PageTask(WSGITask):  # type: ignore[misc]  # waitress ships no types
    """A request for a page. Who asked too often has to connect anew, which the kernel counts by device."""

    def build_response_header(self) -> bytes:
        """Return the head of the answer."""
        if self.status.startswith("429"):
            self.set_close_on_finish()
        head: bytes = super().build_response_header()
        return head


class PatientChannel(HTTPChannel):  # type: ignore[misc]
    """One connection; ``touched`` is when something last happened on it, ``began`` when its request under way did."""

    task_class = PageTask

    def __init__(self, server: Any, sock: Any, addr: Any, adj: Any, map: Any = None) -> None:  # noqa: A002
        super().__init__(server, sock, addr, adj, map=map)
        self.touched = self.began = time.monotonic()
        same = sum(channel.addr[0] == addr[0] for channel in server.active_channels.values())
        self.will_close = same > PER_CLIENT
        server.make_room()

    def received(self, data: bytes) -> bool:
        """Take what was sent."""
        self.touched = time.monotonic()
        if self.request is None:
            self.began = self.touched
        was: bool = super().received(data)
        return was

    def service(self) -> None:
        """Answer one request."""
        super().service()
        self.touched = time.monotonic()

    def is_kept_open(self) -> bool:
        """Whether nobody here is at work for it."""
        return not self.requests and not self.will_close

    def overstays(self, now: float) -> bool:
        """Whether it asked nothing for too long, or has been asking for too long."""
        half = self.request is not None and now - self.began > WHOLE_SECONDS
        return half or now - self.touched > IDLE_SECONDS


class PatientDoor(TcpWSGIServer):  # type: ignore[misc]
    """A door that lets go of whoever keeps it waiting, and when it is full of whoever has most and asks nothing."""

    channel_class = PatientChannel
    _next_look = 0.0

    def readable(self) -> bool:
        """Say whether another connection may be accepted."""
        self.next_channel_cleanup = float("inf")  # waitress would look by the clock that may jump
        now = time.monotonic()
        if now >= self._next_look:
            self._next_look = now + _LOOK_SECONDS
            for channel in list(self.active_channels.values()):
                if channel.is_kept_open() and channel.overstays(now):
                    channel.will_close = True
        accepts: bool = super().readable()
        return accepts

    def make_room(self) -> None:
        """Where it is nearly full, end the connection that has been idle longest, of the address that has most."""
        if len(self._map) <= self.adj.connection_limit - SPARE:
            return
        idle = defaultdict(list)
        for channel in list(self.active_channels.values()):
            if channel.is_kept_open():
                idle[channel.addr[0]].append(channel)
        if idle:
            most = max(idle.values(), key=lambda own: (len(own), -min(channel.touched for channel in own)))
            min(most, key=lambda channel: channel.touched).will_close = True
