"""How often one device may ask the node for what costs it something, whatever addresses the device has.

What is too fast is refused with the seconds after which it would not be. Reading one's own page costs
little and is not counted here. The numbers and their reasons are in docs/door.md.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from meshctl.agent.clock import Clock
from meshctl.agent.replies import Reply, Request, client_address, no
from meshctl.pace import Allowance, Pace

_CHANGES = frozenset({"join", "leave", "link", "remember", "forget", "withdraw"})
"""What changes the kernel, or is told to other nodes."""

_PROOFS = frozenset({"link", "history", "mine", "export", "correct", "erase", "erase-cancel"})
"""What checks a pass, for some hundredths of a second in which nobody else is answered."""

_SHOWN_AFTER = frozenset({"correct", "erase", "erase-cancel"})
"""What is followed by the `mine` that shows what was done, counted beforehand: else it would be said to be refused."""

_SOON = 15.0

CHANGES = Allowance(40, 1.0)
PROOFS = Allowance(12, 5.0)


class Paces:
    """The paces of all devices, by hardware address, in RAM. ``neighbours`` reads the kernel's neighbour table."""

    def __init__(self, neighbours: Callable[[], Mapping[str, str]], clock: Clock) -> None:
        self._neighbours, self._clock = neighbours, clock
        self._paces = ((_CHANGES, Pace(CHANGES)), (_PROOFS, Pace(PROOFS)))
        self._paid: dict[str, float] = {}

    def refusal(self, request: Request) -> Reply | None:
        """Count a device's request; return what refuses it where it is too much. Raises `WireError`."""
        verb = str(request.get("verb"))
        concerned = [pace for verbs, pace in self._paces if verb in verbs]
        if not concerned:
            return None
        hardware = self._neighbours().get(client_address(request))
        if hardware is None:
            return None  # the verb says so itself
        now = self._clock.read().monotonic
        if verb == "mine" and now < self._paid.pop(hardware, now):
            return None
        left = max(pace.wait(hardware, now, 2 if verb in _SHOWN_AFTER else 1) for pace in concerned)
        if left <= 0.0:
            if verb in _SHOWN_AFTER:
                self._paid = {one: until for one, until in self._paid.items() if now < until} | {hardware: now + _SOON}
            return None
        refusal = no("too-fast", f"That was too often. Try again in {math.ceil(left)} s.")
        refusal["error"]["seconds"] = math.ceil(left)
        return refusal
