"""`meshctl why`: the agent's side. Gathers one address's or household's chain and explanation; changes nothing."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from meshctl.agent.clock import Clock
from meshctl.agent.kernel import Kernel, shaped_devices
from meshctl.agent.members import Members, mark_of
from meshctl.agent.store import Store
from meshctl.agent.tick import Reconciler
from meshctl.agent.views import Views
from meshctl.agent.why import DISAGREEMENTS, Lease, Question, Scene, chain
from meshctl.config import Config
from meshctl.lists import Member
from meshctl.model import Direction
from meshctl.quota.plan import FIRST_GUEST, stranger_mark
from meshctl.wire import failure

Reply = dict[str, Any]


class Why:
    """Answers for whoever runs the node; no hardware address is in an answer."""

    def __init__(
        self, config: Config, kernel: Kernel, parts: tuple[Store, Members, Reconciler], clock: Clock, views: Views
    ) -> None:
        self._config, self._kernel, self._clock, self._views = config, kernel, clock, views
        self._store, self._members, self._turns = parts

    def answer(self, request: Mapping[str, Any]) -> Reply:
        """Return the chain of the request's ``subject``: an address or a household's handle."""
        subject = str(request.get("subject", "")).strip()
        try:
            address = ipaddress.ip_address(subject.partition("%")[0])
        except ValueError:
            return self._household(subject.upper())
        mapped = getattr(address, "ipv4_mapped", None)
        return self._address(mapped or address)

    def _household(self, handle: str) -> Reply:
        known = self._store.household(handle)
        if known is None:
            return failure("unknown", f"{handle!r} is no address and no household here. See `meshctl household list`.")
        mark = mark_of(known[0])
        devices = tuple(device for device in self._members.all() if device.mark == mark)
        far = sorted(address for address, other in self._turns.plan.announced.items() if other == mark)
        questions = [
            Question(mark, devices, paused=self._members.pauses.stopped()),
            *(Question(0, address=address) for address in far),
        ]
        return self._reply(handle, "household", handle, mark, questions)

    def _address(self, address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> Reply:
        text, hardware = str(address), self._kernel.neighbours().get(str(address))
        lease = self._lease(text, hardware)
        if hardware is None and not self._is_own(address):
            return self._far(address)
        if hardware is None and lease is None:
            return failure("unknown-device", f"This node sees no device behind {text}.")
        device = self._members.get(hardware) if hardware else None
        stopped = self._members.pauses.stopped()
        devices = (device,) if device else ()
        question = Question(device.mark if device else 0, devices, "", hardware or "", lease, stopped)
        state = "visitor" if device is None else "household" if device.household else "guest"
        return self._reply(text, state, device.household if device else None, question.mark, [question])

    def _far(self, address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> Reply:
        text = str(address)
        node = next((one for one in self._turns.others if _is_behind(address, one)), None)
        if node is None:
            return failure("unknown-device", f"{text} is behind no node of this network.")
        if not self._config.line:
            return failure("elsewhere", f"{text} is behind node {node.name}: ask there, or at the gateway.")
        announced = self._turns.plan.announced.get(text)
        mark = announced if announced is not None else stranger_mark(node.number)
        home = next((h.handle for h in self._store.households() if mark_of(h) == mark), None)
        found = f"behind node {node.name}, " + ("which announces it" if announced is not None else "not announced")
        question = Question(mark, (), text, "", Lease(found))
        state = "household" if home else "guest"
        return self._reply(text, state, home, mark, [question])

    def _reply(self, subject: str, state: str, home: str | None, mark: int, questions: list[Question]) -> Reply:
        plan, kernel = self._turns.plan, self._kernel.read()
        scene = Scene(plan, self._turns.rules, kernel, self._kernel.look_around(), shaped_devices(self._config))
        steps = list(dict.fromkeys(step for question in questions for step in chain(question, scene)))
        wrong = [(name, step) for step in steps for name in step.disagrees]
        now, why = self._clock.read(), self._views.standing(home)
        here = "here" if any(q.devices for q in questions) or any(q.address for q in questions) else "away"
        return {
            "ok": True,
            "subject": subject,
            "state": state,
            "household": home,
            "presence": here,
            "node": self._config.node.name,
            "slice": {d: self._slice(mark, d) for d in plan.trees} or self._far_slices(home),
            "gateway": None if self._config.line or self._views.mesh is None else self._views.mesh.way.gateway,
            "sharing": {"homes": plan.homes, "guests": plan.guests},
            "explanation": asdict(why) if why else None,
            "now": {"wall": now.wall, "trusted": now.trusted},
            "steps": [{"name": s.name, "found": s.found, "disagrees": list(s.disagrees)} for s in steps],
            "disagreements": [{"name": n, "at": s.name, "found": s.found, "means": DISAGREEMENTS[n]} for n, s in wrong],
            "repairs": self._turns.tally.repairs_told(now.monotonic),
        }

    def _slice(self, mark: int, direction: Direction) -> dict[str, Any] | None:
        tree = self._turns.plan.trees[direction]
        leaf = tree.leaves.get(mark)
        if leaf is None:
            return None
        pool = tree.guests if mark >= FIRST_GUEST else tree.homes
        rates = {"assured_kbit": leaf.rate, "ceiling_kbit": leaf.ceil, "pool_kbit": pool}
        return {**rates, "capacity_kbit": tree.capacity, "floor_kbit": tree.floor}

    def _far_slices(self, home: str | None) -> dict[str, Any]:
        told = self._views.far_slices(home)
        return {d: {"assured_kbit": s.assured / 1000, "ceiling_kbit": s.ceiling / 1000} for d, s in told.items()}

    def _is_own(self, address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
        doors = self._config.access
        return any(
            address in network for door in doors for network in (door.interface4.network, door.interface6.network)
        )

    def _lease(self, address: str, hardware: str | None) -> Lease | None:
        """Return what the DHCP server holds the address for; ``None`` where there is nothing to say."""
        try:
            rows = Path(self._config.paths.run, "dnsmasq.leases").read_text(encoding="utf-8").splitlines()
        except OSError:
            return None
        held = next(
            (row.split()[1].lower() for row in rows if len(row.split()) > 2 and row.split()[2] == address), None
        )
        if held is None:
            return None if hardware is None or ":" in address else Lease("none: the device chose its address itself")
        if hardware is None:
            return Lease(f"{address} is held for a device that does not answer", matches=False)
        same = held == hardware
        return Lease(f"{address} is held for {'this' if same else 'another'} device", matches=same)


def _is_behind(address: ipaddress.IPv4Address | ipaddress.IPv6Address, node: Member) -> bool:
    return address in (node.interface4.network if address.version == 4 else node.interface6.network)
