"""Three nodes in a ring, two of them gateways, with real babeld: what may befall them, and what stands again."""

from __future__ import annotations

import base64
import json
import re
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from nacl.signing import SigningKey

from meshctl.lab.fault import LabError
from meshctl.lab.handle import Lab, raise_lab
from meshctl.lists import read_roster, sign_roster
from tests.lab.conftest import lab_name

pytestmark = pytest.mark.lab

SITE6 = "2001:db8:feed::1"
OWN = {
    "elm": ("10.44.0.1", "2001:db8:44::1"),
    "oak": ("10.45.0.1", "2001:db8:45::1"),
    "ash": ("10.46.0.1", "2001:db8:46::1"),
}
_UPLINK = "[node.uplink]\ndown_mbit = 20\nup_mbit = 20\n"
_QUICK = "[node.mesh]\nhello_seconds = 0.5\n[node.policy]\ntick_seconds = 2\n[node.report]\nseconds = 1\n"
RING = (
    f'[[node]]\nname = "elm"\nhub = true\n{_UPLINK}{_QUICK}'
    f'[[node]]\nname = "oak"\n{_UPLINK}{_QUICK}'
    f'[[node]]\nname = "ash"\n{_QUICK}'
    + "".join(f'[[link]]\na = "{a}"\nb = "{b}"\n' for a, b in (("elm", "oak"), ("oak", "ash"), ("ash", "elm")))
    + "".join(
        f'[[phone]]\nname = "{name}"\nat = "{at}"\nclient = "{client}"\n'
        for name, at, client in (("amal", "elm", "udhcpc"), ("bo", "oak", "dhcpcd"), ("chidi", "ash", "dhclient"))
    )
)  # fmt: skip


@pytest.fixture(scope="module")
def mesh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    file = tmp_path_factory.mktemp("topology") / "ring.toml"
    file.write_text(RING, encoding="utf-8")
    with raise_lab(file, lab_name("mesh")) as raised:
        yield raised


@pytest.fixture
def healed(mesh: Lab) -> Iterator[Lab]:
    """The ring with nothing wrong, and with nothing wrong again afterwards."""
    yield mesh
    for link in mesh.status()["links"]:
        mesh.heal_link(link["a"], link["b"])
    for name in ("elm", "oak"):
        mesh.heal_uplink(name)
    mesh.wait_ready()


def pings(lab: Lab, member: str, address: str, count: int = 1) -> float:
    """The part of so many pings that came back."""
    words = ["ping", "-q", "-i", "0.003", "-c", str(count), "-W", "0.5", address]
    found = re.search(r"(\d+) received", lab.exec(member, words, check=False).stdout)
    return int(found[1]) / count if found else 0.0


def wait_until(claim: Callable[[], Any], seconds: float = 20.0) -> float:
    began = time.monotonic()
    while not claim():
        assert time.monotonic() - began < seconds
        time.sleep(0.05)
    return time.monotonic() - began


def way(lab: Lab, node: str, address: str) -> str:
    """The device by which a node would send."""
    told = lab.exec(node, ["ip", "-j", "route", "get", address], check=False).stdout
    return str(json.loads(told)[0].get("dev", "")) if told.startswith("[{") else ""


def device(lab: Lab, node: str, to: str) -> str:
    """A node's device of its link to another."""
    link = next(link for link in lab.status()["links"] if {link["a"], link["b"]} == {node, to})
    return str(link["devices"][node])


def flags(lab: Lab, member: str, name: str) -> set[str]:
    return set(json.loads(lab.exec(member, ["ip", "-j", "link", "show", name]).stdout)[0]["flags"])


def join(lab: Lab, phone: str) -> None:
    words = ["curl", "-sS", "-m", "10", "-o", "/dev/null", "-w", "%{http_code}", "-X", "POST", "http://mesh.home/join"]
    assert lab.exec(phone, words).stdout == "303"


def address_seen(lab: Lab, phone: str) -> str:
    return lab.exec(phone, ["curl", "-sS", "-6", "-m", "5", "http://far.example/address"], check=False).stdout.strip()


def test_every_node_reaches_every_other_and_the_internet(mesh: Lab) -> None:
    for member in OWN:
        for addresses in OWN.values():
            assert all(pings(mesh, member, address) for address in addresses)
        assert pings(mesh, member, SITE6)


def test_a_node_without_an_uplink_forwards_its_phones_under_their_own_addresses(mesh: Lab) -> None:
    join(mesh, "chidi")
    assert address_seen(mesh, "chidi") in mesh.member("chidi")["ipv6"]


def test_all_nodes_report_to_the_hub_over_the_mesh(mesh: Lab) -> None:
    url = f"{mesh.status()['urls']['hub']}api/v1/nodes"

    def all_told() -> bool:
        with urllib.request.urlopen(url, timeout=5) as reply:
            return {node["name"] for node in json.load(reply)["nodes"] if "repairs" in node} == set(OWN)

    wait_until(all_told, 90)


def test_the_roster_is_signed_with_a_key_that_a_test_may_sign_newer_ones_with(mesh: Lab) -> None:
    config = {name: Path(mesh.member(name)["config"]) for name in OWN}
    community = re.search(r'community = "(.+)"', config["ash"].read_text())
    assert community is not None
    file = mesh.place.folder / "community.key"
    key = SigningKey(base64.b64decode(file.read_text()))
    assert file.stat().st_mode & 0o777 == 0o600
    for name in OWN:
        data = (config[name].parent / "roster.json").read_bytes()
        roster = read_roster(data, community[1])
        assert [(one.name, one.number, one.gateway, one.hub) for one in roster.members] == [
            ("elm", 1, True, True),
            ("oak", 2, True, False),
            ("ash", 3, False, False),
        ]
        member = roster.member(name)
        assert member is not None
        state = mesh.member(name)["state"]
        assert mesh.inside(["cat", f"{state}/node.pub"]).stdout.strip() == member.key
        assert mesh.inside(["stat", "-c", "%a", f"{state}/node.key"]).stdout == "600\n"
        assert read_roster(sign_roster(roster, key), community[1]) == roster


def test_a_cut_link_has_no_carrier_at_either_end_and_the_ring_goes_the_other_way(healed: Lab) -> None:
    healed.cut_link("elm", "ash")
    for node, other in (("elm", "ash"), ("ash", "elm")):
        found = flags(healed, node, device(healed, node, other))
        assert "NO-CARRIER" in found
        assert "UP" in found
    wait_until(lambda: way(healed, "elm", "10.46.0.1") == device(healed, "elm", "oak"))
    # The way back is the other node's affair, and a hello later.
    wait_until(lambda: all(pings(healed, "elm", address) for address in OWN["ash"]))
    healed.wait_ready()
    healed.heal_link("elm", "ash")
    assert "NO-CARRIER" not in flags(healed, "ash", device(healed, "ash", "elm"))


def test_a_silent_cut_keeps_the_carrier_and_is_got_round(healed: Lab) -> None:
    healed.cut_link("elm", "oak", silent=True)
    assert not {"NO-CARRIER"} & flags(healed, "elm", device(healed, "elm", "oak"))
    assert not pings(healed, "elm", f"fe80::4d:1ff:fe01:0%{device(healed, 'elm', 'oak')}")
    wait_until(lambda: way(healed, "elm", "10.45.0.1") == device(healed, "elm", "ash"))
    wait_until(lambda: pings(healed, "elm", "10.45.0.1"))


def test_a_lossy_link_loses_about_what_was_said(healed: Lab) -> None:
    mesh0 = f"fe80::4d:1ff:fe01:0%{device(healed, 'elm', 'oak')}"
    assert pings(healed, "elm", mesh0, 50) == 1.0
    healed.lose_on_link("elm", "oak", 30)
    assert 0.36 < pings(healed, "elm", mesh0, 300) < 0.62  # there and back: 0.49
    link = healed.status()["links"][0]
    assert (link["state"], link["loss"]) == ("up", 30.0)


def test_when_an_uplink_is_cut_the_other_gateway_takes_over_both_ways(healed: Lab) -> None:
    healed.cut_uplink("elm")
    assert way(healed, "elm", SITE6) != "wan0"
    wait_until(lambda: pings(healed, "elm", SITE6))
    healed.wait_ready()
    assert healed.member("elm")["uplink"]["state"] == "cut"
    healed.heal_uplink("elm")
    wait_until(lambda: way(healed, "elm", SITE6) == "wan0")
    assert pings(healed, "elm", SITE6)


def test_a_node_without_power_is_gone_but_for_its_files_and_comes_back_as_itself(healed: Lab) -> None:
    before = healed.member("oak")
    hardware = healed.exec("oak", ["cat", "/sys/class/net/mesh0/address", "/sys/class/net/br-lan/address"]).stdout
    key = healed.inside(["cat", f"{before['state']}/node.key"]).stdout
    life = healed.inside(["cat", f"{before['run']}/life"]).stdout
    pid = next(s["pid"] for s in before["services"] if s["name"] == "agent")

    healed.power_off("oak")
    off = healed.member("oak")
    assert (off["power"], off["services"]) == ("off", [])
    assert healed.inside(
        ["sh", "-c", f"test -e /run/netns/oak || test -e /proc/{pid} || test -e {off['run']}"], check=False
    ).returncode
    assert "NO-CARRIER" in flags(healed, "elm", device(healed, "elm", "oak"))
    assert "NO-CARRIER" in flags(healed, "bo", "eth0")
    phone = healed.member("bo")
    assert (phone["at"], phone["ipv4"], phone["ipv6"], phone["services"]) == (None, None, [], [])
    with pytest.raises(LabError, match="is off already"):
        healed.power_off("oak")
    with pytest.raises(LabError, match="has no power"):
        healed.roam("amal", "oak")
    healed.wait_ready()
    assert pings(healed, "elm", "10.46.0.1")

    healed.power_on("oak")
    assert healed.inside(["cat", f"{before['run']}/life"]).stdout != life
    assert healed.inside(["cat", f"{before['state']}/node.key"]).stdout == key
    assert (
        healed.exec("oak", ["cat", "/sys/class/net/mesh0/address", "/sys/class/net/br-lan/address"]).stdout == hardware
    )
    assert all(pings(healed, "ash", address) for address in OWN["oak"])
    assert healed.member("bo")["at"] == "oak"


def test_a_phone_that_walks_keeps_its_hardware_and_what_runs_in_it(healed: Lab) -> None:
    words = healed.command("bo", ["sh", "-c", "echo on; read line; cat /sys/class/net/eth0/address"])
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as running:
        assert running.stdin is not None
        assert running.stdout is not None
        assert running.stdout.readline() == "on\n"
        healed.roam("bo", "ash")
        found = healed.member("bo")
        assert found["at"] == "ash"
        assert found["ipv4"].startswith("10.46.")
        assert all(address.startswith("2001:db8:46:") for address in found["ipv6"])
        assert healed.exec("bo", ["cat", "/etc/resolv.conf"]).stdout == "nameserver 10.46.0.1\n"
        assert running.communicate("\n", timeout=5)[0].strip() == found["hardware"]
    healed.roam_many({"bo": "oak", "chidi": "oak"})
    assert {healed.member(name)["at"] for name in ("bo", "chidi")} == {"oak"}
    healed.roam_many({"chidi": "ash"}, wait=False)
    assert healed.member("chidi")["at"] == "ash"


def test_each_change_has_a_verb_and_status_tells_it(healed: Lab) -> None:
    def meshctl(*words: str) -> subprocess.CompletedProcess[str]:
        verb, *rest = words
        argv = [sys.executable, "-m", "meshctl", "lab", verb, "--name", healed.name, *rest]
        return subprocess.run(argv, capture_output=True, text=True, check=False)

    def works(*words: str) -> None:
        done = meshctl(*words)
        assert done.returncode == 0, (words, done.stderr)

    works("link", "elm", "oak", "cut")
    works("link", "oak", "ash", "loss", "5")
    works("uplink", "oak", "cut")
    works("roam", "amal", "ash")
    status = json.loads(meshctl("status", "--json").stdout)
    assert [(link["state"], link["loss"]) for link in status["links"]] == [("cut", 0), ("up", 5), ("up", 0)]
    told = meshctl("status").stdout
    assert "elm to oak: cut" in told
    assert "oak to ash: up, 5 % lost" in told
    assert re.search(r"amal +at ash", told)
    assert re.search(r"oak +node, no uplink", told)
    works("roam", "amal", "elm")
    works("power", "ash", "off")
    assert re.search(r"ash +node, no power", meshctl("status").stdout)
    works("power", "ash", "on")
    assert "a percentage after loss" in meshctl("link", "elm", "oak", "loss").stderr
    assert "Only a cut can be silent" in meshctl("link", "elm", "oak", "heal", "--silent").stderr


def test_what_cannot_befall_is_refused_with_what_can(mesh: Lab) -> None:
    with pytest.raises(LabError, match="no link joins elm and fir: use one of ash elm, ash oak, elm oak"):
        mesh.cut_link("elm", "fir")
    with pytest.raises(LabError, match="ash has no uplink: use one of elm, oak"):
        mesh.cut_uplink("ash")
    with pytest.raises(LabError, match="no phone 'dora'"):
        mesh.roam("dora", "elm")
    with pytest.raises(LabError, match="no node 'fir'"):
        mesh.power_off("fir")
    with pytest.raises(LabError, match="the power of elm is on already"):
        mesh.power_on("elm")
    with pytest.raises(LabError, match="no percentage"):
        mesh.lose_on_link("elm", "oak", 400)


def test_whatever_befell_them_no_phones_hardware_address_is_on_disk(mesh: Lab) -> None:
    for name in ("amal", "bo", "chidi"):
        words = ["grep", "-rilae", mesh.member(name)["hardware"], str(mesh.place.folder)]
        assert mesh.inside(words, check=False).stdout == ""
