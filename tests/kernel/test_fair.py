"""One line shared by homes at the gateway and homes behind the mesh, measured in frames with offloads off."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from meshctl.lab.traffic import measure
from meshctl.model import DIRECTIONS
from tests.kernel.agents import LINE_MBIT, THIRD
from tests.kernel.street import ADDRESSES, HARDWARE, SITE4, SITE6, Street

pytestmark = pytest.mark.kernel

NEAR, FAR, OTHER = 0x20, 0x21, 0x22
Measure = Callable[[Street, dict[str, int], str], tuple[dict[str, float], float]]
MARKS = {"near": NEAR, "far": FAR, "other": OTHER}


def shares(street: Street, wanted: dict[str, int], site: str) -> tuple[dict[str, float], float]:
    """Run downloads by phone; return Mbit/s by phone and of all together, in frames that reached them."""
    flows = {street.at(phone): count for phone, count in wanted.items()}
    found: dict[str, Any] = measure(flows, site, 2.0, 0.7, upload=False)
    rates = {phone: found["phones"][street.at(phone)]["frames"] * 8 / found["seconds"] / 1e6 for phone in wanted}
    return rates, sum(rates.values())


def upload_shares(street: Street, wanted: dict[str, int], site: str) -> tuple[dict[str, float], float]:
    """Run uploads by phone; return Mbit/s by phone as their leaves sent it, and of all as the far end got it."""
    began, before = street.received("isp"), street.gate.sent("up")
    found: dict[str, Any] = measure({street.at(phone): n for phone, n in wanted.items()}, site, 3.0, 0.0, upload=True)
    after, arrived = street.gate.sent("up"), street.received("isp") - began
    rates = {phone: (after[MARKS[phone]] - before[MARKS[phone]]) * 8 / found["seconds"] / 1e6 for phone in wanted}
    return rates, arrived * 8 / found["seconds"] / 1e6


def jain(*rates: float) -> float:
    return sum(rates) ** 2 / (len(rates) * sum(rate * rate for rate in rates))


@pytest.fixture
def homes(street: Street) -> Street:
    """A home at the gateway's own door, and two behind the access node, each with a share."""
    street.gate.join(HARDWARE["near"], NEAR)
    for phone, mark in (("far", FAR), ("other", OTHER)):
        street.access.join(HARDWARE[phone], mark)
    street.gate.announce(
        {**dict.fromkeys(ADDRESSES["far"], FAR), **dict.fromkeys(ADDRESSES["other"], OTHER)},
    )
    return street


@pytest.mark.parametrize(("way", "site", "greedy"), [
    (shares, SITE4, "near"), (shares, SITE6, "far"), (upload_shares, SITE4, "far"), (upload_shares, SITE6, "near"),
], ids=["down-v4", "down-v6", "up-v4", "up-v6"])  # fmt: skip
def test_a_home_here_and_one_behind_the_mesh_share_the_line_evenly(
    homes: Street, way: Measure, site: str, greedy: str
) -> None:
    rates, together = way(homes, {"near": 1, "far": 1} | {greedy: 8}, site)

    assert jain(*rates.values()) >= 0.995, rates
    assert together >= 0.95 * LINE_MBIT


def test_two_homes_behind_the_same_node_share_evenly_too(homes: Street) -> None:
    rates, _ = shares(homes, {"far": 8, "other": 1}, SITE4)

    assert jain(*rates.values()) >= 0.995, rates


@pytest.mark.parametrize("site", [SITE4, SITE6])
def test_a_home_with_phones_at_two_nodes_has_one_share(homes: Street, site: str) -> None:
    homes.gate.announce({**dict.fromkeys(ADDRESSES["far"], NEAR), **dict.fromkeys(ADDRESSES["other"], OTHER)})
    rates, _ = shares(homes, {"near": 4, "far": 4, "other": 1}, site)

    assert jain(rates["near"] + rates["far"], rates["other"]) >= 0.995, rates
    assert homes.gate.turns.plan.homes == 2


def test_the_ledger_counts_each_byte_of_both_phones_once(homes: Street) -> None:
    store, gate = homes.gate.store, homes.gate
    homes.gate.announce({**dict.fromkeys(ADDRESSES["far"], NEAR), **dict.fromkeys(ADDRESSES["other"], OTHER)})
    gate.tick()
    before = {place: sum(n for (_, d, _), n in store.ledger().items() if d == place) for place in DIRECTIONS}
    used = dict(gate.turns.accounts.used)
    assert homes.fetches("near", SITE4, 500_000) >= 500_000
    assert homes.fetches("far", SITE6, 500_000) >= 500_000
    gate.tick()
    after = {place: sum(n for (_, d, _), n in store.ledger().items() if d == place) for place in DIRECTIONS}
    now = gate.turns.accounts.used
    grown = now["down", NEAR] - used.get(("down", NEAR), 0)
    # A last word of an earlier connection may count for somebody else meanwhile.
    everybody = sum(count - used.get(key, 0) for key, count in now.items() if key[0] == "down")

    assert after["down"] - before["down"] == everybody
    assert everybody - grown < 10_000
    assert 1_000_000 <= grown <= 1_400_000


def test_what_passes_from_node_to_node_is_not_held_to_the_line(homes: Street) -> None:
    gate = homes.gate
    before = [gate.sent(direction) for direction in DIRECTIONS]
    rates, _ = shares(homes, {"far": 2}, str(THIRD.interface4.ip))
    after = [gate.sent(direction) for direction in DIRECTIONS]

    assert rates["far"] > 3 * LINE_MBIT
    assert all(
        abs(count - past[mark]) < 1000 for past, now in zip(before, after, strict=True) for mark, count in now.items()
    )


def test_one_nodes_unknown_devices_are_one_guest_beside_homes(homes: Street) -> None:
    homes.gate.announce({})
    gate = homes.gate
    assert homes.fetches("far", SITE4, 10_000)
    gate.tick()

    # Both are strangers of one node now: known to move bytes, they weigh one guest, as a home of weight 1 would.
    assert (gate.turns.plan.homes, gate.turns.plan.guests) == (1, 1)
    rates, _ = shares(homes, {"far": 4, "other": 4, "near": 1}, SITE4)
    assert rates["near"] >= 0.68 * LINE_MBIT, rates
    assert rates["far"] + rates["other"] >= 0.25 * LINE_MBIT, rates
