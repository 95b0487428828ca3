"""Who has joined is known in RAM and on tmpfs, and nowhere else."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from meshctl.agent.elements import Element
from meshctl.agent.files import on_tmpfs
from meshctl.agent.members import Members, mark_of
from meshctl.model import Household
from meshctl.quota.plan import FIRST_GUEST, FIRST_HOME, LAST_GUEST

A, B = "02:00:00:00:00:0a", "02:00:00:00:00:0b"
HOME = Household("AAAA", 1)


@pytest.fixture
def tmpfs() -> Iterator[Path]:
    """A folder in RAM."""
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        yield Path(folder)


def test_each_guest_has_a_mark_of_its_own_until_none_is_left() -> None:
    members = Members()
    marks = {members.join(f"02:00:00:00:{n >> 8:02x}:{n & 255:02x}", 100.0, 0.0).mark for n in range(300)}

    assert len(marks) == 300
    assert all(FIRST_GUEST <= mark <= LAST_GUEST for mark in marks)


def test_a_mark_that_was_left_is_not_given_to_the_next_guest() -> None:
    members = Members()
    left = members.join(A, 100.0, 0.0).mark
    members.leave(A)

    assert members.join(B, 100.0, 0.0).mark != left


def test_joining_again_lengthens_the_stay_and_keeps_the_household() -> None:
    members = Members()
    members.link(A, HOME, 50.0, 0.0)
    again = members.join(A, 90.0, 10.0)

    assert (again.household, again.mark, again.until) == ("AAAA", mark_of(HOME), 90.0)
    assert mark_of(HOME) == FIRST_HOME


def test_who_was_silent_for_long_is_not_present_but_stays_joined() -> None:
    members = Members()
    guest = members.join(A, 9999.0, 0.0)
    home = members.link(B, HOME, 9999.0, 0.0)
    members.touch([home.mark], 800.0)

    assert members.present(899.0, 900.0) == {guest.mark, home.mark}
    assert members.present(901.0, 900.0) == {home.mark}
    assert len(members) == 2


def test_a_stay_that_is_over_is_told_once_its_time_has_come() -> None:
    members = Members()
    members.join(A, 100.0, 0.0)

    assert members.expired(99.9) == []
    assert [device.hardware for device in members.expired(100.0)] == [A]


def test_a_restarted_agent_takes_in_what_the_kernel_holds_and_an_unknown_household_as_guests() -> None:
    members = Members()
    kernel = {
        A: Element(FIRST_GUEST, 60.0),
        B: Element(FIRST_HOME, None),
        "02:00:00:00:00:0c": Element(FIRST_HOME + 9, 5.0),
    }
    members.adopt(kernel, {FIRST_HOME: "AAAA"}, 1000.0)

    found = {d.hardware: (d.household, d.until) for d in members.all()}
    assert found == {A: (None, 1060.0), B: ("AAAA", None), "02:00:00:00:00:0c": (None, 1005.0)}
    assert len({d.mark for d in members.all()}) == 3


def test_the_copy_comes_back_from_ram_without_what_has_ended(tmpfs: Path) -> None:
    members = Members()
    members.join(A, 100.0, 0.0)
    members.link(B, HOME, 500.0, 0.0)
    assert members.save(tmpfs / "devices.json")
    again = Members()
    again.load(tmpfs / "devices.json", 200.0)

    assert [device.hardware for device in again.all()] == [B]
    assert (tmpfs / "devices.json").stat().st_mode & 0o777 == 0o600


def test_no_hardware_address_is_written_where_it_would_stay(tmp_path: Path) -> None:
    assert not on_tmpfs(Path("/usr"))
    members = Members()
    members.join(A, 100.0, 0.0)
    disk = Path("/var/tmp")
    folder = Path(tempfile.mkdtemp(dir=disk)) if on_tmpfs(tmp_path) else tmp_path
    assert not members.save(folder / "devices.json")

    assert not (folder / "devices.json").exists()


def test_a_damaged_copy_counts_as_none_and_is_kept_for_a_look(tmpfs: Path) -> None:
    (tmpfs / "devices.json").write_text('[{"hardware": 1', encoding="utf-8")
    members = Members()
    members.load(tmpfs / "devices.json", 0.0)

    assert len(members) == 0
    assert (tmpfs / "devices.damaged").exists()
