"""What a gateway's line remembers arrives as it was sent, and garbage is refused whole."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from meshctl.agent.mesh import standing
from meshctl.agent.mesh.channel import ChannelError
from meshctl.model import Capacity, Policy
from meshctl.quota.explain import explain
from meshctl.quota.usage import Past, begin

POLICY = Policy()
HOMES = {
    "aa" * 8: Past(-5.0, 90.0, 80.0, 2, 5e9, 1e8, 1, 40.0, 1.7, 1.8e9),
    "bb" * 8: Past(10.0, 90.0, 90.0),
}


def told() -> dict[str, Any]:
    memory = replace(begin(Capacity(2.5e6, 1e6), POLICY.half_life), clock=100.0)
    message: dict[str, Any] = json.loads(json.dumps(standing.to_wire(memory, POLICY, HOMES)))
    return message


def test_the_far_node_explains_what_the_gateway_would() -> None:
    found = standing.from_wire(told())
    assert found is not None
    memory, policy = found
    here = replace(begin(Capacity(2.5e6, 1e6), POLICY.half_life), clock=100.0, homes=HOMES)

    assert (memory, policy) == (here, POLICY)
    for mark, past in HOMES.items():
        assert explain(memory, memory.homes[mark], policy) == explain(here, past, POLICY)


def test_a_gateway_of_a_former_version_tells_nothing() -> None:
    assert standing.from_wire(None) is None


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("policy", None), ("policy", {"floor": 1}), ("policy", {"level_weight": [1, 0.5, 0.2, 0.01]}), ("clock", "x"),
        ("clock", float("inf")), ("down", [1.0]), ("down", [1.0, float("nan")]), ("up", {}), ("up", [-1.0, 2.0]),
        ("homes", {}), ("homes", [["aa", 1]]), ("homes", [["aa", 0, 0, 0, 0, 0, 0, 0, None, 0, None]]),
        ("homes", [["aa", 0, 0, 0, 1, 0, 0, 9, None, 0, None]]),
        ("homes", [["aa", float("inf"), 0, 0, 1, 0, 0, 0, None, 0, None]]),
    ],
)  # fmt: skip
def test_garbage_is_refused(place: str, value: object) -> None:
    with pytest.raises(ChannelError):
        standing.from_wire({**told(), place: value})


@pytest.mark.parametrize("value", [7, "x", [], [1]])
def test_what_is_no_table_is_refused(value: object) -> None:
    with pytest.raises(ChannelError):
        standing.from_wire(value)
