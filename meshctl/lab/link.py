"""A mesh link between two nodes: a veth pair that can be cut, silenced and made lossy."""

from __future__ import annotations

from meshctl.lab import kernel
from meshctl.lab.changes import State
from meshctl.lab.kernel import ip
from meshctl.lab.node import Node


class Link:
    """``ends`` are the nodes with the name that each has for its device."""

    def __init__(self, one: Node, other: Node, *, offloads: bool, loss: float = 0.0) -> None:
        self.ends = ((one, one.next_link()), (other, other.next_link()))
        self._offloads = offloads
        self.state: State = "up"
        self.loss = loss
        """Percent of the frames that each end loses on their way in."""

    @property
    def names(self) -> frozenset[str]:
        """The two nodes' names."""
        return frozenset(node.name for node, _ in self.ends)

    def build(self) -> None:
        """Make the pair, where both nodes have power, and bring it into its state."""
        (one, near), (other, far) = self.ends
        if not (one.powered and other.powered):
            return
        hardware = [f"02:4d:{node.number:02x}:01:00:{int(device[4:]):02x}" for node, device in self.ends]
        ip(
            [
                f"link add {near} netns {one.name} address {hardware[0]} type veth "
                f"peer name {far} address {hardware[1]} netns {other.name}"
            ]
        )
        if not self._offloads:
            for node, device in self.ends:
                with kernel.inside_net(node.name):
                    kernel.switch_offloads_off(device)
        self.apply()

    def apply(self) -> None:
        """Bring the devices into the state that the link has now."""
        if not all(node.powered for node, _ in self.ends):
            return
        for node, device in self.ends:
            ip([f"link set {device} {'down' if self.state == 'cut' else 'up'}"], node.name)
            # There is no netem in every kernel; a random drop on the way in is the same to whoever listens.
            chance = "" if self.state == "silent" else f"numgen random mod 10000 < {round(self.loss * 100)} "
            table = f"table netdev lab-{device}"
            rules = f"add {table}\ndelete {table}\n"
            if self.loss or self.state == "silent":
                rules += (
                    f"{table} {{ chain arriving {{ type filter hook ingress device {device} priority -300;"
                    f" {chance}drop; }}; }}\n"
                )
            kernel.run(["ip", "netns", "exec", node.name, "nft", "-f", "-"], rules)

    def status(self) -> dict[str, object]:
        """What `lab status` says of it."""
        (one, near), (other, far) = self.ends
        built = one.powered and other.powered
        return {
            "a": one.name, "b": other.name, "devices": [near, far],
            "state": self.state if built else "down", "loss": self.loss,
        }  # fmt: skip
