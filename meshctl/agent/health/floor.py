"""Whether everybody who shares the line is assured the floor."""

from __future__ import annotations

from meshctl.model import Policy
from meshctl.quota.floors import shortfalls
from meshctl.quota.plan import Plan
from meshctl.wire import Fact


def judge(plan: Plan, policy: Policy) -> Fact:
    """Return the least that anybody is assured, in kbit/s; "not here" on a node without a line."""
    if not plan.trees:
        return Fact(ok=False, error="not here")
    short = shortfalls(plan, policy)
    if not short:
        return Fact(ok=True, value=policy.floor, unit="kbit/s")
    worst = min(short, key=lambda one: (one.kind != "homes", one.kbit))
    error = (
        f"The line {worst.direction} assures each of {worst.count} {worst.kind} {worst.kbit} kbit/s; "
        f"the floor is {policy.floor}."
    )
    return Fact(ok=False, value=min(one.kbit for one in short), unit="kbit/s", error=error)
