"""What was erased lies nowhere in the files of node.db, however its pages were divided and filled before."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from meshctl.agent.mesh.records import Record
from meshctl.agent.mesh.shelf import Shelf
from meshctl.agent.passes import ALPHABET, Verifier
from meshctl.agent.store import Store
from meshctl.model import ClockReading

NOW = ClockReading(10.0, 1_790_000_000.0, trusted=True)
DICE = random.Random(1)
HOMES = sorted({"".join(DICE.choices(ALPHABET, k=4)) for _ in range(120)})
GONE = HOMES[::10]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A node.db in which a hundred homes lived for weeks."""
    store = Store(tmp_path)
    store.add_households([(one, Verifier(one.encode() * 4, one.encode() * 8)) for one in HOMES], 1, NOW)
    with store.transaction():
        live(store.connection)
    shelf = Shelf(store)
    for turn in range(3):
        shelf.keep_list("roll", turn + 1, " ".join(HOMES).encode() * 20)
        shelf.keep_records({f"{turn}{n}": Record(f"{turn}{n}", "k", h, 9.0, 1, "oak") for n, h in enumerate(HOMES)}, 1)
    yield store
    store.close()


def live(connection: sqlite3.Connection) -> None:
    days = [(day, home, way) for day in range(1, 21) for home in HOMES for way in ("down", "up")]
    DICE.shuffle(days)
    for number, (day, home, way) in enumerate(days):
        octets = DICE.randrange(1 << DICE.randrange(1, 60))
        connection.execute("INSERT INTO daily VALUES (?, ?, 'isp', ?, ?)", (f"2026-09-{day:02}", home, way, octets))
        if number % 7 == 0:
            old = (f"2026-09-{DICE.randrange(1, 21):02}", DICE.choice(HOMES))
            connection.execute("DELETE FROM daily WHERE day = ? AND household = ?", old)
    for home in DICE.sample(HOMES, len(HOMES)):
        connection.execute("INSERT INTO ledger VALUES ('isp', 'down', ?, 5)", (home,))
        connection.execute("INSERT INTO home_memory VALUES ('isp', ?, 1, 1, 1, 1, 1, 1, 0, 1, 1, 1)", (home,))
        connection.execute("INSERT INTO wish VALUES (?, 'note', ?, 1, 1, 1, 1, 'elm', 0)", (home, home * 30))


def found(folder: Path) -> list[str]:
    raw = b"".join(file.read_bytes() for file in folder.glob("node.db*"))
    return [home for home in GONE if home.encode() in raw]


def test_no_byte_of_an_erased_home_stays(store: Store, tmp_path: Path) -> None:
    for home in GONE:
        store.remove_household(home)
    Shelf(store).keep_list("roll", 9, " ".join(one for one in HOMES if one not in GONE).encode() * 20)
    assert found(tmp_path) == GONE
    assert store.scrub()
    assert found(tmp_path) == []
    assert not store.scrub(), "once is enough"
    assert len(store.households()) == len(HOMES) - len(GONE)


def test_it_is_done_after_a_power_cut_too(store: Store, tmp_path: Path) -> None:
    store.remove_household(GONE[0])
    store.close()
    again = Store(tmp_path)
    assert again.scrub()
    again.close()


def test_where_it_cannot_be_done_it_is_tried_again_later(store: Store, tmp_path: Path) -> None:
    store.remove_household(GONE[0])
    with store.transaction():
        assert not store.scrub(), "SQLite writes no file anew within a transaction"
    assert [store.scrub() for _ in range(360)] == [*[False] * 359, True]
