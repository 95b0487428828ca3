"""Rosters as a steward signs them, put on the nodes of a lab."""

from __future__ import annotations

import base64
from dataclasses import replace
from pathlib import Path

from nacl.signing import SigningKey

from meshctl.lists import Roster, read_unchecked_roster, sign_roster
from tests.journeys.street import Street

ROSTER = "/etc/meshctl/roster.json"
SYNC = 15.0
"""Seconds within which every node has a list that one of them got."""


def in_force(ring: Street, *names: str) -> set[int]:
    """The versions of the roster that these nodes have in force, asked in one breath: see `Street.states`."""
    return {int(state["mesh"]["roster"]) if state else 0 for state in ring.states(*names)}


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
