"""What befalls a neighbourhood: cables are cut, power goes, phones walk to the next node."""

from __future__ import annotations

from collections.abc import Sequence

from meshctl.lab.fault import LabError
from meshctl.lab.neighbourhood import Neighbourhood
from meshctl.lab.node import Node
from meshctl.lab.phone import Phone


class Mishaps:
    """Does to a neighbourhood what it is told. Raises `LabError`, before anything is done, where that cannot be."""

    def __init__(self, neighbourhood: Neighbourhood) -> None:
        self.hold = neighbourhood

    def link(self, a: str, b: str, change: str, percent: float, *, silent: bool) -> None:
        """Cut a link, heal it, or let it lose a percentage of the frames of either direction.

        A silent cut leaves both ends their carrier.
        """
        link = self.hold.wires.find(a, b)
        match change:
            case "cut":
                link.cut, link.silent = not silent, silent
            case "heal":
                link.cut, link.silent, link.loss = False, False, 0.0
            case "loss":
                if not 0 <= percent <= 100:
                    raise LabError(f"{percent:g} is no percentage: use 0 to 100.")
                link.loss = percent
            case _:
                raise LabError(f"{change!r} cannot be done to a link: use cut, heal or loss.")
        self.hold.wires.settle()

    def uplink(self, name: str, change: str) -> None:
        """Cut or heal a gateway's line to the internet."""
        node = self._node(name)
        if name not in self.hold.uplinks:
            raise LabError(f"{name} has no uplink: use one of {', '.join(self.hold.uplinks)}.")
        match change:
            case "cut":
                self.hold.uplinks[name].pull(powered=node.powered)
            case "heal":
                self.hold.uplinks[name].heal(powered=node.powered)
            case _:
                raise LabError(f"{change!r} cannot be done to an uplink: use cut or heal.")

    def power(self, name: str, change: str) -> None:
        """Take a node's power away, or give it back."""
        node = self._node(name)
        match change:
            case "off" if node.powered:
                self._off(node)
            case "on" if not node.powered:
                self._on(node)
            case "off" | "on":
                raise LabError(f"the power of {name} is {change} already.")
            case _:
                raise LabError(f"{change!r} cannot be done to power: use off or on.")

    def roam(self, moves: Sequence[tuple[str, str]]) -> None:
        """Let phones leave their nodes and come to others, all at once."""
        there: dict[str, list[Phone]] = {}
        for name, at in moves:
            if name not in self.hold.phones:
                raise LabError(f"there is no phone {name!r}.")
            if not self._node(at).powered:
                raise LabError(f"{at} has no power.")
            there.setdefault(at, []).append(self.hold.phones[name])
        self.hold.part([phone for phones in there.values() for phone in phones])
        for at, phones in there.items():
            self.hold.associate(phones, self.hold.nodes[at])

    def _off(self, node: Node) -> None:
        self.hold.supervisor.remove(node.name)
        self.hold.part([phone for phone in self.hold.phones.values() if phone.associated and phone.node is node])
        if node.name in self.hold.uplinks:
            self.hold.uplinks[node.name].unplug()
        self.hold.wires.unplug(node.name)
        node.crash()

    def _on(self, node: Node) -> None:
        self.hold.power_up(node)
        self.hold.start_nodes([node])
        waiting = [phone for phone in self.hold.phones.values() if not phone.associated and phone.node is node]
        self.hold.associate(waiting, node)

    def _node(self, name: str) -> Node:
        if name not in self.hold.nodes:
            raise LabError(f"there is no node {name!r}: use one of {', '.join(self.hold.nodes)}.")
        return self.hold.nodes[name]
