"""The one turn of the loop: read, account, decide, apply. Joins, leaves, repairs all end here."""

from __future__ import annotations

import ipaddress
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from meshctl.agent import elements, funnel, trees
from meshctl.agent.accounts import Accounts
from meshctl.agent.clock import Clock
from meshctl.agent.kernel import Kernel, KernelError, KernelState, shaped_devices
from meshctl.agent.members import Members
from meshctl.agent.ruleset import PRESENT_MINUTES
from meshctl.agent.store import Store
from meshctl.config import Config
from meshctl.lists import Member, Roster
from meshctl.model import Device
from meshctl.quota.plan import FIRST_HOME, FIRST_STRANGER, LAST_STRANGER, Crowd, Plan, Tree, decide, stranger_mark

log = logging.getLogger(__name__)

_PRESENT = PRESENT_MINUTES * 60.0
_LEAVES = ("fq_codel", "pfifo")
_INHERITED = 30.0
"""Seconds that a former agent's announcements hold while the other nodes have not spoken yet."""


@dataclass
class Tally:
    """What turns have seen; ``repairs`` counts over all boots."""

    repairs: int = 0
    ticks: int = 0
    faults: int = 0
    seconds: float = 0.0
    last: str = ""
    last_at: float | None = None

    def repairs_told(self, now: float) -> dict[str, Any]:
        """Return how many repairs there were, and which was the last in this boot, how many seconds ago."""
        ago = None if self.last_at is None else round(now - self.last_at, 1)
        return {"count": self.repairs, "last": self.last, "seconds_ago": ago}


class Reconciler:
    """Brings the kernel to what the members, the households and the policy call for."""

    def __init__(self, config: Config, kernel: Kernel, store: Store, members: Members, clock: Clock) -> None:
        self._config, self._kernel, self._store, self._members, self._clock = config, kernel, store, members, clock
        self._devices = shaped_devices(config)
        self._faces = funnel.facing_devices(config) if funnel.FUNNEL in self._devices.values() else ()
        self._faces_here: frozenset[str] = frozenset()
        self._roster: Roster | None = None
        self._said: Mapping[str, int] | None = None
        self._announced: dict[str, int] = {}
        self._inherits_until = 0.0
        self._strange: dict[int, float] = {}
        self._addresses: dict[str, set[str]] = {}
        self.rules = ""
        self._leaf = _LEAVES[0] if config.shaping.leaf == "auto" else config.shaping.leaf
        line = config.line[0] if config.line else None
        self._line = line
        self.accounts = Accounts(line, config.policy, store)
        self.merged = False
        self.plan = Plan({})
        self.tally = Tally(repairs=store.counted("repairs"))

    @property
    def addresses(self) -> Mapping[str, set[str]]:
        """The addresses that each device opened connections from lately, by hardware address."""
        return self._addresses

    @property
    def announced(self) -> Mapping[str, int]:
        """The marks of the addresses that other nodes announced, to this agent or to the one before it."""
        return self._announced

    def start(self) -> None:
        """Put the rules in place and take in what a former agent admitted. Raises `KernelError`."""
        now = self._clock.read().monotonic
        self._kernel.install(self._roster)
        state = self._kernel.read()
        self.rules = state.table.rules
        if self._config.shaping.leaf == "auto":
            self._leaf = next((tree.leaf for tree in state.trees.values() if tree.leaf), self._leaf)
        households = {mark: household.handle for mark, household in self._store.households_by_mark().items()}
        self._members.adopt(state.table.members, households, now)
        if self._said is None:
            known = {a: mark for a, mark in state.table.announced.items() if FIRST_HOME <= mark <= LAST_STRANGER}
            self._announced, self._inherits_until = known, now + _INHERITED
        self.tick()

    def tick(self) -> None:
        """One full turn. Raises `KernelError` when the kernel refused; the next turn tries again."""
        reading = self._clock.read()
        began = reading.monotonic
        state = self._kernel.read()
        self.accounts.take(state.trees, reading, self._store.households_by_mark(), set(self.plan.present))
        self._notice(state, began)
        leaving = self._members.expired(began)
        for device in leaving:
            self._members.leave(device.hardware)
        self._bring(state, began)
        self._kernel.forget(self._addresses_of(leaving))
        self.tally.ticks += 1
        self.tally.seconds = self._clock.read().monotonic - began

    def admit(self, devices: Iterable[Device], addresses: Iterable[str]) -> None:
        """Open the kernel for devices that just joined, at once, without a full reading."""
        self._follow({device.mark for device in devices})
        self._kernel.forget_redirected(addresses)

    def enter_roster(self, roster: Roster | None) -> None:
        """Know these nodes from now on: the rules for them are put in place at once. Raises `KernelError`.

        What a node that was withdrawn still sends is refused from that moment, established or not, since
        no rule about other nodes asks for a connection's state. May be called before `start`.
        """
        if roster == self._roster:
            return
        self._roster = roster
        if self.tally.ticks:
            self.rules = ""
            self.tick()

    def announce(self, addresses: Mapping[str, int]) -> None:
        """Take in all that other nodes announce, in place of what they announced before. Raises `KernelError`.

        ``addresses`` maps a client's address to its mark. The kernel follows at once. May be called
        before `start`. Connections are never ended here: those of a device that left were ended by the
        node it was at, and one that only fell silent goes on as that node's stranger.
        """
        if addresses == self._said:
            return
        self._said, before = dict(addresses), self._announced
        self._announced = {str(ipaddress.ip_address(address)): mark for address, mark in addresses.items()}
        fresh = {mark for address, mark in self._announced.items() if before.get(address) != mark}
        self._members.touch(fresh, self._clock.read().monotonic)
        if self.tally.ticks and self._announced != before:
            self._follow(fresh)

    def _follow(self, fresh: set[int]) -> None:
        """Bring the kernel to a plan in which these marks are present too, without a full reading."""
        now = self._clock.read().monotonic
        try:
            self._apply(self._expected(now), self._decide(self.plan.present | fresh), now)
        except KernelError:
            # Somebody changed what we thought was there: look, and bring everything.
            self.tick()

    def release(self, device: Device, addresses: Iterable[str]) -> None:
        """Close the kernel for a device that left or moved to another share; its connections end."""
        self.tick()
        self._kernel.forget({*addresses, *self._addresses_of([device])})

    def _notice(self, state: KernelState, now: float) -> None:
        self._addresses = {hardware: set(addresses) for hardware, addresses in state.table.seen.items()}
        seen = [d.mark for d in self._members.all() if d.hardware in state.table.seen]
        self._members.touch([*seen, *self.accounts.moved], now)
        self._strange.update(dict.fromkeys((mark for mark in self.accounts.moved if mark >= FIRST_STRANGER), now))
        if self._said is None and now >= self._inherits_until:
            self._announced = {}

    def _present(self, now: float) -> set[int]:
        strange = {mark for mark, at in self._strange.items() if now - at < _PRESENT}
        return self._members.present(now, _PRESENT) | strange | set(self._announced.values())

    def _addresses_of(self, devices: Iterable[Device]) -> set[str]:
        wanted = {device.hardware for device in devices}
        if not wanted:
            return set()
        found = {a for hardware in wanted for a in self._addresses.get(hardware, ())}
        return found | {address for address, hardware in self._kernel.neighbours().items() if hardware in wanted}

    def _decide(self, present: Iterable[int]) -> Plan:
        known = self._store.households_by_mark()
        strangers = [stranger_mark(one.number) for one in self.others]
        crowd = Crowd(self._members.unpaused(), frozenset(present), known, self._announced, strangers)
        capacity, policy = self._line.capacity if self._line else None, self._config.policy
        plan = decide(crowd, self.accounts.memory, capacity, policy, merged=self.merged)
        here = {known[mark].handle for mark in plan.present if mark in known}
        levels = {known[mark].handle: level for mark, level in plan.levels.items()}
        self.accounts.enter_levels(levels, here, self._clock.read())
        return plan

    @property
    def others(self) -> list[Member]:
        """The other nodes of the roster."""
        mine = self._config.node.name
        return [one for one in self._roster.members if one.name != mine] if self._roster else []

    def _bring(self, state: KernelState, now: float) -> None:
        if state.table.rules != self.rules or not self.rules:
            if self.rules:
                self._repaired("the table's rules were changed by somebody else")
            self._kernel.install(self._roster)
            state = replace(state, table=self._kernel.read().table)
            self.rules = state.table.rules
        plan = self._decide(self._present(now))
        here = state.funnel.devices & frozenset(self._faces)
        unchanged = plan == self.plan and here == self._faces_here and self.tally.ticks > 0
        self._faces_here = here
        commands = self._apply(state, plan, now)
        if unchanged and commands:
            self._repaired(commands[0].strip().splitlines()[0])

    def _repaired(self, what: str) -> None:
        self.tally.repairs = self._store.count("repairs")
        self.tally.last = what.split("{", maxsplit=1)[0].strip()
        self.tally.last_at = self._clock.read().monotonic
        # Elements hold hardware addresses, and a log may be on disk: say which command, never its elements.
        log.warning("repaired: %s", self.tally.last)

    def _expected(self, now: float) -> KernelState:
        shown = {direction: trees.expected(tree) for direction, tree in self.plan.trees.items()}
        return KernelState(elements.expected(self.rules, self.plan, now), shown, funnel.expected(self._faces))

    def _apply(self, state: KernelState, plan: Plan, now: float) -> list[str]:
        """Apply the difference, classes before the elements that point at them; return what was done."""
        joints = funnel.difference(state.funnel, self._faces)
        commands: list[str] = []
        self._kernel.shape(joints.before)
        for direction, tree in plan.trees.items():
            now_there = state.trees.get(direction, trees.TreeState())
            commands += self._shape(self._devices[direction], now_there, tree)
        self._kernel.shape(joints.after)
        transactions = elements.difference(state.table, plan, now)
        self._kernel.commit(transactions)
        self.plan = plan
        return [*joints.before, *commands, *joints.after, *transactions]

    def _shape(self, device: str, now_there: trees.TreeState, tree: Tree) -> list[str]:
        commands = trees.difference(device, now_there, tree, self._leaf)
        try:
            self._kernel.shape(commands)
        except KernelError as fault:
            if self._config.shaping.leaf != "auto" or self._leaf == _LEAVES[-1] or "kind is unknown" not in str(fault):
                raise
            # Only a first tree comes here: one that stands says itself which leaves this kernel has.
            log.info("this kernel has no %s: leaves are short FIFOs", self._leaf)
            self._leaf = _LEAVES[-1]
            commands = [f"qdisc del dev {device} root", *trees.difference(device, trees.TreeState(), tree, self._leaf)]
            self._kernel.shape(commands)
        return commands
