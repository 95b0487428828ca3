from __future__ import annotations

import http.client
from contextlib import closing

import pytest

from meshctl.config import Config
from meshctl.portal.agent_client import AgentClient
from meshctl.portal.app import create_portal
from tests.portal.conftest import HERE, Ask, Ports
from tests.portal.fake_agent import FakeAgent
from tests.portal.fake_homes import GOOD_PASS, TRIES


def test_one_press_and_two_requests_bring_a_phone_online(ask: Ask, fake: FakeAgent) -> None:
    assert "<button>Join</button>" in ask("GET", "/").text
    pressed = ask("POST", "/join", "")
    assert (pressed.status, pressed.headers["Location"]) == (303, "/online")
    assert "You are online" in ask("GET", pressed.headers["Location"]).text
    assert fake.seen[HERE] == "guest"


def test_the_reply_waits_until_the_agent_has_opened(ask: Ask, fake: FakeAgent) -> None:
    order: list[str] = []
    fake.before_join = lambda: order.append("opened")
    ask("POST", "/join", "")
    order.append("replied")
    assert order == ["opened", "replied"]


def test_a_failed_join_never_says_online(ask: Ask, fake: FakeAgent) -> None:
    fake.stop()
    reply = ask("POST", "/join", "")
    assert reply.status == 503
    assert "online" not in reply.text.split("</style>")[1]


def test_the_whole_journey_on_one_kept_alive_connection(ports: Ports, fake: FakeAgent) -> None:
    with closing(http.client.HTTPConnection(HERE, ports.portal, timeout=10)) as connection:
        for method, path, status in (("GET", "/", 200), ("POST", "/join", 303), ("GET", "/online", 200)):
            connection.request(method, path)
            with connection.getresponse() as reply:
                reply.read()
                assert reply.status == status


def test_joining_twice_is_joining_once(ask: Ask) -> None:
    assert [ask("POST", "/join", "").status for _ in range(2)] == [303, 303]


def test_leaving_shows_the_join_page_again(ask: Ask, fake: FakeAgent) -> None:
    fake.seen[HERE] = "guest"
    left = ask("POST", "/leave", "")
    assert (left.status, left.headers["Location"]) == (303, "/")
    assert "<button>Join</button>" in ask("GET", "/").text
    assert fake.seen[HERE] == "visitor"


@pytest.mark.parametrize("path", ["/online", "/share"])
def test_a_visitor_is_led_to_the_button(path: str, ask: Ask) -> None:
    reply = ask("GET", path)
    assert (reply.status, reply.headers["Location"]) == (302, "/")


@pytest.mark.parametrize("written", [GOOD_PASS, "7kq2 m9xd ottr lv5z", "7KQ2M9XD0TTRIV5Z"])
def test_a_pass_brings_a_device_home(written: str, ask: Ask, fake: FakeAgent) -> None:
    reply = ask("POST", "/pass", f"pass={written.replace(' ', '+')}")
    assert (reply.status, reply.headers["Location"]) == (303, "/share")
    assert fake.seen[HERE] == "household"
    assert fake.asked[-1] == {"verb": "link", "address": HERE, "pass": GOOD_PASS}


def test_a_text_that_is_no_pass_is_not_even_asked(ask: Ask, fake: FakeAgent) -> None:
    reply = ask("POST", "/pass", "pass=hello")
    assert reply.status == 422
    assert "does not look like a pass" in reply.text
    assert 'value="hello"' in reply.text
    assert fake.asked == []


def test_wrong_passes_are_told_and_then_held_back(ask: Ask) -> None:
    wrong = "pass=0000-0000-0000-0000"
    for _ in range(TRIES):
        reply = ask("POST", "/pass", wrong)
        assert reply.status == 422
        assert "We do not know this pass" in reply.text
    reply = ask("POST", "/pass", wrong)
    assert reply.status == 429
    assert "wait a few minutes" in reply.text


@pytest.mark.parametrize("header", ["X-Forwarded-For", "X_Real_IP", "Forwarded", "Client-IP", "X-Client-IP"])
def test_only_the_peer_address_counts(header: str, ask: Ask, fake: FakeAgent) -> None:
    fake.seen["10.44.0.9"] = "household"
    value = "for=10.44.0.9" if header == "Forwarded" else "10.44.0.9"
    ask("GET", "/", **{header: value})
    ask("POST", "/join", "", **{header: value})
    assert {request["address"] for request in fake.asked if "address" in request} == {HERE}


@pytest.mark.parametrize(
    ("peer", "asked"),
    [
        ("10.44.0.9", "10.44.0.9"),
        ("::ffff:10.44.0.9", "10.44.0.9"),
        ("fd44::9", "fd44::9"),
        ("fe80::9%br-lan", "fe80::9"),
    ],
)
def test_the_peer_is_named_plainly(peer: str, asked: str, config: Config, fake: FakeAgent) -> None:
    fake.seen[asked] = "visitor"
    with AgentClient(config.socket) as client:
        page = create_portal(client, config).test_client().get("/", environ_base={"REMOTE_ADDR": peer})
    assert page.status_code == 200
    assert fake.asked[0] == {"verb": "device", "address": asked}


def test_a_browser_behind_a_relay_is_told_where_it_is(ask: Ask, fake: FakeAgent) -> None:
    fake.seen = {}
    assert "You are not on our Wi\u2011Fi" in ask("GET", "/", Host="127.0.0.1:18080").text
    assert ask("POST", "/join", "", Host="127.0.0.1:18080").status == 409


def test_who_is_online_reads_how_to_come_back(ask: Ask, fake: FakeAgent) -> None:
    fake.seen[HERE] = "guest"
    assert 'To come back here, open <bdi dir="ltr">http://mesh.home/</bdi>.' in ask("GET", "/online").text
