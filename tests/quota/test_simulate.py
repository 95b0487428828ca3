"""Days on a line: the figures that the memory is there for, and that turns do not matter."""

from __future__ import annotations

import pytest

from meshctl.model import Policy
from meshctl.quota.days import live, stretches
from meshctl.quota.outcome import Outcome
from meshctl.quota.simulate import simulate
from meshctl.scenariofile import load_scenario, lots

PLAIN = Policy(level_above=(), level_weight=(1.0,))


def run(name: str, policy: Policy, *, seed: int = 1, days: int | None = None, turn: float = 60.0) -> Outcome:
    return simulate(stretches(live(load_scenario(name), lots(seed), days)), policy, turn)


def part(outcome: Outcome, kind: str) -> float:
    homes = [home for name, home in outcome.homes.items() if name.startswith(kind)]
    return sum(sum(home.got.values()) for home in homes) / sum(sum(home.asked.values()) for home in homes)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_whoever_wants_little_gets_more_of_it_once_the_line_remembers(seed: int) -> None:
    plain, kept = run("evenings", PLAIN, seed=seed), run("evenings", Policy(), seed=seed)
    assert 0.56 < part(plain, "burst") < 0.59
    assert part(kept, "burst") - part(plain, "burst") >= 0.08
    night = kept.homes["night"]
    assert night.changes == ()
    assert max(ratio for _, ratio in night.trail) < 0.3
    assert [kept.homes[f"evening-{n}"].level in {1, 2} for n in (1, 2, 3)] == [True] * 3
    assert all(home.changes == () for name, home in kept.homes.items() if name.startswith("burst"))


def test_the_length_of_a_turn_does_not_matter() -> None:
    slow, fast = (run("evenings", Policy(), days=5, turn=turn) for turn in (60.0, 10.0))
    for name, home in slow.homes.items():
        assert home.ratio == pytest.approx(fast.homes[name].ratio, rel=1e-3)
        assert home.part == pytest.approx(fast.homes[name].part, rel=1e-3)
        assert len(home.changes) == len(fast.homes[name].changes)
    assert slow.carried["down"] == pytest.approx(fast.carried["down"], rel=1e-9)
