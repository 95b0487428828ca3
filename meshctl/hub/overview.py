"""Everything that the hub's pages say, as values: read once from store and roster, then only shown."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from meshctl.commons.publication import Figures
from meshctl.hub.drawing import Drawing, Spot, draw
from meshctl.hub.incidents import Incident, State, list_incidents, say_state, state_of
from meshctl.hub.latest import HOUR, PAUSE_DAYS, Counter, Standing
from meshctl.hub.links import HeldLink, LinkView, merge
from meshctl.hub.roster import Roster
from meshctl.hub.store import Store

PUBLIC_DAYS = 7


@dataclass(frozen=True)
class NodeView:
    """A node on the list. ``since`` is when its state began: for a node that is up, when it started.

    ``uncertainty`` is in seconds; it is there when the node's clock is not trusted.
    """

    name: str
    state: State
    fine: bool
    since: float | None
    uncertainty: float | None
    standing: Standing | None


@dataclass(frozen=True)
class Overview:
    """The fleet at one moment."""

    at: float
    sentence: str
    incidents: tuple[Incident, ...]
    nodes: tuple[NodeView, ...]
    lines: tuple[Counter, ...]
    links: tuple[LinkView, ...]
    drawing: Drawing | None
    refused: dict[str, int]
    pauses: int
    pauses_now: int

    def as_table(self) -> dict[str, Any]:
        """Plain values for scripts."""
        return {
            "at": self.at,
            "sentence": self.sentence,
            "incidents": [asdict(incident) for incident in self.incidents],
            "lines": [{"node": counter.node, **asdict(counter.total)} for counter in self.lines],
            "links": [asdict(link) for link in self.links],
            "nodes": [node_table(node) for node in self.nodes],
            "pauses": {f"last_{PAUSE_DAYS}_days": self.pauses, "now": self.pauses_now},
            "refused": self.refused,
        }


def node_table(node: NodeView) -> dict[str, Any]:
    """One node for scripts; a node that never reported has only its name and state."""
    head = {"name": node.name, "state": node.state, "fine": node.fine, "since": node.since}
    if node.standing is None:
        return head
    held = asdict(node.standing)
    del held["key"], held["name"]
    return {**head, "uncertainty": node.uncertainty, **held}


def look(store: Store, roster: Roster, pending: dict[str, int], now: float) -> Overview:
    """Read the fleet. Only nodes on the roster are shown."""
    names = sorted(roster.keys())
    standings = {standing.name: standing for standing in store.standings()}
    repaired = {
        name: standings[name].repairs - fewest
        for name, fewest in store.fewest_repairs(now - HOUR).items()
        if name in standings
    }
    held = store.links()
    links = merge(held, _telling(held, standings, now), set(names), now)
    incidents = list_incidents(names, standings, repaired, now, links)
    if fault := roster.fault():
        reason = "Reports are believed only from the nodes that the last good list had."
        incidents.insert(0, Incident("stop", "", "The list of nodes cannot be used", reason, fault))
    troubled = {incident.node for incident in incidents}
    nodes = tuple(_view(name, standings.get(name), name not in troubled, now) for name in names)
    return Overview(
        at=now,
        sentence=say_state(len(nodes), sum(node.fine for node in nodes), len(incidents)),
        incidents=tuple(incidents),
        nodes=nodes,
        lines=tuple(_current(store.counters(), standings, names)),
        links=tuple(links),
        drawing=draw([_spot(node) for node in nodes], links),
        refused=_sum(store.refusals(), pending),
        pauses=store.pauses(now),
        pauses_now=sum(one.standing.pauses_now for one in nodes if one.standing and one.state != "offline"),
    )


def figures(store: Store, overview: Overview) -> Figures:
    """The exact totals that `meshctl.commons.publication` makes publishable."""
    heard = [node.standing for node in overview.nodes if node.standing and node.state in {"fine", "late"}]
    up = {standing.name for standing in heard}
    capacity = {"down": 0.0, "up": 0.0}
    for counter in overview.lines:
        if counter.node in up:
            capacity[counter.total.direction] += counter.total.capacity
    return Figures(
        nodes=len(overview.nodes),
        nodes_fine=len(heard),
        homes=sum(standing.homes for standing in heard),
        guests=sum(standing.guests for standing in heard),
        capacity_down=capacity["down"],
        capacity_up=capacity["up"],
        pauses=overview.pauses,
        pauses_now=overview.pauses_now,
        hours=store.hours(overview.at - PUBLIC_DAYS * 24 * HOUR),
    )


def note_presence(store: Store, roster: Roster, now: float) -> None:
    """This hour knows how many homes and guests the whole network has now."""
    known = roster.keys()
    heard = [one for one in store.standings() if one.name in known and state_of(one, now) == "fine"]
    if heard:
        store.note_presence(now, sum(one.homes + one.guests for one in heard))


def _view(name: str, standing: Standing | None, untroubled: bool, now: float) -> NodeView:
    state = state_of(standing, now)
    if standing is None:
        return NodeView(name, state, fine=False, since=None, uncertainty=None, standing=None)
    since = standing.received - standing.monotonic if state == "fine" else standing.received
    uncertainty = None if standing.trusted else standing.gap or 0.0
    return NodeView(name, state, untroubled and state == "fine", since, uncertainty, standing)


def _spot(node: NodeView) -> Spot:
    gateway = node.standing is not None and node.standing.gateway == node.name
    if node.state == "offline":
        return Spot(node.name, "stop", "offline", gateway)
    if node.standing is None:
        return Spot(node.name, "soft", "not heard yet", gateway)
    if not node.fine:
        return Spot(node.name, "sun", "late" if node.state == "late" else "look", gateway)
    return Spot(node.name, "leaf", "gateway" if gateway else "", gateway)


def _current(counters: list[Counter], standings: dict[str, Standing], names: list[str]) -> list[Counter]:
    """Lines that the node's newest report still had."""
    oldest = {name: standings[name].order for name in names if name in standings}
    return [
        counter
        for counter in counters
        if counter.node in oldest and (counter.boot, counter.sequence) >= oldest[counter.node]
    ]


def _telling(held: Iterable[HeldLink], standings: Mapping[str, Standing], now: float) -> dict[str, float]:
    """Nodes of a mesh that lately told their links, and when; one of an older version says nothing of a mesh."""
    told = {link.node for link in held}
    return {
        name: one.received
        for name, one in standings.items()
        if state_of(one, now) == "fine" and one.tells_links and ("babel" in one.facts or name in told)
    }


def _sum(one: dict[str, int], other: dict[str, int]) -> dict[str, int]:
    return {reason: one.get(reason, 0) + other.get(reason, 0) for reason in sorted({*one, *other})}
