"""Steps that say what they did and how long it took; the first that fails ends the story."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

T = TypeVar("T")


class StepError(Exception):
    """A claim does not hold, or a program failed; the text says which and why."""


class Step:
    """What a running step may say about what it measured."""

    def __init__(self) -> None:
        self.said = ""

    def say(self, text: str) -> None:
        """Print this next to the step's time."""
        self.said = text


@contextmanager
def step(title: str) -> Iterator[Step]:
    """Print ``title`` with the seconds that its block took, or that it failed."""
    begun, note = time.monotonic(), Step()
    if sys.stdout.isatty():
        sys.stdout.write(f"  …           {title}\r")
        sys.stdout.flush()
    try:
        yield note
    except BaseException:
        sys.stdout.write(f"  FAILED {time.monotonic() - begun:5.1f} s  {title}\n")
        raise
    said = f": {note.said}" if note.said else ""
    sys.stdout.write(f"  ok {time.monotonic() - begun:7.1f} s  {title}{said}\n")
    sys.stdout.flush()


def run(command: Sequence[str], *, timeout: float = 120, check: bool = True) -> str:
    """Run a program; return what it printed. Raises `StepError` with its last words."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=False)
    except subprocess.TimeoutExpired:
        raise StepError(f"{' '.join(command)}: no end after {timeout:g} s") from None
    if check and done.returncode != 0:
        raise StepError(f"{' '.join(command)}: exit {done.returncode}\n{last_lines(done.stdout + done.stderr)}")
    return done.stdout


def last_lines(text: str, count: int = 40) -> str:
    """Return the end of a long text."""
    return "\n".join(text.strip().splitlines()[-count:])


def claim(holds: bool, text: str) -> None:
    """Raise `StepError` unless it holds."""
    if not holds:
        raise StepError(text)


def until(ask: Callable[[], T], wanted: Callable[[T], object], text: str, seconds: float = 30) -> T:
    """Ask again until the answer is as wanted; raise `StepError` with the last answer when it never is."""
    end = time.monotonic() + seconds
    while True:
        answer = ask()
        if wanted(answer):
            return answer
        if time.monotonic() > end:
            raise StepError(f"{text}: not within {seconds:g} s; the last answer was {answer!r}")
        time.sleep(0.2)
