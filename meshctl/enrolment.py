"""How a roster changes: a node is enrolled, a node is withdrawn. Pure: roster in, next version out.

Numbers are given in order and never again: those of withdrawn nodes count. So are prefixes where the
steward names none: the next node gets the prefix that its number says.
"""

from __future__ import annotations

import base64
import hashlib
import ipaddress
from collections.abc import Iterator
from dataclasses import dataclass, replace

from meshctl.lists import MOST_NODES, ListError, Member, Prefix, Roster, Tombstone, check_roster, fingerprint

FIRST_IPV4 = ipaddress.IPv4Interface("10.44.0.1/22")
"""The first node's address where nobody says another; the network then grows in 10.44.0.0/14."""

_POOL4 = 14
_POOL6 = 48
_PRIVATE = tuple(ipaddress.IPv4Network(block) for block in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"))
_LOCAL = ipaddress.IPv6Network("fc00::/7")


@dataclass(frozen=True)
class Facts:
    """What a steward says of a node; ``None`` leaves what is known, or takes what is proposed."""

    key: str | None = None
    ipv4: str | None = None
    ipv6: str | None = None
    gateway: bool | None = None
    hub: bool | None = None


def enrol(roster: Roster, name: str, facts: Facts, community: str, *, replacing: bool = False) -> Roster:
    """Return the roster with that node in it, one version later, or the same roster where nothing changed.

    ``community`` is the base64 of the public key that signs; a first prefix is drawn from it. A known
    name with another key is another board: with ``replacing`` it gets a number of its own, and the
    old board's key is withdrawn. Raises `ListError`.
    """
    known = roster.member(name)
    if known is None:
        changed = replace(roster, members=(*roster.members, _newcomer(roster, name, facts, community)))
    elif facts.key in (None, known.key):
        changed = _exchanged(roster, known, _told(known, facts))
    elif replacing:
        moved = replace(_told(known, facts), number=next_number(roster), key=facts.key or "")
        changed = _buried(_exchanged(roster, known, moved), known)
    else:
        raise ListError(
            "conflict",
            f"{name} is enrolled with another key, {fingerprint(known.key)}: if this is another board, say --replace; "
            "the old one's key is then withdrawn",
        )
    if changed == roster:
        return roster
    check_roster(changed)
    return replace(changed, version=roster.version + 1)


def withdraw(roster: Roster, name: str) -> Roster:
    """Return the roster without that node, one version later: its key is never believed again. Raises `ListError`."""
    known = roster.member(name)
    if known is None:
        if any(gone.name == name for gone in roster.withdrawn):
            raise ListError("unknown", f"{name} is withdrawn already")
        names = ", ".join(one.name for one in roster.members) or "none"
        raise ListError("unknown", f"there is no node {name!r} in the roster: name one of its nodes, {names}")
    rest = replace(roster, members=tuple(one for one in roster.members if one is not known))
    return replace(_buried(rest, known), version=roster.version + 1)


def next_number(roster: Roster) -> int:
    """Return the number that the next node gets. Raises `ListError` when all have been given."""
    given = [one.number for one in roster.members] + [gone.number for gone in roster.withdrawn]
    number = max(given, default=0) + 1
    if number > MOST_NODES:
        raise ListError("full", f"all {MOST_NODES} numbers have been given: begin a new network with a new key")
    return number


def propose_ipv4(roster: Roster, number: int) -> str:
    """Return an address for the node of that number, in a prefix like the first node's. Raises `ListError`."""
    first = _first(roster)
    model = first.interface4 if first else FIRST_IPV4
    pool = _pool4(model.network)
    if pool is None:
        raise ListError(
            "prefix", f"--ipv4 is missing: {model.network} is no private prefix, so nobody can guess the next"
        )
    return f"{_free(roster, pool, model.network.prefixlen, number)[1]}/{model.network.prefixlen}"


def propose_ipv6(roster: Roster, number: int, community: str) -> str:
    """Return an address for the node of that number in the network's own /48 (RFC 4193). Raises `ListError`."""
    first = _first(roster)
    if first is None:
        pool = own_prefix(community)
    elif first.interface6.network.subnet_of(_LOCAL):
        pool = first.interface6.network.supernet(new_prefix=_POOL6)
    else:
        raise ListError(
            "prefix",
            f"--ipv6 is missing: {first.name} has {first.ipv6}, and which prefixes lead here only your provider knows; "
            "name one that is routed to this network",
        )
    return f"{_free(roster, pool, 64, number)[1]}/64"


def own_prefix(community: str) -> ipaddress.IPv6Network:
    """Return a /48 that no other network is likely to have: fd and 40 bits of the key's digest (RFC 4193, 3.2)."""
    digest = hashlib.sha256(base64.b64decode(community)).digest()
    return ipaddress.IPv6Network((b"\xfd" + digest[:5] + bytes(10), _POOL6))


def _newcomer(roster: Roster, name: str, facts: Facts, community: str) -> Member:
    if facts.key is None:
        raise ListError(
            "key", f"--pub is missing: {name} is not in the roster; its key is in /var/lib/meshctl/node.pub"
        )
    number = next_number(roster)
    return Member(
        name=name,
        number=number,
        key=facts.key,
        ipv4=facts.ipv4 or propose_ipv4(roster, number),
        ipv6=facts.ipv6 or propose_ipv6(roster, number, community),
        gateway=bool(facts.gateway),
        hub=bool(facts.hub),
    )


def _told(known: Member, facts: Facts) -> Member:
    return replace(
        known,
        ipv4=facts.ipv4 or known.ipv4,
        ipv6=facts.ipv6 or known.ipv6,
        gateway=known.gateway if facts.gateway is None else facts.gateway,
        hub=known.hub if facts.hub is None else facts.hub,
    )


def _exchanged(roster: Roster, old: Member, new: Member) -> Roster:
    return replace(roster, members=tuple(new if one is old else one for one in roster.members))


def _buried(roster: Roster, gone: Member) -> Roster:
    return replace(roster, withdrawn=(*roster.withdrawn, Tombstone(gone.name, gone.number, gone.key)))


def _first(roster: Roster) -> Member | None:
    return min(roster.members, key=lambda one: one.number, default=None)


def _pool4(model: ipaddress.IPv4Network) -> ipaddress.IPv4Network | None:
    block = next((block for block in _PRIVATE if model.subnet_of(block)), None)
    if block is None or model.prefixlen <= max(_POOL4, block.prefixlen):
        return None
    return block if block.prefixlen > _POOL4 else model.supernet(new_prefix=_POOL4)


def _free(roster: Roster, pool: Prefix, length: int, number: int) -> Prefix:
    """Return the pool's prefix number ``number``, or the next after it that no node has."""
    taken = [n for one in roster.members for n in (one.interface4.network, one.interface6.network)]
    for prefix in _from(pool, length, number - 1):
        if not any(other.version == prefix.version and other.overlaps(prefix) for other in taken):
            return prefix
    raise ListError("prefix", f"no /{length} is free in {pool}: name a prefix with --ipv{pool.version}")


def _from(pool: Prefix, length: int, index: int) -> Iterator[Prefix]:
    """Yield all prefixes of that length in the pool, beginning with the one of that index and going round once."""
    count, size = 1 << (length - pool.prefixlen), 1 << (pool.max_prefixlen - length)
    kind = type(pool)
    for step in range(min(count, 2 * MOST_NODES)):
        yield kind((int(pool.network_address) + (index + step) % count * size, length))
