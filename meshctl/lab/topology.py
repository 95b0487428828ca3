"""The TOML file that describes a neighbourhood, checked whole before anything starts."""

from __future__ import annotations

import ipaddress
import re
import tomllib
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from meshctl.fields import FieldError, read_table
from meshctl.lab.fault import TopologyError
from meshctl.lab.tables import INTERNET, MOST_NODES, MOST_PHONES, LinkTable, NodeTable, PhoneTable, Topology

_SHIPPED = Path(__file__).parent / "topologies"
MESH = _SHIPPED / "mesh.toml"
STREET = _SHIPPED / "street.toml"

_NAME = re.compile(r"[a-z]([a-z0-9-]{0,22}[a-z0-9])?")
_OURS = ("devices", "community", "roster")


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
    for check in (_check_nodes, _check_names, _check_links, _check_addresses):
        check(file, topology)
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
        _check_node(file, f"node[{at}]", node)
    if not any(node.uplink for node in topology.node):
        raise TopologyError(file, "node", "no node has an uplink", "Give one of them a [node.uplink] table.")
    hubs = [node.name for node in topology.node if node.hub]
    if len(hubs) > 1:
        raise TopologyError(file, "node", f"{' and '.join(hubs)} are both the hub", "Keep hub = true on one node.")


def _check_node(file: Path, at: str, node: NodeTable) -> None:
    if node.uplink:
        for key, mbit in (("down_mbit", node.uplink.down_mbit), ("up_mbit", node.uplink.up_mbit)):
            if not 0.1 <= mbit <= 100_000:
                fault = f"a capacity of {mbit:g} Mbit/s carries nothing" if mbit <= 0 else f"{mbit:g} is out of bounds"
                raise TopologyError(file, f"{at}.uplink.{key}", fault, "Use 0.1 to 100000.")
    for key in _OURS:
        if key in node.mesh:
            raise TopologyError(
                file, f"{at}.mesh.{key}", "the lab itself sets it", "Remove it; describe [[link]] tables."
            )


def _check_links(file: Path, topology: Topology) -> None:
    names = [node.name for node in topology.node]
    seen: set[frozenset[str]] = set()
    for at, link in enumerate(topology.link):
        for key, name in (("a", link.a), ("b", link.b)):
            if name not in names:
                remedy = f"Use one of: {', '.join(sorted(names))}."
                raise TopologyError(file, f"link[{at}].{key}", f"there is no node {name!r}", remedy)
        if link.a == link.b:
            raise TopologyError(file, f"link[{at}].b", f"{link.b!r} cannot be linked to itself", "Name another node.")
        if frozenset((link.a, link.b)) in seen:
            raise TopologyError(
                file, f"link[{at}]", f"{link.a} and {link.b} are linked already", "Keep one of the two."
            )
        seen.add(frozenset((link.a, link.b)))
        if not 0 <= link.loss <= 100:
            raise TopologyError(file, f"link[{at}].loss", f"{link.loss:g} is no percentage", "Use 0 to 100.")
    gateways = [node.name for node in topology.node if node.uplink]
    reached = linked_to(gateways, topology.link)
    for at, name in enumerate(names):
        if name not in reached:
            remedy = "Add a [[link]] towards a node with an uplink, or give it a [node.uplink] of its own."
            raise TopologyError(file, f"node[{at}]", f"nothing links {name!r} to a gateway", remedy)


def linked_to(names: Iterable[str], links: Iterable[LinkTable]) -> set[str]:
    """The nodes that can be reached from these over any number of links, themselves included."""
    reached, pairs = set(names), [{link.a, link.b} for link in links]
    while more := set().union(*(pair for pair in pairs if pair & reached)) - reached:
        reached |= more
    return reached


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
