"""What the local socket can be asked. Reads apart from writes; who may ask what is one table.

A verb open to the portal takes one client address and answers for that device only. None lists
people.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from meshctl import __version__
from meshctl.agent.clock import Clock
from meshctl.agent.credential import Credential
from meshctl.agent.homes import Homes
from meshctl.agent.kernel import Kernel
from meshctl.agent.members import Members, mark_of
from meshctl.agent.mesh.node import Mesh
from meshctl.agent.reading import Reading
from meshctl.agent.replies import Reply, Request, client_address, no, unknown_device, yes
from meshctl.agent.store import Store
from meshctl.agent.tick import Reconciler
from meshctl.agent.tries import Tries
from meshctl.agent.views import Views
from meshctl.agent.why_verb import Why
from meshctl.config import Config
from meshctl.model import DIRECTIONS, Device, Direction, Household
from meshctl.quota.floors import shortfalls

HOUR = 3600.0


@dataclass(frozen=True)
class Verb:
    """One verb: who may call it, and what it does."""

    callers: frozenset[str]
    run: Callable[[Request], Reply]


@dataclass(frozen=True)
class SlowVerb:
    """A verb whose answer needs other nodes."""

    callers: frozenset[str]
    run: Callable[[Request], Awaitable[Reply]]


class Verbs:
    """The table of verbs over one node's parts. Callers are ``operator``, ``portal`` and ``watch``."""

    def __init__(
        self,
        config: Config,
        kernel: Kernel,
        parts: tuple[Store, Members, Reconciler],
        clock: Clock,
        views: Views,
        mesh: Mesh | None = None,
    ) -> None:
        self._config, self._kernel, self._clock, self._views, self._mesh = config, kernel, clock, views, mesh
        self._store, self._members, self._turns = parts
        self.homes = Homes(config, parts, clock, mesh)
        self._tries = Tries(each=6, together=120, seconds=60.0)
        self.credential = Credential(config, kernel, self._store, self._tries, clock, mesh)
        reading = Reading(config, self._store, self.credential, mesh)
        self.hazards: dict[str, int] = {}
        # What `Remembering` adds: whom it may let in a moment later, who pressed "Leave", and whose home is another.
        self.ills: Callable[[], dict[str, str]] = dict
        self.on_seen: Callable[[Collection[str]], Collection[str]] = lambda devices: ()  # noqa: ARG005
        self.on_left: Callable[[str], None] = lambda device: None  # noqa: ARG005
        self.on_moved: Callable[[str, str | None], None] = lambda device, home: None  # noqa: ARG005
        self.slow: dict[str, SlowVerb] = {}
        asks, tells = frozenset({"portal", "operator"}), frozenset({"watch", "operator"})
        operator = frozenset({"operator"})
        self.table: dict[str, Verb] = {
            "device": Verb(asks, self._device),
            "line": Verb(asks, self._line),
            "leave": Verb(asks, self._leave),
            "link": Verb(asks, self._link),
            "history": Verb(asks, reading.history),
            "lines": Verb(asks, reading.lines),
            "hazard": Verb(tells, self._hazard),
            "status": Verb(operator, self._status),
            "tick": Verb(operator, self._tick),
            "households": Verb(operator, self.homes.all),
            "household-add": Verb(operator, self.homes.add),
            "household-show": Verb(operator, self.homes.show),
            "household-remove": Verb(operator, self.homes.remove),
            "why": Verb(operator, Why(config, kernel, parts, clock, views).answer),
        }

    def join(self, requests: list[Request]) -> list[Reply]:
        """Admit every asking device in one change of the kernel; the replies come in the same order."""
        neighbours = self._kernel.neighbours()
        now = self._clock.read().monotonic
        replies: list[Reply] = []
        fresh: dict[str, Device] = {}
        found: list[str | None] = []
        for request in requests:
            hardware = neighbours.get(client_address(request))
            found.append(hardware)
            if hardware is not None and not self._is_paused(hardware, now):
                fresh[hardware] = self._members.join(hardware, self._until(hardware, now), now)
        if fresh:
            self._turns.admit(fresh.values(), [a for a, hardware in neighbours.items() if hardware in fresh])
            self._vouch(fresh.values(), neighbours)
        for hardware in found:
            if hardware is None:
                replies.append(unknown_device())
            else:
                replies.append(self._view(hardware))
        return replies

    def _vouch(self, devices: Iterable[Device], neighbours: Mapping[str, str], *, moved: bool = False) -> None:
        if self._mesh is None:
            return
        let_in = {device.hardware: device for device in devices}
        addresses: dict[str, list[str]] = {}
        for address, hardware in neighbours.items():
            if hardware in let_in:
                addresses.setdefault(hardware, []).append(address)
        self._mesh.membership.joined(let_in.values(), addresses, self._clock.read().monotonic, moved=moved)

    def _is_paused(self, hardware: str, now: float) -> bool:
        """Say whether a steward paused a device, here or elsewhere: then no button and no pass lets it in."""
        if self._mesh is not None:
            self._mesh.membership.learn_pause(hardware, now)
        return self._members.pauses.stops(hardware)

    def _until(self, hardware: str, now: float) -> float:
        known = self._members.get(hardware)
        session = self._config.session
        hours = session.household_hours if known and known.household else session.guest_hours
        return now + hours * HOUR

    def _device(self, request: Request) -> Reply:
        hardware = self._kernel.neighbours().get(client_address(request))
        return unknown_device() if hardware is None else self._view(hardware)

    def _leave(self, request: Request) -> Reply:
        hardware = self._kernel.neighbours().get(client_address(request))
        if hardware is None:
            return unknown_device()
        device = self._members.leave(hardware)
        self.on_left(hardware)
        if self._mesh is not None:
            # Also of who has not joined here: this node may not have heard yet that it did elsewhere.
            self._mesh.membership.left(hardware, self._clock.read().monotonic)
        if device is not None:
            self._turns.release(device, [client_address(request)])
        return self._view(hardware)

    def _link(self, request: Request) -> Reply:
        neighbours = self._kernel.neighbours()
        hardware = neighbours.get(client_address(request))
        if hardware is None:
            return unknown_device()
        now = self._clock.read().monotonic
        if self._is_paused(hardware, now):
            return self._view(hardware)
        if not self._tries.may(hardware, now):
            return no("too-many-tries", "Too many wrong passes. Wait a minute and try again.")
        found = self.credential.of_pass(str(request.get("pass", "")))
        if found is None:
            self._tries.failed(hardware, now)
            return no("wrong-pass", "No household here has that pass. Check each letter and number.")
        before = self._members.get(hardware)
        household = found
        until = now + self._config.session.household_hours * HOUR
        self._members.link(hardware, household, until, now)
        own = [a for a, other in neighbours.items() if other == hardware]
        device = self._members.get(hardware)
        assert device is not None
        if before is not None and before.mark != mark_of(household):
            self._turns.release(before, own)
        else:
            self._turns.admit([device], own)
        moved = before is None or before.household != household.handle
        self._vouch([device], neighbours, moved=moved)
        if moved:
            self.on_moved(hardware, household.handle)
        return self._view(hardware)

    def device_at(self, address: str) -> Device | None:
        """Return the joined device that this node sees behind an address."""
        hardware = self._kernel.neighbours().get(address)
        return self._members.get(hardware) if hardware is not None else None

    def unlink(self, address: str, household: Household) -> None:
        """Make the device behind an address a guest, if it is of that household; nothing is cut off by it."""
        before = self.device_at(address)
        if before is None or before.household != household.handle:
            return
        neighbours, now = self._kernel.neighbours(), self._clock.read().monotonic
        own = [a for a, hardware in neighbours.items() if hardware == before.hardware]
        self._members.leave(before.hardware)
        guest = self._members.join(before.hardware, now + self._config.session.guest_hours * HOUR, now)
        self._turns.release(before, own)
        self._vouch([guest], neighbours, moved=True)
        self.on_moved(before.hardware, None)

    def _view(self, hardware: str) -> Reply:
        return yes("device", self._views.device(hardware))

    def _line(self, request: Request) -> Reply:  # noqa: ARG002  # every verb takes the request
        line = self._views.line()
        return {"ok": True, "line": None} if line is None else yes("line", line)

    def seen(self, sightings: Mapping[str, Iterable[str]]) -> None:
        """Note who is in front of this node, with addresses; whoever is joined elsewhere is let in."""
        here = [device for hardware in sightings if (device := self._members.get(hardware)) is not None]
        self._members.touch([device.mark for device in here], self._clock.read().monotonic)
        arrived = self._mesh.membership.sighted(sightings, self._clock.read().monotonic) if self._mesh else []
        trees = self._turns.plan.trees
        if not self._config.portal.splash:
            arrived = [*arrived, *self._welcome(sightings, self._clock.read().monotonic)]
        here = [device for device in here if not self._members.pauses.stops(device.hardware)]
        fresh = [device for device in here if trees and device.mark not in trees["down"].leaves]
        if arrived or fresh:
            self._turns.admit([*arrived, *fresh], [])
        awaited = self.on_seen(sightings)
        if self._mesh is not None and self._mesh.membership.can_recognise:
            let_through = {device.hardware for device in self._members.unpaused()}
            self._kernel.greet([one for one in sightings if one not in let_through and one not in awaited])

    def _welcome(self, sightings: Mapping[str, Iterable[str]], now: float) -> list[Device]:
        """Let in whoever is here, where no button is asked for; who stays is let in anew before his time is over."""
        half = self._config.session.guest_hours * HOUR / 2
        welcome = []
        for hardware in sightings:
            known = self._members.get(hardware)
            stays = known is not None and (known.until is None or known.until - now > half)
            if not stays and not self._is_paused(hardware, now):
                welcome.append(self._members.join(hardware, self._until(hardware, now), now))
        if welcome and self._mesh is not None:
            self._mesh.membership.joined(welcome, sightings, now)
        return welcome

    def _hazard(self, request: Request) -> Reply:
        kind = str(request.get("kind", ""))
        if kind not in ("rogue-dhcp", "rogue-ra", "address-conflict"):
            return no("bad-request", "kind is rogue-dhcp, rogue-ra or address-conflict.")
        self.hazards[kind] = self.hazards.get(kind, 0) + 1
        return {"ok": True}

    def _tick(self, request: Request) -> Reply:  # noqa: ARG002
        self._turns.tick()
        return {"ok": True}

    def _status(self, request: Request) -> Reply:  # noqa: ARG002
        plan, tally = self._turns.plan, self._turns.tally
        return {
            "ok": True,
            "node": self._config.node.name,
            "version": __version__,
            "homes": plan.homes,
            "guests": plan.guests,
            "joined": len(self._members),
            "ticks": tally.ticks,
            "tick_seconds": round(tally.seconds, 4),
            "repairs": tally.repairs,
            "last_repair": tally.last,
            "faults": tally.faults,
            "hazards": self.hazards,
            "trees": {d: _tree_table(tree) for d, tree in plan.trees.items()},
            "use": {
                d: {"busy": round(use.busy, 3), "fairness": use.fairness} for d, use in self._turns.accounts.use.items()
            },
            "offloads": self._turns.merged,
            "floor_kbit": self._config.policy.floor,
            "below_floor": [asdict(short) for short in shortfalls(plan, self._config.policy)],
            "ledger": {d: _sum(self._store.ledger(), d) for d in DIRECTIONS},
            "mesh": self._mesh.status() if self._mesh else None,
            "ills": self.ills(),
        }


def _tree_table(tree: Any) -> dict[str, int]:
    return {"capacity_kbit": tree.capacity, "homes_kbit": tree.homes, "guests_kbit": tree.guests}


def _sum(ledger: Mapping[tuple[str, Any, str], int], direction: Direction) -> int:
    return sum(carried for (_, d, _), carried in ledger.items() if d == direction)
