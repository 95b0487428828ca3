"""What new reports make of what was known of a node. Pure: order is (boot, sequence), never a clock."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from meshctl.hub.links import HeldLink, LinkKey, follow
from meshctl.wire import Fact, Health, LineTotal

RETENTION_SECONDS = 37 * 86_400
"""How long reports and hours are kept, and how late a report may tell its own time."""

HOUR = 3600
MOST_BYTES_AN_HOUR = 10**14
"""More than any line here carries, so that one node's nonsense never spoils a sum."""

MOST_PAUSES_A_DAY = 1000
"""The same for the pauses that one node says it had."""

PAUSE_DAYS = 30
"""How many days, today included, pauses are counted for."""

DAY = 86_400
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
    ``gateway`` is the node whose line it uses since ``gateway_since``, ``via`` the neighbour on the way.
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
    gateway: str | None = None
    via: str | None = None
    gateway_since: float | None = None
    pauses: int = 0
    pauses_now: int = 0

    @property
    def order(self) -> tuple[int, int]:
        """What sorts reports of one node."""
        return (self.boot, self.sequence)

    @property
    def tells_links(self) -> bool:
        """Whether it could say which links it has: it heard babeld, and a roster gave it names."""
        return _tells_links(self.facts)


@dataclass(frozen=True)
class Counter:
    """A line's counter in one direction, as the report (``boot``, ``sequence``) gave it."""

    node: str
    boot: int
    sequence: int
    total: LineTotal


@dataclass(frozen=True)
class Advance:
    """What has to be written: a newer standing if there is one, newer counters and links.

    To what is held, bytes are added by hour and pauses by day.
    """

    standing: Standing | None
    counters: dict[LineKey, Counter] = field(default_factory=dict)
    hours: dict[HourKey, int] = field(default_factory=dict)
    links: dict[LinkKey, HeldLink] = field(default_factory=dict)
    pauses: dict[int, int] = field(default_factory=dict)


def advance(
    key: str,
    before: Standing | None,
    counters: Mapping[LineKey, Counter],
    news: Iterable[Health],
    now: float,
    links: Mapping[LinkKey, HeldLink] = MappingProxyType({}),
) -> Advance:
    """Follow reports that were not known before; ``counters`` and ``links`` are those of the same node."""
    standing, linked = before, dict(links)
    changed: dict[LineKey, Counter] = {}
    hours: dict[HourKey, int] = {}
    pauses: dict[int, int] = {}
    for health in sorted(news, key=lambda one: (one.boot, one.sequence)):
        for total in health.lines:
            at = (total.line, total.direction)
            last = changed.get(at) or counters.get(at)
            if last and (last.boot, last.sequence) >= (health.boot, health.sequence):
                continue  # a newer counter has these bytes already
            _add_carried(hours, health, total, last, now)
            changed[at] = Counter(health.node, health.boot, health.sequence, total)
        if standing is None or standing.order < (health.boot, health.sequence):
            if standing is not None and health.pauses != standing.pauses:
                # A node whose node.db was lost counts from zero again.
                fresh_pauses = health.pauses - (standing.pauses if health.pauses > standing.pauses else 0)
                day = int(told_time(health, now) // DAY)
                pauses[day] = min(pauses.get(day, 0) + fresh_pauses, MOST_PAUSES_A_DAY)
            standing = _standing(key, health, standing, before, now)
            if _tells_links(health.facts):
                linked = follow(linked, health.node, health.links, told_time(health, now))
    fresh = {at: link for at, link in linked.items() if link != links.get(at)}
    return Advance(standing if standing is not before else None, changed, hours, fresh, pauses)


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
        gateway=health.gateway,
        via=health.via,
        gateway_since=last.gateway_since if last and last.gateway == health.gateway else at,
        pauses=health.pauses,
        pauses_now=health.pauses_now,
    )


def _tells_links(facts: Mapping[str, Fact] | Mapping[str, HeldFact]) -> bool:
    babel, roster = facts.get("babel"), facts.get("roster")
    # A roster that was refused leaves the one before in force: then the fact fails, and still has a version.
    return (babel is None or babel.ok) and (roster is None or roster.value is not None)


def is_failing(fact: Fact | HeldFact) -> bool:
    """A fact that needs somebody; a thing that this machine does not have needs nobody."""
    return not fact.ok and fact.error != "not here"


def _held(fact: Fact, before: HeldFact | None, at: float) -> HeldFact:
    since = None
    if is_failing(fact):
        since = before.since if before and before.since is not None else at
    return HeldFact(fact.ok, fact.value, fact.unit, fact.error, since)
