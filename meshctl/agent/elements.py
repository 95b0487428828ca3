"""Pure text for nft(8): what the kernel says of `inet meshctl`, and the batch from there to a plan.

A device is one element of `member`, an address behind another node one of `announced4` or `announced6`,
a share one of `class`, and where there is a line a device with its mark one of `sender`. The rules
themselves are in `ruleset`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from meshctl.agent.named import TABLE
from meshctl.quota.plan import FIRST_HOME, Plan

_CHUNK = 400
_BATCH = 65536
"""Elements in one statement, and characters in one transaction."""
_Key = TypeVar("_Key")
_Timed = TypeVar("_Timed", "Element", "Sender")


@dataclass(frozen=True)
class Element:
    """A joined device as the kernel holds it; ``expires`` in seconds from the reading, or ``None``."""

    mark: int
    expires: float | None


@dataclass(frozen=True)
class Sender:
    """The class of what a device sends in connections of its mark; ``expires`` as above."""

    number: str
    expires: float | None


@dataclass(frozen=True)
class TableState:
    """What the kernel says of our table. ``rules`` is a digest of its rules with the sets they name, empty without one.

    ``announced`` maps addresses behind other nodes to their marks, ``classes`` marks to classes, ``senders``
    a device and its mark to a class; ``seen`` are the hardware addresses, with their addresses, that opened
    connections lately.
    """

    rules: str = ""
    members: Mapping[str, Element] = field(default_factory=dict)
    announced: Mapping[str, int] = field(default_factory=dict)
    classes: Mapping[int, str] = field(default_factory=dict)
    senders: Mapping[tuple[str, int], Sender] = field(default_factory=dict)
    seen: Mapping[str, frozenset[str]] = field(default_factory=dict)


def expected(rules: str, plan: Plan, clock: float) -> TableState:
    """Return what the kernel will say once ``plan`` is in place."""
    members, senders = _wanted(plan, clock)
    return TableState(rules, members, plan.announced, _wanted_classes(plan), senders)


def difference(now: TableState, plan: Plan, clock: float) -> list[str]:
    """Return the transactions that bring the elements from ``now`` to ``plan``; none when nothing differs.

    ``clock`` is the monotonic time of this decision. An element's time to live is set when it is
    made; it is made anew only when its mark changed or its end moved by more than a minute.
    """
    members, senders = _wanted(plan, clock)
    gone_members, new_members = _changes(now.members, members, _same_element)
    gone_senders, new_senders = _changes(now.senders, senders, _same_sender)
    wanted = _wanted_classes(plan)
    stale = [str(mark) for mark, number in now.classes.items() if wanted.get(mark) != number]
    fresh = [f"{mark} : {number}" for mark, number in wanted.items() if now.classes.get(mark) != number]
    gone_far, new_far = _announced(now.announced, plan.announced)
    # Who is to go goes first, and classes are there before what leads to them.
    batch = [
        *gone_far,
        *_statements("delete", "sender", [f"{hardware} . {mark}" for hardware, mark in gone_senders]),
        *_statements("delete", "member", gone_members),
        *_statements("delete", "class", stale),
        *_statements("add", "class", fresh),
        *_statements("add", "member", [f"{h}{_stay(members[h])} : {members[h].mark}" for h in new_members]),
        *_statements("add", "sender", [_sender(key, senders[key]) for key in new_senders]),
        *new_far,
    ]
    return _transactions(batch)


def _wanted(plan: Plan, clock: float) -> tuple[dict[str, Element], dict[tuple[str, int], Sender]]:
    members = {
        hardware: Element(device.mark, None if device.until is None else device.until - clock)
        for hardware, device in plan.members.items()
    }
    if not plan.trees:
        return members, {}
    senders = {(hardware, one.mark): Sender(f"1:{one.mark:x}", one.expires) for hardware, one in members.items()}
    return members, senders


def _changes(
    now: Mapping[_Key, _Timed], wanted: Mapping[_Key, _Timed], same: Callable[[_Timed, _Timed], bool]
) -> tuple[list[_Key], list[_Key]]:
    """Return the keys to delete and the keys to add; one that changed is in both."""
    gone = [key for key, one in now.items() if key not in wanted or not same(one, wanted[key])]
    new = [key for key, one in wanted.items() if key not in now or not same(now[key], one)]
    return gone, new


def _announced(now: Mapping[str, int], wanted: Mapping[str, int]) -> tuple[list[str], list[str]]:
    """Return what deletes the addresses that are gone or changed, and what adds the new ones."""
    gone: list[str] = []
    new: list[str] = []
    for name, colon in (("announced4", False), ("announced6", True)):
        stale = [a for a, mark in now.items() if (":" in a) is colon and wanted.get(a) != mark]
        fresh = [f"{a} : {mark}" for a, mark in wanted.items() if (":" in a) is colon and now.get(a) != mark]
        gone += _statements("delete", name, stale)
        new += _statements("add", name, fresh)
    return gone, new


def _wanted_classes(plan: Plan) -> dict[int, str]:
    # The trees of both directions have the same leaves, under the same numbers.
    leaves = next((tree.leaves for tree in plan.trees.values()), {})
    return {number: f"1:{number:x}" for number in leaves if number >= FIRST_HOME}


def _same_element(one: Element, other: Element) -> bool:
    return one.mark == other.mark and _same_end(one.expires, other.expires)


def _same_sender(one: Sender, other: Sender) -> bool:
    return one.number == other.number and _same_end(one.expires, other.expires)


def _same_end(one: float | None, other: float | None) -> bool:
    if one is None or other is None:
        return one is other
    return abs(one - other) < 60


def _stay(one: Element | Sender) -> str:
    return "" if one.expires is None else f" timeout {max(1, round(one.expires))}s"


def _sender(key: tuple[str, int], one: Sender) -> str:
    return f"{key[0]} . {key[1]}{_stay(one)} : {one.number}"


def _statements(verb: str, name: str, elements: list[str]) -> Iterator[str]:
    for start in range(0, len(elements), _CHUNK):
        yield f"{verb} element {TABLE} {name} {{ {', '.join(elements[start : start + _CHUNK])} }}"


def _transactions(statements: list[str]) -> list[str]:
    # One netlink message batch must fit the socket's send buffer (208 kB by default), so a very large
    # change, after a reboot say, goes in several transactions; the usual one is whole.
    batches: list[list[str]] = []
    room = 0
    for statement in statements:
        room -= len(statement)
        if room < 0:
            batches.append([])
            room = _BATCH - len(statement)
        batches[-1].append(statement)
    return ["\n".join(batch) + "\n" for batch in batches]
