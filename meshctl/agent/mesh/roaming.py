"""Which joined devices this node vouches for, and who of those it sees is joined elsewhere.

Hardware addresses stay here, in RAM; what travels are records that hold tokens.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from meshctl.agent.mesh.daykeys import DayKey, DayKeys
from meshctl.agent.mesh.records import LEAVING, SEEING, Record, Records
from meshctl.model import Device

SEEN_SECONDS = 120.0
"""How long after its last sighting a device counts as being in front of this node."""

MOST_KNOWN = 16_384
"""Devices that a node can tell by their tokens, beside those that it vouches for: as many as the kernel's sets hold."""

_MOST_SEEN = 8192

LEFT_SECONDS = 24 * 3600.0
"""How long it counts that a device left."""


@dataclass
class Effects:
    """What records from elsewhere mean for devices here, by hardware address.

    ``left`` they ended their membership; ``moved`` they are at another node now; ``arrived`` they are
    in front of this node, and joined elsewhere; ``gone`` they are known to have left.
    """

    left: list[str] = field(default_factory=list)
    moved: list[str] = field(default_factory=list)
    arrived: list[str] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _Unsaid:
    """What was decided while there was no key, after ``heard`` of the leavings that came in that time."""

    device: Device
    step: int
    heard: int

    @property
    def gone(self) -> bool:
        """Whether it left."""
        return self.step == LEAVING


class Roaming:
    """Claims of this node, ``name``, and recognition of others'."""

    def __init__(self, name: str, keys: DayKeys, records: Records) -> None:
        self._name, self._keys, self.records = name, keys, records
        self._hardware: dict[str, str] = {}
        self._known: dict[str, None] = {}  # the one seen longest ago first
        self._indexed: list[str] = []
        self._seen: dict[str, float] = {}
        self._mine: set[str] = set()
        self._unsaid: dict[str, _Unsaid] = {}
        self._leavings: list[str] = []

    def mine(self, hardware: str) -> bool:
        """Say whether this node vouches for a device."""
        return hardware in self._mine

    def vouched(self) -> list[str]:
        """Return the devices that this node vouches for."""
        return list(self._mine)

    def see(self, hardware: str, now: float) -> None:
        """Note that a device is in front of this node."""
        self._seen.pop(hardware, None)
        self._seen[hardware] = now  # the one seen longest ago stays first
        if len(self._seen) > _MOST_SEEN:
            del self._seen[next(iter(self._seen))]
        self._index([hardware])
        self._known[hardware] = self._known.pop(hardware)
        if len(self._known) > MOST_KNOWN:
            self._forget_oldest()

    def seen(self, now: float) -> list[str]:
        """Return the devices in front of this node."""
        return [hardware for hardware, at in self._seen.items() if now - at < SEEN_SECONDS]

    def whose(self, token: str, joined: Iterable[str] = ()) -> str | None:
        """Return the device with that token, if it was in front of this node or is among the ``joined`` ones."""
        self._index(joined)
        return self._hardware.get(token)

    def best(self, hardware: str) -> Record | None:
        """Return the latest record of a device, under whichever living key."""
        found: Record | None = None
        for key in self._keys.all():
            record = self.records.get(key.token(hardware))
            if record is not None and record.beats(found):
                found = record
        return found

    def recognise(self, hardware: str, now: float) -> Record | None:
        """Return the record that lets a device in, or ``None``: nobody vouches for it."""
        record = self.best(hardware)
        return None if record is None or record.gone or record.until <= now else record

    def claim(self, devices: Iterable[Device], now: float, step: int = SEEING) -> list[Record]:
        """Vouch for devices that are joined here; return the records to publish: without a key `catch_up` does."""
        return [record for device in devices if (record := self._write(device, now, step)) is not None]

    def release(self, device: Device, now: float) -> list[Record]:
        """End a device's membership everywhere; return the records to publish: without a key `catch_up` does."""
        record = self._write(device, now, LEAVING)
        self._mine.discard(device.hardware)
        return [record, *self.ended([device.hardware])] if record else []

    def ended(self, devices: Iterable[str] | None = None) -> list[Record]:
        """Say of those who left, of all known to this node by default, that they did under every key that tells more.

        Else what another node said under a key that lives longer would let them in once that of their leaving is gone.
        """
        fresh = []
        for hardware in set(self._known if devices is None else devices):
            best = self.best(hardware)
            if best is None or not best.gone:
                continue
            for key in self._keys.all():
                other = self.records.get(key.token(hardware))
                if (key != self._keys.current) if other is None else other.gone:
                    continue
                until = best.until if other is None else max(best.until, other.until)
                said = replace(best, token=key.token(hardware), key=key.name, owner=self._name, until=until)
                fresh += [said] * self.records.merge(said)
        return fresh

    def adopt(self, devices: Iterable[Device], now: float) -> list[Record]:
        """Take up devices that a former agent of this boot admitted; return what to publish."""
        fresh = []
        for device in devices:
            record = self.best(device.hardware)
            if record is None or record.owner == self._name:
                fresh.append(device)
        if self._keys.current is None:
            self._mine |= {device.hardware for device in fresh}  # `renew` says so, unless another node vouches for them
            return []
        return self.claim(fresh, now)

    def catch_up(self, now: float) -> list[Record]:
        """Return the records of who joined or left while there was no key; who left elsewhere since stays out."""
        if self._keys.current is None:
            return []
        unsaid, self._unsaid = self._unsaid, {}
        leavings, self._leavings = self._leavings, []
        holds = [one for hardware, one in unsaid.items() if one.gone or not self._has_left(hardware, leavings, one)]
        records = [self._write(one.device, now, one.step) for one in holds]
        self._mine -= {hardware for hardware, one in unsaid.items() if one.gone}
        return [record for record in records if record is not None]

    def gone(self, joined: Iterable[str]) -> list[str]:
        """Return those of the devices joined here that have left, as was learnt before their tokens were."""
        return [hardware for hardware in joined if (record := self.best(hardware)) is not None and record.gone]

    def renew(self, devices: Iterable[Device], now: float) -> list[Record]:
        """Write records under the current key for whoever is vouched for under another or none."""
        key = self._keys.current
        if key is None:
            return []
        old = [d for d in devices if d.hardware in self._mine and self.records.get(key.token(d.hardware)) is None]
        return self.claim(old, now)

    def hear(self, heard: Iterable[Record], members: Iterable[str], now: float) -> Effects:
        """Take in what another node vouches for; ``members`` are the devices joined here."""
        joined = set(members)
        self._index(joined)
        effects = Effects()
        for record in heard:
            if not self.records.merge(record):
                continue
            if record.gone and self._keys.current is None:
                self._leavings.append(record.token)
            hardware = self._hardware.get(record.token)
            best = self.best(hardware) if hardware is not None else None
            if hardware is None or best is None:
                continue
            effects.gone += [hardware] * best.gone
            if best != record:
                continue
            if record.owner != self._name:
                self._mine.discard(hardware)
            if record.gone:
                effects.left += [hardware] * (hardware in joined)
            elif hardware in joined:
                effects.moved.append(hardware)
            elif now - self._seen.get(hardware, -SEEN_SECONDS) < SEEN_SECONDS:
                effects.arrived.append(hardware)
        return effects

    def forget(self, hardware: str) -> None:
        """Stop vouching for a device whose stay ended by itself."""
        self._mine.discard(hardware)
        if hardware in self._unsaid and not self._unsaid[hardware].gone:
            del self._unsaid[hardware]

    def _has_left(self, hardware: str, leavings: list[str], joined: _Unsaid) -> bool:
        best = self.best(hardware)
        return best is not None and best.token in leavings[joined.heard :]

    def _write(self, device: Device, now: float, step: int) -> Record | None:
        key, gone = self._keys.current, step == LEAVING
        self._mine.add(device.hardware)
        if key is None:
            self._unsaid[device.hardware] = _Unsaid(device, step, len(self._leavings))
            return None
        self._unsaid.pop(device.hardware, None)
        before = self.best(device.hardware)
        until = now + LEFT_SECONDS if gone else device.until
        record = Record(
            token=key.token(device.hardware),
            key=key.name,
            household=device.household,
            until=now + 366 * 86_400.0 if until is None else until,
            version=before.next_version(step) if before else step,
            owner=self._name,
            gone=gone,
        )
        self.records.merge(record)
        self._index([device.hardware])
        return record

    def _index(self, devices: Iterable[str]) -> None:
        keys = self._keys.all()
        names = [key.name for key in keys]
        if names != self._indexed:
            known, self._known = self._known, {}
            self._indexed, self._hardware = names, {}
            self._enter(known, keys)
        self._enter([one for one in devices if one not in self._known], keys)

    def _enter(self, devices: Iterable[str], keys: list[DayKey]) -> None:
        for hardware in devices:
            self._known[hardware] = None
            for key in keys:
                self._hardware[key.token(hardware)] = hardware

    def _forget_oldest(self) -> None:
        """However many addresses somebody makes up, the node's memory holds out."""
        oldest = next((one for one in self._known if one not in self._mine and one not in self._unsaid), None)
        if oldest is not None:
            del self._known[oldest]
            for key in self._keys.all():
                self._hardware.pop(key.token(oldest), None)
