"""What babeld says of itself on its local socket: its neighbours, its routes, and which nodes those are.

Read-only, over TCP on ``[::1]`` (babeld(8), "LOCAL CONFIGURATION INTERFACE"). A neighbour's address is
link-local and may hold a hardware address: it stays in RAM, and reports name the far node instead.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import ipaddress
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from meshctl.lists import Roster
from meshctl.model import MeshctlError
from meshctl.wire import LinkState

UNREACHABLE = 65535
"""The cost and the metric that babeld writes for "not at all" (RFC 8966)."""

SECONDS = 2.0
"""How long babeld may take: it answers from memory, so longer means that it hangs."""

MOST_BYTES = 8 << 20
"""Some 40,000 routes."""

_HELLOS = 16
_DEFAULT = {4: "0.0.0.0/0", 6: "::/0"}
_ENDS = ("ok", "no", "bad")
_HARDWARE_NAME = re.compile(r"([a-z]+)x([0-9a-f]{12})")


class BabelError(MeshctlError):
    """Babeld could not be asked, or what it says cannot be read; the text has the remedy."""


@dataclass(frozen=True)
class Neighbour:
    """A node heard on a device of ours. ``reach`` has a bit for each of the last 16 hellos, 1 for heard.

    ``cost`` is that of sending to it, `UNREACHABLE` where either side hears nothing; ``rtt`` is in
    milliseconds, ``None`` where babeld does not measure it.
    """

    address: str
    device: str
    reach: int
    rxcost: int
    txcost: int
    cost: int
    rtt: float | None = None

    @property
    def reach_share(self) -> float:
        """How much was heard of the last 16 hellos, or of those since its first where it is newer: 0 to 1.

        The newest is the highest bit, so zeros at the low end are of a time before it was known.
        """
        unknown = (self.reach & -self.reach).bit_length() - 1 if self.reach else 0
        return self.reach.bit_count() / (_HELLOS - unknown)


@dataclass(frozen=True)
class Route:
    """A way to ``prefix``, which the node with router-id ``router`` announced, over the neighbour ``via``.

    ``refmetric`` is the neighbour's own metric: 0 where the prefix is its own. ``source`` is the
    prefix of the senders that it is for, ``0.0.0.0/0`` or ``::/0`` for everybody.
    """

    prefix: str
    installed: bool
    router: str
    metric: int
    refmetric: int
    via: str
    device: str
    source: str


@dataclass(frozen=True)
class XRoute:
    """A prefix that this node announces to others."""

    prefix: str
    metric: int


@dataclass(frozen=True)
class Dump:
    """Everything that babeld said at one moment; ``router`` is this node's own router-id."""

    router: str
    neighbours: tuple[Neighbour, ...] = ()
    routes: tuple[Route, ...] = ()
    xroutes: tuple[XRoute, ...] = ()

    def default_route(self, version: Literal[4, 6]) -> Route | None:
        """Return the route to everywhere that is in force; ``None`` too where it leads nowhere now."""
        for route in self.routes:
            everywhere = route.prefix == route.source == _DEFAULT[version]
            if everywhere and route.installed and route.metric < UNREACHABLE:
                return route
        return None

    def announces_default(self, version: Literal[4, 6]) -> bool:
        """Whether this node itself is the way out for others."""
        return any(one.prefix == _DEFAULT[version] for one in self.xroutes)


async def dump(port: int, seconds: float = SECONDS) -> Dump:
    """Ask the babeld of this machine for everything. Raises `BabelError`."""
    where = f"[::1]:{port}"
    try:
        async with asyncio.timeout(seconds):
            text = await _ask(port)
    except TimeoutError:
        raise BabelError(f"babeld on {where} does not answer within {seconds:g} s. Restart it.") from None
    except asyncio.IncompleteReadError:
        # Four at once is all it serves (babeld 1.12).
        raise BabelError(f"babeld on {where} hung up. Ask again: it serves few at a time.") from None
    except (OSError, asyncio.LimitOverrunError) as fault:
        remedy = f'Start it, with "local-port {port}" in its configuration.'
        raise BabelError(f"babeld does not answer on {where}: {fault}. {remedy}") from fault
    return parse(text)


async def _ask(port: int) -> str:
    reader, writer = await asyncio.open_connection("::1", port)
    try:
        banner = await _block(reader, MOST_BYTES)
        writer.write(b"dump\n")
        return banner + await _block(reader, MOST_BYTES - len(banner))
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


async def _block(reader: asyncio.StreamReader, most: int) -> str:
    """Read up to the line that ends an answer."""
    lines: list[str] = []
    size = 0
    while not lines or lines[-1].strip() not in _ENDS:
        line = await reader.readuntil()
        size += len(line)
        if size > most:
            raise BabelError(f"babeld says more than {MOST_BYTES >> 20} MB. Look at how many routes it has.")
        lines.append(line.decode("ascii", "replace"))
    return "".join(lines)


def parse(text: str) -> Dump:
    """Read banner and dump as babeld writes them; kinds and fields that are unknown are passed over.

    Raises `BabelError`.
    """
    lines = [line.split() for line in text.splitlines()]
    if lines[:1] != [["BABEL", "1.0"]] or lines.count(["ok"]) < 2:
        raise BabelError("what answers is no babeld that speaks version 1.0, or it refused. Check mesh.babel_port.")
    try:
        (router,) = [words[1] for words in lines if len(words) == 2 and words[0] == "my-id"]
        return Dump(
            router,
            tuple(_neighbour(fields) for fields in _rows(lines, "neighbour")),
            tuple(_route(fields) for fields in _rows(lines, "route")),
            tuple(XRoute(_prefix(fields), int(fields["metric"])) for fields in _rows(lines, "xroute")),
        )
    except (KeyError, ValueError) as fault:
        raise BabelError(f"babeld's dump cannot be read: {fault}. Use babeld 1.12, as tested.") from None


def _rows(lines: Iterable[list[str]], kind: str) -> Iterator[dict[str, str]]:
    """Yield the fields of ``add KIND NUMBER FIELD VALUE …``."""
    for words in lines:
        if words[:2] == ["add", kind]:
            yield dict(zip(words[3::2], words[4::2], strict=False))


def _neighbour(fields: Mapping[str, str]) -> Neighbour:
    return Neighbour(
        address=fields["address"],
        device=fields["if"],
        reach=int(fields["reach"], 16) & 0xFFFF,
        rxcost=int(fields["rxcost"]),
        txcost=int(fields["txcost"]),
        cost=int(fields["cost"]),
        rtt=_milliseconds(fields["rtt"]) if "rtt" in fields else None,
    )


def _milliseconds(text: str) -> float:
    if not math.isfinite(float(text)):
        raise ValueError(f"rtt {text}")
    return float(text)


def _route(fields: Mapping[str, str]) -> Route:
    return Route(
        prefix=_prefix(fields),
        installed=fields["installed"] == "yes",
        router=fields["id"],
        metric=int(fields["metric"]),
        refmetric=int(fields["refmetric"]),
        via=fields["via"],
        device=fields["if"],
        source=fields["from"],
    )


def _prefix(fields: Mapping[str, str]) -> str:
    return str(ipaddress.ip_network(fields["prefix"]))


def links(seen: Dump, roster: Roster, own_name: str) -> tuple[LinkState, ...]:
    """Return this node's links to nodes of the roster, by far node and device; strangers are left out."""
    named = _neighbours_by_name(seen, roster)
    found: dict[tuple[str, str], LinkState] = {}
    for one in seen.neighbours:
        far = named.get((one.address, one.device))
        if far is None or far == own_name:
            continue
        rtt = None if one.rtt is None else round(one.rtt, 2)
        link = LinkState(far, plain_device(one.device), one.reach_share, min(max(one.cost, 0), UNREACHABLE), rtt)
        at = (link.to, link.device)
        if at not in found or link.cost < found[at].cost:
            found[at] = link
    return tuple(found[at] for at in sorted(found))


def gateway_in_use(seen: Dump, roster: Roster) -> str | None:
    """Return the node through whose line this node reaches the internet, itself included; IPv4 counts first."""
    names = _names(seen, roster)
    for version in _FAMILIES:
        if seen.announces_default(version):
            return names.get(seen.router)
        if route := seen.default_route(version):
            return names.get(route.router)
    return None


def next_hop(seen: Dump, roster: Roster) -> str | None:
    """Return the neighbour over which the way to the gateway begins, ``None`` on a gateway."""
    for version in _FAMILIES:
        if seen.announces_default(version):
            return None
        if route := seen.default_route(version):
            return _neighbours_by_name(seen, roster).get((route.via, route.device))
    return None


_FAMILIES: tuple[Literal[4, 6], Literal[4, 6]] = (4, 6)


def _neighbours_by_name(seen: Dump, roster: Roster) -> dict[tuple[str, str], str]:
    """A neighbour whose own metric for a prefix is 0 announces it as its own: its router-id says who it is."""
    names = _names(seen, roster)
    own = ((route.via, route.device, route.router) for route in seen.routes if route.refmetric == 0)
    return {(via, device): names[router] for via, device, router in own if router in names}


def _names(seen: Dump, roster: Roster) -> dict[str, str]:
    """Whoever announces a part of a node's own prefix is that node, whatever router-id it has since its last boot."""
    owners = {
        n: member.name for member in roster.members for n in (member.interface4.network, member.interface6.network)
    }
    lengths = {(network.version, network.prefixlen) for network in owners}
    found: dict[str, str] = {}
    for prefix, router in _announced(seen):
        network = ipaddress.ip_network(prefix)
        for version, length in lengths if router not in found else ():
            if version == network.version and length <= network.prefixlen:
                name = owners.get(network.supernet(new_prefix=length))
                if name is not None:
                    found[router] = name
    return found


def _announced(seen: Dump) -> Iterator[tuple[str, str]]:
    """Yield who announces what, this node included.

    A route that was taken back names the neighbour that took it back, not whose prefix it was.
    """
    yield from ((one.prefix, seen.router) for one in seen.xroutes)
    yield from ((route.prefix, route.router) for route in seen.routes if route.refmetric < UNREACHABLE)


def plain_device(name: str) -> str:
    """Return a device's name without the hardware address that some adapters are named after."""
    found = _HARDWARE_NAME.fullmatch(name)
    if found is None:
        return name
    return f"{found[1]}x-{hashlib.sha256(name.encode()).hexdigest()[:4]}"
