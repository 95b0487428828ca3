"""Every page in every language: small, alone, of the right direction, with one heading, tied labels and whole links."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.exceptions import HTTPException
from werkzeug.test import TestResponse

from meshctl.config import Access, Config, Network, Node, Paths, Portal
from meshctl.history import DayUse
from meshctl.network_view import Box, NetworkView, Outage
from meshctl.portal.agent_client import AgentClient
from meshctl.portal.app import create_portal
from meshctl.portal.languages import LANGUAGES, Language
from meshctl.wire import PauseView
from tests.portal.conftest import HERE
from tests.portal.fake_agent import FakeAgent
from tests.portal.fake_homes import GOOD_CODE, GOOD_PASS, HOME
from tests.portal.markup import Markup
from tests.portal.test_standing import standing

LIMIT = 14_000
"""Bytes with the headers: what a server may send before it waits for the first answer, on most lines."""

LEARN = ["/help", "/private", "/scams", "/rights", "/keep", "/keep-home", "/keep-network", "/network", "/slow"]
"""What may be read by anybody, before joining too."""

_BOXES = (Box("elm-1", True, True), *(Box(f"the-longest-name-of-a-box-{n}", n == 3, n % 2 == 0) for n in range(30)))
_OUTAGES = (
    *(Outage("box", f"the-longest-name-of-a-box-{n}", 86_400.0 * n + 60, None, False) for n in range(5)),
    Outage("internet", "", 3e5, 9_000.0, True),
    Outage("internet", "", None, None, True),
    *(Outage("internet", "", 1e6 + n, 60.0, True) for n in range(13)),
)
WORKS = NetworkView("elm-1", _BOXES, True, None, _OUTAGES)
DOWN = NetworkView("elm-1", _BOXES, False, 7_300.0, (Outage("internet", "", 7_300.0, None, False), *_OUTAGES))


@dataclass(frozen=True)
class Scene:
    """One way to see a page: who asks, in which state of the network, and what should come."""

    path: str
    state: str = "visitor"
    status: int = 200
    form: tuple[tuple[str, str], ...] | None = None
    change: Callable[[FakeAgent], Any] = lambda fake: None
    scheme: str = "http"
    there: str = ""


def _dead(fake: FakeAgent) -> None:
    fake.uplink, fake.network = False, DOWN


def _mesh(fake: FakeAgent) -> None:
    fake.has_line, fake.others = False, ("10.44.4.1", "10.44.8.1")


def _stepped(fake: FakeAgent) -> None:
    fake.standing, fake.busy = standing(1.8, 1, shares=3), 0.95


def _paused(fake: FakeAgent) -> None:
    fake.pause = PauseView("It sends spam. " * 12, 8_000.0)


def _long(fake: FakeAgent) -> None:
    fake.home.days = tuple(
        DayUse(f"2026-{10 + n // 31}-{n % 31 + 1:02}", 123_456_789_012, 1_230_000) for n in range(37)
    )
    fake.others = tuple(f"10.44.{n}.1" for n in range(4, 80, 4))


def _remembered(fake: FakeAgent) -> None:
    fake.remembered = 5e6


def _one_box(fake: FakeAgent) -> None:
    fake.network = NetworkView("elm-1", (Box("elm-1", True, True),), True)


def _full(fake: FakeAgent) -> None:
    boxes = tuple(f"the-longest-name-of-a-box-{n}" for n in range(50))
    state = {"linked": True, "standing": standing(1.8, 1, shares=3), "note": "Ñ€" * 100, "erased_in": 0.0}
    fake.home.mine = replace(HOME, **state, keeper=boxes[0], keeper_up=False, away=boxes)  # type: ignore[arg-type]
    _long(fake)


WRONG = (("pass", "0000-0000-0000-0000"),)
CODE, NO_CODE = (("key", GOOD_CODE),), (("key", "0000-0000"),)

SCENES = [
    *(Scene(path) for path in LEARN),
    *(Scene(path, change=_dead) for path in ("/", "/network", "/slow")),
    *(Scene("/slow", state, change=change) for state in ("guest", "household") for change in (_stepped, _mesh)),
    *(Scene("/", state, change=_paused) for state in ("visitor", "household")),
    *(Scene(path, "household", change=_stepped) for path in ("/", "/online", "/share")),
    *(Scene(path, "guest") for path in ("/online", "/share", "/slow")),
    Scene("/"),
    Scene("/", "elsewhere"),
    Scene("/slow", "elsewhere"),
    Scene("/share", "elsewhere", 409),
    Scene("/online", "guest", change=_dead),
    Scene("/slow", "guest", change=_paused),
    Scene("/share", "household", change=lambda fake: setattr(fake, "standing", standing(0.4, 0))),
    Scene("/pass"),
    Scene(f"/pass?p={GOOD_PASS}"),
    Scene("/pass", status=422, form=WRONG),
    Scene("/pass", status=422, form=(("pass", "x" * 64),)),
    Scene("/remember"),
    Scene("/remember", "guest"),
    Scene("/remember", "household", change=_one_box),
    Scene("/remember", "guest", change=_remembered),
    Scene("/remember", "guest", form=()),
    Scene("/remember", "guest", form=(("stop", "1"),)),
    Scene("/remember", form=(("number", "7KQ2-M9XD-0TTR"),)),
    Scene("/remember", status=422, form=(("number", "7KQ2"),)),
    Scene("/home"),
    Scene("/home", change=_mesh),
    *(Scene(path, scheme="https") for path in ("/home", "/mine")),
    Scene("/mine", status=403, form=(("key", "0000-0000-0000-0000"),), scheme="https"),
    Scene("/home", form=CODE, change=_long),
    Scene("/home", form=CODE, change=lambda fake: setattr(fake.home, "days", ())),
    *(Scene(path, status=403, form=form) for path in ("/home", "/mine") for form in (NO_CODE, (("key", GOOD_PASS),))),
    Scene("/mine"),
    *(Scene("/mine", form=CODE, change=change) for change in (lambda fake: None, _full)),
    *(Scene("/mine", form=(*CODE, ("part", part)), change=_full) for part in ("days", "why", "wrong")),
    Scene("/mine-correct", status=422, form=(*CODE, ("note", "Ñ€ " * 68)), there="/mine"),
    Scene("/mine-correct", form=(*CODE, ("note", "x")), change=_full, there="/mine"),
    Scene("/mine-erase", status=422, form=CODE, there="/mine"),
    Scene("/mine-erase", form=(*CODE, ("sure", "yes")), there="/mine"),
    Scene("/mine-keep", form=CODE, change=_full, there="/mine"),
    Scene("/forget"),
    Scene("/forget", "household", form=()),
    Scene("/nowhere", status=404),
    Scene("/join", status=405),
    Scene("/", status=503, change=lambda fake: setattr(fake, "refusal", ("busy", "no"))),
]


@dataclass(frozen=True)
class Pages:
    app: Flask
    client: FlaskClient
    fake: FakeAgent

    def see(self, scene: Scene, language: Language) -> TestResponse:
        fresh = vars(FakeAgent(self.fake.path))
        vars(self.fake).update({name: value for name, value in fresh.items() if name != "_server"})
        self.fake.network = WORKS
        self.fake.seen = {} if scene.state == "elsewhere" else {HERE: scene.state}
        scene.change(self.fake)
        method = "GET" if scene.form is None else "POST"
        data = None if scene.form is None else dict(scene.form)
        where = {"Origin": f"{scene.scheme}://mesh.home"} if data is not None else {}
        return self.client.open(
            f"/{language.tag}{scene.path}",
            method=method,
            data=data,
            base_url=f"{scene.scheme}://mesh.home",
            headers=where,
            environ_base={"REMOTE_ADDR": HERE},
        )


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pages]:
    folder = str(tmp_path_factory.mktemp("pages"))
    config = Config(
        node=Node("elm-1"),
        access=(Access("br-lan", "10.44.0.1/22", "fd44::1/64"),),
        network=Network("Neighbours of Donaudampfschifffahrtselektrizitätenweg".ljust(88, "g")),
        paths=Paths(state=folder, run=folder),
        portal=Portal(
            help="Ask Ana at number 12, or ring 555 0123. ".ljust(240, "z"),
            help_place="The bakery, Fridays from 5 to 7. ".ljust(240, "w"),
        ),
    )
    fake = FakeAgent(Path(config.socket))
    fake.start()
    with AgentClient(config.socket) as client:
        app = create_portal(client, config)
        yield Pages(app, app.test_client(), fake)
    fake.stop()


@pytest.mark.parametrize("language", LANGUAGES, ids=lambda language: language.tag)
def test_every_page_is_what_a_page_must_be(language: Language, pages: Pages) -> None:
    wrong = []
    for scene in SCENES:
        reply = pages.see(scene, language)
        wrong += [f"{scene.state} {scene.path}: {fault}" for fault in faults(pages.app, scene, language, reply)]
    assert wrong == []


def faults(app: Flask, scene: Scene, language: Language, reply: TestResponse) -> Iterator[str]:
    page = Markup(reply.text)
    size = len(reply.data) + sum(len(name) + len(value) + 4 for name, value in reply.headers)
    if reply.status_code != scene.status:
        yield f"status {reply.status_code}"
    if size > LIMIT:
        yield f"{size} bytes"
    if (page.html.get("lang"), page.html.get("dir")) != (language.tag, language.direction):
        yield f"{page.html}"
    if page.headings[:1] != ["h1"] or page.headings.count("h1") != 1 or ("h2", "h3") in pairwise(page.headings[:1]):
        yield f"headings {page.headings}"
    if page.landmarks != ["header", "main", "nav", "footer"]:
        yield f"landmarks {page.landmarks}"
    if len(page.ids) != len(set(page.ids)) or not page.named <= set(page.ids):
        yield f"ids {page.ids}, {page.named}"
    if not set(page.fields) <= page.labels:
        yield f"fields {page.fields} without labels {page.labels}"
    if "url(" in reply.text or "@import" in reply.text or "Set-Cookie" in reply.headers:
        yield "it asks for more than itself"
    yield from page.faults
    yield from (f"no page at {address}" for address in broken(app, page, f"/{language.tag}{scene.path}"))
    yield from languages(page, language, scene)
    footer = reply.text.split("<footer>")[1]
    if "Ask Ana at number 12" not in footer or "Fridays from 5 to 7" not in footer:
        yield "it does not say whom to ask"


def broken(app: Flask, page: Markup, base: str) -> Iterator[str]:
    """Addresses on a page that lead nowhere, or away from this node; another box of ours is not away."""
    tags = {language.tag for language in LANGUAGES}
    routes = app.url_map.bind("mesh.home")
    targets = [(href, "GET") for href, _ in page.links] + [(action, "POST") for action in page.forms]
    for address, method in targets:
        if address.startswith("#") and address[1:] in page.ids:
            continue
        parts = urlsplit(urljoin(f"http://mesh.home{base}", address))
        first, _, rest = parts.path[1:].partition("/")
        path = f"/{rest}" if first in tags else parts.path
        ours = parts.hostname == "mesh.home" or re.fullmatch(r"10\.44\.\d+\.1", parts.hostname or "")
        try:
            routes.match(path, method=method)
        except HTTPException:
            ours = None
        if not ours:
            yield address


def languages(page: Markup, language: Language, scene: Scene) -> Iterator[str]:
    """Whether the same page is offered in each language, in its own name, and the current one is marked."""
    offered = [table for _, table in page.links if "hreflang" in table]
    if [table["hreflang"] for table in offered] != [one.tag for one in LANGUAGES]:
        yield f"languages {offered}"
    there = scene.there or scene.path.split("?")[0] if scene.status not in (404, 405) else "/"
    for table, one in zip(offered, LANGUAGES, strict=True):
        path = urlsplit(table["href"]).path
        if (table["lang"], table["dir"], path) != (one.tag, one.direction, f"/{one.tag}{there}"):
            yield f"the link to {one.name}: {table}"
        if ("aria-current" in table) != (one == language):
            yield f"which language is current: {table}"


@pytest.mark.parametrize("path", ["/private", "/scams", "/rights"])
def test_a_page_to_learn_from_has_150_words_at_most(path: str, pages: Pages) -> None:
    text = pages.see(Scene(path), LANGUAGES[0]).text
    main = text[text.index("<main") : text.index('<ul class="links">')]
    assert len(Markup(main).words.split()) <= 150


def test_an_uplink_that_is_down_is_no_login(pages: Pages) -> None:
    page = pages.see(Scene("/", change=_dead), LANGUAGES[0]).text
    for words in ("The internet is down", "It is not your phone", "2 hours ago", "the-longest-name-of-a-box-0"):
        assert words in page
    assert page.index("Look again") < page.index("<button")


@pytest.mark.parametrize(
    ("state", "change", "words"),
    [
        ("guest", _dead, "It stopped 2 hours ago"),
        ("guest", lambda fake: setattr(fake, "busy", 0.95), "everybody gets an equal slice"),
        ("guest", lambda fake: setattr(fake, "busy", 0.6), "The line is busy"),
        ("guest", lambda fake: setattr(fake, "busy", 0.1), "may be weak"),
        ("guest", _mesh, "at another box"),
        ("household", _stepped, "Full slice again: in 3 days"),
        ("guest", _paused, "This device is paused"),
        ("visitor", lambda fake: None, "You have not joined yet"),
        ("elsewhere", lambda fake: None, "You are not on our"),
    ],
)
def test_why_it_is_slow_is_said_as_it_is(
    state: str, change: Callable[[FakeAgent], Any], words: str, pages: Pages
) -> None:
    assert words in pages.see(Scene("/slow", state, change=change), LANGUAGES[0]).text


def test_what_failed_is_listed_whole_or_said_to_go_on(pages: Pages) -> None:
    few = replace(WORKS, outages=_OUTAGES[:10])
    assert (
        "left out"
        not in pages.see(Scene("/network", change=lambda fake: setattr(fake, "network", few)), LANGUAGES[0]).text
    )
    assert "Older ones are left out." in pages.see(Scene("/network"), LANGUAGES[0]).text


def test_numbers_and_times_are_written_as_the_language_writes_them(pages: Pages) -> None:
    said = {one.tag: pages.see(Scene("/share", "household", change=_stepped), one).text for one in LANGUAGES}
    for tag, words in {"en": ("4.1", "in 3 days"), "de": ("4,1", "in 3 Tagen"), "fr": ("4,1", "dans 3 jours")}.items():
        assert all(word in said[tag] for word in words)
    assert "خلال 3 أيام" in said["ar"]
