"""The members of one lab as its supervisor holds them: builds, watches, and tells how they are."""

from __future__ import annotations

import json
import os
import socket
import sys
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from meshctl.lab import air, kernel, netmanager, privilege, reach, shelter
from meshctl.lab.authority import Authority
from meshctl.lab.certificates import Certificates
from meshctl.lab.community import Community
from meshctl.lab.fault import LabError
from meshctl.lab.ground import ROOM
from meshctl.lab.internet import Internet
from meshctl.lab.launch import PROGRAMS, Launcher, python
from meshctl.lab.needs import check_client
from meshctl.lab.node import ORDER, Node
from meshctl.lab.papers import HUB_PORT, page_ports
from meshctl.lab.phone import Phone, build, write_programs
from meshctl.lab.place import Place
from meshctl.lab.supervisor import Service, Spec, Supervisor
from meshctl.lab.tables import MOST_PHONES, Client, Topology
from meshctl.lab.topology import is_member_name
from meshctl.lab.trust import believe
from meshctl.lab.uplink import DEVICE as UPLINK
from meshctl.lab.uplink import Uplink, ways_back
from meshctl.lab.wires import Wires

HOUSE = "lab"
"""Whose services the relay and the shelter are."""


class Neighbourhood:
    """All members of one lab."""

    def __init__(self, topology: Topology, place: Place, supervisor: Supervisor) -> None:
        self.topology, self.place, self.supervisor = topology, place, supervisor
        self.privileges = privilege.privileges(Path("/proc/self/uid_map").read_text(encoding="ascii"))
        self.launcher = Launcher(self.privileges)
        self.authority = Authority(place.folder / "authority")
        self.internet = Internet(topology.internet)
        self.nodes: dict[str, Node] = {}
        self.phones: dict[str, Phone] = {}
        self.certificates = Certificates(self.authority, ())
        self.wires = Wires(topology.node, topology.link)
        ways = ways_back(topology.node)
        self.uplinks = {
            node.name: Uplink(node.name, number, ways[node.name])
            for number, node in enumerate(topology.node)
            if node.uplink
        }

    def build_ground(self) -> None:
        """Write what members share, and shelter the services from private folders."""
        write_programs()
        believe(self.authority.root)
        self.internet.certify(self.authority)
        words = " ".join(f"'{word}'" for word in (sys.executable, "-m", "meshctl"))
        program = PROGRAMS / "meshctl"
        program.write_text(f"#!/bin/sh\nexec env PYTHONPATH='{shelter.PACKAGE.parent}' {words} \"$@\"\n", "utf-8")
        program.chmod(0o755)
        if not self.privileges.separated:
            return
        shelter.check_readable()
        keep = shelter.needed(self.place.folder)
        closed = shelter.closed_ancestors(keep)
        if closed:
            words_in = json.dumps([[str(path) for path in paths] for paths in (closed, keep)])
            argv = ("unshare", "--mount", "--propagation", "slave", *python("meshctl.lab.shelter", words_in))
            held = self.supervisor.add(Spec(HOUSE, "shelter", argv, self.launcher.environment(), notify=True))
            while not held.is_up:
                self.supervisor.turn(0.1)
                if held.state == "failed":
                    raise LabError("the services' shelter could not be made.")
            self.launcher = Launcher(self.privileges, held.pid)

    def build_members(self) -> None:
        """Make every namespace and cable."""
        self.internet.build()
        community = Community(self.topology.node)
        community.keep(self.place.folder)
        for number, table in enumerate(self.topology.node):
            devices = [end.device for end in self.wires.ends(table.name)]
            node = Node(number, table, self.place.folder / "nodes", self.launcher, devices)
            node.furnish(self.topology, community)
            self.nodes[node.name] = node
        self.certificates = Certificates(self.authority, self.nodes.values())
        with ThreadPoolExecutor(os.cpu_count()) as together:
            list(together.map(Node.derive, self.nodes.values()))
        for node in self.nodes.values():
            self.power_up(node)

    def power_up(self, node: Node) -> None:
        """Make a node's namespace, plug its cables in and make what it has in RAM."""
        node.build()
        if node.name in self.uplinks:
            self.uplinks[node.name].plug(self.topology.offloads)
        self.wires.plug(node.name, self.topology.offloads)
        node.boot()

    def start(self) -> None:
        """Start the services of the internet and of the nodes."""
        for spec in self.internet.specs(self.launcher):
            self.supervisor.add(spec)
        self.start_nodes(list(self.nodes.values()))

    def start_nodes(self, nodes: list[Node]) -> None:
        """Start nodes' services: first, on all of them, what takes long by waiting and not by computing."""
        for spec in sorted((spec for node in nodes for spec in node.specs()), key=lambda spec: ORDER.index(spec.name)):
            self.supervisor.add(spec)

    def add_phones(self, at: str, names: Iterable[str], client: Client, *, eui64: bool = False) -> None:
        """Let phones associate with a node. Raises `LabError`, before anything is made, where that cannot be."""
        wanted = list(names)
        taken = {self.internet.name, *self.nodes, *self.phones}
        if at not in self.nodes:
            raise LabError(f"there is no node {at!r}: use one of {', '.join(self.nodes)}.")
        if len(self.phones) + len(wanted) > MOST_PHONES:
            raise LabError(f"a lab has at most {MOST_PHONES} phones.")
        for at_index, name in enumerate(wanted):
            if not is_member_name(name) or name in taken or name in wanted[:at_index]:
                raise LabError(f"{name!r} is taken or is no name: use lower-case letters, digits, inner hyphens.")
        check_client(client)
        here, count = self.nodes[at], len(self.phones)
        made = [Phone(name, here, client, count + n, eui64=eui64) for n, name in enumerate(wanted)]
        build(made, self.topology.offloads)
        self.phones.update({phone.name: phone for phone in made})
        if self.nodes[at].powered:
            self.associate(made, self.nodes[at])

    def associate(self, phones: list[Phone], node: Node) -> None:
        """Let phones that are nowhere come to a node and ask for their addresses."""
        air.arrive(phones, node, self.phones.values())
        for phone in phones:
            phone.settle()
            if (phone.name, "client") in self.supervisor.services:
                netmanager.associate(phone.name)
                continue
            for spec in phone.specs(self.launcher):
                self.supervisor.add(spec)

    def part(self, phones: list[Phone]) -> None:
        """Let phones lose their node: no carrier, no address, and nobody asks for one."""
        air.depart(phones)
        for phone in phones:
            if not phone.minds_its_link:
                self.supervisor.remove(phone.name)
            phone.settle()

    def open_pages(self, listeners: dict[str, socket.socket]) -> None:
        """Relay the host's listening sockets: "hub", or a phone's name."""
        ways: dict[str, tuple[str, str, int]] = {}
        for name in listeners:
            if name == "hub":
                hub = next(node for node in self.nodes.values() if node.table.hub)
                ways[name] = (hub.name, "127.0.0.1", HUB_PORT)
            else:
                ways[name] = (name, "", page_ports(self.phones[name].node.table)["portal"])
        argv = python("meshctl.lab.relay", json.dumps(ways))
        spec = Spec(HOUSE, "relay", argv, self.launcher.environment(), notify=True, sockets=tuple(listeners.items()))
        self.supervisor.add(spec)

    def lacking(self) -> list[str]:
        """What is not ready yet, in words; empty when all is."""
        lacks = [f"{s.spec.label} is {s.state}" for s in self.supervisor.services.values() if not s.is_up]
        lacks += self._lost_ways()
        for name, phone in self.phones.items():
            if phone.associated:
                lacks += [f"{name} has no IPv{version} address of {phone.node.name}" for version in phone.lacking()]
        return lacks

    def _lost_ways(self) -> list[str]:
        powered = [node for node in self.nodes.values() if node.powered]
        ways = {}
        for node in powered:
            out = {UPLINK} if self.leads_out(node) else set()
            with kernel.inside_net(node.name):
                ways[node.name] = reach.read_ways(self.wires.live_devices(node.name) | out)
        standing = [
            reach.Standing(node.name, node.prefixes, self.leads_out(node), self.wires.neighbours(node.name))
            for node in powered
        ]
        return reach.missing(standing, ways)

    def leads_out(self, node: Node) -> bool:
        """Whether a node has an uplink that carries."""
        return node.name in self.uplinks and not self.uplinks[node.name].cut

    def failed(self) -> Service | None:
        """The first service that was given up."""
        return next((s for s in self.supervisor.services.values() if s.state == "failed"), None)

    def status(self) -> list[dict[str, Any]]:
        """Every member with its addresses and services. Holds hardware addresses: never write it down."""
        members: list[dict[str, Any]] = [
            {"name": self.internet.name, "kind": "internet", "ipv4": self.internet.table.ipv4,
             "ipv6": [self.internet.table.ipv6]}
        ]  # fmt: skip
        members += [
            {"name": node.name, "kind": "node", "hub": node.table.hub, "ipv4": node.ipv4, "ipv6": [node.ipv6],
             "power": "on" if node.powered else "off", "uplink": self._uplink_status(node),
             "config": str(node.etc / "meshctl.toml"), "state": str(node.state), "run": str(node.run)}
            for node in self.nodes.values()
        ]  # fmt: skip
        for phone in self.phones.values():
            ipv4, ipv6 = phone.addresses()
            members.append(
                {"name": phone.name, "kind": "phone", "at": phone.node.name if phone.associated else None,
                 "client": phone.client, "ipv4": ipv4, "ipv6": ipv6, "hardware": phone.hardware}
            )  # fmt: skip
        for member in members:
            member["services"] = [
                {"name": name, "state": s.state, "pid": s.pid, "restarts": s.past.restarts}
                for (owner, name), s in self.supervisor.services.items()
                if owner == member["name"]
            ]
        return members

    def links(self) -> list[dict[str, Any]]:
        """Every link with the devices at its ends and what was done to it."""
        return [
            {"a": link.ends[0].node, "b": link.ends[1].node, "state": link.state, "loss": link.loss,
             "devices": {end.node: end.device for end in link.ends}}
            for link in self.wires.links
        ]  # fmt: skip

    def _uplink_status(self, node: Node) -> dict[str, Any] | None:
        table = node.table.uplink
        if table is None:
            return None
        state = "up" if self.leads_out(node) else "cut"
        return {"state": state, "down_mbit": table.down_mbit, "up_mbit": table.up_mbit}


def make_room() -> Path:
    """Make the folders on tmpfs that a lab needs and return where services send notices."""
    notices = ROOM / "notices"
    for folder in (notices, PROGRAMS, ROOM / "nodes", ROOM / "phones"):
        folder.mkdir(parents=True, exist_ok=True)
    return notices
