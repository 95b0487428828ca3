"""What a tree gives whom when so much is wanted: the allocation that HTB settles at, without HTB.

HTB serves in three rounds (Devera, HTB theory, 2002): each leaf up to its own rate; what a parent has
left, by quantum among its children that want more; what the line has left, by quantum among all who
want more. Where every ceiling is the line, one parent lends the other only what it does not need itself.

Measured on a kernel, 60 homes present on 20 Mbit/s and two of them flooding, one at level 0, one at the
last and held up by the floor: 17,533 and 2,468 kbit/s, where 17,587 and 2,413 are predicted.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from meshctl.quota.plan import GUEST_POOL, HOMES, Tree
from meshctl.quota.share import max_min


def allocate(tree: Tree, demands: Mapping[int, float]) -> dict[int, float]:
    """Return what each leaf gets, in kbit/s, when leaves want ``demands`` (kbit/s) for a while.

    A leaf that ``demands`` does not name wants nothing. What has no leaf goes through another's, so a
    demand without a leaf is a `KeyError`. True for flows longer than a few turns of the scheduler, on a
    line with a kbit/s for each leaf; frames and TCP take a few percent off on a real one.
    """
    got = dict.fromkeys(tree.leaves, 0.0)
    got.update({number: min(demand, float(tree.leaves[number].rate)) for number, demand in demands.items()})
    for parent, rate in ((HOMES, tree.homes), (GUEST_POOL, tree.guests)):
        children = [number for number, leaf in tree.leaves.items() if leaf.parent == parent]
        _lend(tree, rate - sum(got[number] for number in children), children, demands, got)
    _lend(tree, tree.capacity - sum(got.values()), tree.leaves, demands, got)
    return got


def _lend(tree: Tree, spare: float, among: Iterable[int], demands: Mapping[int, float], got: dict[int, float]) -> None:
    wanting = {number: more for number in among if (more := demands.get(number, 0.0) - got[number]) > 0}
    if spare > 0 and wanting:
        quanta = {number: float(tree.leaves[number].quantum) for number in wanting}
        for number, more in max_min(spare, wanting, quanta).items():
            got[number] += more
