"""A roster goes forward only, whatever happens to its file."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from meshctl.lists import LIST_LIMIT, ListError, sign_roster
from meshctl.rosterfile import RosterFile
from tests.rosters import COMMUNITY, PUBLIC, STRANGER, member, roster

ELM, OAK = member(1, "elm"), member(2, "oak")
SIGNED = {n: sign_roster(roster(n, [ELM, OAK][: 1 + n % 2]), COMMUNITY) for n in range(1, 30)}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "roster.json"


def version(roster_file: RosterFile) -> int | None:
    found = roster_file.look()
    return found.version if found else None


def test_a_newer_roster_is_in_force_at_the_next_look(file: Path) -> None:
    newest = RosterFile(file, PUBLIC)
    assert newest.look() is None
    assert "No such file" in newest.fault
    assert newest.refused == {}
    file.write_bytes(SIGNED[3])
    assert (version(newest), newest.version, newest.fault, newest.signed) == (3, 3, "", SIGNED[3])
    file.write_bytes(SIGNED[4])
    assert version(newest) == 4


def test_an_older_one_is_never_accepted_again(file: Path) -> None:
    newest = RosterFile(file, PUBLIC)
    file.write_bytes(SIGNED[5])
    assert version(newest) == 5
    file.write_bytes(SIGNED[4])
    assert (version(newest), newest.signed) == (5, SIGNED[5])
    assert "it has version 4, and version 5 was seen before. Put the newest one there" in newest.fault
    assert version(newest) == 5
    assert newest.refused == {"older": 1}

    restarted = RosterFile(file, PUBLIC, least_version=newest.version)
    assert version(restarted) is None
    assert (restarted.version, restarted.refused) == (5, {"older": 1})
    file.write_bytes(SIGNED[5])
    assert (version(restarted), restarted.fault) == (5, "")


@pytest.mark.parametrize(
    ("content", "code", "remedy"),
    [
        (b"", "garbage", "Put a whole one there"),
        (SIGNED[6][:-9], "garbage", "Put a whole one there"),
        (sign_roster(roster(9, [ELM]), STRANGER), "bad-signature", "mend the community's key"),
        (sign_roster(roster(9, [ELM, ELM]), COMMUNITY), "conflict", "give it its own"),
        (b" " * (LIST_LIMIT + 1), "oversized", "at most"),
        (sign_roster(roster(5, [OAK]), COMMUNITY), "same-version", "Only one of them can be right"),
    ],
)
def test_a_bad_file_leaves_the_last_good_one_in_force_and_says_why(
    file: Path, content: bytes, code: str, remedy: str
) -> None:
    newest = RosterFile(file, PUBLIC)
    file.write_bytes(SIGNED[5])
    newest.look()
    file.write_bytes(content)
    assert version(newest) == 5
    assert newest.refused == {code: 1}
    assert str(file) in newest.fault
    assert remedy in newest.fault
    file.unlink()
    assert version(newest) == 5
    file.write_bytes(SIGNED[6])
    assert (version(newest), newest.fault) == (6, "")


def test_without_the_communitys_key_nothing_is_believed(file: Path) -> None:
    file.write_bytes(SIGNED[5])
    nobody = RosterFile(file, "")
    assert nobody.look() is None
    assert "meshctl community new" in nobody.fault


def test_the_same_file_is_not_read_twice_and_a_touched_one_is_no_fault(file: Path) -> None:
    newest = RosterFile(file, PUBLIC)
    file.write_bytes(SIGNED[5])
    first = newest.look()
    os.utime(file, ns=(1, 1))
    assert newest.look() is first
    assert newest.fault == ""


def test_a_roster_that_came_another_way_is_taken_when_it_is_newer(file: Path) -> None:
    newest = RosterFile(file, PUBLIC)
    assert newest.offer(SIGNED[5])
    assert not newest.offer(SIGNED[5])
    with pytest.raises(ListError, match="version 5 was seen before"):
        newest.offer(SIGNED[4])
    with pytest.raises(ListError):
        newest.offer(b"garbage")
    assert newest.refused == {"older": 1, "garbage": 1}
    file.write_bytes(SIGNED[3])
    assert (version(newest), newest.signed) == (5, SIGNED[5])
    file.write_bytes(SIGNED[6])
    assert version(newest) == 6


def test_threads_that_look_while_it_is_replaced_never_see_it_go_back(file: Path) -> None:
    newest, seen = RosterFile(file, PUBLIC), list[list[int]]()
    file.write_bytes(SIGNED[1])
    done = threading.Event()

    def watch() -> None:
        mine: list[int] = []
        seen.append(mine)
        while not done.is_set():
            mine.append(version(newest) or 0)

    threads = [threading.Thread(target=watch) for _ in range(3)]
    for thread in threads:
        thread.start()
    for number in range(2, 30):
        fresh = file.with_suffix(".new")
        fresh.write_bytes(SIGNED[number if number % 3 else number - 2])
        fresh.rename(file)
        newest.look()
    done.set()
    for thread in threads:
        thread.join()
    assert all(mine == sorted(mine) for mine in seen)
    assert newest.version == 29
