"""What a line remembers: charges are conserved, exact under any tick, forgotten by half, and worth the same for all."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache

from meshctl.model import DIRECTIONS, Direction, Policy
from meshctl.quota.usage import Memory, Turn, begin
from tests.quota.invariants.algorithm import Algorithm
from tests.quota.invariants.systems import Home, Stretch, System

EXACT = 1e-9
"""What float arithmetic may be off by, as a part."""

NOTED = 600.0
"""Seconds that presence is noted in."""


@dataclass(frozen=True)
class Step:
    """One turn of a history, with the memory before and after it."""

    before: Memory
    turn: Turn
    after: Memory


def turn_of(system: System, stretch: Stretch, seconds: float) -> Turn:
    """Return a turn in which the line carries a stretch's load for so long."""
    here = [home for number, home in enumerate(system.homes) if number not in stretch.absent]
    total = {d: stretch.load[d] * system.capacity.of(d) * seconds for d in DIRECTIONS}
    carried = {}
    for d in DIRECTIONS:
        takes = sum(home.takes[d] for home in here) + bool(system.guests)
        carried[d] = {home.handle: total[d] * home.takes[d] / takes for home in here if takes}
    return Turn(seconds, system.capacity, carried, total, stretch.held, {home.handle: home.shares for home in here})


def past_of(system: System) -> Memory:
    """Return the memory that a history begins with: an old line's, or a new line's."""
    return begin(system.capacity, system.policy.half_life) if system.choice & 1 else system.memory


@lru_cache(maxsize=1)
def history(system: System, by: Algorithm) -> tuple[Step, ...]:
    """Return every turn of a system's history."""
    return tuple(_history(system, by))


def _history(system: System, by: Algorithm) -> Iterator[Step]:
    memory = past_of(system)
    for stretch in system.stretches:
        turn = turn_of(system, stretch, stretch.seconds)
        after = by.advance(memory, turn, system.policy)
        yield Step(memory, turn, after)
        memory = after


def used(memory: Memory, handle: str, direction: Direction, policy: Policy) -> float:
    """Return a home's contended use as it stands now, in bytes; 0 for one that is not known."""
    past = memory.homes.get(handle)
    if past is None:
        return 0.0
    return past.charged(direction) * math.exp2((past.at - memory.clock) / policy.half_life)


def shares_of(system: System, step: Step) -> int:
    """Return S: the shares of all homes present in the turn, or within a half-life before its end."""
    here = step.turn.present
    late = [
        past.shares
        for handle, past in step.before.homes.items()
        if handle not in here and step.after.clock - past.seen <= system.policy.half_life
    ]
    return sum(here.values()) + sum(late)


def whole_line(system: System, direction: Direction, seconds: float) -> float:
    """Return what a full line leaves in the memory after so long, in bytes."""
    tau = system.policy.half_life / math.log(2)
    return system.capacity.of(direction) * tau * (1 - math.exp2(-seconds / system.policy.half_life))


def is_busy(system: System, turn: Turn, direction: Direction) -> bool:
    """Say whether two or more wanted more than there was."""
    full = system.policy.busy * turn.capacity.of(direction) * turn.seconds
    return turn.total[direction] >= full and turn.held[direction] >= 2


def charges_are_conserved(system: System, by: Algorithm) -> None:
    """All homes' charges, each by its slice, are never more than the line could carry while contended; nor in sum."""
    spent = dict.fromkeys(DIRECTIONS, 0.0)
    for step in history(system, by):
        kept = math.exp2(-step.turn.seconds / system.policy.half_life)
        together = shares_of(system, step)
        for d in DIRECTIONS:
            ever = step.after.of(d).capacity
            gain = step.after.of(d).contended - step.before.of(d).contended * kept
            charges = {
                home: used(step.after, home, d, system.policy) - used(step.before, home, d, system.policy) * kept
                for home in step.after.homes
            }
            charged = sum(charges[home] * shares / together for home, shares in step.turn.present.items())
            assert min(charges.values(), default=0.0) >= -EXACT * ever
            assert charged <= gain + EXACT * ever
            assert gain <= whole_line(system, d, step.turn.seconds) + EXACT * ever
            assert step.after.of(d).contended <= ever * (1 + EXACT)
            spent[d] = spent[d] * kept + charged
            assert spent[d] <= step.after.of(d).contended + EXACT * ever


def what_holds_nobody_back_is_free(system: System, by: Algorithm) -> None:
    """While nobody else wants more, or the line has room, what a home uses is not held against it."""
    for step in history(system, by):
        kept = math.exp2(-step.turn.seconds / system.policy.half_life)
        for d in DIRECTIONS:
            if is_busy(system, step.turn, d):
                continue
            assert step.after.of(d).contended <= step.before.of(d).contended * kept * (1 + EXACT)
            for home in step.after.homes:
                before = used(step.before, home, d, system.policy) * kept
                assert used(step.after, home, d, system.policy) <= before * (1 + EXACT)


def the_tick_does_not_matter(system: System, by: Algorithm) -> None:
    """However a time of constant rates is cut into turns, the memory after it is the same."""
    memory = past_of(system)
    for stretch in system.stretches:
        if somebody_lapses(system, memory, stretch):
            continue
        once = by.advance(memory, turn_of(system, stretch, stretch.seconds), system.policy)
        often, at = memory, 0.0
        for cut in (*stretch.cuts, 1.0):
            often = by.advance(often, turn_of(system, stretch, (cut - at) * stretch.seconds), system.policy)
            at = cut
        assert_same(system, once, often)
        memory = once


def somebody_lapses(system: System, memory: Memory, stretch: Stretch) -> bool:
    """Say whether an absent home's half-life of absence ends in a stretch: the slices change within it."""
    absent = [system.homes[n].handle for n in stretch.absent if n < len(system.homes)]
    ends = [memory.homes[h].seen + system.policy.half_life - memory.clock for h in absent if h in memory.homes]
    return any(-NOTED <= end <= stretch.seconds + NOTED for end in ends)


def assert_same(system: System, one: Memory, other: Memory) -> None:
    """Two memories agree but for rounding, and for when presence was noted."""
    near = EXACT * (1 + one.clock)
    assert abs(one.clock - other.clock) <= near
    assert one.homes.keys() == other.homes.keys()
    for d in DIRECTIONS:
        for now, then in ((one.of(d).contended, other.of(d).contended), (one.of(d).capacity, other.of(d).capacity)):
            assert abs(now - then) <= EXACT * one.of(d).capacity
        for home in one.homes:
            apart = used(one, home, d, system.policy) - used(other, home, d, system.policy)
            assert abs(apart) <= 100 * EXACT * one.of(d).capacity
    for home, past in one.homes.items():
        assert abs(past.born - other.homes[home].born) <= near
        assert abs(past.seen - other.homes[home].seen) <= NOTED + near


def ratios(memory: Memory, by: Algorithm, policy: Policy) -> dict[str, float]:
    """Return every home's ratio."""
    return {home: by.ratio(memory, past, policy).value for home, past in memory.homes.items()}


def more_bytes_never_lower_the_ratio(system: System, by: Algorithm) -> None:
    """Of two turns both contended, or both not, the one with more bytes for a home never has its ratio lower."""
    for step in history(system, by):
        here = sorted(step.turn.present)
        if not here:
            continue
        home = here[system.choice % len(here)]
        more = with_more(step.turn, home)
        if any(is_busy(system, step.turn, d) != is_busy(system, more, d) for d in DIRECTIONS):
            continue
        after = by.advance(step.before, more, system.policy)
        less_used, more_used = (ratios(memory, by, system.policy) for memory in (step.after, after))
        assert more_used[home] >= less_used[home] * (1 - EXACT)
        others = [other for other in less_used if other != home]
        assert all(more_used[other] <= less_used[other] * (1 + EXACT) for other in others)


def with_more(turn: Turn, home: str) -> Turn:
    """Return the turn with half a line more for one home, in both directions."""
    extra = {d: turn.capacity.of(d) * turn.seconds / 2 for d in DIRECTIONS}
    carried = {d: {**turn.carried[d], home: turn.carried[d].get(home, 0.0) + extra[d]} for d in DIRECTIONS}
    return replace(turn, carried=carried, total={d: turn.total[d] + extra[d] for d in DIRECTIONS})


def slices(system: System, by: Algorithm, memory: Memory) -> tuple[Turn, Memory]:
    """Return a contended turn in which every home present takes exactly its slice, and the memory after it."""
    stretch = system.stretches[0]
    absent = {n for n, home in enumerate(system.homes) if n in stretch.absent or home.away > system.policy.half_life}
    here: list[Home] = [home for n, home in enumerate(system.homes) if n not in absent]
    turn = turn_of(system, replace(stretch, absent=frozenset(absent)), stretch.seconds)
    together = shares_of(system, Step(memory, turn, replace(memory, clock=memory.clock + turn.seconds)))
    full = {d: system.capacity.of(d) * turn.seconds for d in DIRECTIONS}
    carried = {d: {home.handle: full[d] * home.shares / together for home in here} for d in DIRECTIONS}
    turn = replace(turn, carried=carried, total=full, held=dict.fromkeys(DIRECTIONS, 2))
    return turn, by.advance(memory, turn, system.policy)


def a_slice_is_one(system: System, by: Algorithm) -> None:
    """Exactly one's slice of contended time, in one direction or both, is charged as the whole of it: never over 1."""
    turn, after = slices(system, by, system.memory)
    kept = math.exp2(-turn.seconds / system.policy.half_life)
    for d in DIRECTIONS:
        gain = whole_line(system, d, turn.seconds)
        for home in turn.present:
            charge = used(after, home, d, system.policy) - used(system.memory, home, d, system.policy) * kept
            assert abs(charge - gain) <= EXACT * after.of(d).capacity
    new = begin(system.capacity, system.policy.half_life)
    _, first = slices(system, by, new)
    assert all(
        value <= (1 + system.policy.newcomer) * (1 + EXACT) for value in ratios(first, by, system.policy).values()
    )
