"""What stands in the files of a lab's node: the same as on a board, with the lab's devices and users."""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import TYPE_CHECKING

from meshctl.lab.topology import Topology

if TYPE_CHECKING:
    from meshctl.lab.node import Node

BRIDGE, UPLINK = "br-lan", "wan0"
PORTAL_PORT, CAPTIVE_PORT, HUB_PORT = 80, 8080, 8090
ETC = Path("/etc/meshctl")
"""Where a node finds its files, inside."""

Tables = dict[str, dict[str, object] | list[dict[str, object]]]


def node_tables(node: Node, topology: Topology) -> Tables:
    """Return its meshctl.toml."""
    table, users = node.table, node.launcher.privileges.users
    uplink = {"name": f"{node.name}-uplink", "device": UPLINK}
    capacity = {"down_mbit": table.uplink.down_mbit, "up_mbit": table.uplink.up_mbit} if table.uplink else {}
    return {
        "network": table.network,
        "node": {"name": node.name},
        "paths": {"state": str(node.state), "run": str(node.run)},
        "access": [
            {
                "device": BRIDGE, "ipv4": table.ipv4, "ipv6": table.ipv6,
                "open_ports": [HUB_PORT] if table.hub else [],
            }
        ],
        **({"line": [{**uplink, **capacity}]} if table.uplink else {}),
        "mesh": {"devices": node.mesh, "community": node.community, "roster": f"{ETC}/roster.json", **table.mesh},
        "portal": {"port": PORTAL_PORT, "redirect_port": CAPTIVE_PORT, **table.portal},
        "policy": table.policy,
        "session": table.session,
        "shaping": table.shaping,
        "report": {"hub": _hub_url(node, topology), **table.report},
        "users": {role: str(users[role]) for role in ("agent", "portal", "watch")},
        "resolver": {"upstream": [topology.internet.ipv4]},
    }  # fmt: skip


def hub_tables(node: Node) -> Tables:
    """Return its hub.toml."""
    name = node.table.network.get("name")
    return {
        "fleet": {
            "nodes": str(ETC / "nodes.toml"),
            "neighbours": [str(ipaddress.ip_interface(one).network) for one in (node.table.ipv4, node.table.ipv6)],
            **({"name": name} if name else {}),
        },
        "listen": {"addresses": [f"[::]:{HUB_PORT}"]},
        "database": {"url": f"sqlite:///{node.hub_state / 'hub.db'}"},
    }


def _hub_url(node: Node, topology: Topology) -> str:
    if node.table.hub:
        return f"http://127.0.0.1:{HUB_PORT}"
    for table in topology.node:
        if table.hub:
            return f"http://[{ipaddress.ip_interface(table.ipv6).ip}]:{HUB_PORT}"
    return ""
