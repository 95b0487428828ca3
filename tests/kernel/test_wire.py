"""Who gets what of a full line, in frames as they arrive, both families and both directions at once.

Everything holds twice: with frames one by one and the tree on the one device that faces neighbours, and with
offloads on, where queues count several frames as one, and the tree on an IFB that joins several devices. A
merged packet has up to 64 kB, so that line is faster: else a few packets more or less were per cents.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

import pytest

from meshctl.model import DIRECTIONS, Direction
from meshctl.quota.meter import jain
from tests.kernel.agents import Agent
from tests.kernel.demand import Got, Wish, crowding, measure, watch
from tests.kernel.homes import move_in
from tests.kernel.terrace import Terrace

pytestmark = pytest.mark.kernel

MOST = 8
"""Flows of a greedy home."""


@dataclass(frozen=True)
class Side:
    """One way to run the gateway."""

    terrace: Terrace
    mbit: float
    meshed: bool

    def begin(self, homes: Sequence[int], guests: Sequence[int] = (), levels: dict[int, int] | None = None) -> Agent:
        """Put a new agent in charge, with a device of each of these homes and guests."""
        self.terrace.clear()
        agent = self.terrace.hire(self.mbit, meshed=self.meshed, levels=levels)
        assert agent.turns.merged == self.meshed
        move_in(agent, {number: number for number in homes}, guests)
        return agent


@pytest.fixture(scope="module", params=[False, True], ids=["frames-lan0", "merged-ifb"])
def side(terrace: Terrace, request: pytest.FixtureRequest) -> Iterator[Side]:
    terrace.offloads(on=request.param)
    yield Side(terrace, 100.0 if request.param else 20.0, request.param)
    terrace.clear()
    terrace.offloads(on=False)


FIRST: Mapping[Direction, int] = {"down": 1, "up": 6}
PHONES: Mapping[Direction, range] = {"down": range(11, 21), "up": range(21, 31)}
"""The first of five homes that want each direction, and the phones of the fifth."""


@pytest.fixture(scope="module")
def evenly(side: Side) -> Got:
    """Ten homes at level 0, five in each direction: 8 flows and 1 in each family, and 10 phones with 1 each."""
    agent = side.begin([1, 2, 3, 4, 6, 7, 8, 9])
    wishes: list[Wish] = []
    for way, one in FIRST.items():
        move_in(agent, dict.fromkeys(PHONES[way], one + 4))
        wishes += [Wish(device, (4, 6)[device % 2], way) for device in PHONES[way]]
        wishes += [Wish(one, 4, way, MOST), Wish(one + 1, 4, way), Wish(one + 2, 6, way, MOST), Wish(one + 3, 6, way)]
    got = measure(side.terrace, wishes, 2.5)
    return {
        way: {n: got[way][n] for n in range(one, one + 4)} | {one + 4: sum(got[way][n] for n in PHONES[way])}
        for way, one in FIRST.items()
    }


@pytest.mark.parametrize("way", DIRECTIONS)
def test_equal_homes_get_the_same_however_many_flows_they_have(side: Side, evenly: Got, way: Direction) -> None:
    assert (jain(evenly[way].values()) or 0) >= 0.995, evenly[way]
    assert sum(evenly[way].values()) >= 0.9 * side.mbit


@pytest.mark.parametrize("way", DIRECTIONS)
def test_ten_phones_of_a_home_get_what_the_one_phone_of_another_gets(evenly: Got, way: Direction) -> None:
    *ones, ten = evenly[way].values()

    assert ten == pytest.approx(sum(ones) / 4, rel=0.05)


@pytest.fixture(scope="module")
def stepped(side: Side) -> Agent:
    """Ten homes, of whom four have used far more than their slice, as node.db says: they are at level 2."""
    return side.begin(range(1, 11), levels=dict.fromkeys((2, 4, 6, 8), 2))


def test_levels_0_and_2_share_four_to_one(side: Side, stepped: Agent) -> None:
    wishes = [Wish(1, 4, flows=1), Wish(2, 4, flows=MOST), Wish(3, 6), Wish(4, 6, flows=MOST)]
    wishes += [Wish(5, 6, "up"), Wish(6, 6, "up", MOST), Wish(7, 4, "up"), Wish(8, 4, "up", MOST)]
    got = measure(side.terrace, wishes, 4.0 if side.meshed else 2.5)

    assert {stepped.turns.plan.levels.get(0x10 + home - 1, 0) for home in (2, 4, 6, 8)} == {2}
    down, up = got["down"], got["up"]
    ratios = [down[1] / down[2], down[3] / down[4], up[5] / up[6], up[7] / up[8]]
    assert ratios == pytest.approx([4.0] * 4, rel=0.05), got


@pytest.mark.parametrize("way", DIRECTIONS)
@pytest.mark.parametrize("family", [4, 6])
def test_a_home_that_stepped_back_has_the_whole_line_while_nobody_else_wants_it(
    side: Side, stepped: Agent, way: Direction, family: int
) -> None:
    got = measure(side.terrace, [Wish(2, family, way, MOST)], 1.0, 0.3)

    assert got[way][2] >= 0.95 * side.mbit


@pytest.mark.parametrize("way", DIRECTIONS)
def test_newcomers_have_their_slices_in_their_first_second(side: Side, way: Direction) -> None:
    agent = side.begin([1, 2, 3, 4])
    crowd = [Wish(home, (4, 6)[home % 2], way, MOST) for home in (1, 2, 3, 4)]
    newcomers = [Wish(5, 4, way), Wish(6, 6, way)]
    with ExitStack() as stack:
        stack.enter_context(crowding(side.terrace, crowd))
        time.sleep(0.8)
        move_in(agent, {5: 5, 6: 6})

        def begin_and_wait() -> None:
            stack.enter_context(crowding(side.terrace, newcomers))
            time.sleep(1.0)

        got = watch(side.terrace, [*crowd, *newcomers], begin_and_wait)[way]

    assert sum(got.values()) >= 0.9 * side.mbit
    assert min(got[5], got[6]) >= 0.9 * sum(got.values()) / 6


@pytest.mark.parametrize("way", DIRECTIONS)
def test_64_guests_leave_one_home_of_ten_all_but_their_share(side: Side, way: Direction) -> None:
    guests = range(101, 165)
    agent = side.begin(range(1, 11), guests)
    move_in(agent, {11: 1})
    wishes = [Wish(1, 4, way), Wish(11, 6, way), *(Wish(guest, (4, 6)[guest % 2], way) for guest in guests)]
    got = measure(side.terrace, wishes, 2.5, 1.5)
    together = sum(got[way].values())

    # With offloads a guest may be one packet ahead, which is a second of its rate: that is taken from nobody here.
    whole = min(side.mbit, together) if side.meshed else together
    assert got[way][1] + got[way][11] >= (1 - agent.config.policy.guest_share) * whole
    assert together >= 0.95 * side.mbit
    assert min(got[way][guest] for guest in guests) > 0
