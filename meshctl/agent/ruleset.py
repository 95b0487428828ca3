"""Pure text for nft(8): the rules of the table `inet meshctl`, without their elements.

No rule is per client: a device is one element of `member`, an address behind another node one of
`announced4` or `announced6`, a share one of `class`. So a packet costs the same with one neighbour and
with a thousand.

A connection carries the mark of the share whose device opened it. What a forwarded packet costs is
decided by how many rules it meets, so there is one hook, and the first rules there are for connections
that stand: from a device by its hardware address and that mark together, an element of `sender`, so that
neither who is no longer joined nor who is in another share now passes; from the line by the mark. What
is not found goes on to the rules below, which decide as if they were the only ones.

Where several devices face neighbours a packet's own mark, other than 0, means: it came from the line, in
that share. Packets that stay in the neighbourhood have mark 0, and so has what nodes send themselves;
neither enters a tree.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from meshctl.agent.funnel import facing_devices
from meshctl.agent.limits import limit_chains, limit_sets
from meshctl.agent.named import TABLE, Ground
from meshctl.config import Config
from meshctl.lists import Roster

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
	map sender {{
		type ether_addr . mark : classid
		flags timeout
	}}
	map class {{
		type mark : classid
		size 65535
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
	set reached4 {{
		type ipv4_addr . inet_proto . inet_service
		flags timeout
	}}
	set reached6 {{
		type ipv6_addr . inet_proto . inet_service
		flags timeout
	}}
"""

_REACHED = (
    "ip daddr . meta l4proto . th dport @reached4",
    "ip6 daddr . meta l4proto . th dport @reached6",
)
"""What visitors may use (`needs`), where the configuration names anything."""

_MADE_UP = "ip6 saddr != @own6 ip6 saddr 2000::/3 drop"
"""Of a visitor: an answer would carry its words to whom it names as sender. Of IPv4 rp_filter drops the same."""

_REACHED_MARK = 0xFFF0
"""Of connections to it, so that their answers come in; no share has it, so they are nobody's in the trees."""


def install_text(config: Config, roster: Roster | None) -> str:
    """Return one transaction that puts every rule anew, whatever was there, and keeps the elements.

    A packet that passes meanwhile meets either all of the old rules or all of the new ones: see `named`.
    """
    others = tuple(one for one in roster.members if one.name != config.node.name) if roster else ()
    ground = Ground(config, others)
    sets = list(ground.sets())
    chains = [*_door_chains(ground), *_crossing_chains(ground), *_local_chains(ground)]
    if config.mesh.devices:
        chains += _mesh_chains(ground)
    # A chain may only name chains that stand before it or in the same batch: nft resolves them all at the end.
    body = "".join([_ELEMENTS, limit_sets(), *(one.declaration for one in sets), *chains])
    filling = "".join(one.filling for one in sets)
    return f"add table {TABLE}\nflush table {TABLE}\ntable {TABLE} {{\n{body}}}\n{filling}"


def greeting_text(devices: Iterable[str]) -> list[str]:
    """Return the transaction that greets devices, none for none: see the chain ``greet``."""
    known = ", ".join(devices)
    return [f"add element {TABLE} greeted {{ {known} }}\n"] if known else []


def _door_chains(ground: Ground) -> Iterator[str]:
    """The first packet of each connection from a neighbour: who is here, and where a visitor's web page leads."""
    page, config = "tcp dport 80 fib daddr type != local", ground.config
    greets = bool(config.mesh.devices) or not config.portal.splash
    yield _chain("notice", "update @seen4 { ether saddr . ip saddr }", "update @seen6 { ether saddr . ip6 saddr }")
    if greets:
        yield _chain("greet", "add @greeted { ether saddr }", "drop")
    yield _chain(
        "to_portal",
        "type nat hook prerouting priority dstnat; policy accept;",
        f"iifname {ground.doors} goto from_neighbour",
    )
    yield _chain(
        "from_neighbour",
        "ether saddr @member goto notice",
        *(f"{one} accept" for one in _REACHED if config.portal.reachable),
        # A device that may be joined at another node, or is let in unasked, is not told to join before the agent had
        # a moment to know it: its first try at a web page is dropped, and TCP tries again within a second (RFC 6298).
        f"{page} ether saddr != @greeted goto greet" if greets else "",
        f"{page} redirect to :{config.portal.redirect_port}",
    )


def _crossing_chains(ground: Ground) -> Iterator[str]:
    """What is forwarded: out of a door, in through one, and the line's own address for it."""
    config = ground.config
    links = bool(config.mesh.devices)
    yield _chain("to_line", "type nat hook postrouting priority srcnat; policy accept;", *_masquerade(ground))
    # Without links to other nodes, a connection with a mark has a door at one end and the line at the other.
    into, onto = (f"oifname {ground.doors} ", f"oifname {ground.lines} ") if links else ("", "")
    marked = "meta mark set ct mark " if len(facing_devices(config)) > 1 else ""
    yield _chain(
        "crossing",
        "type filter hook forward priority mangle; policy accept;",
        f"iifname {ground.doors} goto outward",
        f"iifname {ground.mesh} goto from_mesh" if links else "",
        f"{into}{marked}meta priority set ct mark map @class accept" if config.line else "",
        f"oifname {ground.doors} goto inward",
        f"oifname {ground.mesh} goto to_mesh" if links else "",
    )
    yield _chain(
        "outward",
        f"{onto}meta priority set ether saddr . ct mark map @sender accept" if config.line else "",
        "meta mark set 0",
        "meta mark set ether saddr map @member",
        "ct mark set meta mark",
        f"meta mark 0 {_MADE_UP}",
        f"meta mark 0 goto {'need' if config.portal.reachable else 'refuse'}",
        f"oifname {ground.doors} goto refuse",
        "ct state new,invalid,untracked jump own_prefix",
        f"oifname {ground.mesh} goto to_others" if links else "",
        f"oifname {ground.lines} meta priority set meta mark map @class accept" if config.line else "",
        "jump notice",
    )
    if config.portal.reachable:
        yield _chain(
            "need",
            f"oifname {ground.doors} goto refuse",
            "ct state new,invalid,untracked jump own_prefix",
            *(f"{one} ct mark set {_REACHED_MARK:#x} accept" for one in _REACHED),
            "goto refuse",
        )
    yield _chain("own_prefix", *_prefixes(config), "goto refuse")
    # A packet of no connection, which has no mark to compare with, is refused too.
    yield _chain("inward", "ct mark != 0 accept", "goto refuse")
    yield _chain("refuse", "meta l4proto tcp reject with tcp reset", "reject with icmpx admin-prohibited")


def _local_chains(ground: Ground) -> Iterator[str]:
    """What the node itself is asked, and what it sends, which passes by the trees."""
    config = ground.config
    captive, links = config.portal.redirect_port, bool(config.mesh.devices)
    yield _chain(
        "local_in",
        "type filter hook input priority filter; policy accept;",
        f"iifname {ground.doors} goto to_node",
        f"iifname {ground.mesh} goto from_others" if links else "",
    )
    yield _chain(
        "to_node",
        _MADE_UP,
        f"tcp dport {config.mesh.port} goto refuse" if links else "",
        # Before what stands is accepted: all questions from one port are one connection, and all echoes.
        "udp dport 53 goto asked",
        "udp dport @near_udp goto leased",
        "icmp type echo-request goto pinged",
        "icmpv6 type echo-request goto pinged",
        f"tcp dport {captive} ct status dnat ether saddr @member reject with tcp reset",
        "ct state established,related accept",
        "tcp dport 53 goto asked_long",
        f"tcp dport {captive} goto probed",
        "tcp dport @near_tcp goto knocked",
        *_pings(),
        "goto refuse",
    )
    for name, rules in limit_chains():
        yield _chain(name, *rules)
    yield _chain(
        "local_out",
        "type filter hook output priority mangle; policy accept;",
        f"oifname {ground.own} meta priority set 1:0",
    )


def _mesh_chains(ground: Ground) -> Iterator[str]:
    """What comes from and goes to other nodes."""
    config = ground.config
    yield _chain("to_others", "jump notice", "meta mark set 0 accept")
    yield _chain("from_others_inward", "ct mark != 0 meta mark set 0 accept", "goto refuse")
    up = f"oifname {ground.lines} meta priority set meta mark map @class accept" if config.line else ""
    # This node's own prefix is behind its doors only: from a link to other nodes it is a forgery.
    forged = ("ip saddr @own4 drop", "ip6 saddr @own6 drop")
    yield _chain(
        "from_mesh",
        *forged,
        f"oifname {ground.doors} goto from_others_inward",
        "meta mark set 0",
        f"oifname {ground.mesh} accept",
        *(f"{rule} meta priority set 1:0 accept" for rule in _nodes("saddr")),
        *_classes("saddr"),
        up,
    )
    # By destination, not by connection: with two gateways an answer may come in where its question did not go out.
    yield _chain(
        "to_mesh",
        "meta mark set 0",
        *(f"{rule} accept" for rule in _nodes("daddr")),
        *_classes("daddr"),
        "meta priority set meta mark map @class accept",
    )
    yield _chain(
        "from_others",
        *forged,
        "ct state established,related accept",
        *_pings(),
        f"ip6 saddr fe80::/10 udp dport {_BABEL} accept",
        *(f"{rule} accept" for rule in _nodes("saddr")),
        "tcp dport @far_tcp accept",
        "goto refuse",
    )


def _classes(side: str) -> Iterator[str]:
    """Mark by the client's address: its node's strangers, unless it was announced; in no node's prefix, refuse."""
    yield f"meta mark set ip {side} map @prefix4"
    yield f"meta mark set ip6 {side} map @prefix6"
    yield "meta mark 0 goto refuse"
    yield f"meta mark set ip {side} map @announced4"
    yield f"meta mark set ip6 {side} map @announced6"


def _nodes(side: str) -> Iterator[str]:
    """Match the other nodes' own addresses."""
    yield f"ip {side} @node4"
    yield f"ip6 {side} @node6"


def _pings() -> Iterator[str]:
    yield "meta l4proto icmp accept"
    yield "meta l4proto ipv6-icmp accept"


def _masquerade(ground: Ground) -> Iterator[str]:
    if any(line.masquerade for line in ground.config.line):
        yield f"oifname {ground.lines} ip saddr @sources4 masquerade"


def _prefixes(config: Config) -> Iterator[str]:
    """Return from the chain what has an address of its door's prefix, and not the node's own."""
    for access in config.access:
        own4, own6 = access.interface4, access.interface6
        yield f'iifname "{access.device}" ip saddr {own4.network} ip saddr != {own4.ip} return'
        yield f'iifname "{access.device}" ip6 saddr {own6.network} ip6 saddr != {own6.ip} return'


def _chain(name: str, *rules: str) -> str:
    body = "".join(f"\t\t{rule}\n" for rule in rules if rule)
    return f"\tchain {name} {{\n{body}\t}}\n"
