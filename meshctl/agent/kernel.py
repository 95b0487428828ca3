"""The only door to the kernel: it starts nft, tc and ip, and nothing else in the agent starts anything."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol

from meshctl.agent import conntrack
from meshctl.agent.ruleset import TableState, install_text, read_listing
from meshctl.agent.trees import TreeState, read_tree
from meshctl.config import Config
from meshctl.model import Direction, MeshctlError

_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
_SECONDS = 20
"""How long one program may take before it counts as stuck."""


class KernelError(MeshctlError):
    """A program that changes or reads the kernel said no; the text is what it said."""


@dataclass(frozen=True)
class KernelState:
    """All that one reading says: our table, and the trees of the line by direction."""

    table: TableState = field(default_factory=TableState)
    trees: Mapping[Direction, TreeState] = field(default_factory=dict)


class Kernel(Protocol):
    """The door: everything the agent may ask of the kernel."""

    def read(self) -> KernelState:
        """Read everything that is ours, without changing anything."""

    def install(self) -> None:
        """Put the table's rules anew in one transaction; elements stay."""

    def shape(self, commands: list[str]) -> None:
        """Run tc commands in order. Raises `KernelError` at the first that fails."""

    def commit(self, transactions: list[str]) -> None:
        """Run nft transactions, each whole or not at all. Raises `KernelError`."""

    def neighbours(self) -> dict[str, str]:
        """Return hardware address by IP address, of devices that face neighbours."""

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
        """Read the table's listing and the trees; a missing table or tree is a state, not an error."""
        listing = _run(["nft", "-j", "list", "table", "inet", "meshctl"], absent="No such file or directory")
        trees = {direction: self._read_tree(device) for direction, device in self._devices.items()}
        return KernelState(read_listing(listing), trees)

    def _read_tree(self, device: str) -> TreeState:
        qdiscs = _run(["tc", "qdisc", "show", "dev", device])
        if " htb " not in qdiscs:
            return read_tree(qdiscs, "", "")
        classes = _run(["tc", "-s", "-d", "class", "show", "dev", device])
        return read_tree(qdiscs, classes, _run(["tc", "filter", "show", "dev", device, "parent", "1:"]))

    def install(self) -> None:
        """Put the table's rules anew in one transaction; elements stay."""
        self.commit([install_text(self._config)])

    def shape(self, commands: list[str]) -> None:
        """Run tc commands in order. Raises `KernelError` at the first that fails."""
        if commands:
            _run(["tc", "-batch", "-"], "\n".join(commands) + "\n")

    def commit(self, transactions: list[str]) -> None:
        """Run nft transactions, each whole or not at all. Raises `KernelError`."""
        for transaction in transactions:
            _run(["nft", "-f", "-"], transaction)

    def neighbours(self) -> dict[str, str]:
        """Return hardware address by IP address, from the kernel's neighbour table."""
        rows = json.loads(_run(["ip", "-json", "neigh", "show"]) or "[]")
        return {row["dst"]: row["lladdr"] for row in rows if "lladdr" in row and row.get("dev") in self._doors}

    def forget_redirected(self, addresses: Iterable[str]) -> None:
        """Delete exactly the connections that were redirected to the portal."""
        with _as_kernel_error():
            conntrack.forget_redirected(addresses, self._config.portal.redirect_port)

    def forget(self, addresses: Iterable[str]) -> None:
        """Delete every connection these addresses opened or answer."""
        with _as_kernel_error():
            conntrack.forget(addresses)


@contextmanager
def _as_kernel_error() -> Iterator[None]:
    try:
        yield
    except OSError as fault:
        raise KernelError(f"the kernel did not forget connections: {fault}") from fault


def shaped_devices(config: Config) -> dict[Direction, str]:
    """Return the device of each direction's tree: towards neighbours for down, the line itself for up."""
    if not config.line:
        return {}
    return {"down": config.access[0].device, "up": config.line[0].device}


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
    raise KernelError(f"{' '.join(program[:4])} said: {done.stderr.strip() or f'exit {done.returncode}'}")
