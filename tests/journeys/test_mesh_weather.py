"""Links that come and go, nodes that lose their power, a hub that is away: nothing is lost, nothing is doubled."""

from __future__ import annotations

import signal
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.journeys.street import SITE4, Street

SIZE = 15_000_000
"""Bytes: six seconds of the whole line."""


@contextmanager
def downloading(ring: Street, phone: str, size: int = SIZE, seconds: int = 25) -> Iterator[list[str]]:
    """A download that goes on while the block runs; what became of it within ``seconds`` is in the list afterwards."""
    told: list[str] = []
    words = ("-m", str(seconds))
    load = threading.Thread(target=lambda: told.append(ring.fetch(phone, f"http://{SITE4}/bytes/{size}", *words)))
    load.start()
    time.sleep(1.0)
    try:
        yield told
    finally:
        load.join()


def state_of(ring: Street, name: str) -> sqlite3.Connection:
    return sqlite3.connect(f"file:{Path(ring.lab.member(name)['state']) / 'node.db'}?mode=ro", uri=True)


def reports(ring: Street, name: str) -> list[tuple[int, int]]:
    """Boot and sequence of every line of a node's journal."""
    with closing(state_of(ring, name)) as database:
        return list(database.execute("SELECT boot, sequence FROM journal ORDER BY sequence"))


def sums(ring: Street) -> dict[str, int]:
    """What the households and the guests have together, and what the line has, at one moment: no turn in between."""
    found: dict[str, int] = {}

    def at_one_moment() -> bool:
        before, told = ring.ask("status"), ring.ask("household", "list")
        together = sum(row["bytes"]["down"] for row in told["households"]) + told["guests"]["bytes"]["down"]
        found.update(people=together, line=before["ledger"]["down"])
        return bool(before["ticks"] == ring.ask("status")["ticks"])

    ring.until(at_one_moment)
    return found


@pytest.mark.parametrize("silent", [False, True], ids=["carrier lost", "carrier on"])
def test_a_download_goes_on_when_the_link_that_it_uses_is_cut(ring: Street, *, silent: bool) -> None:
    handle = ring.home("o-1")
    before, written = ring.counter("o-1"), ring.carried(handle)
    with downloading(ring, "o-1") as told:
        ring.lab.cut_link("elm", "oak", silent=silent)
        # A phone with another way stays online: within what babeld needs to see it, and then for good.
        ring.until(lambda: ring.fetch("o-2", f"http://{SITE4}/generate_204") != "-28", 20)
    ring.lab.heal_link("elm", "oak")
    counted = ring.counter("o-1") - before
    ring.turns()
    found = sums(ring)

    assert told == [f"200 {SIZE}"]
    # What was on its way when the link went was carried by the line, and carried again.
    assert 0.99 * counted <= ring.carried(handle) - written <= 1.03 * counted
    assert found["people"] == found["line"]


@pytest.mark.patient
def test_a_lossy_link_is_lived_with(ring: Street) -> None:
    ring.press("o-2", "join")
    ring.lab.lose_on_link("elm", "oak", 3.0)
    ring.until(lambda: ring.online("o-2"), 15)
    assert ring.fetch("o-2", f"http://{SITE4}/bytes/1000000", "-m", "30") == "200 1000000"
    ring.lab.heal_link("elm", "oak")


def test_a_node_that_loses_its_power_in_a_download_costs_the_others_nothing(ring: Street) -> None:
    handle, mine = ring.home("a-1"), ring.home("o-1")
    before, written = ring.counter("a-1"), ring.carried(handle)
    at_oak, kept = ring.counter("o-1"), ring.carried(mine)
    journal = reports(ring, "oak")
    with downloading(ring, "a-1") as told, downloading(ring, "o-1", seconds=8) as torn:
        gone = ring.counter("o-1") - at_oak
        ring.lab.power_off("oak")
    ring.turns()
    assert told == [f"200 {SIZE}"]
    counted = ring.counter("a-1") - before
    assert 0.99 * counted <= ring.carried(handle) - written <= 1.03 * counted
    assert torn[0] != f"200 {SIZE}"
    assert ring.carried(mine) - kept >= gone
    ring.lab.power_on("oak")
    ring.until(lambda: ring.online("o-1"), 20)
    found = sums(ring)
    assert found["people"] == found["line"]

    def continued() -> bool:
        now = reports(ring, "oak")
        return now[: len(journal)] == journal and len(now) > len(journal) and now[-1][0] == journal[-1][0] + 1

    ring.until(continued)
    numbers = [sequence for _, sequence in reports(ring, "oak")]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))


def test_a_gateway_that_loses_its_power_goes_on_with_its_ledger(ring: Street) -> None:
    handle = ring.home("o-1")
    assert ring.fetch("o-1", f"http://{SITE4}/bytes/2000000") == "200 2000000"
    ring.turns()
    before, mark = ring.carried(handle), ring.mark("o-1")
    ring.lab.power_off("elm")
    ring.until(
        lambda: "The internet is down" in ring.run("o-2", "curl", "-s", f"http://{ring.portal('o-2')}/network")[1], 10
    )
    ring.lab.power_on("elm")
    ring.until(lambda: ring.online("o-1"), 30)
    assert before <= ring.carried(handle) <= before * 1.01 + 20_000
    # Until it has the key of the day again, it takes every announced device for a guest.
    ring.until(lambda: ring.mark("o-1") == mark, 20)
    before = ring.carried(handle)
    assert ring.fetch("o-1", f"http://{SITE4}/bytes/1000000") == "200 1000000"
    ring.turns()
    assert ring.carried(handle) - before == pytest.approx(1_046_000, rel=0.03)


@pytest.mark.patient
def test_a_hub_that_was_away_gets_every_report_once(ring: Street) -> None:
    hub = ring.lab.member("elm")
    database = Path(hub["state"]).with_name("hub") / "hub.db"

    def held() -> dict[str, list[int]]:
        found: dict[str, list[int]] = {}
        with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
            for name, sequence in connection.execute("SELECT node, sequence FROM report ORDER BY node, sequence"):
                found.setdefault(name, []).append(sequence)
        return found

    ring.lab.kill("elm", "hub", signal.SIGSTOP)
    time.sleep(12)
    ring.press("o-2", "join")
    assert ring.fetch("o-2", f"http://{SITE4}/generate_204") == "204 0"
    ring.lab.kill("elm", "hub", signal.SIGCONT)
    wanted = {name: [sequence for _, sequence in reports(ring, name)] for name in ("elm", "oak", "ash")}
    ring.until(lambda: all(set(wanted[name]) <= set(held().get(name, [])) for name in wanted), 90)
    assert all(len(rows) == len(set(rows)) for rows in held().values())


@pytest.mark.patient
def test_the_dashboard_shows_nodes_links_and_lines(ring: Street) -> None:
    page: Any = ""

    def complete() -> bool:
        nonlocal page
        page = ring.run("elm", "curl", "-sS", "http://127.0.0.1:8090/", check=True)[1]
        pairs = (f"{one} \N{EN DASH} {other}" for one, other in (("elm", "oak"), ("ash", "oak"), ("ash", "elm")))
        return all(word in page for word in (*pairs, "elm uplink", "its own line"))

    ring.until(complete, 15)
    assert page.count('class="state leaf"') >= 3
