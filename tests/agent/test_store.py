"""node.db keeps what it said it keeps, over restarts, and never counts twice."""

from __future__ import annotations

from pathlib import Path

import pytest

from meshctl.agent.passes import verifier
from meshctl.agent.store import Entry, Store, StoreError
from meshctl.model import GUESTS, ClockReading
from meshctl.quota.meter import Count, Place, meter
from meshctl.quota.plan import FIRST_GUEST, FIRST_HOME

NOW = ClockReading(10.0, 1_790_000_000.0, trusted=False)
HOME: Place = ("uplink", "down", FIRST_HOME)
GUEST: Place = ("uplink", "down", FIRST_GUEST + 3)


def turn(store: Store, now: dict[Place, Count]) -> None:
    before = store.readings()
    store.record(meter(before, now), before, now, NOW)


def test_bytes_are_charged_to_the_household_and_to_all_guests_together(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.add_household("AAAA", 1, verifier("x"), NOW)
    turn(store, {HOME: Count("8001", 100), GUEST: Count("8002", 7)})
    turn(store, {HOME: Count("8001", 150), GUEST: Count("8002", 9)})

    assert store.ledger() == {("uplink", "down", "AAAA"): 150, ("uplink", "down", GUESTS): 9}
    store.close()


def test_a_store_opened_again_goes_on_where_it_was_and_counts_nothing_twice(tmp_path: Path) -> None:
    store = Store(tmp_path)
    turn(store, {GUEST: Count("8002", 1000)})
    store.close()
    store = Store(tmp_path)
    turn(store, {GUEST: Count("8002", 1000)})
    turn(store, {GUEST: Count("8002", 1600)})
    turn(store, {GUEST: Count("9001", 50)})  # the class was made anew and starts from zero

    assert store.ledger() == {("uplink", "down", GUESTS): 1650}
    store.close()


def test_a_turn_that_fails_in_the_middle_leaves_ledger_and_readings_as_they_were(tmp_path: Path) -> None:
    store = Store(tmp_path)
    turn(store, {GUEST: Count("8002", 1000)})
    before = store.readings()
    broken = {GUEST: Count("8002", 2000), ("uplink", "down", "no mark"): Count("1", 1)}
    with pytest.raises(Exception, match="cannot store"):
        store.record(meter(before, {GUEST: Count("8002", 2000)}), before, broken, NOW)  # type: ignore[arg-type]

    assert store.ledger() == {("uplink", "down", GUESTS): 1000}
    assert store.readings()[GUEST].sent == 1000
    store.close()


def test_a_damaged_file_is_set_aside_and_the_node_comes_up_as_a_later_boot(tmp_path: Path) -> None:
    store = Store(tmp_path)
    assert [store.boot("one"), store.boot("one"), store.boot("two")] == [1, 1, 2]
    store.close()
    (tmp_path / "node.db").write_bytes(b"not a database at all" * 500)
    store = Store(tmp_path)

    assert store.set_aside == tmp_path / "node.db.damaged-1"
    assert store.set_aside.read_bytes().startswith(b"not a database")
    assert store.boot("three") == 3
    store.close()


def test_a_taken_handle_is_refused_and_numbers_are_given_in_order(tmp_path: Path) -> None:
    store = Store(tmp_path)
    first = store.add_household("AAAA", 1, verifier("x"), NOW)
    with pytest.raises(StoreError, match="exists already"):
        store.add_household("AAAA", 1, verifier("y"), NOW)
    second = store.add_household("BBBB", 2, verifier("y"), NOW)

    assert (first.number, second.number) == (1, 2)
    assert [h.handle for h in store.households()] == ["AAAA", "BBBB"]
    assert store.household("CCCC") is None
    store.close()


def test_the_journal_gives_the_newest_first_then_the_oldest_and_numbers_never_repeat(tmp_path: Path) -> None:
    store = Store(tmp_path)
    for number in range(1, 7):
        assert store.next_sequence() == number
        store.append(Entry(number, 1, b"{}", b"s"))

    assert [entry.sequence for entry in store.unsent(4)] == [6, 1, 2, 3]
    store.mark_sent([6, 1, 2])
    assert [entry.sequence for entry in store.unsent(9)] == [5, 3, 4]
    assert store.purge_journal(2) == 4
    assert store.next_sequence() == 7
    store.close()


def test_events_are_counted_over_restarts(tmp_path: Path) -> None:
    store = Store(tmp_path)
    assert [store.counted("repairs"), store.count("repairs"), store.count("repairs")] == [0, 1, 2]
    store.close()
    store = Store(tmp_path)

    assert store.counted("repairs") == 2
    store.close()
