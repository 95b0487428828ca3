"""A small honest agent: the portal's verbs on a real unix socket, truth in memory."""

from __future__ import annotations

import ipaddress
import socketserver
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from meshctl.history import Lines
from meshctl.network_view import Box, NetworkView
from meshctl.quota.explain import Explanation
from meshctl.receipt import Receipt
from meshctl.wire import DeviceView, LineView, PauseView, Slice, WireError, as_table, decode_line, encode_line, failure
from tests.portal.fake_homes import GOOD_PASS, TRIES, VERBS, FakeHome


class FakeAgent:
    """Knows the devices in ``seen``; anything else is an unknown device. ``asked`` lists all requests."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.seen: dict[str, str] = {}
        self.asked: list[dict[str, Any]] = []
        self.homes, self.guests, self.busy, self.uplink, self.has_line = 12, 3, 0.4, True, True
        self.pause: PauseView | None = None
        self.home = FakeHome()
        self.others: tuple[str, ...] = ()
        self.network = NetworkView("elm-1", (Box("elm-1", line=True, up=True),), internet=True)
        self.refusal: tuple[str, str] | None = None
        self.raw_reply: bytes | None = None
        self.before_join: Callable[[], None] = lambda: None
        self.standing: Explanation | None = None
        self.remembered: float | None = None
        self._server: _Server | None = None

    def start(self) -> None:
        self.path.unlink(missing_ok=True)
        self._server = _Server(self)
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def stop(self) -> None:
        if self._server:
            self._server.shutdown()
            self._server.server_close()
            self._server.hang_up()
            self._server = None
        self.path.unlink(missing_ok=True)

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        self.asked.append(request)
        if self.refusal:
            return failure(*self.refusal)
        if request == {"verb": "line"}:
            return {"ok": True, "line": as_table(self._line()) if self.has_line else None}
        if request == {"verb": "network"}:
            return {"ok": True, "network": as_table(self.network)}
        if request.get("verb") == "secure-door" and isinstance(request.get("usable"), bool):
            return {"ok": True}
        if request == {"verb": "lines"}:
            return {"ok": True, "lines": as_table(Lines(self.has_line, self.others))}
        verbs = {
            "device": self._device,
            "join": self._join,
            "leave": self._leave,
            "link": self._link,
            "remember": self._remember,
            "forget": self._forget,
            "withdraw": self._withdraw,
        }
        expected = {"verb", "address", "pass"} if request.get("verb") == "link" else {"verb", "address"}
        given = set(request) - ({"number"} if request.get("verb") == "withdraw" else set())
        if request.get("verb") not in VERBS and (request.get("verb") not in verbs or given != expected):
            return failure("bad-request", "a verb and its fields")
        try:
            ipaddress.ip_address(request["address"])
        except ValueError:
            return failure("bad-request", "address is an IPv4 or IPv6 address")
        if request["address"] not in self.seen:
            return failure("unknown-device", "no device is seen behind that address")
        return self.home.answer(request) if request["verb"] in VERBS else verbs[request["verb"]](request)

    def _device(self, request: dict[str, Any]) -> dict[str, Any]:
        state = self.seen[request["address"]]
        down = None if state == "visitor" or not self.has_line else Slice(4.1e6, 20e6, 1_234_567_890)
        up = None if state == "visitor" or not self.has_line else Slice(512e3, 5e6, 98_700_000)
        view = DeviceView(
            state=state,  # type: ignore[arg-type]
            household="7KQ2" if state == "household" else None,
            expires_in=None if state == "visitor" else 86_000.0,
            homes=self.homes,
            guests=self.guests,
            down=down,
            up=up,
            standing=self.standing if state == "household" else None,
            pause=self.pause,
            remembered=self.remembered,
        )
        return {"ok": True, "device": as_table(view)}

    def _join(self, request: dict[str, Any]) -> dict[str, Any]:
        self.before_join()
        if self.seen[request["address"]] == "visitor" and not self.pause:
            self.seen[request["address"]] = "guest"
        return self._device(request)

    def _leave(self, request: dict[str, Any]) -> dict[str, Any]:
        self.seen[request["address"]] = "visitor"
        return self._device(request)

    def _link(self, request: dict[str, Any]) -> dict[str, Any]:
        if refusal := self._refusal(request):
            return refusal
        if not self.pause:
            self.seen[request["address"]] = "household"
        return self._device(request)

    def _remember(self, request: dict[str, Any]) -> dict[str, Any]:
        if self.pause or self.seen[request["address"]] == "visitor":
            return failure("not-joined", "join first")
        self.remembered = 90 * 86_400.0
        receipt = Receipt("7KQ2-M9XD-0TTR", "remember", 1, 1_795_000_000.0, self.remembered)
        return {**self._device(request), "receipt": as_table(receipt)}

    def _forget(self, request: dict[str, Any]) -> dict[str, Any]:
        self.remembered = None
        return self._leave(request)

    def _withdraw(self, request: dict[str, Any]) -> dict[str, Any]:
        if len(request.get("number", "7KQ2-M9XD-0TTR")) != 14:
            return failure("unreadable", "twelve letters and figures")
        self.remembered = None
        return {"ok": True}

    def _refusal(self, request: dict[str, Any]) -> dict[str, Any] | None:
        if self.home.wrong >= TRIES:
            return failure("too-many-tries", "wait ten minutes")
        if request["pass"] != GOOD_PASS:
            self.home.wrong += 1
            return failure("wrong-pass", "no household has this pass")
        return None

    def _line(self) -> LineView:
        return LineView("uplink", 20.0, 5.0, self.homes, self.guests, 4.1, self.busy, self.uplink)


class _Server(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True
    request_queue_size = 512  # as the agent's own: with fewer a burst of connections is refused

    def __init__(self, agent: FakeAgent) -> None:
        self.agent = agent
        self.open: set[Any] = set()
        super().__init__(str(agent.path), _Conversation)

    def hang_up(self) -> None:
        for connection in list(self.open):
            with suppress(OSError):  # its own thread may be closing it
                connection.shutdown(2)


class _Conversation(socketserver.StreamRequestHandler):
    server: _Server

    def handle(self) -> None:
        self.server.open.add(self.request)
        try:
            for line in self.rfile:
                self.wfile.write(self._reply(line))
        finally:
            self.server.open.discard(self.request)

    def _reply(self, line: bytes) -> bytes:
        agent = self.server.agent
        try:
            reply = encode_line(agent.answer(decode_line(line)))
        except WireError as fault:
            reply = encode_line(failure("bad-request", str(fault)))
        return reply if agent.raw_reply is None else agent.raw_reply
