"""Every page in every state and language, in a real browser: nothing is cut off, all can be seen, touched and read.

The pages are made by the portal itself for what a stand-in for the agent tells, long names and bad news among it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import pytest
from playwright.sync_api import Page, Route

from meshctl.portal.languages import Language
from tests.browser import looks
from tests.browser.phone import Stage
from tests.portal.test_every_page import SCENES, Pages, Scene

NO_PAGES = {"/health", "/captive"}
"""What programs ask for."""

EACH = {(scene.path, scene.status, scene.form): at for at, scene in reversed(list(enumerate(SCENES)))}
READ_ALOUD = {"en": set(range(len(SCENES))), "ar": set(EACH.values())}
"""Which scenes axe looks at: in English all, in Arabic, which is written from the right, each page once."""

LONGEST_WORDS = "de"


class Screen:
    """A browser's page that shows what it is given, and notes what it asks for besides."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self._asked: list[str] = []
        self._body, self._status, self._headers = b"", 200, dict[str, str]()
        page.route("**/*", self._answer)

    def show(self, pages: Pages, scene: Scene, language: Language) -> list[str]:
        """Show a page; returns every request that was made for it."""
        reply = pages.see(scene, language)
        self.give(reply.data, reply.status_code, dict(reply.headers))
        return self.see(f"/{language.tag}{scene.path}")

    def give(self, body: bytes, status: int, headers: dict[str, str]) -> None:
        """Have this answered from now on."""
        self._body, self._status, self._headers = body, status, headers

    def see(self, path: str) -> list[str]:
        """Go to an address of the portal; returns every request that was made for it."""
        self._asked.clear()
        self.page.goto(f"http://mesh.home{path}")
        return list(self._asked)

    def _answer(self, route: Route) -> None:
        self._asked.append(route.request.url)
        route.fulfill(status=self._status, headers=self._headers, body=self._body)


@pytest.fixture(scope="session")
def screen(stage: Stage) -> Iterator[Screen]:
    with stage.browser.new_context() as context:
        yield Screen(context.new_page())


def test_no_page_is_forgotten(pages: Pages) -> None:
    shown = {scene.path.split("?")[0] for scene in SCENES if scene.status == 200}
    made = {rule.rule for rule in pages.app.url_map.iter_rules() if "GET" in (rule.methods or ())}
    assert made - NO_PAGES <= shown


def test_every_page_suits_everybody(screen: Screen, pages: Pages, language: Language) -> None:
    wrong = []
    for at, scene in enumerate(SCENES):
        asked = screen.show(pages, scene, language)
        faults = [] if len(asked) == 1 else [f"asks for {asked}"]
        faults += shape(screen.page, language)
        faults += looks.narrow(screen.page)
        if at in READ_ALOUD.get(language.tag, ()):
            faults += looks.violations(screen.page)
            faults += looks.unseen_focus(screen.page)
        if language.tag == LONGEST_WORDS:
            faults += looks.spaced(screen.page)
        wrong += [f"{scene.state} {scene.path} {scene.status}: {fault}" for fault in faults]
    assert not wrong, "\n".join(wrong)


def shape(page: Page, language: Language) -> list[str]:
    """What is wrong with language, direction and headings as the browser understands them."""
    seen = looks.frame(page)
    wanted = {"lang": language.tag, "dir": language.direction, "flow": language.direction, "heads": 1, "main": 1}
    wanted["cookie"] = ""
    return [f"{key} is {seen[key]!r}" for key, value in wanted.items() if seen[key] != value]


def test_the_dark_theme_is_dark(screen: Screen, pages: Pages, language: Language) -> None:
    screen.show(pages, SCENES[0], language)
    light = {}
    schemes: tuple[Literal["light", "dark"], ...] = ("light", "dark")
    for scheme in schemes:
        screen.page.emulate_media(color_scheme=scheme)
        colour = screen.page.evaluate("getComputedStyle(document.body).backgroundColor")
        light[scheme] = sum(int(part) for part in colour.strip("rgb()").split(","))
    assert light["dark"] < 150
    assert light["light"] > 600


FAULTY = """<!doctype html><html lang="en"><title>x</title><style>
a:focus{outline:none} p{color:#999;width:400px} @media(prefers-color-scheme:dark){body{background:#111;color:#333}}
</style><main><h1>x</h1><p>grey and wide</p><i>dark</i><a href="/" style="display:block;height:9px">x</a>
<img src="//far.example/x">
</main>"""

FITS_TIGHTLY = """<!doctype html><html lang="en"><meta name="viewport" content="width=device-width"><title>x</title>
<style>body{margin:0;font:20px monospace}</style><p>aaaaaaaaaaaaaaaaaaaaaaa"""


def test_what_is_wrong_is_found(screen: Screen) -> None:
    screen.give(FAULTY.encode(), 200, {"Content-Type": "text/html"})
    assert len(screen.see("/")) == 2
    narrow, axe = looks.narrow(screen.page), "\n".join(looks.violations(screen.page))
    assert [fault.split(": ")[1].split(" by ")[0] for fault in narrow] == [
        "scrolls sideways", "less than 24 px", "less than 44 px high", "scrolls sideways",
    ]  # fmt: skip
    for rule in ("light: color-contrast: p", "light: image-alt", "dark: color-contrast: i"):
        assert rule in axe
    assert len(looks.unseen_focus(screen.page)) == 1
    screen.give(FITS_TIGHTLY.encode(), 200, {"Content-Type": "text/html"})
    screen.see("/")
    assert looks.narrow(screen.page) == []
    assert len(looks.spaced(screen.page)) == 1
