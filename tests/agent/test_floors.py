"""Where floors do not fit the line: the node says so to whoever asks it, and to its maintainer."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from nacl.signing import SigningKey

from meshctl.agent.commands import status
from meshctl.agent.health.babel import Surroundings
from meshctl.agent.journal import Journal
from meshctl.agent.passes import Verifier
from meshctl.hub.incidents import Incident, list_incidents
from meshctl.hub.latest import advance
from meshctl.quota.floors import Short, shortfalls
from meshctl.wire import decode_health
from tests.agent.small_agent import NOW, SmallAgent, small_agent


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[SmallAgent]:
    with small_agent(tmp_path) as agent:
        yield agent


def crowd(agent: SmallAgent, homes: int, guests: int) -> None:
    """Join a device of each of so many homes, and so many guests."""

    def go(a: SmallAgent) -> None:
        now = a.clock.now.monotonic
        for number in range(homes):
            home = a.store.add_household(f"H{number:03d}", 1, Verifier(b"", b""), NOW)
            a.members.link(f"02:00:00:00:00:{number:02x}", home, now + 3600, now)
        for number in range(guests):
            a.members.join(f"02:00:00:00:01:{number:02x}", now + 3600, now)
        a.turns.tick()

    agent.do(go)


def told(agent: SmallAgent) -> list[Incident]:
    """Return what the hub makes of this node's report."""
    key = SigningKey.generate()
    journal = Journal(agent.config, agent.store, agent.turns, key, 1)
    entry = agent.do(lambda a: journal.append(a.clock.now, {}, {}, Surroundings()))
    standing = advance("", None, {}, [decode_health(entry.payload)], NOW.wall).standing
    assert standing
    return [one for one in list_incidents(["elm"], {"elm": standing}, {}, NOW.wall) if "floor" in one.headline]


def test_a_line_wide_enough_says_nothing(agent: SmallAgent) -> None:
    crowd(agent, 14, 4)
    shown = CliRunner().invoke(status, ["--config", str(agent.file)]).output

    assert "below floor" not in shown
    assert told(agent) == []


def test_status_says_what_the_last_report_found_wrong(agent: SmallAgent) -> None:
    before = CliRunner().invoke(status, ["--config", str(agent.file)]).output
    agent.verbs.ills = lambda: {"certificate": "It ends in 3 days and was not renewed."}
    after = CliRunner().invoke(status, ["--config", str(agent.file)]).output

    assert "NOT WELL" not in before
    assert "  certificate   NOT WELL: It ends in 3 days and was not renewed.\n" in after


def test_homes_beyond_the_floors_are_told_to_whoever_asks_and_to_the_maintainer(agent: SmallAgent) -> None:
    crowd(agent, 30, 0)
    shown = CliRunner().invoke(status, ["--config", str(agent.file)]).output
    reply = json.loads(CliRunner().invoke(status, ["--json", "--config", str(agent.file)]).output)
    (incident,) = told(agent)

    assert "below floor   up: 30 homes are assured 166 kbit/s each; the floor is 256" in shown
    assert reply["below_floor"] == [{"direction": "up", "kind": "homes", "count": 30, "kbit": 166}]
    assert (incident.node, incident.headline) == ("elm", "cannot assure everybody the floor")
    assert incident.reason == "The line up assures each of 30 homes 166 kbit/s; the floor is 256."


def test_guests_beyond_their_share_are_told_too(agent: SmallAgent) -> None:
    crowd(agent, 1, 12)
    (incident,) = told(agent)

    assert shortfalls(agent.turns.plan, agent.config.policy) == (Short("up", "guests", 12, 121),)
    assert incident.reason == "The line up assures each of 12 guests 121 kbit/s; the floor is 256."
