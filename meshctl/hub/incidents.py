"""What needs a maintainer, and in which order. Pure: computed from what was received and when."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from meshctl.hub.latest import Standing, is_failing
from meshctl.hub.links import End, LinkView, Witness, witnesses
from meshctl.hub.wording import percent

LATE_SECONDS = 180
OFFLINE_SECONDS = 600

_CLOCK_SLACK = 60

State = Literal["fine", "late", "offline", "unheard"]
Weight = Literal["stop", "sun"]


@dataclass(frozen=True)
class Incident:
    """One thing to do: ``stop`` is broken, ``sun`` wants a look. ``node`` is empty for the hub itself.

    ``since`` is in seconds since 1970; ``uncertainty`` is how many seconds earlier it may have begun.
    """

    weight: Weight
    node: str
    headline: str
    reason: str
    remedy: str
    since: float | None = None
    uncertainty: float = 0.0


def state_of(standing: Standing | None, now: float) -> State:
    """How a node is, by when the hub last heard of it.

    A receipt in the future means that the hub's own clock went back: nobody knows, so the node is late.
    """
    if standing is None:
        return "unheard"
    age = now - standing.received
    if age >= OFFLINE_SECONDS:
        return "offline"
    return "late" if age >= LATE_SECONDS or age < -_CLOCK_SLACK else "fine"


def list_incidents(
    names: Sequence[str],
    standings: Mapping[str, Standing],
    repaired: Mapping[str, int],
    now: float,
    links: Sequence[LinkView] = (),
) -> list[Incident]:
    """Everything that needs somebody, the most urgent first. ``repaired`` counts repairs of the last hour."""
    found: list[Incident] = []
    silent: set[str] = set()
    others = witnesses(links)
    for name in names:
        standing = standings.get(name)
        silence = list(_silence(name, standing, others.get(name, Witness()), now))
        found += silence
        silent |= {name} if silence else set()
        if standing and state_of(standing, now) != "offline":
            found += _failing_facts(standing)
            found += _repairs(name, repaired.get(name, 0))
    # A node that is away takes its links and its way out with it: that is one thing to do, not many.
    found += _broken_links(view for view in links if silent.isdisjoint(view.nodes))
    found += _no_way_out([standings[name] for name in names if name in standings and name not in silent])
    order = {"stop": 0, "sun": 1}
    return sorted(found, key=lambda one: (order[one.weight], one.since or now, one.node, one.headline))


def say_state(nodes: int, fine: int, incidents: int) -> str:
    """The one sentence that a maintainer reads first."""
    if nodes == 0 and incidents == 0:
        return "No node is on the list yet."
    if incidents == 0:
        return {1: "The one node is fine.", 2: "Both nodes are fine."}.get(nodes, f"All {nodes} nodes are fine.")
    needs = "One thing needs you." if incidents == 1 else f"{in_words(incidents).capitalize()} things need you."
    if nodes == 0:
        return f"{needs} No node is on the list yet."
    if fine == nodes:
        return f"{needs} All nodes report."
    if nodes == 1:
        return needs
    return f"{needs} {fine or 'None'} of {nodes} nodes {'is' if fine < 2 else 'are'} fine."


def list_names(names: Sequence[str]) -> str:
    """Name up to four, and how many more there are."""
    shown = [*names[:4], f"{len(names) - 4} more"] if len(names) > 5 else list(names)
    return " and ".join([", ".join(shown[:-1]), shown[-1]] if len(shown) > 1 else shown)


def in_words(count: int) -> str:
    """A small number as people write it."""
    words = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
    return words[count] if count < len(words) else str(count)


def _silence(name: str, standing: Standing | None, others: Witness, now: float) -> Iterable[Incident]:
    state = state_of(standing, now)
    if standing is None:
        reason = "It is on the list, and no report signed by its key has come."
        remedy = "Start its agent; check report.hub on the node, and that its node.pub is what the list has."
        yield Incident("sun", name, "has never reported", reason, remedy)
    elif standing.received > now:
        reason = "Its last report came at a time that is still ahead: the hub's own clock went back."
        yield Incident("sun", name, "cannot be judged", reason, "Set the hub's clock; the next report puts this right.")
    elif state == "offline":
        yield Incident("stop", name, "is offline", *_offline(others), standing.received)
    elif others.lost and others.quiet and not others.hears:
        reason = f"{list_names(others.lost)} heard it until then, and it has not reported since."
        remedy = "Ask its host whether it has power; then look at its cables or antennas."
        yield Incident("stop", name, "is cut off", reason, remedy, others.since)
    elif state == "late":
        reason = "No report for three minutes. One that was only delayed comes by itself."
        remedy = "Nothing yet: after ten minutes it counts as offline."
        yield Incident("sun", name, "is late", reason, remedy, standing.received)


def _offline(others: Witness) -> tuple[str, str]:
    """Reason and remedy: what the neighbouring nodes say tells a node without power from one that is only mute."""
    if others.hears:
        hear = "hears" if len(others.hears) == 1 else "hear"
        reason = f"No report for ten minutes, but {list_names(others.hears)} still {hear} it: it has power."
        return reason, 'Log in to it over the mesh and run "meshctl status": its agent, or its way to the hub, is ill.'
    if others.lost:
        hear = "hears" if len(others.lost) == 1 else "hear"
        reason = f"No report for ten minutes, and {list_names(others.lost)} no longer {hear} it: no power, or no link."
        return reason, "Ask its host whether it has power; then look at its cables or antennas."
    remedy = "Ask its host whether it has power, then whether its line works. Joined neighbours may still be online."
    return "No report for ten minutes: it has no power, or no way to the hub.", remedy


def _failing_facts(standing: Standing) -> Iterable[Incident]:
    uncertainty = 0.0 if standing.trusted else standing.gap or 0.0
    for fact, held in standing.facts.items():
        if is_failing(held):
            headline, remedy = _words_for(fact, standing.name)
            reason = f"{held.error.rstrip('.') or 'The node does not say why'}."
            yield Incident("sun", standing.name, headline, reason, remedy, held.since, uncertainty)


_FACTS = {
    "processor": ("is overloaded", 'Look at "top" on the node: something there is not ours, or it serves too many.'),
    "memory": ("is short of memory", "Restart the node at a quiet hour; if it comes back, report it with its version."),
    "disk": ("has trouble with its disk", "Free space or replace the card; the node serves on from memory until then."),
    "heat": ("is too hot", "Move the board out of the sun, or give its box a vent."),
    "power": ("has too weak a power supply", "Use the supply that belongs to the board, with a short cable."),
    "uplink": ("has lost its line", "Check the cable, then the line's modem, then call the provider."),
    "floor": (
        "cannot assure everybody the floor",
        "Nothing is broken: all floors are scaled down alike. A faster line or a second gateway would mend it.",
    ),
    "babel": (
        "does not hear its babeld",
        "Start babeld on the node and read its log; its links are not known until then.",
    ),
    "roster": (
        "has trouble with its roster",
        "Copy the community's newest roster to it, or enrol it if it is not on it.",
    ),
    "certificate": (
        "has a certificate that needs you",
        "Renew it and run the playbook, or mend what renews it: docs/captive.md. Joining works without one.",
    ),
    "isolation": (
        "lets neighbours reach each other past it",
        "Run the playbook again, or set the ports that it names apart by hand: docs/door.md.",
    ),
    "resolver": ("cannot look up names", "Restart dnsmasq on the node and read its log."),
    "rogue-dhcp": ("has a rival that gives out addresses", "Ask who plugged in a router there lately."),
    "rogue-ra": ("has a rival router", "Ask who plugged in a router there lately."),
    "address-conflict": ("sees two devices with one address", "Look for a device whose address was set by hand."),
}
"""What a fact that fails means, and what to do, by the names that nodes give their facts."""


def _words_for(fact: str, node: str) -> tuple[str, str]:
    if fact in _FACTS:
        return _FACTS[fact]
    remedy = f'Log in to {node} and run "meshctl status": it shows each fact with its remedy.'
    return f"has trouble with its {fact.replace('_', ' ').replace('-', ' ')}", remedy


def _repairs(name: str, count: int) -> Iterable[Incident]:
    if count:
        times = "once" if count == 1 else "twice" if count == 2 else f"{in_words(count)} times"
        headline = f"repaired its own rules {times} in the last hour"
        reason = "Something else on the board changes the firewall or the shaping. The node put it back."
        remedy = "Find the other program, such as a firewall service, and switch it off."
        yield Incident("sun", name, headline, reason, remedy)


def _broken_links(views: Iterable[LinkView]) -> Iterable[Incident]:
    for view in views:
        if view.state == "down":
            reason = f"{view.remark or 'Neither end hears the other'}. Traffic takes another way where there is one."
            remedy = "Look at the cable, or at both antennas and what stands between them."
            yield Incident("stop", "", f"The link {view.name} is down", reason, remedy, view.since)
        elif view.state == "poor":
            reason = f"{', '.join(_heard(view, end) for end in view.ends if end)}."
            remedy = "Look for a worn cable, or for what is new between the antennas; another channel may be emptier."
            yield Incident("sun", "", f"The link {view.name} is poor", reason, remedy, view.since)


def _heard(view: LinkView, end: End) -> str:
    far = view.nodes[1 - view.nodes.index(end.node)]
    return f"{end.node} hears {percent(end.heard)} of {far}'s greetings"


def _no_way_out(standings: Sequence[Standing]) -> Iterable[Incident]:
    """Nodes of a mesh that report but use no gateway; when that is all of them, it is one thing to do."""
    mesh = [one for one in standings if "babel" in one.facts and one.tells_links]
    without = [one for one in mesh if one.gateway is None]
    remedy = "Look at the gateways' lines and their babeld first, then at the links on the way."
    if len(without) > 1 and len(without) == len(mesh):
        reason = f"{list_names([one.name for one in without])} report, and none finds a way to the internet."
        since = max(one.gateway_since or one.received for one in without)
        yield Incident("stop", "", "No node has a gateway", reason, remedy, since)
        return
    for one in without:
        reason = "It reports, and finds no way to the internet. Its neighbours can join but not get out."
        yield Incident("stop", one.name, "has no gateway", reason, remedy, one.gateway_since)
