"""Who leaves or is forgotten at a node that has not heard of it yet stays out when that node hears of it."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.agent.remember_world import ADDRESSES, HOUR, PHONE, Board, World, world_of


@pytest.fixture
def street() -> Iterator[World]:
    with world_of(Path(tempfile.mkdtemp(dir="/dev/shm")), "elm", "oak", "ash") as world:
        for board in world.boards.values():
            mesh: Any = SimpleNamespace(membership=board.circle.membership)
            board.verbs._mesh = mesh
        yield world


def press(board: Board, button: str) -> None:
    assert board.verbs.table[button].run({"address": ADDRESSES[PHONE]})["device"]["state"] == "visitor"


def joined_unheard(street: World, at: Board, *deaf: str) -> list[dict[str, Any]]:
    """Have a device join at a board while others hear nothing; return what they will hear."""
    street.cut |= set(deaf)
    at.verbs.join([{"address": ADDRESSES[PHONE]}])
    street.cut -= set(deaf)
    return at.circle.membership.told_of(at.name, at.clock.read().monotonic)


@pytest.mark.parametrize("button", ["leave", "forget"])
def test_a_device_that_is_not_known_here_yet_leaves_everywhere(street: World, button: str) -> None:
    elm, oak, ash = (street.boards[name] for name in ("elm", "oak", "ash"))
    unheard = joined_unheard(street, oak, "elm", "ash")
    assert ash.see(PHONE) == set()
    press(ash, button)
    for board in (elm, ash):
        board.circle.membership.heard("oak", unheard, 30 * 24 * HOUR, board.clock.read().monotonic)
    assert [board.see(PHONE) for board in (oak, elm, ash)] == [set()] * 3
    ash.verbs.join([{"address": ADDRESSES[PHONE]}])
    assert [board.see(PHONE) for board in (oak, elm, ash)] == [{PHONE}] * 3


@pytest.mark.parametrize("button", ["leave", "forget"])
def test_a_device_that_leaves_at_a_node_without_a_key_of_the_day_leaves_everywhere(street: World, button: str) -> None:
    oak, ash = street.boards["oak"], street.boards["ash"]
    street.cut = {"ash"}
    oak.verbs.join([{"address": ADDRESSES[PHONE]}])
    ash.power_off()
    ash.power_on()
    mesh: Any = SimpleNamespace(membership=ash.circle.membership)
    ash.verbs._mesh = mesh
    assert ash.see(PHONE) == set()
    press(ash, button)
    street.cut = set()
    unheard = oak.circle.membership.told_of("oak", oak.clock.read().monotonic)
    ash.circle.membership.heard("oak", unheard, 30 * 24 * HOUR, ash.clock.read().monotonic)
    street.meet()
    ash.circle.membership.keys_changed(ash.clock.read().monotonic)
    assert (ash.see(PHONE), oak.see(PHONE)) == (set(), set())


def test_gateways_are_told_at_once_of_a_device_that_left_at_another_node(street: World) -> None:
    oak, ash = street.boards["oak"], street.boards["ash"]
    oak.verbs.join([{"address": ADDRESSES[PHONE]}])
    told: list[int] = []
    oak.circle.membership._changed = lambda: told.append(len(oak.circle.membership.vouched()))
    press(ash, "leave")
    assert told == [0]


def test_who_joins_where_it_is_stays_that_nodes_though_it_was_seen_elsewhere_a_moment_ago(street: World) -> None:
    oak, ash = street.boards["oak"], street.boards["ash"]
    assert ash.see(PHONE) == set()
    oak.verbs.join([{"address": ADDRESSES[PHONE]}])
    assert ash.online() == {PHONE}, "it may come back any moment"
    assert (oak.circle.membership.vouched() != [], ash.circle.membership.vouched()) == (True, [])
    ash.see(PHONE)
    assert (oak.circle.membership.vouched(), ash.circle.membership.vouched() != []) == ([], True)
