"""A loop whose turns are long still answers in between."""

from __future__ import annotations

import pytest

from meshctl.agent.turning import next_turn


@pytest.mark.parametrize(
    ("due", "began", "ended", "wanted"),
    [(10.0, 10.0, 10.1, 11.0), (10.0, 10.4, 10.5, 11.0), (10.0, 10.0, 10.8, 11.6), (10.0, 10.0, 14.0, 15.0)],
    ids=["quick", "late and quick", "long", "longer than a period"],
)
def test_a_long_turn_is_followed_by_as_long_a_time_for_all_else(
    due: float, began: float, ended: float, wanted: float
) -> None:
    assert next_turn(due, 1.0, began, ended) == pytest.approx(wanted)


def test_turns_that_all_last_longer_than_their_period_leave_half_the_time_or_a_period_each() -> None:
    due, answering = 0.0, 0.0
    for _ in range(10):
        began = due
        ended = began + 1.5
        due = next_turn(due, 1.0, began, ended)
        answering += due - ended
    assert answering == pytest.approx(10.0)
