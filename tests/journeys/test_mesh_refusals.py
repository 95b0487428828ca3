"""What nodes refuse: words that nobody may say, lists that are old or not the community's."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from dataclasses import replace
from functools import partial

import pytest
from nacl.signing import SigningKey

from bench.inside.foe import IN_ONE_MESSAGE
from bench.inside.lab import ACTOR, announce, refused, state
from bench.inside.shapes import SHAPES
from meshctl.lists import sign_roster
from tests.journeys.rosters import SYNC, in_force, kept, next_roster, put, signed
from tests.journeys.street import TICK, Street

pytestmark = pytest.mark.patient


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
    ring.until(lambda: ring.meet("elm", "oak", "ash"), 30)


KINDS = (
    ("garbage", "garbage", 1),
    ("stranger", "unknown-node", 1),
    ("foreign", "bad-signature", 1),
    ("recording", "bad-signature", 1),
    ("oversized", "oversized", 1),
    ("outside", "out-of-prefix", IN_ONE_MESSAGE),
)
"""What is said, how it is refused, and how often for one message."""


def test_what_nobody_may_say_is_counted_and_changes_nothing(settled: Street) -> None:
    for kind, code, each in KINDS:
        before, counted = state(settled.lab), refused(settled.lab).get(code, 0)
        announce(settled.lab, kind, count=20)

        assert refused(settled.lab)[code] - counted == 20 * each, kind
        assert state(settled.lab) == before, kind


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


def test_an_older_roster_is_never_believed_again(ring: Street) -> None:
    old, newer = kept(ring, "oak"), next_roster(ring, "oak")
    put(ring, "oak", signed(ring, newer))
    ring.until(lambda: in_force(ring, "elm", "oak", "ash") == {newer.version}, SYNC)

    put(ring, "oak", old)
    ring.until(lambda: "stays in force" in ring.ask("status", on="oak")["mesh"]["fault"])
    ring.lab.kill("oak", "agent")
    ring.lab.wait_ready()
    ring.until(lambda: ring.meet("oak"), 30)
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
    ring.until(lambda: ring.meet("ash"), 30)
    assert in_force(ring, "elm", "oak") == {newer.version}
