"""Boards for the hub's tests: they sign what real boards would sign."""

from __future__ import annotations

import base64
import dataclasses
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from nacl.signing import SigningKey

from meshctl.wire import Envelope, Fact, Health, LineTotal, LinkState, encode_batch, encode_health

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


def write_roster(file: Path, boards: Iterable[Board]) -> None:
    file.write_text("[nodes]\n" + "".join(f'{board.name} = "{board.public}"\n' for board in boards))
