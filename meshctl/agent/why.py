"""One chain from an address to its class and counters, read from the kernel now, with every disagreement named.

Nothing is repaired here: the next turn does that. What a disagreement is called is part of the command line's
promise, see `DISAGREEMENTS`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from meshctl.agent.kernel import KernelState
from meshctl.agent.surroundings import Surroundings
from meshctl.agent.trees import words
from meshctl.model import Device, Direction
from meshctl.quota.plan import GUEST_POOL, HOMES, ROOT, UNKNOWN, Plan

DISAGREEMENTS = {
    "element-missing": "the kernel has no element for it: its packets are refused, or count as those of a stranger",
    "element-left": "the kernel still has an element for it, though it is not joined, or paused",
    "wrong-mark": "the kernel's element carries another share's mark",
    "class-map-missing": "the kernel does not send this share's packets to its class",
    "class-missing": "the tree has no class for this share",
    "wrong-rate": "the class has another rate than was decided",
    "default-class-missing": "the tree has no class for what nobody could name, so that would pass by the tree",
    "tree-missing": "there is no tree of ours on the device",
    "table-changed": "the table inet meshctl is missing, or somebody changed its rules",
    "stale-lease": "an address is held for another device, or by nobody any more",
    "flowtable": "a flowtable carries connections past the classes, uncounted and unshaped",
    "foreign-qdisc": "somebody else's queue is on a device of ours",
}
"""What can be wrong, and what it means."""


@dataclass(frozen=True)
class Step:
    """One link of the chain: what was found, and the names of what disagrees."""

    name: str
    found: str
    disagrees: tuple[str, ...] = ()


@dataclass(frozen=True)
class Lease:
    """What the address was given to: ``matches`` says whether that is the device that uses it now."""

    found: str
    matches: bool = True


@dataclass(frozen=True)
class Question:
    """Whose chain it is. ``mark`` is the share's, 0 for a visitor; ``address`` one behind another node, or empty.

    ``devices`` are those here that belong to it, ``paused`` those that a steward stopped, by hardware address.
    """

    mark: int
    devices: tuple[Device, ...] = ()
    address: str = ""
    hardware: str = ""
    lease: Lease | None = None
    paused: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Scene:
    """What the agent decided, and what the kernel shows now."""

    plan: Plan
    rules: str
    kernel: KernelState
    around: Surroundings
    devices: Mapping[Direction, str] = field(default_factory=dict)


def chain(question: Question, scene: Scene) -> list[Step]:
    """Return the whole chain in the order in which a packet meets it."""
    steps = [_table(scene)]
    if question.lease is not None:
        wrong = () if question.lease.matches else ("stale-lease",)
        steps.append(Step("lease", question.lease.found, wrong))
    steps += _elements(question, scene)
    if question.mark:
        for direction in scene.plan.trees:
            steps += _class(question.mark, direction, scene)
    for direction in scene.plan.trees:
        steps += _device(direction, scene)
    steps += _other_devices(scene)
    return [*steps, *_flowtables(scene)]


def _table(scene: Scene) -> Step:
    same = bool(scene.kernel.table.rules) and scene.kernel.table.rules == scene.rules
    found = "inet meshctl is as it was put" if same else "inet meshctl is not as it was put"
    return Step("table", found, () if same else ("table-changed",))


def _elements(question: Question, scene: Scene) -> Iterator[Step]:
    for device in question.devices:
        element = scene.kernel.table.members.get(device.hardware)
        if device.hardware in question.paused:
            wrong = () if element is None else ("element-left",)
            yield Step("element", f"member has {'one' if wrong else 'none'}, a steward paused the device", wrong)
        elif element is None:
            yield Step("element", f"member has none, {device.mark:#x} is decided", ("element-missing",))
        elif element.mark != device.mark:
            yield Step("element", f"member says {element.mark:#x}, {device.mark:#x} is decided", ("wrong-mark",))
        else:
            left = "without end" if element.expires is None else f"for {element.expires / 3600:.1f} h"
            yield Step("element", f"member says {element.mark:#x} {left}")
            yield from _sender(device, scene)
    if not question.devices and question.hardware in scene.kernel.table.members:
        mark = scene.kernel.table.members[question.hardware].mark
        yield Step("element", f"member says {mark:#x}, the device is not joined", ("element-left",))
    if question.address:
        yield _announced(question.address, scene)


def _sender(device: Device, scene: Scene) -> Iterator[Step]:
    """What it sends in connections that stand; without an element there, each packet asks `member`."""
    shown = scene.kernel.table.senders.get((device.hardware, device.mark))
    wanted = f"1:{device.mark:x}"
    if shown is not None and shown.number != wanted:
        yield Step("element", f"sender says {shown.number}, {wanted} is decided", ("class-map-missing",))


def _announced(address: str, scene: Scene) -> Step:
    decided, shown = scene.plan.announced.get(address), scene.kernel.table.announced.get(address)
    if decided is None and shown is None:
        return Step("element", "announced by nobody: its node's class for the unknown")
    if decided is None:
        return Step("element", f"announced says {shown:#x}, no node announces it", ("stale-lease",))
    if shown is None:
        return Step("element", f"announced has none, {decided:#x} is decided", ("element-missing",))
    wrong = () if shown == decided else ("wrong-mark",)
    return Step("element", f"announced says {shown:#x}" + (f", {decided:#x} is decided" if wrong else ""), wrong)


def _class(mark: int, direction: Direction, scene: Scene) -> Iterator[Step]:
    leaf = scene.plan.trees[direction].leaves.get(mark)
    shown = scene.kernel.trees[direction].classes.get(mark) if direction in scene.kernel.trees else None
    if leaf is None:
        yield Step(f"class {direction}", "none: nothing of it was seen for a quarter of an hour")
        return
    number = scene.kernel.table.classes.get(mark)
    wanted = f"1:{mark:x}"
    if mark >= 0x10 and number != wanted:
        said = f"class says {number or 'nothing'}, {wanted} is decided"
        yield Step(f"class map {direction}", said, ("class-map-missing",))
    else:
        yield Step(f"class map {direction}", f"{mark:#x} goes to {wanted}")
    if shown is None:
        yield Step(f"class {direction}", f"{wanted} is not in the tree", ("class-missing",))
        return
    rates = f"{words(shown.rate)} assured, {words(shown.ceil)} at most"
    right = (shown.rate, shown.ceil) == (leaf.rate * 1000, leaf.ceil * 1000)
    said = rates if right else f"{rates}; {words(leaf.rate * 1000)} and {words(leaf.ceil * 1000)} are decided"
    yield Step(f"class {direction}", f"{wanted}: {said}", () if right else ("wrong-rate",))
    count = shown.count
    said = f"{count.sent} bytes in {count.packets} frames sent, {count.dropped} dropped, {count.backlog} waiting"
    yield Step(f"counters {direction}", said)


def _device(direction: Direction, scene: Scene) -> Iterator[Step]:
    device = scene.devices[direction]
    tree = scene.kernel.trees.get(direction)
    foreign = scene.around.foreign(device)
    name = f"queue {direction}"
    if foreign:
        yield Step(name, f"{device} has {', '.join(foreign)}", ("foreign-qdisc",))
    if tree is None or not tree.root:
        yield Step(name, f"{device} has no tree of ours", ("tree-missing",))
        return
    missing = [number for number in (ROOT, HOMES, GUEST_POOL, UNKNOWN) if number not in tree.classes]
    if UNKNOWN in missing:
        yield Step(name, f"{device}: 1:{UNKNOWN:x} is not in the tree", ("default-class-missing",))
    elif missing:
        yield Step(name, f"{device}: 1:{missing[0]:x} is not in the tree", ("class-missing",))
    elif not foreign:
        yield Step(name, f"{device} has our tree of {len(tree.classes)} classes")


def _other_devices(scene: Scene) -> Iterator[Step]:
    for device in sorted(scene.around.devices - set(scene.devices.values())):
        foreign = scene.around.foreign(device)
        if foreign:
            yield Step("queue", f"{device} has {', '.join(foreign)}", ("foreign-qdisc",))


def _flowtables(scene: Scene) -> Iterator[Step]:
    for name, devices in scene.around.flowtables:
        yield Step("flowtable", f"{name} on {', '.join(devices)}", ("flowtable",))
