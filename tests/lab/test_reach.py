from __future__ import annotations

import ipaddress
from pathlib import Path

from meshctl.lab.reach import OUT4, OUT6, Network, Standing, missing, neighbourhoods, read_ways
from meshctl.lab.tables import NodeTable, UplinkTable
from meshctl.lab.uplink import WayBack, ways_back

ELM4, OAK4 = ipaddress.IPv4Network("10.44.0.0/22"), ipaddress.IPv4Network("10.45.0.0/22")
ELM6, OAK6 = ipaddress.IPv6Network("2001:db8:44::/64"), ipaddress.IPv6Network("2001:db8:45::/64")


def standing(name: str, *prefixes: Network, gateway: bool = False, to: str = "") -> Standing:
    return Standing(name, prefixes, gateway, frozenset(to.split()))


def test_groups_are_what_live_links_join() -> None:
    nodes = [standing("a", to="b"), standing("b", to="a c"), standing("c", to="b"), standing("d")]
    assert [{node.name for node in group} for group in neighbourhoods(nodes)] == [{"a", "b", "c"}, {"d"}]


def test_what_lacks_is_said_by_node_and_family() -> None:
    nodes = [standing("elm", ELM4, ELM6, gateway=True, to="oak"), standing("oak", OAK4, OAK6, to="elm")]
    whole: dict[str, frozenset[Network]] = {
        "elm": frozenset({OAK4, OAK6, OUT4, OUT6}),
        "oak": frozenset({ELM4, ELM6, OUT4, OUT6}),
    }
    assert missing(nodes, whole) == []
    assert missing(nodes, {**whole, "oak": frozenset({ELM4, OUT4})}) == [
        "oak has no IPv6 way to elm",
        "oak has no IPv6 way out",
    ]


def test_nodes_that_nothing_joins_need_no_way_to_each_other() -> None:
    nodes = [standing("elm", ELM4, gateway=True), standing("oak", OAK4)]
    assert missing(nodes, {"elm": frozenset({OUT4, OUT6}), "oak": frozenset()}) == []


def test_a_routing_table_is_read_as_the_kernel_prints_it(tmp_path: Path) -> None:
    (tmp_path / "route").write_text(
        "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n"
        "mesh0\t00000000\t00000000\t0003\t0\t0\t4000\t00000000\t0\t0\t0\n"
        "mesh1\t00002D0A\t00000000\t0003\t0\t0\t4000\t00FCFFFF\t0\t0\t0\n"
        "*\t00002E0A\t00000000\t0201\t0\t0\t-1\t00FCFFFF\t0\t0\t0\n"
    )
    (tmp_path / "ipv6_route").write_text(
        "20010db8004500000000000000000000 40 "
        + "0" * 32
        + " 00 fe80"
        + "0" * 28
        + " 00000fa0 00000001 00000000 00000003    mesh1\n"
        "20010db8004600000000000000000000 40 "
        + "0" * 32
        + " 00 "
        + "0" * 32
        + " ffffffff 00000001 00000000 00200200       lo\n"
    )
    assert read_ways(["mesh0", "mesh1"], tmp_path) == {OUT4, OAK4, OAK6}
    assert read_ways(["mesh1"], tmp_path) == {OAK4, OAK6}


def test_the_internet_comes_back_by_a_nodes_own_uplink_else_by_the_first_gateway() -> None:
    line = UplinkTable(20, 20)
    nodes = [
        NodeTable("elm", line, ipv6="2001:db8:44::1/64"),
        NodeTable("ash", ipv6="2001:db8:45::1/64"),
        NodeTable("oak", line, ipv6="2001:db8:46::1/64"),
    ]
    found = ways_back(nodes)
    assert list(found) == ["elm", "oak"]

    def best(prefix: str, gateways: list[str]) -> str:
        return min(gateways, key=lambda name: {way.prefix: way.metric for way in found[name]}[prefix])

    assert [best(f"2001:db8:{n}::/64", ["elm", "oak"]) for n in (44, 45, 46)] == ["elm", "elm", "oak"]
    assert best("2001:db8:45::/64", ["oak"]) == "oak"
    assert WayBack("2001:db8:44::/64", 100) in found["elm"]
