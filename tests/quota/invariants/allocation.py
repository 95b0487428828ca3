"""What a line gives whom: promises of the allocation, plain and through the tree of classes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import permutations

from meshctl.model import DIRECTIONS
from meshctl.quota.plan import HOMES, Plan, Tree
from tests.quota.invariants.algorithm import Algorithm
from tests.quota.invariants.draw import backwards
from tests.quota.invariants.systems import System

HAIR = 1e-6
"""What sums of floating point numbers may be off by, as a part of the line."""

ROUNDING = 1.0
"""kbit/s: rates are whole, so two equal homes may differ by so much, and what lends them more with them."""


@dataclass(frozen=True)
class Shared:
    """One allocation: who wanted what, with which weight, and got what. ``tree`` where it came through classes."""

    capacity: float
    demands: Mapping[int, float]
    weights: Mapping[int, float]
    got: Mapping[int, float]
    tree: Tree | None

    @property
    def slack(self) -> float:
        """Return what may be off, in kbit/s."""
        return HAIR * self.capacity


@lru_cache(maxsize=1)
def plan_of(system: System, by: Algorithm) -> Plan:
    """Return the plan for everybody in a system."""
    return by.decide(system.crowd, system.memory, system.capacity, system.policy)


@lru_cache(maxsize=1)
def shared(system: System, by: Algorithm) -> tuple[Shared, ...]:
    """Share each direction of the line twice: plainly by weight, and through the tree that is decided."""
    return tuple(_shared(system, by))


def _shared(system: System, by: Algorithm) -> Iterator[Shared]:
    plan = plan_of(system, by)
    weights = weights_of(system, plan.levels)
    for direction in DIRECTIONS:
        demands, kbit = system.demands(direction), system.kbit(direction)
        yield Shared(kbit, demands, weights, by.max_min(kbit, demands, weights), None)
        tree = plan.trees[direction]
        yield Shared(kbit, demands, weights, by.allocate(tree, demands), tree)


def shared_anew(one: Shared, demands: Mapping[int, float], by: Algorithm) -> Mapping[int, float]:
    """Share the same line in the same way among other wishes."""
    return by.max_min(one.capacity, demands, one.weights) if one.tree is None else by.allocate(one.tree, demands)


def weights_of(system: System, levels: Mapping[int, int]) -> dict[int, float]:
    """Return everybody's weight; a guest weighs like a home of one share."""
    homes = {h.mark: h.shares * system.policy.level_weight[levels.get(h.mark, 0)] for h in system.homes}
    return {mark: homes.get(mark, 1.0) for mark in system.marks}


def feasible(system: System, by: Algorithm) -> None:
    """Nobody gets less than nothing or more than he asks for, and all together not more than the line."""
    for one in shared(system, by):
        for mark, got in one.got.items():
            assert -one.slack <= got <= one.demands.get(mark, 0.0) + one.slack
        assert sum(one.got.values()) <= one.capacity + one.slack


def work_conserving(system: System, by: Algorithm) -> None:
    """While somebody wants more the line is full: whoever is alone gets all of it, at any level."""
    for one in shared(system, by):
        assert sum(one.got.values()) >= min(one.capacity, sum(one.demands.values())) - one.slack


def no_starvation(system: System, by: Algorithm) -> None:
    """Everybody gets what he wants, or at least the floor, or his slice by weight where floors do not fit."""
    for one in shared(system, by):
        if one.tree is None:
            total = sum(one.weights.values())
            for mark, got in one.got.items():
                assert got >= min(one.demands[mark], one.capacity * one.weights[mark] / total) - one.slack
            continue
        home, guest = assured(system, int(one.capacity))
        for mark in one.demands:
            sure = home if mark in system.households else guest
            assert one.got[mark] >= min(one.demands[mark], sure - ROUNDING) - one.slack


def assured(system: System, kbit: int) -> tuple[float, float]:
    """Return what every home and every guest has at the least, in kbit/s.

    Homes come first with their floors; all guests together have at least one home's. Where that does not
    fit, it scales down alike. The smallest rate of a class, and of the leaves for what nobody could
    name, goes before it: a twentieth of the line at the most, or 1 kbit/s each.
    """
    homes, guests = len(system.homes), len(system.guests)
    each = min(float(system.policy.floor), kbit / max(1, homes + (guests > 0)))
    left = (kbit - hair_of_line(system, kbit)) / max(1, homes)
    floors = min(guests * system.policy.floor, system.policy.guest_share * kbit * 0.97, kbit - each * homes)
    return min(each, left), floors / max(1, guests)


def hair_of_line(system: System, kbit: int) -> float:
    """Return what classes need at the least that no home has, in kbit/s."""
    idle = system.nodes + 1
    return max(idle, 8, kbit / 20) + len(system.guests)


def fair(system: System, by: Algorithm) -> None:
    """Shared by weight, nobody who is short could have more but from somebody with less for his weight (max-min)."""
    for one in shared(system, by):
        if one.tree is None:
            short = [m for m, got in one.got.items() if got < one.demands[m] - one.slack]
            per_weight = min((one.got[m] / one.weights[m] for m in short), default=0.0)
            for mark, got in one.got.items():
                assert not short or got <= one.weights[mark] * (per_weight + one.slack) + one.slack


def lower_level_never_gets_less(system: System, by: Algorithm) -> None:
    """Of two homes, the one with no less weight and no smaller wish never gets less."""
    for one in shared(system, by):
        homes = [m for m in one.demands if m in system.households][:12]
        for low, high in permutations(homes, 2):
            if one.weights[low] >= one.weights[high] and one.demands[low] >= one.demands[high]:
                assert one.got[low] >= one.got[high] - ROUNDING - one.slack


def asking_gains_nothing(system: System, by: Algorithm) -> None:
    """Asking for more than one gets changes nothing for anybody."""
    for one in shared(system, by):
        if not one.demands:
            continue
        asker = system.marks[system.choice % len(system.marks)]
        if one.got[asker] >= one.demands[asker] - one.slack:
            continue
        louder = {**one.demands, asker: one.demands[asker] * 3}
        again = shared_anew(one, louder, by)
        assert all(abs(again[mark] - got) <= one.slack for mark, got in one.got.items())


def order_of_wishes(system: System, by: Algorithm) -> None:
    """The order in which wishes are listed changes nothing."""
    for one in shared(system, by):
        back = backwards(one.demands)
        again = shared_anew(one, back, by)
        assert again.keys() == one.got.keys()
        assert all(abs(again[mark] - got) <= one.slack for mark, got in one.got.items())


def no_unit(system: System, by: Algorithm) -> None:
    """Twice the line for twice the wishes gives twice as much; weights have no unit."""
    for one in shared(system, by):
        if one.tree is None:
            twice = {mark: 2 * demand for mark, demand in one.demands.items()}
            heavier = {mark: 5 * weight for mark, weight in one.weights.items()}
            again = by.max_min(2 * one.capacity, twice, heavier)
            assert all(abs(again[mark] - 2 * got) <= one.slack for mark, got in one.got.items())


def parents_lend(system: System, by: Algorithm) -> None:
    """Homes keep what is theirs beside any number of guests, and guests beside homes: each lends only the rest."""
    for one in shared(system, by):
        if one.tree is None:
            continue
        homes = [mark for mark, leaf in one.tree.leaves.items() if leaf.parent == HOMES]
        guests = [mark for mark in one.tree.leaves if mark not in homes]
        for marks, rate in ((homes, one.tree.homes), (guests, one.tree.guests)):
            wanted = sum(one.demands.get(mark, 0.0) for mark in marks)
            assert sum(one.got[mark] for mark in marks) >= min(wanted, rate) - one.slack
