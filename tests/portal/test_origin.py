from __future__ import annotations

import pytest

from meshctl.portal.origin import is_own
from tests.portal.conftest import HERE, NOTHING, Ask
from tests.portal.fake_agent import FakeAgent
from tests.portal.fake_homes import GOOD_PASS

FORMS = ["/join", "/leave", "/pass", "/home"]
PAGES = ["/online", "/share", "/slow", "/pass", "/home", "/keep", "/network", "/help", "/nowhere"]


@pytest.mark.parametrize("path", FORMS)
@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "https://mesh.home"},
        {"Origin": "http://mesh.home:81"},
        {"Sec_Fetch_Site": "cross-site"},
        {"Origin": "http://mesh.home", "Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
        {"Origin": "http://mesh.home@evil.example"},
        {"Origin": ""},
        {"Referer": "http://evil.example/http://mesh.home/"},
        {"Referer": "http://mesh.home@evil.example/"},
        {"Referer": "http://mesh.home.evil.example/"},
        {"Referer": "https://mesh.home/pass"},
        {"Referer": ""},
    ],
)
def test_another_site_cannot_press_our_buttons(path: str, headers: dict[str, str], ask: Ask, fake: FakeAgent) -> None:
    reply = ask("POST", path, "", Host="mesh.home", **headers)
    assert reply.status == 403
    assert fake.asked == []


@pytest.mark.parametrize("path", ["/pass", "/home"])
def test_an_old_browser_says_by_its_referrer_that_it_was_on_our_page(path: str, ask: Ask) -> None:
    said = {"Host": "mesh.home", "Referer": "http://mesh.home/es/pass"}
    assert ask("POST", path, f"pass={GOOD_PASS}", **said).status != 403


@pytest.mark.parametrize("path", ["/join", "/leave", "/pass", "/home"])
def test_buttons_work_in_a_browser_that_says_nothing(path: str, ask: Ask) -> None:
    assert ask("POST", path, f"pass={GOOD_PASS}", Host="mesh.home", Origin=NOTHING).status != 403


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "mesh.home", "Referer": "http://mesh.home"},
        {"Host": "mesh.home", "Referer": "http://Mesh.Home/?x"},
        {"Host": "mesh.home", "Origin": "http://mesh.home", "Sec_Fetch_Site": "same-origin"},
        {"Host": "Mesh.Home", "Origin": "http://mesh.home"},
        {"Host": "10.44.0.1", "Origin": "http://10.44.0.1"},
        {"Host": "[fd44::1]:8081", "Origin": "http://[fd44::1]:8081"},
        {"Host": "127.0.0.1:18080", "Origin": "http://127.0.0.1:18080", "Sec_Fetch_Site": "same-origin"},
        {"Host": "localhost:18080", "Sec_Fetch_Site": "none"},
    ],
)
def test_our_own_page_can(headers: dict[str, str], ask: Ask, fake: FakeAgent) -> None:
    assert ask("POST", "/join", "", **headers).status == 303
    assert fake.seen[HERE] == "guest"


@pytest.mark.parametrize(
    ("method", "path"),
    [*(("POST", path) for path in FORMS), *(("GET", path) for path in PAGES), ("GET", "/es/share"), ("POST", "/")],
)
def test_a_foreign_name_that_points_here_reaches_nothing_personal(
    method: str, path: str, ask: Ask, fake: FakeAgent
) -> None:
    fake.seen[HERE] = "household"
    reply = ask(method, path, Host="evil.example", Origin="http://evil.example")
    assert reply.status == 421
    assert "http://mesh.home/" in reply.text
    assert fake.asked == []


@pytest.mark.parametrize("path", ["/", "/sw/"])
def test_the_first_page_under_another_name_leads_to_ours_and_shows_nothing(
    path: str, ask: Ask, fake: FakeAgent
) -> None:
    reply = ask("GET", path, Host="whatever.example")
    assert (reply.status, reply.headers["Location"]) == (302, f"http://mesh.home{path}")
    assert fake.asked == []


@pytest.mark.parametrize(
    ("host", "own"),
    [
        ("", True),
        ("mesh.home", True),
        ("mesh.home.", True),
        ("MESH.HOME:8081", True),
        ("localhost", True),
        ("192.0.2.1:80", True),
        ("[::1]:80", True),
        ("::1", False),
        ("[", False),
        (":80", False),
        ("mesh.home.evil.example", False),
        ("evil.example", False),
        ("user@mesh.home.example", False),
    ],
)
def test_which_hosts_are_ours(host: str, own: bool) -> None:
    assert is_own(host, "mesh.home") is own
