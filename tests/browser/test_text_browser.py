"""The whole journey in w3m, a browser that knows text and keys and nothing else."""

from __future__ import annotations

import os
import pty
import re
import select
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

from tests.browser.phone import OTHER
from tests.journeys.street import Street

FIRST, HOME = "http://example.com/", "http://mesh.home/"
_SIZE = {"TERM": "linux", "COLUMNS": "80", "LINES": "60"}
_CONTROL = re.compile(r"\x1b[\[(][0-9;?]*[A-Za-z]|\x1b[=>]|[\x00-\x08\x0e\x0f]")


class Terminal:
    """What somebody types at w3m, and all that came to the screen since the last key."""

    def __init__(self, line: int) -> None:
        self._line = line

    def type(self, keys: str) -> None:
        """Press these keys."""
        os.write(self._line, keys.encode())

    def shows(self, words: str, seconds: float = 15.0) -> None:
        """Return once ``words`` are on the screen, which is drawn anew for that: else only what differs is."""
        screen, until = "", time.monotonic() + seconds
        while words not in screen:
            assert time.monotonic() < until, f"{words!r} did not come: {screen}"
            self.type("\x0c")
            drawn = b""
            while select.select([self._line], [], [], 0.1)[0]:
                drawn += os.read(self._line, 65536)
            screen = " ".join(_CONTROL.sub(" ", drawn.decode(errors="replace")).split())


@contextmanager
def w3m(street: Street, address: str) -> Iterator[Terminal]:
    """W3m at an address, in a phone."""
    words = street.lab.command(OTHER, ["env", *(f"{k}={v}" for k, v in _SIZE.items()), "w3m", "-no-mouse", address])
    here, there = pty.openpty()
    try:
        with subprocess.Popen(words, stdin=there, stdout=there, stderr=there, start_new_session=True) as browser:
            os.close(there)
            try:
                yield Terminal(here)
            finally:
                browser.kill()
    finally:
        os.close(here)


def dump(street: Street, *words: str) -> str:
    """What w3m makes of a page."""
    return street.run(OTHER, "env", "LANG=C.UTF-8", "w3m", "-dump", "-cols", "80", *words, check=True)[1]


def test_a_text_browser_joins_looks_and_leaves_by_keys(street: Street) -> None:
    with w3m(street, FIRST) as screen:
        screen.shows("Free internet, shared by neighbours")
        # The button is found by its word and pressed with Enter.
        screen.type("/Join\n\n")
        screen.shows("You are online")
        assert street.fetch(OTHER, "http://198.51.100.1/generate_204") == "204 0"
        screen.type(f"U\x15{FIRST}\n")
        screen.shows("You reached the internet")
        screen.type(f"U\x15{HOME}\n")
        screen.shows("You are online")
        screen.type("/Leave\n\n")
        screen.shows("Free internet, shared by neighbours")
    assert street.fetch(OTHER, FIRST).startswith("302")


def test_text_is_in_the_order_in_which_it_is_read(street: Street) -> None:
    page = dump(street, FIRST)
    order = ["Free internet, shared by neighbours", "\nJoin\n", "What we keep", "Kiswahili", "Help"]
    places = [page.index(words) for words in order]
    assert places == sorted(places)
