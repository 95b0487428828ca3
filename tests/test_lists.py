"""A roster is believed whole or not at all."""

from __future__ import annotations

import base64
import dataclasses
import json
import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from meshctl.lists import (
    LIST_LIMIT,
    MOST_NODES,
    ListError,
    Member,
    Tombstone,
    check_roster,
    fingerprint,
    read_roster,
    read_unchecked_roster,
    sign_list,
    sign_roster,
)
from tests.rosters import COMMUNITY, PUBLIC, STRANGER, member, public, roster

ELM, OAK = member(1, "elm", gateway=True, hub=True), member(2, "oak")


def refusal(data: bytes, community: str = PUBLIC) -> str:
    with pytest.raises(ListError) as refused:
        read_roster(data, community)
    return refused.value.code


def test_a_signed_roster_comes_back_as_it_was() -> None:
    whole = roster(7, [ELM, OAK], withdrawn=(Tombstone("fox", 3, public("fox")),))
    back = read_roster(sign_roster(whole, COMMUNITY), PUBLIC)
    assert back == whole
    assert (back.hub, back.gateways, back.member("oak"), back.member("fox")) == (ELM, (ELM,), OAK, None)


def test_a_strangers_signature_and_a_changed_byte_are_refused() -> None:
    good = sign_roster(roster(1, [ELM]), COMMUNITY)
    assert refusal(sign_roster(roster(1, [ELM]), STRANGER)) == "bad-signature"
    assert refusal(good.replace(b'\\"version\\":1', b'\\"version\\":2')) == "bad-signature"
    assert read_unchecked_roster(sign_roster(roster(1, [ELM]), STRANGER)).members == (ELM,)


@pytest.mark.parametrize("community", ["", "elm", "AAAA", "é"])
def test_without_the_communitys_key_nothing_is_believed(community: str) -> None:
    assert refusal(sign_roster(roster(1, [ELM]), COMMUNITY), community) == "no-community"


@pytest.mark.parametrize(
    "payload",
    [
        "", "[]", "{", '{"version": true}', '{"version": 1, "more": 2}', "[" * 9000, "9" * 5000,
        '{"version": 1, "kind": "roll"}',
    ],
)  # fmt: skip
def test_what_the_community_signed_by_mistake_is_refused_too(payload: str) -> None:
    assert refusal(sign_list(payload, COMMUNITY)) == "garbage"


_GOOD = sign_roster(roster(1, [ELM]), COMMUNITY)


@example(b"")
@example(b"[" * 9000)
@example(b'{"payload": "\\ud800", "signature": "AAAA"}')
@example(b'{"payload": "x", "signature": 3}')
@example(b'{"payload": "x", "signature": "\xc3\xa9"}')
@example(b" " * (LIST_LIMIT + 1))
@given(st.binary(max_size=60) | st.integers(0, len(_GOOD) - 1).map(lambda cut: _GOOD[:cut]))
def test_garbage_is_refused_and_never_a_fault(data: bytes) -> None:
    assert refusal(data) in {"garbage", "oversized", "bad-signature"}


@pytest.mark.parametrize(
    ("second", "words"),
    [
        (member(2, "elm"), "elm has the name of elm"),
        (member(1, "oak"), "oak has the number of elm"),
        (member(2, "oak", key=ELM.key), "oak has the key of elm"),
        (member(2, "oak", ipv4="10.44.7.1/23"), "10.44.6.0/23 of oak overlaps 10.44.4.0/22 of elm"),
        (member(2, "oak", ipv4="10.0.0.1/8"), "10.44.4.0/22 of elm overlaps 10.0.0.0/8 of oak"),
        (member(2, "oak", ipv6="fd44:0:0:1::9/64"), "fd44:0:0:1::/64 of oak overlaps"),
        (member(2, "oak", hub=True), "elm and oak are both the hub: keep one"),
        (member(3, "oak"), "oak has the number of fox, which is withdrawn"),
        (member(2, "oak", key=public("fox")), "oak has the key of fox, which is withdrawn"),
    ],
)
def test_two_nodes_never_share_what_must_be_ones_own(second: Member, words: str) -> None:
    with pytest.raises(ListError, match=words) as refused:
        check_roster(roster(1, [ELM, second], withdrawn=(Tombstone("fox", 3, public("fox")),)))
    assert refused.value.code == "conflict"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", "Elm"), ("name", "elm\n"), ("name", "../elm"), ("name", "a" * 33), ("number", 0),
        ("number", MOST_NODES + 1), ("key", "AAAA"), ("key", "*" * 44), ("ipv4", "10.44.0.1"), ("ipv4", "10.44.0.0/22"),
        ("ipv4", "10.44.3.255/22"), ("ipv4", "10.44.0.1/30"), ("ipv4", "fd44::1/64"), ("ipv4", ""),
        ("ipv6", "fd44::1/48"), ("ipv6", "fd44::/64"), ("ipv6", "10.44.0.1/22"),
    ],
)  # fmt: skip
def test_a_member_that_cannot_be_is_refused_by_name_and_field(field: str, value: object) -> None:
    with pytest.raises(ListError, match=r"elm|name") as refused:
        check_roster(roster(1, [dataclasses.replace(ELM, **{field: value})]))  # type: ignore[arg-type]
    assert refused.value.code == "garbage"


def test_a_name_may_come_back_with_another_number_and_key() -> None:
    check_roster(roster(3, [ELM], withdrawn=(Tombstone("elm", 9, public("old elm")),)))


def test_the_largest_network_fits_into_a_list_and_is_read_quickly() -> None:
    names = (f"{'n' * 27}-{number}" for number in range(1, MOST_NODES + 1))
    many = [
        member(number, name, ipv4=f"10.{number // 64}.{number % 64 * 4}.1/22", ipv6=f"fd44:4444:4444:{number:x}::1/64")
        for number, name in enumerate(names, start=1)
    ]
    data = sign_roster(roster(10**9, many), COMMUNITY)
    begun = time.process_time()
    assert len(read_roster(data, PUBLIC).members) == MOST_NODES
    assert time.process_time() - begun < 5


def test_a_roster_that_nobody_could_read_is_not_signed() -> None:
    many = [member(1, f"n{number}", gateway=True, hub=True) for number in range(6000)]
    with pytest.raises(ListError, match="at most") as refused:
        sign_roster(roster(1, many), COMMUNITY)
    assert refused.value.code == "oversized"


def test_a_fingerprint_is_short_and_each_keys_own() -> None:
    assert fingerprint(PUBLIC) == fingerprint(PUBLIC) != fingerprint(ELM.key)
    assert [len(group) for group in fingerprint(PUBLIC).split(" ")] == [4] * 5


def test_a_list_is_one_json_object_that_other_programs_can_check() -> None:
    table = json.loads(_GOOD)
    COMMUNITY.verify_key.verify(table["payload"].encode(), base64.b64decode(table["signature"]))
    assert json.loads(table["payload"])["members"][0]["name"] == "elm"
