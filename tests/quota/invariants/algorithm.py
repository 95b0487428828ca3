"""The functions under test, as one record: a mutant is the same record with one of them replaced."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from meshctl.model import Capacity, Policy
from meshctl.quota import merge, plan, predict, share, usage
from meshctl.quota.merge import Held
from meshctl.quota.plan import Crowd, Plan, Tree
from meshctl.quota.usage import Memory, Past, Ratio, Turn

Key = tuple[str, str]
"""A row of replaceable state: direction and household."""


@dataclass(frozen=True)
class Algorithm:
    """What the fair share is made of."""

    max_min: Callable[[float, Mapping[int, float], Mapping[int, float]], dict[int, float]]
    allocate: Callable[[Tree, Mapping[int, float]], dict[int, float]]
    decide: Callable[[Crowd, Memory | None, Capacity | None, Policy], Plan]
    advance: Callable[[Memory, Turn, Policy], Memory]
    ratio: Callable[[Memory, Past, Policy], Ratio]
    level_of: Callable[[float, int, Policy], int]
    seconds_to_full: Callable[[float, int, Policy], float]
    join: Callable[[Held[Key], Held[Key]], Held[Key]]


PRODUCT = Algorithm(
    share.max_min,
    predict.allocate,
    plan.decide,
    usage.advance,
    usage.ratio,
    share.level_of,
    share.seconds_to_full,
    merge.join,
)
