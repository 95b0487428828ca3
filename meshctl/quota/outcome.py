"""What came of some days on a line: for each home what it asked for, what it got, and how it stood."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from meshctl.model import Direction, Policy
from meshctl.quota.meter import jain

Amounts = dict[Direction, float]


def nothing() -> Amounts:
    """Return an amount of none in both directions."""
    return {"down": 0.0, "up": 0.0}


@dataclass(frozen=True)
class Hour:
    """One hour of one home, counted from the first: bytes asked for and got, in both directions."""

    hour: int
    asked: float
    got: float


@dataclass(frozen=True)
class Lived:
    """What a home lived through. Amounts are bytes by direction.

    ``at_level`` are the seconds spent at each level while on the line, ``changes`` when the level became what.
    ``ratio`` and ``level`` stand at the end, or stood when it left; ``trail`` are ratios on the way. ``hours`` are
    those in which it asked for something, ``short`` the seconds in which not all of it came, ``contended`` the bytes
    that came while the line was contended, which are those that it is charged for.
    """

    name: str
    shares: int
    asked: Mapping[Direction, float]
    got: Mapping[Direction, float]
    at_level: tuple[float, ...]
    changes: tuple[tuple[float, int], ...]
    trail: tuple[tuple[float, float], ...]
    ratio: float
    level: int
    hours: tuple[Hour, ...]
    short: float
    contended: float

    @property
    def worst(self) -> Hour | None:
        """Return the hour in which the least part of what it asked for came, the first of several."""
        return min(self.hours, key=lambda one: (round(one.got / one.asked, 9), one.hour), default=None)

    @property
    def part(self) -> float | None:
        """Return which part of what it asked for it got; nothing where it asked for nothing."""
        asked = sum(self.asked.values())
        return sum(self.got.values()) / asked if asked else None


@dataclass(frozen=True)
class Outcome:
    """What came of some days. ``carried`` and ``room`` are bytes; ``contended`` and ``seconds`` are seconds."""

    policy: Policy
    seconds: float
    homes: Mapping[str, Lived]
    guests: tuple[float, float]
    carried: Mapping[Direction, float]
    room: Mapping[Direction, float]
    contended: Mapping[Direction, float]

    @property
    def jain_busy(self) -> float | None:
        """Return Jain's index of what homes got per share while the line was contended: 1 when all got the same."""
        return jain(home.contended / home.shares for home in self.homes.values())

    @property
    def jain_parts(self) -> float | None:
        """Return Jain's index of the parts that homes got of what they asked for: 1 when all parts are equal."""
        return jain(home.part for home in self.homes.values() if home.part is not None)


@dataclass
class Tally:
    """One home's days while they go on."""

    shares: int = 1
    asked: Amounts = field(default_factory=nothing)
    got: Amounts = field(default_factory=nothing)
    hours: dict[int, tuple[float, float]] = field(default_factory=dict)
    at_level: list[float] = field(default_factory=list)
    changes: list[tuple[float, int]] = field(default_factory=list)
    trail: list[tuple[float, float]] = field(default_factory=list)
    short: float = 0.0
    contended: float = 0.0

    def count(self, hour: int, seconds: float, level: int, wants: Amounts, rates: Amounts) -> None:
        """Count so many seconds at a level, in which it wanted and got these bytes/s."""
        while len(self.at_level) <= level:
            self.at_level.append(0.0)
        self.at_level[level] += seconds
        asked = sum(wants.values())
        if not asked:
            return
        got = sum(rates.values())
        for direction, want in wants.items():
            self.asked[direction] += want * seconds
            self.got[direction] += rates[direction] * seconds
        before = self.hours.get(hour, (0.0, 0.0))
        self.hours[hour] = (before[0] + asked * seconds, before[1] + got * seconds)
        self.short += seconds if got < asked * (1 - 1e-9) else 0.0

    def lived(self, name: str, ratio: float, level: int) -> Lived:
        """Return what it lived through, standing at that ratio and level in the end."""
        return Lived(
            name,
            self.shares,
            self.asked,
            self.got,
            tuple(self.at_level),
            tuple(self.changes),
            tuple(self.trail),
            ratio,
            level,
            tuple(Hour(hour, *amounts) for hour, amounts in sorted(self.hours.items())),
            self.short,
            self.contended,
        )
