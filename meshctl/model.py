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
    """The unit that has a share; ``handle`` is the public first group of its pass.

    ``since`` is when it got its pass, in seconds since 1970, or ``None`` where no trusted clock said so.
    """

    handle: str
    number: int
    shares: int = 1
    since: float | None = None


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


@dataclass(frozen=True)
class Policy:
    """The settings of the fair share in force; `meshctl.commons.charter` holds their bounds.

    ``floor_kbit`` (kbit/s) is what each household and guest is assured while floors fit the line;
    ``guest_share`` the most that all guests together are assured, as a part of the line;
    ``tick_seconds`` how often the agent reads, accounts and decides. ``half_life_days`` is after how
    long half of what was used is forgotten. A line is contended while it carries ``busy`` of its
    capacity or more and two or more want more than they get. ``newcomer`` is what a household's ratio
    starts with. A household whose ratio is above ``level_above[i]`` is at level i + 1 or higher, and is
    back below it at ``level_return`` of that threshold; at level i its weight is ``level_weight[i]`` a
    share. ``least_contended`` is the part of a line's time that counts as contended at the least, so
    that one busy evening after quiet weeks weighs little.
    """

    floor_kbit: float = 256.0
    guest_share: float = 0.30
    tick_seconds: float = 10.0
    half_life_days: float = 7.0
    busy: float = 0.9
    newcomer: float = 0.5
    least_contended: float = 0.125
    level_above: tuple[float, ...] = (1.5, 2.5, 5.0)
    level_weight: tuple[float, ...] = (1.0, 0.5, 0.25, 0.125)
    level_return: float = 0.9

    @property
    def half_life(self) -> float:
        """Return the half-life in seconds."""
        return self.half_life_days * 86_400

    @property
    def floor(self) -> int:
        """Return the floor in whole kbit/s."""
        return int(self.floor_kbit)
