"""Deliberately broken variants of sharing a line: each keeps the shape of the product's function, and has one fault."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from meshctl.quota.plan import FIRST_GUEST, Tree
from meshctl.quota.predict import allocate
from meshctl.quota.share import max_min

Wishes = Mapping[int, float]


def more_than_there_is(capacity: float, demands: Wishes, weights: Wishes) -> dict[int, float]:
    """Everybody is promised a tenth more than fits."""
    return max_min(capacity * 1.1, demands, weights)


def without_lending(capacity: float, demands: Wishes, weights: Wishes) -> dict[int, float]:
    """What one leaves is lost: a slice is a cap."""
    total = sum(weights.values())
    return {key: min(demand, capacity * weights[key] / total) for key, demand in demands.items()}


def by_demand(capacity: float, demands: Wishes, weights: Wishes) -> dict[int, float]:
    """The louder gets more: as flows without a scheduler share."""
    total = sum(demands.values())
    return {key: demand * min(1.0, capacity / total) if total else 0.0 for key, demand in demands.items()}


def by_priority(capacity: float, demands: Wishes, weights: Wishes) -> dict[int, float]:
    """The heaviest is served first, as with HTB's prio."""
    got, rest = dict.fromkeys(demands, 0.0), capacity
    for key in sorted(demands, key=lambda key: -weights[key]):
        got[key] = min(demands[key], rest)
        rest -= got[key]
    return got


def first_come(capacity: float, demands: Wishes, weights: Wishes) -> dict[int, float]:
    """Whoever is listed first is served first."""
    return by_priority(capacity, demands, dict.fromkeys(weights, 1.0))


def lighter_is_more(capacity: float, demands: Wishes, weights: Wishes) -> dict[int, float]:
    """Weights act in the wrong direction."""
    return max_min(capacity, demands, {key: 1 / weight for key, weight in weights.items()})


def one_round(capacity: float, demands: Wishes, weights: Wishes) -> dict[int, float]:
    """What is left after one round is not given to those who still want more."""
    got = without_lending(capacity, demands, weights)
    more = {key: demand - got[key] for key, demand in demands.items() if demand > got[key]}
    spare = without_lending(capacity - sum(got.values()), more, {key: weights[key] for key in more}) if more else {}
    return {key: got[key] + spare.get(key, 0.0) for key in got}


def weights_in_kbit(capacity: float, demands: Wishes, weights: Wishes) -> dict[int, float]:
    """Weights count as rates: they have a unit."""
    return max_min(capacity, demands, {key: weight + 0.1 for key, weight in weights.items()})


def flat(tree: Tree, demands: Wishes) -> dict[int, float]:
    """All leaves are children of the line: guests are as many as they say."""
    got = dict.fromkeys(tree.leaves, 0.0)
    quanta = {number: float(tree.leaves[number].quantum) for number in demands}
    return got | max_min(tree.capacity, demands, quanta)


def without_borrowing(tree: Tree, demands: Wishes) -> dict[int, float]:
    """A leaf's rate is also its ceiling."""
    return {number: min(demands.get(number, 0.0), leaf.rate) for number, leaf in tree.leaves.items()}


def guests_first(tree: Tree, demands: Wishes) -> dict[int, float]:
    """Guests may borrow before homes have what is theirs."""
    guests = {number: want for number, want in demands.items() if number >= FIRST_GUEST}
    got = max_min(tree.capacity, guests, dict.fromkeys(guests, 1.0))
    rest = replace(tree, capacity=0, homes=0, guests=0)
    homes = {number: want for number, want in demands.items() if number < FIRST_GUEST}
    return allocate(rest, {}) | got | max_min(tree.capacity - sum(got.values()), homes, dict.fromkeys(homes, 1.0))


def overcommitted(tree: Tree, demands: Wishes) -> dict[int, float]:
    """Parents lend without counting what their children have."""
    return allocate(replace(tree, homes=tree.capacity), demands)


def by_order(tree: Tree, demands: Wishes) -> dict[int, float]:
    """Whoever asks first borrows all."""
    got = without_borrowing(tree, demands)
    for number, want in demands.items():
        got[number] += max(0.0, min(want - got[number], tree.capacity - sum(got.values())))
    return got


def borrowing_by_wish(tree: Tree, demands: Wishes) -> dict[int, float]:
    """What is spare goes by how much is asked for."""
    got = without_borrowing(tree, demands)
    more = {number: want - got[number] for number, want in demands.items() if want > got[number]}
    for number, extra in by_demand(tree.capacity - sum(got.values()), more, more).items():
        got[number] += extra
    return got
