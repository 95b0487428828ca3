"""The same days under two policies: who would be slowed, by how much, and when."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from meshctl.quota.outcome import Hour, Lived, Outcome

_NOTICED = 0.01
"""Less than one part in a hundred is no difference."""


@dataclass(frozen=True)
class Difference:
    """One home under a policy and under another one, ``against``.

    ``part`` and ``against`` say which part of what it asked for it gets, ``gain`` is what it gets more, in bytes.
    ``first`` is the first hour in which it gets less, ``hours_of_day`` are those in which it gets less over all,
    and ``worst`` is the hour in which it loses the most, with that loss in bytes.
    """

    name: str
    part: float
    against: float
    gain: float
    first: int | None
    hours_of_day: tuple[int, ...]
    worst: tuple[int, float] | None

    @property
    def points(self) -> float:
        """Return how much more of what it asks for it gets, in points of a hundred."""
        return 100 * (self.part - self.against)

    @property
    def change(self) -> float:
        """Return what it gets more, as a part of what it got."""
        return self.part / self.against - 1 if self.against else 0.0

    @property
    def is_slowed(self) -> bool:
        """Say whether it gets less, by more than rounding."""
        return self.change < -_NOTICED


def compare(kept: Outcome, against: Outcome) -> dict[str, Difference]:
    """Return the difference for every home that asked for anything, by name."""
    return dict(_differences(kept.homes, against.homes))


def _differences(kept: Mapping[str, Lived], against: Mapping[str, Lived]) -> Iterator[tuple[str, Difference]]:
    for name, home in kept.items():
        other = against[name]
        if home.part is None or other.part is None:
            continue
        less = list(_less(home.hours, other.hours))
        of_day: dict[int, float] = {}
        for one, two in zip(home.hours, other.hours, strict=True):
            of_day[one.hour % 24] = of_day.get(one.hour % 24, 0.0) + (one.got - two.got) / one.asked
        worst = max(less, key=lambda one: one[1], default=None)
        first = less[0][0] if less else None
        slow = tuple(sorted(hour for hour, sum_ in of_day.items() if sum_ < -_NOTICED))
        gain = sum(home.got.values()) - sum(other.got.values())
        yield name, Difference(name, home.part, other.part, gain, first, slow, worst)


def _less(kept: tuple[Hour, ...], against: tuple[Hour, ...]) -> Iterator[tuple[int, float]]:
    for one, two in zip(kept, against, strict=True):
        if one.got < two.got - _NOTICED * one.asked:
            yield one.hour, two.got - one.got
