"""The way to the internet from here: where babeld's routes lead now, and what gateways say of their lines.

What a gateway said is true only while the routes lead to it: one that lost its power says nothing any more, and what
it said last would go on being told.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import replace

from meshctl.agent.health.babel import survey
from meshctl.agent.mesh.changes import ways_out
from meshctl.agent.mesh.news import Heard, News
from meshctl.config import Config
from meshctl.lists import Roster

LOOK_EVERY = 3.0
"""Seconds after which babeld is asked also if it said nothing of a change, about as often as nodes greet each other."""

_PAUSE = 0.2
"""Seconds between two questions at least: routes that are being found change many times."""

_LISTEN_AGAIN = 0.5
"""Seconds after which babeld is listened to again once it hung up."""


class WayOut:
    """``gateway`` is the node whose line is used, this one included; ``lost_since`` when the last way out was lost.

    Both are ``None`` where babeld does not answer: then gateways are believed. ``now`` is the monotonic clock.
    """

    def __init__(self, config: Config, roster: Callable[[], Roster], now: Callable[[], float]) -> None:
        self._config, self._roster, self._now = config, roster, now
        self.heard = Heard()
        self.gateway: str | None = None
        self.lost_since: float | None = None
        self._changed = asyncio.Event()
        self._tasks: tuple[asyncio.Future[None], ...] = ()

    def begin(self) -> None:
        """Look at every change and again and again, where there are routes to look at."""
        if self._config.mesh.devices:
            self._tasks = (asyncio.ensure_future(self._keep_looking()), asyncio.ensure_future(self._keep_listening()))

    def close(self) -> None:
        """Look no more."""
        for task in self._tasks:
            task.cancel()

    async def look(self) -> None:
        """Ask babeld once."""
        answers, around = await survey(self._config.mesh.babel_port, self._roster(), self._config.node.name)
        self.gateway = around.gateway
        if around.leads_out or not answers.ok:
            self.lost_since = None
        elif self.lost_since is None:
            self.lost_since = self._now()

    def line(self) -> News | None:
        """Return what the gateway in use says of its line; ``None`` where none says anything, or it is this node."""
        if self.gateway == self._config.node.name:
            return None
        news = self.heard.in_use(self.gateway, self._now())
        if news is None or self.lost_since is None:
            return news
        return replace(news, view=replace(news.view, uplink=False))

    async def _keep_looking(self) -> None:
        while True:
            self._changed.clear()
            await self.look()
            await asyncio.sleep(_PAUSE)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_EVERY):
                    await self._changed.wait()

    async def _keep_listening(self) -> None:
        while True:
            # Why babeld cannot be heard is said where it is asked: every look and every report does.
            with contextlib.suppress(OSError, ValueError):
                async with contextlib.aclosing(ways_out(self._config.mesh.babel_port)) as changes:
                    async for _ in changes:
                        self._changed.set()
            await asyncio.sleep(_LISTEN_AGAIN)
