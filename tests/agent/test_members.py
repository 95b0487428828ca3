"""Who has joined lives in RAM, ends on time, and never reaches a disk."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from meshctl.agent import passes
from meshctl.agent.files import on_tmpfs
from meshctl.agent.members import Members
from meshctl.agent.ruleset import Element
from meshctl.agent.tries import Tries
from meshctl.model import Household
from meshctl.quota.plan import FIRST_GUEST, FIRST_HOME

ONE, TWO = "02:00:00:00:00:01", "02:00:00:00:00:02"
MOUNTS = (
    "1 0 8:1 / / rw - ext4 /dev/a rw\n2 1 0:5 / /run rw - tmpfs tmpfs rw\n3 2 8:2 / /run/disk rw - ext4 /dev/b rw\n"
)


@pytest.mark.parametrize(("folder", "ram"), [("/run/x", True), ("/run/disk/x", False), ("/var", False)])
def test_only_the_innermost_mount_decides_what_is_ram(tmp_path: Path, folder: str, ram: bool) -> None:
    mounts = tmp_path / "mountinfo"
    mounts.write_text(MOUNTS)
    assert on_tmpfs(Path(folder), mounts) is ram


def test_each_guest_has_a_mark_of_its_own_and_joining_again_keeps_it() -> None:
    members = Members()
    assert members.join(ONE, 100.0, 0.0).mark == FIRST_GUEST
    assert members.join(TWO, 100.0, 0.0).mark == FIRST_GUEST + 1
    again = members.join(ONE, 200.0, 50.0)
    assert (again.mark, again.until) == (FIRST_GUEST, 200.0)
    assert [d.hardware for d in members.expired(100.0)] == [TWO]


def test_a_former_agents_devices_are_taken_in_unless_their_home_is_gone() -> None:
    members = Members()
    found = {ONE: Element(FIRST_HOME, 60.0), TWO: Element(FIRST_HOME + 9, 60.0)}
    members.adopt(found, {FIRST_HOME: "AAAA"}, 5.0)
    assert [(d.household, d.until) for d in members.all()] == [("AAAA", 65.0)]


def test_the_copy_comes_back_from_ram_without_who_has_expired() -> None:
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        file, members = Path(folder) / "devices.json", Members()
        members.join(ONE, 100.0, 0.0)
        members.link(TWO, Household("AAAA", 1), 500.0, 0.0)
        assert members.save(file)
        again = Members()
        again.load(file, 200.0)
        assert [d.hardware for d in again.all()] == [TWO]


def test_passes_forgive_what_people_mistype_and_nothing_else() -> None:
    text = passes.draw()
    handle, secret = passes.split(text.lower().replace("-", " ").replace("0", "o").replace("1", "l"))
    assert f"{handle}{secret}" == text.replace("-", "")
    kept = passes.verifier(secret)
    assert passes.verify(secret, kept)
    assert not passes.verify(secret[::-1] + "0", kept)
    with pytest.raises(passes.PassError):
        passes.split("AAAA-BBBB-CCCC-DDDU")


def test_failures_are_few_for_one_and_bounded_for_all() -> None:
    tries = Tries(each=2, together=3, seconds=60.0)
    tries.failed("a", 0.0)
    assert tries.may("a", 0.0)
    tries.failed("a", 1.0)
    assert not tries.may("a", 1.0)
    assert tries.may("b", 1.0)
    tries.failed("b", 2.0)
    assert not tries.may("c", 2.0)
    assert tries.may("a", 60.0)
