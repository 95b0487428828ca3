"""What this node's line carried by day and household, for 37 days: the only history of a home, on this disk only.

A day is the local date, and only a clock that is trusted says which. While it is not, bytes count to
the last day that was trusted; before there was one they have no date, and the first trusted day takes
them. So no day is ever made up, whatever year a board without a clock believes it is.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Mapping
from datetime import date, timedelta

from meshctl.history import DayUse
from meshctl.model import ClockReading, Direction

KEPT = 37
"""Days: five whole weeks, and two days to ask what happened."""

UNDATED = ""
"""The day of bytes that flowed before any clock was trusted; it sorts before every date."""

Charge = tuple[str, Direction, str]
"""Line, direction, household; all guests are one."""

_JUMP = 30.0
"""Seconds by which wall and monotonic time may part before it counts as a jump."""

_STEADY = 6 * 3600.0
"""Seconds for which a clock must have been trusted without a jump before a day is dropped for its age."""


_SPARE = 3
"""Days that a wrong clock may make up before a good one is dropped for their number."""


class Calendar:
    """Which day it is, as far as that is known; ``last`` is the last day that was trusted."""

    def __init__(self, last: str = UNDATED) -> None:
        self.last = last
        self._since: float | None = None
        self._offset = 0.0

    def heed(self, clock: ClockReading) -> str:
        """Return the day that counts now. Call it each tick: it also learns how steady the clock is."""
        if not clock.trusted:
            self._since = None
            return self.last
        offset = clock.wall - clock.monotonic
        if self._since is None or abs(offset - self._offset) > _JUMP:
            self._since = clock.monotonic
        self._offset = offset
        self.last = time.strftime("%Y-%m-%d", time.localtime(clock.wall))
        return self.last

    def sure(self, clock: ClockReading) -> date | None:
        """Return today, once the clock has been trusted for six hours without a jump; else ``None``."""
        today = self.heed(clock)
        if self._since is None or clock.monotonic - self._since < _STEADY:
            return None
        return date.fromisoformat(today)


class Daily:
    """The table `daily`. Writes happen in the caller's transaction."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._calendar = Calendar(connection.execute("SELECT MAX(day) FROM daily").fetchone()[0] or UNDATED)

    def heed(self, clock: ClockReading) -> str:
        """Return the day that bytes count to now."""
        return self._calendar.heed(clock)

    def sure(self, clock: ClockReading) -> bool:
        """Say whether the clock has been trusted for six hours without a jump."""
        return self._calendar.sure(clock) is not None

    def add(self, charges: Mapping[Charge, int], day: str) -> None:
        """Count bytes to a day."""
        if day != UNDATED:
            self._move(UNDATED, UNDATED, day)
        self._connection.executemany(
            "INSERT INTO daily VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET bytes = bytes + excluded.bytes",
            [(day, household, line, way, sent) for (line, way, household), sent in charges.items()],
        )

    def of(self, household: str) -> list[DayUse]:
        """Return a household's newest days, the latest first; days without a byte are left out."""
        rows = self._connection.execute(
            "SELECT day, SUM(CASE direction WHEN 'down' THEN bytes ELSE 0 END), "
            "SUM(CASE direction WHEN 'up' THEN bytes ELSE 0 END) "
            "FROM daily WHERE household = ? GROUP BY day ORDER BY day DESC LIMIT ?",
            (household, KEPT),
        )
        return [DayUse(*row) for row in rows]

    def purge(self, clock: ClockReading) -> bool:
        """Keep 37 days; say whether one went. Call it in a transaction.

        By age once the clock is sure; what a wrong clock counted to days to come is today's then. Until it
        is sure by number, 40 at most, so that a board that never stays up for long forgets too.
        """
        today, went = self._calendar.sure(clock), 0
        if today is not None:
            tomorrow, oldest = today + timedelta(days=1), today - timedelta(days=KEPT - 1)
            self._move(tomorrow.isoformat(), date.max.isoformat(), today.isoformat())
            old = (oldest.isoformat(), UNDATED)
            went += self._connection.execute("DELETE FROM daily WHERE day < ? AND day != ?", old).rowcount
        went += self._connection.execute(
            "DELETE FROM daily WHERE day IN "
            "(SELECT DISTINCT day FROM daily WHERE day != ? ORDER BY day DESC LIMIT -1 OFFSET ?)",
            (UNDATED, KEPT + _SPARE),
        ).rowcount
        return went > 0

    def _move(self, first: str, last: str, day: str) -> None:
        """Count what was counted from ``first`` to ``last`` to ``day``."""
        span = (first, last)
        rows = self._connection.execute(
            "SELECT line, direction, household, SUM(bytes) FROM daily WHERE day BETWEEN ? AND ? GROUP BY 1, 2, 3", span
        ).fetchall()
        if rows:
            self._connection.execute("DELETE FROM daily WHERE day BETWEEN ? AND ?", span)
            self.add({(line, way, household): carried for line, way, household, carried in rows}, day)
