"""What nodes refuse: words that nobody may say, lists that are old or not the community's, withdrawn nodes."""

from __future__ import annotations

import base64
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from nacl.signing import SigningKey

from bench.inside.foe import IN_ONE_MESSAGE
from bench.inside.lab import ACTOR, announce, refused, state
from bench.inside.shapes import SHAPES
from meshctl.lists import Roster, Tombstone, read_unchecked_roster, sign_roster
from tests.journeys.conftest import SITE4, SITE6, TICK, Street

ROSTER = "/etc/meshctl/roster.json"
SYNC = 15.0
"""Seconds within which every node has a list that one of them got."""


@pytest.fixture
def settled(ring: Street) -> Iterator[Street]:
    """The ring with a guest at oak and one at elm, while ash's own agent is not heard."""
    for phone in ("o-1", "e-1"):
        ring.press(phone, "join")
        ring.until(partial(ring.online, phone))
    ring.lab.kill(ACTOR, "agent", signal.SIGSTOP)
    time.sleep(2 * TICK)
    yield ring
    ring.lab.kill(ACTOR, "agent", signal.SIGCONT)
    ring.until(lambda: all(ring.meets_all(name) for name in ("elm", "oak", "ash")), 30)


@pytest.mark.parametrize(
    ("kind", "code", "each"),
    [
        ("garbage", "garbage", 1),
        ("stranger", "unknown-node", 1),
        ("foreign", "bad-signature", 1),
        ("recording", "bad-signature", 1),
        ("oversized", "oversized", 1),
        ("outside", "out-of-prefix", IN_ONE_MESSAGE),
    ],
)
def test_what_nobody_may_say_is_counted_and_changes_nothing(settled: Street, kind: str, code: str, each: int) -> None:
    before, counted = state(settled.lab), refused(settled.lab).get(code, 0)
    announce(settled.lab, kind, count=20)

    assert refused(settled.lab)[code] - counted == 20 * each
    assert state(settled.lab) == before


def test_no_shape_of_message_is_misunderstood(settled: Street) -> None:
    before, counted = state(settled.lab), sum(refused(settled.lab).values())
    announce(settled.lab, "shape", count=len(SHAPES))

    assert sum(refused(settled.lab).values()) - counted == len(SHAPES)
    assert state(settled.lab) == before


@pytest.mark.parametrize("node", ["oak", "elm"])
def test_a_phone_reaches_the_mesh_port_of_no_node(ring: Street, node: str) -> None:
    ring.press("o-2", "join")
    ring.until(partial(ring.online, "o-2"))
    member = ring.lab.member(node)
    for phone in ("o-2", "o-3"):
        for host in (member["ipv4"], f"[{member['ipv6'][0]}]"):
            assert ring.fetch(phone, f"http://{host}:4450/") == "-7"


def in_force(ring: Street, *names: str) -> set[int]:
    """The versions of the roster that these nodes have in force."""
    return {int(ring.ask("status", on=name)["mesh"]["roster"]) for name in names}


def put(ring: Street, node: str, body: bytes) -> None:
    """Put a list where a volunteer would, on one node."""
    ring.lab.exec(node, ["sh", "-c", f"cat > {ROSTER}.new && mv {ROSTER}.new {ROSTER}"], text=body.decode())


def kept(ring: Street, node: str) -> bytes:
    return ring.run(node, "cat", ROSTER, check=True)[1].encode()


def next_roster(ring: Street, node: str) -> Roster:
    """The roster in force on a node, one version on."""
    run = ring.lab.member(node)["run"]
    held = read_unchecked_roster(ring.run(node, "cat", f"{run}/roster.json", check=True)[1].encode())
    return replace(held, version=held.version + 1)


def signed(ring: Street, roster: Roster) -> bytes:
    key = Path(ring.lab.status()["folder"], "community.key").read_text(encoding="ascii")
    return sign_roster(roster, SigningKey(base64.b64decode(key)))


def test_an_older_roster_is_never_believed_again(ring: Street) -> None:
    old, newer = kept(ring, "oak"), next_roster(ring, "oak")
    put(ring, "oak", signed(ring, newer))
    ring.until(lambda: in_force(ring, "elm", "oak", "ash") == {newer.version}, SYNC)

    put(ring, "oak", old)
    ring.until(lambda: "stays in force" in ring.ask("status", on="oak")["mesh"]["fault"])
    ring.lab.kill("oak", "agent")
    ring.lab.wait_ready()
    ring.until(lambda: ring.meets_all("oak"), 30)
    assert in_force(ring, "elm", "oak", "ash") == {newer.version}


def test_a_roster_that_another_key_signed_is_not_believed(ring: Street) -> None:
    before, wished = in_force(ring, "elm", "oak", "ash"), next_roster(ring, "oak")
    put(ring, "oak", sign_roster(replace(wished, version=1000), SigningKey.generate()))
    ring.until(lambda: "not signed by the key" in ring.ask("status", on="oak")["mesh"]["fault"])
    time.sleep(2 * TICK)
    assert in_force(ring, "elm", "oak", "ash") == before


def test_a_node_that_comes_back_with_an_older_roster_takes_the_newer_one(ring: Street) -> None:
    ring.lab.power_off("ash")
    newer = next_roster(ring, "elm")
    put(ring, "elm", signed(ring, newer))
    ring.until(lambda: in_force(ring, "elm", "oak") == {newer.version}, SYNC)
    ring.lab.power_on("ash")
    ring.until(lambda: in_force(ring, "ash") == {newer.version}, SYNC)
    ring.until(lambda: ring.meets_all("ash"), 30)
    assert in_force(ring, "elm", "oak") == {newer.version}


def test_a_withdrawn_node_is_refused_within_one_sync(whole_ring: Street) -> None:
    ring = whole_ring  # the last claim here: ash does not come back, so nothing is healed after it
    ring.press("a-1", "join")
    ring.until(partial(ring.online, "a-1"))
    words = ["curl", "-sS", "-o", "/dev/null", f"http://{SITE4}/bytes/4000000000"]
    with subprocess.Popen(ring.lab.command("a-1", words), stderr=subprocess.DEVNULL) as download:
        ring.until(lambda: "10.46" in ring.run("elm", "conntrack", "-L", "-p", "tcp", "--dport", "80")[1])
        gone = next(one for one in next_roster(ring, "oak").members if one.name == "ash")
        held = next_roster(ring, "oak")
        left = tuple(one for one in held.members if one != gone)
        stone = Tombstone(gone.name, gone.number, gone.key)
        put(ring, "oak", signed(ring, replace(held, members=left, withdrawn=(stone,))))
        ring.until(lambda: in_force(ring, "elm", "oak") == {held.version}, SYNC)
        # What was established ends too, and at once.
        assert download.wait(5) != 0
    assert not ring.online("a-1")
    for site in (SITE4, f"[{SITE6}]"):
        assert ring.fetch("a-1", f"http://{site}/generate_204") != "204 0"
    for name in ("elm", "oak"):
        assert "ash" not in {peer["name"] for peer in ring.ask("status", on=name)["mesh"]["peers"]}
    ring.until(lambda: not any(peer["up"] for peer in ring.ask("status", on="ash")["mesh"]["peers"]))
    assert ring.fetch("ash", f"http://[{ring.lab.member('elm')['ipv6'][0]}]:4450/") == "-7"
    assert not ring.run("elm", "sh", "-c", "nft list map inet meshctl announced4 | grep 10.46.")[1]
