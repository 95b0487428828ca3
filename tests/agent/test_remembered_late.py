"""Remember this phone in a network that is months old, so that several lasting keys live."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.agent.remember_world import DAY, PHONE, Board, World, world_of
from tests.agent.test_remembering import add_home, settle


def made(folder: Path) -> Path:
    (folder / "world").mkdir()
    return folder / "world"


def back_after_a_week(street: World, at: Board) -> set[str]:
    street.wait(7 * DAY, DAY)
    street.power_cut()
    return at.see(PHONE)


@pytest.mark.parametrize("names", [("elm",), ("elm", "oak")])
@pytest.mark.parametrize("again", [False, True])
def test_who_agrees_when_several_keys_live_is_known_again_until_he_takes_it_back(
    tmp_path: Path, names: tuple[str, ...], *, again: bool
) -> None:
    with world_of(made(tmp_path), *names) as street:
        at = street.boards[names[-1]]
        if again:
            settle(street, names[-1], PHONE, None)
            at.ask("remember")
        street.wait(40 * DAY, 2 * DAY)
        assert len(at.keys_on_disk()) > 1
        settle(street, names[-1], PHONE, None)
        at.ask("remember")
        assert back_after_a_week(street, at) == {PHONE}
        at.ask("withdraw")
        assert back_after_a_week(street, at) == set()


def test_who_moves_to_another_home_later_is_known_again_in_it(tmp_path: Path) -> None:
    with world_of(made(tmp_path), "elm", "oak", "ash") as street:
        add_home(street, "AAAA")
        add_home(street, "BBBB")
        street.wait(40 * DAY, 2 * DAY)
        oak, ash = street.boards["oak"], street.boards["ash"]
        settle(street, "oak", PHONE, "AAAA")
        oak.ask("remember")
        assert back_after_a_week(street, ash) == {PHONE}
        settle(street, "ash", PHONE, "BBBB")
        ash.turn()
        ash.remembering.keeping.ask(PHONE)
        ash.remembering.keeping.send()
        assert back_after_a_week(street, oak) == {PHONE}
        device = oak.members.get(PHONE)
        assert device is not None
        assert device.household == "BBBB"
