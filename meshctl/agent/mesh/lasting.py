"""The keys under which devices are remembered for months: on the disks of nodes, never on that of the hub's node.

The hub's node keeps the tokens, so neither disk alone says whose they are. It has the keys too, to know who
is in front of it, but in RAM only; where it is the only node, it has nobody else to keep them.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from meshctl.agent.files import write_whole
from meshctl.agent.mesh.daykeys import DayKey, DayKeys
from meshctl.agent.mesh.shapes import hexadecimal, integer
from meshctl.model import MeshctlError

log = logging.getLogger(__name__)

DAY = 86_400.0
REMEMBERED_DAYS = 90
"""For how long a person may ask to be remembered."""

LASTING_ROTATE = 30 * DAY
"""Seconds after which the next key is made. What is promised under a key's last day fits in its lifetime."""

LASTING_LIFETIME = LASTING_ROTATE + REMEMBERED_DAYS * DAY
_TURN = 3600.0
_MOST_DESTROYED = 64


class LastingKeys(DayKeys):
    """Keys as those of the day, of which each is current for a month; destroyed ones never come back.

    Of two nodes that disagree about a key's age the one that saw more time pass is right.
    """

    rotate, lifetime, turn = LASTING_ROTATE, LASTING_LIFETIME, _TURN

    def __init__(self) -> None:
        super().__init__()
        self.destroyed: list[str] = []

    def enter(self, key: DayKey) -> None:
        """Know a key of a former run."""
        self._take([key])

    def accept(self, offered: object, now: float) -> bool:
        """Take in a peer's keys but those that are destroyed; say whether any was new. Raises `ChannelError`."""
        fresh = super().accept(offered, now)
        return bool(fresh and not self.destroy(self.destroyed))

    def destroy(self, names: Iterable[str]) -> list[str]:
        """Destroy keys for good; return those that lived until now."""
        wanted = set(names)
        gone = [key.name for key in self._keys if key.name in wanted]
        self._keys = [key for key in self._keys if key.name not in wanted]
        self.destroyed = list(dict.fromkeys([*self.destroyed, *names]))[-_MOST_DESTROYED:]
        return gone

    def ages(self, now: float) -> dict[str, float]:
        """Return the ages of the living keys by name, in seconds."""
        return {key.name: round(max(0.0, now - key.born), 1) for key in self._keys}

    def grow(self, ages: Mapping[str, float], now: float) -> bool:
        """Make keys as old as somebody else knows them to be; say whether one became older."""
        before = self._keys
        self._keys = [_grown(key, now - ages.get(key.name, 0.0)) for key in before]
        return self._keys != before


def _grown(key: DayKey, born: float) -> DayKey:
    # A tenth of a second is lost where ages are rounded on their way.
    return DayKey(key.name, key.epoch, key.secret, born) if born < key.born - 1.0 else key


class KeyFolder:
    """One file, 0600, for each key; it is written once and never again, so that flash memory holds one copy."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(mode=0o700, exist_ok=True)

    def names(self) -> set[str]:
        """Return the names of the keys on this disk."""
        return {file.stem for file in self._folder.glob("*.key")}

    def read(self) -> list[tuple[str, int, bytes]]:
        """Return name, epoch and secret of each key; a damaged file is no key, and is destroyed."""
        found = []
        for name in sorted(self.names()):
            try:
                table: Any = json.loads((self._folder / f"{name}.key").read_text(encoding="ascii"))
                found.append((name, integer(table, "epoch"), bytes.fromhex(hexadecimal(table, "secret", 32))))
            except (ValueError, TypeError, MeshctlError):
                log.warning("the key %s is damaged and no key any more; others give it back", name)
                self.destroy(name)
        return found

    def keep(self, key: DayKey) -> None:
        """Write a key that is not there yet."""
        file = self._folder / f"{key.name}.key"
        if not file.exists():
            write_whole(file, json.dumps({"epoch": key.epoch, "secret": key.secret.hex()}))

    def destroy(self, name: str) -> None:
        """Overwrite a key's file where it lies, and remove it."""
        file = self._folder / f"{name}.key"
        try:
            descriptor = os.open(file, os.O_WRONLY)
        except FileNotFoundError:
            return
        with os.fdopen(descriptor, "wb") as handle:
            handle.write(os.urandom(max(128, os.fstat(descriptor).st_size)))
            handle.flush()
            os.fsync(descriptor)
        file.unlink()
