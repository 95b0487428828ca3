"""Why a household has the slice it has: every number that decided, so that anybody can recompute it.

    r = max(U_down / max(B_down, K_down·least), U_up / max(B_up, K_up·least)) + newcomer

U is the household's contended use, times S/s, B the line's contended capacity, K all its capacity; each
decayed with the policy's half-life (`meshctl.quota.usage`).
"""

from __future__ import annotations

from dataclasses import dataclass

from meshctl.model import Direction, Policy
from meshctl.quota.share import level_of, seconds_to_full
from meshctl.quota.usage import Memory, Past, left_after, measure, ratio


@dataclass(frozen=True)
class Side:
    """One direction, in bytes as they stand now: ``used`` is U, ``contended`` B, ``capacity`` K.

    ``against`` is what U is compared with, the larger of B and a least part of K; ``ratio`` is U over it.
    """

    used: float
    contended: float
    capacity: float
    against: float
    ratio: float


@dataclass(frozen=True)
class Explanation:
    """A household's standing on one line, now.

    ``weight`` is what its slice is proportional to: its shares times the level's weight. ``above`` is the
    threshold that the ratio passed to be at this level, ``below`` what it must fall under to leave it, and
    ``next_above`` the next threshold; ``None`` where there is none. ``since`` is how many seconds ago the
    level was decided, from the ratio ``decided``, and ``wall`` that moment in seconds since 1970 where a
    trusted clock said it; ``None`` for a level that never changed. ``returns_in`` is in seconds: when the
    household is back at level 0 without further use in busy hours, if the line stays as busy as now, which
    is at the ratio ``full_below``.
    """

    level: int
    shares: int
    weight: float
    ratio: float
    down: Side
    up: Side
    newcomer: float
    above: float | None
    below: float | None
    next_above: float | None
    since: float | None
    wall: float | None
    decided: float
    returns_in: float
    full_below: float | None
    half_life_days: float
    least_contended: float


def explain(memory: Memory, past: Past, policy: Policy) -> Explanation:
    """Return why a household stands where it does now."""
    found = ratio(memory, past, policy)
    level = level_of(found.value, past.level, policy)
    above = policy.level_above
    changed = level == past.level and past.since is not None
    return Explanation(
        level=level,
        shares=past.shares,
        weight=past.shares * policy.level_weight[level],
        ratio=found.value,
        down=_side(memory, past, "down", found.down, policy),
        up=_side(memory, past, "up", found.up, policy),
        newcomer=found.newcomer,
        above=above[level - 1] if level else None,
        below=policy.level_return * above[level - 1] if level else None,
        next_above=above[level] if level < len(above) else None,
        since=memory.clock - past.since if changed and past.since is not None else None,
        wall=past.wall if changed else None,
        decided=past.ratio if changed else found.value,
        returns_in=seconds_to_full(found.value, level, policy),
        full_below=policy.level_return * above[0] if above else None,
        half_life_days=policy.half_life_days,
        least_contended=policy.least_contended,
    )


def _side(memory: Memory, past: Past, direction: Direction, value: float, policy: Policy) -> Side:
    filled = memory.of(direction)
    used = past.charged(direction) * left_after(memory.clock - past.at, policy.half_life)
    return Side(used, filled.contended, filled.capacity, measure(filled, policy), value)
