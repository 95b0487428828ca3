"""The lists that a network is made of: the roster of its nodes, signed by the community's key.

A list is one JSON object ``{"payload": TEXT, "signature": BASE64}``: Ed25519 (RFC 8032) over the
UTF-8 bytes of the payload as they stand. The payload names its ``kind`` and carries a ``version``
that only grows, so whoever holds a newer one refuses an older one, whatever its signature.
"""

from __future__ import annotations

import base64
import ipaddress
import json
from dataclasses import asdict, dataclass

from nacl.exceptions import BadSignatureError
from nacl.signing import SigningKey, VerifyKey

from meshctl.fields import FieldError, read_table
from meshctl.model import MeshctlError

MOST_NODES = 4000
"""Numbers of nodes go from 1 to this; each is given once and never again."""

LIST_LIMIT = 1 << 20
"""Bytes of a whole list."""


class ListError(MeshctlError):
    """A list that cannot be believed; ``code`` is a word for programs and counters."""

    def __init__(self, code: str, message: str) -> None:
        self.code = code
        super().__init__(message)


@dataclass(frozen=True)
class Member:
    """A node of the network: ``key`` is the base64 of its Ed25519 public key.

    ``ipv4`` and ``ipv6`` are the node's own address in the prefix that its neighbours get addresses
    from, such as ``10.44.0.1/22`` and ``2001:db8:44::1/64``. A ``gateway`` has a line that the network
    shares; the ``hub`` is the node that keeps the roll.
    """

    name: str
    number: int
    key: str
    ipv4: str
    ipv6: str
    gateway: bool = False
    hub: bool = False

    @property
    def interface4(self) -> ipaddress.IPv4Interface:
        """The node's IPv4 address with its prefix."""
        return ipaddress.IPv4Interface(self.ipv4)

    @property
    def interface6(self) -> ipaddress.IPv6Interface:
        """The node's IPv6 address with its prefix."""
        return ipaddress.IPv6Interface(self.ipv6)

    @property
    def verify_key(self) -> VerifyKey:
        """The public key that this node's signatures are checked with."""
        return VerifyKey(base64.b64decode(self.key))


@dataclass(frozen=True)
class Tombstone:
    """A node that is no longer believed; its number and its key are never used again."""

    name: str
    number: int
    key: str


@dataclass(frozen=True)
class Roster:
    """The nodes in force and those withdrawn."""

    version: int
    members: tuple[Member, ...] = ()
    withdrawn: tuple[Tombstone, ...] = ()
    kind: str = "roster"

    def member(self, name: str) -> Member | None:
        """Return the node of that name."""
        return next((one for one in self.members if one.name == name), None)

    @property
    def gateways(self) -> tuple[Member, ...]:
        """The nodes that have a line to share."""
        return tuple(one for one in self.members if one.gateway)

    @property
    def hub(self) -> Member | None:
        """The node that keeps the roll."""
        return next((one for one in self.members if one.hub), None)


def sign_list(payload: str, key: SigningKey) -> bytes:
    """Return the list as it travels and lies on disk."""
    signature = base64.b64encode(key.sign(payload.encode()).signature).decode()
    return json.dumps({"payload": payload, "signature": signature}).encode()


def verified_payload(data: bytes, key: VerifyKey, limit: int = LIST_LIMIT) -> str:
    """Return the payload of a list, of at most ``limit`` bytes, that ``key`` signed. Raises `ListError`."""
    if len(data) > limit:
        raise ListError("oversized", f"a list has at most {limit} bytes")
    try:
        table = json.loads(data)
        payload, signature = str(table["payload"]), base64.b64decode(table["signature"], validate=True)
    except (ValueError, KeyError, TypeError, RecursionError):
        raise ListError("garbage", "a list is one JSON object of payload and signature") from None
    try:
        key.verify(payload.encode(), signature)
    except (BadSignatureError, ValueError):
        raise ListError("bad-signature", "the list is not signed by the key that must sign it") from None
    return payload


def sign_roster(roster: Roster, key: SigningKey) -> bytes:
    """Return the signed roster; ``key`` is the community's."""
    return sign_list(json.dumps(asdict(roster), indent=1, sort_keys=True), key)


def read_roster(data: bytes, community: str) -> Roster:
    """Return the roster that the ``community`` (base64 of its public key) signed. Raises `ListError`."""
    payload = verified_payload(data, VerifyKey(base64.b64decode(community)))
    try:
        roster = read_table(Roster, json.loads(payload))
    except (FieldError, ValueError, RecursionError) as fault:
        raise ListError("garbage", f"the roster cannot be read: {fault}") from None
    if roster.kind != "roster":
        raise ListError("garbage", "that is a list of another kind")
    check_roster(roster)
    return roster


def check_roster(roster: Roster) -> None:
    """Raise `ListError` where two nodes share a name, a number, a key or a prefix, or a node is withdrawn."""
    taken: dict[object, str] = {(kind, value): f"{gone.name}, which is withdrawn" for gone in roster.withdrawn
                                for kind, value in (("number", gone.number), ("key", gone.key))}  # fmt: skip
    for one in roster.members:
        try:
            prefixes = (one.interface4.network, one.interface6.network)
            good = len(base64.b64decode(one.key, validate=True)) == 32 and 1 <= one.number <= MOST_NODES
        except ValueError:
            good = False
        if not good:
            raise ListError("garbage", f"{one.name}: its number, its key or an address is none")
        for claim in (("name", one.name), ("number", one.number), ("key", one.key), *(("prefix", p) for p in prefixes)):
            if claim in taken:
                raise ListError("conflict", f"{one.name} has the {claim[0]} of {taken[claim]}: give it its own")
            taken[claim] = one.name
    networks = [(one.name, n) for one in roster.members for n in (one.interface4.network, one.interface6.network)]
    for at, (name, network) in enumerate(networks):
        for other, earlier in networks[:at]:
            if network.version == earlier.version and network.overlaps(earlier):
                raise ListError("conflict", f"{network} of {name} overlaps {earlier} of {other}")
    if sum(one.hub for one in roster.members) > 1:
        raise ListError("conflict", "two nodes are the hub: keep one")
