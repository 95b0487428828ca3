"""A steward pauses a device: the fields are checked, the kernel follows, and it ends by itself."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from meshctl.agent.members import Members
from meshctl.agent.pauses import Pause, PauseError, Pauses, checked_hours, checked_reason
from meshctl.agent.pausing import Pausing
from meshctl.agent.store import Store
from meshctl.agent.tick import Reconciler
from meshctl.agent.verbs import Verbs
from meshctl.agent.views import Views
from meshctl.model import Device, Household
from tests.agent.fake_kernel import FakeKernel
from tests.agent.test_tick import CONFIG, HandClock

PHONE, OTHER, GUEST = "02:00:00:00:00:01", "02:00:00:00:00:02", "02:00:00:00:00:03"
FOUR, SIX = "10.44.4.11", "2001:db8:1::b"
REASON = "It sends spam."
HOUR = 3600.0


class Node:
    """One node's verbs over a kernel in memory, without a mesh."""

    def __init__(self, folder: Path, members: Members | None = None) -> None:
        self.clock = HandClock()
        self.kernel = FakeKernel(CONFIG, ["lan0", "mesh0", "wan0"], lambda: self.clock.now)
        self.store, self.members = Store(folder), members or Members()
        self.turns = Reconciler(CONFIG, self.kernel, self.store, self.members, self.clock)
        parts = (self.store, self.members, self.turns)
        self.verbs = Verbs(CONFIG, self.kernel, parts, self.clock, Views(CONFIG, parts, self.clock))
        self.pausing = Pausing(CONFIG, self.kernel, parts, self.clock, None)
        self.verbs.table |= self.pausing.table()
        self.turns.start()
        self.kernel.around = {FOUR: PHONE, SIX: PHONE, "10.44.4.12": OTHER, "10.44.4.13": GUEST}

    def ask(self, verb: str, **fields: object) -> dict[str, Any]:
        return self.verbs.table[verb].run({"verb": verb, **fields})

    def pause(self, hours: float = 3, address: str = FOUR, reason: str = REASON) -> dict[str, Any]:
        return self.ask("pause", address=address, reason=reason, hours=hours)

    def link(self, hardware: str) -> Device:
        now = self.clock.now
        device = self.members.link(hardware, Household("AAAA", 1), now + 90_000, now)
        self.turns.admit([device], [])
        return device

    def let_through(self) -> set[str]:
        return set(self.kernel.read().table.members)


@pytest.fixture
def node() -> Iterator[Node]:
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        one = Node(Path(folder))
        yield one
        one.store.close()


def test_a_paused_device_is_a_visitor_to_the_kernel_and_stays_what_it_was(node: Node) -> None:
    device = node.link(PHONE)
    node.link(OTHER)
    reply = node.pause()
    assert (reply["ok"], reply["replaced"], reply["ends_in"]) == (True, False, 3 * HOUR)
    assert node.let_through() == {OTHER}
    assert set(node.kernel.forgotten) == {FOUR, SIX}
    assert node.members.get(PHONE) == device
    view = node.ask("device", address=SIX)["device"]
    assert (view["state"], view["household"]) == ("household", "AAAA")
    assert view["pause"] == {"reason": REASON, "ends_in": 3 * HOUR}
    assert node.ask("device", address="10.44.4.12")["device"]["pause"] is None


def test_it_ends_by_itself_at_its_time_without_a_tap(node: Node) -> None:
    device = node.link(PHONE)
    node.pause(hours=3)
    node.clock.now += 3 * HOUR - 1
    assert node.pausing.due_in() == 1
    node.pausing.settle()
    node.turns.tick()
    assert node.let_through() == set()
    node.clock.now += 1
    node.pausing.settle()
    assert node.let_through() == {PHONE}
    assert node.members.get(PHONE) == device
    assert set(node.kernel.redirected) == {FOUR, SIX}
    assert node.ask("pauses")["pauses"] == []


def test_neither_the_button_nor_a_pass_nor_a_sighting_lets_it_in(node: Node) -> None:
    node.pause()
    assert node.verbs.join([{"address": FOUR}, {"address": "10.44.4.12"}])[0]["device"]["state"] == "visitor"
    view = node.ask("link", address=FOUR, **{"pass": "AAAA-0000-0000-0000"})["device"]
    assert (view["state"], view["pause"]["reason"]) == ("visitor", REASON)
    node.verbs.seen({PHONE: [FOUR], OTHER: []})
    node.turns.tick()
    assert node.let_through() == {OTHER}


def test_leaving_does_not_lift_it(node: Node) -> None:
    node.verbs.join([{"address": FOUR}])
    node.pause()
    assert node.ask("leave", address=FOUR)["device"]["state"] == "visitor"
    assert node.verbs.join([{"address": FOUR}])[0]["device"]["pause"] is not None
    assert node.let_through() == set()


def test_a_paused_guest_does_not_count_as_present(node: Node) -> None:
    node.verbs.join([{"address": FOUR}, {"address": "10.44.4.13"}])
    assert node.turns.plan.guests == 2
    node.pause()
    assert node.turns.plan.guests == 1
    node.verbs.seen({PHONE: [FOUR]})
    node.turns.tick()
    assert node.turns.plan.guests == 1


def test_an_emptied_table_does_not_lift_it(node: Node) -> None:
    node.link(PHONE)
    node.link(OTHER)
    node.pause()
    node.kernel.lose_table()
    node.turns.tick()
    assert node.let_through() == {OTHER}


def test_pausing_again_replaces_reason_and_end(node: Node) -> None:
    first = node.pause(hours=20)
    node.clock.now += HOUR
    again = node.pause(hours=24, reason="It still does.")
    assert (again["replaced"], again["id"], again["ends_in"]) == (True, first["id"], 24 * HOUR)
    shorter = node.pause(hours=0.5)
    assert [one["ends_in"] for one in node.ask("pauses")["pauses"]] == [0.5 * HOUR]
    assert shorter["id"] == first["id"]


@pytest.mark.parametrize("by", ["address", "other address", "name", "name in small letters"])
def test_it_can_be_ended_early(node: Node, by: str) -> None:
    node.link(PHONE)
    ident = node.pause()["id"]
    asked = {"address": FOUR, "other address": SIX, "name": ident, "name in small letters": ident.lower()}[by]
    assert node.ask("pause-end", address=asked)["id"] == ident
    assert node.let_through() == {PHONE}
    assert node.ask("device", address=FOUR)["device"]["pause"] is None
    again = node.ask("pause-end", address=asked)
    assert again["error"]["code"] == "not-paused"
    assert node.pause()["replaced"] is False
    assert node.let_through() == set()


def test_the_list_names_no_device(node: Node) -> None:
    node.link(PHONE)
    ident = node.pause()["id"]
    listed = node.ask("pauses")["pauses"]
    assert listed == [{"id": ident, "reason": REASON, "ends_in": 3 * HOUR, "node": "gate"}]


def test_every_decision_to_pause_is_counted_for_good(node: Node) -> None:
    node.pause()
    node.pause(hours=1)
    node.pause(address="10.44.4.13")
    assert (node.store.counted("pauses"), node.pausing.in_force_here()) == (3, 2)
    node.ask("pause-end", address=FOUR)
    assert (node.store.counted("pauses"), node.pausing.in_force_here()) == (3, 1)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"address": "elm"}, "address: it is no IPv4 or IPv6 address"),
        ({"address": None}, "address: it is no IPv4 or IPv6 address"),
        ({"address": "10.44.4.99"}, "address: this node sees no device at 10.44.4.99"),
        ({"reason": None}, "reason: it has 3 to 200"),
        ({"reason": " no "}, "reason: it has 3 to 200"),
        ({"reason": "x" * 201}, "reason: it has 3 to 200"),
        ({"reason": "two\nlines"}, "reason: it has 3 to 200"),
        ({"reason": "\x1b[31mred"}, "reason: it has 3 to 200"),
        ({"reason": "left\u202eright"}, "reason: it has 3 to 200"),
        ({"hours": 0}, "hours: it is a number above 0 and at most 24"),
        ({"hours": -1}, "hours: it is a number"),
        ({"hours": 24.01}, "hours: it is a number"),
        ({"hours": float("nan")}, "hours: it is a number"),
        ({"hours": "3"}, "hours: it is a number"),
        ({"hours": True}, "hours: it is a number"),
        ({"hours": None}, "hours: it is a number"),
    ],
)
def test_bad_input_is_refused_and_nothing_changes(node: Node, fields: dict[str, object], said: str) -> None:
    node.link(PHONE)
    changes = node.kernel.changes
    reply = node.ask("pause", **{"address": FOUR, "reason": REASON, "hours": 3, **fields})
    assert reply["error"]["code"] == "bad-request"
    assert said in reply["error"]["message"]
    assert (node.kernel.changes, node.store.counted("pauses")) == (changes, 0)
    assert node.let_through() == {PHONE}


def test_an_address_that_only_the_kernel_saw_in_use_is_found(node: Node) -> None:
    node.link(PHONE)
    del node.kernel.around[SIX]
    node.kernel.seen = {PHONE: frozenset({SIX})}
    node.turns.tick()
    assert node.pause(address=SIX)["ok"]


def test_reasons_of_every_script_are_kept_as_they_are() -> None:
    for reason in ("شبكة الجيران: يرسل كثيراً", "क्\u200dष यह फ़ोन", "नमस्ते", "abc"):
        assert checked_reason(f"  {reason} ") == reason
    assert checked_hours(24) == 24.0


def test_who_may_pause_is_an_operator_alone(node: Node) -> None:
    assert {name: verb.callers for name, verb in node.pausing.table().items()} == dict.fromkeys(
        ("pause", "pause-end", "pauses"), frozenset({"operator"})
    )


def test_a_restarted_agent_of_this_boot_knows_it_from_tmpfs_and_nothing_is_on_disk() -> None:
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder, tempfile.TemporaryDirectory(dir="/var/tmp") as disk:
        before, after = Pauses(), Pauses()
        pause = Pause("K7QM", REASON, 500.0, 2, "elm")
        before.merge(PHONE, pause)
        before.merge(OTHER, Pause("K7QN", REASON, 90.0, 1, "elm"))
        for copy in (Path(folder) / "pauses.json", Path(disk) / "pauses.json"):
            before.changed = True
            before.save(copy)
        after.load(Path(folder) / "pauses.json", 100.0)
        assert after.all() == {PHONE: pause}
        assert list(Path(disk).iterdir()) == []


@pytest.mark.parametrize("text", ["", "[]", '{"a": 1}', '{"a": {"ident": "x"}}', "{"])
def test_a_damaged_copy_counts_as_none(text: str) -> None:
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        file = Path(folder) / "pauses.json"
        file.write_text(text)
        pauses = Pauses()
        pauses.load(file, 0.0)
        assert pauses.all() == {}
        assert not file.exists()


def test_wrong_fields_end_a_command_before_the_agent_is_asked() -> None:
    with pytest.raises(PauseError) as fault:
        checked_hours(json.loads("1e400"))
    assert fault.value.exit_code == 2
