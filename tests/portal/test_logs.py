"""Even at the most talkative level the portal's log names no browser, no visited name, no pass and no address."""

from __future__ import annotations

import logging
import socket
from contextlib import closing

import pytest

from tests.portal.conftest import HERE, Ask, Ports
from tests.portal.fake_agent import FakeAgent

PAGES = ("/", "/online", "/share", "/slow", "/pass", "/home", "/es/help", "/network", "/mine", "/nowhere?of=fkq-path")
BROWSER = {"User_Agent": "Browser-fkq/1.0"}
VISIT = {**BROWSER, "Host": "visited-fkq.example", "Referer": "http://before-fkq.example/page"}
PASS = "FKQ7-ABCD-EFGH-JKMN"
NOISE = b"GET /fkq-line HTTP/1.1\r\nHost: visited-fkq.example\r\nContent-Length: fkq\r\n\r\n"


def test_no_request_leaves_a_word_of_itself_in_the_log(
    ask: Ask, ports: Ports, fake: FakeAgent, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    for path in PAGES:
        ask("GET", path, **BROWSER)
        ask("GET", path, **VISIT)
        ask("GET", path, port=ports.captive, **VISIT)
    for button in ("/join", "/leave"):
        ask("POST", button, **BROWSER)
    ask("POST", "/pass", f"pass={PASS}", **BROWSER)
    for port in (ports.portal, ports.captive):
        with closing(socket.create_connection((HERE, port), 5)) as connection:
            connection.sendall(NOISE)
            connection.recv(999)
    fake.stop()  # and what is said of an agent that is away
    assert ask("POST", "/join", **BROWSER).status == 503

    said = "\n".join([record.getMessage() + str(record.exc_text or "") for record in caplog.records])
    assert "agent" in said
    assert "fkq" not in said.lower()
    assert HERE not in said
