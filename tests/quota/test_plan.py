"""The decision holds its promises for any crowd."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meshctl.model import DIRECTIONS, Capacity, Device
from meshctl.quota.plan import FIRST_GUEST, FIRST_HOME, GUEST_POOL, HOMES, UNKNOWN, Plan, Settings, decide


def device(number: int, mark: int) -> Device:
    household = None if mark >= FIRST_GUEST else f"H{mark:03d}"
    return Device(f"02:00:00:00:{number >> 8:02x}:{number & 255:02x}", mark, household, None)


def crowd(homes: int, guests: int) -> list[Device]:
    marks = [*range(FIRST_HOME, FIRST_HOME + homes), *range(FIRST_GUEST, FIRST_GUEST + guests)]
    return [device(number, mark) for number, mark in enumerate(marks)]


def plan_of(homes: int, guests: int, kbit: int, weights: dict[int, float] | None = None, up: int = 0) -> Plan:
    members = crowd(homes, guests)
    capacity = Capacity(kbit * 125.0, (up or kbit) * 125.0)
    return decide(members, [d.mark for d in members], weights or {}, capacity, Settings(256, 0.30))


def assert_sums(plan: Plan) -> None:
    for direction in DIRECTIONS:
        tree = plan.trees[direction]
        assert tree.homes + tree.guests == tree.capacity
        homes = [leaf.rate for leaf in tree.leaves.values() if leaf.parent == HOMES]
        guests = [leaf.rate for leaf in tree.leaves.values() if leaf.parent == GUEST_POOL]
        assert not homes or sum(homes) == tree.homes
        assert sum(guests) == tree.guests
        assert all(leaf.rate >= 1 and leaf.ceil == tree.capacity for leaf in tree.leaves.values())


@settings(deadline=None)
@given(st.integers(0, 300), st.integers(0, 100), st.integers(500, 10**6), st.integers(500, 10**5), st.data())
def test_children_sum_to_their_parent_in_both_directions(
    homes: int, guests: int, down: int, up: int, draw: st.DataObject
) -> None:
    some = draw.draw(
        st.dictionaries(st.integers(FIRST_HOME, FIRST_HOME + 300), st.sampled_from([0.125, 0.5, 8.0]), max_size=20)
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
@settings(deadline=None)
def test_homes_keep_their_part_beside_64_guests(homes: int, kbit: int) -> None:
    assert plan_of(homes, 64, kbit).trees["down"].homes >= 0.70 * kbit


@given(st.integers(1, 8), st.integers(1, 40))
def test_more_devices_do_not_make_a_bigger_share(split: int, homes: int) -> None:
    alone = crowd(homes, 3)
    more = [device(1000 + number, FIRST_HOME) for number in range(split)]
    capacity, policy = Capacity(2.5e6, 1e6), Settings(256, 0.30)
    marks = [d.mark for d in alone]
    one = decide(alone, marks, {}, capacity, policy)
    many = decide([*more, *alone], [*marks, *(d.mark for d in more)], {}, capacity, policy)
    assert one.trees == many.trees


def test_order_does_not_matter() -> None:
    members = crowd(7, 5)
    marks = [d.mark for d in members]
    capacity, policy = Capacity(2.5e6, 1e6), Settings(256, 0.30)
    assert decide(members, marks, {}, capacity, policy) == decide(members[::-1], marks[::-1], {}, capacity, policy)


def test_who_is_not_here_has_no_class_and_stays_a_member() -> None:
    members = crowd(2, 1)
    plan = decide(members, [FIRST_HOME, 0x77], {}, Capacity(2.5e6, 2.5e6), Settings(256, 0.30))
    assert plan.trees["up"].leaves.keys() == {FIRST_HOME, UNKNOWN}
    assert len(plan.members) == 3
    assert (plan.homes, plan.guests) == (1, 0)


def test_a_node_without_a_line_shapes_nothing() -> None:
    plan = decide(crowd(2, 1), [FIRST_HOME], {}, None, Settings(256, 0.30))
    assert plan.trees == {}
    assert (plan.homes, plan.guests, len(plan.members)) == (0, 0, 3)


def test_one_home_more_never_gives_another_more() -> None:
    before = [plan_of(homes, 2, 20_000).trees["down"].leaves[FIRST_HOME].rate for homes in range(1, 60)]
    assert before == sorted(before, reverse=True)


def test_quanta_follow_weights_and_stay_in_bounds() -> None:
    tree = plan_of(2, 0, 20_000, {FIRST_HOME: 1.0, FIRST_HOME + 1: 100.0}).trees["down"]
    assert tree.leaves[FIRST_HOME].quantum == 1514
    assert tree.leaves[FIRST_HOME + 1].quantum == 65536
    assert all(50 <= leaf.limit <= 250 for leaf in tree.leaves.values())
