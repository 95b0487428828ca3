"""What babeld says of itself when a way out comes or goes: of one that is played, and of a real one."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import replace
from pathlib import Path

import pytest

from meshctl.agent.mesh.changes import ways_out
from meshctl.agent.mesh.way import WayOut
from meshctl.config import Config
from meshctl.lists import Roster
from tests.agent.babelds import OAK_SAYS, PORT, Street, babeld_that, ip, street
from tests.kernel.agents import ACCESS, config_of

_OTHER = (
    "change neighbour 5540 address fe80::3 if yew reach ffff\n"
    "change route 5a60 prefix 10.44.8.1/32 from 0.0.0.0/0 installed yes id x metric 96 refmetric 0 via fe80::3 if yew\n"
)
_OWN = "add xroute 0.0.0.0/0-0.0.0.0/0 prefix 0.0.0.0/0 from 0.0.0.0/0 metric 0\n"


def _says(kind: str, metric: int = 96, *, installed: str = "yes", via: str = "fe80::1") -> str:
    way = f"prefix ::/0 from ::/0 installed {installed} id x metric {metric} refmetric {metric - 96} via {via} if elm"
    return f"{kind} route 60c0 {way}\n"


def _at(config: Config, port: int) -> Config:
    return replace(config, mesh=replace(config.mesh, babel_port=port))


async def _count(port: int) -> int:
    return len([None async for _ in ways_out(port)])


@pytest.mark.parametrize(
    ("says", "changes"),
    [
        ("", 1),
        (_OTHER, 1),
        (_says("add"), 2),
        (_says("add") + _says("change", 192) + _says("change"), 2),
        (_says("add", installed="no") + _says("change") * 2, 3),
        (_says("add") + _says("change", 65535) * 2 + _says("change"), 4),
        (_says("add") + _says("change", via="fe80::2"), 3),
        (_says("add") + _says("flush") * 2 + _says("add"), 4),
        (_OWN * 2, 2),
        (OAK_SAYS + _OTHER + _OWN, 4),
        ("\n\nok\nadd\nroute 0.0.0.0/0\n\xff\n", 1),
    ],
)
def test_only_what_is_said_of_a_way_to_everywhere_is_a_change(says: str, changes: int) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert await reader.readline() == b"monitor\n"
        writer.write(says.encode("latin-1"))

    async def ask() -> int:
        async with babeld_that(answer) as port:
            return await _count(port)

    assert asyncio.run(ask()) == changes


def test_a_line_without_an_end_and_nobody_at_all_are_errors() -> None:
    async def drones(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            writer.write(b"x" * 65536)
            await writer.drain()

    async def ask() -> None:
        async with babeld_that(drones) as port:
            with pytest.raises(ValueError, match="limit"):
                await _count(port)
        with pytest.raises(OSError, match=str(port)):
            await _count(port)

    asyncio.run(ask())


def test_a_node_knows_of_a_change_before_it_would_ask_and_listens_again_to_a_babeld_that_hung_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("meshctl.agent.mesh.way.LOOK_EVERY", 600.0)
    heard: list[str] = []
    lost = asyncio.Event()

    async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head, _, rest = OAK_SAYS.partition("ok\n")
        writer.write(f"{head}ok\n".encode())
        heard.append((await reader.readline()).decode().strip())
        if heard[-1] == "dump":
            gone = "\n".join(line for line in rest.splitlines() if "/0 from" not in line) + "\n"
            writer.write((gone if lost.is_set() else rest).encode())
            await reader.read()
        elif heard.count("monitor") > 1:
            # The first is hung up on at once.
            await lost.wait()
            writer.write(_says("add", 65535).encode())
            await reader.read()

    async def live() -> None:
        async with babeld_that(play) as port:
            config = _at(config_of(ACCESS, "mesh0"), port)
            way = WayOut(config, lambda: Roster(1), lambda: 100.0)
            way.begin()
            with contextlib.closing(way):
                while heard.count("monitor") < 2 or heard.count("dump") < 2:
                    await asyncio.sleep(0.01)
                assert way.lost_since is None
                lost.set()
                while way.lost_since is None:
                    await asyncio.sleep(0.01)

    asyncio.run(asyncio.wait_for(live(), 20))


@pytest.mark.kernel
def test_a_real_babeld_says_at_once_that_a_way_came_and_went(tmp_path: Path) -> None:
    with street(("elm", "oak"), tmp_path) as place:
        place.cable("elm", "oak")
        place.start("elm", ["oak"])
        place.start("oak", ["elm"])
        place.wait("oak", lambda one: len(one.neighbours) == 1 and one.neighbours[0].cost < 65535)
        assert place.inside("oak", lambda: _changes_until_gone(place)) > 0


async def _changes_until_gone(place: Street) -> int:
    """How often babeld spoke until the way that came was gone again: whoever waits for its words misses nothing."""
    changes_heard = 0
    async with asyncio.timeout(30), contextlib.aclosing(ways_out(PORT)) as changes:
        await anext(changes)
        place.uplink("elm")
        await anext(changes)
        while (await _now(place)) is False:
            await anext(changes)
        ip("-n", place.space("elm"), "link", "set", "dev", "oak", "down")
        while (await _now(place)) is True:
            await anext(changes)
            changes_heard += 1
    return changes_heard


async def _now(place: Street) -> bool:
    seen = await asyncio.to_thread(place.ask, "oak")
    return seen.default_route(6) is not None
