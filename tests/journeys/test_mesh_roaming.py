"""Joined once is joined everywhere: phones that move, nodes that lose their power, a hub that is away."""

from __future__ import annotations

import json
import signal
import time
from functools import partial

import pytest

from tests.journeys.homes import page
from tests.journeys.street import SITE4, TICK, Street

PROBE = (
    "for i in $(seq 400); do ip -4 addr show dev eth0 2>/dev/null | grep -q 'inet ' && break; sleep 0.01; done; "
    f"curl -s -m 3 -o /dev/null -w '%{{http_code}}' http://{SITE4}/generate_204"
)
"""The first probe that a phone makes at a node: as soon as it has an address."""


REASON, SECONDS = "It sends <spam>.", 12
"""Why a phone is paused, and for how long."""


def first_probe(ring: Street, phone: str) -> str:
    return ring.run(phone, "sh", "-c", PROBE)[1].strip()


def join(ring: Street, *phones: str) -> None:
    """Have phones join away from the gateway, and all nodes take that in: they were told before the gateway was."""
    for phone in phones:
        ring.press(phone, "join")
    for phone in phones:
        ring.until(partial(ring.is_announced, phone))
    ring.heard("elm", "oak", "ash")


def is_member(ring: Street, phone: str, node: str) -> bool:
    """Whether a node's kernel would let a phone through."""
    shown = ring.run(node, "nft", "list map inet meshctl member", check=True)[1]
    return str(ring.lab.member(phone)["hardware"]) in shown


@pytest.mark.patient
def test_a_guest_that_roams_is_online_at_every_node_with_its_first_probe(ring: Street) -> None:
    join(ring, "o-2")
    for node in ("ash", "elm", "oak", "ash", "oak"):
        ring.lab.roam("o-2", node, wait=False)
        assert first_probe(ring, "o-2") == "204", node
    ring.until(lambda: ring.online("o-2"))


@pytest.mark.patient
def test_a_household_keeps_its_share_where_it_goes(ring: Street) -> None:
    handle = ring.home("o-3")
    ring.lab.roam("o-3", "ash", wait=False)
    assert first_probe(ring, "o-3") == "204"
    ring.until(lambda: handle in ring.run("o-3", "curl", "-sS", f"http://{ring.portal('o-3')}/share")[1])
    ring.until(lambda: ring.is_announced("o-3"))
    before, written = ring.counter("o-3"), ring.carried(handle)
    assert ring.fetch("o-3", f"http://{SITE4}/bytes/2000000") == "200 2000000"
    counted = ring.counter("o-3") - before
    ring.turns()
    assert ring.carried(handle) - written == pytest.approx(counted, rel=0.01)
    ring.lab.roam("o-3", "oak", wait=False)


@pytest.mark.patient
def test_twenty_phones_roam_at_once(ring: Street) -> None:
    crowd = [f"r-{number}" for number in range(20)]
    ring.lab.add_phones("oak", crowd)
    joined = ring.lab.module("meshctl.lab.traffic", "join", *crowd, "--portal", ring.portal("r-1"))
    assert joined["failed"] == 0
    ring.until(lambda: all(map(ring.is_announced, crowd)))
    ring.heard("elm", "oak", "ash")
    ring.lab.roam_many(dict.fromkeys(crowd, "ash"))
    assert [first_probe(ring, phone) for phone in crowd] == ["204"] * 20
    members = json.loads(ring.run("ash", "nft", "-j", "list", "map", "inet", "meshctl", "member", check=True)[1])
    assert len(next(entry["map"] for entry in members["nftables"] if "map" in entry)["elem"]) >= 20


@pytest.mark.patient
def test_who_leaves_at_one_node_is_a_visitor_at_every_other(ring: Street) -> None:
    join(ring, "o-2")
    ring.lab.roam("o-2", "ash", wait=False)
    assert first_probe(ring, "o-2") == "204"
    ring.press("o-2", "leave")
    ring.until(lambda: not is_member(ring, "o-2", "oak"))
    ring.lab.roam("o-2", "oak", wait=False)
    assert first_probe(ring, "o-2") == "302"
    ring.until(lambda: not ring.is_announced("o-2"), 5)


@pytest.mark.patient
def test_roaming_works_while_the_hub_is_away(ring: Street) -> None:
    join(ring, "o-2")
    ring.lab.kill("elm", "hub", signal.SIGSTOP)
    try:
        for node in ("ash", "oak"):
            ring.lab.roam("o-2", node, wait=False)
            assert first_probe(ring, "o-2") == "204"
    finally:
        ring.lab.kill("elm", "hub", signal.SIGCONT)


@pytest.mark.patient
def test_after_a_power_cut_of_one_node_its_phones_are_online_without_a_button(ring: Street) -> None:
    join(ring, "o-1", "o-2")
    handle = ring.home("o-3")
    ledger = ring.carried(handle)
    reports = ring.ask("status", on="oak")["ticks"]
    assert reports > 0
    ring.turns(on="oak")
    ring.lab.power_off("oak")
    time.sleep(1)
    ring.lab.power_on("oak")
    for phone in ("o-1", "o-2", "o-3"):
        ring.until(partial(ring.online, phone), 15)
    assert ring.carried(handle) >= ledger
    ring.until(lambda: handle in ring.run("o-3", "curl", "-sS", f"http://{ring.portal('o-3')}/share")[1])


@pytest.mark.patient
def test_a_node_all_alone_after_a_power_cut_shows_the_button_and_no_token_links(ring: Street) -> None:
    join(ring, "o-1")
    ring.turns(on="oak")
    ring.lab.power_off("oak")
    for one, other in (("elm", "oak"), ("oak", "ash")):
        ring.lab.cut_link(one, other)
    ring.lab.power_on("oak")
    ring.until(lambda: ring.lab.member("o-1")["ipv4"])
    ring.until(lambda: ring.ask("status", on="oak")["mesh"]["day_key"], 30)
    # Until it knows that nothing leads out probes are led to the login; from then on they have no answer.
    assert first_probe(ring, "o-1") in ("302", "000")
    ring.until(lambda: "internet" in ring.ask("status", on="oak")["ills"])
    ring.until(lambda: first_probe(ring, "o-1") == "000", 10)
    assert [first_probe(ring, "o-1") for _ in range(3)] == ["000"] * 3
    assert "<button" in page(ring, "o-1", f"http://{ring.portal('o-1')}/")
    assert ring.ask("status", on="oak")["joined"] == 0
    for one, other in (("elm", "oak"), ("oak", "ash")):
        ring.lab.heal_link(one, other)
    ring.lab.wait_ready()
    # Together again, the key of the day is there, and with it who had joined.
    ring.until(lambda: ring.online("o-1"), 20)


def test_a_phone_that_probes_before_anybody_can_know_it_is_never_told_to_join(ring: Street) -> None:
    # No DHCP: its first packet after ARP is the probe, sooner than any process can look it up.
    ring.lab.add_phones("oak", ["s-1"], "static")
    join(ring, "s-1")
    for node in ("ash", "elm", "oak", "ash"):
        ring.lab.roam("s-1", node, wait=False)
        assert first_probe(ring, "s-1") == "204", node


def test_a_visitor_sees_the_portal_with_its_first_probe_all_the_same(ring: Street) -> None:
    ring.lab.add_phones("ash", ["v-1"], "static")
    assert first_probe(ring, "v-1") == "302"
    assert ring.until(lambda: first_probe(ring, "v-1") == "302") < 0.9


def test_a_paused_phone_is_stopped_at_every_node_until_its_time_is_over(ring: Street) -> None:
    crowd = ("o-1", "o-2", "o-3")
    for phone in crowd:
        ring.press(phone, "join")
    before = public(ring)
    for phone in crowd:
        ring.run(phone, "sh", "-c", f"curl -s -m 4 -o /dev/null http://{SITE4}/bytes/60000000 >/dev/null 2>&1 &")
    started = {phone: ring.counter(phone) for phone in crowd}
    ring.until(lambda: all(ring.counter(phone) > started[phone] + 100_000 for phone in crowd))
    reply = ring.ask(
        "pause", ring.lab.member("o-1")["ipv4"], "--reason", REASON, "--hours", str(SECONDS / 3600), on="oak"
    )
    began = time.monotonic()
    time.sleep(0.2)
    moved = {phone: ring.counter(phone) for phone in crowd}
    time.sleep(1.0)
    moved = {phone: ring.counter(phone) - size for phone, size in moved.items()}
    assert moved["o-1"] < 20_000, moved
    assert min(moved["o-2"], moved["o-3"]) > 200_000, moved

    for node in ("oak", "ash"):
        if node == "ash":
            ring.lab.roam("o-1", "ash", wait=False)
        assert first_probe(ring, "o-1") == "302"
        ring.press("o-1", "join")
        page = ring.run("o-1", "curl", "-sS", "-L", f"http://{ring.portal('o-1')}/share")[1]
        assert "This device is paused" in page
        assert "It sends &lt;spam&gt;." in page
        assert not ring.online("o-1")
    listed = [ring.ask("pause", "--list", on=node)["pauses"] for node in ("elm", "oak", "ash")]
    assert [[(one["id"], one["reason"], one["node"]) for one in rows] for rows in listed] == [
        [(reply["id"], REASON, "oak")]
    ] * 3
    ring.until(lambda: public(ring) == (before[0] + 1, before[1] + 1), 5)

    ring.until(lambda: ring.online("o-1"), SECONDS)
    assert SECONDS - 1 < time.monotonic() - began < SECONDS + TICK + 1
    assert ring.ask("pause", "--list", on="elm")["pauses"] == []


def test_a_pause_outlives_a_power_cut_and_is_ended_early_at_any_node(ring: Street) -> None:
    join(ring, "o-1", "o-2")
    address = ring.lab.member("o-2")["ipv4"]
    ident = ring.ask("pause", address, "--reason", REASON, "--hours", "24", on="oak")["id"]
    code, said = ring.run("elm", "meshctl", "pause", address, "--end")
    assert (code, "is behind node oak: run it there" in said) == (1, True)
    ring.until(lambda: all(ring.ask("pause", "--list", on=node)["pauses"] for node in ("elm", "ash")))
    ring.turns(on="oak")
    ring.lab.power_off("oak")
    ring.lab.power_on("oak")
    ring.until(partial(ring.online, "o-1"), 15)
    assert first_probe(ring, "o-2") == "302"
    assert 86_000 < ring.ask("pause", "--list", on="oak")["pauses"][0]["ends_in"] <= 86_400
    assert ring.run("ash", "meshctl", "pause", ident.lower(), "--end")[0] == 0
    assert ring.until(partial(ring.online, "o-2"), 5) < 3


def public(ring: Street) -> tuple[int, int]:
    """The pauses of the last days, and those in force, as everybody may read them."""
    table = json.loads(ring.run("elm", "curl", "-sS", "http://127.0.0.1:8090/public.json", check=True)[1])
    return table["pauses"], table["pauses_now"]


@pytest.mark.patient
def test_a_new_hardware_address_returns_by_pass_in_one_form_and_who_has_the_old_one_opens_nothing(ring: Street) -> None:
    ring.lab.add_phones("oak", ["n-1", "n-2"], "static")
    drawn = ring.ask("household", "add")
    typed = ("--data-urlencode", f"pass={drawn['pass']}")
    ring.await_roll("n-1")
    assert ring.fetch("n-1", f"http://{ring.portal('n-1')}/pass", *typed).startswith("303")
    old = ring.run("n-1", "cat", "/sys/class/net/eth0/address", check=True)[1].strip()
    for phone, hardware in (("n-1", "02:00:5e:00:53:01"), ("n-2", old)):
        ring.run(phone, "ip", "link", "set", "eth0", "address", hardware, check=True)
    ring.lab.roam_many({"n-1": "ash", "n-2": "elm"}, wait=False)
    assert first_probe(ring, "n-1") == "302"
    ring.await_roll("n-1")
    assert ring.fetch("n-1", f"http://{ring.portal('n-1')}/pass", *typed).startswith("303")
    ring.until(partial(ring.online, "n-1"))
    assert drawn["handle"] in ring.run("n-1", "curl", "-sS", f"http://{ring.portal('n-1')}/share")[1]

    # The old address, cloned: it is let in, as it must be, and opens nothing that is the home's.
    assert first_probe(ring, "n-2") == "204"
    for path in ("home", "mine", "mine-correct", "mine-erase", "mine-keep", "mine-download"):
        for key in ("", drawn["handle"], "0000-0000"):
            words = ("-X", "POST", "--data-urlencode", f"key={key}", "--data-urlencode", "sure=yes")
            assert ring.fetch("n-2", f"http://{ring.portal('n-2')}/{path}", *words)[:3] in ("403", "422", "429"), path
    shown = ring.ask("household", "show", drawn["handle"])
    assert (shown["note"], shown["erased_in"]) == (None, None)


@pytest.mark.patient
def test_a_remembered_phone_is_online_with_no_press_after_all_nodes_lost_their_memory(ring: Street) -> None:
    ring.press("o-1", "join")
    handle = ring.home("o-3")
    ring.until(lambda: keys_on_disk(ring, "oak"))
    receipt = page(ring, "o-3", f"http://{ring.portal('o-3')}/remember", "-X", "POST")
    assert "Your receipt" in receipt
    # The keys are on every disk but that of the hub's node, which has the list.
    ring.until(lambda: [bool(keys_on_disk(ring, node)) for node in ("elm", "oak", "ash")] == [False, True, True])
    for node in ("elm", "oak", "ash"):
        ring.turns(on=node)
    for node in ("elm", "oak", "ash"):
        ring.lab.power_off(node)
    for node in ("elm", "oak", "ash"):
        ring.lab.power_on(node, wait=False)
    ring.lab.wait_ready()
    ring.until(partial(ring.online, "o-3"), 20)
    ring.until(lambda: handle in ring.run("o-3", "curl", "-sS", f"http://{ring.portal('o-3')}/share")[1])
    assert first_probe(ring, "o-1") == "302", "nobody else is known by then: the day keys are gone"
    ring.lab.roam("o-3", "ash", wait=False)
    assert first_probe(ring, "o-3") == "204"
    ring.until(lambda: ring.lab.member("o-3")["at"] == "ash")
    gone = page(ring, "o-3", f"http://{ring.portal('o-3')}/forget", "-X", "POST")
    assert "This device is forgotten" in gone, gone
    assert first_probe(ring, "o-3") == "302"


def keys_on_disk(ring: Street, node: str) -> list[str]:
    """The names of the lasting keys on a node's disk."""
    state = json.loads(ring.run(node, "meshctl", "config", "show", check=True)[1])["paths"]["state"]
    return ring.run(node, "find", f"{state}/remember-keys", "-name", "*.key")[1].split()
