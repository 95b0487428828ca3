"""From the first page to the last: on a real lab, in Chromium in a phone, without scripts, in every language."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Page, Request

from meshctl.portal.languages import Language
from tests.browser.phone import PHONE, Stage
from tests.journeys.street import Street

FIRST = "http://example.com/"
"""What the neighbour wanted; opened before joining and after, so that a kept connection would show."""

HOME = "http://mesh.home/"
JOIN, LEAVE = "main form[action$=join] button", "main form[action$=leave] button"


@contextmanager
def surfing(stage: Stage, language: str, *, scripts: bool = False) -> Iterator[Page]:
    """An empty page in a phone whose owner reads that language."""
    with stage.browser.new_context(java_script_enabled=scripts, locale=language) as context:
        context.set_default_timeout(15_000)
        yield context.new_page()
        assert context.cookies() == []


def check(page: Page, address: str, language: Language) -> None:
    """We are there, and the page is in that language."""
    page.wait_for_url(address)
    assert page.locator("html").get_attribute("lang") == language.tag
    assert page.locator("html").get_attribute("dir") == language.direction
    assert page.locator("main h1").count() == 1


def joins(page: Page, language: Language, home: str) -> None:
    """Press the one button; what was wanted at first is there, over whatever connection."""
    page.locator(JOIN).click()
    check(page, f"{home}online", language)
    assert page.locator(JOIN).count() == 0
    page.goto(FIRST)
    assert page.url == FIRST
    assert "You reached the internet" in page.inner_text("body")


def leaves(page: Page, language: Language, home: str) -> None:
    """Press the other one: the way is shut, and the first page is back."""
    page.goto(f"{home}online")
    page.locator(LEAVE).click()
    check(page, home, language)
    assert page.locator(JOIN).count() == 1
    page.goto(FIRST)
    assert page.url == HOME


def test_a_neighbour_gets_online_and_leaves_in_the_language_of_the_phone(stage: Stage, language: Language) -> None:
    with surfing(stage, language.tag) as page:
        page.goto(FIRST)
        check(page, HOME, language)
        joins(page, language, HOME)
        leaves(page, language, HOME)


def test_a_neighbour_gets_online_and_leaves_in_a_language_of_choice(stage: Stage, language: Language) -> None:
    with surfing(stage, "ja-JP") as page:
        page.goto(FIRST)
        page.locator(f"nav a[hreflang={language.tag}]").click()
        check(page, f"{HOME}{language.tag}/", language)
        joins(page, language, f"{HOME}{language.tag}/")
        leaves(page, language, f"{HOME}{language.tag}/")


def test_the_keyboard_alone_is_enough(stage: Stage) -> None:
    with surfing(stage, "en", scripts=True) as page:
        page.goto(FIRST)
        focused = "document.activeElement.matches('form[action$=join] button')"
        for _ in range(8):
            page.keyboard.press("Tab")
            if page.evaluate(focused):
                break
        assert page.evaluate(focused)
        page.keyboard.press("Enter")
        page.wait_for_url(f"{HOME}online")
        page.locator(LEAVE).press("Enter")
        page.wait_for_url(HOME)


def test_each_page_is_one_request_and_two_bring_a_neighbour_online(stage: Stage) -> None:
    with surfing(stage, "en", scripts=True) as page:
        asked: list[Request] = []
        page.on("request", lambda one: asked.append(one))  # noqa: PLW0108  # a method of list cannot be listened with
        page.goto(FIRST)
        assert [one.url for one in asked] == [FIRST, HOME]
        page.locator(JOIN).click()
        page.wait_for_url(f"{HOME}online")
        assert [(one.method, one.url) for one in asked[2:]] == [("POST", f"{HOME}join"), ("GET", f"{HOME}online")]
        for path in ("share", "slow", "network", "help", "keep", "private", "scams", "rights", "pass", "home"):
            asked.clear()
            page.goto(HOME + path)
            assert [one.url for one in asked] == [HOME + path]
        page.goto(f"{HOME}online")
        page.locator(LEAVE).click()
        page.wait_for_url(HOME)


def test_a_home_is_joined_by_its_pass_and_its_share_is_there(stage: Stage, street: Street) -> None:
    made = street.ask("household", "add")
    with surfing(stage, "hi") as page:
        page.goto(f"{HOME}pass?p={made['pass']}")
        page.locator("main form[action$=pass] button").click()
        page.wait_for_url(f"{HOME}share")
        assert made["handle"] in page.inner_text("main")
        page.goto(f"{HOME}online")
        page.locator(LEAVE).click()
        page.wait_for_url(HOME)


def test_while_the_internet_is_down_that_is_said_and_no_login_is_shown(stage: Stage, street: Street) -> None:
    street.lab.cut_uplink("elm")
    try:
        with surfing(stage, "ar") as page:
            street.until(lambda: page.goto(HOME) and page.locator("main [role=status]").count() == 1, 15)
            assert page.locator("main .button").first.get_attribute("href") == "./"
    finally:
        street.lab.heal_uplink("elm")
    street.until(lambda: street.fetch(PHONE, FIRST).startswith("302"))
