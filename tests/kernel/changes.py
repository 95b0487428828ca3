"""What is changed in the gateway's kernel while a test looks, as the kernel itself announces it."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import IO

from tests.kernel.street import until
from tests.kernel.terrace import Terrace

_SPARE = "lo"
"""A device that nobody shapes: a hook that comes and goes there says that tc's news has come so far."""

_CLASS = re.compile(r"class htb 1:([0-9a-f]+) dev (\S+) ")


@dataclass
class Changes:
    """Lines of ``tc monitor`` and ``nft monitor``: whatever anybody changed of queues, filters and tables."""

    queues: list[str] = field(default_factory=list)
    tables: list[str] = field(default_factory=list)

    def classes(self) -> set[tuple[str, int]]:
        """Return the classes among them, by device."""
        return {(match[2], int(match[1], 16)) for line in self.queues if (match := _CLASS.search(line))}


@contextmanager
def watched(terrace: Terrace) -> Iterator[Changes]:
    """Fill in what was changed within the block when it has ended."""
    changes = Changes()
    with ExitStack() as stack:
        news = {program: stack.enter_context(_monitor(terrace, program)) for program in ("tc", "nft")}
        for program, told in news.items():
            _mark(terrace, program, told)
        yield changes
        changes.queues = _mark(terrace, "tc", news["tc"])
        changes.tables = [line for line in _mark(terrace, "nft", news["nft"]) if not line.startswith("#")]


@contextmanager
def _monitor(terrace: Terrace, program: str) -> Iterator[IO[str]]:
    with (terrace.folder / f"{program}.news").open("w+") as told:
        words = ["ip", "netns", "exec", terrace.at("gate"), program, "monitor"]
        process = subprocess.Popen(words, stdout=told)
        try:
            with (terrace.folder / f"{program}.news").open() as reader:
                yield reader
        finally:
            process.kill()
            process.wait()


def _mark(terrace: Terrace, program: str, told: IO[str]) -> list[str]:
    """Make a change of no meaning until it is told, and return what was told before it."""
    come, go = {
        "tc": (f"tc qdisc add dev {_SPARE} clsact", f"tc qdisc del dev {_SPARE} clsact"),
        "nft": ("nft add table inet spare", "nft delete table inet spare"),
    }[program]
    lines: list[str] = []

    def told_of_it() -> bool:
        terrace.at_gate(come)
        terrace.at_gate(go)
        lines.extend(told.readlines())
        return any(("deleted" in line and "clsact" in line) or "delete table inet spare" in line for line in lines)

    until(told_of_it)
    return [line for line in lines if line.strip() and "clsact" not in line and "table inet spare" not in line]
