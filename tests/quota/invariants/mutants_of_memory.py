"""Deliberately broken variants of the memory: each keeps the shape of the product's function, and has one fault."""

from __future__ import annotations

from dataclasses import replace

from meshctl.model import DIRECTIONS, Direction, Policy
from meshctl.quota import share, usage
from meshctl.quota.merge import Held
from meshctl.quota.usage import Filled, Memory, Past, Ratio, Turn, advance, left_after
from tests.quota.invariants.algorithm import Key


def _recharged(memory: Memory, turn: Turn, policy: Policy, factor: float) -> Memory:
    """Advance, with every charge of the turn times a factor."""
    after = advance(memory, turn, policy)
    homes = dict(after.homes)
    for handle, past in after.homes.items():
        before = memory.homes.get(handle)
        if past.at != after.clock:
            continue
        old = {
            d: before.charged(d) * left_after(after.clock - before.at, policy.half_life) if before else 0.0
            for d in DIRECTIONS
        }
        new = {d: old[d] + (past.charged(d) - old[d]) * factor for d in DIRECTIONS}
        homes[handle] = replace(past, down=new["down"], up=new["up"])
    return replace(after, homes=homes)


def bytes_added_as_they_are(memory: Memory, turn: Turn, policy: Policy) -> Memory:
    """U = kU + x, without the decay within the turn."""
    exact = usage.gained(1.0, turn.seconds, policy.half_life) if turn.seconds > 0 else 1.0
    return _recharged(memory, turn, policy, turn.seconds / exact)


def decay_by_the_tick(memory: Memory, turn: Turn, policy: Policy) -> Memory:
    """What was used fades by so much a tick, however long the tick was."""
    faded = {
        handle: replace(past, down=past.down * 0.999, up=past.up * 0.999, at=memory.clock + turn.seconds)
        for handle, past in memory.homes.items()
    }
    return advance(replace(memory, homes=faded), turn, policy)


def everything_is_charged(memory: Memory, turn: Turn, policy: Policy) -> Memory:
    """Use counts also while it holds nobody back."""
    full = {d: max(turn.total[d], turn.capacity.of(d) * turn.seconds) for d in DIRECTIONS}
    return advance(memory, replace(turn, total=full, held=dict.fromkeys(DIRECTIONS, 2)), policy)


def the_lonely_are_charged(memory: Memory, turn: Turn, policy: Policy) -> Memory:
    """Use counts whenever the line is full, though nobody else wants more."""
    return advance(memory, replace(turn, held=dict.fromkeys(DIRECTIONS, 2)), policy)


def bursts_are_charged_whole(memory: Memory, turn: Turn, policy: Policy) -> Memory:
    """A turn that looks fuller than full is charged as it looks."""
    over = max(turn.total[d] / (turn.capacity.of(d) * turn.seconds) for d in DIRECTIONS) if turn.seconds > 0 else 1.0
    return _recharged(memory, turn, policy, max(1.0, over))


def slices_of_everybody_ever(memory: Memory, turn: Turn, policy: Policy) -> Memory:
    """S counts all homes that were ever known, not those present within a half-life."""
    known = {handle: replace(past, seen=memory.clock + turn.seconds) for handle, past in memory.homes.items()}
    return advance(replace(memory, homes=known), turn, policy)


def slices_of_those_here(memory: Memory, turn: Turn, policy: Policy) -> Memory:
    """S counts only who is here in this turn: who is out for an hour makes the others' use look small."""
    return advance(replace(memory, homes={h: p for h, p in memory.homes.items() if h in turn.present}), turn, policy)


def shares_forgotten(memory: Memory, turn: Turn, policy: Policy) -> Memory:
    """Every home is measured against one share, whatever it has."""
    together = sum(turn.present.values())
    carried = {d: {h: used * turn.present[h] for h, used in turn.carried[d].items()} for d in DIRECTIONS}
    return advance(memory, replace(turn, carried=carried), policy) if together else advance(memory, turn, policy)


def the_first_charged_double(memory: Memory, turn: Turn, policy: Policy) -> Memory:
    """Whoever is listed first is charged twice."""
    first = next(iter(turn.present), None)
    carried = {d: {h: used * (1 + (h == first)) for h, used in turn.carried[d].items()} for d in DIRECTIONS}
    return advance(memory, replace(turn, carried=carried), policy)


def more_is_less(memory: Memory, turn: Turn, policy: Policy) -> Memory:
    """A large use is charged as if it were a small one."""
    line = {d: turn.capacity.of(d) * turn.seconds for d in DIRECTIONS}
    carried = {d: {h: max(0.0, line[d] - used) for h, used in turn.carried[d].items()} for d in DIRECTIONS}
    return advance(memory, replace(turn, carried=carried), policy)


def nothing_is_forgotten(memory: Memory, turn: Turn, policy: Policy) -> Memory:
    """What was used stays for ever."""
    after = advance(memory, turn, policy)
    kept = {
        h: replace(p, down=_undecayed(memory, p, h, "down", policy), at=after.clock) for h, p in after.homes.items()
    }
    return replace(after, homes=kept)


def _undecayed(memory: Memory, past: Past, handle: str, direction: Direction, policy: Policy) -> float:
    before = memory.homes.get(handle)
    return max(past.charged(direction), before.charged(direction) if before else 0.0)


def capacity_in_megabits(memory: Memory, turn: Turn, policy: Policy) -> Memory:
    """A constant is left in: what the line could carry has a unit."""
    after = advance(memory, turn, policy)
    return replace(after, down=replace(after.down, contended=after.down.contended + 1e9 * turn.seconds))


def contended_never_fades(memory: Memory, turn: Turn, policy: Policy) -> Memory:
    """B adds up, and K fades."""
    after = advance(memory, turn, policy)
    kept = left_after(turn.seconds, policy.half_life)
    lost = {d: memory.of(d).contended * (1 - kept) for d in DIRECTIONS}
    down, up = (Filled(after.of(d).contended + lost[d], after.of(d).capacity) for d in DIRECTIONS)
    return replace(after, down=down, up=up)


def capacity_never_fades(memory: Memory, turn: Turn, policy: Policy) -> Memory:
    """K adds up."""
    after = advance(memory, turn, policy)
    down, up = (
        Filled(after.of(d).contended, memory.of(d).capacity + turn.capacity.of(d) * turn.seconds) for d in DIRECTIONS
    )
    return replace(after, down=down, up=up)


def both_directions_added(memory: Memory, past: Past, policy: Policy) -> Ratio:
    """Down and up are summed: who uses both is charged twice for one slice."""
    found = usage.ratio(memory, past, policy)
    return Ratio(found.down + found.up, 0.0, found.newcomer)


def newcomer_for_ever(memory: Memory, past: Past, policy: Policy) -> Ratio:
    """What a newcomer starts with never fades."""
    return replace(usage.ratio(memory, past, policy), newcomer=policy.newcomer)


def use_as_it_was(memory: Memory, past: Past, policy: Policy) -> Ratio:
    """The use is read as it stood when it was written."""
    return usage.ratio(memory, replace(past, at=memory.clock), policy)


def without_margin(ratio: float, before: int, policy: Policy) -> int:
    """Down as soon as the ratio is below the threshold that it passed."""
    return share.level_of(ratio, before, replace(policy, level_return=1.0))


def never_down(ratio: float, before: int, policy: Policy) -> int:
    """A level once reached is kept."""
    return max(before, share.level_of(ratio, before, policy))


def lower_for_more(ratio: float, before: int, policy: Policy) -> int:
    """Levels act in the wrong direction."""
    return len(policy.level_above) - share.level_of(ratio, before, policy)


def to_half_the_threshold(ratio: float, level: int, policy: Policy) -> float:
    """The date of return is told for half of the threshold."""
    return share.seconds_to_full(2 * ratio, level, policy)


def without_margin_of_return(ratio: float, level: int, policy: Policy) -> float:
    """The date of return forgets that the way back is longer by the margin."""
    return share.seconds_to_full(ratio, level, replace(policy, level_return=1.0))


def by_arrival(one: Held[Key], other: Held[Key]) -> Held[Key]:
    """The last to arrive stands, whatever its stamp."""
    if other.whole > one.whole:
        return other
    return Held({**one.rows, **other.rows}, one.whole)


def whole_forgotten(one: Held[Key], other: Held[Key]) -> Held[Key]:
    """A whole message drops the rows that are there, and late parts bring rows back."""
    rows = dict(one.rows) if other.whole <= one.whole else {}
    for key, row in other.rows.items():
        rows[key] = max(rows.get(key, row), row)
    return Held(rows, max(one.whole, other.whole))


def by_the_newest_row(one: Held[Key], other: Held[Key]) -> Held[Key]:
    """A message older than the newest row held is refused whole: parts in another order lose rows."""
    newest = max((stamp for stamp, _ in one.rows.values()), default=(0, 0))
    said = max((stamp for stamp, _ in other.rows.values()), default=other.whole)
    if said < newest:
        return one
    kept = {} if other.whole > one.whole else dict(one.rows)
    return Held({**kept, **other.rows}, max(one.whole, other.whole))


def figures_added(one: Held[Key], other: Held[Key]) -> Held[Key]:
    """Figures are added up, as if every message came once."""
    rows = dict(one.rows)
    for key, (stamp, figure) in other.rows.items():
        at, held = rows.get(key, (stamp, 0))
        rows[key] = (max(at, stamp), held + figure)
    return Held(rows, max(one.whole, other.whole))
