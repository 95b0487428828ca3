"""Reads a household's pass, or a steward's code, the way people write it."""

from __future__ import annotations

import unicodedata

ALPHABET = frozenset("0123456789ABCDEFGHJKMNPQRSTVWXYZ")
"""Crockford's base32: no letter that looks like a figure, and no U."""

LENGTH = 16
CODE_LENGTH = 8

_LOOKS_LIKE = str.maketrans({"O": "0", "I": "1", "L": "1"})


def read_pass(text: str) -> str | None:
    """The pass as ``XXXX-XXXX-XXXX-XXXX``, or ``None`` where the text cannot be one.

    Forgives case, spaces, any dash or dot, full-width letters, and O, I, L for 0, 1, 1.
    """
    return _read(text, LENGTH)


def read_code(text: str) -> str | None:
    """A steward's code as ``XXXX-XXXX``, or ``None``; forgives the same."""
    return _read(text, CODE_LENGTH)


def _read(text: str, length: int) -> str | None:
    plain = unicodedata.normalize("NFKC", text[:200]).upper()
    kept = "".join(c for c in plain if not _is_gap(c)).translate(_LOOKS_LIKE)
    if len(kept) != length or not ALPHABET.issuperset(kept):
        return None
    return "-".join(kept[at : at + 4] for at in range(0, length, 4))


def _is_gap(character: str) -> bool:
    # The minus sign and the middle dot count as dashes too.
    return character in "._/\u00b7\u2212" or unicodedata.category(character) in {"Zs", "Pd", "Cc", "Cf"}
