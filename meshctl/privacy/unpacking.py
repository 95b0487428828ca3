"""Packed content: found by how it begins, wherever that is, and opened piece by piece."""

from __future__ import annotations

import bz2
import lzma
import re
import zlib
from collections.abc import Callable, Iterator
from typing import Protocol

from meshctl.privacy.runs import long_runs

HEADER = 4096
"""Octets from a part's beginning that must be there to open it: a zip entry's name may be long."""

PIECE = 1 << 20
"""Octets unpacked at once, so that a bomb fills no memory."""

_MOST_XZ = 128 << 20
"""Octets of memory that unpacking xz may take."""

_BEGINS = re.compile(
    rb"\x1f\x8b\x08[\x00-\x1f]|\x78[\x01\x5e\x9c\xda]|\xfd7zXZ\x00|BZh[1-9]1AY&SY|PK\x03\x04.{4}\x08\x00", re.DOTALL
)

_CLOSED = {
    b"\x28\xb5\x2f\xfd": "a part packed by zstd",
    b"\x04\x22\x4d\x18": "a part packed by lz4",
    b"7z\xbc\xaf\x27\x1c": "a 7z archive",
    b"Rar!\x1a\x07": "a rar archive",
}


class _Unpacker(Protocol):
    @property
    def eof(self) -> bool: ...

    def decompress(self, data: bytes, max_length: int, /) -> bytes: ...


class Packed:
    """One packed part, fed in pieces. What only stands for something else as long as it is does not unfold."""

    def __init__(self, name: str, unpacker: _Unpacker, ahead: int = 0, *, unfolds: bool = True) -> None:
        self.name, self.unfolds = name, unfolds
        self.whole_file = False
        self.going = True
        self._unpacker, self._ahead = unpacker, ahead
        self._failed = False

    def feed(self, octets: bytes) -> Iterator[bytes]:
        """Yield what they unfold to."""
        rest = octets[self._ahead :]
        self._ahead = max(self._ahead - len(octets), 0)
        while self.going:
            try:
                plain = self._unpacker.decompress(rest, PIECE)
            except (zlib.error, lzma.LZMAError, OSError, EOFError):
                self._failed, self.going = True, False
                return
            if self._unpacker.eof:
                self.going = False
            rest = getattr(self._unpacker, "unconsumed_tail", b"")
            if plain:
                yield plain
            if not rest and (not plain or getattr(self._unpacker, "needs_input", len(plain) < PIECE)):
                return

    def broken(self, *, at_end: bool) -> bool:
        """Say whether it did not come to its own end."""
        return self.unfolds and (self._failed or (at_end and not self._unpacker.eof))

    def stop(self) -> None:
        """Open no more of it."""
        self.going = False


def _lzma() -> _Unpacker:
    return lzma.LZMADecompressor(memlimit=_MOST_XZ)


_WAYS: dict[bytes, tuple[str, Callable[[], _Unpacker]]] = {
    b"\x1f": ("gzip", lambda: zlib.decompressobj(31)),
    b"\x78": ("zlib", zlib.decompressobj),
    b"\xfd": ("xz", _lzma),
    b"B": ("bz2", bz2.BZ2Decompressor),
    b"P": ("zip entry", lambda: zlib.decompressobj(-15)),
}


def packed_parts(block: bytes, first: int, until: int) -> Iterator[tuple[int, Packed]]:
    """Yield where in ``block`` something packed may begin, from ``first`` on and before ``until``."""
    for match in _BEGINS.finditer(block, max(first, 0)):
        start = match.start()
        if start >= until:
            break
        name, make = _WAYS[block[start : start + 1]]
        if name == "zlib" and not _is_zlib(block[start : start + 256]):
            continue
        ahead = 30 + sum(int.from_bytes(block[start + at : start + at + 2], "little") for at in (26, 28))
        yield start, Packed(name, make(), ahead if name == "zip entry" else 0)
    for start, name, unpacker in long_runs(block, max(first, 0), until):
        yield start, Packed(name, unpacker, unfolds=False)


def _is_zlib(beginning: bytes) -> bool:
    """Two octets alone stand everywhere: what follows them has to unfold as well."""
    try:
        return bool(zlib.decompressobj().decompress(beginning, PIECE)) or len(beginning) < 256
    except zlib.error:
        return False


def closed_parts(block: bytes, first: int, until: int) -> Iterator[str]:
    """Name what is packed in a way that the standard library cannot open, once each."""
    for sign, name in _CLOSED.items():
        if 0 <= block.find(sign, max(first, 0), max(until, 0) + len(sign) - 1) < until:
            yield name
