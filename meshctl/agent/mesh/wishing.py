"""Wishes and stewards' codes on their way between nodes: all know all, so a home may ask at any of them."""

from __future__ import annotations

import math
from typing import Any

from meshctl.agent.clock import Clock
from meshctl.agent.codes import SECONDS, Codes
from meshctl.agent.mesh.channel import Message
from meshctl.agent.mesh.node import Mesh
from meshctl.agent.mesh.sessions import Post
from meshctl.agent.mesh.shapes import bad_shape, flag, hexadecimal, integer, number, rows, text
from meshctl.agent.wishes import KINDS, LAST_VERSION, SETTLE, WAITS, Wish, WishError, Wishes, checked_note

_MOST = 256


class Wishing:
    """Tells other nodes what was asked here, and hears what was asked there."""

    def __init__(self, mesh: Mesh, wishes: Wishes, codes: Codes, clock: Clock) -> None:
        self._mesh, self._wishes, self._codes, self._clock = mesh, wishes, codes, clock
        codes.on_used = self.spread_codes
        mesh.hears |= {"wishes": self._hear_wishes, "codes": self._hear_codes}
        mesh.on_opened.append(self._opened)

    def spread(self, *wishes: Wish) -> None:
        """Tell every node that is reached now; the others hear of it when they are."""
        for message in self._messages(list(wishes)):
            self._to_all(message)

    def spread_codes(self) -> None:
        """Tell every node that is reached now which codes open what, and for whom."""
        self._to_all(self._code_message())

    def _opened(self, peer: str, post: Post) -> None:  # noqa: ARG002  # all hear the same
        for message in self._messages(self._wishes.all()):
            post(message)
        if (message := self._code_message())["codes"]:
            post(message)

    def _hear_wishes(self, peer: str, message: Message, post: Post) -> None:  # noqa: ARG002  # one shape for all
        now = self._clock.read().monotonic
        for row in rows(message, "wishes", _MOST):
            self._wishes.merge(_from_wire(row, now), now)

    def _hear_codes(self, peer: str, message: Message, post: Post) -> None:  # noqa: ARG002  # one shape for all
        now = self._clock.read().monotonic
        for row in rows(message, "codes", _MOST):
            left = min(number(row, "left"), SECONDS)
            # A node of an earlier version does not say whose a code is.
            who = hexadecimal(row, "who", 32) if isinstance(row, dict) and row.get("who") else ""
            self._codes.learn(text(row, "household", 8), hexadecimal(row, "digest", 32), left, who, now)

    def _to_all(self, message: Message) -> None:
        for name in self._mesh.sessions.up():
            self._mesh.sessions.post(name, message)

    def _messages(self, wishes: list[Wish]) -> list[Message]:
        now = self._clock.read().monotonic
        parts = [wishes[start : start + _MOST] for start in range(0, len(wishes), _MOST)]
        return [{"kind": "wishes", "wishes": [_to_wire(one, now) for one in part]} for part in parts]

    def _code_message(self) -> Message:
        living = self._codes.living(self._clock.read().monotonic)[:_MOST]
        table = [{"household": home, "digest": d, "left": left, "who": who} for home, d, left, who in living]
        return {"kind": "codes", "codes": table}


def _to_wire(wish: Wish, now: float) -> dict[str, Any]:
    return {
        "household": wish.household,
        "kind": wish.kind,
        "text": wish.text,
        "left": max(0, math.ceil((wish.until - now) * 1000)) / 1000,
        "version": wish.version,
        "by": wish.by,
        "over": wish.over,
    }


def _from_wire(row: object, now: float) -> Wish:
    """Read a wish; it has some minutes left at least, and no more than its kind. Raises `ChannelError`."""
    kind, version = next((one for one in KINDS if one == text(row, "kind", 8)), None), integer(row, "version")
    if kind is None or not 1 <= version <= LAST_VERSION or not isinstance(row, dict):
        raise bad_shape("wishes")
    try:
        note = checked_note(row.get("text"))
    except WishError:
        raise bad_shape("wishes") from None
    until = now + min(max(number(row, "left"), SETTLE), WAITS[kind])
    return Wish(text(row, "household", 8), kind, note, until, version, text(row, "by", 32), flag(row, "over"))
