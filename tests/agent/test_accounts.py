"""What the line remembers survives restarts, power cuts and clocks that jump, and follows the roll."""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from meshctl.agent import memory as written
from meshctl.agent.members import Members
from meshctl.agent.passes import Verifier
from meshctl.agent.store import Store
from meshctl.agent.tick import Reconciler
from meshctl.model import ClockReading, Policy
from meshctl.quota.plan import FIRST_HOME
from meshctl.quota.usage import Memory, left_after
from tests.agent.fake_kernel import FakeKernel
from tests.kernel.agents import GATEWAY, config_of

HOMES = ("AAAA", "BBBB")
HARDWARE = {handle: f"02:00:00:00:00:{number:02x}" for number, handle in enumerate(HOMES, 1)}
LINE = 2.5e6
DAY = 86_400.0
NOON = 1_800_000_000.0


class Hands:
    """Both hands of a clock, as the test moves them."""

    def __init__(self) -> None:
        self.monotonic, self.wall, self.trusted = 50.0, NOON, True

    def read(self) -> ClockReading:
        return ClockReading(self.monotonic, self.wall, self.trusted)

    def move(self, seconds: float) -> None:
        self.monotonic += seconds
        self.wall += seconds


class Board:
    """A gateway with two homes, its agent started, killed and started again."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.clock = folder, Hands()
        self.config = replace(config_of(GATEWAY), policy=Policy())
        self.start("first")
        for handle in HOMES:
            self.store.add_household(handle, 1, Verifier(b"s" * 16, b"d" * 32), self.clock.read())
            home = next(one for one in self.store.households() if one.handle == handle)
            device = self.members.link(HARDWARE[handle], home, 1e12, self.clock.monotonic)
            self.turns.admit([device], [])
        self.turns.tick()

    def start(self, life: str, *, anew: bool = True) -> None:
        """Start an agent: in another life of the board, or in the same one."""
        if anew:
            self.kernel, self.members = (
                FakeKernel(self.config, ["lan0", "wan0"], lambda: self.clock.monotonic),
                Members(),
            )
        self.store = Store(self.folder)
        self.store.boot(life)
        self.turns = Reconciler(self.config, self.kernel, self.store, self.members, self.clock)
        self.turns.start()

    def contend(self, seconds: float, first: float = 0.75) -> None:
        """Fill the line for a while, both homes wanting more: so much of it to the first home."""
        for handle, part in zip(HOMES, (first, 1 - first), strict=True):
            mark = FIRST_HOME + HOMES.index(handle)
            self.kernel.send("down", mark, int(LINE * seconds * part), dropped=3)
        self.clock.move(seconds)
        self.turns.tick()

    @property
    def memory(self) -> Memory:
        assert self.turns.accounts.memory is not None
        return self.turns.accounts.memory

    def used(self, handle: str = "AAAA") -> float:
        """Return contended use as it stands now."""
        past = self.memory.homes[handle]
        return past.down * left_after(self.memory.clock - past.at, self.config.policy.half_life)


@pytest.fixture
def board(tmp_path: Path) -> Board:
    return Board(tmp_path)


def test_contended_use_is_charged_and_other_use_is_free(board: Board) -> None:
    board.contend(10)
    # Two homes of one share each: what one gets counts double, in units of the whole line.
    assert board.used() == pytest.approx(2 * 0.75 * LINE * 10, rel=1e-4)
    assert board.memory.down.contended == pytest.approx(LINE * 10, rel=1e-4)
    before = board.used()

    board.kernel.send("down", FIRST_HOME, int(LINE * 10), dropped=3)
    board.clock.move(10)
    board.turns.tick()
    assert board.used() < before


def test_an_agent_that_is_killed_goes_on_where_it_wrote(board: Board) -> None:
    board.contend(10)
    used, clock = board.used(), board.memory.clock
    board.kernel.send("down", FIRST_HOME, int(LINE * 7.5), dropped=3)
    board.kernel.send("down", FIRST_HOME + 1, int(LINE * 2.5), dropped=3)
    board.clock.move(10)
    board.start("first", anew=False)

    # What flowed while there was no agent is in the first reading of the next one.
    assert board.memory.clock == clock + 10
    assert board.used() == pytest.approx(2 * used, rel=1e-4)


@pytest.mark.parametrize("days", [0.5, 7.0, 30.0])
def test_a_time_without_power_is_forgotten_once_a_trusted_clock_says_how_long_it_was(board: Board, days: float) -> None:
    board.contend(10)
    used, clock = board.used(), board.memory.clock
    board.clock.monotonic, board.clock.wall, board.clock.trusted = 3.0, 40.0, False
    board.start("second")
    board.clock.move(10)
    board.turns.tick()
    assert board.used() == pytest.approx(used, rel=1e-4)
    assert board.memory.clock == pytest.approx(clock + 10)

    board.clock.wall, board.clock.trusted = NOON + 10 + days * DAY, True
    board.clock.move(10)
    board.turns.tick()
    assert board.memory.clock == pytest.approx(clock + days * DAY + 10, abs=1)
    assert board.used() == pytest.approx(used * 0.5 ** (days / 7), rel=1e-4)


def test_two_cuts_before_any_trusted_clock_are_forgotten_whole(board: Board) -> None:
    board.contend(10)
    used = board.used()
    for life in ("second", "third"):
        board.clock.monotonic, board.clock.wall, board.clock.trusted = 3.0, 40.0, False
        board.start(life)
        board.clock.move(700)
        board.turns.tick()
    board.clock.wall, board.clock.trusted = NOON + 7 * DAY, True
    board.turns.tick()
    board.clock.move(10)
    board.turns.tick()

    assert board.used() == pytest.approx(used / 2, rel=1e-3)


@pytest.mark.parametrize("wall", [0.0, NOON - 50 * DAY, NOON + 5000 * DAY])
def test_a_clock_that_jumps_forgets_nothing(board: Board, wall: float) -> None:
    board.contend(10)
    used = board.used()
    board.clock.wall = wall
    for _ in range(2):
        board.clock.move(10)
        board.turns.tick()
    board.start("second")
    board.clock.move(10)
    board.turns.tick()

    assert board.used() == pytest.approx(used, rel=1e-3)


def test_a_level_is_decided_within_the_turn_kept_and_given_back(board: Board) -> None:
    board.clock.move(10)
    board.turns.tick()
    half = board.memory.down.capacity / 8
    heavy = replace(board.memory.homes["AAAA"], down=3 * half)
    board.turns.accounts.memory = replace(board.memory, homes={**board.memory.homes, "AAAA": heavy})
    board.clock.move(10)
    board.turns.tick()
    leaves = board.turns.plan.trees["down"].leaves
    assert board.turns.plan.levels == {FIRST_HOME: 2}
    assert leaves[FIRST_HOME + 1].rate == pytest.approx(4 * leaves[FIRST_HOME].rate, rel=1e-3)
    assert board.kernel.read().trees["down"].classes[FIRST_HOME].rate == leaves[FIRST_HOME].rate * 1000
    past = board.memory.homes["AAAA"]
    assert (past.level, past.since, past.wall) == (2, board.memory.clock, board.clock.wall)

    board.clock.move(10)
    board.turns.tick()
    board.start("first", anew=False)
    kept = board.memory.homes["AAAA"]
    assert (kept.level, kept.since, kept.ratio) == (past.level, past.since, past.ratio)
    days = 7 * math.log2(past.ratio / 1.35) + 0.01
    board.clock.move(days * DAY)
    for handle in HOMES:
        home = next(one for one in board.store.households() if one.handle == handle)
        board.turns.admit([board.members.link(HARDWARE[handle], home, 1e12, board.clock.monotonic)], [])
    board.turns.tick()
    assert board.turns.plan.levels == {}
    assert board.memory.homes["AAAA"].level == 0


def test_an_idle_line_is_not_written_with_every_turn(board: Board) -> None:
    board.contend(10)
    board.clock.move(10)
    board.turns.tick()
    changes = board.store.connection.total_changes
    for _ in range(20):
        board.clock.move(10)
        board.turns.tick()
    assert board.store.connection.total_changes == changes


def test_a_household_that_is_gone_is_gone_from_the_memory_too(board: Board) -> None:
    board.contend(10)
    board.store.connection.execute("DELETE FROM household WHERE handle = 'AAAA'")
    board.clock.move(10)
    board.turns.tick()
    board.clock.move(700)
    board.turns.tick()

    assert board.memory.homes.keys() == {"BBBB"}
    rows = board.store.connection.execute("SELECT household FROM home_memory").fetchall()
    assert rows == [("BBBB",)]


def test_a_kill_between_any_two_statements_loses_a_turn_at_most(board: Board, monkeypatch: pytest.MonkeyPatch) -> None:
    board.contend(10)
    used, bytes_before = board.used(), dict(board.store.ledger())
    write: Callable[..., None] = written.write

    def torn(connection: sqlite3.Connection, *words: object) -> None:
        write(connection, *words)
        raise sqlite3.OperationalError("the power is gone")

    monkeypatch.setattr(written, "write", torn)
    with pytest.raises(sqlite3.OperationalError):
        board.contend(10)
    monkeypatch.undo()
    board.store.close()
    board.start("first", anew=False)

    # The ledger and the memory agree: both have the turn that was torn, once.
    assert board.used() == pytest.approx(2 * used, rel=1e-3)
    after = board.store.ledger()
    assert sum(after.values()) == pytest.approx(2 * sum(bytes_before.values()), rel=1e-6)
