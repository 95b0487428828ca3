"""What the smallest share of a crowded line is, home by home, in frames as they arrive; both families at once."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from meshctl.model import Direction
from meshctl.quota.floors import Short, shortfalls
from tests.kernel.demand import Wish, measure
from tests.kernel.homes import move_in
from tests.kernel.terrace import DEVICES, FRAME, Terrace

pytestmark = pytest.mark.kernel

LINE = 50.0
SECONDS, WARMUP = 3.0, 1.2
"""At the floor a frame takes 47 ms. With offloads all is one window: what a home had ahead at first it lacks later."""

PENALTY = 3
"""Every other home has used so much that its weight alone would give it a third of the floor."""

HOMES = range(1, 151)
GUESTS = range(151, 171)


def edge(*, merged: bool) -> float:
    """Return Mbit/s that a window may miss at its edges, or while a sender slept: three packets."""
    return (12 if merged else 3) * FRAME * 8 / SECONDS / 1e6


def window(*, merged: bool) -> tuple[float, float]:
    """Return for how long to measure, and the warm-up before."""
    return (SECONDS + WARMUP, 0.0) if merged else (SECONDS, WARMUP)


@pytest.fixture
def long_way(terrace: Terrace) -> Iterator[Terrace]:
    """A terrace with a way of some length to the far end, as the internet is.

    There TCP makes packets of what it sends within a millisecond (ip-sysctl, tcp_tso_rtt_log). On a way of no length
    it makes them as large as it may, and with offloads one packet is two seconds of the floor.
    """
    terrace.lengthen(far=True)
    yield terrace
    terrace.lengthen(far=False)


@pytest.mark.parametrize("way", ["down", "up"])
@pytest.mark.parametrize("merged", [False, True], ids=["frames-lan0", "merged-ifb"])
def test_at_150_homes_on_50_mbit_the_floor_holds_for_everybody(long_way: Terrace, way: Direction, merged: bool) -> None:
    long_way.clear()
    long_way.offloads(on=merged)
    gate = long_way.hire(LINE, meshed=merged, levels=dict.fromkeys(HOMES[::2], PENALTY))
    move_in(gate, {home: home for home in HOMES}, GUESTS)
    floor = gate.config.policy.floor_kbit / 1000
    wishes = [Wish(device, (4, 6)[device // 2 % 2], way) for device in (*HOMES, *GUESTS)]
    got = measure(long_way, wishes, *window(merged=merged))[way]
    low = [got[home] for home in HOMES[::2]]

    assert shortfalls(gate.turns.plan, gate.config.policy) == ()
    assert {gate.turns.plan.trees[way].leaves[0x10 + home - 1].rate for home in HOMES[::2]} == {256}
    assert min(got.values()) >= floor - edge(merged=merged)
    assert sum(low) / len(low) >= 0.97 * floor


@pytest.mark.parametrize(("merged", "way"), [(False, "down"), (True, "up")], ids=["frames-lan0-down", "merged-ifb-up"])
def test_with_300_homes_floors_scale_down_equally_and_the_node_says_so(
    long_way: Terrace, merged: bool, way: Direction
) -> None:
    long_way.clear()
    long_way.offloads(on=merged)
    homes = range(1, DEVICES + 1)
    gate = long_way.hire(LINE, meshed=merged, levels=dict.fromkeys(homes[::2], PENALTY))
    move_in(gate, {home: home for home in homes})
    wishes = [Wish(home, (4, 6)[home // 2 % 2], way) for home in homes]
    got = measure(long_way, wishes, *window(merged=merged))[way]

    assert shortfalls(gate.turns.plan, gate.config.policy) == tuple(Short(d, "homes", 300, 166) for d in ("down", "up"))
    assert sum(got.values()) >= 0.95 * LINE
    assert sum(got[home] for home in homes[::2]) == pytest.approx(sum(got[home] for home in homes[1::2]), rel=0.03)
    assert min(got.values()) >= LINE / len(homes) - edge(merged=merged)
