"""The TOML file that describes a neighbourhood, checked whole before anything starts."""

from __future__ import annotations

import ipaddress
import re
import tomllib
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from meshctl.fields import FieldError, read_table
from meshctl.lab.fault import TopologyError

STREET, MESH = (Path(__file__).parent / "topologies" / f"{name}.toml" for name in ("street", "mesh"))
MOST_PHONES = 500
MOST_NODES = 60
INTERNET = "internet"

Client = Literal["udhcpc", "dhclient", "dhcpcd", "static"]

_NAME = re.compile(r"[a-z]([a-z0-9-]{0,22}[a-z0-9])?")


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
    """One board. ``policy``, ``session``, ``report`` and so on go into its meshctl.toml as they are."""

    name: str
    uplink: UplinkTable | None = None
    hub: bool = False
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
    """A mesh link between two nodes; each end loses ``loss`` percent of what comes in."""

    a: str
    b: str
    loss: float = 0.0


@dataclass(frozen=True)
class PhoneTable:
    """A device of a neighbour; with ``count`` it stands for name-1 … name-N."""

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
    phone: tuple[PhoneTable, ...] = ()
    link: tuple[LinkTable, ...] = ()
    lab: LabTable = field(default_factory=LabTable)
    internet: InternetTable = field(default_factory=InternetTable)
    offloads: bool = False


def load_topology(file: Path = MESH) -> Topology:
    """Read, check and complete a topology. Raises `TopologyError`."""
    try:
        table = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as fault:
        raise TopologyError(file, "file", f"it cannot be read: {fault.strerror}", "Name one that exists.") from fault
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as fault:
        raise TopologyError(file, "file", f"it is not TOML: {fault}", "Mend that line.") from fault
    try:
        topology = read_table(Topology, table)
    except FieldError as fault:
        raise TopologyError(file, fault.key, fault.fault, fault.remedy) from None
    topology = complete(topology)
    _check_nodes(file, topology)
    _check_names(file, topology)
    _check_links(file, topology)
    _check_addresses(file, topology)
    return topology


def complete(topology: Topology) -> Topology:
    """Give addresses to the nodes that have none, in order, and expand counted phones."""
    nodes = tuple(
        replace(node, ipv4=node.ipv4 or f"10.{44 + at}.0.1/22", ipv6=node.ipv6 or f"2001:db8:{44 + at}::1/64")
        for at, node in enumerate(topology.node)
    )
    phones: list[PhoneTable] = []
    for phone in topology.phone:
        if phone.count > 0:
            names = (f"{phone.name}-{number}" for number in range(1, min(phone.count, MOST_PHONES + 1) + 1))
            phones += [replace(phone, name=name, count=0) for name in names]
        else:
            phones.append(phone)
    return replace(topology, node=nodes, phone=tuple(phones))


def is_member_name(name: str) -> bool:
    """Whether a namespace may be called that."""
    return bool(_NAME.fullmatch(name))


def _check_nodes(file: Path, topology: Topology) -> None:
    if not 1 <= len(topology.node) <= MOST_NODES:
        raise TopologyError(file, "node", f"{len(topology.node)} nodes", f"Describe 1 to {MOST_NODES} [[node]] tables.")
    for at, node in enumerate(topology.node):
        if node.uplink is None:
            continue
        for key, mbit in (("down_mbit", node.uplink.down_mbit), ("up_mbit", node.uplink.up_mbit)):
            if not 0.1 <= mbit <= 100_000:
                fault = f"a capacity of {mbit:g} Mbit/s carries nothing" if mbit <= 0 else f"{mbit:g} is out of bounds"
                raise TopologyError(file, f"node[{at}].uplink.{key}", fault, "Use 0.1 to 100000.")
    if not any(node.uplink for node in topology.node):
        raise TopologyError(file, "node", "no node has an uplink", "Give one a [node.uplink] table.")
    hubs = [node.name for node in topology.node if node.hub]
    if len(hubs) > 1:
        raise TopologyError(file, "node", f"{' and '.join(hubs)} are both the hub", "Keep hub = true on one node.")


def _check_links(file: Path, topology: Topology) -> None:
    nodes = [node.name for node in topology.node]
    seen: set[frozenset[str]] = set()
    for at, link in enumerate(topology.link):
        for key, name in (("a", link.a), ("b", link.b)):
            if name not in nodes:
                fault, remedy = f"there is no node {name!r}", f"Use one of: {', '.join(nodes)}."
                raise TopologyError(file, f"link[{at}].{key}", fault, remedy)
        if link.a == link.b:
            raise TopologyError(file, f"link[{at}]", f"{link.a} is linked to itself", "Name two nodes.")
        if frozenset((link.a, link.b)) in seen:
            raise TopologyError(file, f"link[{at}]", f"{link.a} and {link.b} are linked twice", "Remove one.")
        if not 0 <= link.loss < 100:
            raise TopologyError(
                file, f"link[{at}].loss", f"{link.loss:g} is out of bounds", "Use a percentage below 100."
            )
        seen.add(frozenset((link.a, link.b)))
    reached, grown = set(nodes[:1]), True
    while grown:
        more = {name for pair in seen if pair & reached for name in pair} - reached
        reached, grown = reached | more, bool(more)
    lost = [node.name for node in topology.node if node.uplink is None and node.name not in reached]
    if lost and topology.link:
        raise TopologyError(file, "link", f"{lost[0]} is linked to nobody else", "Add a [[link]] table.")
    if not topology.link and any(node.uplink is None for node in topology.node):
        raise TopologyError(file, "link", "a node has neither uplink nor link", "Add a [[link]] table.")


def _check_names(file: Path, topology: Topology) -> None:
    remedy = "Use 1 to 24 lower-case letters, digits and inner hyphens, a letter first."
    if topology.lab.name and not is_member_name(topology.lab.name):
        raise TopologyError(file, "lab.name", f"{topology.lab.name!r} is not a lab name", remedy)
    if len(topology.phone) > MOST_PHONES:
        raise TopologyError(file, "phone", "too many phones", f"Use at most {MOST_PHONES} in all.")
    seen = {INTERNET: "the internet"}
    nodes = {node.name for node in topology.node}
    named = [(f"node[{i}]", node.name) for i, node in enumerate(topology.node)]
    named += [(f"phone {phone.name!r}", phone.name) for phone in topology.phone]
    for key, name in named:
        if not is_member_name(name):
            raise TopologyError(file, f"{key}.name", f"{name!r} is not a name", remedy)
        if name in seen:
            raise TopologyError(file, f"{key}.name", f"{name!r} is also {seen[name]}", "Give each its own name.")
        seen[name] = key
    for phone in topology.phone:
        if phone.at not in nodes:
            fault = f"there is no node {phone.at!r}"
            raise TopologyError(file, f"phone {phone.name!r}.at", fault, f"Use one of: {', '.join(sorted(nodes))}.")
        if phone.count < 0:
            raise TopologyError(file, f"phone {phone.name!r}.count", f"{phone.count} phones", "Use 1 or more.")


def _check_addresses(file: Path, topology: Topology) -> None:
    fixed = ("198.18.0.0/15", "2001:db8:ffff::/48", topology.internet.ipv4, topology.internet.ipv6)
    taken: list[tuple[str, ipaddress.IPv4Network | ipaddress.IPv6Network]] = []
    for text in fixed:
        try:
            taken.append(("the lab's internet", ipaddress.ip_network(text)))
        except ValueError as fault:
            raise TopologyError(file, "internet", str(fault), 'Write an address such as "198.51.100.1".') from None
    for at, node in enumerate(topology.node):
        for key, text, version in (("ipv4", node.ipv4, 4), ("ipv6", node.ipv6, 6)):
            where = f"node[{at}].{key}"
            example = "10.44.0.1/22" if version == 4 else "2001:db8:44::1/64"
            try:
                interface = ipaddress.ip_interface(text)
            except ValueError as fault:
                raise TopologyError(file, where, str(fault), f'Write the node\'s address as "{example}".') from None
            if interface.version != version or "/" not in text:
                remedy = f'Write the node\'s address as "{example}".'
                raise TopologyError(file, where, f"{text!r} is not an IPv{version} address with its prefix", remedy)
            for other, network in taken:
                if network.version == version and network.overlaps(interface.network):
                    remedy = "Give each its own prefix."
                    raise TopologyError(file, where, f"{interface.network} overlaps {other} ({network})", remedy)
            taken.append((where, interface.network))
