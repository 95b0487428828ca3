"""The local socket: who is asking (SO_PEERCRED), whether he may, and the answer on one line."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import os
import pwd
import socket
import struct
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from meshctl.agent.kernel import KernelError
from meshctl.agent.members import HARDWARE
from meshctl.agent.pace import Paces
from meshctl.agent.store import StoreError
from meshctl.agent.verbs import Verbs
from meshctl.config import Config, ConfigError
from meshctl.wire import WireError, decode_line, encode_line, failure

log = logging.getLogger(__name__)

_CREDENTIALS = struct.Struct("3i")
_MOST_CONNECTIONS = 256
"""Connections of all that have verbs of their own."""

_MOST_OF_STRANGERS = 16
"""The same of all others on this board, apart: none of them may keep the portal waiting."""

_LINE = 64 * 1024
"""Bytes of one request; replies may be longer."""

_IDLE_SECONDS = 120.0


def roles(config: Config) -> dict[int, str]:
    """Return what each known uid is: root and the agent itself operate, the others have their name's verbs."""
    users = config.users
    known = {_uid(config, "users.watch", users.watch): "watch", _uid(config, "users.portal", users.portal): "portal"}
    return {**known, os.getuid(): "operator", 0: "operator"}


def _uid(config: Config, key: str, name: str) -> int:
    if name.isdigit():
        return int(name)
    try:
        return pwd.getpwnam(name).pw_uid
    except KeyError:
        raise ConfigError(config.file, key, f"there is no user {name!r}", "Create it, or write its number.") from None


class Server:
    """Answers on the socket. Joins that come together are admitted together."""

    def __init__(
        self, verbs: Verbs, callers: dict[int, str], after: Callable[[], None], paces: Paces | None = None
    ) -> None:
        self._verbs, self._callers, self._after, self._paces = verbs, callers, after, paces
        self._waiting: list[tuple[dict[str, Any], asyncio.Future[dict[str, Any]]]] = []
        self._sighted: dict[str, set[str]] = {}
        self._open: Counter[bool] = Counter()  # by whether the caller is known

    async def serve(self, listener: socket.socket) -> asyncio.Server:
        """Begin to answer on a listening unix socket."""
        return await asyncio.start_unix_server(self._connection, sock=listener, limit=_LINE, backlog=512)

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = writer.get_extra_info("socket")
        _, uid, _ = _CREDENTIALS.unpack(peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size))
        known = uid in self._callers
        self._open[known] += 1
        try:
            if self._open[known] > (_MOST_CONNECTIONS if known else _MOST_OF_STRANGERS):
                writer.write(encode_line(failure("busy", "Too many connections at once. Try again.")))
                await writer.drain()
                return
            await self._converse(self._callers.get(uid, "nobody"), reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            log.debug("a caller went away in the middle of a line")
        finally:
            self._open[known] -= 1
            writer.close()

    async def _converse(self, caller: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            try:
                line = await asyncio.wait_for(reader.readline(), _IDLE_SECONDS)
            except TimeoutError:
                return
            except ValueError:
                writer.write(encode_line(failure("too-long", f"A request has at most {_LINE} bytes.")))
                await writer.drain()
                return
            if not line.endswith(b"\n"):
                return
            writer.write(encode_line(await self._answer(caller, line)))
            await writer.drain()

    async def _answer(self, caller: str, line: bytes) -> dict[str, Any]:
        try:
            request = decode_line(line)
            return await self._dispatch(caller, request)
        except WireError as fault:
            return failure(fault.code, str(fault))
        except StoreError as fault:
            return failure("bad-request", str(fault))
        except KernelError as fault:
            log.error("the kernel refused: %s", fault)  # noqa: TRY400  # the text says it all
            return failure("kernel", "This node could not do that just now. It tries again by itself.")

    async def _dispatch(self, caller: str, request: dict[str, Any]) -> dict[str, Any]:
        name = request.get("verb")
        if caller == "portal" and self._paces and (refusal := self._paces.refusal(request)):
            return refusal
        if name == "join" and caller in ("portal", "operator"):
            return await self._join(request)
        if name == "seen" and caller in ("watch", "operator"):
            return self._seen(request)
        slow = self._verbs.slow.get(str(name))
        if slow is not None and caller in slow.callers:
            return await slow.run(request)
        verb = self._verbs.table.get(str(name))
        if verb is None or caller not in verb.callers:
            return failure("forbidden", f"The verb {str(name)[:40]!r} is not for you.")
        reply = verb.run(request)
        self._after()
        return reply

    async def _join(self, request: dict[str, Any]) -> dict[str, Any]:
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[dict[str, Any]] = loop.create_future()
        self._waiting.append((request, answer))
        if len(self._waiting) == 1:
            # Whatever else is readable is read first, so that a crowd costs one change of the kernel.
            loop.call_later(0.002, self._admit)
        return await answer

    def _seen(self, request: dict[str, Any]) -> dict[str, Any]:
        """Gather sightings for a moment, so that a whole street that returns costs one change of the kernel."""
        hardware, address = str(request.get("hardware", "")), request.get("address")
        if not HARDWARE.fullmatch(hardware):
            return failure("bad-request", "hardware is one hardware address in lower case, with colons.")
        if not self._sighted:
            asyncio.get_running_loop().call_later(0.005, self._notice)
        known = self._sighted.setdefault(hardware, set())
        if isinstance(address, str) and is_address(address):
            known.add(address)
        return {"ok": True}

    def _notice(self) -> None:
        sighted, self._sighted = self._sighted, {}
        try:
            self._verbs.seen(sighted)
            self._after()
        except KernelError as fault:
            log.error("the kernel refused: %s", fault)  # noqa: TRY400  # the next turn brings them

    def _admit(self) -> None:
        batch, self._waiting = self._waiting, []
        try:
            replies = self._verbs.join([request for request, _ in batch])
            self._after()
            for (_, answer), reply in zip(batch, replies, strict=True):
                if not answer.done():
                    answer.set_result(reply)
        except (WireError, KernelError) as fault:
            for request, answer in batch:
                self._admit_alone(request, answer, fault, alone=len(batch) == 1)
        finally:
            # What nobody foresaw is for the loop to log; who asked is hung up on, and does not wait for ever.
            for _, answer in batch:
                answer.cancel()

    def _admit_alone(
        self, request: dict[str, Any], answer: asyncio.Future[dict[str, Any]], fault: Exception, *, alone: bool
    ) -> None:
        """One bad request must not spoil the others: try each by itself."""
        if answer.done():
            return
        try:
            if alone:
                raise fault
            answer.set_result(self._verbs.join([request])[0])
        except (WireError, KernelError) as own:
            answer.set_exception(own)


def is_address(text: str) -> bool:
    """Say whether a text is one IP address."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def unix_listener(path: Path) -> socket.socket:
    """Listen on a fresh unix socket that everybody may connect to; who may do what is decided by uid."""
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(str(path))
    path.chmod(0o666)
    listener.listen(512)
    return listener
