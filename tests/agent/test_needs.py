"""What visitors may reach before they joined: what the configuration names, at its addresses of the internet."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest

from meshctl.agent.needs import Needs, may_be_opened, opening_text
from meshctl.agent.ruleset import install_text
from meshctl.captivity import Reachable
from meshctl.config import Access, Config, Node, Portal
from tests.agent.fake_kernel import FakeKernel

TIME, LIST = Reachable("time.example.org", 123, "udp"), Reachable("crl.example.org", 80)
OWN = (ip_network("203.0.113.0/24"), ip_network("2001:db8:44::/64"))


@pytest.fixture
def config() -> Config:
    return Config(Node("elm"), (Access("lan0", "203.0.113.1/24", "2001:db8:44::1/64"),))


@pytest.mark.parametrize("address", ["192.0.2.7", "198.51.100.1", "2001:db8:feed::1", "2a00::1"])
def test_an_address_of_the_internet_may_be_opened(address: str) -> None:
    assert may_be_opened(ip_address(address), OWN)


@pytest.mark.parametrize(
    "address",
    [
        *("10.44.0.9", "127.0.0.1", "169.254.0.9", "172.16.0.1", "192.168.1.1", "100.64.0.1", "224.0.0.1", "0.0.0.0"),
        *("255.255.255.255", "203.0.113.9", "::1", "::", "fd44::1", "fe80::1", "ff02::1", "::ffff:10.0.0.1"),
        *("2001:db8:44::9", "64:ff9b::a00:1"),
    ],
)
def test_nothing_private_and_nothing_of_our_own_ever_is(address: str) -> None:
    assert not may_be_opened(ip_address(address), OWN)


def test_an_element_is_made_anew_so_that_its_time_begins_again() -> None:
    assert opening_text([(ip_address("192.0.2.7"), TIME), (ip_address("2001:db8::7"), LIST)]) == [
        "add element inet meshctl reached4 { 192.0.2.7 . udp . 123 }\n"
        "delete element inet meshctl reached4 { 192.0.2.7 . udp . 123 }\n"
        "add element inet meshctl reached4 { 192.0.2.7 . udp . 123 timeout 3600s }\n"
        "add element inet meshctl reached6 { 2001:db8::7 . tcp . 80 }\n"
        "delete element inet meshctl reached6 { 2001:db8::7 . tcp . 80 }\n"
        "add element inet meshctl reached6 { 2001:db8::7 . tcp . 80 timeout 3600s }\n"
    ]
    assert opening_text([]) == []


def test_a_name_that_leads_nowhere_or_home_opens_nothing(config: Config, caplog: pytest.LogCaptureFixture) -> None:
    asked = replace(config, portal=Portal(reachable=("localhost:80", "nowhere.invalid:80")))
    kernel = FakeKernel(asked, ["lan0"], lambda: 0.0)
    needs = Needs(asked, kernel, list)
    for _ in range(3):
        assert asyncio.run(needs.look()) is False
    assert kernel.changes == 0
    assert "localhost leads to no address of the internet" in caplog.text
    assert "nowhere.invalid is not found" in caplog.text
    assert len(caplog.records) == 2  # the log of a board is in RAM


def test_without_names_there_is_nothing_to_do_and_no_rule(config: Config, tmp_path: Path) -> None:
    asyncio.run(Needs(config, FakeKernel(config, ["lan0"], lambda: 0.0), list).run())
    assert "@reached" not in install_text(config, None)
    with_names = install_text(replace(config, portal=Portal(reachable=("crl.example.org:80",))), None)
    assert with_names.count("@reached4") == with_names.count("@reached6") == 2
    assert "{ " not in "".join(line for line in with_names.splitlines() if "@reached" in line)
