"""One thing that is read from its beginning to its end, with what is packed in it, in bounded memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from meshctl.privacy.matcher import Matcher
from meshctl.privacy.needles import Needle
from meshctl.privacy.runs import BACK
from meshctl.privacy.unpacking import HEADER, Packed, closed_parts, packed_parts

BLOCK = 1 << 20
"""Octets read at once."""

DEEPEST = 4
"""How often something packed is opened inside something packed."""


@dataclass
class Bounds:
    """How much one file may unfold to: ``left`` octets more."""

    left: int
    exceeded: bool = False

    def take(self, octets: bytes) -> bytes:
        """Return what may still be searched of ``octets``."""
        allowed = octets[: self.left]
        self.exceeded = self.exceeded or len(allowed) < len(octets)
        self.left -= len(allowed)
        return allowed


@dataclass(frozen=True)
class Listener:
    """Whom a stream tells what it found and what it could not open."""

    found: Callable[[str, int, Needle], None]
    """Called with what it lies within ("" for the file itself), the offset in that, and the needle."""

    unread: Callable[[str], None]


@dataclass
class Stream:
    """Searches what it is fed; ``within`` says in what it is packed."""

    matcher: Matcher
    listener: Listener
    bounds: Bounds
    within: str = ""
    depth: int = 0
    _kept: bytes = b""
    _at: int = 0
    """Offset of the first kept octet."""
    _told: int = -1
    """Hits that end here or earlier are told already."""
    _opened: int = 0
    """Packed parts that begin before this are opened already."""
    _open: list[tuple[Packed, Stream]] = field(default_factory=list)

    def feed(self, octets: bytes, *, last: bool = False) -> None:
        """Search the next octets. The last ones (or none) are fed with ``last``."""
        block, self._kept = self._kept + octets, b""
        limit = self._at + len(block) - (0 if last else 1)
        for hit in self.matcher.hits(block):
            if self._told < self._at + hit.end <= limit:
                self.listener.found(self.within, self._at + hit.start, hit.needle)
        self._told = max(self._told, limit)
        for packed, inner in self._open:
            self._unfold(packed, inner, octets, last=last)
        self._open = [(packed, inner) for packed, inner in self._open if packed.going]
        self._look_for_packed(block, last=last)
        self._keep(block)

    def end(self) -> None:
        """Say that nothing follows."""
        self.feed(b"", last=True)

    def skip(self, octets: int) -> None:
        """Leave out a hole, of which the edges were fed."""
        self._at += len(self._kept) + octets
        self._kept, self._told, self._opened = b"", self._at, self._at

    def _keep(self, block: bytes) -> None:
        keep = min(len(block), max(HEADER + BACK, self.matcher.longest + 1))
        self._at += len(block) - keep
        self._kept = block[len(block) - keep :]

    def _look_for_packed(self, block: bytes, *, last: bool) -> None:
        until = self._at + len(block) - (0 if last else HEADER)
        for name in closed_parts(block, self._opened - self._at, until - self._at):
            self.listener.unread(f"{self._called(name)} cannot be opened here")
        for start, packed in packed_parts(block, self._opened - self._at, until - self._at):
            if packed.unfolds and self.depth == DEEPEST:
                self.listener.unread(f"{self._called(packed.name)} lies deeper than {DEEPEST} packed parts")
                break
            within = self._called(f"{packed.name} at {self._at + start}")
            inner = Stream(self.matcher, self.listener, self.bounds, within, self.depth + packed.unfolds)
            packed.whole_file = self._at + start == 0
            self._unfold(packed, inner, block[start:], last=last)
            if packed.going:
                self._open.append((packed, inner))
        self._opened = max(self._opened, until)

    def _unfold(self, packed: Packed, inner: Stream, octets: bytes, *, last: bool) -> None:
        for plain in packed.feed(octets):
            inner.feed(self.bounds.take(plain) if packed.unfolds else plain)
            if self.bounds.exceeded:
                packed.stop()
        if not packed.going or last:
            inner.end()
            if packed.broken(at_end=last) and packed.whole_file and not self.bounds.exceeded:
                self.listener.unread(f"{self._called(packed.name)} is damaged or ends early")
            packed.stop()

    def _called(self, name: str) -> str:
        return f"{self.within}, {name}" if self.within else name


def search(blocks: Iterable[bytes | int], matcher: Matcher, listener: Listener, bounds: Bounds) -> None:
    """Search a whole thing; a number among the blocks is a hole of so many octets."""
    stream = Stream(matcher, listener, bounds)
    for block in blocks:
        if isinstance(block, int):
            stream.skip(block)
        else:
            stream.feed(block)
    stream.end()
    if bounds.exceeded:
        listener.unread("unfolds to more than the bound for packed content; what is beyond it was not searched")
