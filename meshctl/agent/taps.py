"""Raw sockets of the watch: each receives what a filter in the kernel lets through, and nothing else."""

from __future__ import annotations

import ctypes
import socket
import struct

from meshctl.agent.sightings import CLASSIC_FILTER, Instruction, packed_filter

_SO_ATTACH_FILTER = 26
_ETH_P_ALL = 0x0003
_SOL_PACKET, _PACKET_IGNORE_OUTGOING = 263, 23
_ROOM = 1 << 20
"""Bytes that a tap asks to hold; the kernel gives at most what net.core.rmem_max allows."""


def open_tap(
    device: str, program: tuple[Instruction, ...] = CLASSIC_FILTER, *, outgoing: bool = False
) -> socket.socket:
    """Return a raw socket that receives what the filter lets through (packet(7)). Needs CAP_NET_RAW."""
    packed = packed_filter(program)
    held = ctypes.create_string_buffer(packed)
    tap = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_NONBLOCK, 0)
    tap.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _ROOM)
    tap.setsockopt(_SOL_PACKET, _PACKET_IGNORE_OUTGOING, int(not outgoing))
    tap.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("HL", len(packed) // 8, ctypes.addressof(held)))
    tap.bind((device, _ETH_P_ALL))
    return tap
