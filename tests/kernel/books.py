"""What the gateway's kernel has counted, so that every frame can be accounted for."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

from meshctl.agent.funnel import facing_devices
from meshctl.agent.kernel import shaped_devices
from meshctl.model import DIRECTIONS, Direction
from meshctl.quota.meter import Count
from meshctl.quota.plan import GUEST_POOL, HOMES, ROOT
from tests.kernel.agents import Agent
from tests.kernel.terrace import Terrace


@dataclass(frozen=True)
class Page:
    """One direction: the counts of its classes, packets that HTB let pass by them, and packets of the node itself.

    ``given`` is how many packets left with each leaf as their class, by number, as nft counts them.
    """

    classes: dict[int, Count]
    direct: int
    own: int
    given: dict[int, int]

    def root(self) -> int:
        """Return the bytes that the line has carried."""
        return self.classes[ROOT].sent

    def leaves(self) -> dict[int, Count]:
        """Return the classes that packets are in."""
        return {number: count for number, count in self.classes.items() if number not in (ROOT, HOMES, GUEST_POOL)}


Books = dict[Direction, Page]


def read_books(terrace: Terrace, gate: Agent) -> Books:
    """Return what was counted so far."""
    state = gate.do(gate.kernel.read)
    own = _own(terrace)
    books: Books = {}
    for direction in DIRECTIONS:
        device = shaped_devices(gate.config)[direction]
        shown = terrace.at_gate(f"tc -s qdisc show dev {device}")
        direct = re.search(r"^qdisc htb .* direct_packets_stat (\d+)", shown)
        assert direct, shown
        counts = {number: one.count for number, one in state.trees[direction].classes.items()}
        devices = {"down": {device, *facing_devices(gate.config)}, "up": {device}}[direction]
        sent = sum(own.get(one, 0) for one in devices)
        books[direction] = Page(counts, int(direct[1]), sent, _given(terrace, devices))
    return books


def _given(terrace: Terrace, devices: set[str]) -> dict[int, int]:
    listing = json.loads(terrace.at_gate("nft -j list set inet own given"))["nftables"][1]["set"]
    found: dict[int, int] = {}
    for entry in listing.get("elem", []):
        device, priority = entry["elem"]["val"]["concat"]
        major, _, minor = str(priority).partition(":")
        if device in devices and major == "1" and minor:
            number = int(minor, 16)
            found[number] = found.get(number, 0) + entry["elem"]["counter"]["packets"]
    return found


def _own(terrace: Terrace) -> dict[str, int]:
    listing = json.loads(terrace.at_gate("nft -j list set inet own own"))["nftables"][1]["set"]
    return {entry["elem"]["val"]: entry["elem"]["counter"]["packets"] for entry in listing.get("elem", [])}
