"""What each household that is known adds to the memory of a real agent, and what each that is present adds."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import click

from bench.inside.alone import know, memory_folder, place
from bench.inside.columns import progress, progress_ends, show, show_json
from bench.inside.lab import until
from meshctl.agent.commands import ask
from meshctl.agent.members import Members
from meshctl.agent.store import Store
from meshctl.lab.tomltext import toml_text

KNOWN, PRESENT, TURNS = 5000, 1000, 8
_DAY = 86_400.0


@dataclass(frozen=True)
class Size:
    """An agent after some turns, in kB of memory that is its own (PSS, proc_pid_smaps(5)) and at its greatest (RSS)."""

    known: int
    present: int
    pss: int
    peak: int


def settings(folder: Path) -> Path:
    """Write a node's file."""
    me = str(os.getuid())
    tables: dict[str, Any] = {
        "node": {"name": "node"},
        "access": [{"device": "lan0", "ipv4": "10.44.0.1/22", "ipv6": "fd44::1/64"}],
        "line": [{"name": "isp", "device": "wan0", "down_mbit": 1000.0, "up_mbit": 1000.0}],
        "policy": {"tick_seconds": 1},
        "shaping": {"leaf": "pfifo"},
        "paths": {"state": str(folder), "run": str(folder)},
        "users": {"portal": me, "watch": me},
    }
    file = folder / "meshctl.toml"
    file.write_text(toml_text(tables), encoding="utf-8")
    return file


def join(folder: Path, store: Store, present: int) -> None:
    """Leave behind what an agent of this boot leaves: devices that joined."""
    members = Members()
    for number, home in enumerate(store.households()[:present]):
        hardware = (0x02_00_00_00_00_00 + number).to_bytes(6, "big").hex(":")
        members.link(hardware, home, 30 * _DAY + 1e7, 0.0)
    members.save(folder / "devices.json")


@contextmanager
def agent(known: int, present: int) -> Iterator[tuple[Path, int]]:
    """A real agent; its file and its process."""
    with ExitStack() as stack:
        stack.enter_context(place())
        folder = stack.enter_context(memory_folder())
        store = know(folder, known)
        join(folder, store, present)
        store.close()
        file = settings(folder)
        log = stack.enter_context((folder / "log").open("wb"))
        process = subprocess.Popen([sys.executable, "-m", "meshctl", "agent", "--config", str(file)], stderr=log)
        stack.callback(process.wait)
        stack.callback(process.terminate)
        until(lambda: (folder / "agent.sock").exists() or process.poll() is not None, 20)
        if process.poll() is not None:
            raise SystemExit((folder / "log").read_text(encoding="utf-8"))
        yield file, process.pid


def measure(known: int, present: int, turns: int) -> Size:
    """Let an agent take its turns, and look."""
    with agent(known, present) as (file, pid):
        until(lambda: ask(file, {"verb": "status"})["ticks"] >= turns, 60)
        told = ask(file, {"verb": "status"})
        assert told["homes"] == present, json.dumps(told)
        rollup = dict(_fields(Path("/proc", str(pid), "smaps_rollup")))
        return Size(known, present, rollup["Pss"], dict(_fields(Path("/proc", str(pid), "status")))["VmHWM"])


def _fields(file: Path) -> Iterator[tuple[str, int]]:
    for line in file.read_text(encoding="ascii").splitlines():
        name, _, value = line.partition(":")
        if value.endswith(" kB"):
            yield name, int(value.removesuffix(" kB"))


@click.command()
@click.option("--known", default=KNOWN, show_default=True)
@click.option("--present", default=PRESENT, show_default=True)
@click.option("--json", "as_json", is_flag=True)
def main(known: int, present: int, as_json: bool) -> None:
    """Print how an agent grows."""
    found = []
    for one in ((0, 0), (known, 0), (known, present)):
        progress(f"an agent that knows {one[0]} households, {one[1]} of them present")
        found.append(measure(*one, TURNS))
    progress_ends()
    if as_json:
        show_json({"memory": [asdict(one) for one in found]})
        return
    rows = [
        (f"{one.known} known, {one.present} present", f"{one.pss / 1000:.1f}", f"{one.peak / 1000:.1f}")
        for one in found
    ]
    show(f"an agent's memory after {TURNS} turns", ("", "PSS, MB", "peak RSS, MB"), rows)
    for what, count, at in (("known", known, 1), ("of these present", present, 2)):
        grown = [(getattr(found[at], name) - getattr(found[at - 1], name)) / count for name in ("pss", "peak")]
        print(f"  each household {what} adds {grown[0]:.1f} kB, {grown[1]:.1f} kB at the peak")


if __name__ == "__main__":
    main()
