"""Long runs of letters: base64 and hexadecimal that was cut into lines, or that holds something packed.

What lies whole in one line is found as it is. Across lines it is not, and neither is what was packed first.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator

LONG = 32
"""Characters that a line must have to be the first of a run."""

BACK = 128
"""Octets before a place that must be known to say whether a run goes on there."""

_LETTERS = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/-_"
_KINDS = bytes(ord("x") if octet in _LETTERS else ord(".") for octet in range(256))
_BREAK = rb"(?:=?\r?\n[ \t]*|(?:\\r)?\\n)"
_RUN = re.compile(rb"[A-Za-z0-9+/_-]++(?:" + _BREAK + rb"[A-Za-z0-9+/_-]++)*+")
_GOES_ON = re.compile(rb"(?:" + _BREAK + rb")?" + _RUN.pattern)
_SECOND = rb"""(?:[A-Za-z0-9+/_-]{16,}+|[A-Za-z0-9+/_-]++(?=[="'\\\r\n]|$))"""
_CUT = re.compile(rb"[A-Za-z0-9+/_-]{%d,}+" % LONG + _BREAK + _SECOND)
_PACKED = re.compile(
    rb"H4sI|eJ[w-z]|eN[o-r]|eA[E-H]|eF[4-7]|/Td6WFo|Qlpo|UEsDB"
    rb"|1[fF]8[bB]08|78(?:01|5[eE]|9[cC]|[dD][aA])|[fF][dD]377[aA]58|504[bB]0304|425[aA]68"
)
"""How gzip, zlib, xz, bz2 and zip begin, in base64 and in hexadecimal."""


class Joined:
    """A run cut into lines, without the breaks. Takes pieces as an unpacker of the standard library does."""

    needs_input = True
    unconsumed_tail = b""

    def __init__(self) -> None:
        self.eof = False
        self._rest = b""

    def decompress(self, octets: bytes, _most: int) -> bytes:
        """Return the next of its characters."""
        whole = self._rest + octets
        match = _GOES_ON.match(whole)
        end = match.end() if match else 0
        # A break at the end of a piece may go on in the next.
        self.eof = len(whole) - end > BACK or not match
        self._rest = whole[end:] if not self.eof else b""
        return re.sub(_BREAK, b"", whole[:end])


class Decoded(Joined):
    """What a run of base64 or hexadecimal stands for."""

    def __init__(self) -> None:
        super().__init__()
        self._odd = b""

    def decompress(self, octets: bytes, most: int) -> bytes:
        """Return the next of its octets."""
        letters = self._odd + super().decompress(octets, most)
        whole = len(letters) // 4 * 4
        if self.eof:
            letters, whole = letters + b"=" * (-len(letters) % 4), len(letters) + 3
        some, self._odd = letters[:whole], letters[whole:]
        try:
            return bytes.fromhex(some.rstrip(b"=").decode()) if _is_hex(some) else _plain(some)
        except ValueError:
            self.eof = True
            return b""


def _is_hex(letters: bytes) -> bool:
    return not letters.strip(b"=").lower().strip(b"0123456789abcdef")


def _plain(letters: bytes) -> bytes:
    return base64.b64decode(letters.replace(b"-", b"+").replace(b"_", b"/"))


def long_runs(block: bytes, first: int, until: int) -> Iterator[tuple[int, str, Joined]]:
    """Yield where in ``block`` a run worth opening begins, from ``first`` on and before ``until``."""
    kinds = block.translate(_KINDS)
    at = max(first - BACK, 0)
    while 0 <= (at := kinds.find(b"x" * LONG, at)) < until:
        run = _RUN.match(block, at)
        if run is None:
            return
        if at >= first:
            if _CUT.match(block, at):
                yield at, "joined lines", Joined()
                yield at, "decoded lines", Decoded()
            elif _PACKED.match(block, at):
                yield at, "decoded text", Decoded()
        at = run.end()
