"""The only door to the kernel: it starts nft, tc and ip, and nothing else in the agent starts anything."""

from __future__ import annotations

import errno
import re
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import groupby
from typing import Protocol

from meshctl.agent import conntrack, queues
from meshctl.agent.elements import TableState
from meshctl.agent.funnel import FUNNEL, FunnelState, facing_devices
from meshctl.agent.neighbours import read_neighbours
from meshctl.agent.netlink import ROUTE, Channel
from meshctl.agent.queues import Queues
from meshctl.agent.ruleset import greeting_text, install_text
from meshctl.agent.surroundings import Surroundings, read_flowtables, read_queues
from meshctl.agent.tables import read_table
from meshctl.agent.trees import TreeState, is_whole
from meshctl.config import Config
from meshctl.lists import Roster
from meshctl.model import Direction, MeshctlError

_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
_SECONDS = 20
"""How long one program may take before it counts as stuck."""


class KernelError(MeshctlError):
    """A program that changes or reads the kernel said no; the text is what it said."""


@dataclass(frozen=True)
class KernelState:
    """All that one reading says: our table, the trees of the line by direction, and what leads into them."""

    table: TableState = field(default_factory=TableState)
    trees: Mapping[Direction, TreeState] = field(default_factory=dict)
    funnel: FunnelState = field(default_factory=FunnelState)


class Kernel(Protocol):
    """The door: everything the agent may ask of the kernel."""

    def read(self) -> KernelState:
        """Read everything that is ours, without changing anything."""

    def look_around(self) -> Surroundings:
        """Read what others did on our devices."""

    def install(self, roster: Roster | None) -> None:
        """Put the table's rules anew in one transaction, for these nodes; elements stay."""

    def shape(self, commands: list[str]) -> None:
        """Run ip's ``link …`` and tc's commands in order. Raises `KernelError` at the first that fails."""

    def commit(self, transactions: list[str]) -> None:
        """Run nft transactions, each whole or not at all. Raises `KernelError`."""

    def neighbours(self) -> dict[str, str]:
        """Return hardware address by IP address, of devices that face neighbours."""

    def greet(self, devices: Iterable[str]) -> None:
        """Let visitors' first web requests, by hardware address, lead to the portal at once."""

    def forget_redirected(self, addresses: Iterable[str]) -> None:
        """Delete the redirected web connections of these addresses, so that a kept-alive one ends."""

    def forget(self, addresses: Iterable[str]) -> None:
        """Delete every connection of these addresses, so that nothing established goes on."""


class LinuxKernel:
    """The real kernel, in the network namespace of this process."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._doors = [access.device for access in config.access]
        self._devices = shaped_devices(config)

    def read(self) -> KernelState:
        """Read the table, the trees and the funnel; what is missing is a state, not an error."""
        with _as_kernel_error("read"):
            return KernelState(read_table(), *self._read_devices())

    def _read_devices(self) -> tuple[dict[Direction, TreeState], FunnelState]:
        with Channel(ROUTE) as channel:
            links = queues.read_links(channel)
            hung = queues.read_queues(channel)
            index = {link.name: link.index for link in links}
            trees = {d: _read_tree(channel, index.get(device, 0), hung) for d, device in self._devices.items()}
            own = next((link for link in links if link.name == FUNNEL and link.kind == "ifb"), None)
            names = {link.index: link.name for link in links}
            hooked = {name: at for name, at in index.items() if at in hung and hung[at].hooked}
            filters = {name: queues.read_hook(channel, at, names) for name, at in hooked.items()}
            others = index.keys() - {*self._devices.values(), FUNNEL}
            strays = tuple(sorted(name for name in others if is_whole(_read_tree(channel, index[name], hung))))
        up = own.up if own else None
        return trees, FunnelState(up, frozenset(index), frozenset(hooked), filters, strays)

    def look_around(self) -> Surroundings:
        """Read what others did on our devices: their queues, and flowtables that name one."""
        ours = {*self._doors, *self._config.mesh.devices, *(line.device for line in self._config.line)}
        flowtables = read_flowtables(_run(["nft", "-j", "list", "flowtables"]), ours)
        hooked = frozenset(facing_devices(self._config) if FUNNEL in self._devices.values() else ())
        return Surroundings(read_queues(_run(["tc", "qdisc", "show"])), flowtables, frozenset(ours), hooked)

    def install(self, roster: Roster | None) -> None:
        """Put the table's rules anew in one transaction, for these nodes; elements stay."""
        self.commit([install_text(self._config, roster)])

    def shape(self, commands: list[str]) -> None:
        """Run ip's ``link …`` and tc's commands in order. Raises `KernelError` at the first that fails."""
        for is_link, some in groupby(commands, lambda command: command.startswith("link ")):
            _run(["ip" if is_link else "tc", "-batch", "-"], "\n".join(some) + "\n")

    def commit(self, transactions: list[str]) -> None:
        """Run nft transactions, each whole or not at all. Raises `KernelError`."""
        for transaction in transactions:
            _run(["nft", "-f", "-"], transaction)

    def neighbours(self) -> dict[str, str]:
        """Return hardware address by IP address, from the kernel's neighbour table."""
        with _as_kernel_error("read its neighbours"):
            return read_neighbours(self._doors)

    def greet(self, devices: Iterable[str]) -> None:
        """Let visitors' first web requests, by hardware address, lead to the portal at once."""
        self.commit(greeting_text(devices))

    def forget_redirected(self, addresses: Iterable[str]) -> None:
        """Delete exactly the connections that were redirected to the portal."""
        with _as_kernel_error("forget connections"):
            conntrack.forget_redirected(addresses, self._config.portal.redirect_port)

    def forget(self, addresses: Iterable[str]) -> None:
        """Delete every connection these addresses opened or answer."""
        with _as_kernel_error("forget connections"):
            conntrack.forget(addresses)


@contextmanager
def _as_kernel_error(what: str) -> Iterator[None]:
    try:
        yield
    except OSError as fault:
        raise KernelError(f"the kernel did not let us {what}: {fault}") from fault


def _read_tree(channel: Channel, index: int, hung: Mapping[int, Queues]) -> TreeState:
    """Read one device's tree; nothing where it has none of ours, or went away meanwhile."""
    found = hung.get(index)
    if found is None or not found.ours:
        return TreeState()
    try:
        classes = queues.read_classes(channel, index)
        return TreeState("htb", classes, queues.has_arp_filter(channel, index), found.leaf)
    except OSError as fault:
        if fault.errno == errno.ENODEV:
            return TreeState()
        raise


def shaped_devices(config: Config) -> dict[Direction, str]:
    """Return the device of each direction's tree: towards neighbours for down, the line itself for up.

    Where several devices face neighbours, the one for down is the funnel that joins them.
    """
    if not config.line:
        return {}
    faces = facing_devices(config)
    return {"down": FUNNEL if len(faces) > 1 else faces[0], "up": config.line[0].device}


def frame_devices(config: Config) -> tuple[str, ...]:
    """Return the devices whose offloads decide how many frames a queue sees as one; none without a line."""
    return (*facing_devices(config), config.line[0].device) if config.line else ()


_ELEMENTS = re.compile(r"\{[^}]*\}?")


def _run(program: list[str], text: str = "", absent: str | None = None) -> str:
    """Run a program and return what it printed; ``absent`` is the complaint that means "nothing there"."""
    try:
        done = subprocess.run(
            program,
            input=text,
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
            env={"PATH": _PATH, "LC_ALL": "C"},
        )
    except FileNotFoundError as fault:
        raise KernelError(f"{program[0]} is not installed. Install Debian's package that has it.") from fault
    except subprocess.TimeoutExpired as fault:
        raise KernelError(f"{program[0]} did not answer within {_SECONDS} s.") from fault
    if done.returncode == 0:
        return done.stdout
    if absent is not None and absent in done.stderr:
        return ""
    # nft shows the statement that it refuses; elements hold hardware addresses, and what is said here is logged.
    complaint = _ELEMENTS.sub("{ … }", done.stderr.strip()) or f"exit {done.returncode}"
    raise KernelError(f"{' '.join(program[:4])} said: {complaint}")
