"""A page that goes on by itself is followed as a browser follows it, and no other."""

from __future__ import annotations

from dataclasses import replace

import pytest

from meshctl.doctor.observed import Ask, Heard
from meshctl.doctor.redirects import captive_answers
from meshctl.doctor.refresh import refreshed
from tests.doctor.planted import NAME, PAGE, Behaviour, Planted
from tests.doctor.test_planted import examined, found

HERE = "http://a.test/x/"
META = '<html><META HTTP-EQUIV="Refresh" CONTENT="{}"><p>One moment</p>'


def page(body: str, *headers: tuple[str, str], status: int = 200) -> Heard:
    return Heard(Ask(HERE), status, headers, body.encode())


@pytest.mark.parametrize(
    ("content", "leads"),
    [
        ("0;url=/join", "http://a.test/join"),
        ("0; URL='http://b.test/?a=1&amp;b=2'", "http://b.test/?a=1&b=2"),
        ("1.5 , url = join", "http://a.test/x/join"),
        ('3;"//b.test/"', ""),  # the quote ends the attribute
        (";url=https://b.test/", "https://b.test/"),
        ("60;url=/join", ""),
        ("5", ""),
        ("0;url=", ""),
        (f"0;url={HERE}", ""),
        ("0;url=javascript:go()", ""),
        ("0;url=http://[", ""),
        ("soon;url=/join", ""),
        ("", ""),
    ],
)
def test_a_page_leads_where_its_refresh_says(content: str, leads: str) -> None:
    assert refreshed(page(META.format(content))) == leads


def test_a_header_says_it_too_and_who_has_a_form_stays() -> None:
    header = ("Refresh", "0; url=/join")

    assert refreshed(page("<p>One moment</p>", header)) == "http://a.test/join"
    assert refreshed(page(PAGE.format(""), header)) == ""
    assert refreshed(page("<p>One moment</p>", header, status=302)) == ""
    assert refreshed(replace(page("", header), trouble="cut")) == ""
    assert refreshed(page("<![x[")) == ""


def test_the_button_behind_a_page_that_goes_on_by_itself_is_pressed(planted: Planted) -> None:
    body = META.format(f"0;url=http://{NAME}/").encode()

    report = examined(planted, Behaviour(status=200, body=body))

    assert (found(report, "fault"), report.code) == ({"page-in-place"}, 1)
    assert report.join.startswith("Pressed the button: let in")


def test_a_page_that_goes_on_to_nothing_is_told_of(planted: Planted) -> None:
    report = examined(planted, Behaviour(status=200, body=META.format(f"0;url=http://{NAME}:4444/").encode()))

    assert "page-unreachable" in found(report, "fault")


def test_a_target_without_a_scheme_is_not_called_one_below_the_foreign_name() -> None:
    heard = Heard(Ask(HERE), 302, (("Location", "//b.test/"), ("Cache-Control", "no-store")), b"<p>moved</p>")

    (told,) = captive_answers([heard]).found

    assert (told.code, told.says) == (
        "relative-location",
        "a redirect leads to '//b.test/', which says neither http: nor https:.",
    )
