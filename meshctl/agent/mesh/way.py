"""The way to the internet from here: where babeld's routes lead now, and what gateways say of their lines.

What a gateway said is true only while the routes lead to it: one that lost its power says nothing any more, and what
it said last would go on being told.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace

from meshctl.agent.health.babel import survey
from meshctl.agent.mesh.news import Heard, News
from meshctl.config import Config
from meshctl.lists import Roster

LOOK_EVERY = 3.0
"""Seconds between two questions to babeld, about as often as nodes greet each other."""


class WayOut:
    """``gateway`` is the node whose line is used, this one included; ``lost_since`` when the last way out was lost.

    Both are ``None`` where babeld does not answer: then gateways are believed. ``now`` is the monotonic clock.
    """

    def __init__(self, config: Config, roster: Callable[[], Roster], now: Callable[[], float]) -> None:
        self._config, self._roster, self._now = config, roster, now
        self.heard = Heard()
        self.gateway: str | None = None
        self.lost_since: float | None = None
        self._looking: asyncio.Future[None] | None = None

    def begin(self) -> None:
        """Look again and again, where there are routes to look at."""
        if self._config.mesh.devices:
            self._looking = asyncio.ensure_future(self._keep_looking())

    def close(self) -> None:
        """Look no more."""
        if self._looking is not None:
            self._looking.cancel()

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
            await self.look()
            await asyncio.sleep(LOOK_EVERY)
