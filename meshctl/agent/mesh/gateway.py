"""A gateway's side: what other nodes announced becomes marks in the kernel, and they hear of the line."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable, Mapping

from meshctl.agent.members import mark_of
from meshctl.agent.mesh import news, standing
from meshctl.agent.mesh.channel import ChannelError, Message
from meshctl.agent.mesh.daykeys import DayKeys
from meshctl.agent.mesh.leases import MOST_ADDRESSES, Leases
from meshctl.agent.mesh.shapes import flag, hexadecimal, rows
from meshctl.agent.store import Store
from meshctl.agent.tick import Reconciler
from meshctl.config import Config
from meshctl.lists import Member, Roster
from meshctl.model import DIRECTIONS, Direction
from meshctl.wire import LineView


class Gateway:
    """``view`` says what the line looks like; ``leases`` is what other nodes announced."""

    def __init__(
        self, config: Config, store: Store, turns: Reconciler, keys: DayKeys, view: Callable[[], LineView | None]
    ) -> None:
        self._config, self._store, self._turns, self._keys, self._view = config, store, turns, keys, view
        self.leases = Leases()
        self._told: set[str] = set()
        self._known: tuple[tuple[str, ...], dict[str, int]] = ((), {})

    def take(self, member: Member, message: Message, now: float) -> bool:
        """Take an announcement in; say whether the kernel must hear of it. Raises `ChannelError`."""
        if not self._config.line:
            return False
        pairs = rows(message, "add", MOST_ADDRESSES)
        if any(not isinstance(row, list) or len(row) != 2 for row in pairs):
            raise ChannelError("garbage", "an announcement is a list of address and mark")
        told = {str(address): hexadecimal({"mark": mark}, "mark", 8) for address, mark in pairs}
        dropped = [str(one) for one in rows(message, "drop", MOST_ADDRESSES)]
        self._told.add(member.name)
        return self.leases.take(member, told, dropped, now, whole=flag(message, "whole"))

    def lapse(self, roster: Roster, now: float) -> bool:
        """Drop what silent or withdrawn nodes announced; say whether anything went."""
        return self.leases.lapse(roster, now)

    def forget_marks(self) -> None:
        """Work the households' marks out anew: the roll changed."""
        self._known = ((), {})

    def resolve(self, others: Iterable[Member]) -> None:
        """Bring the kernel what is announced now. Raises `KernelError`.

        What a former agent of this boot was told by ``others`` that have not spoken yet still holds.
        """
        if self._config.line:
            silent = [one for one in others if one.name not in self._told]
            inherited = {a: mark for a, mark in self._turns.announced.items() if any(_is_of(a, one) for one in silent)}
            self._turns.announce({**inherited, **self.leases.resolve(self._marks())})

    def line_for(self, peer: str) -> Message | None:
        """Return what a node hears of the line, and of the shares it announced; ``None`` without a line."""
        view, plan = self._view() if self._config.line else None, self._turns.plan
        if view is None or not plan.trees:
            return None
        known = self._marks()
        marks = {}
        for mark in set(self.leases.of(peer).values()):
            here = known.get(mark) or self.leases.guest(mark)
            if here is not None:
                marks[mark] = here
        return news.to_wire(view, plan, news.slices_of(plan, marks, self._used()), self._remembered(marks))

    def _remembered(self, marks: Mapping[str, int]) -> Message | None:
        memory = self._turns.accounts.memory
        if memory is None:
            return None
        handles = {mark_of(household): household.handle for household in self._store.households()}
        homes = {mark: memory.homes[h] for mark, n in marks.items() if (h := handles.get(n, "")) in memory.homes}
        return standing.to_wire(memory, self._config.policy, homes)

    def _marks(self) -> Mapping[str, int]:
        """Return the kernel's mark of every household by its marks of the day."""
        names = tuple(self._keys.names())
        if self._known[0] != names or not self._known[1]:
            homes = {household.handle: mark_of(household) for household in self._store.households()}
            marks = {key.household_mark(handle): mark for key in self._keys.all() for handle, mark in homes.items()}
            self._known = (names, marks)
        return self._known[1]

    def _used(self) -> Mapping[tuple[Direction, int], int]:
        used = dict(self._turns.accounts.used)
        ledger, line = self._store.ledger(), self._config.line[0].name
        for household in self._store.households():
            for direction in DIRECTIONS:
                used[direction, mark_of(household)] = ledger.get((line, direction, household.handle), 0)
        return used


def _is_of(address: str, member: Member) -> bool:
    own = member.interface6.network if ":" in address else member.interface4.network
    return ipaddress.ip_address(address) in own
