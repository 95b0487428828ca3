"""Replaceable state: what many messages of one owner say, whatever order they come in, however often.

A message names its stamp and rows. Of each row the newest stands. A message that is *whole* also says
that no other row is there: rows with an older stamp go, and none comes back. What is held and what a
message says have the same shape, so taking a message is joining two states. `join` is commutative,
associative and idempotent (a join semilattice; Shapiro and others, Conflict-free Replicated Data Types,
2011): everybody who has heard the same messages holds the same rows.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)

Stamp = tuple[int, int]
"""An owner's boot counter and the message's number: later is larger. Never a time of day."""

NEVER: Stamp = (0, 0)
"""The stamp before every message."""


@dataclass(frozen=True)
class Held(Generic[Key]):
    """What one owner said: each row's stamp and figure, and the stamp of the owner's newest whole message."""

    rows: Mapping[Key, tuple[Stamp, int]] = field(default_factory=dict)
    whole: Stamp = NEVER


def told(stamp: Stamp, rows: Mapping[Key, int], *, whole: bool) -> Held[Key]:
    """Return what one message says, as a state that holds nothing else."""
    return Held({key: (stamp, figure) for key, figure in rows.items()}, stamp if whole else NEVER)


def join(one: Held[Key], other: Held[Key]) -> Held[Key]:
    """Return what both say together.

    Two rows of one stamp never differ while owners number their messages; should they, the larger figure
    stands, so that even then everybody agrees. A row's fate depends on no other row.
    """
    whole = max(one.whole, other.whole)
    rows = dict(one.rows)
    for key, row in other.rows.items():
        rows[key] = max(rows.get(key, row), row)
    return Held({key: row for key, row in rows.items() if row[0] >= whole}, whole)
