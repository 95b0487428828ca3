"""Another node becomes the hub's while nodes are off: all believe its roll, it remembers who was, and it erases."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from meshctl.lists import sign_roster
from tests import rosters
from tests.privacy.world import HOUR, STEP, Board, World, drawn

PHONE = "02:1f:aa:33:c4:51"


async def off_and_on(place: World, *names: str) -> None:
    for name in names:
        place.boards[name].power_off()
    await place.power_on(*names)
    await place.wait(4 * STEP)


def at(board: Board) -> str:
    address = board.member.ipv4.split("/")[0] + "71"
    board.kernel.around = {address: PHONE}
    return address


def move_the_hub(place: World, to: str) -> None:
    members = [replace(board.member, hub=board.name == to) for board in place.boards.values()]
    body = sign_roster(rosters.roster(2, members), rosters.COMMUNITY)
    (place.disk / "roster.json").write_bytes(body)


async def live(place: World) -> None:
    elm, oak, ash = place.boards.values()
    first, second = drawn(), drawn()
    await place.power_on("elm", "oak", "ash")
    assert (await elm.ask("household-add", homes=[first.row]))["ok"]
    assert (await oak.ask("link", address=at(oak), **{"pass": first.text}))["ok"]
    assert (await oak.ask("remember", address=at(oak)))["ok"]
    ash.power_off()
    assert (await elm.ask("household-add", homes=[second.row]))["ok"]
    await place.wait(2 * STEP)
    move_the_hub(place, "oak")
    await place.wait(4 * STEP)
    await place.power_on("ash")
    assert {one.handle for one in ash.here._store.households()} == {first.handle, second.handle}

    await place.wait(150.0)  # by then elm says that it has the lasting key, and oak destroyed its own
    assert not list(oak.state.glob("remember-keys/*.key"))
    assert list(elm.state.glob("remember-keys/*.key"))
    token = elm.here._remembering.keeping.tokens(PHONE)[0].encode()
    elm.power_off()
    assert token not in b"".join(file.read_bytes() for file in elm.state.glob("node.db*")), "the list went, all of it"
    await place.power_on("elm")
    await off_and_on(place, "elm", "oak", "ash")
    here = at(ash)
    ash.here._verbs.seen({PHONE: [here]})
    await place.wait(2 * STEP)
    device = ash.here._members.get(PHONE)
    assert device is not None, "it was remembered before the hub moved"
    assert device.household == first.handle

    elm.power_off()
    assert (await ash.ask("erase", address=here, secure=True, **{"pass": first.text}))["ok"]
    await place.wait(25 * HOUR)
    await place.power_on("elm")
    await place.wait(4 * STEP)
    for board in place.boards.values():
        assert [one.handle for one in board.here._store.households()] == [second.handle], board.name
        board.power_off()
        raw = b"".join(file.read_bytes() for file in board.state.rglob("*") if file.is_file())
        assert first.handle.encode() not in raw, board.name
        assert second.handle.encode() in raw, board.name


def test_a_network_whose_hub_moved_keeps_its_promises_and_erases(place: World) -> None:
    asyncio.run(live(place))
