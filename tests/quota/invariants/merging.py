"""Replaceable state: whatever order and however often messages come, everybody holds the same."""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce

from hypothesis import strategies as st

from meshctl.quota.merge import Held, Stamp, told
from tests.quota.invariants.algorithm import Algorithm, Key
from tests.quota.invariants.draw import Draw

KEYS: tuple[Key, ...] = tuple((way, home) for home in ("K7QM", "9XTB", "guests") for way in ("down", "up"))


@dataclass(frozen=True)
class Message:
    """What an owner says at one moment."""

    stamp: Stamp
    rows: dict[Key, int]
    whole: bool

    @property
    def held(self) -> Held[Key]:
        """Return it as a state."""
        return told(self.stamp, self.rows, whole=self.whole)


@dataclass(frozen=True)
class Talk:
    """All messages of an owner, numbered over its boots, and the order in which they arrive, some more than once."""

    messages: tuple[Message, ...]
    arrival: tuple[int, ...]

    @property
    def heard(self) -> list[Held[Key]]:
        """Return them as they arrive."""
        return [self.messages[number].held for number in self.arrival]


def build(raw: bytes) -> Talk:
    """Return the talk that these choices make."""
    draw = Draw(raw)
    boot, number, messages = 1, 0, []
    for _ in range(1 + draw.below(8)):
        boot, number = (boot + 1, 1) if draw.rarely(5) else (boot, number + 1)
        rows = {draw.pick(KEYS): draw.below(100) for _ in range(draw.below(4))}
        messages.append(Message((boot, number), rows, draw.rarely(3)))
    waiting = sorted([*range(len(messages)), *(draw.below(len(messages)) for _ in range(draw.below(6)))])
    arrival = tuple(waiting.pop(draw.below(len(waiting))) for _ in range(len(waiting)))
    return Talk(tuple(messages), arrival)


@st.composite
def talks(draw: st.DrawFn) -> Talk:
    """Draw a talk."""
    return build(draw(st.binary(min_size=96, max_size=96)))


def all_of(states: list[Held[Key]], by: Algorithm) -> Held[Key]:
    """Return what somebody holds who has heard these one after the other."""
    return reduce(by.join, states, Held())


def truth(talk: Talk) -> Held[Key]:
    """Return what the owner means: the newest figure of each row since its newest whole message, that one included."""
    whole = max((m.stamp for m in talk.messages if m.whole), default=(0, 0))
    rows: dict[Key, tuple[Stamp, int]] = {}
    for message in talk.messages:
        if message.stamp >= whole:
            rows |= {key: (message.stamp, figure) for key, figure in message.rows.items()}
    return Held(rows, whole)


def any_order_gives_the_truth(talk: Talk, by: Algorithm) -> None:
    """Any order, repetition and interleaving of all messages gives each row's newest figure."""
    assert all_of(talk.heard, by) == truth(talk)


def merging_commutes(talk: Talk, by: Algorithm) -> None:
    """Two states give the same, whichever is taken first."""
    half = len(talk.arrival) // 2
    one, other = all_of(talk.heard[:half], by), all_of(talk.heard[half:], by)
    assert by.join(one, other) == by.join(other, one)


def merging_is_associative(talk: Talk, by: Algorithm) -> None:
    """What two heard from each other before they met a third changes nothing."""
    third = len(talk.arrival) // 3
    one, two, three = (
        all_of(part, by) for part in (talk.heard[:third], talk.heard[third : 2 * third], talk.heard[2 * third :])
    )
    assert by.join(by.join(one, two), three) == by.join(one, by.join(two, three))


def merging_is_idempotent(talk: Talk, by: Algorithm) -> None:
    """Hearing again what is known changes nothing, the whole of it or any message."""
    held = all_of(talk.heard, by)
    assert by.join(held, held) == held
    assert all(by.join(held, message) == held for message in talk.heard)
