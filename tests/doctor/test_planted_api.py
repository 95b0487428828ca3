"""Each fault of a captive portal API, and each that shows only after joining, is named."""

from __future__ import annotations

import ssl
from dataclasses import replace
from typing import Any

import pytest

from meshctl.doctor.announced import UNRESTRICTED
from meshctl.doctor.examine import Examination, Plan
from meshctl.lab.kernel import inside_net
from tests.doctor.planted import API, NAME, OWN4, OWN6, PAGE, Behaviour, Planted
from tests.doctor.test_planted import SOME, bad, examined, found, looked_at

pytestmark = pytest.mark.kernel

CLEAN = Behaviour()


def api(**words: Any) -> Behaviour:
    return replace(CLEAN, api={key.replace("_", "-"): value for key, value in words.items()})


API_FAULTS = [
    ("over http", CLEAN, f"http://{NAME}/captive", {"api-over-http"}),
    ("by an address", CLEAN, f"https://{OWN4}/captive", {"api-literal", "api-certificate"}),
    ("another's certificate", replace(CLEAN, api_host="other.test"), API, {"api-certificate"}),
    ("a name that is nobody's", CLEAN, "https://mask.nowhere.test/captive", {"api-unreachable"}),
    ("not there", CLEAN, f"https://{NAME}/nothing", {"api-content-type", "api-not-json"}),
    ("the wrong type", replace(CLEAN, api_kind="application/json"), API, {"api-content-type"}),
    ("another charset", replace(CLEAN, api_kind="application/captive+json; charset=latin1"), API, {"api-charset"}),
    ("captive as text", api(captive="true"), API, {"api-captive"}),
    ("no captive", api(captive=None), API, {"api-captive"}),
    ("captive and not so", api(captive=False), API, {"api-disagrees"}),
    ("no page", api(user_portal_url=None), API, {"api-no-page"}),
    ("no page of the place", api(venue_info_url=None), API, {"api-no-venue"}),
    ("a page that is no address", api(user_portal_url=7), API, {"api-type"}),
    ("a page over http", api(user_portal_url=f"http://{NAME}/"), API, {"api-page-over-http"}),
    ("seconds as text", api(seconds_remaining="60"), API, {"api-type", "api-remaining"}),
    ("bytes below zero", api(bytes_remaining=-1), API, {"api-type", "api-remaining"}),
    ("extend as a number", api(can_extend_session=1), API, {"api-type"}),
    ("stored and shared", replace(CLEAN, api_cache="max-age=60"), API, {"api-cache"}),
    ("no Vary", replace(CLEAN, api_vary=""), API, {"api-vary"}),
    ("no weights", replace(CLEAN, api_exact=True), API, {"api-q-values"}),
    ("over IPv6 alone", replace(CLEAN, api_only=OWN6), API, {"api-one-family"}),
    ("too long", replace(CLEAN, api_padding=4200), API, {"api-long"}),
]


@pytest.mark.parametrize(
    ("fault", "address", "codes"), [one[1:] for one in API_FAULTS], ids=[one[0] for one in API_FAULTS]
)
def test_a_fault_of_the_api_is_named(planted: Planted, fault: Behaviour, address: str, codes: set[str]) -> None:
    report = looked_at(planted, fault, api=address)

    assert codes == {code for code in found(report) if code.startswith("api-")}
    assert bad(report) == set()
    assert report.code == (1 if found(report, "fault") else 0)


def test_a_page_of_the_api_that_is_not_there_fails_only_those_who_ask_the_api(planted: Planted) -> None:
    report = looked_at(planted, api(user_portal_url=f"https://{NAME}:4444/"), api=API)

    assert (found(report, "fault"), bad(report)) == ({"page-unreachable"}, {"apple", "android"})


def test_without_an_api_it_is_unchecked_and_not_green(planted: Planted) -> None:
    report = looked_at(planted, CLEAN)

    assert "the captive portal API (RFC 8908)" in {one.what for one in report.all_told.unchecked}
    assert not any("API" in words for words in report.all_told.right)


SCRIPTED = f'<!doctype html><html lang="en"><title>Join</title><script src="/x.js"></script>{"<p>Wait</p>" * 3}'
ASKING = PAGE.format('<form method="post"><input name="room" required></form>').replace(
    'action="join"><button>', '><input name="pin"><button>'
)

AFTER = [
    ("faked success", replace(CLEAN, fakes_after=True), {"faked-success"}, {"android", "chromeos"}),
    ("a connection that stays caught", replace(CLEAN, ends=False, stale=True), {"stale-connection"}, set()),
    ("a cookie", replace(CLEAN, cookie=True), {"needs-cookie"}, set()),
    ("a button that lets nobody in", replace(CLEAN, lets_in=False), {"join-fails"}, set()),
    ("a script", replace(CLEAN, page=SCRIPTED), {"needs-script"}, set()),
]


@pytest.mark.parametrize(("fault", "codes", "clients"), [one[1:] for one in AFTER], ids=[one[0] for one in AFTER])
def test_a_fault_of_joining_or_after_it_is_named(
    planted: Planted, fault: Behaviour, codes: set[str], clients: set[str]
) -> None:
    report = examined(planted, fault, api="")

    assert codes == found(report)
    assert bad(report, "after") == clients
    assert report.code == 1


def test_a_connection_that_is_kept_but_let_go_by_joining_is_right(planted: Planted) -> None:
    report = examined(planted, replace(CLEAN, ends=False), api="")

    assert (found(report), report.code) == (set(), 0)


def test_a_page_that_asks_for_something_is_left_alone(planted: Planted) -> None:
    report = examined(planted, replace(CLEAN, page=ASKING), api="")

    assert not planted.joined
    assert "asks for room" in report.gave_up
    assert (report.code, len(report.phases)) == (2, 1)


def test_a_device_that_the_portal_still_catches_after_joining_is_told_so(planted: Planted) -> None:
    planted.behave(CLEAN)
    one = Examination(Plan(SOME, (OWN4,), ssl.create_default_context(cafile=str(planted.authority.ca)), most=1.0))
    with inside_net(planted.member):
        one.after()
    report = one.close()

    assert found(report, "fault") == {"still-captive"}
    assert report.code == 1


def test_a_device_that_has_joined_already_is_told_so(planted: Planted) -> None:
    report = looked_at(planted, CLEAN, joined=True)

    assert (found(report), report.code) == ({"already-online"}, 1)


def test_a_network_without_a_portal_that_says_so_is_right(planted: Planted) -> None:
    report = looked_at(planted, CLEAN, api=UNRESTRICTED, joined=True)

    assert (found(report), bad(report), report.code) == (set(), set(), 0)


def test_a_network_that_denies_its_portal_is_named(planted: Planted) -> None:
    assert "unrestricted-lie" in found(looked_at(planted, CLEAN, api=UNRESTRICTED), "fault")


def test_a_look_from_a_device_that_was_let_in_before_says_that_it_saw_no_door(planted: Planted) -> None:
    report = looked_at(planted, CLEAN, api=API, joined=True)

    assert ("already-online" in found(report, "note"), report.code) == (True, 0)
    assert "already-online" not in found(looked_at(planted, CLEAN, api=API))
