"""Codes by which a steward opens a home's page for a person: eight characters, a quarter of an hour, in RAM only.

A code is for one home and, from its first use, for one device, so who overhears it on an open radio has
little of it. Nodes tell each other only its hash, and a hash of the device under it, which nobody without the
code can test.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Callable
from dataclasses import dataclass

from meshctl.agent.passes import ALPHABET, FORGIVEN

SECONDS = 900.0
LENGTH = 8


@dataclass
class _Code:
    digest: str
    until: float
    who: str = ""


class Codes:
    """The living codes, one of a home at most; a newer one ends the one before."""

    def __init__(self) -> None:
        self.on_used: Callable[[], None] = lambda: None
        self._codes: dict[str, _Code] = {}

    def make(self, household: str, now: float) -> str:
        """Draw a code that opens one home's page, and return it as it is read aloud: ``XXXX-XXXX``."""
        plain = "".join(secrets.choice(ALPHABET) for _ in range(LENGTH))
        self.learn(household, _digest(plain), SECONDS, "", now)
        return f"{plain[:4]}-{plain[4:]}"

    def learn(self, household: str, digest: str, left: float, who: str, now: float) -> None:
        """Take in a code that another node made, or whose it is: all nodes repeat it.

        Where two devices used it at once at two nodes, both ask the same of the two hashes, so one of them has it.
        """
        known, until = self._codes.get(household), now + min(left, SECONDS)
        if known is not None and known.digest == digest:
            known.who = min(filter(None, (known.who, who)), default="")
        elif known is None or known.until <= until:
            self._codes[household] = _Code(digest, until, who)

    def living(self, now: float) -> list[tuple[str, str, float, str]]:
        """Return of each code the home, its hash, how many seconds it has left, and whose it is."""
        self._lapse(now)
        return [(home, code.digest, code.until - now, code.who) for home, code in self._codes.items()]

    def household(self, text: str, who: str | None, now: float) -> str | None:
        """Return the home that a code opens for ``who``, or ``None``.

        From then on it opens it for nobody else. ``None`` asks for a node that has seen to that itself.
        """
        self._lapse(now)
        plain = text.upper().translate(FORGIVEN)
        digest, owner = _digest(plain), None if who is None else _owner(plain, who)
        for household, code in self._codes.items():
            if hmac.compare_digest(code.digest, digest) and (owner is None or code.who in ("", owner)):
                if owner is not None and not code.who:
                    code.who = owner
                    self.on_used()
                return household
        return None

    def forget(self, households: set[str]) -> None:
        """End the codes of all homes but these."""
        self._codes = {one: code for one, code in self._codes.items() if one in households}

    def _lapse(self, now: float) -> None:
        self._codes = {one: code for one, code in self._codes.items() if now < code.until}


def _owner(plain: str, who: str) -> str:
    return hmac.digest(plain.encode(), who.encode(), "sha256").hex()


def _digest(plain: str) -> str:
    return hashlib.sha256(plain.encode()).hexdigest()
