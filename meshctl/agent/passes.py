"""A household's pass: 16 characters of Crockford base32, four groups of four.

The first group is the household's handle and no secret. The other three are 60 random bits, of
which a node keeps only a scrypt verifier (RFC 7914).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from dataclasses import dataclass

from meshctl.model import MeshctlError

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Crockford's: no I, L, O, U."""

MOST_AT_ONCE = 200
"""Households that one request may add."""

FORGIVEN = str.maketrans({"I": "1", "L": "1", "O": "0", "-": None, " ": None})
"""What people write for what they read."""

_COST = 2**13
DIGEST = 32
"""Bytes of a verifier's digest."""


class PassError(MeshctlError):
    """What was typed is no pass."""


@dataclass(frozen=True)
class Verifier:
    """What a node keeps of a pass."""

    salt: bytes
    digest: bytes


@dataclass(frozen=True)
class Drawn:
    """A new pass with what a node keeps of it."""

    text: str
    kept: Verifier

    @property
    def handle(self) -> str:
        """The public first group."""
        return self.text[:4]

    @property
    def row(self) -> list[str]:
        """What the agent is told of it: handle, salt and digest, these in base64."""
        return [self.handle, *(base64.b64encode(part).decode() for part in (self.kept.salt, self.kept.digest))]


def draw_verified() -> Drawn:
    """Draw a pass and work out its verifier, which takes some hundredths of a second."""
    text = draw()
    return Drawn(text, verifier(split(text)[1]))


def draw() -> str:
    """Return a new pass, ``XXXX-XXXX-XXXX-XXXX``."""
    return "-".join("".join(secrets.choice(ALPHABET) for _ in range(4)) for _ in range(4))


def split(text: str) -> tuple[str, str]:
    """Return handle and secret of what a person typed; forgives case, spaces, hyphens, O, I and L.

    Raises `PassError`.
    """
    plain = text.upper().translate(FORGIVEN)
    if len(plain) != 16 or any(character not in ALPHABET for character in plain):
        raise PassError("A pass has 16 letters and digits, in four groups of four.")
    return plain[:4], plain[4:]


def handle(text: str) -> str:
    """Return a household's handle as a person typed it; empty for what cannot be one."""
    plain = text.upper().translate(FORGIVEN)
    return plain if len(plain) == 4 and all(character in ALPHABET for character in plain) else ""


def verifier(secret: str, salt: bytes | None = None) -> Verifier:
    """Return what to keep of ``secret``."""
    salt = salt or secrets.token_bytes(16)
    return Verifier(salt, hashlib.scrypt(secret.encode(), salt=salt, n=_COST, r=8, p=1, dklen=DIGEST))


def verify(secret: str, kept: Verifier) -> bool:
    """Say whether ``secret`` is the one ``kept`` was made from, in constant time."""
    return hmac.compare_digest(verifier(secret, kept.salt).digest, kept.digest)
