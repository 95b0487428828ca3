"""The decision: who is here, what the line carries and what the policy says become one desired state."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from meshctl.model import DIRECTIONS, Capacity, Device, Direction
from meshctl.quota.share import fill, guest_pool

ROOT, HOMES, GUEST_POOL, UNKNOWN = 0x1, 0x2, 0x3, 0x4
"""Class numbers below the qdisc: the line, its two parents, and the leaf for what nobody could name."""

FIRST_HOME, FIRST_GUEST, LAST_GUEST = 0x10, 0x8000, 0xFFF0
"""Marks are class numbers: households from `FIRST_HOME`, guests from `FIRST_GUEST`. 0 is a visitor."""

UNKNOWN_KBIT = 8
"""What the leaf for the unknown is assured; HTB wants more than nothing."""

_FRAME, _MERGED, _QUANTUM_LIMIT = 1514, 8192, 65536


@dataclass(frozen=True)
class Settings:
    """The policy in force, in the units of the tree. ``merged``: offloads hand over several frames at once."""

    floor_kbit: int
    guest_share: float
    merged: bool = False


@dataclass(frozen=True)
class Leaf:
    """One class that a household or guest has: rates in kbit/s, ``quantum`` and ``burst`` in bytes.

    ``limit`` is how many frames may wait.
    """

    number: int
    parent: int
    rate: int
    ceil: int
    quantum: int
    limit: int


@dataclass(frozen=True)
class Tree:
    """One direction of a line: the parents' rates always sum to the capacity, leaves to their parent."""

    capacity: int
    homes: int
    guests: int
    leaves: Mapping[int, Leaf]


@dataclass(frozen=True)
class Plan:
    """What the kernel should look like. ``classes`` maps a mark to its class number."""

    members: Mapping[str, Device]
    trees: Mapping[Direction, Tree] = field(default_factory=dict)

    @property
    def homes(self) -> int:
        """How many households are present."""
        return sum(1 for leaf in self._leaves() if leaf.parent == HOMES)

    @property
    def guests(self) -> int:
        """How many guests are present."""
        return sum(1 for leaf in self._leaves() if leaf.parent == GUEST_POOL and leaf.number != UNKNOWN)

    def _leaves(self) -> Iterable[Leaf]:
        return self.trees["down"].leaves.values() if self.trees else ()


def decide(
    members: Iterable[Device],
    present: Iterable[int],
    weights: Mapping[int, float],
    capacity: Capacity | None,
    settings: Settings,
) -> Plan:
    """Return the desired state of the kernel.

    ``present`` are the marks that have a device here, ``weights`` the households' weights by mark
    (1 where absent). Without a ``capacity`` this node has no line, and nothing is shaped.
    """
    joined = {device.hardware: device for device in members}
    if capacity is None:
        return Plan(joined)
    here = set(present) & {device.mark for device in joined.values()}
    homes = {mark: weights.get(mark, 1.0) for mark in here if mark < FIRST_GUEST}
    guests = sorted(mark for mark in here if mark >= FIRST_GUEST)
    trees = {d: _tree(int(capacity.of(d) / 125), homes, guests, settings) for d in DIRECTIONS}
    return Plan(joined, trees)


def _tree(capacity: int, homes: Mapping[int, float], guests: list[int], settings: Settings) -> Tree:
    floors = min(settings.floor_kbit * len(homes), capacity)
    pool = guest_pool(capacity, len(guests), sum(homes.values()), settings.floor_kbit, settings.guest_share, floors)
    pool = min(max(pool, UNKNOWN_KBIT + len(guests)), capacity - 1)
    home_rates = fill(capacity - pool, homes, settings.floor_kbit)
    guest_rates = fill(pool - UNKNOWN_KBIT, dict.fromkeys(guests, 1.0), 1)
    base = _MERGED if settings.merged else _FRAME
    lightest = min(homes.values(), default=1.0)
    leaves = {
        mark: _leaf(mark, HOMES, rate, capacity, int(base * homes[mark] / lightest))
        for mark, rate in home_rates.items()
    }
    leaves |= {mark: _leaf(mark, GUEST_POOL, rate, capacity, base) for mark, rate in guest_rates.items()}
    unknown = UNKNOWN_KBIT if guests else pool
    leaves[UNKNOWN] = _leaf(UNKNOWN, GUEST_POOL, unknown, capacity, base)
    return Tree(capacity, capacity - pool, pool, leaves)


def _leaf(number: int, parent: int, rate: int, ceil: int, quantum: int) -> Leaf:
    # A fifth of a second of the assured rate, as frames: short enough to stay quick at the floor, and
    # never below what one TCP flow needs to fill the line when it is alone.
    waiting = rate * 125 // 5 // _FRAME
    return Leaf(number, parent, max(rate, 1), ceil, min(quantum, _QUANTUM_LIMIT), min(max(waiting, 50), 250))
