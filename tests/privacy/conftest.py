"""The place of the claims about whole days: three nodes, and a folder for what lasts."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.privacy.world import World, world


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    # What stands for the disk is in RAM too, so that three days of flushes take seconds.
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        disk, ram = Path(folder) / "disk", Path(folder) / "ram"
        disk.mkdir()
        ram.mkdir()
        with world(disk, ram, monkeypatch) as made:
            yield made
