"""Questions and answers as bytes: DNS, DHCP, DHCPv6, router advertisements. What is broken is refused."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshctl.doctor.announced import (
    UNRESTRICTED,
    Told,
    inform,
    information_request,
    judge_announced,
    portal4,
    portal6,
    portal_ra,
    scheme_and_name,
)
from meshctl.doctor.names import answer, is_literal, is_private, question

URI = b"https://mesh.example/captive"


def test_a_question_for_a_name_is_as_rfc_1035_says() -> None:
    assert question(7, "a.example", "AAAA") == bytes.fromhex("0007 0100 0001 0000 0000 0000") + (
        b"\1a\7example\0" + bytes.fromhex("001c 0001")
    )


def test_addresses_are_read_behind_an_alias() -> None:
    asked = question(7, "a.example", "A")
    alias = b"\xc0\x0c" + struct.pack("!HHIH", 5, 1, 60, 4) + b"\1b\xc0\x0e"
    address = b"\xc0\x27" + struct.pack("!HHIH", 1, 1, 60, 4) + bytes((192, 0, 2, 1))
    told = asked[:2] + struct.pack("!5H", 0x8180, 1, 2, 0, 0) + asked[12:] + alias + address

    assert answer(told, 7, "A") == (("192.0.2.1",), 0, False)
    with pytest.raises(ValueError, match="not an answer"):
        answer(told, 8, "A")


@given(st.binary(max_size=200))
def test_no_packet_is_read_as_more_than_it_says(packet: bytes) -> None:
    for read in (lambda: answer(packet, 7, "A"), lambda: portal4(packet, 7), lambda: portal6(packet, 7),
                 lambda: portal_ra(packet)):  # fmt: skip
        try:
            read()
        except ValueError:
            continue


def test_option_114_is_read_from_the_answer_to_ones_own_question_only() -> None:
    asked = inform(7, bytes((10, 0, 0, 9)), b"\2" + b"\0" * 5)
    told = b"\2" + asked[1:240] + bytes((53, 1, 5, 114, len(URI))) + URI + b"\xff"

    assert portal4(told, 7) == URI
    assert portal4(b"\2" + asked[1:240] + bytes((53, 1, 5, 255)), 7) is None
    with pytest.raises(ValueError, match="not an answer"):
        portal4(told, 8)
    with pytest.raises(ValueError, match="not an answer"):
        portal4(asked, 7)


def test_option_103_is_read_from_the_reply_to_ones_own_question_only() -> None:
    asked = information_request(7, b"id")
    told = b"\7" + asked[1:4] + struct.pack("!HH", 103, len(URI)) + URI

    assert portal6(told, 7) == URI
    with pytest.raises(ValueError, match="not a reply"):
        portal6(told, 8)


def test_option_37_is_read_without_its_padding() -> None:
    length = -(-(len(URI) + 2) // 8)
    told = bytes((134, *[0] * 15)) + bytes((1, 1, *[0] * 6)) + bytes((37, length)) + URI.ljust(length * 8 - 2, b"\0")

    assert portal_ra(told) == URI
    assert portal_ra(bytes((134, *[0] * 15))) is None


def codes(**told: Told) -> set[str]:
    return {one.code for one in judge_announced(told).found}  # type: ignore[arg-type]


def test_what_is_announced_agrees_and_is_an_address() -> None:
    good, other = Told(asked=True, raw=URI), Told(asked=True, raw=URI + b"2")

    assert codes(dhcp4=good, ra=good) == set()
    assert codes(dhcp4=good, ra=other) == {"announced-differ"}
    assert codes(dhcp4=good, ra=Told(asked=True)) == {"announced-partly"}
    assert codes(dhcp4=Told(asked=True, raw=URI + b"\0")) == {"announced-nul"}
    assert codes(dhcp4=Told(asked=True, raw=b"https://m.example/" + b"x" * 250)) == {"announced-long"}
    assert codes(dhcp4=Told(asked=True, raw=b"portal")) == {"announced-garbled"}
    assert codes(dhcp4=Told(asked=True, raw=UNRESTRICTED.encode())) == set()
    assert codes(dhcp4=Told(asked=True)) == set()


def test_what_could_not_be_asked_is_unchecked_and_never_right() -> None:
    told = judge_announced({"dhcp4": Told(asked=False, why="only root may ask")})

    assert [(one.what, one.why) for one in told.unchecked] == [("DHCPv4 option 114", "only root may ask")]
    assert told.right == []


def test_an_api_has_a_name_and_tls() -> None:
    assert {one.code for one in scheme_and_name("http://10.0.0.1/api").found} == {"api-over-http", "api-literal"}
    assert scheme_and_name("https://mesh.example/api").found == []


def test_private_and_literal_addresses_are_told_from_others() -> None:
    assert all(map(is_private, ("10.1.2.3", "100.64.0.1", "fd00::1", "fe80::1", "127.0.0.1")))
    assert not any(map(is_private, ("8.8.8.8", "198.51.100.1", "2001:db8::1", "131.107.255.255")))
    assert is_literal("[fe80::1%eth0]")
    assert not is_literal("mesh.home")
