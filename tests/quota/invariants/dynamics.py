"""The loop: what is decided shapes what is carried, what is carried is remembered, and decides what follows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache

from meshctl.model import DIRECTIONS, Direction, Policy
from meshctl.quota.plan import Crowd, Plan
from meshctl.quota.usage import Memory, Past, Turn, begin
from tests.quota.invariants.algorithm import Algorithm
from tests.quota.invariants.allocation import HAIR, ROUNDING, assured
from tests.quota.invariants.memory import EXACT, ratios
from tests.quota.invariants.systems import HOUR, Home, System

TURNS = 6
"""How many turns a story has."""


@dataclass(frozen=True)
class Scene:
    """One turn of the loop: the plan in force, what was wanted and got (kbit/s), and the memory after it."""

    here: tuple[Home, ...]
    plan: Plan
    wanted: Mapping[Direction, Mapping[int, float]]
    got: Mapping[Direction, Mapping[int, float]]
    turn: Turn
    memory: Memory


@lru_cache(maxsize=1)
def story(system: System, by: Algorithm) -> tuple[Scene, ...]:
    """Return the turns of some days: stretches alternate, and everybody wants what he wants."""
    return tuple(_story(system, by))


def _story(system: System, by: Algorithm) -> Iterator[Scene]:
    memory = begin(system.capacity, system.policy.half_life)
    for number in range(TURNS):
        stretch = system.stretches[number % len(system.stretches)]
        here = tuple(home for n, home in enumerate(system.homes) if n not in stretch.absent)
        plan = by.decide(crowd_of(system, here), memory, system.capacity, system.policy)
        memory = entered(memory, here, plan)
        marks = set(plan.present)
        wanted = {d: {m: w for m, w in system.demands(d).items() if m in marks} for d in DIRECTIONS}
        got = {d: by.allocate(plan.trees[d], wanted[d]) for d in DIRECTIONS}
        turn = what_passed(system, here, wanted, got, max(stretch.seconds, HOUR))
        memory = by.advance(memory, turn, system.policy)
        yield Scene(here, plan, wanted, got, turn, memory)


def crowd_of(system: System, here: tuple[Home, ...]) -> Crowd:
    """Return who is here."""
    away = {home.mark for home in system.homes} - {home.mark for home in here}
    return replace(system.crowd, present=[mark for mark in system.marks if mark not in away])


def entered(memory: Memory, here: tuple[Home, ...], plan: Plan) -> Memory:
    """Return the memory with the levels that were decided for those present."""
    homes = dict(memory.homes)
    for home in here:
        if home.handle in homes:
            homes[home.handle] = replace(homes[home.handle], level=plan.levels.get(home.mark, 0))
    return replace(memory, homes=homes)


def what_passed(
    system: System,
    here: tuple[Home, ...],
    wanted: Mapping[Direction, Mapping[int, float]],
    got: Mapping[Direction, Mapping[int, float]],
    seconds: float,
) -> Turn:
    """Return the turn in which everybody got what the tree gave him."""
    carried, total, held = {}, {}, {}
    for d in DIRECTIONS:
        carried[d] = {home.handle: got[d][home.mark] * 125 * seconds for home in here}
        total[d] = sum(got[d].values()) * 125 * seconds
        short = {m for m, want in wanted[d].items() if got[d][m] < want * (1 - EXACT)}
        held[d] = sum(home.mark in short for home in here) + bool(short - system.households.keys())
    return Turn(seconds, system.capacity, carried, total, held, {home.handle: home.shares for home in here})


def every_turn_is_fair(system: System, by: Algorithm) -> None:
    """Whatever anybody did before, in every turn the line is filled, not overfilled, and everybody has his floor."""
    for scene in story(system, by):
        now = replace(system, homes=scene.here)
        for d in DIRECTIONS:
            kbit, slack = system.kbit(d), HAIR * system.kbit(d)
            total = sum(scene.got[d].values())
            assert abs(total - min(kbit, sum(scene.wanted[d].values()))) <= slack
            home, guest = assured(now, kbit)
            for mark, want in scene.wanted[d].items():
                sure = home if mark in system.households else guest
                assert scene.got[d][mark] >= min(want, sure - ROUNDING) - slack


def whoever_used_no_more_is_no_lower(system: System, by: Algorithm) -> None:
    """Of two homes alike, the one that used no more in any turn never has the higher ratio, nor the higher level."""
    pairs = {(a, b) for a in system.homes for b in system.homes if a is not b and a.shares == b.shares}
    for scene in story(system, by):
        found, levels = ratios(scene.memory, by, system.policy), scene.plan.levels
        for modest, other in pairs:
            assert levels.get(modest.mark, 0) <= levels.get(other.mark, 0) or other not in scene.here
        pairs = {(a, b) for a, b in pairs if {a, b} <= set(scene.here) and used_no_more(scene, a, b)}
        for modest, other in pairs:
            assert found[modest.handle] <= found[other.handle] * (1 + 100 * EXACT)


def used_no_more(scene: Scene, modest: Home, other: Home) -> bool:
    """Say whether the first used no more than the other in a turn."""
    return all(scene.got[d][modest.mark] <= scene.got[d][other.mark] for d in DIRECTIONS)


def the_modest_stay(system: System, by: Algorithm) -> None:
    """A home that never had more than its slice of the line stays at level 0, whatever the others do."""
    policy = system.policy
    modest = {home.handle: home for home in system.homes}
    for scene in story(system, by):
        line = sum(past.shares for past in scene.memory.homes.values() if lately(scene.memory, past, policy))
        for home in scene.here:
            part = home.shares / line
            if any(scene.got[d][home.mark] > system.kbit(d) * part for d in DIRECTIONS):
                modest.pop(home.handle, None)
        for handle, value in ratios(scene.memory, by, policy).items():
            assert handle not in modest or value <= (1 + policy.newcomer) * (1 + 100 * EXACT)
        if 1 + policy.newcomer <= policy.level_above[0]:
            assert not {home.mark for home in modest.values()} & scene.plan.levels.keys()


def lately(memory: Memory, past: Past, policy: Policy) -> bool:
    """Say whether a home was present within a half-life."""
    return memory.clock - past.seen <= policy.half_life


def use_is_never_above_the_line(system: System, by: Algorithm) -> None:
    """Over all turns, all homes' charges, each by its slice, are at most what the line could carry while contended."""
    everybody = all(not stretch.absent for stretch in system.stretches)
    together = sum(home.shares for home in system.homes)
    for scene in story(system, by):
        for d in DIRECTIONS:
            assert scene.memory.of(d).contended <= scene.memory.of(d).capacity * (1 + EXACT)
            if everybody:
                charged = sum(
                    scene.memory.homes[home.handle].charged(d)
                    * 2 ** ((scene.memory.homes[home.handle].at - scene.memory.clock) / system.policy.half_life)
                    * home.shares
                    for home in system.homes
                )
                assert (
                    charged <= together * scene.memory.of(d).contended + EXACT * scene.memory.of(d).capacity * together
                )
