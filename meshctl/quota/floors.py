"""Where floors do not fit the line: who is assured less than the floor, and how much."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from meshctl.model import DIRECTIONS, Direction, Policy
from meshctl.quota.plan import FIRST_GUEST, Plan


@dataclass(frozen=True)
class Short:
    """In one direction each of ``count`` homes, or guests, is assured ``kbit`` kbit/s, which is below the floor."""

    direction: Direction
    kind: Literal["homes", "guests"]
    count: int
    kbit: int


def shortfalls(plan: Plan, policy: Policy) -> tuple[Short, ...]:
    """Return where floors are scaled down; none where everybody present is assured the policy's floor."""
    found: list[Short] = []
    for direction in DIRECTIONS:
        tree = plan.trees.get(direction)
        if tree is None:
            continue
        if plan.homes and tree.floor < policy.floor:
            found.append(Short(direction, "homes", plan.homes, tree.floor))
        guests = [tree.leaves[mark].rate for mark in plan.present if mark >= FIRST_GUEST]
        if guests and min(guests) < policy.floor:
            found.append(Short(direction, "guests", len(guests), min(guests)))
    return tuple(found)
