"""A removed household is nowhere any more, and every line's sum is what it was."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from meshctl.agent.members import Members, mark_of
from meshctl.agent.mesh.records import Record, Records
from meshctl.agent.mesh.roll import Roll
from meshctl.agent.mesh.shelf import Shelf
from meshctl.agent.mesh.use import UseReport, take_use
from meshctl.agent.passes import verifier
from meshctl.agent.store import Store, StoreError
from meshctl.model import GUESTS, ClockReading, Household
from meshctl.quota.meter import Count, Place, meter
from meshctl.quota.plan import FIRST_GUEST, FIRST_HOME

NOW = ClockReading(10.0, 1_790_000_000.0, trusted=True)
GONE, KEPT = "AAAA", "BBBB"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store(tmp_path)
    store.add_households([(GONE, verifier("x")), (KEPT, verifier("y"))], 1, NOW)
    marks = {FIRST_HOME: 100, FIRST_HOME + 1: 20, FIRST_GUEST: 3}
    now: dict[Place, Count] = {("uplink", "down", mark): Count("1", sent) for mark, sent in marks.items()}
    now["uplink", "up", FIRST_HOME] = Count("1", 7)
    store.record(meter({}, now), {}, now, NOW)
    yield store
    store.close()


def named(store: Store, handle: str) -> list[str]:
    """Return the tables in which a handle stands."""
    tables = [row[0] for row in store.connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    return [t for t in tables if any(handle in row for row in store.connection.execute(f"SELECT * FROM {t}"))]


def told(shelf: Shelf, roll: int, *rows: tuple[str, str, str, int], sequence: int = 1, whole: bool = True) -> None:
    message = {"boot": 2, "sequence": sequence, "roll": roll, "whole": whole, "rows": [list(row) for row in rows]}
    take_use(shelf, "oak", message, 4)


def test_its_bytes_count_as_guests_use_and_no_row_names_it(store: Store) -> None:
    shelf = Shelf(store)
    told(shelf, 4, ("far", "down", GONE, 50), ("far", "down", KEPT, 5))
    shelf.keep_records({"t": Record("t", "k", GONE, 90.0, 1, "oak")}, 10.0)
    before = sum(store.ledger().values())
    assert set(named(store, GONE)) == {"household", "ledger", "daily", "use", "token"}
    store.remove_household(GONE)

    assert named(store, GONE) == []
    assert store.ledger() == {
        ("uplink", "down", KEPT): 20,
        ("uplink", "down", GUESTS): 103,
        ("uplink", "up", GUESTS): 7,
    }
    assert sum(store.ledger().values()) == before
    assert shelf.use() == {("far", "down", KEPT): 5, ("far", "down", GUESTS): 50}
    assert shelf.records(10.0) == [Record("t", "k", None, 90.0, 1, "oak")]


def test_its_handle_is_never_used_again_and_a_refused_request_changes_nothing(store: Store) -> None:
    store.remove_household(GONE)
    assert store.taken([GONE, KEPT, "CCCC"]) == [GONE, KEPT]
    for new in ([("CCCC", verifier("z")), (GONE, verifier("x"))], [("CCCC", verifier("z"))] * 2):
        with pytest.raises(StoreError, match="Draw another pass"):
            store.add_households(new, 1, NOW)
    assert [home.handle for home in store.households()] == [KEPT]


def test_a_node_that_was_off_drops_it_with_the_roll_and_keeps_its_sums(store: Store) -> None:
    shelf = Shelf(store)
    rows = {row.handle: row for row in shelf.roll_rows()}
    assert shelf.enter_roll(Roll(8, (rows[KEPT],)), b"") == {GONE}
    assert named(store, GONE) == []
    assert store.ledger()["uplink", "down", GUESTS] == 103
    assert shelf.enter_roll(Roll(9, (rows[KEPT],)), b"") == frozenset()


def test_what_a_gateway_says_before_it_knows_of_the_removal_is_left_out_and_all_is_said_anew(store: Store) -> None:
    shelf = Shelf(store)
    told(shelf, 4, ("far", "down", GONE, 50), ("far", "down", GUESTS, 5))
    store.remove_household(GONE)
    assert shelf.use() == {("far", "down", GUESTS): 55}
    told(shelf, 3, ("far", "down", GONE, 60), ("far", "down", GUESTS, 6), sequence=2, whole=False)
    assert shelf.use() == {("far", "down", GUESTS): 55}
    told(shelf, 4, ("far", "down", GUESTS, 68), sequence=3)
    assert shelf.use() == {("far", "down", GUESTS): 68}
    told(shelf, 4, ("far", "down", GONE, 9), sequence=4, whole=False)
    assert shelf.use() == {("far", "down", GUESTS): 68}
    told(shelf, 4, ("far", "down", GONE, 9), ("far", "down", GUESTS, 68), sequence=5)
    assert shelf.use() == {("far", "down", GUESTS): 77}


def test_a_gateway_says_everything_anew_under_a_new_roll(store: Store) -> None:
    report = UseReport(store, 1)
    first = report.message(4)
    assert first is not None
    report.sent()
    assert report.message(4) is None
    store.remove_household(GONE)
    anew = report.message(5)
    assert anew is not None
    assert (anew["whole"], anew["roll"]) == (True, 5)
    assert sum(row[3] for row in anew["rows"]) == sum(row[3] for row in first["rows"])


def test_its_devices_go_on_as_guests_for_as_long_as_guests_do() -> None:
    members, gone, stays = Members(), Household(GONE, 1), Household(KEPT, 2)
    members.link("02:00:00:00:00:01", gone, 1e6, 0.0)
    members.link("02:00:00:00:00:02", gone, 50.0, 0.0)
    kept = members.link("02:00:00:00:00:03", stays, 1e6, 0.0)
    lost = members.lose_homes([stays], 24.0, 10.0)

    assert [(device.household, device.mark) for device in lost] == [(GONE, mark_of(gone))] * 2
    assert members.get("02:00:00:00:00:03") == kept
    guests = [members.get(f"02:00:00:00:00:0{n}") for n in (1, 2)]
    assert [(d.household, d.until) for d in guests if d] == [(None, 10.0 + 24 * 3600), (None, 50.0)]
    assert len({d.mark for d in members.all()}) == 3
    assert members.lose_homes([stays], 24.0, 10.0) == []


def test_records_name_it_no_more() -> None:
    records = Records([Record("t", "k", GONE, 90.0, 1, "oak"), Record("u", "k", KEPT, 90.0, 1, "oak")])
    records.drop_homes({GONE})
    assert {r.token: r.household for r in records.all()} == {"t": None, "u": KEPT}
    assert set(records.changed()) == {"t"}
