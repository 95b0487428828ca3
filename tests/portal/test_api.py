"""The captive portal API says what the agent says, in the words of RFC 8908, to whoever asks for it over TLS."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from meshctl.config import Config
from meshctl.lab.authority import Authority
from meshctl.portal.agent_client import AgentClient
from meshctl.portal.app import create_portal
from meshctl.portal.certificate import Certificate
from meshctl.wire import PauseView
from tests.portal.fake_agent import FakeAgent

HERE, NAME, NOW = "10.44.0.9", "portal.lab.test", 1_800_000_000.0
KIND = "application/captive+json"

Get = Callable[..., TestResponse]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("certificate")
    Authority(folder / "authority").issue(NAME, folder / "chain.pem", folder / "key.pem")
    return folder / "chain.pem", folder / "key.pem"


@pytest.fixture
def portal(config: Config, files: tuple[Path, Path]) -> Config:
    settings = replace(config.portal, host=NAME, certificate=str(files[0]), key=str(files[1]))
    return replace(config, portal=settings)


def client_of(config: Config, agent: AgentClient, *, now: float = NOW) -> FlaskClient:
    certificate = Certificate(Path(config.portal.certificate), Path(config.portal.key), config.portal.host)
    certificate.look(now, 0.0)
    return create_portal(agent, config, certificate).test_client()


def asking(client: FlaskClient) -> Get:
    def get(accept: str | None = KIND, *, scheme: str = "https", method: str = "GET", path: str = "/captive") -> Any:
        headers = {} if accept is None else {"Accept": accept}
        return client.open(
            path, method=method, headers=headers, base_url=f"{scheme}://{NAME}", environ_base={"REMOTE_ADDR": HERE}
        )

    return get


@pytest.fixture
def get(portal: Config, fake: FakeAgent) -> Iterator[Get]:
    fake.seen[HERE] = "visitor"
    with AgentClient(portal.socket, seconds=2.0) as agent:
        yield asking(client_of(portal, agent))


def test_a_visitor_is_captive_and_told_where_to_go(get: Get) -> None:
    reply = get()
    assert reply.status_code == 200
    assert reply.headers["Content-Type"] == KIND
    assert (reply.headers["Vary"], reply.headers["Cache-Control"]) == ("Accept", "private, no-store")
    assert len(reply.get_data()) < 4096
    assert json.loads(reply.get_data(as_text=True)) == {
        "captive": True,
        "user-portal-url": f"https://{NAME}/",
        "venue-info-url": f"https://{NAME}/network",
        "can-extend-session": True,
    }


@pytest.mark.parametrize("state", ["guest", "household"])
def test_who_has_joined_is_free_and_told_for_how_long(get: Get, fake: FakeAgent, state: str) -> None:
    fake.seen[HERE] = state
    said = json.loads(get().get_data(as_text=True))
    assert (said["captive"], said["seconds-remaining"]) == (False, 86_000)
    assert type(said["seconds-remaining"]) is int
    assert said["venue-info-url"] == f"https://{NAME}/network"
    assert "bytes-remaining" not in said


def test_a_paused_device_is_captive_and_cannot_change_that(get: Get, fake: FakeAgent) -> None:
    fake.seen[HERE], fake.pause = "household", PauseView("Too loud", 600.0)
    said = json.loads(get().get_data(as_text=True))
    assert (said["captive"], said["can-extend-session"]) == (True, False)
    assert "seconds-remaining" not in said


API = [
    KIND,
    "Application/Captive+JSON",
    f"{KIND};q=0.001",
    f"{KIND}; charset=utf-8",
    f"text/html;q=0.5, {KIND};q=0.9, */*;q=0.1",
    f"application/json, {KIND};q=0.4, */*;q=0.8",
    f"*/*, {KIND};q=0.2",
    f"{KIND}, text/html",
]
PAGES = [
    None,
    "",
    "*/*",
    "application/*",
    "application/json",
    "application/problem+json, application/json;q=0.9",
    "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
    f"{KIND};q=0",
    f"{KIND};q=0.0, */*",
    f"text/html, {KIND};q=0.9",
    "application/captive+jsonx",
    "q=1;;,,;",
]


@pytest.mark.parametrize("accept", API)
def test_who_asks_for_its_type_gets_the_api(get: Get, accept: str) -> None:
    assert get(accept).headers["Content-Type"] == KIND


@pytest.mark.parametrize("accept", PAGES)
def test_everybody_else_is_led_to_the_pages(get: Get, fake: FakeAgent, accept: str | None) -> None:
    reply = get(accept)
    assert (reply.status_code, reply.headers["Location"]) == (302, f"https://{NAME}/")
    assert (reply.headers["Vary"], reply.headers["Cache-Control"]) == ("Accept", "private, no-store")
    assert fake.asked == []


def test_over_plain_http_there_is_no_api(get: Get, fake: FakeAgent) -> None:
    reply = get(scheme="http")
    assert (reply.status_code, reply.headers["Location"]) == (302, f"https://{NAME}/")
    assert fake.asked == []


def test_a_head_has_the_same_head_and_other_methods_are_refused(get: Get) -> None:
    head, body = get(method="HEAD"), get()
    assert head.get_data() == b""
    assert {**head.headers} == {**body.headers}
    assert get(method="POST").status_code == 405


def test_an_expired_certificate_is_not_linked_to(portal: Config, fake: FakeAgent) -> None:
    fake.seen[HERE] = "visitor"
    with AgentClient(portal.socket) as agent:
        get = asking(client_of(portal, agent, now=1e11))
        assert json.loads(get().get_data(as_text=True))["user-portal-url"] == f"http://{NAME}/"
        assert get(scheme="http").headers["Location"] == f"http://{NAME}/"


def test_a_device_of_another_box_is_told_no_state_at_all(get: Get, fake: FakeAgent) -> None:
    del fake.seen[HERE]
    reply = get()
    assert (reply.status_code, reply.headers["Content-Type"]) == (404, "text/plain; charset=utf-8")
    assert "captive" not in reply.get_data(as_text=True)


def test_without_an_agent_there_is_no_answer_that_could_be_false(get: Get, fake: FakeAgent) -> None:
    fake.stop()
    assert get().status_code == 503


def test_where_no_button_is_asked_for_whoever_comes_is_let_in(portal: Config, fake: FakeAgent) -> None:
    fake.seen[HERE] = "visitor"
    open_house = replace(portal, portal=replace(portal.portal, splash=False))
    with AgentClient(portal.socket) as agent:
        get = asking(client_of(open_house, agent))
        said = json.loads(get().get_data(as_text=True))
        assert (said["captive"], "seconds-remaining" in said) == (False, False)  # who stays is let in anew
        fake.seen[HERE] = "visitor"
        for path in ("/", "/online", "/share"):
            page = get(path=path)
            assert (page.status_code, "Time left" in page.get_data(as_text=True)) == (200, False), path
        fake.seen[HERE], fake.pause = "visitor", PauseView("Too loud", 600.0)
        assert json.loads(get().get_data(as_text=True))["captive"] is True


def test_a_portal_on_another_port_says_so(portal: Config, fake: FakeAgent) -> None:
    fake.seen[HERE] = "visitor"
    moved = replace(portal, portal=replace(portal.portal, https_port=8443))
    with AgentClient(portal.socket) as agent:
        said = json.loads(asking(client_of(moved, agent))().get_data(as_text=True))
    assert said["user-portal-url"] == f"https://{NAME}:8443/"
