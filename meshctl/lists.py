"""The lists that a network is made of: the roster of its nodes, signed by the community's key.

A list is one JSON object ``{"payload": TEXT, "signature": BASE64}``: Ed25519 (RFC 8032) over the
UTF-8 bytes of the payload as they stand. The payload names its ``kind`` and carries a ``version``
that only grows, so whoever holds a newer one refuses an older one, whatever its signature.
"""

from __future__ import annotations

import base64
import hashlib
import ipaddress
import json
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass

from nacl.exceptions import BadSignatureError
from nacl.signing import SigningKey, VerifyKey

from meshctl.fields import FieldError, read_table
from meshctl.model import MeshctlError

MOST_NODES = 4000
"""Numbers of nodes go from 1 to this; each is given once and never again."""

LIST_LIMIT = 1 << 20
"""Bytes of a whole list."""

_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?")

Prefix = ipaddress.IPv4Network | ipaddress.IPv6Network


class ListError(MeshctlError):
    """A list that cannot be believed; ``code`` is a word for programs and counters."""

    exit_code = 2

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
    payload, signature = _opened(data, limit)
    try:
        key.verify(payload.encode(), signature)
    except (BadSignatureError, ValueError):
        raise ListError("bad-signature", "the list is not signed by the key that must sign it") from None
    return payload


def sign_roster(roster: Roster, key: SigningKey) -> bytes:
    """Return the signed roster; ``key`` is the community's. Raises `ListError` for one that nobody would read."""
    data = sign_list(json.dumps(asdict(roster), separators=(",", ":"), sort_keys=True), key)
    if len(data) > LIST_LIMIT:
        raise ListError("oversized", f"a roster has at most {LIST_LIMIT} bytes, this one would have {len(data)}")
    return data


def read_roster(data: bytes, community: str) -> Roster:
    """Return the roster that the ``community`` (base64 of its public key) signed. Raises `ListError`."""
    if not is_public_key(community):
        raise ListError("no-community", "the community's public key is missing or is none, so no list is believed")
    return _roster(verified_payload(data, VerifyKey(base64.b64decode(community))))


def read_unchecked_roster(data: bytes) -> Roster:
    """Return what a roster says, whoever signed it: to show, never to act on. Raises `ListError`."""
    return _roster(_opened(data)[0])


def check_roster(roster: Roster) -> None:
    """Raise `ListError` where two nodes share a name, a number, a key or a prefix, or a node is withdrawn."""
    taken: dict[tuple[str, object], str] = {}
    for gone in roster.withdrawn:
        _check_names(gone)
        taken |= dict.fromkeys((("number", gone.number), ("key", gone.key)), f"{gone.name}, which is withdrawn")
    prefixes: list[tuple[Prefix, str]] = []
    for one in roster.members:
        _check_names(one)
        for claim in (("name", one.name), ("number", one.number), ("key", one.key)):
            if claim in taken:
                raise ListError("conflict", f"{one.name} has the {claim[0]} of {taken[claim]}: give it its own")
            taken[claim] = one.name
        prefixes += [(prefix, one.name) for prefix in _prefixes(one)]
    _check_apart(prefixes)
    hubs = [one.name for one in roster.members if one.hub]
    if len(hubs) > 1:
        raise ListError("conflict", f"{' and '.join(hubs)} are both the hub: keep one")


def is_node_name(name: str) -> bool:
    """Whether a node may be called that."""
    return bool(_NAME.fullmatch(name))


def is_public_key(text: str) -> bool:
    """Whether that is the base64 of 32 bytes, as keys are written in lists and configurations."""
    try:
        return len(base64.b64decode(text, validate=True)) == 32
    except ValueError:
        return False


def fingerprint(key: str) -> str:
    """A public key as people compare it: the first 80 bits of its SHA-256, such as ``3f2a 91c0 77de 0b12 c4d5``."""
    digits = hashlib.sha256(base64.b64decode(key)).hexdigest()
    return " ".join(digits[at : at + 4] for at in range(0, 20, 4))


def _opened(data: bytes, limit: int = LIST_LIMIT) -> tuple[str, bytes]:
    if len(data) > limit:
        raise ListError("oversized", f"a list has at most {limit} bytes")
    try:
        table = json.loads(data)
        payload, signature = str(table["payload"]), base64.b64decode(table["signature"], validate=True)
        payload.encode()
    except (ValueError, KeyError, TypeError, RecursionError):
        raise ListError("garbage", "a list is one JSON object of payload and signature") from None
    return payload, signature


def _roster(payload: str) -> Roster:
    try:
        roster = read_table(Roster, json.loads(payload))
    except (FieldError, ValueError, RecursionError) as fault:
        raise ListError("garbage", f"the roster cannot be read: {fault}") from None
    if roster.kind != "roster":
        raise ListError("garbage", "that is a list of another kind")
    check_roster(roster)
    return roster


def _check_names(one: Member | Tombstone) -> None:
    if not is_node_name(one.name):
        raise ListError(
            "garbage", f"{one.name!r} is not a node's name: use 1 to 32 lower-case letters, digits, hyphens"
        )
    if not 1 <= one.number <= MOST_NODES:
        raise ListError("garbage", f"{one.name}: its number is {one.number}, not 1 to {MOST_NODES}")
    if not is_public_key(one.key):
        raise ListError("garbage", f"{one.name}: its key is not the base64 of 32 bytes")


def _prefixes(one: Member) -> tuple[Prefix, Prefix]:
    try:
        four = one.interface4
        good = 8 <= four.network.prefixlen <= 29 and four.ip not in (four.network[0], four.network[-1])
    except ValueError:
        good = False
    if not good:
        raise ListError("garbage", f"{one.name}: ipv4 {one.ipv4!r} is no address in a /8 to /29, such as 10.44.0.1/22")
    try:
        six = one.interface6
        good = six.network.prefixlen == 64 and six.ip != six.network[0]
    except ValueError:
        good = False
    if not good:
        raise ListError("garbage", f"{one.name}: ipv6 {one.ipv6!r} is no address in a /64, such as fd44::1/64")
    return four.network, six.network


def _check_apart(prefixes: Iterable[tuple[Prefix, str]]) -> None:
    """In order of their first address, a prefix overlaps any other only if it overlaps the one before it."""
    last: tuple[Prefix, str] | None = None
    for prefix, name in sorted(
        prefixes, key=lambda one: (one[0].version, int(one[0].network_address), one[0].prefixlen)
    ):
        if last and last[0].version == prefix.version and last[0][-1] >= prefix[0]:  # type: ignore[operator]
            raise ListError("conflict", f"{prefix} of {name} overlaps {last[0]} of {last[1]}: give each its own")
        last = (prefix, name)
