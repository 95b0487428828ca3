"""What devices of the terrace ask of the line, and what each of them got."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Thread

from meshctl.lab.traffic import FOREVER, Flow, Traffic
from meshctl.model import Direction
from tests.kernel.terrace import Passed, Terrace


@dataclass(frozen=True)
class Wish:
    """One device's demand: so many TCP flows of one family in one direction, without end; one wish for each."""

    device: int
    family: int
    direction: Direction = "down"
    flows: int = 1


Got = Mapping[Direction, Mapping[int, float]]
"""Mbit/s of frames by device, as they arrived at the device or at the far end."""


def open_wishes(terrace: Terrace, wishes: Iterable[Wish]) -> list[Flow]:
    """Begin every flow of these wishes."""
    flows = []
    for wish in wishes:
        up = wish.direction == "up"
        first = f"POST /sink HTTP/1.1\r\nContent-Length: {FOREVER}" if up else f"GET /bytes/{FOREVER} HTTP/1.1"
        for _ in range(wish.flows):
            channel = terrace.flow(wish.device, wish.family)
            flows.append(Flow(f"d{wish.device}", channel, f"{first}\r\nHost: lab\r\n\r\n".encode(), up))
    return flows


def measure(terrace: Terrace, wishes: Sequence[Wish], seconds: float, warmup: float = 1.0) -> Got:
    """Run these flows on an empty line and return what each device got over the window after the warm-up."""
    terrace.settle()
    traffic = Traffic(open_wishes(terrace, wishes))
    try:
        traffic.run(warmup)
        return watch(terrace, wishes, lambda: traffic.run(seconds))
    finally:
        traffic.close()


def watch(terrace: Terrace, wishes: Iterable[Wish], act: Callable[[], object]) -> Got:
    """Return what each wish got while ``act`` ran."""
    before = terrace.arrived()
    act()
    after = terrace.arrived()
    got: dict[Direction, dict[int, float]] = {"down": {}, "up": {}}
    for wish in wishes:
        then, now = before[wish.direction], after[wish.direction]
        passed = now.passed.get(wish.device, Passed()).since(then.passed.get(wish.device, Passed()))
        got[wish.direction][wish.device] = passed.frames(wish.family) * 8 / (now.at - then.at) / 1e6
    return got


@contextmanager
def crowding(terrace: Terrace, wishes: Iterable[Wish]) -> Iterator[None]:
    """Keep these flows going in a thread of their own while the block runs."""
    traffic = Traffic(open_wishes(terrace, wishes))
    going = [True]

    def run() -> None:
        while going[0]:
            traffic.run(0.05)

    thread = Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        going[0] = False
        thread.join()
        traffic.close()
