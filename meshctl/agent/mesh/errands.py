"""What the hub's node must be told, also when it is away: sealed to its key, so that no other disk can tell it."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable
from typing import Any

from nacl.exceptions import CryptoError
from nacl.public import SealedBox
from nacl.signing import SigningKey, VerifyKey

from meshctl.agent.longclock import LongClock
from meshctl.agent.mesh.channel import Message
from meshctl.agent.mesh.shapes import bad_shape, rows
from meshctl.agent.store import Store

_MOST_WAITING = 4096
_MOST_AT_ONCE = 64
_MOST_ROWS = 32
_LONGEST = 64 * 1024


class Errands:
    """The table `errand`: what waits to be told, the oldest first."""

    def __init__(self, store: Store, clock: LongClock) -> None:
        self._store, self._clock = store, clock

    def add(self, steps: list[dict[str, Any]], hub: VerifyKey) -> None:
        """Keep something until the hub's node has it."""
        sealed = SealedBox(hub.to_curve25519_public_key()).encrypt(json.dumps(steps).encode())
        with self._store.transaction():
            execute = self._store.connection.execute
            execute("INSERT INTO errand (sealed, at) VALUES (?, ?)", (bytes(sealed), self._clock.now()))
            execute("DELETE FROM errand WHERE ident <= (SELECT MAX(ident) FROM errand) - ?", (_MOST_WAITING,))

    def send(self, post: Callable[[Message], object]) -> None:
        """Tell what waits; it waits on until `done`."""
        now = self._clock.now()
        waiting = self._store.connection.execute(
            "SELECT ident, sealed, at FROM errand ORDER BY ident LIMIT ?", (_MOST_AT_ONCE,)
        ).fetchall()
        for ident, sealed, at in waiting:
            body = base64.b64encode(sealed).decode()
            post({"kind": "errand", "id": ident, "sealed": body, "waited": max(0.0, now - at)})

    def done(self, ident: int) -> None:
        """Forget what the hub's node has."""
        self._store.connection.execute("DELETE FROM errand WHERE ident = ?", (ident,))


def unseal(message: Message, key: SigningKey) -> list[Any]:
    """Return what an errand says, nothing where it is sealed to another key. Raises `ChannelError`."""
    sealed = message.get("sealed")
    if not isinstance(sealed, str) or len(sealed) > _LONGEST:
        raise bad_shape("errand")
    try:
        plain = SealedBox(key.to_curve25519_private_key()).decrypt(base64.b64decode(sealed, validate=True))
        steps = json.loads(plain)
    except CryptoError:
        return []
    except (ValueError, TypeError, RecursionError, binascii.Error):
        raise bad_shape("errand") from None
    return rows({"steps": steps}, "steps", _MOST_ROWS)
