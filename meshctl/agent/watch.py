"""The watch: a process of its own with CAP_NET_RAW and nothing else, and the only one that loads scapy.

It tells the agent who is there, so that a returning household has its slice before its first packet
is forwarded, and who plays router or DHCP server on the neighbours' side. It looks at ARP, DHCP and
neighbour discovery only: a filter in the kernel hands it nothing else.
"""

from __future__ import annotations

import logging
import selectors
import socket
import struct
import sys
import time
from collections import deque
from pathlib import Path

from meshctl.agent.herald import Herald
from meshctl.agent.links import check_devices, own_addresses
from meshctl.agent.neighbours import heard_lately
from meshctl.agent.sightings import Oddity, Own, Sighting, Watcher
from meshctl.agent.taps import open_tap
from meshctl.config import Config
from meshctl.service import notify, on_stop
from meshctl.wire import encode_line

log = logging.getLogger(__name__)

_SOL_PACKET, _PACKET_STATISTICS = 263, 6

_MOST_WAITING = 1000
_RETRY = 1.0
_PATIENCE = 5.0
_LOOK_AGAIN = 30.0
"""Seconds after which the node's own addresses are read anew."""

_MISSED = 60.0
"""Seconds: whoever the kernel has heard of since counts as here, where the watch could not listen itself."""


def run(config: Config) -> int:
    """Watch until told to stop; return the exit code. Raises `ConfigError`."""
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(levelname)s %(message)s")
    check_devices(config)
    watch = Watch(config)
    on_stop(watch.stop)
    notify("READY=1")
    watch.run()
    return 0


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
            watcher = _watcher(access.device)
            self._selector.register(open_tap(access.device), selectors.EVENT_READ, watcher)
            # A street that lost its power with the node is back before the watch is.
            self._catch_up(access.device, watcher, time.monotonic())
        self._herald = Herald(config)
        self._herald.register(self._selector)

    def stop(self) -> None:
        """Ask `run` to return."""
        self._stopping = True

    def run(self) -> None:
        """Read and tell until stopped."""
        while not self._stopping:
            # What came while the agent was told of others is told at once.
            self._listen(0.0 if self._waiting and time.monotonic() >= self._retry_at else 0.5)
            self._tell(time.monotonic())
            self._herald.attend(time.monotonic())
        for key in list(self._selector.get_map().values()):
            assert isinstance(key.fileobj, socket.socket)
            key.fileobj.close()
        self._selector.close()

    def _listen(self, seconds: float) -> bool:
        """Read what taps have, waiting at most so long for it; say whether the agent has answered too."""
        answered = False
        for key, _ in self._selector.select(seconds):
            assert isinstance(key.fileobj, socket.socket)
            if key.data is None:
                answered = True
            elif key.data is self._herald:
                self._herald.hear(key.fileobj)
            else:
                self._drain(key.fileobj, key.data)
        return answered

    def _drain(self, tap: socket.socket, watcher: Watcher) -> None:
        now = time.monotonic()
        if now - self._looked_at > _LOOK_AGAIN:
            self._looked_at = now
            for key in self._selector.get_map().values():
                if isinstance(key.data, Watcher):
                    key.data.own = _own(key.fileobj.getsockname()[0])  # type: ignore[union-attr]
        for _ in range(256):
            try:
                frame = tap.recv(2048)
            except BlockingIOError:
                self._make_good(tap, watcher, now)
                return
            except OSError as fault:
                log.warning("the tap lost a frame: %s", fault)
                return
            sighting = watcher.look(frame, now)
            self._note(sighting)
            if sighting.odd and confirm(frame, sighting.odd):
                self._waiting.append(encode_line({"verb": "hazard", "kind": sighting.odd}))

    def _make_good(self, tap: socket.socket, watcher: Watcher, now: float) -> None:
        """Look the senders of frames that the tap had no room for up in the kernel's table: it has heard them."""
        _, lost = struct.unpack("II", tap.getsockopt(_SOL_PACKET, _PACKET_STATISTICS, 8))
        if lost:
            log.info("the tap had no room for %d frames", lost)
            self._catch_up(tap.getsockname()[0], watcher, now)

    def _catch_up(self, device: str, watcher: Watcher, now: float) -> None:
        """Tell of whom the kernel has heard while the watch could not. An older entry may be of one who left since."""
        try:
            heard = heard_lately(device, _MISSED)
        except OSError as fault:
            log.warning("the kernel's table of neighbours cannot be read: %s", fault)
            return
        for sighting in watcher.look_up(heard, now):
            self._note(sighting)

    def _note(self, sighting: Sighting) -> None:
        if sighting.seen:
            told = {"verb": "seen", "hardware": sighting.seen, "address": sighting.address}
            self._waiting.append(encode_line(told))

    def _tell(self, now: float) -> None:
        if not self._waiting or now < self._retry_at:
            return
        told = list(self._waiting)
        self._waiting.clear()
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as agent:
                agent.settimeout(_PATIENCE)
                agent.connect(str(self._config.socket))
                agent.sendall(b"".join(told))
                agent.shutdown(socket.SHUT_WR)
                self._await_end(agent, now + _PATIENCE)
        except OSError as fault:
            log.info("the agent does not answer: %s", fault)
            self._retry_at = now + _RETRY
            # A deque that is full drops at its other end: the newest stay.
            self._waiting = deque([*told, *self._waiting], maxlen=_MOST_WAITING)

    def _await_end(self, agent: socket.socket, deadline: float) -> None:
        """Return once the agent has answered all; taps are read meanwhile, since it may be letting a crowd in."""
        self._selector.register(agent, selectors.EVENT_READ, None)
        try:
            while (left := deadline - time.monotonic()) > 0:
                if self._listen(left) and not agent.recv(65536):
                    return
        finally:
            self._selector.unregister(agent)
        raise TimeoutError(f"no answer within {_PATIENCE:g} s")


def _watcher(device: str) -> Watcher:
    return Watcher(_own(device))


def _own(device: str) -> Own:
    hardware = (Path("/sys/class/net") / device / "address").read_text().strip()
    return Own(hardware, frozenset(own_addresses(device)))
