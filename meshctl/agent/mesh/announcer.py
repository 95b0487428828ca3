"""An access node's side: each gateway is told which client addresses carry which mark."""

from __future__ import annotations

from collections.abc import Callable

from meshctl.agent.mesh.channel import Message
from meshctl.agent.mesh.daykeys import DayKeys
from meshctl.agent.mesh.membership import Membership
from meshctl.lists import Roster
from meshctl.model import Device


class Announcer:
    """Remembers what each gateway was told on its channel, and tells it only what changed."""

    def __init__(self, keys: DayKeys, membership: Membership, post: Callable[[str, Message], bool]) -> None:
        self._keys, self._membership, self._post = keys, membership, post
        self.told: dict[str, dict[str, str]] = {}

    def forget(self, gateway: str) -> None:
        """Tell a gateway everything anew next time."""
        self.told.pop(gateway, None)

    def mark_of(self, device: Device) -> str | None:
        """Return the mark that gateways know a device by, ``None`` before the first day key."""
        key = self._keys.current
        if key is None:
            return None
        return key.household_mark(device.household) if device.household else key.guest_mark(key.token(device.hardware))

    def marks_of(self, household: str) -> list[str]:
        """Return the marks that gateways may know a household by, the current key's first."""
        return [key.household_mark(household) for key in self._keys.all()]

    def announce(self, roster: Roster, own: str, now: float) -> None:
        """Tell every gateway of the roster but this node itself."""
        wanted: dict[str, str] = {}
        for device in self._membership.vouched():
            mark = self.mark_of(device)
            if mark is not None:
                wanted |= dict.fromkeys(self._membership.addresses.of(device.hardware, now), mark)
        for gateway in roster.gateways:
            if gateway.name != own:
                self._tell(gateway.name, wanted)

    def _tell(self, gateway: str, wanted: dict[str, str]) -> None:
        before = self.told.get(gateway)
        add = [[address, mark] for address, mark in wanted.items() if before is None or before.get(address) != mark]
        drop = [address for address in before or {} if address not in wanted]
        if before is not None and not add and not drop:
            return
        if self._post(gateway, {"kind": "addresses", "whole": before is None, "add": add, "drop": drop}):
            self.told[gateway] = wanted
