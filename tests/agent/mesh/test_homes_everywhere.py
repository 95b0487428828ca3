"""A home asks at any node: what all keep is seen there, and what it wants is done, kept or taken back everywhere."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from meshctl.agent import passes
from meshctl.agent.members import Members
from meshctl.agent.mesh.channel import ChannelError, Message
from meshctl.agent.mesh.roll import Roll
from meshctl.agent.mesh.sessions import Post
from meshctl.agent.mesh.shelf import Shelf
from meshctl.agent.rights import Rights
from meshctl.agent.store import Store
from meshctl.agent.tick import Reconciler
from meshctl.agent.verbs import Verbs
from meshctl.agent.views import Views
from meshctl.agent.wishes import SETTLE, WAITS
from meshctl.household_data import Mine, export, mine
from meshctl.lists import Roster
from meshctl.model import ClockReading
from tests.agent.fake_kernel import FakeKernel
from tests.agent.test_reading import sent
from tests.kernel.agents import ACCESS, GATEWAY, THIRD, config_of

HUB, FAR, LAST = GATEWAY.name, ACCESS.name, THIRD.name
ROSTER = Roster(1, (replace(GATEWAY, hub=True), ACCESS, replace(THIRD, gateway=True)))
HERE, PHONE = "10.44.4.9", "02:00:00:00:00:01"
DAY = 86_400.0
Made = Callable[[], "Street"]


class Node:
    """One node's parts over a kernel in memory; what it says to a node with power arrives at once."""

    def __init__(self, street: Street, name: str) -> None:
        self.street, self.name, self.up, self.boots = street, name, True, 0
        self.folder = street.folder / name
        self.folder.mkdir()
        self.since = 0.0
        self.start()

    def read(self) -> ClockReading:
        return ClockReading(1000.0 + self.street.now - self.since, 1_790_000_000.0 + self.street.now, trusted=True)

    def start(self) -> None:
        self.boots += 1
        self.store = Store(self.folder)
        self.store.boot(f"life {self.boots}")
        member = ROSTER.member(self.name)
        assert member is not None
        config = config_of(member, "mesh0")
        kernel = FakeKernel(config, ["lan0", "wan0", "mesh0"], lambda: self.read().monotonic)
        kernel.around[HERE] = PHONE
        self.kernel = kernel
        members = Members()
        turns = Reconciler(config, kernel, self.store, members, self)
        turns.start()
        parts = (self.store, members, turns)
        self.hears: dict[str, Callable[[str, Message, Post], None]] = {}
        self.on_opened: list[Callable[[str, Post], None]] = []
        mesh: Any = SimpleNamespace(
            hears=self.hears,
            on_opened=self.on_opened,
            sessions=SimpleNamespace(up=self.reached, post=lambda to, message: self.street.carry(self, to, message)),
            lists=SimpleNamespace(is_hub=self.name == HUB, roster=ROSTER, households_elsewhere=lambda: ""),
            membership=SimpleNamespace(devices_of=lambda handle: 0),
            households_changed=lambda removed: self.street.publish(),
        )
        views = Views(config, parts, self)
        verbs = Verbs(config, kernel, parts, self, views, mesh)
        self.verbs, self.rights = verbs, Rights(config, self.store, self, verbs, views, mesh)

    def reached(self) -> dict[str, bool]:
        return {other.name: other.up for other in self.street.nodes.values() if other is not self}

    def power_off(self) -> None:
        self.up = False
        self.store.close()

    def power_on(self) -> None:
        self.since, self.up = self.street.now, True
        self.start()
        self.street.meet(self)

    def ask(self, verb: str, **words: Any) -> dict[str, Any]:
        request = {"address": HERE, **(words if "code" in words else {**self.street.secret, **words})}
        if verb not in self.verbs.slow:
            return sent(self.verbs.table[verb].run(request))

        async def answer() -> dict[str, Any]:
            return await self.verbs.slow[verb].run(request)

        return sent(asyncio.run(answer()))

    def seen(self, **words: Any) -> Mine:
        return mine(self.ask("mine", **words))

    def knows(self) -> bool:
        """Whether anything on this node's disk names the home, its notes included."""
        self.store.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").close()
        raw = b"".join(file.read_bytes() for file in self.folder.glob("node.db*"))
        return self.street.drawn.handle.encode() in raw or b"looks wrong" in raw


class Street:
    """Three nodes: the hub's, which has a line, one without, and another one with a line."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.now, self.version = folder, 0.0, 0
        self.nodes: dict[str, Node] = {}
        for name in (HUB, FAR, LAST):
            self.nodes[name] = Node(self, name)
        self.drawn = passes.draw_verified()
        self.secret = {"pass": self.drawn.text, "secure": True}
        self.hub.store.add_household(self.drawn.handle, 1, self.drawn.kept, self.hub.read())
        self.publish()

    @property
    def hub(self) -> Node:
        return self.nodes[HUB]

    def publish(self) -> None:
        """Have every node with power know the roll of the hub's node."""
        self.version += 1
        for node in self.nodes.values():
            if node.up:
                self.give_roll(node)

    def give_roll(self, node: Node) -> None:
        if node is not self.hub:
            roll = Roll(self.version, tuple(Shelf(self.hub.store).roll_rows()))
            body = json.dumps([vars(one) for one in roll.households]).encode()
            Shelf(node.store).enter_roll(roll, body)

    def carry(self, sender: Node, to: str, message: Message) -> bool:
        node = self.nodes[to]
        if not node.up or not sender.up:
            return False
        node.hears[message["kind"]](
            sender.name, json.loads(json.dumps(message)), partial(self._tell, node, sender.name)
        )
        return True

    def _tell(self, sender: Node, to: str, message: Message) -> None:
        assert self.carry(sender, to, message)

    def meet(self, node: Node) -> None:
        """Have a node that came back say and hear everything; the roll comes last."""
        for other in self.nodes.values():
            if other is node or not other.up:
                continue
            for one, two in ((node, other), (other, node)):
                for say in one.on_opened:
                    say(two.name, partial(self._tell, one, two.name))
        if self.hub.up:
            self.give_roll(node)

    def wait(self, seconds: float, step: float = 4 * 3600.0) -> None:
        ends = self.now + seconds
        while self.now < ends:
            self.now = min(ends, self.now + step)
            for node in self.nodes.values():
                if node.up:
                    node.rights.turn()


@pytest.fixture
def street(tmp_path: Path) -> Iterator[Street]:
    street = Street(tmp_path)
    yield street
    for node in street.nodes.values():
        if node.up:
            node.store.close()


def use_lines(street: Street) -> None:
    for name, octets in ((HUB, 40), (LAST, 2)):
        for table in (
            "daily VALUES ('2026-09-20', :home, :line, 'down', :n)",
            "ledger VALUES (:line, 'down', :home, :n)",
        ):
            values = {"home": street.drawn.handle, "line": f"line of {name}", "n": octets}
            street.nodes[name].store.connection.execute(f"INSERT INTO {table}", values)


def test_a_node_without_a_line_shows_what_all_lines_keep_and_says_which_is_away(street: Street) -> None:
    use_lines(street)
    far = street.nodes[FAR]
    seen = far.seen()
    assert (seen.down, [day.down for day in seen.days], seen.away, seen.keeper) == (42, [42], (), HUB)
    street.hub.power_off()
    found = export(far.ask("export"))
    assert (found["missing"], sorted(found["kept"])) == ([HUB], [FAR, LAST])
    assert (far.seen().away, far.seen().keeper_up) == ((HUB,), False)


def test_other_nodes_prove_the_key_themselves(street: Street) -> None:
    asked: list[Message] = []
    for number, key in enumerate(
        ({"pass": "0000-0000-0000-0000"}, {"code": "00000000"}, {}, {"pass": street.drawn.text})
    ):
        street.hub.hears["ask-home"](FAR, {"kind": "ask-home", "number": number, **key}, asked.append)
    assert [message["tables"] is None for message in asked] == [True, True, True, False]
    for number in range(70):
        street.hub.hears["ask-home"](FAR, {"kind": "ask-home", "number": number, "code": "0"}, asked.append)
    street.hub.hears["ask-home"](FAR, {"kind": "ask-home", "number": 99, "pass": street.drawn.text}, asked.append)
    assert asked[-1]["tables"] is None, "a node that guesses is not answered"


def test_a_stewards_code_works_at_every_node_also_at_one_that_comes_back(street: Street) -> None:
    use_lines(street)
    street.nodes[FAR].power_off()
    code = street.hub.verbs.table["household-code"].run({"handle": street.drawn.handle})["code"]
    street.nodes[FAR].power_on()
    for name in (FAR, LAST):
        assert street.nodes[name].seen(code=code).down == 42
    street.wait(901)
    assert street.nodes[FAR].ask("mine", code=code)["error"]["code"] == "wrong-code"


def test_a_code_that_one_device_used_opens_nothing_for_another_one_at_any_node(street: Street) -> None:
    code = street.hub.verbs.table["household-code"].run({"handle": street.drawn.handle})["code"]
    assert street.nodes[FAR].seen(code=code).household == street.drawn.handle
    street.nodes[LAST].kernel.around[HERE] = "02:00:00:00:00:77"
    assert street.nodes[LAST].ask("mine", code=code)["error"]["code"] == "wrong-code"


def test_what_is_asked_anywhere_is_known_and_taken_back_anywhere(street: Street) -> None:
    street.nodes[FAR].ask("correct", note="The 3rd looks wrong.")
    street.nodes[FAR].ask("erase")
    for node in street.nodes.values():
        assert (node.seen().note, node.seen().erased_in) == ("The 3rd looks wrong.", WAITS["erase"])
    street.nodes[LAST].ask("erase-cancel")
    street.wait(2 * DAY)
    assert street.hub.store.households()
    assert all(node.seen().erased_in is None for node in street.nodes.values())


def test_an_erase_asked_while_the_hubs_node_is_away_is_kept_and_done_when_it_is_back(street: Street) -> None:
    street.hub.power_off()
    far = street.nodes[FAR]
    far.ask("erase")
    street.wait(DAY + 60)
    assert (far.seen().erased_in, far.seen().keeper_up, len(far.store.households())) == (0.0, False, 1)
    street.hub.power_on()
    street.wait(SETTLE - 1, SETTLE - 1)
    assert street.hub.store.households(), "there is time to hear that it was taken back"
    street.wait(30)
    street.wait(10)
    assert not any(node.store.households() or node.knows() for node in street.nodes.values())


def test_a_node_that_was_off_neither_brings_an_erased_home_back_nor_keeps_it(street: Street) -> None:
    use_lines(street)
    last = street.nodes[LAST]
    last.ask("correct", note="The 3rd looks wrong.")
    last.ask("erase")
    last.power_off()
    assert b"looks wrong" in b"".join(file.read_bytes() for file in last.folder.glob("node.db*"))
    street.wait(DAY + 60)
    street.wait(10)
    others = [street.hub, street.nodes[FAR]]
    assert not any(node.knows() for node in others)
    last.power_on()
    street.wait(10)
    assert not any(node.store.households() or node.knows() or node.rights.wishes.all() for node in [*others, last])
    assert last.store.ledger() == {(f"line of {LAST}", "down", "guests"): 2}


def test_a_node_that_was_off_for_months_revives_no_wish_that_was_taken_back(street: Street) -> None:
    last = street.nodes[LAST]
    last.ask("erase")
    last.power_off()
    street.nodes[FAR].ask("erase-cancel")
    street.wait(60 * DAY, DAY)
    last.power_on()
    street.wait(2 * DAY)
    assert street.hub.store.households()
    assert last.seen().erased_in is None


@pytest.mark.parametrize(
    "row",
    [
        {},
        {"kind": "erase"},
        {"household": "AAAA", "kind": "ban", "text": "", "left": 5, "version": 1, "by": "oak", "over": False},
        {"household": "AAAA", "kind": "note", "text": "x" * 201, "left": 5, "version": 1, "by": "oak", "over": False},
        {"household": "AAAA", "kind": "note", "text": "", "left": -5, "version": 1, "by": "oak", "over": False},
        {"household": "AAAA", "kind": "note", "text": "", "left": 5, "version": 0, "by": "oak", "over": False},
    ],
)
def test_a_wish_of_the_wrong_shape_cuts_its_sender_off(street: Street, row: dict[str, Any]) -> None:
    for kind, message in (("wishes", {"wishes": [row]}), ("codes", {"codes": [row]})):
        with pytest.raises(ChannelError):
            street.hub.hears[kind](FAR, message, lambda reply: None)


def test_what_is_told_of_a_home_that_nobody_knows_is_not_kept(street: Street) -> None:
    row = {"household": "ZZZZ", "kind": "note", "text": "x", "left": 5, "version": 1, "by": "oak", "over": False}
    street.hub.hears["wishes"](FAR, {"wishes": [row]}, lambda reply: None)
    assert street.hub.rights.wishes.all() == []
