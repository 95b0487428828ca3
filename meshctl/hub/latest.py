"""What new reports make of what was known of a node. Pure: order is (boot, sequence), never a clock."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from meshctl.wire import Fact, Health, LineTotal

RETENTION_SECONDS = 37 * 86_400
"""How long reports and hours are kept, and how late a report may tell its own time."""

HOUR = 3600
MOST_BYTES_AN_HOUR = 10**14
"""More than any line here carries, so that one node's nonsense never spoils a sum."""

_AHEAD_SECONDS = 300

LineKey = tuple[str, str]
HourKey = tuple[str, str, int]


@dataclass(frozen=True)
class HeldFact:
    """A fact as last reported; ``since`` is when it began to fail, ``None`` while it does not."""

    ok: bool
    value: float | None
    unit: str
    error: str
    since: float | None


@dataclass(frozen=True)
class Standing:
    """The newest report of a node, by (boot, sequence), with the key that signed it.

    ``received`` is by the hub's clock; ``gap`` is the seconds between it and the receipt before.
    """

    name: str
    key: str
    boot: int
    sequence: int
    received: float
    gap: float | None
    monotonic: float
    wall: float
    trusted: bool
    version: str
    homes: int
    guests: int
    repairs: int
    facts: Mapping[str, HeldFact]

    @property
    def order(self) -> tuple[int, int]:
        """What sorts reports of one node."""
        return (self.boot, self.sequence)


@dataclass(frozen=True)
class Counter:
    """A line's counter in one direction, as the report (``boot``, ``sequence``) gave it."""

    node: str
    boot: int
    sequence: int
    total: LineTotal


@dataclass(frozen=True)
class Advance:
    """What has to be written: a newer standing if there is one, newer counters, bytes to add by hour."""

    standing: Standing | None
    counters: dict[LineKey, Counter] = field(default_factory=dict)
    hours: dict[HourKey, int] = field(default_factory=dict)


def advance(
    key: str, before: Standing | None, counters: Mapping[LineKey, Counter], news: Iterable[Health], now: float
) -> Advance:
    """Follow reports that were not known before; ``counters`` are those of the same node."""
    standing = before
    changed: dict[LineKey, Counter] = {}
    hours: dict[HourKey, int] = {}
    for health in sorted(news, key=lambda one: (one.boot, one.sequence)):
        for total in health.lines:
            at = (total.line, total.direction)
            last = changed.get(at) or counters.get(at)
            if last and (last.boot, last.sequence) >= (health.boot, health.sequence):
                continue  # a newer counter has these bytes already
            _add_carried(hours, health, total, last, now)
            changed[at] = Counter(health.node, health.boot, health.sequence, total)
        if standing is None or standing.order < (health.boot, health.sequence):
            standing = _standing(key, health, standing, before, now)
    return Advance(standing if standing is not before else None, changed, hours)


def told_time(health: Health, received: float) -> float:
    """When the report was made: by its own clock where that can be believed, else when it came."""
    believable = received - RETENTION_SECONDS <= health.wall <= received + _AHEAD_SECONDS
    return health.wall if health.trusted and believable else received


def _add_carried(hours: dict[HourKey, int], health: Health, total: LineTotal, last: Counter | None, now: float) -> None:
    """The first counter of a line is where counting starts; one that went back starts from zero."""
    if last is None:
        return
    fresh = total.carried - last.total.carried if total.carried >= last.total.carried else total.carried
    at = (total.line, total.direction, int(told_time(health, now) // HOUR))
    hours[at] = min(hours.get(at, 0) + fresh, MOST_BYTES_AN_HOUR)


def _standing(key: str, health: Health, last: Standing | None, before: Standing | None, now: float) -> Standing:
    at = told_time(health, now)
    known = last.facts if last else {}
    return Standing(
        name=health.node,
        key=key,
        boot=health.boot,
        sequence=health.sequence,
        received=now,
        gap=now - before.received if before else None,
        monotonic=health.monotonic,
        wall=health.wall,
        trusted=health.trusted,
        version=health.version,
        homes=health.homes,
        guests=health.guests,
        repairs=health.repairs,
        facts={name: _held(fact, known.get(name), at) for name, fact in health.facts.items()},
    )


def is_failing(fact: Fact | HeldFact) -> bool:
    """A fact that needs somebody; a thing that this machine does not have needs nobody."""
    return not fact.ok and fact.error != "not here"


def _held(fact: Fact, before: HeldFact | None, at: float) -> HeldFact:
    since = None
    if is_failing(fact):
        since = before.since if before and before.since is not None else at
    return HeldFact(fact.ok, fact.value, fact.unit, fact.error, since)
