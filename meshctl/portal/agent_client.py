"""The only way from the portal to the agent: one JSON line out, one JSON line back.

Connections are kept and reused. A connection that turns out to be dead, because the agent restarted,
is replaced once; every verb may safely be asked twice.
"""

from __future__ import annotations

import queue
import socket
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

from meshctl.history import History, Lines, history, lines
from meshctl.household_data import Mine, export, mine
from meshctl.model import MeshctlError
from meshctl.network_view import NetworkView, network_view
from meshctl.receipt import Receipt, receipt
from meshctl.wire import DeviceView, LineView, WireError, decode_line, device_view, encode_line, line_view

T = TypeVar("T")

REPLY_LIMIT = 512 * 1024
"""Bytes. What the agent says to a portal is below 1 kB, a home's days below 4, all of a home's rows below 100."""


class AgentAway(MeshctlError):  # noqa: N818  # read aloud: "raises AgentAway"
    """The agent did not answer, or not in a way that can be read."""


class Refused(MeshctlError):  # noqa: N818
    """The agent said no; ``code`` is the word for programs, ``seconds`` how long to wait where it says so."""

    def __init__(self, code: str, message: str, seconds: int | None = None) -> None:
        self.code, self.seconds = code, seconds
        super().__init__(message)


class AgentClient:
    """Asks the agent about one client address at a time. May be used from several threads.

    ``seconds`` bounds each wait, long enough for an agent that is just being restarted behind its
    passed socket. ``kept`` is how many idle connections stay open.
    """

    def __init__(self, path: Path | str, seconds: float = 6.0, kept: int = 64) -> None:
        self._path, self._seconds = str(path), seconds
        self._idle: queue.LifoQueue[socket.socket] = queue.LifoQueue(kept)

    def __enter__(self) -> AgentClient:
        return self

    def __exit__(self, kind: type[BaseException] | None, fault: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def device(self, address: str) -> DeviceView:
        """What the device behind that address may know of itself. Raises `AgentAway`, `Refused`."""
        return self._view({"verb": "device", "address": address})

    def join(self, address: str) -> DeviceView:
        """The same, once the kernel lets its packets through. Raises `AgentAway`, `Refused`."""
        return self._view({"verb": "join", "address": address})

    def leave(self, address: str) -> DeviceView:
        """The same, once the kernel stops its packets. Raises `AgentAway`, `Refused`."""
        return self._view({"verb": "leave", "address": address})

    def link(self, address: str, household_pass: str) -> DeviceView:
        """The same, once it belongs to that pass's household. Raises `AgentAway`, `Refused`."""
        return self._view({"verb": "link", "address": address, "pass": household_pass})

    def remember(self, address: str) -> Receipt:
        """The receipt, once the device behind that address will be known again. Raises `AgentAway`, `Refused`."""
        return self._read(receipt, {"verb": "remember", "address": address})

    def forget(self, address: str) -> DeviceView:
        """What a device may know of itself, once it is a visitor everywhere, and not remembered."""
        return self._view({"verb": "forget", "address": address})

    def withdraw(self, address: str, number: str = "") -> None:
        """Nobody remembers that device any more, or with a receipt's number the one that it was given to."""
        more = {"number": number} if number else {}
        self._ask({"verb": "withdraw", "address": address, **more})

    def line(self) -> LineView | None:
        """The line as everybody may see it; ``None`` where the node has none. Raises `AgentAway`, `Refused`."""
        return self._read(line_view, {"verb": "line"})

    def network(self) -> NetworkView:
        """The network as everybody may see it. Raises `AgentAway`, `Refused`."""
        return self._read(network_view, {"verb": "network"})

    def secure_door(self, *, usable: bool, left: float, lifetime: float) -> None:
        """Tell whether phones may be sent to the door of TLS, and for how many seconds of how many.

        Raises `AgentAway`, `Refused`.
        """
        self._ask({"verb": "secure-door", "usable": usable, "left": left, "lifetime": lifetime})

    def lines(self) -> Lines:
        """Where homes' days are kept. Raises `AgentAway`, `Refused`."""
        return self._read(lines, {"verb": "lines"})

    def history(self, address: str, key: Mapping[str, Any]) -> History:
        """The days of the home that ``key`` opens, at this node's line. Raises `AgentAway`, `Refused`."""
        return self._read(history, {"verb": "history", "address": address, **key})

    def mine(self, address: str, key: Mapping[str, Any]) -> Mine:
        """What is kept of the home that ``key`` opens, at all nodes. Raises `AgentAway`, `Refused`."""
        return self._read(mine, {"verb": "mine", "address": address, **key})

    def export(self, address: str, key: Mapping[str, Any]) -> dict[str, Any]:
        """The same as a file to take along. Raises `AgentAway`, `Refused`."""
        return self._read(export, {"verb": "export", "address": address, **key})

    def change_home(self, verb: str, address: str, key: Mapping[str, Any], **words: object) -> None:
        """``verb`` is done: `correct`, `erase` or `erase-cancel`. Raises `AgentAway`, `Refused`."""
        self._ask({"verb": verb, "address": address, **key, **words})

    def close(self) -> None:
        """No idle connection is open."""
        while True:
            try:
                self._idle.get_nowait().close()
            except queue.Empty:
                return

    def _view(self, message: Mapping[str, Any]) -> DeviceView:
        return self._read(device_view, message)

    def _read(self, read: Callable[[Mapping[str, Any]], T], message: Mapping[str, Any]) -> T:
        reply = self._ask(message)
        try:
            return read(reply)
        except WireError as fault:
            raise AgentAway(f"the agent's answer cannot be read: {fault}") from fault

    def _ask(self, message: Mapping[str, Any]) -> dict[str, Any]:
        line = encode_line(message)
        try:
            try:
                reply = self._exchange(self._take(), line)
            except (ConnectionError, EOFError):
                self.close()  # whoever held one end of these has gone
                reply = self._exchange(self._connect(), line)
            table = decode_line(reply)
        except (OSError, EOFError, WireError) as fault:
            raise AgentAway(f"the agent at {self._path} does not answer: {fault or type(fault).__name__}") from fault
        if table.get("ok") is True:
            return table
        error = table.get("error")
        error = error if isinstance(error, Mapping) else {}
        seconds = error.get("seconds")
        raise Refused(
            str(error.get("code", "unknown")),
            str(error.get("message", "the agent said no")),
            seconds if isinstance(seconds, int) else None,
        )

    def _take(self) -> socket.socket:
        try:
            return self._idle.get_nowait()
        except queue.Empty:
            return self._connect()

    def _connect(self) -> socket.socket:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        try:
            connection.settimeout(self._seconds)
            connection.connect(self._path)
        except OSError:
            connection.close()
            raise
        return connection

    def _exchange(self, connection: socket.socket, line: bytes) -> bytes:
        try:
            connection.sendall(line)
            reply = _read_line(connection)
        except BaseException:
            connection.close()
            raise
        try:
            self._idle.put_nowait(connection)
        except queue.Full:
            connection.close()
        return reply


def _read_line(connection: socket.socket) -> bytes:
    reply = bytearray()
    while not reply.endswith(b"\n"):
        piece = connection.recv(8192)
        if not piece:
            raise EOFError("it hung up")
        reply += piece
        if len(reply) > REPLY_LIMIT:
            raise WireError("too-long", f"an answer has at most {REPLY_LIMIT} bytes")
    return bytes(reply)
