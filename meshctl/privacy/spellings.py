"""Octets written one by one, with whatever stands between them: lists, dumps, escapes of every language.

There are too many ways to put something between two octets to look for each. So a block's digits are taken out and
stuck together, the octets are looked for in those, and only where they are there the block itself is read for them,
strictly: between two octets a few signs, and no other letter or digit.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from meshctl.privacy.needles import Needle

_HEX, _DECIMAL = b"0123456789abcdef", b"0123456789"
_NOT_HEX = bytes(set(range(256)) - set(_HEX))
_NOT_DECIMAL = bytes(set(range(256)) - set(_DECIMAL))

_PREFIXES = (b"\\u000000", b"\\u00", b"u+00", b"0x", b"0b")
"""What has digits of its own before an octet's, in lower case."""

_FEW = 60
"""Needles that are looked for one after the other, which is faster while they are few."""

_SIGNS = rb"[^0-9a-z]"
_PREFIX = rb"(?:0x|0b|0o|x|u|u00|u000000|u\+00)?\{?"


@dataclass(frozen=True)
class _Way:
    """One way to write an octet; ``close`` ones may follow each other without anything between."""

    name: str
    form: str
    close: bool


_WAYS = (
    _Way("hexadecimal", "{:02x}", close=True),
    _Way("hexadecimal without zeros", "{:x}", close=False),
    _Way("decimal", "{:d}", close=False),
    _Way("decimal of three digits", "{:03d}", close=False),
    _Way("octal", "{:o}", close=False),
    _Way("octal of three digits", "{:03o}", close=False),
    _Way("binary", "{:08b}", close=True),
)
_OF_TEXT = tuple(way for way in _WAYS if way.name in ("hexadecimal", "decimal", "octal of three digits"))


def listed(of: str, form: str, octets: bytes, *, text: bool = False) -> Iterator[Needle]:
    """Yield needles for octets one by one; a text's own are written in fewer ways."""
    for way in _OF_TEXT if text else _WAYS:
        words = [way.form.format(octet).encode() for octet in octets]
        pattern = re.compile(_pattern(words, way))
        yield Needle(of, f"{form}, octets one by one, {way.name}", b"".join(words), folded=True, pattern=pattern)


def _pattern(words: list[bytes], way: _Way) -> bytes:
    least = b"0" if way.close else b"1"
    zeros = b"" if way.close else b"0*"
    digits = b"0-9a-f" if way.name.startswith("hex") else b"0-9"
    between = _SIGNS + b"{" + least + b",6}" + _PREFIX + zeros
    if way.close:
        return between.join(words)
    return b"(?<![" + digits + b"])" + zeros + between.join(words) + b"(?![" + digits + b"])"


class Spelled:
    """Needles that have a pattern, ready to be found. ``seek`` makes what tells which of some octets a block has."""

    def __init__(self, needles: list[Needle], seek: Callable[[set[bytes]], Callable[[bytes], set[bytes]]]) -> None:
        self._kinds = []
        for left_out, hexadecimal in ((_NOT_HEX, True), (_NOT_DECIMAL, False)):
            some = [one for one in needles if ("hexadecimal" in one.form) is hexadecimal]
            digits = {one.octets for one in some}
            self._kinds.append((left_out, some, seek(digits) if len(digits) > _FEW else _one_by_one(digits)))

    def found(self, low: bytes) -> Iterator[tuple[int, int, Needle]]:
        """Yield where in a block in lower case one begins and ends."""
        if not any(needles for _, needles, _ in self._kinds):
            return
        bare = low
        for prefix in _PREFIXES:
            bare = bare.replace(prefix, b"")
        for left_out, needles, present in self._kinds:
            there = present(bare.translate(None, left_out))
            for needle in needles if there else ():
                if needle.octets in there and needle.pattern is not None:
                    for match in needle.pattern.finditer(low):
                        yield match.start(), match.end(), needle


def _one_by_one(octets: set[bytes]) -> Callable[[bytes], set[bytes]]:
    return lambda digits: {one for one in octets if one in digits}
