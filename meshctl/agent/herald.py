"""Part of the watch: has each router advertisement of our own followed by one that tells where the portal's API is."""

from __future__ import annotations

import logging
import selectors
import socket
from pathlib import Path

from meshctl.agent.advertisement import OWN_FILTER, following, has_option
from meshctl.agent.taps import open_tap
from meshctl.captivity import OPTIONS, uri_in
from meshctl.config import Config

log = logging.getLogger(__name__)

_LOOK_EVERY = 0.5


class Herald:
    """Listens to what leaves by each door, and keeps the last frame that went to everybody. It never waits."""

    def __init__(self, config: Config) -> None:
        self._file = Path(config.paths.run) / OPTIONS
        wanted = bool(config.portal.certificate) or not config.portal.splash
        doors = [access.device for access in config.access] if wanted else []
        self._taps = {open_tap(device, OWN_FILTER, outgoing=True): b"" for device in doors}
        self._uri: str | None = None
        self._look_at = 0.0

    def register(self, selector: selectors.BaseSelector) -> None:
        """Have the selector wake up for what leaves."""
        for tap in self._taps:
            selector.register(tap, selectors.EVENT_READ, self)

    def hear(self, tap: socket.socket) -> None:
        """Follow what has just left."""
        while True:
            try:
                frame = tap.recv(2048)
            except BlockingIOError:
                return
            except OSError as fault:
                log.warning("the tap lost a frame: %s", fault)
                return
            if has_option(frame):
                continue  # ours, or a resolver's that has come to know it
            if frame[0] & 1:
                self._taps[tap] = frame
            self._follow(tap, frame)

    def attend(self, now: float) -> None:
        """Tell everybody soon what came to hold since the last advertisement; ``now`` in monotonic seconds."""
        if now < self._look_at:
            return
        self._look_at = now + _LOOK_EVERY
        uri = self._told() if self._taps else None
        if uri != self._uri:
            self._uri = uri
            for tap, frame in self._taps.items():
                self._follow(tap, frame)

    def _told(self) -> str | None:
        try:
            return uri_in(self._file.read_text(encoding="ascii"))
        except (OSError, ValueError):
            return None

    def _follow(self, tap: socket.socket, frame: bytes) -> None:
        uri = self._told()
        more = following(frame, uri) if uri else None
        if more is None:
            return
        try:
            tap.send(more)
        except OSError as fault:
            log.warning("a router advertisement could not be sent: %s", fault)
