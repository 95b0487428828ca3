"""The data register: everything that a network stores, why, for how long, who sees it, and what an erase does.

Pure. The page "what we keep", the download of a home's data, the erase and the purge are made from it or
held against it by tests; a column of node.db or hub.db without an entry fails them. Texts marked with
`N_` are English and meant for neighbours: whoever shows them translates them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from meshctl.commons.register_homes import DEVICE, HOUSEHOLD
from meshctl.commons.register_network import NETWORK, NOBODY
from meshctl.commons.register_shape import ENFORCED, N_, Entry, Whose

__all__ = ["ENFORCED", "REGISTER", "Entry", "Section", "columns", "exported", "sections", "withheld"]

REGISTER: tuple[Entry, ...] = (*DEVICE, *HOUSEHOLD, *NETWORK, *NOBODY)


class Section(NamedTuple):
    """A part of the page "what we keep": its heading, and what is kept in it; texts are English msgids."""

    name: Whose
    heading: str
    entries: tuple[Entry, ...]


_HEADINGS: dict[Whose, str] = {
    "device": N_("About your device"),
    "household": N_("About your home, if it has a pass"),
    "network": N_("About the network"),
}


def sections() -> tuple[Section, ...]:
    """What the page "what we keep" shows: of each entry ``what``, ``purpose``, ``kept`` and ``seen_by``."""
    return tuple(
        Section(whose, heading, tuple(entry for entry in REGISTER if entry.whose == whose))
        for whose, heading in _HEADINGS.items()
    )


def columns(database: str) -> dict[str, Entry]:
    """Every column of "node.db" or "hub.db" as ``table.column``, with its entry."""
    found = {}
    for entry in REGISTER:
        for place in entry.where:
            file, _, column = place.partition("/")
            if file == database:
                found[column] = entry
    return found


def exported() -> dict[str, list[str]]:
    """What a home's download has: of each table of node.db the columns that are a home's and not withheld."""
    tables: dict[str, list[str]] = {}
    for column, entry in columns("node.db").items():
        if entry.whose == "household" and not entry.withheld:
            table, _, name = column.partition(".")
            tables.setdefault(table, []).append(name)
    return tables


def withheld() -> Iterator[Entry]:
    """What is a home's and not in its download, each with the reason."""
    return (entry for entry in REGISTER if entry.whose == "household" and entry.withheld)
