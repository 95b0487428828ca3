"""What a node says of its mesh: facts that fail alone, links by name, never an address."""

from __future__ import annotations

import asyncio
import base64
import json
from contextlib import closing
from pathlib import Path

from nacl.signing import SigningKey

from meshctl.agent.clock import SystemClock
from meshctl.agent.health.babel import Surroundings, examine_mesh
from meshctl.agent.journal import Journal, node_key
from meshctl.agent.kernel import LinuxKernel
from meshctl.agent.members import Members
from meshctl.agent.store import Store
from meshctl.agent.tick import Reconciler
from meshctl.config import Access, Config, Mesh, Node
from meshctl.lists import Member, Roster
from meshctl.wire import Fact, LinkState, decode_health
from tests.agent.babelds import NAMES, answers_as_oak, babeld_that

COMMUNITY = SigningKey(b"c" * 32)


def config(folder: Path, port: int = 1, devices: tuple[str, ...] = ("mesh0",)) -> Config:
    community = base64.b64encode(bytes(COMMUNITY.verify_key)).decode()
    mesh = Mesh(devices, community=community, roster=str(folder / "roster.json"), babel_port=port)
    return Config(Node("oak"), (Access("lan0", "10.44.4.1/22", "fd44:4::1/64"),), mesh=mesh)


def roster() -> Roster:
    def member(number: int, name: str) -> Member:
        key = base64.b64encode(bytes(SigningKey(bytes([number]) * 32).verify_key)).decode()
        return Member(name, number, key, f"10.44.{4 * number - 4}.1/22", f"fd44:{number - 1}::1/64")

    return Roster(7, tuple(member(number, name) for number, name in enumerate(NAMES, 1)))


async def with_babeld(folder: Path, known: Roster | None) -> tuple[dict[str, Fact], Surroundings]:
    async with babeld_that(answers_as_oak) as port:
        return await examine_mesh(config(folder, port), known, "")


def test_a_node_without_a_mesh_is_not_asked(tmp_path: Path) -> None:
    assert asyncio.run(examine_mesh(config(tmp_path, devices=()), None, "")) == ({}, Surroundings())


def test_links_gateway_and_way_out_are_told_by_name(tmp_path: Path) -> None:
    facts, around = asyncio.run(with_babeld(tmp_path, roster()))

    assert facts == {"roster": Fact(True, 7.0, "version"), "babel": Fact(True, 2.0, "nodes heard")}
    assert around.links == (LinkState("elm", "elm", 1.0, 96, 0.41), LinkState("yew", "yew", 1.0, 96))
    assert (around.gateway, around.via) == ("elm", "elm")


def test_without_a_roster_nobody_is_named_and_babeld_is_still_asked(tmp_path: Path) -> None:
    facts, around = asyncio.run(with_babeld(tmp_path, None))

    assert facts["babel"] == Fact(True, 0.0, "nodes heard")
    assert not facts["roster"].ok
    assert "newest roster" in facts["roster"].error
    assert around == Surroundings(leads_out=True)


def test_without_a_babeld_the_fact_says_what_to_do_and_the_roster_is_still_read(tmp_path: Path) -> None:
    facts, around = asyncio.run(examine_mesh(config(tmp_path), roster(), ""))

    assert facts["roster"].ok
    assert not facts["babel"].ok
    assert 'Start it, with "local-port 1"' in facts["babel"].error
    assert around == Surroundings()


def test_the_journal_has_the_links_and_no_address_of_a_neighbour(tmp_path: Path) -> None:
    facts, around = asyncio.run(with_babeld(tmp_path, roster()))
    plain, clock = config(tmp_path), SystemClock()
    with closing(Store(tmp_path)) as store:
        turns = Reconciler(plain, LinuxKernel(plain), store, Members(), clock)
        entry = Journal(plain, store, turns, node_key(tmp_path), 1).append(clock.read(), {}, facts, around)
        health = decode_health(entry.payload)
        kept = store.unsent(10)

    assert health.links == around.links
    assert (health.gateway, health.via) == ("elm", "elm")
    assert health.facts["babel"].ok
    assert [one.payload for one in kept] == [entry.payload]
    assert b"fe80" not in entry.payload


def test_a_report_of_a_node_without_links_reads_as_before() -> None:
    before = {"node": "elm", "boot": 1, "sequence": 1, "monotonic": 1.0, "wall": 1.0, "trusted": True}
    before |= {"version": "0.1.0", "homes": 0, "guests": 0, "repairs": 0, "facts": {}, "lines": []}
    health = decode_health(json.dumps(before).encode())

    assert (health.links, health.gateway, health.via) == ((), None, None)
