"""The data register as the table of docs/privacy.md; ``python -m tests.commons.register_table`` writes it anew."""

from __future__ import annotations

from pathlib import Path

from meshctl.commons.dataregister import REGISTER
from meshctl.commons.register_shape import AtErase, Entry, Whose

PAGE = Path(__file__).resolve().parents[2] / "docs" / "privacy.md"
BEGIN, END = "<!-- the register begins -->\n", "<!-- the register ends -->\n"

_WHOSE: dict[Whose, str] = {
    "device": "Of a device",
    "household": "Of a home",
    "network": "Of the network",
    "nobody": "Of nobody",
}
_ERASE: dict[AtErase, str] = {
    "gone": "goes",
    "guests": "counts as guests' use",
    "unnamed": "stays, without the home",
    "stays": "not a home's",
}


def table() -> str:
    """Return the register as Markdown, one table for each whose it is."""
    parts = []
    for whose, heading in _WHOSE.items():
        parts.append(
            f"### {heading}\n\n| what, and why | where | kept | who sees it | at an erase |\n|---|---|---|---|---|\n"
        )
        parts += [_row(entry) for entry in REGISTER if entry.whose == whose]
        parts.append("\n")
    return "".join(parts).rstrip("\n") + "\n"


def _row(entry: Entry) -> str:
    places: dict[str, list[str]] = {}
    for place in entry.where:
        room, _, rest = place.partition("/")
        places.setdefault(room, []).append(rest.split(".")[0] if room.endswith(".db") else rest)
    where = "; ".join(f"{room}: {', '.join(dict.fromkeys(names))}" for room, names in places.items())
    return f"| {entry.what} {entry.purpose} | `{where}` | {entry.kept} | {entry.seen_by} | {_ERASE[entry.at_erase]} |\n"


def written(page: str) -> str:
    """Return a page with the table in its place."""
    before, _, rest = page.partition(BEGIN)
    return before + BEGIN + "\n" + table() + "\n" + END + rest.partition(END)[2]


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
