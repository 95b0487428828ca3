"""The keys of the day as this node holds them: made in turn, kept on tmpfs only, for a restarted agent."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from pathlib import Path

from meshctl.agent.files import on_tmpfs, write_whole
from meshctl.agent.mesh.channel import ChannelError, Message
from meshctl.agent.mesh.daykeys import DayKeys
from meshctl.agent.mesh.shapes import rows

log = logging.getLogger(__name__)

_ALONE = 3.0
"""Seconds that the first node of the roster waits for somebody's key before it makes one."""

_TURN = 2.0
_LONGEST_ALONE = 12.0


class Keyring:
    """``keys`` are the living ones. ``started`` is when this agent began, in monotonic seconds."""

    def __init__(self, run: Path, started: float) -> None:
        self._file = run / "day-keys.json"
        self._started = started
        self.keys = DayKeys()
        self._load(started)

    def turn(self, name: str, names: Sequence[str], now: float) -> bool:
        """Make a key when it is this node's turn, destroy old ones; say whether the living ones changed.

        ``names`` are the roster's nodes in order. A node waits for a key from the others, longer the
        later it stands; a node that reaches nobody then makes one by itself.
        """
        rank = names.index(name) if name in names else 0
        patience = min(_ALONE + _TURN * rank, _LONGEST_ALONE) if len(names) > 1 else 0.0
        changed = bool(self.keys.forget(now))
        if (not len(self.keys) and now - self._started >= patience) or self.keys.is_due(now, rank):
            self.keys.make(now)
            changed = True
        if changed:
            self.keep(now)
        return changed

    def accept(self, offered: object, now: float) -> bool:
        """Take in a peer's keys; say whether any was new. Raises `ChannelError`."""
        fresh = self.keys.accept(offered, now)
        if fresh:
            self.keep(now)
        return fresh

    def missed(self, hello: Message, now: float) -> list[Message]:
        """Return the keys that a node whose greeting this is lacks. Raises `ChannelError`."""
        offer = self.keys.offer([str(name) for name in rows(hello, "keys", 64)], now)
        return [{"kind": "keys", "keys": offer}] if offer else []

    def keep(self, now: float) -> None:
        """Write the copy, where the folder is in RAM."""
        if on_tmpfs(self._file.parent):
            write_whole(self._file, json.dumps({"at": now, "keys": self.keys.offer([], now)}))

    def _load(self, now: float) -> None:
        if not self._file.exists() or not on_tmpfs(self._file.parent):
            return
        try:
            kept = json.loads(self._file.read_text(encoding="utf-8"))
            passed = max(0.0, now - float(kept["at"]))
            self.keys.accept([{**one, "age": one["age"] + passed} for one in kept["keys"]], now)
        except (ValueError, KeyError, TypeError, ChannelError) as fault:
            log.warning("%s is damaged (%s); keys come from the other nodes", self._file, fault)
