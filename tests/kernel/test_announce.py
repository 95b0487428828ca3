"""When the kernel hears of other nodes' clients: at once, whole, and across a restart of the agent."""

from __future__ import annotations

import pytest

from meshctl.lists import Roster
from meshctl.quota.plan import FIRST_GUEST, UNKNOWN, stranger_mark
from tests.kernel.agents import ACCESS, GATEWAY, ROSTER, THIRD, Agent
from tests.kernel.street import ADDRESSES, HARDWARE, SITE4, Street

pytestmark = pytest.mark.kernel

HOME, GUEST = 0x21, FIRST_GUEST + 9
STRANGERS = {stranger_mark(ACCESS.number), stranger_mark(THIRD.number)}


def announced(agent: Agent) -> dict[str, int]:
    return dict(agent.do(agent.kernel.read).table.announced)


def leaves(agent: Agent) -> set[int]:
    return set(agent.turns.plan.trees["down"].leaves)


def test_what_is_announced_takes_the_place_of_what_was(street: Street) -> None:
    gate = street.gate
    gate.announce({"10.44.8.11": HOME, "2001:DB8:2:0:0::b": HOME, "10.44.8.12": GUEST})
    assert announced(gate) == {"10.44.8.11": HOME, "2001:db8:2::b": HOME, "10.44.8.12": GUEST}
    assert leaves(gate) == {HOME, GUEST, UNKNOWN, *STRANGERS}
    assert (gate.turns.plan.homes, gate.turns.plan.guests) == (1, 1)

    gate.announce({"10.44.8.11": GUEST})
    assert announced(gate) == {"10.44.8.11": GUEST}
    assert leaves(gate) == {GUEST, UNKNOWN, *STRANGERS}
    repairs = gate.turns.tally.repairs
    gate.tick()
    assert gate.turns.tally.repairs == repairs, gate.turns.tally.last


def test_a_large_crowd_is_announced_in_one_go(street: Street) -> None:
    crowd = {f"10.44.{8 + n // 250}.{1 + n % 250}": 0x100 + n for n in range(900)}
    crowd |= {f"2001:db8:2::{n + 1:x}:1": 0x100 + n for n in range(900)}
    street.gate.announce(crowd)
    assert announced(street.gate) == crowd
    repairs = street.gate.turns.tally.repairs
    street.gate.tick()
    assert street.gate.turns.tally.repairs == repairs, street.gate.turns.tally.last
    street.gate.announce({})
    assert announced(street.gate) == {}


def test_an_announced_device_is_present_for_as_long_as_it_is_announced(street: Street) -> None:
    gate = street.gate
    gate.announce({"10.44.8.11": HOME})
    gate.clock.later += 3600
    try:
        gate.tick()
        assert HOME in leaves(gate)
        gate.announce({})
        assert HOME not in leaves(gate)
    finally:
        gate.clock.later = 0.0


def test_strangers_are_present_for_a_quarter_of_an_hour_after_their_leaf_moved_bytes(street: Street) -> None:
    gate = street.gate
    street.access.join(HARDWARE["far"], FIRST_GUEST)
    gate.clock.later += 7200
    try:
        gate.tick()
        assert gate.turns.plan.guests == 0
        assert street.fetches("far", SITE4, 1000)
        street.settle()
        gate.tick()
        assert gate.turns.plan.guests == 1
        gate.clock.later += 14 * 60
        gate.tick()
        assert gate.turns.plan.guests == 1
        gate.clock.later += 2 * 60
        gate.tick()
        assert gate.turns.plan.guests == 0
    finally:
        gate.clock.later = 0.0


def test_a_restarted_agent_keeps_what_was_announced_until_it_hears_anew_or_half_a_minute_passed(street: Street) -> None:
    street.gate.announce(dict.fromkeys(ADDRESSES["far"], HOME))
    wanted = dict.fromkeys(ADDRESSES["far"], HOME)
    for speaks in (False, True):
        again = Agent(street.at("gate"), street.gate.config, street.folder / f"again-{speaks}")
        try:
            again.enter(ROSTER)
            again.do(again.turns.start)
            assert announced(again) == wanted
            assert again.turns.plan.homes == 1
            again.clock.later = 29.0
            again.tick()
            assert announced(again) == wanted
            if speaks:
                again.announce({})
            else:
                again.clock.later = 31.0
                again.tick()
            assert announced(again) == {}
        finally:
            again.store.close()
        street.gate.tick()
        assert announced(street.gate) == wanted


def test_what_was_announced_before_the_start_stands_after_it(street: Street) -> None:
    again = Agent(street.at("gate"), street.gate.config, street.folder / "early")
    try:
        again.enter(ROSTER)
        again.announce({"10.44.8.77": GUEST})
        again.do(again.turns.start)
        assert announced(again) == {"10.44.8.77": GUEST}
        assert again.turns.tally.repairs == 0
    finally:
        again.store.close()
    street.gate.tick()


def test_without_a_roster_nothing_of_the_mesh_is_forwarded_to_the_line(street: Street) -> None:
    gate = street.gate
    assert street.reaches("third", SITE4, str(THIRD.interface4.ip))
    gate.enter(None)

    assert not street.reaches("third", SITE4, str(THIRD.interface4.ip))
    assert street.reaches("third", str(GATEWAY.interface4.ip))
    assert leaves(gate) == {UNKNOWN}


def test_a_roster_that_says_the_same_changes_nothing(street: Street) -> None:
    rules, ticks = street.gate.do(street.gate.kernel.read).table.rules, street.gate.turns.tally.ticks
    street.gate.enter(Roster(ROSTER.version, ROSTER.members))

    assert street.gate.turns.tally.ticks == ticks
    assert street.gate.do(street.gate.kernel.read).table.rules == rules
