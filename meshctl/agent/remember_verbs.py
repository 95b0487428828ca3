"""What a person asks for: remember this device, forget it, take back a consent by its receipt."""

from __future__ import annotations

from meshctl.agent.clock import Clock
from meshctl.agent.consents import REMEMBER, agree, draw_number, number_hash
from meshctl.agent.kernel import Kernel
from meshctl.agent.members import Members
from meshctl.agent.mesh.circle import Circle
from meshctl.agent.mesh.lasting import LASTING_LIFETIME
from meshctl.agent.remembered import LONGEST, Promise
from meshctl.agent.remembering import Remembering
from meshctl.agent.replies import Reply, Request, client_address, no, unknown_device, yes
from meshctl.agent.store import Store
from meshctl.agent.tick import Reconciler
from meshctl.agent.tries import Tries
from meshctl.agent.verbs import Verb, Verbs
from meshctl.agent.views import Views
from meshctl.config import Config
from meshctl.model import Device
from meshctl.receipt import Receipt
from meshctl.wire import as_table


class RememberVerbs:
    """The verbs over one node's parts; each answers for the asking device only."""

    def __init__(
        self,
        config: Config,
        kernel: Kernel,
        parts: tuple[Store, Members, Reconciler],
        clock: Clock,
        views: Views,
        remembering: Remembering,
        circle: Circle | None,
    ) -> None:
        self._name, self._kernel, self._clock, self._views = config.node.name, kernel, clock, views
        _, self._members, self._turns = parts
        self._remembering, self._keeping, self._circle = remembering, remembering.keeping, circle
        self._tries = Tries(each=6, together=240, seconds=60.0)
        views.remembered = remembering.left_of

    def attach(self, verbs: Verbs) -> None:
        """Add the verbs to the table, and hear who is seen and who leaves."""
        asks = frozenset({"portal", "operator"})
        own = {"remember": self._remember, "forget": self._forget, "withdraw": self._withdraw}
        verbs.table |= {name: Verb(asks, run) for name, run in own.items()}
        verbs.on_seen, verbs.on_left = self._remembering.sighted, self._remembering.left
        verbs.on_moved = self._remembering.moved

    def _remember(self, request: Request) -> Reply:
        hardware = self._kernel.neighbours().get(client_address(request))
        if hardware is None:
            return unknown_device()
        device = self._members.get(hardware)
        if device is None or self._members.pauses.stops(hardware):
            return no("not-joined", "This device has not joined, or is paused. Join first.")
        if not len(self._keeping.ring.keys):
            return no("not-now", "This node has no key yet and reaches no other one. Try again in a minute.")
        if not self._may(hardware):
            return _too_often()
        drawn = draw_number()
        promise = self._promise(device, drawn)
        self._keeping.tell([promise, *self._remembering.ends(hardware, promise)])
        self._remembering.believe(hardware, promise)
        kept, left = promise.consent, promise.until - self._keeping.long.now()
        receipt = Receipt(drawn, kept.purpose, kept.text, kept.since if kept.trusted else None, left)
        return {**yes("device", self._views.device(hardware)), "receipt": as_table(receipt)}

    def _promise(self, device: Device, drawn: str) -> Promise:
        key, now = self._keeping.ring.keys.all()[0], self._keeping.long.now()
        return Promise(
            key.token(device.hardware),
            key.name,
            now + min(LONGEST, key.born + LASTING_LIFETIME - now),
            self._keeping.long.next_version(),
            self._name,
            household=device.household or "",
            consent=agree(REMEMBER, drawn, self._clock.read()),
        )

    def _forget(self, request: Request) -> Reply:
        """Make the asking device a visitor everywhere, and have nobody remember it."""
        address = client_address(request)
        hardware = self._kernel.neighbours().get(address)
        if hardware is None:
            return unknown_device()
        self._keeping.tell(self._remembering.ends(hardware))
        self._remembering.believe(hardware, None)
        self._remembering.left(hardware)
        device = self._members.leave(hardware)
        if self._circle is not None:
            self._circle.membership.left(hardware, self._clock.read().monotonic)
        if device is not None:
            self._turns.release(device, [address])
        return yes("device", self._views.device(hardware))

    def _withdraw(self, request: Request) -> Reply:
        """Take a consent back: the asking device's own, or from any device the one that has a receipt's number.

        Whoever has joined stays so until its stay is over. The answer never says whether there was such a number.
        """
        hardware = self._kernel.neighbours().get(client_address(request))
        if hardware is None:
            return unknown_device()
        if "number" not in request:  # whoever typed wrong numbers before may still stop it for this device
            self._keeping.tell(self._remembering.ends(hardware))
            self._remembering.believe(hardware, None)
            return {"ok": True}
        if not self._may(hardware):
            return _too_often()
        kept = number_hash(str(request["number"]))
        if kept is None:
            return no("unreadable", "A receipt's number has twelve letters and figures.")
        self._keeping.withdraw(kept)
        self._remembering.disbelieve(kept)
        return {"ok": True}

    def _may(self, hardware: str) -> bool:
        now = self._clock.read().monotonic
        allowed = self._tries.may(hardware, now)
        if allowed:
            self._tries.failed(hardware, now)
        return allowed


def _too_often() -> Reply:
    return no("too-many-tries", "Too often. Wait a minute and try again.")
