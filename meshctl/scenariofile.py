"""Reads a scenario: a file that describes a street and its habits, or one of those that come with meshctl."""

from __future__ import annotations

import random
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path

from meshctl.fields import FieldError, read_table
from meshctl.quota.days import WEEKDAYS, Draw, Guests, Home, Scenario, Want
from meshctl.settings import ConfigError

OWN = Path(__file__).parent / "scenarios"
"""Where the scenarios are that come with meshctl."""

MAX_DAYS = 366
_MOST_HOMES = 5000


def shipped() -> dict[str, Path]:
    """Return the scenarios that come with meshctl, by name."""
    return {file.stem: file for file in sorted(OWN.glob("*.toml"))}


def lots(seed: int) -> Draw:
    """Return the lot that bursts fall by: for one seed always the same, whatever the policy."""

    def draw(key: str, count: int) -> Sequence[float]:
        stream = random.Random(f"{seed}/{key}")  # noqa: S311  # a lot that can be drawn again, not a secret
        return [stream.random() for _ in range(count)]

    return draw


def load_scenario(named: str) -> Scenario:
    """Return the scenario of that name, or in the file of that path. Raises `ConfigError`."""
    own = shipped()
    file = own[named] if named in own else Path(named)
    try:
        table = tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        remedy = f"Name a file, or one of: {', '.join(own)}."
        raise ConfigError(named, "scenario", "there is none of that name", remedy) from None
    except (OSError, UnicodeDecodeError) as fault:
        raise ConfigError(file, "file", f"it cannot be read: {fault}", "Check its owner and encoding.") from fault
    except tomllib.TOMLDecodeError as fault:
        raise ConfigError(file, "file", f"it is not TOML: {fault}", "Mend that line.") from fault
    try:
        scenario = read_table(Scenario, table)
    except FieldError as fault:
        raise ConfigError(file, fault.key, fault.fault, fault.remedy) from None
    for key, wrong, remedy in _faults(scenario):
        raise ConfigError(file, key, wrong, remedy)
    return scenario


Fault = tuple[str, str, str]


def _faults(scenario: Scenario) -> Iterator[Fault]:
    lines = [("", scenario.down_mbit, scenario.up_mbit)]
    lines += [(f"sag[{n}].", sag.down_mbit, sag.up_mbit) for n, sag in enumerate(scenario.sag)]
    for at, down, up in lines:
        yield from _bounded(f"{at}down_mbit", down, 0.1, 100_000)
        yield from _bounded(f"{at}up_mbit", up, 0.1, 100_000)
    for n, sag in enumerate(scenario.sag):
        yield from _window(f"sag[{n}]", sag.hours, ())
    yield from _bounded("days", scenario.days, 1, MAX_DAYS)
    yield from _homes(scenario.home, scenario.days)
    for n, guests in enumerate(scenario.guests):
        yield from _bounded(f"guests[{n}].count", guests.count, 1, _MOST_HOMES)
        yield from _window(f"guests[{n}]", guests.hours, guests.weekdays)
        yield from _wants(f"guests[{n}]", guests)


def _homes(homes: Sequence[Home], days: int) -> Iterator[Fault]:
    if not homes:
        yield "home", "nobody lives there", "Add a [[home]] table."
    known: dict[str, str] = {}
    for n, home in enumerate(homes):
        at = f"home[{n}]"
        yield from _bounded(f"{at}.count", home.count, 1, _MOST_HOMES)
        yield from _bounded(f"{at}.shares", home.shares, 1, 100)
        yield from _bounded(f"{at}.from_day", home.from_day, 0, days)
        if home.until_day is not None and home.until_day <= home.from_day:
            yield f"{at}.until_day", f"{home.until_day:g} is not after from_day", "Write a later day."
        for name in home.names[:_MOST_HOMES]:
            if name in known:
                yield f"{at}.name", f"{name!r} is also {known[name]}", "Give each home its own name."
            known[name] = at
        yield from _wants(at, home)


def _wants(at: str, one: Home | Guests) -> Iterator[Fault]:
    for n, want in enumerate(one.want):
        yield from _want(f"{at}.want[{n}]", want)


def _want(at: str, want: Want) -> Iterator[Fault]:
    yield from _bounded(f"{at}.mbit", want.mbit, 0, 100_000)
    yield from _bounded(f"{at}.part", want.part, 0, 1)
    yield from _bounded(f"{at}.minutes", want.minutes, 1, 24 * 60)
    yield from _window(at, want.hours, want.weekdays)
    if len(want.days) != 2 or not 0 <= want.days[0] < want.days[1]:
        yield f"{at}.days", f"{list(want.days)} are not two days", "Write from which to which, such as [7, 14]."


def _window(at: str, hours: Sequence[float], weekdays: Sequence[str]) -> Iterator[Fault]:
    if len(hours) != 2 or not all(0 <= hour <= 24 for hour in hours):
        yield f"{at}.hours", f"{list(hours)} are not two hours of the day", "Write two of 0 to 24, such as [17, 24]."
    for day in weekdays:
        if day not in WEEKDAYS:
            yield f"{at}.weekdays", f"{day!r} is no weekday", f"Use some of: {', '.join(WEEKDAYS)}."


def _bounded(key: str, value: float, low: float, high: float) -> Iterator[Fault]:
    if not low <= value <= high:
        yield key, f"{value:g} is out of bounds", f"Use {low:g} to {high:g}."
