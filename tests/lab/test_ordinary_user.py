"""The lab as somebody without root raises it; the tests' own user does where he is not root."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from meshctl.lab.privilege import ROLES, may_make_namespaces, privileges
from tests.lab.conftest import SMALL, lab_name

pytestmark = pytest.mark.lab

USER = lab_name("user")


def system(*words: str) -> None:
    subprocess.run(words, check=True, capture_output=True)


@pytest.fixture(scope="module")
def prefix() -> Iterator[tuple[str, ...]]:
    """The words that make a command an ordinary user's: a user made for this, or nothing where we are one."""
    owns_machine = Path("/proc/self/uid_map").read_text().split() == ["0", "0", "4294967295"]
    if not (may_make_namespaces() and owns_machine):
        yield ()
        return
    system("useradd", "--create-home", "--add-subids-for-system", USER)
    try:
        yield (
            "setpriv",
            "--reuid",
            USER,
            "--regid",
            USER,
            "--init-groups",
            "env",
            f"HOME=/home/{USER}",
            f"USER={USER}",
        )
    finally:
        system("userdel", "--remove", USER)


@pytest.fixture
def meshctl(prefix: tuple[str, ...]) -> tuple[str, ...]:
    return (*prefix, sys.executable, "-m", "meshctl", "lab")


def say(*words: str, text: str | None = None) -> str:
    # A folder that every user may enter.
    done = subprocess.run(words, input=text, capture_output=True, text=True, check=False, cwd="/", env=environment())
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}


@pytest.fixture
def topology(prefix: tuple[str, ...]) -> Iterator[str]:
    name = say(*prefix, "mktemp", "--suffix=.toml").strip()
    say(*prefix, "tee", name, text=SMALL)
    yield name
    say(*prefix, "rm", name)


def test_an_ordinary_user_raises_a_lab_with_separated_services_and_clears_it(
    meshctl: tuple[str, ...], topology: str
) -> None:
    name = lab_name("mine")
    say(*meshctl, "up", "--name", name, "--topology", topology)
    try:
        status = json.loads(say(*meshctl, "status", "--name", name, "--json"))
        assert status["separated"], "give this user subordinate users, as the README says: separation is not exercised"
        users = {
            say(*meshctl, "exec", "--name", name, "elm", "--", "stat", "-c", "%u", f"/proc/{service['pid']}").strip()
            for member in status["members"]
            if member["name"] == "elm"
            for service in member["services"]
        }
        assert len(users) == 5
        assert "0" not in users
        inside = (*meshctl, "exec", "--name", name, "amal", "--")
        assert say(*inside, "curl", "-sS", "-m", "9", "-X", "POST", "-w", "%{http_code}", "http://mesh.home/join")
        assert say(*inside, "curl", "-sS", "-m", "9", "-6", "http://far.example/address").startswith("2001:db8:44:")
    finally:
        assert say(*meshctl, "down", name) == f"{name}: ended\n"
    assert not Path(status["folder"]).exists()


def test_an_ordinary_user_is_told_that_networkmanager_needs_root(
    meshctl: tuple[str, ...], prefix: tuple[str, ...], topology: str
) -> None:
    say(*prefix, "tee", topology, text=SMALL.replace('client = "static"', 'client = "networkmanager"'))
    argv = [*meshctl, "up", "--name", lab_name("laptop"), "--topology", topology]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, cwd="/", env=environment())
    assert done.returncode == 2
    assert "phone 'bo'.client: NetworkManager works for root only. Raise this lab as root" in done.stderr


@pytest.mark.parametrize(
    ("uid_map", "separated"),
    [
        ("0 0 4294967295", True),
        ("0 1000 1\n1 100000 65536", True),
        ("0 1000 1\n1 100000 5000", True),
        ("0 1000 1", False),
        ("0 1000 1\n1 100000 3", False),
    ],
)
def test_services_get_users_of_their_own_wherever_the_map_has_room(uid_map: str, separated: bool) -> None:
    found = privileges(uid_map)
    assert found.separated is separated
    assert len(set(found.users.values())) == (len(ROLES) if separated else 1)
    assert ("--reuid" in found.command("portal")) is separated
    assert "-all" in found.command("portal")
