"""Pauses as all nodes know them: by token, under every living key of the day, never by address.

Every node keeps every pause and says all of them to a node that it reaches, so a node that comes back
learns what was decided and what has ended. A pause whose time is over is kept as long as its key lives:
whoever was without power and believes in hours that have passed is told so.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from meshctl.agent.mesh.channel import Message
from meshctl.agent.mesh.daykeys import DayKeys
from meshctl.agent.mesh.shapes import bad_shape, flag, hexadecimal, integer, number, rows, text
from meshctl.agent.pauses import LAST_VERSION, LONGEST_HOURS, Pause, PauseError, checked_reason

MOST_PAUSES = 1024
"""Records kept in all; beyond that the ones that end soonest go."""

_MOST_IN_MESSAGE = 256
_LONGEST = LONGEST_HOURS * 3600.0


@dataclass(frozen=True)
class PauseRecord:
    """The latest pause of the device with that ``token`` under the day key named ``key``."""

    token: str
    key: str
    pause: Pause


class SharedPauses:
    """What this node knows of pauses; ``tell`` sends a message to every other node."""

    def __init__(self, keys: DayKeys, known: Iterable[PauseRecord], tell: Callable[[Message], None]) -> None:
        self._keys, self._tell = keys, tell
        self._records = {record.token: record for record in known}
        self._dirty: set[str] = set()

    def __len__(self) -> int:
        return len(self._records)

    def all(self) -> list[PauseRecord]:
        """Return every record, also of pauses that are over."""
        return list(self._records.values())

    def best(self, hardware: str) -> Pause | None:
        """Return the latest pause of a device, under whichever living key."""
        found: Pause | None = None
        for key in self._keys.all() if self._records else ():
            record = self._records.get(key.token(hardware))
            if record is not None and record.pause.beats(found):
                found = record.pause
        return found

    def write(self, hardware: str, pause: Pause, now: float) -> None:
        """Have every node know a device's pause under every living key; nothing is told where all is known."""
        tokens = [(key.token(hardware), key.name) for key in self._keys.all()]
        self._publish([PauseRecord(token, key, pause) for token, key in tokens], now)

    def end(self, ident: str, over: Pause, now: float) -> None:
        """Have every node know that a pause is over, also for a device that was never here."""
        held = [record for record in self._records.values() if record.pause.ident == ident]
        self._publish([PauseRecord(record.token, record.key, over) for record in held], now)

    def hear(self, message: Message, now: float) -> list[PauseRecord]:
        """Take in what another node knows and return what was new. Raises `ChannelError`."""
        told = [from_wire(row, now) for row in rows(message, "records", _MOST_IN_MESSAGE)]
        return [record for record in told if self._merge(record)]

    def messages(self, now: float) -> list[Message]:
        """Return all pauses as they travel, none for none."""
        return _messages(self._records.values(), now)

    def purge(self, living: Iterable[str]) -> None:
        """Forget records whose key is destroyed."""
        keys = set(living)
        for token in [token for token, record in self._records.items() if record.key not in keys]:
            self._drop(token)

    def changed(self) -> dict[str, PauseRecord | None]:
        """Return what changed since the last call, by token; ``None`` for a record that is forgotten."""
        tokens, self._dirty = self._dirty, set()
        return {token: self._records.get(token) for token in tokens}

    def _publish(self, written: list[PauseRecord], now: float) -> None:
        for message in _messages([record for record in written if self._merge(record)], now):
            self._tell(message)

    def _merge(self, record: PauseRecord) -> bool:
        before = self._records.get(record.token)
        if not record.pause.beats(before.pause if before else None):
            return False
        self._records[record.token] = record
        self._dirty.add(record.token)
        if len(self._records) > MOST_PAUSES:
            self._drop(min(self._records.values(), key=lambda one: one.pause.until).token)
        return True

    def _drop(self, token: str) -> None:
        del self._records[token]
        self._dirty.add(token)


def to_wire(record: PauseRecord, now: float) -> dict[str, Any]:
    """Return a record as it travels: what is left of the pause instead of a deadline, never rounded down."""
    pause = record.pause
    return {
        "token": record.token,
        "key": record.key,
        "id": pause.ident,
        "reason": pause.reason,
        "left": max(0, math.ceil((pause.until - now) * 1000)) / 1000,
        "version": pause.version,
        "by": pause.by,
        "over": pause.over,
    }


def from_wire(table: object, now: float) -> PauseRecord:
    """Read a record; no pause is longer than `LONGEST_HOURS`. Raises `ChannelError` for a wrong shape."""
    version = integer(table, "version")
    if not 1 <= version <= LAST_VERSION or not isinstance(table, dict):
        raise bad_shape("version")
    try:
        reason = checked_reason(table.get("reason"))
    except PauseError:
        raise bad_shape("reason") from None
    until = now + min(number(table, "left"), _LONGEST)
    pause = Pause(text(table, "id", 8), reason, until, version, text(table, "by", 32), flag(table, "over"))
    return PauseRecord(hexadecimal(table, "token", 16), hexadecimal(table, "key", 8), pause)


def _messages(records: Iterable[PauseRecord], now: float) -> list[Message]:
    whole = [to_wire(record, now) for record in records]
    parts = [whole[start : start + _MOST_IN_MESSAGE] for start in range(0, len(whole), _MOST_IN_MESSAGE)]
    return [{"kind": "pauses", "records": part} for part in parts]
