"""Whatever is forwarded to the line or from it is in somebody's class, and a class that is right stays as it is."""

from __future__ import annotations

import socket
import struct
import time
from contextlib import ExitStack
from dataclasses import dataclass

import pytest

from meshctl.lab.kernel import inside_net
from meshctl.model import DIRECTIONS
from meshctl.quota.plan import FIRST_GUEST, UNKNOWN, stranger_mark
from tests.kernel.agents import ACCESS, Agent
from tests.kernel.books import Books, read_books
from tests.kernel.demand import Wish, crowding
from tests.kernel.homes import address, move_in
from tests.kernel.street import SITE4, SITE6
from tests.kernel.terrace import Terrace

pytestmark = pytest.mark.kernel

LINE = 20.0
HOME, GUEST, VISITOR, ANNOUNCED, STRANGER = 1, 2, 3, 1, 2
"""Devices: the first three here, the other two behind another node."""

FAR_HOME = 0x40
PORT = 4000
BIG = bytes(4000)
"""More than one frame: it travels in fragments."""


@dataclass(frozen=True)
class Source:
    """Somebody who sends: a device here, or one behind the other node."""

    number: int
    far: bool = False

    def socket(self, terrace: Terrace, family: int, kind: int, protocol: int = 0) -> socket.socket:
        """Return a socket with this source's address."""
        name, node = ("far", {"node": ACCESS}) if self.far else ("homes", {})
        with inside_net(terrace.at(name)):
            channel = socket.socket(_FAMILY[family], kind, protocol)
            if not self.far:
                channel.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, f"d{self.number}".encode())
        channel.bind((address(self.number, family, **node), 0))
        channel.settimeout(0.5)
        return channel


_FAMILY = {4: socket.AF_INET, 6: socket.AF_INET6}
_SITE = {4: SITE4, 6: SITE6}

KNOWN = {
    Source(HOME): 0x10,
    Source(GUEST): FIRST_GUEST,
    Source(ANNOUNCED, far=True): FAR_HOME,
    Source(STRANGER, far=True): stranger_mark(ACCESS.number),
}
"""Who is let through, and in which class."""


@pytest.fixture(scope="module")
def gate(terrace: Terrace) -> Agent:
    """A gateway with an IFB, a home and a guest in front of it, a home behind another node, and strangers there."""
    terrace.clear()
    terrace.offloads(on=False)
    agent = terrace.hire(LINE, meshed=True)
    move_in(agent, {HOME: 1}, [GUEST])
    agent.announce({address(ANNOUNCED, family, ACCESS): FAR_HOME for family in (4, 6)})
    return agent


def converse(terrace: Terrace, source: Source, family: int) -> int:
    """Send datagrams of one frame and of several, and a ping; return how many answers came."""
    with ExitStack() as stack:
        with inside_net(terrace.at("isp")):
            site = stack.enter_context(socket.socket(_FAMILY[family], socket.SOCK_DGRAM))
        site.bind((_SITE[family], PORT))
        site.settimeout(0.2)
        own = stack.enter_context(source.socket(terrace, family, socket.SOCK_DGRAM))
        answers = 0
        for size in (b"hello", BIG):
            own.sendto(size, (_SITE[family], PORT))
            try:
                heard, back = site.recvfrom(8000)
                site.sendto(heard, back)
                answers += own.recv(8000) == size
            except OSError:
                continue
        return answers + pings(terrace, source, family)


def pings(terrace: Terrace, source: Source, family: int) -> bool:
    """Say whether a ping is answered."""
    protocol, ask, answer = {4: (socket.IPPROTO_ICMP, 8, 0), 6: (socket.IPPROTO_ICMPV6, 128, 129)}[family]
    with source.socket(terrace, family, socket.SOCK_RAW, protocol) as channel:
        body = bytes([ask, 0, 0, 0]) + b"\0\1\0\1" + bytes(48)
        whole = sum(struct.unpack(f"!{len(body) // 2}H", body))
        checksum = ~(whole + (whole >> 16)) & 0xFFFF
        channel.settimeout(0.2)
        channel.sendto(body[:2] + struct.pack("!H", checksum) + body[4:], (_SITE[family], 0))
        try:
            while True:
                heard = channel.recv(200)
                if heard[20 if family == 4 else 0] == answer:
                    return True
        except OSError:
            return False


def assert_nothing_passed_by(before: Books, after: Books) -> None:
    """Everything that the line carried was in a leaf; past the tree went what the node itself sent, and no more."""
    for way in DIRECTIONS:
        then, now = before[way], after[way]
        leaves = sum(one.sent - then.classes[number].sent for number, one in now.leaves().items())
        assert now.root() - then.root() == leaves
        # Of what the node sends to neighbours only its MLD reports reach the IFB: the kernel keeps another figure of
        # theirs where the mark is (struct sk_buff, reserved_tailroom). Their priority leads them past the tree.
        assert now.direct - then.direct <= now.own - then.own
    assert after["up"].direct - before["up"].direct == after["up"].own - before["up"].own


@pytest.mark.parametrize("family", [4, 6])
def test_all_that_is_forwarded_is_in_the_class_of_whose_it_is(terrace: Terrace, gate: Agent, family: int) -> None:
    before = read_books(terrace, gate)
    for source, mark in KNOWN.items():
        then = read_books(terrace, gate)
        assert converse(terrace, source, family) == 3
        now = read_books(terrace, gate)
        for way in DIRECTIONS:
            moved = {n: c.sent - then[way].classes[n].sent for n, c in now[way].leaves().items()}
            assert [number for number, size in moved.items() if size] == [mark]
            assert moved[mark] >= len(BIG)
    assert_nothing_passed_by(before, read_books(terrace, gate))


@pytest.mark.parametrize("family", [4, 6])
def test_what_is_not_let_through_is_in_no_class(terrace: Terrace, gate: Agent, family: int) -> None:
    before = read_books(terrace, gate)
    assert converse(terrace, Source(VISITOR), family) == 0
    after = read_books(terrace, gate)

    assert [after[way].root() - before[way].root() for way in DIRECTIONS] == [0, 0]
    assert_nothing_passed_by(before, after)


def test_every_packet_that_nft_gave_a_class_was_sent_or_dropped_there(terrace: Terrace, gate: Agent) -> None:
    before = read_books(terrace, gate)
    wishes = [Wish(HOME, 4, "down", 4), Wish(HOME, 6, "up", 4), Wish(GUEST, 6, "down", 4), Wish(GUEST, 4, "up", 4)]
    with crowding(terrace, wishes):
        flood(terrace, Source(HOME), 4)
        flood(terrace, Source(GUEST), 6)
        time.sleep(0.3)
    terrace.settle()
    after = read_books(terrace, gate)

    for way in DIRECTIONS:
        for mark in (0x10, FIRST_GUEST):
            now, then = after[way].classes[mark], before[way].classes[mark]
            given = after[way].given[mark] - before[way].given.get(mark, 0)
            assert given == now.packets - then.packets + now.dropped - then.dropped
            assert given > 100
    assert after["up"].classes[0x10].dropped > before["up"].classes[0x10].dropped
    assert_nothing_passed_by(before, after)


def flood(terrace: Terrace, source: Source, family: int) -> None:
    """Send more than its class can hold, at once."""
    with source.socket(terrace, family, socket.SOCK_DGRAM) as own:
        for _ in range(1000):
            own.sendto(bytes(1200), (_SITE[family], PORT))


@pytest.mark.parametrize(
    "damage",
    [
        "tc class del dev meshctl-down classid 1:10; tc class del dev wan0 classid 1:10",
        "nft flush map inet meshctl class; nft flush map inet meshctl sender",
    ],
    ids=["classes", "elements"],
)
def test_who_has_no_class_is_with_the_unknown_until_the_next_turn(terrace: Terrace, gate: Agent, damage: str) -> None:
    for command in damage.split(";"):
        terrace.at_gate(command)
    before = read_books(terrace, gate)
    for family in (4, 6):
        assert converse(terrace, Source(HOME), family) == 3
    after = read_books(terrace, gate)
    gate.tick()

    assert_nothing_passed_by(before, after)
    for way in DIRECTIONS:
        assert after[way].classes[UNKNOWN].sent - before[way].classes[UNKNOWN].sent >= 2 * len(BIG)
    assert converse(terrace, Source(HOME), 4) == 3
    assert read_books(terrace, gate)["down"].classes[UNKNOWN] == after["down"].classes[UNKNOWN]


def test_nothing_passes_by_while_the_agent_restarts(terrace: Terrace, gate: Agent) -> None:
    terrace.settle()
    before = read_books(terrace, gate)
    with crowding(terrace, [Wish(HOME, 4, "down", 2), Wish(HOME, 6, "up", 2), Wish(GUEST, 6, "down", 2)]):
        for _ in range(2):
            fresh = terrace.hire(LINE, meshed=True)
    terrace.settle()
    after = read_books(terrace, fresh)

    assert_nothing_passed_by(before, after)
    for way in DIRECTIONS:
        assert after[way].classes[UNKNOWN] == before[way].classes[UNKNOWN]
        assert after[way].classes[0x10].life == before[way].classes[0x10].life
        assert after[way].classes[0x10].sent > before[way].classes[0x10].sent


def test_before_the_first_turn_nothing_is_forwarded(terrace: Terrace) -> None:
    terrace.clear()
    agent = terrace.hire(LINE, started=False)
    agent.do(lambda: agent.kernel.install(None))

    assert [converse(terrace, Source(HOME), family) for family in (4, 6)] == [0, 0]
    agent.do(agent.turns.start)
    move_in(agent, {HOME: 1})
    assert [converse(terrace, Source(HOME), family) for family in (4, 6)] == [3, 3]
