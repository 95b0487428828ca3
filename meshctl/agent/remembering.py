"""A device that asked for it is known again for 90 days: what it gets where it comes back.

Hardware addresses stay in RAM. What is promised to whom is where `Keeping` says.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from nacl.signing import SigningKey

from meshctl.agent.clock import Clock
from meshctl.agent.kernel import Kernel
from meshctl.agent.members import Members
from meshctl.agent.mesh.circle import Circle
from meshctl.agent.mesh.keeping import Keeping
from meshctl.agent.mesh.lasting import LASTING_LIFETIME
from meshctl.agent.mesh.soon import tolerate
from meshctl.agent.remembered import Promise
from meshctl.agent.store import Store
from meshctl.agent.tick import Reconciler
from meshctl.agent.verbs import HOUR
from meshctl.config import Config
from meshctl.model import Device, Household

_LATELY = 120.0
"""Seconds after its last sighting for which a device counts as being in front of this node."""

_MOST_SEEN = 8192

_NO_FOR = 60.0
_YES_FOR = 60.0
"""Seconds for which an answer is believed; who comes in is asked about anew."""

_AGAIN = 5.0
_RENEW = 120.0
"""A stay that ends within so many seconds is renewed for who is remembered and still here."""

_LEFT_FOR = 24 * HOUR
"""How long who pressed "Leave" is left alone."""


@dataclass(frozen=True)
class _Answer:
    promise: Promise | None
    at: float


class Remembering:
    """Remembered devices on this node, and through ``circle`` in the network."""

    def __init__(
        self,
        config: Config,
        kernel: Kernel,
        parts: tuple[Store, Members, Reconciler],
        clock: Clock,
        key: SigningKey,
        circle: Circle | None,
    ) -> None:
        self._config, self._kernel, self._clock, self._circle = config, kernel, clock, circle
        self._store, self._members, self._turns = parts
        self.keeping = Keeping(config.node.name, parts[0], Path(config.paths.state), clock, key, circle)
        self.keeping.on_answers, self.keeping.on_change = self._heard, self.look_again
        self._answers: dict[str, _Answer] = {}
        self._seen: dict[str, float] = {}
        self._left: dict[str, float] = {}
        self._moved: dict[str, str] = {}

    def turn(self) -> None:
        """Do what is due after each turn of the agent's loop."""
        now = self._clock.read().monotonic
        self.keeping.turn()
        self._answers = {
            h: one for h, one in self._answers.items() if now - one.at < (HOUR if one.promise else _NO_FOR)
        }
        self._left = {h: until for h, until in self._left.items() if now < until}
        for device in self._members.all():
            ends = device.until is not None and device.until - now < _RENEW
            if ends and self._is_ours(device.hardware) and not self._is_fresh(device.hardware, _AGAIN):
                self.keeping.ask(device.hardware)
        self.look_again()

    def purge(self) -> None:
        """Forget promises and receipts that are over."""
        self.keeping.purge()

    def sighted(self, devices: Iterable[str]) -> set[str]:
        """Let in who is remembered; return those of whom the hub's node says so in a moment, or not."""
        now = self._clock.read().monotonic
        self._seen.update(dict.fromkeys(devices, now))
        if len(self._seen) > _MOST_SEEN:
            self._seen = {hardware: at for hardware, at in self._seen.items() if now - at < _AGAIN}
        waiting = {hardware for hardware in devices if self._look(hardware, now)}
        self.keeping.send()
        return waiting

    def look_again(self) -> None:
        """Ask about who is in front of this node and not joined."""
        now = self._clock.read().monotonic
        self._seen = {hardware: at for hardware, at in self._seen.items() if now - at < _LATELY}
        for hardware in list(self._seen):
            self._look(hardware, now)
        for hardware in self._moved:
            self.keeping.ask(hardware)
        self.keeping.send()

    def left_of(self, hardware: str) -> float | None:
        """Return for how many seconds a device is remembered, ``None`` for one that is not, or not known to be."""
        if not self._is_fresh(hardware, _YES_FOR) or (
            self._answers[hardware].promise is None and not self._is_fresh(hardware, _NO_FOR)
        ):
            self.keeping.ask(hardware)
            self.keeping.send()
        known = self._answers.get(hardware)
        if known is None or known.promise is None:
            return None
        left = known.promise.until - self.keeping.long.now()
        return left if left > 0 else None

    def left(self, hardware: str) -> None:
        """Leave a device alone that pressed "Leave", until it joins again or a day has passed."""
        self._left[hardware] = self._clock.read().monotonic + _LEFT_FOR

    def moved(self, hardware: str, household: str | None) -> None:
        """Have the list know, as soon as it is reached, that a device is of another household now, or of none."""
        self._moved[hardware] = household or ""
        self.keeping.drop(hardware)
        self.keeping.ask(hardware)
        self.keeping.send()

    # Who comes back.

    def _is_ours(self, hardware: str) -> bool:
        return self._circle is None or self._circle.membership.roaming.mine(hardware)

    def _is_fresh(self, hardware: str, seconds: float) -> bool:
        known = self._answers.get(hardware)
        return known is not None and self._clock.read().monotonic - known.at < seconds

    def _look(self, hardware: str, now: float) -> bool:
        if self._members.get(hardware) is not None:
            self._left.pop(hardware, None)
            return False
        known = self._answers.get(hardware)
        wait = _NO_FOR if known is not None and known.promise is None else _AGAIN
        if self._is_fresh(hardware, wait) or self._has_left(hardware, now):
            return False
        return self.keeping.ask(hardware)

    def _has_left(self, hardware: str, now: float) -> bool:
        record = self._circle.membership.roaming.best(hardware) if self._circle else None
        return hardware in self._left or (record is not None and record.gone and now < record.until)

    def _heard(self, answers: list[tuple[str, Promise | None]]) -> None:
        """Take in what devices are promised, and let in who is: all in one change of the kernel."""
        now = self._clock.read().monotonic
        self._answers.update({hardware: _Answer(promise, now) for hardware, promise in answers})
        found = [(hardware, promise) for hardware, promise in answers if promise and self._is_due(hardware, promise)]
        for hardware, _ in answers:
            self._moved.pop(hardware, None)
        if found:
            self._admit(found, now)
        strangers = [h for h, promise in answers if promise is None and self._members.get(h) is None]
        if strangers and self._circle is not None:
            tolerate(partial(self._kernel.greet, strangers))

    def _is_due(self, hardware: str, promise: Promise) -> bool:
        """Say whether a device is to be let in, or stays on; one that has moved to another household has that told."""
        device, now = self._members.get(hardware), self._clock.read().monotonic
        home = self._moved.get(hardware, (device.household if device else None) or None)
        if home is not None and home != promise.household:
            self._move(hardware, home, promise)
            return False
        if device is None:
            return not self._has_left(hardware, now)
        ends = device.until is not None and device.until - now < _RENEW
        return ends or (device.household is None and self._household(promise) is not None)

    def _household(self, promise: Promise) -> Household | None:
        known = self._store.household(promise.household) if promise.household else None
        return known[0] if known else None

    def _admit(self, found: list[tuple[str, Promise]], now: float) -> None:
        """Make devices again what they were; a paused one stays paused."""
        neighbours = self._kernel.neighbours()
        addresses: dict[str, list[str]] = {hardware: [] for hardware, _ in found}
        for address, hardware in neighbours.items():
            if hardware in addresses:
                addresses[hardware].append(address)
        before = {hardware: self._members.get(hardware) for hardware, _ in found}
        devices = [self._enter(hardware, promise, now) for hardware, promise in found]
        tolerate(lambda: self._turns.admit(devices, [one for own in addresses.values() for one in own]))
        for device in devices:
            was = before[device.hardware]
            if was is not None and was.mark != device.mark:
                tolerate(partial(self._turns.release, was, addresses[device.hardware]))
        if self._circle is not None:
            self._circle.membership.joined(devices, addresses, now)

    def _enter(self, hardware: str, promise: Promise, now: float) -> Device:
        """Have a device be a member as it was; its stay ends with the promise at the latest."""
        if self._circle is not None:
            self._circle.membership.learn_pause(hardware, now)
        session, before = self._config.session, self._members.get(hardware)
        handle = before.household if before and before.household else None
        household = self._household(replace(promise, household=handle or promise.household))
        hours = session.household_hours if household else session.guest_hours
        until = now + min(hours * HOUR, max(0.0, promise.until - self.keeping.long.now()))
        if household is None:
            return self._members.join(hardware, until, now)
        return self._members.link(hardware, household, until, now)

    def _move(self, hardware: str, household: str, promise: Promise) -> None:
        """Have the list know that a remembered device belongs to another household since."""
        version, writer = self.keeping.long.next_version(), self._config.node.name
        moved = replace(promise, household=household, revision=version, writer=writer)
        self._answers[hardware] = _Answer(moved, self._clock.read().monotonic)
        self.keeping.tell([moved])

    def believe(self, hardware: str, promise: Promise | None) -> None:
        """Believe this of a device from now on, whatever was asked before."""
        self.keeping.drop(hardware)
        self._moved.pop(hardware, None)
        self._answers[hardware] = _Answer(promise, self._clock.read().monotonic)

    def disbelieve(self, receipt: str) -> None:
        """Believe no more what a receipt stood for."""
        self._answers = {h: one for h, one in self._answers.items() if not _is_of(one, receipt)}

    def ends(self, hardware: str, but: Promise | None = None) -> list[Promise]:
        """Return what ends every promise to a device, under every living key; or all before the one given.

        The latter come before it: at the same version they would end it too.
        """
        version = but.version - 1 if but else self.keeping.long.next_version(ends=True)
        until, name = self.keeping.long.now() + LASTING_LIFETIME, self._config.node.name
        living = [key for key in self.keeping.ring.keys.all() if but is None or key.name != but.key]
        return [Promise(key.token(hardware), key.name, until, version, name, gone=True) for key in living]


def _is_of(answer: _Answer, receipt: str) -> bool:
    return answer.promise is not None and answer.promise.consent.receipt == receipt
