"""Phones come to nodes and leave them: a phone's eth0 stays, only the port it is plugged into moves.

Ports that are plugged into no node lie in the lab's own namespace; their phones have no carrier.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from meshctl.lab.kernel import ip
from meshctl.lab.node import Node
from meshctl.lab.papers import BRIDGE
from meshctl.lab.phone import Phone

_FIRST = 1
"""The process whose network namespace is the lab's own: the lab's first."""


def depart(phones: Sequence[Phone]) -> None:
    """Unplug phones from their nodes."""
    by_node: dict[str, list[Phone]] = {}
    for phone in phones:
        if phone.associated:
            by_node.setdefault(phone.node.name, []).append(phone)
    for node, leaving in by_node.items():
        ip([f"link set {phone.port} netns {_FIRST}" for phone in leaving], node)
        for phone in leaving:
            phone.associated = False


def arrive(phones: Sequence[Phone], node: Node, others: Iterable[Phone]) -> None:
    """Plug phones that are nowhere into a node, isolated from each other. ``others`` are all that the lab has."""
    ip([f"link set {phone.port} netns {node.name}" for phone in phones])
    lines = []
    for phone in phones:
        lines += [f"link set {phone.port} master {BRIDGE} up", f"link set {phone.port} type bridge_slave isolated on"]
    ip(lines, node.name)
    taken = {other.place for other in others if other.associated and other.node is node}
    free = (number for number in range(len(taken) + len(phones)) if number not in taken)
    for phone, place in zip(phones, free, strict=False):
        phone.node, phone.associated, phone.place = node, True, place
