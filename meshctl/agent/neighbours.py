"""Part of the kernel's door: which hardware address is behind an IP address, over rtnetlink(7).

Numbers and layouts are those of linux/neighbour.h.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterable

from meshctl.agent.netlink import ROUTE, Channel, attributes

_GET_NEIGHBOUR = 30
_ABOUT = struct.Struct("=BxxxiHBB")
_DESTINATION, _HARDWARE = 1, 2
_KNOWN = 0x02 | 0x04 | 0x08 | 0x10 | 0x80
"""NUD_REACHABLE, _STALE, _DELAY, _PROBE and _PERMANENT: what has a hardware address that was heard."""


def read_neighbours(devices: Iterable[str]) -> dict[str, str]:
    """Return hardware address by IP address, of what is behind these devices. Raises `OSError`."""
    behind = set()
    for device in devices:
        try:
            behind.add(socket.if_nametoindex(device))
        except OSError:
            continue  # a device that is not there has nobody behind it
    found = {}
    with Channel(ROUTE) as channel:
        for message in channel.dump(_GET_NEIGHBOUR, _ABOUT.pack(socket.AF_UNSPEC, 0, 0, 0, 0)):
            family, index, state, _, _ = _ABOUT.unpack_from(message)
            if index in behind and state & _KNOWN and family in (socket.AF_INET, socket.AF_INET6):
                words = attributes(message[_ABOUT.size :])
                if len(words.get(_HARDWARE, b"")) == 6:
                    found[socket.inet_ntop(family, words[_DESTINATION])] = words[_HARDWARE].hex(":")
    return found
