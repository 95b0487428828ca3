"""Links between nodes: what each end last said, and what both together mean. Pure.

Each end tells its own view in its own report, so the two are never of one moment, and one may be missing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from typing import Literal

from meshctl.wire import LinkState

UNREACHABLE = 65535
POOR_SHARE = 0.75
"""Below this share of hellos heard a link is poor."""

SETTLING_SECONDS = 120
"""A link that just came has not had its sixteen hellos, and the far end may not have told of it yet."""

GONE_SECONDS = 86_400
"""How long a link that is down is still shown."""

LinkKey = tuple[str, str]
LinkHealth = Literal["fine", "new", "poor", "down", "unknown"]


@dataclass(frozen=True)
class HeldLink:
    """A link as ``node`` last told it; one that it no longer tells is not ``up``.

    ``since`` is when ``up`` last changed, ``poor`` when too few hellos began to be heard, in seconds since 1970;
    one that was poor when it went down stays so until it is heard well.
    """

    node: str
    far: str
    device: str
    reach: float
    cost: int
    rtt_ms: float | None
    up: bool
    since: float
    poor: float | None = None


@dataclass(frozen=True)
class End:
    """One end's view: the share of the other's hellos that ``node`` hears, and its cost of sending to it."""

    node: str
    heard: float
    cost: int
    rtt_ms: float | None


@dataclass(frozen=True)
class LinkView:
    """Two nodes and what is between them. ``since`` is when its state began; ``remark`` is for people.

    ``ends`` has the view of each node that hears the other now, in the order of ``nodes``. ``quiet`` are
    nodes whose last word was that the link is there, and too long ago to count.
    """

    nodes: tuple[str, str]
    state: LinkHealth
    since: float
    ends: tuple[End | None, End | None]
    remark: str = ""
    quiet: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """How people call it."""
        return " \N{EN DASH} ".join(self.nodes)


def follow(
    known: Mapping[LinkKey, HeldLink], node: str, told: Iterable[LinkState], at: float
) -> dict[LinkKey, HeldLink]:
    """Return the links of ``node`` after a newer report, made at ``at``, that has those it was told."""
    news = {(link.to, link.device): link for link in told}
    return {key: _held(node, key, known.get(key), news.get(key), at) for key in sorted({*known, *news})}


def _held(node: str, key: LinkKey, before: HeldLink | None, link: LinkState | None, at: float) -> HeldLink:
    reach, cost, rtt = (link.reach, link.cost, link.rtt_ms) if link else (0.0, UNREACHABLE, None)
    up = reach > 0 and cost < UNREACHABLE
    now = HeldLink(node, *key, reach, cost, rtt, up, since=at)
    if before and before.up == up:
        now = replace(now, since=before.since)
    return replace(now, poor=_poor_since(now, before, at))


def _poor_since(now: HeldLink, before: HeldLink | None, at: float) -> float | None:
    """Since when too few hellos are heard; one that comes and goes is poor all the while.

    One hello missed is much of the first few, so a link that just came is poor only if it stays so.
    """
    if not now.up:
        return before.poor if before else None
    if before is None or now.reach >= POOR_SHARE:
        return None
    if not before.up and at - before.since >= SETTLING_SECONDS:
        return None
    if before.poor is not None:
        return before.poor
    if not before.up:
        return before.since
    return at if before.reach >= POOR_SHARE or at - now.since >= SETTLING_SECONDS else None


def merge(
    held: Iterable[HeldLink], telling: Mapping[str, float], known: AbstractSet[str], now: float
) -> list[LinkView]:
    """Both ends' views as one, by name.

    ``telling`` has the nodes that lately told their links, and when. Links with a node that is not
    ``known`` are left out, and so are those that nobody has heard for a day.
    """
    pairs: dict[tuple[str, str], list[HeldLink]] = {}
    for link in held:
        if {link.node, link.far} <= known:
            low, high = sorted((link.node, link.far))
            pairs.setdefault((low, high), []).append(link)
    views = (_view(nodes, pairs[nodes], telling, now) for nodes in sorted(pairs))
    return [view for view in views if view.ends != (None, None) or now - view.since < GONE_SECONDS]


@dataclass(frozen=True)
class _Side:
    """One node's word, ``told`` when: ``best`` is its link if it has one, ``changed`` when that began or ended."""

    best: HeldLink | None
    changed: float | None
    told: float | None


def _side(links: Sequence[HeldLink], told: float | None) -> _Side:
    best = _best(links)
    changed = best.since if best else max((link.since for link in links), default=None)
    return _Side(best, changed, told)


def _unless_outdated(side: _Side, other: _Side) -> _Side:
    """What a node said before the far end saw a change is no news of now: it has not spoken."""
    if side.told is not None and other.told is not None and side.told < min(other.told, other.changed or 0.0):
        return replace(side, told=None)
    return side


def _view(nodes: tuple[str, str], held: Sequence[HeldLink], telling: Mapping[str, float], now: float) -> LinkView:
    left, right = (_side([link for link in held if link.node == node], telling.get(node)) for node in nodes)
    sides = (_unless_outdated(left, right), _unless_outdated(right, left))
    spoke = [side for side in sides if side.told is not None]
    heard = [side.best for side in spoke if side.best]
    lost = [side.changed for side in spoke if side.changed is not None and not side.best]
    first, second = (_end(side.best) if side.told is not None else None for side in sides)
    ends = (first, second)
    if lost:
        quiet = tuple(node for node, side in zip(nodes, sides, strict=True) if side.told is None and side.best)
        return LinkView(nodes, "down", min(lost), ends, _who_hears(heard), quiet)
    if not heard:
        return LinkView(nodes, "unknown", max(link.since for link in held), ends)
    since = max(link.since for link in heard)
    fresh = now - since < SETTLING_SECONDS
    if len(heard) < len(spoke):
        return LinkView(nodes, "new" if fresh else "down", since, ends, "" if fresh else _who_hears(heard))
    poor = [link.poor for link in heard if link.poor is not None]
    remark = f"{heard[0].far} does not tell" if heard[0].far not in telling else ""
    if poor:
        return LinkView(nodes, "poor", min(poor), ends, remark)
    unconfirmed = len(heard) == 1 and not remark
    settling = fresh and (unconfirmed or min(link.reach for link in heard) < POOR_SHARE)
    return LinkView(nodes, "new" if settling else "fine", since, ends, remark)


def _best(links: Iterable[HeldLink]) -> HeldLink | None:
    """Of several devices towards one node, babel uses the one of least cost."""
    return min((link for link in links if link.up), key=lambda one: (one.cost, -one.reach, one.device), default=None)


def _end(best: HeldLink | None) -> End | None:
    return End(best.node, best.reach, best.cost, best.rtt_ms) if best else None


def _who_hears(heard: Sequence[HeldLink]) -> str:
    return f"{heard[0].node} hears {heard[0].far}, but not the other way round" if heard else ""


@dataclass(frozen=True)
class Witness:
    """What the other nodes say of one: who ``hears`` it, and who ``lost`` it, since when at the latest.

    ``quiet`` says that the node itself has not spoken since any of them lost it.
    """

    hears: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()
    since: float | None = None
    quiet: bool = True


def witnesses(views: Iterable[LinkView]) -> dict[str, Witness]:
    """Return what the far ends of each node's links say of it, whatever the node itself does."""
    found: dict[str, Witness] = {}
    for view in views:
        for name, far, end in zip(view.nodes, reversed(view.nodes), reversed(view.ends), strict=True):
            known = found.get(name, Witness())
            if end:
                known = replace(known, hears=(*known.hears, far))
            elif view.state == "down":
                since = max(known.since or view.since, view.since)
                quiet = known.quiet and name in view.quiet
                known = replace(known, lost=(*known.lost, far), since=since, quiet=quiet)
            found[name] = known
    return found
