"""Starts the portal: listening sockets, the pages, the loop. Wiring only."""

from __future__ import annotations

import logging
import os
import socket
import sys
import threading
import time
from pathlib import Path

from meshctl.config import Config
from meshctl.model import MeshctlError
from meshctl.portal.agent_client import AgentClient
from meshctl.portal.app import create_portal
from meshctl.portal.captive import create_captive
from meshctl.portal.certificate import Certificate
from meshctl.portal.listeners import Listeners
from meshctl.portal.pulse import Pulse
from meshctl.portal.tls import open_secure
from meshctl.service import listen_tcp, notify, on_stop, passed_sockets


def run(config: Config) -> int:
    """Serve the pages until asked to stop. Returns 0. Raises `MeshctlError` where it cannot listen."""
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(levelname)s %(message)s")
    logging.getLogger("meshctl.portal").setLevel(logging.INFO)
    passed = passed_sockets()
    portal = passed.get("portal") or [_listen(config.portal.port, "portal.port")]
    captive = passed.get("captive") or [_listen(config.portal.redirect_port, "portal.redirect_port")]
    certificate = _certificate(config)
    secure = passed.get("secure") or ([_listen(config.portal.https_port, "portal.https_port")] if certificate else [])
    answers = create_captive(config)
    with AgentClient(config.socket) as agent, AgentClient(config.socket) as apart:
        pages = create_portal(agent, config, certificate)
        listeners = Listeners(pages, answers, portal, captive)
        if certificate is not None:
            open_secure(listeners, pages, secure, certificate)
        pulse = Pulse(apart, answers, certificate)
        beating = threading.Thread(target=pulse.run, daemon=True)
        beating.start()
        on_stop(listeners.stop)
        notify("READY=1")
        listeners.run()
        notify("STOPPING=1")
        pulse.stop()
        beating.join(timeout=8)
    return 0


def _certificate(config: Config) -> Certificate | None:
    if not config.portal.certificate:
        return None
    certificate = Certificate(Path(config.portal.certificate), Path(config.portal.key), config.portal.host)
    certificate.look(time.time(), time.monotonic())
    return certificate


def _listen(port: int, key: str) -> socket.socket:
    host = "::" if socket.has_ipv6 and os.path.exists("/proc/net/if_inet6") else "0.0.0.0"  # noqa: S104, PTH110
    try:
        return listen_tcp(host, port)
    except OSError as fault:
        remedy = f"Free the port, change {key}, or let the service manager open it."
        raise MeshctlError(f"the portal cannot listen on port {port}: {fault.strerror}. {remedy}") from fault
