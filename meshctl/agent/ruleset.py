"""Pure text for nft(8): the table `inet meshctl`, what its listing says, and the batch between the two.

No rule is per client: a device is one element of `member`, a share one element of `class_down` and
`class_up`, so a packet costs the same with one neighbour and with a thousand.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from meshctl.config import Config
from meshctl.model import Device
from meshctl.quota.plan import Plan, Tree

TABLE = "inet meshctl"
PRESENT_MINUTES = 15
"""How long after its last new connection a device counts as present."""

_CHUNK = 400


@dataclass(frozen=True)
class Element:
    """A joined device as the kernel holds it; ``expires`` in seconds from the reading, or ``None``."""

    mark: int
    expires: float | None


@dataclass(frozen=True)
class TableState:
    """What the kernel says of our table. ``rules`` is a digest of its rules, empty without a table.

    ``classes`` maps direction to the class map's elements, ``packets`` to packets counted there by
    mark; ``seen`` are the hardware addresses, with their addresses, that opened connections lately.
    """

    rules: str = ""
    members: Mapping[str, Element] = field(default_factory=dict)
    classes: Mapping[str, Mapping[int, str]] = field(default_factory=dict)
    packets: Mapping[str, Mapping[int, int]] = field(default_factory=dict)
    seen: Mapping[str, frozenset[str]] = field(default_factory=dict)
    flowtables: int = 0


def table_text(config: Config) -> str:
    """Return the whole table without elements; loading it again replaces every rule and keeps every element."""
    doors = _names(access.device for access in config.access)
    uplinks = _names(line.device for line in config.line)
    ports = _numbers(sorted({53, config.portal.port, config.portal.redirect_port, *_open_ports(config)}))
    captive = config.portal.redirect_port
    both = _names([*(a.device for a in config.access), *(line.device for line in config.line)])
    prefixes = _prefixes(config)
    to_line, masquerade = "", ""
    if config.line:
        to_line = f"oifname {uplinks} meta priority set meta mark map @class_up accept"
        if config.line[0].masquerade:
            sources = ", ".join(str(access.interface4.network) for access in config.access)
            masquerade = f"oifname {uplinks} ip saddr {{ {sources} }} masquerade"
    return f"""table inet meshctl {{
	map member {{
		type ether_addr : mark
		flags timeout
	}}
	map class_down {{
		type mark : classid
		counter
	}}
	map class_up {{
		type mark : classid
		counter
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
	chain arriving {{
		type filter hook prerouting priority mangle; policy accept;
		iifname {doors} goto from_neighbour
		meta mark set ct mark
	}}
	chain from_neighbour {{
		meta mark set ether saddr map @member
		ct mark set meta mark
		ct state new meta mark != 0 jump notice
	}}
	chain notice {{
		update @seen4 {{ ether saddr . ip saddr }}
		update @seen6 {{ ether saddr . ip6 saddr }}
	}}
	chain to_portal {{
		type nat hook prerouting priority dstnat; policy accept;
		iifname {doors} meta mark 0 tcp dport 80 fib daddr type != local redirect to :{captive}
	}}
	chain to_line {{
		type nat hook postrouting priority srcnat; policy accept;
		{masquerade}
	}}
	chain crossing {{
		type filter hook forward priority mangle; policy accept;
		iifname {doors} goto outward
		oifname {doors} goto inward
	}}
	chain outward {{
		meta mark 0 goto refuse
		oifname {doors} goto refuse
		ct state new jump own_prefix
		{to_line}
		jump notice
	}}
	chain own_prefix {{
{prefixes}
		goto refuse
	}}
	chain inward {{
		meta mark 0 goto refuse
		meta priority set meta mark map @class_down accept
	}}
	chain refuse {{
		meta l4proto tcp reject with tcp reset
		reject with icmpx admin-prohibited
	}}
	chain local_in {{
		type filter hook input priority filter; policy accept;
		iifname {doors} goto to_node
	}}
	chain to_node {{
		meta mark != 0 tcp dport {captive} ct status dnat reject with tcp reset
		ct state established,related accept
		tcp dport {ports} accept
		udp dport {{ 53, 67, 547 }} accept
		meta l4proto {{ icmp, ipv6-icmp }} accept
		goto refuse
	}}
	chain local_out {{
		type filter hook output priority mangle; policy accept;
		oifname {both} meta priority set 1:0
	}}
}}
"""  # noqa: S608  # nft, not SQL


def _open_ports(config: Config) -> Iterator[int]:
    for access in config.access:
        yield from access.open_ports


def _prefixes(config: Config) -> str:
    rows = []
    for access in config.access:
        rows.append(f'\t\tiifname "{access.device}" ip saddr {access.interface4.network} return')
        rows.append(f'\t\tiifname "{access.device}" ip6 saddr {access.interface6.network} return')
    return "\n".join(rows)


def _names(devices: Iterable[str]) -> str:
    return "{ " + ", ".join(f'"{name}"' for name in devices) + " }"


def _numbers(ports: Iterable[int]) -> str:
    return "{ " + ", ".join(str(port) for port in ports) + " }"


def install_text(config: Config) -> str:
    """Return one transaction that puts every rule anew, whatever was there, and keeps the elements."""
    return f"add table {TABLE}\nflush table {TABLE}\n{table_text(config)}"


def read_listing(listing: str) -> TableState:
    """Read ``nft -j list table inet meshctl`` (libnftables-json(5)). An empty text means no table."""
    if not listing:
        return TableState()
    objects = json.loads(listing)["nftables"]
    digest = hashlib.sha256()
    found: dict[str, Any] = {}
    flowtables = 0
    for entry in objects:
        kind, value = next(iter(entry.items()))
        if kind in ("rule", "chain"):
            digest.update(json.dumps({k: v for k, v in value.items() if k != "handle"}, sort_keys=True).encode())
        elif kind in ("map", "set"):
            found[value["name"]] = value.get("elem", [])
        flowtables += kind == "flowtable"
    if not {"member", "class_down", "class_up", "seen4", "seen6"} <= found.keys():
        return TableState()
    classes = {d: {mark: number for mark, number, _ in _class_elements(found[f"class_{d}"])} for d in ("down", "up")}
    packets = {d: {mark: count for mark, _, count in _class_elements(found[f"class_{d}"])} for d in ("down", "up")}
    members = dict(_member_elements(found["member"]))
    seen = _seen([*found["seen4"], *found["seen6"]])
    return TableState(digest.hexdigest(), members, classes, packets, seen, flowtables)


def _member_elements(elements: Iterable[Any]) -> Iterator[tuple[str, Element]]:
    for key, mark in elements:
        if isinstance(key, dict):
            element = key["elem"]
            yield element["val"], Element(mark, element.get("expires"))
        else:
            yield key, Element(mark, None)


def _class_elements(elements: Iterable[Any]) -> Iterator[tuple[int, str, int]]:
    for key, number in elements:
        if isinstance(key, dict):
            element = key["elem"]
            yield element["val"], number, element.get("counter", {}).get("packets", 0)
        else:
            yield key, number, 0


def _seen(elements: Iterable[Any]) -> dict[str, frozenset[str]]:
    found: dict[str, set[str]] = {}
    for entry in elements:
        element = entry.get("elem", entry)
        value = element.get("val", element)
        hardware, address = value["concat"]
        found.setdefault(hardware, set()).add(address)
    return {hardware: frozenset(addresses) for hardware, addresses in found.items()}


def expected(rules: str, plan: Plan, clock: float) -> TableState:
    """Return what the listing will say once ``plan`` is in place."""
    members = {
        hardware: Element(device.mark, None if device.until is None else device.until - clock)
        for hardware, device in plan.members.items()
    }
    return TableState(rules, members, {direction: _wanted_classes(tree) for direction, tree in plan.trees.items()})


def difference(now: TableState, plan: Plan, clock: float) -> list[str]:
    """Return the transactions that bring the elements from ``now`` to ``plan``; none when nothing differs.

    ``clock`` is the monotonic time of this decision. An element's time to live is set when it is
    made; it is made anew only when its mark changed or its end moved by more than a minute.
    """
    gone: list[str] = []
    new: list[str] = []
    for hardware, element in now.members.items():
        device = plan.members.get(hardware)
        if device is None or not _same(element, device, clock):
            gone.append(hardware)
    for hardware, device in plan.members.items():
        if hardware not in now.members or not _same(now.members[hardware], device, clock):
            new.append(_member(device, clock))
    batch = [*_statements("delete", "member", gone)]
    later: list[str] = []
    for direction, tree in plan.trees.items():
        wanted = _wanted_classes(tree)
        actual = now.classes.get(direction, {})
        stale = [str(mark) for mark, number in actual.items() if wanted.get(mark) != number]
        fresh = [f"{mark} : {number}" for mark, number in wanted.items() if actual.get(mark) != number]
        batch += _statements("delete", f"class_{direction}", stale)
        later += _statements("add", f"class_{direction}", fresh)
    batch += [*later, *_statements("add", "member", new)]
    return _transactions(batch)


def _wanted_classes(tree: Tree) -> dict[int, str]:
    from_plan = (number for number in tree.leaves if number >= 0x10)
    return {number: f"1:{number:x}" for number in from_plan}


def _same(element: Element, device: Device, clock: float) -> bool:
    if element.mark != device.mark:
        return False
    if element.expires is None or device.until is None:
        return element.expires is None and device.until is None
    return abs(element.expires - (device.until - clock)) < 60


def _member(device: Device, clock: float) -> str:
    if device.until is None:
        return f"{device.hardware} : {device.mark}"
    return f"{device.hardware} timeout {max(1, round(device.until - clock))}s : {device.mark}"


def _statements(verb: str, name: str, elements: list[str]) -> Iterator[str]:
    for start in range(0, len(elements), _CHUNK):
        yield f"{verb} element {TABLE} {name} {{ {', '.join(elements[start : start + _CHUNK])} }}"


def _transactions(statements: list[str]) -> list[str]:
    # One netlink message batch must fit the socket's send buffer (208 kB by default), so a very large
    # change, after a reboot say, goes in several transactions; the usual one is whole.
    return ["\n".join(statements[i : i + 4]) + "\n" for i in range(0, len(statements), 4)]
