"""Says to a node's agent, over the mesh, what nobody may say: benches and tests run it inside a lab.

`python -m bench.inside.foe KIND …` acts from a node's namespace, as that node, with its key from its
state folder, and prints as JSON how many announcements of that kind it made. Let the node's own agent
rest meanwhile (SIGSTOP), else the two take the node's channel from each other.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import ipaddress
import itertools
import json
import secrets
import socket
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import click
from nacl.signing import SigningKey

from bench.inside.shapes import SHAPES
from meshctl.agent.mesh.channel import Channel, Identity, Message, dial
from meshctl.lab.kernel import inside_net
from meshctl.lists import Member, read_unchecked_roster

PORT = 4450
IN_ONE_MESSAGE = 200
"""Addresses of one announcement out of prefix."""

_PATIENCE = 10.0
_PAUSE = 0.03
"""Seconds between good announcements, so that each one is brought to the kernel by itself."""

_ANSWER = 32 + 64 + 24
"""Bytes that a listener answers to a greeting."""

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Tape(asyncio.StreamWriter):
    """Writes, and keeps a copy."""

    kept: list[bytes]

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.kept.append(bytes(data))
        super().write(data)


@dataclass
class Foe:
    """Dials ``target`` from the namespace of ``me``, with a node's ``key`` and ``life``."""

    me: Member
    key: SigningKey
    life: str
    target: Member
    held: tuple[Channel, Streams] | None = None
    tape: list[bytes] = field(default_factory=list)
    shapes: Iterator[object] = field(default_factory=lambda: itertools.cycle(SHAPES))
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(2))

    async def connect(self) -> Streams:
        with inside_net(self.me.name):
            channel = socket.socket(
                socket.AF_INET6, socket.SOCK_STREAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK, socket.IPPROTO_TCP
            )
        channel.bind((str(self.me.interface6.ip), 0))
        async with asyncio.timeout(_PATIENCE):
            await asyncio.get_running_loop().sock_connect(channel, (str(self.target.interface6.ip), PORT))
        return await asyncio.open_connection(sock=channel)

    async def greet(self, streams: Streams, name: str = "", key: SigningKey | None = None) -> Channel:
        identity = Identity(name or self.me.name, key or self.key)
        return await dial(*streams, identity, self.target.name, self.target.verify_key)

    async def channel(self) -> Channel:
        """Return a good channel, the same one every time."""
        if self.held is None:
            streams = await self.connect()
            self.held = await self.greet(streams), streams
        return self.held[0]

    async def post(self, message: Message) -> None:
        (await self.channel()).post(message)
        assert self.held is not None
        await self.held[1][1].drain()

    async def settle(self) -> None:
        """Return once everything said on the good channel has been heard."""
        if self.held is None:
            return
        await self.post({"kind": "hello", "life": self.life, "roster": 1 << 40, "roll": 1 << 40, "keys": []})
        async with asyncio.timeout(_PATIENCE):
            while not (await self.held[0].receive()).get("answer"):
                continue
        self.held[0].close()
        self.held = None


async def cut_off(streams: Streams) -> None:
    """Return once the other side has closed the connection."""
    reader, writer = streams
    async with asyncio.timeout(_PATIENCE):
        # It is a reset where bytes of ours were left unread.
        with contextlib.suppress(ConnectionError):
            while await reader.read(65536):
                continue
    writer.close()


async def garbage(foe: Foe) -> None:
    streams = await foe.connect()
    streams[1].write(secrets.token_bytes(64))
    await cut_off(streams)


async def foreign(foe: Foe) -> None:
    """A greeting in the name of a node, signed by another key."""
    streams = await foe.connect()
    await foe.greet(streams, key=SigningKey.generate())
    await cut_off(streams)


async def stranger(foe: Foe) -> None:
    """A greeting of a node that is on no roster."""
    streams = await foe.connect()
    with contextlib.suppress(EOFError):
        await foe.greet(streams, name="nobody")
    await cut_off(streams)


async def recording(foe: Foe) -> None:
    """What a node really said to another one, once more."""
    if not foe.tape:
        reader, writer = await foe.connect()
        tape = Tape(writer.transport, writer.transport.get_protocol(), reader, asyncio.get_running_loop())
        tape.kept = foe.tape
        (await foe.greet((reader, tape))).post({"kind": "devices", "records": []})
        await tape.drain()
        tape.close()
    greeting, proof, *rest = foe.tape
    streams = await foe.connect()
    streams[1].write(greeting)
    await streams[0].readexactly(_ANSWER)
    streams[1].write(b"".join((proof, *rest)))
    await cut_off(streams)


async def oversized(foe: Foe) -> None:
    """A frame of 4 GB after a good handshake."""
    streams = await foe.connect()
    await foe.greet(streams)
    streams[1].write(b"\xff" * 64)
    await cut_off(streams)


async def shape(foe: Foe) -> None:
    """A message of a wrong shape after a good handshake."""
    streams = await foe.connect()
    (await foe.greet(streams)).post(cast("Message", next(foe.shapes)))
    await cut_off(streams)


async def outside(foe: Foe) -> None:
    """Addresses of the target's own prefixes, of nobody's, and no addresses at all."""
    four, six = foe.target.interface4.network, foe.target.interface6.network
    count = IN_ONE_MESSAGE // 4
    texts = [
        str(one) for at in range(count) for one in (four[at], six[at], ipaddress.ip_address((8 << 24) + at), f"{at}/x")
    ]
    await foe.post({"kind": "addresses", "add": [[text, "0123456789abcdef"] for text in texts], "drop": texts})


async def good(foe: Foe) -> None:
    """One address more of the node's own prefix: the gateway's kernel hears of it."""
    address = foe.me.interface4.network[next(foe.numbers)]
    await foe.post({"kind": "addresses", "add": [[str(address), secrets.token_hex(8)]]})
    await asyncio.sleep(_PAUSE)


async def empty(foe: Foe) -> None:
    """Take back all that was announced."""
    await foe.post({"kind": "addresses", "whole": True})


KINDS: dict[str, Callable[[Foe], Awaitable[None]]] = {
    "garbage": garbage, "recording": recording, "foreign": foreign, "stranger": stranger, "oversized": oversized,
    "shape": shape, "outside": outside, "good": good, "empty": empty,
}  # fmt: skip


async def act(foe: Foe, kind: str, seconds: float, count: int) -> int:
    """Do it for so long, and so often at most; return how often it was."""
    deadline, done = time.monotonic() + seconds, 0
    while done < count and time.monotonic() < deadline:
        await KINDS[kind](foe)
        done += 1
    await foe.settle()
    return done


@click.command()
@click.argument("kind", type=click.Choice(list(KINDS)))
@click.option("--me", required=True, help="The node in whose name and namespace.")
@click.option("--state", required=True, type=click.Path(path_type=Path), help="Its state folder.")
@click.option("--run", "folder", required=True, type=click.Path(path_type=Path), help="Its folder in RAM.")
@click.option("--roster", required=True, type=click.Path(path_type=Path))
@click.option("--target", required=True, help="The node whose agent is told.")
@click.option("--seconds", default=60.0, show_default=True)
@click.option("--count", default=1_000_000, show_default=True)
def main(kind: str, me: str, state: Path, folder: Path, roster: Path, target: str, seconds: float, count: int) -> None:
    """Announce what KIND says, again and again."""
    nodes = {one.name: one for one in read_unchecked_roster(roster.read_bytes()).members}
    key = SigningKey(base64.b64decode((state / "node.key").read_text(encoding="ascii")))
    foe = Foe(nodes[me], key, (folder / "life").read_text(encoding="ascii"), nodes[target])
    done = asyncio.run(act(foe, kind, seconds, count))
    click.echo(json.dumps({"done": done}))


if __name__ == "__main__":
    main()
