"""Pure: what one frame on the neighbours' side says about who is there, and about who should not be.

Everyday frames are read by struct, so that a busy street costs little; the odd ones are for scapy.
"""

from __future__ import annotations

import ipaddress
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from meshctl.pace import Allowance, Pace

Oddity = Literal["rogue-dhcp", "rogue-ra", "address-conflict"]

_ARP, _IPV4, _IPV6 = 0x0806, 0x0800, 0x86DD
_AGAIN = 60.0
"""Seconds after which a device that is still there is told of again."""

_SOON_AGAIN = 2.0
"""The same for a frame that says that the device has just come: it asks for an address."""

TOLD = Allowance(64, 0.5)
"""What the agent is told of one device: a repeater shows the addresses of a whole house, more come from a program."""

_FLIP = 10.0
"""Seconds within which two devices claiming one address are in conflict."""

Instruction = tuple[int, int, int, int]

CLASSIC_FILTER: tuple[Instruction, ...] = (
    # Classic BPF (bpf(4), linux/filter.h): code, jump if true, jump if false, operand.
    (0x28, 0, 0, 12),  # 0  ldh [12]                  EtherType
    (0x15, 17, 0, _ARP),  # 1  ARP: accept
    (0x15, 0, 7, _IPV4),  # 2  else IPv6?
    (0x30, 0, 0, 23),  # 3  ldb [23]                  protocol
    (0x15, 0, 15, 17),  # 4  UDP?
    (0x28, 0, 0, 20),  # 5  ldh [20]                  fragment offset
    (0x45, 13, 0, 0x1FFF),  # 6  later fragment: refuse
    (0xB1, 0, 0, 14),  # 7  ldxb 4*([14]&0xf)         header length
    (0x48, 0, 0, 16),  # 8  ldh [x+16]                destination port
    (0x35, 8, 10, 67),  # 9  67 and above: look closer
    (0x15, 0, 9, _IPV6),  # 10 IPv6?
    (0x30, 0, 0, 20),  # 11 ldb [20]                  next header
    (0x15, 0, 3, 58),  # 12 ICMPv6?
    (0x30, 0, 0, 54),  # 13 ldb [54]                  type
    (0x35, 0, 5, 133),  # 14 router and neighbour discovery: 133 …
    (0x25, 4, 3, 136),  # 15 … to 136
    (0x15, 0, 3, 17),  # 16 UDP over IPv6: no further look
    (0x05, 0, 0, 2),  # 17 refuse
    (0x25, 1, 0, 68),  # 18 68 and below: accept
    (0x06, 0, 0, 2048),  # 19 accept
    (0x06, 0, 0, 0),  # 20 refuse
)


def packed_filter(program: tuple[Instruction, ...] = CLASSIC_FILTER) -> bytes:
    """Return the program as an array of ``struct sock_filter``."""
    return b"".join(struct.pack("HBBI", *instruction) for instruction in program)


@dataclass(frozen=True)
class Own:
    """What is this node's own on the device that is watched."""

    hardware: str
    addresses: frozenset[str]


@dataclass(frozen=True)
class Sighting:
    """``seen`` is a device worth telling of, with the ``address`` it uses, if the frame says one.

    ``odd`` is what the frame may be, for a closer look.
    """

    seen: str | None = None
    address: str | None = None
    odd: Oddity | None = None


@dataclass
class Watcher:
    """Remembers, in RAM, whom it told of and who claimed which address."""

    own: Own
    told: dict[tuple[str, str | None], float] = field(default_factory=dict)
    claims: dict[str, tuple[str, float]] = field(default_factory=dict)
    _pace: Pace = field(default_factory=lambda: Pace(TOLD))

    def look(self, frame: bytes, now: float) -> Sighting:
        """Return what one frame says; nothing for frames of this node and for frames too short to read."""
        if len(frame) < 42:
            return Sighting()
        hardware = frame[6:12].hex(":")
        if hardware == self.own.hardware:
            return Sighting()
        odd = self._oddity(frame, hardware, now)
        address = claimed_address(frame)
        pause = _SOON_AGAIN if _has_just_come(frame) else _AGAIN
        if not self._is_new(hardware, address, now, pause):
            return Sighting(odd=odd)
        return Sighting(hardware, address, odd)

    def look_up(self, neighbours: Mapping[str, str], now: float) -> list[Sighting]:
        """Return who of the kernel's ``neighbours``, hardware address by address, nobody was told of."""
        found = []
        for text, hardware in neighbours.items():
            address = None if ipaddress.ip_address(text).is_link_local else text
            if self._is_new(hardware, address, now, _AGAIN):
                found.append(Sighting(hardware, address))
        return found

    def _is_new(self, hardware: str, address: str | None, now: float, pause: float) -> bool:
        if now - self.told.get((hardware, address), -_AGAIN) < pause:
            return False
        self._forget(now)
        if self._pace.wait(hardware, now) > 0:
            return False
        self.told[hardware, address] = now
        return True

    def _oddity(self, frame: bytes, hardware: str, now: float) -> Oddity | None:
        kind = int.from_bytes(frame[12:14], "big")
        if kind == _ARP:
            return self._claim(str(ipaddress.IPv4Address(frame[28:32])), hardware, now)
        if kind == _IPV4 and len(frame) > 14 + (frame[14] & 0x0F) * 4 + 8:
            start = 14 + (frame[14] & 0x0F) * 4
            source = int.from_bytes(frame[start : start + 2], "big")
            return "rogue-dhcp" if source == 67 else None
        if kind == _IPV6 and len(frame) > 54 and frame[20] == 58 and frame[54] == 134:
            return "rogue-ra"
        return None

    def _claim(self, address: str, hardware: str, now: float) -> Oddity | None:
        if address == "0.0.0.0":  # noqa: S104  # an ARP probe (RFC 5227) claims nothing yet
            return None
        if address in self.own.addresses:
            return "address-conflict"
        before = self.claims.get(address)
        self.claims[address] = (hardware, now)
        if before and before[0] != hardware and now - before[1] < _FLIP:
            return "address-conflict"
        return None

    def _forget(self, now: float) -> None:
        if len(self.told) > 4096:
            self.told = {key: at for key, at in self.told.items() if now - at < _AGAIN}
        if len(self.claims) > 4096:
            self.claims = {a: claim for a, claim in self.claims.items() if now - claim[1] < _FLIP}


def claimed_address(frame: bytes) -> str | None:
    """Return the address that a frame's sender uses: of ARP (RFC 826), or of neighbour discovery (RFC 4861).

    A device that checks whether an address is free (RFC 4862) is about to use it. Link-local ones are
    of no interest to anybody else.
    """
    kind = int.from_bytes(frame[12:14], "big")
    if kind == _ARP:
        found = ipaddress.IPv4Address(frame[28:32])
        return None if found.is_unspecified else str(found)
    if kind == _IPV6 and len(frame) >= 78 and frame[20] == 58 and frame[54] in (135, 136):
        source = ipaddress.IPv6Address(frame[22:38])
        target = ipaddress.IPv6Address(frame[62:78])
        own = target if source.is_unspecified or frame[54] == 136 else source
        return None if own.is_link_local or own.is_unspecified else str(own)
    return None


def _has_just_come(frame: bytes) -> bool:
    """Whether a frame is what a device sends when it associates: DHCP, or a router solicitation."""
    kind = int.from_bytes(frame[12:14], "big")
    return kind == _IPV4 or (kind == _IPV6 and len(frame) > 54 and frame[54] == 133)
