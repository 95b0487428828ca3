"""Part of the kernel's door: which hardware address is behind an IP address, over rtnetlink(7).

Numbers and layouts are those of linux/neighbour.h.
"""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Iterable, Iterator

from meshctl.agent.netlink import ROUTE, Channel, attributes

_GET_NEIGHBOUR = 30
_ABOUT = struct.Struct("=BxxxiHBB")
_DESTINATION, _HARDWARE, _AGES = 1, 2, 3
_CACHE = struct.Struct("=IIII")
_TICKS = os.sysconf("SC_CLK_TCK")
"""Of a second, in which a `struct nda_cacheinfo` has its ages."""

_KNOWN = 0x02 | 0x04 | 0x08 | 0x10 | 0x80
"""NUD_REACHABLE, _STALE, _DELAY, _PROBE and _PERMANENT: what has a hardware address that was heard."""


def read_neighbours(devices: Iterable[str]) -> dict[str, str]:
    """Return hardware address by IP address, of what is behind these devices. Raises `OSError`."""
    return {address: hardware for address, hardware, _ in _read(devices)}


def heard_lately(device: str, seconds: float) -> dict[str, str]:
    """Return the same for one device, of what was heard of in so many last seconds. Raises `OSError`.

    The kernel goes on trusting an entry for up to 45 s after the last it heard (arp(7), ``base_reachable_time``),
    and notes the end of its trust as news: so long ago may it have been, beyond ``seconds``.
    """
    return {address: hardware for address, hardware, age in _read([device]) if age <= seconds}


def _read(devices: Iterable[str]) -> Iterator[tuple[str, str, float]]:
    """Yield address, hardware address, and the seconds since the kernel last confirmed or changed the entry."""
    behind = set()
    for device in devices:
        try:
            behind.add(socket.if_nametoindex(device))
        except OSError:
            continue  # a device that is not there has nobody behind it
    with Channel(ROUTE) as channel:
        for message in channel.dump(_GET_NEIGHBOUR, _ABOUT.pack(socket.AF_UNSPEC, 0, 0, 0, 0)):
            family, index, state, _, _ = _ABOUT.unpack_from(message)
            if index in behind and state & _KNOWN and family in (socket.AF_INET, socket.AF_INET6):
                words = attributes(message[_ABOUT.size :])
                if len(words.get(_HARDWARE, b"")) == 6:
                    confirmed, _, updated, _ = _CACHE.unpack_from(words[_AGES])
                    address = socket.inet_ntop(family, words[_DESTINATION])
                    yield address, words[_HARDWARE].hex(":"), min(confirmed, updated) / _TICKS
