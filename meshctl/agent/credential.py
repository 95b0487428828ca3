"""Who may do something with a home: the one check of its pass, or of a steward's code, on every request.

A device's address opens nothing, since addresses can be cloned on an open radio.
"""

from __future__ import annotations

import ipaddress

from meshctl.agent import passes
from meshctl.agent.clock import Clock
from meshctl.agent.codes import Codes
from meshctl.agent.kernel import Kernel
from meshctl.agent.mesh.node import Mesh
from meshctl.agent.replies import Reply, Request, client_address, no, unknown_device
from meshctl.agent.store import Store
from meshctl.agent.tries import Tries
from meshctl.config import Config
from meshctl.lists import Member
from meshctl.model import Household


class Credential:
    """``tries`` are those of linking, so that a pass is guessed nowhere twice as fast."""

    def __init__(
        self, config: Config, kernel: Kernel, store: Store, tries: Tries, clock: Clock, mesh: Mesh | None
    ) -> None:
        self._config, self._kernel, self._store = config, kernel, store
        self._tries, self._clock, self._mesh = tries, clock, mesh
        # Apart from the others: whoever changes addresses behind another node keeps nobody here from linking.
        self._far = Tries(each=6, together=60, seconds=60.0)
        self._nodes = Tries(each=60, together=120, seconds=60.0)
        self.codes = Codes()

    def of_pass(self, text: str) -> Household | None:
        """Return the household whose pass was typed, or ``None``."""
        try:
            handle, secret = passes.split(text)
        except passes.PassError:
            return None
        known = self._store.household(handle)
        return known[0] if known is not None and passes.verify(secret, known[1]) else None

    def check(self, request: Request) -> Household | Reply:
        """Return whose home the ``pass`` (only where ``secure``) or ``code`` of a request opens, or the refusal."""
        address = client_address(request)
        hardware = self._kernel.neighbours().get(address)
        if hardware is None and not any(_has(one, address) for one in self.others()):
            return unknown_device()
        if "code" not in request and request.get("secure") is not True:
            return no("needs-https", "A pass is asked for over https only. Use a steward's code here.")
        who, tries = (hardware, self._tries) if hardware is not None else (address, self._far)
        now = self._clock.read().monotonic
        if not tries.may(who, now):
            return no("too-many-tries", "Too many wrong tries. Wait a minute and try again.")
        found = self._opens(request, who, now)
        if found is not None:
            return found
        tries.failed(who, now)
        if "code" in request:
            return no(
                "wrong-code", "That code opens nothing here. It lasts 15 minutes, on one device. Ask for another."
            )
        return no("wrong-pass", "No household here has that pass. Check each letter and number.")

    def of_node(self, node: str, message: Request) -> Household | None:
        """Return whose home the pass or code opens that a person gave at another node of the roster."""
        now = self._clock.read().monotonic
        if not self._nodes.may(node, now):
            return None
        found = self._opens(message, None, now)
        if found is None:
            self._nodes.failed(node, now)
        return found

    def others(self) -> list[Member]:
        """Return the other nodes of the roster."""
        roster = self._mesh.lists.roster if self._mesh else None
        return [one for one in roster.members if one.name != self._config.node.name] if roster else []

    def _opens(self, request: Request, who: str | None, now: float) -> Household | None:
        if "code" not in request:
            return self.of_pass(str(request.get("pass", "")))
        handle = self.codes.household(str(request["code"]), who, now)
        known = self._store.household(handle) if handle else None
        return known[0] if known else None


def _has(member: Member, address: str) -> bool:
    own = member.interface6.network if ":" in address else member.interface4.network
    return ipaddress.ip_address(address) in own
