from __future__ import annotations

import re
from collections.abc import Sequence

import pytest

from meshctl.portal.figures import FEW
from tests.portal.conftest import HERE, Ask, Reply
from tests.portal.fake_agent import FakeAgent
from tests.portal.markup import Markup

PAGES = [
    ("visitor", "/", 200),
    ("guest", "/", 200),
    ("guest", "/online", 200),
    ("guest", "/share", 200),
    ("household", "/share", 200),
    ("household", "/online", 200),
    ("visitor", "/pass", 200),
    ("visitor", "/keep", 200),
    ("guest", "/home", 200),
    ("elsewhere", "/", 200),
    ("elsewhere", "/share", 409),
    ("visitor", "/nowhere", 404),
    ("visitor", "/join", 405),
]


def check_page(reply: Reply, boxes: Sequence[str] = ()) -> None:
    """What holds for every page, whatever it says; ``boxes`` are other boxes of ours that it may lead to."""
    size = len(reply.text.encode()) + sum(len(k) + len(v) + 4 for k, v in reply.headers.items())
    assert size <= 14_000
    assert Markup(reply.text).faults == []
    assert set(re.findall(r'(?:src|href|action)="((?:[a-z]+:)?//[^"]*)', reply.text)) <= set(boxes)
    assert "url(" not in reply.text
    assert "@import" not in reply.text
    assert '<html lang="en" dir="ltr">' in reply.text
    assert reply.text.count("<h1>") == 1
    assert "Ask Ana at number 12" in reply.text.split("<footer>")[1]
    assert "!" not in re.sub(r"<!doctype html>|<style>.*?</style>", "", reply.text)
    words = re.sub(r"<[^>]+>", " ", re.sub(r"<style>.*?</style>", "", reply.text))
    assert not re.search(r"\b(SSID|MAC|quota|captive|IPv[46]|portal|node)\b", words, re.IGNORECASE)
    headers = reply.headers
    assert headers["Cache-Control"] == "no-store"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "same-origin"
    assert headers["Content-Security-Policy"].startswith("default-src 'none'; style-src 'sha256-")
    assert "unsafe" not in headers["Content-Security-Policy"]
    assert "Set-Cookie" not in headers
    assert "Server" not in headers


@pytest.mark.parametrize(("state", "path", "status"), PAGES)
def test_every_page_is_small_alone_and_plain(state: str, path: str, status: int, ask: Ask, fake: FakeAgent) -> None:
    fake.seen = {} if state == "elsewhere" else {HERE: state}
    reply = ask("GET", path)
    assert reply.status == status
    check_page(reply)


def test_relative_addresses_are_all_a_page_has(ask: Ask) -> None:
    links = re.findall(r'(?:href|action)="([^"]*)"', ask("GET", "/").text)
    assert links
    assert all(re.fullmatch(r"(\./|/([a-z]+/)?[a-z]*|data:,|#?[a-z]+)", link) for link in links)


def test_the_join_page_has_one_button_and_no_field(ask: Ask) -> None:
    page = ask("GET", "/").text
    assert page.count("<button") == 1
    assert "<input" not in page


@pytest.mark.parametrize("homes", range(FEW))
def test_fewer_than_five_homes_give_no_number_away(homes: int, ask: Ask, fake: FakeAgent) -> None:
    fake.homes, fake.busy = homes, 0.35
    pages = [ask("GET", "/").text]
    fake.seen[HERE] = "guest"
    pages.append(ask("GET", "/share").text)
    for page in pages:
        assert re.search(r"Homes sharing now</dt><dd>fewer than 5<", page)
    assert "slice" not in re.sub(r"<style>.*?</style>", "", pages[0])
    assert '<rect width="20%"' in pages[0], "the bar is no finer than the word"


def test_five_homes_are_a_number(ask: Ask, fake: FakeAgent) -> None:
    fake.homes, fake.busy = FEW, 0.35
    page = ask("GET", "/").text
    assert re.search(r"Homes sharing now</dt><dd>5<", page)
    assert "4.1 Mbit/s" in page
    assert '<rect width="35%"' in page


@pytest.mark.parametrize(("busy", "word"), [(0.45, "Quiet"), (0.5, "Busy"), (0.9, "Full"), (1.0, "Full")])
def test_the_line_is_said_in_a_word(busy: float, word: str, ask: Ask, fake: FakeAgent) -> None:
    fake.busy = busy
    assert f"<span>{word}</span>" in ask("GET", "/").text


def test_a_dead_uplink_is_said_before_and_after_joining(ask: Ask, fake: FakeAgent) -> None:
    fake.uplink = False
    before = ask("GET", "/").text
    assert "The internet is down" in before
    assert '<button class="quiet">Join now' in before, "a way to join, and no promise"
    assert before.index('href="./"') < before.index("<button")
    fake.seen[HERE] = "guest"
    page = ask("GET", "/online").text
    assert "The internet is down right now" in page
    assert "You are online" not in page


def test_a_node_without_a_line_says_nothing_about_one(ask: Ask, fake: FakeAgent) -> None:
    fake.has_line = False
    assert "Right now" not in ask("GET", "/").text
    fake.seen[HERE] = "guest"
    assert ask("GET", "/share").status == 200


def test_my_share_shows_my_own_exact_figures(ask: Ask, fake: FakeAgent) -> None:
    fake.seen[HERE] = "household"
    page = ask("GET", "/share").text
    for figure in ("4.1 Mbit/s", "20 Mbit/s", "512 kbit/s", "1.2 GB", "98.7 MB", "7KQ2", "24 hours"):
        assert figure in page


def test_health_is_answered_without_the_agent(ask: Ask, fake: FakeAgent) -> None:
    fake.stop()
    reply = ask("GET", "/health")
    assert (reply.status, reply.text) == (200, "ok\n")
    assert ask("GET", "/keep").status == 200
    assert fake.asked == []


@pytest.mark.parametrize("path", ["/", "/online", "/share"])
def test_without_an_agent_pages_ask_for_patience(path: str, ask: Ask, fake: FakeAgent) -> None:
    fake.stop()
    reply = ask("GET", path)
    assert reply.status == 503
    assert reply.headers["Retry-After"] == "5"
    assert "Wait a few seconds" in reply.text
    check_page(reply)


@pytest.mark.parametrize("code", ["busy", "forbidden", "bad-request", "something-new"])
def test_a_refusal_that_a_person_cannot_mend_is_a_503(code: str, ask: Ask, fake: FakeAgent) -> None:
    fake.refusal = (code, "no")
    reply = ask("POST", "/join")
    assert reply.status == 503
    check_page(reply)


def test_what_the_agent_says_is_escaped(ask: Ask, fake: FakeAgent) -> None:
    page = ask("POST", "/pass", 'pass="><script>alert(1)</script>').text
    assert "<script" not in page
    assert "&lt;script" in page
