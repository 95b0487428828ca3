"""A node that the stewards withdrew is nobody's neighbour any more."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from functools import partial

import pytest

from meshctl.lists import Tombstone
from tests.journeys.rosters import SYNC, in_force, next_roster, put, signed
from tests.journeys.street import SITE4, SITE6, Street

pytestmark = pytest.mark.patient


def test_a_withdrawn_node_is_refused_within_one_sync(last_ring: Street) -> None:
    ring = last_ring
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
