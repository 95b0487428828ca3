"""A service's log: one file of bounded size and the one before it, without hardware addresses.

On a board the journal is in RAM; a lab's logs are on disk, and DHCP servers and clients name
whom they serve and who they are.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import BinaryIO

LIMIT = 512 * 1024
LONGEST_LINE = 8192
REMOVED = b"(hardware address)"

_HARDWARE = re.compile(
    rb"(?:[0-9a-f]{1,2}:){5,}[0-9a-f]{1,2}(?![0-9a-f:])"  # also client identifiers and DUIDs
    rb"|[0-9a-f:]*[0-9a-f]{0,2}ff:fe[0-9a-f]{2}:[0-9a-f]{1,4}",  # modified EUI-64 in an IPv6 address (RFC 4291)
    re.IGNORECASE,
)


class Logbook:
    """Appends lines; at `LIMIT` the file becomes NAME.1 and a new one begins."""

    def __init__(self, file: Path, limit: int = LIMIT) -> None:
        self.file, self._limit = file, limit
        self._size = 0
        self._begun = b""
        self._open: BinaryIO = self.file.open("ab")

    def write(self, words: bytes) -> None:
        """Append what are whole lines by now, without hardware addresses."""
        lines, _, self._begun = (self._begun + words).rpartition(b"\n")
        if len(self._begun) > LONGEST_LINE:
            lines, self._begun = lines + b"\n" + self._begun, b""
        if lines:
            self._append(_HARDWARE.sub(REMOVED, lines) + b"\n")

    def _append(self, lines: bytes) -> None:
        if self._size + len(lines) > self._limit:
            self._open.close()
            self.file.replace(self.file.with_name(self.file.name + ".1"))
            self._open = self.file.open("ab")
            self._size = 0
        self._open.write(lines)
        self._open.flush()
        self._size += len(lines)

    def close(self) -> None:
        """Close the file, with what has no end of line yet."""
        if self._begun:
            self.write(b"\n")
        self._open.close()


def tail(file: Path, lines: int = 15) -> str:
    """The last lines of a log, or a remark that there is none."""
    try:
        text = file.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return "(no log)"
    return "\n".join(text.splitlines()[-lines:]) or "(the log is empty)"
