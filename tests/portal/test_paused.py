"""The person whose device is paused reads why, how long, and whom to ask, wherever they turn."""

from __future__ import annotations

import pytest

from meshctl.wire import PauseView
from tests.portal.conftest import HERE, Ask
from tests.portal.fake_agent import FakeAgent
from tests.portal.fake_homes import GOOD_PASS
from tests.portal.test_pages import check_page

REASON = "It sends <b>spam</b> & floods the line."


@pytest.mark.parametrize("state", ["visitor", "guest", "household"])
def test_the_page_says_reason_end_and_whom_to_ask(state: str, ask: Ask, fake: FakeAgent) -> None:
    fake.seen[HERE], fake.pause = state, PauseView(REASON, 3 * 3600.0 - 5)
    page = ask("GET", "/")
    assert page.status == 200
    check_page(page)
    assert "It sends &lt;b&gt;spam&lt;/b&gt; &amp; floods the line." in page.text
    assert "in 3 hours." in page.text
    assert page.text.count("Ask Ana at number 12") == 2
    assert "<button" not in page.text


def test_the_longest_reason_fits_the_page(ask: Ask, fake: FakeAgent) -> None:
    fake.pause = PauseView("\U0001f4a5" * 200, 60.0)
    check_page(ask("GET", "/"))


@pytest.mark.parametrize("path", ["/online", "/share"])
def test_other_pages_lead_to_it(path: str, ask: Ask, fake: FakeAgent) -> None:
    fake.seen[HERE], fake.pause = "household", PauseView(REASON, 60.0)
    reply = ask("GET", path)
    assert (reply.status, reply.headers["Location"]) == (302, "/")


def test_neither_the_button_nor_a_pass_lifts_it(ask: Ask, fake: FakeAgent) -> None:
    fake.pause = PauseView(REASON, 60.0)
    for path, body in (("/join", ""), ("/pass", f"pass={GOOD_PASS}")):
        reply = ask("POST", path, body)
        assert reply.status == 303
        assert ask("GET", reply.headers["Location"]).headers["Location"] == "/"
    assert "This device is paused" in ask("GET", "/").text


def test_when_it_is_over_everything_is_as_before(ask: Ask, fake: FakeAgent) -> None:
    fake.seen[HERE], fake.pause = "guest", None
    assert "You are online" in ask("GET", "/").text
