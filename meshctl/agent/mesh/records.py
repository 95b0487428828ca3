"""Who is joined anywhere in the network, by token: what lets a device be online at the next node at once.

Each record is replaced whole by a later one: the higher version wins, and at the same version the
greater node name. So records may arrive in any order, twice, or over another way, and all nodes end
with the same (a last-writer-wins map; Shapiro et al., "A comprehensive study of CRDTs", 2011).
"""

from __future__ import annotations

from collections.abc import Container, Iterable
from dataclasses import dataclass, replace
from typing import Any

from meshctl.agent.mesh.shapes import LARGEST, flag, hexadecimal, integer, number, text

MOST_RECORDS = 65_536
"""Devices remembered in all; beyond that the ones that end soonest go."""

LAST_VERSION = LARGEST - 1
"""Nobody takes a higher one, so nobody writes one: else one node's nonsense would have others cut off for theirs."""

SEEING = 1
MOVING = 1 << 10
LEAVING = 1 << 20
"""What is said next takes the next multiple of one of these as its version.

So a leaving outranks what others said meanwhile, unheard here; and that a device is of another home now outranks
that nodes went on seeing it as it was. Whoever heard of either comes after it by the next version, as after anything.
"""

_AFTER = 60.0


@dataclass(frozen=True)
class Record:
    """A device that ``owner`` vouches for, known by its ``token`` under the day key named ``key``.

    ``household`` is a handle or ``None`` for a guest; ``until`` a deadline on this node's monotonic
    clock; ``gone`` says that the device left, everywhere.
    """

    token: str
    key: str
    household: str | None
    until: float
    version: int
    owner: str
    gone: bool = False

    def beats(self, other: Record | None) -> bool:
        """Say whether this replaces ``other``."""
        return other is None or (self.version, self.owner) > (other.version, other.owner)

    def next_version(self, step: int) -> int:
        """Return the version of what follows this record: the next multiple of ``step``."""
        return min((self.version // step + 1) * step, LAST_VERSION)


class Records:
    """All records that this node has heard of or made itself."""

    def __init__(self, known: Iterable[Record] = ()) -> None:
        self._records = {record.token: record for record in known}
        self.dirty: set[str] = set()

    def __len__(self) -> int:
        return len(self._records)

    def get(self, token: str) -> Record | None:
        """Return the record of a token."""
        return self._records.get(token)

    def of(self, owner: str) -> list[Record]:
        """Return the records that a node vouches for or ended."""
        return [record for record in self._records.values() if record.owner == owner]

    def all(self) -> list[Record]:
        """Return all records."""
        return list(self._records.values())

    def merge(self, record: Record) -> bool:
        """Take a record in unless a later one is known; say whether it was taken."""
        if not record.beats(self._records.get(record.token)):
            return False
        self._records[record.token] = record
        self.dirty.add(record.token)
        if len(self._records) > MOST_RECORDS:
            self._drop(min(self._records.values(), key=lambda one: one.until).token)
        return True

    def changed(self) -> dict[str, Record | None]:
        """Return what changed since the last call, by token; ``None`` for a record that is forgotten."""
        tokens, self.dirty = self.dirty, set()
        return {token: self._records.get(token) for token in tokens}

    def drop_homes(self, handles: Container[str]) -> None:
        """Make guests' records of those of removed households; who vouches for them says so too, in a later version."""
        for record in self.all():
            if record.household is not None and record.household in handles:
                self._records[record.token] = replace(record, household=None)
                self.dirty.add(record.token)

    def rewrite_homes(self) -> None:
        """Have records that name a household written down anew: it may be known here from now on."""
        self.dirty |= {record.token for record in self._records.values() if record.household}

    def purge(self, now: float, living: Iterable[str], *, all_keys_known: bool) -> None:
        """Forget records that are over, and, once ``all_keys_known``, those whose key is destroyed."""
        keys = set(living)
        for record in self.all():
            # Of a leaving a little longer: who is let in the moment it is over must come after it at every node.
            over = record.until + (_AFTER if record.gone else 0.0) <= now
            if over or (all_keys_known and record.key not in keys):
                self._drop(record.token)

    def _drop(self, token: str) -> None:
        del self._records[token]
        self.dirty.add(token)


def to_wire(record: Record, now: float) -> dict[str, Any]:
    """Return a record as it travels: what is left of the stay instead of a deadline."""
    return {
        "token": record.token,
        "key": record.key,
        "household": record.household or "",
        "left": round(max(0.0, record.until - now), 1),
        "version": record.version,
        "gone": record.gone,
    }


def from_wire(table: object, owner: str, now: float, longest: float) -> Record:
    """Read a record that ``owner`` sent; no stay is longer than ``longest`` seconds. Raises `ChannelError`."""
    return Record(
        hexadecimal(table, "token", 16),
        hexadecimal(table, "key", 8),
        text(table, "household", 8) or None,
        now + min(number(table, "left"), longest),
        integer(table, "version"),
        owner,
        flag(table, "gone"),
    )
