"""How a line is divided: exactly, above the floor, and whoever stands first in the list."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from meshctl.quota.share import fill, guest_pool, max_min

weights = st.dictionaries(st.integers(0x10, 0x200), st.sampled_from([0.125, 0.25, 0.5, 1.0, 2.0, 8.0]), max_size=60)


@given(st.integers(0, 10**6), weights, st.integers(0, 5000))
def test_the_parts_sum_to_the_whole(total: int, shares: dict[int, float], floor: int) -> None:
    parts = fill(total, shares, floor)
    assert parts.keys() == shares.keys()
    assert sum(parts.values()) == (total if shares else 0)
    assert all(part >= 0 for part in parts.values())


@given(st.integers(0, 10**6), weights, st.integers(0, 5000))
def test_nobody_is_below_the_floor_while_floors_fit(total: int, shares: dict[int, float], floor: int) -> None:
    assume(shares and floor * len(shares) <= total)
    assert min(fill(total, shares, floor).values()) >= floor


@given(st.integers(0, 10**5), weights, st.integers(0, 5000))
def test_floors_that_do_not_fit_scale_down_equally(total: int, shares: dict[int, float], floor: int) -> None:
    assume(shares and floor * len(shares) > total)
    parts = fill(total, shares, floor).values()
    assert max(parts) - min(parts) <= 1


@given(st.integers(0, 10**6), weights, st.integers(0, 5000), st.randoms())
def test_the_order_of_the_list_does_not_matter(
    total: int, shares: dict[int, float], floor: int, shuffled: object
) -> None:
    rows = list(shares.items())
    shuffled.shuffle(rows)  # type: ignore[attr-defined]
    assert fill(total, dict(rows), floor) == fill(total, shares, floor)


@given(st.integers(1000, 10**6), weights)
def test_without_a_floor_parts_are_in_proportion(total: int, shares: dict[int, float]) -> None:
    assume(shares)
    parts = fill(total, shares, 0)
    for key, weight in shares.items():
        assert abs(parts[key] - total * weight / sum(shares.values())) < 1 + 1e-6


def test_a_light_home_gets_the_floor_and_the_others_the_rest() -> None:
    assert fill(1000, {1: 1.0, 2: 1.0, 3: 0.1}, 100) == {1: 450, 2: 450, 3: 100}


@given(
    st.integers(1, 10**6), st.integers(0, 400), st.floats(0, 400), st.integers(8, 5000), st.floats(0.05, 0.95),
    st.integers(0, 10**6),
)  # fmt: skip
def test_guests_are_bounded(
    capacity: int, guests: int, weight: float, floor: int, guest_share: float, homes_floor: int
) -> None:
    homes_floor = min(homes_floor, capacity)
    pool = guest_pool(capacity, guests, weight, floor, guest_share, homes_floor)
    assert 0 <= pool <= guest_share * capacity
    assert pool <= capacity - homes_floor
    assert guests or pool == 0


def test_a_few_guests_weigh_like_homes() -> None:
    assert guest_pool(20_000, 1, 9.0, 256, 0.30, 2304) == 2000


def test_many_guests_never_have_more_than_their_share() -> None:
    assert guest_pool(20_000, 64, 1.0, 256, 0.30, 256) == 5850


demands = st.dictionaries(st.integers(0, 50), st.floats(0, 1e6), max_size=30)


@given(st.floats(1, 1e6), demands, st.data())
def test_max_min_is_feasible_conserves_work_and_starves_nobody(
    capacity: float, wanted: dict[int, float], draw: st.DataObject
) -> None:
    weight = {key: draw.draw(st.sampled_from([0.125, 0.5, 1.0, 4.0])) for key in wanted}
    got = max_min(capacity, wanted, weight)
    assert got.keys() == wanted.keys()
    assert sum(got.values()) == pytest.approx(min(capacity, sum(wanted.values())), rel=1e-6, abs=1e-6)
    short = [got[k] / weight[k] for k in wanted if got[k] < wanted[k] * (1 - 1e-9)]
    for key, demand in wanted.items():
        assert -1e-6 <= got[key] <= demand * (1 + 1e-9) + 1e-9
        assert got[key] >= min(demand, capacity * weight[key] / sum(weight.values())) * (1 - 1e-6)
        if short:
            assert got[key] / weight[key] <= min(short) * (1 + 1e-6) + 1e-9
