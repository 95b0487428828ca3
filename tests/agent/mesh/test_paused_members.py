"""A pause follows a device from node to node: heard, recognised, renewed under new keys, ended."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from meshctl.agent.members import Members
from meshctl.agent.mesh.addresses import Addresses
from meshctl.agent.mesh.channel import Message
from meshctl.agent.mesh.daykeys import LIFETIME, ROTATE, DayKeys
from meshctl.agent.mesh.membership import Membership
from meshctl.agent.mesh.pauses import PauseRecord
from meshctl.agent.mesh.shelf import Shelf
from meshctl.agent.pauses import Pause
from meshctl.agent.pausing import Pausing
from meshctl.agent.store import Store
from meshctl.agent.tick import Reconciler
from tests.agent.fake_kernel import FakeKernel
from tests.agent.test_tick import CONFIG, HandClock

PHONE, OTHER = "02:00:00:00:00:01", "02:00:00:00:00:02"
HOUR = 3600.0


class Node:
    """One node's members, kernel and pauses; what it tells the other is heard there at once."""

    def __init__(self, name: str, folder: Path, clock: HandClock, known: list[PauseRecord] | None = None) -> None:
        folder.mkdir()
        self.clock, self.keys, self.members, self.store = clock, DayKeys(), Members(), Store(folder)
        self.kernel = FakeKernel(CONFIG, ["lan0", "mesh0", "wan0"], lambda: clock.now)
        self.turns = Reconciler(CONFIG, self.kernel, self.store, self.members, clock)
        parts = (self.store, self.members, self.turns)
        networks = [CONFIG.access[0].interface4.network]
        none: list[PauseRecord] = []
        self.membership = Membership(
            name, self.keys, ([], known or none), parts, Addresses(networks), self.tell, lambda: None
        )
        self.other: Node | None = None
        self.pausing = Pausing(CONFIG, self.kernel, parts, clock, None)
        self.membership.settle = self.pausing.settle
        self.turns.start()

    def tell(self, message: Message) -> None:
        if self.other is None:
            return
        if message["kind"] == "pauses":
            self.other.membership.hear_pauses(message, self.clock.now)
        else:
            self.other.membership.heard("elm", message["records"], 1e6, self.clock.now)

    def join(self, hardware: str) -> None:
        device = self.members.join(hardware, self.clock.now + 40 * HOUR, self.clock.now)
        self.turns.admit([device], [])
        self.membership.joined([device], {}, self.clock.now)

    def pause(self, hardware: str, hours: float) -> Pause:
        before = self.membership.pauses.best(hardware)
        made = Pause("K7QM", "It floods.", self.clock.now + hours * HOUR, before.next_version if before else 1, "elm")
        self.members.pauses.merge(hardware, made)
        self.membership.pauses.write(hardware, made, self.clock.now)
        self.pausing.settle()
        return made

    def see(self, *devices: str) -> set[str]:
        """Note that devices are here, and return whom the kernel lets through."""
        self.turns.admit(self.membership.sighted(dict.fromkeys(devices, ()), self.clock.now), [])
        self.pausing.settle()
        return self.let_through()

    def let_through(self) -> set[str]:
        return set(self.kernel.read().table.members)

    def learn_keys(self, other: Node) -> None:
        if self.keys.accept(other.keys.offer(self.keys.names(), self.clock.now), self.clock.now):
            self.membership.keys_changed(self.clock.now)


@pytest.fixture
def pair() -> Iterator[tuple[Node, Node]]:
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        clock = HandClock()
        elm, oak = Node("elm", Path(folder) / "elm", clock), Node("oak", Path(folder) / "oak", clock)
        elm.other, oak.other = oak, elm
        elm.keys.make(clock.now)
        oak.learn_keys(elm)
        for phone in (PHONE, OTHER):
            elm.join(phone)
        yield elm, oak
        elm.store.close()
        oak.store.close()


def test_a_paused_device_is_a_member_but_not_let_through_where_it_comes(pair: tuple[Node, Node]) -> None:
    elm, oak = pair
    elm.pause(PHONE, 3)
    assert elm.let_through() == {OTHER}
    oak.kernel.around = {"10.44.4.77": PHONE}
    assert oak.see(PHONE, OTHER) == {OTHER}
    assert oak.kernel.forgotten == [], "it may be reading the page that tells why"
    assert oak.members.get(PHONE) is not None
    assert [device.hardware for device in oak.membership.vouched()] == [OTHER]
    oak.clock.now += 3 * HOUR
    oak.pausing.settle()
    assert oak.let_through() == {PHONE, OTHER}


def test_who_is_at_another_node_already_is_stopped_there(pair: tuple[Node, Node]) -> None:
    elm, oak = pair
    assert oak.see(PHONE, OTHER) == {PHONE, OTHER}
    made = elm.pause(PHONE, 3)
    assert oak.let_through() == {OTHER}
    over = Pause(made.ident, made.reason, made.until, 2, "oak", over=True)
    oak.membership.pauses.end(made.ident, over, oak.clock.now)
    assert elm.let_through() == {PHONE, OTHER}
    oak.members.pauses.merge(PHONE, over)
    oak.pausing.settle()
    assert oak.let_through() == {PHONE, OTHER}


def test_a_new_key_of_the_day_loses_no_pause(pair: tuple[Node, Node]) -> None:
    elm, oak = pair
    clock = elm.clock
    clock.now += ROTATE - HOUR
    elm.pause(PHONE, 24)
    clock.now += HOUR
    elm.keys.make(clock.now)
    elm.membership.keys_changed(clock.now)
    oak.learn_keys(elm)
    clock.now += LIFETIME - ROTATE + 1
    for node in (elm, oak):
        assert len(node.keys.forget(clock.now)) == 1
        node.membership.keep(Shelf(node.store), clock.now, all_keys_known=True)
    assert oak.see(PHONE, OTHER) == {OTHER}
    assert elm.let_through() == {OTHER}


def test_a_pause_heard_before_the_key_holds_once_the_key_is_there(pair: tuple[Node, Node]) -> None:
    elm, oak = pair
    oak.see(PHONE, OTHER)
    elm.keys.make(elm.clock.now)
    oak.other = elm.other = None
    elm.pause(PHONE, 3)
    for message in elm.membership.pauses.messages(elm.clock.now):
        rows = [row for row in message["records"] if row["key"] == elm.keys.names()[0]]
        oak.membership.hear_pauses({"records": rows}, elm.clock.now)
    assert oak.let_through() == {PHONE, OTHER}
    oak.learn_keys(elm)
    assert oak.let_through() == {OTHER}


def test_a_node_back_from_a_power_cut_prolongs_no_pause(pair: tuple[Node, Node], tmp_path: Path) -> None:
    elm, oak = pair
    clock = elm.clock
    elm.pause(PHONE, 3)
    kept = oak.membership.pauses.all()
    clock.now += 4 * HOUR
    elm.pausing.settle()
    # Oak was off all the time: for it three hours are still to come.
    late = [
        PauseRecord(one.token, one.key, Pause("K7QM", "It floods.", clock.now + 3 * HOUR, 1, "elm")) for one in kept
    ]
    back = Node("oak", tmp_path / "oak", clock, late)
    back.other, elm.other = elm, back
    for message in back.membership.pauses.messages(clock.now):
        elm.membership.hear_pauses(message, clock.now)
    back.learn_keys(elm)
    for message in elm.membership.pauses.messages(clock.now):
        back.membership.hear_pauses(message, clock.now)
    assert elm.let_through() == {PHONE, OTHER}
    back.join(PHONE)
    assert back.see(PHONE) == {PHONE}
    back.store.close()
