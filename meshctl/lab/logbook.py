"""A service's log: one file of bounded size and the one before it."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

LIMIT = 512 * 1024


class Logbook:
    """Appends bytes; at `LIMIT` the file becomes NAME.1 and a new one begins."""

    def __init__(self, file: Path, limit: int = LIMIT) -> None:
        self.file, self._limit = file, limit
        self._size = 0
        self._open: BinaryIO = self.file.open("ab")

    def write(self, lines: bytes) -> None:
        """Append; what arrives after the disk is full is lost, and the lab goes on."""
        if self._size + len(lines) > self._limit:
            self._open.close()
            self.file.replace(self.file.with_name(self.file.name + ".1"))
            self._open = self.file.open("ab")
            self._size = 0
        self._open.write(lines)
        self._open.flush()
        self._size += len(lines)

    def close(self) -> None:
        """Close the file."""
        self._open.close()


def tail(file: Path, lines: int = 15) -> str:
    """The last lines of a log, or a remark that there is none."""
    try:
        text = file.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return "(no log)"
    return "\n".join(text.splitlines()[-lines:]) or "(the log is empty)"
