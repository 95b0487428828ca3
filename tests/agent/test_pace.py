"""How often one device may ask for what costs the node something."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from meshctl.agent.pace import CHANGES, PROOFS, Paces
from meshctl.pace import Allowance, Pace
from meshctl.portal.agent_client import AgentClient, Refused
from tests.agent.small_agent import NOW, HandClock, SmallAgent, small_agent

ONE, OTHER = "02:00:00:00:00:01", "02:00:00:00:00:02"
AT, AT_TOO, BESIDE = "10.44.0.9", "fd44::9", "10.44.0.10"


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[SmallAgent]:
    with small_agent(tmp_path) as agent:
        agent.callers[os.getuid()] = "portal"
        agent.kernel.around = {AT: ONE, AT_TOO: ONE, BESIDE: OTHER}
        yield agent


def test_so_many_at_once_and_then_one_by_one() -> None:
    pace = Pace(Allowance(3, 2.0))
    assert [pace.wait("a", 100.0) for _ in range(4)] == [0.0, 0.0, 0.0, 2.0]
    assert pace.wait("b", 100.0) == 0.0
    assert pace.wait("a", 101.5) == 0.5
    assert pace.wait("a", 102.0) == 0.0
    assert [pace.wait("a", 500.0) for _ in range(4)] == [0.0, 0.0, 0.0, 2.0]


def test_what_it_remembers_is_bounded() -> None:
    pace = Pace(Allowance(3, 1.0))
    for number in range(50_000):
        pace.wait(str(number), number * 0.01)
    assert len(pace._whole) <= 4096


def test_a_device_that_changes_its_mind_too_often_is_told_how_long_to_wait(agent: SmallAgent) -> None:
    with AgentClient(agent.config.socket) as client:
        for turn in range(CHANGES.most):
            (client.join if turn % 2 else client.leave)(AT if turn % 3 else AT_TOO)
        for address in (AT, AT_TOO):
            with pytest.raises(Refused) as refusal:
                client.join(address)
            assert (refusal.value.code, refusal.value.seconds) == ("too-fast", 1)
        assert client.join(BESIDE).state == "guest"
        assert client.device(AT).state in ("guest", "visitor")
        agent.clock.now = replace(NOW, monotonic=NOW.monotonic + 1.0)
        assert client.join(AT).state == "guest"


def test_passes_are_proved_only_so_often_even_where_they_are_right(agent: SmallAgent) -> None:
    with AgentClient(agent.config.socket) as client:
        codes = []
        for _ in range(PROOFS.most + 1):
            with pytest.raises(Refused) as refusal:
                client.history(AT, {"pass": "7KQ2-M9XD-0TTR-1V5Z", "secure": True})
            codes.append(refusal.value.code)
        assert codes[-1] == "too-fast"
        assert "too-fast" not in codes[:-1]


def test_what_was_done_is_never_said_to_be_refused_since_its_page_came_too_often(agent: SmallAgent) -> None:
    key = {"pass": "7KQ2-M9XD-0TTR-1V5Z", "secure": True}
    with AgentClient(agent.config.socket) as client:

        def code(*words: str) -> str:
            with pytest.raises(Refused) as refusal:
                client.change_home(words[0], AT, key) if words else client.mine(AT, key)
            return refusal.value.code

        assert code() != "too-fast"
        for number in range(PROOFS.most // 2 + 1):
            agent.clock.now = replace(NOW, monotonic=NOW.monotonic + number)
            done = code("erase")
            if done == "too-fast":
                break
            assert code() != "too-fast"
        assert done == "too-fast"
        assert code("erase") == "too-fast"


def test_what_a_change_of_a_home_pays_for_is_one_page_within_a_quarter_of_a_minute() -> None:
    clock = HandClock()
    paces = Paces(lambda: {AT: ONE}, clock)

    def may(verb: str) -> bool:
        return paces.refusal({"verb": verb, "address": AT}) is None

    assert [may("mine") for _ in range(PROOFS.most + 1)] == [True] * PROOFS.most + [False]
    clock.now = replace(NOW, monotonic=NOW.monotonic + 1000.0)
    assert [may("erase") for _ in range(PROOFS.most // 2 + 1)] == [True] * (PROOFS.most // 2) + [False]
    assert [may("link"), may("history"), may("mine"), may("mine")] == [False, False, True, False]

    clock.now = replace(NOW, monotonic=NOW.monotonic + 2000.0)
    assert all(may("erase") for _ in range(PROOFS.most // 2))
    clock.now = replace(NOW, monotonic=NOW.monotonic + 2015.0)  # three are there again
    assert [may("mine") for _ in range(4)] == [True, True, True, False]


def test_a_steward_waits_for_nothing(agent: SmallAgent) -> None:
    agent.callers[os.getuid()] = "operator"
    with AgentClient(agent.config.socket) as client:
        assert {client.join(AT).state for _ in range(CHANGES.most + 5)} == {"guest"}


def test_who_is_seen_nowhere_is_not_counted(agent: SmallAgent) -> None:
    with AgentClient(agent.config.socket) as client:
        for _ in range(CHANGES.most + 5):
            with pytest.raises(Refused) as refusal:
                client.join("10.44.3.3")
            assert refusal.value.code == "unknown-device"
