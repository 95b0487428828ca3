"""The shape of an entry of the data register, and the words that entries may use."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Whose = Literal["device", "household", "network", "nobody"]

AtErase = Literal["gone", "guests", "unnamed", "stays"]
"""What the erase of a home does: the rows go; they count as guests' use; they stay without its name; they stay."""

ENFORCED = frozenset(
    {
        "stay",
        "key",
        "pause",
        "lease",
        "month",
        "wish",
        "week",
        "hub-month",
        "boot",
        "aside",
        "counted",
        "outage",
        "remembered",
        "lasting-key",
    }
)
"""Rules that end what is kept by itself. Each has code that enforces it, and a test with a planted old row."""


@dataclass(frozen=True)
class Entry:
    """One thing that is kept. ``where`` lists columns (``node.db/table.column``) and places outside a database.

    ``limit`` names the rule that ends it, empty for what lasts as long as what it is about: the home, the
    node, the network. ``withheld`` says why a home's download does not have it, empty where it has.
    """

    name: str
    whose: Whose
    where: tuple[str, ...]
    what: str
    purpose: str
    kept: str
    seen_by: str
    at_erase: AtErase = "stays"
    limit: str = ""
    withheld: str = ""


def N_(text: str) -> str:  # noqa: N802  # the usual name: it marks a text for translation where it is shown
    """Mark a text as one that is translated where it is shown."""
    return text


def of(file: str, **tables: str) -> tuple[str, ...]:
    """Columns of a database, by table, their names separated by spaces."""
    return tuple(f"{file}/{table}.{column}" for table, names in tables.items() for column in names.split())
