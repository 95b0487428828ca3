"""Several devices that face neighbours lead into one tree, whatever is done to it; only what is ours is touched."""

from __future__ import annotations

import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from meshctl.agent.funnel import FUNNEL
from meshctl.agent.funnel import difference as funnel_difference
from meshctl.config import Access, Config
from meshctl.lab.kernel import ip
from meshctl.quota.plan import FIRST_GUEST
from tests.kernel.agents import GATEWAY, Agent, config_of
from tests.kernel.street import ADDRESSES, HARDWARE, ROOT, SITE4, SITE6, Street

pytestmark = pytest.mark.kernel

HOME = 0x21
SOME = 50_000
PROOF = ROOT / "tests" / "kernel" / "proof.py"


@pytest.fixture
def busy(street: Street) -> Street:
    """A street with a home behind the mesh and a guest at the gateway, all announced."""
    street.gate.join(HARDWARE["near"], FIRST_GUEST)
    street.access.join(HARDWARE["far"], HOME)
    street.gate.announce(dict.fromkeys(ADDRESSES["far"], HOME))
    street.gate.tick()
    return street


@pytest.mark.parametrize(
    "damage",
    [
        "ip link del meshctl-down",
        "ip link set meshctl-down down",
        "tc qdisc del dev meshctl-down root",
        "tc qdisc del dev mesh0 clsact",
        "tc filter del dev lan0 egress",
        "tc filter replace dev mesh0 egress protocol all pref 28019 handle 1 bpf bytecode '1,6 0 0 0' "
        "action mirred egress redirect dev meshctl-down",
        "tc filter replace dev mesh0 egress protocol all pref 28019 handle 1 "
        "bpf bytecode '4,32 0 0 4294963220,21 1 0 0,6 0 0 4294967295,6 0 0 0' action mirred egress redirect dev lan0",
        "tc filter add dev mesh0 egress protocol all pref 28019 handle 7 bpf bytecode '1,6 0 0 4294967295' "
        "action mirred egress redirect dev lan0",
        "nft flush map inet meshctl announced4",
        "nft delete element inet meshctl announced6 '{ 2001:db8:2::b }'",
        "nft add element inet meshctl announced4 '{ 10.44.8.99 : 0x21 }'",
        "nft flush chain inet meshctl from_mesh",
        "nft delete table inet meshctl",
    ],
)
def test_one_turn_repairs_the_damage_and_shares_go_on(busy: Street, damage: str) -> None:
    gate = busy.gate
    repairs = gate.turns.tally.repairs
    done = busy.run("gate", "sh", "-c", damage)
    assert done.returncode == 0, done.stderr
    gate.tick()

    assert gate.turns.tally.repairs > repairs
    state = gate.do(gate.kernel.read)
    steps = funnel_difference(state.funnel, ("lan0", "mesh0", "mesh1", "radio0"))
    assert [*steps.before, *steps.after] == []
    assert state.table.announced == dict.fromkeys(ADDRESSES["far"], HOME)
    before = gate.sent("down")
    for phone, mark in (("far", HOME), ("near", FIRST_GUEST)):
        assert busy.fetches(phone, SITE4, SOME) >= SOME
        assert busy.fetches(phone, SITE6, SOME) >= SOME
        assert gate.sent("down")[mark] - before[mark] >= 2 * SOME
    repairs = gate.turns.tally.repairs
    gate.tick()
    assert gate.turns.tally.repairs == repairs, gate.turns.tally.last


def test_filters_of_others_at_the_same_hook_stay(busy: Street) -> None:
    theirs = "filter add dev mesh0 {} protocol all pref 5 handle 2 bpf bytecode '1,6 0 0 0' action mirred {} dev lan0"
    for hook, act in (("egress", "egress mirror"), ("ingress", "egress mirror")):
        assert busy.run("gate", "sh", "-c", "tc " + theirs.format(hook, act)).returncode == 0
    try:
        repairs = busy.gate.turns.tally.repairs
        busy.gate.tick()
        busy.run("gate", "tc", "filter", "del", "dev", "mesh0", "egress", "pref", "28019")
        busy.gate.tick()

        assert busy.gate.turns.tally.repairs == repairs + 1
        for hook in ("egress", "ingress"):
            assert "pref 5 bpf" in busy.run("gate", "tc", "filter", "show", "dev", "mesh0", hook).stdout
    finally:
        for hook in ("egress", "ingress"):
            busy.run("gate", "tc", "filter", "del", "dev", "mesh0", hook, "pref", "5")


def test_a_device_that_is_plugged_in_later_leads_into_the_tree_with_the_next_turn(busy: Street) -> None:
    gate = busy.gate
    repairs = gate.turns.tally.repairs
    ip(["link add radio0 type veth peer name air0"], busy.at("gate"))
    try:
        gate.tick()
        assert FUNNEL in busy.run("gate", "tc", "filter", "show", "dev", "radio0", "egress").stdout
        assert gate.turns.tally.repairs == repairs
    finally:
        ip(["link del radio0"], busy.at("gate"))
    gate.tick()
    assert gate.turns.tally.repairs == repairs


@pytest.fixture
def place() -> Iterator[str]:
    name = f"kt-{uuid.uuid4().hex[:8]}"
    with ExitStack() as stack:
        ip([f"netns add {name}"])
        stack.callback(ip, [f"netns del {name}"])
        for device in ("lan0", "lan1", "mesh0", "wan0"):
            ip([f"link add {device} type veth peer name far-{device}"], name)
        yield name


def shown(place: str, *words: str) -> str:
    return subprocess.run(["ip", "netns", "exec", place, *words], capture_output=True, text=True, check=True).stdout


def start(place: str, config: Config, folder: Path) -> Agent:
    agent = Agent(place, config, folder)
    try:
        agent.do(agent.turns.start)
    finally:
        agent.store.close()
    return agent


def test_a_changed_configuration_leaves_nothing_of_the_former_one(place: str, tmp_path: Path) -> None:
    meshed = config_of(GATEWAY, "mesh0")
    two_doors = replace(meshed, mesh=replace(meshed.mesh, devices=()))
    two_doors = replace(two_doors, access=(*two_doors.access, Access("lan1", "10.60.0.1/22", "fd60::1/64")))
    one_door = replace(two_doors, access=two_doors.access[:1])
    no_line = replace(one_door, line=())
    start(place, meshed, tmp_path)
    start(place, two_doors, tmp_path)
    assert "28019" not in shown(place, "tc", "filter", "show", "dev", "mesh0", "egress")
    assert "28019" in shown(place, "tc", "filter", "show", "dev", "lan1", "egress")

    start(place, one_door, tmp_path)
    assert FUNNEL not in shown(place, "ip", "-br", "link")
    assert not any("28019" in shown(place, "tc", "filter", "show", "dev", d, "egress") for d in ("lan0", "lan1"))
    assert "htb 1: root" in shown(place, "tc", "qdisc", "show", "dev", "lan0")

    start(place, meshed, tmp_path)
    assert "htb" not in shown(place, "tc", "qdisc", "show", "dev", "lan0")
    assert "htb 1: root" in shown(place, "tc", "qdisc", "show", "dev", FUNNEL)

    start(place, no_line, tmp_path)
    assert FUNNEL not in shown(place, "ip", "-br", "link")
    assert "htb" not in shown(place, "tc", "qdisc", "show")


def test_somebody_elses_tree_is_left_alone(place: str, tmp_path: Path) -> None:
    shown(place, "tc", "qdisc", "add", "dev", "lan1", "root", "handle", "1:", "htb", "default", "4")
    shown(place, "tc", "class", "add", "dev", "lan1", "parent", "1:", "classid", "1:4", "htb", "rate", "1mbit")
    start(place, config_of(GATEWAY, "mesh0"), tmp_path)

    assert "htb 1: root" in shown(place, "tc", "qdisc", "show", "dev", "lan1")


def test_an_agent_without_a_mesh_makes_no_device_and_no_hook(place: str, tmp_path: Path) -> None:
    start(place, config_of(GATEWAY), tmp_path)

    assert FUNNEL not in shown(place, "ip", "-br", "link")
    assert "clsact" not in shown(place, "tc", "qdisc", "show")


def test_the_right_to_administer_the_network_is_enough(place: str, tmp_path: Path) -> None:
    only = ["setpriv", "--bounding-set=-all,+net_admin", "--inh-caps=-all,+net_admin", "--"]
    words = [*only, sys.executable, str(PROOF), str(tmp_path), f"ip link del {FUNNEL}", "mesh"]
    done = subprocess.run(
        ["ip", "netns", "exec", place, *words],
        capture_output=True, text=True, check=False, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
