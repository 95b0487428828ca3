"""Both doors on real sockets: what is sent, and whether the connection ends."""

from __future__ import annotations

import random
import re
import socket
import threading
from pathlib import Path

import pytest

from meshctl.config import Config
from meshctl.portal.captive import create_captive
from meshctl.portal.listeners import Listeners
from meshctl.portal.patience import PER_CLIENT
from tests.portal.conftest import HERE, Ask, Ports
from tests.portal.fake_agent import FakeAgent

PROBES = [
    b"GET /hotspot-detect.html HTTP/1.1\r\nHost: captive.apple.com\r\n\r\n",
    b"GET /hotspot-detect.html HTTP/1.0\r\nHost: captive.apple.com\r\n\r\n",
    b"GET /generate_204 HTTP/1.1\r\nHost: connectivitycheck.gstatic.com\r\nConnection: keep-alive\r\n\r\n",
    b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
    b"GET http://www.msftconnecttest.com/connecttest.txt HTTP/1.1\r\nHost: www.msftconnecttest.com\r\n\r\n",
    b"POST /anything?x=1 HTTP/1.1\r\nHost: a.example\r\nContent-Length: 3\r\n\r\nabc",
    b"POST / HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 99999999\r\n\r\n",
    b"OPTIONS * HTTP/1.1\r\nHost: a.example\r\n\r\n",
    b"BREW /pot HTTP/1.1\r\n\r\n",
    b"GET /%ff%00 HTTP/1.1\r\nHost: \xff\xfe\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a.example\r\nbroken header\r\n\r\n",
]


def exchange(port: int, sent: bytes) -> bytes:
    """Everything that comes back until the other side closes; fails if it does not within 5 s."""
    with socket.create_connection((HERE, port), timeout=5) as connection:
        connection.sendall(sent)
        pieces = []
        while piece := connection.recv(65536):
            pieces.append(piece)
        return b"".join(pieces)


@pytest.mark.parametrize("probe", PROBES)
def test_every_request_is_sent_to_the_join_page_and_closed(probe: bytes, ports: Ports, fake: FakeAgent) -> None:
    head, _, body = exchange(ports.captive, probe).partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    assert lines[0].split(" ", 1)[1] == "302 Found"
    assert "Location: http://mesh.home/" in lines
    assert "Cache-Control: no-store" in lines
    assert lines.count("Connection: close") == 1
    assert f"Content-Length: {len(body)}" in lines
    assert len(body) > 4
    assert not any(line.startswith(("Server:", "Set-Cookie:")) for line in lines)
    assert fake.asked == []


BROWSERS = b"GET / HTTP/1.1\r\nHost: a.example\r\nAccept: text/html,application/xhtml+xml;q=0.9,*/*;q=0.8\r\n\r\n"


@pytest.mark.parametrize("probe", PROBES)
def test_without_internet_no_probe_is_told_of_a_login(probe: bytes, ports: Ports, fake: FakeAgent) -> None:
    ports.answers.offline = True
    assert exchange(ports.captive, probe) == b""
    ports.answers.offline = False
    assert exchange(ports.captive, probe).split(b" ")[1] == b"302"
    assert fake.asked == []


def test_without_internet_a_person_is_led_to_the_page_that_says_so(ports: Ports) -> None:
    ports.answers.offline = True
    head, _, body = exchange(ports.captive, BROWSERS).partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    assert lines[0] == "HTTP/1.1 503 Service Unavailable"
    assert {"Retry-After: 30", "Cache-Control: no-store", "Connection: close"} <= set(lines)
    assert b"url=http://mesh.home/" in body
    assert b"Location" not in head
    assert exchange(ports.captive, BROWSERS.replace(b"GET", b"HEAD")).endswith(b"\r\n\r\n")


def test_a_head_request_has_no_body(ports: Ports) -> None:
    reply = exchange(ports.captive, b"HEAD / HTTP/1.1\r\nHost: a.example\r\n\r\n")
    assert reply.startswith(b"HTTP/1.1 302")
    assert reply.endswith(b"\r\n\r\n")


def test_a_second_request_on_the_same_connection_is_not_answered(ports: Ports) -> None:
    two = b"GET /1 HTTP/1.1\r\nHost: a.example\r\n\r\nGET /2 HTTP/1.1\r\nHost: a.example\r\n\r\n"
    assert exchange(ports.captive, two).count(b"HTTP/1.1 ") == 1


def test_the_portals_own_door_keeps_connections(ports: Ports) -> None:
    with socket.create_connection((HERE, ports.portal), timeout=5) as connection:
        for _ in range(3):
            connection.sendall(b"GET /health HTTP/1.1\r\nHost: mesh.home\r\n\r\n")
            reply = connection.recv(4096)
            while not reply.endswith(b"ok\n"):
                reply += connection.recv(4096)
            assert b"Connection: close" not in reply


def test_one_client_gets_a_bounded_number_of_connections(ports: Ports) -> None:
    crowd = [socket.create_connection((HERE, ports.portal), timeout=5) for _ in range(PER_CLIENT + 5)]
    try:
        assert all(one.recv(1) == b"" for one in crowd[PER_CLIENT:])
        crowd[0].sendall(b"GET /health HTTP/1.0\r\n\r\n")
        assert crowd[0].recv(15) == b"HTTP/1.0 200 OK"
    finally:
        for one in crowd:
            one.close()


def test_a_boards_service_manager_allows_every_thread(config: Config) -> None:
    unit = Path(__file__).parents[2] / "ansible" / "roles" / "node" / "files" / "meshctl-portal.service"
    allowed = int(unit.read_text(encoding="utf-8").partition("\nTasksMax=")[2].partition("\n")[0])
    before = threading.active_count()
    with socket.socket() as portal, socket.socket() as captive:
        for one in (portal, captive):
            one.bind((HERE, 0))
            one.listen()
        listeners = Listeners(None, create_captive(config), [portal], [captive])
        used = threading.active_count() - before
        listeners.stop()
        listeners.run()
    assert used + 2 <= allowed  # and the loop, and the pulse


@pytest.mark.parametrize("length", [4097, 10_000, 1_000_000])
def test_a_form_that_is_too_large_is_refused_in_plain_words(length: int, ask: Ask, ports: Ports) -> None:
    head = f"POST /pass HTTP/1.1\r\nHost: mesh.home\r\nConnection: close\r\nContent-Length: {length}\r\n"
    form = b"Content-Type: application/x-www-form-urlencoded\r\n\r\n"
    body = b"x" * length if length < 16_384 else b""
    reply = exchange(ports.portal, head.encode() + form + body)
    assert reply.split(b" ")[1] == b"413"
    assert b"<h1>That" in reply


@pytest.mark.parametrize("path", ["/join", "/leave"])
def test_a_button_takes_no_large_body_either(path: str, ask: Ask, fake: FakeAgent) -> None:
    assert ask("POST", path, "x" * 5000).status == 413
    assert fake.asked == []


METHODS = [b"GET", b"POST", b"PUT", b"DELETE", b"TRACE", b"\x16\x03\x01", b"get", b""]
PATHS = [b"/", b"/pass", b"/join", b"/share", b"/\xff", b"//", b"/..%2f", b"/%zz", b"*", b"/pass?" + b"a" * 3000]
VERSIONS = [b"HTTP/1.1", b"HTTP/1.0", b"HTTP/9.9", b""]
HEADERS = [b"Host: mesh.home", b"Host: [", b"Host: \xff", b"Origin: http://[", b"X: \x00\x7f", b"nonsense"]
KINDS = [b"application/x-www-form-urlencoded", b"multipart/form-data; boundary=x", b"multipart/form-data", b"\xff/\x00"]


def test_garbage_is_never_our_fault(ports: Ports, fake: FakeAgent) -> None:
    chance = random.Random(20)
    for turn in range(400):
        noise = chance.randbytes(chance.randrange(60))
        body = chance.choice([b"", noise, b"pass=" + noise, b"pass=%ff%fe", b"&=&=&;" * 30])
        lines = [
            b" ".join([chance.choice(METHODS), chance.choice(PATHS), chance.choice(VERSIONS)]),
            chance.choice([*HEADERS, b"X: " + noise]),
            b"Content-Type: " + chance.choice(KINDS),
            b"Content-Length: %d" % len(body) if turn % 7 else b"Content-Length: -1",
            b"Connection: close",
        ]
        sent = b"\r\n".join([*lines, b"", body])
        reply = exchange(ports.portal, sent)
        assert reply.split(b" ")[1][:1] in (b"2", b"3", b"4"), (sent, reply[:200])


TWO_LENGTHS = (
    b"POST /join HTTP/1.1\r\nHost: mesh.home\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"POST /join HTTP/1.0\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
)


@pytest.mark.parametrize("request_head", TWO_LENGTHS)
def test_what_follows_a_body_of_two_lengths_is_no_request(request_head: bytes, ports: Ports, fake: FakeAgent) -> None:
    reply = exchange(ports.portal, request_head + b"GET /health HTTP/1.1\r\nHost: mesh.home\r\n\r\n")
    assert re.findall(rb"HTTP/1\.[01] (\d+)", reply) == [b"400"]
    assert fake.asked == []


def test_an_answer_to_what_is_no_http_may_do_nothing_and_be_framed_nowhere(ports: Ports) -> None:
    for port, sent in ((ports.portal, b"nonsense\r\n\r\n"), (ports.captive, PROBES[0]), (ports.portal, BROWSERS)):
        head = exchange(port, sent.replace(b"Host", b"Connection: close\r\nHost")).partition(b"\r\n\r\n")[0].decode()
        assert "frame-ancestors 'none'" in head
        assert "default-src 'none'" in head
        assert {"X-Content-Type-Options: nosniff", "Cache-Control: no-store"} <= set(head.split("\r\n"))


def test_no_name_but_ours_is_led_to_a_language(ports: Ports) -> None:
    for path in (b"/es", b"/help?lang=es"):
        head = b"GET " + path + b" HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n"
        assert exchange(ports.portal, head).startswith(b"HTTP/1.1 421")
