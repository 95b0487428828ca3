"""What lines carried arrives whole, whatever order its messages come in."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest

from meshctl.agent.mesh.shelf import Shelf, UseKey
from meshctl.agent.mesh.use import UseReport, take_use
from meshctl.agent.passes import Verifier
from meshctl.agent.store import Store
from meshctl.model import ClockReading
from meshctl.quota.merge import Held, Stamp, join, told
from meshctl.quota.meter import Count, Flow, Place

Told = tuple[Stamp, dict[UseKey, int], bool]
NOW = ClockReading(1.0, 0.0, trusted=False)
KEYS: list[UseKey] = [("isp", way, home) for way in ("down", "up") for home in ("K7QM", "9XTB", "guests")]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    one = Store(tmp_path)
    for handle in ("K7QM", "9XTB"):
        one.add_household(handle, 1, Verifier(b"s" * 16, b"d" * 32), NOW)
    yield one
    one.close()


def kept(connection: sqlite3.Connection, owner: str) -> Held[UseKey]:
    rows = connection.execute(
        "SELECT line, direction, household, boot, sequence, bytes FROM use WHERE owner = ?", (owner,)
    )
    whole = connection.execute("SELECT boot, sequence FROM use_whole WHERE owner = ?", (owner,)).fetchone()
    return Held({row[:3]: ((row[3], row[4]), row[5]) for row in rows}, whole or (0, 0))


def messages(draw: Random) -> list[Told]:
    stamps = [(boot, number) for boot in (1, 2) for number in range(1, 5)]
    return [
        (stamp, {key: draw.randrange(1000) for key in draw.sample(KEYS, draw.randrange(4))}, draw.random() < 0.3)
        for stamp in stamps
    ]


def hear(shelf: Shelf, owner: str, one: Told) -> None:
    stamp, rows, whole = one
    shelf.take_use(owner, stamp, rows, whole=whole)


def test_the_table_holds_what_joining_all_messages_gives_in_any_order(store: Store) -> None:
    shelf, draw = Shelf(store), Random(4)
    for owner in map(chr, range(ord("A"), ord("Z"))):
        said = messages(draw)
        truth: Held[UseKey] = Held()
        for one in draw.sample(said * 2, len(said) * 2):
            hear(shelf, owner, one)
            truth = join(truth, told(one[0], one[1], whole=one[2]))
            assert kept(store.connection, owner) == truth


def test_a_late_part_of_a_former_boot_brings_no_row_back(store: Store) -> None:
    shelf = Shelf(store)
    hear(shelf, "oak", ((2, 1), {KEYS[0]: 7}, True))
    hear(shelf, "oak", ((1, 9), {KEYS[0]: 5, KEYS[1]: 5}, False))
    assert shelf.use() == {KEYS[0]: 7}


def test_a_late_part_fills_in_what_a_newer_part_does_not_name(store: Store) -> None:
    shelf = Shelf(store)
    for one in [((1, 3), {KEYS[0]: 7}, False), ((1, 2), {KEYS[0]: 5, KEYS[1]: 5}, False), ((1, 1), {}, True)]:
        hear(shelf, "oak", one)
    assert shelf.use() == {KEYS[0]: 7, KEYS[1]: 5}


def test_an_agent_that_started_again_is_still_heard(store: Store, tmp_path: Path) -> None:
    (tmp_path / "hub").mkdir()
    hub = Store(tmp_path / "hub")
    shelf = Shelf(hub)
    for start in range(3):
        report = UseReport(store, boot=1)
        for turn in range(3):
            flow(store, 100)
            take_use(shelf, "oak", said(report), 1)
            assert shelf.use() == {("isp", "down", "guests"): 300 * start + 100 * (turn + 1)}
    hub.close()


def flow(store: Store, sent: int) -> None:
    place: Place = ("isp", "down", 0x8000)
    store.record({place: Flow(sent, 0, held=False)}, {}, {place: Count("a", sent)}, NOW)


def said(report: UseReport) -> dict[str, Any]:
    message = report.message(1)
    assert message is not None
    report.sent()
    return message
