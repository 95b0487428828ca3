"""Pure text for tc(8): one HTB tree per direction of a line, what tc shows of it, and the batch between.

Both trees have the handle ``1:`` so that one class number serves both. What the node itself sends
has priority ``1:0``, which HTB passes by the tree (net/sched/sch_htb.c, HTB_DIRECT); so do ARP frames,
which no nft rule of ours sees.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from meshctl.quota.meter import Count
from meshctl.quota.plan import GUEST_POOL, HOMES, ROOT, UNKNOWN, Leaf, Tree

_INNER_QUANTUM = 8192
"""Bytes. HTB asks for one and never uses it: only leaves take turns (net/sched/sch_htb.c)."""

_BURST_MS, _LEAST_BURST = 10, 2 * 1514
"""What may be sent at once: so much of the rate, and two frames at least.

A timer that comes later than that loses what was due. Measured on two busy processors, a home beside 64 guests:
68.9 to 70.0 % of the line with 2 ms, 69.6 to 70.2 % with 10; and 10 ms are too little to be felt in a share.
"""


@dataclass(frozen=True)
class Shown:
    """One class as the kernel has it; rates in bit/s."""

    parent: int
    rate: int
    ceil: int
    quantum: int
    count: Count


@dataclass(frozen=True)
class TreeState:
    """What tc says of one device: the root queue's kind, classes by number, and the ARP filter.

    ``root`` is empty where no HTB with handle ``1:`` and our default is the root. ``leaf`` is the
    kind of the leaf queues there are.
    """

    root: str = ""
    classes: Mapping[int, Shown] = field(default_factory=dict)
    arp: bool = False
    leaf: str = ""


def is_whole(state: TreeState) -> bool:
    """Say whether this can only be a tree of ours: the root, both parents, and the leaf for the unknown."""
    wanted = {ROOT: 0, HOMES: ROOT, GUEST_POOL: ROOT, UNKNOWN: GUEST_POOL}
    return {number: shown.parent for number, shown in state.classes.items() if number in wanted} == wanted


def expected(tree: Tree) -> TreeState:
    """Return what tc will show once ``tree`` is in place; the counters are not known."""
    unknown = Count("", 0)
    classes = {
        number: Shown(parent, rate * 1000, tree.capacity * 1000, _INNER_QUANTUM, unknown)
        for parent, number, rate in _inner(tree)
    }
    for leaf in tree.leaves.values():
        classes[leaf.number] = Shown(leaf.parent, leaf.rate * 1000, leaf.ceil * 1000, leaf.quantum, unknown)
    return TreeState("htb", classes, arp=True)


def words(rate: int) -> str:
    """Return bit/s as tc says it: the largest unit that divides them, cut to whole ones above 1,000."""
    unit = 0
    while rate >= 1000 and (rate % 1000 == 0 or rate >= 1_000_000):
        rate, unit = rate // 1000, unit + 1
    return f"{rate}{['', 'K', 'M', 'G', 'T'][unit]}bit"


def difference(device: str, now: TreeState, tree: Tree, leaf: str) -> list[str]:
    """Return the tc commands that bring ``device`` from ``now`` to ``tree``; none when nothing differs.

    ``leaf`` is the kind of leaf queue: ``pfifo``, ``fq_codel`` or ``cake``. Classes that shrink are
    changed before those that grow, and nothing that stays is touched.
    """
    if now.root != "htb":
        return [*_new_root(device, tree), *_all_leaves(device, tree, leaf)]
    if not {ROOT, HOMES, GUEST_POOL} <= now.classes.keys():
        return [f"qdisc del dev {device} root", *_new_root(device, tree), *_all_leaves(device, tree, leaf)]
    commands = [] if now.arp else [_arp_filter(device)]
    gone = now.classes.keys() - tree.leaves.keys() - {ROOT, HOMES, GUEST_POOL}
    commands += [f"class del dev {device} classid 1:{number:x}" for number in sorted(gone)]
    for parent, number, rate in _inner(tree):
        shown = now.classes[number]
        if (shown.rate, shown.ceil) != (rate * 1000, tree.capacity * 1000):
            commands.append(_class("change", device, parent, number, rate, tree.capacity))
    shrinking: list[str] = []
    growing: list[str] = []
    for number, wanted in tree.leaves.items():
        if number not in now.classes:
            growing += _new_leaf(device, wanted, leaf)
        elif not _same(now.classes[number], wanted):
            shrinks = now.classes[number].rate > wanted.rate * 1000
            (shrinking if shrinks else growing).append(_leaf_class("change", device, wanted))
    return commands + shrinking + growing


def _same(shown: Shown, wanted: Leaf) -> bool:
    rates = (shown.rate, shown.ceil, shown.quantum, shown.parent)
    return rates == (wanted.rate * 1000, wanted.ceil * 1000, wanted.quantum, wanted.parent)


def _inner(tree: Tree) -> Iterator[tuple[int, int, int]]:
    yield 0, ROOT, tree.capacity
    yield ROOT, HOMES, tree.homes
    yield ROOT, GUEST_POOL, tree.guests


def _new_root(device: str, tree: Tree) -> list[str]:
    commands = [f"qdisc replace dev {device} root handle 1: htb default {UNKNOWN:x}"]
    commands += [_class("add", device, *row, tree.capacity) for row in _inner(tree)]
    return [*commands, _arp_filter(device)]


def _all_leaves(device: str, tree: Tree, leaf: str) -> list[str]:
    return [command for wanted in tree.leaves.values() for command in _new_leaf(device, wanted, leaf)]


def _arp_filter(device: str) -> str:
    return f"filter replace dev {device} parent 1: protocol arp prio 1 handle 800::800 u32 match u32 0 0 flowid 1:0"


def _new_leaf(device: str, wanted: Leaf, leaf: str) -> list[str]:
    limit = f" limit {wanted.limit}" if leaf == "pfifo" else ""
    queue = f"qdisc add dev {device} parent 1:{wanted.number:x} {leaf}{limit}"
    return [_leaf_class("add", device, wanted), queue]


def _leaf_class(verb: str, device: str, wanted: Leaf) -> str:
    return _class(verb, device, wanted.parent, wanted.number, wanted.rate, wanted.ceil, wanted.quantum)


def _class(
    verb: str, device: str, parent: int, number: int, rate: int, ceil: int, quantum: int = _INNER_QUANTUM
) -> str:
    burst, cburst = (max(_LEAST_BURST, kbit * _BURST_MS // 8) for kbit in (rate, ceil))
    above = f"{parent:x}" if parent else ""
    return (
        f"class {verb} dev {device} parent 1:{above} classid 1:{number:x} "
        f"htb rate {rate}kbit ceil {ceil}kbit burst {burst}b cburst {cburst}b quantum {quantum}"
    )
