"""Weeks on a line: the figures that the memory is there for, and that turns do not matter."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from meshctl.model import Capacity, Policy
from meshctl.policy_words import without_memory
from meshctl.quota.compare import compare
from meshctl.quota.days import Home, Scenario, Stretch, Want, live, stretches
from meshctl.quota.outcome import Outcome
from meshctl.quota.simulate import _Street, simulate
from meshctl.scenariofile import load_scenario, lots

PLAIN = without_memory(Policy())


def days(name: str, seed: int = 1, count: int | None = None) -> list[Stretch]:
    return list(stretches(live(load_scenario(name), lots(seed), count)))


def part(outcome: Outcome, kind: str) -> float:
    homes = [home for name, home in outcome.homes.items() if name.startswith(kind)]
    return sum(sum(home.got.values()) for home in homes) / sum(sum(home.asked.values()) for home in homes)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_whoever_wants_little_gets_more_of_it_once_the_line_remembers(seed: int) -> None:
    lived = days("evenings", seed)
    plain, kept = simulate(lived, PLAIN), simulate(lived, Policy())
    assert 0.56 < part(plain, "burst") < 0.59
    assert part(kept, "burst") - part(plain, "burst") >= 0.08
    night = kept.homes["night"]
    assert night.changes == ()
    assert max(ratio for _, ratio in night.trail) < 0.3
    assert [kept.homes[f"evening-{n}"].level in {1, 2} for n in (1, 2, 3)] == [True] * 3
    assert all(home.changes == () for name, home in kept.homes.items() if name.startswith("burst"))
    assert kept.carried["down"] == pytest.approx(plain.carried["down"], rel=1e-6)


def in_pieces(lived: list[Stretch], turn: float) -> Iterator[Stretch]:
    """Cut stretches so short that each is one turn."""
    for one in lived:
        at = 0.0
        while at < one.seconds:
            yield replace(one, start=one.start + at, seconds=min(turn, one.seconds - at))
            at += turn


def test_the_length_of_a_turn_does_not_matter_nor_that_turns_are_taken_together() -> None:
    lived = days("evenings", count=5)
    slow, fast = simulate(lived, Policy(), 60.0), simulate(lived, Policy(), 10.0)
    every = simulate(in_pieces(lived, 60.0), Policy(), 60.0)
    for name, home in slow.homes.items():
        for other in (fast.homes[name], every.homes[name]):
            assert home.ratio == pytest.approx(other.ratio, rel=1e-3)
            assert home.part == pytest.approx(other.part, rel=1e-4)
        assert home.changes == every.homes[name].changes
        assert [level for _, level in home.changes] == [level for _, level in fast.homes[name].changes]
    assert len(slow.homes["evening-1"].changes) == 1


def test_what_is_asked_for_never_depends_on_the_policy_and_nobody_gets_more() -> None:
    lived = days("guests", count=7)
    plain, kept = simulate(lived, PLAIN), simulate(lived, Policy())
    assert kept.guests[0] == plain.guests[0]
    assert 0 < kept.guests[1] <= kept.guests[0]
    for name, home in kept.homes.items():
        assert home.asked == plain.homes[name].asked
        assert all(home.got[d] <= home.asked[d] * (1 + 1e-9) for d in ("down", "up"))
        assert sum(home.at_level) == pytest.approx(7 * 86_400)
    assert all(kept.carried[d] <= kept.room[d] * (1 + 1e-9) for d in ("down", "up"))


@pytest.mark.parametrize("name", ["alike", "quiet"])
def test_where_all_are_alike_or_nothing_is_scarce_the_memory_makes_no_difference(name: str) -> None:
    lived = days(name, count=14)
    differences = compare(simulate(lived, Policy()), simulate(lived, PLAIN))
    assert len(differences) == 12
    assert [one.gain for one in differences.values()] == [0.0] * 12


def test_where_most_homes_want_everything_nobody_steps_back() -> None:
    homes = (Home("all", 9, want=(Want(50, (17, 24)),)), Home("some", 3, want=(Want(8, (17, 23), part=0.35),)))
    kept = simulate(stretches(live(Scenario("most", 20, 5, homes), lots(1), 14)), Policy())
    assert [home.changes for home in kept.homes.values()] == [()] * 12
    assert kept.homes["all-1"].ratio == pytest.approx(1.2, abs=0.05)


def test_two_who_share_the_night_step_back_in_the_evening() -> None:
    lived = days("night", count=7)
    night = simulate(lived, Policy()).homes["night-1"]
    assert night.level == 2
    one = compare(simulate(lived, Policy()), simulate(lived, PLAIN))["night-1"]
    assert one.is_slowed
    assert set(range(18, 23)) <= set(one.hours_of_day)


def test_a_heavy_week_is_felt_and_forgotten() -> None:
    worker = simulate(days("homework"), Policy()).homes["worker"]
    assert [level for _, level in worker.changes] == [1, 0]
    (stepped, _), (back, _) = worker.changes
    assert 7 * 86_400 < stepped < 14 * 86_400 < back < 15 * 86_400


def test_a_new_pass_is_worth_days_and_a_new_home_has_its_slice_at_once() -> None:
    kept = simulate(days("newcomer", count=20), Policy())
    assert [level for _, level in kept.homes["new pass"].changes] == [1]
    assert 16 * 86_400 < kept.homes["new pass"].changes[0][0] < 19 * 86_400
    assert kept.homes["new home"].changes == ()
    assert kept.homes["old pass"].ratio > 1.35


def test_two_shares_are_twice_a_slice_and_stand_at_the_same_ratio() -> None:
    kept = simulate(days("shares", count=14), Policy())
    flats, flat = kept.homes["two flats"], kept.homes["one flat"]
    assert flats.part == pytest.approx(flat.part, rel=0.01)
    assert flats.ratio == pytest.approx(flat.ratio, rel=0.01)
    assert [level for _, level in flats.changes] == [level for _, level in flat.changes] == [1]


def test_levels_are_those_that_the_decision_on_the_wire_has() -> None:
    lived = days("night", count=4)
    street = _Street(lived[0].capacity, Policy(), 60.0)
    for stretch in lived:
        street.live(stretch)
    levels = {street.marks[name]: past.level for name, past in street.memory.homes.items() if past.level}
    assert set(levels.values()) == {2}
    assert street._plan(lived[-1], 0).levels == levels


def test_no_days_are_an_error() -> None:
    with pytest.raises(ValueError, match="no days"):
        simulate([], Policy())


def test_a_line_of_one_home_gives_it_all() -> None:
    street = Scenario("one", 20, 5, (Home("A", want=(Want(50),)),))
    alone = simulate(stretches(live(street, lots(1), 2)), Policy()).homes["A"]
    assert alone.got["down"] == pytest.approx(Capacity(2.5e6, 0).down * 2 * 86_400, rel=1e-6)
    assert alone.part == pytest.approx(0.4, rel=1e-6)
    assert alone.ratio == pytest.approx(0.0, abs=1e-9)
    assert alone.changes == ()
