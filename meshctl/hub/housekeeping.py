"""What the hub does without being asked: notes presence, writes refusals, purges what is old."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from sqlalchemy.exc import SQLAlchemyError

from meshctl.hub.intake import Tally
from meshctl.hub.latest import RETENTION_SECONDS
from meshctl.hub.overview import note_presence
from meshctl.hub.roster import Roster
from meshctl.hub.store import Store

_log = logging.getLogger(__name__)

_PRESENCE_SECONDS = 10
_TURNS_TO_FLUSH = 6
_TURNS_TO_PURGE = 360


class Housekeeping:
    """One thread that waits by the monotonic clock, so that no jump of the wall clock stops or hurries it."""

    def __init__(self, store: Store, roster: Roster, tally: Tally, clock: Callable[[], float]) -> None:
        self._store, self._roster, self._tally, self._clock = store, roster, tally, clock
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="housekeeping", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End, and leave no refusal uncounted."""
        self._stop.set()
        self._thread.join()
        self._attempt(lambda: self._tally.flush(self._store))

    def turn(self, number: int) -> None:
        """Do what is due in this turn; the first turn does everything."""
        now = self._clock()
        self._attempt(lambda: note_presence(self._store, self._roster, now))
        if number % _TURNS_TO_FLUSH == 0:
            self._attempt(lambda: self._tally.flush(self._store))
        if number % _TURNS_TO_PURGE == 0:
            self._attempt(lambda: self._store.purge(now - RETENTION_SECONDS))

    def _run(self) -> None:
        number = 0
        while True:
            self.turn(number)
            number += 1
            if self._stop.wait(_PRESENCE_SECONDS):
                return

    @staticmethod
    def _attempt(work: Callable[[], None]) -> None:
        """A database that does not answer is asked again in the next turn."""
        try:
            work()
        except SQLAlchemyError as fault:
            _log.error("housekeeping is put off: %s", fault)
