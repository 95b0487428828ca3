"""Whatever a portal answers, the doctor judges it and never breaks."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from meshctl.doctor import login
from meshctl.doctor.api import Replies, judge_api, page_of, says_captive
from meshctl.doctor.catalogue import CATALOGUE, Client
from meshctl.doctor.findings import stale
from meshctl.doctor.judge import SHOWN, Visit, judge
from meshctl.doctor.observed import WORDS, Ask, Heard
from meshctl.doctor.redirects import captive_answers, next_address, page
from meshctl.doctor.report import Report, Seen, as_json, as_lines
from meshctl.doctor.truth import judge_truth

_WORDS = st.one_of(
    st.text(max_size=30),
    st.sampled_from(["http://[::1", "https://mesh.home/", "/x", "//", "http://a:99999/", "no-store", "²", "9" * 5000]),
)
_NAMES = st.sampled_from(
    ["Location", "Cache-Control", "Content-Length", "Content-Type", "Vary", "X-NetworkManager-Status"]
)
_BODIES = st.one_of(
    st.binary(max_size=60),
    st.sampled_from(
        [b"[" * 100_000, b"{}", b'{"captive": true, "user-portal-url": "http://[::1"}', b"<![x[", b"<form><input>"]
    ),
)


@st.composite
def replies(draw: st.DrawFn, url: str = "http://portal.test/") -> Heard:
    ask = Ask(url)
    if draw(st.booleans()):
        return Heard(ask, trouble=draw(st.sampled_from(sorted(WORDS))), detail=draw(_WORDS))
    headers = tuple(draw(st.lists(st.tuples(_NAMES, _WORDS), max_size=3)))
    return Heard(ask, draw(st.integers(100, 599)), headers, draw(_BODIES), address="192.0.2.1")


@settings(max_examples=60)
@given(st.data(), st.sampled_from(CATALOGUE))
def test_each_client_concludes_something_it_can_show(data: st.DataObject, client: Client) -> None:
    heards = {way: data.draw(replies(way.url)) for way in client.ways}
    verdict = judge(client, heards)
    visit = Visit(client, heards, (), verdict, 0.1)
    report = Report([Seen("before", [visit], "portal")])
    report.told.add(captive_answers(list(heards.values())))
    first = heards[client.ways[0]]
    report.told.add(judge_truth([visit], (first, first), "before", unrestricted=False))

    assert verdict.state == "portal" or verdict.state in SHOWN
    assert as_json(report)["clients"][0]["reason"] == verdict.reason
    assert max(len(line.text) for line in as_lines(report) if " " in line.text.strip()) < 6000


@settings(max_examples=60)
@given(st.lists(replies(), min_size=6, max_size=6))
def test_each_page_and_each_api_is_judged(heards: list[Heard]) -> None:
    one = heards[0]
    plain, weighed, browser, refused, *alone = heards
    judge_api(Replies(plain, weighed, browser, refused, tuple(alone)), "before", captive=True)
    told = page(heards[:2])

    assert isinstance(page_of(one), str)
    assert says_captive(one) in (True, False, None)
    assert isinstance(next_address(one), str)
    assert told.found or told.right
    assert stale(one).code == "stale-connection"
    login.read_page(one)
