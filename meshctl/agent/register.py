"""The households that this node knows, read from node.db again only after a change there.

Turns ask several times for thousands of households that change once a week. SQLite itself says when
they did, by a trigger that lasts as long as this connection, so that no writer has to remember to.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping

from meshctl.model import Household
from meshctl.quota.plan import FIRST_HOME

_TRIGGERS = """
PRAGMA temp_store = MEMORY;
CREATE TEMP TABLE register (changes INTEGER NOT NULL);
INSERT INTO register VALUES (0);
CREATE TEMP TRIGGER household_added AFTER INSERT ON main.household
  BEGIN UPDATE register SET changes = changes + 1; END;
CREATE TEMP TRIGGER household_changed AFTER UPDATE ON main.household
  BEGIN UPDATE register SET changes = changes + 1; END;
CREATE TEMP TRIGGER household_removed AFTER DELETE ON main.household
  BEGIN UPDATE register SET changes = changes + 1; END;
"""

_QUERY = "SELECT handle, number, shares, CASE WHEN trusted THEN since END FROM household ORDER BY number"


class Register:
    """What it returns is shared by all who ask: nobody changes it."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._changes: int | None = None
        self._all: tuple[Household, ...] = ()
        self._by_mark: dict[int, Household] = {}
        connection.executescript(_TRIGGERS)

    def all(self) -> tuple[Household, ...]:
        """Return all households in the order they were added."""
        self._refresh()
        return self._all

    def by_mark(self) -> Mapping[int, Household]:
        """Return all households by mark, which is also the number of their class."""
        self._refresh()
        return self._by_mark

    def _refresh(self) -> None:
        changes = self._connection.execute("SELECT changes FROM register").fetchone()[0]
        if changes == self._changes:
            return
        self._all = tuple(Household(*row) for row in self._connection.execute(_QUERY))
        self._by_mark = {FIRST_HOME + one.number - 1: one for one in self._all}
        # Within a transaction that may be taken back, the same number may later stand for something else.
        self._changes = None if self._connection.in_transaction else changes
