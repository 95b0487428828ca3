"""The advertisement that follows one of our own, as another implementation reads it."""

from __future__ import annotations

import pytest
from scapy.layers.inet6 import ICMPv6ND_RA, ICMPv6NDOptPrefixInfo, ICMPv6NDOptSrcLLAddr, IPv6
from scapy.layers.l2 import Ether

from meshctl.agent.advertisement import OPTION, checksum, following, has_option
from meshctl.agent.sightings import Own, Watcher
from meshctl.captivity import UNRESTRICTED

HARDWARE = "02:4d:00:00:00:01"
URI = "https://portal.lab.test/captive"


def ours(receiver: str = "ff02::1", door: str = "33:33:00:00:00:01") -> bytes:
    packet = Ether(src=HARDWARE, dst=door) / IPv6(src="fe80::1", dst=receiver, hlim=255)
    packet /= ICMPv6ND_RA(chlim=64, O=1, M=0, prf=1, routerlifetime=1800, reachabletime=7, retranstimer=9)
    return bytes(packet / ICMPv6NDOptPrefixInfo(prefix="fd44::") / ICMPv6NDOptSrcLLAddr(lladdr=HARDWARE))


@pytest.mark.parametrize("uri", [URI, UNRESTRICTED, "https://" + "a" * 239 + "/captive"])
def test_it_has_the_header_of_ours_and_the_option_alone(uri: str) -> None:
    frame = ours()
    more = following(frame, uri)
    assert more is not None
    told, first = Ether(more), Ether(frame)
    assert more[:14] == frame[:14]
    assert (told[IPv6].src, told[IPv6].dst, told[IPv6].hlim) == ("fe80::1", "ff02::1", 255)
    for name in ("chlim", "O", "M", "prf", "routerlifetime", "reachabletime", "retranstimer"):
        assert getattr(told[ICMPv6ND_RA], name) == getattr(first[ICMPv6ND_RA], name)
    option = more[14 + 40 + 16 :]
    assert (option[0], option[1] * 8) == (OPTION, len(option))
    assert option[2:].rstrip(b"\0").decode() == uri
    assert len(option) - 2 - len(uri) < 8
    sum_told = told[ICMPv6ND_RA].cksum
    del told[ICMPv6ND_RA].cksum
    assert Ether(bytes(told))[ICMPv6ND_RA].cksum == sum_told
    assert told[IPv6].plen == len(more) - 54


def test_who_asked_alone_is_answered_alone() -> None:
    frame = ours("fe80::99", "02:00:00:00:00:99")
    more = following(frame, URI)
    assert more is not None
    assert (more[:6].hex(":"), Ether(more)[IPv6].dst) == ("02:00:00:00:00:99", "fe80::99")


def test_it_is_not_followed_itself_and_neither_is_anything_else() -> None:
    more = following(ours(), URI)
    assert more is not None
    assert has_option(more)
    assert following(more, URI) is None
    for odd in (b"", ours()[:60], ours()[:54] + b"\x85" + ours()[55:]):
        assert following(odd, URI) is None
    assert not has_option(ours()[:70] + b"\x03\x00" + b"\0" * 30)


def test_nobody_is_accused_of_it() -> None:
    more = following(ours(), URI)
    assert more is not None
    assert Watcher(Own(HARDWARE, frozenset())).look(more, 1.0).odd is None
    assert Watcher(Own("02:4d:00:00:00:02", frozenset())).look(more, 1.0).odd == "rogue-ra"


def test_the_checksum_of_odd_lengths() -> None:
    assert checksum(b"\x00\x01\xf2\x03\xf4\xf5\xf6\xf7") == 0x220D  # RFC 1071, 3
    assert checksum(b"\xff") == 0x00FF
