"""How a plan divides a line: exactly, above the floor, the same for the same people."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import permutations

from meshctl.model import DIRECTIONS, Household
from meshctl.quota.plan import FIRST_HOME, GUEST_POOL, HOMES, Crowd, Plan, Tree
from tests.quota.invariants.algorithm import Algorithm
from tests.quota.invariants.allocation import HAIR, ROUNDING, assured, plan_of, weights_of
from tests.quota.invariants.draw import backwards
from tests.quota.invariants.systems import System, device


def decided(system: System, by: Algorithm, crowd: Crowd) -> Plan:
    """Return the plan for another crowd in a system."""
    return by.decide(crowd, system.memory, system.capacity, system.policy)


def trees(system: System, by: Algorithm, crowd: Crowd | None = None) -> Iterator[Tree]:
    """Return both directions' trees for everybody, or for another crowd."""
    plan = plan_of(system, by) if crowd is None else decided(system, by, crowd)
    return (plan.trees[direction] for direction in DIRECTIONS)


def rates(tree: Tree, parent: int) -> dict[int, int]:
    """Return the rates of one parent's children."""
    return {mark: leaf.rate for mark, leaf in tree.leaves.items() if leaf.parent == parent}


def sums_are_exact(system: System, by: Algorithm) -> None:
    """Parents sum to the line and children to their parent, to the last kbit/s; every class may use the whole line."""
    for direction, tree in zip(DIRECTIONS, trees(system, by), strict=True):
        assert tree.capacity == system.kbit(direction)
        assert tree.homes + tree.guests == tree.capacity
        assert sum(rates(tree, HOMES).values()) == (tree.homes if system.homes else 0)
        assert sum(rates(tree, GUEST_POOL).values()) == tree.guests
        assert all(leaf.rate >= 1 and leaf.ceil == tree.capacity for leaf in tree.leaves.values())


def floors_hold(system: System, by: Algorithm) -> None:
    """Every home has the floor while floors fit; else all have the same, and the tree says how much that is."""
    for direction, tree in zip(DIRECTIONS, trees(system, by), strict=True):
        homes = rates(tree, HOMES).values()
        if not homes:
            continue
        assert min(homes) >= assured(system, system.kbit(direction))[0] - ROUNDING
        assert tree.floor == min(system.policy.floor, *homes)
        if tree.floor < system.policy.floor:
            assert max(homes) - min(homes) <= ROUNDING


def rates_follow_weights(system: System, by: Algorithm) -> None:
    """Rates of homes above the floor are to each other as shares times weights of their levels."""
    plan = plan_of(system, by)
    weights = weights_of(system, plan.levels)
    for tree in plan.trees.values():
        above = {m: rate for m, rate in rates(tree, HOMES).items() if rate > system.policy.floor + ROUNDING}
        rate_of, weight_of = max(((rate, weights[mark]) for mark, rate in above.items()), default=(0, 1.0))
        for mark, rate in above.items():
            fit = rate_of * weights[mark] / weight_of
            assert abs(rate - fit) <= 1 + ROUNDING + HAIR * tree.capacity


def levels_only_lower(system: System, by: Algorithm) -> None:
    """Of two homes, the one with more weight never has the lower rate or the smaller quantum."""
    plan = plan_of(system, by)
    weights = weights_of(system, plan.levels)
    for tree in plan.trees.values():
        homes = list(rates(tree, HOMES))[:12]
        for low, high in permutations(homes, 2):
            if weights[low] >= weights[high]:
                assert tree.leaves[low].rate >= tree.leaves[high].rate - ROUNDING
                assert tree.leaves[low].quantum >= tree.leaves[high].quantum


def a_newcomer_has_its_slice_at_once(system: System, by: Algorithm) -> None:
    """A home that joins now has no less than any other home of as many shares."""
    mark = FIRST_HOME + len(system.homes)
    new = Household("NEW", mark)
    crowd = replace(
        system.crowd,
        members=[*system.crowd.members, device(4000, mark)],
        present=[*system.crowd.present, mark],
        households={**system.households, mark: new},
    )
    for tree in trees(system, by, crowd):
        like = [tree.leaves[home.mark].rate for home in system.homes if home.shares == 1]
        assert all(tree.leaves[mark].rate >= rate - ROUNDING for rate in like)


def who_comes_first_does_not_matter(system: System, by: Algorithm) -> None:
    """Order and names change nothing: not of devices, households, presence or memory."""
    crowd, plan = system.crowd, plan_of(system, by)
    back = replace(
        crowd,
        members=list(crowd.members)[::-1],
        present=list(crowd.present)[::-1],
        households=backwards(crowd.households),
        strangers=list(crowd.strangers)[::-1],
    )
    assert decided(system, by, back) == plan
    names = {home.handle: f"Z{n * 7 % 101}" for n, home in enumerate(system.homes)}
    known = {mark: replace(home, handle=names[home.handle]) for mark, home in crowd.households.items()}
    past = {names[handle]: past for handle, past in backwards(system.memory.homes).items()}
    renamed = by.decide(
        replace(crowd, households=known), replace(system.memory, homes=past), system.capacity, system.policy
    )
    assert (renamed.trees, renamed.levels) == (plan.trees, plan.levels)


def which_number_a_home_has_does_not_matter(system: System, by: Algorithm) -> None:
    """Another mark for a home changes no rate by more than rounding."""
    crowd, plan = system.crowd, plan_of(system, by)
    last = FIRST_HOME * 2 + len(system.homes) - 1
    other = {mark: last - mark if mark in system.households else mark for mark in system.marks}
    moved = replace(
        crowd,
        members=[device(n, other[mark]) for n, mark in enumerate(system.marks)],
        present=list(other.values()),
        households={other[mark]: home for mark, home in crowd.households.items()},
    )
    for direction, tree in zip(DIRECTIONS, trees(system, by, moved), strict=True):
        before = plan.trees[direction]
        assert (tree.homes, tree.guests) == (before.homes, before.guests)
        assert all(abs(tree.leaves[other[m]].rate - before.leaves[m].rate) <= ROUNDING for m in system.marks)


def more_devices_gain_nothing(system: System, by: Algorithm) -> None:
    """A home with many devices, here and behind other nodes, has exactly what it has with one."""
    crowd = system.crowd
    if not system.homes:
        return
    mark = system.homes[system.choice % len(system.homes)].mark
    phones = [device(1000 + n, mark) for n in range(system.devices)]
    afar = {f"10.44.4.{n}": mark for n in range(system.choice % 9)}
    more = replace(crowd, members=[*phones, *crowd.members], announced=afar)
    assert decided(system, by, more).trees == plan_of(system, by).trees


def nothing_new_changes_nothing(system: System, by: Algorithm) -> None:
    """The same facts give the same plan, and a short time in which nothing happens gives the same classes."""
    plan = plan_of(system, by)
    assert decided(system, by, system.crowd) == plan
    settled = {
        home.handle: replace(past, level=plan.levels.get(home.mark, 0))
        for home in system.homes
        for past in [system.memory.homes[home.handle]]
    }
    memory = replace(system.memory, homes=settled)
    assert by.decide(system.crowd, memory, system.capacity, system.policy) == plan
