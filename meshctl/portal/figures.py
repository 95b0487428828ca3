"""Turns what the agent says into figures for a page, and holds back those that could point at one home."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from meshctl.wire import LineView

FEW = 5
"""Homes. Below this many, a number about all of them says something about one."""

_COARSE = {"quiet": 20, "busy": 60, "full": 100}


@dataclass(frozen=True)
class Span:
    """A time for people: ``count`` whole units."""

    count: int
    unit: Literal["minute", "hour", "day"]


@dataclass(frozen=True)
class LineFigures:
    """The line as the join page shows it.

    ``homes`` and ``slice_rate`` are ``None`` while fewer than `FEW` homes share the line, and
    ``bar``, in percent and steps of 5, is then no finer than ``word``.
    """

    homes: int | None
    slice_rate: str | None
    whole_rate: str
    word: Literal["quiet", "busy", "full"]
    bar: int
    uplink: bool


def line_figures(line: LineView) -> LineFigures:
    """What everybody may see of the line."""
    many = line.homes >= FEW
    busy = min(max(line.busy, 0.0), 1.0)
    word: Literal["quiet", "busy", "full"] = "quiet" if busy < 0.5 else "busy" if busy < 0.9 else "full"
    return LineFigures(
        homes=line.homes if many else None,
        slice_rate=rate(line.slice_mbit * 1e6) if many else None,
        whole_rate=rate(line.down_mbit * 1e6),
        word=word,
        bar=round(busy * 20) * 5 if many else _COARSE[word],
        uplink=line.uplink,
    )


def rate(bits_per_second: float) -> str:
    """A rate with two or three figures: ``4.1 Mbit/s``."""
    if bits_per_second >= 999_500:
        return f"{_short(bits_per_second / 1e6)} Mbit/s"
    return f"{bits_per_second / 1e3:.0f} kbit/s"


def volume(octets: int) -> str:
    """An amount in decimal units, as phones count it: ``1.2 GB``. Below 1 MB in whole kB."""
    for size, unit in ((10**12, "TB"), (10**9, "GB"), (10**6, "MB")):
        if octets >= size:
            return f"{_short(octets / size)} {unit}"
    return f"{octets // 1000} kB"


def span(seconds: float) -> Span:
    """A time in the unit that people would use, to the nearest, never less than one minute."""
    if seconds >= 2 * 86_400:
        return Span(round(seconds / 86_400), "day")
    if seconds >= 5_400:
        return Span(round(seconds / 3_600), "hour")
    return Span(max(1, round(seconds / 60)), "minute")


def _short(value: float) -> str:
    return f"{value:.0f}" if value >= 99.95 or value == int(value) else f"{value:.1f}"
