"""What a comparison of two policies says: a short table for people, everything for scripts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from textwrap import wrap
from typing import Any

from meshctl.model import DIRECTIONS, Capacity
from meshctl.quota.compare import Difference
from meshctl.quota.days import DAY, HOUR
from meshctl.quota.outcome import Lived, Outcome

HEADING = (
    f"{'':<16} {'asked':>7} {'gets':>6} {'against':>7} {'':>6} {'stepped':>8} {'level':>5} {'':>6} {'worst':>6}",
    f"{'homes':<16} {'GB/day':>7} {'%':>6} {'%':>7} {'points':>6} {'back %':>8} {'now':>5} {'ratio':>6} {'hour %':>6}",
)
_COLUMNS = 80
_ROWS = 20
"""So many kinds of homes fit a short table."""


@dataclass(frozen=True)
class Trial:
    """The same days lived twice: ``kept`` under a policy, ``against`` under another; ``kinds`` says who is alike."""

    name: str
    title: str
    seed: int
    turn: float
    capacity: Capacity
    kinds: Mapping[str, str]
    words: tuple[str, str]
    kept: Outcome
    against: Outcome
    differences: Mapping[str, Difference]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Kind:
    """Homes that are alike, together. ``asked`` is bytes a day, each; ``stepped`` the part of the time above level 0.

    ``level`` and ``ratio`` are those of the home whose ratio is highest; ``worst`` is the part that came of what one of
    them asked for in its worst hour, ``points`` what each gets more, in points of a hundred, ``change`` the same as a
    part of what it got.
    """

    name: str
    homes: int
    shares: int
    asked: float
    part: float
    against: float
    stepped: float
    level: int
    ratio: float
    worst: float
    differences: tuple[Difference, ...]

    @property
    def points(self) -> float:
        """Return how much more of what they ask for they get, in points of a hundred."""
        return 100 * (self.part - self.against)

    @property
    def change(self) -> float:
        """Return what they get more, as a part of what they got."""
        return self.part / self.against - 1 if self.against else 0.0


def kinds(trial: Trial) -> list[Kind]:
    """Return the homes of a trial by kind, in its order; those that asked for nothing are left out."""
    groups: dict[str, list[Lived]] = {}
    for name, home in trial.kept.homes.items():
        if name in trial.differences:
            groups.setdefault(trial.kinds.get(name, name), []).append(home)
    return [_kind(name, homes, trial) for name, homes in groups.items()]


def _kind(name: str, homes: Sequence[Lived], trial: Trial) -> Kind:
    asked = sum(sum(home.asked.values()) for home in homes)
    time = sum(sum(home.at_level) for home in homes)
    others = [trial.against.homes[home.name] for home in homes]
    last = max(homes, key=lambda home: home.ratio)
    return Kind(
        name,
        len(homes),
        homes[0].shares,
        asked / time * DAY,
        sum(sum(home.got.values()) for home in homes) / asked,
        sum(sum(home.got.values()) for home in others) / asked,
        sum(sum(home.at_level[1:]) for home in homes) / time,
        last.level,
        last.ratio,
        min(home.worst.got / home.worst.asked for home in homes if home.worst),
        tuple(trial.differences[home.name] for home in homes),
    )


def told(trial: Trial) -> Iterator[str]:
    """Return what people read."""
    kept, line = trial.kept, trial.capacity
    yield f"{trial.name}: {trial.title}"
    days = f"{kept.seconds / DAY:g} days, seed {trial.seed}, turns of {trial.turn:g} s"
    yield f"{len(kept.homes)} homes on {line.down / 125_000:g} Mbit/s down, {line.up / 125_000:g} up; {days}"
    yield f"policy: {trial.words[0]}"
    yield f"against: {trial.words[1]}"
    for note in trial.notes:
        yield from wrap(note, _COLUMNS)
    yield ""
    yield from HEADING
    found = kinds(trial)
    shown = sorted(found, key=lambda kind: kind.change)[:_ROWS] if len(found) > _ROWS else found
    for kind in shown:
        yield row(kind)
    if len(found) > len(shown):
        yield f"… and {len(found) - len(shown)} more, who lose less; --json lists all"
    if kept.guests[0]:
        yield _guests(trial)
    yield ""
    yield from _slowed(found)
    yield from _line(trial)


def all_told(trials: Iterable[Trial]) -> Iterator[str]:
    """Return several trials in one table."""
    for number, trial in enumerate(trials):
        if number == 0:
            yield f"policy: {trial.words[0]}"
            yield f"against: {trial.words[1]}"
            yield ""
            yield from HEADING
        yield f"{trial.name}: {trial.title}"
        for kind in kinds(trial):
            yield row(kind)
        if trial.kept.guests[0]:
            yield _guests(trial)


def row(kind: Kind) -> str:
    """Return one kind of homes as a line of the table."""
    name = kind.name if kind.homes == 1 else f"{kind.name} ({kind.homes})"
    return (
        f"{name[:16]:<16} {kind.asked / 1e9:>7.1f} {100 * kind.part:>6.1f} {100 * kind.against:>7.1f} "
        f"{kind.points:>+6.1f} {100 * kind.stepped:>8.1f} {kind.level:>5} {kind.ratio:>6.2f} {100 * kind.worst:>6.1f}"
    )


def _guests(trial: Trial) -> str:
    (asked, got), (_, other) = trial.kept.guests, trial.against.guests
    day = asked / trial.kept.seconds * DAY / 1e9
    return (
        f"{'guests, all':<16} {day:>7.1f} {100 * got / asked:>6.1f} {100 * other / asked:>7.1f} "
        f"{100 * (got - other) / asked:>+6.1f}"
    )


def _slowed(found: Sequence[Kind]) -> Iterator[str]:
    slowed = [kind for kind in found if any(one.is_slowed for one in kind.differences)]
    if not slowed:
        yield "Slowed: nobody."
    for kind in slowed:
        losers = [one for one in kind.differences if one.is_slowed]
        hours = sorted({hour for one in losers for hour in one.hours_of_day})
        first = min((one.first for one in losers if one.first is not None), default=None)
        worst = max((one.worst for one in losers if one.worst), key=lambda one: one[1], default=None)
        who = kind.name if kind.homes == 1 else f"{kind.name} ({len(losers)} of {kind.homes} homes)"
        text = f"Slowed: {who}, by {-100 * min(one.change for one in losers):.1f} % of what it got"
        text += f", {spans(hours)} h" if hours else ""
        text += f", first on day {first // 24 + 1} at {first % 24} h" if first is not None else ""
        text += f"; in its worst hour by {worst[1] * 8 / HOUR / 1e6:.2f} Mbit/s." if worst else "."
        yield from wrap(text, _COLUMNS, subsequent_indent="  ")


def _line(trial: Trial) -> Iterator[str]:
    kept, against = trial.kept, trial.against
    for d in DIRECTIONS:
        if kept.carried[d]:
            yield (
                f"Line {d}: contended {100 * kept.contended[d] / kept.seconds:.1f} % of the time "
                f"({100 * against.contended[d] / against.seconds:.1f}), carried {kept.carried[d] / 1e9:,.0f} GB "
                f"({against.carried[d] / 1e9:,.0f})."
            )
    busy, parts = (kept.jain_busy, against.jain_busy), (kept.jain_parts, against.jain_parts)
    if busy[0] is not None and busy[1] is not None:
        yield f"Jain's index, bytes per share in busy hours: {busy[0]:.3f} ({busy[1]:.3f})"
    if parts[0] is not None and parts[1] is not None:
        yield f"Jain's index, parts of what was asked for: {parts[0]:.3f} ({parts[1]:.3f})"
    yield "In brackets: the policy that it is compared with."


def spans(hours: Sequence[int]) -> str:
    """Return hours of the day as spans: 17, 18, 19 is 17-20."""
    found: list[list[int]] = []
    for hour in sorted(hours):
        if found and found[-1][1] == hour:
            found[-1][1] = hour + 1
        else:
            found.append([hour, hour + 1])
    return ", ".join(f"{low}-{high}" for low, high in found)


def as_table(trial: Trial) -> dict[str, Any]:
    """Return everything, for a script. Amounts are bytes, times seconds, ratios and parts plain numbers."""
    return {
        "scenario": trial.name,
        "title": trial.title,
        "seed": trial.seed,
        "turn_seconds": trial.turn,
        "days": trial.kept.seconds / DAY,
        "line": asdict(trial.capacity),
        "notes": list(trial.notes),
        "policy": _side(trial.kept, trial.words[0]),
        "against": _side(trial.against, trial.words[1]),
        "homes": [_home(trial, home) for home in trial.kept.homes.values()],
    }


def _side(outcome: Outcome, words: str) -> dict[str, Any]:
    return {
        "words": words,
        "values": asdict(outcome.policy),
        "jain_busy": outcome.jain_busy,
        "jain_parts": outcome.jain_parts,
        "contended_seconds": outcome.contended,
        "carried": outcome.carried,
        "room": outcome.room,
        "guests": {"asked": outcome.guests[0], "got": outcome.guests[1]},
    }


def _home(trial: Trial, home: Lived) -> dict[str, Any]:
    difference = trial.differences.get(home.name)
    worst = home.worst
    return {
        "home": home.name,
        "kind": trial.kinds.get(home.name, home.name),
        "shares": home.shares,
        "asked": home.asked,
        "got": home.got,
        "got_against": trial.against.homes[home.name].got,
        "part": home.part,
        "part_against": difference.against if difference else None,
        "points": difference.points if difference else None,
        "slowed": bool(difference and difference.is_slowed),
        "slowed_hours_of_day": list(difference.hours_of_day) if difference else [],
        "slowed_first_hour": difference.first if difference else None,
        "ratio": home.ratio,
        "level": home.level,
        "seconds_at_level": list(home.at_level),
        "changes": [{"at": at, "level": level} for at, level in home.changes],
        "worst_hour": {"hour": worst.hour, "asked": worst.asked, "got": worst.got} if worst else None,
        "short_seconds": home.short,
        "contended": home.contended,
    }
