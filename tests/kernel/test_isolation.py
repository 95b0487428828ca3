"""Two neighbours on one bridge: kept apart, they reach the node and never each other, whatever they say they are."""

from __future__ import annotations

import json
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from scapy.layers.inet6 import ICMPv6ND_NA, ICMPv6NDOptDstLLAddr, IPv6
from scapy.layers.l2 import ARP, Ether

from meshctl.agent.health.isolation import judge
from meshctl.lab.kernel import inside_net, ip, write_sysctl
from tests.kernel.agents import ACCESS
from tests.kernel.street import ADDRESSES, HARDWARE, Street, until

pytestmark = pytest.mark.kernel

PORTS = ("p11", "p12")
DOORS = [pytest.param(0, str(ACCESS.interface4.ip), id="v4"), pytest.param(1, str(ACCESS.interface6.ip), id="v6")]


@pytest.fixture
def apart(street: Street) -> Iterator[Street]:
    isolate(street, "on")
    through_filters(street, "0")
    yield street
    through_filters(street, "1")
    isolate(street, "off")


def through_filters(street: Street, word: str) -> None:
    """Have bridged packets meet the table's rules or not: on boards they do not, and the rules would hide the ports."""
    with inside_net(street.at("access")):
        for family in ("", "6") if Path("/proc/sys/net/bridge").is_dir() else ():
            write_sysctl(f"net.bridge.bridge-nf-call-ip{family}tables", word)


def isolate(street: Street, word: str) -> None:
    ip([f"link set {port} type bridge_slave isolated {word}" for port in PORTS], street.at("access"))


def forget(street: Street) -> None:
    for phone in ("far", "other"):
        street.run(phone, "ip", "neigh", "flush", "dev", "eth0")


@pytest.mark.parametrize(("family", "door"), DOORS)
def test_ports_that_are_apart_reach_the_node_and_not_each_other(apart: Street, family: int, door: str) -> None:
    forget(apart)
    assert not apart.reaches("far", ADDRESSES["other"][family])
    assert all(apart.reaches(phone, door) for phone in ("far", "other"))
    isolate(apart, "off")
    forget(apart)
    assert apart.reaches("far", ADDRESSES["other"][family])


@pytest.mark.parametrize(("family", "door"), DOORS)
def test_who_says_he_is_the_node_is_not_heard_by_others(apart: Street, family: int, door: str) -> None:
    forget(apart)
    assert apart.reaches("other", door)
    before = hardware_of(apart, door)
    tell_everybody(apart, door)
    assert apart.reaches("other", door)
    assert hardware_of(apart, door) == before != HARDWARE["far"]
    isolate(apart, "off")
    until(lambda: is_believed(apart, door))
    forget(apart)


def tell_everybody(street: Street, address: str) -> None:
    """Have a phone say that an address is its own, as a device does that wants others' packets."""
    liar = HARDWARE["far"]
    if ":" in address:
        told = Ether(src=liar, dst="33:33:00:00:00:01") / IPv6(src=address, dst="ff02::1", hlim=255)
        told = told / ICMPv6ND_NA(tgt=address, R=0, S=0, O=1) / ICMPv6NDOptDstLLAddr(lladdr=liar)
    else:
        told = Ether(src=liar, dst="ff:ff:ff:ff:ff:ff")
        told = told / ARP(op=2, hwsrc=liar, psrc=address, hwdst=liar, pdst=address)
    with inside_net(street.at("far")):
        mouth = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    with mouth:
        mouth.bind(("eth0", 0))
        mouth.send(bytes(told))


def is_believed(street: Street, address: str) -> bool:
    """Claim it once more, since a fresh answer is kept for a second, and say whether that told."""
    tell_everybody(street, address)
    return hardware_of(street, address) == HARDWARE["far"]


def hardware_of(street: Street, address: str) -> str:
    return street.run("other", "ip", "-j", "neigh", "show", address).stdout.partition('"lladdr":"')[2][:17]


def test_health_names_ports_through_which_neighbours_reach_each_other(street: Street) -> None:
    fact = judge({"lan0": found(street)})
    assert (fact.ok, fact.value) == (False, 2)
    assert "p11, p12 of lan0" in fact.error
    isolate(street, "on")
    try:
        assert judge({"lan0": found(street)}).ok
    finally:
        isolate(street, "off")


def found(street: Street) -> dict[str, bool]:
    """What the probe reads on the node, in a process that has the node's own /sys."""
    code = "import json; from meshctl.agent.health.isolation import ports_of; print(json.dumps(ports_of('lan0')))"
    ports: dict[str, bool] = json.loads(street.run("access", sys.executable, "-c", code).stdout)
    return ports


def test_a_door_that_is_one_device_or_has_one_port_has_nobody_to_keep_apart() -> None:
    assert judge({"wlan0": {}, "br-lan": {"ap0": False}}).error == "not here"
    assert not judge({"br-lan": {"ap0": True, "ap1": False}}).ok
