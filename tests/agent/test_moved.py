"""A remembered device whose home became another one, or which was forgotten, where nodes do not hear of it in turn."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from meshctl.agent.passes import Verifier
from tests.agent.remember_world import ADDRESSES, OTHER, PHONE, Board, World, world_of


@pytest.fixture
def street() -> Iterator[World]:
    with world_of(Path(tempfile.mkdtemp(dir="/dev/shm")), "elm", "oak", "ash") as world:
        for board in world.boards.values():
            board.store.add_household("AAAA", 1, Verifier(b"s" * 16, b"d" * 32), board.clock.read())
        yield world


def link(board: Board, phone: str = PHONE) -> None:
    known = board.store.household("AAAA")
    assert known is not None
    board.verbs.credential.of_pass = lambda text: known[0]  # type: ignore[method-assign]
    assert board.ask("link", phone, **{"pass": "AAAA"})["device"]["household"] == "AAAA"


def unlink(board: Board) -> None:
    known = board.store.household("AAAA")
    assert known is not None
    board.verbs.unlink(ADDRESSES[PHONE], known[0])


def home_of(board: Board, phone: str = PHONE) -> str | None:
    board.see(phone)
    device = board.members.get(phone)
    assert device is not None
    return device.household


def test_who_typed_its_pass_after_it_asked_to_be_remembered_is_of_that_home_after_a_power_cut(street: World) -> None:
    oak = street.boards["oak"]
    oak.ask("join")
    oak.ask("remember")
    link(oak)
    street.power_cut()
    assert home_of(oak) == "AAAA"


def test_a_device_taken_out_of_its_home_is_a_guest_at_every_node_that_knew_it(street: World) -> None:
    oak, ash = street.boards["oak"], street.boards["ash"]
    link(oak)
    assert home_of(ash) == "AAAA"
    unlink(ash)
    assert (home_of(ash), home_of(oak), home_of(ash)) == (None, None, None)


def test_a_device_taken_out_of_its_home_while_the_hub_is_away_comes_back_as_a_guest(street: World) -> None:
    elm, oak, ash = (street.boards[name] for name in ("elm", "oak", "ash"))
    link(oak)
    oak.ask("remember")
    elm.power_off()
    unlink(oak)
    elm.power_on()
    street.meet()
    street.wait(10.0, 5.0)
    street.power_cut()
    assert (home_of(ash), home_of(oak)) == (None, None)


def test_a_pass_typed_where_others_do_not_hear_of_it_outranks_that_they_saw_the_device_meanwhile(street: World) -> None:
    oak, ash = street.boards["oak"], street.boards["ash"]
    oak.ask("join")
    street.wait(5.0, 5.0)
    street.cut = {"oak"}
    link(oak)
    for board in (street.boards["elm"], ash, street.boards["elm"], ash):
        board.see(PHONE)
    street.cut = set()
    street.meet()
    assert [home_of(board) for board in street.boards.values()] == ["AAAA"] * 3


@pytest.mark.parametrize("verb", ["forget", "leave"])
def test_who_leaves_where_nobody_has_heard_yet_that_it_joined_has_left(street: World, verb: str) -> None:
    oak, ash = street.boards["oak"], street.boards["ash"]
    street.cut = {"oak"}
    oak.ask("join")
    ash.ask(verb)
    street.cut = set()
    street.meet()
    assert [board.see(PHONE) for board in (oak, ash, oak)] == [set()] * 3


@pytest.mark.parametrize("verb", ["forget", "leave"])
def test_who_left_stays_out_when_the_agent_dies_before_its_next_turn(street: World, verb: str) -> None:
    oak = street.boards["oak"]
    oak.ask("join")
    oak.ask("remember")
    street.cut = {"oak"}
    oak.ask(verb)
    oak.restart()
    street.cut = set()
    street.meet()
    street.wait(120.0, 10.0)
    assert [board.see(PHONE) for board in street.boards.values()] == [set()] * 3


def test_whoever_stops_it_at_a_node_that_has_not_heard_of_the_consent_has_stopped_it(street: World) -> None:
    oak, ash = street.boards["oak"], street.boards["ash"]
    for phone in (OTHER, PHONE):
        oak.ask("join", phone)
        oak.ask("remember", phone)
    street.cut = {"oak"}
    oak.ask("remember")
    ash.ask("withdraw")
    street.cut = set()
    street.meet()
    street.power_cut()
    assert oak.see(PHONE, OTHER) == {OTHER}
