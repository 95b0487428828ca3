"""What this node offers other nodes the way to, in a table of its own that babeld reads and nothing is forwarded by.

babeld could read the main table itself and leave out what its configuration denies. Before 1.12.2 it then takes the
wrong prefix back whenever a denied route sorts before what was lost (xroute.c, check_xroutes), as a line's own IPv6
prefix does: for up to half a minute others go on sending what is theirs to a gateway without a line, and the gateway
itself does not find the way over another. In this table nothing is denied.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import logging
from collections.abc import Iterable

from meshctl.agent.routes import MAIN, Network, Route, RouteEvents, put_route, read_routes, take_route
from meshctl.agent.services import OFFERED
from meshctl.config import Config

log = logging.getLogger(__name__)

PROTOCOL = 67
"""Who made these routes, as ``ip route`` shows it: a number that no program known to iproute2 has."""

_LOOK_EVERY = 10.0
"""Seconds after which the table is looked at also when nothing was heard."""

_PAUSE = 0.05
"""Seconds between two looks at least: a line that comes up changes many routes."""

_EVERYWHERE = (ipaddress.IPv4Network("0.0.0.0/0"), ipaddress.IPv6Network("::/0"))


def offered(config: Config, main: Iterable[Route]) -> dict[Network, str]:
    """Return device by network: of these routes, the prefixes of neighbours and the ways out over a line that works.

    A bridge without any phone carries nothing either, and its prefix is offered all the same.
    """
    own: dict[Network, str] = {}
    for access in config.access:
        own |= {access.interface4.network: access.device, access.interface6.network: access.device}
    lines = {line.device for line in config.line}
    return {
        route.network: route.device
        for route in main
        if own.get(route.network) == route.device
        or (route.network in _EVERYWHERE and route.device in lines and route.carries)
    }


def bring(config: Config) -> None:
    """Make the table say what the main one has of it now. Raises `OSError`."""
    wanted = offered(config, read_routes(MAIN))
    there = {route.network: route.device for route in read_routes(OFFERED)}
    for network in there.keys() - wanted.keys():
        take_route(network, OFFERED, PROTOCOL)
    for network, device in wanted.items():
        if there.get(network) != device:
            put_route(network, device, OFFERED, PROTOCOL)


async def keep(config: Config) -> None:
    """Keep the table true until cancelled, where there is anybody to offer anything to.

    What it said last goes on being offered after that.
    """
    if not config.mesh.devices:
        return
    loop, changed, events = asyncio.get_running_loop(), asyncio.Event(), RouteEvents()

    def hear() -> None:
        if events.take():
            changed.set()

    loop.add_reader(events.fileno(), hear)
    try:
        while True:
            changed.clear()
            _try_to_bring(config)
            await asyncio.sleep(_PAUSE)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(changed.wait(), _LOOK_EVERY)
    finally:
        loop.remove_reader(events.fileno())
        events.close()


def _try_to_bring(config: Config) -> None:
    try:
        bring(config)
    except OSError as fault:
        # A device may go in the middle of it, which is heard of next; else it is tried again by itself.
        log.warning("what other nodes are offered could not be brought up to date: %s", fault)
