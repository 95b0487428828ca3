"""Joined once is joined everywhere: phones that move, nodes that lose their power, a hub that is away."""

from __future__ import annotations

import json
import signal
import time
from functools import partial

import pytest

from tests.journeys.conftest import SITE4, TICK, Street

PROBE = (
    "for i in $(seq 400); do ip -4 addr show dev eth0 2>/dev/null | grep -q 'inet ' && break; sleep 0.01; done; "
    f"curl -s -m 3 -o /dev/null -w '%{{http_code}}' http://{SITE4}/generate_204"
)
"""The first probe that a phone makes at a node: as soon as it has an address."""


def first_probe(ring: Street, phone: str) -> str:
    return ring.run(phone, "sh", "-c", PROBE)[1].strip()


def test_a_guest_that_roams_is_online_at_every_node_with_its_first_probe(ring: Street) -> None:
    ring.press("o-2", "join")
    for node in ("ash", "elm", "oak", "ash", "oak"):
        ring.lab.roam("o-2", node, wait=False)
        assert first_probe(ring, "o-2") == "204", node
    ring.until(lambda: ring.online("o-2"))


def test_a_household_keeps_its_share_where_it_goes(ring: Street) -> None:
    handle = ring.home("o-3")
    ring.lab.roam("o-3", "ash", wait=False)
    assert first_probe(ring, "o-3") == "204"
    ring.until(lambda: handle in ring.run("o-3", "curl", "-sS", f"http://{ring.portal('o-3')}/share")[1])
    before, written = ring.counter("o-3"), ring.carried(handle)
    time.sleep(2)
    assert ring.fetch("o-3", f"http://{SITE4}/bytes/2000000") == "200 2000000"
    counted = ring.counter("o-3") - before
    ring.turns()
    assert ring.carried(handle) - written == pytest.approx(counted, rel=0.01)
    ring.lab.roam("o-3", "oak", wait=False)


def test_twenty_phones_roam_at_once(ring: Street) -> None:
    crowd = [f"r-{number}" for number in range(20)]
    ring.lab.add_phones("oak", crowd)
    joined = ring.lab.module("meshctl.lab.traffic", "join", *crowd, "--portal", ring.portal("r-1"))
    assert joined["failed"] == 0
    time.sleep(0.5)
    ring.lab.roam_many(dict.fromkeys(crowd, "ash"))
    assert [first_probe(ring, phone) for phone in crowd] == ["204"] * 20
    members = json.loads(ring.run("ash", "nft", "-j", "list", "map", "inet", "meshctl", "member", check=True)[1])
    assert len(next(entry["map"] for entry in members["nftables"] if "map" in entry)["elem"]) >= 20


def test_who_leaves_at_one_node_is_a_visitor_at_every_other(ring: Street) -> None:
    ring.press("o-2", "join")
    ring.lab.roam("o-2", "ash", wait=False)
    assert first_probe(ring, "o-2") == "204"
    ring.press("o-2", "leave")
    time.sleep(0.5)
    ring.lab.roam("o-2", "oak", wait=False)
    assert first_probe(ring, "o-2") == "302"
    announced = ring.run("elm", "nft", "list map inet meshctl announced4", check=True)[1]
    assert ring.lab.member("o-2")["ipv4"] not in announced


def test_roaming_works_while_the_hub_is_away(ring: Street) -> None:
    ring.press("o-2", "join")
    ring.lab.kill("elm", "hub", signal.SIGSTOP)
    try:
        for node in ("ash", "oak"):
            ring.lab.roam("o-2", node, wait=False)
            assert first_probe(ring, "o-2") == "204"
    finally:
        ring.lab.kill("elm", "hub", signal.SIGCONT)


def test_after_a_power_cut_of_one_node_its_phones_are_online_without_a_button(ring: Street) -> None:
    ring.press("o-1", "join")
    ring.press("o-2", "join")
    handle = ring.home("o-3")
    ledger = ring.carried(handle)
    reports = ring.ask("status", on="oak")["ticks"]
    assert reports > 0
    time.sleep(TICK + 0.5)
    ring.lab.power_off("oak")
    time.sleep(1)
    ring.lab.power_on("oak")
    for phone in ("o-1", "o-2", "o-3"):
        ring.until(partial(ring.online, phone), 15)
    assert ring.carried(handle) >= ledger
    ring.until(lambda: handle in ring.run("o-3", "curl", "-sS", f"http://{ring.portal('o-3')}/share")[1])


def test_a_node_all_alone_after_a_power_cut_shows_the_button_and_no_token_links(ring: Street) -> None:
    ring.press("o-1", "join")
    time.sleep(TICK + 0.5)
    ring.lab.power_off("oak")
    for one, other in (("elm", "oak"), ("oak", "ash")):
        ring.lab.cut_link(one, other)
    ring.lab.power_on("oak")
    ring.until(lambda: ring.lab.member("o-1")["ipv4"])
    ring.until(lambda: ring.ask("status", on="oak")["mesh"]["day_key"], 30)
    assert first_probe(ring, "o-1") == "302"
    assert ring.ask("status", on="oak")["joined"] == 0
    for one, other in (("elm", "oak"), ("oak", "ash")):
        ring.lab.heal_link(one, other)
    ring.lab.wait_ready()
    # Together again, the key of the day is there, and with it who had joined.
    ring.until(lambda: ring.online("o-1"), 20)


def test_a_phone_that_probes_before_anybody_can_know_it_is_never_told_to_join(ring: Street) -> None:
    # No DHCP: its first packet after ARP is the probe, sooner than any process can look it up.
    ring.lab.add_phones("oak", ["s-1"], "static")
    ring.press("s-1", "join")
    time.sleep(0.5)
    for node in ("ash", "elm", "oak", "ash"):
        ring.lab.roam("s-1", node, wait=False)
        assert first_probe(ring, "s-1") == "204", node


def test_a_visitor_sees_the_portal_with_its_first_probe_all_the_same(ring: Street) -> None:
    ring.lab.add_phones("ash", ["v-1"], "static")
    assert first_probe(ring, "v-1") == "302"
    assert ring.until(lambda: first_probe(ring, "v-1") == "302") < 0.9
