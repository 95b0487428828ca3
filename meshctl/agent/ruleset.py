"""Pure text for nft(8): the rules of the table `inet meshctl`, without their elements.

No rule is per client: a device is one element of `member`, an address behind another node one of
`announced4` or `announced6`, a share one of `class_down` and `class_up`. So a packet costs the same
with one neighbour and with a thousand.

A mark other than 0 means: this packet came from the line or goes to it, in that share. Packets that
stay in the neighbourhood have mark 0, and so has what nodes send themselves; neither enters a tree.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from meshctl.config import Config
from meshctl.lists import Member, Roster
from meshctl.quota.plan import stranger_mark

TABLE = "inet meshctl"
PRESENT_MINUTES = 15
"""How long after its last new connection a device counts as present."""

_BABEL = 6696
"""babeld's UDP port (RFC 8966, 4.1)."""

_ELEMENTS = f"""	map member {{
		type ether_addr : mark
		flags timeout
	}}
	map announced4 {{
		type ipv4_addr : mark
	}}
	map announced6 {{
		type ipv6_addr : mark
	}}
	map class_down {{
		type mark : classid
		counter
	}}
	map class_up {{
		type mark : classid
		counter
	}}
	set greeted {{
		type ether_addr
		flags dynamic,timeout
		timeout {PRESENT_MINUTES}m
		size 16384
	}}
	set seen4 {{
		type ether_addr . ipv4_addr
		flags dynamic,timeout
		timeout {PRESENT_MINUTES}m
		size 16384
	}}
	set seen6 {{
		type ether_addr . ipv6_addr
		flags dynamic,timeout
		timeout {PRESENT_MINUTES}m
		size 16384
	}}
"""


@dataclass(frozen=True)
class _Ground:
    """What the rules speak of: sets of devices as nft writes them, and the other nodes of the roster."""

    config: Config
    others: tuple[Member, ...]

    @property
    def doors(self) -> str:
        return _names(access.device for access in self.config.access)

    @property
    def mesh(self) -> str:
        return _names(self.config.mesh.devices)

    @property
    def lines(self) -> str:
        return _names(line.device for line in self.config.line)


def table_text(config: Config, roster: Roster | None) -> str:
    """Return the whole table without elements; loading it again replaces every rule and keeps every element."""
    others = tuple(one for one in roster.members if one.name != config.node.name) if roster else ()
    ground = _Ground(config, others)
    chains = [*_door_chains(ground), *_crossing_chains(ground), *_local_chains(ground)]
    if config.mesh.devices:
        chains += _mesh_chains(ground)
    # A chain may only name chains that stand before it or in the same batch: nft resolves them all at the end.
    return f"table {TABLE} {{\n{_ELEMENTS}{''.join(chains)}}}\n"


def install_text(config: Config, roster: Roster | None) -> str:
    """Return one transaction that puts every rule anew, whatever was there, and keeps the elements."""
    return f"add table {TABLE}\nflush table {TABLE}\n{table_text(config, roster)}"


def greeting_text(devices: Iterable[str]) -> list[str]:
    """Return the transaction that greets devices, none for none: see the chain ``greet``."""
    known = ", ".join(devices)
    return [f"add element {TABLE} greeted {{ {known} }}\n"] if known else []


def _door_chains(ground: _Ground) -> Iterator[str]:
    """From neighbours' devices, before routing: who it is, and where a visitor's web page leads."""
    spoofed: list[str] = []
    page, links = "tcp dport 80 fib daddr type != local", bool(ground.config.mesh.devices)
    if links:
        # This node's own prefix is behind its doors only: from a link to other nodes it is a forgery.
        spoofed = [f"iifname {ground.mesh} {rule} drop" for rule in _own_networks(ground.config)]
    yield _chain(
        "arriving",
        "type filter hook prerouting priority mangle; policy accept;",
        f"iifname {ground.doors} goto from_neighbour",
        *spoofed,
        "meta mark set ct mark",
    )
    yield _chain(
        "from_neighbour",
        "meta mark set ether saddr map @member",
        "ct mark set meta mark",
        "ct state new meta mark != 0 jump notice",
        # A device that may be joined at another node is not told to join before the agent has had a moment to know it:
        # its first try at a web page is dropped, and TCP tries again within a second (RFC 6298).
        f"ct state new meta mark 0 {page} ether saddr != @greeted goto greet" if links else "",
    )
    if links:
        yield _chain("greet", "add @greeted { ether saddr }", "drop")
    yield _chain("notice", "update @seen4 { ether saddr . ip saddr }", "update @seen6 { ether saddr . ip6 saddr }")
    to_portal = f"redirect to :{ground.config.portal.redirect_port}"
    yield _chain(
        "to_portal",
        "type nat hook prerouting priority dstnat; policy accept;",
        f"iifname {ground.doors} meta mark 0 {page} {to_portal}",
    )


def _crossing_chains(ground: _Ground) -> Iterator[str]:
    """What is forwarded: out of a door, in through one, and the line's own address for it."""
    config = ground.config
    links = bool(config.mesh.devices)
    yield _chain("to_line", "type nat hook postrouting priority srcnat; policy accept;", *_masquerade(ground))
    yield _chain(
        "crossing",
        "type filter hook forward priority mangle; policy accept;",
        f"iifname {ground.doors} goto outward",
        f"iifname {ground.mesh} goto from_mesh" if links else "",
        f"oifname {ground.doors} goto inward",
        f"oifname {ground.mesh} goto to_mesh" if links else "",
    )
    yield _chain(
        "outward",
        "meta mark 0 goto refuse",
        f"oifname {ground.doors} goto refuse",
        "ct state new,invalid,untracked jump own_prefix",
        f"oifname {ground.mesh} goto to_others" if links else "",
        f"oifname {ground.lines} meta priority set meta mark map @class_up accept" if config.line else "",
        "jump notice",
    )
    yield _chain("own_prefix", *_prefixes(config), "goto refuse")
    yield _chain("inward", "meta mark 0 goto refuse", "meta priority set meta mark map @class_down accept")
    yield _chain("refuse", "meta l4proto tcp reject with tcp reset", "reject with icmpx admin-prohibited")


def _local_chains(ground: _Ground) -> Iterator[str]:
    """What the node itself is asked, and what it sends, which passes by the trees."""
    config = ground.config
    captive, links = config.portal.redirect_port, bool(config.mesh.devices)
    ports = _numbers(sorted({53, config.portal.port, captive, *_open_ports(config)}))
    yield _chain(
        "local_in",
        "type filter hook input priority filter; policy accept;",
        f"iifname {ground.doors} goto to_node",
        f"iifname {ground.mesh} goto from_others" if links else "",
    )
    yield _chain(
        "to_node",
        f"tcp dport {config.mesh.port} goto refuse" if links else "",
        f"meta mark != 0 tcp dport {captive} ct status dnat reject with tcp reset",
        "ct state established,related accept",
        f"tcp dport {ports} accept",
        "udp dport { 53, 67, 547 } accept",
        "meta l4proto { icmp, ipv6-icmp } accept",
        "goto refuse",
    )
    own = [*(access.device for access in config.access), *config.mesh.devices, *(line.device for line in config.line)]
    yield _chain(
        "local_out",
        "type filter hook output priority mangle; policy accept;",
        f"oifname {_names(own)} meta priority set 1:0",
    )


def _mesh_chains(ground: _Ground) -> Iterator[str]:
    """What comes from and goes to other nodes."""
    config = ground.config
    yield _chain("to_others", "jump notice", "meta mark set 0 accept")
    yield _chain("from_others_inward", "meta mark 0 goto refuse", "meta mark set 0 accept")
    up = f"oifname {ground.lines} meta priority set meta mark map @class_up accept" if config.line else ""
    yield _chain(
        "from_mesh",
        f"oifname {ground.doors} goto from_others_inward",
        "meta mark set 0",
        f"oifname {ground.mesh} accept",
        *(f"{rule} meta priority set 1:0 accept" for rule in _nodes(ground, "saddr")),
        *_classes(ground, "saddr"),
        up,
    )
    # By destination, not by connection: with two gateways an answer may come in where its question did not go out.
    yield _chain(
        "to_mesh",
        "meta mark set 0",
        *(f"{rule} accept" for rule in _nodes(ground, "daddr")),
        *_classes(ground, "daddr"),
        "meta priority set meta mark map @class_down accept",
    )
    ports = _numbers(sorted({config.portal.port, *_open_ports(config)}))
    yield _chain(
        "from_others",
        "ct state established,related accept",
        "meta l4proto { icmp, ipv6-icmp } accept",
        f"ip6 saddr fe80::/10 udp dport {_BABEL} accept",
        *(f"{rule} accept" for rule in _nodes(ground, "saddr")),
        f"tcp dport {ports} accept",
        "goto refuse",
    )


def _classes(ground: _Ground, side: str) -> Iterator[str]:
    """Mark by the client's address: its node's strangers, unless it was announced; in no node's prefix, refuse."""
    rows4 = ", ".join(f"{one.interface4.network} : {stranger_mark(one.number):#x}" for one in ground.others)
    rows6 = ", ".join(f"{one.interface6.network} : {stranger_mark(one.number):#x}" for one in ground.others)
    if ground.others:
        yield f"meta mark set ip {side} map {{ {rows4} }}"
        yield f"meta mark set ip6 {side} map {{ {rows6} }}"
    yield "meta mark 0 goto refuse"
    yield f"meta mark set ip {side} map @announced4"
    yield f"meta mark set ip6 {side} map @announced6"


def _nodes(ground: _Ground, side: str) -> Iterator[str]:
    """Match the other nodes' own addresses."""
    if ground.others:
        yield f"ip {side} {{ {', '.join(str(one.interface4.ip) for one in ground.others)} }}"
        yield f"ip6 {side} {{ {', '.join(str(one.interface6.ip) for one in ground.others)} }}"


def _masquerade(ground: _Ground) -> Iterator[str]:
    if not any(line.masquerade for line in ground.config.line):
        return
    networks = [access.interface4.network for access in ground.config.access]
    networks += [one.interface4.network for one in ground.others if ground.config.mesh.devices]
    sources = ", ".join(str(network) for network in ipaddress.collapse_addresses(networks))
    yield f"oifname {ground.lines} ip saddr {{ {sources} }} masquerade"


def _own_networks(config: Config) -> Iterator[str]:
    yield f"ip saddr {{ {', '.join(str(access.interface4.network) for access in config.access)} }}"
    yield f"ip6 saddr {{ {', '.join(str(access.interface6.network) for access in config.access)} }}"


def _prefixes(config: Config) -> Iterator[str]:
    """Return from the chain what has an address of its door's prefix, and not the node's own."""
    for access in config.access:
        own4, own6 = access.interface4, access.interface6
        yield f'iifname "{access.device}" ip saddr {own4.network} ip saddr != {own4.ip} return'
        yield f'iifname "{access.device}" ip6 saddr {own6.network} ip6 saddr != {own6.ip} return'


def _open_ports(config: Config) -> Iterator[int]:
    for access in config.access:
        yield from access.open_ports


def _chain(name: str, *rules: str) -> str:
    body = "".join(f"\t\t{rule}\n" for rule in rules if rule)
    return f"\tchain {name} {{\n{body}\t}}\n"


def _names(devices: Iterable[str]) -> str:
    return "{ " + ", ".join(f'"{name}"' for name in devices) + " }"


def _numbers(ports: Iterable[int]) -> str:
    return "{ " + ", ".join(str(port) for port in ports) + " }"
