"""Which ways through the mesh should stand, and which do: read from the nodes' own routing tables."""

from __future__ import annotations

import ipaddress
import socket
import struct
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_REJECT = 0x0200
"""RTF_REJECT of linux/route.h."""

OUT4, OUT6 = ipaddress.IPv4Network("0.0.0.0/0"), ipaddress.IPv6Network("::/0")


@dataclass(frozen=True)
class Standing:
    """A node that has power: its prefixes, whether its own uplink carries, and the nodes its links lead to."""

    name: str
    prefixes: tuple[Network, ...]
    gateway: bool
    neighbours: frozenset[str]


def neighbourhoods(nodes: Iterable[Standing]) -> Iterator[list[Standing]]:
    """The nodes that can reach each other, group by group."""
    left = {node.name: node for node in nodes}
    while left:
        group, edge = [], [left.pop(next(iter(left)))]
        while edge:
            node = edge.pop()
            group.append(node)
            edge += [left.pop(name) for name in node.neighbours if name in left]
        yield group


def missing(nodes: Iterable[Standing], ways: Mapping[str, frozenset[Network]]) -> list[str]:
    """What the routing tables lack, in words. ``ways`` are the prefixes each node has a way to that carries."""
    lacks = []
    for group in neighbourhoods(nodes):
        leads_out = any(node.gateway for node in group)
        for node in group:
            known = ways[node.name]
            for other in group:
                lost = [prefix for prefix in other.prefixes if other is not node and prefix not in known]
                lacks += [f"{node.name} has no IPv{prefix.version} way to {other.name}" for prefix in lost]
            lost = [way for way in (OUT4, OUT6) if leads_out and way not in known]
            lacks += [f"{node.name} has no IPv{way.version} way out" for way in lost]
    return lacks


def read_ways(devices: Iterable[str], folder: Path = Path("/proc/thread-self/net")) -> frozenset[Network]:
    """The prefixes that this network namespace reaches by these devices (proc(5) net/route and net/ipv6_route)."""
    wanted = set(devices)
    found: set[Network] = set()
    for line in (folder / "route").read_text(encoding="ascii").splitlines()[1:]:
        device, target, _, flags, _, _, _, mask, *_ = line.split()
        if device in wanted and not int(flags, 16) & _REJECT:
            address = socket.inet_ntoa(struct.pack("=L", int(target, 16)))
            found.add(ipaddress.IPv4Network((address, int(mask, 16).bit_count())))
    for line in (folder / "ipv6_route").read_text(encoding="ascii").splitlines():
        target, length, *_, flags, device = line.split()
        if device in wanted and not int(flags, 16) & _REJECT:
            found.add(ipaddress.IPv6Network((int(target, 16), int(length, 16))))
    return frozenset(found)
