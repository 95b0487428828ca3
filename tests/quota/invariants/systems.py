"""Random neighbourhoods: homes with a past and with wishes, guests, a line, a policy, some turns of history."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from hypothesis import strategies as st

from meshctl.model import DIRECTIONS, Capacity, Device, Direction, Household, Policy
from meshctl.quota.plan import FIRST_GUEST, FIRST_HOME, Crowd, stranger_mark
from meshctl.quota.usage import Filled, Memory, Past, measure
from tests.quota.invariants.draw import Draw

BYTES = 200
"""How many choices a system is made of, more or less."""

LEVELS: tuple[tuple[tuple[float, ...], tuple[float, ...]], ...] = (
    ((1.5, 2.5, 5.0), (1.0, 0.5, 0.25, 0.125)),
    ((2.0,), (1.0, 0.3)),
    ((1.2, 3.0), (1.0, 0.7, 0.7)),
    ((1.1, 1.5, 2.0, 3.0, 5.0, 8.0, 13.0), (1.0, 0.9, 0.7, 0.5, 0.35, 0.25, 0.15, 0.125)),
)

MINUTE, HOUR, DAY = 60.0, 3600.0, 86_400.0


@dataclass(frozen=True, eq=False)
class Home:
    """A household: what it did before, and what it wants.

    ``ratios`` are parts of the line's busy hours, ``age`` and ``away`` seconds; ``wants`` are parts of
    the line; ``takes`` says how much of what is carried in a stretch is its own.
    """

    mark: int
    shares: int
    age: float
    away: float
    ratios: Mapping[Direction, float]
    level: int
    wants: Mapping[Direction, float]
    takes: Mapping[Direction, int]

    @property
    def handle(self) -> str:
        """Return its name."""
        return f"H{self.mark:03X}"


@dataclass(frozen=True, eq=False)
class Stretch:
    """A time in which everything stays as it is: ``load`` is what is carried as a part of the line.

    ``absent`` are indexes of homes that are not here; ``cuts`` are the parts it may be cut at.
    """

    seconds: float
    load: Mapping[Direction, float]
    held: Mapping[Direction, int]
    absent: frozenset[int]
    cuts: tuple[float, ...]


@dataclass(frozen=True, eq=False)
class System:
    """One neighbourhood. ``choice`` is a free number for what a property wants to choose."""

    policy: Policy
    capacity: Capacity
    homes: tuple[Home, ...]
    guests: tuple[float, ...]
    nodes: int
    busy: Mapping[Direction, float]
    stretches: tuple[Stretch, ...]
    choice: int
    devices: int = field(default=1)

    @cached_property
    def marks(self) -> tuple[int, ...]:
        """Return the marks of all homes and guests."""
        return (*(home.mark for home in self.homes), *range(FIRST_GUEST, FIRST_GUEST + len(self.guests)))

    @cached_property
    def households(self) -> dict[int, Household]:
        """Return all homes by mark."""
        return {home.mark: Household(home.handle, home.mark, home.shares) for home in self.homes}

    @cached_property
    def crowd(self) -> Crowd:
        """Return everybody, each with a device here."""
        strangers = [stranger_mark(number) for number in range(1, self.nodes + 1)]
        return Crowd([device(n, mark) for n, mark in enumerate(self.marks)], self.marks, self.households, {}, strangers)

    @cached_property
    def memory(self) -> Memory:
        """Return a memory in which each home stands where it does."""
        clock, tau = 400 * DAY, self.policy.half_life / math.log(2)
        filled = {d: Filled(self.busy[d] * self.capacity.of(d) * tau, self.capacity.of(d) * tau) for d in DIRECTIONS}
        empty = Memory(clock, filled["down"], filled["up"])
        return Memory(
            clock, filled["down"], filled["up"], {home.handle: self._past(home, empty) for home in self.homes}
        )

    def _past(self, home: Home, memory: Memory) -> Past:
        used = {d: home.ratios[d] * measure(memory.of(d), self.policy) for d in DIRECTIONS}
        born, seen = memory.clock - home.age, memory.clock - min(home.away, home.age)
        return Past(born, seen, memory.clock, home.shares, used["down"], used["up"], home.level)

    def kbit(self, direction: Direction) -> int:
        """Return what the line carries in that direction, in whole kbit/s."""
        return int(self.capacity.of(direction) / 125)

    def demands(self, direction: Direction) -> dict[int, float]:
        """Return what each mark wants, in kbit/s."""
        line = self.capacity.of(direction) / 125
        wants = [*(home.wants[direction] for home in self.homes), *self.guests]
        return {mark: want * line for mark, want in zip(self.marks, wants, strict=True)}


def device(number: int, mark: int) -> Device:
    """Return the device with that number."""
    household = None if mark >= FIRST_GUEST else f"H{mark:03X}"
    return Device(f"02:00:00:00:{number >> 8:02x}:{number & 255:02x}", mark, household, None)


def build(raw: bytes) -> System:
    """Return the system that these choices make."""
    draw = Draw(raw)
    policy = _policy(draw)
    many = draw.pick((1, 2, 3, 4, 5, 6, 8, 0))
    guests = draw.pick((0, 1, 2, 5))
    nodes = draw.pick((0, 0, 0, 1, 4))
    crowd = draw.rarely(16)
    capacity = Capacity(*(_capacity(draw) for _ in DIRECTIONS))
    busy = {d: draw.pick((1.0, 0.5, 0.25, 0.05, 0.0)) for d in DIRECTIONS}
    choice, devices = draw.byte(), draw.below(12)
    times = 1 + draw.below(3)
    # Always as many choices for each part, so that a smaller system has the same other parts.
    stretches = tuple([_stretch(draw) for _ in range(3)][:times])
    wishes = [_want(draw) for _ in range(5)][:guests]
    homes = [_home(draw, FIRST_HOME + number, policy) for number in range(many)]
    if crowd:
        homes, wishes, nodes = _crowd(homes, wishes, nodes, choice)
    return System(policy, capacity, tuple(homes), tuple(wishes), nodes, busy, stretches, choice, devices)


@st.composite
def systems(draw: st.DrawFn) -> System:
    """Draw a system; what fails is printed as the system it is, not as bytes."""
    return build(draw(st.binary(min_size=BYTES, max_size=BYTES)))


def _policy(draw: Draw) -> Policy:
    above, weight = draw.pick(LEVELS)
    if not draw.byte() & 1:
        return Policy(level_above=above, level_weight=weight)
    return Policy(
        floor_kbit=draw.pick((256.0, 64.0, 1000.0, 131.7)),
        guest_share=draw.pick((0.3, 0.05, 0.5)),
        half_life_days=draw.pick((7.0, 1.0, 30.0, 3.3)),
        busy=draw.pick((0.9, 0.8, 1.0)),
        newcomer=draw.pick((0.5, 0.0, 1.0)),
        least_contended=draw.pick((0.125, 0.05, 1.0)),
        level_above=above,
        level_weight=weight,
        level_return=draw.pick((0.9, 0.5, 0.97)),
    )


def _capacity(draw: Draw) -> float:
    return draw.between(500, 1_000_000) * 125


def _want(draw: Draw) -> float:
    return draw.pick((2.0, 0.0, 0.1, 0.5)) * (1 + draw.part())


def _home(draw: Draw, mark: int, policy: Policy) -> Home:
    return Home(
        mark,
        draw.pick((1, 1, 1, 2, 3, 8)),
        draw.pick((300.0, 1.0, 30.0, 0.0)) * DAY,
        draw.pick((0.0, 0.0, HOUR, 2 * DAY, 100 * DAY)),
        {d: draw.pick((0.0, 0.5, 1.0, 2.0, 8.0)) * (1 + draw.part()) for d in DIRECTIONS},
        draw.below(len(policy.level_weight)),
        {d: _want(draw) for d in DIRECTIONS},
        {d: draw.pick((1, 0, 3, 20)) for d in DIRECTIONS},
    )


def _crowd(homes: list[Home], wishes: list[float], nodes: int, choice: int) -> tuple[list[Home], list[float], int]:
    """Return many times as many, as a street of 60 homes, or a hall of 64 guests and a mesh of 60 nodes."""
    more = [
        Home(FIRST_HOME + n, o.shares, o.age, o.away, o.ratios, o.level, o.wants, o.takes)
        for n in range(len(homes) * 8)
        for o in [homes[n % len(homes)]]
    ]
    if choice & 1:
        return more, wishes, nodes
    return homes, [wishes[n % len(wishes)] for n in range(64)] if wishes else [], 60


def _stretch(draw: Draw) -> Stretch:
    return Stretch(
        draw.pick((10.0, 1.0, MINUTE, 10 * MINUTE, HOUR, DAY, 10 * DAY)) * (1 + draw.part()),
        {d: draw.pick((1.00001, 0.95, 0.5, 0.0, 1.3)) for d in DIRECTIONS},
        {d: draw.pick((2, 1, 0, 9)) for d in DIRECTIONS},
        frozenset(n for n in range(8) if draw.rarely(5)),
        tuple(sorted(draw.part() for _ in range(3))),
    )
