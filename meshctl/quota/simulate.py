"""Days on a line under a policy: who would have been slowed, by how much, and when.

Each turn is what a turn of the agent is: who asks for what becomes what the line delivers, that is charged,
the memory says the levels, and the levels set the rates of the next turn. `advance`, `ratio`, `level_of` and `decide`
are the very functions that the agent calls; only the queue is replaced, by what it converges to.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from meshctl.model import DIRECTIONS, Capacity, Device, Direction, Household, Policy
from meshctl.quota.days import HOUR, Stretch
from meshctl.quota.outcome import Amounts, Outcome, Tally, nothing
from meshctl.quota.plan import FIRST_GUEST, FIRST_HOME, Crowd, Plan, decide
from meshctl.quota.predict import allocate
from meshctl.quota.share import level_of
from meshctl.quota.usage import Memory, Turn, advance, begin, is_contended, meet, ratio

TRAIL = 6 * HOUR
"""How often a home's ratio is noted, in seconds."""


_Change = tuple[str, int, float]
"""A home, the level that it comes to, and the ratio that calls for it."""


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
        self.tallies: dict[str, Tally] = {}
        self.marks: dict[str, int] = {}
        self.plans: dict[object, Plan] = {}
        self.here: Mapping[str, int] = {}
        self.guests = [0.0, 0.0]
        self.carried: Amounts = nothing()
        self.room: Amounts = nothing()
        self.contended: Amounts = nothing()

    def live(self, stretch: Stretch) -> None:
        """Take a stretch, turn by turn."""
        for name, shares in stretch.present.items():
            if name not in self.marks:
                self.memory = meet(self.memory, name, shares, stretch.ages[name])
                self.tallies[name], self.marks[name] = Tally(shares), FIRST_HOME + len(self.marks)
        self.here = stretch.present
        self._note_trail(stretch)
        left = stretch.seconds
        while left > 0:
            shared = self._share(stretch)
            turn, lived, changes = self._turns(stretch, shared, left)
            self._count(stretch, shared, lived, [d for d in DIRECTIONS if is_contended(turn, d, self.policy.busy)])
            left -= lived
            self._settle(changes, stretch.start + stretch.seconds - left)

    def _turns(self, stretch: Stretch, shared: _Shared, left: float) -> tuple[Turn, float, list[_Change]]:
        """Live turns until levels change or the stretch ends; return the last one, how long it took, and what changes.

        While rates stay, the memory does not depend on how time is cut: many turns without a change are taken as one,
        and halved until the turn is found that brings a change.
        """
        lived, step = 0.0, left
        while True:
            turn = _turn(stretch, shared, min(step, left - lived))
            after = advance(self.memory, turn, self.policy)
            changes = list(_changes(after, stretch.present, self.policy))
            if changes and turn.seconds > self.turn:
                step = self.turn * max(1, turn.seconds // self.turn // 2)
                continue
            self.memory, lived = after, lived + turn.seconds
            if changes or lived >= left:
                return turn, lived, changes

    def _settle(self, changes: Sequence[_Change], now: float) -> None:
        homes = dict(self.memory.homes)
        for name, level, value in changes:
            homes[name] = replace(homes[name], level=level, since=self.memory.clock, ratio=value)
            self.tallies[name].changes.append((now, level))
        if changes:
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
            got = allocate(tree, self._by_mark(wants, asking))
            homes[d] = {name: 125 * got[self.marks[name]] for name in wants}
            away[d] = 125 * sum(got[FIRST_GUEST + n] for n in range(guests))
            short = sum(1 for name, want in wants.items() if homes[d][name] < want * (1 - 1e-9))
            held[d] = short + (away[d] < sum(asking) * (1 - 1e-9))
        return _Shared(homes, away, held)

    def _by_mark(self, wants: Mapping[str, float], asking: Sequence[float]) -> dict[int, float]:
        asks = {self.marks[name]: want / 125 for name, want in wants.items()}
        return asks | {FIRST_GUEST + n: want / 125 for n, want in enumerate(asking)}

    def _plan(self, stretch: Stretch, guests: int) -> Plan:
        present = {self.marks[name]: Household(name, self.marks[name], n) for name, n in stretch.present.items()}
        marks = [*present, *(FIRST_GUEST + n for n in range(guests))]
        members = [Device(f"{mark:#x}", mark, None, None) for mark in marks]
        return decide(Crowd(members, marks, present), self.memory, stretch.capacity, self.policy)

    def _count(self, stretch: Stretch, shared: _Shared, seconds: float, busy: Sequence[Direction]) -> None:
        hour = int(stretch.start // HOUR)
        for name in stretch.present:
            wants: Amounts = {d: stretch.wants[d][name] for d in DIRECTIONS}
            rates: Amounts = {d: shared.homes[d][name] for d in DIRECTIONS}
            tally = self.tallies[name]
            tally.count(hour, seconds, self.memory.homes[name].level, wants, rates)
            tally.contended += sum(rates[d] for d in busy) * seconds
        for d in DIRECTIONS:
            self.guests[0] += sum(stretch.guests[d]) * seconds
            self.guests[1] += shared.guests[d] * seconds
            self.carried[d] += (sum(shared.homes[d].values()) + shared.guests[d]) * seconds
            self.room[d] += stretch.capacity.of(d) * seconds
            self.contended[d] += seconds if d in busy else 0.0

    def _note_trail(self, stretch: Stretch) -> None:
        if stretch.start % TRAIL == 0:
            for name in stretch.present:
                self.tallies[name].trail.append((stretch.start, self._ratio(name)))

    def _ratio(self, name: str) -> float:
        return ratio(self.memory, self.memory.homes[name], self.policy).value

    def _stood(self, name: str) -> float:
        trail = self.tallies[name].trail
        return self._ratio(name) if name in self.here or not trail else trail[-1][1]

    def outcome(self) -> Outcome:
        """Return what came of it."""
        past = self.memory.homes
        homes = {name: tally.lived(name, self._stood(name), past[name].level) for name, tally in self.tallies.items()}
        guests = (self.guests[0], self.guests[1])
        return Outcome(self.policy, self.memory.clock, homes, guests, self.carried, self.room, self.contended)


def _turn(stretch: Stretch, shared: _Shared, seconds: float) -> Turn:
    carried = {d: {name: rate * seconds for name, rate in shared.homes[d].items()} for d in DIRECTIONS}
    total = {d: sum(carried[d].values()) + shared.guests[d] * seconds for d in DIRECTIONS}
    return Turn(seconds, stretch.capacity, carried, total, shared.held, stretch.present)


def _changes(memory: Memory, present: Iterable[str], policy: Policy) -> Iterator[_Change]:
    for name in present if policy.level_above else ():
        past = memory.homes[name]
        # What was never charged has at most the newcomer term, which no threshold is below.
        if past.down or past.up:
            value = ratio(memory, past, policy).value
            level = level_of(value, past.level, policy)
            if level != past.level:
                yield name, level, value
