"""What a node's configuration files say: a topology's tables with what the lab adds, and pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from pathlib import Path

from meshctl.lab.tables import NodeTable, Topology
from meshctl.lab.uplink import DEVICE as UPLINK

BRIDGE = "br-lan"
PORTAL_PORT, CAPTIVE_PORT, SECURE_PORT, HUB_PORT = 80, 8080, 443, 8090
CERTIFICATE, KEY = "portal.pem", "portal.key"
ETC = Path("/etc/meshctl")
HELLO_SECONDS = 1.0
"""How often nodes of a lab greet each other, unless their [node.mesh] says otherwise: tests should not wait."""

Tables = dict[str, Mapping[str, object] | Sequence[Mapping[str, object]]]


def node_tables(
    table: NodeTable, topology: Topology, users: Mapping[str, int], folders: Mapping[str, Path],
    devices: Sequence[str], community: str,
) -> Tables:  # fmt: skip
    """A node's meshctl.toml. ``folders`` are its state and run, ``devices`` its mesh devices."""
    line: list[dict[str, object]] = []
    if table.uplink:
        capacity = {"down_mbit": table.uplink.down_mbit, "up_mbit": table.uplink.up_mbit}
        line.append({"name": f"{table.name}-uplink", "device": UPLINK, **capacity})
    doors: list[int] = [HUB_PORT] if table.hub else []
    return {
        "network": table.network,
        "node": {"name": table.name},
        "paths": {key: str(folder) for key, folder in folders.items()},
        "access": [{"device": BRIDGE, "ipv4": table.ipv4, "ipv6": table.ipv6, "open_ports": doors}],
        "line": line,
        "portal": {"port": PORTAL_PORT, "redirect_port": CAPTIVE_PORT, **_secure(table), **table.portal},
        "policy": table.policy,
        "session": table.session,
        # Agents would switch merging off on lines as slow as a lab's.
        "shaping": {**({"offloads": "keep"} if topology.offloads else {}), **table.shaping},
        "report": {"hub": hub_url(topology), **table.report},
        "users": {role: str(users[role]) for role in ("agent", "portal", "watch")},
        "resolver": {"upstream": [topology.internet.ipv4, topology.internet.ipv6]},
        "mesh": {"devices": list(devices), "community": community, "hello_seconds": HELLO_SECONDS, **table.mesh},
    }


def page_ports(table: NodeTable) -> dict[str, int]:
    """The portal's doors by name, at the ports that its [node.portal] says."""
    keys = [("portal", "port", PORTAL_PORT), ("captive", "redirect_port", CAPTIVE_PORT)]
    keys += [("secure", "https_port", SECURE_PORT)] if table.secure else []
    return {name: int(str(table.portal.get(key, port))) for name, key, port in keys}


def _secure(table: NodeTable) -> dict[str, object]:
    return {"certificate": str(ETC / CERTIFICATE), "key": str(ETC / KEY)} if table.secure else {}


def hub_tables(table: NodeTable, folders: Mapping[str, Path], state: Path, community: str) -> Tables:
    """The hub's hub.toml: it believes the roster that the agent of its own node has in force."""
    name = table.network.get("name")
    roster = str(folders["run"] / "roster.json")
    return {
        "fleet": {"roster": roster, "community": community, **({"name": name} if name else {})},
        "listen": {"addresses": [f"[::]:{HUB_PORT}"]},
        "database": {"url": f"sqlite:///{state / 'hub.db'}"},
    }


def hub_url(topology: Topology) -> str:
    """Where every node reports: the hub's node by the IPv6 address that the mesh knows; empty without a hub."""
    for node in topology.node:
        if node.hub:
            return f"http://[{ipaddress.ip_interface(node.ipv6).ip}]:{HUB_PORT}"
    return ""
