"""`meshctl why` reads the real kernel, and finds and names whatever disagrees with what was decided."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from meshctl.agent.passes import Verifier
from meshctl.agent.pauses import Pause
from meshctl.agent.surroundings import Surroundings
from meshctl.agent.views import Views
from meshctl.agent.why_verb import Why
from meshctl.config import Paths
from tests.kernel.street import ADDRESSES, HARDWARE, SITE4, SITE6, Street

pytestmark = pytest.mark.kernel

NEAR4 = ADDRESSES["near"][0]
FAR4 = ADDRESSES["far"][0]
Ask = Callable[[str], dict[str, Any]]


@pytest.fixture
def ask(street: Street, tmp_path: Path) -> Iterator[Ask]:
    """A home at the gateway's own door that has used the line over both families, and one behind the mesh."""
    gate = street.gate
    for handle in ("NEAR", "FARR"):
        gate.store.add_household(handle, 1, Verifier(b"s" * 16, b"d" * 32), gate.clock.read())
    near, far = (home for home in gate.store.households() if home.handle in ("NEAR", "FARR"))
    now = gate.clock.read().monotonic
    gate.do(lambda: gate.turns.admit([gate.members.link(HARDWARE["near"], near, now + 3600, now)], []))
    gate.announce(dict.fromkeys(ADDRESSES["far"], 0x10 + far.number - 1))
    assert all(street.fetches("near", site, 1000) >= 1000 for site in (SITE4, SITE6))
    config = replace(gate.config, paths=Paths(run=str(tmp_path)))
    parts = (gate.store, gate.members, gate.turns)
    why = Why(config, gate.kernel, parts, gate.clock, Views(config, parts, gate.clock))
    yield lambda subject: gate.do(lambda: why.answer({"subject": subject}))
    gate.store.connection.execute("DELETE FROM household")


def names(reply: dict[str, Any]) -> set[str]:
    assert reply["ok"], reply
    assert all(one["means"] for one in reply["disagreements"])
    return {one["name"] for one in reply["disagreements"]}


@pytest.mark.parametrize("subject", [*ADDRESSES["near"], "NEAR", *ADDRESSES["far"], "farr"])
def test_a_healthy_chain_reaches_its_counters_and_nothing_disagrees(ask: Ask, subject: str) -> None:
    reply = ask(subject)

    assert names(reply) == set()
    assert reply["household"] in ("NEAR", "FARR")
    steps = [step["name"] for step in reply["steps"]]
    assert steps[0] == "table"
    assert {"element", "class map down", "class down", "counters down", "counters up", "queue up"} <= set(steps)
    assert reply["slice"]["down"]["assured_kbit"] > 5000
    assert not any(mac in str(reply) for mac in HARDWARE.values())


@pytest.mark.parametrize(
    ("name", "subject", "damage"),
    [
        ("element-missing", NEAR4, "nft delete element inet meshctl member {{ {near} }}"),
        ("element-missing", "NEAR", "nft delete element inet meshctl member {{ {near} }}"),
        ("element-missing", FAR4, "nft delete element inet meshctl announced4 {{ {far4} }}"),
        ("wrong-mark", NEAR4, "nft delete element inet meshctl member {{ {near} }}; "
                              "nft add element inet meshctl member {{ {near} timeout 3600s : 0x99 }}"),
        ("wrong-mark", FAR4, "nft delete element inet meshctl announced4 {{ {far4} }}; "
                             "nft add element inet meshctl announced4 {{ {far4} : 0x99 }}"),
        ("class-missing", NEAR4, "tc qdisc del dev wan0 parent 1:10; tc class del dev wan0 classid 1:10"),
        ("class-map-missing", NEAR4, "nft delete element inet meshctl class {{ 0x10 }}"),
        ("wrong-rate", NEAR4, "tc class change dev wan0 parent 1:2 classid 1:10 htb rate 1mbit ceil 2mbit"),
        ("default-class-missing", NEAR4, "tc qdisc del dev wan0 parent 1:4; tc class del dev wan0 classid 1:4"),
        ("table-changed", NEAR4, "nft flush chain inet meshctl inward"),
        ("foreign-qdisc", NEAR4, "tc qdisc replace dev wan0 root handle 9: tbf rate 1mbit burst 5k limit 10k"),
        ("tree-missing", NEAR4, "tc qdisc del dev wan0 root"),
        ("foreign-qdisc", NEAR4, "tc qdisc add dev wan0 ingress"),
        ("stale-lease", "10.44.4.99", "nft add element inet meshctl announced4 {{ 10.44.8.99 : 0x10 }}"),
    ],
)  # fmt: skip
def test_each_planted_disagreement_is_found_and_named(
    street: Street, ask: Ask, name: str, subject: str, damage: str
) -> None:
    words = damage.format(near=HARDWARE["near"], far4=FAR4)
    done = street.run("gate", "sh", "-ec", words)
    assert done.returncode == 0, done.stderr

    reply = ask("10.44.8.99" if name == "stale-lease" else subject)

    assert name in names(reply)
    assert any(name in step["disagrees"] for step in reply["steps"])
    street.run("gate", "sh", "-c", "tc qdisc del dev wan0 ingress")
    street.gate.tick()
    street.gate.tick()
    assert name not in names(ask(NEAR4))


def test_an_address_that_the_dhcp_server_holds_for_another_device_is_stale(ask: Ask, tmp_path: Path) -> None:
    leases = tmp_path / "dnsmasq.leases"
    leases.write_text(f"1900000000 {HARDWARE['near']} {NEAR4} * 01:aa\n", encoding="utf-8")
    assert names(ask(NEAR4)) == set()

    leases.write_text(f"1900000000 02:00:00:00:00:77 {NEAR4} * 01:aa\n1900000000 02:0:0:0:0:1 10.44.4.200 * *\n")
    assert names(ask(NEAR4)) == {"stale-lease"}
    assert names(ask("10.44.4.200")) == {"stale-lease"}


def test_a_flowtable_on_a_device_of_ours_is_named(street: Street, ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = street.gate.do(street.gate.kernel.look_around)
    told = Surroundings(seen.queues, (("inet filter fast", ("lan0", "wan0")),), seen.devices, seen.hooked)
    monkeypatch.setattr(street.gate.kernel, "look_around", lambda: told)

    assert names(ask(NEAR4)) == {"flowtable"}


@pytest.mark.parametrize(("subject", "word"), [("10.44.4.250", "sees no device"), ("192.0.2.9", "no node"),
                                               ("ZZZZ", "household list"), ("", "no household")])  # fmt: skip
def test_what_is_not_known_is_said_with_a_remedy(ask: Ask, subject: str, word: str) -> None:
    reply = ask(subject)
    assert not reply["ok"]
    assert word in reply["error"]["message"]


def test_a_paused_device_has_no_element_and_that_is_right(street: Street, ask: Ask) -> None:
    members = street.gate.members
    members.pauses.merge(HARDWARE["near"], Pause("K7QM", "It floods.", math.inf, 1, "gate"))
    try:
        for subject in (NEAR4, "NEAR"):
            assert names(ask(subject)) == {"element-left"}
        street.gate.tick()
        for subject in (NEAR4, "NEAR"):
            reply = ask(subject)
            assert names(reply) == set()
            assert "a steward paused the device" in str(reply["steps"])
    finally:
        members.pauses.lapse(math.inf)
