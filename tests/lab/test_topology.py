from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from meshctl.lab.commands import lab
from meshctl.lab.fault import TopologyError
from meshctl.lab.papers import page_ports
from meshctl.lab.privilege import owns_machine
from meshctl.lab.tables import LinkTable
from meshctl.lab.topology import STREET, linked_to, load_topology

NODE = '[[node]]\nname = "elm"\nhub = true\n[node.uplink]\ndown_mbit = 20\nup_mbit = 5\n'
SECOND = '[[node]]\nname = "oak"\n{extra}[node.uplink]\ndown_mbit = 20\nup_mbit = 5\n'
ASH = '[[node]]\nname = "ash"\n'
LINK = '[[link]]\na = "elm"\nb = "ash"\n'


def topology(folder: Path, text: str) -> Path:
    file = folder / "street.toml"
    file.write_text(text, encoding="utf-8")
    return file


def test_what_is_raised_untold_is_a_ring_of_three_with_one_uplink_and_six_phones() -> None:
    mesh = load_topology()
    assert [(node.name, node.hub, node.uplink is not None) for node in mesh.node] == [
        ("elm", True, True),
        ("oak", False, False),
        ("ash", False, False),
    ]
    assert {frozenset((link.a, link.b)) for link in mesh.link} == {
        frozenset(pair) for pair in (("elm", "oak"), ("oak", "ash"), ("ash", "elm"))
    }
    assert len(mesh.phone) == 6
    assert {phone.client for phone in mesh.phone} == {"udhcpc", "dhclient", "dhcpcd"}


@pytest.mark.parametrize("file", [STREET, STREET.with_name("demo.toml")])
def test_the_streets_that_are_shipped_have_one_node_and_six_phones(file: Path) -> None:
    street = load_topology(file)
    assert [node.name for node in street.node if node.hub and node.uplink] == ["elm"]
    assert len(street.phone) == 6


def test_the_ring_that_is_shipped_has_twelve_nodes_two_gateways_and_sixty_phones() -> None:
    ring = load_topology(STREET.with_name("ring.toml"))
    assert (len(ring.node), len(ring.link), len(ring.phone)) == (12, 12, 60)
    assert [node.name for node in ring.node if node.uplink] == ["elm", "fig"]
    assert all(sum(node.name in (link.a, link.b) for link in ring.link) == 2 for node in ring.node)


def test_root_of_a_namespace_is_not_the_machines_root() -> None:
    assert owns_machine("         0          0 4294967295\n")
    assert not owns_machine("0 1000 1\n1 100000 65536\n")


def test_a_link_loses_nothing_unless_told_and_a_node_may_go_without_an_uplink(tmp_path: Path) -> None:
    found = load_topology(
        topology(
            tmp_path, NODE + ASH + LINK + '[[node]]\nname = "oak"\n' + LINK.replace("elm", "oak") + "loss = 12.5\n"
        )
    )
    assert [link.loss for link in found.link] == [0.0, 12.5]
    assert found.node[1].uplink is None


def test_nodes_reach_each_other_over_any_number_of_links() -> None:
    links = [LinkTable("a", "b"), LinkTable("c", "b"), LinkTable("d", "e")]
    assert linked_to(["a"], links) == {"a", "b", "c"}
    assert linked_to(["a", "e"], links) == {"a", "b", "c", "d", "e"}
    assert linked_to(["x"], []) == {"x"}


def test_addresses_are_given_in_order_and_counted_phones_get_numbers(tmp_path: Path) -> None:
    phones = '[[phone]]\nname = "guest"\nat = "oak"\ncount = 3\n'
    found = load_topology(topology(tmp_path, NODE + SECOND.format(extra="") + phones))
    assert [node.ipv4 for node in found.node] == ["10.44.0.1/22", "10.45.0.1/22"]
    assert [node.ipv6 for node in found.node] == ["2001:db8:44::1/64", "2001:db8:45::1/64"]
    assert [phone.name for phone in found.phone] == ["guest-1", "guest-2", "guest-3"]


@pytest.mark.parametrize(
    ("text", "key", "fault"),
    [
        ("", "node", "missing"),
        ("nonsense", "file", "not TOML"),
        (NODE + 'colour = "red"\n', "node[0].uplink.colour", "unknown key"),
        (NODE.replace("down_mbit = 20", "down_mbit = 0"), "node[0].uplink.down_mbit", "carries nothing"),
        (NODE.replace("up_mbit = 5", "up_mbit = -1"), "node[0].uplink.up_mbit", "carries nothing"),
        (NODE.replace("up_mbit = 5\n", ""), "node[0].uplink.up_mbit", "missing"),
        (ASH, "node", "no node has an uplink"),
        (NODE + ASH, "node[1]", "nothing links 'ash' to a gateway"),
        (NODE + ASH + LINK.replace("elm", "oak"), "link[0].a", "no node 'oak'"),
        (NODE + ASH + LINK + LINK.replace("elm", "ash"), "link[1].b", "cannot be linked to itself"),
        (NODE + ASH + LINK + '[[link]]\na = "ash"\nb = "elm"\n', "link[1]", "linked already"),
        (NODE + ASH + LINK + "loss = 101\n", "link[0].loss", "no percentage"),
        (NODE + ASH + LINK + "cost = 7\n", "link[0].cost", "unknown key"),
        (NODE + '[node.mesh]\ndevices = ["eth9"]\n', "node[0].mesh.devices", "the lab itself sets it"),
        (NODE.replace('"elm"', '"Elm tree"'), "node[0].name", "not a name"),
        (NODE.replace('"elm"', '"internet"'), "node[0].name", "is also"),
        (NODE + NODE.replace("hub = true\n", ""), "node[1].name", "is also"),
        (NODE + NODE.replace("elm", "oak"), "node", "both the hub"),
        (NODE + '[[phone]]\nname = "amal"\nat = "oak"\n', "phone 'amal'.at", "no node 'oak'"),
        (NODE + '[[phone]]\nname = "elm"\nat = "elm"\n', "phone 'elm'.name", "is also"),
        (NODE + '[[phone]]\nname = "a"\nat = "elm"\nclient = "pump"\n', "phone[0].client", "unknown"),
        (NODE + '[[phone]]\nname = "a"\nat = "elm"\ncount = -2\n', "phone 'a'.count", "-2 phones"),
        (NODE + '[[phone]]\nname = "a"\nat = "elm"\ncount = 9999\n', "phone", "too many"),
        (NODE + SECOND.format(extra='ipv4 = "10.44.1.1/24"\n'), "node[1].ipv4", "overlaps node[0].ipv4"),
        (NODE + SECOND.format(extra='ipv4 = "198.18.4.1/24"\n'), "node[1].ipv4", "overlaps the lab's internet"),
        (NODE + SECOND.format(extra='ipv6 = "10.9.0.1/24"\n'), "node[1].ipv6", "not an IPv6"),
        (NODE + SECOND.format(extra='ipv4 = "10.9.0.1"\n'), "node[1].ipv4", "with its prefix"),
        ('[internet]\nipv4 = "here"\n' + NODE, "internet", "here"),
        ('[lab]\nname = "../etc"\n' + NODE, "lab.name", "not a lab name"),
    ],
)
def test_a_topology_that_cannot_be_raised_is_named_by_file_and_key(
    tmp_path: Path, text: str, key: str, fault: str
) -> None:
    file = topology(tmp_path, text)
    with pytest.raises(TopologyError) as raised:
        load_topology(file)
    assert raised.value.file == str(file)
    assert raised.value.key == key
    assert fault in raised.value.fault
    assert raised.value.remedy.endswith(".")


def test_up_refuses_a_wrong_topology_with_exit_code_2(tmp_path: Path) -> None:
    done = CliRunner().invoke(lab, ["up", "--topology", str(topology(tmp_path, "nonsense")), "--name", "wrong"])
    assert done.exit_code == 2
    assert "Mend that line." in done.output


def test_a_nodes_doors_stand_where_its_portal_table_says(tmp_path: Path) -> None:
    text = (
        '[[node]]\nname = "elm"\nsecure = true\n[node.uplink]\ndown_mbit = 8\nup_mbit = 2\n'
        "[node.portal]\nport = 8000\nredirect_port = 8181\nhttps_port = 8443\n"
    )
    [elm] = load_topology(topology(tmp_path, text)).node
    assert page_ports(elm) == {"portal": 8000, "captive": 8181, "secure": 8443}
    assert page_ports(replace(elm, portal={}, secure=False)) == {"portal": 80, "captive": 8080}
