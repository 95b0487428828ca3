"""My share says in plain words why a home has the slice it has, and shows the numbers behind it."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from meshctl.model import Capacity, Policy
from meshctl.quota.explain import Explanation, explain
from meshctl.quota.usage import Past, begin
from tests.portal.conftest import HERE, Ask
from tests.portal.fake_agent import FakeAgent

POLICY = Policy()


def standing(slices: float, level: int, shares: int = 1) -> Explanation:
    """Return the standing of a home that used so many slices of the busy hours, decided three hours ago."""
    memory = begin(Capacity(2.5e6, 2.5e6), POLICY.half_life)
    memory = replace(memory, clock=90 * 86_400.0, down=replace(memory.down, contended=memory.down.capacity / 4))
    since = memory.clock - 3 * 3600 if level else None
    used = slices * memory.down.contended
    return explain(memory, Past(0.0, memory.clock, memory.clock, shares, used, 0.0, level, since, slices), POLICY)


@pytest.mark.parametrize(
    ("slices", "level", "words"),
    [(0.4, 0, ["full slice", "0.4 times"]), (1.8, 1, ["half a slice", "1.8 times", "3 hours ago", "3 days"]),
     (3.0, 2, ["a quarter of a slice", "8 days"]), (9.0, 3, ["an eighth of a slice", "19 days"])],
)  # fmt: skip
def test_a_home_reads_why_and_until_when(
    ask: Ask, fake: FakeAgent, slices: float, level: int, words: list[str]
) -> None:
    fake.seen[HERE], fake.standing = "household", standing(slices, level)
    page = re.sub(r"\s+", " ", ask("GET", "/share").text)

    for word in ["Why this slice", f"{slices:.3f}", *words]:
        assert word in page
    assert len(page) < 14_000
    assert ("So it steps back a little" in page) is (level > 0)


def test_shares_are_said(ask: Ask, fake: FakeAgent) -> None:
    fake.seen[HERE], fake.standing = "household", standing(1.8, 1, shares=3)
    assert "half a slice for each of its 3 shares" in re.sub(r"\s+", " ", ask("GET", "/share").text)


def test_a_guest_has_no_memory_to_explain(ask: Ask, fake: FakeAgent) -> None:
    fake.seen[HERE], fake.standing = "guest", standing(1.8, 1)
    assert "Why this slice" not in ask("GET", "/share").text
