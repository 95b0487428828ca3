"""Finds any of thousands of needles in one pass.

Every needle of 15 octets or more holds, wherever it lies, eight octets that begin at a multiple of eight; one of
7 to 14 holds four at a multiple of four. So it is enough to look up each eighth octet's word in a set, and each
fourth one's in another, however many needles there are; what is in a set is then compared in full. The few that
are shorter still are looked for one by one.
"""

from __future__ import annotations

import re
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from meshctl.privacy.needles import Needle
from meshctl.privacy.spellings import Spelled

_AT_ONCE = 2048
"""Words looked up before any is looked at again: few enough that one which is there by chance costs little."""

_VARIED = 6
"""Different octets that are enough for the words of a needle's beginning to be rare."""


@dataclass(frozen=True)
class Hit:
    """A needle at octets ``start`` to ``end`` of what was searched."""

    start: int
    end: int
    needle: Needle


class _Words:
    """Words of one width, and which needles have them where."""

    def __init__(self, width: int, code: Literal["Q", "I"]) -> None:
        self.width, self.code = width, code
        self.least = 2 * width - 1
        self._having: dict[int, list[tuple[Needle, int]]] = defaultdict(list)
        self._set: set[int] = set()

    def takes(self, needle: Needle) -> bool:
        """Take a needle in, unless it is too short or too even for words of this width."""
        octets = needle.octets.lower()
        if len(octets) < self.least:
            return False
        varied = len(set(octets[: self.least])) >= _VARIED
        best = 0 if varied else self._most_varied(octets)
        words = [octets[at : at + self.width] for at in range(best, best + self.width)]
        if not varied and any(len(set(word)) == 1 for word in words):
            return False
        for at, word in enumerate(words, best):
            number = int.from_bytes(word, sys.byteorder)
            self._having[number].append((needle, at))
            self._set.add(number)
        return True

    def _most_varied(self, octets: bytes) -> int:
        """Return where to take words from, so that few of them stand elsewhere by chance."""
        return max(range(len(octets) - self.least + 1), key=lambda at: len(set(octets[at : at + self.least])))

    def candidates(self, low: bytes) -> Iterator[tuple[int, Needle]]:
        """Where a needle may begin."""
        if not self._set:
            return
        words = memoryview(low)[: len(low) // self.width * self.width].cast(self.code)
        for start in range(0, len(words), _AT_ONCE):
            some = words[start : start + _AT_ONCE]
            if self._set.isdisjoint(some):
                continue
            for place, number in [(at, word) for at, word in enumerate(some, start) if word in self._set]:
                for needle, offset in self._having[number]:
                    yield place * self.width - offset, needle


class _Brief:
    """Needles too short or too even for words, as one alternation."""

    def __init__(self, needles: list[Needle]) -> None:
        self._needles = needles
        self._pattern = re.compile(b"|".join(re.escape(needle.octets) for needle in needles))

    def candidates(self, within: bytes) -> Iterator[tuple[int, Needle]]:
        """Where a needle begins."""
        match = self._pattern.search(within) if self._needles else None
        while match:
            for needle in self._needles:
                if within.startswith(needle.octets, match.start()):
                    yield match.start(), needle
            match = self._pattern.search(within, match.start() + 1)


class Matcher:
    """Needles, ready to be found."""

    def __init__(self, needles: Iterable[Needle]) -> None:
        self._eight, self._four = _Words(8, "Q"), _Words(4, "I")
        brief: list[Needle] = []
        self.longest = 1
        spelled: list[Needle] = []
        for needle in needles:
            if needle.pattern is not None:
                spelled.append(needle)
                continue
            self.longest = max(self.longest, len(needle.octets))
            if not (self._eight.takes(needle) or self._four.takes(needle)):
                brief.append(needle)
        self._brief = [_Brief([one for one in brief if one.folded is way]) for way in (False, True)]
        self._spelled = Spelled(spelled, _seek)

    def hits(self, block: bytes) -> list[Hit]:
        """Return the needles in ``block``, without those that are a part of a longer one of the same owner."""
        if not block.strip(b"\0"):
            return []
        low = block.lower()
        found = self.all_hits(block, low)
        plain = _longest(found) if found else []
        return [*plain, *self._one_by_one(low, plain)]

    def all_hits(self, block: bytes, low: bytes) -> set[Hit]:
        """Return every needle that stands as it is in ``block``, which is ``low`` in lower case."""
        found = set[Hit]()
        for words in (self._eight, self._four):
            for start, needle in words.candidates(low):
                end = start + len(needle.octets)
                if start >= 0 and _stands(needle, block, low, start, end):
                    found.add(Hit(start, end, needle))
        for brief, within in zip(self._brief, (block, low), strict=True):
            for start, needle in brief.candidates(within):
                end = start + len(needle.octets)
                if _stands(needle, block, low, start, end):
                    found.add(Hit(start, end, needle))
        return found

    def _one_by_one(self, low: bytes, known: list[Hit]) -> list[Hit]:
        """Return what is found only by its digits."""
        found = {Hit(*place) for place in self._spelled.found(low)}
        return _longest({hit for hit in found if not any(_overlap(hit, other) for other in known)}) if found else []


def _stands(needle: Needle, block: bytes, low: bytes, start: int, end: int) -> bool:
    if (low if needle.folded else block)[start:end] != needle.octets:
        return False
    if not needle.apart:
        return True
    around = block[max(start - 1, 0) : start] + block[end : end + 1]
    return not any(octet in needle.apart for octet in around)


def _seek(octets: set[bytes]) -> Callable[[bytes], set[bytes]]:
    """Return what tells which of many octets stand in a block."""
    matcher = Matcher(Needle("", "", one) for one in octets)
    return lambda block: {hit.needle.octets for hit in matcher.all_hits(block, block)}


def _overlap(one: Hit, other: Hit) -> bool:
    return one.needle.of == other.needle.of and one.start < other.end and other.start < one.end


def _longest(found: set[Hit]) -> list[Hit]:
    kept: list[Hit] = []
    reach: dict[str, int] = {}
    for hit in sorted(found, key=lambda hit: (hit.start, -hit.end, hit.needle.weak, hit.needle.form)):
        if hit.end > reach.get(hit.needle.of, -1):
            kept.append(hit)
            reach[hit.needle.of] = hit.end
    return kept
