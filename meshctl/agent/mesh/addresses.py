"""Which addresses the devices here use now, privacy addresses (RFC 8981) included. In RAM only."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping

KEPT_SECONDS = 900.0
"""How long an address counts after it was last seen."""

_MOST = 16
"""Addresses of one device; the ones seen last stay."""


class Addresses:
    """Addresses by hardware address, each with when it was last seen, in monotonic seconds."""

    def __init__(self, networks: Iterable[ipaddress.IPv4Network | ipaddress.IPv6Network]) -> None:
        self._networks = tuple(networks)
        self._seen: dict[str, dict[str, float]] = {}

    def note(self, hardware: str, addresses: Iterable[str], now: float) -> bool:
        """Note addresses of this node's prefixes; say whether one is new."""
        held = self._seen.setdefault(hardware, {})
        fresh = False
        for address in addresses:
            if address in held or self._is_ours(address):
                fresh = fresh or address not in held
                held[address] = now
        if len(held) > _MOST:
            self._seen[hardware] = dict(sorted(held.items(), key=lambda item: -item[1])[:_MOST])
        return fresh

    def note_all(self, found: Mapping[str, Iterable[str]], now: float) -> bool:
        """Note what one reading of the kernel shows."""
        before = sum(map(len, self._seen.values()))
        for hardware, addresses in found.items():
            self.note(hardware, addresses, now)
        return sum(map(len, self._seen.values())) != before

    def of(self, hardware: str, now: float) -> list[str]:
        """Return a device's addresses in use."""
        return [address for address, at in self._seen.get(hardware, {}).items() if now - at < KEPT_SECONDS]

    def forget(self, hardware: str) -> None:
        """Forget a device."""
        self._seen.pop(hardware, None)

    def purge(self, now: float) -> None:
        """Forget what was not seen for long."""
        for hardware, held in list(self._seen.items()):
            kept = {address: at for address, at in held.items() if now - at < KEPT_SECONDS}
            if kept:
                self._seen[hardware] = kept
            else:
                del self._seen[hardware]

    def _is_ours(self, address: str) -> bool:
        found = ipaddress.ip_address(address)
        return any(found.version == network.version and found in network for network in self._networks)
