"""What one device may take of the node itself, on the real kernel: counted by the device, whatever addresses it has."""

from __future__ import annotations

import re
import select
import socket
import struct
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress

import pytest

from meshctl.agent.limits import ASKS, HELD, KNOCKS, LEASES, LIMITS, MEMBER_ASKS, PINGS, QUESTION_BYTES, TOLD_LONG
from meshctl.agent.ruleset import install_text
from meshctl.lab.kernel import inside_net, ip
from meshctl.quota.plan import FIRST_GUEST
from tests.kernel.agents import ACCESS, ROSTER, config_of
from tests.kernel.street import HARDWARE, Street, addresses

pytestmark = pytest.mark.kernel

DOOR4, DOOR6 = str(ACCESS.interface4.ip), str(ACCESS.interface6.ip)
DOORS = [pytest.param(DOOR4, id="v4"), pytest.param(DOOR6, id="v6")]
PAGES = 80
_TOGETHER = 40
_BUFFER_BY_FORCE = 33
"""SO_RCVBUFFORCE (asm-generic/socket.h), which the standard library does not name."""


@pytest.fixture
def rested(street: Street) -> Street:
    """The street, with every device as if it had asked nothing for minutes."""
    names = (*(limit.name for limit in LIMITS), "held", "probing", "told_long")
    emptied = "".join(f"flush set inet meshctl {name}\n" for name in names)
    street.access.do(lambda: street.access.kernel.commit([emptied]))
    return street


@contextmanager
def counting(street: Street, port: int) -> Iterator[list[bytes]]:
    """The datagrams that arrive at a port of the node."""
    heard: list[bytes] = []
    with inside_net(street.at("access")):
        ear = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    with ear:
        ear.setsockopt(socket.SOL_SOCKET, _BUFFER_BY_FORCE, 1 << 24)
        ear.bind(("::", port))
        yield heard
        ear.setblocking(False)
        with suppress(BlockingIOError):
            while True:
                heard.append(ear.recv(2048))


def send(street: Street, phone: str, to: str, count: int, *, size: int = 60, port: int = 53, source: str = "") -> None:
    with inside_net(street.at(phone)):
        mouth = socket.socket(socket.AF_INET6 if ":" in to else socket.AF_INET, socket.SOCK_DGRAM)
    with mouth:
        mouth.bind((source, 0))
        mouth.sendto(b"", (to, 9))  # finds the node, so that the first datagrams are not dropped while it is looked for
        street.reaches(phone, to)
        for _ in range(count):
            mouth.sendto(bytes(size), (to, port))


def heard_of(street: Street, phone: str, to: str, count: int, size: int = 60) -> int:
    with counting(street, 53) as heard:
        send(street, phone, to, count, size=size)
    return len(heard)


@pytest.mark.parametrize("door", DOORS)
def test_a_flood_of_questions_is_cut_and_nobody_else_waits(rested: Street, door: str) -> None:
    cut = heard_of(rested, "far", door, 20 * ASKS.burst)
    other = heard_of(rested, "other", door, 150)

    assert ASKS.burst <= cut < 2 * ASKS.burst
    assert other == 150


def test_more_addresses_are_not_more_questions(rested: Street) -> None:
    sources = [addresses(ACCESS, 100 + number)[0] for number in range(8)]
    ip([f"addr add {source}/22 dev eth0" for source in sources], rested.at("far"))
    try:
        with counting(rested, 53) as heard:
            for source in sources:
                send(rested, "far", DOOR4, ASKS.burst, source=source)
            send(rested, "far", DOOR6, ASKS.burst)
    finally:
        ip([f"addr del {source}/22 dev eth0" for source in sources], rested.at("far"))

    assert ASKS.burst <= len(heard) < 2 * ASKS.burst


def test_who_joins_may_ask_more_at_once(rested: Street) -> None:
    heard_of(rested, "far", DOOR4, 2 * ASKS.burst)
    rested.access.join(HARDWARE["far"], FIRST_GUEST)

    assert heard_of(rested, "far", DOOR4, ASKS.burst) == ASKS.burst
    assert heard_of(rested, "far", DOOR4, 10 * MEMBER_ASKS.burst) < 2 * MEMBER_ASKS.burst


def test_a_visitors_question_is_short(rested: Street) -> None:
    assert heard_of(rested, "far", DOOR4, 5, QUESTION_BYTES) == 5
    assert heard_of(rested, "far", DOOR4, 5, QUESTION_BYTES + 1) == 0
    rested.access.join(HARDWARE["far"], FIRST_GUEST)
    assert heard_of(rested, "far", DOOR4, 5, QUESTION_BYTES + 1) == 5


@pytest.mark.parametrize("door", DOORS)
def test_a_visitor_asks_over_tcp_nowhere_and_a_member_a_few_at_once(rested: Street, door: str) -> None:
    with rested.listens("access", 53):
        assert not rested.connects("far", door, 53)
        rested.access.join(HARDWARE["far"], FIRST_GUEST)
        assert held(rested, [door] * 2 * TOLD_LONG, 53) == TOLD_LONG


def held(street: Street, doors: list[str], port: int = PAGES, phone: str = "far") -> int:
    """How many connections a device gets that lets go of none."""
    with ExitStack() as stack:
        got = 0
        for door in doors:
            with inside_net(street.at(phone)):
                family = socket.AF_INET6 if ":" in door else socket.AF_INET
                channel = stack.enter_context(socket.socket(family, socket.SOCK_STREAM))
            channel.settimeout(0.5)
            got += channel.connect_ex((door, port)) == 0
        return got


def test_a_device_holds_a_bounded_number_of_connections_over_both_families(rested: Street) -> None:
    with rested.listens("access", PAGES):
        assert held(rested, [DOOR4, DOOR6] * (HELD // 2 + 3)) == HELD
        assert held(rested, [DOOR4] * 5, phone="other") == 5


def test_connections_that_ended_count_no_more_but_their_number_a_second_is_bounded(rested: Street) -> None:
    with rested.listens("access", PAGES):
        taken = crowd = 0
        while taken == crowd < 8 * KNOCKS.burst:
            crowd += _TOGETHER
            taken += come_and_go(rested, "far", _TOGETHER)
        assert come_and_go(rested, "other", 1) == 1

    assert HELD < KNOCKS.burst <= taken < crowd


def come_and_go(street: Street, phone: str, count: int) -> int:
    """Say how many connections that come together are taken; they are ended by resets, which leave nothing behind."""
    with ExitStack() as stack, inside_net(street.at(phone)):
        channels = [stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_STREAM)) for _ in range(count)]
        for channel in channels:
            channel.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            channel.setblocking(False)
            channel.connect_ex((DOOR4, PAGES))
        # Whose first packet was dropped sends another after a second (RFC 6298).
        until = time.monotonic() + 0.7
        pending = set(channels)
        while pending and (left := until - time.monotonic()) > 0:
            pending -= set(select.select([], list(pending), [], left)[1])
        return count - len(pending)


def test_questions_for_an_address_and_pings_are_bounded_too(rested: Street) -> None:
    with counting(rested, 67) as heard:
        send(rested, "far", DOOR4, 10 * LEASES.burst, port=67)
    flood = rested.run("far", "ping", "-n", "-q", "-i", "0.001", "-c", str(3 * PINGS.burst), "-W1", DOOR4)
    answered = re.search(r"(\d+) received", flood.stdout)

    assert LEASES.burst <= len(heard) < 2 * LEASES.burst
    assert answered
    assert PINGS.burst - 1 <= int(answered[1]) < 2 * PINGS.burst


def test_rules_put_anew_give_nobody_a_second_burst(rested: Street) -> None:
    heard_of(rested, "far", DOOR4, 2 * ASKS.burst)
    rested.access.do(lambda: rested.access.kernel.install(ROSTER))

    assert heard_of(rested, "far", DOOR4, 2 * ASKS.burst) < ASKS.burst


def test_limits_stand_on_the_node_itself_and_never_in_the_way_of_what_is_forwarded() -> None:
    text = install_text(config_of(ACCESS, "mesh0"), ROSTER)
    chains = dict(re.findall(r"\tchain (\w+) \{\n(.*?)\t\}\n", text, re.DOTALL))
    reached, waiting = set(), ["crossing"]
    while waiting:
        name = waiting.pop()
        if name not in reached:
            reached.add(name)
            waiting += re.findall(r"(?:goto|jump) (\w+)", chains[name])

    assert "to_node" in chains
    assert not any("limit rate" in chains[name] or "ct count" in chains[name] for name in reached)
