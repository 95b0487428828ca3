"""The charter's bounds of the fair share: what no vote, steward or file can set aside.

Each bound protects a promise made to everybody; loosening one is a change of the charter, not of a policy.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from meshctl.model import Policy

LEAST_WEIGHT = 0.125
"""Never below an eighth: nobody steps back further, whatever he used."""


@dataclass(frozen=True)
class Bound:
    """One number's bounds, both included, and the promise that they protect."""

    key: str
    low: float
    high: float
    promise: str


BOUNDS: tuple[Bound, ...] = (
    Bound("floor_kbit", 64, 100_000, "everybody can always write, read and call for help"),
    Bound("guest_share", 0.05, 0.5, "guests always have a part of the line, and homes at least half"),
    Bound("tick_seconds", 0.5, 60, "a decision follows what happens within a minute"),
    Bound("half_life_days", 0.01, 30, "what was used is forgotten within weeks"),
    Bound("busy", 0.8, 1, "use that holds nobody back is free"),
    Bound("newcomer", 0, 1, "a new home starts with a full slice"),
    Bound("least_contended", 0.05, 1, "one busy evening is no habit"),
    Bound("level_return", 0.5, 1, "whoever steps back returns"),
)


@dataclass(frozen=True)
class Breach:
    """One number outside the charter: its key, what is wrong, and what would do."""

    key: str
    fault: str
    remedy: str


def breaches(policy: Policy) -> list[Breach]:
    """Return what in a policy the charter does not allow; nothing where it may be in force."""
    return [*_figures(policy), *_levels(policy)]


def _figures(policy: Policy) -> Iterator[Breach]:
    for bound in BOUNDS:
        value = getattr(policy, bound.key)
        if not bound.low <= value <= bound.high:
            fault = f"{value:g} is outside the charter's bounds: {bound.promise}"
            yield Breach(bound.key, fault, f"Use {bound.low:g} to {bound.high:g}.")


def _levels(policy: Policy) -> Iterator[Breach]:
    above, weight = policy.level_above, policy.level_weight
    if len(above) > 7 or len(weight) != len(above) + 1:
        yield Breach("level_weight", f"{len(weight)} weights for {len(above)} thresholds", "Write one more weight.")
    if any(low >= high for low, high in pairwise((1.0, *above))):
        fault = "thresholds rise from above 1, which is exactly one's slice"
        yield Breach("level_above", fault, "Write them as 1.5, 2.5, 5.")
    if not weight or weight[0] != 1 or any(one < other for one, other in pairwise(weight)):
        yield Breach("level_weight", "weights start at 1 and never rise", "Write them as 1, 0.5, 0.25, 0.125.")
    if weight and weight[-1] < LEAST_WEIGHT:
        fault = f"{weight[-1]:g} is outside the charter's bounds: nobody steps back below an eighth"
        yield Breach("level_weight", fault, f"Use {LEAST_WEIGHT:g} or more.")
