"""Homes behind different nodes share the gateway's line as if they stood at one."""

from __future__ import annotations

import re
import time

import pytest

from tests.journeys.homes import (
    ask_for_an_erase_and_take_it_back,
    page,
    print_and_link,
    read_the_days,
    remove,
    rows_with,
)
from tests.journeys.street import SITE4, SITE6, TICK, Street

LINE = 20.0


@pytest.mark.parametrize("site", [SITE4, SITE6])
@pytest.mark.parametrize("way", ["down", "up"])
def test_homes_behind_different_nodes_share_the_line_however_many_flows_they_have(
    ring: Street, site: str, way: str
) -> None:
    for phone in ("e-1", "o-1", "a-1"):
        ring.home(phone)
    upload = ["--upload"] if way == "up" else []
    found = ring.flows("e-1=1", "o-1=8", "a-1=1", "--to", site, "--seconds", "5", "--warmup", "2.5", *upload)
    what = "payload" if upload else "frames"
    shares = [found["phones"][name][what] for name in ("e-1", "o-1", "a-1")]

    assert sum(shares) ** 2 / (3 * sum(share * share for share in shares)) >= 0.995
    assert sum(shares) * 8 / found["seconds"] / 1e6 >= (0.95 if what == "frames" else 0.90) * LINE


@pytest.mark.parametrize("site", [SITE4, SITE6])
def test_a_home_with_phones_at_two_nodes_has_one_share(ring: Street, site: str) -> None:
    ring.home("o-1", "a-1")
    ring.home("e-1")
    found = ring.flows("o-1=2", "a-1=2", "e-1=1", "--to", site, "--seconds", "5", "--warmup", "2.5")
    both = found["phones"]["o-1"]["frames"] + found["phones"]["a-1"]["frames"]

    assert both / found["frames"] == pytest.approx(0.5, abs=0.025)


def test_its_ledger_counts_each_byte_once(ring: Street) -> None:
    handle = ring.home("o-1", "a-1")
    before = {phone: ring.counter(phone) for phone in ("o-1", "a-1")}
    for phone in before:
        assert ring.fetch(phone, f"http://{SITE4}/bytes/2000000") == "200 2000000"
        assert ring.fetch(phone, f"http://[{SITE6}]/bytes/1000000") == "200 1000000"
    counted = sum(ring.counter(phone) - earlier for phone, earlier in before.items())
    ring.turns()

    assert ring.carried(handle) == pytest.approx(counted, rel=0.01)


def test_a_neighbour_sees_the_gateways_truth_on_the_page_of_his_own_node(ring: Street) -> None:
    ring.home("o-1")
    assert ring.fetch("o-1", f"http://{SITE4}/bytes/2000000") == "200 2000000"

    def shown() -> bool:
        page = ring.run("o-1", "curl", "-sS", f"http://{ring.portal('o-1')}/share", check=True)[1]
        return "20 Mbit/s" in page and re.search(r"2\.[01] MB", page) is not None

    ring.until(shown, 5)


def test_devices_that_nobody_announced_are_guests_of_their_node(ring: Street) -> None:
    ring.press("o-2", "join")
    ring.until(lambda: ring.online("o-2"))
    ring.run("elm", "nft", "flush map inet meshctl announced4", check=True)
    assert ring.fetch("o-2", f"http://{SITE4}/bytes/100000") == "200 100000"
    shown = ring.run("elm", "tc", "class", "show", "dev", "meshctl-down", check=True)[1]
    assert "class htb 1:f002 parent 1:3" in shown
    ring.turns()
    assert "elements" in ring.run("elm", "nft", "list map inet meshctl announced4", check=True)[1]


def test_a_home_from_its_printed_pass_to_its_removal(ring: Street) -> None:
    handle, asked = print_and_link(ring)
    read_the_days(ring, handle, asked)
    ask_for_an_erase_and_take_it_back(ring, handle)
    ring.lab.power_off("ash")
    remove(ring, handle)
    for phone, site in (("e-1", SITE4), ("o-1", f"[{SITE6}]")):
        ring.await_roll(phone)
        assert "You are a guest" in page(ring, phone, f"http://{ring.portal(phone)}/share")
        assert ring.fetch(phone, f"http://{site}/bytes/100000") == "200 100000"
        assert page(ring, phone, f"http://{ring.portal(phone)}/pass", *asked).endswith("422")
    # The node that was off hears of it when it is back, and no node's tables name the home any more.
    ring.lab.power_on("ash")
    ring.lab.wait_ready()
    ring.until(lambda: ring.meet("ash"), 30)
    ring.until(lambda: not any(rows_with(ring, name, handle) for name in ("elm", "oak", "ash")))
    code, said = ring.run("elm", "meshctl", "household", "show", handle)
    assert (code, handle in said) == (1, True)


def test_64_guests_behind_the_mesh_do_not_crowd_out_a_home(last_ring: Street) -> None:
    ring = last_ring
    guests = [f"g-{number}" for number in range(64)]
    ring.lab.add_phones("oak", guests)
    joined = ring.lab.module("meshctl.lab.traffic", "join", *guests, "--portal", ring.portal("g-1"))
    assert joined["failed"] == 0
    ring.home("a-1")
    time.sleep(TICK)
    found = ring.flows("a-1=4", *guests, "--seconds", "6", "--warmup", "4")

    assert found["mbit"] >= 0.95 * LINE
    assert found["phones"]["a-1"]["frames"] >= 0.70 * found["frames"]
