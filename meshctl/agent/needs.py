"""What a device may reach before it has joined (RFC 8952, 3.4): services of the configuration, resolved by the agent.

A phone that is to believe a certificate wants the time and a word about revocation. Names come from the configuration
alone; their addresses are elements of two sets and go by themselves when they are not found again.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import socket
from collections.abc import Callable, Iterable

from meshctl.agent.kernel import Kernel, KernelError
from meshctl.agent.named import TABLE
from meshctl.captivity import Reachable, read_reachable
from meshctl.config import Access, Config
from meshctl.lists import Member

log = logging.getLogger(__name__)

HELD = 3600
"""Seconds for which an address stays open after it was last found."""

LOOK_EVERY, LOOK_AGAIN = 30.0, 15.0
"""Seconds between two look-ups; the second while a name was not found.

A service with many addresses answers with others after a minute or less, and a device must find those open.
"""

_PATIENCE = 15.0
_MOST_EACH = 16

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_NEVER: tuple[_Network, ...] = tuple(
    map(
        ipaddress.ip_network,
        (
            *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12"),
            *("192.0.0.0/24", "192.168.0.0/16", "224.0.0.0/3"),
            *("::/96", "::ffff:0:0/96", "64:ff9b::/96", "100::/64", "fc00::/7", "fe80::/10", "ff00::/8"),
        ),
    )
)
"""Nothing of the internet: this host, somebody's own network, one link, everybody (RFC 6890)."""


class Needs:
    """Keeps the sets filled. ``others`` tells the other nodes, whose prefixes are never opened."""

    def __init__(self, config: Config, kernel: Kernel, others: Callable[[], Iterable[Member]]) -> None:
        self._config, self._kernel, self._others = config, kernel, others
        self._services = tuple(map(read_reachable, config.portal.reachable))
        self._said: dict[str, str] = {}

    async def run(self) -> None:
        """Resolve and open for ever; return at once where nothing is to be reached."""
        while self._services:
            await asyncio.sleep(LOOK_EVERY if await self.look() else LOOK_AGAIN)

    async def look(self) -> bool:
        """Open what is found now; return whether every name was."""
        found = [(service, await self._resolve(service.name)) for service in self._services]
        closed = self._closed()
        opened = [(one, service) for service, addresses in found for one in addresses if may_be_opened(one, closed)]
        for service, addresses in found:
            if any(service is other for _, other in opened):
                self._said.pop(service.name, None)
            elif addresses:
                self._say(service.name, "leads to no address of the internet")
        try:
            self._kernel.commit(opening_text(opened))
        except KernelError as fault:
            log.error("the kernel refused: %s", fault)  # noqa: TRY400  # the text says it all
            return False
        return all(addresses for _, addresses in found)

    async def _resolve(self, name: str) -> list[_Address]:
        loop = asyncio.get_running_loop()
        try:
            rows = await asyncio.wait_for(loop.getaddrinfo(name, None, type=socket.SOCK_DGRAM), _PATIENCE)
        except (OSError, TimeoutError) as fault:
            self._say(name, f"is not found: {fault or 'no answer'}")
            return []
        found = dict.fromkeys(ipaddress.ip_address(str(row[4][0]).partition("%")[0]) for row in rows)
        return [one for version in (4, 6) for one in [a for a in found if a.version == version][:_MOST_EACH]]

    def _say(self, name: str, what: str) -> None:
        if self._said.get(name) != what:
            self._said[name] = what
            log.warning("portal.reachable: %s %s", name, what)

    def _closed(self) -> list[_Network]:
        faces: list[Access | Member] = [*self._config.access, *self._others()]
        return [network for one in faces for network in (one.interface4.network, one.interface6.network)]


def may_be_opened(address: _Address, own: Iterable[_Network]) -> bool:
    """Say whether an address is of the internet, and not of this network's own."""
    return not any(address.version == one.version and address in one for one in (*_NEVER, *own))


def opening_text(opened: Iterable[tuple[_Address, Reachable]]) -> list[str]:
    """Return the transaction that opens these, none for none.

    An element that is there keeps its time when it is added; so each is made sure of, deleted, and made anew.
    """
    lines: list[str] = []
    for address, service in dict.fromkeys(opened):
        place = f"element {TABLE} reached{address.version} {{ {address} . {service.protocol} . {service.port}"
        lines += [f"add {place} }}", f"delete {place} }}", f"add {place} timeout {HELD}s }}"]
    return ["\n".join(lines) + "\n"] if lines else []
