"""Part of the kernel's door: reads the table `inet meshctl` over nfnetlink, as it was at one moment.

Numbers and layouts are those of linux/netfilter/nf_tables.h; numbers of the rules' language travel in
network order, keys and values of sets as the rules compare them.
"""

from __future__ import annotations

import errno
import hashlib
import socket
import struct
import sys
from collections.abc import Iterable, Iterator
from itertools import islice, repeat

from meshctl.agent.elements import Element, Sender, TableState
from meshctl.agent.named import NAMES, TABLE
from meshctl.agent.netlink import NETFILTER, Channel, attribute, attributes, each_attribute

_GET_CHAIN, _GET_RULE, _GET_ELEMENTS, _GET_GENERATION = 0x0A04, 0x0A07, 0x0A0D, 0x0A10
_INET = 1
_ABOUT = struct.Struct("=BBH")
_IN_TABLE, _IN_SET = 1, 2
_CHAIN_NAME, _CHAIN_HOOK, _CHAIN_POLICY, _CHAIN_TYPE = 3, 4, 5, 7
_RULE_CHAIN, _RULE_EXPRESSIONS = 2, 4
_ELEMENTS, _KEY, _VALUE, _FLAGS, _EXPIRES, _BYTES = 3, 1, 2, 3, 5, 1
_GENERATION = 1
_HEADER = 4
_TIMES = 20
_OURS = TABLE.split()[1].encode() + b"\0"
_SHARED = ("member", "announced4", "announced6", "sender", "class", "seen4", "seen6")
"""Maps and sets of which the agent, or the packets that pass, change the elements."""

_Entry = tuple[bytes, bytes, float | None]
"""An element: key, value, and in how many seconds it goes by itself."""


def read_table() -> TableState:
    """Return what the kernel says of our table; nothing where it, or a map of it, is missing. Raises `OSError`."""
    with Channel(NETFILTER) as channel:
        for _ in range(_TIMES):
            before = _generation(channel)
            state = _read(channel)
            if _generation(channel) == before:
                return state
    raise OSError(errno.EINTR, "the rules changed each time they were read")


def _read(channel: Channel) -> TableState:
    try:
        found = {name: list(_entries(channel, name)) for name in _SHARED}
        rules = _digest(channel)
    except FileNotFoundError:
        return TableState()
    far = [*found["announced4"], *found["announced6"]]
    return TableState(
        rules,
        {_hardware(key): Element(_number(value), expires) for key, value, expires in found["member"]},
        {_address(key): _number(value) for key, value, _ in far},
        {_number(key): _class(value) for key, value, _ in found["class"]},
        {(_hardware(k), _number(k[8:])): Sender(_class(value), expires) for k, value, expires in found["sender"]},
        _seen([*found["seen4"], *found["seen6"]]),
    )


def _generation(channel: Channel) -> bytes:
    answer = channel.ask(_GET_GENERATION, _ABOUT.pack(0, 0, 0))
    return attributes(answer[_ABOUT.size :])[_GENERATION]


def _digest(channel: Channel) -> str:
    """Return a digest of the rules, the chains they are in, and the sets they compare with."""
    whole: list[object] = []
    for message in channel.dump(_GET_CHAIN, _ABOUT.pack(_INET, 0, 0)):
        chain = attributes(message[_ABOUT.size :])
        if chain.get(_IN_TABLE) == _OURS:
            whole.append([chain.get(one) for one in (_CHAIN_NAME, _CHAIN_HOOK, _CHAIN_POLICY, _CHAIN_TYPE)])
    for message in channel.dump(_GET_RULE, _ABOUT.pack(_INET, 0, 0) + attribute(_IN_TABLE, _OURS)):
        rule = attributes(message[_ABOUT.size :])
        if rule.get(_IN_TABLE) == _OURS:
            whole.append([rule.get(one) for one in (_RULE_CHAIN, _RULE_EXPRESSIONS)])
    # The kernel lists a set in the order of its buckets, which it may change whenever it likes.
    whole += [(name, sorted(_fixed(channel, name))) for name in sorted(NAMES)]
    return hashlib.sha256(repr(whole).encode()).hexdigest()


def _parts(channel: Channel, name: str) -> Iterator[bytes]:
    """Yield the elements of a set, as many together as came in one message."""
    wanted = attribute(_IN_TABLE, _OURS) + attribute(_IN_SET, name.encode() + b"\0")
    for message in channel.dump(_GET_ELEMENTS, _ABOUT.pack(_INET, 0, 0) + wanted):
        yield attributes(message[_ABOUT.size :]).get(_ELEMENTS, b"")


def _fixed(channel: Channel, name: str) -> Iterator[bytes]:
    for part in _parts(channel, name):
        for _, one in each_attribute(part):
            element = attributes(one)
            # Filling a set of prefixes anew, nft puts an end before the first one, and it ends nothing.
            if _FLAGS not in element or any(attributes(element.get(_KEY, b"")).get(_BYTES, b"")):
                yield one


def _entries(channel: Channel, name: str) -> Iterator[_Entry]:
    for part in _parts(channel, name):
        yield from _alike(part) or _each(part)


def _each(part: bytes) -> Iterator[_Entry]:
    for _, one in each_attribute(part):
        element = attributes(one)
        key = attributes(element[_KEY]).get(_BYTES, b"")
        value = attributes(element.get(_VALUE, b"")).get(_BYTES, b"")
        yield key, value, _seconds(element[_EXPIRES]) if _EXPIRES in element else None


def _alike(part: bytes) -> list[_Entry]:
    """Read elements that are all laid out as the first is, at one go; nothing where they are not."""
    pieces = _pieces(part)
    layout = struct.Struct("=" + "".join(f"{before}s{size}s" for _, before, size in pieces))
    if not pieces or len(part) % layout.size:
        return []
    rows = list(layout.iter_unpack(part))
    headers = rows[0][::2]
    if any(row[::2] != headers for row in rows):
        return []
    at = {kind: 2 * number + 1 for number, (kind, _, _) in enumerate(pieces)}
    key, value, expires = at[_KEY], at.get(_VALUE), at.get(_EXPIRES)
    values = (row[value] for row in rows) if value else repeat(b"")
    seconds = (_seconds(row[expires]) for row in rows) if expires else repeat(None)
    return list(zip((row[key] for row in rows), values, seconds, strict=False))


def _pieces(part: bytes) -> list[tuple[int, int, int]]:
    """Return of the first element each attribute's type, the size of the headers before it, and its own."""
    found = []
    before = _HEADER
    for _, first in islice(each_attribute(part), 1):
        for kind, payload in each_attribute(first):
            inner = _HEADER if kind in (_KEY, _VALUE) else 0
            found.append((kind, before + _HEADER + inner, len(payload) - inner))
            before = -len(payload) % 4
    return [*found, (0, before, 0)] if found else []


def _seen(entries: Iterable[_Entry]) -> dict[str, frozenset[str]]:
    found: dict[str, set[str]] = {}
    for key, _, _ in entries:
        found.setdefault(_hardware(key), set()).add(_address(key[8:]))
    return {hardware: frozenset(addresses) for hardware, addresses in found.items()}


def _hardware(key: bytes) -> str:
    return key[:6].hex(":")


def _address(key: bytes) -> str:
    return socket.inet_ntop(socket.AF_INET if len(key) == 4 else socket.AF_INET6, key)


def _number(data: bytes) -> int:
    return int.from_bytes(data[:4], sys.byteorder)


def _class(data: bytes) -> str:
    number = _number(data)
    return f"{number >> 16:x}:{number & 0xFFFF:x}"


def _seconds(milliseconds: bytes) -> float:
    return int.from_bytes(milliseconds, "big") / 1000
