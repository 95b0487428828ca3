"""Pure text for nft(8): the sets that the rules of `inet meshctl` compare with, each under a name of its own.

No rule has a list of its own, written as ``{ … }``. Of such a list nft makes a new set with each
transaction that puts the rules anew, and a packet that passes in that moment may find the elements of
neither the old nor the new one: on Linux 6.18 for some 20 µs where the list is of prefixes, and now and
then with any other. What finds nothing is refused, and a refusal ends a connection. A set with a name
stays while the rules change; its elements are replaced in the same transaction.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from meshctl.config import Config
from meshctl.lists import Member
from meshctl.quota.plan import stranger_mark

TABLE = "inet meshctl"

NAMES = frozenset(
    (
        *("doors", "links", "lines", "own", "own4", "own6", "node4", "node6", "prefix4", "prefix6", "sources4"),
        *("near_tcp", "near_udp", "far_tcp"),
    )
)
"""All that `Ground.sets` yields."""

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True)
class Named:
    """A set, or a map with ``value`` as the type of what it leads to; elements as nft writes them."""

    name: str
    key: str
    elements: tuple[str, ...]
    value: str = ""
    interval: bool = False

    @property
    def _kind(self) -> str:
        return "map" if self.value else "set"

    @property
    def declaration(self) -> str:
        """What stands in the table's block."""
        value = f" : {self.value}" if self.value else ""
        flags = "\t\tflags interval\n" if self.interval else ""
        return f"\t{self._kind} {self.name} {{\n\t\ttype {self.key}{value}\n{flags}\t}}\n"

    @property
    def filling(self) -> str:
        """What replaces its elements, after its declaration and in the same transaction."""
        there = f"flush {self._kind} {TABLE} {self.name}\n"
        if not self.elements:
            return there
        return f"{there}add element {TABLE} {self.name} {{ {', '.join(self.elements)} }}\n"


@dataclass(frozen=True)
class Ground:
    """What the rules speak of: devices as nft writes them in a comparison, and the other nodes of the roster."""

    config: Config
    others: tuple[Member, ...]

    @property
    def doors(self) -> str:
        """The devices that neighbours are behind."""
        return _either("doors", _doors(self.config))

    @property
    def mesh(self) -> str:
        """The devices that other nodes are behind."""
        return _either("links", self.config.mesh.devices)

    @property
    def lines(self) -> str:
        """The devices that the internet is behind."""
        return _either("lines", _lines(self.config))

    @property
    def own(self) -> str:
        """All of them."""
        return _either("own", _own(self.config))

    def sets(self) -> Iterator[Named]:
        """Return every set that a rule names. They are the same for every configuration, some of them empty."""
        config, others = self.config, self.others
        yield _devices("doors", _doors(config))
        yield _devices("links", config.mesh.devices)
        yield _devices("lines", _lines(config))
        yield _devices("own", _own(config))
        yield _networks("own4", "ipv4_addr", (access.interface4.network for access in config.access))
        yield _networks("own6", "ipv6_addr", (access.interface6.network for access in config.access))
        yield Named("node4", "ipv4_addr", tuple(str(one.interface4.ip) for one in others))
        yield Named("node6", "ipv6_addr", tuple(str(one.interface6.ip) for one in others))
        rows4 = tuple(f"{one.interface4.network} : {stranger_mark(one.number):#x}" for one in others)
        rows6 = tuple(f"{one.interface6.network} : {stranger_mark(one.number):#x}" for one in others)
        yield Named("prefix4", "ipv4_addr", rows4, "mark", interval=True)
        yield Named("prefix6", "ipv6_addr", rows6, "mark", interval=True)
        far = [one.interface4.network for one in others if config.mesh.devices]
        sources = ipaddress.collapse_addresses([*(access.interface4.network for access in config.access), *far])
        yield _networks("sources4", "ipv4_addr", sources)
        pages = {config.portal.port, *([config.portal.https_port] if config.portal.certificate else [])}
        opened = {*pages, *(port for access in config.access for port in access.open_ports)}
        yield _ports("near_tcp", {53, config.portal.redirect_port, *opened})
        yield _ports("near_udp", {53, 67, 547})
        yield _ports("far_tcp", opened)


def _doors(config: Config) -> tuple[str, ...]:
    return tuple(access.device for access in config.access)


def _lines(config: Config) -> tuple[str, ...]:
    return tuple(line.device for line in config.line)


def _own(config: Config) -> tuple[str, ...]:
    return (*_doors(config), *config.mesh.devices, *_lines(config))


def _either(name: str, devices: tuple[str, ...]) -> str:
    """Compare with one device as it is: nothing is to be looked up."""
    return f'"{devices[0]}"' if len(devices) == 1 else f"@{name}"


def _devices(name: str, devices: Iterable[str]) -> Named:
    return Named(name, "ifname", tuple(f'"{device}"' for device in devices))


def _networks(name: str, key: str, networks: Iterable[Network]) -> Named:
    return Named(name, key, tuple(map(str, networks)), interval=True)


def _ports(name: str, ports: Iterable[int]) -> Named:
    return Named(name, "inet_service", tuple(map(str, sorted(ports))))
