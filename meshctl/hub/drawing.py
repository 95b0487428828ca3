"""Where nodes and links go in the dashboard's picture. Pure: the same network is drawn the same way each time.

Nodes stand on an ellipse in the order of a walk along their links that begins at a gateway, so that a
ring is drawn as a ring and no link ever passes through a third node.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from meshctl.hub.links import LinkHealth, LinkView

MOST_NODES = 24
"""More do not fit with their names."""

_WIDTH = 300
_SIDE = 74
_LONGEST = 9
_LINE = 14


@dataclass(frozen=True)
class Spot:
    """How a node is to be drawn: ``mark`` is the class of its colour, ``word`` says what the colour means."""

    name: str
    mark: str
    word: str
    gateway: bool


@dataclass(frozen=True)
class Dot:
    """A node in the picture, with its label beside it, away from the middle."""

    name: str
    label: str
    mark: str
    word: str
    gateway: bool
    x: int
    y: int
    label_x: int
    label_y: int
    anchor: str


@dataclass(frozen=True)
class Stroke:
    """A link in the picture; ``word`` stands at (``x``, ``y``), the middle of it, and is empty where all is well."""

    name: str
    state: LinkHealth
    word: str
    x1: int
    y1: int
    x2: int
    y2: int
    x: int
    y: int


@dataclass(frozen=True)
class Drawing:
    """The picture, in units of its own, from ``top`` down."""

    width: int
    top: int
    height: int
    dots: tuple[Dot, ...]
    strokes: tuple[Stroke, ...]


def draw(spots: Sequence[Spot], links: Sequence[LinkView]) -> Drawing | None:
    """Place nodes and links; ``None`` where there is nothing to draw or too much."""
    if not links or len(spots) > MOST_NODES:
        return None
    by_name = {spot.name: spot for spot in spots}
    order = _walk(by_name, links)
    tall = min(36 + 6 * len(order), 180)
    turn = math.pi if len(order) == 2 else -math.pi / 2
    dots: dict[str, Dot] = {}
    for number, name in enumerate(order):
        angle = turn + 2 * math.pi * number / len(order)
        dots[name] = _dot(by_name[name], math.cos(angle), math.sin(angle), tall)
    strokes = (_stroke(link, dots[link.nodes[0]], dots[link.nodes[1]]) for link in links)
    top = min(min(dot.y - 14, dot.label_y - _LINE) for dot in dots.values())
    bottom = max(max(dot.y + 14, dot.label_y + 6 + (_LINE if dot.word else 0)) for dot in dots.values())
    return Drawing(_WIDTH, top, bottom - top, tuple(dots.values()), tuple(strokes))


def _dot(spot: Spot, across: float, down: float, tall: int) -> Dot:
    x, y = round(_WIDTH / 2 + _SIDE * across), round(tall * down)
    label = spot.name if len(spot.name) <= _LONGEST else f"{spot.name[: _LONGEST - 1]}…"
    if abs(across) < 0.1:
        below = down > 0
        lift = _LINE if spot.word else 0
        at = (x, y + 26 if below else y - 18 - lift, "middle")
    else:
        outward = 1 if across > 0 else -1
        at = (x + 17 * outward, y + 4, "start" if across > 0 else "end")
    return Dot(spot.name, label, spot.mark, spot.word, spot.gateway, x, y, *at)


def _stroke(link: LinkView, one: Dot, other: Dot) -> Stroke:
    word = {"down": "×", "unknown": "?"}.get(link.state, "")  # noqa: RUF001  # a cross, not a letter
    if link.state == "poor":
        word = f"{min(end.heard for end in link.ends if end) * 100:.0f} %"
    x, y = (one.x + other.x) // 2, (one.y + other.y) // 2
    return Stroke(link.name, link.state, word, one.x, one.y, other.x, other.y, x, y)


def _walk(spots: Mapping[str, Spot], links: Iterable[LinkView]) -> list[str]:
    """Every node once: along links as far as they lead, from gateways first."""
    beside: dict[str, set[str]] = {name: set() for name in spots}
    for link in links:
        one, other = link.nodes
        beside[one].add(other)
        beside[other].add(one)
    order: list[str] = []
    seen: set[str] = set()
    for start in sorted(spots, key=lambda name: (not spots[name].gateway, name)):
        waiting = [start]
        while waiting:
            name = waiting.pop()
            if name not in seen:
                seen.add(name)
                order.append(name)
                waiting += sorted(_unseen(beside[name], seen), reverse=True)
    return order


def _unseen(names: Iterable[str], seen: AbstractSet[str]) -> list[str]:
    return [name for name in names if name not in seen]
