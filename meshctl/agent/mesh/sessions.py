"""Keeps a channel open to every node of the roster, and lets theirs in.

What this node has to say goes out on the channels that it dialed; what others say comes in on theirs.
Answers go back on the channel that the question came on. Whoever is not in the roster, or says what
nobody may, is cut off and counted.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import socket
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from nacl.signing import VerifyKey

from meshctl.agent.mesh.channel import Channel, ChannelError, Identity, Message, answer, dial
from meshctl.lists import Member

log = logging.getLogger(__name__)

BEAT_SECONDS = 3.0
_SILENCE = 12.0
_DIAL_SECONDS = 3.0
_WAITS = (0.3, 0.5, 1.0, 2.0, 3.0)
_MOST_GUESTS = 64
"""Channels that may be in their greeting at once; more are closed at once, so that garbage starves nobody."""

Post = Callable[[Message], None]


class Ears(Protocol):
    """Who hears what happens on the channels; all calls are on the loop's thread."""

    def greeting(self) -> Message:
        """Return what this node says of itself first and at every beat."""

    def opened(self, peer: str, post: Post) -> None:
        """Note that a channel that this node dialed is open: say what there is to say."""

    def hear(self, peer: str, message: Message, post: Post) -> None:
        """Take a message in; ``post`` answers it. Raises `ChannelError` for what nobody may say."""

    def closed(self, peer: str) -> None:
        """Note that the channel that this node dialed is closed."""


@dataclass
class Peer:
    """One node of the roster as this node reaches it; ``lasted`` says whether the last channel outlived a beat."""

    member: Member
    task: asyncio.Task[None] | None = None
    channel: Channel | None = None
    lasted: bool = False
    life: str = ""
    wake: asyncio.Event = field(default_factory=asyncio.Event)


class Sessions:
    """All channels of this node. ``own4`` and ``own6`` are the addresses that others know it by."""

    def __init__(self, me: Identity, own4: str, own6: str, port: int, ears: Ears) -> None:
        self._me, self._own4, self._own6, self._port, self._ears = me, own4, own6, port, ears
        self._peers: dict[str, Peer] = {}
        self._inbound: dict[str, Channel] = {}
        self._greeting = 0
        self.refused: Counter[str] = Counter()

    async def listen(self, host: str = "::") -> asyncio.Server:
        """Begin to let other nodes in, over IPv6 and IPv4 unless ``host`` says one address."""
        # With the protocol named, asyncio lets small messages out at once (TCP_NODELAY); else they wait for an ACK.
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if ":" in host:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        listener.setblocking(False)  # noqa: FBT003  # the call takes no keyword
        listener.bind((host, self._port))
        return await asyncio.start_server(self._welcome, sock=listener, backlog=128)

    def up(self) -> dict[str, bool]:
        """Return whether each node of the roster is reached now."""
        return {name: peer.channel is not None for name, peer in self._peers.items()}

    def standing(self) -> list[dict[str, Any]]:
        """Return every other node of the roster, what it is, and whether it is reached now."""
        return [
            {"name": name, "gateway": one.member.gateway, "hub": one.member.hub, "up": one.channel is not None}
            for name, one in self._peers.items()
        ]

    def meet(self, members: list[Member]) -> None:
        """Keep channels to exactly these nodes."""
        wanted = {member.name: member for member in members}
        for name, peer in list(self._peers.items()):
            if wanted.get(name) != peer.member:
                self._part(name)
        for name, member in wanted.items():
            if name not in self._peers:
                peer = Peer(member)
                self._peers[name] = peer
                peer.task = asyncio.get_running_loop().create_task(self._keep(peer))

    def post(self, name: str, message: Message) -> bool:
        """Send a message to a node that is reached now; say whether it is."""
        peer = self._peers.get(name)
        if peer is None or peer.channel is None:
            return False
        peer.channel.post(message)
        return True

    def reply(self, name: str, message: Message) -> None:
        """Send a message on the channel that a node dialed, if there is one."""
        channel = self._inbound.get(name)
        if channel is not None:
            channel.post(message)

    def met(self, name: str, life: str) -> None:
        """Note which life a node is in; a new one makes an old channel to it worthless."""
        peer = self._peers.get(name)
        if peer is None:
            return
        if peer.life not in ("", life) and peer.channel is not None:
            peer.channel.close()
        peer.life = life
        if peer.channel is None:
            peer.wake.set()

    def close(self) -> None:
        """End every channel."""
        for name in list(self._peers):
            self._part(name)
        for channel in list(self._inbound.values()):
            channel.close()

    def _part(self, name: str) -> None:
        peer = self._peers.pop(name)
        if peer.task is not None:
            peer.task.cancel()
        if peer.channel is not None:
            peer.channel.close()
        inbound = self._inbound.pop(name, None)
        if inbound is not None:
            inbound.close()

    async def _keep(self, peer: Peer) -> None:
        failures = 0
        while True:
            # Before the dialing and not after it: who is heard of while a dialing fails is dialed again at once.
            peer.wake.clear()
            try:
                await self._converse(peer)
            except ChannelError as fault:
                self._refuse(fault)
                failures += 1
            except (OSError, EOFError, TimeoutError) as fault:
                log.debug("%s is not reached: %s", peer.member.name, fault)
                # Whoever cuts off what it cannot bear does so within a beat, and is not dialed again and again.
                failures = 0 if peer.lasted else failures + 1
            except Exception:  # what was heard met a fault of this node's: the channel ends, and others to come do not
                log.exception("the channel to %s broke", peer.member.name)
                failures += 1
            wait = _WAITS[min(failures, len(_WAITS) - 1)] * random.uniform(0.8, 1.2)  # noqa: S311  # spreading
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(peer.wake.wait(), wait)

    async def _converse(self, peer: Peer) -> None:
        """Hold one channel as long as it lasts, which ends with an error."""
        member, peer.lasted = peer.member, False
        reader, writer = await self._connect(member)
        beating: asyncio.Task[None] | None = None
        try:
            channel = await dial(reader, writer, self._me, member.name, member.verify_key)
            channel.post({**self._ears.greeting(), "first": True})
            peer.channel = channel
            peer.wake.clear()
            loop = asyncio.get_running_loop()
            opened, beating = loop.time(), loop.create_task(self._beat(channel))
            self._ears.opened(member.name, channel.post)
            while True:
                message = await asyncio.wait_for(channel.receive(), _SILENCE)
                peer.lasted = peer.lasted or loop.time() >= opened + BEAT_SECONDS
                self._ears.hear(member.name, message, channel.post)
        finally:
            if beating is not None:
                beating.cancel()
            was_open, peer.channel = peer.channel is not None, None
            writer.close()
            if was_open:
                self._ears.closed(member.name)

    async def _connect(self, member: Member) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        try:
            async with asyncio.timeout(_DIAL_SECONDS):
                return await asyncio.open_connection(str(member.interface6.ip), self._port, local_addr=(self._own6, 0))
        except OSError:
            async with asyncio.timeout(_DIAL_SECONDS):
                return await asyncio.open_connection(str(member.interface4.ip), self._port, local_addr=(self._own4, 0))

    async def _beat(self, channel: Channel) -> None:
        while True:
            await asyncio.sleep(BEAT_SECONDS)
            channel.post(self._ears.greeting())

    async def _welcome(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        channel: Channel | None = None
        try:
            if self._greeting >= _MOST_GUESTS:
                self.refused["crowd"] += 1
                return
            self._greeting += 1
            try:
                channel = await self._answer(reader, writer)
            finally:
                self._greeting -= 1
            before, self._inbound[channel.peer] = self._inbound.get(channel.peer), channel
            if before is not None:
                before.close()
            while True:
                message = await asyncio.wait_for(channel.receive(), _SILENCE)
                self._ears.hear(channel.peer, message, channel.post)
        except ChannelError as fault:
            self._refuse(fault)
        except (EOFError, TimeoutError) as fault:
            if channel is None:
                self.refused["broken-off" if isinstance(fault, EOFError) else "too-slow"] += 1
        except OSError as fault:
            log.debug("a channel broke: %s", fault)
        finally:
            if channel is not None and self._inbound.get(channel.peer) is channel:
                del self._inbound[channel.peer]
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Channel:
        """Let a node in that was of the roster all the while. Raises as `answer` does."""
        found: dict[str, Peer] = {}

        def key_of(name: str) -> VerifyKey | None:
            if name in self._peers:
                found[name] = self._peers[name]
            return found[name].member.verify_key if name in found else None

        channel = await answer(reader, writer, self._me, key_of)
        if self._peers.get(channel.peer) is not found[channel.peer]:
            channel.close()
            raise ChannelError("unknown-node", f"{channel.peer} was withdrawn, or has another key, since it called")
        return channel

    def _refuse(self, fault: ChannelError) -> None:
        self.refused[fault.code] += 1
        if self.refused[fault.code] in (1, 10, 100) or self.refused[fault.code] % 1000 == 0:
            log.warning("refused, %d times so far: %s", self.refused[fault.code], fault)
