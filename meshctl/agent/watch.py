"""The watch: a process of its own with CAP_NET_RAW and nothing else, and the only one that loads scapy.

It tells the agent who is there, so that a returning household has its slice before its first packet
is forwarded, and who plays router or DHCP server on the neighbours' side. It looks at ARP, DHCP and
neighbour discovery only: a filter in the kernel hands it nothing else.
"""

from __future__ import annotations

import ctypes
import logging
import selectors
import socket
import struct
import sys
import time
from collections import deque
from pathlib import Path

from meshctl.agent.links import check_devices, own_addresses
from meshctl.agent.sightings import Oddity, Own, Watcher, packed_filter
from meshctl.config import Config
from meshctl.service import notify, on_stop
from meshctl.wire import encode_line

log = logging.getLogger(__name__)

_SO_ATTACH_FILTER = 26
_ETH_P_ALL = 0x0003
_MOST_WAITING = 1000
_RETRY = 1.0
_PATIENCE = 5.0
_LOOK_AGAIN = 30.0
"""Seconds after which the node's own addresses are read anew."""


def run(config: Config) -> int:
    """Watch until told to stop; return the exit code. Raises `ConfigError`."""
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(levelname)s %(message)s")
    check_devices(config)
    watch = Watch(config)
    on_stop(watch.stop)
    notify("READY=1")
    watch.run()
    return 0


def open_tap(device: str) -> socket.socket:
    """Return a raw socket that receives what the filter lets through (packet(7)). Needs CAP_NET_RAW."""
    program = packed_filter()
    held = ctypes.create_string_buffer(program)
    tap = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_NONBLOCK, 0)
    tap.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("HL", len(program) // 8, ctypes.addressof(held)))
    tap.bind((device, _ETH_P_ALL))
    return tap


def confirm(frame: bytes, odd: Oddity) -> bool:
    """Take scapy's closer look: is the frame really what its first bytes suggest?"""
    if odd == "rogue-ra":
        # Type 134 says it all, and scapy's IPv6 layers would cost this process another 13 MB.
        return True
    # Loaded at the first odd frame: scapy's tables take 25 MB, and most streets never need them.
    from scapy.layers.dhcp import BOOTP  # noqa: PLC0415
    from scapy.layers.l2 import ARP, Ether  # noqa: PLC0415

    packet = Ether(frame)
    if odd == "rogue-dhcp":
        return BOOTP in packet and packet[BOOTP].op == 2
    return ARP in packet and packet[ARP].op in (1, 2)


class Watch:
    """Reads taps, tells the agent. While the agent is away the newest sightings wait."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._waiting: deque[bytes] = deque(maxlen=_MOST_WAITING)
        self._retry_at = 0.0
        self._looked_at = 0.0
        self._selector = selectors.DefaultSelector()
        self._stopping = False
        for access in config.access:
            self._selector.register(open_tap(access.device), selectors.EVENT_READ, _watcher(access.device))

    def stop(self) -> None:
        """Ask `run` to return."""
        self._stopping = True

    def run(self) -> None:
        """Read and tell until stopped."""
        while not self._stopping:
            for key, _ in self._selector.select(timeout=0.5):
                assert isinstance(key.fileobj, socket.socket)
                self._drain(key.fileobj, key.data)
            self._tell(time.monotonic())
        for key in list(self._selector.get_map().values()):
            assert isinstance(key.fileobj, socket.socket)
            key.fileobj.close()
        self._selector.close()

    def _drain(self, tap: socket.socket, watcher: Watcher) -> None:
        now = time.monotonic()
        if now - self._looked_at > _LOOK_AGAIN:
            self._looked_at = now
            for key in self._selector.get_map().values():
                key.data.own = _own(key.fileobj.getsockname()[0])  # type: ignore[union-attr]
        for _ in range(256):
            try:
                frame = tap.recv(2048)
            except BlockingIOError:
                return
            except OSError as fault:
                log.warning("the tap lost a frame: %s", fault)
                return
            sighting = watcher.look(frame, now)
            if sighting.seen:
                told = {"verb": "seen", "hardware": sighting.seen, "address": sighting.address}
                self._waiting.append(encode_line(told))
            if sighting.odd and confirm(frame, sighting.odd):
                self._waiting.append(encode_line({"verb": "hazard", "kind": sighting.odd}))

    def _tell(self, now: float) -> None:
        if not self._waiting or now < self._retry_at:
            return
        told = b"".join(self._waiting)
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as agent:
                agent.settimeout(_PATIENCE)
                agent.connect(str(self._config.socket))
                agent.sendall(told)
                agent.shutdown(socket.SHUT_WR)
                while agent.recv(65536):
                    continue
        except OSError as fault:
            log.info("the agent does not answer: %s", fault)
            self._retry_at = now + _RETRY
        else:
            self._waiting.clear()


def _watcher(device: str) -> Watcher:
    return Watcher(_own(device))


def _own(device: str) -> Own:
    hardware = (Path("/sys/class/net") / device / "address").read_text().strip()
    return Own(hardware, frozenset(own_addresses(device)))
