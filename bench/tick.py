"""What a turn costs with many households present, in processor time of the agent and of all that it starts."""

from __future__ import annotations

import gc
import resource
import socket
import statistics
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass

import click

from bench.inside.alone import CONFIG, know, memory_folder, place
from bench.inside.columns import progress, progress_ends, show, show_json
from meshctl.agent.clock import SystemClock
from meshctl.agent.kernel import LinuxKernel, shaped_devices
from meshctl.agent.members import Members
from meshctl.agent.named import TABLE
from meshctl.agent.store import Store
from meshctl.agent.tick import Reconciler

KNOWN, PRESENT, TURNS = 5000, (100, 1000), 9
KINDS = (
    ("nobody moves a byte", False, False, False),
    ("all move bytes", True, False, False),
    ("the line is contended: all are charged", True, True, False),
    ("the same, and all rates change", True, True, True),
)
"""Who moves bytes, whether somebody wants more, and whether the rates change; in the words of the table."""

GUEST = "02:00:00:ff:ff:ff"
_DAY = 86_400.0
_SNDBUFFORCE = 32
"""asm-generic/socket.h."""


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
        kernel = LinuxKernel(CONFIG)
        self._turns = Reconciler(CONFIG, kernel, store, self._members, clock)
        self._turns.start()
        seen4 = [f"{_hardware(n)} . 10.44.{n >> 8}.{n & 255}" for n in range(present)]
        seen6 = [f"{_hardware(n)} . fd44::1:{n:x}" for n in range(present)]
        for name, rows in (("seen4", seen4), ("seen6", seen6)):
            kernel.commit([f"add element {TABLE} {name} {{ {', '.join(rows)} }}\n"])
        self._marks = sorted(self._turns.plan.present)
        self._wires = [_wire(device) for device in shaped_devices(CONFIG).values()]

    def close(self) -> None:
        for wire in self._wires:
            wire.close()

    def everybody_moves_bytes(self) -> None:
        """Have each household's leaf send a frame in each direction."""
        for wire in self._wires:
            for mark in self._marks:
                self._send(wire, mark, 1, 200)

    def two_want_more(self) -> None:
        """Fill two leaves in each direction, so that the line counts as contended."""
        for wire in self._wires:
            for mark in self._marks[:2]:
                with suppress(OSError):  # its leaf is full
                    self._send(wire, mark, 1000, 1500)

    @staticmethod
    def _send(wire: socket.socket, mark: int, frames: int, size: int) -> None:
        wire.setsockopt(socket.SOL_SOCKET, socket.SO_PRIORITY, 0x10000 | mark)
        for _ in range(frames):
            wire.send(bytes(size))

    def is_contended(self) -> bool:
        """Say whether the last turn charged what was carried in both directions."""
        return all(use.contended for use in self._turns.accounts.use.values())

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
    """Measure one kind of turn after the other, on one node."""
    found = []
    with site(present) as here:
        here.turn()
        for what, moves, wanted, changes in KINDS:
            spent = []
            for number in range(turns):
                if moves:
                    here.everybody_moves_bytes()
                if wanted:
                    here.two_want_more()
                if changes:
                    here.guest(comes=number % 2 == 0)
                spent.append(here.turn())
                assert here.is_contended() is wanted
            found.append(_cost(present, what, spent))
    return found


def _cost(present: int, kind: str, rows: list[tuple[float, float, float]]) -> Cost:
    own, children, wall = (statistics.median(column) for column in zip(*rows, strict=True))
    whole = sorted(row[0] + row[1] for row in rows)
    return Cost(present, kind, own, children, statistics.median(whole), whole[-1], wall)


def _hardware(number: int) -> str:
    return (0x02_00_00_00_00_00 + number).to_bytes(6, "big").hex(":")


def _wire(device: str) -> socket.socket:
    wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    wire.bind((device, 0x88B5))
    # Room for more than two leaves hold, so that the leaves refuse frames and not the socket.
    wire.setsockopt(socket.SOL_SOCKET, _SNDBUFFORCE, 4 << 20)
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
