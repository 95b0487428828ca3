"""What follows in node.db when households are no longer known: every row that names them goes.

What they used stays in the sums of the lines, as guests' use: a line's total never changes by it.
"""

from __future__ import annotations

import hashlib
import logging
import sqlite3
from collections.abc import Container, Iterable
from pathlib import Path

from meshctl.agent import aside
from meshctl.model import GUESTS

_STATEMENTS = (
    "INSERT INTO ledger SELECT line, direction, :guests, SUM(bytes) FROM ledger "
    "WHERE household != :guests AND household NOT IN (SELECT handle FROM household) "
    "GROUP BY line, direction ON CONFLICT DO UPDATE SET bytes = bytes + excluded.bytes",
    # The lower stamp: what its owner says next must still count as newer.
    "INSERT INTO use SELECT owner, line, direction, :guests, SUM(bytes), MIN(boot), MIN(sequence) FROM use "
    "WHERE household != :guests AND household NOT IN (SELECT handle FROM household) "
    "GROUP BY owner, line, direction ON CONFLICT DO UPDATE SET bytes = bytes + excluded.bytes",
    "DELETE FROM ledger WHERE household != :guests AND household NOT IN (SELECT handle FROM household)",
    "DELETE FROM use WHERE household != :guests AND household NOT IN (SELECT handle FROM household)",
    "DELETE FROM home_memory WHERE household NOT IN (SELECT handle FROM household)",
    "DELETE FROM daily WHERE household != :guests AND household NOT IN (SELECT handle FROM household)",
    # A promise without a consent is none; the row keeps an older one from coming in anew.
    "UPDATE remembered SET household = '', receipt = '', purpose = '', text = 0, since = 0.0, trusted = 0 "
    "WHERE household != '' AND household NOT IN (SELECT handle FROM household)",
    "DELETE FROM wish WHERE household NOT IN (SELECT handle FROM household)",
)

_PART_BITS = 14
_DUE = "scrub_due"
_TURNS = 360
"""Turns until it is tried again where it failed: an hour."""

log = logging.getLogger(__name__)


def part_of(handle: str) -> int:
    """Return what is kept of a removed household's handle: 14 bits of its SHA-256, which 64 handles share.

    Enough that the handle is never drawn again, too little to say which household it was. Of the
    handles that nobody ever had, each removed one blocks 63 more, out of a million.
    """
    return int.from_bytes(hashlib.sha256(handle.encode()).digest()[:2]) >> (16 - _PART_BITS)


def drop_absent(connection: sqlite3.Connection, removed: Iterable[str]) -> None:
    """Forget all households but those in the table `household`. Call it in the transaction that removed them.

    ``removed`` are those that went just now: a device's record may also name one that is not known here yet.
    """
    for statement in _STATEMENTS:
        connection.execute(statement, {"guests": GUESTS})
    connection.executemany("UPDATE token SET household = '' WHERE household = ?", [(handle,) for handle in removed])


def ask_to_scrub(connection: sqlite3.Connection) -> None:
    """Note that bytes of what was deleted may still lie in the file, see `Scrub`."""
    connection.execute("INSERT OR IGNORE INTO tally VALUES (?, 1)", (_DUE,))


class Scrub:
    """Has no byte of what was deleted lie in node.db: not within its pages, in its log, nor in a copy set aside.

    SQLite's secure_delete overwrites rows, but not what a page keeps between rows when it was divided or
    filled anew; only writing the whole file again does. It takes some seconds on a board, so it is done in a
    turn, once for all that was deleted since the last, and also after a power cut in between.
    """

    def __init__(self, connection: sqlite3.Connection, file: Path) -> None:
        self._connection, self._file, self._patience = connection, file, 0

    def turn(self, known: Container[str]) -> bool:
        """Do it if it is due; say whether it was done. ``known`` are the homes on the roll."""
        self._patience = max(0, self._patience - 1)
        due = self._connection.execute("SELECT 1 FROM tally WHERE name = ?", (_DUE,)).fetchone()
        if due is None or self._patience:
            return False
        try:
            for step in ("VACUUM", "PRAGMA wal_checkpoint(TRUNCATE)"):
                self._connection.execute(step).close()
        except sqlite3.OperationalError as fault:
            log.warning(
                "node.db could not be written anew, so what was erased may lie in it: %s. Free some room.", fault
            )
            self._patience = _TURNS
            return False
        aside.forget(self._file, known)
        self._connection.execute("DELETE FROM tally WHERE name = ?", (_DUE,))
        return True
