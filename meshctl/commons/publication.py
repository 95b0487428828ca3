"""Which totals of the network may be published, and how coarse they must be.

Pure: figures in, figures out. This is disclosure control, not a mathematical guarantee: neighbours
who know each other may still guess. It is told no household's bytes, so it cannot see that one
home made most of an hour's traffic; that is why only whole-network totals pass.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

LEAST = 5
"""A figure about fewer homes and guests than this is not published."""

LICENCE = "CC0-1.0"

RULES: tuple[str, ...] = (
    f"A number of homes or guests below {LEAST} is given as fewer than {LEAST}.",
    f"Other numbers of homes and guests are rounded to the nearest {LEAST}.",
    "What was carried is given for the whole network only, in bytes rounded to two significant digits.",
    f"An hour in which fewer than {LEAST} homes and guests together were present at once is left out.",
    f"While fewer than {LEAST} homes and guests together are present, what was carried is withheld.",
    "Pauses are counted exactly, for the whole network: how many stewards decided and how many hold now, never why.",
    "No figure is split by node, home, guest or device.",
)
"""The rules as anybody may read them, in the order in which they are applied."""


@dataclass(frozen=True)
class Hour:
    """One hour of the whole network: bytes by direction, and the most homes and guests at once."""

    down: int
    up: int
    present: int


@dataclass(frozen=True)
class Figures:
    """What the hub knows, exact. ``capacity_down`` and ``capacity_up`` are in bytes/s over all lines.

    ``pauses`` is how many stewards decided lately, ``pauses_now`` how many are in force.
    """

    nodes: int
    nodes_fine: int
    homes: int
    guests: int
    capacity_down: float
    capacity_up: float
    hours: tuple[Hour, ...] = ()
    pauses: int = 0
    pauses_now: int = 0


@dataclass(frozen=True)
class Published:
    """What everybody may know. ``None`` for a count means fewer than `LEAST`; for bytes, withheld.

    ``hours_counted`` of ``hours_known`` hours went into ``down`` and ``up``.
    """

    nodes: int
    nodes_fine: int
    homes: int | None
    guests: int | None
    capacity_down_mbit: float
    capacity_up_mbit: float
    down: int | None
    up: int | None
    hours_counted: int
    hours_known: int
    pauses: int
    pauses_now: int


def publish(figures: Figures) -> Published:
    """Apply the rules."""
    counted = [hour for hour in figures.hours if hour.present >= LEAST]
    shown = figures.homes + figures.guests >= LEAST and bool(counted)
    return Published(
        nodes=figures.nodes,
        nodes_fine=figures.nodes_fine,
        homes=coarse_count(figures.homes),
        guests=coarse_count(figures.guests),
        capacity_down_mbit=round(figures.capacity_down / 125_000, 1),
        capacity_up_mbit=round(figures.capacity_up / 125_000, 1),
        down=_sum_coarsely(hour.down for hour in counted) if shown else None,
        up=_sum_coarsely(hour.up for hour in counted) if shown else None,
        hours_counted=len(counted) if shown else 0,
        hours_known=len(figures.hours),
        # About what stewards do, who answer for it; so not coarse.
        pauses=figures.pauses,
        pauses_now=figures.pauses_now,
    )


def coarse_count(people: int) -> int | None:
    """Round to the nearest `LEAST`, halves down; ``None`` below `LEAST`."""
    if people < LEAST:
        return None
    return (people + (LEAST - 1) // 2) // LEAST * LEAST


def two_digits(amount: int) -> int:
    """Keep two significant digits of an amount that is not negative, rounding halves up."""
    step = int(10 ** max(0, len(str(amount)) - 2))
    return (amount + step // 2) // step * step


def _sum_coarsely(amounts: Iterable[int]) -> int:
    return two_digits(sum(amounts))
