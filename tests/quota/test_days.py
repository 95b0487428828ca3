"""Days as a person would write them down: windows, weekdays, bursts, and cuts that lose nothing."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from meshctl.model import DIRECTIONS, Capacity
from meshctl.quota.days import (
    DAY,
    HOUR,
    Days,
    Guests,
    Home,
    Sag,
    Scenario,
    Span,
    Stay,
    Want,
    live,
    stretches,
    windows,
)
from meshctl.scenariofile import lots


def hours(found: object) -> list[tuple[float, float]]:
    return [(low / HOUR, high / HOUR) for low, high in found]  # type: ignore[attr-defined]


def test_a_window_may_run_over_midnight_and_is_cut_at_both_ends() -> None:
    assert hours(windows((22, 6), (), 2 * DAY)) == [(0, 6), (22, 30), (46, 48)]
    assert hours(windows((17, 24), (), DAY)) == [(17, 24)]
    assert hours(windows((6, 6), (), DAY)) == [(0, 6), (6, 24)]


def test_a_weekday_is_that_of_the_evening_it_begins_in() -> None:
    assert hours(windows((22, 6), ("sun",), 7 * DAY)) == [(0, 6), (6 * 24 + 22, 168)]
    assert hours(windows((9, 17), ("tue", "thu"), 7 * DAY)) == [(33, 41), (81, 89)]


def test_bursts_fall_by_lot_in_the_part_that_was_said() -> None:
    street = Scenario("x", 20, 5, (Home("A", want=(Want(8, (17, 23), part=0.35, minutes=10),)),), days=100)
    spans = live(street, lots(7)).spans
    assert {span.end - span.start for span in spans} == {600.0}
    assert {17 * HOUR <= span.start % DAY < 23 * HOUR for span in spans} == {True}
    assert 0.32 < sum(span.end - span.start for span in spans) / (100 * 6 * HOUR) < 0.38
    assert live(street, lots(7)) == live(street, lots(7)) != live(street, lots(8))


def test_the_lot_of_one_home_does_not_depend_on_who_else_lives_there() -> None:
    def spans(*names: str) -> list[Span]:
        homes = tuple(Home(name, want=(Want(8, part=0.3),)) for name in names)
        return [span for span in live(Scenario("x", 20, 5, homes, days=3), lots(1)).spans if span.who == "A"]

    assert spans("A") == spans("B", "A", "C")


def test_a_home_is_there_from_its_day_until_its_day_and_guests_in_their_hours() -> None:
    homes = (
        Home("old", until_day=1, want=(Want(1),)),
        Home("new", from_day=1, want=(Want(1),)),
        Home("late", from_day=9),
    )
    guests = Guests(2, (9, 18), want=(Want(3, (0, 12)),))
    cut = list(stretches(live(Scenario("x", 20, 5, homes, 2, (guests,), (Sag((18, 23), 8, 2),)), lots(1))))
    at = {one.start: one for one in cut}
    assert at[0.0].present == {"old": 1}
    assert at[DAY].present == {"new": 1}
    assert (at[0.0].ages["old"] > 300 * DAY, at[DAY].ages["new"]) == (True, 0.0)
    assert at[10 * HOUR].guests["down"] == (375_000, 375_000)
    assert at[13 * HOUR].guests["down"] == (0, 0)
    assert at[20 * HOUR].guests["down"] == ()
    assert at[20 * HOUR].capacity == Capacity(1_000_000, 250_000)


times = st.integers(0, 2 * 24 * 60).map(lambda minute: minute * 60.0)
wishes = st.builds(
    lambda one, two, who, direction, rate: Span(min(one, two), max(one, two), who, direction, rate),
    times,
    times,
    st.sampled_from("AB"),
    st.sampled_from(DIRECTIONS),
    st.integers(1, 1000).map(float),
)


@given(st.lists(wishes, max_size=12))
def test_stretches_cover_all_time_and_lose_no_byte(spans: list[Span]) -> None:
    stays = (Stay(0.0, 2 * DAY, "A"), Stay(0.0, 2 * DAY, "B"))
    cut = list(stretches(Days(2 * DAY, Capacity(1e6, 1e6), stays, tuple(spans))))
    assert sum(one.seconds for one in cut) == 2 * DAY
    assert [one.start + one.seconds for one in cut[:-1]] == [one.start for one in cut[1:]]
    assert all(one.start // HOUR == (one.start + one.seconds - 1) // HOUR for one in cut)
    for who in "AB":
        for direction in DIRECTIONS:
            asked = sum((s.end - s.start) * s.rate for s in spans if (s.who, s.direction) == (who, direction))
            assert asked == sum(one.wants[direction][who] * one.seconds for one in cut)
