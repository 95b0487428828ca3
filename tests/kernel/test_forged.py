"""A visitor who names somebody of the internet as the sender: no answer carries its words out there."""

from __future__ import annotations

import socket
from contextlib import suppress

import pytest
from scapy.layers.inet import UDP
from scapy.layers.inet6 import ICMPv6EchoRequest, IPv6
from scapy.layers.l2 import Ether
from scapy.packet import Packet

from meshctl.lab.kernel import inside_net
from tests.kernel.agents import ACCESS
from tests.kernel.street import ADDRESSES, HARDWARE, SITE6, Street

pytestmark = pytest.mark.kernel

WORDS = b"words that a visitor wants to have out"
_ALL = 3
"""ETH_P_ALL (linux/if_ether.h)."""


def frames(street: Street, source: str) -> list[Packet]:
    """Every way to be answered: an echo and a closed port of the node, and what is on its way elsewhere."""
    node = street.run("access", "cat", "/sys/class/net/lan0/address").stdout.strip()
    frame = Ether(src=HARDWARE["far"], dst=node)
    made: list[Packet] = []
    for to in (str(ACCESS.interface6.ip), SITE6):
        ip6 = frame / IPv6(src=source, dst=to)
        made += [ip6 / what for what in (ICMPv6EchoRequest(data=WORDS), UDP(sport=9, dport=9999) / WORDS)]
    return made


def carried(street: Street, at: str, source: str) -> int:
    """How many packets with a visitor's words arrive at a place when it sends from this address."""
    with inside_net(street.at("far")):
        mouth = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    with inside_net(street.at(at)):
        ear = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ALL))
    heard = []
    with mouth, ear:
        mouth.bind(("eth0", 0))
        ear.bind(("eth0", _ALL))
        for frame in frames(street, source):
            mouth.send(bytes(frame))
        ear.settimeout(0.5)
        with suppress(TimeoutError):
            while True:
                octets, about = ear.recvfrom(2048)
                heard.append(WORDS in octets and about[2] != socket.PACKET_OUTGOING)
    return sum(heard)


def test_words_of_a_visitor_go_back_to_it_and_never_to_whom_it_names(street: Street) -> None:
    assert street.reaches("access", SITE6)

    assert carried(street, "isp", SITE6) == 0
    assert carried(street, "far", ADDRESSES["far"][1]) >= 2
