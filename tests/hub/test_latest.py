"""Order, hours and clocks, without a database."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshctl.hub.latest import HOUR, MOST_BYTES_AN_HOUR, RETENTION_SECONDS, Advance, advance, told_time
from meshctl.wire import Fact
from tests.hub.fleet import NOON, Board, carried

ELM = Board("elm")
FAILING = {"resolver": Fact(ok=False, error="no answer")}


def test_the_first_counter_is_where_counting_starts() -> None:
    first = advance("k", None, {}, [ELM.health(lines=carried(10**9))], NOON)
    assert first.hours == {}
    second = advance("k", first.standing, first.counters, [ELM.health(sequence=2, lines=carried(10**9 + 70))], NOON)
    assert second.hours == {("uplink", "down", NOON // HOUR): 70, ("uplink", "up", NOON // HOUR): 0}


def test_a_counter_that_went_back_starts_from_zero() -> None:
    first = advance("k", None, {}, [ELM.health(lines=carried(500))], NOON)
    later = advance("k", first.standing, first.counters, [ELM.health(boot=2, lines=carried(30))], NOON)
    assert later.hours["uplink", "down", int(NOON // HOUR)] == 30


@given(st.lists(st.integers(0, 10**6), min_size=2, max_size=8), st.data())
def test_every_byte_is_counted_once_in_whatever_order_batches_come(growth: list[int], data: st.DataObject) -> None:
    total, healths = 0, []
    for sequence, more in enumerate(growth, start=1):
        total += more
        healths.append(ELM.health(sequence=sequence, lines=carried(total)))
    rest = data.draw(st.permutations(healths[1:]))
    state = advance("k", None, {}, healths[:1], NOON)
    standing, counters, counted = state.standing, dict(state.counters), 0
    for health in rest:
        change = advance("k", standing, counters, [health], NOON)
        standing = change.standing or standing
        counters |= change.counters
        counted += sum(change.hours.values())
    assert counted == sum(growth[1:])
    assert standing is not None
    assert standing.order == (1, len(growth))


def test_one_nodes_nonsense_never_spoils_a_sum() -> None:
    healths = [ELM.health(sequence=n, lines=carried(2**61 * (n % 2))) for n in range(1, 9)]
    change = advance("k", None, {}, healths, NOON)
    assert max(change.hours.values()) == MOST_BYTES_AN_HOUR


@pytest.mark.parametrize(
    ("wall", "trusted", "told"),
    [
        (NOON - 7200, True, NOON - 7200),
        (NOON - 7200, False, NOON),
        (12.0, True, NOON),
        (NOON + 86_400, True, NOON),
        (NOON - RETENTION_SECONDS - 1, True, NOON),
    ],
)
def test_a_report_tells_its_own_time_only_when_that_can_be_believed(wall: float, trusted: bool, told: float) -> None:
    assert told_time(ELM.health(wall=wall, trusted=trusted), NOON) == told


def test_a_replayed_report_counts_in_the_hour_it_was_made() -> None:
    first = advance("k", None, {}, [ELM.health(lines=carried(0))], NOON)
    late = ELM.health(sequence=2, wall=NOON - 2 * HOUR, lines=carried(80))
    change = advance("k", first.standing, first.counters, [late], NOON)
    assert change.hours["uplink", "down", int(NOON // HOUR) - 2] == 80


def test_a_fact_fails_since_it_first_failed_and_not_after_it_was_well() -> None:
    first = advance("k", None, {}, [ELM.health(facts=FAILING, wall=NOON - 600)], NOON - 600)
    again = advance("k", first.standing, {}, [ELM.health(sequence=2, facts=FAILING)], NOON)
    assert again.standing is not None
    assert again.standing.facts["resolver"].since == NOON - 600
    well = advance("k", again.standing, {}, [ELM.health(sequence=3)], NOON)
    once_more = advance("k", well.standing, {}, [ELM.health(sequence=4, facts=FAILING, wall=NOON + 9)], NOON + 9)
    assert once_more.standing is not None
    assert once_more.standing.facts["resolver"].since == NOON + 9


def test_a_report_before_the_newest_changes_nothing() -> None:
    newest = advance("k", None, {}, [ELM.health(boot=2, lines=carried(50))], NOON)
    old = advance("k", newest.standing, newest.counters, [ELM.health(boot=1, sequence=99, lines=carried(40))], NOON)
    assert old == Advance(None)
