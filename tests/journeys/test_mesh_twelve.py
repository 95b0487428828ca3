"""Twelve nodes in a ring with sixty phones, on whatever processors there are."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from meshctl.lab.topology import MESH
from tests.journeys.street import SITE4, SITE6, Street

pytestmark = pytest.mark.patient


@pytest.fixture
def twelve(stand: Callable[[str], Street]) -> Street:
    return stand(MESH.with_name("ring.toml").read_text(encoding="utf-8"))


def nodes(street: Street) -> list[str]:
    return [member["name"] for member in street.lab.status()["members"] if member["kind"] == "node"]


def phones_of(street: Street, node: str) -> list[str]:
    return [member["name"] for member in street.lab.status()["members"] if member.get("at") == node]


def test_every_phone_of_every_node_joins_and_reaches_the_internet_over_both_families(twelve: Street) -> None:
    names = nodes(twelve)
    assert len(names) == 12
    crowd = {node: phones_of(twelve, node) for node in names}
    assert sum(map(len, crowd.values())) == 60
    for node, phones in crowd.items():
        portal = str(twelve.lab.member(node)["ipv4"])
        joined = twelve.lab.module("meshctl.lab.traffic", "join", *phones, "--portal", portal)
        assert joined["failed"] == 0, node
    for phones in crowd.values():
        for phone in phones:
            assert twelve.fetch(phone, f"http://{SITE4}/generate_204") == "204 0", phone
            assert twelve.fetch(phone, f"http://[{SITE6}]/generate_204") == "204 0", phone


def test_a_phone_roams_once_round_the_ring(twelve: Street) -> None:
    names = nodes(twelve)
    phone = phones_of(twelve, names[0])[0]
    twelve.press(phone, "join")
    for node in (*names[1:], names[0]):
        twelve.lab.roam(phone, node)
        assert twelve.online(phone), node


def test_the_ring_gets_over_a_cut_and_a_node_without_power(twelve: Street) -> None:
    names = nodes(twelve)
    phone = phones_of(twelve, names[3])[0]
    twelve.press(phone, "join")
    twelve.lab.cut_link(names[1], names[2])
    twelve.until(lambda: twelve.online(phone), 30)
    twelve.lab.wait_ready()
    twelve.lab.heal_link(names[1], names[2])
    twelve.lab.power_off(names[4])
    twelve.until(lambda: twelve.online(phone), 60)
    twelve.lab.wait_ready()
    twelve.lab.power_on(names[4])
    assert twelve.online(phone)
