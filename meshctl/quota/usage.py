"""What a line remembers: each household's use of its busy hours, half of it forgotten every half-life.

The form is that of Slurm's fair-share priority (Multifactor Priority Plugin, PriorityDecayHalfLife):
one number for each household, no history. It differs in what is charged and what it is compared with.
Slurm charges all use and compares it with the others' use; here only use while the line is contended is
charged, as RFC 6057 does for congested ports, and it is compared with the household's slice of the
contended capacity, so that nobody is above average merely because the others sleep. RFC 6057 looks
back 15 minutes and knows two states; this memory looks back weeks and moves in steps. The larger of the
two directions counts, as the dominant resource does in dominant resource fairness (Ghodsi et al., NSDI 2011).

Every amount is the integral of a rate under exponential decay, so for a constant rate it does not
depend on how time is cut into turns, and amounts of one household add up.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from meshctl.model import DIRECTIONS, Capacity, Direction, Policy

_SEEN_STEP = 600.0
"""Seconds that presence is noted in: who has used the line within a half-life is known to ten minutes."""


@dataclass(frozen=True)
class Filled:
    """One direction of a line, decayed, in bytes.

    ``contended`` (B) is what it could carry while it was contended, ``capacity`` (K) what it could carry at all.
    """

    contended: float
    capacity: float


@dataclass(frozen=True)
class Past:
    """What one line remembers of one household. Times are in seconds of the line's own clock.

    ``born`` is when the household got its pass, before the line's first turn perhaps, and ``seen`` when it
    was present last, with ``shares``. ``down`` and ``up`` (U) are bytes of contended use as they stood at
    ``at``, times S/s: in the units of the whole line. ``level`` was decided at ``since``, when the ratio was
    ``ratio``; ``wall`` is that moment in seconds since 1970, where a trusted clock said it.
    """

    born: float
    seen: float
    at: float
    shares: int = 1
    down: float = 0.0
    up: float = 0.0
    level: int = 0
    since: float | None = None
    ratio: float = 0.0
    wall: float | None = None

    def charged(self, direction: Direction) -> float:
        """Return the contended use in that direction as it stood at ``at``."""
        return self.down if direction == "down" else self.up


@dataclass(frozen=True)
class Memory:
    """All that one line remembers. ``clock`` counts seconds of its life, also over boots."""

    clock: float
    down: Filled
    up: Filled
    homes: Mapping[str, Past] = field(default_factory=dict)

    def of(self, direction: Direction) -> Filled:
        """Return what that direction could carry."""
        return self.down if direction == "down" else self.up


@dataclass(frozen=True)
class Turn:
    """What happened on the line in ``seconds``.

    ``carried`` is bytes of frames delivered, by direction and household; ``total`` those of everybody, guests
    included. ``held`` is how many units wanted more than they got: each household is one, all guests together
    one. ``present`` are the shares of the households that have a device here.
    """

    seconds: float
    capacity: Capacity
    carried: Mapping[Direction, Mapping[str, float]]
    total: Mapping[Direction, float]
    held: Mapping[Direction, int]
    present: Mapping[str, int]


@dataclass(frozen=True)
class Ratio:
    """A household's use of the busy hours over its slice of them: 1 is exactly the slice.

    ``value`` is the larger of both directions plus what is left of the ``newcomer`` term.
    """

    down: float
    up: float
    newcomer: float

    @property
    def value(self) -> float:
        """Return the ratio that decides."""
        return max(self.down, self.up) + self.newcomer


def begin(capacity: Capacity, half_life: float) -> Memory:
    """Return the memory of a new line: as if it had been idle for ever."""
    tau = half_life / math.log(2)
    return Memory(0.0, Filled(0.0, capacity.down * tau), Filled(0.0, capacity.up * tau))


def left_after(seconds: float, half_life: float) -> float:
    """Return which part of an amount is left after so long: 2^(-seconds/half_life)."""
    return math.exp2(-seconds / half_life)


def gained(rate: float, seconds: float, half_life: float) -> float:
    """Return what a constant rate (bytes/s) leaves in the memory: its integral under decay, in bytes."""
    return rate * half_life / math.log(2) * -math.expm1(-seconds / half_life * math.log(2))


def is_contended(turn: Turn, direction: Direction, busy: float) -> bool:
    """Say whether two or more wanted more than there was; else use holds nobody back, and is free."""
    return turn.total[direction] >= busy * turn.capacity.of(direction) * turn.seconds and turn.held[direction] >= 2


def advance(memory: Memory, turn: Turn, policy: Policy) -> Memory:
    """Return the memory after a turn. Nobody is charged for more than the line could carry."""
    if turn.seconds <= 0:
        return memory
    clock, half_life = memory.clock + turn.seconds, policy.half_life
    homes = dict(memory.homes)
    _note_presence(homes, turn, clock)
    filled: dict[Direction, Filled] = {}
    charges: dict[str, tuple[float, float]] = {}
    for direction in DIRECTIONS:
        contended = is_contended(turn, direction, policy.busy)
        filled[direction] = _fill(memory.of(direction), turn, direction, contended, half_life)
        if contended:
            _charge(charges, homes, turn, direction, clock, half_life)
    for handle, charge in charges.items():
        past = homes[handle]
        kept = left_after(clock - past.at, half_life)
        homes[handle] = _charged(past, clock, past.down * kept + charge[0], past.up * kept + charge[1])
    return Memory(clock, filled["down"], filled["up"], homes)


def meet(memory: Memory, handle: str, shares: int, age: float) -> Memory:
    """Return the memory with a household that got its pass ``age`` seconds ago; one that is known stays as it is."""
    if handle in memory.homes:
        return memory
    past = Past(born=memory.clock - age, seen=memory.clock, at=memory.clock, shares=shares)
    return replace(memory, homes={**memory.homes, handle: past})


def rest(memory: Memory, seconds: float, capacity: Capacity, policy: Policy) -> Memory:
    """Return the memory after a time in which nobody used the line, such as a night without power."""
    nothing: dict[Direction, float] = {"down": 0.0, "up": 0.0}
    idle = Turn(seconds, capacity, {"down": {}, "up": {}}, nothing, {"down": 0, "up": 0}, {})
    return advance(memory, idle, policy)


def ratio(memory: Memory, past: Past, policy: Policy) -> Ratio:
    """Return a household's use of the busy hours over its slice of them, now."""
    half_life = policy.half_life
    kept = left_after(memory.clock - past.at, half_life)
    down, up = (past.charged(d) * kept / measure(memory.of(d), policy) if past.charged(d) else 0.0 for d in DIRECTIONS)
    return Ratio(down, up, policy.newcomer * left_after(max(0.0, memory.clock - past.born), half_life))


def measure(filled: Filled, policy: Policy) -> float:
    """Return what use is compared with, in bytes: the contended capacity, or a least part of all capacity."""
    return max(filled.contended, filled.capacity * policy.least_contended)


def shares_lately(homes: Mapping[str, Past], present: Mapping[str, int], clock: float, half_life: float) -> int:
    """Return S: the shares of the households present within a half-life."""
    away = sum(p.shares for handle, p in homes.items() if handle not in present and clock - p.seen <= half_life)
    return sum(present.values()) + away


def _note_presence(homes: dict[str, Past], turn: Turn, clock: float) -> None:
    for handle, shares in turn.present.items():
        past = homes.get(handle)
        if past is None:
            homes[handle] = Past(born=clock - turn.seconds, seen=clock, at=clock, shares=shares)
        elif clock - past.seen >= _SEEN_STEP or past.shares != shares:
            homes[handle] = replace(past, seen=clock, shares=shares)


def _fill(before: Filled, turn: Turn, direction: Direction, contended: bool, half_life: float) -> Filled:
    kept = left_after(turn.seconds, half_life)
    gain = gained(turn.capacity.of(direction), turn.seconds, half_life)
    return Filled(before.contended * kept + (gain if contended else 0.0), before.capacity * kept + gain)


def _charge(
    charges: dict[str, tuple[float, float]],
    homes: Mapping[str, Past],
    turn: Turn,
    direction: Direction,
    clock: float,
    half_life: float,
) -> None:
    together = shares_lately(homes, turn.present, clock, half_life)
    # A burst that was queued before may make a turn look fuller than full: charge at most the whole line.
    fit = min(1.0, turn.capacity.of(direction) * turn.seconds / turn.total[direction])
    each = gained(fit / turn.seconds * together, turn.seconds, half_life)
    for handle, carried in turn.carried[direction].items():
        if carried > 0 and handle in turn.present:
            charge, (down, up) = each * carried / turn.present[handle], charges.get(handle, (0.0, 0.0))
            charges[handle] = (charge, up) if direction == "down" else (down, charge)


def _charged(past: Past, at: float, down: float, up: float) -> Past:
    # Written out: with a thousand households present, `replace` takes most of a turn.
    decided = past.level, past.since, past.ratio, past.wall
    return Past(past.born, past.seen, at, past.shares, down, up, *decided)
