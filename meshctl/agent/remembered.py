"""Who asked to be remembered: the list that the hub's node keeps, of tokens that it cannot compute from its disk.

Each entry is replaced whole by a later one, in whatever order they come: see `Promise.stamp`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from typing import Any

from meshctl.agent.consents import NOTHING, Consent
from meshctl.agent.longclock import LARGEST_VERSION
from meshctl.agent.mesh.lasting import DAY, LASTING_LIFETIME, REMEMBERED_DAYS
from meshctl.agent.mesh.shapes import bad_shape, flag, hexadecimal, integer, number, text
from meshctl.agent.removal import ask_to_scrub
from meshctl.agent.store import Store

LONGEST = REMEMBERED_DAYS * DAY
MOST_REMEMBERED = 65_536
"""Entries in all; beyond that the ones that end soonest go."""

_COLUMNS = "token, key, until, version, gone, revision, writer, household, receipt, purpose, text, since, trusted"


@dataclass(frozen=True)
class Promise:
    """A device is to be known again until ``until``, on the long clock; ``gone`` says that it is not, any more.

    ``token`` is its token under the lasting key named ``key``. ``version`` is when the person agreed or took it
    back, ``revision`` when something else was changed: so a change never outlives a withdrawal that is later
    than the consent. ``household`` is a handle, or empty.
    """

    token: str
    key: str
    until: float
    version: int
    writer: str
    gone: bool = False
    revision: int = 0
    household: str = ""
    consent: Consent = NOTHING

    @property
    def stamp(self) -> tuple[int, bool, int, str, str, str]:
        """What orders the promises of one token: the greater one holds."""
        return (self.version, self.gone, self.revision, self.writer, self.household, self.consent.receipt)

    def holds(self, now: float) -> bool:
        """Say whether the device is to be known again: without a consent it is not."""
        return not self.gone and self.consent.receipt != "" and now < self.until


class Book:
    """The table `remembered`, and the receipts that were taken back by their number."""

    def __init__(self, store: Store) -> None:
        self._store, self._connection = store, store.connection

    def take(self, promise: Promise) -> None:
        """Take a promise in unless a later one is known; the same one twice changes nothing.

        One for a household that is not on the roll is over: the household was removed meanwhile.
        """
        known = self._of([promise.token])
        if known and known[0].stamp >= promise.stamp:
            return
        removed = promise.household and self._store.household(promise.household) is None
        void = promise.gone or removed or self._is_withdrawn(promise.consent.receipt)
        self._write(_void(promise) if void else promise)

    def withdraw(self, receipt: str, now: float) -> None:
        """End what a receipt stands for, also where the promise itself has not come yet."""
        with self._store.transaction():
            until = now + LASTING_LIFETIME
            self._connection.execute("INSERT OR REPLACE INTO withdrawn VALUES (?, ?)", (receipt, until))
        rows = self._connection.execute(f"SELECT {_COLUMNS} FROM remembered WHERE receipt = ?", (receipt,))  # noqa: S608
        for promise in [_promise(row) for row in rows.fetchall()]:
            self._write(_void(promise))

    def find(self, tokens: Iterable[str], now: float) -> Promise | None:
        """Return what holds for the device that has these tokens, under one key each."""
        latest = max(self._of(tokens), key=lambda one: one.stamp, default=None)
        return latest if latest is not None and latest.holds(now) else None

    def all(self) -> list[Promise]:
        """Return every entry."""
        return [_promise(row) for row in self._connection.execute(f"SELECT {_COLUMNS} FROM remembered")]  # noqa: S608

    def withdrawn(self) -> list[str]:
        """Return the receipts that were taken back by their number."""
        return [row[0] for row in self._connection.execute("SELECT receipt FROM withdrawn")]

    def clear(self) -> None:
        """Forget the whole list, also between the database's rows: another node keeps it now, and this one the keys."""
        with self._store.transaction():
            self._connection.execute("DELETE FROM remembered")
            self._connection.execute("DELETE FROM withdrawn")
            ask_to_scrub(self._connection)

    def purge(self, destroyed: Iterable[str], now: float) -> None:
        """Forget what is over, and what was kept under a key that is destroyed."""
        with self._store.transaction():
            self._connection.execute("DELETE FROM remembered WHERE until <= ?", (now,))
            self._connection.execute("DELETE FROM withdrawn WHERE until <= ?", (now,))
            self._connection.executemany("DELETE FROM remembered WHERE key = ?", [(name,) for name in destroyed])
            self._connection.execute(
                "DELETE FROM remembered WHERE token IN "
                "(SELECT token FROM remembered ORDER BY until DESC LIMIT -1 OFFSET ?)",
                (MOST_REMEMBERED,),
            )

    def _of(self, tokens: Iterable[str]) -> list[Promise]:
        wanted = list(tokens)
        marks = ", ".join("?" * len(wanted))
        rows = self._connection.execute(f"SELECT {_COLUMNS} FROM remembered WHERE token IN ({marks})", wanted)  # noqa: S608
        return [_promise(row) for row in rows]

    def _is_withdrawn(self, receipt: str) -> bool:
        row = self._connection.execute("SELECT 1 FROM withdrawn WHERE receipt = ?", (receipt,)).fetchone()
        return row is not None

    def _write(self, one: Promise) -> None:
        head = (one.token, one.key, one.until, one.version, int(one.gone), one.revision, one.writer, one.household)
        kept = one.consent
        values = (*head, kept.receipt, kept.purpose, kept.text, kept.since, int(kept.trusted))
        marks = ", ".join("?" * len(values))
        self._connection.execute(f"INSERT OR REPLACE INTO remembered ({_COLUMNS}) VALUES ({marks})", values)  # noqa: S608


def to_wire(promise: Promise, now: float) -> dict[str, Any]:
    """Return a promise as it travels: what is left instead of a deadline."""
    table = asdict(promise)
    del table["until"]
    return {**table, **table.pop("consent"), "left": max(0.0, promise.until - now)}


def from_wire(table: object, now: float, waited: float = 0.0) -> Promise:
    """Read a promise that was ``waited`` seconds on its way; none is longer than 90 days. Raises `ChannelError`."""
    version, revision = integer(table, "version"), integer(table, "revision")
    if not 1 <= version <= LARGEST_VERSION or revision > LARGEST_VERSION:
        raise bad_shape("version")
    gone = flag(table, "gone")
    longest = LASTING_LIFETIME if gone else LONGEST
    consent = Consent(
        text(table, "receipt", 32),
        text(table, "purpose", 16),
        integer(table, "text"),
        number(table, "since"),
        flag(table, "trusted"),
    )
    return Promise(
        hexadecimal(table, "token", 16),
        hexadecimal(table, "key", 8),
        now + max(0.0, min(number(table, "left"), longest) - waited),
        version,
        text(table, "writer", 64),
        gone,
        revision,
        text(table, "household", 8),
        consent,
    )


def _promise(row: tuple[Any, ...]) -> Promise:
    token, key, until, version, gone, revision, writer, household, *kept = row
    receipt, purpose, text_version, since, trusted = kept
    consent = Consent(receipt, purpose, text_version, since, bool(trusted))
    return Promise(token, key, until, version, writer, bool(gone), revision, household, consent)


def _void(promise: Promise) -> Promise:
    """Return what stands in a promise's place, and in its order, once nothing follows from it."""
    return replace(promise, household="", consent=NOTHING)
