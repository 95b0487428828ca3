"""Remember this device: nothing before the button, a receipt after it, and a way back from both."""

from __future__ import annotations

from meshctl.network_view import Box, NetworkView
from tests.portal.conftest import HERE, Ask
from tests.portal.fake_agent import FakeAgent


def test_the_page_says_what_is_kept_and_changes_nothing(ask: Ask, fake: FakeAgent) -> None:
    fake.seen[HERE] = "guest"
    page = ask("GET", "/remember").text
    assert "What we keep for it" in page
    assert "Yes, remember this device" in page
    assert fake.remembered is None
    assert {request["verb"] for request in fake.asked} <= {"device", "network"}


def test_the_button_gives_a_receipt_whose_number_is_shown_this_once(ask: Ask, fake: FakeAgent) -> None:
    fake.seen[HERE] = "guest"
    reply = ask("POST", "/remember")
    assert reply.status == 200
    assert "7KQ2-M9XD-0TTR" in reply.text
    assert "90 days" in reply.text
    again = ask("GET", "/remember").text
    assert "7KQ2-M9XD-0TTR" not in again
    assert "This device is remembered" in again
    assert "Stop remembering it" in again


def test_it_is_stopped_with_nothing_by_the_device_and_with_the_number_from_another(ask: Ask, fake: FakeAgent) -> None:
    fake.seen[HERE] = "guest"
    ask("POST", "/remember")
    assert "This device is not remembered any more" in ask("POST", "/remember", "stop=1").text
    assert fake.remembered is None
    ask("POST", "/remember")
    page = ask("POST", "/remember", "number=7KQ2-M9XD-0TTR").text
    assert "If that number was right" in page
    assert fake.remembered is None
    for wrong in ("number=7", "number="):
        assert ask("POST", "/remember", wrong).status == 422
    assert fake.remembered is None


def test_a_visitor_reads_it_and_is_sent_to_join_first(ask: Ask, fake: FakeAgent) -> None:
    page = ask("GET", "/remember").text
    assert "You can choose this once you have joined." in page
    assert ask("POST", "/remember").status == 303


def test_a_network_of_one_box_says_that_key_and_list_are_together(ask: Ask, fake: FakeAgent) -> None:
    words = "on the same disk"
    fake.network = NetworkView("elm", (Box("elm", True, True),), True)
    assert words in ask("GET", "/remember").text
    fake.network = NetworkView("elm", (Box("elm", True, True), Box("oak", False, False)), True)
    assert words in ask("GET", "/remember").text
    fake.network = NetworkView("elm", (Box("elm", True, True), Box("oak", False, True)), True)
    assert words not in ask("GET", "/remember").text


def test_online_and_share_lead_there(ask: Ask, fake: FakeAgent) -> None:
    fake.seen[HERE] = "guest"
    assert all('href="remember"' in ask("GET", path).text for path in ("/online", "/share"))
