"""A home's days: 37 of them, no day made up, none lost to a clock that jumps."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from meshctl.agent.daily import KEPT
from meshctl.agent.passes import verifier
from meshctl.agent.store import Store
from meshctl.history import DayUse
from meshctl.model import GUESTS, ClockReading, Direction
from meshctl.quota.meter import Count, Place, meter
from meshctl.quota.plan import FIRST_GUEST, FIRST_HOME

NOON = 1_790_078_400.0
"""A trusted noon, UTC."""

DAY = 86_400.0


@pytest.fixture(autouse=True)
def greenwich(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.fixture
def street(tmp_path: Path) -> Iterator[Street]:
    street = Street(tmp_path)
    yield street
    street.store.close()


class Street:
    """One home and its guests, whose counters a test moves on."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.store = folder, Store(folder)
        self.store.add_household("AAAA", 1, verifier("x"), at(0))
        self.counts: dict[Place, Count] = {}

    def send(self, clock: ClockReading, sent: int, mark: int = FIRST_HOME, way: Direction = "down") -> None:
        place: Place = ("uplink", way, mark)
        before = dict(self.counts)
        held = before.get(place, Count("1", 0)).sent
        self.counts[place] = Count("1", held + sent)
        self.store.record(meter(before, self.counts), before, self.counts, clock)

    def days(self, household: str = "AAAA") -> dict[str, int]:
        return {one.day: one.down for one in self.store.daily.of(household)}

    def purge(self, clock: ClockReading) -> None:
        with self.store.transaction():
            self.store.daily.purge(clock)


def at(day: float, *, trusted: bool = True, seconds: float = 0.0, wrong: float = 0.0) -> ClockReading:
    """So many days and seconds after noon; ``wrong`` is how far the wall clock is off."""
    passed = day * DAY + seconds
    return ClockReading(1000.0 + passed, NOON + passed + wrong, trusted)


def all_days(street: Street) -> dict[str, int]:
    return dict(street.store.connection.execute("SELECT day, SUM(bytes) FROM daily GROUP BY day"))


def test_each_byte_counts_to_its_day_as_it_does_to_the_ledger(street: Street) -> None:
    street.send(at(0), 100)
    street.send(at(0.4), 20)
    street.send(at(0.6), 3)
    street.send(at(0.6), 7, FIRST_GUEST + 1)
    street.send(at(0.6), 9, FIRST_GUEST + 2)
    street.send(at(0.6), 5, way="up")

    assert street.store.daily.of("AAAA") == [DayUse("2026-09-23", 3, 5), DayUse("2026-09-22", 120, 0)]
    assert street.days(GUESTS) == {"2026-09-23": 16}
    assert sum(street.store.ledger().values()) == 100 + 20 + 3 + 7 + 9 + 5


def test_while_the_clock_is_not_trusted_bytes_count_to_the_last_day_that_was(street: Street) -> None:
    street.send(at(0), 1)
    street.send(ClockReading(5.0, 30.0, trusted=False), 10)
    street.store.close()
    street.store = Store(street.folder)
    street.send(ClockReading(5.0, 40.0, trusted=False), 100)
    street.send(at(2), 1000)

    assert street.days() == {"2026-09-24": 1000, "2026-09-22": 111}


def test_before_a_clock_was_ever_trusted_bytes_have_no_date_and_the_first_day_takes_them(street: Street) -> None:
    street.send(ClockReading(5.0, 30.0, trusted=False), 10)
    street.purge(ClockReading(6.0, 31.0, trusted=False))
    assert street.days() == {"": 10}
    street.send(at(0), 1)
    assert street.days() == {"2026-09-22": 11}


def test_37_days_are_kept(street: Street) -> None:
    for day in range(KEPT + 3):
        street.send(at(day), day + 1)
    last = KEPT + 2
    street.store.daily.heed(at(last))
    street.purge(at(last, seconds=7 * 3600))

    assert len(street.days()) == KEPT
    assert min(street.days().values()) == 4


def test_days_go_by_their_age_also_where_few_of_them_carried_anything(street: Street) -> None:
    street.send(at(0), 1)
    street.send(at(36), 2)
    street.send(at(37), 4)
    street.purge(at(37, seconds=7 * 3600))

    assert sorted(street.days().values()) == [2, 4]


@pytest.mark.parametrize("years", [-1, 0.5, 12])
def test_a_clock_that_jumps_drops_no_day_and_leaves_none_that_never_was(street: Street, years: float) -> None:
    for day in range(KEPT):
        street.send(at(day), day + 1)
    good = street.days()
    today, wrong = KEPT - 1, years * 365 * DAY
    street.send(at(today, seconds=10, wrong=wrong), 1000)
    street.purge(at(today, seconds=20, wrong=wrong))
    street.send(at(today, seconds=3600, wrong=wrong), 1000)
    street.purge(at(today, seconds=3610, wrong=wrong))
    assert good.items() - {(max(good), KEPT)} <= all_days(street).items()

    street.send(at(today, seconds=3620), 1)
    street.purge(at(today, seconds=3620 + 7 * 3600))
    newest = max(good)
    assert all_days(street) == {**good, newest: good[newest] + (2001 if years > 0 else 1)}


def test_a_board_that_never_stays_up_forgets_too(street: Street) -> None:
    for day in range(KEPT + 9):
        street.send(ClockReading(20.0, NOON + day * DAY, trusted=True), 1)
        street.purge(ClockReading(60.0, NOON + day * DAY + 40, trusted=True))

    assert len(street.days()) == KEPT
    assert len(all_days(street)) == KEPT + 3
