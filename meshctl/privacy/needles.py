"""What is searched for: octets, whose they are and how they were written."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from meshctl.model import MeshctlError


class ScanError(MeshctlError):
    """The scan was asked for wrongly, or cannot be trusted."""

    exit_code = 2


@dataclass(frozen=True)
class Needle:
    """Octets to find.

    ``of`` says whose they are ("address 1"), never what. ``folded`` ones are found in either case and are kept
    in lower case. None of the characters in ``apart`` may stand right before or after, or it would be a part of
    another number. ``weak`` ones hold too little of the address to prove anything alone. One with a ``pattern`` is
    found where that matches, and ``octets`` are its digits.
    """

    of: str
    form: str
    octets: bytes
    folded: bool = False
    weak: bool = False
    apart: bytes = b""
    pattern: re.Pattern[bytes] | None = None


HEXADECIMAL, DECIMAL = b"0123456789abcdefABCDEF", b"0123456789"


def exact(of: str, form: str, octets: bytes, *, weak: bool = False) -> Needle:
    """A needle found only as it is."""
    return Needle(of, form, octets, weak=weak)


def folded(of: str, form: str, text: str | bytes, *, weak: bool = False, apart: bytes = b"") -> Needle:
    """A needle found in upper, lower and mixed case."""
    octets = text.encode() if isinstance(text, str) else text
    return Needle(of, form, octets.lower(), folded=True, weak=weak, apart=apart)


def distinct(needles: Iterable[Needle]) -> list[Needle]:
    """Drop what another needle of the same owner finds as well, the first named staying."""
    kept: dict[tuple[object, ...], Needle] = {}
    for needle in needles:
        kept.setdefault((needle.of, needle.octets, needle.folded, needle.pattern), needle)
    return list(kept.values())
