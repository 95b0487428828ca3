"""Where promises to devices are: in this node's own list, or at the hub's node, asked and told over the channel."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from nacl.signing import SigningKey

from meshctl.agent.clock import Clock
from meshctl.agent.longclock import LongClock
from meshctl.agent.mesh.channel import Message
from meshctl.agent.mesh.circle import Circle, Place
from meshctl.agent.mesh.errands import Errands, unseal
from meshctl.agent.mesh.lastring import LastingRing
from meshctl.agent.mesh.questions import Allowance, Answerer, Asker
from meshctl.agent.mesh.sessions import Post
from meshctl.agent.mesh.shapes import bad_shape, hexadecimal, integer, number
from meshctl.agent.remembered import Book, Promise, from_wire, to_wire
from meshctl.agent.store import Store

_RETELL = 60.0
_AT_ONCE = 16
"""Promises in one errand."""


class Keeping:
    """``on_answers`` gets devices that were asked about, each with its promise; ``on_change`` says to look again."""

    def __init__(
        self, name: str, store: Store, state: Path, clock: Clock, key: SigningKey, circle: Circle | None
    ) -> None:
        self._name, self._clock, self._key, self._circle = name, clock, key, circle
        self.long = LongClock(store, clock)
        self.ring = LastingRing(store, state, self.long)
        self.book = Book(store)
        self._errands, self._answerer = Errands(store, self.long), Answerer(self.book)
        self._asker, self._allowance = Asker(self.tokens), Allowance(rate=200.0, burst=2000.0)
        self._told = 0.0
        self._wanted: dict[str, None] = {}
        self.on_answers: Callable[[list[tuple[str, Promise | None]]], None] = _nobody_listens
        self.on_change: Callable[[], None] = lambda: None
        if circle is not None:
            hears = {
                "lasting": self._hear_ages,
                "lasting-keys": self._hear_keys,
                "remembered": self._hear_asks,
                "promised": self._hear_answers,
                "errand": self._hear_errand,
                "errand-done": self._hear_done,
            }
            for kind, hear in hears.items():
                circle.listen(kind, hear)
            circle.greet(self._opened)

    def tokens(self, hardware: str) -> list[str]:
        """Return a device's tokens under the living keys, the current key's first."""
        return [key.token(hardware) for key in self.ring.keys.all()]

    def turn(self) -> None:
        """Make and destroy keys as they are due, and tell what was not told."""
        self.long.turn()
        place = self._place()
        changed = self.ring.turn(self._name, place.names, on_disk=place.keeps_keys)
        if place.keeper is not None:
            self._hand_over()
            self._send(place)
        now = self._clock.read().monotonic
        if self._circle is not None and (changed or now - self._told >= _RETELL):
            self._told = now
            self._circle.post_all(self.ring.told())

    def purge(self) -> None:
        """Forget promises and receipts that are over."""
        self.book.purge(self.ring.keys.destroyed, self.long.now())

    def ask(self, hardware: str) -> bool:
        """Ask at the next `send` what a device is promised; say whether there will be an answer, as far as is known."""
        if not len(self.ring.keys):
            return False
        now = self._clock.read().monotonic
        if self._place().keeper is not None:
            return self._asker.wants(hardware, now)
        if not self._allowance.take(now):
            return False
        self._wanted[hardware] = None
        return True

    def send(self) -> None:
        """Ask the hub's node what was not asked yet, or look into this node's own list."""
        keeper = self._place().keeper
        wanted, self._wanted = list(self._wanted), {}
        if keeper is not None and self._circle is not None:
            circle = self._circle
            self._asker.send(lambda message: circle.post(keeper.name, message), self._clock.read().monotonic)
        elif wanted:
            now = self.long.now()
            self.on_answers([(hardware, self.book.find(self.tokens(hardware), now)) for hardware in wanted])

    def drop(self, hardware: str) -> None:
        """Heed no answer to what was asked about a device before: it is not true any more."""
        self._wanted.pop(hardware, None)
        self._asker.drop(hardware)

    def tell(self, promises: list[Promise]) -> None:
        """Have the list know these, now or when the hub's node is reached."""
        place, now = self._place(), self.long.now()
        if place.keeper is None:
            for promise in promises:
                self.book.take(promise)
        else:
            self._errands.add([{"promise": to_wire(promise, now)} for promise in promises], place.keeper.verify_key)
            self._send(place)
        if self._circle is not None:
            self._circle.post_all(self.ring.told())  # what is asked elsewhere next must come after it

    def withdraw(self, receipt: str) -> None:
        """Have the list forget what a receipt stands for, now or when the hub's node is reached."""
        place = self._place()
        if place.keeper is None:
            self.book.withdraw(receipt, self.long.now())
        else:
            self._errands.add([{"withdraw": receipt}], place.keeper.verify_key)
            self._send(place)

    def _place(self) -> Place:
        return self._circle.place() if self._circle is not None else Place(self._name, (self._name,), None)

    def _send(self, place: Place) -> None:
        if self._circle is not None and place.keeper is not None:
            circle, keeper = self._circle, place.keeper
            self._errands.send(lambda message: circle.post(keeper.name, message))

    def _hand_over(self) -> None:
        """Where this node kept the list before: the one that keeps it now has it, and this disk has it no more."""
        kept, withdrawn = self.book.all(), self.book.withdrawn()
        for start in range(0, len(kept), _AT_ONCE):
            self.tell(kept[start : start + _AT_ONCE])
        for receipt in withdrawn:
            self.withdraw(receipt)
        if kept or withdrawn:
            self.book.clear()

    def _opened(self, peer: str, post: Post) -> None:
        post(self.ring.told())
        keeper = self._place().keeper
        if keeper is not None and keeper.name == peer:
            self._errands.send(post)
            self.on_change()

    def _hear_ages(self, peer: str, message: Message, post: Post) -> None:  # noqa: ARG002  # one shape for all
        answers, lacks = self.ring.hear(message)
        for answer in answers:
            post(answer)
        if lacks:
            post(self.ring.told())

    def _hear_keys(self, peer: str, message: Message, post: Post) -> None:  # noqa: ARG002
        if self.ring.accept(message) and self._circle is not None:
            self._circle.post_all(self.ring.told())
            self.on_change()

    def _hear_asks(self, peer: str, message: Message, post: Post) -> None:
        if self._place().keeper is None:
            post(self._answerer.answer(peer, message, self._clock.read().monotonic, self.long.now()))

    def _hear_answers(self, peer: str, message: Message, post: Post) -> None:  # noqa: ARG002
        keeper = self._place().keeper
        if keeper is not None and keeper.name == peer:
            answers = self._asker.answered(message, self.long.now())
            for _, promise in answers:
                self.long.heard(max(promise.version, promise.revision) if promise else 0)
            self.on_answers(answers)

    def _hear_errand(self, peer: str, message: Message, post: Post) -> None:  # noqa: ARG002
        ident, waited = integer(message, "id"), number(message, "waited")
        if self._place().keeper is not None:
            return
        for step in unseal(message, self._key):
            self._do(step, waited)
        post({"kind": "errand-done", "id": ident})

    def _hear_done(self, peer: str, message: Message, post: Post) -> None:  # noqa: ARG002
        keeper = self._place().keeper
        if keeper is not None and keeper.name == peer:
            self._errands.done(integer(message, "id"))

    def _do(self, step: Any, waited: float) -> None:
        now = self.long.now()
        if not isinstance(step, dict):
            raise bad_shape("errand")
        if "withdraw" in step:
            self.book.withdraw(hexadecimal(step, "withdraw", 16), now)
            return
        promise = from_wire(step.get("promise"), now, waited)
        self.long.heard(max(promise.version, promise.revision))
        self.book.take(promise)


def _nobody_listens(answers: list[tuple[str, Promise | None]]) -> None:
    """Nothing follows from answers yet."""
