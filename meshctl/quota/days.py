"""Days on a line: who asks for how much at what hour, as a person would write it down.

A `Scenario` is a street of homes with their habits; `stretches` cuts its days into times in which nobody's
wishes change. Bursts fall by lot: the lot is an argument, so that two policies are compared on the same days.
Time is in seconds from 0:00 of the first day, which is a Monday; amounts are bytes of frames.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from meshctl.model import DIRECTIONS, Capacity, Direction

DAY, HOUR = 86_400.0, 3_600.0
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
BYTES = 125_000.0
"""Bytes per second in 1 Mbit/s."""

SETTLED = 365 * DAY
"""How long homes that are there from the first day have had their pass: the newcomer term is gone."""

Draw = Callable[[str, int], Sequence[float]]
"""Gives so many numbers from 0 to below 1 for a name: always the same ones for the same name."""


@dataclass(frozen=True)
class Want:
    """One habit: ``mbit`` (Mbit/s) between two ``hours`` of the day, on ``weekdays`` (all where empty).

    Hours may run over midnight, as in 22 to 6. With a ``part`` below 1 it is on in that part of the time, in
    bursts of so many ``minutes`` that fall by lot. ``days`` limits it to some, as in 7 to 14 for the second week. What
    is not delivered is not asked for again.
    """

    mbit: float
    hours: tuple[float, ...] = (0.0, 24.0)
    weekdays: tuple[str, ...] = ()
    direction: Direction = "down"
    part: float = 1.0
    minutes: float = 10.0
    days: tuple[float, ...] = (0.0, 366.0)


@dataclass(frozen=True)
class Home:
    """A household, or ``count`` alike, named ``name-1``, ``name-2`` and so on.

    It is on the line from ``from_day`` until ``until_day`` (counted from 0; none: to the end). One that is there from
    the start has had its pass for long; one that comes later got it that day.
    """

    name: str
    count: int = 1
    shares: int = 1
    from_day: float = 0.0
    until_day: float | None = None
    want: tuple[Want, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """Return the name of each."""
        return (self.name,) if self.count == 1 else tuple(f"{self.name}-{n + 1}" for n in range(self.count))


@dataclass(frozen=True)
class Guests:
    """So many devices without a pass, there between two ``hours``, each with the habits in ``want``."""

    count: int
    hours: tuple[float, ...] = (0.0, 24.0)
    weekdays: tuple[str, ...] = ()
    want: tuple[Want, ...] = ()


@dataclass(frozen=True)
class Sag:
    """Hours in which the line carries something else than usual, in Mbit/s."""

    hours: tuple[float, ...]
    down_mbit: float
    up_mbit: float


@dataclass(frozen=True)
class Scenario:
    """A line of so many Mbit/s, and who lives on it."""

    title: str
    down_mbit: float
    up_mbit: float
    home: tuple[Home, ...]
    days: int = 28
    guests: tuple[Guests, ...] = ()
    sag: tuple[Sag, ...] = ()
    story: str = ""


@dataclass(frozen=True)
class Span:
    """Somebody asks for ``rate`` (bytes/s) from ``start`` to ``end``. ``guest`` says that he has no pass."""

    start: float
    end: float
    who: str
    direction: Direction
    rate: float
    guest: bool = False


@dataclass(frozen=True)
class Stay:
    """Somebody is on the line from ``start`` to ``end``; ``age`` is how long he has had his pass by then."""

    start: float
    end: float
    who: str
    shares: int = 1
    age: float = SETTLED
    guest: bool = False


@dataclass(frozen=True)
class Level:
    """What the line carries from ``start`` to ``end``."""

    start: float
    end: float
    capacity: Capacity


@dataclass(frozen=True)
class Days:
    """What happens on a line in ``seconds``, in any order. Where no ``line`` says else, it carries ``capacity``."""

    seconds: float
    capacity: Capacity
    stays: tuple[Stay, ...]
    spans: tuple[Span, ...]
    line: tuple[Level, ...] = ()


@dataclass(frozen=True)
class Stretch:
    """A time within one hour of the clock in which nothing changes.

    ``wants`` are bytes/s by direction and household, ``guests`` those of each guest present, ``present`` the
    shares of the households that are there, ``ages`` how long each had its pass when it came.
    """

    start: float
    seconds: float
    capacity: Capacity
    wants: Mapping[Direction, Mapping[str, float]]
    guests: Mapping[Direction, Sequence[float]]
    present: Mapping[str, int]
    ages: Mapping[str, float] = field(default_factory=dict)


def windows(hours: Sequence[float], weekdays: Sequence[str], seconds: float) -> Iterator[tuple[float, float]]:
    """Return each time between the two hours, from the day before the first to the end, cut at both."""
    low, high = hours
    length = (high - low) * HOUR if high > low else (high + 24 - low) * HOUR
    for day in range(-1, int(seconds // DAY) + 1):
        if weekdays and WEEKDAYS[day % 7] not in weekdays:
            continue
        start = day * DAY + low * HOUR
        if start < seconds and start + length > 0:
            yield max(start, 0.0), min(start + length, seconds)


def live(scenario: Scenario, draw: Draw, days: int | None = None) -> Days:
    """Return what happens in a scenario when bursts fall as ``draw`` says."""
    seconds = (scenario.days if days is None else days) * DAY
    stays: list[Stay] = []
    spans: list[Span] = []
    for home in scenario.home:
        end = seconds if home.until_day is None else min(home.until_day * DAY, seconds)
        start = home.from_day * DAY
        for name in home.names if start < end else ():
            stays.append(Stay(start, end, name, home.shares, 0.0 if start else SETTLED))
            spans += _habits(name, home.want, [(start, end)], seconds, draw)
    for group, guests in enumerate(scenario.guests):
        there = list(windows(guests.hours, guests.weekdays, seconds))
        for name in (f"guest-{group + 1}-{n + 1}" for n in range(guests.count)):
            stays += [Stay(start, end, name, guest=True) for start, end in there]
            spans += _habits(name, guests.want, there, seconds, draw, guest=True)
    capacity = Capacity(scenario.down_mbit * BYTES, scenario.up_mbit * BYTES)
    return Days(seconds, capacity, tuple(stays), tuple(spans), levels(scenario.sag, seconds))


def levels(sags: Iterable[Sag], seconds: float) -> tuple[Level, ...]:
    """Return when in so many seconds a line carries something else than usual."""
    return tuple(
        Level(start, end, Capacity(sag.down_mbit * BYTES, sag.up_mbit * BYTES))
        for sag in sags
        for start, end in windows(sag.hours, (), seconds)
    )


def _habits(
    name: str,
    wants: Iterable[Want],
    there: Sequence[tuple[float, float]],
    seconds: float,
    draw: Draw,
    *,
    guest: bool = False,
) -> Iterator[Span]:
    for index, want in enumerate(wants):
        times = windows(want.hours, want.weekdays, seconds)
        if want.part < 1:
            times = _bursts(list(times), want, draw, f"{name}/{index}")
        for low, high in times:
            for begin, end in there:
                start, stop = max(low, begin, want.days[0] * DAY), min(high, end, want.days[1] * DAY)
                if start < stop:
                    yield Span(start, stop, name, want.direction, want.mbit * BYTES, guest)


def _bursts(times: Sequence[tuple[float, float]], want: Want, draw: Draw, key: str) -> Iterator[tuple[float, float]]:
    length = want.minutes * 60
    slots = [
        (start + n * length, min(start + (n + 1) * length, end))
        for start, end in times
        for n in range(int(-(-(end - start) // length)))
    ]
    for slot, lot in zip(slots, draw(key, len(slots)), strict=True):
        if lot < want.part:
            yield slot


def stretches(days: Days) -> Iterator[Stretch]:
    """Return the days in order, cut wherever anything changes and at every full hour."""
    happenings: list[Span | Stay | Level] = [*days.spans, *days.stays, *days.line]
    begins: dict[float, list[int]] = {0.0: []}
    ends: dict[float, list[int]] = {}
    for number, one in enumerate(happenings):
        if one.start < min(one.end, days.seconds):
            begins.setdefault(one.start, []).append(number)
            ends.setdefault(one.end, []).append(number)
    hours = {hour * HOUR for hour in range(int(days.seconds // HOUR))}
    times = sorted(time for time in {*begins, *ends, *hours} if time < days.seconds)
    on: dict[int, Span | Stay | Level] = {}
    for start, end in zip(times, [*times[1:], days.seconds], strict=True):
        for number in ends.get(start, ()):
            del on[number]
        on.update((number, happenings[number]) for number in begins.get(start, ()))
        yield _stretch(start, end, on.values(), days.capacity)


def _stretch(start: float, end: float, on: Iterable[Span | Stay | Level], capacity: Capacity) -> Stretch:
    wants: dict[Direction, dict[str, float]] = {"down": {}, "up": {}}
    guests: dict[Direction, dict[str, float]] = {"down": {}, "up": {}}
    present: dict[str, int] = {}
    ages: dict[str, float] = {}
    for one in on:
        if isinstance(one, Level):
            capacity = one.capacity
        elif isinstance(one, Span):
            ask = (guests if one.guest else wants)[one.direction]
            ask[one.who] = ask.get(one.who, 0.0) + one.rate
        elif one.guest:
            for direction in DIRECTIONS:
                guests[direction].setdefault(one.who, 0.0)
        else:
            present[one.who], ages[one.who] = one.shares, one.age
    for direction in DIRECTIONS:
        wants[direction] = {name: wants[direction].get(name, 0.0) for name in sorted(present)}
    each = {direction: tuple(guests[direction].values()) for direction in DIRECTIONS}
    return Stretch(start, end - start, capacity, wants, each, present, ages)
