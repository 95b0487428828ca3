from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from meshctl.agent.outages import MOST, Missed, Outages
from meshctl.agent.store import Store
from meshctl.model import ClockReading
from meshctl.network_view import Outage

START = ClockReading(1000.0, 1_790_078_400.0, trusted=True)
LINE: Missed = ("internet", "")
OAK: Missed = ("box", "oak")


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    with closing(Store(tmp_path)) as store:
        yield store.connection


def later(seconds: float, clock: ClockReading = START) -> ClockReading:
    return replace(clock, monotonic=clock.monotonic + seconds, wall=clock.wall + seconds)


def note(outages: Outages, missed: list[Missed], clock: ClockReading) -> None:
    outages.note(dict.fromkeys(missed, clock.monotonic), clock)


def test_an_outage_is_told_from_its_first_moment_to_its_last(connection: sqlite3.Connection) -> None:
    outages = Outages(connection, 1)
    for seconds in range(0, 120, 10):
        note(outages, [LINE], later(seconds))
    assert outages.since(LINE, later(120)) == 120
    assert outages.told(later(120)) == (Outage("internet", "", 120, None, over=False),)
    note(outages, [], later(600))
    assert outages.since(LINE, later(600)) is None
    assert outages.told(later(1000)) == (Outage("internet", "", 1000, 600, over=True),)


def test_an_outage_begins_when_it_was_missed_first_though_it_was_noticed_later(connection: sqlite3.Connection) -> None:
    outages = Outages(connection, 1)
    outages.note({LINE: START.monotonic - 35}, START)
    assert outages.told(START) == ()
    outages.note({LINE: START.monotonic + 7}, later(10))
    assert outages.told(later(10)) == (Outage("internet", "", 45, None, over=False),)


def test_what_is_missed_for_a_moment_is_no_outage(connection: sqlite3.Connection) -> None:
    outages = Outages(connection, 1)
    for seconds in range(0, 600, 20):
        note(outages, [OAK] if seconds % 60 else [], later(seconds))
    assert outages.told(later(600)) == ()


def test_several_at_once_are_told_apart_the_latest_first(connection: sqlite3.Connection) -> None:
    outages = Outages(connection, 1)
    note(outages, [OAK], later(0))
    note(outages, [OAK, LINE], later(60))
    note(outages, [OAK, LINE], later(120))
    assert [one.what for one in outages.told(later(120))] == ["internet", "box"]
    note(outages, [LINE], later(180))
    assert [(one.name, one.over) for one in outages.told(later(180))] == [("", False), ("oak", True)]


def test_a_restarted_agent_goes_on_with_the_same_outage(connection: sqlite3.Connection) -> None:
    before = Outages(connection, 1)
    note(before, [LINE], later(0))
    note(before, [LINE], later(50))
    after = Outages(connection, 1)
    note(after, [LINE], later(60))
    note(after, [], later(300))
    assert after.told(later(300)) == (Outage("internet", "", 300, 300, over=True),)


def test_an_outage_over_a_power_cut_has_an_end_that_nobody_saw(connection: sqlite3.Connection) -> None:
    before = Outages(connection, 1)
    note(before, [LINE], later(0))
    note(before, [LINE], later(50))
    clock = ClockReading(5.0, START.wall + 7200, trusted=True)
    assert Outages(connection, 2).told(clock) == (Outage("internet", "", 7200, None, over=True),)


def test_nobody_says_when_by_a_clock_that_was_wrong(connection: sqlite3.Connection) -> None:
    wrong = replace(START, wall=0.0, trusted=False)
    before = Outages(connection, 1)
    note(before, [LINE], wrong)
    note(before, [LINE], later(50, wrong))
    assert before.told(later(60, wrong))[0].began_ago == 60
    assert Outages(connection, 2).told(START)[0].began_ago is None


def test_after_thirty_days_it_is_forgotten(connection: sqlite3.Connection) -> None:
    outages = Outages(connection, 1)
    note(outages, [LINE], later(0))
    note(outages, [LINE], later(60))
    note(outages, [], later(120))
    month = later(30 * 86_400 + 1)
    assert outages.told(month) == ()
    outages.purge(replace(month, trusted=False))
    assert rows(connection) == 1
    outages.purge(month)
    assert rows(connection) == 0


def test_a_link_that_comes_and_goes_fills_no_disk(connection: sqlite3.Connection) -> None:
    outages = Outages(connection, 1)
    for turn in range(MOST + 20):
        at = later(turn * 200)
        note(outages, [OAK], at)
        note(outages, [OAK], later(60, at))
        note(outages, [], later(120, at))
    outages.purge(later(0))
    assert rows(connection) == MOST


def rows(connection: sqlite3.Connection) -> int:
    return int(connection.execute("SELECT COUNT(*) FROM outage").fetchone()[0])
