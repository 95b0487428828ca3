"""What the line carried for whom: readings become bytes in the ledger, and use in the line's memory."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from meshctl.agent import memory
from meshctl.agent.memory import Written
from meshctl.agent.store import Store
from meshctl.agent.trees import TreeState
from meshctl.model import DIRECTIONS, ClockReading, Direction, Household, Policy
from meshctl.quota.meter import Count, Flow, Place, jain, meter
from meshctl.quota.plan import FIRST_GUEST, FIRST_HOME
from meshctl.quota.usage import Memory, Turn, advance, begin, is_contended, meet, ratio, rest
from meshctl.settings import Line

_WRITE_IDLE = 600.0
"""Seconds after which a memory that only faded is written: forgetting can be computed, it need not be stored."""

_LONGEST_AWAY = 400 * 86_400.0
"""Seconds. A clock that claims a longer absence is not believed."""


@dataclass(frozen=True)
class Use:
    """One direction of the line in the last tick: ``busy`` 0 to 1, ``fairness`` Jain's index of who was held back.

    ``contended`` says whether what was carried counted.
    """

    busy: float = 0.0
    fairness: float | None = None
    contended: bool = False


class Accounts:
    """One line's readings, bytes and memory. ``used`` holds bytes by direction and mark since this agent started."""

    def __init__(self, line: Line | None, policy: Policy, store: Store) -> None:
        self._line, self._policy, self._store = line, policy, store
        self._readings: dict[Place, Count] = store.readings()
        self.used: dict[tuple[Direction, int], int] = {}
        self.use: dict[Direction, Use] = {}
        self.moved: set[int] = set()
        self._boot = 0
        self._counted_to: float | None = None
        self._anchor: tuple[float, float] | None = None
        self._owed = False
        self._known: Mapping[int, Household] | None = None
        self._written_at = 0.0
        self._kept: Memory | None = None
        self.memory: Memory | None = None

    def start(self, now: ClockReading) -> None:
        """Take up what a former agent wrote, in this boot or before a power cut."""
        if self._line is None:
            return
        self._boot = self._store.current_boot()
        found = memory.load(self._store.connection, self._line.name)
        if found is None:
            self.memory = begin(self._line.capacity, self._policy.half_life)
            return
        self.memory, written = found
        self._kept, self._written_at = self.memory, self.memory.clock
        self._anchor = (written.wall, self.memory.clock) if written.wall is not None else None
        if written.boot == self._boot and written.monotonic <= now.monotonic:
            self._counted_to = written.monotonic
        else:
            self._owed = True

    def take(
        self, trees: Mapping[Direction, TreeState], now: ClockReading, known: Mapping[int, Household], present: set[int]
    ) -> None:
        """Account for what passed since the last reading; one transaction at most."""
        if self._line is None:
            return
        if self.memory is None:
            self.start(now)
        counts = {
            (self._line.name, direction, number): shown.count
            for direction, tree in trees.items()
            for number, shown in tree.classes.items()
            if shown.count.life
        }
        flows = meter(self._readings, counts)
        self.moved = {mark for (_, _, mark), flow in flows.items() if flow.sent}
        elapsed = now.monotonic - self._counted_to if self._counted_to is not None else 0.0
        self._counted_to = now.monotonic
        if elapsed > 0:
            self._remember(flows, elapsed, known, present, now)
        self._store.record(flows, self._readings, counts, now, self._writing(now))
        self._readings = counts
        for (_, direction, mark), flow in flows.items():
            self.used[direction, mark] = self.used.get((direction, mark), 0) + flow.sent

    def enter_levels(self, levels: Mapping[str, int], present: set[str], now: ClockReading) -> None:
        """Keep what was decided for those present; ``levels`` has the households that are not at level 0."""
        if self.memory is None:
            return
        changed = {}
        for handle in present:
            past, level = self.memory.homes.get(handle), levels.get(handle, 0)
            if past is not None and past.level != level:
                value = ratio(self.memory, past, self._policy).value
                wall = now.wall if now.trusted else None
                changed[handle] = replace(past, level=level, since=self.memory.clock, ratio=value, wall=wall)
        if changed:
            self.memory = replace(self.memory, homes={**self.memory.homes, **changed})

    def _remember(
        self, flows: Mapping[Place, Flow], elapsed: float, known: Mapping[int, Household], present: set[int],
        now: ClockReading,
    ) -> None:  # fmt: skip
        assert self._line is not None
        assert self.memory is not None
        capacity = self._line.capacity
        self._pay_back(now, elapsed)
        by_way = {d: {mark: flow for (_, way, mark), flow in flows.items() if way == d} for d in DIRECTIONS}
        # Whoever received something is here, also where this agent has not yet decided who is.
        here = {known[mark].handle: known[mark] for mark in present | self.moved if mark in known}
        for household in here.values():
            if household.handle not in self.memory.homes:
                age = max(0.0, now.wall - household.since) if now.trusted and household.since is not None else 0.0
                self.memory = meet(self.memory, household.handle, household.shares, age)
        turn = Turn(
            elapsed,
            capacity,
            {d: {known[m].handle: f.sent for m, f in by_way[d].items() if m in known} for d in DIRECTIONS},
            {d: sum(flow.sent for flow in by_way[d].values()) for d in DIRECTIONS},
            {d: _units_held(by_way[d]) for d in DIRECTIONS},
            {household.handle: household.shares for household in here.values()},
        )
        self.memory = advance(self.memory, turn, self._policy)
        for direction in DIRECTIONS:
            self.use[direction] = _use(by_way[direction], turn, direction, self._policy)
        if known is not self._known:
            self._known, handles = known, {household.handle for household in known.values()}
            left = {handle: past for handle, past in self.memory.homes.items() if handle in handles}
            self.memory = replace(self.memory, homes=left)

    def _pay_back(self, now: ClockReading, elapsed: float) -> None:
        """Let the time without power be forgotten too, as soon as a trusted clock says how long it was."""
        if self._line is None or self.memory is None or not now.trusted:
            return
        if self._owed and self._anchor is not None:
            away = now.wall - elapsed - self._wall()
            if 0 < away <= _LONGEST_AWAY:
                self.memory = rest(self.memory, away, self._line.capacity, self._policy)
        self._owed, self._anchor = False, (now.wall, self.memory.clock + elapsed)

    def _wall(self) -> float:
        """Return what the wall clock would say if the line's clock had never stood still since it was trusted."""
        assert self._anchor is not None
        assert self.memory is not None
        return self._anchor[0] + self.memory.clock - self._anchor[1]

    def _writing(self, now: ClockReading) -> Callable[[sqlite3.Connection], None] | None:
        fresh, kept, line = self.memory, self._kept, self._line
        if fresh is None or line is None or fresh is kept:
            return None
        same = kept is not None and len(fresh.homes) == len(kept.homes)
        same = same and kept is not None and all(kept.homes.get(h) is past for h, past in fresh.homes.items())
        charged = any(use.contended for use in self.use.values())
        if same and not charged and fresh.clock - self._written_at < _WRITE_IDLE:
            return None
        at = Written(self._boot, now.monotonic, self._wall() if self._anchor is not None else None)
        self._kept, self._written_at = fresh, fresh.clock
        return lambda connection: memory.write(connection, line.name, kept, fresh, at)


def _units_held(flows: Mapping[int, Flow]) -> int:
    """Count households that wanted more than they got, and all others together as one."""
    homes = sum(1 for mark, flow in flows.items() if flow.held and FIRST_HOME <= mark < FIRST_GUEST)
    return homes + any(flow.held for mark, flow in flows.items() if not FIRST_HOME <= mark < FIRST_GUEST)


def _use(flows: Mapping[int, Flow], turn: Turn, direction: Direction, policy: Policy) -> Use:
    homes = [float(f.sent) for mark, f in flows.items() if FIRST_HOME <= mark < FIRST_GUEST and f.held]
    guests = [flow for mark, flow in flows.items() if not FIRST_HOME <= mark < FIRST_GUEST]
    held_guests = [float(sum(flow.sent for flow in guests))] if any(flow.held for flow in guests) else []
    busy = min(1.0, turn.total[direction] / (turn.capacity.of(direction) * turn.seconds))
    units = homes + held_guests
    fairness = jain(units) if len(units) > 1 else None
    return Use(busy, fairness, is_contended(turn, direction, policy.busy))
