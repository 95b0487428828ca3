"""What a tree gives whom: figures that can be recomputed by hand, one of them measured on the real HTB."""

from __future__ import annotations

import pytest

from meshctl.quota.plan import FIRST_GUEST, FIRST_HOME, GUEST_POOL, HOMES, UNKNOWN, Leaf, Tree
from meshctl.quota.predict import allocate

ALL = 1e6
LINE = 20_000


def tree(homes: dict[int, tuple[int, int]], guests: int, each: int) -> Tree:
    """Return a tree of homes by rate and quantum, and so many guests."""
    leaves = {mark: Leaf(mark, HOMES, rate, LINE, quantum, 50) for mark, (rate, quantum) in homes.items()}
    marks = range(FIRST_GUEST, FIRST_GUEST + guests)
    leaves |= {mark: Leaf(mark, GUEST_POOL, each, LINE, 1514, 50) for mark in marks}
    leaves[UNKNOWN] = Leaf(UNKNOWN, GUEST_POOL, 8, LINE, 1514, 50)
    pool = guests * each + 8
    return Tree(LINE, LINE - pool, pool, leaves)


def test_what_idle_homes_lend_goes_by_quantum_as_measured() -> None:
    """Sixty homes on real HTB, two of them flooding: 17,533 and 2,468 kbit/s."""
    many = {FIRST_HOME + n: (334, 8 * 1514) for n in range(2, 60)}
    street = tree({FIRST_HOME: (334, 8 * 1514), FIRST_HOME + 1: (256, 1514), **many}, 0, 0)
    got = allocate(street, {FIRST_HOME: ALL, FIRST_HOME + 1: ALL})
    assert got[FIRST_HOME] == pytest.approx(334 + (LINE - 590) * 8 / 9)
    assert got[FIRST_HOME + 1] == pytest.approx(256 + (LINE - 590) / 9)
    assert got[FIRST_HOME] == pytest.approx(17_533, rel=0.01)


def test_64_guests_leave_a_home_what_is_its_parent_s() -> None:
    hall = tree({FIRST_HOME: (14_152, 1514)}, 64, 91)
    wishes = dict.fromkeys(range(FIRST_GUEST, FIRST_GUEST + 64), ALL)
    assert allocate(hall, {**wishes, FIRST_HOME: ALL})[FIRST_HOME] == pytest.approx(LINE - 64 * 91 - 8)
    assert sum(allocate(hall, wishes).values()) == pytest.approx(LINE)
    assert allocate(hall, {FIRST_HOME: ALL})[FIRST_HOME] == pytest.approx(LINE)


def test_who_has_no_leaf_is_no_part_of_the_tree() -> None:
    with pytest.raises(KeyError):
        allocate(tree({FIRST_HOME: (100, 1514)}, 0, 0), {0x77: 1.0})
