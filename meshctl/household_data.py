"""What a home may see of itself: shapes of the socket's verbs `mine` and `export`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from meshctl.fields import FieldError, read_table
from meshctl.history import DayUse
from meshctl.quota.explain import Explanation
from meshctl.wire import WireError


@dataclass(frozen=True)
class Mine:
    """A home as the whole network knows it; bytes in all, times left in seconds.

    ``since`` is seconds since 1970 where a trusted clock said it. ``devices`` counts those joined anywhere;
    ``linked`` says whether the one that asks is one of them. ``days`` are over all lines, the latest first.
    ``note`` is what the home wrote to the stewards. ``erased_in`` is 0 once an erase has waited its time, and
    ``None`` where none was asked for. ``keeper`` is the box that erases, reached now where ``keeper_up``.
    ``away`` are boxes with a line that were not reached: what they keep is missing here.
    """

    household: str
    shares: int
    since: float | None
    devices: int
    linked: bool
    down: int
    up: int
    days: tuple[DayUse, ...]
    standing: Explanation | None
    note: str
    erased_in: float | None
    keeper: str
    keeper_up: bool
    away: tuple[str, ...]


def mine(reply: Mapping[str, Any]) -> Mine:
    """Read the reply of `mine`. Raises `WireError`."""
    try:
        return read_table(Mine, reply.get("mine"))
    except FieldError as fault:
        raise WireError("wrong-shape", str(fault)) from fault


def export(reply: Mapping[str, Any]) -> dict[str, Any]:
    """Read the reply of `export`. Raises `WireError`."""
    table = reply.get("export")
    if not isinstance(table, dict):
        raise WireError("wrong-shape", "export: it is not a table")
    return table
