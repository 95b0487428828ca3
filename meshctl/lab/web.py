"""The internet's servers: web on 80 and 443, and a UDP echo on port 7 (RFC 862).

``/bytes/N`` is N known bytes, `POST /sink` takes any number and counts them, `/address` says who
asks; everything else is a probe or a friendly page.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import sys
from http import HTTPStatus

from meshctl.lab.probes import Reply, reply_to
from meshctl.service import listen_tcp, notify

PERIOD = 251
_PIECE = bytes(range(PERIOD)) * 1044
MOST_BYTES = 1 << 40
_HEAD_LIMIT = 16 * 1024
_IDLE = 60.0
ECHO_PORT = 7


def known_bytes(start: int, length: int) -> bytes:
    """That stretch of what ``/bytes/N`` serves: the byte at offset i is i mod 251."""
    shift = start % PERIOD
    return (bytes(range(PERIOD)) * ((length + shift) // PERIOD + 1))[shift : shift + length]


class Conversation:
    """One connection: requests and replies until either side has had enough."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def hold(self) -> None:
        """Answer requests until the connection ends."""
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, TimeoutError, ssl.SSLError):
            while await self._one():
                pass
        self.writer.close()
        with contextlib.suppress(ConnectionError, ssl.SSLError, TimeoutError):
            await self.writer.wait_closed()

    async def _one(self) -> bool:
        async with asyncio.timeout(_IDLE):
            try:
                head = await self.reader.readuntil(b"\r\n\r\n")
            except asyncio.LimitOverrunError:
                return False
        first, *rest = head.decode("latin-1").split("\r\n")
        method, target, version = (*first.split(" "), "", "", "")[:3]
        fields = {k.strip().lower(): v.strip() for k, _, v in (line.partition(":") for line in rest)}
        received = await self._body(fields)
        keep = version == "HTTP/1.1" and fields.get("connection", "").lower() != "close"
        path = target.split("?", 1)[0]
        if method in ("GET", "HEAD") and path.startswith("/bytes/") and path[7:].isdigit():
            await self._bytes(min(int(path[7:]), MOST_BYTES), with_body=method == "GET", keep=keep)
        else:
            self._reply(self._answer(method, fields.get("host", ""), path, received), method != "HEAD", keep=keep)
            await self.writer.drain()
        return keep

    async def _body(self, fields: dict[str, str]) -> int:
        if fields.get("expect", "").lower() == "100-continue":
            self.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        if fields.get("transfer-encoding", "").lower() == "chunked":
            total = 0
            while size := int((await self.reader.readuntil(b"\r\n")).split(b";")[0], 16):
                await self._swallow(size + 2)
                total += size
            await self.reader.readuntil(b"\r\n")
            return total
        length = fields.get("content-length", "0")
        return await self._swallow(int(length)) if length.isdigit() else 0

    async def _swallow(self, length: int) -> int:
        left = length
        while left:
            piece = await self.reader.read(min(left, 1 << 18))
            if not piece:
                raise ConnectionError("it ended early")
            left -= len(piece)
        return length

    async def _bytes(self, length: int, *, with_body: bool, keep: bool) -> None:
        self._head(200, "application/octet-stream", length, keep=keep)
        sent = 0
        while with_body and sent < length:
            # Every full piece begins at a multiple of the period, so pieces are all the same.
            piece = _PIECE if length - sent >= len(_PIECE) else _PIECE[: length - sent]
            self.writer.write(piece)
            sent += len(piece)
            await self.writer.drain()

    def _answer(self, method: str, host: str, path: str, received: int) -> Reply:
        if method == "POST":
            return Reply(200, f'{{"received": {received}}}\n'.encode(), "application/json")
        if path == "/address":
            return Reply(200, f"{self.writer.get_extra_info('peername')[0]}".removeprefix("::ffff:").encode() + b"\n")
        if method not in ("GET", "HEAD"):
            return Reply(405, b"GET, HEAD or POST\n")
        return reply_to(host, path)

    def _reply(self, reply: Reply, with_body: bool, *, keep: bool) -> None:
        self._head(reply.status, reply.kind, len(reply.body), keep=keep)
        if with_body and reply.body:
            self.writer.write(reply.body)

    def _head(self, status: int, kind: str, length: int, *, keep: bool) -> None:
        lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}", "Cache-Control: no-store"]
        if status != HTTPStatus.NO_CONTENT:
            lines += [f"Content-Type: {kind}", f"Content-Length: {length}"]
        lines += ["Connection: keep-alive" if keep else "Connection: close", "", ""]
        self.writer.write("\r\n".join(lines).encode())


def echo_all(channel: socket.socket) -> None:
    """Send every datagram that waits back to where it came from."""
    while True:
        try:
            words, sender = channel.recvfrom(65536)
            channel.sendto(words, sender)
        except OSError:
            return


async def _hold(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await Conversation(reader, writer).hold()


async def serve(
    plain: socket.socket, secure: socket.socket, echoes: list[socket.socket], context: ssl.SSLContext
) -> None:
    """Serve on these sockets for ever."""
    for echo in echoes:
        asyncio.get_running_loop().add_reader(echo, echo_all, echo)
    web = await asyncio.start_server(_hold, sock=plain, limit=_HEAD_LIMIT * 16)
    safe = await asyncio.start_server(_hold, sock=secure, ssl=context, limit=_HEAD_LIMIT * 16)
    notify("READY=1")
    await asyncio.gather(web.serve_forever(), safe.serve_forever())


def main(certificate: str, key: str, *addresses: str) -> None:
    """Bind and serve; the echo answers from each of ``addresses``, as a client that asked it expects."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    echoes = []
    for address in addresses:
        echo = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
        echo.settimeout(0)
        echo.bind((address, ECHO_PORT))
        echoes.append(echo)
    asyncio.run(serve(listen_tcp("::", 80), listen_tcp("::", 443), echoes, context))


if __name__ == "__main__":
    main(*sys.argv[1:])
