"""A home's days: for whoever has its pass, each time anew, at the box that has the line."""

from __future__ import annotations

import re
from datetime import date, timedelta

import pytest

from meshctl.history import DayUse
from tests.portal.conftest import HERE, Ask
from tests.portal.fake_agent import FakeAgent
from tests.portal.fake_homes import GOOD_CODE, GOOD_PASS, TRIES
from tests.portal.test_pages import check_page

ASKED = f"key={GOOD_CODE}"


def test_the_form_leads_to_the_days_of_that_home_alone(ask: Ask, fake: FakeAgent) -> None:
    form = ask("GET", "/home")
    assert (form.text.count("<button"), '<form method="post" action="home">' in form.text) == (1, True)
    reply = ask("POST", "/home", ASKED)
    assert reply.status == 200
    for word in ("Home 7KQ2, day by day", "Sat 21 Nov", "Fri 20 Nov", "1.2 GB", "98.7 MB", "5 MB"):
        assert word in reply.text
    assert fake.asked[-1] == {"verb": "history", "address": HERE, "code": GOOD_CODE}
    assert GOOD_CODE not in reply.text
    check_page(reply)


def test_nothing_remembers_the_pass(ask: Ask, fake: FakeAgent) -> None:
    ask("POST", "/home", ASKED)
    assert "7KQ2" not in ask("GET", "/home").text
    assert fake.seen[HERE] == "visitor"


def test_37_days_at_their_longest_fit_in_one_small_page(ask: Ask, fake: FakeAgent) -> None:
    last = date(2026, 11, 23)
    fake.home.days = tuple(DayUse(str(last - timedelta(days=n)), 123_456_789_012, 123_456_789_012) for n in range(37))
    fake.others = tuple(f"10.44.{n}.1" for n in range(4, 40, 4))
    reply = ask("POST", "/home", ASKED, Host="10.144.100.1")
    assert reply.text.count("<tr>") == 39
    check_page(reply, [f"http://{address}/home" for address in fake.others] + ["http://mesh.home/"])


def test_the_longest_bar_is_the_greatest_day_and_a_little_is_never_nothing(ask: Ask, fake: FakeAgent) -> None:
    fake.home.days = tuple(
        DayUse(f"2026-11-{day:02}", amount, 0) for day, amount in ((4, 1), (3, 1000), (2, 480), (1, 0))
    )
    assert re.findall(r"<rect width=(\d+)%", ask("POST", "/home", ASKED).text) == ["5", "100", "50", "0"]


def test_bytes_without_a_date_are_said_to_have_none(ask: Ask, fake: FakeAgent) -> None:
    fake.home.days = (DayUse("", 3_000_000, 0),)
    reply = ask("POST", "/home", ASKED)
    assert "No date yet" in reply.text
    check_page(reply)


def test_a_home_without_any_use_is_told_so(ask: Ask, fake: FakeAgent) -> None:
    fake.home.days = ()
    reply = ask("POST", "/home", ASKED)
    assert "Nothing yet" in reply.text
    check_page(reply)


def test_what_opens_nothing_is_refused_as_when_linking(ask: Ask) -> None:
    told = ask("POST", "/home", "key=hello").text
    assert ("We cannot read that" in told, "A pass has 16" in told) == (True, False), (
        "nobody is led to type a pass here"
    )
    for _ in range(TRIES):
        reply = ask("POST", "/home", "key=0000-0000")
        assert (reply.status, "This code does not work" in reply.text) == (403, True)
        check_page(reply)
    assert ask("POST", "/home", ASKED).status == 429


def test_a_pass_typed_in_the_open_goes_no_further_and_is_not_shown_again(ask: Ask, fake: FakeAgent) -> None:
    reply = ask("POST", "/home", f"key={GOOD_PASS}")
    assert (reply.status, "do not type your pass here" in reply.text, GOOD_PASS in reply.text) == (403, True, False)
    assert not any(request["verb"] == "history" for request in fake.asked)
    check_page(reply)


def test_a_box_without_a_line_says_where_the_days_are(ask: Ask, fake: FakeAgent) -> None:
    fake.has_line, fake.others = False, ("10.44.0.1", "10.44.8.1")
    reply = ask("GET", "/home")
    assert re.findall(r'href="(http:[^"]*)"', reply.text) == ["http://10.44.0.1/home", "http://10.44.8.1/home"]
    assert "<form" not in reply.text
    check_page(reply, ["http://10.44.0.1/home", "http://10.44.8.1/home"])
    assert ask("POST", "/home", ASKED).status == 409
    assert not any(request["verb"] == "history" for request in fake.asked)
    fake.others = ()
    check_page(ask("GET", "/home"))


def test_many_other_lines_are_on_the_page_that_has_room_for_them(ask: Ask, fake: FakeAgent) -> None:
    fake.others = tuple(f"10.44.{n}.1" for n in range(4, 100, 4))
    shown = re.findall(r'href="(http:[^"]*)"', ask("POST", "/home", ASKED).text)
    assert shown == [f"http://{address}/home" for address in fake.others[:2]]
    assert re.findall(r'href="(http:[^"]*)"', ask("GET", "/home").text) == [f"http://{a}/home" for a in fake.others]


@pytest.mark.parametrize(
    ("host", "start"),
    [("mesh.home", "/"), ("10.44.0.1", "http://mesh.home/"), ("[fd44::1]", "http://mesh.home/"), ("127.0.0.1", "/")],
)
def test_the_way_back_leads_to_the_box_that_the_device_is_at(ask: Ask, host: str, start: str) -> None:
    for reply in (ask("GET", "/home", Host=host), ask("POST", "/home", ASKED, Host=host)):
        assert reply.text.count(f'href="{start}"') == 2


def test_a_stranger_is_told_to_come_to_the_network(ask: Ask, fake: FakeAgent) -> None:
    fake.seen = {}
    assert ask("POST", "/home", ASKED).status == 409


def test_only_who_belongs_to_a_home_is_led_there_from_his_share(ask: Ask, fake: FakeAgent) -> None:
    for state, shown in (("guest", False), ("household", True)):
        fake.seen[HERE] = state
        assert ('href="home"' in ask("GET", "/share").text) is shown
    assert 'href="home"' in ask("GET", "/pass").text


def test_a_scanned_square_fills_the_form_in_and_does_nothing_else(ask: Ask, fake: FakeAgent) -> None:
    reply = ask("GET", f"/pass?p={GOOD_PASS.replace('-', '')}")
    assert f'value="{GOOD_PASS}"' in reply.text
    assert "filled in already" in reply.text
    assert fake.asked == []
    check_page(reply)


@pytest.mark.parametrize("given", ["", "hello", "%22%3E%3Cb%3E", "7KQ2", "1" * 5000])
def test_what_is_no_pass_fills_nothing_in(ask: Ask, given: str) -> None:
    page = ask("GET", f"/pass?p={given}").text
    assert 'value=""' in page
    assert "filled in already" not in page


def test_another_site_cannot_read_what_a_square_filled_in(ask: Ask) -> None:
    assert ask("GET", "/pass?p=7KQ2M9XD0TTR1V5Z", Host="evil.example").status == 421
