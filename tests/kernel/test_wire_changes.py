"""What a turn changes in the kernel: levels act within one turn, and what is right is not touched."""

from __future__ import annotations

import time

import pytest

from meshctl.agent.kernel import shaped_devices
from meshctl.model import DIRECTIONS, Policy
from meshctl.quota.plan import FIRST_GUEST, GUEST_POOL
from tests.kernel.agents import Agent
from tests.kernel.books import read_books
from tests.kernel.changes import watched
from tests.kernel.demand import Wish, crowding, measure
from tests.kernel.homes import move_in, past_of
from tests.kernel.terrace import Terrace

pytestmark = pytest.mark.kernel

LINE = 20.0
HOMES, GUESTS = range(1, 5), range(11, 31)
"""So many guests that they are assured all of their share, whatever weight the homes have."""

HALF_LIFE = 6.0
"""Seconds, instead of a week."""


@pytest.fixture
def gate(terrace: Terrace) -> Agent:
    terrace.clear()
    terrace.offloads(on=False)
    agent = terrace.hire(LINE, meshed=True)
    move_in(agent, {home: home for home in HOMES}, GUESTS)
    agent.tick()
    return agent


def test_a_turn_without_change_writes_nothing_to_the_kernel(terrace: Terrace, gate: Agent) -> None:
    wishes = [Wish(1, 4, flows=2), Wish(2, 6, "up", 2), Wish(GUESTS[0], 6)]
    with crowding(terrace, wishes), watched(terrace) as changes:
        for _ in range(3):
            gate.tick()

    assert (changes.queues, changes.tables) == ([], [])


def test_when_a_home_steps_back_only_classes_of_another_rate_are_changed_and_no_count_begins_anew(
    terrace: Terrace, gate: Agent
) -> None:
    measure(terrace, [Wish(1, 4), Wish(GUESTS[0], 6)], 0.1, 0.1)
    terrace.settle()
    before, plan = read_books(terrace, gate), gate.turns.plan
    with watched(terrace) as changes:
        gate.turns.accounts.memory = past_of(gate.config, {1: 2})
        gate.tick()
    after, devices = read_books(terrace, gate), shaped_devices(gate.config)
    differ = {
        (devices[way], number)
        for way in DIRECTIONS
        for number, leaf in gate.turns.plan.trees[way].leaves.items()
        if leaf != plan.trees[way].leaves[number]
    }

    assert gate.turns.plan.levels == {0x10: 2}
    assert changes.classes() == differ
    assert differ == {(devices[way], 0x10 + home) for way in DIRECTIONS for home in range(len(HOMES))}
    assert len(changes.queues) == len(differ)
    assert changes.tables == []
    for way in DIRECTIONS:
        for number, count in before[way].leaves().items():
            assert after[way].classes[number] == count
        assert after[way].classes[0x10].sent > 0
        assert after[way].classes[GUEST_POOL].sent == after[way].classes[FIRST_GUEST].sent > 0


def test_contended_use_becomes_a_rate_within_one_turn(terrace: Terrace) -> None:
    terrace.clear()
    terrace.offloads(on=False)
    gate = terrace.hire(LINE, policy=Policy(half_life_days=HALF_LIFE / 86_400))
    move_in(gate, {home: home for home in HOMES}, [GUESTS[0]])
    with crowding(terrace, [Wish(1, 4, flows=2), Wish(11, 6, flows=4)]):
        time.sleep(0.3)
        gate.tick()
        time.sleep(1.5)
        gate.tick()
    got = measure(terrace, [Wish(1, 4, flows=4), Wish(2, 6)], 2.0)["down"]

    assert gate.turns.plan.levels == {0x10: 2}
    assert got[2] / got[1] == pytest.approx(4.0, rel=0.05)
