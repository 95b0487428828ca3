"""No list is ever replaced by an older one, and a node that is not on the roster knows it."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from nacl.signing import SigningKey

from meshctl.agent.mesh.held import Lists
from meshctl.agent.mesh.roll import sign_roll
from meshctl.agent.mesh.shelf import Shelf
from meshctl.agent.passes import verifier
from meshctl.agent.store import Store
from meshctl.config import Access, Config, Mesh, Node, Paths
from meshctl.lists import ListError, Member, Roster, sign_roster
from meshctl.model import ClockReading

COMMUNITY, OWN, HUB = (SigningKey(bytes([number]) * 32) for number in (1, 2, 3))


def base(key: SigningKey) -> str:
    return base64.b64encode(bytes(key.verify_key)).decode()


OAK = Member("oak", 2, base(OWN), "10.45.0.1/22", "2001:db8:45::1/64")
ELM = Member("elm", 1, base(HUB), "10.44.0.1/22", "2001:db8:44::1/64", gateway=True, hub=True)


def roster(version: int, *members: Member, key: SigningKey = COMMUNITY) -> bytes:
    return sign_roster(Roster(version, members), key)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store(tmp_path)
    yield store
    store.close()


def lists(folder: Path, store: Store, key: SigningKey = OWN) -> Lists:
    mesh = Mesh(("mesh0",), community=base(COMMUNITY), roster=str(folder / "roster.json"))
    access = Access("lan0", OAK.ipv4, OAK.ipv6)
    config = Config(Node("oak"), (access,), paths=Paths(str(folder), str(folder)), mesh=mesh)
    return Lists(config, Shelf(store), key)


def test_a_newer_roster_counts_and_an_older_one_never_again(tmp_path: Path, store: Store) -> None:
    held = lists(tmp_path, store)
    assert held.roster is None
    assert held.take_roster(roster(3, ELM, OAK))
    assert held.own == OAK
    assert not held.take_roster(roster(2, ELM))
    assert "version 3 stays in force" in held.fault
    again = lists(tmp_path, store)
    assert again.version("roster") == 3
    assert again.own == OAK
    assert not again.take_roster(roster(2, ELM))


def test_two_rosters_of_one_version_are_a_fault_that_is_told(tmp_path: Path, store: Store) -> None:
    held = lists(tmp_path, store)
    held.take_roster(roster(3, ELM, OAK))
    assert not held.take_roster(roster(3, ELM, OAK))
    assert held.fault == ""
    assert not held.take_roster(roster(3, ELM))
    assert "two rosters have version 3" in held.fault
    assert held.own == OAK


def test_a_roster_of_a_stranger_changes_nothing(tmp_path: Path, store: Store) -> None:
    held = lists(tmp_path, store)
    with pytest.raises(ListError) as told:
        held.take_roster(roster(3, ELM, OAK, key=HUB))
    assert told.value.code == "bad-signature"
    assert (held.roster, held.version("roster")) == (None, 0)


def test_a_node_with_another_key_is_not_the_one_on_the_roster(tmp_path: Path, store: Store) -> None:
    held = lists(tmp_path, store, SigningKey.generate())
    held.take_roster(roster(1, ELM, OAK))
    assert held.own is None
    assert not held.is_hub


def test_the_newest_roster_is_there_to_read_for_the_hub_beside(tmp_path: Path, store: Store) -> None:
    newest = roster(5, ELM, OAK)
    lists(tmp_path, store).take_roster(newest)
    assert (tmp_path / "roster.json").read_bytes() == newest
    assert (tmp_path / "roster.json").stat().st_mode & 0o777 == 0o644


def test_a_roll_makes_exactly_its_households_known_and_numbers_stay(tmp_path: Path, store: Store) -> None:
    held = lists(tmp_path, store)
    held.take_roster(roster(1, ELM, OAK))
    clock = ClockReading(1.0, 1.0, trusted=False)
    for handle in ("AAAA", "BBBB"):
        store.add_household(handle, 1, verifier("X" * 12), clock)
    rows = {row.handle: row for row in Shelf(store).roll_rows()}
    first = sign_roll(1, [rows["BBBB"], replace(rows["AAAA"], handle="CCCC", shares=2)], HUB)
    assert held.take_roll(first) == frozenset({"AAAA"})
    assert [(h.handle, h.number, h.shares) for h in store.households()] == [("CCCC", 1, 2), ("BBBB", 2, 1)]
    assert held.take_roll(sign_roll(1, [], HUB)) is None
    with pytest.raises(ListError):
        held.take_roll(sign_roll(2, [], OWN))
    assert len(store.households()) == 2


def test_only_where_the_roster_says_hub_are_households_added(tmp_path: Path, store: Store) -> None:
    held = lists(tmp_path, store)
    held.take_roster(roster(1, ELM, OAK))
    assert "on elm, the hub's node" in held.households_elsewhere()
    assert held.take_roster(roster(3, replace(ELM, hub=False), replace(OAK, hub=True)))
    assert held.households_elsewhere() == ""


def test_a_change_that_was_not_signed_before_a_crash_is_signed_at_the_next_start(tmp_path: Path, store: Store) -> None:
    held = lists(tmp_path, store)
    assert not held.is_roll_behind()
    held.take_roster(roster(1, replace(ELM, hub=False), replace(OAK, hub=True)))
    assert held.is_roll_behind()
    held.publish_roll()
    assert not held.is_roll_behind()
    store.add_household("AAAA", 1, verifier("X" * 12), ClockReading(1.0, 1.0, trusted=False))
    assert lists(tmp_path, store).is_roll_behind()
    held.publish_roll()
    assert not lists(tmp_path, store).is_roll_behind()
    store.remove_household("AAAA")
    assert lists(tmp_path, store).is_roll_behind()
