"""A kernel in memory that understands the statements which the agent writes, and refuses all others.

It passes the same contract as the real one (tests/kernel/test_contract.py), so what is proved on it
about turns holds there too. Nothing moves by itself: a test says what a leaf sent.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable
from copy import deepcopy
from dataclasses import dataclass, field, replace
from itertools import count

from meshctl.agent.elements import Element, Sender, TableState
from meshctl.agent.funnel import FUNNEL, FunnelState, marked_filter
from meshctl.agent.kernel import KernelError, KernelState, shaped_devices
from meshctl.agent.named import TABLE
from meshctl.agent.ruleset import install_text
from meshctl.agent.surroundings import Surroundings
from meshctl.agent.trees import Shown, TreeState
from meshctl.config import Config
from meshctl.lists import Roster
from meshctl.model import Direction
from meshctl.quota.meter import Count

_MAPS = ("member", "announced4", "announced6", "sender", "class")
_STATEMENT = re.compile(rf"(add|delete) element {TABLE} (\w+) {{ (.*) }}")
_CLASS = re.compile(
    r"class (add|change) dev (\S+) parent 1:(\w*) classid 1:(\w+) htb rate (\d+)kbit ceil (\d+)kbit "
    r"burst \d+b cburst \d+b quantum (\d+)"
)


@dataclass
class _Device:
    """What hangs on one device."""

    root: str = ""
    classes: dict[int, Shown] = field(default_factory=dict)
    arp: bool = False
    leaf: str = ""
    hook: bool = False
    filters: tuple[str, ...] = ()


@dataclass
class _Machine:
    """All of it, so that a refused transaction can be taken back whole."""

    rules: str | None = None
    maps: dict[str, dict[str, str]] = field(default_factory=lambda: {name: {} for name in _MAPS})
    devices: dict[str, _Device] = field(default_factory=dict)
    up: bool | None = None


class FakeKernel:
    """``now`` is the monotonic time by which members' stays run out; ``forgotten`` are ended connections' addresses."""

    def __init__(self, config: Config, devices: Iterable[str], now: Callable[[], float]) -> None:
        self._config, self._now = config, now
        self._shaped = shaped_devices(config)
        self._machine = _Machine(devices={name: _Device() for name in devices})
        self._lives = count(0x8001)
        self.changes = 0
        self.seen: dict[str, frozenset[str]] = {}
        self.around: dict[str, str] = {}
        self.forgotten: list[str] = []
        self.redirected: list[str] = []
        self.greeted: set[str] = set()
        self.around_us = Surroundings()

    def read(self) -> KernelState:
        """Read everything that is ours."""
        devices = self._machine.devices
        trees = {direction: self._tree(devices.get(name)) for direction, name in self._shaped.items()}
        return KernelState(self._table(), trees, self._funnel())

    def look_around(self) -> Surroundings:
        """Read what others did on our devices: what a test put into ``around_us``."""
        return self.around_us

    def install(self, roster: Roster | None) -> None:
        """Put the rules anew; elements stay."""
        self.changes += 1
        self._machine.rules = hashlib.sha256(install_text(self._config, roster).encode()).hexdigest()

    def shape(self, commands: list[str]) -> None:
        """Run ip's and tc's commands in order, up to the first that fails."""
        for command in commands:
            self.changes += 1
            for pattern, act in self._verbs():
                if match := re.fullmatch(pattern, command):
                    act(match)
                    break
            else:
                raise KernelError(f"no such command: {command}")

    def commit(self, transactions: list[str]) -> None:
        """Run nft transactions, each whole or not at all."""
        for transaction in transactions:
            self.changes += 1
            for name in ("member", "sender"):
                self._timed(name)
            before = deepcopy(self._machine.maps)
            try:
                for statement in transaction.splitlines():
                    self._element(statement)
            except KernelError:
                self._machine.maps = before
                raise

    def neighbours(self) -> dict[str, str]:
        """Return hardware address by IP address."""
        return dict(self.around)

    def greet(self, devices: Iterable[str]) -> None:
        """Remember whom the portal may answer at once."""
        self.greeted.update(devices)

    def forget_redirected(self, addresses: Iterable[str]) -> None:
        """Note whose redirected connections ended."""
        self.redirected += addresses

    def forget(self, addresses: Iterable[str]) -> None:
        """Note whose connections ended."""
        self.forgotten += addresses

    # What a test does to it.

    def lose_table(self) -> None:
        """Do as `nft delete table` does."""
        self._machine.rules, self._machine.maps = None, {name: {} for name in _MAPS}

    def plug(self, device: str) -> None:
        """Add a device."""
        self._machine.devices[device] = _Device()

    def send(self, direction: Direction, number: int, size: int, dropped: int = 0) -> None:
        """Have a leaf send that many bytes."""
        classes = self._machine.devices[self._shaped[direction]].classes
        shown = classes[number]
        was = shown.count
        now = Count(was.life, was.sent + size, was.packets + 1, was.dropped + dropped)
        classes[number] = replace(shown, count=now)

    # The rest is how it works.

    def _table(self) -> TableState:
        maps, rules = self._machine.maps, self._machine.rules
        if rules is None:
            return TableState()
        classes = {int(mark): number for mark, number in maps["class"].items()}
        senders: dict[tuple[str, int], Sender] = {}
        for key, (number, left) in self._timed("sender").items():
            hardware, _, mark = key.partition(" . ")
            senders[hardware, int(mark)] = Sender(number, left)
        announced = {a: int(mark) for name in ("announced4", "announced6") for a, mark in maps[name].items()}
        return TableState(rules, self._members(), announced, classes, senders, self.seen)

    def _members(self) -> dict[str, Element]:
        return {hardware: Element(int(mark), left) for hardware, (mark, left) in self._timed("member").items()}

    def _timed(self, name: str) -> dict[str, tuple[str, float | None]]:
        """Return what a map leads to and for how long; what ran out is gone."""
        held = self._machine.maps[name]
        found = {}
        for key, words in list(held.items()):
            value, _, end = words.partition(" ")
            left = float(end) - self._now() if end else None
            if left is None or left > 0:
                found[key] = (value, left)
            else:
                del held[key]
        return found

    def _element(self, statement: str) -> None:
        match = _STATEMENT.fullmatch(statement)
        if match is None or match[2] not in _MAPS or self._machine.rules is None:
            raise KernelError(f"no such statement: {statement.partition(chr(123))[0]}")
        held = self._machine.maps[match[2]]
        for element in match[3].split(", "):
            key, _, value = element.partition(" : ")
            key, _, stay = key.partition(" timeout ")
            if match[1] == "delete":
                if held.pop(key, None) is None:
                    raise KernelError(f"no such element in {match[2]}")
            elif held.setdefault(key, value).partition(" ")[0] != value:
                raise KernelError(f"that element is in {match[2]} already")
            elif stay:
                held[key] = f"{value} {self._now() + float(stay.removesuffix('s'))}"

    @staticmethod
    def _tree(device: _Device | None) -> TreeState:
        if device is None or not device.root:
            return TreeState()
        return TreeState(device.root, dict(device.classes), device.arp, device.leaf)

    def _funnel(self) -> FunnelState:
        devices = self._machine.devices
        hooked = frozenset(name for name, device in devices.items() if device.hook)
        filters = {name: device.filters for name, device in devices.items() if device.hook}
        strays = tuple(n for n, d in sorted(devices.items()) if d.root and n not in {*self._shaped.values(), FUNNEL})
        return FunnelState(self._machine.up, frozenset(devices), hooked, filters, strays)

    def _verbs(self) -> list[tuple[str, Callable[[re.Match[str]], None]]]:
        return [
            (_CLASS.pattern, self._class),
            (r"class del dev (\S+) classid 1:(\w+)", self._class_gone),
            (r"qdisc replace dev (\S+) root handle 1: htb default 4", self._root),
            (r"qdisc del dev (\S+) root", self._root_gone),
            (r"qdisc add dev (\S+) parent 1:(\w+) (\w+)(?: limit \d+)?", self._leaf),
            (r"qdisc add dev (\S+) clsact", self._hook),
            (r"filter replace dev (\S+) parent 1: protocol arp .* flowid 1:0", self._arp),
            (r"filter del dev (\S+) egress pref 28019", self._filter_gone),
            (r"filter add dev (\S+) egress pref 28019 .* bytecode '(.*)' action mirred egress redirect dev (\S+)",
             self._filter),
            (rf"link add name {FUNNEL} type ifb", self._funnel_new),
            (rf"link set dev {FUNNEL} addrgenmode none", self._funnel_there),
            (rf"link set dev {FUNNEL} up", self._funnel_up),
            (rf"link del dev {FUNNEL}", self._funnel_gone),
        ]  # fmt: skip

    def _on(self, name: str) -> _Device:
        if name not in self._machine.devices:
            raise KernelError(f"Cannot find device {name}")
        return self._machine.devices[name]

    def _class(self, match: re.Match[str]) -> None:
        verb, device, parent, name, rate, ceil, quantum = match.groups()
        classes, number = self._on(device).classes, int(name, 16)
        if (verb == "add") is (number in classes) or (parent and int(parent, 16) not in classes):
            raise KernelError(f"cannot {verb} class {name}")
        count_now = classes[number].count if number in classes else Count("", 0)
        classes[number] = Shown(int(parent or "0", 16), int(rate) * 1000, int(ceil) * 1000, int(quantum), count_now)

    def _class_gone(self, match: re.Match[str]) -> None:
        if self._on(match[1]).classes.pop(int(match[2], 16), None) is None:
            raise KernelError(f"no class {match[2]}")

    def _root(self, match: re.Match[str]) -> None:
        device = self._on(match[1])
        device.root, device.classes, device.arp, device.leaf = "htb", {}, False, ""

    def _root_gone(self, match: re.Match[str]) -> None:
        device = self._on(match[1])
        if not device.root:
            raise KernelError(f"{match[1]} has no queue of its own")
        device.root, device.classes, device.arp, device.leaf = "", {}, False, ""

    def _leaf(self, match: re.Match[str]) -> None:
        device, number = self._on(match[1]), int(match[2], 16)
        device.leaf = match[3]
        device.classes[number] = replace(device.classes[number], count=Count(f"{next(self._lives):x}", 0))

    def _hook(self, match: re.Match[str]) -> None:
        if self._on(match[1]).hook:
            raise KernelError(f"{match[1]} has the hook already")
        self._on(match[1]).hook = True

    def _arp(self, match: re.Match[str]) -> None:
        self._on(match[1]).arp = True

    def _filter(self, match: re.Match[str]) -> None:
        self._on(match[3])
        self._on(match[1]).filters += (marked_filter(match[2], match[3]),)

    def _filter_gone(self, match: re.Match[str]) -> None:
        if not self._on(match[1]).filters:
            raise KernelError(f"{match[1]} has no such filter")
        self._on(match[1]).filters = ()

    def _funnel_new(self, _: re.Match[str]) -> None:
        if FUNNEL in self._machine.devices:
            raise KernelError(f"{FUNNEL} exists")
        self._machine.devices[FUNNEL] = _Device()
        self._machine.up = False

    def _funnel_there(self, _: re.Match[str]) -> None:
        self._on(FUNNEL)

    def _funnel_up(self, _: re.Match[str]) -> None:
        self._on(FUNNEL)
        self._machine.up = True

    def _funnel_gone(self, _: re.Match[str]) -> None:
        self._on(FUNNEL)
        del self._machine.devices[FUNNEL]
        self._machine.up = None
        for device in self._machine.devices.values():
            device.filters = tuple(text.replace(FUNNEL, "*") for text in device.filters)
