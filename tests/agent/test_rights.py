"""A home sees, takes along, corrects and erases what is kept of it; nobody else does."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from meshctl.agent import passes
from meshctl.agent.belongings import belongings
from meshctl.agent.store import Store
from meshctl.agent.wishes import WAITS
from meshctl.commons.dataregister import REGISTER, exported
from meshctl.household_data import export, mine
from meshctl.model import GUESTS, Device
from meshctl.quota.meter import Count, Place, meter
from meshctl.quota.plan import FIRST_HOME
from tests.agent.small_agent import NOW, SmallAgent
from tests.agent.test_reading import sent

HERE, OTHER = "10.44.0.2", "10.44.0.3"
PHONE, LAPTOP = "02:00:00:00:00:01", "02:00:00:00:00:02"
DAY = 86_400.0


class Home:
    """One node with one home, whose phone is here, and what a portal would ask for it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.agent = asyncio.run(_agent(folder))
        self.agent.kernel.around |= {HERE: PHONE, OTHER: LAPTOP}
        self.drawn = passes.draw_verified()
        self.agent.store.add_household(self.drawn.handle, 1, self.drawn.kept, NOW)
        self.secret: dict[str, Any] = {"pass": self.drawn.text, "secure": True}
        self.carry(40)

    def carry(self, octets: int) -> None:
        place: Place = ("isp", "down", FIRST_HOME)
        seen = {place: Count("1", octets)}
        self.agent.store.record(meter({}, seen), {}, seen, self.agent.clock.now)

    def ask(self, verb: str, address: str = HERE, **words: Any) -> dict[str, Any]:
        request = {"verb": verb, "address": address, **(words if "code" in words else {**self.secret, **words})}
        if verb in self.agent.verbs.slow:
            return sent(asyncio.run(_wait(self.agent.verbs.slow[verb].run(request))))
        return sent(self.agent.verbs.table[verb].run(request))

    def code(self, verb: str, address: str = HERE, **words: Any) -> str:
        return str(self.ask(verb, address, **words).get("error", {}).get("code", ""))

    def link(self) -> Device:
        self.agent.verbs.table["link"].run({"address": HERE, "pass": self.drawn.text})
        found = self.agent.members.get(PHONE)
        assert found is not None
        return found

    def later(self, seconds: float) -> None:
        now = self.agent.clock.now
        self.agent.clock.now = replace(now, monotonic=now.monotonic + seconds, wall=now.wall + seconds)
        self.agent.rights.turn()

    def restart(self, *, power_cut: bool) -> None:
        """Start the agent anew on the same disk, in the same boot or the next one, whose clock begins at 1000 s."""
        self.agent.store.close()
        clock = self.agent.clock
        if power_cut:
            between = Store(self.folder)
            between.boot("another life")
            between.close()
        self.agent = asyncio.run(_agent(self.folder))
        self.agent.kernel.around |= {HERE: PHONE, OTHER: LAPTOP}
        if not power_cut:
            self.agent.clock.now = clock.now

    def known(self) -> bool:
        return self.agent.store.household(self.drawn.handle) is not None


async def _agent(folder: Path) -> SmallAgent:
    return SmallAgent(folder)


async def _wait(reply: Any) -> dict[str, Any]:
    found: dict[str, Any] = await reply
    return found


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    home = Home(tmp_path)
    yield home
    home.agent.store.close()


def test_a_home_sees_what_is_kept_of_it(home: Home) -> None:
    home.link()
    seen = mine(home.ask("mine"))
    assert (seen.household, seen.shares, seen.since, seen.devices) == (home.drawn.handle, 1, NOW.wall, 1)
    assert (seen.down, seen.up, [(day.down, day.up) for day in seen.days]) == (40, 0, [(40, 0)])
    assert (seen.linked, seen.keeper_up, seen.away, seen.erased_in, seen.note) == (True, True, (), None, "")


@pytest.mark.parametrize("verb", ["mine", "export", "correct", "erase", "erase-cancel"])
def test_an_address_alone_or_a_pass_in_the_clear_does_nothing(home: Home, verb: str) -> None:
    home.link()
    assert home.code(verb, **{"pass": "", "note": "x"}) == "wrong-pass"
    assert home.code(verb, secure=False, note="x") == "needs-https"
    assert home.code(verb, code="0000-0000", note="x") == "wrong-code"
    assert home.code(verb, address="192.0.2.7") == "unknown-device"
    assert home.agent.rights.wishes.all() == []


def test_a_stewards_code_does_what_the_pass_does(home: Home) -> None:
    code = home.agent.verbs.table["household-code"].run({"handle": home.drawn.handle.lower()})["code"]
    assert mine(home.ask("mine", code=code)).household == home.drawn.handle
    assert home.ask("erase", code=code)["ok"]
    assert home.code("mine", OTHER, code=code) == "wrong-code"
    refusal = home.agent.verbs.table["household-code"].run({"handle": "ZZZZ"})
    assert refusal["error"]["code"] == "unknown-household"


def test_the_download_has_every_column_that_is_a_homes_and_says_what_each_is_for(home: Home) -> None:
    home.ask("correct", note="The 3rd looks wrong.")
    found = export(home.ask("export"))
    assert (found["format"], found["version"], found["home"]) == ("meshctl-home", 1, home.drawn.handle)
    kept = found["kept"][home.agent.config.node.name]
    assert {table: set(names) for table, names in exported().items()} == {
        table: set(rows[0]) if rows else set(exported()[table]) for table, rows in kept.items()
    }
    assert [row["bytes"] for row in kept["daily"]] == [40]
    assert kept["wish"][0]["text"] == "The 3rd looks wrong."
    named = {column for entry in found["register"] for column in entry["columns"] if not entry["not_here_because"]}
    assert {f"{table}.{name}" for table, names in exported().items() for name in names} <= named
    assert json.dumps(found).count(home.drawn.text[5:]) == 0
    assert len(found["register"]) == sum(entry.whose == "household" for entry in REGISTER)


def test_a_device_is_taken_out_of_the_home_and_stays_online(home: Home) -> None:
    before = home.link()
    assert home.code("correct", OTHER, unlink=True) == ""
    assert home.agent.members.get(PHONE) == before
    assert home.ask("correct", unlink=True)["ok"]
    after = home.agent.members.get(PHONE)
    assert after is not None
    assert (after.household, after.mark != before.mark) == (None, True)
    assert PHONE in home.agent.kernel.read().table.members
    assert mine(home.ask("mine")).linked is False


def test_a_note_reaches_the_stewards_and_can_be_changed_and_taken_back(home: Home) -> None:
    show = home.agent.verbs.table["household-show"].run
    for note in ("The 3rd looks  wrong.\n", "No, the 4th."):
        assert home.ask("correct", note=note)["ok"]
    assert mine(home.ask("mine")).note == "No, the 4th."
    assert show({"handle": home.drawn.handle})["household"]["note"] == "No, the 4th."
    home.ask("correct", note=" ")
    assert show({"handle": home.drawn.handle})["household"]["note"] is None
    assert b"4th" not in _on_disk(home)
    for bad in ("x" * 201, "a\x00b"):
        assert home.code("correct", note=bad) == "bad-note"


def test_a_note_may_be_written_in_any_script_with_the_marks_that_its_keyboard_adds(home: Home) -> None:
    number, flag = "\u0627\u0644\u0631\u0642\u0645", "\U0001f3f4"
    assert home.ask("correct", note=f"\u200f{number}\u200f \u20663\u2069, {flag}\U000e0067\U000e007f")["ok"]
    assert mine(home.ask("mine")).note == f"{number} 3, {flag}"


def test_a_note_is_forgotten_after_37_days(home: Home) -> None:
    home.ask("correct", note="The 3rd looks wrong.")
    home.later(WAITS["note"] - 1)
    assert mine(home.ask("mine")).note
    home.later(1)
    assert mine(home.ask("mine")).note == ""
    assert b"looks wrong" not in _on_disk(home)


def test_an_erase_waits_a_day_and_leaves_sums_and_people_online(home: Home) -> None:
    home.link()
    assert home.ask("erase")["ok"]
    home.later(3600)
    home.ask("erase")
    assert mine(home.ask("mine")).erased_in == WAITS["erase"] - 3600
    home.later(WAITS["erase"] - 3601)
    assert home.known()
    home.later(1)
    assert not home.known()
    assert home.agent.store.ledger() == {("isp", "down", GUESTS): 40}
    device = home.agent.members.get(PHONE)
    assert device is not None
    assert device.household is None
    assert home.code("mine") == "wrong-pass"
    assert belongings(home.agent.store.connection, home.drawn.handle) == {table: [] for table in exported()}


def test_an_erase_can_be_taken_back_until_then(home: Home) -> None:
    home.ask("erase")
    home.later(WAITS["erase"] - 1)
    assert home.ask("erase-cancel")["ok"]
    home.later(10 * DAY)
    assert home.known()
    assert mine(home.ask("mine")).erased_in is None
    home.ask("erase")
    assert mine(home.ask("mine")).erased_in == WAITS["erase"]


def test_time_without_power_does_not_shorten_the_wait(home: Home) -> None:
    home.ask("erase")
    home.later(10 * 3600)
    home.restart(power_cut=False)
    assert mine(home.ask("mine")).erased_in == 14 * 3600
    home.restart(power_cut=True)
    left = mine(home.ask("mine")).erased_in
    assert left is not None
    assert 14 * 3600 <= left <= 14 * 3600 + 600
    home.later(left + 1)
    assert not home.known()


@pytest.mark.parametrize("with_others", [False, True])
def test_after_an_erase_no_byte_on_the_disk_names_the_home(home: Home, with_others: bool) -> None:
    (home.folder / "node.db.damaged-1").write_bytes(home.drawn.handle.encode())
    if with_others:
        for number in range(60):
            drawn = f"X{number:03}"
            home.agent.store.add_household(drawn, 1, home.drawn.kept, NOW)
    home.ask("correct", note="A note that must go.")
    home.ask("erase")
    for step in range(50):
        home.carry(100 * step)
    assert home.drawn.handle.encode() in _on_disk(home)
    home.later(WAITS["erase"])
    for word in (home.drawn.handle.encode(), b"must go"):
        assert word not in _on_disk(home)


def _on_disk(home: Home) -> bytes:
    """Return every byte of the files that outlive a power cut, the log of changes included."""
    home.agent.store.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").close()
    return b"".join(file.read_bytes() for file in sorted(home.folder.glob("node.db*")))
