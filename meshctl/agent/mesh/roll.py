"""The roll: all households of the network, signed by the hub's node, sealed on its way to the others.

A pass is checked on every node, also while the hub is away, so every node holds each household's
handle, shares and the scrypt verifier of its pass; nothing else.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable
from dataclasses import dataclass

from nacl.signing import SigningKey, VerifyKey

from meshctl.fields import FieldError, read_table
from meshctl.lists import ListError, sign_list, verified_payload

ROLL_LIMIT = 3 << 20
"""Bytes of a whole roll."""


@dataclass(frozen=True)
class Enrolled:
    """A household on the roll; ``salt`` and ``verifier`` in base64, ``since`` in seconds since 1970."""

    handle: str
    shares: int
    since: float
    trusted: bool
    salt: str
    verifier: str


@dataclass(frozen=True)
class Roll:
    """All households; the version only grows."""

    version: int
    households: tuple[Enrolled, ...] = ()
    kind: str = "roll"


def enrolled(handle: str, shares: int, since: float, trusted: int, salt: bytes, verifier: bytes) -> Enrolled:
    """Return a row of node.db as it stands on the roll."""
    salt_text, verifier_text = (base64.b64encode(part).decode() for part in (salt, verifier))
    return Enrolled(handle, shares, since, bool(trusted), salt_text, verifier_text)


def sign_roll(version: int, households: Iterable[Enrolled], key: SigningKey) -> bytes:
    """Return the signed roll; ``key`` is that of the hub's node."""
    rows = [vars(one) for one in households]
    return sign_list(json.dumps({"kind": "roll", "version": version, "households": rows}), key)


def read_roll(data: bytes, key: VerifyKey) -> Roll:
    """Return the roll that ``key`` signed. Raises `ListError`."""
    payload = verified_payload(data, key, ROLL_LIMIT)
    try:
        roll = read_table(Roll, json.loads(payload))
        for one in roll.households:
            base64.b64decode(one.salt, validate=True)
            base64.b64decode(one.verifier, validate=True)
    except (FieldError, ValueError, RecursionError) as fault:
        raise ListError("garbage", f"the roll cannot be read: {fault}") from None
    if roll.kind != "roll" or len({one.handle for one in roll.households}) != len(roll.households):
        raise ListError("garbage", "that is no roll, or a handle is on it twice")
    return roll
