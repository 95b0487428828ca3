"""Every promise of the fair share holds on thousands of random neighbourhoods, and would not if it were broken."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.strategies import SearchStrategy

from meshctl.model import DIRECTIONS
from tests.quota.invariants.algorithm import PRODUCT
from tests.quota.invariants.catalogue import GROUPS, INVARIANTS, Invariant, Mutant, table
from tests.quota.invariants.memory import is_busy, turn_of
from tests.quota.invariants.merging import talks
from tests.quota.invariants.systems import BYTES, System, build, systems

SYSTEMS = int(os.environ.get("MESHCTL_SYSTEMS", "5000"))
"""How many systems each invariant is checked on. With a number of one's own they are other ones every time."""

DOCS = Path(__file__).resolve().parents[3] / "docs" / "invariants.md"


def drawn(room: str) -> SearchStrategy[Any]:
    """Return what the invariants of a module or group are checked on."""
    return talks() if room == "merging" else systems()


def over_systems(room: str, check: Callable[[Any], None], *, shrink: bool) -> None:
    """Check on so many random systems; the smallest that fails is printed."""
    phases = (Phase.generate, Phase.shrink) if shrink else (Phase.generate,)
    drawing = settings(
        max_examples=SYSTEMS,
        deadline=None,
        database=None,
        derandomize="MESHCTL_SYSTEMS" not in os.environ,
        phases=phases,
        report_multiple_bugs=False,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.nested_given],
    )
    drawing(given(drawn(room))(check))()


@pytest.mark.parametrize("group", GROUPS)
def test_every_invariant_holds_on_thousands_of_random_systems(group: str) -> None:
    here = [one for one in INVARIANTS if one.room in GROUPS[group]]
    checked = 0

    def all_hold(system: Any) -> None:
        nonlocal checked
        for one in here:
            one.holds(system, PRODUCT)
        checked += 1

    over_systems(group, all_hold, shrink=True)
    assert checked >= SYSTEMS


@pytest.mark.parametrize(
    ("invariant", "mutant"),
    [
        pytest.param(one, mutant, id=f"{one.holds.__name__}-{mutant.name.replace(' ', '_')}")
        for one in INVARIANTS
        for mutant in one.mutants
    ],
)
def test_a_broken_variant_is_caught(invariant: Invariant, mutant: Mutant) -> None:
    with pytest.raises(AssertionError):
        over_systems(invariant.room, lambda system: invariant.holds(system, mutant.algorithm), shrink=False)


def test_systems_are_of_all_kinds() -> None:
    draw = Random(4)
    found = Counter(kind for _ in range(1000) for kind in kinds(build(draw.randbytes(BYTES))))
    assert {kind for kind in KINDS if found[kind] >= 10} == KINDS


KINDS = {
    "no home", "one home", "many homes", "no guest", "many guests", "no other node", "many nodes", "floors do not fit",
    "floors bind", "a home at the last level", "different shares", "charter's other numbers", "a home away for long",
    "contended", "not contended", "one wants all", "a turn of days",
}  # fmt: skip


def kinds(one: System) -> Iterator[str]:
    homes, guests, policy = len(one.homes), len(one.guests), one.policy
    plan = PRODUCT.decide(one.crowd, one.memory, one.capacity, policy)
    turns = [turn_of(one, stretch, stretch.seconds) for stretch in one.stretches]
    floors = [tree.floor for tree in plan.trees.values()]
    rates = [leaf.rate for tree in plan.trees.values() for mark, leaf in tree.leaves.items() if mark in one.households]
    for kind, found in {
        "no home": homes == 0,
        "one home": homes == 1,
        "many homes": homes > 8,
        "no guest": guests == 0,
        "many guests": guests > 5,
        "no other node": one.nodes == 0,
        "many nodes": one.nodes > 50,
        "floors do not fit": homes and min(floors) < policy.floor,
        "floors bind": homes and max(rates) > policy.floor in rates,
        "a home at the last level": len(policy.level_above) in plan.levels.values(),
        "different shares": len({home.shares for home in one.homes}) > 1,
        "charter's other numbers": policy.guest_share != 0.3,
        "a home away for long": any(home.away > policy.half_life for home in one.homes),
        "contended": any(is_busy(one, turn, d) for turn in turns for d in DIRECTIONS),
        "not contended": any(not is_busy(one, turn, d) for turn in turns for d in DIRECTIONS),
        "one wants all": sum(want > 0 for want in one.demands("down").values()) == 1,
        "a turn of days": any(turn.seconds > 86_400 for turn in turns),
    }.items():
        if found:
            yield kind


def test_every_invariant_catches_something_and_stands_in_the_docs() -> None:
    assert all(one.mutants and one.statement for one in INVARIANTS)
    assert {one.room for one in INVARIANTS} == {room for group in GROUPS.values() for room in group}
    assert len({one.name for one in INVARIANTS}) == len(INVARIANTS)
    assert table() in DOCS.read_text(encoding="utf-8")
