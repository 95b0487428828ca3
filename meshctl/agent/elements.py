"""Pure text for nft(8): what the listing of `inet meshctl` says, and the batch from there to a plan.

A device is one element of `member`, an address behind another node one of `announced4` or
`announced6`, a share one of `class_down` and `class_up`. The rules themselves are in `ruleset`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from meshctl.agent.named import NAMES, TABLE
from meshctl.model import DIRECTIONS, Device
from meshctl.quota.plan import Plan, Tree

_CHUNK = 400
_BATCH = 65536
"""Elements in one statement, and characters in one transaction."""
_OURS = {"member", "announced4", "announced6", "class_down", "class_up", "seen4", "seen6"}


@dataclass(frozen=True)
class Element:
    """A joined device as the kernel holds it; ``expires`` in seconds from the reading, or ``None``."""

    mark: int
    expires: float | None


@dataclass(frozen=True)
class TableState:
    """What the kernel says of our table. ``rules`` is a digest of its rules with the sets they name, empty without one.

    ``announced`` maps addresses behind other nodes to their marks. ``classes`` maps direction to the
    class map's elements, ``packets`` to packets counted there by mark; ``seen`` are the hardware
    addresses, with their addresses, that opened connections lately.
    """

    rules: str = ""
    members: Mapping[str, Element] = field(default_factory=dict)
    announced: Mapping[str, int] = field(default_factory=dict)
    classes: Mapping[str, Mapping[int, str]] = field(default_factory=dict)
    packets: Mapping[str, Mapping[int, int]] = field(default_factory=dict)
    seen: Mapping[str, frozenset[str]] = field(default_factory=dict)
    flowtables: int = 0


def read_listing(listing: str) -> TableState:
    """Read ``nft -j list table inet meshctl`` (libnftables-json(5)). An empty text means no table."""
    if not listing:
        return TableState()
    objects = json.loads(listing)["nftables"]
    digest = hashlib.sha256()
    found: dict[str, Any] = {}
    flowtables = 0
    for entry in objects:
        kind, value = next(iter(entry.items()))
        if kind in ("rule", "chain"):
            digest.update(json.dumps({k: v for k, v in value.items() if k != "handle"}, sort_keys=True).encode())
        elif kind in ("map", "set"):
            found[value["name"]] = value.get("elem", [])
        flowtables += kind == "flowtable"
    # The kernel lists a set in the order of its buckets, which it may change whenever it likes.
    fixed = [[name, sorted(map(json.dumps, found[name]))] for name in sorted(found.keys() & NAMES)]
    digest.update(json.dumps(fixed).encode())
    if not found.keys() >= _OURS:
        return TableState()
    classes = {d: {mark: number for mark, number, _ in _class_elements(found[f"class_{d}"])} for d in ("down", "up")}
    packets = {d: {mark: count for mark, _, count in _class_elements(found[f"class_{d}"])} for d in ("down", "up")}
    members = dict(_member_elements(found["member"]))
    announced = dict([*found["announced4"], *found["announced6"]])
    seen = _seen([*found["seen4"], *found["seen6"]])
    return TableState(digest.hexdigest(), members, announced, classes, packets, seen, flowtables)


def _member_elements(elements: Iterable[Any]) -> Iterator[tuple[str, Element]]:
    for key, mark in elements:
        if isinstance(key, dict):
            element = key["elem"]
            yield element["val"], Element(mark, element.get("expires"))
        else:
            yield key, Element(mark, None)


def _class_elements(elements: Iterable[Any]) -> Iterator[tuple[int, str, int]]:
    for key, number in elements:
        if isinstance(key, dict):
            element = key["elem"]
            yield element["val"], number, element.get("counter", {}).get("packets", 0)
        else:
            yield key, number, 0


def _seen(elements: Iterable[Any]) -> dict[str, frozenset[str]]:
    found: dict[str, set[str]] = {}
    for entry in elements:
        element = entry.get("elem", entry)
        value = element.get("val", element)
        hardware, address = value["concat"]
        found.setdefault(hardware, set()).add(address)
    return {hardware: frozenset(addresses) for hardware, addresses in found.items()}


def expected(rules: str, plan: Plan, clock: float) -> TableState:
    """Return what the listing will say once ``plan`` is in place."""
    members = {
        hardware: Element(device.mark, None if device.until is None else device.until - clock)
        for hardware, device in plan.members.items()
    }
    classes: dict[str, Mapping[int, str]] = {d: _wanted_classes(tree) for d, tree in plan.trees.items()}
    return TableState(rules, members, plan.announced, classes)


def difference(now: TableState, plan: Plan, clock: float) -> list[str]:
    """Return the transactions that bring the elements from ``now`` to ``plan``; none when nothing differs.

    ``clock`` is the monotonic time of this decision. An element's time to live is set when it is
    made; it is made anew only when its mark changed or its end moved by more than a minute.
    """
    gone: list[str] = []
    new: list[str] = []
    for hardware, element in now.members.items():
        device = plan.members.get(hardware)
        if device is None or not _same(element, device, clock):
            gone.append(hardware)
    for hardware, device in plan.members.items():
        if hardware not in now.members or not _same(now.members[hardware], device, clock):
            new.append(_member(device, clock))
    batch = [*_statements("delete", "member", gone)]
    later: list[str] = []
    for direction in DIRECTIONS:
        wanted = _wanted_classes(plan.trees[direction]) if direction in plan.trees else {}
        actual = now.classes.get(direction, {})
        stale = [str(mark) for mark, number in actual.items() if wanted.get(mark) != number]
        fresh = [f"{mark} : {number}" for mark, number in wanted.items() if actual.get(mark) != number]
        batch += _statements("delete", f"class_{direction}", stale)
        later += _statements("add", f"class_{direction}", fresh)
    gone_far, new_far = _announced(now.announced, plan.announced)
    return _transactions([*gone_far, *batch, *later, *_statements("add", "member", new), *new_far])


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


def _wanted_classes(tree: Tree) -> dict[int, str]:
    from_plan = (number for number in tree.leaves if number >= 0x10)
    return {number: f"1:{number:x}" for number in from_plan}


def _same(element: Element, device: Device, clock: float) -> bool:
    if element.mark != device.mark:
        return False
    if element.expires is None or device.until is None:
        return element.expires is None and device.until is None
    return abs(element.expires - (device.until - clock)) < 60


def _member(device: Device, clock: float) -> str:
    if device.until is None:
        return f"{device.hardware} : {device.mark}"
    return f"{device.hardware} timeout {max(1, round(device.until - clock))}s : {device.mark}"


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
