"""Pure: the router advertisement that tells where the portal's API is (RFC 8910, 2.3), made after one of our own.

The resolver sends router advertisements and does not know this option. A router may spread its options over several
advertisements (RFC 4861, 6.2.3) and hosts take all together (6.3.4), so each of ours is followed by one with the
same header, to the same receiver, that has this option alone.
"""

from __future__ import annotations

import struct

from meshctl.agent.sightings import Instruction

OPTION = 37
_TYPE, _HEADER = 134, 16
"""Of ICMPv6 (RFC 4861, 4.2), and how many bytes come before the options."""

_ETHERNET, _IPV6 = 14, 40

OWN_FILTER: tuple[Instruction, ...] = (
    # Classic BPF, as in `sightings`: router advertisements that this machine sends.
    (0x30, 0, 0, 0xFFFFF004),  # 0  ldb [packet type]     linux/filter.h: SKF_AD_OFF + SKF_AD_PKTTYPE
    (0x15, 0, 7, 4),  # 1  PACKET_OUTGOING?
    (0x28, 0, 0, 12),  # 2  ldh [12]               EtherType
    (0x15, 0, 5, 0x86DD),  # 3  IPv6?
    (0x30, 0, 0, 20),  # 4  ldb [20]               next header
    (0x15, 0, 3, 58),  # 5  ICMPv6?
    (0x30, 0, 0, 54),  # 6  ldb [54]               type
    (0x15, 0, 1, _TYPE),  # 7  a router advertisement?
    (0x06, 0, 0, 2048),  # 8  accept
    (0x06, 0, 0, 0),  # 9  refuse
)


def has_option(frame: bytes) -> bool:
    """Say whether a router advertisement tells of a portal already."""
    at = _ETHERNET + _IPV6 + _HEADER
    while at + 2 <= len(frame):
        kind, units = frame[at], frame[at + 1]
        if kind == OPTION:
            return True
        if units == 0:
            return False
        at += 8 * units
    return False


def following(frame: bytes, uri: str) -> bytes | None:
    """Return the frame that follows a router advertisement of our own; nothing after one that says it all."""
    if len(frame) < _ETHERNET + _IPV6 + _HEADER or frame[54] != _TYPE or has_option(frame):
        return None
    ethernet, ipv6 = frame[:_ETHERNET], frame[_ETHERNET : _ETHERNET + _IPV6]
    header = frame[_ETHERNET + _IPV6 :][:_HEADER]
    units = -(-(2 + len(uri)) // 8)
    option = struct.pack("BB", OPTION, units) + uri.encode("ascii").ljust(8 * units - 2, b"\0")
    icmp = header[:2] + b"\0\0" + header[4:] + option
    pseudo = ipv6[8:40] + struct.pack("!II", len(icmp), 58)
    icmp = icmp[:2] + struct.pack("!H", checksum(pseudo + icmp)) + icmp[4:]
    return ethernet + ipv6[:4] + struct.pack("!H", len(icmp)) + ipv6[6:] + icmp


def checksum(octets: bytes) -> int:
    """Return the Internet checksum (RFC 1071)."""
    padded = octets + b"\0" * (len(octets) % 2)
    total: int = sum(struct.unpack(f"!{len(padded) // 2}H", padded))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
