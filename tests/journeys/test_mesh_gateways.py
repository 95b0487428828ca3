"""Two gateways, one network: each shares its own line, and one stands in for the other."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from tests.journeys.homes import rows_with, total
from tests.journeys.street import SITE4, SITE6, TICK, Street, link, node, phones

TWO = "".join((
    node("elm", 20, hub=True), node("oak", 10), node("ash"), link("elm", "oak"), link("oak", "ash"), link("ash", "elm"),
    phones("e", "elm", 1), phones("o", "oak", 1), phones("a", "ash", 2),
))  # fmt: skip
GATEWAYS = ("elm", "oak")


@pytest.fixture
def two(stand: Callable[[str], Street]) -> Street:
    return stand(TWO)


def announced(two: Street, gateway: str, phone: str) -> bool:
    shown = two.run(gateway, "nft", "list map inet meshctl announced4", check=True)[1]
    return f"{two.lab.member(phone)['ipv4']} :" in shown


def test_both_gateways_hear_of_a_join_within_two_seconds_and_of_a_leave(two: Street) -> None:
    two.press("a-1", "join")
    assert two.until(lambda: all(announced(two, gateway, "a-1") for gateway in GATEWAYS), 2) < 2
    two.press("a-1", "leave")
    assert two.until(lambda: not any(announced(two, gateway, "a-1") for gateway in GATEWAYS), 2) < 2


def test_each_line_counts_what_it_carried_and_the_hub_has_the_sum(two: Street) -> None:
    handle = two.home("e-1", "o-1")
    before = {phone: two.counter(phone) for phone in ("e-1", "o-1")}
    written = two.carried(handle)
    for phone in before:
        assert two.fetch(phone, f"http://{SITE4}/bytes/1500000") == "200 1500000"
    counted = {phone: two.counter(phone) - earlier for phone, earlier in before.items()}
    two.turns(on="oak")
    # Each gateway's own phone goes out by its own line.
    at_oak = next(r for r in two.ask("household", "list", on="oak")["households"] if r["handle"] == handle)
    assert at_oak["bytes"]["down"] == pytest.approx(counted["o-1"], rel=0.02)
    wanted = pytest.approx(sum(counted.values()), rel=0.02)
    two.until(lambda: two.carried(handle) - written == wanted)


def test_a_removed_home_is_named_by_no_line_and_the_sum_of_both_is_what_it_was(two: Street) -> None:
    handle = two.home("e-1", "o-1")
    for phone in ("e-1", "o-1"):
        assert two.fetch(phone, f"http://{SITE4}/bytes/500000") == "200 500000"
    two.until(lambda: two.carried(handle) > 1_000_000)
    before = total(two)
    two.ask("household", "remove", handle, "--yes")
    # What trickles on after that only adds: nothing goes, neither at once nor when the other gateway has spoken anew.
    for _ in range(2):
        after = total(two)
        assert all(before[way] <= after[way] <= before[way] + 100_000 for way in before)
        two.until(lambda: rows_with(two, "oak", handle) == "")
        time.sleep(2 * TICK)
    assert rows_with(two, "elm", handle) == ""


def test_when_one_line_is_lost_its_neighbours_go_out_by_the_other_and_back(two: Street) -> None:
    handle = two.home("o-1")
    two.lab.cut_uplink("oak")
    try:
        two.until(lambda: two.online("o-1"), 20)
        two.until(lambda: announced(two, "elm", "o-1"))
        before = two.carried(handle)
        assert two.fetch("o-1", f"http://{SITE4}/bytes/1000000") == "200 1000000"
        assert two.fetch("o-1", f"http://[{SITE6}]/bytes/1000000") == "200 1000000"
        two.turns()
        at_elm = next(r for r in two.ask("household", "list")["households"] if r["handle"] == handle)
        assert at_elm["bytes"]["down"] - before == pytest.approx(2_090_000, rel=0.03)
        assert two.ask("status", on="oak")["mesh"]["gateway"] == "elm"
        # Whoever looks at oak's page is online: it shows the line that they use.
        assert "You are online" in two.run("o-1", "curl", "-s", two.portal("o-1"))[1]
    finally:
        two.lab.heal_uplink("oak")
    two.until(lambda: two.ask("status", on="oak")["mesh"]["gateway"] == "oak", 40)
    two.until(lambda: two.online("o-1"), 20)


def test_when_a_gateway_loses_its_power_the_network_goes_out_by_the_other(two: Street) -> None:
    two.press("a-2", "join")
    two.until(lambda: two.online("a-2"))
    two.lab.power_off("oak")
    try:
        two.until(lambda: two.online("a-2"), 30)
    finally:
        two.lab.power_on("oak")
    two.until(lambda: two.meet("oak"), 30)
