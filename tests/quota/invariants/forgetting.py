"""Ratios: the larger direction counts, half is forgotten every half-life, and nothing depends on units or names."""

from __future__ import annotations

import math
from dataclasses import replace

from meshctl.model import DIRECTIONS, Capacity, Direction
from meshctl.quota.usage import Filled, Memory, Turn, begin
from tests.quota.invariants.algorithm import Algorithm
from tests.quota.invariants.draw import backwards
from tests.quota.invariants.memory import EXACT, history, past_of, ratios, turn_of, used, whole_line
from tests.quota.invariants.systems import System


def the_larger_direction_counts(system: System, by: Algorithm) -> None:
    """A ratio is the larger direction's use over what it is compared with, and what is left of the newcomer term."""
    policy = system.policy
    for step in history(system, by):
        compared = {
            d: max(step.after.of(d).contended, policy.least_contended * step.after.of(d).capacity) for d in DIRECTIONS
        }
        for home, value in ratios(step.after, by, policy).items():
            larger = max(used(step.after, home, d, policy) / compared[d] for d in DIRECTIONS)
            age = step.after.clock - step.after.homes[home].born
            new = policy.newcomer * math.exp2(-age / policy.half_life)
            assert abs(value - larger - new) <= 100 * EXACT * (1 + value)


def steady(system: System, *, busy: bool) -> Memory:
    """Return the system's memory on a line that has always been as it stays: contended, or never."""
    new = begin(system.capacity, system.policy.half_life)
    filled = {d: Filled(new.of(d).capacity if busy else 0.0, new.of(d).capacity) for d in DIRECTIONS}
    return replace(system.memory, down=filled["down"], up=filled["up"])


def passing(system: System, seconds: float, *, busy: bool) -> Turn:
    """Return so long a time in which only others use the line."""
    total = {d: system.capacity.of(d) * seconds * busy for d in DIRECTIONS}
    held: dict[Direction, int] = dict.fromkeys(DIRECTIONS, 2 * busy)
    here = {home.handle: home.shares for home in system.homes if home.away == 0}
    return Turn(seconds, system.capacity, {"down": {}, "up": {}}, total, held, here)


def half_is_forgotten(system: System, by: Algorithm) -> None:
    """Without further use a ratio halves with every half-life, while the line stays as busy as it is."""
    lives = (1.0, 0.5, 3.0, 8.0)[system.choice % 4]
    for busy in (True, False):
        memory = steady(system, busy=busy)
        after = by.advance(memory, passing(system, lives * system.policy.half_life, busy=busy), system.policy)
        now = ratios(after, by, system.policy)
        for home, then in ratios(memory, by, system.policy).items():
            assert abs(now[home] - then * 2**-lives) <= EXACT * (1 + then)


def the_date_of_return_is_right(system: System, by: Algorithm) -> None:
    """After the seconds that were told a home is at level 0, and a moment before it is not."""
    policy = system.policy
    memory = steady(system, busy=bool(system.choice & 2))
    moment = 1e-6 * policy.half_life
    for home, before in ratios(memory, by, policy).items():
        level = by.level_of(before, memory.homes[home].level, policy)
        told = by.seconds_to_full(before, level, policy)
        assert level > 0 or told == 0
        if not level:
            continue
        for seconds, full in ((told + moment, True), (max(0.0, told - moment), False)):
            after = by.advance(memory, passing(system, seconds, busy=bool(system.choice & 2)), policy)
            assert (by.level_of(ratios(after, by, policy)[home], level, policy) == 0) == full


def ratios_have_no_unit(system: System, by: Algorithm) -> None:
    """Ten times the line with ten times the bytes, and twice the shares for everybody, give the same ratios."""
    faster = Capacity(*(10 * system.capacity.of(d) for d in DIRECTIONS))
    homes = tuple(replace(home, shares=2 * home.shares) for home in system.homes)
    other = replace(system, capacity=faster, homes=homes)
    for step, scaled in zip(history(system, by), history(other, by), strict=True):
        now, then = (ratios(one.after, by, system.policy) for one in (step, scaled))
        assert all(abs(then[home] - value) <= 100 * EXACT * (1 + value) for home, value in now.items())


def names_do_not_matter(system: System, by: Algorithm) -> None:
    """Whichever home stands first, each has the same past."""
    memory, mirror = past_of(system), past_of(system)
    mirror = replace(mirror, homes=backwards(mirror.homes))
    for stretch in system.stretches:
        turn = turn_of(system, stretch, stretch.seconds)
        back = replace(
            turn,
            carried={d: backwards(turn.carried[d]) for d in reversed(DIRECTIONS)},
            present=backwards(turn.present),
        )
        memory, mirror = by.advance(memory, turn, system.policy), by.advance(mirror, back, system.policy)
        assert mirror == memory


def a_full_line_fills_its_memory(system: System, by: Algorithm) -> None:
    """What the line could carry is remembered as for a constant rate: full for ever where it always could."""
    for step in history(system, by):
        for d in DIRECTIONS:
            full = whole_line(system, d, step.turn.seconds)
            assert full <= step.after.of(d).capacity * (1 + EXACT)
            assert (
                abs(step.after.of(d).capacity - step.before.of(d).capacity) <= 100 * EXACT * step.after.of(d).capacity
            )
