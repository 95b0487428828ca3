"""What the portal may ask of a home's past: with its pass each time, and only at the node that has the line."""

from __future__ import annotations

import ipaddress

from meshctl.agent.clock import Clock
from meshctl.agent.homes import Homes
from meshctl.agent.kernel import Kernel
from meshctl.agent.mesh.node import Mesh
from meshctl.agent.replies import Reply, Request, client_address, no, unknown_device, yes
from meshctl.agent.store import Store
from meshctl.agent.tries import Tries
from meshctl.config import Config
from meshctl.history import History, Lines
from meshctl.lists import Member


class Reading:
    """The verbs `history` and `lines`. ``tries`` are those of linking: a pass is not guessed twice as fast here."""

    def __init__(
        self, config: Config, kernel: Kernel, store: Store, homes: Homes, tries: Tries, clock: Clock, mesh: Mesh | None
    ) -> None:
        self._config, self._kernel, self._store, self._homes = config, kernel, store, homes
        self._tries, self._clock, self._mesh = tries, clock, mesh
        # Apart from the others: whoever changes addresses behind another node keeps nobody here from linking.
        self._far = Tries(each=6, together=60, seconds=60.0)

    def history(self, request: Request) -> Reply:
        """Answer with the days of the home whose pass it is, for one asking address."""
        address = client_address(request)
        hardware = self._kernel.neighbours().get(address)
        if hardware is None and not any(_has(one, address) for one in self._others()):
            return unknown_device()
        if not self._config.line:
            return no("no-line", "This node has no line; the gateway keeps the days.")
        who, tries = (hardware, self._tries) if hardware is not None else (address, self._far)
        now = self._clock.read().monotonic
        if not tries.may(who, now):
            return no("too-many-tries", "Too many wrong passes. Wait a minute and try again.")
        household = self._homes.of_pass(str(request.get("pass", "")))
        if household is None:
            tries.failed(who, now)
            return no("wrong-pass", "No household here has that pass. Check each letter and number.")
        return yes("history", History(household.handle, tuple(self._store.daily.of(household.handle))))

    def lines(self, request: Request) -> Reply:  # noqa: ARG002  # every verb takes the request
        """Answer where days are kept."""
        in_use = self._mesh.gateway_in_use if self._mesh else None
        gateways = sorted((one for one in self._others() if one.gateway), key=lambda one: one.name != in_use)
        return yes("lines", Lines(bool(self._config.line), tuple(str(one.interface4.ip) for one in gateways)))

    def _others(self) -> list[Member]:
        roster = self._mesh.lists.roster if self._mesh else None
        return [one for one in roster.members if one.name != self._config.node.name] if roster else []


def _has(member: Member, address: str) -> bool:
    own = member.interface6.network if ":" in address else member.interface4.network
    return ipaddress.ip_address(address) in own
