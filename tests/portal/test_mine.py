"""My data: the pass over https, or a code; see, take along, correct, erase, take back. And forget me."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from werkzeug.test import TestResponse

from meshctl.config import Config
from meshctl.lab.authority import Authority
from meshctl.portal.agent_client import AgentClient
from meshctl.portal.app import create_portal
from meshctl.portal.certificate import Certificate
from tests.portal.conftest import HERE, Ask, Reply
from tests.portal.fake_agent import FakeAgent
from tests.portal.fake_homes import GOOD_CODE, GOOD_PASS, HOME, TRIES
from tests.portal.secure import NAME, NOW, secure_portal
from tests.portal.test_pages import check_page

SAFE = "https://mesh.home"
Post = Callable[..., TestResponse]


@pytest.fixture
def client(config: Config, fake: FakeAgent) -> Iterator[AgentClient]:
    with AgentClient(config.socket, seconds=2.0) as client:
        yield client


@pytest.fixture
def post(client: AgentClient, config: Config) -> Post:
    """Press a button by https, where a pass may be typed."""
    browser = create_portal(client, config).test_client()

    def press(path: str, key: str = GOOD_PASS, base: str = SAFE, **form: str) -> TestResponse:
        here = {"REMOTE_ADDR": HERE}
        return browser.post(path, base_url=base, data={"key": key, **form}, environ_base=here)

    return press


def page(reply: TestResponse) -> str:
    """Return a page's text after checking what holds for every page."""
    shown = Reply(reply.status_code, dict(reply.headers), reply.text)
    check_page(shown)
    return reply.text


def test_the_key_shows_all_that_is_kept_of_a_home(post: Post, fake: FakeAgent) -> None:
    assert "Take this device out" not in page(post("/mine", part="wrong"))
    text = page(post("/mine"))
    for word in ("Home 7KQ2", "21 September 2026", "1.2 GB", "98.7 MB", "Erase my home", "Something is wrong"):
        assert word in text
    assert fake.asked[-1] == {"verb": "mine", "address": HERE, "pass": GOOD_PASS, "secure": True}


def test_the_days_and_the_reasons_are_a_button_away(post: Post) -> None:
    assert "Sat 21 Nov" in page(post("/mine", part="days"))
    assert "No figures right now" in page(post("/mine", part="why"))


def test_without_a_certificate_the_form_asks_for_a_code_and_says_whom_to_ask(ask: Ask, fake: FakeAgent) -> None:
    form = ask("GET", "/mine")
    check_page(form)
    assert "A code for your home" in form.text
    assert "The pass of your home" not in form.text
    assert "With a code you may see" in ask("GET", "/rights").text
    assert "You need a code. Ask for one." in ask("GET", "/forget").text
    shown = ask("POST", "/mine", f"key={GOOD_CODE.lower().replace('-', '+')}")
    check_page(shown)
    assert fake.asked[-1] == {"verb": "mine", "address": HERE, "code": GOOD_CODE}
    refused = ask("POST", "/mine", f"key={GOOD_PASS}")
    assert (refused.status, GOOD_PASS in refused.text) == (403, False)


def test_with_a_certificate_plain_http_leads_to_the_locked_page(
    client: AgentClient, config: Config, tmp_path: Path
) -> None:
    files = (tmp_path / "chain.pem", tmp_path / "key.pem")
    Authority(tmp_path).issue("mesh.home", *files)
    certificate = Certificate(*files, "mesh.home")
    browser = create_portal(client, config, certificate).test_client()
    assert 'name="key"' in browser.get("/mine", base_url="http://mesh.home").text, "nobody has looked at it yet"
    assert certificate.look(NOW, 0.0)
    for path, there in (("/mine", "mine"), ("/home", "home")):
        text = browser.get(path, base_url="http://mesh.home").text
        assert f'href="{SAFE}/{there}"' in text
        assert 'name="key"' not in text
        for page in ("/rights", "/forget"):
            assert "ou need a code" not in (text := browser.get(page, base_url="http://mesh.home").text)
            assert "With a code" not in text
    assert f'href="{SAFE}/sw/mine"' in browser.get("/sw/mine", base_url="http://mesh.home").text
    assert 'name="key"' in browser.get("/mine", base_url=SAFE).text


@pytest.mark.parametrize("path", ["/mine", "/mine-download", "/mine-correct", "/mine-erase", "/mine-keep"])
def test_without_the_right_key_nothing_happens(post: Post, path: str, fake: FakeAgent) -> None:
    assert post(path, key="hello", sure="yes").status_code == 422
    assert "do not type your pass" in post(path, base="http://mesh.home", sure="yes").text
    assert fake.asked == []
    for _ in range(TRIES):
        reply = post(path, key="0000-0000-0000-0000", sure="yes", note="x")
        assert (reply.status_code, "We do not know this pass" in page(reply)) == (403, True)
    assert post(path, sure="yes").status_code == 429
    assert post(path).status_code == 429, "without the tick too"
    assert fake.home.mine == HOME


def test_the_download_is_a_file_that_no_cache_keeps(post: Post) -> None:
    reply = post("/mine-download")
    assert reply.headers["Content-Disposition"] == 'attachment; filename="home-7KQ2.json"'
    assert reply.headers["Cache-Control"] == "no-store"
    assert reply.mimetype == "application/json"
    assert json.loads(reply.text)["home"] == "7KQ2"


def test_a_note_is_kept_shown_again_and_never_too_long(post: Post, fake: FakeAgent) -> None:
    assert "Your note is kept" in page(post("/mine-correct", note="The 3rd looks <b>wrong</b>."))
    assert fake.home.mine.note == "The 3rd looks <b>wrong</b>."
    assert "&lt;b&gt;wrong" in page(post("/mine", part="wrong"))
    reply = post("/mine-correct", note="x" * 201)
    assert (reply.status_code, "x" * 201 in page(reply)) == (422, True)


def test_only_a_device_of_the_home_is_offered_to_leave_it(post: Post, fake: FakeAgent) -> None:
    fake.home.mine = replace(HOME, linked=True)
    assert "Take this device out" in page(post("/mine", part="wrong"))
    assert "This device is a guest now" in page(post("/mine-correct", unlink="yes"))
    assert fake.asked[-2]["unlink"] is True


def test_an_erase_needs_the_tick_says_when_and_is_taken_back(post: Post, fake: FakeAgent) -> None:
    reply = post("/mine-erase")
    assert (reply.status_code, "Nothing was erased" in page(reply), fake.home.mine.erased_in) == (422, True, None)
    text = page(post("/mine-erase", sure="yes"))
    assert "Your home is erased in 24 hours" in text
    assert 'action="mine-erase"' not in text
    assert "Your home stays" in page(post("/mine-keep"))
    assert fake.home.mine.erased_in is None


@pytest.mark.parametrize(("keeper", "words"), [("oak", "Only the box oak can do it"), ("", "is not set up yet")])
def test_an_erase_that_waits_for_a_box_says_so(post: Post, fake: FakeAgent, keeper: str, words: str) -> None:
    fake.home.mine = replace(HOME, erased_in=0.0, keeper=keeper, keeper_up=False, away=("ash", "oak"))
    text = re.sub("<[^>]+>", "", page(post("/mine")))
    for said in (words, "about to be erased", "cannot reach these boxes now: ash, oak"):
        assert said in text


def test_a_button_pressed_from_another_site_does_nothing(ask: Ask, fake: FakeAgent) -> None:
    reply = ask("POST", "/mine-erase", f"key={GOOD_CODE}&sure=yes", Origin="http://evil.example", Host="mesh.home")
    assert (reply.status, fake.asked) == (403, [])


def test_forget_me_makes_the_device_a_visitor_and_leads_to_the_home(ask: Ask, fake: FakeAgent) -> None:
    fake.seen[HERE] = "household"
    form = ask("GET", "/forget")
    check_page(form)
    assert (fake.asked, 'href="mine"' in form.text) == ([], True)
    reply = ask("POST", "/forget", "")
    check_page(reply)
    assert ("This device is forgotten" in reply.text, fake.seen[HERE]) == (True, "visitor")


def test_only_a_real_door_of_tls_lets_a_pass_through(config: Config, fake: FakeAgent, tmp_path: Path) -> None:
    with secure_portal(config, Authority(tmp_path), tmp_path) as door:
        body = f"key={GOOD_PASS}"
        form = f"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(body)}\r\n\r\n{body}"
        with door.connect() as connection:
            connection.sendall(f"POST /mine HTTP/1.0\r\nHost: {NAME}\r\n{form}".encode())
            assert "Home" in _all(connection)
        assert fake.asked[-1] == {"verb": "mine", "address": HERE, "pass": GOOD_PASS, "secure": True}
        fake.asked.clear()
        said = "X-Forwarded-Proto: https\r\nForwarded: proto=https"
        with socket.create_connection((HERE, door.plain), timeout=5) as plain:
            plain.sendall(f"POST /mine HTTP/1.0\r\nHost: {NAME}\r\n{said}\r\n{form}".encode())
            shown = _all(plain)
        assert ("do not type your pass" in shown, GOOD_PASS in shown, fake.asked) == (True, False, [])
        assert f'href="https://{NAME}' in shown


def _all(connection: socket.socket) -> str:
    pieces = []
    while piece := connection.recv(65536):
        pieces.append(piece)
    return b"".join(pieces).decode()


def test_who_tried_too_many_keys_is_told_how_long_to_wait(post: Post) -> None:
    for _ in range(TRIES):
        post("/mine", key="0000-0000-0000-0000")
    assert int(post("/mine", key="0000-0000-0000-0000").headers["Retry-After"]) > 0
