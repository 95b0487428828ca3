"""The lasting keys as this node holds them: made in turn, as old as anybody knows, each destroyed for good.

Times are seconds of this node's long clock. Ages are in node.db; the secrets are in files of their own.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from meshctl.agent.longclock import LongClock
from meshctl.agent.mesh.channel import Message
from meshctl.agent.mesh.daykeys import DayKey
from meshctl.agent.mesh.lasting import LASTING_ROTATE, KeyFolder, LastingKeys
from meshctl.agent.mesh.shapes import bad_shape, hexadecimal, integer, number, rows
from meshctl.agent.store import Store

_ALONE = 3.0
_TURN = 2.0
_LONGEST_ALONE = 12.0
_HUB_ALONE, _HUB_LATER = 60.0, 24
"""The hub's node makes a key only where no other node does: after a minute, or a day after the last one's turn."""

_MOST = 64


class LastingRing:
    """``keys`` are the living ones. ``on_disk`` says whether this node may write them down.

    A node that may not, the hub's, keeps what is on its disk until another node says that it has it.
    """

    def __init__(self, store: Store, state: Path, clock: LongClock) -> None:
        self._store, self._clock = store, clock
        self._folder = KeyFolder(state / "remember-keys")
        self._started = clock.now()
        self._elsewhere: set[str] = set()
        self.keys, self.on_disk = LastingKeys(), True
        self._load()

    def turn(self, name: str, names: Sequence[str], *, on_disk: bool) -> bool:
        """Make a key when it is this node's turn, destroy old ones; say whether the living ones changed.

        ``names`` are the roster's nodes in order, this one included.
        """
        self.on_disk = on_disk
        now = self._clock.now()
        old = self.keys.forget(now)
        self._destroy(old)
        changed = bool(old)
        rank = names.index(name) if name in names else 0
        patience = min(_ALONE + _TURN * rank, _LONGEST_ALONE) if len(names) > 1 else 0.0
        if not on_disk:
            rank, patience = len(names) + _HUB_LATER, _HUB_ALONE
        first = not len(self.keys) and now - self._started >= patience
        if first or self.keys.is_due(now, rank):
            self.keys.make(now)
            changed = True
        if changed:
            self._keep()
        self._bring_disk()
        return changed

    def told(self) -> Message:
        """Return what this node says of its keys: names, ages, and which are destroyed."""
        ages = self.keys.ages(self._clock.now())
        known = [{"name": name, "age": age} for name, age in ages.items()]
        return {"kind": "lasting", "keys": known, "gone": self.keys.destroyed, "version": self._clock.version}

    def hear(self, message: Message) -> tuple[list[Message], bool]:
        """Take in what a node says of its keys; return the keys that it lacks, and whether it has some more.

        Raises `ChannelError`.
        """
        now = self._clock.now()
        ages = {hexadecimal(row, "name", 8): number(row, "age") for row in rows(message, "keys", _MOST)}
        gone = [hexadecimal({"name": name}, "name", 8) for name in rows(message, "gone", _MOST)]
        self._clock.heard(integer(message, "version"))
        older = self.keys.grow(ages, now)
        dead = [name for name in gone if name not in self.keys.destroyed]
        self._destroy(dead)
        if older or dead:
            self._keep()
        self._elsewhere |= ages.keys()
        self._bring_disk()
        offer = self.keys.offer(ages, now)
        missing = ages.keys() - set(self.keys.names()) - set(self.keys.destroyed)
        return ([{"kind": "lasting-keys", "keys": offer}] if offer else []), bool(missing)

    def accept(self, message: Message) -> bool:
        """Take in a peer's keys; say whether any was new. Raises `ChannelError`."""
        offered = message.get("keys")
        if not isinstance(offered, list):
            raise bad_shape("keys")
        before = self.keys.names()
        self.keys.accept(offered, self._clock.now())
        fresh = self.keys.names() != before
        if fresh:
            self._elsewhere |= set(self.keys.names()) - set(before)
            self._keep()
            self._bring_disk()
        return fresh

    def _destroy(self, names: list[str]) -> None:
        self.keys.destroy(names)
        for name in names:
            self._folder.destroy(name)

    def _bring_disk(self) -> None:
        """Have on disk what may be there, or must be because no other node has it, and nothing else."""
        for key in self.keys.all():
            if self.on_disk or key.name not in self._elsewhere:
                self._folder.keep(key)
        for name in self._folder.names() & self._elsewhere if not self.on_disk else ():
            self._folder.destroy(name)

    def _keep(self) -> None:
        living = [(key.name, key.epoch, key.born, 0) for key in self.keys.all()]
        dead = [(name, 0, 0.0, 1) for name in self.keys.destroyed]
        with self._store.transaction():
            self._store.connection.execute("DELETE FROM lasting_key")
            self._store.connection.executemany("INSERT INTO lasting_key VALUES (?, ?, ?, ?)", [*living, *dead])

    def _load(self) -> None:
        table = self._store.connection.execute("SELECT name, born, destroyed FROM lasting_key ORDER BY rowid")
        known = {name: (born, bool(destroyed)) for name, born, destroyed in table}
        self.keys.destroy([name for name, (_, destroyed) in known.items() if destroyed])
        now = self._clock.now()
        for name, epoch, secret in self._folder.read():
            if name in self.keys.destroyed:
                self._folder.destroy(name)
                continue
            # Without its row nobody knows its age: it makes no new tokens, and lives for theirs only.
            born = known[name][0] if name in known else now - LASTING_ROTATE
            self.keys.enter(DayKey(name, epoch, secret, min(born, now)))
