"""What the local socket can be asked. Reads apart from writes; who may ask what is one table.

A verb open to the portal takes one client address and answers for that device only. None lists
people.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from meshctl import __version__
from meshctl.agent import passes
from meshctl.agent.clock import Clock
from meshctl.agent.kernel import Kernel
from meshctl.agent.links import has_carrier
from meshctl.agent.members import Members, mark_of
from meshctl.agent.store import Store
from meshctl.agent.tick import Reconciler
from meshctl.agent.tries import Tries
from meshctl.config import Config
from meshctl.model import DIRECTIONS, GUESTS, Device, Direction
from meshctl.quota.share import guest_pool
from meshctl.wire import DeviceView, LineView, Slice, State, WireError, as_table

HOUR = 3600.0
Reply = dict[str, Any]
Request = Mapping[str, Any]


@dataclass(frozen=True)
class Verb:
    """One verb: who may call it, and what it does."""

    callers: frozenset[str]
    run: Callable[[Request], Reply]


class Verbs:
    """The table of verbs over one node's parts. Callers are ``operator``, ``portal`` and ``watch``."""

    def __init__(
        self, config: Config, kernel: Kernel, store: Store, members: Members, turns: Reconciler, clock: Clock
    ) -> None:
        self._config, self._kernel, self._store = config, kernel, store
        self._members, self._turns, self._clock = members, turns, clock
        self._tries = Tries(each=6, together=120, seconds=60.0)
        self.hazards: dict[str, int] = {}
        asks, tells = frozenset({"portal", "operator"}), frozenset({"watch", "operator"})
        operator = frozenset({"operator"})
        self.table: dict[str, Verb] = {
            "device": Verb(asks, self._device),
            "line": Verb(asks, self._line),
            "leave": Verb(asks, self._leave),
            "link": Verb(asks, self._link),
            "seen": Verb(tells, self._seen),
            "hazard": Verb(tells, self._hazard),
            "status": Verb(operator, self._status),
            "tick": Verb(operator, self._tick),
            "households": Verb(operator, self._households),
            "household-add": Verb(operator, self._household_add),
        }

    def join(self, requests: list[Request]) -> list[Reply]:
        """Admit every asking device in one change of the kernel; the replies come in the same order."""
        neighbours = self._kernel.neighbours()
        now = self._clock.read().monotonic
        replies: list[Reply] = []
        fresh: dict[str, Device] = {}
        found: list[str | None] = []
        for request in requests:
            hardware = neighbours.get(_address(request))
            found.append(hardware)
            if hardware is not None:
                fresh[hardware] = self._members.join(hardware, self._until(hardware, now), now)
        if fresh:
            self._turns.admit(fresh.values(), [a for a, hardware in neighbours.items() if hardware in fresh])
        for hardware in found:
            if hardware is None:
                replies.append(_unknown_device())
            else:
                replies.append(self._view(hardware))
        return replies

    def _until(self, hardware: str, now: float) -> float:
        known = self._members.get(hardware)
        session = self._config.session
        hours = session.household_hours if known and known.household else session.guest_hours
        return now + hours * HOUR

    def _device(self, request: Request) -> Reply:
        hardware = self._kernel.neighbours().get(_address(request))
        return _unknown_device() if hardware is None else self._view(hardware)

    def _leave(self, request: Request) -> Reply:
        hardware = self._kernel.neighbours().get(_address(request))
        if hardware is None:
            return _unknown_device()
        device = self._members.leave(hardware)
        if device is not None:
            self._turns.release(device, [_address(request)])
        return self._view(hardware)

    def _link(self, request: Request) -> Reply:
        neighbours = self._kernel.neighbours()
        hardware = neighbours.get(_address(request))
        if hardware is None:
            return _unknown_device()
        now = self._clock.read().monotonic
        if not self._tries.may(hardware, now):
            return _no("too-many-tries", "Too many wrong passes. Wait a minute and try again.")
        found = self._find_household(str(request.get("pass", "")))
        if found is None:
            self._tries.failed(hardware, now)
            return _no("wrong-pass", "No household here has that pass. Check each letter and number.")
        before = self._members.get(hardware)
        household = found
        until = now + self._config.session.household_hours * HOUR
        self._members.link(hardware, household, until, now)
        own = [a for a, other in neighbours.items() if other == hardware]
        if before is not None and before.mark != mark_of(household):
            self._turns.release(before, own)
        else:
            device = self._members.get(hardware)
            assert device is not None
            self._turns.admit([device], own)
        return self._view(hardware)

    def _find_household(self, text: str) -> Any:
        try:
            handle, secret = passes.split(text)
        except passes.PassError:
            return None
        known = self._store.household(handle)
        if known is None or not passes.verify(secret, known[1]):
            return None
        return known[0]

    def _view(self, hardware: str) -> Reply:
        device = self._members.get(hardware)
        plan = self._turns.plan
        if device is None:
            return _yes("device", DeviceView("visitor", homes=plan.homes, guests=plan.guests))
        state: State = "household" if device.household else "guest"
        left = None if device.until is None else max(0.0, device.until - self._clock.read().monotonic)
        down, up = self._slice(device, "down"), self._slice(device, "up")
        return _yes("device", DeviceView(state, device.household, left, plan.homes, plan.guests, down, up))

    def _slice(self, device: Device, direction: Direction) -> Slice | None:
        tree = self._turns.plan.trees.get(direction)
        leaf = tree.leaves.get(device.mark) if tree else None
        if tree is None or leaf is None:
            return None
        used = self._turns.tally.used.get((direction, device.mark), 0)
        if device.household:
            ledger = self._store.ledger()
            used = ledger.get((self._config.line[0].name, direction, device.household), 0)
        return Slice(leaf.rate * 1000.0, leaf.ceil * 1000.0, used)

    def _line(self, request: Request) -> Reply:  # noqa: ARG002  # every verb takes the request
        if not self._config.line:
            return {"ok": True, "line": None}
        line, plan = self._config.line[0], self._turns.plan
        use = max((use.busy for use in self._turns.tally.use.values()), default=0.0)
        down = plan.trees["down"]
        weight = float(plan.homes)
        floor, guests = int(self._config.policy.floor_kbit), plan.guests + 1
        pool = guest_pool(down.capacity, guests, weight, floor, self._config.policy.guest_share, floor * plan.homes)
        view = LineView(
            name=line.name,
            down_mbit=line.down_mbit,
            up_mbit=line.up_mbit,
            homes=plan.homes,
            guests=plan.guests,
            slice_mbit=round(pool / guests / 1000, 1),
            busy=round(use * 20) / 20,
            uplink=has_carrier(line.device),
        )
        return _yes("line", view)

    def _seen(self, request: Request) -> Reply:
        device = self._members.get(str(request.get("hardware", "")))
        if device is not None:
            self._members.touch([device.mark], self._clock.read().monotonic)
            trees = self._turns.plan.trees
            if trees and device.mark not in trees["down"].leaves:
                self._turns.admit([device], [])
        return {"ok": True}

    def _hazard(self, request: Request) -> Reply:
        kind = str(request.get("kind", ""))
        if kind not in ("rogue-dhcp", "rogue-ra", "address-conflict"):
            return _no("bad-request", "kind is rogue-dhcp, rogue-ra or address-conflict.")
        self.hazards[kind] = self.hazards.get(kind, 0) + 1
        return {"ok": True}

    def _tick(self, request: Request) -> Reply:  # noqa: ARG002
        self._turns.tick()
        return {"ok": True}

    def _households(self, request: Request) -> Reply:  # noqa: ARG002
        ledger = self._store.ledger()
        here = {d.household for d in self._members.all() if d.household}
        return {
            "ok": True,
            "households": [
                {
                    "handle": household.handle,
                    "shares": household.shares,
                    "joined": household.handle in here,
                    "bytes": {d: _sum(ledger, d, household.handle) for d in DIRECTIONS},
                }
                for household in self._store.households()
            ],
            "guests": {"bytes": {d: _sum(ledger, d, GUESTS) for d in DIRECTIONS}},
        }

    def _household_add(self, request: Request) -> Reply:
        shares = request.get("shares", 1)
        if not isinstance(shares, int) or isinstance(shares, bool) or not 1 <= shares <= 8:
            return _no("bad-request", "shares is a whole number from 1 to 8.")
        known = {household.handle for household in self._store.households()}
        text = passes.draw()
        while passes.split(text)[0] in known:
            text = passes.draw()
        handle, secret = passes.split(text)
        self._store.add_household(handle, shares, passes.verifier(secret), self._clock.read())
        return {"ok": True, "handle": handle, "shares": shares, "pass": text}

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
            "use": {d: {"busy": round(use.busy, 3), "fairness": use.fairness} for d, use in tally.use.items()},
            "ledger": {d: _sum(self._store.ledger(), d, None) for d in DIRECTIONS},
        }


def _tree_table(tree: Any) -> dict[str, int]:
    return {"capacity_kbit": tree.capacity, "homes_kbit": tree.homes, "guests_kbit": tree.guests}


def _sum(ledger: Mapping[tuple[str, Direction, str], int], direction: Direction, household: str | None) -> int:
    return sum(n for (_, d, h), n in ledger.items() if d == direction and household in (None, h))


def _address(request: Request) -> str:
    """Return one client address in the kernel's words. Raises `WireError`."""
    try:
        address = ipaddress.ip_address(str(request["address"]).partition("%")[0])
    except (KeyError, ValueError):
        raise WireError("bad-request", "address is one IPv4 or IPv6 address.") from None
    mapped = getattr(address, "ipv4_mapped", None)
    return str(mapped or address)


def _yes(name: str, view: object) -> Reply:
    return {"ok": True, name: as_table(view)}


def _no(code: str, message: str) -> Reply:
    return {"ok": False, "error": {"code": code, "message": message}}


def _unknown_device() -> Reply:
    return _no("unknown-device", "This node sees no device behind that address.")
