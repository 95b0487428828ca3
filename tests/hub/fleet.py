"""Boards for the hub's tests: they sign what real boards would sign."""

from __future__ import annotations

import base64
import dataclasses
import itertools
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from nacl.signing import SigningKey

from meshctl.lists import Roster, Tombstone, sign_roster
from meshctl.wire import Envelope, Fact, Health, LineTotal, LinkState, encode_batch, encode_health
from tests import rosters

NOON = 1_800_000_000.0 - 1_800_000_000.0 % 86_400 + 43_200
WELL = {"temperature": Fact(ok=True, value=41.0, unit="°C")}
MESH = {**WELL, "babel": Fact(ok=True, value=2, unit="nodes heard"), "roster": Fact(ok=True, value=7, unit="version")}


class Clock:
    """Wall time that a test moves."""

    def __init__(self, at: float = NOON) -> None:
        self.at = at

    def __call__(self) -> float:
        return self.at


class Board:
    """A node with a key."""

    def __init__(self, name: str, seed: int = 1) -> None:
        self.name = name
        self.key = SigningKey(name.encode().ljust(31, b".")[:31] + bytes([seed]))

    @property
    def public(self) -> str:
        return base64.b64encode(bytes(self.key.verify_key)).decode()

    def health(self, boot: int = 1, sequence: int = 1, **changes: Any) -> Health:
        plain = Health(
            node=self.name,
            boot=boot,
            sequence=sequence,
            monotonic=60.0 * sequence,
            wall=NOON,
            trusted=True,
            version="0.1.0",
            homes=3,
            guests=4,
            repairs=0,
            facts=WELL,
        )
        return dataclasses.replace(plain, **changes)

    def sign(self, health: Health) -> Envelope:
        return self.sign_bytes(encode_health(health))

    def sign_bytes(self, payload: bytes) -> Envelope:
        return Envelope(self.name, payload, self.key.sign(payload).signature)

    def batch(self, *healths: Health) -> bytes:
        return encode_batch([self.sign(health) for health in healths])


def carried(down: int, up: int = 0) -> tuple[LineTotal, ...]:
    return (
        LineTotal("uplink", "down", down, 2.5e6, 0.5, 0.997),
        LineTotal("uplink", "up", up, 2.5e6, 0.1),
    )


def link(to: str, reach: float = 1.0, cost: int = 96, device: str = "mesh0", rtt_ms: float | None = None) -> LinkState:
    return LinkState(to, device, reach, cost, rtt_ms)


_versions = itertools.count(1)


def write_roster(file: Path, boards: Iterable[Board], withdrawn: Iterable[Board] = (), version: int = 0) -> bytes:
    """Sign a roster, newer than all before unless ``version`` says otherwise, and put it there."""
    members = tuple(rosters.member(at, board.name, key=board.public) for at, board in enumerate(boards, start=1))
    gone = tuple(Tombstone(board.name, 1000 + at, board.public) for at, board in enumerate(withdrawn))
    signed = sign_roster(Roster(version or next(_versions), members, gone), rosters.COMMUNITY)
    fresh = file.with_suffix(".new")
    fresh.write_bytes(signed)
    fresh.replace(file)
    return signed
