"""An explanation can be recomputed by hand from what it says, and its date of return comes true."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshctl.model import Capacity, Policy
from meshctl.quota.explain import Explanation, explain
from meshctl.quota.share import level_of
from meshctl.quota.usage import Filled, Memory, Past, ratio

LINE = Capacity(2.5e6, 1e6)
POLICY = Policy()


def memory_of(down: float, up: float) -> Memory:
    tau = POLICY.half_life / math.log(2)
    whole = [Filled(part * rate * tau, rate * tau) for part, rate in ((down, LINE.down), (up, LINE.up))]
    return Memory(40 * 86_400.0, whole[0], whole[1])


def recomputed(found: Explanation) -> float:
    sides = [side.used / max(side.contended, side.capacity * found.least_contended) for side in (found.down, found.up)]
    return max(sides) + found.newcomer


@given(
    st.floats(0, 1), st.floats(0, 1), st.floats(0, 3e12), st.floats(0, 3e12), st.floats(0, 40), st.floats(0, 30),
    st.integers(0, 3),
)  # fmt: skip
def test_the_numbers_give_the_ratio_and_the_ratio_the_level(
    down: float, up: float, used_down: float, used_up: float, age: float, ago: float, before: int
) -> None:
    memory = memory_of(down, up)
    clock = memory.clock
    past = Past(clock - age * 86_400, clock, clock - ago * 86_400, 2, used_down, used_up, before)
    found = explain(memory, past, POLICY)

    assert math.isclose(recomputed(found), found.ratio, rel_tol=1e-12)
    assert found.level == level_of(found.ratio, before, POLICY)
    assert found.weight == 2 * POLICY.level_weight[found.level]
    if found.above is not None and found.level > before:
        assert found.ratio > found.above
    if found.below is not None:
        assert found.ratio >= found.below


@given(st.floats(1.6, 40))
def test_the_return_comes_when_it_was_said(slices: float) -> None:
    memory = memory_of(0.3, 0.0)
    past = Past(-1e9, memory.clock, memory.clock, 1, slices * memory.down.contended, 0.0)
    found = explain(memory, past, POLICY)
    assert found.level > 0

    # The line stays as busy as now: its own memory is the same then.
    for margin, level in ((0.999, 1), (1.001, 0)):
        then = replace(memory, clock=memory.clock + found.returns_in * margin)
        assert level_of(ratio(then, past, POLICY).value, 1, POLICY) == level


@pytest.mark.parametrize(("level", "since"), [(1, 600.0), (0, None)])
def test_a_level_says_since_when_it_holds(level: int, since: float | None) -> None:
    memory = memory_of(0.3, 0.0)
    past = Past(-1e9, memory.clock, memory.clock, 1, 1.8 * memory.down.contended, 0.0, level, memory.clock - 600, 1.5)
    found = explain(memory, past, POLICY)

    assert found.level == 1
    assert found.since == since
    assert found.decided == (1.5 if level else pytest.approx(1.8))
    assert (found.above, found.below, found.next_above, found.full_below) == (1.5, 1.35, 2.5, 1.35)


def test_a_policy_without_levels_explains_the_full_slice() -> None:
    plain = Policy(level_above=(), level_weight=(1.0,))
    memory = memory_of(0.3, 0.0)
    found = explain(memory, Past(0.0, 0.0, memory.clock, 1, 1e13, 0.0), plain)
    assert (found.level, found.weight, found.above, found.full_below, found.returns_in) == (0, 1.0, None, None, 0.0)
