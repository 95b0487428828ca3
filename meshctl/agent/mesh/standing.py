"""What a gateway's line remembers of households, on its way to the nodes behind it.

The numbers travel, never the verdict: the node in front of the person computes the explanation itself,
with the gateway's policy. Households go by their mark of the day.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any

from meshctl.agent.mesh.channel import ChannelError, Message
from meshctl.agent.mesh.shapes import number, rows
from meshctl.commons.charter import breaches
from meshctl.fields import FieldError, read_table
from meshctl.model import Policy
from meshctl.quota.usage import Filled, Memory, Past

_MOST = 8192


def to_wire(memory: Memory, policy: Policy, homes: Mapping[str, Past]) -> Message:
    """Return the memory of some households, by mark, with what it is compared with."""
    return {
        "policy": asdict(policy),
        "clock": memory.clock,
        "down": [memory.down.contended, memory.down.capacity],
        "up": [memory.up.contended, memory.up.capacity],
        "homes": [[mark, *asdict(past).values()] for mark, past in homes.items()],
    }


def from_wire(value: object) -> tuple[Memory, Policy] | None:
    """Read what a gateway told; the memory's households are marks. Raises `ChannelError`."""
    if value is None:
        return None
    try:
        table = _table(value)
        policy = read_table(Policy, table.get("policy"), "policy")
        down, up = (Filled(*_numbers(table.get(way), 2)) for way in ("down", "up"))
        (clock,) = _numbers([table.get("clock")], 1)
        homes = {str(row[0]): _past(row) for row in rows(table, "homes", _MOST) if isinstance(row, list) and row}
    except (FieldError, TypeError, ValueError) as fault:
        raise ChannelError("garbage", f"a line's memory cannot be read: {fault}") from None
    if breaches(policy):
        raise ChannelError("garbage", f"a policy outside the charter's bounds: {breaches(policy)[0].fault}")
    return Memory(clock, down, up, homes), policy


def _table(value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise TypeError("it is not a table")
    return value


def _past(row: list[Any]) -> Past:
    names = [one.name for one in fields(Past)]
    if len(row) != len(names) + 1:
        raise ValueError("a household's memory has ten numbers")
    past = read_table(Past, dict(zip(names, row[1:], strict=True)))
    if not all(math.isfinite(value or 0.0) for value in asdict(past).values()):
        raise ValueError("a household's memory has ten finite numbers")
    if not 0 <= past.level <= 7 or past.shares < 1:
        raise ValueError("a level is 0 to 7, and shares are 1 or more")
    return past


def _numbers(row: object, count: int) -> list[float]:
    if not isinstance(row, list) or len(row) != count:
        raise ValueError(f"{count} numbers are expected")
    return [number({"n": one}, "n") for one in row]
