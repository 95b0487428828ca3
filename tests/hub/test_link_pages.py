"""What the dashboard says of links and ways out, on both engines."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from meshctl.hub.links import HeldLink
from meshctl.hub.store import Signed, Store
from meshctl.wire import Fact, LinkState
from tests.hub.fleet import MESH, NOON, Board, Clock, link, write_roster

MINUTE = 60


class Street:
    """elm, with the line, - oak - yew, each reporting once a minute."""

    def __init__(self, client: FlaskClient, clock: Clock, roster_file: Path) -> None:
        self.client, self.clock = client, clock
        self.boards = {name: Board(name) for name in ("elm", "oak", "yew")}
        self.sequence = dict.fromkeys(self.boards, 0)
        write_roster(roster_file, self.boards.values())

    def report(self, name: str, *links: LinkState, gateway: str | None = "elm", **changes: Any) -> None:
        self.sequence[name] += 1
        health = self.boards[name].health(
            sequence=self.sequence[name], wall=self.clock.at, gateway=gateway, links=links, **{"facts": MESH, **changes}
        )
        body = self.boards[name].batch(health)
        reply = self.client.post("/api/v1/reports", data=body, content_type="application/json")
        assert reply.json is not None
        assert reply.json["refused"] == []

    def fine(self) -> None:
        self.report("elm", link("oak", rtt_ms=0.41))
        self.report("oak", link("elm", reach=0.9375), link("yew", device="mesh1"), via="elm")
        self.report("yew", link("oak"), via="oak")

    def settle(self) -> None:
        for _ in range(4):
            self.fine()
            self.clock.at += MINUTE
        self.fine()

    @property
    def page(self) -> str:
        return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", self.client.get("/").text))

    @property
    def sentence(self) -> str:
        found = re.search(r"<h1>(.*?)</h1>", self.client.get("/").text)
        assert found
        return found[1]


@pytest.fixture
def street(client: FlaskClient, clock: Clock, roster_file: Path) -> Street:
    return Street(client, clock, roster_file)


def test_links_are_shown_with_both_ends_and_drawn(street: Street) -> None:
    street.settle()
    page = street.page
    assert street.sentence == "All 3 nodes are fine."
    assert "elm – oak fine since" in page  # noqa: RUF001  # as people write it
    assert "100 % / 94 %" in page
    assert "96 / 96" in page
    assert "0.41 ms" in page
    assert "its own line" in page
    assert "elm over oak" in page
    assert "elm gateway" in page
    assert street.client.get("/").text.count("<line ") == 2


def test_scripts_read_the_links_and_the_ways_out(street: Street) -> None:
    street.settle()
    table = street.client.get("/?json").json
    assert table is not None
    first = table["links"][0]
    assert (first["nodes"], first["state"], first["since"]) == (["elm", "oak"], "fine", NOON)
    assert first["ends"][1] == {"node": "oak", "heard": 0.9375, "cost": 96, "rtt_ms": None}
    ways = [(node["name"], node["gateway"], node["via"], node["gateway_since"]) for node in table["nodes"]]
    assert ways == [("elm", "elm", None, NOON), ("oak", "elm", "elm", NOON), ("yew", "elm", "oak", NOON)]


def test_a_cut_link_is_down_since_it_was_lost_and_fine_after_it_healed(street: Street) -> None:
    street.settle()
    street.clock.at += MINUTE
    street.report("elm")
    street.report("oak", link("yew", device="mesh1"), gateway=None)
    street.report("yew", link("oak"), gateway=None)
    assert "The link elm – oak is down since" in street.page  # noqa: RUF001
    assert "Neither end hears the other. Traffic takes another way" in street.page
    assert "oak has no gateway since" in street.page
    assert "yew has no gateway since" in street.page
    assert street.sentence == "Three things need you. 1 of 3 nodes is fine."
    street.clock.at += MINUTE
    street.report("elm", link("oak"))
    assert "elm – oak new since" in street.page  # noqa: RUF001
    street.fine()
    assert "elm – oak fine since" in street.page  # noqa: RUF001
    assert street.sentence == "All 3 nodes are fine."


def test_a_poor_link_says_who_hears_what(street: Street) -> None:
    street.settle()
    street.clock.at += MINUTE
    street.report("elm", link("oak", reach=0.5, cost=190))
    page = street.page
    assert "The link elm – oak is poor since" in page  # noqa: RUF001
    assert "elm hears 50 % of oak&#39;s greetings, oak hears 94 % of elm&#39;s greetings." in page
    assert street.sentence == "One thing needs you. All nodes report."


def test_a_node_that_lost_all_its_links_is_one_thing_to_do_from_the_first_minute(street: Street) -> None:
    street.settle()
    street.clock.at += MINUTE
    street.report("elm", link("oak"))
    street.report("oak", link("elm"), via="elm")
    page = street.page
    assert "yew is cut off since" in page
    assert "oak heard it until then, and it has not reported since." in page
    assert "is down" not in page
    assert street.sentence == "One thing needs you. 2 of 3 nodes are fine."
    for _ in range(10):
        street.clock.at += MINUTE
        street.report("elm", link("oak"))
        street.report("oak", link("elm"), via="elm")
    assert "yew is offline since" in street.page
    assert "and oak no longer hears it: no power, or no link." in street.page
    assert street.sentence == "One thing needs you. 2 of 3 nodes are fine."


def test_a_node_that_its_neighbours_still_hear_has_power(street: Street) -> None:
    street.settle()
    for _ in range(10):
        street.clock.at += MINUTE
        street.report("elm", link("oak"))
        street.report("oak", link("elm"), link("yew", device="mesh1"), via="elm")
    page = street.page
    assert "yew is offline since" in page
    assert "but oak still hears it: it has power." in page
    assert "over the mesh" in page
    assert "yew does not tell" in page
    assert street.sentence == "One thing needs you. 2 of 3 nodes are fine."


def test_when_nobody_has_a_gateway_that_is_one_thing_to_do(street: Street) -> None:
    street.settle()
    street.clock.at += MINUTE
    street.report("elm", link("oak"), gateway=None)
    street.report("oak", link("elm"), link("yew", device="mesh1"), gateway=None)
    street.report("yew", link("oak"), gateway=None)
    page = street.page
    assert "No node has a gateway since" in page
    assert "elm, oak and yew report, and none finds a way to the internet." in page
    assert street.sentence == "One thing needs you. All nodes report."


def test_a_node_that_cannot_hear_its_babeld_says_so_and_its_links_are_told_by_the_others(street: Street) -> None:
    street.settle()
    street.clock.at += MINUTE
    blind = {**MESH, "babel": Fact(ok=False, error="babeld does not answer on [::1]:33123: refused.")}
    street.report("oak", gateway=None, facts=blind)
    street.report("elm", link("oak"))
    street.report("yew", link("oak"), via="oak")
    page = street.page
    assert "oak does not hear its babeld" in page
    assert "Start babeld on the node" in page
    assert "has no gateway" not in page
    assert "is down" not in page
    assert street.sentence == "One thing needs you. 2 of 3 nodes are fine."


def test_a_node_without_a_mesh_shows_no_links_and_misses_no_gateway(
    client: FlaskClient, elm: Board, farm: Board
) -> None:
    for board in (elm, farm):
        client.post("/api/v1/reports", data=board.batch(board.health()), content_type="application/json")
    page = client.get("/").text
    assert "Both nodes are fine." in page
    assert "Links" not in page
    assert "goes out by" not in page


def test_the_public_page_knows_no_links(street: Street) -> None:
    street.settle()
    for address in ("/public", "/public.json"):
        words = street.client.get(address).text
        assert not re.search(r"\b(oak|yew|links?|babel|cost|heard)\b", words.partition("</style>")[2] or words)


def test_what_a_node_says_of_its_links_is_never_markup(street: Street) -> None:
    street.settle()
    street.clock.at += MINUTE
    street.report("elm", link("<b>oak"), link("oak", device="<i>"), gateway="<u>x", via="<s>x")
    page = street.client.get("/").text
    assert not re.search(r"<b>|<i>|<u>|<s>", page)
    assert (
        street.client.get("/").headers["Content-Security-Policy"].startswith("default-src 'none'; style-src 'sha256-")
    )
    assert "style=" not in page


def test_links_are_held_forgotten_with_a_new_key_and_purged_when_long_gone(store: Store, elm: Board) -> None:
    def hold(board: Board, sequence: int, *links: LinkState, at: float = NOON) -> None:
        health = board.health(sequence=sequence, facts=MESH, links=links, gateway="oak", via="oak", wall=at)
        store.hold({board.name: Signed(board.public, (health,))}, at)

    hold(elm, 1, link("oak", rtt_ms=1.5), link("yew", device="mesh1"))
    hold(elm, 2, link("oak", rtt_ms=1.5), at=NOON + 60)
    assert store.links() == [
        HeldLink("elm", "oak", "mesh0", 1.0, 96, 1.5, True, NOON),
        HeldLink("elm", "yew", "mesh1", 0.0, 65535, None, False, NOON + 60),
    ]
    assert (store.standings()[0].gateway, store.standings()[0].gateway_since) == ("oak", NOON)
    store.purge(NOON + 60)
    assert len(store.links()) == 2
    store.purge(NOON + 61)
    assert [one.far for one in store.links()] == ["oak"]
    hold(Board("elm", seed=2), 1)
    assert store.links() == []
