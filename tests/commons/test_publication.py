"""Each publication rule by its own test."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from meshctl.commons.publication import LEAST, RULES, Figures, Hour, coarse_count, publish, two_digits


def figures(homes: int, guests: int, *hours: Hour) -> Figures:
    return Figures(3, 2, homes, guests, 2.5e6, 1.25e6, hours)


def test_fewer_than_five_is_all_that_is_said_of_few() -> None:
    assert [coarse_count(n) for n in range(5)] == [None] * 5


def test_more_are_rounded_to_the_nearest_five() -> None:
    assert [coarse_count(n) for n in (5, 7, 8, 12, 13, 98)] == [5, 5, 10, 10, 15, 100]


def test_bytes_keep_two_significant_digits() -> None:
    assert [two_digits(n) for n in (0, 7, 99, 104, 105, 999, 123_456)] == [0, 7, 99, 100, 110, 1000, 120_000]


def test_while_few_are_present_nothing_carried_is_said() -> None:
    told = publish(figures(1, 3, Hour(10**9, 10**8, 40)))
    assert (told.down, told.up, told.hours_counted) == (None, None, 0)


def test_five_present_are_enough_for_what_was_carried() -> None:
    assert publish(figures(2, 3, Hour(1000, 100, 5))).down == 1000


def test_an_hour_with_few_people_is_left_out() -> None:
    told = publish(figures(4, 3, Hour(1000, 100, 5), Hour(777, 77, 4)))
    assert (told.down, told.up) == (1000, 100)
    assert (told.hours_counted, told.hours_known) == (1, 2)


def test_when_no_hour_counts_the_total_is_withheld_and_not_zero() -> None:
    assert publish(figures(9, 9, Hour(50, 5, 2))).down is None


def test_lines_and_nodes_are_nobodys_secret() -> None:
    told = publish(figures(0, 0))
    assert (told.nodes, told.nodes_fine, told.capacity_down_mbit, told.capacity_up_mbit) == (3, 2, 20.0, 10.0)


def test_pauses_are_counted_exactly_also_while_few_are_here() -> None:
    told = publish(Figures(3, 2, 1, 1, 0.0, 0.0, pauses=3, pauses_now=1))
    assert (told.pauses, told.pauses_now) == (3, 1)
    assert any("Pauses are counted exactly" in rule for rule in RULES)


people = st.integers(0, 300)
hours = st.builds(Hour, st.integers(0, 10**13), st.integers(0, 10**13), st.integers(0, 30))


@given(people, people, st.lists(hours, max_size=6))
def test_a_quiet_hour_never_changes_what_is_published(homes: int, guests: int, known: list[Hour]) -> None:
    busy = [hour for hour in known if hour.present >= LEAST]
    with_quiet, without = publish(figures(homes, guests, *known)), publish(figures(homes, guests, *busy))
    assert (with_quiet.down, with_quiet.up) == (without.down, without.up)
    if homes + guests < LEAST:
        assert with_quiet.down is None


@given(st.integers(0, 10**18))
def test_rounding_is_never_off_by_more_than_five_percent(amount: int) -> None:
    assert abs(two_digits(amount) - amount) <= 0.05 * amount


@given(people)
def test_a_count_is_never_exact_beyond_a_multiple_of_five(count: int) -> None:
    told = coarse_count(count)
    assert told is None or (told % LEAST == 0 and abs(told - count) <= LEAST // 2)


def test_every_rule_is_a_sentence() -> None:
    assert all(rule.endswith(".") for rule in RULES)
