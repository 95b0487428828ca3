"""What the product's table and trees let through, beside plain NAT and beside a rule for each client."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from functools import partial

import click

from bench.inside import obstacles
from bench.inside.columns import progress, progress_ends, show, show_json
from bench.inside.way import Stream, Way
from meshctl.model import DIRECTIONS, Direction

PLAIN, HOOK = "plain NAT", "plain NAT and a hook without rules"
PAIRS, BURSTS, SECONDS = 5, 8, 0.05
HOMES = (1, 250, 1000, 5000)
CLIENTS = 1000


@dataclass(frozen=True)
class Found:
    """Medians over the pairs: Mbit/s of this way and of plain NAT beside it, their ratio, and its extremes."""

    way: str
    direction: Direction
    mbit: float
    plain: float
    ratio: float
    least: float
    most: float


def ways(homes: tuple[int, ...]) -> dict[str, Callable[[], None]]:
    """Return what to put in the way, by name."""
    one = "one rule per client and direction"
    return {
        f"{PLAIN}, once more": obstacles.plain_nat,
        HOOK: obstacles.empty_hook,
        **{f"table, {count} homes": partial(obstacles.table, count) for count in homes},
        **{f"table and trees, {count} homes": partial(obstacles.shaped, count) for count in homes},
        f"{one}, {CLIENTS} clients": partial(obstacles.counted_by_rules, CLIENTS, ends=False),
        "  the same, ended by its rule": partial(obstacles.counted_by_rules, CLIENTS, ends=True),
    }


def pair(plain: Stream, other: Stream) -> tuple[float, float]:
    """Let both flow in turns, so that whatever else the machine does meets both; return the Mbit/s of each."""
    rates: dict[Stream, list[float]] = {plain: [], other: []}
    for number in range(BURSTS):
        for stream in (plain, other) if number % 2 else (other, plain):
            rates[stream].append(stream.burst(SECONDS))
    return statistics.fmean(rates[plain]), statistics.fmean(rates[other])


def measure(name: str, direction: Direction, plain: Stream, other: Stream, pairs: int) -> Found:
    """Return what came of so many pairs."""
    for stream in (plain, other):
        stream.burst(0.2)
    found = [pair(plain, other) for _ in range(pairs)]
    ratios = sorted(rate / base for base, rate in found)
    base, rate = (statistics.median(column) for column in zip(*found, strict=True))
    return Found(name, direction, rate, base, statistics.median(ratios), ratios[0], ratios[-1])


def run(directions: tuple[Direction, ...], homes: tuple[int, ...], pairs: int) -> list[Found]:
    """Measure every way in every direction."""
    found = []
    with ExitStack() as stack:
        base = Way(stack)
        base.inside(obstacles.plain_nat)
        plain = {direction: base.stream(direction) for direction in directions}
        for name, put in ways(homes).items():
            with ExitStack() as own:
                progress(name)
                way = Way(own)
                way.inside(put)
                found += [measure(name, d, plain[d], way.stream(d), pairs) for d in directions]
    progress_ends()
    return found


def tell(found: list[Found], pairs: int) -> None:
    """Print a table for each direction."""
    for direction in DIRECTIONS:
        mine = [one for one in found if one.direction == direction]
        rows = [
            (one.way, f"{one.mbit:.0f}", f"{one.plain:.0f}", f"{one.ratio:.2f}", f"{one.least:.2f} to {one.most:.2f}")
            for one in mine
        ]
        if not rows:
            continue
        title = f"one TCP stream {direction}, frames of 1,500 bytes, offloads off: medians of {pairs} interleaved pairs"
        show(title, ("", "Mbit/s", PLAIN, "ratio", "of all pairs"), rows)
        rates = {one.way: one.ratio for one in mine}
        for name, rate in rates.items():
            if name.startswith("table") and f"{CLIENTS} homes" in name:
                rivals = [
                    rate / other for rival, other in rates.items() if rival.startswith(("one rule", "  the same"))
                ]
                print(f"  {name}: " + " and ".join(f"{times:.1f}" for times in rivals) + " times a rule per client")
        for line in where_it_goes(rates):
            print(line)


def where_it_goes(rates: dict[str, float]) -> list[str]:
    """Return by how much each part lowers what is forwarded, in per cent of what plain NAT forwards."""
    lines = []
    for name, rate in rates.items():
        count = name.removeprefix("table, ")
        trees = rates.get(f"table and trees, {count}")
        if name.startswith("table, ") and trees is not None:
            parts = {
                "a hook without rules": 1 - rates[HOOK],
                "our rules": rates[HOOK] - rate,
                "the trees": rate - trees,
            }
            told = ", ".join(f"{part} {100 * lost:.0f} %" for part, lost in parts.items())
            lines.append(f"  where the rest goes, {count}: {told}")
    return lines


@click.command()
@click.option("--direction", type=click.Choice(DIRECTIONS), help="Only this one.")
@click.option("--homes", multiple=True, type=int, default=HOMES, show_default=True)
@click.option("--pairs", default=PAIRS, show_default=True)
@click.option("--json", "as_json", is_flag=True)
def main(direction: Direction | None, homes: tuple[int, ...], pairs: int, as_json: bool) -> None:
    """Print what a core of this machine forwards with each, in ratio to plain NAT."""
    found = run((direction,) if direction else DIRECTIONS, homes, pairs)
    if as_json:
        show_json({"forward": [asdict(one) for one in found]})
    else:
        tell(found, pairs)


if __name__ == "__main__":
    main()
