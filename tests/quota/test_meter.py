"""Readings become bytes: each byte once, whatever restarts in between."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshctl.quota.meter import Count, Flow, Place, difference, jain, meter

PLACE: Place = ("isp", "down", 0x10)


@pytest.mark.parametrize(
    ("before", "now", "flow"),
    [
        (None, Count("a", 500), Flow(500, 0, held=False)),
        (Count("a", 500), Count("a", 700), Flow(200, 0, held=False)),
        (Count("a", 500), Count("a", 500), Flow(0, 0, held=False)),
        (Count("a", 500), Count("b", 700), Flow(700, 0, held=False)),
        (Count("a", 500), Count("a", 20), Flow(20, 0, held=False)),
        (Count("a", 500, dropped=9), Count("a", 600, dropped=2), Flow(600, 2, held=True)),
        (Count("a", 500, dropped=9), Count("a", 600, dropped=9), Flow(100, 0, held=False)),
        (Count("a", 500, dropped=9), Count("a", 600, dropped=10), Flow(100, 1, held=True)),
        (Count("a", 500), Count("a", 600, backlog=1), Flow(100, 0, held=True)),
    ],
)
def test_what_passed_between_two_looks(before: Count | None, now: Count, flow: Flow) -> None:
    assert difference(before, now) == flow


@given(st.lists(st.lists(st.integers(0, 10**12), max_size=6), max_size=6))
def test_every_byte_of_every_life_is_counted_once(lives: list[list[int]]) -> None:
    before: dict[Place, Count] = {}
    total = 0
    for number, amounts in enumerate(lives):
        sent = 0
        for amount in amounts:
            sent += amount
            now = {PLACE: Count(f"life-{number}", sent)}
            total += meter(before, now)[PLACE].sent
            before = now
    assert total == sum(sum(amounts) for amounts in lives)


counts = st.builds(Count, st.sampled_from("ab"), *[st.integers(0, 10**15)] * 4)


@given(st.none() | counts, counts)
def test_nothing_ever_flows_backwards(before: Count | None, now: Count) -> None:
    flow = difference(before, now)
    assert 0 <= flow.sent <= now.sent
    assert 0 <= flow.dropped <= now.dropped


def test_only_places_that_are_there_now_have_a_flow() -> None:
    other: Place = ("isp", "up", 0x11)
    flows = meter({PLACE: Count("a", 5)}, {other: Count("a", 7)})
    assert flows == {other: Flow(7, 0, held=False)}


@pytest.mark.parametrize(
    ("amounts", "index"), [([], None), ([0, 0], None), ([7], 1.0), ([3, 3, 3], 1.0), ([8, 0, 0, 0], 0.25)]
)
def test_jain_at_its_ends(amounts: list[float], index: float | None) -> None:
    assert jain(amounts) == index


@given(st.lists(st.floats(0.001, 1e9), min_size=1, max_size=40), st.floats(0.01, 1000))
def test_jain_is_bounded_and_has_no_unit(amounts: list[float], scale: float) -> None:
    index = jain(amounts)
    assert index is not None
    assert 1 / len(amounts) - 1e-9 <= index <= 1 + 1e-9
    assert jain([amount * scale for amount in amounts]) == pytest.approx(index)
