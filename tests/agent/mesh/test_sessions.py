"""Two nodes over loopback: they find each other, and whoever is no node changes nothing and is counted."""

from __future__ import annotations

import asyncio
import base64
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, Never

import pytest
from nacl.signing import SigningKey

from meshctl.agent.mesh import sessions as sessions_room
from meshctl.agent.mesh.channel import MAGIC, ChannelError, Identity, Message, dial
from meshctl.agent.mesh.sessions import Peer, Post, Sessions
from meshctl.lists import Member

KEYS = {name: SigningKey.generate() for name in ("elm", "oak", "ash")}
HOSTS = {"elm": "127.0.1.1", "oak": "127.0.1.2", "ash": "127.0.1.3"}


def member(name: str, key: SigningKey | None = None) -> Member:
    text = base64.b64encode(bytes((key or KEYS[name]).verify_key)).decode()
    return Member(name, 1, text, f"{HOSTS[name]}/32", "::1/128")


class Ears:
    """Remembers what it heard; says no to a message of kind "bad", and breaks at one of kind "fatal"."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, Message]] = []
        self.open: list[str] = []

    def greeting(self) -> Message:
        return {"kind": "hello"}

    def opened(self, peer: str, post: Post) -> None:
        self.open.append(peer)
        post({"kind": "opened"})

    def hear(self, peer: str, message: Message, post: Post) -> None:
        if message["kind"] == "bad":
            raise ChannelError("garbage", "bad")
        if message["kind"] == "fatal":
            raise ZeroDivisionError
        self.heard.append((peer, message))

    def closed(self, peer: str) -> None:
        self.open.remove(peer)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.1.1", 0))
        return int(probe.getsockname()[1])


@asynccontextmanager
async def node(name: str, port: int, key: SigningKey | None = None) -> AsyncIterator[tuple[Sessions, Ears]]:
    ears = Ears()
    sessions = Sessions(Identity(name, key or KEYS[name]), HOSTS[name], "::1", port, ears)
    server = await sessions.listen(HOSTS[name])
    try:
        yield sessions, ears
    finally:
        sessions.close()
        server.close()
        await asyncio.sleep(0)


async def until(what: Callable[[], bool]) -> None:
    async with asyncio.timeout(8):
        while not what():
            await asyncio.sleep(0.01)


def test_nodes_of_one_roster_keep_a_channel_each_way() -> None:
    async def scene() -> None:
        port = free_port()
        async with node("elm", port) as (elm, elm_ears), node("oak", port) as (oak, oak_ears):
            elm.meet([member("oak")])
            oak.meet([member("elm")])
            await until(lambda: elm.up() == {"oak": True} and oak.up() == {"elm": True})
            assert elm.post("oak", {"kind": "news"})
            await until(lambda: ("elm", {"kind": "news"}) in oak_ears.heard)
            oak.reply("elm", {"kind": "answer"})
            await until(lambda: ("oak", {"kind": "answer"}) in elm_ears.heard)
            assert oak.up() == {"elm": True}

    asyncio.run(scene())


def test_a_withdrawn_node_is_cut_off_at_once_and_not_let_in_again() -> None:
    async def scene() -> None:
        port = free_port()
        async with node("elm", port) as (elm, ears), node("oak", port) as (oak, oak_ears):
            elm.meet([member("oak")])
            oak.meet([member("elm")])
            await until(lambda: bool(ears.open) and bool(oak_ears.open))
            elm.meet([])
            await until(lambda: elm.refused["unknown-node"] > 0 and oak.up() == {"elm": False})
            assert elm.up() == {}
            assert not elm.post("oak", {"kind": "news"})

    asyncio.run(scene())


@dataclass
class Interrupted:
    """A stream on which something happens before what was read is looked at."""

    reader: asyncio.StreamReader
    happens: Callable[[], None]

    async def readexactly(self, count: int) -> bytes:
        got = await self.reader.readexactly(count)
        self.happens()
        return got


@pytest.mark.parametrize("left", [[], [member("oak", KEYS["ash"])]], ids=["withdrawn", "another key"])
def test_a_node_that_is_withdrawn_while_it_greets_is_not_let_in(left: list[Member]) -> None:
    async def scene() -> None:
        port = free_port()
        async with node("elm", port) as (elm, ears):
            elm.meet([member("oak")])
            reader, writer = await asyncio.open_connection(HOSTS["elm"], port)
            stream: Any = Interrupted(reader, lambda: elm.meet(left))
            channel = await dial(stream, writer, Identity("oak", KEYS["oak"]), "elm", KEYS["elm"].verify_key)
            channel.post({"kind": "news"})
            await until(lambda: elm.refused["unknown-node"] == 1)
            assert ears.heard == []
            writer.close()

    asyncio.run(scene())


def test_a_node_with_another_key_is_refused_and_counted() -> None:
    async def scene() -> None:
        port = free_port()
        async with node("elm", port) as (elm, ears), node("oak", port, SigningKey.generate()) as (oak, _):
            elm.meet([member("oak")])
            oak.meet([member("elm")])
            await until(lambda: elm.refused["bad-signature"] > 1)
            assert ears.heard == []
            assert elm.up() == {"oak": False}

    asyncio.run(scene())


def test_a_node_that_says_what_nobody_may_is_cut_off_and_can_come_back() -> None:
    async def scene() -> None:
        port = free_port()
        async with node("elm", port) as (elm, ears), node("oak", port) as (oak, oak_ears):
            elm.meet([member("oak")])
            oak.meet([member("elm")])
            await until(lambda: bool(oak_ears.open))
            oak.post("elm", {"kind": "bad"})
            await until(lambda: elm.refused["garbage"] == 1)
            heard = len(ears.heard)
            await until(lambda: len(ears.heard) > heard + 1)

    asyncio.run(scene())


def test_a_node_at_whose_answer_this_one_breaks_is_reached_again(caplog: pytest.LogCaptureFixture) -> None:
    async def scene() -> None:
        port = free_port()
        async with node("elm", port) as (elm, ears), node("oak", port) as (oak, _):
            elm.meet([member("oak")])
            oak.meet([member("elm")])
            await until(lambda: bool(ears.open) and "elm" in oak._inbound)
            oak.reply("elm", {"kind": "fatal"})
            await until(lambda: not ears.open)
            await until(lambda: bool(ears.open))
            assert elm.up() == {"oak": True}

    asyncio.run(scene())
    assert "the channel to oak broke" in caplog.text


def is_open(ears: Ears) -> bool:
    return bool(ears.open)


def has_lasted(elm: Sessions, oak: Sessions) -> bool:
    oak.reply("elm", {"kind": "news"})
    return elm._peers["oak"].lasted


def test_a_node_that_was_away_often_is_still_dialed_again_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions_room, "BEAT_SECONDS", 0.05)
    # Six dialings in a row that fail, and nobody would wait for the next one.
    monkeypatch.setattr(sessions_room, "_WAITS", (0.05, 0.3, 0.3, 0.3, 0.3, 0.3, 600.0))

    async def scene() -> None:
        port = free_port()
        async with node("elm", port) as (elm, ears):
            elm.meet([member("oak")])
            for _ in range(9):
                async with node("oak", port) as (oak, _):
                    # It does not call: only elm's own dialing brings a channel about.
                    oak._peers["elm"] = Peer(member("elm"))
                    await until(partial(is_open, ears))
                    await until(partial(has_lasted, elm, oak))
                await until(lambda: not ears.open)
            assert elm.up() == {"oak": False}

    asyncio.run(scene())


def test_a_node_heard_of_while_its_dialing_fails_is_dialed_again_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions_room, "_WAITS", (600.0,))
    dialed = 0

    async def scene() -> None:
        async with node("elm", free_port()) as (elm, _):

            async def connect(_: Member) -> Never:
                nonlocal dialed
                dialed += 1
                elm.met("oak", "a life")
                if dialed > 4:
                    await asyncio.sleep(60)
                raise ConnectionRefusedError

            monkeypatch.setattr(elm, "_connect", connect)
            elm.meet([member("oak")])
            await until(lambda: dialed > 4)

    asyncio.run(scene())
    assert dialed == 5


def test_garbage_is_counted_and_the_others_are_still_heard() -> None:
    async def scene() -> None:
        port = free_port()
        async with node("elm", port) as (elm, ears), node("oak", port) as (oak, oak_ears):
            elm.meet([member("oak")])
            for opening in (b"GET / HTTP/1.0\r\n\r\n", MAGIC + b"\x03oak" + bytes(31) + b"\x09", b""):
                reader, writer = await asyncio.open_connection("127.0.1.1", port)
                writer.write(opening + bytes(200) if opening else b"")
                if opening:
                    await reader.read(300)
                writer.close()
                await writer.wait_closed()
            await until(lambda: sum(elm.refused.values()) == 3)
            assert set(elm.refused) == {"garbage", "bad-signature", "broken-off"}
            oak.meet([member("elm")])
            await until(lambda: bool(oak_ears.open) and bool(ears.heard))

    asyncio.run(scene())
