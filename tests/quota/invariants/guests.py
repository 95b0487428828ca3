"""Guests: a part of the line for all of them together, however many they are or say they are."""

from __future__ import annotations

from dataclasses import replace

from meshctl.model import DIRECTIONS
from meshctl.quota.plan import FIRST_GUEST, HOMES, Crowd
from tests.quota.invariants.algorithm import Algorithm
from tests.quota.invariants.allocation import HAIR, ROUNDING, assured, hair_of_line
from tests.quota.invariants.dividing import rates, trees
from tests.quota.invariants.systems import System, device

GREED = 1e9
"""kbit/s: more than any line."""


def with_guests(system: System, count: int) -> Crowd:
    """Return the same street with so many guests."""
    marks = [*system.households, *range(FIRST_GUEST, FIRST_GUEST + count)]
    return replace(system.crowd, members=[device(n, mark) for n, mark in enumerate(marks)], present=marks)


def most(system: System, kbit: int, count: int) -> float:
    """Return the most that so many guests may be assured, in kbit/s.

    That is ``guest_share`` of the line; or, where that is less, what one home has, and the least that classes need.
    """
    hair = hair_of_line(replace(system, guests=(0.0,) * count), kbit)
    return max(system.policy.guest_share * kbit, hair)


def guests_are_pooled(system: System, by: Algorithm) -> None:
    """However many guests there are, together they are assured no more than their part of the line."""
    count = (1, 3, 16, 64)[system.choice % 4]
    for direction, tree in zip(DIRECTIONS, trees(system, by, with_guests(system, count)), strict=True):
        assert tree.guests <= most(system, system.kbit(direction), count) + ROUNDING


def guests_leave_homes_theirs(system: System, by: Algorithm) -> None:
    """While homes want it, 64 guests who want everything leave them their part of the line, and their floors."""
    if not system.homes:
        return
    crowd = with_guests(system, 64)
    for direction, tree in zip(DIRECTIONS, trees(system, by, crowd), strict=True):
        kbit = system.kbit(direction)
        got = by.allocate(tree, dict.fromkeys(crowd.present, GREED))
        assert sum(got[mark] for mark in system.households) >= kbit - most(system, kbit, 64) - ROUNDING
        floor = assured(replace(system, guests=(0.0,) * 64), kbit)[0]
        assert min(got[mark] for mark in system.households) >= floor - ROUNDING - HAIR * kbit


def one_guest_more_only_takes(system: System, by: Algorithm) -> None:
    """One guest more makes all guests' part no smaller, and no home's rate higher."""
    count = len(system.guests)
    fewer, more = (list(trees(system, by, with_guests(system, n))) for n in (count, count + 1))
    for before, after in zip(fewer, more, strict=True):
        assert after.guests >= before.guests - ROUNDING
        for mark, rate in rates(before, HOMES).items():
            assert after.leaves[mark].rate <= rate + ROUNDING


def splitting_is_bounded(system: System, by: Algorithm) -> None:
    """A guest who comes as many has, while all homes want more, at most what all guests may have."""
    others, many = len(system.guests), (2, 8, 40)[system.choice % 3]
    if not system.homes:
        return
    crowd = with_guests(system, others + many)
    for direction, tree in zip(DIRECTIONS, trees(system, by, crowd), strict=True):
        kbit = system.kbit(direction)
        got = by.allocate(tree, dict.fromkeys(crowd.present, GREED))
        taken = sum(got[FIRST_GUEST + others + n] for n in range(many))
        assert taken <= most(system, kbit, others + many) * many / (others + many) + ROUNDING * many + HAIR * kbit


def guests_are_alike(system: System, by: Algorithm) -> None:
    """All guests have the same rate, whoever came first."""
    for tree in trees(system, by):
        found = [leaf.rate for mark, leaf in tree.leaves.items() if mark in system.marks and mark >= FIRST_GUEST]
        assert not found or max(found) - min(found) <= ROUNDING
