"""node.db's part of the fair share: what the line remembers of households, and when it was written.

Times are seconds of the line's own clock (`meshctl.quota.usage`), which goes on over boots.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from meshctl.quota.usage import Filled, Memory, Past

_LINE = "clock, boot, monotonic, wall, trusted, down_contended, down_capacity, up_contended, up_capacity"
_HOME = "household, born, seen, at, shares, down, up, level, since, ratio, wall"


@dataclass(frozen=True)
class Written:
    """When a memory was written: the boot's number, its monotonic clock, and the wall clock where trusted."""

    boot: int
    monotonic: float
    wall: float | None


def load(connection: sqlite3.Connection, line: str) -> tuple[Memory, Written] | None:
    """Return what is known of a line, or ``None`` for a new one."""
    row = connection.execute(f"SELECT {_LINE} FROM line_memory WHERE line = ?", (line,)).fetchone()  # noqa: S608
    if row is None:
        return None
    clock, boot, monotonic, wall, trusted = row[:5]
    rows = connection.execute(f"SELECT {_HOME} FROM home_memory WHERE line = ?", (line,))  # noqa: S608
    homes = {one[0]: Past(*one[1:]) for one in rows}
    memory = Memory(clock, Filled(*row[5:7]), Filled(*row[7:9]), homes)
    return memory, Written(boot, monotonic, wall if trusted else None)


def write(connection: sqlite3.Connection, line: str, before: Memory | None, memory: Memory, at: Written) -> None:
    """Write what changed since ``before``; the caller holds the transaction."""
    figures = (memory.down.contended, memory.down.capacity, memory.up.contended, memory.up.capacity)
    stamp = (at.boot, at.monotonic, at.wall or 0.0, int(at.wall is not None))
    connection.execute(
        f"INSERT OR REPLACE INTO line_memory (line, {_LINE}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",  # noqa: S608
        (line, memory.clock, *stamp, *figures),
    )
    known = before.homes if before else {}
    changed = [(line, handle, *_row(past)) for handle, past in memory.homes.items() if known.get(handle) is not past]
    gone = [(line, handle) for handle in known if handle not in memory.homes]
    connection.executemany("DELETE FROM home_memory WHERE line = ? AND household = ?", gone)
    marks = ", ".join("?" * 12)
    connection.executemany(f"INSERT OR REPLACE INTO home_memory (line, {_HOME}) VALUES ({marks})", changed)  # noqa: S608


def _row(past: Past) -> tuple[object, ...]:
    amounts = (past.shares, past.down, past.up, past.level, past.since, past.ratio, past.wall)
    return (past.born, past.seen, past.at, *amounts)
