"""A clock for months: how many seconds this node knows to have passed, over boots and power cuts.

While the board runs the monotonic clock counts. What passed while it was off, or slept, is added once both ends of
it were told by a wall clock that was trusted; a board that never has one counts what it saw itself. So the
clock never runs ahead of what is known to have passed by more than `START` for each boot, and never back.
"""

from __future__ import annotations

from meshctl.agent.clock import Clock
from meshctl.agent.store import Store

START = 60.0
"""Seconds that a boot counts by itself: up to so many of the boot before it may not have been written."""

_KEEP = 60.0
LARGEST_VERSION = 2**62 - 2

ENDING = 1 << 20
"""A withdrawal takes the next multiple of this as its version."""


class LongClock:
    """``version`` is the highest version of a remembered device that this node has heard of or made."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store, self._clock = store, clock
        reading = clock.read()
        self._seconds, self._at = 0.0, reading.monotonic
        self._anchor: tuple[float, float] | None = None
        self._boot = store.current_boot()
        self.version = 1
        self._kept = 0.0
        row = store.connection.execute(
            "SELECT seconds, boot, monotonic, wall, wall_seconds, version FROM long_clock"
        ).fetchone()
        if row is not None:
            seconds, boot, monotonic, wall, wall_seconds, self.version = row
            self.version = max(1, self.version)
            self._anchor = None if wall is None else (wall, wall_seconds)
            if boot == self._boot:
                self._seconds = seconds + max(0.0, reading.monotonic - monotonic)
            else:
                self._seconds = seconds + START
        self.keep()

    def now(self) -> float:
        """Return the seconds that have passed since this node began to count."""
        reading = self._clock.read()
        self._seconds += max(0.0, reading.monotonic - self._at)
        self._at = reading.monotonic
        if reading.trusted:
            if self._anchor is not None:
                self._seconds = max(self._seconds, self._anchor[1] + reading.wall - self._anchor[0])
            self._anchor = reading.wall, self._seconds
        return self._seconds

    def turn(self) -> None:
        """Write the clock once a minute."""
        if self.now() >= self._kept + _KEEP:
            self.keep()

    def keep(self) -> None:
        """Write the clock."""
        self._kept = self.now()
        wall, seconds = self._anchor or (None, None)
        self._store.connection.execute(
            "INSERT OR REPLACE INTO long_clock VALUES (1, ?, ?, ?, ?, ?, ?)",
            (self._seconds, self._boot, self._at, wall, seconds, self.version),
        )

    def next_version(self, *, ends: bool = False) -> int:
        """Return a version above every one that this node has heard of; one that ``ends`` something far above.

        So a withdrawal outranks also what a person agreed to before at a node that is not reached now.
        """
        after = (self.version // ENDING + 1) * ENDING if ends else self.version + 1
        self.version = min(after, LARGEST_VERSION)
        self.keep()
        return self.version

    def heard(self, version: int) -> None:
        """Note a version that another node knows of."""
        self.version = max(self.version, min(version, LARGEST_VERSION))
