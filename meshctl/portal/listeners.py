"""The portal's doors, served by waitress: its own pages, and where visitors' requests end up.

All share one loop. The captive door has a worker of its own and stops accepting earlier, so a crowd
of probing phones never takes the place of somebody who is joining. One client address gets a bounded
number of connections, whatever it sends.
"""

from __future__ import annotations

import logging
import socket
import threading
import time
from collections.abc import Sequence
from typing import Any

from waitress import wasyncore
from waitress.adjustments import Adjustments
from waitress.task import ErrorTask, Task, ThreadedTaskDispatcher

from meshctl.portal.captive import Captive
from meshctl.portal.parsing import StrictRequest
from meshctl.portal.patience import PatientChannel, PatientDoor

WORKERS = 64
"""Threads that mostly wait for the agent: as many people as join together, it admits together."""

PORTAL_CONNECTIONS = 448
"""Open connections, of both doors, at which the portal's own door waits; below a service's 1,024 files."""

CAPTIVE_CONNECTIONS = 256
"""The same for the captive door."""

_SETTINGS: dict[str, Any] = {
    "ident": None,  # no Server header
    "backlog": 512,
    "asyncore_use_poll": True,
    "max_request_header_size": 16 * 1024,
    "max_request_body_size": 16 * 1024,  # the pages refuse above 4 kB in their own words
    "recv_bytes": 16 * 1024,
}

_PLAIN = (
    b'<!doctype html><html lang="en"><meta name="viewport" content="width=device-width">'
    b"<title>That did not work</title><h1>That did not work</h1>"
    b'<p>This page could not read what was sent. <a href="/">Start again</a></p>\n'
)

_SHUT = (
    ("Cache-Control", "no-store"),
    ("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'"),
    ("Referrer-Policy", "same-origin"),
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "DENY"),
)
"""What says that nothing may be kept of an answer, and that it may do nothing."""


class OneAnswer(Task):  # type: ignore[misc]  # waitress ships no types
    """Gives the door's one answer, or hangs up, well-formed request or not, and closes the connection.

    The next request of this client may belong to the real internet. An application cannot ask for
    that (PEP 3333 forbids it the ``Connection`` header), a task can.
    """

    complete = True
    silent = False

    def execute(self) -> None:
        """Send the answer; a HEAD request gets its head."""
        captive: Captive = self.channel.server.captive
        answer = captive.answer(self.request.headers.get("ACCEPT", ""))
        if answer is None:
            self.silent = True
            self.set_close_on_finish()
            return
        self.status = answer.status
        self.response_headers = list(answer.headers)
        self.content_length = len(answer.body)
        self.request.headers["CONNECTION"] = "close"
        self.write(b"" if getattr(self.request, "command", "") == "HEAD" else answer.body)

    def finish(self) -> None:
        """Send what is still to be sent: nothing to whom nothing is said."""
        if not self.silent:
            super().finish()


class PlainRefusal(ErrorTask):  # type: ignore[misc]
    """What is not HTTP, or too large, is refused in plain words."""

    def execute(self) -> None:
        """Send the refusal and close."""
        fault = self.request.error
        self.status = f"{fault.code} {fault.reason}"
        self.response_headers += [("Content-Type", "text/html; charset=utf-8"), *_SHUT]
        self.set_close_on_finish()
        self.content_length = len(_PLAIN)
        self.write(_PLAIN)


class Channel(PatientChannel):
    """One connection of a neighbour."""

    parser_class = StrictRequest
    error_task_class = PlainRefusal


class CaptiveChannel(Channel):
    """One connection that was on its way elsewhere. Malformed or not, the answer is the same."""

    task_class = OneAnswer
    error_task_class = OneAnswer


class _PortalDoor(PatientDoor):
    channel_class = Channel


class _CaptiveDoor(PatientDoor):
    channel_class = CaptiveChannel
    captive: Captive


class Listeners:
    """Both doors, open from the start; `run` serves until `stop`."""

    def __init__(
        self,
        portal: Any,
        captive: Captive,
        portal_sockets: Sequence[socket.socket],
        captive_sockets: Sequence[socket.socket],
    ) -> None:
        logging.getLogger("waitress.queue").setLevel(logging.ERROR)  # a short queue is no fault
        self._map: dict[int, Any] = {}
        self._stopping = False
        self._told = threading.Event()
        self._workers = ThreadedTaskDispatcher()
        self._workers.set_thread_count(WORKERS)
        self._captive_worker = ThreadedTaskDispatcher()
        self._captive_worker.set_thread_count(1)
        self._doors = [
            self._open(_PortalDoor, portal, one, self._workers, PORTAL_CONNECTIONS) for one in portal_sockets
        ]
        for one in captive_sockets:
            door = self._open(_CaptiveDoor, captive, one, self._captive_worker, CAPTIVE_CONNECTIONS)
            door.captive = captive
            self._doors.append(door)

    def add(self, door: type[Any], application: Any, listener: socket.socket, connections: int, scheme: str) -> Any:
        """Open one more door of the same pages, before `run`; its requests came by ``scheme``."""
        added = self._open(door, application, listener, self._workers, connections, url_scheme=scheme)
        self._doors.append(added)
        return added

    def run(self) -> None:
        """Serve until `stop` is called, then finish what was begun, for two seconds or as long as the agent takes."""
        while not self._stopping:
            wasyncore.loop(timeout=1.0, use_poll=True, map=self._map, count=1)
        # Whoever told it may not be through the trigger yet, which is closed below.
        self._told.wait()
        for door in self._doors:
            door.accepting = False
        until = time.monotonic() + 2.0
        while self._is_working() and time.monotonic() < until:
            wasyncore.loop(timeout=0.05, use_poll=True, map=self._map, count=1)
        self._workers.shutdown(timeout=7)  # longer than anybody waits for the agent
        self._captive_worker.shutdown(timeout=1)
        wasyncore.close_all(self._map)

    def stop(self) -> None:
        """Make `run` return. May be called from a signal or another thread."""
        if not self._stopping:
            self._stopping = True
            self._doors[0].pull_trigger()
            self._told.set()

    def _is_working(self) -> bool:
        return any(
            channel.requests or channel.total_outbufs_len
            for door in self._doors
            for channel in list(door.active_channels.values())
        )

    def _open(
        self, door: Any, application: Any, listener: socket.socket, workers: Any, connections: int, **more: str
    ) -> Any:
        settings = Adjustments(**_SETTINGS, connection_limit=connections, **more)
        listener_of = (listener.family, listener.type, listener.proto, listener.getsockname())
        return door(
            application,
            map=self._map,
            _start=True,
            _sock=listener,
            dispatcher=workers,
            adj=settings,
            bind_socket=False,
            sockinfo=listener_of,
        )
