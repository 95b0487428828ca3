"""What people agreed to, kept without saying who: a purpose, the version of the text, since when, and a hash.

The receipt's number is drawn at random and told to the person once. Whoever has it can take the consent back;
so can the device itself, with nothing.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass

from meshctl.model import ClockReading

REMEMBER = "remember"
"""The purpose: to be online here without pressing anything, for 90 days."""

TEXTS = {REMEMBER: 1}
"""The version of the page's text for each purpose. Whoever changes what the text promises counts it up."""

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_LENGTH = 12
_LOOKS_LIKE = str.maketrans({"O": "0", "I": "1", "L": "1"})


@dataclass(frozen=True)
class Consent:
    """One consent; ``receipt`` is the hash of its number, ``since`` by the wall clock, believed where ``trusted``."""

    receipt: str = ""
    purpose: str = ""
    text: int = 0
    since: float = 0.0
    trusted: bool = False


NOTHING = Consent()


def draw_number() -> str:
    """Return a fresh number for a receipt: 60 bits, as ``XXXX-XXXX-XXXX``."""
    drawn = "".join(secrets.choice(_ALPHABET) for _ in range(_LENGTH))
    return "-".join(drawn[at : at + 4] for at in range(0, _LENGTH, 4))


def number_hash(text: str) -> str | None:
    """Return what is kept of a number, however it was written; ``None`` where the text cannot be one."""
    plain = "".join(c for c in text[:64].upper() if c.isalnum()).translate(_LOOKS_LIKE)
    if len(plain) != _LENGTH or not set(plain) <= set(_ALPHABET):
        return None
    return hashlib.blake2b(plain.encode(), digest_size=16, person=b"meshctl.receipt").hexdigest()


def agree(purpose: str, number: str, clock: ClockReading) -> Consent:
    """Return the consent that a person gave just now."""
    kept = number_hash(number)
    assert kept is not None
    return Consent(kept, purpose, TEXTS[purpose], round(clock.wall), clock.trusted)
