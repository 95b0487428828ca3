"""What the watch is handed by its filter in the kernel, and what it makes of it."""

from __future__ import annotations

import struct

import pytest

from meshctl.agent.sightings import CLASSIC_FILTER, Own, Watcher, packed_filter
from meshctl.agent.watch import confirm

OWN, A, B = "02:00:00:00:00:01", "02:00:00:00:00:0a", "02:00:00:00:00:0b"


def mac(text: str) -> bytes:
    return bytes.fromhex(text.replace(":", ""))


def ethernet(source: str, kind: int, body: bytes) -> bytes:
    return b"\xff" * 6 + mac(source) + kind.to_bytes(2, "big") + body.ljust(46, b"\0")


def arp(source: str, address: str, operation: int = 1) -> bytes:
    own = bytes(int(part) for part in address.split("."))
    head = struct.pack("!HHBBH", 1, 0x0800, 6, 4, operation)
    return ethernet(source, 0x0806, head + mac(source) + own + bytes(6) + bytes(4))


def udp4(source: str, sport: int, dport: int, payload: bytes = b"", fragment: int = 0) -> bytes:
    length = 28 + len(payload)
    head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, length, 0, fragment, 64, 17, 0, bytes(4), b"\xff" * 4)
    return ethernet(source, 0x0800, head + struct.pack("!HHHH", sport, dport, 8 + len(payload), 0) + payload)


def icmp6(source: str, kind: int, next_header: int = 58) -> bytes:
    head = struct.pack("!IHBB16s16s", 6 << 28, 24, next_header, 255, b"\xfe\x80" + bytes(14), b"\xff\x02" + bytes(14))
    return ethernet(source, 0x86DD, head + bytes([kind, 0, 0, 0]) + bytes(20))


def run_filter(frame: bytes) -> int:
    """Interpret the classic BPF program as the kernel does (bpf(4))."""
    a = x = 0
    at = 0
    while True:
        code, yes, no, k = CLASSIC_FILTER[at]
        at += 1
        if code == 0x06:
            return k
        if code == 0x05:
            at += k
        elif code in (0x28, 0x48):
            start = k + (x if code == 0x48 else 0)
            if start + 2 > len(frame):
                return 0
            a = int.from_bytes(frame[start : start + 2], "big")
        elif code == 0x30:
            if k >= len(frame):
                return 0
            a = frame[k]
        elif code == 0xB1:
            x = 4 * (frame[k] & 0x0F)
        else:
            holds = {0x15: a == k, 0x25: a > k, 0x35: a >= k, 0x45: bool(a & k)}[code]
            at += yes if holds else no


@pytest.mark.parametrize(
    ("frame", "wanted"),
    [
        (arp(A, "10.0.0.2"), True),
        (udp4(A, 68, 67), True),
        (udp4(A, 67, 68), True),
        (udp4(A, 67, 68, fragment=100), False),
        (udp4(A, 5353, 53), False),
        (udp4(A, 40000, 443), False),
        (udp4(A, 40000, 66), False),
        (udp4(A, 40000, 69), False),
        *((icmp6(A, kind), kind in (133, 134, 135, 136)) for kind in (1, 128, 132, 133, 134, 135, 136, 137, 143)),
        (icmp6(A, 135, next_header=17), False),
        (icmp6(A, 135, next_header=6), False),
        (ethernet(A, 0x8899, b"x"), False),
    ],
)
def test_the_filter_lets_through_address_traffic_and_nothing_else(frame: bytes, wanted: bool) -> None:
    assert (run_filter(frame) > 0) == wanted


def test_the_filter_is_packed_as_the_kernel_reads_it() -> None:
    assert len(packed_filter()) == 8 * len(CLASSIC_FILTER)


def watcher() -> Watcher:
    return Watcher(Own(OWN, frozenset({"10.0.0.1"})))


def test_a_device_is_told_of_at_once_and_then_every_minute() -> None:
    eyes = watcher()

    assert eyes.look(arp(A, "10.0.0.2"), 0.0).seen == A
    assert eyes.look(arp(A, "10.0.0.2"), 59.0).seen is None
    assert eyes.look(arp(A, "10.0.0.2"), 60.0).seen == A


def test_a_device_that_claims_address_after_address_is_told_of_seldom_and_another_one_at_once() -> None:
    eyes = watcher()
    seen = [eyes.look(arp(A, f"10.1.{n >> 8}.{n & 0xFF}"), n / 1000).seen for n in range(10_000)]
    assert seen[:64] == [A] * 64
    assert seen.count(A) <= 64 + 20
    assert len(eyes.told) <= 64 + 20
    assert eyes.look(arp(B, "10.0.0.7"), 10.0).seen == B


def test_whose_frames_were_lost_is_known_from_the_kernels_table() -> None:
    table = {"10.0.0.7": A, "2001:db8::7": A, "fe80::7": B}
    watching = watcher()
    found = watching.look_up(table, 5.0)
    assert [(one.seen, one.address) for one in found] == [(A, "10.0.0.7"), (A, "2001:db8::7"), (B, None)]
    assert watching.look_up(table, 6.0) == []
    assert len(watching.look_up(table, 66.0)) == 3


def test_this_nodes_own_frames_and_scraps_say_nothing() -> None:
    eyes = watcher()

    assert eyes.look(arp(OWN, "10.0.0.1"), 0.0).seen is None
    assert eyes.look(b"\0" * 30, 0.0).seen is None


@pytest.mark.parametrize(
    ("frame", "odd"),
    [
        (udp4(A, 67, 68), "rogue-dhcp"),
        (udp4(A, 68, 67), None),
        (icmp6(A, 134), "rogue-ra"),
        (icmp6(A, 135), None),
        (arp(A, "10.0.0.1"), "address-conflict"),
        (arp(A, "10.0.0.7"), None),
        (arp(A, "0.0.0.0"), None),
    ],
)
def test_who_plays_router_or_takes_the_nodes_address_is_odd(frame: bytes, odd: str | None) -> None:
    assert watcher().look(frame, 0.0).odd == odd


def test_two_devices_on_one_address_conflict_only_when_close_in_time() -> None:
    eyes = watcher()

    assert eyes.look(arp(A, "10.0.0.7"), 0.0).odd is None
    assert eyes.look(arp(B, "10.0.0.7"), 5.0).odd == "address-conflict"
    assert eyes.look(arp(A, "10.0.0.7"), 30.0).odd is None


def test_a_closer_look_knows_a_servers_reply_from_a_clients_question() -> None:
    reply, question = (udp4(A, 67, 68, bytes([operation, 1, 6, 0]) + bytes(232)) for operation in (2, 1))

    assert confirm(reply, "rogue-dhcp")
    assert not confirm(question, "rogue-dhcp")
    assert not confirm(udp4(A, 67, 9999), "rogue-dhcp")
    assert confirm(arp(A, "10.0.0.1"), "address-conflict")
