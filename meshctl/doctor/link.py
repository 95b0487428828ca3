"""Asks the link itself where the captive portal API is: DHCP, DHCPv6, a router.

Needs root. The hardware address that DHCP asks for goes into its packet and nowhere else.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import secrets
import socket
import struct
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from meshctl.doctor.announced import Method, Told, inform, information_request, portal4, portal6, portal_ra
from meshctl.doctor.resolver import bind_to

_WAIT = 3.0
_AGAIN = 1.0
_OTHERS = 0.9
"""Seconds for further advertisements: a link may have several routers, and a router several advertisements."""
_SIOCGIFADDR, _SIOCGIFHWADDR = 0x8915, 0x8927
_ETH_IP, _ETH_IPV6, _UDP = 0x0800, 0x86DD, b"\x11"
_ROUTERS, _SERVERS = "ff02::2", "ff02::1:2"
_SOLICITATION = bytes((133, 0, 0, 0, 0, 0, 0, 0))


def default_device() -> str:
    """The device of the default route (proc(5) net/route, net/ipv6_route); empty where there is none."""
    for name, at, target in (("net/route", 0, 1), ("net/ipv6_route", -1, 0)):
        with contextlib.suppress(OSError):
            for line in Path("/proc", name).read_text(encoding="ascii").splitlines():
                words = line.split()
                if set(words[target]) == {"0"} and words[at] != "lo":
                    return words[at]
    return ""


def ask_link(device: str) -> dict[Method, Told]:
    """What each method says; one that could not be asked says why."""
    asks: dict[Method, Callable[[str], Told]] = {"dhcp4": _dhcp4, "dhcp6": _dhcp6, "ra": _router}
    with ThreadPoolExecutor(len(asks)) as pool:
        return dict(zip(asks, pool.map(lambda ask: _guarded(ask, device), asks.values()), strict=True))


def _guarded(ask: Callable[[str], Told], device: str) -> Told:
    if not device:
        return Told(asked=False, why="no default route: say the device with --interface")
    try:
        return ask(device)
    except PermissionError:
        return Told(asked=False, why="only root may ask")
    except TimeoutError:
        return Told(asked=True, why="nobody answers")
    except OSError as fault:
        absent = fault.errno in (errno.ENETUNREACH, errno.EADDRNOTAVAIL)
        why = "this machine has no address for that here" if absent else fault.strerror or str(fault)
        return Told(asked=False, why=why)


def _until_answered(channel: socket.socket, send: Callable[[], object]) -> Iterator[bytes]:
    """Every packet that arrives, and nothing each second, when it is sent again. Raises `TimeoutError`."""
    until = time.monotonic() + _WAIT
    again = 0.0
    while (now := time.monotonic()) < until:
        if now >= again:
            send()
            again = now + _AGAIN
        channel.settimeout(max(0.01, min(again, until) - now))
        try:
            yield channel.recv(4096)
        except TimeoutError:
            yield b""
    raise TimeoutError


def _dhcp4(device: str) -> Told:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asker:
        name = struct.pack("256s", device.encode())
        hardware = fcntl.ioctl(asker, _SIOCGIFHWADDR, name)[18:24]
        address = fcntl.ioctl(asker, _SIOCGIFADDR, name)[20:24]
    number = secrets.randbits(32)
    packet = _datagram(address, inform(number, address, hardware))
    with socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(_ETH_IP)) as channel:
        channel.bind((device, _ETH_IP))
        for heard in _until_answered(channel, lambda: channel.sendto(packet, (device, _ETH_IP, 0, 0, b"\xff" * 6))):
            with contextlib.suppress(ValueError, IndexError):
                return Told(asked=True, raw=portal4(heard[(heard[0] & 15) * 4 + 8 :], number))
    raise TimeoutError


def _datagram(source: bytes, words: bytes) -> bytes:
    """An IPv4 packet from a client to all servers: through a socket of its own, the DHCP client has the port."""
    udp = struct.pack("!4H", 68, 67, 8 + len(words), 0) + words
    head = struct.pack("!2B3H2BH4s4s", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0, source, b"\xff" * 4)
    total = sum(struct.unpack("!10H", head))
    total = (total & 0xFFFF) + (total >> 16)
    return head[:10] + struct.pack("!H", ~(total + (total >> 16)) & 0xFFFF) + head[12:] + udp


def _dhcp6(device: str) -> Told:
    number = secrets.randbits(24)
    packet = information_request(number, struct.pack("!H", 4) + secrets.token_bytes(16))  # a DUID that is nobody's
    kind = socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(_ETH_IPV6)
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as asker, socket.socket(*kind) as channel:
        bind_to(asker, device)
        asker.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        asker.bind(("::", 546))
        # Heard beside the port: a DHCP client that has it for one address alone, as NetworkManager, gets the replies.
        channel.bind((device, _ETH_IPV6))
        scope = socket.if_nametoindex(device)
        for heard in _until_answered(channel, lambda: asker.sendto(packet, (_SERVERS, 547, 0, scope))):
            if heard[6:7] == _UDP and heard[42:44] == struct.pack("!H", 546):
                with contextlib.suppress(ValueError):
                    return Told(asked=True, raw=portal6(heard[48:], number))
    raise TimeoutError


def _router(device: str) -> Told:
    with socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6) as channel:
        bind_to(channel, device)
        channel.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 255)
        scope = socket.if_nametoindex(device)
        first = 0.0
        for heard in _until_answered(channel, lambda: channel.sendto(_SOLICITATION, (_ROUTERS, 0, 0, scope))):
            with contextlib.suppress(ValueError):
                raw = portal_ra(heard)
                if raw is not None:
                    return Told(asked=True, raw=raw)
                first = first or time.monotonic()
            if first and time.monotonic() - first > _OTHERS:
                return Told(asked=True)
    raise TimeoutError
