"""A lab of one node whose first phone has Chromium in it, driven from here."""

from __future__ import annotations

import secrets
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

from meshctl.lab.handle import Lab, raise_lab
from tests.journeys.street import NODE, Street, node, phones

PHONE, OTHER = "p-1", "p-2"
"""Who holds the browser, and who has nothing but a terminal."""

TOPOLOGY = node(NODE, 20, hub=True) + phones("p", NODE, 2)

_QUIET = ["--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync"]


@dataclass(frozen=True)
class Stage:
    """The lab and the browser in its first phone."""

    street: Street
    browser: Browser


@contextmanager
def raised(folder: Path, topology: str = TOPOLOGY) -> Iterator[Stage]:
    """A lab with a browser in a phone; nothing of either is left afterwards."""
    file = folder / "topology.toml"
    file.write_text(topology, encoding="utf-8")
    with raise_lab(file, f"t{secrets.token_hex(3)}") as lab, _chromium(lab, folder) as browser:
        yield Stage(Street(lab), browser)


@contextmanager
def _chromium(lab: Lab, folder: Path) -> Iterator[Browser]:
    program = folder / "chromium"
    program.write_text(f'#!/bin/sh\nexec {shlex.join(lab.command(PHONE, ["chromium"]))} "$@"\n', encoding="utf-8")
    program.chmod(0o755)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=_QUIET, timeout=60_000)
        try:
            yield browser
        finally:
            browser.close()
