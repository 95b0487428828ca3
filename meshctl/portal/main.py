"""Starts the portal: listening sockets, the pages, the loop. Wiring only."""

from __future__ import annotations

import os
import socket

from meshctl.config import Config
from meshctl.model import MeshctlError
from meshctl.portal.agent_client import AgentClient
from meshctl.portal.app import create_portal
from meshctl.portal.captive import create_captive
from meshctl.portal.listeners import Listeners
from meshctl.service import listen_tcp, notify, on_stop, passed_sockets


def run(config: Config) -> int:
    """Serve the pages until asked to stop. Returns 0. Raises `MeshctlError` where it cannot listen."""
    passed = passed_sockets()
    portal = passed.get("portal") or [_listen(config.portal.port, "portal.port")]
    captive = passed.get("captive") or [_listen(config.portal.redirect_port, "portal.redirect_port")]
    with AgentClient(config.socket) as agent:
        listeners = Listeners(create_portal(agent, config), create_captive(config), portal, captive)
        on_stop(listeners.stop)
        notify("READY=1")
        listeners.run()
        notify("STOPPING=1")
    return 0


def _listen(port: int, key: str) -> socket.socket:
    host = "::" if socket.has_ipv6 and os.path.exists("/proc/net/if_inet6") else "0.0.0.0"  # noqa: S104, PTH110
    try:
        return listen_tcp(host, port)
    except OSError as fault:
        remedy = f"Free the port, change {key}, or let the service manager open it."
        raise MeshctlError(f"the portal cannot listen on port {port}: {fault.strerror}. {remedy}") from fault
