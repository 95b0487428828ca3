"""Copies of a damaged node.db, set aside for a maintainer to look at: kept 37 days, and none past an erase.

Nothing can be erased within a damaged file, so a copy that names a home which is known no more goes, and so
does one of which that cannot be read.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Container
from contextlib import closing
from pathlib import Path

_PARTS = ("", "-wal", "-shm")


def if_damaged(file: Path) -> Path | None:
    """Move a damaged database aside; return where it went."""
    if not file.exists():
        return None
    try:
        with closing(sqlite3.connect(file)) as connection:
            sound = connection.execute("PRAGMA quick_check").fetchone()[0] == "ok"
    except sqlite3.DatabaseError:
        sound = False
    if sound:
        return None
    number = 1
    while (copy := file.with_name(f"{file.name}.damaged-{number}")).exists():
        number += 1
    for suffix in _PARTS:
        part = file.with_name(file.name + suffix)
        if part.exists():
            part.rename(copy.with_name(copy.name + suffix))
    os.utime(copy)
    return copy


def forget(file: Path, known: Container[str]) -> None:
    """Delete copies that name a home which is not among the ``known``, or may."""
    for copy in _copies(file):
        if not _names_only(copy, known):
            _delete(copy)


def purge(file: Path, now: float, seconds: float) -> None:
    """Delete copies older than so many seconds; one that a wrong clock made in time to come is of ``now``."""
    for copy in _copies(file):
        made = copy.stat().st_mtime
        if made > now:
            os.utime(copy, (now, now))
        elif made < now - seconds:
            _delete(copy)


def _copies(file: Path) -> list[Path]:
    return [one for one in file.parent.glob(f"{file.name}.damaged-*") if not one.name.endswith(_PARTS[1:])]


def _names_only(copy: Path, known: Container[str]) -> bool:
    log = copy.with_name(copy.name + "-wal")
    if log.exists() and log.stat().st_size:
        return False  # what it holds is known only once it is played back into a damaged file
    try:
        with closing(sqlite3.connect(f"file:{copy}?mode=ro&immutable=1", uri=True)) as connection:
            rows = connection.execute("SELECT handle FROM household UNION SELECT household FROM token").fetchall()
    except sqlite3.DatabaseError:
        return False
    return all(not row[0] or row[0] in known for row in rows)


def _delete(copy: Path) -> None:
    for suffix in _PARTS:
        copy.with_name(copy.name + suffix).unlink(missing_ok=True)
