"""Numbers and keys are given once; what nobody says is proposed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshctl.enrolment import Facts, enrol, own_prefix, propose_ipv4, propose_ipv6, withdraw
from meshctl.lists import MOST_NODES, ListError, Roster, Tombstone, check_roster
from tests.rosters import PUBLIC, member, public, roster

NOBODY = Roster(version=0)


def with_node(before: Roster, name: str, *, replacing: bool = False, **facts: object) -> Roster:
    said = Facts(**{"key": public(name), **facts})  # type: ignore[arg-type]
    return enrol(before, name, said, PUBLIC, replacing=replacing)


def test_the_first_node_gets_number_one_and_prefixes() -> None:
    after = with_node(NOBODY, "elm", gateway=True, hub=True)
    (elm,) = after.members
    assert (after.version, elm.number, elm.ipv4, elm.gateway, elm.hub) == (1, 1, "10.44.0.1/22", True, True)
    assert elm.interface6.network.subnet_of(own_prefix(PUBLIC))


def test_the_next_node_gets_the_next_prefix_and_no_withdrawn_ones() -> None:
    after = withdraw(with_node(with_node(NOBODY, "elm"), "oak"), "oak")
    after = with_node(after, "ash")
    ash = after.member("ash")
    assert ash
    assert (after.version, ash.number, ash.ipv4) == (4, 3, "10.44.8.1/22")
    assert str(ash.interface6.network).endswith(":2::/64")
    assert after.withdrawn == (Tombstone("oak", 2, public("oak")),)


def test_a_known_node_changes_what_is_said_and_keeps_the_rest() -> None:
    before = with_node(NOBODY, "elm", gateway=True)
    after = enrol(before, "elm", Facts(ipv4="10.45.0.1/22", hub=True), PUBLIC)
    elm = after.member("elm")
    assert elm
    assert (elm.number, elm.ipv4, elm.gateway, elm.hub) == (1, "10.45.0.1/22", True, True)
    assert after.version == 2
    assert enrol(after, "elm", Facts(gateway=True, key=public("elm")), PUBLIC) is after


def test_another_board_of_the_same_name_needs_to_be_said() -> None:
    before = with_node(NOBODY, "elm", gateway=True)
    with pytest.raises(ListError, match=r"another key.*--replace"):
        with_node(before, "elm", key=public("new elm"))
    after = with_node(before, "elm", key=public("new elm"), replacing=True)
    elm = after.member("elm")
    assert elm
    assert (elm.number, elm.key, elm.ipv4, elm.gateway) == (2, public("new elm"), "10.44.0.1/22", True)
    assert after.withdrawn == (Tombstone("elm", 1, public("elm")),)
    with pytest.raises(ListError, match="has the key of elm, which is withdrawn"):
        with_node(after, "elm", replacing=True)


def test_a_withdrawn_name_comes_back_only_with_another_key() -> None:
    gone = withdraw(with_node(NOBODY, "elm"), "elm")
    with pytest.raises(ListError, match="key of elm, which is withdrawn"):
        with_node(gone, "elm")
    assert with_node(gone, "elm", key=public("new elm")).members[0].number == 2


def test_who_is_unknown_cannot_be_withdrawn() -> None:
    one = with_node(NOBODY, "elm")
    with pytest.raises(ListError, match="there is no node 'oak' in the roster: name one of its nodes, elm"):
        withdraw(one, "oak")
    with pytest.raises(ListError, match="elm is withdrawn already"):
        withdraw(withdraw(one, "elm"), "elm")


def test_a_newcomer_needs_a_key() -> None:
    with pytest.raises(ListError, match="--pub is missing: elm"):
        enrol(NOBODY, "elm", Facts(), PUBLIC)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("10.44.0.1/22", "10.44.4.1/22"),
        ("10.101.16.1/24", "10.100.1.1/24"),
        ("172.16.0.1/20", "172.16.16.1/20"),
        ("192.168.1.1/24", "192.168.2.1/24"),
    ],
)
def test_prefixes_are_proposed_like_the_first_nodes(first: str, second: str) -> None:
    assert propose_ipv4(roster(1, [member(1, ipv4=first)]), 2) == second


@pytest.mark.parametrize("first", ["198.51.100.1/26", "10.0.0.1/14", "192.168.0.1/16"])
def test_where_nobody_can_guess_the_prefix_it_is_asked_for(first: str) -> None:
    with pytest.raises(ListError, match="--ipv4 is missing"):
        propose_ipv4(roster(1, [member(1, ipv4=first)]), 2)


def test_which_public_prefix_leads_here_only_the_provider_knows() -> None:
    with pytest.raises(ListError, match=r"--ipv6 is missing: node-1 has 2001:db8:44::1/64"):
        propose_ipv6(roster(1, [member(1, ipv6="2001:db8:44::1/64")]), 2, PUBLIC)
    assert propose_ipv6(roster(1, [member(1, ipv6="fd44::1/64")]), 2, PUBLIC) == "fd44:0:0:1::1/64"


def test_a_taken_prefix_is_passed_over_and_a_full_pool_is_said() -> None:
    members = [member(1, ipv4="10.44.0.1/16"), member(2, ipv4="10.46.0.1/16"), member(9, ipv4="10.45.0.1/16")]
    assert propose_ipv4(roster(1, members), 2) == "10.47.0.1/16"
    with pytest.raises(ListError, match=r"no /16 is free in 10\.44\.0\.0/14: name a prefix with --ipv4"):
        propose_ipv4(roster(1, [*members, member(4, ipv4="10.47.0.1/16")]), 5)


def test_numbers_end() -> None:
    with pytest.raises(ListError, match="all 4000 numbers"):
        with_node(roster(1, withdrawn=(Tombstone("elm", MOST_NODES, public("elm")),)), "oak")


_STEPS = st.lists(
    st.tuples(st.sampled_from("abcd"), st.sampled_from(["enrol", "replace", "withdraw", "move"]), st.integers(0, 9)),
    max_size=30,
)


@given(_STEPS)
def test_whatever_is_done_a_number_and_a_key_mean_one_board_for_ever(steps: list[tuple[str, str, int]]) -> None:
    now, boards = NOBODY, dict[int, str]()
    for name, what, seed in steps:
        try:
            if what == "withdraw":
                after = withdraw(now, name)
            elif what == "move":
                after = enrol(now, name, Facts(ipv4=f"10.9{seed}.0.1/22"), PUBLIC)
            else:
                after = with_node(now, name, key=public(f"{name}{seed}"), replacing=what == "replace")
        except ListError:
            continue
        assert after == now or after.version == now.version + 1
        assert set(now.withdrawn) <= set(after.withdrawn)
        check_roster(after)
        for one in after.members:
            assert boards.setdefault(one.number, one.key) == one.key
        now = after
    assert len(set(boards.values())) == len(boards)
