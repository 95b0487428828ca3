"""The members of one lab as its supervisor holds them: builds, watches, and tells how they are."""

from __future__ import annotations

import base64
import json
import socket
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from nacl.signing import SigningKey

from meshctl.lab import privilege, shelter
from meshctl.lab.changes import State
from meshctl.lab.fault import LabError
from meshctl.lab.ground import ROOM
from meshctl.lab.internet import Internet
from meshctl.lab.launch import PROGRAMS, Launcher, python
from meshctl.lab.link import Link
from meshctl.lab.node import Node
from meshctl.lab.nodefiles import HUB_PORT, PORTAL_PORT
from meshctl.lab.phone import Phone, write_programs
from meshctl.lab.place import Place
from meshctl.lab.supervisor import Service, Spec, Supervisor
from meshctl.lab.topology import MOST_PHONES, Client, Topology, is_member_name
from meshctl.lists import Member, Roster, sign_roster

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
        self.links: list[Link] = []

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
        for wire in self.topology.link:
            one, other = self.nodes[wire.a], self.nodes[wire.b]
            link = Link(one, other, offloads=self.topology.offloads, loss=wire.loss)
            link.build()
            self.links.append(link)
        self._enrol()
        for node in self.nodes.values():
            node.furnish(self.topology)
            node.boot()

    def _enrol(self) -> None:
        """Sign the roster, as the community would; its key stays in the lab's folder for whoever tries more."""
        key = SigningKey.generate()
        file = self.place.folder / "community.key"
        file.write_text(base64.b64encode(bytes(key)).decode() + "\n", encoding="ascii")
        file.chmod(0o600)
        members = tuple(
            Member(
                n.name, n.number + 1, n.public_key, n.table.ipv4, n.table.ipv6, n.table.uplink is not None, n.table.hub
            )
            for n in self.nodes.values()
        )
        for node in self.nodes.values():
            node.community = base64.b64encode(bytes(key.verify_key)).decode()
            node.roster = sign_roster(Roster(1, members), key)

    def start(self) -> None:
        """Start the services of the internet and of the nodes."""
        for spec in self.internet.specs(self.launcher):
            self.supervisor.add(spec)
        for node in self.nodes.values():
            self._start_node(node)

    def _start_node(self, node: Node) -> None:
        for spec in node.specs():
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
        for name in wanted:
            phone = Phone(name, self.nodes[at], client, eui64=eui64)
            phone.build()
            self.phones[name] = phone
            self._associate(phone, self.nodes[at])

    def _associate(self, phone: Phone, node: Node) -> None:
        phone.node = node
        if not node.powered:
            return
        phone.associate(node, self.topology.offloads)
        for spec in phone.specs(self.launcher):
            self.supervisor.add(spec)

    def _part(self, phone: Phone) -> None:
        if (phone.name, "client") in self.supervisor.services:
            self.supervisor.remove(phone.name, "client")
        phone.lose_radio()

    def roam(self, names: Iterable[str], to: str) -> None:
        """Let phones leave their nodes and associate with another, all at once. Raises `LabError`."""
        node, wanted = self._node(to), list(names)
        for name in wanted:
            if name not in self.phones:
                raise LabError(f"there is no phone {name!r}.")
        for name in wanted:
            self._part(self.phones[name])
        for name in wanted:
            self._associate(self.phones[name], node)

    def power(self, name: str, *, on: bool) -> None:
        """Cut a node's power, or give it back. Raises `LabError` where it has what is asked for."""
        node = self._node(name)
        if node.powered == on:
            raise LabError(f"{name} has {'its power already' if on else 'no power as it is'}.")
        phones = [phone for phone in self.phones.values() if phone.node is node]
        if on:
            node.build(self.topology)
            for link in self.links:
                if name in link.names:
                    link.build()
            node.boot()
            self._start_node(node)
            for phone in phones:
                self._associate(phone, node)
            return
        for owner, service in list(self.supervisor.services):
            if owner == name:
                self.supervisor.remove(owner, service)
        for phone in phones:
            self._part(phone)
        node.lose_power()

    def link(self, one: str, other: str, state: State | None, loss: float | None) -> None:
        """Bring a link into another state, or have it lose so many percent. Raises `LabError`."""
        pair = frozenset((self._node(one).name, self._node(other).name))
        for link in self.links:
            if link.names == pair:
                link.state = state or link.state
                link.loss = link.loss if loss is None else loss
                link.apply()
                return
        raise LabError(f"{one} and {other} are not linked.")

    def uplink(self, name: str, *, cut: bool) -> None:
        """Cut or heal a node's uplink. Raises `LabError` where it has none."""
        node = self._node(name)
        if node.table.uplink is None:
            raise LabError(f"{name} has no uplink.")
        node.set_uplink(cut=cut)

    def _node(self, name: str) -> Node:
        if name not in self.nodes:
            raise LabError(f"there is no node {name!r}: use one of {', '.join(self.nodes)}.")
        return self.nodes[name]

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
        ways_out = any(n.powered and n.table.uplink and not n.uplink_cut for n in self.nodes.values())
        for name, node in self.nodes.items():
            if node.powered and ways_out and node.table.uplink is None:
                lacks += [f"{name} has no way out over {family}" for family in node.families_without_route()]
        for name, phone in self.phones.items():
            if not phone.node.powered:
                continue
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
        members += [node.status() for node in self.nodes.values()]
        for phone in self.phones.values():
            ipv4, ipv6 = phone.addresses() if phone.node.powered else (None, [])
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
