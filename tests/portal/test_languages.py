from __future__ import annotations

from dataclasses import replace

import pytest

from meshctl.config import Config
from meshctl.portal.agent_client import AgentClient
from meshctl.portal.app import create_portal
from meshctl.portal.languages import LANGUAGES
from tests.portal.conftest import HERE, Ask
from tests.portal.fake_agent import FakeAgent


@pytest.mark.parametrize("language", LANGUAGES, ids=lambda one: one.tag)
def test_a_language_in_the_address_is_spoken_and_told(ask: Ask, language: object) -> None:
    tag, direction = language.tag, language.direction  # type: ignore[attr-defined]
    assert f'<html lang="{tag}" dir="{direction}">' in ask("GET", f"/{tag}/").text


@pytest.mark.parametrize(
    ("wish", "tag"),
    [
        ("sw, en;q=0.5", "sw"),
        ("pt-BR,pt;q=0.9", "pt"),
        ("ar-EG", "ar"),
        ("xx", "en"),
        ("", "en"),
        ("en;q=0, hi", "hi"),
        ("es-MX,en;q=0.8", "es"),
        ("zh-CN,ar-EG;q=0.4,*;q=0.1", "ar"),
        ("sw-KE;q=0.3,EN-us;q=0.2", "sw"),
        ("*", "en"),
    ],
)
def test_without_a_choice_the_browsers_wish_counts(ask: Ask, wish: str, tag: str) -> None:
    assert f'<html lang="{tag}"' in ask("GET", "/", Accept_Language=wish).text


def test_the_address_wins_over_the_browsers_wish(ask: Ask) -> None:
    assert '<html lang="fr"' in ask("GET", "/fr/", Accept_Language="sw").text


def test_the_way_to_the_languages_says_so_to_who_cannot_see_its_sign(ask: Ask) -> None:
    assert '<a class="say" href="#languages" aria-label="Languages: English">' in ask("GET", "/").text


def test_the_choice_stays_over_a_button(ask: Ask, fake: FakeAgent) -> None:
    assert ask("POST", "/ar/join", "").headers["Location"] == "/ar/online"
    assert fake.seen[HERE] == "guest"
    assert ask("POST", "/ar/leave", "").headers["Location"] == "/ar/"


def test_what_is_no_language_is_a_page_that_is_not_here(ask: Ask) -> None:
    assert ask("GET", "/xx/share").status == 404
    assert ask("GET", "/share?lang=xx").status in (200, 302)
    assert "Location" not in ask("GET", "/help?lang=xx").headers


@pytest.mark.parametrize(
    ("path", "there"),
    [("/en", "/en/"), ("/help?lang=sw", "/sw/help"), ("/es/help?lang=ar", "/ar/help"), ("/?lang=hi", "/hi/"),
     ("//evil.example?lang=es", "/es/evil.example"), ("/?lang=pt-BR", "/pt/"),
     ("/pass?p=7KQ2&lang=es", "/es/pass?p=7KQ2"), ("/help?lang=AR&a=%0D%0Ab&lang=x", "/ar/help?a=%0D%0Ab")],
)  # fmt: skip
def test_a_language_that_is_named_in_another_way_leads_to_its_address(path: str, there: str, ask: Ask) -> None:
    reply = ask("GET", path)
    assert (reply.status, reply.headers["Location"], reply.headers["Cache-Control"]) == (302, there, "no-store")


def test_the_choice_stays_on_the_way_to_another_box_and_back(ask: Ask, fake: FakeAgent) -> None:
    fake.others = ("10.44.8.1",)
    fake.has_line = False
    assert 'href="http://10.44.8.1/es/home"' in ask("GET", "/es/home").text
    assert 'href="http://mesh.home/es/"' in ask("GET", "/es/home", Host="10.44.0.1").text
    assert ask("GET", "/es/", Host="box.example").headers["Location"] == "http://mesh.home/es/"


def test_whom_to_ask_and_where_do_not_share_a_line_that_another_direction_mixes_up(config: Config) -> None:
    assert "<bdi>Ask Ana</bdi><br><bdi>The bakery</bdi>" in footer(config)


def footer(config: Config) -> str:
    portal = replace(config.portal, help="Ask Ana", help_place="The bakery")
    with AgentClient(config.socket) as client:
        app = create_portal(client, replace(config, portal=portal))
        return app.test_client().get("/ar/help").text.split("<footer>")[1]
