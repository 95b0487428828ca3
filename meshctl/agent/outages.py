"""When the internet, or another box, was not reached from here: the table `outage`. It names no person, no device."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping

from meshctl.model import ClockReading
from meshctl.network_view import Kind, Outage

KEPT_SECONDS = 30 * 86_400.0
"""How long an outage is told."""

MOST = 200
"""Rows that are kept at most: a link that comes and goes fills no disk."""

SHOWN = 20

PATIENCE = 45.0
"""Seconds for which something must be missed before it counts: a box that starts anew is no outage."""

Missed = tuple[Kind, str]


class Outages:
    """Notes what is missed, turn by turn. ``boot`` is this boot's number."""

    def __init__(self, connection: sqlite3.Connection, boot: int) -> None:
        self._connection, self._boot = connection, boot
        self._missed: dict[Missed, float] = {}
        # What was down when this node lost its power has an end that nobody saw.
        connection.execute("UPDATE outage SET over = 1 WHERE over = 0 AND boot != ?", (boot,))
        rows = connection.execute("SELECT what, name, id FROM outage WHERE over = 0")
        self._open: dict[Missed, int] = {(what, name): ident for what, name, ident in rows}

    def note(self, missed: Mapping[Missed, float], clock: ClockReading) -> None:
        """Say what is missed now, and since when (monotonic). Writes only when an outage begins or ends."""
        for one in [*self._missed]:
            if one not in missed:
                del self._missed[one]
        for one, first in missed.items():
            since = self._missed.setdefault(one, first)
            if one not in self._open and clock.monotonic - since >= PATIENCE:
                self._begin(one, since, clock)
        for one in [*self._open]:
            if one not in missed:
                self._end(self._open.pop(one), clock)

    def since(self, one: Missed, clock: ClockReading) -> float | None:
        """Return for how many seconds something has been missed, ``None`` while it is not."""
        if one in self._open:
            began, *_ = self._connection.execute(
                "SELECT monotonic FROM outage WHERE id = ?", (self._open[one],)
            ).fetchone()
            return max(0.0, clock.monotonic - float(began))
        return clock.monotonic - self._missed[one] if one in self._missed else None

    def told(self, clock: ClockReading) -> tuple[Outage, ...]:
        """Return those of the last 30 days, the latest first."""
        rows = self._connection.execute(
            "SELECT what, name, boot, monotonic, wall, lasted, over FROM outage ORDER BY id DESC LIMIT ?",
            (SHOWN,),
        )
        outages = []
        for what, name, boot, monotonic, wall, lasted, over in rows:
            ago = self._ago(boot, monotonic, wall, clock)
            if ago is None or ago <= KEPT_SECONDS:
                outages.append(Outage(what, name, ago, lasted, bool(over)))
        return tuple(outages)

    def purge(self, clock: ClockReading) -> None:
        """Forget what is older than 30 days by a trusted clock, and all but 200. Call it in a transaction."""
        if clock.trusted:
            oldest = clock.wall - KEPT_SECONDS
            self._connection.execute("DELETE FROM outage WHERE over = 1 AND wall < ?", (oldest,))
        self._connection.execute("DELETE FROM outage WHERE id <= (SELECT MAX(id) FROM outage) - ?", (MOST,))

    def _ago(self, boot: int, monotonic: float, wall: float | None, clock: ClockReading) -> float | None:
        if boot == self._boot:
            return max(0.0, clock.monotonic - monotonic)
        return max(0.0, clock.wall - wall) if wall is not None and clock.trusted else None

    def _begin(self, one: Missed, since: float, clock: ClockReading) -> None:
        wall = clock.wall - (clock.monotonic - since) if clock.trusted else None
        cursor = self._connection.execute(
            "INSERT INTO outage (what, name, boot, monotonic, wall, over) VALUES (?, ?, ?, ?, ?, 0)",
            (*one, self._boot, since, wall),
        )
        self._open[one] = int(cursor.lastrowid or 0)

    def _end(self, ident: int, clock: ClockReading) -> None:
        self._connection.execute(
            "UPDATE outage SET over = 1, lasted = ? - monotonic WHERE id = ?", (clock.monotonic, ident)
        )
