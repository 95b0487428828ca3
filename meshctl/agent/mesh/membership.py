"""Joining once is joining everywhere: devices that this node vouches for, and others' that come here."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Mapping
from dataclasses import replace

from meshctl.agent.members import Members, mark_of
from meshctl.agent.mesh import records
from meshctl.agent.mesh.addresses import Addresses
from meshctl.agent.mesh.channel import Message
from meshctl.agent.mesh.daykeys import DayKeys
from meshctl.agent.mesh.pauses import PauseRecord, SharedPauses
from meshctl.agent.mesh.roaming import Effects, Roaming
from meshctl.agent.mesh.shelf import Shelf
from meshctl.agent.mesh.soon import tolerate
from meshctl.agent.store import Store
from meshctl.agent.tick import Reconciler
from meshctl.model import Device


class Membership:
    """``tell`` sends a message to every node; ``changed`` is called when gateways must be told something new.

    ``known`` is what a former run kept; ``settle`` brings the kernel to pauses that were heard of.
    """

    def __init__(
        self,
        name: str,
        keys: DayKeys,
        known: tuple[Iterable[records.Record], Iterable[PauseRecord]],
        parts: tuple[Store, Members, Reconciler],
        addresses: Addresses,
        tell: Callable[[Message], None],
        changed: Callable[[], None],
    ) -> None:
        self._name, self._keys = name, keys
        self._store, self._members, self._turns = parts
        self.addresses, self._tell, self._changed = addresses, tell, changed
        self.roaming = Roaming(name, keys, records.Records(known[0]))
        self.pauses = SharedPauses(keys, known[1], tell)
        self.settle: Callable[[], None] = lambda: None

    @property
    def can_recognise(self) -> bool:
        """Whether there is a key of the day: without one, who is not known here may still be known to the network."""
        return self._keys.current is not None

    def adopt(self, now: float) -> None:
        """Vouch for devices that a former agent of this boot let in, unless another node does."""
        self._share_pauses(now)
        self._publish(self.roaming.adopt(self._members.all(), now), now)

    def joined(
        self, devices: Iterable[Device], addresses: Mapping[str, Iterable[str]], now: float, *, moved: bool = False
    ) -> None:
        """Vouch for devices that a person just let in here; ``addresses`` are theirs by hardware address.

        ``moved`` says that they are of another home since, or of none.
        """
        let_in = list(devices)
        for device in let_in:
            self.roaming.see(device.hardware, now)
            self.addresses.note(device.hardware, addresses.get(device.hardware, ()), now)
        said = self.roaming.claim(let_in, now, records.MOVING if moved else records.SEEING)
        self._publish(said, now, keep=moved)
        self._changed()

    def left(self, hardware: str, now: float) -> None:
        """Tell everybody that a device left, whatever it was."""
        said = self.roaming.release(Device(hardware, 0, None, now), now)
        self._publish(said, now, keep=True)
        self.addresses.forget(hardware)
        self._changed()

    def sighted(self, sightings: Mapping[str, Iterable[str]], now: float) -> list[Device]:
        """Return those of the devices just seen that are joined elsewhere; they are members here from now on."""
        arrived, moved = [], False
        for hardware, addresses in sightings.items():
            self.roaming.see(hardware, now)
            self.learn_pause(hardware, now)
            moved = self.addresses.note(hardware, addresses, now) or moved
            if self.roaming.mine(hardware) and self._members.get(hardware):
                continue
            device = self._recognise(hardware, now)
            if device is not None:
                arrived.append(device)
        self._publish([*self.roaming.claim(map(self._as_told, arrived), now), *self.roaming.ended(sightings)], now)
        if arrived or moved:
            self._changed()
        return arrived

    def heard(self, owner: str, rows: Iterable[object], longest: float, now: float) -> None:
        """Take in what ``owner`` vouches for. Raises `ChannelError` for a wrong shape."""
        told = [records.from_wire(one, owner, now, longest) for one in rows]
        effects = self.roaming.hear(told, [device.hardware for device in self._members.all()], now)
        self._publish(self.roaming.ended(effects.gone), now)
        self._follow(effects, now)

    def learn_pause(self, hardware: str, now: float) -> None:
        """Note here what the network knows of a device's pause."""
        pause = self.pauses.best(hardware)
        if pause is not None:
            self._members.pauses.merge(hardware, pause)
            self._members.pauses.lapse(now)

    def hear_pauses(self, message: Message, now: float) -> None:
        """Take in pauses that another node knows of. Raises `ChannelError` for a wrong shape."""
        if self.pauses.hear(message, now):
            self._match_pauses()
            self._share_pauses(now)
            tolerate(self.settle)

    def keys_changed(self, now: float) -> None:
        """Renew tokens under the current key, and look again at who is joined or in front of this node."""
        self._match_pauses()
        self._share_pauses(now)
        tolerate(self.settle)
        self._publish(self.roaming.catch_up(now), now)
        self._follow(Effects(left=self.roaming.gone([device.hardware for device in self._members.all()])), now)
        self._publish([*self.roaming.renew(self._members.all(), now), *self.roaming.ended()], now)
        waiting = [hardware for hardware in self.roaming.seen(now) if self._members.get(hardware) is None]
        self._let_in({hardware: self.addresses.of(hardware, now) for hardware in waiting}, now)
        self._changed()

    def roll_changed(self, removed: Container[str], lost: Iterable[Device], now: float) -> None:
        """Put devices into households that were not known here before; ``lost`` became guests with their household."""
        self.roaming.records.drop_homes(removed)
        self.roaming.records.rewrite_homes()
        mine = [d.hardware for d in lost if self.roaming.mine(d.hardware)]
        self._publish(self.roaming.claim([d for one in mine if (d := self._members.get(one)) is not None], now), now)
        homeless = [d.hardware for d in self._members.all() if d.household is None]
        found = [device for hardware in homeless if (device := self._recognise(hardware, now)) and device.household]
        if found:
            tolerate(lambda: self._turns.admit(found, []))
        if mine:
            self._changed()

    def turn(self, found: Mapping[str, Iterable[str]], now: float) -> None:
        """Note addresses that the kernel saw in use, and vouch no more for whose stay is over."""
        for hardware in self.roaming.vouched():
            if self._members.get(hardware) is None:
                self.roaming.forget(hardware)
                self.addresses.forget(hardware)
        mine = {hardware: addresses for hardware, addresses in found.items() if self.roaming.mine(hardware)}
        self.addresses.note_all(mine, now)
        self.addresses.purge(now)

    def vouched(self) -> list[Device]:
        """Return the devices that this node vouches for and lets through."""
        return [device for device in self._members.unpaused() if self.roaming.mine(device.hardware)]

    def devices_of(self, household: str) -> int:
        """Return how many devices of a household are joined anywhere."""
        joined = {r.token: r for r in self.roaming.records.all() if r.household == household and not r.gone}
        return sum(1 for record in joined.values() if self._keys.current and record.key == self._keys.current.name)

    def keep(self, shelf: Shelf, now: float, *, all_keys_known: bool) -> None:
        """Forget records that are over, and write what changed."""
        living = self._keys.names()
        self.roaming.records.purge(now, living, all_keys_known=all_keys_known)
        if all_keys_known:
            self.pauses.purge(living)
        shelf.keep_records(self.roaming.records.changed(), now)
        shelf.keep_pauses(self.pauses.changed(), now)

    def told(self, now: float) -> list[Message]:
        """Return what a node that is reached anew is told: who is vouched for here, and who left anywhere."""
        return [records.to_wire(one, now) for one in self.roaming.records.all() if one.gone or one.owner == self._name]

    def told_of(self, node: str, now: float) -> list[Message]:
        """Return the records that a node vouches for, as they travel."""
        return [records.to_wire(record, now) for record in self.roaming.records.of(node)]

    def _follow(self, effects: Effects, now: float) -> None:
        for hardware in effects.left:
            device = self._members.leave(hardware)
            if device is not None:
                self.addresses.forget(hardware)
                tolerate(lambda device=device: self._turns.release(device, []))  # type: ignore[misc]
        if effects.left:
            self._changed()
        if effects.moved:
            changed = [device for hardware in effects.moved if (device := self._recognise(hardware, now)) is not None]
            tolerate(lambda: self._turns.admit(changed, []))
            self._changed()
        if effects.arrived:
            self._expect(effects.arrived, now)

    def _match_pauses(self) -> None:
        joined = [device.hardware for device in self._members.all()]
        for record in self.pauses.all():
            hardware = self.roaming.whose(record.token, joined)
            if hardware is not None:
                self._members.pauses.merge(hardware, record.pause)

    def _share_pauses(self, now: float) -> None:
        for hardware, pause in self._members.pauses.all().items():
            self.pauses.write(hardware, pause, now)

    def _expect(self, devices: Iterable[str], now: float) -> None:
        """Let in devices that were here lately and are joined elsewhere, without a claim to them: they may be there.

        Whoever is here is seen here again, and vouched for then.
        """
        expected = []
        for hardware in devices:
            self.learn_pause(hardware, now)
            device = self._recognise(hardware, now)
            expected += [device] if device is not None else []
        if expected:
            tolerate(lambda: self._turns.admit(expected, []))

    def _let_in(self, sightings: Mapping[str, Iterable[str]], now: float) -> None:
        arrived = self.sighted(sightings, now)
        if arrived:
            tolerate(lambda: self._turns.admit(arrived, []))

    def _recognise(self, hardware: str, now: float) -> Device | None:
        """Make a device a member here as its record says, or return ``None``: nobody vouches for it."""
        record = self.roaming.recognise(hardware, now)
        if record is None:
            return None
        known = self._store.household(record.household) if record.household else None
        before = self._members.get(hardware)
        if record.household is None and before is not None and before.household is not None:
            # It was taken out of its home at another node.
            self._members.leave(hardware)
            return self._members.join(hardware, record.until, now)
        if known is None:
            # A household that the roll does not have here yet is a guest until it has.
            return before or self._members.join(hardware, record.until, now)
        if before is not None and before.mark == mark_of(known[0]):
            return before
        return self._members.link(hardware, known[0], record.until, now)

    def _as_told(self, device: Device) -> Device:
        """Return a device with the household that its record names, also where the roll does not have it here yet."""
        record = self.roaming.best(device.hardware)
        return replace(device, household=record.household) if record and device.household is None else device

    def _publish(self, fresh: list[records.Record], now: float, *, keep: bool = False) -> None:
        """Tell everybody; what a person decided is on the disk at once, the rest with the next turn."""
        if keep:
            Shelf(self._store).keep_records({record.token: record for record in fresh}, now)
        if fresh:
            self._tell({"kind": "devices", "records": [records.to_wire(record, now) for record in fresh]})
