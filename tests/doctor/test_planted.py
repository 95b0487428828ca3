"""Each fault, planted in a portal of real sockets, is named; its clean twin is green."""

from __future__ import annotations

import ssl
from dataclasses import replace

import pytest

from meshctl.doctor.catalogue import CATALOGUE, Client
from meshctl.doctor.examine import Examination, Plan
from meshctl.doctor.report import Report
from meshctl.lab.kernel import inside_net
from tests.doctor.planted import API, NAME, OWN4, PAGE, Behaviour, Planted

pytestmark = pytest.mark.kernel

KEYS = {"apple", "android", "chromeos", "windows", "firefox", "gnome", "ubuntu", "steam"}
SOME = tuple(client for client in CATALOGUE if client.key in KEYS)


def examined(planted: Planted, how: Behaviour, *, clients: tuple[Client, ...] = SOME, api: str = API) -> Report:
    planted.behave(how)
    tls = ssl.create_default_context(cafile=str(planted.authority.ca))
    one = Examination(Plan(clients, (OWN4,), tls, most=1.0, api=api, let_in_within=0.3))
    with inside_net(planted.member):
        one.before()
        if one.join():
            one.after()
        return one.close()


def looked_at(planted: Planted, how: Behaviour, *, api: str = "", joined: bool = False) -> Report:
    """Before joining only."""
    planted.behave(how)
    tls = ssl.create_default_context(cafile=str(planted.authority.ca))
    one = Examination(Plan(SOME, (OWN4,), tls, most=1.0, api=api))
    planted.set_joined(joined=joined)
    with inside_net(planted.member):
        one.before()
        return one.close()


def found(report: Report, severity: str = "") -> set[str]:
    return {one.code for one in report.all_told.found if severity in ("", one.severity)}


def bad(report: Report, phase: str = "before") -> set[str]:
    return {v.client.key for seen in report.phases if seen.phase == phase for v in seen.visits
            if v.verdict.state != seen.expected}  # fmt: skip


def test_the_clean_twin_is_green_for_every_client_before_and_after(planted: Planted) -> None:
    report = examined(planted, Behaviour(), clients=CATALOGUE)

    assert (found(report) - {"api-page-over-http"}, bad(report), bad(report, "after")) == (set(), set(), set())
    assert report.code == 0
    assert [seen.phase for seen in report.phases] == ["before", "after"]
    assert report.took < 15


CLEAN = Behaviour()
SMALL = b"ok\n\n"
SCRIPT = f'<!doctype html><html lang="en"><title>Join</title><script src="/x.js"></script>{"<p>Wait</p>" * 3}'
OUTSIDE = PAGE.format('<script src="https://cdn.example/x.js"></script>')

BEFORE = [
    ("a page in place of a redirect", replace(CLEAN, status=200, body=PAGE.encode()), {"page-in-place"}, set()),
    ("a permanent redirect", replace(CLEAN, status=301), {"permanent-redirect"}, {"chromeos"}),
    ("511 alone", replace(CLEAN, status=511), {"only-511"}, {"android", "chromeos", "firefox", "steam"}),
    ("a refusal", replace(CLEAN, status=403), {"no-redirect"}, {"android", "chromeos", "firefox", "steam"}),
    ("no no-store", replace(CLEAN, cache="max-age=60"), {"no-store-missing"}, set()),
    ("no header on storing", replace(CLEAN, cache=""), {"no-store-missing"}, set()),
    ("four bytes with 200", replace(CLEAN, status=200, body=SMALL), {"page-in-place", "small-body"}, KEYS),
    ("four bytes with 302", replace(CLEAN, body=SMALL), {"small-body"}, set()),
    ("a target without a host", replace(CLEAN, location="/join"), {"relative-location", "redirect-loop"}, KEYS),
    ("no target", replace(CLEAN, location=""), {"no-location"}, KEYS),
    ("an address as the target", replace(CLEAN, location=f"http://{OWN4}/"), {"literal-location"}, set()),
    ("https by an address", replace(CLEAN, location=f"https://{OWN4}/"), {"literal-location", "page-certificate"},
     KEYS),
    ("https with another's certificate", replace(CLEAN, location="https://other.test/"), {"page-certificate"}, KEYS),
    ("a circle", replace(CLEAN, page_loops=True), {"redirect-loop"}, KEYS),
    ("one maker's page is not there", replace(CLEAN, elsewhere=("msft", f"http://{NAME}:4444/")), {"page-unreachable"},
     {"windows"}),
    ("an empty page", replace(CLEAN, page=""), {"page-empty"}, KEYS),
    ("a page of no type", replace(CLEAN, page_kind="text/plain"), {"page-not-html"}, set()),
    ("a page from elsewhere", replace(CLEAN, page=OUTSIDE), {"page-needs-outside"}, set()),
    ("faked success", replace(CLEAN, fakes=True), {"faked-success"}, KEYS),
    ("faked success for one maker", replace(CLEAN, fakes_for="CaptiveNetworkSupport"), {"faked-success"}, {"apple"}),
    ("https that is open", replace(CLEAN, opens_443=True), {"https-open"}, set()),
    ("IPv6 that leaks", replace(CLEAN, leaks6=True), {"ipv6-leak"}, KEYS),
    ("a drop in place of a refusal", replace(CLEAN, drops=True), {"dropped"}, set()),
    ("no HTTP", replace(CLEAN, garbles=True), {"http-shut"}, KEYS),
    ("a reset in place of a redirect", replace(CLEAN, shuts="reject with tcp reset"), {"http-shut"}, KEYS),
    ("no names", replace(CLEAN, nameless=True), {"names-shut"}, KEYS),
    ("a lie in the names", replace(CLEAN, lies=True), {"dns-lie"}, set()),
]  # fmt: skip


@pytest.mark.parametrize(("fault", "codes", "clients"), [one[1:] for one in BEFORE], ids=[one[0] for one in BEFORE])
def test_a_fault_before_joining_is_named_with_who_misbehaves(
    planted: Planted, fault: Behaviour, codes: set[str], clients: set[str]
) -> None:
    report = looked_at(planted, fault)

    assert codes <= found(report)
    assert ("ipv6-leak" in found(report)) == fault.leaks6
    assert clients == bad(report)
    named = clients or found(report, "fault")
    assert report.code == (1 if named else 0)
