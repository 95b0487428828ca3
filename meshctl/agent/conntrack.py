"""Part of the kernel's door: ends connections by their exact tuples, over ctnetlink.

conntrack(8) walks the whole table once for every connection it deletes, ten milliseconds each on a
small machine; fifty phones that join at once would wait half a second. Here the table is walked once.
Message and attribute numbers are those of linux/netfilter/nfnetlink_conntrack.h and nfnetlink.h.
"""

from __future__ import annotations

import ipaddress
import os
import socket
import struct
from collections.abc import Callable, Iterable, Iterator

_NETLINK_NETFILTER = 12
_GET, _DELETE = 0x0101, 0x0102
_REQUEST, _ACK, _DUMP = 0x1, 0x4, 0x300
_ERROR, _DONE = 0x2, 0x3
_TUPLE_ORIGINAL, _TUPLE_REPLY, _ID = 1, 2, 12
_IP, _PROTO = 1, 2
_V4_SOURCE, _V4_DESTINATION, _V6_SOURCE, _V6_DESTINATION = 1, 2, 3, 4
_NUMBER, _SOURCE_PORT = 1, 2
_TCP = 6
_GONE = 2
"""ENOENT: the connection ended by itself in between."""

_HEADER = struct.Struct("=IHHII")
_FAMILY = struct.Struct("=BBH")
_ATTRIBUTE = struct.Struct("=HH")
_RECEIVE = 1 << 18

Attributes = dict[int, bytes]


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
        proto = _attributes(reply.get(_PROTO, b""))
        redirected = proto.get(_NUMBER) == bytes([_TCP]) and proto.get(_SOURCE_PORT) == port.to_bytes(2, "big")
        return redirected and bool(wanted & set(_addresses(original)))

    return _delete_where(concerns, wanted) if wanted else 0


def _delete_where(concerns: Callable[[Attributes, Attributes], bool], wanted: set[bytes]) -> int:
    deleted = 0
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _NETLINK_NETFILTER) as channel:
        channel.bind((0, 0))
        channel.settimeout(5.0)
        for family, original, identity in list(_matching(channel, concerns, wanted)):
            deleted += _delete(channel, family, original, identity)
    return deleted


def _matching(
    channel: socket.socket, concerns: Callable[[Attributes, Attributes], bool], wanted: set[bytes]
) -> Iterator[tuple[int, bytes, bytes]]:
    _send(channel, _GET, _REQUEST | _DUMP, 0, b"")
    for kind, body in _messages(channel):
        # Most connections are somebody else's: look for the bytes of an address before reading the message.
        if kind != 0x0100 or not any(address in body for address in wanted):
            continue
        found = _attributes(body[_FAMILY.size :])
        original, reply = found.get(_TUPLE_ORIGINAL, b""), found.get(_TUPLE_REPLY, b"")
        if concerns(_attributes(original), _attributes(reply)):
            yield body[0], original, found.get(_ID, b"")


def _messages(channel: socket.socket) -> Iterator[tuple[int, bytes]]:
    """Yield type and body of each message of a dump. Raises `OSError` with the kernel's error."""
    while True:
        data = channel.recv(_RECEIVE)
        at = 0
        while at + _HEADER.size <= len(data):
            length, kind, _, _, _ = _HEADER.unpack_from(data, at)
            body = data[at + _HEADER.size : at + length]
            if kind == _DONE:
                return
            if kind == _ERROR:
                _raise(body)
            yield kind, body
            at += (length + 3) & ~3


def _delete(channel: socket.socket, family: int, original: bytes, identity: bytes) -> int:
    _send(channel, _DELETE, _REQUEST | _ACK, family, _pack(_TUPLE_ORIGINAL | 0x8000, original) + _pack(_ID, identity))
    data = channel.recv(_RECEIVE)
    (code,) = struct.unpack_from("=i", data, _HEADER.size)
    if code == -_GONE:
        return 0
    if code:
        raise OSError(-code, os.strerror(-code))
    return 1


def _send(channel: socket.socket, kind: int, flags: int, family: int, attributes: bytes) -> None:
    body = _FAMILY.pack(family, 0, 0) + attributes
    channel.send(_HEADER.pack(_HEADER.size + len(body), kind, flags, 1, 0) + body)


def _raise(body: bytes) -> None:
    (code,) = struct.unpack_from("=i", body)
    if code:
        raise OSError(-code, os.strerror(-code))


def _pack(kind: int, payload: bytes) -> bytes:
    if not payload:
        return b""
    return _ATTRIBUTE.pack(_ATTRIBUTE.size + len(payload), kind) + payload + b"\0" * (-len(payload) % 4)


def _attributes(data: bytes) -> Attributes:
    found: Attributes = {}
    at = 0
    while at + _ATTRIBUTE.size <= len(data):
        length, kind = _ATTRIBUTE.unpack_from(data, at)
        if length < _ATTRIBUTE.size:
            break
        found[kind & 0x3FFF] = data[at + _ATTRIBUTE.size : at + length]
        at += (length + 3) & ~3
    return found


def _addresses(side: Attributes) -> Iterator[bytes]:
    held = _attributes(side.get(_IP, b""))
    for kind in (_V4_SOURCE, _V4_DESTINATION, _V6_SOURCE, _V6_DESTINATION):
        if kind in held:
            yield held[kind]
