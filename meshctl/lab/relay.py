"""Opens pages of the lab in the host's browser: listens on the host's loopback, connects from a member.

The listening sockets were made on the host before the lab had namespaces of its own. What a page
sees as its visitor is the member that the relay connects from.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import sys
from dataclasses import dataclass
from functools import partial

from meshctl.lab.kernel import inside_net, router4
from meshctl.service import notify, passed_sockets

MOST_CONNECTIONS = 64
IDLE = 75.0
_PIECE = 1 << 16


@dataclass(frozen=True)
class Way:
    """From which member a relayed connection starts, and where it goes; no host means the member's own router."""

    member: str
    host: str
    port: int


class Relay:
    """All relays of a lab. ``free`` bounds how many connections there are at once."""

    def __init__(self) -> None:
        self.free = asyncio.Semaphore(MOST_CONNECTIONS)

    async def carry(self, way: Way, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry one connection to its end, or refuse it when there are too many."""
        if self.free.locked():
            writer.close()
            return
        async with self.free:
            with contextlib.suppress(OSError, TimeoutError):
                there = await self._connect(way)
                await asyncio.gather(_shuttle(reader, there[1]), _shuttle(there[0], writer))
            writer.close()

    async def _connect(self, way: Way) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        with inside_net(way.member):
            host = way.host or router4()
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
            channel = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        channel.settimeout(0)
        try:
            async with asyncio.timeout(5):
                await asyncio.get_running_loop().sock_connect(channel, (host, way.port))
        except BaseException:
            channel.close()
            raise
        return await asyncio.open_connection(sock=channel)


async def _shuttle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while True:
            async with asyncio.timeout(IDLE):
                piece = await reader.read(_PIECE)
            if not piece:
                break
            writer.write(piece)
            await writer.drain()
    finally:
        writer.close()


async def _serve(ways: dict[str, Way]) -> None:
    relay = Relay()
    servers = []
    for name, listeners in passed_sockets().items():
        way = ways[name]
        servers += [await asyncio.start_server(partial(relay.carry, way), sock=listener) for listener in listeners]
    notify("READY=1")
    await asyncio.gather(*(server.serve_forever() for server in servers))


if __name__ == "__main__":
    asyncio.run(_serve({name: Way(*way) for name, way in json.loads(sys.argv[1]).items()}))
