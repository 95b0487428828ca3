"""The decision holds its promises for any crowd."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshctl.model import DIRECTIONS, Capacity, Device, Household, Policy
from meshctl.quota.plan import (
    FIRST_GUEST,
    FIRST_HOME,
    FIRST_STRANGER,
    GUEST_POOL,
    HOMES,
    LAST_GUEST,
    LAST_STRANGER,
    UNKNOWN,
    UNKNOWN_KBIT,
    Crowd,
    Plan,
    stranger_mark,
)
from meshctl.quota.plan import decide as decide_for
from meshctl.quota.usage import Filled, Memory, Past

POLICY = Policy()
NOBODY: dict[str, int] = {}


def decide(
    members: Collection[Device],
    present: Collection[int],
    shares: Mapping[int, int],
    capacity: Capacity | None,
    announced: Mapping[str, int] = NOBODY,
    strangers: Collection[int] = (),
) -> Plan:
    """Decide for households that remember nothing, with so many shares."""
    households = {mark: Household(f"H{mark:03d}", mark, some) for mark, some in shares.items()}
    return decide_for(Crowd(members, present, households, announced, strangers), None, capacity, POLICY)


def device(number: int, mark: int) -> Device:
    household = None if mark >= FIRST_GUEST else f"H{mark:03d}"
    return Device(f"02:00:00:00:{number >> 8:02x}:{number & 255:02x}", mark, household, None)


def crowd(homes: int, guests: int) -> list[Device]:
    marks = [*range(FIRST_HOME, FIRST_HOME + homes), *range(FIRST_GUEST, FIRST_GUEST + guests)]
    return [device(number, mark) for number, mark in enumerate(marks)]


def plan_of(homes: int, guests: int, kbit: int, shares: dict[int, int] | None = None, up: int = 0) -> Plan:
    members = crowd(homes, guests)
    capacity = Capacity(kbit * 125.0, (up or kbit) * 125.0)
    return decide(members, [d.mark for d in members], shares or {}, capacity)


def assert_sums(plan: Plan) -> None:
    for direction in DIRECTIONS:
        tree = plan.trees[direction]
        assert tree.homes + tree.guests == tree.capacity
        homes = [leaf.rate for leaf in tree.leaves.values() if leaf.parent == HOMES]
        guests = [leaf.rate for leaf in tree.leaves.values() if leaf.parent == GUEST_POOL]
        assert not homes or sum(homes) == tree.homes
        assert sum(guests) == tree.guests
        assert all(leaf.rate >= 1 and leaf.ceil == tree.capacity for leaf in tree.leaves.values())


@given(st.integers(0, 300), st.integers(0, 100), st.integers(500, 10**6), st.integers(500, 10**5), st.data())
def test_children_sum_to_their_parent_in_both_directions(
    homes: int, guests: int, down: int, up: int, draw: st.DataObject
) -> None:
    some = draw.draw(
        st.dictionaries(st.integers(FIRST_HOME, FIRST_HOME + 300), st.sampled_from([1, 3, 8]), max_size=20)
    )
    assert_sums(plan_of(homes, guests, down, some, up))


@pytest.mark.parametrize("kbit", [100, 101, 128, 256, 500])
@pytest.mark.parametrize(("homes", "guests"), [(0, 0), (1, 0), (0, 1), (1, 1), (12, 4), (40, 20)])
def test_a_tiny_line_is_still_divided_whole(kbit: int, homes: int, guests: int) -> None:
    assert_sums(plan_of(homes, guests, kbit))


@pytest.mark.parametrize(("homes", "kbit"), [(0, 20_000), (300, 100), (300, 150)])
def test_more_homes_than_kilobits_is_no_fault(homes: int, kbit: int) -> None:
    tree = plan_of(homes, 64, kbit).trees["down"]
    assert len(tree.leaves) == homes + 65
    assert all(leaf.rate >= 1 for leaf in tree.leaves.values())


@given(st.integers(1, 300), st.integers(1000, 10**6))
def test_homes_keep_their_part_beside_64_guests(homes: int, kbit: int) -> None:
    assert plan_of(homes, 64, kbit).trees["down"].homes >= 0.70 * kbit


@given(st.integers(1, 8), st.integers(1, 40))
def test_more_devices_do_not_make_a_bigger_share(split: int, homes: int) -> None:
    alone = crowd(homes, 3)
    more = [device(1000 + number, FIRST_HOME) for number in range(split)]
    capacity = Capacity(2.5e6, 1e6)
    marks = [d.mark for d in alone]
    one = decide(alone, marks, {}, capacity)
    many = decide([*more, *alone], [*marks, *(d.mark for d in more)], {}, capacity)
    assert one.trees == many.trees


def test_order_does_not_matter() -> None:
    members = crowd(7, 5)
    marks = [d.mark for d in members]
    capacity = Capacity(2.5e6, 1e6)
    assert decide(members, marks, {}, capacity) == decide(members[::-1], marks[::-1], {}, capacity)


def test_who_is_not_here_has_no_class_and_stays_a_member() -> None:
    members = crowd(2, 1)
    plan = decide(members, [FIRST_HOME, 0x77], {}, Capacity(2.5e6, 2.5e6))
    assert plan.trees["up"].leaves.keys() == {FIRST_HOME, UNKNOWN}
    assert len(plan.members) == 3
    assert (plan.homes, plan.guests) == (1, 0)


def test_a_node_without_a_line_shapes_nothing() -> None:
    plan = decide(crowd(2, 1), [FIRST_HOME], {}, None)
    assert plan.trees == {}
    assert (plan.homes, plan.guests, len(plan.members)) == (1, 0, 3)


def test_one_home_more_never_gives_another_more() -> None:
    before = [plan_of(homes, 2, 20_000).trees["down"].leaves[FIRST_HOME].rate for homes in range(1, 60)]
    assert before == sorted(before, reverse=True)


@pytest.mark.parametrize("guests", [1, 3, 64])
def test_guests_together_have_what_one_home_has_where_floors_do_not_fit(guests: int) -> None:
    tree = plan_of(300, guests, 50_000).trees["down"]
    assert tree.floor == 50_000 // 301
    assert tree.guests >= tree.floor
    assert plan_of(195, 0, 50_000).trees["down"].floor == 256


def test_weights_that_are_no_binary_fractions_add_up_in_any_order() -> None:
    policy = Policy(newcomer=0, level_above=(1.2, 1.3, 1.4), level_weight=(1.0, 0.7, 0.35, 0.15))
    past = {f"H{n:03d}": Past(0.0, 1.0, 1.0, down=(0.0, 0.0, 1.25, 1.35)[n]) for n in range(4)}
    memory = Memory(1.0, Filled(1.0, 1.0), Filled(1.0, 1.0), past)

    def parents(handles: list[str], kbit: int) -> tuple[int, int]:
        people = [device(n, mark) for n, mark in enumerate([*range(FIRST_HOME, FIRST_HOME + 4), FIRST_GUEST])]
        homes = {FIRST_HOME + n: Household(handle, n + 1) for n, handle in enumerate(handles)}
        here = Crowd(people, [d.mark for d in people], homes)
        tree = decide_for(here, memory, Capacity(kbit * 125.0, 1e6), policy).trees["down"]
        return tree.homes, tree.guests

    for kbit in range(2025, 8100, 81):  # by one rounding the guest's part is a whole number, by another less
        assert parents(list(past), kbit) == parents(list(past)[::-1], kbit)


def test_quanta_follow_weights_and_stay_in_bounds() -> None:
    tree = plan_of(2, 0, 20_000, {FIRST_HOME: 1, FIRST_HOME + 1: 100}).trees["down"]
    assert tree.leaves[FIRST_HOME].quantum == 1514
    assert tree.leaves[FIRST_HOME + 1].quantum == 65536
    assert all(50 <= leaf.limit <= 250 for leaf in tree.leaves.values())


def test_no_quantum_is_below_the_largest_packet_with_offloads() -> None:
    households = {FIRST_HOME + n: Household(f"H{n}", n + 1, shares) for n, shares in enumerate((1, 4))}
    people = crowd(2, 1)
    here = Crowd(people, [d.mark for d in people], households)
    plan = decide_for(here, None, Capacity(2.5e6, 2.5e6), POLICY, merged=True)
    assert [plan.trees["down"].leaves[mark].quantum for mark in (FIRST_HOME, FIRST_HOME + 1, FIRST_GUEST)] == [
        65536, 4 * 65536, 65536,
    ]  # fmt: skip


AT_OTHERS = {"10.44.4.7": FIRST_HOME, "2001:db8:4::7": FIRST_HOME, "10.44.4.8": FIRST_GUEST, "10.44.8.9": 0x55}


def test_marks_of_guests_and_strangers_never_meet() -> None:
    assert LAST_GUEST < FIRST_STRANGER < stranger_mark(1) < stranger_mark(4000) <= LAST_STRANGER < 0x10000
    for number in (0, -1, LAST_STRANGER - FIRST_STRANGER + 1):
        with pytest.raises(ValueError, match="no node's number"):
            stranger_mark(number)


def test_a_home_behind_another_node_has_the_leaf_of_one_that_is_here() -> None:
    marks = {FIRST_HOME, FIRST_GUEST, 0x55}
    far = decide([], marks, {}, Capacity(2.5e6, 1e6), AT_OTHERS)
    near = decide([device(n, mark) for n, mark in enumerate(marks)], marks, {}, Capacity(2.5e6, 1e6))

    assert far.trees == near.trees
    assert (far.homes, far.guests) == (2, 1)
    assert far.announced == AT_OTHERS


def test_a_home_with_phones_at_two_nodes_has_one_leaf() -> None:
    here = [device(1, FIRST_HOME), device(2, FIRST_HOME + 1)]
    marks = [d.mark for d in here]
    alone = decide(here, marks, {}, Capacity(2.5e6, 1e6))
    both = decide(here, marks, {}, Capacity(2.5e6, 1e6), {"10.44.4.7": FIRST_HOME, "fd44:4::7": FIRST_HOME})

    assert both.trees == alone.trees
    assert both.homes == 2


def test_a_mark_that_was_announced_and_is_not_present_has_no_leaf() -> None:
    plan = decide([], [FIRST_GUEST], {}, Capacity(2.5e6, 1e6), AT_OTHERS)

    assert plan.trees["down"].leaves.keys() == {FIRST_GUEST, UNKNOWN}


def test_every_node_s_strangers_have_a_leaf_before_anybody_uses_it() -> None:
    strangers = [stranger_mark(n) for n in (1, 2, 3)]
    idle = decide(crowd(2, 1), [FIRST_HOME, FIRST_GUEST], {}, Capacity(2.5e6, 1e6), {}, strangers)
    used = decide(crowd(2, 1), [FIRST_HOME, FIRST_GUEST, strangers[1]], {}, Capacity(2.5e6, 1e6), {}, strangers)

    assert {idle.trees["down"].leaves[mark].rate for mark in (*strangers, UNKNOWN)} == {UNKNOWN_KBIT}
    assert (idle.homes, idle.guests) == (1, 1)
    assert (used.homes, used.guests) == (1, 2)
    leaves = used.trees["down"].leaves
    assert abs(leaves[strangers[1]].rate - leaves[FIRST_GUEST].rate) <= 1
    assert leaves[strangers[0]].rate == UNKNOWN_KBIT


@given(
    st.sets(st.integers(FIRST_HOME, FIRST_HOME + 40), max_size=20),
    st.sets(st.integers(FIRST_HOME, FIRST_HOME + 40), max_size=20),
    st.sets(st.integers(FIRST_GUEST, FIRST_GUEST + 60), max_size=40),
    st.sets(st.integers(1, 60), max_size=40),
    st.integers(200, 10**6),
    st.data(),
)
def test_a_whole_neighbourhood_is_divided_without_rest(
    near: set[int], far: set[int], guests: set[int], nodes: set[int], kbit: int, draw: st.DataObject
) -> None:
    members = [device(n, mark) for n, mark in enumerate(sorted(near))]
    announced = {f"10.44.4.{n}": mark for n, mark in enumerate(sorted(far | guests))}
    strangers = {stranger_mark(n) for n in nodes}
    seen = draw.draw(st.sets(st.sampled_from(sorted(strangers)))) if strangers else set()
    known = near | far | guests | strangers
    marks = draw.draw(st.sets(st.sampled_from(sorted(known)))) if known else set()
    plan = decide(members, marks | seen, {}, Capacity(kbit * 125.0, 62_500.0), announced, strangers)

    assert_sums(plan)
    here = (marks | seen) & known
    assert plan.trees["down"].leaves.keys() == here | strangers | {UNKNOWN}
    assert plan.homes == len([mark for mark in here if mark < FIRST_GUEST])
    assert plan.homes + plan.guests == len(here)


@given(st.integers(1, 60), st.integers(0, 64), st.integers(1, 200), st.integers(3000, 10**6))
def test_leaves_that_nobody_uses_cost_homes_next_to_nothing(homes: int, guests: int, nodes: int, kbit: int) -> None:
    members = crowd(homes, guests)
    strangers = [stranger_mark(n) for n in range(1, nodes + 1)]
    capacity = Capacity(kbit * 125.0, 62_500.0)
    plan = decide(members, [d.mark for d in members], {}, capacity, {}, strangers)

    assert plan.trees["down"].homes >= min(0.70 * kbit, kbit - guests - max(0.05 * kbit, nodes + 1))
