"""Figures as people read them. Pure."""

from __future__ import annotations

import math
from datetime import UTC, datetime

_SIZES = ("bytes", "kB", "MB", "GB", "TB", "PB")


def size(amount: float) -> str:
    """Bytes in decimal units: "31 MB", "1.2 GB"."""
    step = 0
    while amount >= 999.5 and step < len(_SIZES) - 1:
        amount, step = amount / 1000, step + 1
    return f"{amount:.1f} {_SIZES[step]}" if step and amount < 9.95 else f"{amount:.0f} {_SIZES[step]}"


def rate(bytes_per_second: float) -> str:
    """A capacity in Mbit/s."""
    return f"{bytes_per_second / 125_000:.4g} Mbit/s"


def percent(part: float) -> str:
    """A share of one."""
    return f"{min(max(part, 0.0), 1.0) * 100:.0f} %"


def moment(at: float, now: float) -> str:
    """A time of day by the hub's zone, with the day when that is not today."""
    then, today = _local(at), _local(now)
    if then.date() == today.date():
        return f"{then:%H:%M}"
    return f"{then.day} {then:%b %H:%M}" if then.year == today.year else f"{then.day} {then:%b %Y %H:%M}"


def stamp(at: float) -> str:
    """The same for machines: ISO 8601 with the zone."""
    return _local(at).isoformat(timespec="seconds")


def zone(at: float) -> str:
    """The name of the hub's time zone."""
    return _local(at).tzname() or "local time"


def about(seconds: float) -> str:
    """How uncertain a time is, rounded up but for a tenth: "1 min", "3 h", "2 days"."""
    for length, unit, most in ((60, "min", 60), (3600, "h", 48)):
        count = max(1, math.ceil(seconds / length - 0.1))
        if count <= most:
            return f"{count} {unit}"
    return f"{math.ceil(seconds / 86_400 - 0.1)} days"


def line_name(line: str, node: str) -> str:
    """A line with its node, which is not said twice when the line is named after it."""
    return f"{node} {line.removeprefix(f'{node}-') or line}"


def _local(at: float) -> datetime:
    """A clock that never was set may say anything; it is shown as the nearest time that has a date."""
    return datetime.fromtimestamp(min(max(at, 0.0), 4_102_444_800.0), UTC).astimezone()
