"""What may stand in a packet's way at a node: plain NAT, the product's table and trees, or a rule for each client."""

from __future__ import annotations

import subprocess
from functools import cache

from bench.inside.way import CLIENT, HARDWARE, NODE4, NODE6
from meshctl.agent import elements, trees
from meshctl.agent.kernel import LinuxKernel, shaped_devices
from meshctl.config import Access, Config, Line, Node, Shaping
from meshctl.model import Capacity, Device, Policy
from meshctl.quota.plan import FIRST_HOME, Crowd, Plan, decide

_MBIT = 10_000.0
"""More than any core here forwards, so that the line is not what holds the stream back."""

CONFIG = Config(
    Node("node"),
    (Access("lan0", NODE4, NODE6),),
    line=(Line("isp", "wan0", _MBIT, _MBIT),),
    shaping=Shaping("pfifo"),
)

_NAT = """table ip plain {
	chain out {
		type nat hook postrouting priority srcnat; policy accept;
		oifname "wan0" masquerade
	}
}
"""


@cache
def plan_of(homes: int) -> Plan:
    """Return the plan for so many homes with one device each, all present; the first one is the client's."""
    first = int(HARDWARE.replace(":", ""), 16)
    devices = [
        Device((first + number).to_bytes(6, "big").hex(":"), FIRST_HOME + number, f"home-{number}", None)
        for number in range(homes)
    ]
    capacity = Capacity(_MBIT * 125_000, _MBIT * 125_000)
    return decide(Crowd(devices, {device.mark for device in devices}), None, capacity, Policy())


def plain_nat() -> None:
    """Forward as a home router does, and nothing else."""
    _load(_NAT)


def empty_hook() -> None:
    """Forward as plain NAT does, past one hook with no rule: what it costs to be asked at all."""
    hook = "type filter hook forward priority mangle; policy accept;"
    _load(f"{_NAT}table inet nothing {{\n\tchain crossing {{\n\t\t{hook}\n\t}}\n}}\n")


def table(homes: int) -> None:
    """Put the product's table in place, its line's masquerading included, with so many homes in its maps."""
    kernel = LinuxKernel(CONFIG)
    kernel.install(None)
    kernel.commit(elements.difference(kernel.read().table, plan_of(homes), 0.0))


def shaped(homes: int) -> None:
    """The same, and a tree for each direction with a leaf for each home."""
    kernel, plan = LinuxKernel(CONFIG), plan_of(homes)
    for direction, device in shaped_devices(CONFIG).items():
        kernel.shape(trees.difference(device, trees.TreeState(), plan.trees[direction], CONFIG.shaping.leaf))
    table(homes)


def counted_by_rules(clients: int, *, ends: bool) -> None:
    """Plain NAT, and two counting rules for each client, what it sends and what it gets; ours is in the middle.

    With ``ends`` a packet is let go at the rule that counted it, so that half of the rules are passed.
    """
    addresses = [f"10.45.{number >> 8}.{number & 255}" for number in range(clients)]
    addresses[clients // 2] = CLIENT
    then = " return" if ends else ""
    rules = "".join(f"\t\tip saddr {a} counter{then}\n\t\tip daddr {a} counter{then}\n" for a in addresses)
    hook = "type filter hook forward priority mangle; policy accept;"
    _load(f"{_NAT}table ip accounts {{\n\tchain clients {{\n\t\t{hook}\n{rules}\t}}\n}}\n")


def _load(text: str) -> None:
    subprocess.run(["nft", "-f", "-"], input=text, text=True, check=True)
