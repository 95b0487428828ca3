"""Questions to a resolver and its answers (RFC 1035), and which answers are lies. Pure."""

from __future__ import annotations

import ipaddress
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from meshctl.doctor.observed import Finding, Findings

Kind = Literal["A", "AAAA"]
_NUMBERS: dict[Kind, int] = {"A": 1, "AAAA": 28}
_IN = 1

_PRIVATE = tuple(map(ipaddress.ip_network, (
    "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16",
    "::/127", "fc00::/7", "fe80::/10",
)))  # fmt: skip

TRUE = ("131.107.255.255", "fd3e:4f5a:5b81::1")
"""What dns.msftncsi.com is, by which Windows knows that names are answered truthfully; the second looks private."""

RELAY = ("mask.icloud.com", "mask-h2.icloud.com")
"""iCloud Private Relay asks for these; a network may say that they do not exist, and must not say anything else."""


@dataclass(frozen=True)
class Looked:
    """One look-up. ``expects`` is the true address, "" where any may be true; ``trouble`` as in `observed`."""

    name: str
    kind: Kind
    addresses: tuple[str, ...] = ()
    trouble: Literal["", "name", "resolver"] = ""
    expects: str = ""

    @property
    def is_true(self) -> bool:
        """Whether the expected address is among the answers."""
        return not self.expects or self.expects in self.addresses

    @property
    def summary(self) -> str:
        """The addresses in words."""
        if self.trouble == "resolver":
            return "not answered"
        return ", ".join(self.addresses) or "nowhere"


def is_private(address: str) -> bool:
    """Whether that can be no address of a server on the internet."""
    try:
        one = ipaddress.ip_address(address)
    except ValueError:
        return False
    return any(one.version == room.version and one in room for room in _PRIVATE)


def is_literal(host: str) -> bool:
    """Whether a host is an IP address rather than a name."""
    try:
        ipaddress.ip_address(host.strip("[]").partition("%")[0])
    except ValueError:
        return False
    return True


def is_near(address: str) -> bool:
    """Whether an address is good no further than this link, or this machine (RFC 4291, 2.5; RFC 1122, 3.2.1.3)."""
    return address.lower().startswith(("fe80:", "127.")) or address == "::1"


def question(number: int, name: str, kind: Kind) -> bytes:
    """A query's whole text. Raises `ValueError` where the name cannot be asked for."""
    labels = name.rstrip(".").encode("idna").split(b".")
    if not all(0 < len(label) < 64 for label in labels):
        raise ValueError(f"{name!r} is not a name")
    packed = b"".join(bytes([len(label)]) + label for label in labels) + b"\0"
    return struct.pack("!6H", number, 0x0100, 1, 0, 0, 0) + packed + struct.pack("!2H", _NUMBERS[kind], _IN)


def answer(packet: bytes, number: int, kind: Kind) -> tuple[tuple[str, ...], int, bool]:
    """Addresses, response code, and whether it was cut short. Raises `ValueError` for what is no answer to it."""
    try:
        told, flags, questions, answers, _, _ = struct.unpack_from("!6H", packet)
        if told != number or not flags & 0x8000:
            raise ValueError("not an answer to this question")
        at = 12
        for _ in range(questions):
            at = _after_name(packet, at) + 4
        found = []
        for _ in range(answers):
            at = _after_name(packet, at)
            what, _, _, length = struct.unpack_from("!2HIH", packet, at)
            at += 10
            if what == _NUMBERS[kind]:
                found.append(str(ipaddress.ip_address(packet[at : at + length])))
            at += length
    except (struct.error, IndexError) as fault:
        raise ValueError("the answer is not whole") from fault
    return tuple(found), flags & 0xF, bool(flags & 0x0200)


def _after_name(packet: bytes, at: int) -> int:
    while length := packet[at]:
        if length & 0xC0:
            return at + 2
        at += length + 1
    return at + 1


def lies(looked: Iterable[Looked], own: Sequence[str]) -> Findings:
    """Answers that send a public name to the portal (``own`` addresses) or to a private address."""
    told = Findings()
    wrong: dict[str, tuple[str, ...]] = {}
    for one in looked:
        false = tuple(a for a in one.addresses if a not in TRUE and (is_private(a) or a in own))
        if false:
            wrong[one.name] = false
    if wrong:
        name, addresses = next(iter(wrong.items()))
        others = f" and {len(wrong) - 1} other names" if len(wrong) > 1 else ""
        told.found.append(Finding(
            "dns-lie", "fault", f"the resolver says that {name} is {addresses[0]}{others}.",
            "Answer truthfully and redirect port 80: phones keep false addresses, and Android takes a private one for "
            "no internet.", "AOSP NetworkMonitor.java; RFC 8952, 2.4",
        ))  # fmt: skip
    else:
        told.right.append("the resolver sends no public name to the portal")
    return told


def relay(looked: Iterable[Looked]) -> Findings:
    """What is said of iCloud Private Relay's names before joining; false answers are told of by `lies`."""
    answered = [one.name for one in looked if one.addresses and not any(map(is_private, one.addresses))]
    if not answered:
        return Findings(right=["iCloud Private Relay's names are not answered before joining"])
    return Findings([Finding(
        "relay-answered", "note", f"{answered[0]} is answered before joining: an iPhone may try its relay first.",
        "Nothing must be done; a resolver that knows who has joined may deny the name until then.",
        "Apple, Prepare your network for iCloud Private Relay", "before",
    )])  # fmt: skip
