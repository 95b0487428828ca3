"""Rosters for tests: keys that are the same in every run, members with addresses in a pattern."""

from __future__ import annotations

import base64
from collections.abc import Iterable

from nacl.signing import SigningKey

from meshctl.lists import Member, Roster

COMMUNITY = SigningKey(b"the community's key, for tests..")
STRANGER = SigningKey(b"a key that nobody should believe")


def text(key: SigningKey) -> str:
    return base64.b64encode(bytes(key.verify_key)).decode()


PUBLIC = text(COMMUNITY)


def public(seed: str) -> str:
    """The public key of whoever is called that."""
    return text(SigningKey(seed.encode().ljust(32, b".")[:32]))


def member(number: int, name: str = "", **changes: object) -> Member:
    name = name or f"node-{number}"
    plain: dict[str, object] = {
        "name": name,
        "number": number,
        "key": public(name),
        "ipv4": f"10.{44 + number // 64}.{number % 64 * 4}.1/22",
        "ipv6": f"fd44:0:0:{number:x}::1/64",
    }
    return Member(**{**plain, **changes})  # type: ignore[arg-type]


def roster(version: int, members: Iterable[Member] = (), **changes: object) -> Roster:
    return Roster(version, tuple(members), **changes)  # type: ignore[arg-type]
