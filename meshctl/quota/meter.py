"""Readings of counters become bytes, each byte once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from meshctl.model import Direction

Place = tuple[str, Direction, int]
"""A counter's place: line, direction, mark."""


@dataclass(frozen=True)
class Count:
    """One look at a class's counter.

    ``life`` names one life of the counter: a counter made anew has another ``life`` and starts
    from zero. ``sent`` is bytes of frames delivered, ``dropped`` packets refused by a full queue,
    ``backlog`` packets waiting at that moment.
    """

    life: str
    sent: int
    packets: int = 0
    dropped: int = 0
    backlog: int = 0


@dataclass(frozen=True)
class Flow:
    """What passed one class between two looks. ``held`` says whether it wanted more than it got."""

    sent: int
    dropped: int
    held: bool


def difference(before: Count | None, now: Count) -> Flow:
    """Return what passed since ``before``.

    A counter in another life, or one that ran backwards, has started from zero: all it shows is new.
    """
    if before is None or before.life != now.life or now.sent < before.sent or now.dropped < before.dropped:
        sent, dropped = now.sent, now.dropped
    else:
        sent, dropped = now.sent - before.sent, now.dropped - before.dropped
    return Flow(sent, dropped, held=dropped > 0 or now.backlog > 0)


def meter(before: Mapping[Place, Count], now: Mapping[Place, Count]) -> dict[Place, Flow]:
    """Return what passed at each place that is there now."""
    return {place: difference(before.get(place), count) for place, count in now.items()}


def jain(amounts: Iterable[float]) -> float | None:
    """Jain's fairness index (Jain, Chiu, Hawe 1984): 1 when all are equal, 1/n when one has all.

    ``None`` for nobody, or for nothing shared.
    """
    values = list(amounts)
    squares = sum(value * value for value in values)
    if not values or squares == 0:
        return None
    return sum(values) ** 2 / (len(values) * squares)
