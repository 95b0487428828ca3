"""Levels: up with the ratio, down with a margin, never to and fro."""

from __future__ import annotations

from itertools import pairwise

from tests.quota.invariants.algorithm import Algorithm
from tests.quota.invariants.systems import System


def values(system: System) -> list[float]:
    """Return ratios of a system's homes, and some about its thresholds."""
    above = system.policy.level_above
    edge = above[system.choice % len(above)]
    near = (0.0, edge, edge * system.policy.level_return, edge * (1 + system.choice / 255) / 1.5)
    return sorted({*near, *(ratio for home in system.homes for ratio in home.ratios.values())})


def a_higher_ratio_never_has_a_lower_level(system: System, by: Algorithm) -> None:
    """From the same level, a higher ratio never leads to a lower one; nor does a higher level before."""
    policy = system.policy
    for before in range(len(policy.level_weight)):
        found = [by.level_of(ratio, before, policy) for ratio in values(system)]
        assert all(low <= high for low, high in pairwise(found))
        assert all(0 <= level < len(policy.level_weight) for level in found)
        if before:
            lower = [by.level_of(ratio, before - 1, policy) for ratio in values(system)]
            assert all(low <= high for low, high in zip(lower, found, strict=True))


def a_level_says_where_the_ratio_is(system: System, by: Algorithm) -> None:
    """At a level the ratio is at most the next threshold, and no further below its own than the margin."""
    above = system.policy.level_above
    for before in range(len(above) + 1):
        for ratio in values(system):
            level = by.level_of(ratio, before, system.policy)
            assert level == len(above) or ratio <= above[level]
            assert level == 0 or ratio >= system.policy.level_return * above[level - 1]
            assert by.level_of(ratio, level, system.policy) == level


def a_wavering_ratio_does_not_flap(system: System, by: Algorithm) -> None:
    """A ratio that wavers by less than the margin moves the level in one direction at the most."""
    policy = system.policy
    for top in values(system):
        for before in range(len(policy.level_weight)):
            level, seen = before, []
            for part in (system.choice / 255, 0.0, 1.0, 0.5, 0.0, 1.0):
                level = by.level_of(top * (1 - part * (1 - policy.level_return)), level, policy)
                seen.append(level)
            path = [before, *seen]
            assert path in (sorted(path), sorted(path, reverse=True))
