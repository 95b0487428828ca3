"""Keeps the portal in step, apart from any request: its certificate, and what agent and portal tell each other."""

from __future__ import annotations

import logging
import threading
import time

from meshctl.portal.agent_client import AgentAway, AgentClient, Refused
from meshctl.portal.captive import Captive
from meshctl.portal.certificate import Certificate

log = logging.getLogger("meshctl.portal")

BEAT = 1.0
"""Seconds between two looks at files."""

ASK_EVERY = 2.0
"""Seconds between two questions whether the internet is reached."""

ASK_AGAIN = 0.25
"""The same while it is not: a probe that is hung up on when it is back tells a phone that there is none."""

TELL_EVERY = 20.0
"""Seconds after which the agent is told again, changed or not: it may have restarted."""


class Pulse:
    """Call `beat`, or `run` in a thread of its own. Only that thread looks and asks."""

    def __init__(self, agent: AgentClient, captive: Captive, certificate: Certificate | None) -> None:
        self._agent, self._captive, self._certificate = agent, captive, certificate
        self._told: bool | None = None
        self._tell_at = self._ask_at = 0.0
        self._stop = threading.Event()

    def run(self) -> None:
        """Beat until stopped."""
        while not self._stop.wait(ASK_AGAIN if self._captive.offline else BEAT):
            self.beat(time.time(), time.monotonic())

    def stop(self) -> None:
        """Make `run` return soon."""
        self._stop.set()

    def beat(self, wall: float, monotonic: float) -> None:
        """Look, ask and tell, as far as it is time to."""
        usable = self._certificate is not None and self._certificate.look(wall, monotonic)
        try:
            if self._certificate is not None and (usable != self._told or monotonic >= self._tell_at):
                left, lifetime = self._certificate.left(wall), self._certificate.lifetime
                self._agent.secure_door(usable=usable, left=left, lifetime=lifetime)
                self._told, self._tell_at = usable, monotonic + TELL_EVERY
            if monotonic >= self._ask_at:
                self._ask_at = monotonic + ASK_EVERY
                self._captive.offline = self._agent.network().internet is False
                self._ask_at = monotonic + (ASK_AGAIN if self._captive.offline else ASK_EVERY)
        except (AgentAway, Refused) as fault:
            log.debug("no word from the agent: %s", fault)
            self._told = None
