"""The decision: who is here, what the line carries and what the policy says become one desired state."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from meshctl.model import DIRECTIONS, Capacity, Device, Direction, Household, Policy
from meshctl.quota.share import fill, guest_pool, level_of
from meshctl.quota.usage import Memory, measure, ratio

ROOT, HOMES, GUEST_POOL, UNKNOWN = 0x1, 0x2, 0x3, 0x4
"""Class numbers below the qdisc: the line, its two parents, and the leaf for what nobody could name."""

FIRST_HOME, FIRST_GUEST, LAST_GUEST = 0x10, 0x8000, 0xEFFF
"""Marks are class numbers: households from `FIRST_HOME`, guests from `FIRST_GUEST`. 0 is a visitor."""

FIRST_STRANGER, LAST_STRANGER = 0xF000, 0xFFEF
"""Marks of what comes from other nodes unannounced: all of one node's unknown devices share one."""

UNKNOWN_KBIT = 8
"""What a leaf for the unknown is assured while nobody is known to use it; HTB wants more than nothing."""

_IDLE_PART = 20
"""Leaves that nobody is known to use are assured one part in so many of the line, all together."""

_FRAME, _MERGED = 1514, 65536
"""Bytes of the largest packet a queue may hold: a whole frame, and with offloads several as one.

HTB gives each leaf a turn of its quantum, and one packet at least: with a quantum below the largest packet, what
idle homes lend is shared by packets. Measured with offloads on and homes idle: 8 kB give Jain 0.72 among equals.
"""

_FRAMES_LIMIT, _MERGED_LIMIT = 65536, 8 * 65536
"""Bytes of the largest quantum: with more, one home alone would have the line for too long."""

_WAITING_PARTS, _LEAST_WAITING, _MOST_WAITING = 5, 50, 250
"""What may wait in a leaf: the fifth part of a second at its assured rate, in frames within these bounds.

Short enough to stay quick at the floor, and never below what one TCP flow needs to fill the line when it is alone.
"""


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
    """One direction of a line: the parents' rates always sum to the capacity, leaves to their parent.

    ``floor`` (kbit/s) is what each household is assured at the least: the policy's, or less where floors do not fit.
    """

    capacity: int
    homes: int
    guests: int
    leaves: Mapping[int, Leaf]
    floor: int = 0


@dataclass(frozen=True)
class Plan:
    """What the kernel should look like.

    ``members`` are the devices joined here by hardware address, ``announced`` the marks of addresses
    behind other nodes, ``present`` the marks that share the line now. ``levels`` are the levels of
    those households that are not at level 0, by mark.
    """

    members: Mapping[str, Device]
    trees: Mapping[Direction, Tree] = field(default_factory=dict)
    announced: Mapping[str, int] = field(default_factory=dict)
    present: frozenset[int] = frozenset()
    levels: Mapping[int, int] = field(default_factory=dict)

    @property
    def homes(self) -> int:
        """How many households are present."""
        return sum(1 for mark in self.present if mark < FIRST_GUEST)

    @property
    def guests(self) -> int:
        """How many guests are present; the unknown devices of one node count as one."""
        return len(self.present) - self.homes


@dataclass(frozen=True)
class Crowd:
    """Who is here.

    ``members`` are the devices joined here, ``present`` the marks that have a device here or behind another
    node, ``households`` those that this node knows, by mark. ``announced`` maps a client's address behind
    another node to its mark; ``strangers`` are the marks of those nodes' unknown devices, which have a leaf even
    while nobody is known to use it.
    """

    members: Collection[Device]
    present: Collection[int]
    households: Mapping[int, Household] = field(default_factory=dict)
    announced: Mapping[str, int] = field(default_factory=dict)
    strangers: Collection[int] = ()


def stranger_mark(number: int) -> int:
    """Return the mark of what comes unannounced from the node with that number in the roster."""
    mark = FIRST_STRANGER + number
    if not FIRST_STRANGER < mark <= LAST_STRANGER:
        raise ValueError(f"{number} is no node's number: 1 to {LAST_STRANGER - FIRST_STRANGER}")
    return mark


def decide(
    crowd: Crowd, memory: Memory | None, capacity: Capacity | None, policy: Policy, *, merged: bool = False
) -> Plan:
    """Return the desired state of the kernel; now is the memory's clock.

    ``merged`` says that offloads hand over several frames at once. Without a ``capacity`` this node has no line, and
    nothing is shaped. Without a ``memory`` everybody is at level 0.
    """
    joined = {device.hardware: device for device in crowd.members}
    unknown, announced = set(crowd.strangers), dict(crowd.announced)
    known = {device.mark for device in joined.values()} | set(announced.values()) | unknown
    here = frozenset(crowd.present) & known
    if capacity is None:
        return Plan(joined, announced=announced, present=here)
    levels = _levels(crowd.households, here, memory, policy)
    homes = {
        mark: policy.level_weight[levels.get(mark, 0)] * _shares(crowd.households.get(mark))
        for mark in here
        if mark < FIRST_GUEST
    }
    guests = sorted(mark for mark in here if mark >= FIRST_GUEST)
    idle = [UNKNOWN, *sorted(unknown - here)]
    parts = (homes, guests, idle)
    trees = {d: _tree(int(capacity.of(d) / 125), parts, policy, merged=merged) for d in DIRECTIONS}
    return Plan(joined, trees, announced, here, levels)


def _shares(household: Household | None) -> int:
    return household.shares if household else 1


def _levels(
    households: Mapping[int, Household], here: Collection[int], memory: Memory | None, policy: Policy
) -> dict[int, int]:
    found: dict[int, int] = {}
    if memory is None or not policy.level_above:
        return found
    # Amounts only fade: whoever is at level 0 and below this even before they are faded is there still.
    room = policy.level_above[0] - policy.newcomer
    low = {direction: room * measure(memory.of(direction), policy) for direction in DIRECTIONS}
    for mark in here:
        household = households.get(mark)
        past = memory.homes.get(household.handle) if household else None
        if past is None or (past.level == 0 and past.down <= low["down"] and past.up <= low["up"]):
            continue
        level = level_of(ratio(memory, past, policy).value, past.level, policy)
        if level:
            found[mark] = level
    return found


def _tree(
    capacity: int, parts: tuple[Mapping[int, float], list[int], list[int]], policy: Policy, *, merged: bool
) -> Tree:
    homes, guests, idle = parts
    # Where floors do not fit, all guests together have what one home has: no less, or they would have nothing.
    floors = min(policy.floor * len(homes), capacity * len(homes) // (len(homes) + bool(guests)) if homes else 0)
    pool = guest_pool(capacity, len(guests), math.fsum(homes.values()), policy.floor, policy.guest_share, floors)
    each = max(1, min(UNKNOWN_KBIT, max(UNKNOWN_KBIT, capacity // _IDLE_PART) // len(idle)))
    pool = min(max(pool, each * len(idle) + len(guests)), capacity - 1)
    home_rates = fill(capacity - pool, homes, policy.floor)
    guest_rates = dict.fromkeys(idle, each) if guests else fill(pool, dict.fromkeys(idle, 1.0), 1)
    guest_rates |= fill(max(0, pool - each * len(idle)), dict.fromkeys(guests, 1.0), 1)
    base, most = (_MERGED, _MERGED_LIMIT) if merged else (_FRAME, _FRAMES_LIMIT)
    lightest = min(homes.values(), default=1.0)
    leaves = {
        mark: _leaf(mark, HOMES, rate, capacity, min(most, int(base * homes[mark] / lightest)))
        for mark, rate in home_rates.items()
    }
    leaves |= {mark: _leaf(mark, GUEST_POOL, rate, capacity, base) for mark, rate in guest_rates.items()}
    floor = min(policy.floor, (capacity - pool) // max(1, len(homes)))
    return Tree(capacity, capacity - pool, pool, leaves, floor)


def _leaf(number: int, parent: int, rate: int, ceil: int, quantum: int) -> Leaf:
    waiting = rate * 125 // _WAITING_PARTS // _FRAME
    return Leaf(number, parent, max(rate, 1), ceil, quantum, min(max(waiting, _LEAST_WAITING), _MOST_WAITING))
