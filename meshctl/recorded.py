"""Reads days that were lived on a real line, and spreads each over its hours.

A node keeps each household's bytes of a day, and nothing finer: when in the day it was is not known, and what was
asked for but not delivered is not known either. So what comes of recorded days is a lower bound.

A file is CSV, by day or finer, or what `meshctl household show HANDLE --json` printed for one home after another.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from meshctl.model import DIRECTIONS, Capacity, Direction, MeshctlError
from meshctl.quota.days import DAY, HOUR, Days, Draw, Sag, Span, Stay, levels

PROFILE: tuple[tuple[int, int, float], ...] = ((0, 7, 0.05), (7, 17, 0.35), (17, 23, 0.54), (23, 24, 0.06))
"""From which hour to which one how much of a day's bytes is taken to have been used, evenly by the hour."""

STATED = (
    "Recorded: what was delivered, which is a lower bound of what was asked for. Each day's bytes are spread over its "
    "hours, 5 % from 0 to 7 h, 35 % from 7 to 17 h, 54 % from 17 to 23 h, 6 % from 23 to 24 h; each hour's are asked "
    "for in one go, as fast as the line is, from a minute that falls by lot. Every home has had its pass for long."
)
STATED_FINE = (
    "Recorded: what was delivered, which is a lower bound of what was asked for. Each row's bytes are asked for evenly "
    "over its seconds. Every home has had its pass for long."
)

DAILY, FINE = ["day", "home", "direction", "bytes"], ["start", "seconds", "home", "direction", "bytes"]
MAX_DAYS, _MAX_ROWS, _SHOWN = 366, 2_000_000, 20


class RecordError(MeshctlError):
    """Rows cannot be used; the text names file, line, fault and remedy of each."""

    exit_code = 2


@dataclass(frozen=True)
class Row:
    """What a home was delivered in a direction in the seconds from ``start``, at that line of the file."""

    line: int
    start: datetime
    seconds: float
    home: str
    direction: Direction
    carried: int


@dataclass(frozen=True)
class Record:
    """What a file says: its rows, whether they are finer than days, and the shares of homes that have not just one."""

    file: str
    rows: tuple[Row, ...]
    fine: bool = False
    shares: Mapping[str, int] = field(default_factory=dict)


class _RowError(Exception):
    pass


def read_record(text: str, file: str) -> Record:
    """Return what a file says. Raises `RecordError` naming every bad row."""
    if text.lstrip().startswith("{"):
        return _shown(text, file)
    reader = csv.reader(io.StringIO(text))
    heading = [word.strip() for word in next(reader, [])]
    if heading not in (DAILY, FINE):
        wanted = f"{','.join(DAILY)} or {','.join(FINE)}"
        raise RecordError(f"{file}: line 1: {','.join(heading)!r} is no heading. Write {wanted}.")
    fine = heading == FINE
    rows: list[Row] = []
    faults: list[str] = []
    for words in reader:
        if not words:
            continue
        try:
            rows.append(_row(reader.line_num, [word.strip() for word in words], fine=fine))
        except _RowError as fault:
            faults.append(f"{file}: line {reader.line_num}: {fault}")
        if reader.line_num > _MAX_ROWS:
            raise RecordError(f"{file}: more than {_MAX_ROWS} lines. Take fewer days.")
    return _checked(Record(file, tuple(rows), fine), faults)


def _checked(record: Record, faults: list[str]) -> Record:
    faults += [f"{record.file}: line {line}: {fault}" for line, fault in _overlaps(record.rows)]
    if not record.rows and not faults:
        faults.append(f"{record.file}: it has no rows. Write one for each day, home and direction.")
    _refuse(faults)
    return record


def _shown(text: str, file: str) -> Record:
    """Return what `household show --json` printed, for one home after another."""
    rows: list[Row] = []
    faults: list[str] = []
    shares: dict[str, int] = {}
    at = len(text) - len(text.lstrip())
    while at < len(text):
        line = text.count("\n", 0, at) + 1
        try:
            home, at = json.JSONDecoder().raw_decode(text, at)
            rows += _of_home(home, line)
            shares[home["handle"]] = home["shares"]
        except json.JSONDecodeError as fault:
            raise RecordError(f"{file}: line {fault.lineno}: it is not JSON: {fault.msg}. Print it anew.") from None
        except _RowError as fault:
            faults.append(f"{file}: line {line}: {fault}")
        at += len(text[at:]) - len(text[at:].lstrip())
    return _checked(Record(file, tuple(rows), shares=shares), faults)


def _of_home(home: object, line: int) -> Iterator[Row]:
    good = isinstance(home, dict) and isinstance(home.get("shares"), int) and home["shares"] > 0 and "handle" in home
    if not isinstance(home, dict) or not good or "days" not in home:
        raise _RowError("it is no household. Print it with `meshctl household show HANDLE --json`.")
    if not isinstance(home["days"], list):
        raise _RowError("this node has no line, so no days. Print it at the node that has the line.")
    for day in home["days"]:
        for direction in DIRECTIONS:
            if not isinstance(day, dict) or not {"day", direction} <= day.keys():
                raise _RowError("a day has no day, down and up. Print it with `meshctl household show HANDLE --json`.")
            if day["day"]:  # bytes from before any clock was right have no date
                yield _row(line, [str(day["day"]), str(home["handle"]), direction, str(day[direction])], fine=False)


def spread(record: Record, capacity: Capacity, sags: Sequence[Sag], draw: Draw) -> Days:
    """Return recorded rows as days on a line. Raises `RecordError` for rows that the line cannot have carried."""
    rows, file = record.rows, record.file
    begin = min(row.start for row in rows).replace(hour=0, minute=0, second=0, microsecond=0)
    end = max(row.start + timedelta(seconds=row.seconds) for row in rows)
    days = -(-(end - begin) // timedelta(days=1))
    if days > MAX_DAYS:
        raise RecordError(f"{file}: {days} days from the first row to the last. Take {MAX_DAYS} or fewer.")
    seconds = days * DAY
    _refuse(
        [
            f"{file}: line {row.line}: {row.carried} bytes are more than the line carries in {row.seconds:g} s. "
            "Say what the line carries with --line."
            for row in rows
            if row.carried > capacity.of(row.direction) * row.seconds
        ]
    )
    homes = sorted({row.home for row in rows})
    stays = tuple(Stay(0.0, seconds, home, record.shares.get(home, 1)) for home in homes)
    spans = [span for row in rows for span in _spans(row, begin, capacity, draw, fine=record.fine)]
    return Days(seconds, capacity, stays, tuple(spans), levels(sags, seconds))


def _spans(row: Row, begin: datetime, capacity: Capacity, draw: Draw, *, fine: bool) -> Iterator[Span]:
    start = (row.start - begin).total_seconds()
    if not row.carried:
        return
    if fine:
        yield Span(start, start + row.seconds, row.home, row.direction, row.carried / row.seconds)
        return
    lots = draw(f"{row.home}/{row.direction}/{row.start:%Y-%m-%d}", 24)
    for low, high, part in PROFILE:
        for hour in range(low, high):
            wanted = row.carried * part / (high - low)
            minutes = min(60, int(-(-wanted // (capacity.of(row.direction) * 60))))
            at = start + hour * HOUR + int(lots[hour] * (61 - minutes)) * 60
            yield Span(at, at + minutes * 60, row.home, row.direction, wanted / (minutes * 60))


def _row(line: int, words: Sequence[str], *, fine: bool) -> Row:
    wanted = FINE if fine else DAILY
    if len(words) != len(wanted):
        raise _RowError(f"{len(words)} columns. Write {len(wanted)}: {','.join(wanted)}.")
    start, *rest = words
    seconds = _seconds(rest.pop(0)) if fine else DAY
    home, direction, carried = rest
    if not 0 < len(home) <= 40 or not home.isprintable():
        raise _RowError(f"{home!r} is no home. Write a name of 1 to 40 characters.")
    way = next((one for one in DIRECTIONS if one == direction), None)
    if way is None:
        raise _RowError(f"{direction!r} is no direction. Write down or up.")
    if not carried.isascii() or not carried.isdigit():
        raise _RowError(f"{carried!r} are no bytes. Write a whole number, 0 or more.")
    return Row(line, _moment(start, fine=fine), seconds, home, way, int(carried[:30]))


def _moment(text: str, *, fine: bool) -> datetime:
    try:
        moment = (
            datetime.fromisoformat(text) if fine else datetime.combine(date.fromisoformat(text), datetime.min.time())
        )
    except ValueError:
        example = "2026-03-02T17:00" if fine else "2026-03-02"
        raise _RowError(f"{text!r} is no {'moment' if fine else 'day'}. Write one such as {example}.") from None
    if moment.tzinfo is not None:
        raise _RowError(f"{text!r} names a time zone. Write the line's local time without one.")
    return moment


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 1 <= seconds <= DAY:
        raise _RowError(f"{text!r} are no seconds of a day. Write 1 to {DAY:.0f}.")
    return seconds


def _overlaps(rows: Sequence[Row]) -> Iterator[tuple[int, str]]:
    last: dict[tuple[str, Direction], Row] = {}
    for row in sorted(rows, key=lambda one: (one.start, one.line)):
        before = last.get((row.home, row.direction))
        if before is not None and row.start < before.start + timedelta(seconds=before.seconds):
            yield (
                row.line,
                f"that time of {row.home} {row.direction} is in line {before.line} too. Keep one.",
            )
        last[row.home, row.direction] = row


def _refuse(faults: Sequence[str]) -> None:
    if faults:
        more = [f"… and {len(faults) - _SHOWN} more"] if len(faults) > _SHOWN else []
        raise RecordError("\n".join([*faults[:_SHOWN], *more]))
