"""What homes asked for: a note to the stewards about a wrong figure, and to be erased.

Every node keeps every wish and tells it to the others, so it may be asked, seen and taken back anywhere,
and none is lost while the hub's node is away. Times count on the monotonic clock, and only while a node
has power: an erase waits 24 h, however often the power fails.
"""

from __future__ import annotations

import sqlite3
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, get_args

from meshctl.agent.removal import ask_to_scrub
from meshctl.model import MeshctlError

Kind = Literal["erase", "note"]
KINDS: tuple[Kind, ...] = get_args(Kind)

WAITS: dict[Kind, float] = {"erase": 24 * 3600.0, "note": 37 * 86_400.0}
"""Seconds until an erase is due, and until a note is forgotten."""

LONGEST_NOTE = 200
"""Characters."""

SETTLE = 600.0
"""Seconds that a wish heard from another node has at least: time to hear that it was taken back."""

_JOINERS = "\u200c\u200d"

LAST_VERSION = 1_000_000

_SAVE_SECONDS = 600.0
_COLUMNS = "household, kind, text, until, version, writer, over"


class WishError(MeshctlError):
    """What was written is no note."""


@dataclass(frozen=True)
class Wish:
    """The newest wish of a kind of one home; ``over`` says that it was taken back, or its time is over.

    ``until`` is a deadline on this node's monotonic clock. One that was taken back stays, without its
    text, until the home goes: a node that was off still believes in the one before.
    """

    household: str
    kind: Kind
    text: str
    until: float
    version: int
    by: str
    over: bool = False

    def beats(self, other: Wish | None) -> bool:
        """Say whether this replaces ``other``: the later version, then an end, then the greater name of a node."""
        return other is None or self.rank > other.rank

    @property
    def rank(self) -> tuple[int, bool, str, float, str]:
        """What orders the wishes of one home: every field, so that no two that differ are equal."""
        return (self.version, self.over, self.by, -self.until, self.text)


class Wishes:
    """The table `wish`. ``boot`` is this boot's number, ``known`` whether a home is on the roll."""

    def __init__(self, connection: sqlite3.Connection, boot: int, known: Callable[[str], object], now: float) -> None:
        self._connection, self._boot, self._known = connection, boot, known
        self._saved = now
        connection.execute("UPDATE wish SET until = ? + left, boot = ? WHERE boot != ?", (now, boot, boot))

    def all(self) -> list[Wish]:
        """Return every wish, also those that are over."""
        return [_wish(row) for row in self._connection.execute(f"SELECT {_COLUMNS} FROM wish")]  # noqa: S608

    def of(self, household: str, kind: Kind) -> Wish | None:
        """Return a home's wish of a kind if it still stands."""
        found = self._held(household, kind)
        return None if found is None or found.over else found

    def ask(self, household: str, kind: Kind, text: str, by: str, now: float) -> Wish:
        """Write a home's wish down in place of the one before."""
        return self._write(Wish(household, kind, text, now + WAITS[kind], self._next(household, kind), by), now)

    def end(self, household: str, kind: Kind, by: str, now: float) -> Wish | None:
        """Take a home's wish back; return ``None`` where there is none."""
        held = self.of(household, kind)
        if held is None:
            return None
        return self._write(Wish(household, kind, "", held.until, self._next(household, kind), by, over=True), now)

    def merge(self, wish: Wish, now: float) -> bool:
        """Take in what another node knows, unless one that beats it is known; say whether it was taken."""
        if not self._known(wish.household) or not wish.beats(self._held(wish.household, wish.kind)):
            return False
        self._write(wish, now)
        return True

    def due(self, now: float) -> list[str]:
        """Return the homes whose erase has waited its time."""
        rows = self._connection.execute(
            "SELECT household FROM wish WHERE kind = 'erase' AND over = 0 AND until <= ?", (now,)
        )
        return [row[0] for row in rows.fetchall()]

    def turn(self, now: float) -> None:
        """End notes whose time is over, and write down from time to time how long the others have left."""
        lapsed = "kind = 'note' AND over = 0 AND until <= ?"
        if self._connection.execute(f"SELECT 1 FROM wish WHERE {lapsed}", (now,)).fetchone():  # noqa: S608
            self._connection.execute(f"UPDATE wish SET over = 1, text = '' WHERE {lapsed}", (now,))  # noqa: S608
            ask_to_scrub(self._connection)
        if now - self._saved >= _SAVE_SECONDS:
            self._saved = now
            if self._connection.execute("SELECT 1 FROM wish WHERE over = 0").fetchone():
                self._connection.execute("UPDATE wish SET left = MAX(0.0, until - ?) WHERE over = 0", (now,))

    def _held(self, household: str, kind: Kind) -> Wish | None:
        row = self._connection.execute(
            f"SELECT {_COLUMNS} FROM wish WHERE household = ? AND kind = ?",  # noqa: S608
            (household, kind),
        ).fetchone()
        return None if row is None else _wish(row)

    def _next(self, household: str, kind: Kind) -> int:
        held = self._held(household, kind)
        return min(held.version + 1, LAST_VERSION) if held else 1

    def _write(self, wish: Wish, now: float) -> Wish:
        left = max(0.0, wish.until - now)
        row = (wish.household, wish.kind, wish.text, wish.until, left, self._boot, wish.version, wish.by, wish.over)
        self._connection.execute("INSERT OR REPLACE INTO wish VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
        if wish.over and wish.kind == "note":
            ask_to_scrub(self._connection)
        return wish


def checked_note(given: object) -> str:
    """Return a note without spaces around it, empty to take it back. Raises `WishError`."""
    written = given if isinstance(given, str) else ""
    # Marks that keyboards of right-to-left scripts and emoji add: nobody sees them, and they confuse a terminal.
    seen = (letter for letter in written if letter in _JOINERS or unicodedata.category(letter) != "Cf")
    note = " ".join("".join(seen).split())
    if len(note) > LONGEST_NOTE or not all(letter.isprintable() or letter in _JOINERS for letter in note):
        raise WishError(f"note: it has at most {LONGEST_NOTE} printable characters. Write what is wrong, in short.")
    return note


def _wish(row: tuple[str, Kind, str, float, int, str, int]) -> Wish:
    return Wish(*row[:6], over=bool(row[6]))
