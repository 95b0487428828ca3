"""What needs a maintainer, and in which order. Pure: computed from what was received and when."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from meshctl.hub.latest import Standing, is_failing

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
    names: Iterable[str], standings: Mapping[str, Standing], repaired: Mapping[str, int], now: float
) -> list[Incident]:
    """Everything that needs somebody, the most urgent first. ``repaired`` counts repairs of the last hour."""
    found: list[Incident] = []
    for name in names:
        standing = standings.get(name)
        found += _silence(name, standing, now)
        if standing and state_of(standing, now) != "offline":
            found += _failing_facts(standing)
            found += _repairs(name, repaired.get(name, 0))
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


def in_words(count: int) -> str:
    """A small number as people write it."""
    words = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
    return words[count] if count < len(words) else str(count)


def _silence(name: str, standing: Standing | None, now: float) -> Iterable[Incident]:
    state = state_of(standing, now)
    if state == "unheard":
        reason = "It is on the list, and no report signed by its key has come."
        remedy = "Start its agent; check report.hub on the node, and that its node.pub is what the list has."
        yield Incident("sun", name, "has never reported", reason, remedy)
    elif standing and standing.received > now:
        reason = "Its last report came at a time that is still ahead: the hub's own clock went back."
        yield Incident("sun", name, "cannot be judged", reason, "Set the hub's clock; the next report puts this right.")
    elif standing and state == "late":
        reason = "No report for three minutes. One that was only delayed comes by itself."
        remedy = "Nothing yet: after ten minutes it counts as offline."
        yield Incident("sun", name, "is late", reason, remedy, standing.received)
    elif standing and state == "offline":
        reason = "No report for ten minutes: it has no power, or no way to the hub."
        remedy = (
            "Ask its host whether it has power, then whether its line works. Joined neighbours may still be online."
        )
        yield Incident("stop", name, "is offline", reason, remedy, standing.received)


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
