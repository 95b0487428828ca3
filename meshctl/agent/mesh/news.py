"""What a gateway tells the nodes behind it of its line, so that every my-share page says what is true there."""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import dataclass, field
from typing import Any

from meshctl.agent.mesh import standing
from meshctl.agent.mesh.channel import ChannelError, Message
from meshctl.agent.mesh.shapes import integer, number, rows
from meshctl.model import DIRECTIONS, Direction, Policy
from meshctl.quota.plan import Plan
from meshctl.quota.usage import Memory
from meshctl.wire import LineView, Slice, WireError, as_table, line_view

FRESH = 60.0
"""Seconds for which a gateway's news are believed."""

_MOST = 8192


@dataclass(frozen=True)
class News:
    """One gateway's line at ``heard`` (monotonic seconds); slices by mark and direction.

    ``memory`` is what the line remembers of the households behind this node, by mark, and the gateway's policy.
    """

    view: LineView
    homes: int
    guests: int
    heard: float
    slices: Mapping[str, Mapping[Direction, Slice]] = field(default_factory=dict)
    memory: tuple[Memory, Policy] | None = None


class Heard:
    """The newest news of each gateway."""

    def __init__(self) -> None:
        self._news: dict[str, News] = {}

    def take(self, gateway: str, message: dict[str, Any], now: float) -> None:
        """Take a gateway's message in. Raises `ChannelError`."""
        self._news[gateway] = from_wire(message, now)

    def keep(self, names: Container[str]) -> None:
        """Forget what nodes said that are not among these."""
        self._news = {name: one for name, one in self._news.items() if name in names}

    def in_use(self, gateway: str | None, now: float) -> News | None:
        """Return the news of the gateway that the routes lead to, of any where that is not known; ``None`` if stale."""
        fresh = {name: one for name, one in self._news.items() if now - one.heard < FRESH}
        return next(iter(fresh.values()), None) if gateway is None else fresh.get(gateway)


def slices_of(plan: Plan, marks: Mapping[str, int], used: Mapping[tuple[Direction, int], int]) -> list[list[Any]]:
    """Return rows of mark, then assured, ceiling (bit/s) and bytes used for each direction."""
    found = []
    for mark, number_here in marks.items():
        row: list[Any] = [mark]
        for direction in DIRECTIONS:
            leaf = plan.trees[direction].leaves.get(number_here)
            rate, ceil = (leaf.rate * 1000, leaf.ceil * 1000) if leaf else (0, 0)
            row += [rate, ceil, used.get((direction, number_here), 0)]
        found.append(row)
    return found


def to_wire(view: LineView, plan: Plan, slices: list[list[Any]], memory: Message | None) -> Message:
    """Return the message for one node."""
    told = {"line": as_table(view), "homes": plan.homes, "guests": plan.guests, "slices": slices, "memory": memory}
    return {"kind": "line", **told}


def from_wire(message: dict[str, Any], now: float) -> News:
    """Read a gateway's message. Raises `ChannelError`."""
    try:
        view = line_view(message)
    except WireError as fault:
        raise ChannelError("garbage", str(fault)) from None
    if view is None:
        raise ChannelError("garbage", "a message about a line has none")
    slices = {str(row[0]): _slices(row) for row in rows(message, "slices", _MOST) if _is_row(row)}
    memory = standing.from_wire(message.get("memory"))
    return News(view, integer(message, "homes"), integer(message, "guests"), now, slices, memory)


def _is_row(row: object) -> bool:
    return isinstance(row, list) and len(row) == 7 and isinstance(row[0], str)


def _slices(row: list[Any]) -> dict[Direction, Slice]:
    found: dict[Direction, Slice] = {}
    for at, direction in enumerate(DIRECTIONS):
        rate, ceil, used = ({"n": value} for value in row[1 + 3 * at : 4 + 3 * at])
        found[direction] = Slice(number(rate, "n"), number(ceil, "n"), integer(used, "n"))
    return found
