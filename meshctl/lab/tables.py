"""The shapes of a topology: what a person may describe, with what holds when he does not."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

MOST_PHONES = 500
MOST_NODES = 60
INTERNET = "internet"

Client = Literal["udhcpc", "dhclient", "dhcpcd", "static", "networkmanager"]


@dataclass(frozen=True)
class LabTable:
    """What the lab is called when no ``--name`` says otherwise."""

    name: str = ""


@dataclass(frozen=True)
class InternetTable:
    """The far end: every name, every probe and known bytes, at these two addresses."""

    ipv4: str = "198.51.100.1"
    ipv6: str = "2001:db8:feed::1"


@dataclass(frozen=True)
class UplinkTable:
    """The line's capacity in Mbit/s of frames, as the node's configuration will say it."""

    down_mbit: float
    up_mbit: float


@dataclass(frozen=True)
class NodeTable:
    """One board; without an ``uplink`` it is no gateway.

    ``policy``, ``session``, ``report``, ``mesh`` and so on go into its meshctl.toml as they are. A ``secure`` one has a
    certificate for its portal's name, of an authority that the lab's phones believe.
    """

    name: str
    uplink: UplinkTable | None = None
    hub: bool = False
    secure: bool = False
    ipv4: str = ""
    ipv6: str = ""
    network: dict[str, object] = field(default_factory=dict)
    portal: dict[str, object] = field(default_factory=dict)
    policy: dict[str, object] = field(default_factory=dict)
    session: dict[str, object] = field(default_factory=dict)
    shaping: dict[str, object] = field(default_factory=dict)
    report: dict[str, object] = field(default_factory=dict)
    mesh: dict[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class LinkTable:
    """A cable between two nodes that loses ``loss`` percent of what either sends."""

    a: str
    b: str
    loss: float = 0.0


@dataclass(frozen=True)
class PhoneTable:
    """A device of a neighbour; with ``count`` it stands for name-1 … name-N.

    ``eui64``: its IPv6 addresses hold its hardware address, as those of old devices do.
    """

    name: str
    at: str
    client: Client = "udhcpc"
    count: int = 0
    eui64: bool = False


@dataclass(frozen=True)
class Topology:
    """A whole neighbourhood. After `load_topology` no address is empty and no phone has a count.

    ``offloads`` false means frames of at most 1,514 bytes everywhere, as fairness figures need it.
    """

    node: tuple[NodeTable, ...]
    link: tuple[LinkTable, ...] = ()
    phone: tuple[PhoneTable, ...] = ()
    lab: LabTable = field(default_factory=LabTable)
    internet: InternetTable = field(default_factory=InternetTable)
    offloads: bool = False
