"""The members of one lab as its supervisor holds them: builds, watches, and tells how they are."""

from __future__ import annotations

import json
import socket
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from meshctl.lab import kernel, privilege, shelter
from meshctl.lab.kernel import ip
from meshctl.lab.fault import LabError
from meshctl.lab.ground import ROOM
from meshctl.lab.internet import Internet
from meshctl.lab.launch import PROGRAMS, Launcher, python
from meshctl.lab.node import HUB_PORT, PORTAL_PORT, Node
from meshctl.lab.phone import Phone, write_programs
from meshctl.lab.place import Place
from meshctl.lab.steward import Steward
from meshctl.lab.supervisor import Service, Spec, Supervisor
from meshctl.lab.topology import MOST_PHONES, Client, Topology, is_member_name

HOUSE = "lab"
"""Whose services the relay and the shelter are."""


class Neighbourhood:
    """All members of one lab."""

    def __init__(self, topology: Topology, place: Place, supervisor: Supervisor) -> None:
        self.topology, self.place, self.supervisor = topology, place, supervisor
        self.privileges = privilege.privileges(Path("/proc/self/uid_map").read_text(encoding="ascii"))
        self.launcher = Launcher(self.privileges)
        self.internet = Internet(topology.internet)
        self.nodes: dict[str, Node] = {}
        self.phones: dict[str, Phone] = {}
        self.steward = Steward(place.folder)

    def build_ground(self) -> None:
        """Write what members share, and shelter the services from private folders."""
        write_programs()
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
        """Make every namespace and link."""
        self.internet.build()
        for number, table in enumerate(self.topology.node):
            node = Node(number, table, self.place.folder / "nodes", self.launcher)
            node.build(self.topology)
            self.nodes[node.name] = node
        for link in self.topology.link:
            self._join(self.nodes[link.a], self.nodes[link.b])
        self._enrol()
        for node in self.nodes.values():
            node.furnish(self.topology)
            (node.etc / "roster.json").write_text(self._roster, encoding="ascii")

    def _join(self, one: Node, other: Node) -> None:
        near, far = f"mesh{len(one.mesh)}", f"mesh{len(other.mesh)}"
        ip([f"link add {near} netns {one.name} type veth peer name {far} netns {other.name}"])
        for node, device in ((one, near), (other, far)):
            node.mesh.append(device)
            ip([f"link set {device} up"], node.name)
            if not self.topology.offloads:
                with kernel.inside_net(node.name):
                    kernel.switch_offloads_off(device)

    def _enrol(self) -> None:
        """Sign the roster, as a steward would with each node's node.pub."""
        for node in self.nodes.values():
            node.community = self.steward.public
        self._roster = self.steward.sign(node.entry() for node in self.nodes.values())

    def start(self) -> None:
        """Start the services of the internet and of the nodes."""
        for spec in self.internet.specs(self.launcher):
            self.supervisor.add(spec)
        for node in self.nodes.values():
            for spec in node.specs():
                self.supervisor.add(spec)

    def add_phones(self, at: str, names: Iterable[str], client: Client) -> None:
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
        for name in wanted:
            number = sum(1 for phone in self.phones.values() if phone.node.name == at)
            phone = Phone(name, self.nodes[at], client, number)
            phone.build(self.topology.offloads)
            self.phones[name] = phone
            for spec in phone.specs(self.launcher):
                self.supervisor.add(spec)

    def open_pages(self, listeners: dict[str, socket.socket]) -> None:
        """Relay the host's listening sockets: "hub", or a phone's name."""
        ways: dict[str, tuple[str, str, int]] = {}
        for name in listeners:
            if name == "hub":
                hub = next(node for node in self.nodes.values() if node.table.hub)
                ways[name] = (hub.name, "127.0.0.1", HUB_PORT)
            else:
                phone = self.phones[name]
                ways[name] = (phone.name, phone.node.ipv4, PORTAL_PORT)
        argv = python("meshctl.lab.relay", json.dumps(ways))
        spec = Spec(HOUSE, "relay", argv, self.launcher.environment(), notify=True, sockets=tuple(listeners.items()))
        self.supervisor.add(spec)

    def lacking(self) -> list[str]:
        """What is not ready yet, in words; empty when all is."""
        lacks = [f"{s.spec.label} is {s.state}" for s in self.supervisor.services.values() if not s.is_up]
        for name, phone in self.phones.items():
            ipv4, ipv6 = phone.addresses()
            if ipv4 is None or not ipv6:
                lacks.append(f"{name} has no {'IPv4' if ipv4 is None else 'IPv6'} address")
        return lacks

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
             "down_mbit": node.table.uplink.down_mbit if node.table.uplink else 0, "up_mbit": node.table.uplink.up_mbit if node.table.uplink else 0,
             "config": str(node.etc / "meshctl.toml"), "state": str(node.state), "run": str(node.run)}
            for node in self.nodes.values()
        ]  # fmt: skip
        for phone in self.phones.values():
            ipv4, ipv6 = phone.addresses()
            members.append(
                {"name": phone.name, "kind": "phone", "at": phone.node.name, "client": phone.client,
                 "ipv4": ipv4, "ipv6": ipv6, "hardware": phone.hardware}
            )  # fmt: skip
        for member in members:
            member["services"] = [
                {"name": name, "state": s.state, "pid": s.pid, "restarts": s.past.restarts}
                for (owner, name), s in self.supervisor.services.items()
                if owner == member["name"]
            ]
        return members


def make_room() -> Path:
    """Make the folders on tmpfs that a lab needs and return where services send notices."""
    notices = ROOM / "notices"
    for folder in (notices, PROGRAMS, ROOM / "nodes", ROOM / "phones"):
        folder.mkdir(parents=True, exist_ok=True)
    return notices
