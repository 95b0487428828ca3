"""How benches tell: progress on stderr; on stdout a table for people, or one JSON object."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence


def progress(words: str) -> None:
    """Say what is being measured now."""
    sys.stderr.write(f"\r\033[K{words}" if sys.stderr.isatty() else f"{words}\n")
    sys.stderr.flush()


def progress_ends() -> None:
    """Clear the line of progress."""
    if sys.stderr.isatty():
        sys.stderr.write("\r\033[K")


def show(title: str, head: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print a table; the first column is words, the others are figures."""
    everything = [tuple(head), *(tuple(row) for row in rows)]
    widths = [max(len(row[at]) for row in everything) for at in range(len(head))]
    print(title)
    for row in everything:
        cells = [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        print("  " + "  ".join(cells).rstrip())


def show_json(found: Mapping[str, object]) -> None:
    """Print everything that was measured as one line."""
    print(json.dumps(found))
