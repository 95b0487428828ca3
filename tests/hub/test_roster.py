"""Which nodes are believed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from meshctl.config import ConfigError
from meshctl.hub.roster import Roster
from tests.hub.fleet import Board, write_roster


def test_a_node_that_is_added_is_believed_without_a_restart(tmp_path: Path, elm: Board, farm: Board) -> None:
    file = tmp_path / "nodes.toml"
    roster = Roster(file)
    assert dict(roster.keys()) == {}
    assert "Create it" in roster.fault()
    write_roster(file, [elm])
    assert set(roster.keys()) == {"elm"}
    assert roster.fault() == ""
    write_roster(file, [elm, farm])
    assert set(roster.keys()) == {"elm", "farm"}
    assert roster.keys()["farm"].signed(b"words", farm.key.sign(b"words").signature)
    assert not roster.keys()["elm"].signed(b"words", farm.key.sign(b"words").signature)
    assert not roster.keys()["elm"].signed(b"words", b"short")


def test_a_faulty_list_leaves_the_last_good_one_in_force(tmp_path: Path, elm: Board) -> None:
    file = tmp_path / "nodes.toml"
    write_roster(file, [elm])
    roster = Roster(file)
    file.write_text("[nodes\n")
    assert set(roster.keys()) == {"elm"}
    assert "nodes.toml" in roster.fault()
    file.unlink()
    assert set(roster.keys()) == {"elm"}
    write_roster(file, [])
    os.utime(file, ns=(1, 1))
    assert set(roster.keys()) == set()


@pytest.mark.parametrize(
    ("words", "key"),
    [
        ("nodes = 3", "nodes"),
        ("[node]\n", "node"),
        ('[nodes]\nelm = "AAAA"', "nodes.elm"),
        ("[nodes]\nelm = 3", "nodes.elm"),
        ('[nodes]\nElm = "AAAA"', "nodes.Elm"),
        ("[nodes", "file"),
    ],
)
def test_a_faulty_list_stops_the_start_and_names_the_key(tmp_path: Path, words: str, key: str) -> None:
    file = tmp_path / "nodes.toml"
    file.write_text(words)
    with pytest.raises(ConfigError) as caught:
        Roster(file)
    assert caught.value.key == key
