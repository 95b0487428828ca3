"""The nodes of the small mesh, and the turns of those that have an agent."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

from meshctl.agent.clock import SystemClock
from meshctl.agent.kernel import LinuxKernel
from meshctl.agent.members import Members
from meshctl.agent.store import Store
from meshctl.agent.tick import Reconciler
from meshctl.config import Access, Config, Line, Mesh, Node, Shaping
from meshctl.lab.kernel import inside_net
from meshctl.lists import Member, Roster
from meshctl.model import ClockReading, Device, Direction

LINE_MBIT = 20.0
COMMUNITY = base64.b64encode(bytes(32)).decode()

T = TypeVar("T")


def member(name: str, number: int, *, gateway: bool = False) -> Member:
    """Return a node of the roster; its prefixes follow from its number."""
    key = base64.b64encode(bytes([number]) * 32).decode()
    return Member(name, number, key, f"10.44.{4 * number}.1/22", f"2001:db8:{number}::1/64", gateway)


GATEWAY, ACCESS, THIRD = member("gate", 1, gateway=True), member("access", 2), member("third", 3)
ROSTER = Roster(7, (GATEWAY, ACCESS, THIRD))


def config_of(one: Member, *mesh: str) -> Config:
    """Return the configuration of a node with one door and these links."""
    line = (Line("isp", "wan0", LINE_MBIT, LINE_MBIT),) if one.gateway else ()
    access = (Access("lan0", one.ipv4, one.ipv6),)
    return Config(Node(one.name), access, line=line, shaping=Shaping("pfifo"), mesh=Mesh(mesh, community=COMMUNITY))


class ShiftedClock:
    """The machine's clock, and as many seconds later as a test says."""

    def __init__(self) -> None:
        self._clock, self.later = SystemClock(), 0.0

    def read(self) -> ClockReading:
        now = self._clock.read()
        return ClockReading(now.monotonic + self.later, now.wall + self.later, now.trusted)


class Agent:
    """The turns of one node, inside its namespace."""

    def __init__(self, place: str, config: Config, folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        self.place, self.config, self.clock = place, config, ShiftedClock()
        self.kernel, self.members, self.store = LinuxKernel(config), Members(), Store(folder)
        self.turns = Reconciler(config, self.kernel, self.store, self.members, self.clock)

    def do(self, act: Callable[[], T]) -> T:
        """Do something in this node's namespace."""
        with inside_net(self.place):
            return act()

    def tick(self) -> None:
        self.do(self.turns.tick)

    def join(self, hardware: str, mark: int) -> None:
        """Admit a device, under that mark."""
        now = self.clock.read().monotonic
        device = self.members._keep(Device(hardware, mark, None, now + 3600), now)
        self.do(lambda: self.turns.admit([device], []))

    def announce(self, addresses: Mapping[str, int]) -> None:
        """Tell this node all that the others announce."""
        self.do(lambda: self.turns.announce(addresses))

    def enter(self, roster: Roster | None) -> None:
        """Tell this node which nodes there are."""
        self.do(lambda: self.turns.enter_roster(roster))

    def sent(self, direction: Direction) -> dict[int, int]:
        """Bytes that each leaf has sent since it was made."""
        tree = self.do(self.kernel.read).trees[direction]
        return {number: shown.count.sent for number, shown in tree.classes.items() if shown.count.life}
