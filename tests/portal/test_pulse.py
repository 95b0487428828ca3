"""What the portal and the agent tell each other apart from any request."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from meshctl.config import Config
from meshctl.lab.authority import Authority
from meshctl.portal.agent_client import AgentClient
from meshctl.portal.captive import create_captive
from meshctl.portal.certificate import Certificate
from meshctl.portal.pulse import ASK_AGAIN, ASK_EVERY, TELL_EVERY, Pulse
from tests.portal.fake_agent import FakeAgent

NOW = 1_800_000_000.0


@pytest.fixture
def agent(config: Config, fake: FakeAgent) -> Iterator[AgentClient]:
    with AgentClient(config.socket, seconds=2.0) as client:
        yield client


def test_the_captive_door_follows_the_internet(config: Config, agent: AgentClient, fake: FakeAgent) -> None:
    captive = create_captive(config)
    pulse = Pulse(agent, captive, None)
    seen = []
    for turn, internet in enumerate((None, False, True)):
        fake.network = replace(fake.network, internet=internet)
        pulse.beat(NOW, turn * ASK_EVERY)
        pulse.beat(NOW, turn * ASK_EVERY + 0.9 * ASK_AGAIN)
        seen.append(captive.offline)
    assert seen == [False, True, False]
    assert [one["verb"] for one in fake.asked] == ["network"] * 3


def test_that_the_internet_is_back_is_heard_sooner_than_that_it_is_gone(
    config: Config, agent: AgentClient, fake: FakeAgent
) -> None:
    captive = create_captive(config)
    pulse = Pulse(agent, captive, None)
    seen = []
    for at, internet in ((0.0, True), (ASK_AGAIN, False), (ASK_EVERY, False), (ASK_EVERY + ASK_AGAIN, True)):
        fake.network = replace(fake.network, internet=internet)
        pulse.beat(NOW, at)
        seen.append(captive.offline)
    assert seen == [False, False, True, False]


def test_where_no_button_is_asked_for_the_captive_door_tells_nobody_to_press_one(config: Config) -> None:
    captive = create_captive(replace(config, portal=replace(config.portal, splash=False)))
    page = captive.answer("text/html")
    assert (captive.answer("*/*"), page and page.status[:3]) == (None, "503")


def test_the_agent_hears_of_every_change_and_of_the_rest_now_and_then(
    config: Config, agent: AgentClient, fake: FakeAgent, tmp_path: Path
) -> None:
    files = (tmp_path / "chain.pem", tmp_path / "key.pem")
    pulse = Pulse(agent, create_captive(config), Certificate(*files, "portal.lab.test"))
    pulse.beat(NOW, 1.0)
    Authority(tmp_path / "authority").issue("portal.lab.test", *files)
    for at in (2.0, 3.0, 4.0, 3.0 + TELL_EVERY):
        pulse.beat(NOW, at)
    files[1].unlink()
    pulse.beat(NOW, 5.0 + TELL_EVERY)
    told = [one["usable"] for one in fake.asked if one["verb"] == "secure-door"]
    assert told == [False, True, True, False]


def test_an_agent_that_was_away_is_told_when_it_is_back(
    config: Config, agent: AgentClient, fake: FakeAgent, tmp_path: Path
) -> None:
    files = (tmp_path / "chain.pem", tmp_path / "key.pem")
    Authority(tmp_path / "authority").issue("portal.lab.test", *files)
    pulse = Pulse(agent, create_captive(config), Certificate(*files, "portal.lab.test"))
    pulse.beat(NOW, 1.0)
    fake.stop()
    pulse.beat(NOW, 1.0 + TELL_EVERY)
    fake.start()
    fake.asked.clear()
    pulse.beat(NOW, 2.0 + TELL_EVERY)
    told = [one for one in fake.asked if one["verb"] == "secure-door"]
    assert [one["usable"] for one in told] == [True]
    assert told[0]["lifetime"] > told[0]["left"] > 365 * 86400
