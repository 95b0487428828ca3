"""What lines carried for whom, as state that is replaced whole or row by row, sealed to the hub's node."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from meshctl.agent.mesh.channel import ChannelError, Message
from meshctl.agent.mesh.shapes import flag, integer, rows, text
from meshctl.agent.mesh.shelf import Shelf
from meshctl.agent.store import Store
from meshctl.model import DIRECTIONS

_MOST_ROWS = 20_000

_PER_START = 32
"""Bits of a message's number that count within one start of the agent; the bits above count the starts."""


def take_use(shelf: Shelf, owner: str, message: Message, roll: int) -> None:
    """Join what ``owner``'s line carried with what it says now. Raises `ChannelError`.

    What it said before it had this version of the roll is left out: it may charge a household that
    was removed. Once it has the roll it says everything anew.
    """
    told: dict[tuple[str, str, str], int] = {}
    for row in rows(message, "rows", _MOST_ROWS):
        if not isinstance(row, list) or len(row) != 4 or row[1] not in DIRECTIONS:
            raise ChannelError("garbage", "use is a list of line, direction, household and bytes")
        line, household = text({"line": row[0]}, "line", 64), text({"household": row[2]}, "household", 16)
        told[line, str(row[1]), household] = integer({"bytes": row[3]}, "bytes")
    stamp = integer(message, "boot"), integer(message, "sequence")
    if integer(message, "roll") < roll:
        return
    shelf.take_use(owner, stamp, told, whole=flag(message, "whole"))


class UseReport:
    """What this node's line carried for whom, as replaceable state for the hub's node."""

    def __init__(self, store: Store, boot: int) -> None:
        self._store, self._boot = store, boot
        # An agent that starts again within one boot must not speak with numbers of the past.
        self._sequence = store.count("use_reports") << _PER_START
        self._roll = 0
        self._sent: dict[tuple[str, str, str], int] | None = None
        self._last: dict[tuple[str, str, str], int] = {}

    def forget(self) -> None:
        """Say everything anew next time."""
        self._sent = None

    def tell(self, roll: int, post: Callable[[Message], bool]) -> None:
        """Say what changed, with the version of the roll, if ``post`` reaches the hub's node."""
        message = self.message(roll)
        if message is not None and post(message):
            self.sent()

    def message(self, roll: int) -> dict[str, Any] | None:
        """Return what changed since what was sent last, or ``None``; call `sent` when it went out.

        Everything is said anew once there is another version of the ``roll``.
        """
        if roll != self._roll:
            self._roll, self._sent = roll, None
        use = {(line, str(way), household): carried for (line, way, household), carried in self._store.ledger().items()}
        before = self._sent
        fresh = [[*key, carried] for key, carried in use.items() if before is None or before.get(key) != carried]
        if before is not None and not fresh:
            return None
        self._sequence, self._last = self._sequence + 1, use
        stamp = {"boot": self._boot, "sequence": self._sequence}
        return {"kind": "use", "whole": before is None, "roll": roll, **stamp, "rows": fresh}

    def sent(self) -> None:
        """Note that the last message is on its way."""
        self._sent = self._last
