"""The ledger has what the phones' own interfaces counted, whatever is killed or emptied in between."""

from __future__ import annotations

import json
import re
import threading
import time

import pytest

from tests.journeys.street import NODE, SITE4, SITE6, Street

_CLASS = re.compile(
    r"class htb 1:([0-9a-f]+) .*?\n Sent (\d+) bytes (\d+) pkt \(dropped (\d+),.*?\n backlog \S+ (\d+)p", re.S
)


@pytest.mark.parametrize(("direction", "side"), [("down", "rx_bytes"), ("up", "tx_bytes")])
def test_the_ledger_is_within_one_per_cent_of_the_phones_own_count(street: Street, direction: str, side: str) -> None:
    handle = street.home("p-1")
    before, written = street.counter("p-1", side), street.carried(handle, direction)
    for site in (SITE4, f"[{SITE6}]"):
        if direction == "down":
            assert street.fetch("p-1", f"http://{site}/bytes/3000000") == "200 3000000"
        else:
            code, out = street.run(
                "p-1", "sh", "-c", f"head -c 3000000 /dev/zero | curl -sS -g -m 20 --data-binary @- http://{site}/sink"
            )
            assert code == 0, out
    counted = street.counter("p-1", side) - before
    street.turns()

    assert street.carried(handle, direction) - written == pytest.approx(counted, rel=0.01)


def test_packets_at_the_firewall_are_those_sent_dropped_or_waiting_in_the_tree(street: Street) -> None:
    street.home("p-2")
    street.flows("p-2=8", "p-1=2", "--seconds", "3", "--warmup", "0.5")
    time.sleep(0.5)
    for direction, device in (("down", "br-lan"), ("up", "wan0")):
        shown = street.run(NODE, "tc", "-s", "class", "show", "dev", device, check=True)[1]
        tree = {int(n, 16): int(sent) + int(drop) + int(wait) for n, _, sent, drop, wait in _CLASS.findall(shown)}
        listing = street.run(NODE, "nft", "-j", "list", "map", "inet", "meshctl", f"class_{direction}", check=True)[1]
        elements = next(entry["map"] for entry in json.loads(listing)["nftables"] if "map" in entry)["elem"]
        counted = {key["elem"]["val"]: key["elem"]["counter"]["packets"] for key, _ in elements}

        assert sum(counted.values()) > 100
        assert counted == {mark: tree[mark] for mark in counted}


@pytest.mark.parametrize("service", ["agent", "portal", "watch", "hub", "dnsmasq"])
def test_a_killed_process_costs_nobody_the_line_and_nothing_is_counted_twice(street: Street, service: str) -> None:
    handle = street.home("p-3")
    before, written = street.counter("p-3"), street.carried(handle)
    told: list[str] = []
    size = 5_000_000
    loading = threading.Thread(target=lambda: told.append(street.fetch("p-3", f"http://{SITE4}/bytes/{size}")))
    loading.start()
    for _ in range(2):
        time.sleep(0.6)
        street.kill(NODE, service)
    loading.join()
    counted = street.counter("p-3") - before
    street.lab.wait_ready()
    street.turns()

    assert told == [f"200 {size}"]
    assert street.carried(handle) - written == pytest.approx(counted, rel=0.01)


@pytest.mark.parametrize(
    "damage",
    [
        "nft flush ruleset",
        "nft delete table inet meshctl",
        "nft flush chain inet meshctl outward",
        "nft flush map inet meshctl member",
        "nft flush map inet meshctl class_down",
        "tc qdisc del dev br-lan root",
        "tc qdisc del dev wan0 root",
    ],
)
def test_damage_by_hand_is_repaired_within_one_tick_with_the_ledger_intact(street: Street, damage: str) -> None:
    handle = street.home("p-4")
    assert street.fetch("p-4", f"http://{SITE4}/bytes/500000") == "200 500000"
    street.turns()
    written, repairs = street.carried(handle), street.ask("status")["repairs"]
    street.run(NODE, *damage.split(), check=True)
    street.turns()

    assert street.ask("status")["repairs"] > repairs
    assert street.fetch("p-4", f"http://{SITE4}/bytes/1000") == "200 1000"
    assert street.carried(handle) >= written
    assert street.run("p-4", "ping", "-c1", "-W1", SITE6)[0] == 0
    members = street.run(NODE, "nft", "list", "map", "inet", "meshctl", "member", check=True)[1]
    assert "elements" in members
    assert "class htb 1:1 root" in street.run(NODE, "tc", "class", "show", "dev", "wan0", check=True)[1]
