"""Who has joined, in RAM: the desired half of the kernel's `member` map.

A copy lies on tmpfs, so that a restarted agent knows what it wanted even when somebody emptied the
kernel's table in between. Neither copy is ever on disk: both hold hardware addresses.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, replace
from pathlib import Path

from meshctl.agent.elements import Element
from meshctl.agent.files import on_tmpfs, write_whole
from meshctl.agent.pauses import Pauses
from meshctl.model import Device, Household
from meshctl.quota.plan import FIRST_GUEST, FIRST_HOME

_LAST_GUEST = 0xBFFF
"""Guests here; those behind other nodes have the marks from 0xC000 on."""

HARDWARE = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}")


class Members:
    """Joined devices by hardware address. Times are seconds on the monotonic clock of this boot."""

    def __init__(self) -> None:
        self._devices: dict[str, Device] = {}
        self._last_guest = FIRST_GUEST - 1
        self._active: dict[int, float] = {}
        self.changed = False
        self.pauses = Pauses()

    def __len__(self) -> int:
        return len(self._devices)

    def get(self, hardware: str) -> Device | None:
        """Return a joined device, or ``None`` for a visitor."""
        return self._devices.get(hardware)

    def all(self) -> list[Device]:
        """Return every joined device."""
        return list(self._devices.values())

    def unpaused(self) -> list[Device]:
        """Return every joined device that no steward has paused: those that the kernel lets through."""
        stopped = self.pauses.stopped()
        return [device for device in self._devices.values() if device.hardware not in stopped]

    def join(self, hardware: str, until: float, now: float) -> Device:
        """Admit a guest, or lengthen the stay of whoever is admitted already."""
        known = self._devices.get(hardware)
        device = replace(known, until=until) if known else Device(hardware, self._free_mark(), None, until)
        return self._keep(device, now)

    def link(self, hardware: str, household: Household, until: float, now: float) -> Device:
        """Admit a device as part of a household."""
        return self._keep(Device(hardware, mark_of(household), household.handle, until), now)

    def leave(self, hardware: str) -> Device | None:
        """Make a device a visitor again; return what it was."""
        self.changed = True
        return self._devices.pop(hardware, None)

    def lose_homes(self, households: Iterable[Household], guest_hours: float, now: float) -> list[Device]:
        """Make guests of devices whose household is not among these any more; return what they were.

        Bring the kernel to it with a turn. Nobody is cut off by it: their connections go on, and each
        takes the new mark with its next packet.
        """
        known = {household.handle for household in households}
        lost = [device for device in self._devices.values() if device.household and device.household not in known]
        for device in lost:
            until = now + 3600 * guest_hours
            stay = until if device.until is None else min(until, device.until)
            self._keep(Device(device.hardware, self._free_mark(), None, stay), now)
        return lost

    def expired(self, now: float) -> list[Device]:
        """Return whose stay is over; they are still here until `leave`."""
        return [device for device in self._devices.values() if device.until is not None and device.until <= now]

    def touch(self, marks: Iterable[int], now: float) -> None:
        """Note that these marks' devices are here."""
        self._active.update(dict.fromkeys(marks, now))

    def present(self, now: float, within: float) -> set[int]:
        """Return marks that had a device here within so many seconds."""
        return {d.mark for d in self._devices.values() if now - self._active.get(d.mark, -within) < within}

    def adopt(self, elements: Mapping[str, Element], households: Mapping[int, str], now: float) -> None:
        """Take in what the kernel holds and we do not know: a former agent admitted it."""
        # Guests first: who was of a household that is gone needs a mark that none of them has.
        for hardware, element in sorted(elements.items(), key=lambda one: one[1].mark < FIRST_GUEST):
            if hardware in self._devices or element.mark == 0:
                continue
            lost = element.mark < FIRST_GUEST and element.mark not in households
            mark = self._free_mark() if lost else element.mark
            until = None if element.expires is None else now + element.expires
            self._keep(Device(hardware, mark, households.get(element.mark), until), now)

    def _keep(self, device: Device, now: float) -> Device:
        self._devices[device.hardware] = device
        self._active[device.mark] = now
        self.changed = True
        return device

    def _free_mark(self) -> int:
        taken = {device.mark for device in self._devices.values()}
        span = _LAST_GUEST - FIRST_GUEST + 1
        for step in range(1, span + 1):
            mark = FIRST_GUEST + (self._last_guest + step - FIRST_GUEST) % span
            if mark not in taken:
                self._last_guest = mark
                return mark
        # Beyond 16,000 guests a mark is shared: two guests have one slice, and nobody is refused.
        return FIRST_GUEST

    def save(self, file: Path) -> bool:
        """Write the copy if something changed; refuse, and say so, where the folder is not tmpfs."""
        if not self.changed:
            return True
        if not on_tmpfs(file.parent):
            return False
        write_whole(file, json.dumps([asdict(device) for device in self._devices.values()]))
        self.changed = False
        return True

    def load(self, file: Path, now: float) -> None:
        """Read the copy that a former agent of this boot left; a damaged one counts as none."""
        if not file.exists() or not on_tmpfs(file.parent):
            return
        try:
            rows = json.loads(file.read_text(encoding="utf-8"))
            devices = [Device(**row) for row in rows]
        except (ValueError, TypeError):
            file.rename(file.with_suffix(".damaged"))
            return
        for device in devices:
            if HARDWARE.fullmatch(device.hardware) and (device.until is None or device.until > now):
                self._keep(device, now)


def mark_of(household: Household) -> int:
    """Return the mark, which is also the class number, of a household."""
    return FIRST_HOME + household.number - 1
