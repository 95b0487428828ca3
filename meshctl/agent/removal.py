"""What follows in node.db when households are no longer known: every row that names them goes.

What they used stays in the sums of the lines, as guests' use: a line's total never changes by it.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterable

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
