"""Reads fields of messages between agents; whatever is not as it must be is a `ChannelError`."""

from __future__ import annotations

import math
import re
from typing import Any

from meshctl.agent.mesh.channel import ChannelError

LARGEST = 2**62
"""Whole numbers are below this."""

_HEXADECIMAL = re.compile(r"[0-9a-f]*")


def bad_shape(what: str) -> ChannelError:
    """Return the error for a message of the wrong shape."""
    return ChannelError("garbage", f"a message about {what} has the wrong shape")


def text(table: Any, key: str, longest: int) -> str:
    """Return a text of hex digits, letters, hyphens and colons. Raises `ChannelError`."""
    value = table.get(key) if isinstance(table, dict) else None
    if not isinstance(value, str) or len(value) > longest or not value.isascii() or not value.isprintable():
        raise bad_shape(key)
    return value


def hexadecimal(table: Any, key: str, octets: int) -> str:
    """Return so many octets in lower-case hex. Raises `ChannelError`."""
    value = text(table, key, octets * 2)
    if len(value) != octets * 2 or not _HEXADECIMAL.fullmatch(value):
        raise bad_shape(key)
    return value


def number(table: Any, key: str) -> float:
    """Return a finite number that is not negative. Raises `ChannelError`."""
    value = table.get(key) if isinstance(table, dict) else None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < math.inf:
        raise bad_shape(key)
    try:
        return float(value)
    except OverflowError:
        raise bad_shape(key) from None


def integer(table: Any, key: str) -> int:
    """Return a whole number that is not negative. Raises `ChannelError`."""
    value = table.get(key) if isinstance(table, dict) else None
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < LARGEST:
        raise bad_shape(key)
    return value


def flag(table: Any, key: str) -> bool:
    """Return a truth value, false where absent. Raises `ChannelError`."""
    value = table.get(key, False) if isinstance(table, dict) else None
    if not isinstance(value, bool):
        raise bad_shape(key)
    return value


def rows(table: Any, key: str, most: int) -> list[Any]:
    """Return a list of at most so many rows, empty where absent. Raises `ChannelError`."""
    value = table.get(key, []) if isinstance(table, dict) else None
    if not isinstance(value, list) or len(value) > most:
        raise bad_shape(key)
    return value
