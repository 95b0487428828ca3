"""The links between nodes: wires in the lab's own namespace, where no node can see or change what befalls them.

A node's mesh device is one end of a veth pair; the other end is here, and an nft table of this
namespace hands frames on to the far node's wire, or loses them. A cut wire is down, so both devices
lose their carrier; a silent one keeps it and carries nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from meshctl.lab import kernel
from meshctl.lab.fault import LabError
from meshctl.lab.kernel import ip
from meshctl.lab.tables import LinkTable, NodeTable

TABLE = "netdev lab"
_PARTS = 10_000


@dataclass(frozen=True)
class End:
    """One node's side of a link: ``device`` is what the node sees, ``wire`` what is here."""

    node: str
    device: str
    wire: str
    hardware: str


@dataclass
class Link:
    """Two ends and what was done to them. ``loss`` is a percentage of the frames of either direction."""

    ends: tuple[End, End]
    loss: float = 0.0
    cut: bool = False
    silent: bool = False

    @property
    def state(self) -> str:
        """ "up", "cut" or "silent"."""
        return "cut" if self.cut else "silent" if self.silent else "up"

    @property
    def nodes(self) -> frozenset[str]:
        """The names of the two nodes."""
        return frozenset(end.node for end in self.ends)

    @property
    def carries(self) -> bool:
        """Whether anything comes through, as far as the wire goes."""
        return not (self.cut or self.silent) and self.loss < 100


class Wires:
    """All links of a lab. A node's ends exist while it is plugged in."""

    def __init__(self, nodes: Sequence[NodeTable], links: Sequence[LinkTable]) -> None:
        self.links: list[Link] = []
        numbers = {node.name: number for number, node in enumerate(nodes)}
        devices = dict.fromkeys(numbers, 0)
        for at, link in enumerate(links):
            ends = []
            for name, side in ((link.a, "a"), (link.b, "b")):
                number = devices[name]
                devices[name] += 1
                hardware = f"02:4d:{numbers[name]:02x}:01:00:{number:02x}"
                ends.append(End(name, f"mesh{number}", f"l{at}{side}", hardware))
            self.links.append(Link((ends[0], ends[1]), link.loss))
        self._plugged: set[str] = set()

    def ends(self, node: str) -> list[End]:
        """A node's side of all its links, in the order of its devices."""
        return [end for link in self.links for end in link.ends if end.node == node]

    def find(self, a: str, b: str) -> Link:
        """The link between two nodes. Raises `LabError`."""
        for link in self.links:
            if link.nodes == {a, b}:
                return link
        there = sorted(" ".join(sorted(link.nodes)) for link in self.links)
        raise LabError(
            f"no link joins {a} and {b}: " + (f"use one of {', '.join(there)}." if there else "there is none.")
        )

    def live_devices(self, node: str) -> set[str]:
        """A node's devices whose link carries and whose far node is there."""
        return {end.device for link in self.live() for end in link.ends if end.node == node}

    def neighbours(self, node: str) -> frozenset[str]:
        """The nodes that a node's live links lead to."""
        return frozenset(name for link in self.live() if node in link.nodes for name in link.nodes - {node})

    def live(self) -> list[Link]:
        """The links that carry and whose two nodes are there."""
        return [link for link in self.links if link.carries and link.nodes <= self._plugged]

    def plug(self, node: str, offloads: bool) -> None:
        """Give a node its mesh devices."""
        ends = self.ends(node)
        if ends:
            # What is here only carries: an address of its own would speak on the link.
            kernel.write_sysctl("net.ipv6.conf.default.disable_ipv6", "1")
            ip([f"link add {e.wire} type veth peer name {e.device} address {e.hardware} netns {node}" for e in ends])
        with kernel.inside_net(node):
            for end in ends:
                # babeld speaks at once: nobody else can have these addresses.
                kernel.write_sysctl(f"net.ipv6.conf.{end.device}.accept_dad", "0")
                if not offloads:
                    kernel.switch_offloads_off(end.device)
        if not offloads:
            for end in ends:
                kernel.switch_offloads_off(end.wire)
        ip([f"link set {end.device} up" for end in ends], node)
        self._plugged.add(node)
        self.settle()

    def unplug(self, node: str) -> None:
        """Take a node's mesh devices away; those at the far ends lose their carrier."""
        self._plugged.discard(node)
        self.settle()
        ip([f"link del {end.wire}" for end in self.ends(node)])

    def settle(self) -> None:
        """Bring wires and table to what the links say, whatever they were."""
        lines = []
        for link in self.links:
            up = not link.cut and link.nodes <= self._plugged
            lines += [f"link set {end.wire} {'up' if up else 'down'}" for end in link.ends if end.node in self._plugged]
        if lines:
            ip(lines)
        if self.links:
            chains = "".join(chain for link in self.links for chain in self._chains(link))
            kernel.run(["nft", "-f", "-"], f"add table {TABLE}\ndelete table {TABLE}\ntable {TABLE} {{\n{chains}}}\n")

    def _chains(self, link: Link) -> Iterator[str]:
        here, there = link.ends
        if not link.nodes <= self._plugged:
            return
        lost = round(link.loss / 100 * _PARTS)
        for one, other in ((here, there), (there, here)):
            rules = [f"numgen random mod {_PARTS} < {lost} drop"] if 0 < lost < _PARTS else []
            rules += [f'fwd to "{other.wire}"'] if link.carries else []
            body = "".join(f"\t\t{rule}\n" for rule in rules)
            hook = f'type filter hook ingress device "{one.wire}" priority 0; policy drop;'
            yield f"\tchain {one.wire} {{\n\t\t{hook}\n{body}\t}}\n"
