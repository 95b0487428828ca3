"""A steward's evening with a key and a roster, on his own machine."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from nacl.signing import SigningKey

from meshctl.lists import read_roster
from tests.rosters import public

PROJECT = Path(__file__).resolve().parents[1]


class Desk:
    """A folder where a steward types."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "meshctl", *words]
        environment = {**os.environ, "PYTHONPATH": str(PROJECT)}
        return subprocess.run(
            command, cwd=self.folder, env=environment, capture_output=True, text=True, check=False, timeout=30
        )

    def says(self, *words: str) -> str:
        done = self.run(*words)
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout

    def refuses(self, *words: str) -> str:
        done = self.run(*words)
        assert (done.returncode, done.stdout) == (2, "")
        assert "Traceback" not in done.stderr
        return done.stderr


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


@pytest.fixture
def community(desk: Desk) -> str:
    return str(json.loads(desk.says("community", "new", "--json"))["community"])


def test_a_key_is_made_once_for_its_owner_alone(desk: Desk) -> None:
    first = desk.says("community", "new").split()[0]
    file = desk.folder / "community.key"
    text = file.read_text()
    assert file.stat().st_mode & 0o777 == 0o600
    assert base64.b64decode(first) == bytes(SigningKey(base64.b64decode(text)).verify_key)
    assert "is not overwritten" in desk.refuses("community", "new")
    assert "nowhere/k: No such file" in desk.refuses("community", "new", "--key", "nowhere/k")
    assert file.read_text() == text
    assert desk.says("community", "show").split()[0] == first


def test_nodes_are_enrolled_listed_and_withdrawn(desk: Desk, community: str) -> None:
    (desk.folder / "elm.pub").write_text(public("elm") + "\n")
    said = desk.says("node", "enrol", "elm", "--pub", "elm.pub", "--gateway", "--hub")
    assert said.startswith("roster.json, version 1: elm is enrolled. Node 1, gateway, hub, 10.44.0.1/22 fd")
    where = ("--ipv4", "10.45.0.1/22", "--ipv6", "2001:db8:45::1/64")
    desk.says("node", "enrol", "oak", "--pub", public("oak"), *where)
    assert "nothing changes for oak" in desk.says("node", "enrol", "oak", "--pub", public("oak"), *where)
    assert "gateway no is now yes" in desk.says("node", "enrol", "oak", "--gateway")
    roster = read_roster((desk.folder / "roster.json").read_bytes(), community)
    assert (roster.version, [one.name for one in roster.gateways]) == (3, ["elm", "oak"])

    assert "version 4: elm, node 1, is withdrawn" in desk.says("node", "withdraw", "elm")
    shown = desk.says("node", "list", "--community", community)
    assert "version 4, signed by" in shown
    assert [row.split()[:3] for row in shown.splitlines()[2:]] == [["2", "oak", "gateway"], ["1", "elm", "withdrawn"]]
    table = json.loads(desk.says("node", "list", "--json"))
    assert (table["checked"], table["withdrawn"][0]["name"], len(table["members"])) == (False, "elm", 1)
    assert "signature not checked" in desk.says("node", "list")
    assert sorted(path.name for path in desk.folder.iterdir()) == ["community.key", "elm.pub", "roster.json"]


def test_a_board_that_takes_a_name_over_must_be_said_to(desk: Desk, community: str) -> None:
    desk.says("node", "enrol", "elm", "--pub", public("elm"))
    assert "say --replace" in desk.refuses("node", "enrol", "elm", "--pub", public("new elm"))
    assert "is withdrawn. Node 2" in desk.says("node", "enrol", "elm", "--pub", public("new elm"), "--replace")


@pytest.mark.parametrize(
    ("words", "remedy"),
    [
        (["enrol", "oak"], "--pub is missing"),
        (["enrol", "Oak", "--pub", "x"], "lower-case letters"),
        (["enrol", "oak", "--pub", "x"], "--pub: 'x' is neither"),
        (["enrol", "oak", "--pub", "node.key"], "Name the file ending in .pub"),
        (["enrol", "oak", "--pub", public("oak"), "--ipv4", "10.45.0.0/22"], "oak: ipv4 '10.45.0.0/22' is no address"),
        (["enrol", "oak", "--pub", public("oak"), "--ipv6", "fd44::1"], "oak: ipv6 'fd44::1' is no address"),
        (["enrol", "oak", "--pub", public("oak"), "--ipv4", "10.44.1.1/24"], "overlaps 10.44.0.0/22 of elm"),
        (["enrol", "oak", "--pub", public("elm")], "oak has the key of elm"),
        (["enrol", "oak", "--pub", public("oak"), "--hub"], "elm and oak are both the hub"),
        (["withdraw", "oak"], "name one of its nodes, elm"),
        (["withdraw", "elm", "--key", "none.key"], "Make one with `meshctl community new`"),
        (["withdraw", "elm", "--key", "roster.json"], "not the base64 of 32 bytes"),
        (["withdraw", "elm", "--key", "other.key"], "Name the key that signed it with --key; other.key did not"),
        (["enrol", "elm", "--gateway", "--roster", "none/r.json"], "--pub is missing"),
        (["list", "--roster", "none.json"], "Name another with --roster"),
        (["list", "--roster", "community.key"], "one JSON object"),
        (["list", "--community", public("oak")], "not signed by the key"),
    ],
)
def test_a_wrong_call_changes_nothing_and_names_the_remedy(
    desk: Desk, community: str, words: list[str], remedy: str
) -> None:
    desk.says("node", "enrol", "elm", "--pub", public("elm"), "--hub")
    desk.says("community", "new", "--key", "other.key")
    before = (desk.folder / "roster.json").read_bytes()
    assert remedy in desk.refuses("node", *words)
    assert (desk.folder / "roster.json").read_bytes() == before


def test_a_roster_that_cannot_be_written_is_said(desk: Desk, community: str) -> None:
    said = desk.refuses("node", "enrol", "elm", "--pub", public("elm"), "--roster", "nowhere/roster.json")
    assert "nowhere/roster.json: No such file or directory. Name another place with --roster." in said


def test_a_key_that_others_can_read_is_warned_of(desk: Desk, community: str) -> None:
    (desk.folder / "community.key").chmod(0o644)
    assert "chmod 600 community.key" in desk.run("community", "show").stderr


def test_on_a_node_its_own_configuration_says_what_to_show(desk: Desk, community: str) -> None:
    desk.says("node", "enrol", "elm", "--pub", public("elm"))
    (desk.folder / "roster.json").rename(desk.folder / "own.json")
    (desk.folder / "meshctl.toml").write_text(
        f'[paths]\nrun = "{desk.folder}/run"\n'
        '[node]\nname = "elm"\n[[access]]\ndevice = "br-lan"\nipv4 = "10.44.0.1/22"\nipv6 = "fd44::1/64"\n'
        f'[mesh]\ncommunity = "{community}"\nroster = "{desk.folder}/own.json"\n'
    )
    assert "own.json  version 1, signed by" in desk.says("node", "list", "--config", "meshctl.toml")
    (desk.folder / "run").mkdir()
    (desk.folder / "own.json").rename(desk.folder / "run" / "roster.json")
    assert "run/roster.json  version 1, signed by" in desk.says("node", "list", "--config", "meshctl.toml")


def test_many_hands_at_once_lose_no_node(desk: Desk, community: str) -> None:
    command = [sys.executable, "-m", "meshctl", "node", "enrol"]
    environment = {**os.environ, "PYTHONPATH": str(PROJECT)}
    hands = [
        subprocess.Popen([*command, name, "--pub", public(name)], cwd=desk.folder, env=environment, stdout=-3)
        for name in ("elm", "oak", "ash", "fir")
    ]
    assert [hand.wait(30) for hand in hands] == [0, 0, 0, 0]
    table = json.loads(desk.says("node", "list", "--json"))
    assert (table["version"], sorted(one["number"] for one in table["members"])) == (4, [1, 2, 3, 4])
