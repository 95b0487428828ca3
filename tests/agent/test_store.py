"""node.db forgets nothing and counts nothing twice."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from meshctl.agent.passes import Verifier
from meshctl.agent.store import Entry, Store, StoreError
from meshctl.model import GUESTS, ClockReading
from meshctl.quota.meter import Count, Place, meter
from meshctl.quota.plan import FIRST_GUEST, FIRST_HOME

CLOCK = ClockReading(10.0, 1.8e9, trusted=True)
HOME: Place = ("isp", "down", FIRST_HOME)
GUEST: Place = ("isp", "down", FIRST_GUEST)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with closing(Store(tmp_path)) as opened:
        opened.add_household("AAAA", 1, Verifier(b"salt", b"digest"), CLOCK)
        yield opened


def test_bytes_are_charged_to_the_home_and_to_all_guests_together(store: Store) -> None:
    now = {HOME: Count("1", 500), GUEST: Count("2", 70), ("isp", "down", FIRST_GUEST + 1): Count("3", 5)}
    store.record(meter({}, now), {}, now)
    assert store.ledger() == {("isp", "down", "AAAA"): 500, ("isp", "down", GUESTS): 75}
    assert store.readings() == now


def test_after_opening_again_no_byte_counts_twice(store: Store, tmp_path: Path) -> None:
    now = {HOME: Count("1", 500)}
    store.record(meter({}, now), {}, now)
    with closing(Store(tmp_path)) as again:
        before, later = again.readings(), {HOME: Count("1", 600)}
        again.record(meter(before, later), before, later)
        assert again.ledger() == {("isp", "down", "AAAA"): 600}


def test_a_record_that_fails_leaves_ledger_and_readings_as_they_were(store: Store) -> None:
    before = {HOME: Count("1", 500)}
    store.record(meter({}, before), {}, before)
    broken = {HOME: Count("1", 600), GUEST: Count("2", 2**70)}
    with pytest.raises(OverflowError):
        store.record(meter(before, broken), before, broken)
    assert store.ledger() == {("isp", "down", "AAAA"): 500}
    assert store.readings() == before


def test_a_damaged_file_is_set_aside_and_the_boot_number_still_rises(tmp_path: Path) -> None:
    with closing(Store(tmp_path)) as first:
        assert [first.boot("x"), first.boot("x"), first.boot("y")] == [1, 1, 2]
    (tmp_path / "node.db").write_bytes(b"not a database at all" * 100)
    with closing(Store(tmp_path)) as second:
        assert second.set_aside == tmp_path / "node.db.damaged-1"
        assert second.set_aside.exists()
        assert second.boot("z") == 3


def test_a_handle_is_given_once(store: Store) -> None:
    with pytest.raises(StoreError, match="AAAA exists already"):
        store.add_household("AAAA", 1, Verifier(b"s", b"d"), CLOCK)
    assert [h.handle for h in store.households()] == ["AAAA"]


def test_the_newest_line_goes_first_and_then_the_oldest(store: Store) -> None:
    for number in range(1, 6):
        assert store.next_sequence() == number
        store.append(Entry(number, 1, b"{}", b""))
    assert [e.sequence for e in store.unsent(3)] == [5, 1, 2]
    store.mark_sent([5, 1, 2])
    assert [e.sequence for e in store.unsent(3)] == [4, 3]
    assert store.purge_journal(2) == 3
    assert store.next_sequence() == 6
