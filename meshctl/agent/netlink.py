"""Part of the kernel's door: questions to the kernel over netlink(7), and the attributes of its answers.

A program that asks has to be started, writes words, and has them read again; an answer without it costs
a tenth of that.
"""

from __future__ import annotations

import errno
import os
import socket
import struct
from collections.abc import Iterator

ROUTE, NETFILTER = 0, 12
"""Families (linux/netlink.h)."""

REPLACE = 0x500
"""Flags of what is put in the place of what is there, or made where nothing is (NLM_F_CREATE, NLM_F_REPLACE)."""

_REQUEST, _ACK, _DUMP = 0x1, 0x4, 0x300
_ERROR, _DONE, _INTERRUPTED = 0x2, 0x3, 0x10
_HEADER = struct.Struct("=IHHII")
_ATTRIBUTE = struct.Struct("=HH")
_CODE = struct.Struct("=i")
_KIND = 0x3FFF
"""An attribute's type without its flags (NLA_TYPE_MASK)."""

_RECEIVE = 1 << 16
_SECONDS = 5.0
_TIMES = 20
"""How often a list is asked for that changes while it is read."""

Attributes = dict[int, bytes]


class Channel:
    """A socket to one family, in the network namespace of this moment. Everything raises `OSError`."""

    def __init__(self, family: int) -> None:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, family)
        self._socket.bind((0, 0))
        self._socket.settimeout(_SECONDS)

    def __enter__(self) -> Channel:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def dump(self, kind: int, body: bytes) -> list[bytes]:
        """Return all messages of a list, as it was at one moment."""
        for _ in range(_TIMES):
            self._send(kind, _REQUEST | _DUMP, body)
            found = list(self._messages())
            if not any(flags & _INTERRUPTED for flags, _ in found):
                return [message for _, message in found]
        raise OSError(errno.EINTR, "a list changed each time it was read")

    def each(self, kind: int, body: bytes) -> Iterator[bytes]:
        """Yield the messages of a list too long to hold, which may change meanwhile. Take all before asking again."""
        self._send(kind, _REQUEST | _DUMP, body)
        for _, message in self._messages():
            yield message

    def ask(self, kind: int, body: bytes) -> bytes:
        """Return the one message that answers."""
        self._send(kind, _REQUEST, body)
        data = self._socket.recv(_RECEIVE)
        length, answer, _, _, _ = _HEADER.unpack_from(data)
        if answer == _ERROR:
            _raise(data[_HEADER.size :])
        return data[_HEADER.size : length]

    def tell(self, kind: int, body: bytes, flags: int = 0) -> None:
        """Have something done."""
        self._send(kind, _REQUEST | _ACK | flags, body)
        _raise(self._socket.recv(_RECEIVE)[_HEADER.size :])

    def _send(self, kind: int, flags: int, body: bytes) -> None:
        self._socket.send(_HEADER.pack(_HEADER.size + len(body), kind, flags, 1, 0) + body)

    def _messages(self) -> Iterator[tuple[int, bytes]]:
        while True:
            for kind, flags, message in _each(self._socket.recv(_RECEIVE)):
                if kind in (_ERROR, _DONE):
                    _raise(message)
                    return
                yield flags, message


class Events:
    """What the kernel says by itself to these multicast groups (RTMGRP_ of linux/rtnetlink.h), as it says it."""

    def __init__(self, family: int, groups: int) -> None:
        self._socket = socket.socket(
            socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK, family
        )
        self._socket.bind((0, groups))

    def fileno(self) -> int:
        """Return the descriptor that can be read from when there is something."""
        return self._socket.fileno()

    def close(self) -> None:
        """Hear no more."""
        self._socket.close()

    def take(self) -> Iterator[tuple[int, bytes]]:
        """Yield kind and body of what was said since. Raises `OSError` (ENOBUFS) where more was said than is held."""
        while True:
            try:
                data = self._socket.recv(_RECEIVE)
            except BlockingIOError:
                return
            for kind, _, message in _each(data):
                yield kind, message


def attributes(data: bytes) -> Attributes:
    """Return attributes by type; of several with one type, the last."""
    return dict(each_attribute(data))


def each_attribute(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield attributes in their order; what is cut off ends it."""
    at = 0
    while at + _ATTRIBUTE.size <= len(data):
        length, kind = _ATTRIBUTE.unpack_from(data, at)
        if length < _ATTRIBUTE.size:
            return
        yield kind & _KIND, data[at + _ATTRIBUTE.size : at + length]
        at += (length + 3) & ~3


def attribute(kind: int, payload: bytes) -> bytes:
    """Return one attribute as it is sent."""
    return _ATTRIBUTE.pack(_ATTRIBUTE.size + len(payload), kind) + payload + b"\0" * (-len(payload) % 4)


def text(payload: bytes) -> str:
    """Return a name of the kernel's, which ends in a zero byte."""
    return payload.rstrip(b"\0").decode("utf-8", "replace")


def _each(data: bytes) -> Iterator[tuple[int, int, bytes]]:
    at = 0
    while at < len(data):
        length, kind, flags, _, _ = _HEADER.unpack_from(data, at)
        yield kind, flags, data[at + _HEADER.size : at + length]
        at += (length + 3) & ~3


def _raise(message: bytes) -> None:
    code = _CODE.unpack_from(message)[0] if len(message) >= _CODE.size else 0
    if code < 0:
        raise OSError(-code, os.strerror(-code))
