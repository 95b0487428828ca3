"""Certificates of a lab's portals and of its internet; and what a board's systemd does with DHCP options."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterable
from datetime import UTC, datetime

from meshctl.captivity import CHANGED
from meshctl.lab.authority import EVER, Authority
from meshctl.lab.fault import LabError
from meshctl.lab.node import Node
from meshctl.lab.papers import CERTIFICATE, KEY
from meshctl.lab.supervisor import Supervisor

NAME = "mesh.home"
"""A portal's name where its topology says no other."""

_SETTLED = 1.0
"""Seconds after its start in which dnsmasq may not yet know what a signal means."""


class Certificates:
    """What the lab's authority signs."""

    def __init__(self, authority: Authority, nodes: Iterable[Node]) -> None:
        self._authority = authority
        self._nodes = {node.name: node for node in nodes}
        for node in self._nodes.values():
            if node.table.secure:
                self.issue(node.name)

    def issue(self, name: str, seconds: float | None = None) -> None:
        """Give a node's portal a new certificate, at once, that is valid for so long from now. Raises `LabError`."""
        node = self._secure(name)
        ends = EVER if seconds is None else datetime.fromtimestamp(time.time() + seconds, UTC)
        host, owner = str(node.table.portal.get("host", NAME)), node.launcher.privileges.users["portal"]
        self._authority.issue(host, node.etc / CERTIFICATE, node.etc / KEY, ends, owner=owner)

    def withdraw(self, name: str) -> None:
        """Take a node's certificate away. Raises `LabError`."""
        (self._secure(name).etc / CERTIFICATE).unlink(missing_ok=True)

    def _secure(self, name: str) -> Node:
        secure = {node.name: node for node in self._nodes.values() if node.table.secure}
        if name not in secure:
            remedy = f"use one of {', '.join(secure)}" if secure else "write `secure = true` into its [[node]]"
            raise LabError(f"no portal of a node {name!r} has a certificate: {remedy}.")
        return secure[name]

    def heed(self, supervisor: Supervisor) -> None:
        """Have dnsmasq read its options again where they changed: meshctl-dhcp.path on a board."""
        for name, node in self._nodes.items():
            service = supervisor.services.get((name, "dnsmasq"))
            if not node.powered or service is None or service.pid is None:
                continue
            changed = node.run / CHANGED
            if changed.exists() and time.monotonic() - service.started > _SETTLED:
                changed.unlink()
                supervisor.kill(name, "dnsmasq", signal.SIGHUP)
