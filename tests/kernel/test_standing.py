"""The short way of connections that stand lets nobody pass whom the long way would refuse or class otherwise."""

from __future__ import annotations

import pytest

from meshctl.model import Device
from meshctl.quota.plan import FIRST_GUEST
from tests.kernel.street import HARDWARE, SITE4, SITE6, Street, receive

pytestmark = pytest.mark.kernel

HOME, OTHER = 0x30, FIRST_GUEST + 0x30
SITES = pytest.mark.parametrize("site", [SITE4, SITE6])
SOME, MUCH = 200_000, 100_000_000


def join(street: Street, mark: int, seconds: float = 3600.0) -> None:
    gate = street.gate
    now = gate.clock.read().monotonic
    device = gate.members._keep(Device(HARDWARE["near"], mark, None, now + seconds), now)
    gate.do(lambda: gate.turns.admit([device], []))


@SITES
def test_both_ways_of_a_connection_are_classed_from_its_first_packet_on(street: Street, site: str) -> None:
    join(street, HOME)
    with street.flow("near", site) as flow:
        assert receive(flow, SOME) >= SOME
        before = [street.gate.sent("down"), street.gate.sent("up")]
        assert receive(flow, SOME) >= SOME
        after = [street.gate.sent("down"), street.gate.sent("up")]

    grown = [{m: n - past.get(m, 0) for m, n in now.items()} for past, now in zip(before, after, strict=True)]
    assert [{mark for mark, count in way.items() if count > 0} for way in grown] == [{HOME}, {HOME}]


@SITES
def test_a_connection_that_stands_follows_its_device_into_another_share(street: Street, site: str) -> None:
    join(street, HOME)
    with street.flow("near", site) as flow:
        assert receive(flow, SOME) >= SOME
        join(street, OTHER)
        assert receive(flow, SOME) >= SOME
        before = [street.gate.sent(direction) for direction in ("down", "up")]
        assert receive(flow, SOME) >= SOME
        after = [street.gate.sent(direction) for direction in ("down", "up")]

    for past, now in zip(before, after, strict=True):
        assert now[OTHER] > past[OTHER]
        assert now.get(HOME, 0) == past.get(HOME, 0)


@SITES
def test_the_kernel_alone_ends_the_connections_of_whose_stay_ran_out(street: Street, site: str) -> None:
    join(street, HOME, seconds=1.0)
    with street.flow("near", site) as flow:
        assert receive(flow, SOME) >= SOME
        assert receive(flow, MUCH) < MUCH


@SITES
def test_another_device_does_not_pass_in_the_connection_of_one_that_joined(street: Street, site: str) -> None:
    join(street, HOME)
    with street.flow("near", site) as flow:
        assert receive(flow, SOME) >= SOME
        street.run("near", "ip", "link", "set", "eth0", "address", "02:00:00:00:00:66")
        try:
            assert receive(flow, MUCH) < MUCH
        finally:
            street.run("near", "ip", "link", "set", "eth0", "address", HARDWARE["near"])


@pytest.mark.parametrize("name", ["sender", "class"])
def test_without_the_elements_of_the_short_way_everything_passes_the_long_one(street: Street, name: str) -> None:
    join(street, HOME)
    with street.flow("near", SITE4) as flow:
        assert receive(flow, SOME) >= SOME
        assert street.run("gate", "nft", "flush", "map", "inet", "meshctl", name).returncode == 0
        assert receive(flow, SOME) >= SOME
    assert street.reaches("near", SITE6)
    repairs = street.gate.turns.tally.repairs
    street.gate.tick()
    assert street.gate.turns.tally.repairs == repairs + 1
