"""Forgets what is old on this node, hourly: the retentions of the data register that nothing else enforces.

Safe with a clock that is wrong: days and files go by their age only once the clock has been right for hours,
the rest by number. Stays, keys, pauses, leases and wishes end by the monotonic clock where they are held.
"""

from __future__ import annotations

from collections.abc import Callable

from meshctl.agent.clock import Clock
from meshctl.agent.outages import Outages
from meshctl.agent.removal import ask_to_scrub
from meshctl.agent.store import Store

WEEK = 7 * 86_400.0
MONTH = 37 * 86_400.0

BOOTS = 100


class Purge:
    """One rule of the register for each step, by its name. ``seconds`` lie between two reports."""

    def __init__(self, store: Store, outages: Outages, clock: Clock, seconds: float) -> None:
        self._store, self._outages, self._clock = store, outages, clock
        self.rules: dict[str, Callable[[], object]] = {
            "week": lambda: store.purge_journal(max(1, round(WEEK / seconds))),
            "month": self._days,
            "outage": self._told,
            "boot": lambda: store.purge_boots(BOOTS),
            "aside": lambda: store.purge_set_aside(clock.read(), MONTH),
        }

    def run(self) -> None:
        """Do all of it."""
        for rule in self.rules.values():
            rule()

    def _days(self) -> None:
        with self._store.transaction():
            if self._store.daily.purge(self._clock.read()):
                ask_to_scrub(self._store.connection)

    def _told(self) -> None:
        with self._store.transaction():
            self._outages.purge(self._clock.read())
