"""Which nodes are believed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from sqlalchemy.exc import SQLAlchemyError

from meshctl.hub.roster import Roster
from meshctl.hub.store import Store
from tests.hub.fleet import Board, write_roster
from tests.rosters import PUBLIC, STRANGER, text


def test_a_node_that_is_added_is_believed_without_a_restart(
    tmp_path: Path, store: Store, elm: Board, farm: Board
) -> None:
    file = tmp_path / "roster.json"
    roster = Roster(file, PUBLIC, store)
    assert dict(roster.keys()) == {}
    assert "No such file" in roster.fault()
    write_roster(file, [elm])
    assert set(roster.keys()) == {"elm"}
    assert roster.fault() == ""
    write_roster(file, [elm, farm])
    assert set(roster.keys()) == {"elm", "farm"}
    assert roster.keys()["farm"].signed(b"words", farm.key.sign(b"words").signature)
    assert not roster.keys()["elm"].signed(b"words", farm.key.sign(b"words").signature)
    assert not roster.keys()["elm"].signed(b"words", b"short")


def test_a_faulty_file_leaves_the_last_good_roster_in_force(tmp_path: Path, store: Store, elm: Board) -> None:
    file = tmp_path / "roster.json"
    write_roster(file, [elm])
    roster = Roster(file, PUBLIC, store)
    assert set(roster.keys()) == {"elm"}
    file.write_text("{")
    assert set(roster.keys()) == {"elm"}
    assert "roster.json" in roster.fault()
    file.unlink()
    assert set(roster.keys()) == {"elm"}
    write_roster(file, [])
    os.utime(file, ns=(1, 1))
    assert set(roster.keys()) == set()


def test_an_older_roster_is_not_believed_by_a_new_process(tmp_path: Path, store: Store, elm: Board) -> None:
    file = tmp_path / "roster.json"
    older = write_roster(file, [elm])
    newer = write_roster(file, [], withdrawn=[elm])
    assert dict(Roster(file, PUBLIC, store).keys()) == {}
    file.write_bytes(older)
    restarted = Roster(file, PUBLIC, store)
    assert dict(restarted.keys()) == {}
    assert "was seen before" in restarted.fault()
    file.write_bytes(newer)
    assert set(restarted.believed().withdrawn) == {"elm"}
    assert restarted.fault() == ""


def test_another_community_begins_with_version_one(tmp_path: Path, store: Store, elm: Board) -> None:
    file = tmp_path / "roster.json"
    write_roster(file, [elm])
    assert set(Roster(file, PUBLIC, store).keys()) == {"elm"}
    assert store.list_version("roster", text(STRANGER)) == 0
    other = Roster(file, text(STRANGER), store)
    assert dict(other.keys()) == {}
    assert "not signed by the key" in other.fault()


def test_without_a_communitys_key_nobody_is_believed_and_the_remedy_is_said(
    tmp_path: Path, store: Store, elm: Board
) -> None:
    file = tmp_path / "roster.json"
    write_roster(file, [elm])
    roster = Roster(file, "", store)
    assert dict(roster.keys()) == {}
    assert "meshctl community new" in roster.fault()


def test_nobody_is_believed_by_a_roster_whose_version_could_not_be_kept(
    tmp_path: Path, store: Store, elm: Board
) -> None:
    from meshctl.hub.schema import metadata  # noqa: PLC0415

    file = tmp_path / "roster.json"
    write_roster(file, [elm])
    roster = Roster(file, PUBLIC, store)
    metadata.drop_all(store._engine)
    for _ in range(2):
        with pytest.raises(SQLAlchemyError):
            roster.keys()
    metadata.create_all(store._engine)
    assert set(roster.keys()) == {"elm"}
