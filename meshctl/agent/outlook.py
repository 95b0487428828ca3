"""How the network is doing as seen from here: the verb `network`, and what is noted of it each turn."""

from __future__ import annotations

import asyncio

from meshctl.agent.clock import Clock
from meshctl.agent.internet import Internet
from meshctl.agent.mesh.node import Mesh
from meshctl.agent.outages import Missed, Outages
from meshctl.agent.replies import Reply, Request, yes
from meshctl.agent.verbs import Verb
from meshctl.agent.views import Views
from meshctl.config import Config
from meshctl.network_view import Box, NetworkView
from meshctl.wire import Fact

_UNKNOWN = 60.0
"""Seconds after a start in which it is not known yet whether another box's line works."""

_INTERNET: Missed = ("internet", "")


class Outlook:
    """Says whether the line that people here use works, and which other boxes are reached."""

    def __init__(self, config: Config, views: Views, mesh: Mesh | None, outages: Outages, clock: Clock) -> None:
        self._config, self._views, self._mesh, self._clock = config, views, mesh, clock
        self.outages = outages
        self._began = clock.read().monotonic
        self._internet = Internet(config, lambda: clock.read().monotonic) if config.line else None
        self._asking: asyncio.Task[None] | None = None
        if self._internet is not None:
            views.line_works = lambda: self._internet is not None and self._internet.works

    def table(self) -> dict[str, Verb]:
        """Return the verbs."""
        return {"network": Verb(frozenset({"portal", "operator"}), self._network)}

    def facts(self) -> dict[str, Fact]:
        """Return what a report says of the line beyond its cable; empty while it works."""
        return self._internet.facts() if self._internet is not None else {}

    def ills(self) -> dict[str, str]:
        """Return what `meshctl status` says of the internet while it is down; empty while it works or nobody knows."""
        if self._works() is not False:
            return {}
        since = self.outages.since(_INTERNET, self._clock.read())
        how_long = (
            "" if since is None else f" for {since / 60:.0f} minutes" if since >= 90 else f" for {since:.0f} seconds"
        )
        remedy = "No route leads to a gateway: look at its power and at the links on the way there."
        if self._internet is not None or (self._mesh is not None and self._mesh.way.lost_since is None):
            remedy = "The line in use leads nowhere: look at its cable and its modem."
        return {"internet": f"It is not reached from here{how_long}. {remedy}"}

    def turn(self) -> None:
        """Note what is missed now, and ask again whether the internet is there."""
        clock = self._clock.read()
        self.outages.note(self._missed(clock.monotonic), clock)
        if self._internet is not None:
            self._asking = asyncio.ensure_future(self._internet.ask())

    def close(self) -> None:
        """Ask no more."""
        if self._asking is not None:
            self._asking.cancel()
        if self._internet is not None:
            self._internet.close()

    def _works(self) -> bool | None:
        line = self._views.line()
        if line is not None:
            return line.uplink
        early = self._clock.read().monotonic - self._began < _UNKNOWN
        # Routes that lead to a gateway whose agent says nothing may well work: nobody knows.
        return None if early or self._mesh is None or self._mesh.way.gateway is not None else False

    def _missed(self, now: float) -> dict[Missed, float]:
        missed: dict[Missed, float] = {_INTERNET: self._lost_since(now)} if self._works() is False else {}
        return missed | {("box", name): now for name, up in self._up().items() if not up}

    def _lost_since(self, now: float) -> float:
        """Return since when nothing leads out, as far as it is known: from the moment on that the last way ended."""
        own = self._internet.silent_since if self._internet is not None else None
        way = self._mesh.way.lost_since if self._mesh is not None else None
        return max((one for one in (own, way) if one is not None), default=now)

    def _up(self) -> dict[str, bool]:
        return self._mesh.sessions.up() if self._mesh else {}

    def _network(self, request: Request) -> Reply:  # noqa: ARG002  # every verb takes the request
        clock, own = self._clock.read(), self._config.node.name
        roster = self._mesh.lists.roster if self._mesh else None
        up = self._up()
        others = (
            tuple(Box(one.name, one.gateway, up[one.name]) for one in roster.members if one.name in up)
            if roster
            else ()
        )
        internet = self._works()
        since = self.outages.since(_INTERNET, clock) if internet is False else None
        boxes = (Box(own, bool(self._config.line), up=True), *others)
        return yes("network", NetworkView(own, boxes, internet, since, self.outages.told(clock)))
