"""Part of the kernel's door: reads devices, their queues, classes and filters over rtnetlink(7).

Numbers and layouts are those of linux/rtnetlink.h, linux/pkt_sched.h, linux/pkt_cls.h and
linux/gen_stats.h.
"""

from __future__ import annotations

import socket
import struct
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace

from meshctl.agent.funnel import PREFERENCE, shown_filter
from meshctl.agent.netlink import Attributes, Channel, attributes, each_attribute, text
from meshctl.agent.trees import Shown
from meshctl.quota.meter import Count
from meshctl.quota.plan import UNKNOWN

_GET_LINK, _GET_QDISC, _GET_CLASS, _GET_FILTER = 18, 38, 42, 46
_LINK, _TRAFFIC = struct.Struct("=BxHiII"), struct.Struct("=BxxxiIII")
_IFNAME, _LINKINFO, _INFO_KIND = 3, 18, 1
_UP = 0x1
_KIND, _OPTIONS, _STATS = 1, 2, 7
_HTB_PARAMETERS, _HTB_INIT, _HTB_RATE64, _HTB_CEIL64 = 1, 2, 6, 7
_BASIC, _QUEUE, _PACKETS64 = 1, 3, 8
_U32_CLASS, _BPF_ACTION, _BPF_PROGRAM = 1, 1, 5
_ACTION_KIND, _ACTION_OPTIONS, _MIRRED_PARAMETERS = 1, 2, 2
_EGRESS_REDIRECT = 1
_ROOT, _INGRESS, _EGRESS_HOOK = 0xFFFFFFFF, 0xFFFFFFF1, 0xFFFFFFF3
_HANDLE = 0x10000
_ARP = 0x0806
_RATE_TO_QUANTUM = 10

_RATES = struct.Struct("=8xI8xI8xI")
"""Rate and ceil in bytes/s, and the quantum, of a struct tc_htb_opt."""
_SENT, _WAITING, _SIXTY_FOUR = struct.Struct("=QI"), struct.Struct("=III"), struct.Struct("=Q")
_HTB_GLOBAL = struct.Struct("=III")
_INSTRUCTION, _MIRRED = struct.Struct("=HBBI"), struct.Struct("=20xiI")

_USUAL = struct.Struct("=8xIII8s8s8xI8xI8xI8x8sQI4x4sIII8x")
_USUAL_HEADERS = (
    struct.pack("=HH4s", 8, _KIND, b"htb"),
    struct.pack("=HHHH", 52, _OPTIONS, 48, _HTB_PARAMETERS),
    struct.pack("=HHHH", 72, _STATS, 20, _BASIC),
    struct.pack("=HH", 24, _QUEUE),
)
"""How the kernel writes a class unless a rate or a count of packets needs more than 32 bits: read at one go."""


@dataclass(frozen=True)
class Link:
    """A device. ``kind`` is that of a virtual one."""

    index: int
    name: str
    kind: str
    up: bool


@dataclass(frozen=True)
class Queues:
    """What hangs on one device.

    ``root`` is the kind of the root queue, ``ours`` whether that is an HTB as we make it; ``leaf`` is the kind
    of a queue below it, ``hooked`` whether there is a hook for filters.
    """

    root: str = ""
    ours: bool = False
    leaf: str = ""
    hooked: bool = False


_NOTHING = Queues()


def read_links(channel: Channel) -> list[Link]:
    """Return all devices. Raises `OSError`."""
    found = []
    for message in channel.dump(_GET_LINK, _LINK.pack(0, 0, 0, 0, 0)):
        _, _, index, flags, _ = _LINK.unpack_from(message)
        shown = attributes(message[_LINK.size :])
        kind = text(attributes(shown.get(_LINKINFO, b"")).get(_INFO_KIND, b""))
        found.append(Link(index, text(shown.get(_IFNAME, b"")), kind, bool(flags & _UP)))
    return found


def read_queues(channel: Channel) -> dict[int, Queues]:
    """Return what hangs on each device, by index. Raises `OSError`."""
    found: dict[int, Queues] = {}
    for message in channel.dump(_GET_QDISC, _TRAFFIC.pack(0, 0, 0, 0, 0)):
        _, index, handle, parent, _ = _TRAFFIC.unpack_from(message)
        before = found.get(index, _NOTHING)
        if parent not in (_ROOT, _INGRESS) and before.leaf:
            continue
        shown = attributes(message[_TRAFFIC.size :])
        kind = text(shown.get(_KIND, b""))
        if parent == _ROOT:
            ours = kind == "htb" and handle == _HANDLE and _is_ours(shown.get(_OPTIONS, b""))
            found[index] = replace(before, root=kind, ours=ours)
        elif parent == _INGRESS:
            found[index] = replace(before, hooked=kind == "clsact")
        else:
            found[index] = replace(before, leaf=kind)
    return found


def read_classes(channel: Channel, index: int) -> dict[int, Shown]:
    """Return the classes of one device, of its HTB with the handle ``1:``. Raises `OSError`."""
    messages = channel.dump(_GET_CLASS, _TRAFFIC.pack(0, index, 0, 0, 0))
    return dict(_usual(message) or _unusual(message) for message in messages)


def has_arp_filter(channel: Channel, index: int) -> bool:
    """Say whether ARP frames pass by the tree of a device. Raises `OSError`."""
    for message in channel.dump(_GET_FILTER, _TRAFFIC.pack(0, index, 0, _HANDLE, 0)):
        *_, about = _TRAFFIC.unpack_from(message)
        options = attributes(attributes(message[_TRAFFIC.size :]).get(_OPTIONS, b""))
        if socket.ntohs(about & 0xFFFF) == _ARP and options.get(_U32_CLASS) == _HANDLE.to_bytes(4, sys.byteorder):
            return True
    return False


def read_hook(channel: Channel, index: int, names: Mapping[int, str]) -> tuple[str, ...]:
    """Return what stands at our preference where a device's packets leave. Raises `OSError`."""
    found = []
    for message in channel.dump(_GET_FILTER, _TRAFFIC.pack(0, index, 0, _EGRESS_HOOK, 0)):
        _, _, handle, _, about = _TRAFFIC.unpack_from(message)
        if about >> 16 != PREFERENCE or not handle:
            continue
        shown = attributes(message[_TRAFFIC.size :])
        options = attributes(shown.get(_OPTIONS, b""))
        protocol = socket.ntohs(about & 0xFFFF)
        program = [":".join(map(str, one)) for one in _INSTRUCTION.iter_unpack(options.get(_BPF_PROGRAM, b""))]
        targets = [_target(one, names) for _, one in each_attribute(options.get(_BPF_ACTION, b""))]
        found.append(shown_filter(protocol, text(shown.get(_KIND, b"")), handle, program, targets))
    return tuple(found)


def _is_ours(options: bytes) -> bool:
    known = attributes(options).get(_HTB_INIT, b"")
    return len(known) >= _HTB_GLOBAL.size and _HTB_GLOBAL.unpack_from(known)[1:] == (_RATE_TO_QUANTUM, UNKNOWN)


def _usual(message: bytes) -> tuple[int, Shown] | None:
    if len(message) < _USUAL.size:
        return None
    found = _USUAL.unpack_from(message)
    number, parent, leaf, kind, options, rate, ceil, quantum, stats, sent, packets, queue, waiting, _, dropped = found
    if (kind, options, stats, queue) != _USUAL_HEADERS:
        return None
    return _shown((number, parent, leaf), (rate, ceil, quantum), (sent, packets, dropped, waiting))


def _unusual(message: bytes) -> tuple[int, Shown]:
    _, _, number, parent, leaf = _TRAFFIC.unpack_from(message)
    shown = attributes(message[_TRAFFIC.size :])
    options, stats = attributes(shown.get(_OPTIONS, b"")), attributes(shown.get(_STATS, b""))
    rate, ceil, quantum = _RATES.unpack_from(options.get(_HTB_PARAMETERS, bytes(_RATES.size)))
    sent, packets = _SENT.unpack_from(stats.get(_BASIC, bytes(_SENT.size)))
    waiting, _, dropped = _WAITING.unpack_from(stats.get(_QUEUE, bytes(_WAITING.size)))
    rate, ceil = _longer(options, _HTB_RATE64, rate), _longer(options, _HTB_CEIL64, ceil)
    counts = (sent, _longer(stats, _PACKETS64, packets), dropped, waiting)
    return _shown((number, parent, leaf), (rate, ceil, quantum), counts)


def _longer(found: Attributes, kind: int, otherwise: int) -> int:
    return int(_SIXTY_FOUR.unpack_from(found[kind])[0]) if kind in found else otherwise


def _shown(
    place: tuple[int, int, int], rates: tuple[int, int, int], counts: tuple[int, int, int, int]
) -> tuple[int, Shown]:
    number, parent, leaf = place
    # The leaf queue's handle is given out by the kernel once and never again, so it names this class's life.
    count = Count(f"{leaf >> 16:x}" if leaf else "", *counts)
    above = 0 if parent == _ROOT else parent & 0xFFFF
    return number & 0xFFFF, Shown(above, rates[0] * 8, rates[1] * 8, rates[2], count)


def _target(action: bytes, names: Mapping[int, str]) -> str:
    known = attributes(action)
    kind = text(known.get(_ACTION_KIND, b""))
    parameters = attributes(known.get(_ACTION_OPTIONS, b"")).get(_MIRRED_PARAMETERS, b"")
    if kind != "mirred" or len(parameters) < _MIRRED.size:
        return kind
    way, index = _MIRRED.unpack_from(parameters)
    return f"{'redirect' if way == _EGRESS_REDIRECT else way} {names.get(index, '*')}"
