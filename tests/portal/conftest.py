from __future__ import annotations

import http.client
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from meshctl.config import Access, Config, Network, Node, Paths, Portal
from meshctl.portal.agent_client import AgentClient
from meshctl.portal.app import create_portal
from meshctl.portal.captive import Captive, create_captive
from meshctl.portal.listeners import Listeners
from meshctl.service import listen_tcp
from tests.portal.fake_agent import FakeAgent

HERE = "127.0.0.1"

NOTHING = "nothing is said"
"""As an Origin: the header is left out."""


@dataclass(frozen=True)
class Reply:
    status: int
    headers: dict[str, str]
    text: str


@dataclass(frozen=True)
class Ports:
    portal: int
    captive: int
    answers: Captive


Ask = Callable[..., Reply]


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return Config(
        node=Node("elm-1"),
        access=(Access("br-lan", "10.44.0.1/22", "fd44::1/64"),),
        network=Network("Elm Street network"),
        paths=Paths(state=str(tmp_path), run=str(tmp_path)),
        portal=Portal(host="mesh.home", help="Ask Ana at number 12, or ring 555 0123."),
    )


@pytest.fixture
def fake(config: Config) -> Iterator[FakeAgent]:
    agent = FakeAgent(config.socket)
    agent.seen[HERE] = "visitor"
    agent.start()
    yield agent
    agent.stop()


@pytest.fixture
def ports(config: Config, fake: FakeAgent) -> Iterator[Ports]:
    with (
        AgentClient(config.socket, seconds=2.0) as client,
        closing(listen_tcp(HERE, 0)) as portal,
        closing(listen_tcp(HERE, 0)) as captive,
    ):
        answers = create_captive(config)
        ports = Ports(portal.getsockname()[1], captive.getsockname()[1], answers)
        listeners = Listeners(create_portal(client, config), answers, [portal], [captive])
        loop = threading.Thread(target=listeners.run)
        loop.start()
        try:
            yield ports
        finally:
            listeners.stop()
            loop.join(timeout=10)
            assert not loop.is_alive()


@pytest.fixture
def ask(ports: Ports) -> Ask:
    """One request on a fresh connection to the portal's own door, as a browser makes it on our own page."""

    def one(method: str, path: str, body: str | None = None, port: int | None = None, **headers: str) -> Reply:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if body is not None:
            sent.setdefault("Content-Type", "application/x-www-form-urlencoded")
        if sent.get("Origin") is NOTHING:
            del sent["Origin"]
        elif method == "POST" and not sent.keys() & {"Origin", "Referer", "Sec-Fetch-Site"}:
            sent["Origin"] = f"http://{sent.get('Host', f'{HERE}:{port or ports.portal}')}"
        with closing(http.client.HTTPConnection(HERE, port or ports.portal, timeout=10)) as connection:
            connection.request(method, path, body, sent)
            with connection.getresponse() as response:
                return Reply(response.status, dict(response.getheaders()), response.read().decode())

    return one
