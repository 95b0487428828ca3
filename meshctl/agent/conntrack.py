"""Part of the kernel's door: ends connections by their exact tuples, over ctnetlink.

conntrack(8) walks the whole table once for every connection it deletes, ten milliseconds each on a
small machine; fifty phones that join at once would wait half a second. Here the table is walked once.
Message and attribute numbers are those of linux/netfilter/nfnetlink_conntrack.h and nfnetlink.h.
"""

from __future__ import annotations

import errno
import ipaddress
import struct
from collections.abc import Callable, Iterable, Iterator

from meshctl.agent.netlink import NETFILTER, Attributes, Channel, attribute, attributes

_GET, _DELETE = 0x0101, 0x0102
_TUPLE_ORIGINAL, _TUPLE_REPLY, _ID = 1, 2, 12
_IP, _PROTO = 1, 2
_V4_SOURCE, _V4_DESTINATION, _V6_SOURCE, _V6_DESTINATION = 1, 2, 3, 4
_NUMBER, _SOURCE_PORT = 1, 2
_TCP = 6
_NESTED = 0x8000

_FAMILY = struct.Struct("=BBH")


def forget(addresses: Iterable[str]) -> int:
    """Delete every connection that one of these addresses opened or answers; return how many. Raises `OSError`."""
    wanted = {ipaddress.ip_address(address).packed for address in addresses}

    def concerns(original: Attributes, reply: Attributes) -> bool:
        return bool(wanted & {*_addresses(original), *_addresses(reply)})

    return _delete_where(concerns, wanted) if wanted else 0


def forget_redirected(addresses: Iterable[str], port: int) -> int:
    """Delete web connections of these addresses that were redirected to ``port`` here; return how many."""
    wanted = {ipaddress.ip_address(address).packed for address in addresses}

    def concerns(original: Attributes, reply: Attributes) -> bool:
        proto = attributes(reply.get(_PROTO, b""))
        redirected = proto.get(_NUMBER) == bytes([_TCP]) and proto.get(_SOURCE_PORT) == port.to_bytes(2, "big")
        return redirected and bool(wanted & set(_addresses(original)))

    return _delete_where(concerns, wanted) if wanted else 0


def _delete_where(concerns: Callable[[Attributes, Attributes], bool], wanted: set[bytes]) -> int:
    with Channel(NETFILTER) as channel:
        return sum(_delete(channel, *found) for found in list(_matching(channel, concerns, wanted)))


def _matching(
    channel: Channel, concerns: Callable[[Attributes, Attributes], bool], wanted: set[bytes]
) -> Iterator[tuple[int, bytes, bytes]]:
    for message in channel.each(_GET, _FAMILY.pack(0, 0, 0)):
        # Most connections are somebody else's: look for the bytes of an address before reading the message.
        if not any(address in message for address in wanted):
            continue
        found = attributes(message[_FAMILY.size :])
        original, reply = found.get(_TUPLE_ORIGINAL, b""), found.get(_TUPLE_REPLY, b"")
        if concerns(attributes(original), attributes(reply)):
            yield message[0], original, found.get(_ID, b"")


def _delete(channel: Channel, family: int, original: bytes, identity: bytes) -> int:
    wanted = attribute(_TUPLE_ORIGINAL | _NESTED, original) + (attribute(_ID, identity) if identity else b"")
    try:
        channel.tell(_DELETE, _FAMILY.pack(family, 0, 0) + wanted)
    except OSError as fault:
        if fault.errno == errno.ENOENT:  # it ended by itself in between
            return 0
        raise
    return 1


def _addresses(side: Attributes) -> Iterator[bytes]:
    held = attributes(side.get(_IP, b""))
    for kind in (_V4_SOURCE, _V4_DESTINATION, _V6_SOURCE, _V6_DESTINATION):
        if kind in held:
            yield held[kind]
