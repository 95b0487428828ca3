"""What a gateway does with other nodes' packets, on the real kernel: class, refuse, hide behind its address."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor

import pytest

from meshctl.agent.named import NAMES, Ground
from meshctl.agent.ruleset import install_text
from meshctl.lists import Roster
from meshctl.model import DIRECTIONS
from meshctl.quota.plan import FIRST_GUEST, UNKNOWN, stranger_mark
from tests.kernel.agents import ACCESS, GATEWAY, ROSTER, THIRD, config_of
from tests.kernel.street import ADDRESSES, HARDWARE, SITE4, SITE6, Spot, Street, addresses, receive

pytestmark = pytest.mark.kernel

HOME, GUEST = 0x21, FIRST_GUEST + 5
SITES = [pytest.param(SITE4, 0, id="v4"), pytest.param(SITE6, 1, id="v6")]
SOME = 200_000


def moved(before: dict[int, int], after: dict[int, int]) -> dict[int, int]:
    return {mark: count - before.get(mark, 0) for mark, count in after.items() if count - before.get(mark, 0) > 5000}


@pytest.mark.parametrize(("site", "family"), SITES)
def test_an_announced_address_is_classed_under_its_mark(street: Street, site: str, family: int) -> None:
    street.access.join(HARDWARE["far"], FIRST_GUEST)
    street.gate.announce(dict.fromkeys(ADDRESSES["far"], HOME))
    before = street.gate.sent("down")
    assert street.fetches("far", site, SOME) >= SOME

    found = moved(before, street.gate.sent("down"))
    assert found.keys() == {HOME}
    assert found[HOME] >= SOME


@pytest.mark.parametrize(("site", "family"), SITES)
def test_what_nobody_announced_shares_its_nodes_leaf_for_strangers(street: Street, site: str, family: int) -> None:
    street.access.join(HARDWARE["far"], FIRST_GUEST)
    before = street.gate.sent("down")
    assert street.fetches("far", site, SOME) >= SOME
    assert street.fetches("third", site, SOME, addresses(THIRD, 9)[family]) >= SOME

    assert moved(before, street.gate.sent("down")).keys() == {stranger_mark(ACCESS.number), stranger_mark(THIRD.number)}


@pytest.mark.parametrize(("site", "family"), SITES)
def test_a_source_in_no_nodes_prefix_is_refused(street: Street, site: str, family: int) -> None:
    assert street.fetches("third", site, 1, addresses(THIRD, 9)[family]) >= 1
    assert street.fetches("third", site, 1, ("10.99.0.9", "2001:db8:99::9")[family]) == 0


@pytest.mark.parametrize(("site", "family"), SITES)
def test_nobody_borrows_an_address_of_the_gateways_own_prefix(street: Street, site: str, family: int) -> None:
    forged, own = addresses(GATEWAY, 66)[family], (GATEWAY.interface4, GATEWAY.interface6)[family]
    street.run("third", "ip", "addr", "replace", forged, "dev", "lo", *(["nodad"] if family else []))

    assert street.fetches("third", site, 1, forged) == 0
    assert not street.reaches("third", str(own.ip), forged)
    assert street.reaches("third", str(own.ip))


def test_only_the_gateway_hides_ipv4_behind_its_address_and_nobody_hides_ipv6(street: Street) -> None:
    street.access.join(HARDWARE["far"], FIRST_GUEST)

    assert street.asks("far", SITE4) == "198.51.100.2"
    assert street.asks("far", SITE6) == ADDRESSES["far"][1]
    assert street.asks("far", str(THIRD.interface4.ip)) == ADDRESSES["far"][0]


def refusals(street: Street) -> int:
    """How many ICMP messages the gateway sent that say that something cannot pass (RFC 2011)."""
    names, figures = re.findall(r"^Icmp: (.*)$", street.run("gate", "cat", "/proc/net/snmp").stdout, re.MULTILINE)
    return int(dict(zip(names.split(), figures.split(), strict=True))["OutDestUnreachs"])


def test_nothing_that_passes_while_rules_are_put_anew_is_refused(street: Street) -> None:
    street.access.join(HARDWARE["far"], FIRST_GUEST)
    before = refusals(street)
    with ThreadPoolExecutor(1) as side:
        flood = side.submit(street.run, "far", "ping", "-q", "-f", "-l", "50", "-w", "2", SITE4)
        while not flood.done():
            for version, members in ((8, (GATEWAY, ACCESS)), (9, ROSTER.members)):
                street.gate.enter(Roster(version, members))
                street.access.do(lambda: street.access.kernel.install(ROSTER))

    found = re.search(r"(\d+) packets transmitted, (\d+) received", flood.result().stdout)
    assert found
    assert int(found[2]) > 1000
    assert refusals(street) == before


def test_no_rule_has_a_list_of_its_own() -> None:
    config, others = config_of(GATEWAY, "mesh0", "mesh1"), (ACCESS, THIRD)
    rules = [line for line in install_text(config, ROSTER).splitlines() if line.startswith("\t\t")]

    assert rules
    assert not [rule for rule in rules if re.search(r"{(?! ether_addr| ether saddr)", rule)]
    assert {one.name for one in Ground(config, others).sets()} == NAMES


def test_a_withdrawn_nodes_clients_are_refused_at_once_and_their_flows_end(street: Street) -> None:
    gate, source = street.gate, addresses(THIRD, 9)[0]
    assert street.reaches("third", SITE4, source)
    repairs = gate.turns.tally.repairs
    with street.flow("third", SITE4, source) as flow:
        assert receive(flow, 1000) >= 1000
        gate.enter(Roster(8, (GATEWAY, ACCESS)))
        assert receive(flow, 100 * SOME) < 100 * SOME
    assert not street.reaches("third", SITE4, source)
    assert gate.turns.tally.repairs == repairs
    assert stranger_mark(THIRD.number) not in gate.turns.plan.trees["down"].leaves
    gate.tick()
    assert gate.turns.tally.repairs == repairs


def test_nothing_unsolicited_reaches_a_phone_across_the_mesh(street: Street) -> None:
    street.access.join(HARDWARE["far"], FIRST_GUEST)

    assert street.reaches("far", addresses(THIRD, 9)[1])
    assert not street.reaches("third", ADDRESSES["far"][1], addresses(THIRD, 9)[1])
    assert not street.reaches("isp", ADDRESSES["far"][1])


def test_a_visitor_at_one_node_reaches_nothing_of_the_mesh(street: Street) -> None:
    assert not street.reaches("far", SITE6)
    assert not street.reaches("far", addresses(THIRD, 9)[0])
    assert not street.reaches("far", str(GATEWAY.interface4.ip))


def test_what_nodes_send_themselves_enters_no_tree(street: Street) -> None:
    before = [street.gate.sent(direction) for direction in DIRECTIONS]
    for site, own in ((SITE4, ACCESS.interface4.ip), (SITE6, ACCESS.interface6.ip)):
        assert street.fetches("access", site, SOME, str(own)) >= SOME

    assert [moved(past, street.gate.sent(d)) for past, d in zip(before, DIRECTIONS, strict=True)] == [{}, {}]


def test_unmarked_shares_of_the_tree_stay_empty(street: Street) -> None:
    street.access.join(HARDWARE["far"], FIRST_GUEST)
    street.gate.join(HARDWARE["near"], GUEST)
    before = street.gate.sent("down").get(UNKNOWN, 0)
    for phone in ("far", "near"):
        assert street.fetches(phone, SITE4, SOME) >= SOME

    assert street.gate.sent("down")[UNKNOWN] == before


@pytest.mark.parametrize("family", [0, 1], ids=["v4", "v6"])
def test_a_nodes_ports_are_open_to_nodes_and_its_portal_to_everybody(street: Street, family: int) -> None:
    gate, own, someone = addresses(GATEWAY, 1)[family], addresses(THIRD, 1)[family], addresses(THIRD, 9)[family]
    street.gate.join(HARDWARE["near"], GUEST)
    portal, agents, other = 80, street.gate.config.mesh.port, 9999
    with street.listens("gate", portal, agents, other):
        may = {
            (name, source): [port for port in (portal, agents, other) if street.connects(name, gate, port, source)]
            for name, source in (("third", own), ("third", someone), ("near", ADDRESSES["near"][family]))
        }

    assert list(may.values()) == [[portal, agents, other], [portal], [portal]]


def test_without_a_roster_only_babel_the_portal_and_pings_come_in_from_a_link(street: Street) -> None:
    street.gate.enter(None)
    own, gate = str(THIRD.interface4.ip), str(GATEWAY.interface4.ip)
    with street.listens("gate", 80, 4450):
        assert [port for port in (80, 4450) if street.connects("third", gate, port, own)] == [80]
    assert street.reaches("third", gate)
    heard = {
        port: street.hears("gate", Spot("fe80::1", port, "mesh1"), "third", Spot("fe80::2", port, "mesh0"))
        for port in (6696, 6697)
    }
    assert heard == {6696: True, 6697: False}


def test_a_phone_cannot_speak_as_its_node_whose_own_packets_are_not_held_back(street: Street) -> None:
    street.access.join(HARDWARE["far"], FIRST_GUEST)
    street.run("far", "ip", "addr", "replace", str(ACCESS.interface6.ip), "dev", "lo", "nodad")
    try:
        heard = [
            street.hears("isp", Spot(SITE6, 7007), "far", Spot(source, 7007))
            for source in (ADDRESSES["far"][1], str(ACCESS.interface6.ip))
        ]
    finally:
        street.run("far", "ip", "addr", "del", str(ACCESS.interface6.ip), "dev", "lo")
    assert heard == [True, False]
