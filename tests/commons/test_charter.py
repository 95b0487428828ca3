"""No policy outside the charter's bounds is accepted, and each refusal says what would do."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from meshctl.commons.charter import BOUNDS, breaches
from meshctl.model import Policy


def test_what_holds_by_itself_is_within_the_charter() -> None:
    assert breaches(Policy()) == []


@pytest.mark.parametrize("bound", BOUNDS, ids=lambda bound: bound.key)
def test_each_bound_holds_on_both_sides(bound: Any) -> None:
    for value, allowed in (
        (bound.low, True),
        (bound.high, True),
        (bound.low - 1e-3, False),
        (bound.high + 1e-3, False),
    ):
        found = breaches(replace(Policy(), **{bound.key: value}))
        assert (found == []) is allowed
        if found:
            assert found[0].key == bound.key
            assert bound.promise in found[0].fault
            assert f"{bound.low:g}" in found[0].remedy


@pytest.mark.parametrize(
    ("above", "weight", "key"),
    [
        ((1.5, 2.5), (1.0, 0.5, 0.25, 0.125), "level_weight"),
        ((1.5,), (1.0, 0.1), "level_weight"),
        ((1.5,), (0.5, 0.25), "level_weight"),
        ((1.5, 2.5), (1.0, 0.25, 0.5), "level_weight"),
        ((2.5, 1.5), (1.0, 0.5, 0.25), "level_above"),
        ((0.9,), (1.0, 0.5), "level_above"),
        ((), (), "level_weight"),
    ],
)
def test_levels_only_ever_step_back_and_never_below_an_eighth(
    above: tuple[float, ...], weight: tuple[float, ...], key: str
) -> None:
    assert key in {one.key for one in breaches(Policy(level_above=above, level_weight=weight))}


def test_a_policy_may_do_without_levels() -> None:
    assert breaches(Policy(level_above=(), level_weight=(1.0,))) == []
