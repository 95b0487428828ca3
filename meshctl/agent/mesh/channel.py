"""An encrypted, mutually authenticated channel between two agents, over any byte stream.

Both sides make a fresh X25519 key for each channel and sign both keys and both names with their
node's Ed25519 key (the signed Diffie-Hellman of SIGMA, Krawczyk 2003); what follows is libsodium's
secretstream (XChaCha20-Poly1305). So a recorded channel cannot be played again, tells nothing even to
who later seizes a node's key, and needs neither a clock nor a counter that survives a power cut.

    dialer → listener   MAGIC, length of name, name, fresh key (32)
    listener → dialer   fresh key (32), signature (64), stream header (24)
    dialer → listener   signature (64), stream header (24)
    either way          length (4, big-endian), sealed message
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from nacl import bindings
from nacl.exceptions import BadSignatureError, CryptoError
from nacl.signing import SigningKey, VerifyKey

from meshctl.model import MeshctlError

Message = dict[str, Any]

MAGIC = b"meshctl1"
FRAME_LIMIT = 4 << 20
"""Bytes of one sealed message: a roll of 5,000 households fits several times."""

BACKLOG_LIMIT = 8 << 20
"""Bytes that may wait for a peer that reads slowly before it counts as gone."""

_SHAKE_SECONDS = 5.0
_HEADER = bindings.crypto_secretstream_xchacha20poly1305_HEADERBYTES
_SEAL = bindings.crypto_secretstream_xchacha20poly1305_ABYTES


class ChannelError(MeshctlError):
    """The other side is not who it must be, or said what nobody may; ``code`` is a word for counters."""

    def __init__(self, code: str, message: str) -> None:
        self.code = code
        super().__init__(message)


@dataclass(frozen=True)
class Identity:
    """Who this node is."""

    name: str
    key: SigningKey


class Channel:
    """Sends and receives messages, each a JSON object."""

    def __init__(
        self, peer: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, send_key: bytes, read_key: bytes
    ) -> None:
        self.peer = peer
        self._reader, self._writer = reader, writer
        self._push = bindings.crypto_secretstream_xchacha20poly1305_state()
        self._pull = bindings.crypto_secretstream_xchacha20poly1305_state()
        self._send_key, self._read_key = send_key, read_key

    def begin(self) -> bytes:
        """Return the header that the other side needs to read what this side will send."""
        return bytes(bindings.crypto_secretstream_xchacha20poly1305_init_push(self._push, self._send_key))

    def follow(self, header: bytes) -> None:
        """Take the other side's header."""
        bindings.crypto_secretstream_xchacha20poly1305_init_pull(self._pull, header, self._read_key)

    def post(self, message: dict[str, Any]) -> None:
        """Send a message without waiting; a peer that does not read is cut off."""
        plain = json.dumps(message, separators=(",", ":")).encode()
        sealed = bindings.crypto_secretstream_xchacha20poly1305_push(self._push, plain)
        self._writer.write(len(sealed).to_bytes(4, "big") + sealed)
        if self._writer.transport.get_write_buffer_size() > BACKLOG_LIMIT:
            self._writer.transport.abort()

    async def receive(self) -> dict[str, Any]:
        """Return the next message. Raises `ChannelError`, or `OSError`/`EOFError` when the peer went away."""
        length = int.from_bytes(await self._reader.readexactly(4), "big")
        if not _SEAL <= length <= FRAME_LIMIT:
            raise ChannelError("oversized", f"{self.peer} announced a message of {length} bytes")
        sealed = await self._reader.readexactly(length)
        try:
            plain, _ = bindings.crypto_secretstream_xchacha20poly1305_pull(self._pull, sealed)
        except (CryptoError, RuntimeError, ValueError):
            raise ChannelError("forged", f"a message of {self.peer} was changed on its way") from None
        try:
            message = json.loads(plain)
        except (ValueError, RecursionError):
            message = None
        if not isinstance(message, dict):
            raise ChannelError("garbage", f"{self.peer} sent a message that is no JSON object")
        return message

    def close(self) -> None:
        """End the channel."""
        self._writer.close()


async def dial(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, me: Identity, peer: str, key: VerifyKey
) -> Channel:
    """Open a channel to the node ``peer`` whose key is ``key``. Raises `ChannelError`, `OSError`, `EOFError`."""
    public, secret = bindings.crypto_kx_keypair()
    name = me.name.encode()
    writer.write(MAGIC + bytes([len(name)]) + name + public)
    async with asyncio.timeout(_SHAKE_SECONDS):
        answer = await reader.readexactly(32 + 64 + _HEADER)
    theirs, signature, header = answer[:32], answer[32:96], answer[96:]
    script = _script(me.name, peer, public, theirs)
    _check(key, b"listener" + script, signature, peer)
    read_key, send_key = _session(bindings.crypto_kx_client_session_keys, public, secret, theirs)
    channel = Channel(peer, reader, writer, send_key, read_key)
    channel.follow(header)
    writer.write(me.key.sign(b"dialer" + script).signature + channel.begin())
    return channel


async def answer(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, me: Identity, find: Callable[[str], VerifyKey | None]
) -> Channel:
    """Let a node in whose key ``find`` knows. Raises `ChannelError`, `OSError`, `EOFError`."""
    async with asyncio.timeout(_SHAKE_SECONDS):
        opening = await reader.readexactly(len(MAGIC) + 1)
        if opening[:-1] != MAGIC or not 1 <= opening[-1] <= 32:
            raise ChannelError("garbage", "that is no greeting of an agent")
        rest = await reader.readexactly(opening[-1] + 32)
        try:
            peer = rest[:-32].decode("ascii")
        except UnicodeDecodeError:
            raise ChannelError("garbage", "that is no node's name") from None
        key = find(peer)
        if key is None:
            raise ChannelError("unknown-node", f"the roster has no node {peer!r}")
        public, secret = bindings.crypto_kx_keypair()
        script = _script(peer, me.name, rest[-32:], public)
        read_key, send_key = _session(bindings.crypto_kx_server_session_keys, public, secret, rest[-32:])
        channel = Channel(peer, reader, writer, send_key, read_key)
        writer.write(public + me.key.sign(b"listener" + script).signature + channel.begin())
        proof = await reader.readexactly(64 + _HEADER)
    _check(key, b"dialer" + script, proof[:64], peer)
    channel.follow(proof[64:])
    return channel


def _script(dialer: str, listener: str, dialed: bytes, listened: bytes) -> bytes:
    names = b"".join(bytes([len(name)]) + name.encode() for name in (dialer, listener))
    return MAGIC + names + dialed + listened


def _check(key: VerifyKey, script: bytes, signature: bytes, peer: str) -> None:
    try:
        key.verify(script, signature)
    except (BadSignatureError, ValueError):
        raise ChannelError("bad-signature", f"that is not {peer}, or an old recording of it") from None


def _session(derive: Callable[..., tuple[bytes, bytes]], public: bytes, secret: bytes, theirs: bytes) -> Any:
    try:
        return derive(public, secret, theirs)
    except (CryptoError, RuntimeError, ValueError):
        raise ChannelError("garbage", "the other side's key is none") from None
