"""Where in a SQLite database an octet lies (https://sqlite.org/fileformat2.html).

What is searched is the file's octets, all of them; this only says what they are.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

from meshctl.privacy.matcher import Hit, Matcher

_DATABASE, _JOURNAL = b"SQLite format 3\0", b"\xd9\xd5\x05\xf9\x20\xa1\x63\xd7"
_WAL = (b"\x37\x7f\x06\x82", b"\x37\x7f\x06\x83")
_FRAME = 24
_WAL_HEADER = 32
_LONG = 100
"""Octets a value must have to be worth reading whole: shorter ones lie across pages only in tiny databases."""

Where = Callable[[int], str | None]


def place_in(path: str) -> Where | None:
    """Return what says where an offset lies, if this is a database or stands beside one."""
    try:
        with Path(path).open("rb") as file:
            head = file.read(100)
    except OSError:
        return None
    if head.startswith(_DATABASE):
        return _Pages(path, head).where
    if head[:4] in _WAL:
        return _wal(path, head)
    if path.endswith("-shm"):
        return lambda _: "index of the write-ahead log"
    if path.endswith("-journal") or head.startswith(_JOURNAL):
        return lambda _: "rollback journal: a page as it was before a change"
    return None


class _Pages:
    """A database's pages, and which of them are free."""

    def __init__(self, path: str, head: bytes) -> None:
        size = int.from_bytes(head[16:18], "big")
        self._size = 65_536 if size == 1 else max(size, 512)
        self._free = dict(_free_pages(path, self._size, int.from_bytes(head[32:36], "big")))

    def where(self, offset: int) -> str:
        """Say on which page an offset lies and whether that page is in use."""
        page = offset // self._size + 1
        return f"{self._free.get(page, 'live')} page {page}"


def _free_pages(path: str, size: int, trunk: int) -> Iterator[tuple[int, str]]:
    """Follow the list of free pages: each trunk names the next one and its leaves."""
    seen: set[int] = set()
    with Path(path).open("rb") as file:
        while trunk and trunk not in seen:
            seen.add(trunk)
            file.seek((trunk - 1) * size)
            page = file.read(size)
            if len(page) < 8:
                return
            yield trunk, "free"
            numbers = [int.from_bytes(page[at : at + 4], "big") for at in range(0, size, 4)]
            for leaf in numbers[2 : 2 + min(numbers[1], size // 4 - 2)]:
                yield leaf, "free"
            trunk = numbers[0]


def _wal(path: str, head: bytes) -> Where:
    size = int.from_bytes(head[8:12], "big") or 4096
    salt = head[16:24]

    def where(offset: int) -> str:
        frame = (offset - _WAL_HEADER) // (size + _FRAME)
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            about = os.pread(descriptor, _FRAME, _WAL_HEADER + frame * (size + _FRAME))
        finally:
            os.close(descriptor)
        age = "write-ahead log" if about[8:16] == salt else "left over in the write-ahead log"
        return f"{age}, frame {frame + 1}, page {int.from_bytes(about[:4], 'big')}"

    return where


def across_pages(path: str, matcher: Matcher, unread: Callable[[str], None]) -> Iterator[Hit]:
    """Yield hits in long values as SQLite puts them together: on disk one may lie in pages far apart."""
    with Path(path).open("rb") as file:
        if not file.read(16).startswith(_DATABASE):
            return
    try:
        with closing(sqlite3.connect(f"file:{quote(path)}?mode=ro&immutable=1", uri=True)) as database:
            database.text_factory = bytes
            for (table,) in database.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall():
                name = table.decode(errors="surrogateescape").replace('"', '""')
                for row in database.execute(f'SELECT * FROM "{name}"'):  # noqa: S608  # a name from the file itself
                    for value in row:
                        if isinstance(value, bytes) and len(value) >= _LONG:
                            yield from matcher.hits(value)
    except sqlite3.Error as fault:
        unread(f"not readable as a database, only as octets: {fault}")
