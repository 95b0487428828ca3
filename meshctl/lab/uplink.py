"""A gateway's line: a cable from the node to the internet, the addresses on it and the routes back."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass

from meshctl.lab import kernel
from meshctl.lab.kernel import ip
from meshctl.lab.tables import INTERNET, NodeTable

DEVICE = "wan0"
_OWN, _FALLBACK = 100, 200


@dataclass(frozen=True)
class WayBack:
    """A prefix that the internet reaches by an uplink; the lowest metric that stands is taken."""

    prefix: str
    metric: int


def ways_back(nodes: Sequence[NodeTable]) -> dict[str, list[WayBack]]:
    """By gateway: every node's IPv6 prefix comes by its own uplink, else by the first gateway that is there."""
    gateways = [node.name for node in nodes if node.uplink]
    return {
        gateway: [
            WayBack(
                str(ipaddress.ip_interface(node.ipv6).network),
                _OWN if node.name == gateway else _FALLBACK + order,
            )
            for node in nodes
        ]
        for order, gateway in enumerate(gateways)
    }


class Uplink:
    """The line of the node that is ``number`` in the topology. ``cut`` outlasts the node's power."""

    def __init__(self, node: str, number: int, ways: Sequence[WayBack]) -> None:
        self.node, self.ways, self.cut = node, ways, False
        self.far = f"up{number}"
        self._four, self._six = f"198.18.{number}", f"2001:db8:ffff:{number}:"
        self._hardware = f"02:4d:{number:02x}:02:00"

    def plug(self, offloads: bool) -> None:
        """Lay the cable to a node that has just been made."""
        near = f"name {DEVICE} address {self._hardware}:01 netns {self.node}"
        ip([f"link add {self.far} address {self._hardware}:02 netns {INTERNET} type veth peer {near}"])
        for member, device in ((INTERNET, self.far), (self.node, DEVICE)):
            with kernel.inside_net(member):
                # Nobody else is on this cable: else its ends ask for a second if their addresses are free (RFC 4862),
                # and cannot answer each other meanwhile.
                kernel.write_sysctl(f"net.ipv6.conf.{device}.accept_dad", "0")
                if not offloads:
                    kernel.switch_offloads_off(device)
        ip(
            [
                f"link set {DEVICE} up",
                f"addr add {self._four}.2/30 dev {DEVICE}",
                f"addr add {self._six}:2/64 dev {DEVICE} nodad",
            ],
            self.node,
        )
        ip([f"addr add {self._four}.1/30 dev {self.far}"], INTERNET)
        if not self.cut:
            self._connect()

    def unplug(self) -> None:
        """Take the cable away; the internet forgets its routes by it."""
        ip([f"link del {self.far}"], INTERNET)

    def pull(self, *, powered: bool) -> None:
        """Let the cable carry nothing.

        Without carrier the node's default routes go, as a DHCP client or a modem's hook takes them away.
        """
        if powered and not self.cut:
            ip([f"link set {self.far} down"], INTERNET)
            ip([f"route del {route}" for route in self._routes], self.node)
        self.cut = True

    def heal(self, *, powered: bool) -> None:
        """Let the cable carry again."""
        if powered and self.cut:
            self._connect()
        self.cut = False

    @property
    def _routes(self) -> list[str]:
        return [f"default via {self._four}.1 dev {DEVICE}", f"default via {self._six}:1 dev {DEVICE}"]

    def _connect(self) -> None:
        back = [f"route add {w.prefix} via {self._six}:2 dev {self.far} metric {w.metric}" for w in self.ways]
        ip([f"link set {self.far} up", f"addr add {self._six}:1/64 dev {self.far} nodad", *back], INTERNET)
        ip([f"route add {route}" for route in self._routes], self.node)
