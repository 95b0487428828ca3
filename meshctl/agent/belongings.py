"""A home's belongings: its rows in node.db as the data register lists them, and the file that a home may download."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from typing import Any

from meshctl.commons.dataregister import REGISTER, exported
from meshctl.history import DayUse
from meshctl.model import ClockReading

FORMAT = "meshctl-home"
VERSION = 1

UNITS = {
    "bytes": "bytes of frames that a line carried: down to the home, up from it",
    "day": "local date of the box with the line, YYYY-MM-DD; empty for what flowed before its clock was right",
    "since": "seconds since 1970 by the box's clock; right where trusted is 1",
    "memory": "bytes, decayed by half each week, in units of the line; times in seconds of the line's own clock",
    "left": "seconds while the box has power",
}

Tables = Mapping[str, list[dict[str, Any]]]


def belongings(connection: sqlite3.Connection, household: str) -> dict[str, list[dict[str, Any]]]:
    """Return what this node's database keeps of a home, by table."""
    found = {}
    for table, names in exported().items():
        key = "handle" if table == "household" else "household"
        listed = ", ".join(f'"{name}"' for name in names)
        query = f'SELECT {listed} FROM "{table}" WHERE "{key}" = ?'  # noqa: S608  # names come from the register
        found[table] = [dict(zip(names, row, strict=True)) for row in connection.execute(query, (household,))]
    return found


def download(household: str, node: str, parts: Mapping[str, Tables | None], clock: ClockReading) -> dict[str, Any]:
    """Return the whole file; ``parts`` are what each node keeps, ``None`` where it was not reached."""
    return {
        "format": FORMAT,
        "version": VERSION,
        "home": household,
        "made": {"at": clock.wall if clock.trusted else None, "by": node, "unit": "seconds since 1970"},
        "units": UNITS,
        "kept": {name: tables for name, tables in parts.items() if tables is not None},
        "missing": sorted(name for name, tables in parts.items() if tables is None),
        "register": [
            {
                "name": entry.name,
                "columns": [place.removeprefix("node.db/") for place in entry.where],
                "what": entry.what,
                "purpose": entry.purpose,
                "kept": entry.kept,
                "seen_by": entry.seen_by,
                "at_erase": entry.at_erase,
                "not_here_because": entry.withheld,
            }
            for entry in REGISTER
            if entry.whose == "household"
        ],
    }


def days_of(parts: Mapping[str, Tables | None]) -> tuple[DayUse, ...]:
    """Return a home's days over all lines, the latest first."""
    days: dict[str, dict[str, int]] = {}
    for tables in parts.values():
        for row in (tables or {}).get("daily", ()):
            sums = days.setdefault(str(row["day"]), {"down": 0, "up": 0})
            sums[str(row["direction"])] += int(row["bytes"])
    return tuple(DayUse(day, sums["down"], sums["up"]) for day, sums in sorted(days.items(), reverse=True))


def carried(parts: Mapping[str, Tables | None], direction: str) -> int:
    """Return what lines carried for a home in all: by their own count, or the hub's copy where one is away."""
    rows = [row for tables in parts.values() for row in (tables or {}).get("ledger", ())]
    counted = {row["line"] for row in rows}
    copies = [row for tables in parts.values() for row in (tables or {}).get("use", ()) if row["line"] not in counted]
    return sum(int(row["bytes"]) for row in [*rows, *copies] if row["direction"] == direction)
