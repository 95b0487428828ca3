"""What the pages say."""

from __future__ import annotations

import re

import pytest
from flask.testing import FlaskClient

from meshctl.hub import wording
from meshctl.hub.housekeeping import Housekeeping
from meshctl.hub.intake import Tally
from meshctl.hub.roster import Roster
from meshctl.hub.store import Store
from meshctl.wire import Fact, Health
from tests.hub.fleet import NOON, Board, Clock, carried, write_roster


def report(client: FlaskClient, board: Board, *healths: Health) -> None:
    reply = client.post("/api/v1/reports", data=board.batch(*healths), content_type="application/json")
    assert reply.json is not None
    assert reply.json["refused"] == []


def sentence(client: FlaskClient) -> str:
    found = re.search(r"<h1>(.*?)</h1>", client.get("/").text)
    assert found
    return found[1]


def test_when_all_is_well_the_page_says_so(client: FlaskClient, elm: Board, farm: Board) -> None:
    report(client, elm, elm.health(lines=carried(1_234_567_890)))
    report(client, farm, farm.health())
    page = client.get("/").text
    assert "<h1>Both nodes are fine.</h1>" in page
    assert "1.2 GB" in page
    assert "20 Mbit/s" in page
    assert "0.997" in page


def test_a_silent_node_is_late_then_offline(client: FlaskClient, elm: Board, farm: Board, clock: Clock) -> None:
    report(client, elm, elm.health())
    report(client, farm, farm.health())
    clock.at += 179
    assert sentence(client) == "Both nodes are fine."
    report(client, farm, farm.health(sequence=2))
    clock.at += 1
    assert sentence(client) == "One thing needs you. 1 of 2 nodes is fine."
    assert "elm is late" in client.get("/").text
    clock.at += 420
    page = client.get("/").text
    assert "elm is offline" in page
    assert "whether it has power" in page


def test_a_failing_fact_comes_with_its_reason_and_remedy(client: FlaskClient, elm: Board, farm: Board) -> None:
    absent = Fact(ok=False, error="not here")
    report(client, elm, elm.health(facts={"resolver": Fact(ok=False, error="no answer"), "battery": absent}))
    report(client, farm, farm.health())
    page = client.get("/").text
    assert "One thing needs you. 1 of 2 nodes is fine." in page
    assert "elm cannot look up names" in page
    assert "no answer" in page
    assert "Restart dnsmasq" in page
    assert "battery" not in page


def test_repairs_of_the_last_hour_are_said_and_older_ones_are_not(
    client: FlaskClient, elm: Board, farm: Board, clock: Clock
) -> None:
    report(client, farm, farm.health(repairs=7))
    report(client, elm, elm.health(), elm.health(sequence=2, repairs=2))
    assert "elm repaired its own rules twice in the last hour" in client.get("/").text
    clock.at += 3601
    report(client, elm, elm.health(sequence=3, repairs=2))
    assert "repaired" not in client.get("/").text


def test_a_node_on_the_list_that_never_reported_is_shown(client: FlaskClient, elm: Board) -> None:
    report(client, elm, elm.health())
    page = client.get("/").text
    assert "farm has never reported" in page
    assert "not heard yet" in page


def test_a_node_that_left_the_list_is_not_shown(client: FlaskClient, elm: Board, roster_file: object) -> None:
    report(client, elm, elm.health(lines=carried(5)))
    write_roster(roster_file, [])  # type: ignore[arg-type]
    page = client.get("/").text
    assert "No node is on the list yet." in page
    assert "elm" not in re.sub("Elm Street", "", page)


def test_a_list_that_cannot_be_used_is_the_first_thing_to_do(
    client: FlaskClient, elm: Board, farm: Board, roster_file: object
) -> None:
    report(client, elm, elm.health())
    report(client, farm, farm.health())
    roster_file.write_text("{")  # type: ignore[attr-defined]
    assert sentence(client) == "One thing needs you. All nodes report."
    assert "roster.json" in client.get("/").text


def test_a_clock_that_is_not_trusted_is_shown_with_its_uncertainty(
    client: FlaskClient, elm: Board, clock: Clock
) -> None:
    report(client, elm, elm.health(wall=40.0, trusted=False))
    clock.at += 130
    report(client, elm, elm.health(sequence=2, wall=170.0, trusted=False))
    page = client.get("/").text
    assert "± 3 min" in page
    assert "clock unsure" in page
    assert "1970" not in page


def test_when_the_hubs_own_clock_went_back_nobody_is_called_fine(
    client: FlaskClient, elm: Board, farm: Board, clock: Clock
) -> None:
    report(client, elm, elm.health())
    report(client, farm, farm.health())
    clock.at = 100.0
    assert sentence(client) == "Two things need you. None of 2 nodes is fine."
    assert "clock went back" in client.get("/").text


def test_scripts_read_the_same_as_people(client: FlaskClient, elm: Board) -> None:
    report(client, elm, elm.health(lines=carried(70, 3)))
    for reply in (client.get("/?json"), client.get("/", headers={"Accept": "application/json"})):
        table = reply.json
        assert table is not None
        assert table["sentence"] == "One thing needs you. 1 of 2 nodes is fine."
        assert table["lines"][0]["carried"] == 70
    nodes = client.get("/api/v1/nodes").json
    assert nodes is not None
    assert [node["state"] for node in nodes["nodes"]] == ["fine", "unheard"]
    assert nodes["nodes"][0]["facts"]["temperature"]["value"] == 41.0
    assert "key" not in nodes["nodes"][0]


def test_what_a_node_says_is_never_markup(client: FlaskClient, elm: Board) -> None:
    report(client, elm, elm.health(version="<script>", facts={"<b>": Fact(ok=False, error="<i>x</i>")}))
    page = client.get("/").text
    assert "<script>" not in page
    assert "<b>" not in page
    assert "<i>" not in page


@pytest.mark.parametrize("address", ["/", "/public", "/public.json", "/health", "/api/v1/nodes", "/nowhere"])
def test_every_reply_is_strict(client: FlaskClient, address: str) -> None:
    reply = client.get(address)
    assert reply.headers["Content-Security-Policy"].startswith("default-src 'none'; style-src 'sha256-")
    assert reply.headers["X-Content-Type-Options"] == "nosniff"
    assert "Set-Cookie" not in reply.headers
    assert not re.search(r"https?://|<script|javascript:|style=", reply.text)


def test_health_says_whether_the_database_answers(client: FlaskClient) -> None:
    assert client.get("/health").status_code == 200


def test_a_public_figure_about_few_is_withheld(client: FlaskClient, elm: Board) -> None:
    report(client, elm, elm.health(homes=1, guests=2, lines=carried(0)))
    report(client, elm, elm.health(sequence=2, homes=1, guests=2, lines=carried(10**9)))
    page = client.get("/public").text
    assert "Fewer than 5 homes and fewer than 5 guests" in page
    assert "Too few people to publish." in page
    table = client.get("/public.json").json
    assert table is not None
    assert (table["homes"], table["guests"], table["down_bytes"]) == ("fewer than 5", "fewer than 5", None)
    assert table["withheld"] == ["down_bytes", "up_bytes"]
    assert table["licence"] == "CC0-1.0"


def test_public_totals_are_rounded_and_the_same_for_people_and_programs(
    client: FlaskClient, store: Store, roster: Roster, tally: Tally, clock: Clock, elm: Board, farm: Board
) -> None:
    for board in (elm, farm):
        report(client, board, board.health(homes=4, guests=9, lines=carried(0)))
        report(client, board, board.health(sequence=2, homes=4, guests=9, lines=carried(617_283_000, 61_111)))
    Housekeeping(store, roster, tally, clock).turn(0)
    table = client.get("/public.json").json
    assert table is not None
    assert (table["homes"], table["guests"]) == (10, 20)
    assert (table["down_bytes"], table["up_bytes"]) == (1_200_000_000, 120_000)
    page = client.get("/public").text
    assert "1.2 GB" in page
    assert "617" not in page
    assert "elm" not in re.sub("Elm Street", "", page)


def test_housekeeping_outlives_a_store_that_does_not_answer(
    store: Store, roster: Roster, tally: Tally, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    from meshctl.hub.schema import metadata  # noqa: PLC0415

    metadata.drop_all(store._engine)
    tally.add("bad-signature")
    Housekeeping(store, roster, tally, clock).turn(0)
    assert tally.pending() == {"bad-signature": 1}
    assert "put off" in caplog.text


@pytest.mark.parametrize(
    ("amount", "words"),
    [
        (0, "0 bytes"),
        (999, "999 bytes"),
        (1000, "1.0 kB"),
        (31_400_000, "31 MB"),
        (999_600, "1.0 MB"),
        (2e18, "2000 PB"),
    ],
)
def test_sizes_read_well(amount: float, words: str) -> None:
    assert wording.size(amount) == words


def test_times_say_the_day_when_it_is_not_today() -> None:
    assert re.fullmatch(r"\d\d:\d\d", wording.moment(NOON, NOON))
    assert re.fullmatch(r"\d+ \w{3} \d\d:\d\d", wording.moment(NOON + 30 * 86_400, NOON + 40 * 86_400))
    first = wording.moment(-1e18, NOON)
    assert first == wording.moment(0.0, NOON)
    assert re.fullmatch(r"(31 Dec 1969|1 Jan 1970) \d\d:\d\d", first), "which of the two, the hub's time zone says"
    assert wording.about(0) == "1 min"
    assert wording.about(7200) == "2 h"
    assert wording.about(60.01) == "1 min"
    assert wording.about(3590) == "60 min"
    assert wording.about(1e6) == "12 days"


def test_a_line_named_after_its_node_does_not_say_so_twice() -> None:
    assert wording.line_name("elm-uplink", "elm") == "elm uplink"
    assert wording.line_name("uplink", "elm") == "elm uplink"
