"""Turns what the agent says into figures for a page, and holds back those that could point at one home."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal

from babel import Locale
from babel.dates import format_date, format_skeleton, format_timedelta
from babel.numbers import format_decimal
from flask_babel import get_locale, gettext

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
        return str(gettext("%(number)s Mbit/s", number=_short(bits_per_second / 1e6)))
    return str(gettext("%(number)s kbit/s", number=number(round(bits_per_second / 1e3))))


def volume(octets: int) -> str:
    """An amount in decimal units, as phones count it: ``1.2 GB``. Below 1 MB in whole kB."""
    if octets >= 10**12:
        return str(gettext("%(number)s TB", number=_short(octets / 10**12)))
    if octets >= 10**9:
        return str(gettext("%(number)s GB", number=_short(octets / 10**9)))
    if octets >= 10**6:
        return str(gettext("%(number)s MB", number=_short(octets / 10**6)))
    return str(gettext("%(number)s kB", number=number(octets // 1000)))


def span(seconds: float) -> Span:
    """A time in the unit that people would use, to the nearest, never less than one minute."""
    if seconds >= 2 * 86_400:
        return Span(round(seconds / 86_400), "day")
    if seconds >= 5_400:
        return Span(round(seconds / 3_600), "hour")
    return Span(max(1, round(seconds / 60)), "minute")


def lasting(seconds: float) -> str:
    """How long: ``3 hours``."""
    return _timed(seconds, directed=False)


def ahead(seconds: float) -> str:
    """When, from now: ``in 3 hours``."""
    return _timed(seconds, directed=True)


def past(seconds: float) -> str:
    """When, before now: ``3 hours ago``."""
    return _timed(seconds, directed=True, sign=-1)


def day_name(day: date) -> str:
    """A day of the last weeks: ``Sat 21 Nov``."""
    name: str = format_skeleton("MMMEd", day, locale=_locale())
    return name


def date_name(day: date) -> str:
    """A day of any year: ``21 September 2026``."""
    name: str = format_date(day, "long", locale=_locale())
    return name


def number(value: float, places: int = 0) -> str:
    """A number as the page's language writes it, with at most so many decimals."""
    written: str = format_decimal(value, format="#,##0." + "#" * places if places else "#,##0", locale=_locale())
    return written


def exact(value: float, places: int) -> str:
    """The same with exactly so many decimals."""
    written: str = format_decimal(value, format="#,##0." + "0" * places, locale=_locale())
    return written


def _timed(seconds: float, *, directed: bool, sign: int = 1) -> str:
    """CLDR's words for it; the threshold keeps the unit that `span` chose."""
    found = span(seconds)
    delta = timedelta(**{f"{found.unit}s": sign * found.count})
    words: str = format_timedelta(delta, threshold=found.count, add_direction=directed, locale=_locale())
    return words


def _locale() -> Locale:
    """The page's language; English as its readers here write dates."""
    locale = get_locale()
    return Locale("en", "GB") if locale is None or locale.language == "en" else locale


def _short(value: float) -> str:
    return number(value, 0 if value >= 99.95 else 1)
