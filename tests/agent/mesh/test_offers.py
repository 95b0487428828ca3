"""What a node offers the others the way to, on real kernels and with real babelds that read it."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Literal

import pytest

from meshctl.agent.babel import Dump
from meshctl.agent.mesh.offers import PROTOCOL, bring, keep, offered
from meshctl.agent.routes import Network, Route, RouteEvents, put_route, read_routes, take_route
from meshctl.agent.services import OFFERED, babeld_text, sysctl_text
from meshctl.config import Access, Config, Line, Mesh, Node
from tests.agent.babelds import PORT, Street, ip, street

NAMES = ("elm", "oak", "ash", "yew")
GATEWAYS = ("elm", "yew")
FAMILIES: tuple[Literal[4], Literal[6]] = (4, 6)
ANY4, ANY6 = ipaddress.ip_network("0.0.0.0/0"), ipaddress.ip_network("::/0")
EVERYWHERE = (str(ANY4), str(ANY6))
OWN4, OWN6 = ipaddress.ip_network("10.44.0.0/22"), ipaddress.ip_network("fd44::/64")


def config_of(name: str, *devices: str) -> Config:
    number = NAMES.index(name)
    access = Access("br-lan", f"10.44.{4 * number}.1/22", f"fd44:{number}::1/64")
    mesh = Mesh(devices=devices, hello_seconds=0.5, babel_port=PORT)
    return Config(Node(name), (access,), line=(Line("isp", "wan0", 20, 5),) if name in GATEWAYS else (), mesh=mesh)


ELM = config_of("elm", "oak")


# What is offered.


def test_offered_are_own_prefixes_and_the_ways_out_over_the_line() -> None:
    main = [
        Route(ANY4, "wan0"), Route(ANY6, "wan0"), Route(OWN4, "br-lan", carries=False), Route(OWN6, "br-lan"),
        Route(ipaddress.ip_network("2001:db8:1::/64"), "wan0"), Route(ipaddress.ip_network("10.44.4.0/22"), "oak"),
        Route(OWN6, "oak"),
    ]  # fmt: skip
    assert offered(ELM, main) == {ANY4: "wan0", ANY6: "wan0", OWN4: "br-lan", OWN6: "br-lan"}


def test_a_way_out_over_another_device_or_over_a_cable_without_a_partner_is_not_offered() -> None:
    assert offered(ELM, [Route(ANY4, "oak"), Route(ANY6, "wan0", carries=False)]) == {}


def test_a_node_without_a_line_offers_no_way_out() -> None:
    assert offered(config_of("oak", "elm"), [Route(ANY4, "wan0"), Route(ANY6, "oak")]) == {}


# The kernel's tables.


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Street]:
    """A row of nodes with a bridge each; elm, and yew at the far end, have a line."""
    with street(NAMES, tmp_path) as place:
        for name in NAMES:
            furnish(place, name)
        yield place


def furnish(place: Street, name: str) -> None:
    space, number = place.space(name), NAMES.index(name)
    for address in (f"10.44.{4 * number}.1/22", f"fd44:{number}::1/64"):
        ip("-n", space, "address", "del", address, "dev", "lo")
    ip("-n", space, "link", "add", "br-lan", "type", "bridge")
    ip("-n", space, "link", "set", "br-lan", "up")
    ip("-n", space, "address", "add", f"10.44.{4 * number}.1/22", "dev", "br-lan")
    ip("-n", space, "address", "add", f"fd44:{number}::1/64", "dev", "br-lan", "nodad")
    if name in GATEWAYS:
        ip("-n", space, "link", "add", "wan0", "type", "veth", "peer", "name", "isp0")
        for device in ("wan0", "isp0"):
            ip("-n", space, "link", "set", device, "up")
        ip("-n", space, "address", "add", "198.18.0.2/24", "dev", "wan0")
        # Sorted before the neighbours' prefix and denied to others: what babeld before 1.12.2 stumbles over.
        ip("-n", space, "address", "add", "2001:db8:ffff::2/64", "dev", "wan0", "nodad")


def find_line(place: Street, name: str) -> None:
    ip("-n", place.space(name), "route", "replace", "default", "via", "198.18.0.1", "proto", "dhcp")
    ip("-n", place.space(name), "-6", "route", "replace", "default", "via", "2001:db8:ffff::1", "proto", "ra")


def lose_line(place: Street, name: str) -> None:
    for family in ("-4", "-6"):
        ip("-n", place.space(name), family, "route", "del", "default")


def told(place: Street, name: str) -> dict[Network, str]:
    async def look() -> dict[Network, str]:
        return {route.network: route.device for route in read_routes(OFFERED)}

    return place.inside(name, look)


def brought(place: Street, name: str, config: Config = ELM) -> dict[Network, str]:
    async def work() -> None:
        bring(config)

    place.inside(name, work)
    return told(place, name)


def until(claim: Callable[[], bool], seconds: float = 5) -> None:
    end = time.monotonic() + seconds
    while not claim():
        assert time.monotonic() < end
        time.sleep(0.05)


@pytest.mark.kernel
def test_the_table_follows_the_main_one(place: Street) -> None:
    own: dict[Network, str] = {OWN4: "br-lan", OWN6: "br-lan"}
    assert brought(place, "elm") == own
    find_line(place, "elm")
    assert brought(place, "elm") == {**own, ANY4: "wan0", ANY6: "wan0"}
    assert brought(place, "elm") == {**own, ANY4: "wan0", ANY6: "wan0"}
    lose_line(place, "elm")
    assert brought(place, "elm") == own
    ip("-n", place.space("elm"), "link", "del", "br-lan")
    assert brought(place, "elm") == {}


@pytest.mark.kernel
def test_a_line_whose_cable_is_pulled_is_not_offered_until_it_is_back(place: Street) -> None:
    find_line(place, "elm")
    brought(place, "elm")
    ip("-n", place.space("elm"), "link", "set", "isp0", "down")
    until(lambda: not {ANY4, ANY6} & brought(place, "elm").keys())
    ip("-n", place.space("elm"), "link", "set", "isp0", "up")
    until(lambda: brought(place, "elm").keys() >= {ANY4, ANY6})


@pytest.mark.kernel
def test_a_line_with_two_routers_and_two_metrics_is_one_way_out(place: Street) -> None:
    space = place.space("elm")
    for one in ("1", "9"):
        ip("-n", space, "-6", "route", "append", "default", "via", f"2001:db8:ffff::{one}", "dev", "wan0")
        ip("-n", space, "route", "append", "default", "via", f"198.18.0.{one}", "metric", f"10{one}")
    both = ("nexthop", "via", "198.18.0.1", "nexthop", "via", "198.18.0.9")
    ip("-n", space, "route", "append", "default", "metric", "500", *both)
    assert brought(place, "elm") == {OWN4: "br-lan", OWN6: "br-lan", ANY4: "wan0", ANY6: "wan0"}


@pytest.mark.kernel
def test_what_refuses_to_lead_anywhere_is_no_way_out(place: Street) -> None:
    for family in ("-4", "-6"):
        ip("-n", place.space("elm"), family, "route", "add", "unreachable", "default", "metric", "900")
    assert brought(place, "elm") == {OWN4: "br-lan", OWN6: "br-lan"}


@pytest.mark.kernel
def test_a_route_that_moved_to_another_device_moves_here_too(place: Street) -> None:
    async def move() -> list[tuple[Network, str]]:
        for device in ("wan0", "br-lan"):
            for network in (ANY4, ANY6, OWN4):
                put_route(network, device, OFFERED, PROTOCOL)
        return sorted(((one.network, one.device) for one in read_routes(OFFERED)), key=str)

    assert place.inside("elm", move) == sorted([(ANY4, "br-lan"), (ANY6, "br-lan"), (OWN4, "br-lan")], key=str)


@pytest.mark.kernel
def test_what_others_wrote_into_the_table_stays_and_nothing_is_forwarded_by_it(place: Street) -> None:
    space = place.space("elm")
    ip("-n", space, "route", "add", "203.0.113.0/24", "dev", "br-lan", "table", str(OFFERED), "proto", "static")
    theirs = ipaddress.ip_network("203.0.113.0/24")
    find_line(place, "elm")
    for _ in range(2):
        assert theirs in brought(place, "elm")
    done = subprocess.run(
        ["ip", "-n", space, "route", "get", "203.0.113.9"], capture_output=True, text=True, check=True
    )
    assert "wan0" in done.stdout
    rules = subprocess.run(["ip", "-n", space, "rule"], capture_output=True, text=True, check=True).stdout
    assert str(OFFERED) not in rules


@pytest.mark.kernel
def test_taking_back_what_is_not_there_is_nothing_and_a_device_that_is_not_there_is_said(place: Street) -> None:
    async def work() -> None:
        take_route(ANY4, OFFERED, PROTOCOL)
        with pytest.raises(OSError, match="interface"):
            put_route(ANY4, "nowhere0", OFFERED, PROTOCOL)

    place.inside("elm", work)


@pytest.mark.kernel
def test_changes_of_routes_and_devices_are_heard_and_those_of_babeld_are_not(place: Street) -> None:
    space = place.space("elm")

    async def listen() -> None:
        events = RouteEvents()
        try:
            for news, words in (
                (True, ["route", "add", "203.0.113.0/24", "dev", "br-lan"]),
                (False, ["route", "add", "203.0.114.0/24", "dev", "br-lan", "proto", "babel"]),
                (True, ["-6", "route", "add", "2001:db8:9::/64", "dev", "br-lan"]),
                (False, ["-6", "route", "add", "2001:db8:8::/64", "dev", "br-lan", "proto", "babel"]),
                (True, ["link", "set", "isp0", "down"]),
            ):
                until(lambda: not events.take())
                ip("-n", space, *words)
                assert events.take() is news, words
        finally:
            events.close()

    place.inside("elm", listen)


@pytest.mark.kernel
def test_when_more_changed_than_can_be_held_it_counts_as_a_change(place: Street) -> None:
    async def listen() -> None:
        events = RouteEvents()
        # The smallest room that the kernel gives, so that a few hundred routes are too many.
        with socket.socket(fileno=events.fileno()) as room:
            room.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
            room.detach()
        lines = "".join(f"route add 203.0.113.{n}/32 dev br-lan proto babel\n" for n in range(250))
        subprocess.run(["ip", "-n", place.space("elm"), "-batch", "-"], input=lines, text=True, check=True)
        try:
            assert events.take()
            until(lambda: not events.take())
        finally:
            events.close()

    place.inside("elm", listen)


# With babelds.


@contextmanager
def offering(place: Street, name: str, config: Config) -> Iterator[None]:
    """Keep the node's table as its agent does."""
    over = threading.Event()

    async def offer() -> None:
        kept = asyncio.ensure_future(keep(config))
        await asyncio.to_thread(over.wait)
        assert kept.cancel()
        with pytest.raises(asyncio.CancelledError):
            await kept

    with ThreadPoolExecutor(1) as thread:
        kept = thread.submit(place.inside, name, offer)
        try:
            yield
        finally:
            over.set()
            kept.result(10)


@pytest.fixture
def row(place: Street, tmp_path: Path) -> Iterator[Street]:
    """elm - oak - ash - yew, with babelds that are configured as nodes' are. No line has a default route yet."""
    for one, other in pairwise(NAMES):
        place.cable(one, other)
    with ExitStack() as stack:
        for number, name in enumerate(NAMES):
            config = config_of(name, *NAMES[max(0, number - 1) : number], *NAMES[number + 1 : number + 2])
            file = tmp_path / f"{name}.babeld"
            file.write_text(babeld_text(config), encoding="ascii")
            space = place.space(name)
            process = subprocess.Popen(
                ["ip", "netns", "exec", space, "babeld", "-c", file, "-I", "", "-L", "/dev/null"]
            )
            stack.callback(process.wait, 20)
            stack.callback(process.terminate)
            stack.enter_context(offering(place, name, config))
        yield place


def ways(place: Street, name: str) -> list[str | None]:
    """Where a node sends what goes to everywhere, IPv4 and IPv6."""
    found = []
    for family in ("-4", "-6"):
        words = ["ip", "-n", place.space(name), family, "route", "show", "default"]
        out = subprocess.run(words, capture_output=True, text=True, check=True).stdout.split()
        found.append(out[out.index("dev") + 1] if "dev" in out and "unreachable" not in out else None)
    return found


@pytest.mark.kernel
def test_a_line_that_is_lost_is_taken_back_at_once_in_both_families(row: Street) -> None:
    for _ in range(2):
        find_line(row, "elm")
        row.wait("oak", lambda one: all(one.default_route(version) for version in FAMILIES))
        assert ways(row, "elm") == ["wan0", "wan0"]
        lose_line(row, "elm")
        row.wait("oak", lambda one: not any(one.default_route(version) for version in FAMILIES), 5)


@pytest.mark.kernel
def test_who_loses_his_line_goes_out_by_another_at_once_and_so_do_his_neighbours(row: Street) -> None:
    find_both(row)
    lose_line(row, "elm")
    until(lambda: (ways(row, "elm"), ways(row, "oak")) == (["oak", "oak"], ["ash", "ash"]), 8)


@pytest.mark.kernel
def test_who_turns_from_his_own_line_to_the_way_over_a_neighbour_tells_that_neighbour(row: Street) -> None:
    find_line(row, "yew")
    until(lambda: ways(row, "elm") == ["oak", "oak"], 30)
    find_line(row, "elm")
    # oak stays with yew's for some seconds, so elm has a way over oak to turn to at once.
    row.wait("oak", lambda one: direct(one, "elm") == 2)
    lose_line(row, "elm")
    row.wait("oak", lambda one: direct(one, "elm") == 0, 8)
    assert (ways(row, "elm"), ways(row, "oak")) == (["oak", "oak"], ["ash", "ash"])


def direct(one: Dump, device: str) -> int:
    """How many ways to everywhere a node knows of whose line is that of the next node over this device."""
    return sum(way.device == device and way.prefix in EVERYWHERE and way.refmetric == 0 for way in one.routes)


@pytest.mark.kernel
def test_a_lost_cable_of_the_line_does_the_same(row: Street) -> None:
    keys = [line.removeprefix("-") for line in sysctl_text(ELM).splitlines() if "linkdown" in line]
    for key in keys:
        subprocess.run(["ip", "netns", "exec", row.space("elm"), "sysctl", "-qw", key.replace(" ", "")], check=True)
    find_both(row)
    ip("-n", row.space("elm"), "link", "set", "isp0", "down")
    until(lambda: (leaves_by(row, "elm"), ways(row, "oak")) == (["oak", "oak"], ["ash", "ash"]), 8)


def find_both(row: Street) -> None:
    """Let both ends of the row find their lines, and the others the nearer one.

    Once the links are good: whoever hears of the farther way first stays with it for half a minute.
    """
    for name in NAMES[1:3]:
        row.wait(name, lambda one: len(one.neighbours) == 2 and all(link.cost == 96 for link in one.neighbours))
    for name in GATEWAYS:
        find_line(row, name)
    until(lambda: (ways(row, "oak"), ways(row, "ash")) == (["elm", "elm"], ["yew", "yew"]), 40)


def leaves_by(place: Street, name: str) -> list[str | None]:
    found: list[str | None] = []
    for address in ("192.0.2.1", "2001:db8:aaaa::1"):
        words = ["ip", "-n", place.space(name), "route", "get", address]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        out = done.stdout.split()
        found.append(out[out.index("dev") + 1] if "dev" in out else None)
    return found
