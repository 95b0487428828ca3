"""What a home may read of itself by day, and where: shapes of the socket's verbs `history` and `lines`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from meshctl.fields import FieldError, read_table
from meshctl.wire import WireError


@dataclass(frozen=True)
class DayUse:
    """Bytes of frames that all devices of one home together received and sent over a node's line on one day.

    ``day`` is YYYY-MM-DD, or empty for what flowed before any clock was trusted.
    """

    day: str
    down: int
    up: int


@dataclass(frozen=True)
class History:
    """One home's days at one node, the latest first; days on which nothing flowed are left out."""

    household: str
    days: tuple[DayUse, ...]


@dataclass(frozen=True)
class Lines:
    """Where days are kept: ``here`` where this node has a line, and at ``others``, gateways' IPv4 addresses.

    The gateway that people here use now is the first of them.
    """

    here: bool
    others: tuple[str, ...]


def history(reply: Mapping[str, Any]) -> History:
    """Read the reply of `history`. Raises `WireError`."""
    try:
        return read_table(History, reply.get("history"))
    except FieldError as fault:
        raise WireError("wrong-shape", str(fault)) from fault


def lines(reply: Mapping[str, Any]) -> Lines:
    """Read the reply of `lines`. Raises `WireError`."""
    try:
        return read_table(Lines, reply.get("lines"))
    except FieldError as fault:
        raise WireError("wrong-shape", str(fault)) from fault
