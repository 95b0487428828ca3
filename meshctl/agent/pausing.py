"""A steward pauses a device, and ends it early; and what the kernel does about each pause.

The verbs are an operator's. None of them shows an address or a household.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from meshctl.agent.clock import Clock
from meshctl.agent.kernel import Kernel
from meshctl.agent.members import Members
from meshctl.agent.mesh.node import Mesh
from meshctl.agent.pauses import COUNTED, Pause, PauseError, checked_hours, checked_reason, draw
from meshctl.agent.store import Store
from meshctl.agent.tick import Reconciler
from meshctl.agent.verbs import Verb
from meshctl.config import Config
from meshctl.wire import failure

HOUR = 3600.0
Reply = dict[str, Any]


class Pausing:
    """Pauses on this node, and through ``mesh`` on all others."""

    def __init__(
        self, config: Config, kernel: Kernel, parts: tuple[Store, Members, Reconciler], clock: Clock, mesh: Mesh | None
    ) -> None:
        self._config, self._kernel, self._clock, self._mesh = config, kernel, clock, mesh
        self._store, self._members, self._turns = parts
        self._stopped: frozenset[str] = frozenset()
        self._cut: set[str] = set()

    def table(self) -> dict[str, Verb]:
        """Return the verbs, for operators only."""
        operator = frozenset({"operator"})
        verbs = {"pause": self._pause, "pause-end": self._end, "pauses": self._list}
        return {name: Verb(operator, run) for name, run in verbs.items()}

    def settle(self) -> None:
        """Bring the kernel to the pauses in force now: at once for those that are new or over. Raises `KernelError`."""
        self._members.pauses.lapse(self._clock.read().monotonic)
        stopped = self._members.pauses.stopped()
        fresh, back = stopped - self._stopped, self._stopped - stopped
        if fresh:
            # Whoever was not let through has connections to the portal only, and may be reading why.
            self._cut |= fresh & self._turns.plan.members.keys()
            self._turns.tick()
            self._kernel.forget(self._addresses(self._cut))
            self._cut.clear()
        if back:
            devices = [device for hardware in back if (device := self._members.get(hardware)) is not None]
            self._turns.admit(devices, self._addresses(back))
        self._stopped = stopped

    def due_in(self) -> float:
        """Return the seconds until the next pause ends by itself, infinity for none."""
        return self._members.pauses.next_end() - self._clock.read().monotonic

    def in_force_here(self) -> int:
        """Return how many pauses in force a steward of this node decided."""
        return sum(pause.by == self._config.node.name for pause in self._known(self._clock.read().monotonic))

    def _pause(self, request: Mapping[str, Any]) -> Reply:
        try:
            reason, hours = checked_reason(request.get("reason")), checked_hours(request.get("hours"))
            hardware = self._hardware(request.get("address"))
        except PauseError as fault:
            return failure("bad-request", str(fault))
        now = self._clock.read().monotonic
        before = self._latest(hardware)
        again = before is not None and before.in_force(now)
        pause = Pause(
            ident=before.ident if before and again else draw([one.ident for one in self._known(now)]),
            reason=reason,
            until=now + hours * HOUR,
            version=before.next_version if before else 1,
            by=self._config.node.name,
        )
        self._put(hardware, pause, now)
        self._store.count(COUNTED)
        self.settle()
        return {"ok": True, **_shown(pause, now), "replaced": again}

    def _end(self, request: Mapping[str, Any]) -> Reply:
        now = self._clock.read().monotonic
        asked = str(request.get("address", "")).strip()
        try:
            ident = self._latest_ident(self._hardware(asked)) if set(asked) & {".", ":"} else asked.upper()
        except PauseError as fault:
            return failure("bad-request", str(fault))
        pause = next((one for one in self._known(now) if one.ident == ident), None)
        if pause is None:
            return failure("not-paused", f"{asked} is not paused. `meshctl pause --list` shows what is.")
        over = replace(pause, version=pause.next_version, by=self._config.node.name, over=True)
        for hardware, held in self._members.pauses.all().items():
            if held.ident == pause.ident:
                self._put(hardware, over, now)
        if self._mesh is not None:
            self._mesh.membership.pauses.end(pause.ident, over, now)
        self.settle()
        return {"ok": True, **_shown(pause, now)}

    def _list(self, request: Mapping[str, Any]) -> Reply:  # noqa: ARG002  # every verb takes the request
        now = self._clock.read().monotonic
        return {"ok": True, "pauses": [_shown(one, now) for one in self._known(now)]}

    def _put(self, hardware: str, pause: Pause, now: float) -> None:
        self._members.pauses.merge(hardware, pause)
        if self._mesh is not None:
            self._mesh.membership.pauses.write(hardware, pause, now)

    def _latest(self, hardware: str) -> Pause | None:
        held = self._members.pauses.get(hardware)
        told = self._mesh.membership.pauses.best(hardware) if self._mesh else None
        return told if told is not None and told.beats(held) else held

    def _latest_ident(self, hardware: str) -> str | None:
        pause = self._latest(hardware)
        return pause.ident if pause else None

    def _known(self, now: float) -> list[Pause]:
        """Return the pauses in force anywhere that this node knows of, the one that ends first at the head."""
        latest: dict[str, Pause] = {}
        told = self._mesh.membership.pauses.all() if self._mesh else []
        for pause in (*self._members.pauses.all().values(), *(record.pause for record in told)):
            if pause.beats(latest.get(pause.ident)):
                latest[pause.ident] = pause
        return sorted((one for one in latest.values() if one.in_force(now)), key=lambda one: (one.until, one.ident))

    def _addresses(self, devices: Iterable[str]) -> set[str]:
        wanted = set(devices)
        if not wanted:
            return set()
        found = {address for hardware in wanted for address in self._turns.addresses.get(hardware, ())}
        return found | {address for address, hardware in self._kernel.neighbours().items() if hardware in wanted}

    def _hardware(self, given: object) -> str:
        """Return whose address it is. Raises `PauseError`."""
        try:
            address = ipaddress.ip_address(str(given).strip().partition("%")[0])
        except ValueError:
            raise PauseError("address: it is no IPv4 or IPv6 address. Write one such as 10.44.4.12.") from None
        if hardware := self._kernel.neighbours().get(str(address)):
            return hardware
        found = [hardware for hardware, known in self._turns.addresses.items() if str(address) in known]
        if len(found) == 1:
            return found[0]
        raise PauseError(f"address: {self._elsewhere(address)}")

    def _elsewhere(self, address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> str:
        roster = self._mesh.lists.roster if self._mesh else None
        for one in roster.members if roster else ():
            behind = address in one.interface4.network or address in one.interface6.network
            if behind and one.name != self._config.node.name:
                return f"{address} is behind node {one.name}: run it there."
        return f"this node sees no device at {address}. `ip neigh` shows which it sees."


def _shown(pause: Pause, now: float) -> dict[str, Any]:
    return {
        "id": pause.ident,
        "reason": pause.reason,
        "ends_in": round(max(0.0, pause.until - now), 1),
        "node": pause.by,
    }
