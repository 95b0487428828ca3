"""Nobody but the right node gets a channel, and nothing recorded can be used again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from nacl.signing import SigningKey, VerifyKey

from meshctl.agent.mesh.channel import FRAME_LIMIT, MAGIC, Channel, ChannelError, Identity, answer, dial

OAK, ELM, STRANGER = (Identity(name, SigningKey.generate()) for name in ("oak", "elm", "oak"))
KNOWN = {"oak": OAK.key.verify_key, "elm": ELM.key.verify_key}
Ends = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Side = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Coroutine[Any, Any, Any]]


async def between(dialer: Side, listener: Side) -> list[Any]:
    """Run both ends over loopback; what either raised is returned in its place."""
    done: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            done.set_result(await listener(reader, writer))
        except (ChannelError, OSError, EOFError) as fault:
            done.set_result(fault)
        finally:
            writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        try:
            told: Any = await dialer(reader, writer)
        except (ChannelError, OSError, EOFError) as fault:
            told = fault
        writer.close()
        return [told, await asyncio.wait_for(done, 5)]


def run(dialer: Side, listener: Side) -> list[Any]:
    return asyncio.run(between(dialer, listener))


async def as_elm(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Channel:
    return await answer(reader, writer, ELM, KNOWN.get)


async def as_elm_hearing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> dict[str, Any]:
    return await (await as_elm(reader, writer)).receive()


def test_two_nodes_of_the_roster_hear_each_other() -> None:
    async def dialer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> dict[str, Any]:
        channel = await dial(reader, writer, OAK, "elm", KNOWN["elm"])
        channel.post({"say": "hello", "long": "x" * 100_000})
        return await channel.receive()

    async def listener(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> dict[str, Any]:
        channel = await as_elm(reader, writer)
        heard = await channel.receive()
        channel.post({"say": "and you"})
        return {"peer": channel.peer, **heard}

    told, heard = run(dialer, listener)
    assert told == {"say": "and you"}
    assert (heard["peer"], heard["say"], len(heard["long"])) == ("oak", "hello", 100_000)


@pytest.mark.parametrize(("who", "code"), [(STRANGER, "bad-signature"), (Identity("ash", OAK.key), "unknown-node")])
def test_who_is_not_in_the_roster_is_not_let_in(who: Identity, code: str) -> None:
    async def dialer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        channel = await dial(reader, writer, who, "elm", KNOWN["elm"])
        channel.post({"say": "hello"})

    heard = run(dialer, as_elm_hearing)[1]
    assert isinstance(heard, ChannelError)
    assert heard.code == code


def test_a_dialer_does_not_talk_to_somebody_else_in_elms_place() -> None:
    async def false_elm(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Channel:
        return await answer(reader, writer, Identity("elm", STRANGER.key), KNOWN.get)

    async def dialer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Channel:
        return await dial(reader, writer, OAK, "elm", KNOWN["elm"])

    told = run(dialer, false_elm)[0]
    assert isinstance(told, ChannelError)
    assert told.code == "bad-signature"


class Recorder(asyncio.StreamWriter):
    """Keeps what is written, and writes it."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self.inner, self.said = writer, bytearray()

    def write(self, data: Any) -> None:
        self.said += data
        self.inner.write(data)

    @property
    def transport(self) -> asyncio.WriteTransport:
        return self.inner.transport

    def __del__(self, *_: Any) -> None:
        """Nothing of its own is open."""


def test_a_recorded_channel_played_again_is_refused() -> None:
    recorded = bytearray()

    async def dialer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        recorder = Recorder(writer)
        channel = await dial(reader, recorder, OAK, "elm", KNOWN["elm"])
        channel.post({"kind": "addresses", "add": [["10.45.0.7", "00" * 8]]})
        recorded.extend(recorder.said)

    async def player(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(bytes(recorded))

    assert run(dialer, as_elm_hearing)[1]["kind"] == "addresses"
    heard = run(player, as_elm_hearing)[1]
    assert isinstance(heard, ChannelError)
    assert heard.code == "bad-signature"
    assert b"10.45.0.7" not in recorded


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        ((FRAME_LIMIT + 1).to_bytes(4, "big"), "oversized"),
        (b"\0\0\0\x01x", "oversized"),
        (b"\0\0\0\x20" + bytes(32), "forged"),
    ],
)
def test_a_frame_that_is_too_long_or_not_sealed_ends_the_channel(frame: bytes, code: str) -> None:
    async def dialer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await dial(reader, writer, OAK, "elm", KNOWN["elm"])
        writer.write(frame)

    heard = run(dialer, as_elm_hearing)[1]
    assert isinstance(heard, ChannelError)
    assert heard.code == code


@pytest.mark.parametrize(
    "opening",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        MAGIC + b"\0" + bytes(64),
        MAGIC + b"\x21" + bytes(80),
        MAGIC + b"\x03\xff\xfe\xfd" + bytes(32),
    ],
)
def test_garbage_is_refused(opening: bytes) -> None:
    async def dialer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(opening)

    heard = run(dialer, as_elm_hearing)[1]
    assert isinstance(heard, ChannelError)
    assert heard.code == "garbage"


def test_a_key_that_is_none_is_refused() -> None:
    async def dialer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(MAGIC + b"\x03oak" + bytes(32))

    heard = run(dialer, as_elm_hearing)[1]
    assert isinstance(heard, ChannelError)


def test_a_verify_key_is_what_the_roster_holds() -> None:
    assert VerifyKey(bytes(OAK.key.verify_key)) == KNOWN["oak"]
