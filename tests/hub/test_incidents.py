"""The sentence that a maintainer reads first, and when a node counts as what."""

from __future__ import annotations

from typing import Any

import pytest

from meshctl.hub.incidents import list_incidents, say_state, state_of
from meshctl.hub.latest import Standing, advance
from meshctl.wire import Fact
from tests.hub.fleet import NOON, Board


def heard(name: str, ago: float, **changes: Any) -> Standing:
    board = Board(name)
    standing = advance(board.public, None, {}, [board.health(**changes)], NOON - ago).standing
    assert standing
    return standing


@pytest.mark.parametrize(
    ("nodes", "fine", "incidents", "sentence"),
    [
        (0, 0, 0, "No node is on the list yet."),
        (0, 0, 1, "One thing needs you. No node is on the list yet."),
        (1, 1, 0, "The one node is fine."),
        (2, 2, 0, "Both nodes are fine."),
        (3, 3, 0, "All 3 nodes are fine."),
        (3, 2, 1, "One thing needs you. 2 of 3 nodes are fine."),
        (1, 0, 2, "Two things need you."),
        (4, 0, 4, "Four things need you. None of 4 nodes is fine."),
        (23, 21, 13, "13 things need you. 21 of 23 nodes are fine."),
    ],
)
def test_the_sentence_says_the_state(nodes: int, fine: int, incidents: int, sentence: str) -> None:
    assert say_state(nodes, fine, incidents) == sentence


@pytest.mark.parametrize(
    ("ago", "state"), [(0, "fine"), (179.9, "fine"), (180, "late"), (599, "late"), (600, "offline"), (-90, "late")]
)
def test_a_nodes_state_is_how_long_ago_it_was_heard(ago: float, state: str) -> None:
    assert state_of(heard("elm", ago), NOON) == state
    assert state_of(None, NOON) == "unheard"


def test_what_is_broken_comes_before_what_wants_a_look_and_older_before_newer() -> None:
    hot = {"heat": Fact(ok=False, value=91.0, unit="°C", error="It is too hot.")}
    standings = {
        "elm": heard("elm", 10, facts=hot),
        "farm": heard("farm", 200),
        "hill": heard("hill", 4000),
        "oak": heard("oak", 700),
    }
    found = list_incidents([*standings, "yew"], standings, {"farm": 2}, NOON)
    assert [(one.weight, one.node) for one in found] == [
        ("stop", "hill"), ("stop", "oak"), ("sun", "farm"), ("sun", "elm"), ("sun", "farm"), ("sun", "yew"),
    ]  # fmt: skip
    assert all(one.reason.endswith(".") and not one.reason.endswith("..") for one in found)
    assert all(one.remedy.endswith(".") for one in found)


def test_an_offline_nodes_old_facts_are_nobodys_task() -> None:
    gone = heard("elm", 9000, facts={"disk": Fact(ok=False, error="full")})
    assert [one.headline for one in list_incidents(["elm"], {"elm": gone}, {}, NOON)] == ["is offline"]


def test_a_fact_that_the_hub_has_no_words_for_is_still_said() -> None:
    odd = heard("elm", 1, facts={"left_wing": Fact(ok=False)})
    (incident,) = list_incidents(["elm"], {"elm": odd}, {}, NOON)
    assert incident.headline == "has trouble with its left wing"
    assert incident.reason == "The node does not say why."
    assert "meshctl status" in incident.remedy
