"""The door of TLS: who may hold it up, what it says of a request, and how its certificate is taken up anew."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from meshctl.config import Config
from meshctl.lab.authority import Authority
from meshctl.portal.tls import HANDSHAKES, HANDSHAKES_PER_SECOND, UNFINISHED_PER_CLIENT, Pace
from tests.portal.fake_agent import FakeAgent
from tests.portal.secure import HERE, NAME, NOW, Secure, secure_portal


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def secure(config: Config, fake: FakeAgent, authority: Authority, tmp_path: Path) -> Iterator[Secure]:
    with secure_portal(config, authority, tmp_path) as standing:
        yield standing


def answers(secure: Secure) -> bool:
    try:
        return secure.ask("GET /health").endswith("ok\n")
    except OSError:
        return False


def serial(connection: ssl.SSLSocket) -> object:
    return (connection.getpeercert() or {})["serialNumber"]


def test_every_page_and_every_button_is_there_by_tls_too(secure: Secure, fake: FakeAgent) -> None:
    assert "<button>Join</button>" in secure.ask("GET /")
    origin = f"Origin: https://{NAME}"
    assert secure.ask("POST /join", origin, "Content-Length: 0").startswith("HTTP/1.1 303")
    assert fake.seen[HERE] == "guest"
    assert {one["address"] for one in fake.asked if "address" in one} == {HERE}
    assert "Strict-Transport-Security" not in secure.ask("GET /")


def test_a_form_of_the_plain_door_or_of_another_site_is_refused(secure: Secure, fake: FakeAgent) -> None:
    for origin in (f"http://{NAME}", "https://evil.example", "null", f"https://{NAME}.evil.example"):
        assert secure.ask("POST /join", f"Origin: {origin}", "Content-Length: 0").startswith("HTTP/1.1 403")
    assert fake.seen[HERE] == "visitor"


def test_no_header_makes_the_plain_door_a_secure_one(secure: Secure) -> None:
    said = "X-Forwarded-Proto: https\r\nForwarded: proto=https\r\nX-Forwarded-Ssl: on"
    request = f"GET /captive HTTP/1.0\r\nHost: {NAME}\r\nAccept: application/captive+json\r\n{said}\r\n\r\n"
    with socket.create_connection((HERE, secure.plain), timeout=5) as connection:
        connection.sendall(request.encode())
        assert connection.recv(65536).startswith(b"HTTP/1.0 302")


def test_a_kept_connection_answers_many_requests_and_a_slow_reader_gets_it_all(secure: Secure) -> None:
    with secure.connect() as connection:
        for _ in range(20):
            connection.sendall(f"GET /keep HTTP/1.1\r\nHost: {NAME}\r\n\r\n".encode())
            reply = b""
            while b"</html>" not in reply:
                reply += connection.recv(700)
            assert reply.startswith(b"HTTP/1.1 200")


def test_tls_below_1_2_is_not_spoken(secure: Secure) -> None:
    context = secure.client()
    with pytest.warns(DeprecationWarning, match="TLSv1"):
        context.minimum_version, context.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
    with socket.create_connection((HERE, secure.port), timeout=5) as plain, pytest.raises((ssl.SSLError, OSError)):
        context.wrap_socket(plain, server_hostname=NAME)


def test_what_is_no_tls_is_closed_and_leaves_the_door_open(secure: Secure) -> None:
    for noise in (b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\xff\xff" + b"\0" * 300, b"\x80\x80", b"\xff" * 20_000):
        with socket.create_connection((HERE, secure.port), timeout=5) as connection, suppress(OSError):
            connection.sendall(noise)
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(4096):
                pass
    assert secure.ask("GET /health").endswith("ok\n")


def test_half_open_connections_of_one_client_hold_nobody_up(secure: Secure) -> None:
    with ExitStack() as held:
        for _ in range(UNFINISHED_PER_CLIENT):
            held.enter_context(socket.create_connection((HERE, secure.port), timeout=5))
        one_more = held.enter_context(socket.create_connection((HERE, secure.port), timeout=5))
        assert one_more.recv(1) == b""  # this client's, at once
        with socket.create_connection((HERE, secure.plain), timeout=5) as connection:
            connection.sendall(b"GET /health HTTP/1.0\r\n\r\n")
            assert connection.recv(15) == b"HTTP/1.0 200 OK"
        # Another client is served meanwhile.
        other = socket.create_connection((HERE, secure.port), timeout=5, source_address=("127.0.0.9", 0))
        with secure.client().wrap_socket(other, server_hostname=NAME) as agreed:
            assert agreed.version() == "TLSv1.3"
    # Those that hung up are soon let go of, and then this client has room again.
    deadline = time.monotonic() + 10
    while not answers(secure):
        assert time.monotonic() < deadline


def test_a_client_that_hangs_up_in_its_handshakes_is_paced_and_others_are_not() -> None:
    pace = Pace()
    assert [pace.allow("10.44.0.9", 100.0) for _ in range(HANDSHAKES + 2)] == [True] * HANDSHAKES + [False] * 2
    assert pace.allow("10.44.0.8", 100.0)
    assert [pace.allow("10.44.0.9", 101.0) for _ in range(6)].count(True) == HANDSHAKES_PER_SECOND
    for number in range(5000):
        pace.allow(f"2001:db8::{number:x}", 200.0 + number)
    assert len(pace._left) <= 1025


def test_a_new_certificate_is_taken_up_while_connections_go_on(secure: Secure) -> None:
    with secure.connect() as old:
        before = serial(old)
        secure.issue()
        assert secure.certificate.look(NOW, 1.0)
        with secure.connect() as new:
            assert serial(new) != before
        old.sendall(f"GET /health HTTP/1.1\r\nHost: {NAME}\r\n\r\n".encode())
        assert old.recv(15) == b"HTTP/1.1 200 OK"


def test_without_its_files_the_door_is_shut_and_opens_again_when_they_come(secure: Secure) -> None:
    kept = secure.files[1].read_bytes()
    secure.files[1].unlink()
    assert not secure.certificate.look(NOW, 1.0)
    with pytest.raises((ssl.SSLError, OSError)):
        secure.connect()
    secure.files[1].write_bytes(kept)
    assert secure.certificate.look(NOW, 2.0)
    assert secure.ask("GET /health").endswith("ok\n")
