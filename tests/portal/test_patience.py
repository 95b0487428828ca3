"""Whom the doors wait for, and whom they let go, so that somebody who joins never waits for somebody who does not."""

from __future__ import annotations

import http.client
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing

import pytest

from meshctl.portal import listeners, patience
from meshctl.portal.often import REQUESTS
from tests.portal.conftest import HERE, Ports

LIMIT = 64


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "WHOLE_SECONDS", 0.6)
    monkeypatch.setattr(patience, "_LOOK_SECONDS", 0.1)
    monkeypatch.setattr(listeners, "PORTAL_CONNECTIONS", LIMIT)


def connect(port: int, source: str = HERE) -> socket.socket:
    return socket.create_connection((HERE, port), timeout=5, source_address=(source, 0))


def fetch(port: int, source: str, *, times: int = 1) -> list[tuple[int, dict[str, str]]]:
    """Status and headers of pages asked for on one connection, as long as that is kept open."""
    found = []
    with closing(http.client.HTTPConnection(HERE, port, timeout=5, source_address=(source, 0))) as connection:
        for _ in range(times):
            connection.request("GET", "/health")
            with connection.getresponse() as reply:
                reply.read()
                found.append((reply.status, dict(reply.getheaders())))
            if found[-1][1].get("Connection") == "close":
                break
    return found


SLOW = {
    "head": (b"GET / HTTP/1.1\r\nHost: mesh.home\r\n", b"X: y\r\n"),
    "body": (b"POST /pass HTTP/1.1\r\nHost: mesh.home\r\nContent-Length: 4000\r\n\r\n", b"x"),
    "chunks": (b"POST /pass HTTP/1.1\r\nHost: mesh.home\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
}


@pytest.mark.parametrize("kind", SLOW)
@pytest.mark.parametrize("door", ["portal", "captive"])
def test_who_sends_a_request_drop_by_drop_is_let_go(kind: str, door: str, ports: Ports) -> None:
    beginning, drop = SLOW[kind]
    began = time.monotonic()
    with connect(getattr(ports, door)) as slow:
        slow.settimeout(0.05)
        slow.sendall(beginning)
        while time.monotonic() < began + 10:
            try:
                slow.sendall(drop)
                if not slow.recv(65536):
                    break
            except TimeoutError:
                continue
            except ConnectionError:
                break
    assert 0.5 < time.monotonic() - began < 5


@pytest.fixture
def crowd(ports: Ports) -> Iterator[list[socket.socket]]:
    """As many idle connections as the door has, of a few addresses with many each and of many with one each."""
    with ExitStack() as stack:
        sources = [f"127.0.1.{number % 3 + 1}" for number in range(LIMIT)] + [f"127.0.2.{n + 1}" for n in range(30)]
        yield [stack.enter_context(connect(ports.portal, source)) for source in sources]


def test_a_full_door_lets_go_of_who_has_most_and_serves_who_comes(crowd: list[socket.socket], ports: Ports) -> None:
    assert [status for status, _ in fetch(ports.portal, "127.0.3.1")] == [200]
    crowd[-1].sendall(b"GET /health HTTP/1.0\r\n\r\n")
    assert crowd[-1].recv(15) == b"HTTP/1.0 200 OK"


def test_who_asks_without_end_is_told_to_wait_and_has_to_come_again(ports: Ports) -> None:
    found = fetch(ports.portal, "127.0.4.1", times=REQUESTS.most * 3)
    assert {status for status, _ in found[: REQUESTS.most]} == {200}
    status, headers = found[-1]
    assert (status, headers["Connection"], headers["Retry-After"]) == (429, "close", "1")
    assert len(found) < REQUESTS.most * 3
    assert fetch(ports.portal, "127.0.4.2")[0][0] == 200


def test_requests_sent_ahead_do_not_pass_the_limit(ports: Ports) -> None:
    with connect(ports.portal, "127.0.5.1") as ahead:
        ahead.sendall(b"GET /health HTTP/1.1\r\nHost: mesh.home\r\n\r\n" * 300)
        reply = b""
        while piece := ahead.recv(65536):
            reply += piece
    assert REQUESTS.most <= reply.count(b"HTTP/1.1 200 OK") < 300
    assert reply.count(b"HTTP/1.1 429 ") == 1
