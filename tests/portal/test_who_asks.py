"""Whose device it is, is the other end of the connection, whatever the request says of itself."""

from __future__ import annotations

import pytest

from tests.portal.conftest import HERE, Ports
from tests.portal.fake_agent import FakeAgent
from tests.portal.test_doors import exchange

OTHER = "10.44.0.9"
SAYINGS = [
    f"X-Forwarded-For: {OTHER}", f"X-Forwarded-For: {OTHER}, {HERE}", f"Forwarded: for={OTHER}", f"X-Real-IP: {OTHER}",
    f"X-Client-IP: {OTHER}", f"Client-IP: {OTHER}", f"True-Client-IP: {OTHER}", f"CF-Connecting-IP: {OTHER}",
    f"X-Forwarded: {OTHER}", f"Via: 1.1 {OTHER}", f"Remote-Addr: {OTHER}", f"Remote_Addr: {OTHER}",
    f"X-Forwarded-For: {OTHER}\r\nX-Forwarded-By: {HERE}\r\nX-Forwarded-Count: 1", "X-Mac: 02:00:00:00:00:09",
    "Client-Mac-Address: 02:00:00:00:00:09", f"X-ProxyUser-IP: {OTHER}", f"Proxy-Client-IP: {OTHER}",
]  # fmt: skip


@pytest.mark.parametrize("host", [OTHER, "mesh.home"])
def test_nobody_joins_or_looks_for_another(host: str, ports: Ports, fake: FakeAgent) -> None:
    fake.seen[OTHER] = "household"
    for saying in SAYINGS:
        for line in (f"POST /join?address={OTHER}", f"GET http://{OTHER}/online", "GET /share", "POST /leave"):
            sent = f"{line} HTTP/1.1\r\nHost: {host}\r\n{saying}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            assert exchange(ports.portal, sent.encode()).startswith((b"HTTP/1.1 200", b"HTTP/1.1 30"))
    assert {asked["address"] for asked in fake.asked if "address" in asked} == {HERE}
    assert fake.seen[OTHER] == "household"
