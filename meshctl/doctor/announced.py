"""Where a network says its captive portal API is: DHCPv4 114, DHCPv6 103, RA 37 (RFC 8910). Packets and rules; pure."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from meshctl.doctor.names import is_literal
from meshctl.doctor.observed import Finding, Findings, Unchecked
from meshctl.doctor.web import where

UNRESTRICTED = "urn:ietf:params:capport:unrestricted"
Method = Literal["dhcp4", "dhcp6", "ra"]
CALLED: dict[Method, str] = {"dhcp4": "DHCPv4 option 114", "dhcp6": "DHCPv6 option 103", "ra": "RA option 37"}
MOST = 255

_COOKIE = bytes((99, 130, 83, 99))
_INFORM, _MESSAGE_TYPE, _PARAMETERS, _PORTAL4, _END = 8, 53, 55, 114, 255
_INFORMATION_REQUEST, _ORO, _CLIENT_ID, _PORTAL6 = 11, 6, 1, 103
_RA, _PORTAL_RA = 134, 37


@dataclass(frozen=True)
class Told:
    """What one method says. ``raw`` is the option's value, ``None`` where the answer has none of it."""

    asked: bool
    raw: bytes | None = None
    why: str = ""
    """Why it could not be asked, or that nobody answered."""

    @property
    def uri(self) -> str:
        """The value as text."""
        return (self.raw or b"").decode("utf-8", "replace").rstrip("\0")


def inform(number: int, address: bytes, hardware: bytes) -> bytes:
    """A DHCPINFORM (RFC 2131, 4.4.3) that asks for option 114."""
    head = struct.pack("!4BIHH4s4s4s4s16s", 1, 1, 6, 0, number, 0, 0, address, b"", b"", b"", hardware)
    options = bytes((_MESSAGE_TYPE, 1, _INFORM, _PARAMETERS, 3, 1, 3, _PORTAL4, _END))
    return head.ljust(236, b"\0") + _COOKIE + options


def portal4(packet: bytes, number: int) -> bytes | None:
    """Option 114 of the answer to ``number``, joined where it is split (RFC 3396).

    Raises `ValueError` for what is no answer to it.
    """
    if len(packet) < 240 or packet[0] != 2 or packet[4:8] != struct.pack("!I", number) or packet[236:240] != _COOKIE:
        raise ValueError("not an answer to this question")
    at, found = 240, None
    while at < len(packet) and packet[at] != _END:
        if packet[at] == 0:
            at += 1
            continue
        if at + 1 >= len(packet):
            break
        if packet[at] == _PORTAL4:
            found = (found or b"") + packet[at + 2 : at + 2 + packet[at + 1]]
        at += 2 + packet[at + 1]
    return found


def information_request(number: int, identity: bytes) -> bytes:
    """A DHCPv6 Information-request (RFC 8415, 18.2.6) that asks for option 103."""
    options = struct.pack("!HH", _CLIENT_ID, len(identity)) + identity + struct.pack("!HHH", _ORO, 2, _PORTAL6)
    return struct.pack("!I", (_INFORMATION_REQUEST << 24) | number) + options


def portal6(packet: bytes, number: int) -> bytes | None:
    """Option 103 of the reply to ``number``. Raises `ValueError` for what is no reply to it."""
    if len(packet) < 4 or packet[0] != 7 or int.from_bytes(packet[1:4], "big") != number:
        raise ValueError("not a reply to this question")
    at = 4
    while at + 4 <= len(packet):
        code, length = struct.unpack_from("!HH", packet, at)
        if code == _PORTAL6:
            return packet[at + 4 : at + 4 + length]
        at += 4 + length
    return None


def portal_ra(packet: bytes) -> bytes | None:
    """Option 37 of a router advertisement. Raises `ValueError` for what is none."""
    if len(packet) < 16 or packet[0] != _RA:
        raise ValueError("not a router advertisement")
    at = 16
    while at + 2 <= len(packet) and packet[at + 1]:
        if packet[at] == _PORTAL_RA:
            return packet[at + 2 : at + 8 * packet[at + 1]].rstrip(b"\0")
        at += 8 * packet[at + 1]
    return None


def judge_announced(told: Mapping[Method, Told]) -> Findings:
    """Do they agree, and is what they say an address that phones take?"""
    found = Findings()
    for method, one in told.items():
        if not one.asked or one.why:
            found.unchecked.append(Unchecked(CALLED[method], one.why or "not asked"))
    said = {method: one for method, one in told.items() if one.raw is not None}
    if len({one.uri for one in said.values()}) > 1:
        words = "; ".join(f"{CALLED[method]} says {one.uri}" for method, one in said.items())
        found.found.append(
            Finding("announced-differ", "fault", f"{words}.", "Say the same by all of them.", "RFC 8910, 2")
        )
    silent = [CALLED[method] for method, one in told.items() if one.asked and not one.why and one.raw is None]
    if said and silent:
        found.found.append(Finding(
            "announced-partly", "note", f"{', '.join(silent)} is not there, as others are.",
            "Send it too: each system reads only some of the three.", "RFC 8910, 2",
        ))  # fmt: skip
    for method, one in said.items():
        found.add(_value(method, one))
    if said and not found.found:
        found.right.append(f"{', '.join(CALLED[method] for method in said)}: {next(iter(said.values())).uri}")
    return found


def _value(method: Method, one: Told) -> Findings:
    """Judge what one method says, but for the scheme and the name, which the API's own check judges."""
    found = Findings()

    def add(code: str, says: str, remedy: str) -> None:
        found.found.append(Finding(code, "fault", f"{CALLED[method]}: {says}", remedy, "RFC 8910, 2"))

    if b"\0" in (one.raw or b""):
        add("announced-nul", "the value ends in NUL.", "Send the text alone.")
    if len(one.raw or b"") > MOST:
        add("announced-long", f"{len(one.raw or b'')} bytes.", f"Keep to {MOST} bytes.")
    if one.uri != UNRESTRICTED and not where(one.uri).is_web:
        add("announced-garbled", f"{one.uri!r} is no web address.", "Name the API, with https://.")
    return found


def scheme_and_name(uri: str) -> Findings:
    """Judge an API's address: https, and a name."""
    parts = where(uri)
    found = Findings()
    if parts.scheme != "https":
        found.found.append(Finding(
            "api-over-http", "fault", f"the captive portal API is {uri}: iPhones and Androids ignore one without TLS.",
            "Serve it over https with a certificate for its name, or announce none.", "RFC 8908, 4; AOSP NetworkStack",
        ))  # fmt: skip
    if is_literal(parts.host):
        found.found.append(Finding(
            "api-literal", "fault", f"the captive portal API is {uri}: an address, and no name.",
            "Give it a name: only a name can have a certificate.", "RFC 8910, 2",
        ))  # fmt: skip
    if not found.found:
        found.right.append("the API is over https, by a name")
    return found
