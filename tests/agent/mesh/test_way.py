"""What a node says of the internet when the gateway is gone, when it is only silent, and when nobody can tell."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from meshctl.agent.health.babel import Surroundings
from meshctl.agent.mesh import way
from meshctl.agent.mesh.news import FRESH
from meshctl.agent.mesh.way import WayOut
from meshctl.agent.outages import Outages
from meshctl.agent.outlook import Outlook
from meshctl.agent.store import Store
from meshctl.agent.verbs import Verb
from meshctl.agent.views import Views
from meshctl.lists import Roster
from meshctl.wire import Fact, LineView, as_table
from tests.agent.small_agent import HandClock
from tests.kernel.agents import ACCESS, config_of

HEARD, HUNG_UP = Fact(ok=True, value=1), Fact(ok=False, error="babeld does not answer.")
BY_ELM, BY_YEW = (Surroundings(gateway=name, leads_out=True) for name in ("elm", "yew"))
NOWHERE = Surroundings()


class Node:
    """What one node knows of the way out. Babeld answers ``seen``; gateways say what `say` makes them say."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.config, self.clock = config_of(ACCESS, "mesh0"), HandClock()
        self.seen = (HEARD, BY_ELM)
        monkeypatch.setattr(way, "survey", self._survey)
        self.way = WayOut(self.config, lambda: Roster(1), lambda: self.now)
        mesh: Any = SimpleNamespace(way=self.way, sessions=SimpleNamespace(up=dict), lists=SimpleNamespace(roster=None))
        self.store = Store(folder)
        nothing: Any = None
        self.views = Views(self.config, (self.store, nothing, nothing), self.clock)
        self.views.mesh = mesh
        self.outages = Outages(self.store.connection, 1)
        self.outlook = Outlook(self.config, self.views, mesh, self.outages, self.clock)
        self.later(100)

    @property
    def now(self) -> float:
        return self.clock.now.monotonic

    async def _survey(self, *_: object) -> tuple[Fact, Surroundings]:
        return self.seen

    def say(self, gateway: str, *, works: bool = True) -> None:
        view = LineView("isp", 20, 5, 1, 0, 1.0, 0.0, works)
        line = {"line": as_table(view), "homes": 1, "guests": 0, "slices": [], "memory": None}
        self.way.heard.take(gateway, line, self.now)

    def later(self, seconds: float) -> None:
        now = self.clock.now
        self.clock.now = type(now)(now.monotonic + seconds, now.wall + seconds, now.trusted)

    def look(self, answers: Fact = HEARD, around: Surroundings = BY_ELM) -> None:
        self.seen = (answers, around)
        asyncio.run(self.way.look())

    def internet(self) -> bool | None:
        verb = self.outlook.table()["network"]
        assert isinstance(verb, Verb)
        reply: Any = verb.run({})
        told: bool | None = reply["network"]["internet"]
        return told


@pytest.fixture
def oak(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Node]:
    node = Node(tmp_path, monkeypatch)
    with closing(node.store):
        yield node


def test_when_the_only_gateway_is_gone_the_internet_is_gone_at_the_next_look(oak: Node) -> None:
    oak.say("elm")
    oak.look()
    assert oak.internet() is True
    oak.look(around=NOWHERE)
    assert oak.internet() is False
    line = oak.views.line()
    assert line is not None
    assert not line.uplink, "the first page and the firewall's portal say so too"
    oak.say("elm")
    oak.look()
    assert oak.internet() is True


def test_the_outage_begins_when_the_last_way_out_ended(oak: Node) -> None:
    oak.say("elm")
    oak.look()
    oak.outlook.turn()
    oak.later(3)
    oak.look(around=NOWHERE)
    lost = oak.now
    oak.later(8)
    oak.look(around=NOWHERE)
    oak.outlook.turn()
    oak.later(60)
    oak.outlook.turn()
    (told,) = oak.outages.told(oak.clock.now)
    assert told.began_ago == oak.now - lost
    said = oak.outlook.ills()["internet"]
    assert said.startswith("It is not reached from here for 68 seconds. No route leads to a gateway")


def test_what_a_gateway_says_that_is_not_used_is_not_the_truth_here(oak: Node) -> None:
    oak.say("elm", works=False)
    oak.say("yew")
    oak.look(around=BY_ELM)
    assert oak.internet() is False
    assert "cable and its modem" in oak.outlook.ills()["internet"]
    oak.look(around=BY_YEW)
    assert oak.internet() is True
    assert oak.outlook.ills() == {}


def test_where_the_routes_lead_out_over_this_nodes_own_line_no_other_speaks_for_it(oak: Node) -> None:
    oak.say("elm")
    oak.look(around=Surroundings(gateway=ACCESS.name, leads_out=True))
    assert oak.way.line() is None


def test_of_a_gateway_that_is_used_and_says_nothing_nobody_knows(oak: Node) -> None:
    oak.say("elm")
    oak.look()
    oak.later(FRESH + 1)
    assert oak.internet() is None


def test_without_babeld_gateways_are_believed_and_silence_is_not(oak: Node) -> None:
    oak.say("elm")
    oak.look(HUNG_UP, NOWHERE)
    assert oak.internet() is True
    oak.later(FRESH + 1)
    assert oak.internet() is False


def test_a_way_that_nobody_can_name_is_a_way(oak: Node) -> None:
    oak.say("elm")
    oak.look(around=Surroundings(leads_out=True))
    assert oak.internet() is True
