"""A gateway takes what a node may announce, and nothing else."""

from __future__ import annotations

import pytest

from meshctl.agent.mesh.channel import ChannelError
from meshctl.agent.mesh.leases import FIRST_FAR_GUEST, MOST_ADDRESSES, SILENT, Leases
from meshctl.lists import Member, Roster

OAK = Member("oak", 2, "k", "10.45.0.1/22", "2001:db8:45::1/64")
ASH = Member("ash", 3, "k", "10.46.0.1/22", "2001:db8:46::1/64")
HOME, GUEST, NEXT_DAY = "11" * 8, "22" * 8, "33" * 8


def test_households_keep_their_mark_and_guests_get_one() -> None:
    leases = Leases()
    told = {"10.45.0.7": HOME, "2001:db8:45::7": HOME, "10.45.0.9": GUEST}
    assert leases.take(OAK, told, [], 0.0, whole=True)
    assert leases.resolve({HOME: 0x10}) == {
        "10.45.0.7": 0x10, "2001:db8:45::7": 0x10, "10.45.0.9": FIRST_FAR_GUEST,
    }  # fmt: skip


def test_one_household_at_two_nodes_has_one_mark() -> None:
    leases = Leases()
    leases.take(OAK, {"10.45.0.7": HOME}, [], 0.0, whole=True)
    leases.take(ASH, {"10.46.0.7": HOME}, [], 0.0, whole=True)
    assert set(leases.resolve({HOME: 0x10}).values()) == {0x10}


@pytest.mark.parametrize(
    "address",
    [
        "10.46.0.7",
        "10.45.0.1",
        "2001:db8:46::7",
        "198.51.100.1",
        "fe80::1",
        "10.45.0.7/32",
        "",
        "oak",
        "2001:db8:45::1",
        "2001:db8:45::7%br-lan",
        "10.45.0.7\0",
        "\ud800",
    ],
)
def test_an_address_outside_the_nodes_prefixes_is_ignored_and_counted(address: str) -> None:
    leases = Leases()
    leases.take(OAK, {"10.45.0.7": HOME}, [], 0.0, whole=True)
    assert not leases.take(OAK, {address: HOME}, [], 1.0, whole=False)
    assert (leases.count(), leases.outside) == (1, 1)


def test_a_withdrawn_address_is_gone() -> None:
    leases = Leases()
    leases.take(OAK, {"10.45.0.7": HOME, "10.45.0.8": GUEST}, [], 0.0, whole=True)
    assert leases.take(OAK, {}, ["10.45.0.7"], 1.0, whole=False)
    assert list(leases.resolve({HOME: 0x10})) == ["10.45.0.8"]
    assert leases.take(OAK, {}, [], 2.0, whole=True)
    assert leases.resolve({}) == {}


def test_an_address_counts_as_the_kernel_writes_it() -> None:
    leases = Leases()
    leases.take(OAK, {"2001:DB8:45:0:0::07": HOME}, [], 0.0, whole=True)
    assert not leases.take(OAK, {"2001:db8:45::7": HOME}, [], 1.0, whole=True)
    assert leases.of("oak") == {"2001:db8:45::7": HOME}


def test_an_address_that_is_withdrawn_and_announced_at_once_stays() -> None:
    leases = Leases()
    leases.take(OAK, {"10.45.0.7": HOME}, [], 0.0, whole=True)
    assert leases.take(OAK, {"10.45.0.7": GUEST}, ["10.45.0.7", "10.45.0.7", "10.45.0.8"], 1.0, whole=False)
    assert leases.of("oak") == {"10.45.0.7": GUEST}


def test_a_guests_share_goes_on_when_its_mark_changes_for_the_day() -> None:
    leases = Leases()
    leases.take(OAK, {"10.45.0.9": GUEST}, [], 0.0, whole=True)
    before = leases.resolve({})
    leases.take(OAK, {"10.45.0.9": NEXT_DAY}, [], 1.0, whole=False)
    assert leases.resolve({}) == before


def test_too_many_addresses_change_nothing() -> None:
    leases = Leases()
    leases.take(OAK, {"10.45.0.7": HOME}, [], 0.0, whole=True)
    many = {f"2001:db8:45::{number:x}": GUEST for number in range(2, MOST_ADDRESSES + 3)}
    with pytest.raises(ChannelError):
        leases.take(OAK, many, [], 1.0, whole=False)
    assert leases.count() == 1


def test_what_a_silent_or_withdrawn_node_announced_lapses() -> None:
    leases, roster = Leases(), Roster(1, (OAK, ASH))
    leases.take(OAK, {"10.45.0.7": HOME}, [], 0.0, whole=True)
    leases.take(ASH, {"10.46.0.7": GUEST}, [], 0.0, whole=True)
    leases.heard("ash", SILENT)
    assert leases.lapse(roster, SILENT + 1)
    assert list(leases.resolve({})) == ["10.46.0.7"]
    assert leases.lapse(Roster(2, (OAK,)), SILENT + 2)
    assert leases.count() == 0
