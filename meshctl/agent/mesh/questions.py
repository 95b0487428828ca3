"""Asks the hub's node who of the devices in front of this node is remembered, by token, within bounds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from meshctl.agent.mesh.channel import Message
from meshctl.agent.mesh.shapes import hexadecimal, integer, rows
from meshctl.agent.remembered import Book, Promise, from_wire, to_wire

MOST_AT_ONCE = 256
MOST_TOKENS = 16
PATIENCE = 5.0
"""Seconds after which a question without an answer is asked again."""


class Allowance:
    """At most ``rate`` a second, and ``burst`` at once."""

    def __init__(self, rate: float, burst: float) -> None:
        self._rate, self._burst = rate, burst
        self._left, self._at = burst, 0.0

    def take(self, now: float) -> bool:
        """Say whether one more is allowed now."""
        self._left = min(self._burst, self._left + (now - self._at) * self._rate)
        self._at = now
        if self._left < 1.0:
            return False
        self._left -= 1.0
        return True


@dataclass(frozen=True)
class _Question:
    hardware: str
    at: float


class Asker:
    """Numbers questions; ``tokens`` returns a device's tokens under the living keys. Nothing here names a device."""

    def __init__(self, tokens: Callable[[str], list[str]]) -> None:
        self._tokens = tokens
        self._questions: dict[int, _Question] = {}
        self._asked: dict[str, int] = {}
        self._waiting: dict[str, None] = {}
        self._last = 0
        self._allowance = Allowance(rate=100.0, burst=1000.0)

    def wants(self, hardware: str, now: float) -> bool:
        """Ask about a device at the next `send`; say whether an answer may be on its way."""
        question = self._questions.get(self._asked.get(hardware, 0))
        if question is not None and now - question.at < PATIENCE:
            return True
        if hardware in self._waiting:
            return True
        if not self._allowance.take(now):
            return False
        self._waiting[hardware] = None
        return True

    def send(self, post: Callable[[Message], bool], now: float) -> None:
        """Ask what is to be asked; what cannot be sent is not asked."""
        waiting, self._waiting = list(self._waiting), {}
        for start in range(0, len(waiting), MOST_AT_ONCE):
            part = {self._number(hardware, now): hardware for hardware in waiting[start : start + MOST_AT_ONCE]}
            asks = [{"n": number, "tokens": self._tokens(hardware)[:MOST_TOKENS]} for number, hardware in part.items()]
            if not post({"kind": "remembered", "asks": asks}):
                for number in part:
                    self._close(number)
        for number in [number for number, one in self._questions.items() if now - one.at >= PATIENCE]:
            self._close(number)

    def drop(self, hardware: str) -> None:
        """Heed no answer about a device to what was asked until now."""
        self._waiting.pop(hardware, None)
        self._close(self._asked.get(hardware, 0))

    def answered(self, message: Message, now: float) -> list[tuple[str, Promise | None]]:
        """Return devices with what is promised to them; an answer to no question is none. Raises `ChannelError`."""
        found = []
        for row in rows(message, "answers", MOST_AT_ONCE):
            question = self._close(integer(row, "n"))
            promise = from_wire(row["promise"], now) if row.get("promise") is not None else None
            if question is not None:
                found.append((question.hardware, promise))
        return found

    def _number(self, hardware: str, now: float) -> int:
        self._last += 1
        self._close(self._asked.get(hardware, 0))
        self._questions[self._last] = _Question(hardware, now)
        self._asked[hardware] = self._last
        return self._last

    def _close(self, number: int) -> _Question | None:
        question = self._questions.pop(number, None)
        if question is not None:
            self._asked.pop(question.hardware, None)
        return question


class Answerer:
    """The hub's node's side: answers so many questions a second of each node, and leaves the rest unanswered."""

    def __init__(self, book: Book) -> None:
        self._book = book
        self._allowances: dict[str, Allowance] = {}

    def answer(self, peer: str, message: Message, now: float, long_now: float) -> Message:
        """Return the answer to one message of questions. Raises `ChannelError`."""
        allowance = self._allowances.setdefault(peer, Allowance(rate=200.0, burst=2000.0))
        answers = [self._one(row, long_now) for row in rows(message, "asks", MOST_AT_ONCE) if allowance.take(now)]
        return {"kind": "promised", "answers": answers}

    def _one(self, row: Mapping[str, Any], long_now: float) -> dict[str, Any]:
        ident = integer(row, "n")
        tokens = [hexadecimal({"token": one}, "token", 16) for one in rows(row, "tokens", MOST_TOKENS)]
        promise = self._book.find(tokens, long_now)
        return {"n": ident, "promise": None if promise is None else to_wire(promise, long_now)}
