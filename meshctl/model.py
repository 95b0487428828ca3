"""The nouns every room shares. Frozen, and nothing here acts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Direction = Literal["down", "up"]
DIRECTIONS: tuple[Direction, Direction] = ("down", "up")
"""Seen from the neighbour: *down* comes from the line, *up* goes to it."""

GUESTS = "guests"
"""The one share that all devices without a pass have together."""


class MeshctlError(Exception):
    """A fault with a sentence for the person who can mend it; ``exit_code`` is what a verb ends with."""

    exit_code = 1


@dataclass(frozen=True)
class ClockReading:
    """What one look at both clocks said.

    ``monotonic`` is in seconds since the machine started and orders everything on one boot.
    ``wall`` is in seconds since 1970 and is only as good as ``trusted`` says: boards have no clock
    of their own and start in the past.
    """

    monotonic: float
    wall: float
    trusted: bool


@dataclass(frozen=True)
class Household:
    """The unit that has a share; ``handle`` is the public first group of its pass."""

    handle: str
    number: int
    shares: int = 1


@dataclass(frozen=True)
class Device:
    """A joined device. Lives in the kernel and in RAM only, never on disk.

    ``hardware`` is a lower-case colon-separated hardware address. ``household`` is a handle, or
    ``None`` for a guest. ``mark`` is what the kernel carries for it. ``until`` is a deadline on
    the monotonic clock, in seconds, or ``None`` where membership has no end.
    """

    hardware: str
    mark: int
    household: str | None
    until: float | None


@dataclass(frozen=True)
class Capacity:
    """What a line carries now, in bytes per second of frames, by direction."""

    down: float
    up: float

    def of(self, direction: Direction) -> float:
        """Bytes per second in that direction."""
        return self.down if direction == "down" else self.up
