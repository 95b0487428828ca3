"""Where no button is wanted, whoever is seen is let in as a guest, and stays as long as he is here."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from meshctl.agent.ruleset import install_text
from tests.agent.small_agent import SmallAgent, small_agent

PHONE = "02:00:00:00:00:09"


@pytest.fixture
def open_house(tmp_path: Path) -> Iterator[SmallAgent]:
    with small_agent(tmp_path) as agent:
        config = replace(agent.config, portal=replace(agent.config.portal, splash=False))
        agent.do(lambda it: setattr(it.verbs, "_config", config))
        yield agent


def see(agent: SmallAgent, hours: float = 0.0) -> float | None:
    """See the phone so many hours later; until when it may stay, in hours from now."""

    def act(it: SmallAgent) -> float | None:
        it.clock.now = replace(it.clock.now, monotonic=it.clock.now.monotonic + hours * 3600)
        it.turns.tick()
        it.verbs.seen({PHONE: ["10.44.0.9"]})
        known = it.members.get(PHONE)
        return None if known is None or known.until is None else (known.until - it.clock.now.monotonic) / 3600

    return agent.do(act)


def test_who_is_seen_is_a_guest_in_the_kernel_at_once(open_house: SmallAgent) -> None:
    assert see(open_house) == 24.0
    state = open_house.do(lambda it: it.kernel.read())
    assert set(state.table.members) == {PHONE}
    assert open_house.do(lambda it: it.turns.plan.guests) == 1


def test_who_stays_is_never_sent_away_and_who_went_is_forgotten(open_house: SmallAgent) -> None:
    assert [see(open_house, hours) for hours in (0, 11, 11, 11, 30)] == [24.0, 13.0, 24.0, 13.0, 24.0]


def test_with_a_button_nobody_is_let_in_unasked(tmp_path: Path) -> None:
    with small_agent(tmp_path) as agent:
        assert see(agent) is None


def test_a_first_web_page_waits_for_the_welcome_and_is_not_sent_to_a_login(open_house: SmallAgent) -> None:
    config = open_house.config
    assert "goto greet" not in install_text(config, None)
    assert "goto greet" in install_text(replace(config, portal=replace(config.portal, splash=False)), None)
