"""What a gateway was told: which client address, behind which node, carries which mark.

In RAM only. Nothing but an address inside the announcing node's own prefixes is taken. A mark is a
keyed hash that changes daily; a household's is recognised by hashing the handles of the roll, every
other one is a guest's.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from meshctl.agent.mesh.channel import ChannelError
from meshctl.lists import Member, Roster

MOST_ADDRESSES = 8192
"""Addresses of one node."""

SILENT = 900.0
"""Seconds after which a node's announcements count no more when nothing is heard of it."""

FIRST_FAR_GUEST, LAST_FAR_GUEST = 0xC000, 0xEFFF
"""Kernel marks of guests behind other nodes."""


@dataclass
class Told:
    """What one node announced: mark by address, and when it was last heard, in monotonic seconds."""

    marks: dict[str, str] = field(default_factory=dict)
    heard: float = 0.0


class Leases:
    """All nodes' announcements, and the kernel marks that they mean here."""

    def __init__(self) -> None:
        self._told: dict[str, Told] = {}
        self._guests: dict[str, int] = {}
        self._last = FIRST_FAR_GUEST - 1
        self.outside = 0

    def take(self, member: Member, told: Mapping[str, str], dropped: Iterable[str], now: float, *, whole: bool) -> bool:
        """Take an announcement in; say whether anything changed. Raises `ChannelError` when there are too many.

        Addresses outside the node's prefixes are ignored and counted in ``outside``.
        """
        held = self._told.setdefault(member.name, Told())
        inside = _Inside(member)
        fresh: dict[str, str] = {}
        for address, mark in told.items():
            known = inside.canonical(address)
            if known is None:
                self.outside += 1
            else:
                fresh[known] = mark
        # Only what is said counts, never all that is held: a message costs the same among few addresses and thousands.
        gone = {one for one in (held.marks if whole else dropped) if one in held.marks and one not in fresh}
        changed = {address: mark for address, mark in fresh.items() if held.marks.get(address) != mark}
        if len(held.marks) - len(gone) + sum(1 for address in changed if address not in held.marks) > MOST_ADDRESSES:
            raise ChannelError("oversized", f"{member.name} announces more than {MOST_ADDRESSES} addresses")
        for address, mark in changed.items():
            # A guest's mark changes daily; its share in the kernel goes on.
            former = held.marks.get(address)
            if former in self._guests and mark not in self._guests:
                self._guests[mark] = self._guests.pop(former)
        for address in gone:
            del held.marks[address]
        held.marks.update(changed)
        held.heard = now
        return bool(gone or changed)

    def heard(self, node: str, now: float) -> None:
        """Note that a node is still there."""
        if node in self._told:
            self._told[node].heard = now

    def lapse(self, roster: Roster, now: float) -> bool:
        """Drop what silent or withdrawn nodes told; say whether anything went."""
        gone = [n for n, told in self._told.items() if now - told.heard > SILENT or roster.member(n) is None]
        for node in gone:
            del self._told[node]
        return bool(gone)

    def of(self, node: str) -> dict[str, str]:
        """Return mark by address of one node."""
        return dict(self._told[node].marks) if node in self._told else {}

    def count(self) -> int:
        """Return how many addresses are announced."""
        return sum(len(told.marks) for told in self._told.values())

    def resolve(self, known: Mapping[str, int]) -> dict[str, int]:
        """Return the kernel's mark of every announced address; ``known`` maps households' marks to the kernel's."""
        used = {mark for told in self._told.values() for mark in told.marks.values()}
        self._guests = {mark: number for mark, number in self._guests.items() if mark in used and mark not in known}
        return {
            address: known[mark] if mark in known else self._guest(mark)
            for told in self._told.values()
            for address, mark in told.marks.items()
        }

    def guest(self, mark: str) -> int | None:
        """Return the kernel's mark of an announced guest."""
        return self._guests.get(mark)

    def _guest(self, mark: str) -> int:
        if mark not in self._guests:
            taken = set(self._guests.values())
            span = LAST_FAR_GUEST - FIRST_FAR_GUEST + 1
            steps = (FIRST_FAR_GUEST + (self._last + step - FIRST_FAR_GUEST) % span for step in range(1, span + 1))
            # Beyond 12,000 guests behind other nodes a share is shared, and nobody is refused.
            self._last = next((number for number in steps if number not in taken), FIRST_FAR_GUEST)
            self._guests[mark] = self._last
        return self._guests[mark]


class _Inside:
    """Tells the addresses that are in a node's prefixes and not its own; quick, since anybody's mistake is read."""

    def __init__(self, member: Member) -> None:
        self._prefixes = {}
        for family, own in ((socket.AF_INET, member.interface4), (socket.AF_INET6, member.interface6)):
            shift = own.network.max_prefixlen - own.network.prefixlen
            self._prefixes[family] = shift, int(own.ip) >> shift, own.packed

    def canonical(self, address: str) -> str | None:
        """Return an address as the kernel writes it, or ``None`` for one that the node has no say about."""
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        try:
            packed = socket.inet_pton(family, address)
        except (OSError, ValueError):
            return None
        shift, prefix, own = self._prefixes[family]
        if int.from_bytes(packed, "big") >> shift != prefix or packed == own:
            return None
        return socket.inet_ntop(family, packed)
