"""Whatever the register says ends by itself is planted old, and gone after the code that ends it ran."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from meshctl.agent.codes import SECONDS, Codes
from meshctl.agent.members import Members
from meshctl.agent.mesh.daykeys import LIFETIME, DayKeys
from meshctl.agent.mesh.pauses import PauseRecord, SharedPauses
from meshctl.agent.mesh.records import Record, Records
from meshctl.agent.outages import KEPT_SECONDS, Outages
from meshctl.agent.passes import verifier
from meshctl.agent.pauses import LONGEST_HOURS, Pause
from meshctl.agent.purge import BOOTS, MONTH, WEEK, Purge
from meshctl.agent.services import dnsmasq_text
from meshctl.agent.store import Entry, Store
from meshctl.agent.tick import Reconciler
from meshctl.agent.wishes import WAITS, Wishes
from meshctl.commons.dataregister import ENFORCED, REGISTER
from meshctl.hub.latest import RETENTION_SECONDS
from meshctl.hub.migrate import migrate
from meshctl.hub.schema import open_engine
from meshctl.hub.store import Store as HubStore
from meshctl.model import ClockReading
from meshctl.quota.meter import Count, Place
from meshctl.quota.plan import FIRST_GUEST
from tests.agent.fake_kernel import FakeKernel
from tests.agent.test_tick import CONFIG

PHONE = "02:00:00:00:00:01"
NOON = 1_790_078_400.0
DAY = 86_400.0


class Clock:
    def __init__(self) -> None:
        self.now = ClockReading(1000.0, NOON, trusted=True)

    def read(self) -> ClockReading:
        return self.now

    def later(self, seconds: float) -> None:
        self.now = replace(self.now, monotonic=self.now.monotonic + seconds, wall=self.now.wall + seconds)


class Box:
    """A node's disk, its clock, and its hourly purge."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.clock = folder, Clock()
        self.store = Store(folder)
        self.store.add_household("AAAA", 1, verifier("x"), self.clock.now)
        self.outages = Outages(self.store.connection, 1)
        self.purge = Purge(self.store, self.outages, self.clock, 60.0)

    def rows(self, query: str) -> int:
        return int(self.store.connection.execute(f"SELECT COUNT(*) FROM {query}").fetchone()[0])

    def keep_house(self, hours: int) -> None:
        """Let hours pass, with the purge in each."""
        for _ in range(hours):
            self.clock.later(3600)
            self.purge.run()


@pytest.fixture
def box() -> Iterator[Box]:
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        box = Box(Path(folder))
        yield box
        box.store.close()


def stays_end(box: Box) -> None:
    members = Members()
    kernel = FakeKernel(CONFIG, ["lan0", "mesh0", "wan0"], lambda: box.clock.now.monotonic)
    turns = Reconciler(CONFIG, kernel, box.store, members, box.clock)
    turns.start()
    turns.admit([members.join(PHONE, box.clock.now.monotonic + 3600, box.clock.now.monotonic)], [])
    assert PHONE in kernel.read().table.members
    box.clock.later(3601)
    turns.tick()
    assert (members.all(), PHONE in kernel.read().table.members) == ([], False)


def keys_and_their_codes_end(box: Box) -> None:
    keys, now = DayKeys(), box.clock.now.monotonic
    key = keys.make(now)
    records = Records([Record("t", key.name, "AAAA", now + 90 * DAY, 1, "elm")])
    assert keys.forget(now + LIFETIME + 1)
    records.purge(now + LIFETIME + 1, keys.names(), all_keys_known=True)
    assert (len(keys), len(records), records.changed()) == (0, 0, {"t": None})


def pauses_end(box: Box) -> None:
    members, keys, now = Members(), DayKeys(), box.clock.now.monotonic
    key = keys.make(now)
    pause = Pause("K7QM", "It floods.", now + LONGEST_HOURS * 3600, 1, "elm")
    members.pauses.merge(PHONE, pause)
    shared = SharedPauses(keys, [PauseRecord(key.token(PHONE), key.name, pause)], lambda message: None)
    members.pauses.lapse(now + LONGEST_HOURS * 3600)
    keys.forget(now + LIFETIME + 1)
    shared.purge(keys.names())
    assert (members.pauses.all(), len(shared)) == ({}, 0)


def leases_end(box: Box) -> None:
    ranges = [line for line in dnsmasq_text(CONFIG).splitlines() if line.startswith("dhcp-range=")]
    assert ranges
    assert all(line.endswith(",1h") for line in ranges)


def days_end(box: Box) -> None:
    box.store.connection.execute("INSERT INTO daily VALUES ('2026-08-01', 'AAAA', 'isp', 'down', 5)")
    box.keep_house(8)
    assert box.rows("daily") == 0


def wishes_end(box: Box) -> None:
    wishes = Wishes(box.store.connection, 1, box.store.household, box.clock.now.monotonic)
    wishes.ask("AAAA", "note", "wrong", "elm", box.clock.now.monotonic)
    codes = Codes()
    code = codes.make("AAAA", box.clock.now.monotonic)
    assert codes.household(code, PHONE, box.clock.now.monotonic + SECONDS) is None
    wishes.turn(box.clock.now.monotonic + WAITS["note"])
    assert box.rows("wish WHERE text != ''") == 0


def journals_end(box: Box) -> None:
    most = round(WEEK / 60)
    for number in range(1, 4):
        box.store.append(Entry(number, 1, b"old", b""))
    box.store.append(Entry(most + 2, 1, b"new", b""))
    box.purge.run()
    assert box.rows("journal WHERE sequence <= 2") == 0
    assert box.rows("journal") == 2


def hub_rows_end(box: Box) -> None:
    engine = open_engine(f"sqlite:///{box.folder}/hub.db")
    try:
        migrate(engine)
        old = NOON - RETENTION_SECONDS - DAY
        planted = {
            "report": ("elm", 1, 1, old, 0.0, old, True, 0, 0, 0, ""),
            "line_hour": ("elm", "isp", "down", int(old // 3600), 5),
            "presence_hour": (int(old // 3600), 5),
            "pause_day": ("elm", int(old // DAY), 1),
            "link": ("elm", "oak", "mesh0", 0.0, 1, None, False, old, None),
        }
        with engine.begin() as connection:
            for table, row in planted.items():
                connection.exec_driver_sql(f"INSERT INTO {table} VALUES ({', '.join('?' * len(row))})", row)
        HubStore(engine).purge(NOON - RETENTION_SECONDS)
        with engine.connect() as connection:
            left = {t: connection.exec_driver_sql(f"SELECT COUNT(*) FROM {t}").scalar() for t in planted}
        assert left == dict.fromkeys(planted, 0)
    finally:
        engine.dispose()


def boots_end(box: Box) -> None:
    for number in range(BOOTS + 5):
        box.store.boot(f"life {number}")
    newest = box.store.current_boot()
    box.purge.run()
    assert (box.rows("boot"), box.store.current_boot()) == (BOOTS, newest)


def copies_set_aside_end(box: Box) -> None:
    copy = box.folder / "node.db.damaged-1"
    copy.write_bytes(b"old")
    (box.folder / "node.db.damaged-1-wal").write_bytes(b"old")
    os.utime(copy, (NOON - MONTH - 1, NOON - MONTH - 1))
    future = box.folder / "node.db.damaged-2"
    future.write_bytes(b"made while the clock was wrong")
    os.utime(future, (NOON + 9 * 365 * DAY,) * 2)
    box.purge.run()
    assert copy.exists(), "the clock is not sure yet"
    box.keep_house(8)
    assert not [*box.folder.glob("node.db.damaged-1*")]
    assert future.exists()
    box.clock.later(38 * DAY)
    box.keep_house(1)
    assert not future.exists()


def counters_of_who_is_gone_end(box: Box) -> None:
    place: Place = ("isp", "down", FIRST_GUEST)
    seen = {place: Count("1", 5)}
    box.store.record({}, {}, seen, box.clock.now)
    assert box.rows("reading") == 1
    box.store.record({}, seen, {}, box.clock.now)
    assert box.rows("reading") == 0


def outages_end(box: Box) -> None:
    box.store.connection.execute(
        "INSERT INTO outage (what, name, boot, monotonic, wall, lasted, over) VALUES ('box', 'oak', 1, 5, ?, 9, 1)",
        (NOON - KEPT_SECONDS - 1,),
    )
    box.purge.run()
    assert box.rows("outage") == 0


PLANTED: dict[str, Callable[[Box], None]] = {
    "stay": stays_end,
    "key": keys_and_their_codes_end,
    "pause": pauses_end,
    "lease": leases_end,
    "month": days_end,
    "wish": wishes_end,
    "week": journals_end,
    "hub-month": hub_rows_end,
    "boot": boots_end,
    "aside": copies_set_aside_end,
    "counted": counters_of_who_is_gone_end,
    "outage": outages_end,
}


PLANTED_BESIDE = {
    "remembered": "test_after_ninety_days_nobody_is_remembered_and_nothing_is_left",
    "lasting-key": "test_a_key_is_current_for_a_month_and_destroyed_after_four_and_an_old_copy_links_nothing",
}
"""Rules whose old rows need a whole network: tests in test_remembering.py."""


def test_every_rule_of_the_register_is_planted_here_or_beside() -> None:
    assert {entry.limit for entry in REGISTER if entry.limit} == {*PLANTED, *PLANTED_BESIDE} == ENFORCED
    beside = Path(__file__).with_name("test_remembering.py").read_text(encoding="utf-8")
    assert all(f"def {name}(" in beside for name in PLANTED_BESIDE.values())


@pytest.mark.parametrize("rule", PLANTED)
def test_what_is_old_goes(rule: str, box: Box) -> None:
    PLANTED[rule](box)


def test_a_clock_that_jumps_to_2040_and_back_drops_no_day(box: Box) -> None:
    box.store.connection.execute("INSERT INTO daily VALUES ('2026-09-20', 'AAAA', 'isp', 'down', 5)")
    for wall, trusted in ((NOON, True), (2_220_000_000.0, True), (0.0, False), (NOON, True)):
        box.clock.now = replace(box.clock.now, wall=wall, trusted=trusted)
        box.purge.run()
    assert box.rows("daily WHERE day = '2026-09-20'") == 1
