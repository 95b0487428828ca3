"""Days on a line under a policy: who would have been slowed, by how much, and when.

Each turn is what a turn of the agent is: who asks for what becomes what the line delivers, that is charged,
the memory says the levels, and the levels set the rates of the next turn. `advance`, `ratio`, `level_of` and `decide`
are the very functions that the agent calls; only the queue is replaced, by what it converges to.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from meshctl.model import DIRECTIONS, Capacity, Device, Direction, Household, Policy
from meshctl.quota.days import HOUR, Stretch
from meshctl.quota.meter import jain
from meshctl.quota.plan import FIRST_GUEST, FIRST_HOME, GUEST_POOL, HOMES, Crowd, Plan, Tree, decide
from meshctl.quota.share import level_of, max_min
from meshctl.quota.usage import Memory, Turn, advance, begin, is_contended, meet, ratio

TRAIL = 6 * HOUR
"""How often a home's ratio is noted, in seconds."""

Amounts = dict[Direction, float]


@dataclass(frozen=True)
class Hour:
    """One hour of one home, counted from the first: bytes asked for and got, in both directions."""

    hour: int
    asked: float
    got: float


@dataclass(frozen=True)
class Lived:
    """What a home lived through. Amounts are bytes by direction.

    ``at_level`` are the seconds spent at each level while on the line, ``changes`` when the level became what,
    ``ratio`` and ``level`` stand at the end, ``trail`` are ratios on the way. ``worst`` is the hour in which the least
    part of what was asked for came. ``short`` are the seconds in which something asked for did not come.
    """

    name: str
    shares: int
    asked: Mapping[Direction, float]
    got: Mapping[Direction, float]
    at_level: tuple[float, ...]
    changes: tuple[tuple[float, int], ...]
    trail: tuple[tuple[float, float], ...]
    ratio: float
    level: int
    worst: Hour | None
    short: float

    @property
    def part(self) -> float | None:
        """Return which part of what it asked for it got; nothing where it asked for nothing."""
        asked = sum(self.asked.values())
        return sum(self.got.values()) / asked if asked else None


@dataclass(frozen=True)
class Outcome:
    """What came of some days. ``carried`` and ``room`` are bytes; ``contended`` and ``seconds`` are seconds."""

    policy: Policy
    seconds: float
    homes: Mapping[str, Lived]
    guests: tuple[float, float]
    carried: Mapping[Direction, float]
    room: Mapping[Direction, float]
    contended: Mapping[Direction, float]

    @property
    def jain(self) -> float | None:
        """Return Jain's index of the parts that homes got of what they asked for: 1 when all parts are equal."""
        return jain(home.part for home in self.homes.values() if home.part is not None)


@dataclass
class _Tally:
    shares: int = 1
    asked: Amounts = field(default_factory=lambda: {"down": 0.0, "up": 0.0})
    got: Amounts = field(default_factory=lambda: {"down": 0.0, "up": 0.0})
    hours: dict[int, tuple[float, float]] = field(default_factory=dict)
    at_level: list[float] = field(default_factory=list)
    changes: list[tuple[float, int]] = field(default_factory=list)
    trail: list[tuple[float, float]] = field(default_factory=list)
    short: float = 0.0


@dataclass(frozen=True)
class _Shared:
    """Who gets what (bytes/s) while nothing changes, and how many units are held back."""

    homes: Mapping[Direction, Mapping[str, float]]
    guests: Mapping[Direction, float]
    held: Mapping[Direction, int]


def simulate(
    stretches: Iterable[Stretch], policy: Policy, turn: float = 60.0, say: Callable[[float], None] | None = None
) -> Outcome:
    """Return what comes of these days under a policy, in turns of so many seconds.

    ``say`` is told from time to time which second is reached.
    """
    street: _Street | None = None
    for stretch in stretches:
        street = street or _Street(stretch.capacity, policy, turn)
        street.live(stretch)
        if say:
            say(stretch.start + stretch.seconds)
    if street is None:
        raise ValueError("no days to simulate")
    return street.outcome()


class _Street:
    """The days so far."""

    def __init__(self, capacity: Capacity, policy: Policy, turn: float) -> None:
        self.policy, self.turn = policy, turn
        self.memory = begin(capacity, policy.half_life)
        self.tallies: dict[str, _Tally] = {}
        self.marks: dict[str, int] = {}
        self.plans: dict[object, Plan] = {}
        self.guests = [0.0, 0.0]
        self.carried: Amounts = {"down": 0.0, "up": 0.0}
        self.room: Amounts = {"down": 0.0, "up": 0.0}
        self.contended: Amounts = {"down": 0.0, "up": 0.0}

    def live(self, stretch: Stretch) -> None:
        """Take a stretch, turn by turn."""
        for name, shares in stretch.present.items():
            self.memory = meet(self.memory, name, shares, stretch.ages[name])
            self.tallies.setdefault(name, _Tally(shares)).shares = shares
            self.marks.setdefault(name, FIRST_HOME + len(self.marks))
        self._note_trail(stretch)
        left = stretch.seconds
        while left > 0:
            shared = self._share(stretch)
            lived = self._turns(stretch, shared, left)
            self._count(stretch, shared, lived)
            left -= lived
            self._settle(stretch.start + stretch.seconds - left)

    def _turns(self, stretch: Stretch, shared: _Shared, left: float) -> float:
        """Live turns until a level changes or the stretch ends; return how many seconds that took.

        While nobody is charged, ratios only fall, and the memory does not depend on how time is cut: one turn does.
        """
        turn = _turn(stretch, shared, left)
        busy = [d for d in DIRECTIONS if is_contended(turn, d, self.policy.busy)]
        if busy:
            turn = _turn(stretch, shared, min(self.turn, left))
        lived = 0.0
        while lived < left:
            if turn.seconds > left - lived:
                turn = _turn(stretch, shared, left - lived)
            self.memory = advance(self.memory, turn, self.policy)
            lived += turn.seconds
            if any(True for _ in _changes(self.memory, self.policy)):
                break
        for direction in busy:
            self.contended[direction] += lived
        return lived

    def _settle(self, now: float) -> None:
        homes = dict(self.memory.homes)
        for name, level, value in _changes(self.memory, self.policy):
            homes[name] = replace(homes[name], level=level, since=self.memory.clock, ratio=value)
            self.tallies[name].changes.append((now, level))
        self.memory = replace(self.memory, homes=homes)

    def _share(self, stretch: Stretch) -> _Shared:
        levels = tuple(self.memory.homes[name].level for name in stretch.present)
        guests = len(stretch.guests["down"])
        key = (stretch.capacity, tuple(stretch.present.items()), levels, guests)
        if key not in self.plans:
            self.plans[key] = self._plan(stretch, guests)
        homes: dict[Direction, dict[str, float]] = {}
        away: Amounts = {}
        held: dict[Direction, int] = {}
        for d in DIRECTIONS:
            wants, asking = stretch.wants[d], stretch.guests[d]
            tree = self.plans[key].trees[d]
            got = allocate(tree, stretch.capacity.of(d), self._by_mark(wants, asking))
            homes[d] = {name: got[self.marks[name]] for name in wants}
            away[d] = sum(got[FIRST_GUEST + n] for n in range(guests))
            short = sum(1 for name, want in wants.items() if homes[d][name] < want * (1 - 1e-9))
            held[d] = short + (away[d] < sum(asking) * (1 - 1e-9))
        return _Shared(homes, away, held)

    def _by_mark(self, wants: Mapping[str, float], asking: Sequence[float]) -> dict[int, float]:
        asks = {self.marks[name]: want for name, want in wants.items()}
        return asks | {FIRST_GUEST + n: want for n, want in enumerate(asking)}

    def _plan(self, stretch: Stretch, guests: int) -> Plan:
        present = {self.marks[name]: Household(name, self.marks[name], n) for name, n in stretch.present.items()}
        marks = [*present, *(FIRST_GUEST + n for n in range(guests))]
        members = [Device(f"{mark:#x}", mark, None, None) for mark in marks]
        return decide(Crowd(members, marks, present), self.memory, stretch.capacity, self.policy)

    def _count(self, stretch: Stretch, shared: _Shared, seconds: float) -> None:
        hour = int(stretch.start // HOUR)
        for name in stretch.present:
            tally = self.tallies[name]
            asked, got = 0.0, 0.0
            for d in DIRECTIONS:
                want, rate = stretch.wants[d][name], shared.homes[d][name]
                tally.asked[d] += want * seconds
                tally.got[d] += rate * seconds
                asked, got = asked + want, got + rate
            if asked:
                before = tally.hours.get(hour, (0.0, 0.0))
                tally.hours[hour] = (before[0] + asked * seconds, before[1] + got * seconds)
                tally.short += seconds if got < asked * (1 - 1e-9) else 0.0
            level = self.memory.homes[name].level
            tally.at_level += [0.0] * (level + 1 - len(tally.at_level))
            tally.at_level[level] += seconds
        for d in DIRECTIONS:
            self.guests[0] += sum(stretch.guests[d]) * seconds
            self.guests[1] += shared.guests[d] * seconds
            self.carried[d] += (sum(shared.homes[d].values()) + shared.guests[d]) * seconds
            self.room[d] += stretch.capacity.of(d) * seconds

    def _note_trail(self, stretch: Stretch) -> None:
        if stretch.start % TRAIL == 0:
            for name in stretch.present:
                self.tallies[name].trail.append((stretch.start, self._ratio(name)))

    def _ratio(self, name: str) -> float:
        return ratio(self.memory, self.memory.homes[name], self.policy).value

    def outcome(self) -> Outcome:
        """Return what came of it."""
        homes = {name: self._lived(name, tally) for name, tally in self.tallies.items()}
        guests = (self.guests[0], self.guests[1])
        return Outcome(self.policy, self.memory.clock, homes, guests, self.carried, self.room, self.contended)

    def _lived(self, name: str, tally: _Tally) -> Lived:
        worst = min(tally.hours.items(), key=lambda one: (round(one[1][1] / one[1][0], 9), one[0]), default=None)
        return Lived(
            name,
            tally.shares,
            tally.asked,
            tally.got,
            tuple(tally.at_level),
            tuple(tally.changes),
            tuple(tally.trail),
            self._ratio(name),
            self.memory.homes[name].level,
            Hour(worst[0], *worst[1]) if worst else None,
            tally.short,
        )


def _turn(stretch: Stretch, shared: _Shared, seconds: float) -> Turn:
    carried = {d: {name: rate * seconds for name, rate in shared.homes[d].items()} for d in DIRECTIONS}
    total = {d: sum(carried[d].values()) + shared.guests[d] * seconds for d in DIRECTIONS}
    return Turn(seconds, stretch.capacity, carried, total, shared.held, stretch.present)


def _changes(memory: Memory, policy: Policy) -> Iterable[tuple[str, int, float]]:
    for name, past in memory.homes.items() if policy.level_above else ():
        # What was never charged has at most the newcomer term, which no threshold is below.
        if past.down or past.up:
            value = ratio(memory, past, policy).value
            level = level_of(value, past.level, policy)
            if level != past.level:
                yield name, level, value


def allocate(tree: Tree, capacity: float, wants: Mapping[int, float]) -> dict[int, float]:
    """Return what a tree's leaves get (bytes/s) of what they ask for: max-min by rate, between the parents first."""
    pools: dict[int, dict[int, float]] = {HOMES: {}, GUEST_POOL: {}}
    for mark, want in wants.items():
        pools[tree.leaves[mark].parent][mark] = want
    asks = {parent: sum(asking.values()) for parent, asking in pools.items()}
    parts = max_min(capacity, asks, {HOMES: float(tree.homes), GUEST_POOL: float(tree.guests)})
    got: dict[int, float] = {}
    for parent, asking in pools.items():
        got |= max_min(parts[parent], asking, {mark: float(tree.leaves[mark].rate) for mark in asking})
    return got
