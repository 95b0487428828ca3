"""The keys of the day: secrets that all nodes of the network share, in RAM only, and that do not last.

A device's token and a household's mark are keyed hashes under such a key: with the key gone nobody can
tell whose they were. Ages are on the monotonic clock, so no wall time is needed; any node may make the
next key, and when two do at once both are kept and the smaller name is the one that is used.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from meshctl.agent.mesh.shapes import bad_shape, hexadecimal, integer, number

ROTATE = 24 * 3600.0
"""Seconds after which the next key is made."""

LIFETIME = 26 * 3600.0
"""Seconds after which a key is forgotten; by then everybody who is here has a token under the next."""

TURN = 30.0
"""Seconds that each node waits longer than the one before it, so that usually one makes the next key."""

_MOST = 16


@dataclass(frozen=True)
class DayKey:
    """A shared secret; ``born`` is when, on this node's monotonic clock. ``name`` is a hash of the secret."""

    name: str
    epoch: int
    secret: bytes
    born: float

    def token(self, hardware: str) -> str:
        """Return what a device is remembered by: HMAC-SHA-256 (RFC 2104), 128 bits in hex."""
        return self._hash(b"device", bytes.fromhex(hardware.replace(":", "")), 16)

    def household_mark(self, handle: str) -> str:
        """Return what gateways are told for a household's devices: 64 bits in hex."""
        return self._hash(b"household", handle.encode(), 8)

    def guest_mark(self, token: str) -> str:
        """Return what gateways are told for one guest's device: 64 bits in hex."""
        return self._hash(b"guest", bytes.fromhex(token), 8)

    def _hash(self, purpose: bytes, message: bytes, length: int) -> str:
        return hmac.digest(self.secret, purpose + b"\0" + message, "sha256")[:length].hex()


class DayKeys:
    """The keys alive on this node, the one in use first."""

    rotate, lifetime, turn = ROTATE, LIFETIME, TURN

    def __init__(self) -> None:
        self._keys: list[DayKey] = []

    def __len__(self) -> int:
        return len(self._keys)

    @property
    def current(self) -> DayKey | None:
        """The key under which new tokens and marks are made."""
        return self._keys[0] if self._keys else None

    def all(self) -> list[DayKey]:
        """Return the living keys, the current one first."""
        return list(self._keys)

    def names(self) -> list[str]:
        """Return the names of the living keys."""
        return [key.name for key in self._keys]

    def get(self, name: str) -> DayKey | None:
        """Return the living key of that name."""
        return next((key for key in self._keys if key.name == name), None)

    def make(self, now: float) -> DayKey:
        """Make the next key."""
        secret = secrets.token_bytes(32)
        key = DayKey(_name(secret), self._keys[0].epoch + 1 if self._keys else 1, secret, now)
        self._take([key])
        return key

    def is_due(self, now: float, rank: int) -> bool:
        """Say whether this node, the ``rank``-th of the roster, should make the next key."""
        return bool(self._keys) and now - self._keys[0].born > self.rotate + rank * self.turn

    def forget(self, now: float) -> list[str]:
        """Destroy keys that are too old; return their names."""
        gone = [key.name for key in self._keys if now - key.born > self.lifetime]
        self._keys = [key for key in self._keys if key.name not in gone]
        return gone

    def offer(self, known: Iterable[str], now: float) -> list[dict[str, Any]]:
        """Return the keys that a peer who has ``known`` lacks, as they travel."""
        have = set(known)
        return [
            {"secret": key.secret.hex(), "epoch": key.epoch, "age": now - key.born}
            for key in self._keys
            if key.name not in have
        ]

    def accept(self, offered: object, now: float) -> bool:
        """Take in keys from a peer; say whether any was new. Raises `ChannelError` for a wrong shape."""
        if not isinstance(offered, list) or len(offered) > _MOST:
            raise bad_shape("keys")
        fresh = []
        for one in offered:
            secret = bytes.fromhex(hexadecimal(one, "secret", 32))
            age, epoch = number(one, "age"), integer(one, "epoch")
            if epoch < 1:
                raise bad_shape("keys")
            if 0 <= age <= self.lifetime and self.get(_name(secret)) is None:
                fresh.append(DayKey(_name(secret), epoch, secret, now - age))
        self._take(fresh)
        return bool(fresh)

    def _take(self, fresh: list[DayKey]) -> None:
        self._keys = sorted([*self._keys, *fresh], key=lambda key: (-key.epoch, key.name))[:_MOST]


def _name(secret: bytes) -> str:
    return hashlib.blake2b(secret, digest_size=8, person=b"meshctl.daykey").hexdigest()
