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


COUNT = """
table inet audit {
	set down {
		type classid
		size 65535
		flags dynamic
		counter
	}
	set up {
		type classid
		size 65535
		flags dynamic
		counter
	}
	chain leaving {
		type filter hook postrouting priority 300;
		oifname "br-lan" update @down { meta priority }
		oifname "wan0" update @up { meta priority }
	}
}
"""


def test_packets_at_the_firewall_are_those_sent_dropped_or_waiting_in_the_tree(street: Street) -> None:
    street.home("p-2")
    before = {device: carried(street, device) for device in ("br-lan", "wan0")}
    street.lab.exec(NODE, ["nft", "-f", "-"], text=COUNT)
    street.flows("p-2=8", "p-1=2", "--seconds", "3", "--warmup", "0.5")
    time.sleep(0.5)
    for name, device in (("down", "br-lan"), ("up", "wan0")):
        listing = street.run(NODE, "nft", "-j", "list", "set", "inet", "audit", name, check=True)[1]
        elements = next(entry["set"] for entry in json.loads(listing)["nftables"] if "set" in entry)["elem"]
        counted = {str(one["elem"]["val"]): one["elem"]["counter"]["packets"] for one in elements}
        after = carried(street, device)
        grown = {number: count - before[device].get(number, 0) for number, count in after.items()}
        shares = {number: count for number, count in counted.items() if number in after}

        assert sum(shares.values()) > 100
        assert shares == {number: grown[number] for number in shares}
        # Whatever came in from a neighbour or the line was put in a share: nothing else left but the node's own.
        assert counted.keys() - after.keys() <= {"1:0", "1:", "none"}
    street.run(NODE, "nft", "delete", "table", "inet", "audit")


def carried(street: Street, device: str) -> dict[str, int]:
    """Packets that each leaf of a tree was given, by class."""
    shown = street.run(NODE, "tc", "-s", "class", "show", "dev", device, check=True)[1]
    return {f"1:{number}": int(sent) + int(drop) + int(wait) for number, _, sent, drop, wait in _CLASS.findall(shown)}


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
        "nft flush map inet meshctl class",
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
