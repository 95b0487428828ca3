"""What a turn costs with many households present, in processor time of the agent and of all that it starts."""

from __future__ import annotations

import gc
import resource
import socket
import statistics
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass

import click

from bench.inside.alone import CONFIG, know, memory_folder, place
from bench.inside.columns import progress, progress_ends, show, show_json
from meshctl.agent.clock import SystemClock
from meshctl.agent.kernel import LinuxKernel, shaped_devices
from meshctl.agent.members import Members
from meshctl.agent.store import Store
from meshctl.agent.tick import Reconciler

KNOWN, PRESENT, TURNS = 5000, (100, 1000), 9
GUEST = "02:00:00:ff:ff:ff"
_DAY = 86_400.0


@dataclass(frozen=True)
class Cost:
    """Medians over the turns of one kind, in milliseconds: of the agent's own processor time and its children's."""

    present: int
    kind: str
    own: float
    children: float
    whole: float
    most: float
    wall: float


class Site:
    """The turns of a node whose households all use the line."""

    def __init__(self, store: Store, present: int) -> None:
        clock, self._members = SystemClock(), Members()
        self._now = clock.read().monotonic
        for number, home in enumerate(store.households()[:present]):
            self._members.link(_hardware(number), home, self._now + 30 * _DAY, self._now)
        self._turns = Reconciler(CONFIG, LinuxKernel(CONFIG), store, self._members, clock)
        self._turns.start()
        self._marks = sorted(self._turns.plan.present)
        self._wires = [_wire(device) for device in shaped_devices(CONFIG).values()]

    def close(self) -> None:
        for wire in self._wires:
            wire.close()

    def everybody_moves_bytes(self) -> None:
        """Have each household's leaf send a frame in each direction."""
        for wire in self._wires:
            for mark in self._marks:
                wire.setsockopt(socket.SOL_SOCKET, socket.SO_PRIORITY, 0x10000 | mark)
                wire.send(bytes(200))

    def guest(self, *, comes: bool) -> None:
        """Have one more share the line, or one less: what every other is assured changes with it."""
        if comes:
            self._members.join(GUEST, self._now + _DAY, time.monotonic())
        else:
            self._members.leave(GUEST)

    def turn(self) -> tuple[float, float, float]:
        """Take one turn; return milliseconds of its own processor time, of its children's, and by the clock."""
        gc.collect()
        began, own, children = time.perf_counter(), time.process_time(), _children()
        self._turns.tick()
        spent = (time.process_time() - own, _children() - children, time.perf_counter() - began)
        return spent[0] * 1000, spent[1] * 1000, spent[2] * 1000


@contextmanager
def site(present: int) -> Iterator[Site]:
    """Turns in a namespace of their own, with a register on tmpfs."""
    with ExitStack() as stack:
        stack.enter_context(place())
        store = know(stack.enter_context(memory_folder()), KNOWN)
        stack.callback(store.close)
        one = Site(store, present)
        stack.callback(one.close)
        yield one


def measure(present: int, turns: int) -> list[Cost]:
    """Measure three kinds of turn in rotation: nothing moved, everybody moved bytes, every rate changed."""
    kinds = ("nobody moves a byte", "all move bytes", "all move bytes, all rates change")
    spent: dict[str, list[tuple[float, float, float]]] = {kind: [] for kind in kinds}
    with site(present) as here:
        for _ in range(2):
            here.turn()
        for number in range(turns):
            spent[kinds[0]].append(here.turn())
            here.everybody_moves_bytes()
            spent[kinds[1]].append(here.turn())
            here.everybody_moves_bytes()
            here.guest(comes=number % 2 == 0)
            spent[kinds[2]].append(here.turn())
    return [_cost(present, kind, rows) for kind, rows in spent.items()]


def _cost(present: int, kind: str, rows: list[tuple[float, float, float]]) -> Cost:
    own, children, wall = (statistics.median(column) for column in zip(*rows, strict=True))
    whole = sorted(row[0] + row[1] for row in rows)
    return Cost(present, kind, own, children, statistics.median(whole), whole[-1], wall)


def _hardware(number: int) -> str:
    return (0x02_00_00_00_00_00 + number).to_bytes(6, "big").hex(":")


def _wire(device: str) -> socket.socket:
    wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    wire.bind((device, 0x88B5))
    return wire


def _children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


@click.command()
@click.option("--present", multiple=True, type=int, default=PRESENT, show_default=True)
@click.option("--turns", default=TURNS, show_default=True)
@click.option("--json", "as_json", is_flag=True)
def main(present: tuple[int, ...], turns: int, as_json: bool) -> None:
    """Print what a turn costs."""
    found: list[Cost] = []
    for count in present:
        progress(f"turns with {count} households present")
        found += measure(count, turns)
    progress_ends()
    if as_json:
        show_json({"tick": [asdict(one) for one in found]})
        return
    rows = [
        (
            f"{one.present} present, {one.kind}",
            *(f"{figure:.0f}" for figure in (one.own, one.children, one.whole, one.most, one.wall)),
        )
        for one in found
    ]
    title = f"processor time of one turn in ms, {KNOWN} households known: medians of {turns}"
    show(title, ("", "own", "children", "together", "most", "by the clock"), rows)


if __name__ == "__main__":
    main()
