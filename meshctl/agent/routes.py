"""Part of the kernel's door: IP routes of a table by device, over rtnetlink(7).

Numbers and layouts are those of linux/rtnetlink.h.
"""

from __future__ import annotations

import contextlib
import errno
import ipaddress
import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass

from meshctl.agent.netlink import REPLACE, ROUTE, Attributes, Channel, Events, attribute, attributes

MAIN = 254
"""The table that the kernel forwards by, unless a rule says otherwise."""

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_NEW, _DELETE, _GET = 24, 25, 26
_ABOUT = struct.Struct("=BBBBBBBBI")
_INDEX, _HOP = struct.Struct("=i"), struct.Struct("=HBBi")
_DESTINATION, _DEVICE, _HOPS, _TABLE = 1, 4, 9, 15
_UNICAST = 1
_LINK_SCOPE, _ANY_SCOPE = 253, 255
_DEAD = 0x1 | 0x10
"""RTNH_F_DEAD and RTNH_F_LINKDOWN: nothing goes out there for now."""
_LINKS, _ROUTES4, _ROUTES6 = 0x1, 0x40, 0x400
_MADE_BY, _FROM_BABEL = 5, 42
"""Where a message says who made the route, and babeld's number."""
_VERSIONS = {socket.AF_INET: 4, socket.AF_INET6: 6}


@dataclass(frozen=True)
class Route:
    """``network`` is reached over ``device``; ``carries`` is ``False`` while that has no link partner or is down."""

    network: Network
    device: str
    carries: bool = True


def read_routes(table: int) -> list[Route]:
    """Return the unicast routes of a table; one with several next hops once for each. Raises `OSError`."""
    names = dict(socket.if_nameindex())
    with Channel(ROUTE) as channel:
        found = channel.dump(_GET, _ABOUT.pack(socket.AF_UNSPEC, 0, 0, 0, 0, 0, 0, 0, 0))
    return [
        Route(network, names[index], carries)
        for network, index, carries in (one for message in found for one in _parsed(message, table))
        if index in names
    ]


def put_route(network: Network, device: str, table: int, protocol: int) -> None:
    """Put a route without a next hop into a table, in the place of any other there to that network. Raises `OSError`.

    ``protocol`` says who made it (rtnetlink(7), rtm_protocol).
    """
    scope = _LINK_SCOPE if network.version == 4 else 0
    out = attribute(_DEVICE, _INDEX.pack(socket.if_nametoindex(device)))
    with Channel(ROUTE) as channel:
        channel.tell(_NEW, _written(network, table, protocol, scope) + out, REPLACE)


def take_route(network: Network, table: int, protocol: int) -> None:
    """Take the route to a network that this protocol made out of a table, if it is there. Raises `OSError`."""
    with Channel(ROUTE) as channel:
        try:
            channel.tell(_DELETE, _written(network, table, protocol, _ANY_SCOPE))
        except OSError as fault:
            if fault.errno != errno.ESRCH:
                raise


class RouteEvents:
    """Hears that routes or devices changed. What babeld does to its own routes is no news."""

    def __init__(self) -> None:
        self._events = Events(ROUTE, _LINKS | _ROUTES4 | _ROUTES6)

    def fileno(self) -> int:
        """Return the descriptor that can be read from when there is something."""
        return self._events.fileno()

    def close(self) -> None:
        """Hear no more."""
        self._events.close()

    def take(self) -> bool:
        """Take what was said; return whether any of it is news."""
        try:
            said = list(self._events.take())  # all of it, else the rest would be there to read for ever
        except OSError:
            return True  # more was said than the kernel holds for one that listens: anything may have changed
        return any(kind not in (_NEW, _DELETE) or message[_MADE_BY] != _FROM_BABEL for kind, message in said)


def _parsed(message: bytes, table: int) -> Iterator[tuple[Network, int, bool]]:
    family, length, _, _, number, _, _, kind, flags = _ABOUT.unpack_from(message)
    words = attributes(message[_ABOUT.size :])
    if family not in _VERSIONS or kind != _UNICAST or _number(words.get(_TABLE), number) != table:
        return
    address = words.get(_DESTINATION, bytes(4 if family == socket.AF_INET else 16))
    with contextlib.suppress(ValueError):
        network = ipaddress.ip_network((address, length))
        for index, dead in _next_hops(words, flags):
            yield network, index, not dead


def _next_hops(words: Attributes, flags: int) -> Iterator[tuple[int, bool]]:
    if _DEVICE in words:
        yield _INDEX.unpack(words[_DEVICE])[0], bool(flags & _DEAD)
    hops, at = words.get(_HOPS, b""), 0
    while at + _HOP.size <= len(hops):
        size, state, _, index = _HOP.unpack_from(hops, at)
        yield index, bool(state & _DEAD)
        at += max(_HOP.size, (size + 3) & ~3)


def _number(payload: bytes | None, otherwise: int) -> int:
    return int(struct.unpack("=I", payload)[0]) if payload else otherwise


def _written(network: Network, table: int, protocol: int, scope: int) -> bytes:
    family = socket.AF_INET if network.version == 4 else socket.AF_INET6
    about = _ABOUT.pack(family, network.prefixlen, 0, 0, 0, protocol, scope, _UNICAST, 0)
    to = attribute(_DESTINATION, network.network_address.packed) if network.prefixlen else b""
    return about + to + attribute(_TABLE, struct.pack("=I", table))
